//! What is sent is what arrives, however it is cut, and however slowly it is read.

use crate::pattern::Pattern;
use crate::recorder::What;
use crate::world::{Setup, World};
use enchufe_talk::options::SocketOption;
use enchufe_talk::services::Echo;
use enchufe_talk::session::MOST_QUEUED;
use enchufe_talk::{Actions, Event, Service};

pub(crate) fn an_echo_is_the_same_however_the_message_is_cut<W: World>(world: &W) {
    let message = b"hola, enchufe!";
    for cut in 1..message.len() {
        let report = world.run(&Echo, &Setup::default(), |server| {
            let mut peer = server.connect();
            let (first, second) = message.split_at(cut);
            // The first piece is back before the second goes.
            peer.expect_echo(first);
            peer.expect_echo(second);
        });
        report.expect(1, "PeerFinished");
        let length = message.len() as u64;
        assert_eq!((report.only().received, report.only().sent, report.only().unsent), (length, length, 0));
    }
}

pub(crate) fn messages_sent_together_come_back_together_and_in_order<W: World>(world: &W) {
    world.run(&Echo, &Setup::default(), |server| {
        let mut peer = server.connect();
        peer.expect_echo(b"one\ntwo\nthree\n");
        for message in ["a", "bb", "ccc"] {
            peer.send(message.as_bytes()).unwrap();
        }
        assert_eq!(peer.read_exact(6), b"abbccc");
    });
}

pub(crate) fn every_value_of_a_byte_comes_back_unchanged<W: World>(world: &W) {
    world.run(&Echo, &Setup::default(), |server| {
        let mut peer = server.connect();
        let all: Vec<u8> = (0..=255).collect();
        peer.expect_echo(&all);
        peer.expect_echo(b"\0\0\0");
        peer.expect_echo(b"\xFF\xFB\xFF\xFF");
    });
}

pub(crate) fn a_long_stream_comes_back_byte_for_byte<W: World>(world: &W) {
    let report = world.run(&Echo, &Setup::default(), |server| {
        let mut peer = server.connect();
        peer.exchange(&Pattern::new(), world.long());
        peer.half_close();
        assert_eq!(peer.read_to_end(), b"");
    });
    report.expect(1, "PeerFinished");
    assert_eq!(report.only().sent, world.long() as u64);
}

pub(crate) fn the_answer_is_complete_after_the_peers_end<W: World>(world: &W) {
    let bytes = Pattern::new().bytes(20_000);
    let report = world.run(&Echo, &Setup::default(), |server| {
        let mut peer = server.connect();
        // What does not fit yet would wait for this peer to read.
        let sent = peer.send_until_stuck(&bytes);
        peer.half_close();
        assert_eq!(peer.read_to_end(), bytes[..sent]);
    });
    report.expect(1, "PeerFinished");
    assert_eq!(report.of(1).iter().filter(|what| matches!(what, What::PeerEnded)).count(), 1);
}

pub(crate) fn an_empty_connection_ends_in_order<W: World>(world: &W) {
    let report = world.run(&Echo, &Setup::default(), |server| {
        server.connect().close();
        server.wait_closed(1);
        let mut peer = server.connect();
        peer.half_close();
        assert_eq!(peer.read_to_end(), b"");
    });
    for id in [1, 2] {
        report.expect(id, "PeerFinished");
        assert_eq!((report.outcome(id).received, report.outcome(id).sent), (0, 0));
    }
}

pub(crate) fn three_hundred_quick_connections_are_all_served<W: World>(world: &W) {
    let report = world.run(&Echo, &Setup::default(), |server| {
        for number in 0..300 {
            let message = format!("message {number}");
            server.connect().expect_echo(message.as_bytes());
        }
    });
    assert_eq!(report.summary.served, 300);
    assert!(report.outcomes().iter().all(|(_, outcome)| outcome.reason == "PeerFinished"));
}

pub(crate) fn connections_at_once_get_their_own_bytes<W: World>(world: &W) {
    const PEERS: usize = 40;
    world.run(&Echo, &Setup::default(), |server| {
        let mut peers: Vec<_> = (0..PEERS).map(|_| server.connect()).collect();
        for (number, peer) in peers.iter_mut().enumerate() {
            peer.send(format!("I am {number}").as_bytes()).unwrap();
            // Where one is served after another, its turn comes after the end of those before it.
            peer.half_close();
        }
        for (number, peer) in peers.iter_mut().enumerate() {
            assert_eq!(peer.read_to_end(), format!("I am {number}").as_bytes());
        }
    });
}

