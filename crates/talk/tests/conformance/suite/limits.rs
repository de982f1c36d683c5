//! The bounds of a server, and the reason that each gives.

use super::SOON;
use crate::recorder::{Seen, What};
use crate::world::{Server, Setup, World};
use enchufe_talk::services::{Chargen, Echo};
use enchufe_talk::told::Shortage;
use std::io;
use std::time::Duration;

pub(crate) fn a_client_that_never_speaks_is_closed_at_the_first_byte_limit<W: World>(world: &W) {
    let setup = Setup::with(|limits| {
        limits.first_byte = Some(SOON);
        limits.idle = Some(Duration::from_secs(3600));
        limits.deadline = Some(Duration::from_secs(3600));
    });
    let report = world.run(&Echo, &setup, |server| {
        let mut peer = server.connect();
        // It learns of it as of any end.
        assert_eq!(peer.read_to_end(), b"");
    });
    report.expect(1, &format!("FirstByte({SOON:?})"));
}

pub(crate) fn a_client_that_falls_silent_is_closed_at_the_idle_limit<W: World>(world: &W) {
    let setup = Setup::with(|limits| {
        limits.first_byte = Some(Duration::from_secs(3600));
        limits.idle = Some(SOON);
        limits.deadline = Some(Duration::from_secs(3600));
    });
    let report = world.run(&Echo, &setup, |server| {
        let mut peer = server.connect();
        // The limit may be over before this peer had its turn.
        let _ = peer.send(b"hola");
        let _ = peer.try_read_to_end();
    });
    report.expect(1, &format!("Idle({SOON:?})"));
}

pub(crate) fn a_connection_is_closed_at_its_deadline<W: World>(world: &W) {
    let setup = Setup::with(|limits| limits.deadline = Some(SOON));
    let report = world.run(&Echo, &setup, |server| {
        let mut peer = server.connect();
        assert_eq!(peer.read_to_end(), b"");
    });
    report.expect(1, &format!("Deadline({SOON:?})"));
}

pub(crate) fn a_client_that_does_not_read_the_answer_is_closed_at_the_idle_limit<W: World>(world: &W) {
    // A handshake of TLS takes its time on a busy machine, and is none of what is looked at.
    let idle = 20 * SOON;
    let setup = Setup::with(|limits| limits.idle = Some(idle)).narrow();
    let report = world.run(&Chargen, &setup, |server| {
        let peer = server.connect();
        server.wait_closed(1);
        drop(peer);
    });
    report.expect(1, &format!("Idle({idle:?})"));
    assert!(report.only().unsent > 0);
}

pub(crate) fn limits_that_no_clock_can_hold_never_come<W: World>(world: &W) {
    let never = Some(Duration::MAX);
    let setup = Setup::with(|limits| {
        (limits.first_byte, limits.idle, limits.deadline) = (never, never, never);
        (limits.linger, limits.drain) = (Duration::MAX, Duration::MAX);
    });
    let report = world.run(&Echo, &setup, |server| {
        let mut peer = server.connect();
        peer.expect_echo(b"hola");
        server.stop().begin();
        peer.expect_echo(b"still here");
    });
    report.expect(1, "PeerFinished");
}

pub(crate) fn past_the_limit_of_connections_clients_are_reset_at_once<W: World>(world: &W) {
    // So many that a server that takes its time with each is found out.
    const TOO_MANY: u64 = 150;
    let setup = Setup::with(|limits| limits.connections = 1);
    let short = |seen: &[Seen]| {
        let is_short = |seen: &&Seen| seen.what == What::Short(Shortage::Connections(1));
        seen.iter().filter(is_short).count()
    };
    if world.one_at_a_time() {
        // Who would be too many waits instead.
        let report = world.run(&Echo, &setup, |server| {
            let mut peers = [server.connect(), server.connect()];
            for peer in &mut peers {
                peer.expect_echo(b"hola");
                peer.half_close();
            }
        });
        return assert_eq!((report.summary.served, short(&report.seen)), (2, 0));
    }
    let report = world.run(&Echo, &setup, |server| {
        let mut first = server.connect();
        first.expect_echo(b"hola");
        for number in 0..TOO_MANY {
            assert!(refused(server).is_err(), "an end in order for number {number}");
        }
        assert_eq!(short(&server.seen()), 1, "once for all of them");
        first.expect_echo(b"still here");
        drop(first);
        server.wait_closed(1);
        // There is room as soon as the end is told.
        let mut next = server.connect();
        next.expect_echo(b"hola");
        assert!(refused(server).is_err());
        server.wait("another shortage", &|seen| short(seen) == 2);
    });
    assert_eq!(report.summary.served, 2, "those without room were not served");
    assert_eq!(report.summary.cut, 0);
    for id in (2..TOO_MANY + 2).chain([TOO_MANY + 3]) {
        report.expect(id, "Limit");
    }
    report.expect(TOO_MANY + 2, "PeerFinished");
}

/// What a client hears that may learn of its reset while it connects.
fn refused(server: &dyn Server) -> io::Result<Vec<u8>> {
    server.try_connect()?.try_read_to_end()
}

pub(crate) fn after_the_limit_of_accepted_connections_nobody_is_let_in<W: World>(world: &W) {
    let setup = Setup { held: true, ..Setup::with(|limits| limits.accept = Some(1)) };
    let report = world.run(&Echo, &setup, |server| {
        let mut first = server.connect();
        let mut too_late = [server.connect(), server.connect()];
        server.go();
        first.expect_echo(b"hola");
        for peer in &mut too_late {
            assert!(peer.try_read_to_end().is_err());
        }
        server.wait_until_refused();
        first.expect_echo(b"still here");
        drop(first);
        // It ends by itself.
        server.wait_until_over();
    });
    report.expect(1, "PeerFinished");
    assert_eq!(report.summary.served, 1);
    assert_eq!(report.count(|what| *what == What::QueueCut(2)), 1);
    assert_eq!(report.summary.cut, 0, "nobody stopped it");
}
