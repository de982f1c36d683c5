//! Ends that are not the usual one, pauses, and timers.

use super::SOON;
use crate::pattern::Pattern;
use crate::recorder::What;
use crate::world::{Setup, World};
use enchufe_talk::services::Echo;
use enchufe_talk::{Actions, Event, Service};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

pub(crate) fn a_client_that_reset_before_it_was_accepted_does_no_harm<W: World>(world: &W) {
    let setup = Setup { held: true, ..Setup::default() };
    let report = world.run(&Echo, &setup, |server| {
        let mut first = server.connect();
        first.send(b"too late").unwrap();
        first.reset();
        let mut second = server.connect();
        server.go();
        second.expect_echo(b"hola");
    });
    report.expect(1, "Reset");
    report.expect(2, "PeerFinished");
}

pub(crate) fn a_reset_ends_its_connection_and_no_other<W: World>(world: &W) {
    let report = world.run(&Echo, &Setup::default(), |server| {
        let mut first = server.connect();
        let mut second = server.connect();
        first.expect_echo(b"one");
        let id = server.accepted(&*first);
        first.reset();
        server.wait_closed(id);
        second.expect_echo(b"two");
    });
    report.expect(1, "Reset");
    report.expect(2, "PeerFinished");
}

/// Sends more than any kernel keeps.
struct Flood;

const MUCH: usize = 32 << 20;

impl Service for Flood {
    type State = ();

    fn event(&self, (): &mut (), event: Event<'_>, actions: &mut Actions) {
        if let Event::Opened(_) = event {
            actions.send(vec![b'x'; MUCH]);
            actions.close();
        }
    }
}

pub(crate) fn a_reset_while_output_waits_says_what_was_not_sent<W: World>(world: &W) {
    let report = world.run(&Flood, &Setup::default().narrow(), |server| {
        let mut peer = server.connect();
        peer.read_exact(1);
        peer.reset();
        server.wait_closed(1);
    });
    report.expect(1, "Reset");
    let outcome = report.only();
    assert!(outcome.unsent > 0 && outcome.sent + outcome.unsent == MUCH as u64, "{outcome:?}");
}

/// Ends its direction at once and takes what comes.
struct EndsEarly;

impl Service for EndsEarly {
    type State = ();

    fn event(&self, (): &mut (), event: Event<'_>, actions: &mut Actions) {
        match event {
            Event::Opened(_) => {
                actions.answer(&b"only this"[..]);
                actions.half_close();
                actions.answer(&b"nothing can be sent after FIN"[..]);
            }
            Event::Bytes(bytes) => actions.send_received(0..bytes.len()),
            Event::PeerEnded => actions.close(),
            _ => {}
        }
    }
}

pub(crate) fn a_service_that_half_closes_early_goes_on_reading<W: World>(world: &W) {
    let report = world.run(&EndsEarly, &Setup::default(), |server| {
        let mut peer = server.connect();
        assert_eq!(peer.read_to_end(), b"only this");
        peer.send(&Pattern::new().bytes(100_000)).unwrap();
    });
    report.expect(1, "OwnEnd");
    assert_eq!((report.only().received, report.only().sent), (100_000, 9));
    assert_eq!(report.count(|what| matches!(what, What::Discarded(_))), 0);
}

/// Pauses at the first bytes until the case lets it go on.
#[derive(Default)]
struct Pauses {
    /// It half-closes and pauses before the first bytes.
    at_once: bool,
    goes_on: AtomicBool,
    paused: AtomicBool,
    looked: AtomicUsize,
    while_paused: AtomicUsize,
    /// All that came.
    heard: Mutex<Vec<u8>>,
}

impl Pauses {
    const LOOKS: Duration = Duration::from_millis(1);

    fn pause(&self, actions: &mut Actions) {
        self.paused.store(true, Ordering::SeqCst);
        actions.pause_reading();
        actions.timer(Self::LOOKS);
    }
}

impl Service for Pauses {
    /// Whether it has paused.
    type State = bool;