pub(crate) fn a_peer_that_does_not_read_is_held_back_and_loses_nothing<W: World>(world: &W) {
    let bytes = Pattern::new().bytes(8 << 20);
    let report = world.run(&Echo, &Setup::default().narrow(), |server| {
        let mut peer = server.connect();
        let sent = peer.send_until_stuck(&bytes);
        assert!(sent < bytes.len(), "a peer that reads nothing sent all it had");
        let back = peer.read_exact(sent);
        Pattern::new().expect(0, &back);
        // And it goes on.
        peer.expect_echo(b"more");
    });
    report.expect(1, "PeerFinished");
    assert_eq!(report.only().unsent, 0);
}

pub(crate) fn what_is_lent_for_a_peer_that_does_not_read_is_bounded<W: World>(world: &W) {
    const READ: usize = 512;
    let setup = Setup::with(|limits| limits.read_size = READ).narrow();
    let bytes = vec![b'x'; 8 << 20];
    let report = world.run(&Echo, &setup, |server| {
        let mut peer = server.connect();
        let sent = peer.send_until_stuck(&bytes);
        assert!(sent < bytes.len(), "a peer that reads nothing sent all it had");
        peer.reset();
        server.wait_closed(1);
    });
    report.expect(1, "Reset");
    let outcome = report.only();
    assert_eq!(outcome.received, outcome.sent + outcome.unsent);
    assert!(outcome.unsent <= world.most_lent(READ) as u64, "{outcome:?}");
}

/// Answers each byte with many.
struct Amplify;

const FACTOR: usize = 256;

impl Service for Amplify {
    type State = ();

    fn event(&self, (): &mut (), event: Event<'_>, actions: &mut Actions) {
        if let Event::Bytes(bytes) = event {
            actions.send(vec![b'x'; bytes.len() * FACTOR]);
        }
    }
}

pub(crate) fn what_is_queued_for_a_peer_that_does_not_read_is_bounded<W: World>(world: &W) {
    const READ: usize = 64;
    let setup = Setup::with(|limits| limits.read_size = READ).narrow();
    let bytes = vec![b'x'; 512 * 1024];
    let report = world.run(&Amplify, &setup, |server| {
        let mut peer = server.connect();
        let sent = peer.send_until_stuck(&bytes);
        assert!(sent < bytes.len(), "a peer that reads nothing sent all it had");
        peer.reset();
        server.wait_closed(1);
    });
    report.expect(1, "Reset");
    let outcome = report.only();
    assert_eq!(outcome.received * FACTOR as u64, outcome.sent + outcome.unsent);
    assert!(outcome.unsent <= (MOST_QUEUED + world.largest_piece(READ) * FACTOR) as u64, "{outcome:?}");
}

/// Puts brackets around each half of what came, the second half first.
struct Halves;

impl Service for Halves {
    type State = ();

    fn event(&self, (): &mut (), event: Event<'_>, actions: &mut Actions) {
        match event {
            Event::Bytes(bytes) => {
                let middle = bytes.len() / 2;
                actions.answer(&b"["[..]);
                // A range beyond the bytes is cut to them.
                actions.send_received(middle..usize::MAX);
                actions.answer(&b"]["[..]);
                actions.send_received(0..middle);
                actions.answer(&b"]"[..]);
            }
            Event::PeerEnded => actions.close(),
            _ => {}
        }
    }
}

pub(crate) fn pieces_of_what_came_and_own_bytes_keep_their_order<W: World>(world: &W) {
    // Nagle's algorithm would have each piece of an answer wait for the one before.
    let setup = Setup { options: vec![SocketOption::NoDelay(true)], ..Setup::default() };
    let report = world.run(&Halves, &setup, |server| {
        let mut peer = server.connect();
        for byte in b'a'..=b'z' {
            peer.send(&[byte]).unwrap();
            assert_eq!(peer.read_exact(5), [b'[', byte, b']', b'[', b']']);
        }
        peer.send(b"12345678").unwrap();
        peer.half_close();
        // Each read that brought a part of it is answered for itself; nothing is lost or doubled.
        let mut digits: Vec<u8> = peer.read_to_end();
        digits.retain(u8::is_ascii_digit);
        digits.sort_unstable();
        assert_eq!(digits, b"12345678");
    });
    report.expect(1, "PeerFinished");
    let told: u64 =
        report.of(1).iter().map(|what| if let What::Answered(count) = what { *count } else { 0 }).sum();
    let returned: u64 =
        report.of(1).iter().map(|what| if let What::Returning(count) = what { *count } else { 0 }).sum();
    assert_eq!(told + returned, report.only().sent);
}
