//! What can only be said exactly where time passes when it is told to.

use super::SOON;
use crate::recorder::What;
use crate::world::{Setup, World};
use enchufe_talk::services::{Echo, Reply, Until};
use enchufe_talk::{Actions, Event, Service};
use std::time::Duration;

/// Sends a byte every while, as often as the state counts.
struct Ticks;

const EVERY: Duration = Duration::from_millis(20);

impl Service for Ticks {
    type State = ();

    fn event(&self, (): &mut (), event: Event<'_>, actions: &mut Actions) {
        if matches!(event, Event::Opened(_) | Event::Timer) {
            actions.timer(EVERY);
            actions.send(&b"."[..]);
        }
    }
}

pub(crate) fn traffic_puts_the_idle_limit_off_and_not_the_deadline<W: World>(world: &W) {
    let deadline = 10 * SOON;
    let setup = Setup::with(|limits| {
        limits.idle = Some(SOON);
        limits.deadline = Some(deadline);
    });
    let report = world.run(&Ticks, &setup, |server| {
        let mut peer = server.connect();
        assert_eq!(peer.read_to_end(), [b'.'; 15]);
    });
    report.expect(1, &format!("Deadline({deadline:?})"));
    let report = world.run(&Echo, &setup, |server| {
        let mut peer = server.connect();
        peer.expect_echo(b"hola");
        assert_eq!(peer.read_to_end(), b"");
    });
    report.expect(1, &format!("Idle({SOON:?})"));
}

pub(crate) fn a_peer_that_goes_on_talking_after_the_answer_is_left_in_time<W: World>(world: &W) {
    let reply = Reply { answer: b"yes".to_vec(), until: Until::Line };
    let setup = Setup::with(|limits| limits.linger = SOON);
    let report = world.run(&reply, &setup, |server| {
        let mut peer = server.connect();
        peer.send(b"well?\n").unwrap();
        assert_eq!(peer.read_to_end(), b"yes");
        peer.send(b"and another thing").unwrap();
        server.wait_closed(1);
        assert!(peer.send(b"hello?").is_err());
    });
    report.expect(1, "OwnEnd");
    assert_eq!(report.count(|what| *what == What::Discarded(17)), 1);
}
