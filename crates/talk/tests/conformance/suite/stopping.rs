//! A server that is stopped: who may end, who is cut, and that each is counted.

use super::SOON;
use crate::recorder::What;
use crate::world::{Setup, World};
use enchufe_talk::services::{Echo, Reply, Until};
use std::time::Duration;

pub(crate) fn what_runs_at_a_stop_may_end_in_order<W: World>(world: &W) {
    let setup = Setup::with(|limits| limits.drain = Duration::from_secs(3600));
    let report = world.run(&Echo, &setup, |server| {
        let mut peer = server.connect();
        peer.expect_echo(b"hola");
        server.stop().begin();
        server.wait("draining", &|seen| seen.iter().any(|seen| seen.what == What::Draining(1)));
        server.wait_until_refused();
        peer.expect_echo(b"still here");
        peer.half_close();
        assert_eq!(peer.read_to_end(), b"");
    });
    report.expect(1, "PeerFinished");
    assert_eq!(report.summary.served, 1);
}

pub(crate) fn what_does_not_end_in_time_is_interrupted<W: World>(world: &W) {
    let setup = Setup::with(|limits| limits.drain = SOON);
    let report = world.run(&Echo, &setup, |server| {
        let mut peer = server.connect();
        peer.expect_echo(b"hola");
        server.stop().begin();
        assert_eq!(peer.read_to_end(), b"");
    });
    report.expect(1, "Interrupted");
    assert_eq!((report.summary.served, report.summary.cut), (1, 1));
}

pub(crate) fn who_waits_in_the_queue_at_a_stop_is_cut_and_counted<W: World>(world: &W) {
    let setup = Setup { held: true, ..Setup::default() };
    let report = world.run(&Echo, &setup, |server| {
        let mut peers = [server.connect(), server.connect(), server.connect()];
        server.stop().begin();
        server.go();
        for peer in &mut peers {
            assert!(peer.try_read_to_end().is_err());
        }
    });
    assert_eq!((report.summary.served, report.summary.cut), (0, 3));
    assert_eq!(report.count(|what| *what == What::QueueCut(3)), 1);
}

pub(crate) fn an_interrupted_server_counts_who_waited_too<W: World>(world: &W) {
    let setup = Setup::with(|limits| limits.drain = SOON);
    let report = world.run(&Echo, &setup, |server| {
        let mut first = server.connect();
        first.expect_echo(b"hola");
        let mut second = server.connect();
        if !world.one_at_a_time() {
            second.expect_echo(b"hola");
        }
        server.stop().begin();
        // Who waits learns at once that nobody will come, not after the drain of another.
        let waited = second.try_read_to_end();
        assert_eq!(waited.is_err(), world.one_at_a_time());
        assert_eq!(first.read_to_end(), b"");
    });
    report.expect(1, "Interrupted");
    assert_eq!(report.summary.cut, 2);
    assert_eq!(report.count(|what| matches!(what, What::QueueCut(1))), usize::from(world.one_at_a_time()));
    if world.one_at_a_time() {
        let at = |wanted: fn(&What) -> bool| report.seen.iter().position(|seen| wanted(&seen.what));
        assert!(at(|what| matches!(what, What::QueueCut(_))) < at(|what| matches!(what, What::Closed(_))));
    }
}

pub(crate) fn a_connection_that_only_lingers_is_not_cut_by_a_stop<W: World>(world: &W) {
    let reply = Reply { answer: b"yes".to_vec(), until: Until::Line };
    let setup = Setup::with(|limits| {
        limits.drain = Duration::ZERO;
        limits.linger = Duration::from_secs(3600);
    });
    let report = world.run(&reply, &setup, |server| {
        let mut peer = server.connect();
        peer.send(b"well?\n").unwrap();
        assert_eq!(peer.read_to_end(), b"yes");
        // Only this peer's FIN is missing now.
        server.stop().begin();
        server.wait_closed(1);
    });
    report.expect(1, "OwnEnd");
    assert_eq!(report.summary.cut, 0);
}
