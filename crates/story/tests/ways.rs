//! Segments that are lost, late or doubled on their way: only what had come can be answered.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod play;
mod talk;

use enchufe_story::fact::{Happened, Syscall};
use enchufe_story::trace::{Now, Segment, Timer, Told};
use enchufe_story::{Certainty, State, What};
use enchufe_wire::Timestamp;
use play::{C, ESTABLISHED, Play, S, bytes};
use talk::craft::packets::{ACK, FIN, PSH};

const MS: i64 = 1_000_000;

/// The client writes five bytes, in one segment.
fn writes(play: &mut Play, at: u32, arrives: Option<i64>) {
    let call = play.enter(Syscall::Sendto, C, bytes(5));
    play.a(ACK | PSH, at, 1, 5);
    play.arrives(arrives);
    let said = play.said(C, ESTABLISHED, u64::from(at) + 4, 0, 0);
    play.leave(call, 5, said);
}

fn why(segment: &Segment) -> (Now, Certainty) {
    let why = segment.why.as_ref().unwrap();
    (why.now, why.certainty)
}

#[test]
fn an_acknowledgement_names_the_copy_that_came_and_answers_it() {
    let mut play = Play::opened();
    writes(&mut play, 1, None);
    play.wait(200 * MS);
    play.a(ACK | PSH, 1, 1, 5);
    play.arrives(Some(1_000));
    play.b(ACK, 1, 6, 0);
    play.arrives(Some(1_000));
    let [.., again, answer] = &play.segments()[..] else { panic!() };
    assert_eq!(why(again), (Now::Timer(Timer::Retransmission), Certainty::Inferred));
    assert_eq!(why(answer).0, Now::Answers(5));
    let names = |what: &What| matches!(what, What::Acknowledges { frames, part: None } if frames.is_only(5));
    assert!(answer.row.cause.what.iter().any(|claim| names(&claim.what)), "{answer:#?}");
}

#[test]
fn what_is_read_came_with_the_copy_that_arrived_first() {
    let mut play = Play::opened();
    writes(&mut play, 1, Some(50 * MS));
    play.wait(10 * MS);
    play.a(ACK | PSH, 1, 1, 5);
    play.arrives(Some(1_000));
    let read = play.enter(Syscall::Recvfrom, S, bytes(5));
    let said = play.said(S, ESTABLISHED, 0, 5, 0);
    play.leave(read, 5, said);
    let from = play.judged().0.into_iter().rev().find_map(|event| match event.told {
        Told::Left(left) => Some(left.from.numbers),
        _ => None,
    });
    assert_eq!(from, Some(vec![5]));
}

#[test]
fn what_comes_behind_a_gap_is_answered_when_it_comes() {
    let mut play = Play::opened();
    writes(&mut play, 1, Some(30 * MS));
    writes(&mut play, 6, Some(1_000));
    play.b(ACK, 1, 1, 0);
    play.arrives(Some(1_000));
    play.wait(30 * MS);
    play.b(ACK, 1, 11, 0);
    play.arrives(Some(1_000));
    let [.., first, last] = &play.segments()[..] else { panic!() };
    assert_eq!(why(first), (Now::Answers(5), Certainty::Proved), "the other is on its way yet");
    assert_eq!(why(last).0, Now::Answers(4), "it came last");
}

#[test]
fn a_segment_that_arrives_again_is_answered_again() {
    let mut play = Play::opened();
    writes(&mut play, 1, Some(1_000));
    play.b(ACK, 1, 6, 0);
    play.arrives(Some(1_000));
    let sent = play.judged().0.iter().find_map(|event| match &event.told {
        Told::Segment(segment) if segment.row.frame == 4 => Some(event.time),
        _ => None,
    });
    play.fact(Happened::ArrivedAgain { sent: sent.unwrap() });
    play.b(ACK, 1, 6, 0);
    play.arrives(Some(1_000));
    let last = play.segments().pop().unwrap();
    assert_eq!(why(&last), (Now::Answers(4), Certainty::Proved));
    let told =
        play.judged().0.into_iter().any(|event| matches!(event.told, Told::ArrivedAgain { frame: 4, .. }));
    assert!(told);
    play.fact(Happened::ArrivedAgain { sent: Timestamp::from_nanos(7) });
    assert_eq!(play.judged().0.len(), play.judged().0.len(), "one that nobody sent is passed over");
}

#[test]
fn a_sender_that_was_not_told_of_the_window_probes_it() {
    let mut play = Play::opened();
    writes(&mut play, 1, Some(1_000));
    play.put(true, ACK, 1, 6, |tcp| tcp.window = 0);
    play.arrives(Some(1_000));
    // It opens, and that is lost.
    play.b(ACK, 1, 6, 0);
    play.arrives(None);
    play.wait(200 * MS);
    play.a(ACK, 5, 1, 0);
    play.arrives(Some(1_000));
    let last = play.segments().pop().unwrap();
    assert!(last.row.cause.what.iter().any(|claim| claim.what == What::WindowProbe), "{last:#?}");
    assert_eq!(why(&last).0, Now::Timer(Timer::WindowProbe));
}

#[test]
fn what_is_lost_shows_nothing_of_the_state_of_the_other_end() {
    let mut play = Play::opened();
    play.b(ACK | FIN, 1, 1, 0);
    play.arrives(Some(1_000));
    play.a(ACK, 1, 2, 0);
    play.arrives(None);
    let shown = |of_b: bool| -> Vec<State> {
        let changes = play.segments().into_iter().flat_map(|segment| segment.row.changes);
        changes.filter(|change| change.of_b == of_b).filter_map(|change| change.to).collect()
    };
    assert_eq!(shown(true).last(), Some(&State::FinWait1), "its FIN is not acknowledged as far as it knows");
    assert_eq!(shown(false).last(), Some(&State::CloseWait));
}