    fn event(&self, paused: &mut bool, event: Event<'_>, actions: &mut Actions) {
        if let Event::Bytes(bytes) = event {
            self.heard.lock().unwrap().extend_from_slice(bytes);
        }
        match event {
            Event::Opened(_) if self.at_once => {
                *paused = true;
                actions.half_close();
                self.pause(actions);
            }
            Event::Bytes(bytes) if self.paused.load(Ordering::SeqCst) => {
                self.while_paused.fetch_add(bytes.len(), Ordering::SeqCst);
            }
            Event::Bytes(_) if !*paused => {
                *paused = true;
                self.pause(actions);
            }
            Event::Timer if self.goes_on.load(Ordering::SeqCst) => {
                self.paused.store(false, Ordering::SeqCst);
                actions.resume_reading();
            }
            Event::Timer => {
                self.looked.fetch_add(1, Ordering::SeqCst);
                actions.timer(Self::LOOKS);
            }
            Event::PeerEnded => actions.close(),
            _ => {}
        }
    }
}

/// One read may have been under way when it paused.
const READ: usize = 1000;

pub(crate) fn what_comes_during_a_pause_waits_for_its_end<W: World>(world: &W) {
    let service = Pauses::default();
    let bytes = Pattern::new().bytes(4 << 20);
    let setup = Setup::with(|limits| limits.read_size = READ).narrow();
    let mut total = 1;
    let report = world.run(&service, &setup, |server| {
        let mut peer = server.connect();
        peer.send(b"1").unwrap();
        server.wait_received(1, 1);
        let sent = peer.send_until_stuck(&bytes);
        assert!(sent < bytes.len(), "a peer that is not read from sent all it had");
        total += sent;
        assert!(service.while_paused.load(Ordering::SeqCst) <= world.largest_piece(READ));
        service.goes_on.store(true, Ordering::SeqCst);
        server.wait_received(1, total as u64);
    });
    report.expect(1, "PeerFinished");
    assert_eq!(report.only().received, total as u64);
    assert!(service.heard.into_inner().unwrap()[1..] == bytes[..total - 1], "in order");
}

pub(crate) fn a_reset_is_seen_during_a_pause<W: World>(world: &W) {
    let report = world.run(&Pauses::default(), &Setup::default(), |server| {
        let mut peer = server.connect();
        peer.send(b"1").unwrap();
        server.wait_received(1, 1);
        peer.reset();
        server.wait_closed(1);
    });
    report.expect(1, "Reset");
}

pub(crate) fn a_pause_holds_when_both_directions_are_over<W: World>(world: &W) {
    let service = Pauses { at_once: true, ..Pauses::default() };
    let setup = Setup::with(|limits| limits.read_size = READ);
    let mut sent = 0;
    let report = world.run(&service, &setup, |server| {
        let mut peer = server.connect();
        assert_eq!(peer.read_to_end(), b"");
        sent = peer.send_until_stuck(&[b'x'; 5 * READ]);
        drop(peer);
        // Some turns of the engine later nothing has been read yet, but for a read under way.
        let looked = service.looked.load(Ordering::SeqCst);
        server.wait("the timer", &|_| service.looked.load(Ordering::SeqCst) > looked + 5);
        assert!(service.while_paused.load(Ordering::SeqCst) <= READ);
        service.goes_on.store(true, Ordering::SeqCst);
        server.wait_closed(1);
    });
    report.expect(1, "OwnEnd");
    assert_eq!(report.only().received, sent as u64);
}

/// Asks for timers that must not come, and at last for one that must.
struct Timers;

impl Service for Timers {
    type State = u8;

    fn event(&self, seen: &mut u8, event: Event<'_>, actions: &mut Actions) {
        match event {
            Event::Opened(_) => {
                actions.timer(Duration::MAX);
                actions.timer(Duration::ZERO);
                actions.cancel_timer();
            }
            Event::Bytes(bytes) => {
                *seen = bytes[0];
                actions.timer(Duration::MAX);
                actions.timer(SOON);
            }
            Event::Timer => {
                actions.answer(vec![b't', *seen]);
                actions.close();
            }
            _ => {}
        }
    }
}

pub(crate) fn a_timer_that_is_cancelled_or_too_far_never_comes<W: World>(world: &W) {
    world.run(&Timers, &Setup::default(), |server| {
        let mut peer = server.connect();
        server.accepted(&*peer);
        peer.send(b"1").unwrap();
        assert_eq!(peer.read_to_end(), b"t1");
    });
}
