//! The ready-made services but echo, over an engine.

use super::SOON;
use crate::pattern::Pattern;
use crate::recorder::What;
use crate::world::{Peer, Setup, World};
use enchufe_talk::services::{Chargen, Daytime, Discard, Reply, Until};
use std::time::{Duration, SystemTime};

/// Long enough to be on its way for a while.
const LONG_ANSWER: usize = 8000;

pub(crate) fn a_reply_does_not_need_the_peers_end_and_survives_what_comes_after<W: World>(world: &W) {
    let reply = Reply { answer: Pattern::new().bytes(LONG_ANSWER), until: Until::Quiet(SOON) };
    let setup = Setup::with(|limits| limits.linger = Duration::from_secs(3600));
    let report = world.run(&reply, &setup, |server| {
        let mut peer = server.connect();
        peer.send(b"well?").unwrap();
        // The answer has begun to arrive, and this peer goes on as if it had not.
        let mut answer = peer.read_exact(1);
        for _ in 0..10 {
            peer.send(&[b'x'; 1000]).unwrap();
        }
        answer.extend(peer.read_to_end());
        assert_eq!(answer, reply.answer);
        peer.send(&[b'x'; 1000]).unwrap();
    });
    report.expect(1, "OwnEnd");
    assert_eq!((report.only().received, report.only().sent), (11_005, LONG_ANSWER as u64));
    assert!(report.of(1).contains(&&What::Answered(LONG_ANSWER as u64)));
    assert!(report.of(1).contains(&&What::Discarded(11_000)));
}

pub(crate) fn a_reply_is_given_at_the_peers_end<W: World>(world: &W) {
    let reply = Reply { answer: b"yes".to_vec(), until: Until::Line };
    let report = world.run(&reply, &Setup::default(), |server| {
        let mut peer = server.connect();
        peer.send(b"no newline").unwrap();
        peer.half_close();
        assert_eq!(peer.read_to_end(), b"yes");
    });
    report.expect(1, "PeerFinished");
}

pub(crate) fn a_reply_is_given_at_a_newline_and_only_once<W: World>(world: &W) {
    let reply = Reply { answer: b"yes".to_vec(), until: Until::Line };
    let report = world.run(&reply, &Setup::default(), |server| {
        let mut peer = server.connect();
        peer.send(b"one ").unwrap();
        server.wait_received(1, 4);
        peer.send(b"line\nand another\n").unwrap();
        assert_eq!(peer.read_to_end(), b"yes");
    });
    report.expect(1, "OwnEnd");
    assert_eq!(report.count(|what| *what == What::Answered(3)), 1);
}

/// The lines of RFC 864, from the first on.
fn expect_chargen(mut text: &[u8]) {
    for line in 0_u8.. {
        for column in 0..72_u8 {
            let Some((byte, rest)) = text.split_first() else { return };
            let expected = b' ' + u8::try_from((u16::from(line % 95) + u16::from(column)) % 95).unwrap();
            assert_eq!(*byte, expected, "line {line}, column {column}");
            text = rest;
        }
        for end in b"\r\n" {
            let Some((byte, rest)) = text.split_first() else { return };
            assert_eq!(byte, end, "the end of line {line}");
            text = rest;
        }
    }
}

/// More than one turn of the pattern.
const SOME_TEXT: usize = 15_000;

pub(crate) fn chargen_goes_on_until_its_peer_is_gone<W: World>(world: &W) {
    let report = world.run(&Chargen, &Setup::default(), |server| {
        let mut peer = server.connect();
        expect_chargen(&peer.read_exact(SOME_TEXT));
        drop(peer);
        server.wait_closed(1);
    });
    report.expect(1, "Reset");
    assert!(report.only().sent >= SOME_TEXT as u64);
}

pub(crate) fn chargen_takes_what_comes_and_is_stopped<W: World>(world: &W) {
    let input = world.long() / 64;
    let setup = Setup::with(|limits| limits.drain = SOON);
    let report = world.run(&Chargen, &setup, |server| {
        let mut peer = server.connect();
        peer.read_exact(1);
        peer.send(&vec![b'x'; input]).unwrap();
        server.wait_received(1, input as u64);
        server.stop().begin();
        read_until_gone(&mut *peer);
    });
    report.expect(1, "Interrupted");
    assert_eq!((report.only().received, report.summary.cut), (input as u64, 1));
}

fn read_until_gone(peer: &mut dyn Peer) {
    let mut buffer = [0; 4096];
    while peer.read(&mut buffer).is_ok_and(|count| count > 0) {}
}

pub(crate) fn a_half_closed_peer_of_chargen_still_gets_it<W: World>(world: &W) {
    let report = world.run(&Chargen, &Setup::default(), |server| {
        let mut peer = server.connect();
        peer.half_close();
        server.wait_of(1, &What::PeerEnded);
        expect_chargen(&peer.read_exact(SOME_TEXT));
    });
    report.expect(1, "Reset");
}

pub(crate) fn daytime_says_its_line_and_closes<W: World>(world: &W) {
    let line = |time: SystemTime| {
        assert!(time > SystemTime::UNIX_EPOCH);
        "Friday\r\n".to_owned()
    };
    let report = world.run(&Daytime { line }, &Setup::default(), |server| {
        assert_eq!(server.connect().read_to_end(), b"Friday\r\n");
    });
    report.expect(1, "OwnEnd");
    assert_eq!(report.only().sent, 8);
}

pub(crate) fn discard_takes_everything_and_says_nothing<W: World>(world: &W) {
    let count = world.long() / 16;
    let report = world.run(&Discard::default(), &Setup::default(), |server| {
        let mut peer = server.connect();
        peer.send(&Pattern::new().bytes(count)).unwrap();
        peer.half_close();
        assert_eq!(peer.read_to_end(), b"");
    });
    report.expect(1, "PeerFinished");
    assert_eq!((report.only().received, report.only().sent), (count as u64, 0));
}
