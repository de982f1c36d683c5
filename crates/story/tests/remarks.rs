//! What is worth a second look in a recording.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod play;
mod talk;

use enchufe_story::Certainty;
use enchufe_story::fact::{Arguments, CallId, Syscall};
use enchufe_story::trace::{MOST_REMARKS, Remark, Remarked};
use play::{C, ESTABLISHED, Play, S, bytes};
use talk::{ACK, FIN, PSH, RST};

fn remarks(play: &Play) -> Vec<Remark> {
    play.judged().1.remarks().0.to_vec()
}

/// The client writes so much, and it is acknowledged.
fn says(play: &mut Play, from: u64, len: u64) {
    let send = play.enter(Syscall::Sendto, C, bytes(len));
    let seq = u32::try_from(from).unwrap() + 1;
    play.a(PSH | ACK, seq, 1, usize::try_from(len).unwrap());
    play.b(ACK, 1, seq + u32::try_from(len).unwrap(), 0);
    let said = play.said(C, ESTABLISHED, from + len, 0, 0);
    play.leave(send, i64::try_from(len).unwrap(), said);
}

#[test]
fn many_small_writes_in_a_row_are_remarked_once_and_counted() {
    let mut play = Play::opened();
    (0..7).for_each(|at| says(&mut play, at * 4, 4));
    assert_eq!(remarks(&play), []);
    (7..20).for_each(|at| says(&mut play, at * 4, 4));
    let [found] = &remarks(&play)[..] else { panic!("one") };
    assert_eq!(found.what, Remarked::SmallWrites { count: 20, bytes: 80 });
    assert_eq!((found.calls.len(), found.frames.len()), (16, 16));
    assert_eq!((found.calls[0], found.frames[0], found.certainty), (CallId(6), 4, Certainty::Proved));
}

#[test]
fn small_questions_and_answers_in_turn_are_no_mistake() {
    let mut play = Play::opened();
    for at in 0..20 {
        says(&mut play, at * 4, 4);
        let seq = u32::try_from(at).unwrap() + 1;
        let send = play.enter(Syscall::Sendto, S, bytes(1));
        play.b(PSH | ACK, seq, seq * 4 + 1, 1);
        let said = play.said(S, ESTABLISHED, u64::from(seq), 0, 0);
        play.leave(send, 1, said);
    }
    assert_eq!(remarks(&play), []);
}

#[test]
fn a_write_that_waited_for_a_delayed_acknowledgement_says_how_long() {
    let mut play = Play::opened();
    let send = play.enter(Syscall::Sendto, C, bytes(10));
    play.a(PSH | ACK, 1, 1, 10);
    let said = play.said(C, ESTABLISHED, 10, 0, 0);
    play.leave(send, 10, said);
    let said = play.said(C, ESTABLISHED, 15, 0, 0);
    let second = play.call(Syscall::Sendto, C, bytes(5), 5, said);
    play.wait(40_000_000);
    play.b(ACK, 1, 11, 0);
    play.a(PSH | ACK, 11, 1, 5);
    let [found] = &remarks(&play)[..] else { panic!("one") };
    // Four steps of ten microseconds, and forty milliseconds.
    assert_eq!(found.what, Remarked::NagleDelayedAck { waited: 40_040_000 });
    assert_eq!((&found.calls[..], &found.frames[..]), (&[second][..], &[4, 5, 6][..]));
    assert_eq!((found.certainty, found.stream), (Certainty::Inferred, Some(0)));
}

#[test]
fn to_close_with_bytes_unread_and_to_answer_before_all_is_read_are_remarked() {
    let mut play = Play::opened();
    says(&mut play, 0, 19);
    let said = play.said(S, ESTABLISHED, 0, 5, 14);
    play.call(Syscall::Read, S, bytes(5), 5, said);
    for written in [3, 6] {
        let seq = u32::try_from(written).unwrap() - 2;
        let answer = play.enter(Syscall::Write, S, bytes(3));
        play.b(PSH | ACK, seq, 20, 3);
        play.a(ACK, 20, seq + 3, 0);
        let said = play.said(S, ESTABLISHED, written, 5, 14);
        play.leave(answer, 3, said);
    }
    let close = play.enter_drops(Syscall::Close, S, Arguments::None, &[S]);
    play.b(RST | ACK, 7, 20, 0);
    play.leave(close, 0, None);
    let found = remarks(&play);
    let whats: Vec<Remarked> = found.iter().map(|remark| remark.what).collect();
    assert_eq!(whats, [Remarked::AnsweredBeforeAllRead { unread: 14 }, Remarked::LeftUnread { bytes: 14 },]);
    assert_eq!((&found[1].calls[..], &found[1].frames[..]), (&[close][..], &[10][..]));
}

#[test]
fn to_send_to_a_socket_that_is_gone_is_remarked() {
    let mut play = Play::opened();
    let close = play.enter_drops(Syscall::Close, S, Arguments::None, &[S]);
    play.b(FIN | ACK, 1, 1, 0);
    play.leave(close, 0, None);
    play.a(PSH | ACK, 1, 2, 3);
    play.b(RST, 2, 0, 0);
    let [found] = &remarks(&play)[..] else { panic!("one") };
    assert_eq!((found.what, &found.calls[..]), (Remarked::SentToGone, &[close][..]));
}

#[test]
fn small_reads_count_only_where_they_leave_more() {
    let mut play = Play::opened();
    says(&mut play, 0, 100);
    for at in 1..=10 {
        let said = play.said(S, ESTABLISHED, 0, at * 10, 100 - at * 10);
        play.call(Syscall::Recvfrom, S, bytes(10), 10, said);
    }
    let [found] = &remarks(&play)[..] else { panic!("one") };
    assert_eq!(found.what, Remarked::SmallReads { count: 9, bytes: 90 });
    assert_eq!((found.calls.len(), found.certainty, found.stream), (9, Certainty::Proved, Some(0)));
}

#[test]
fn nothing_there_counts_only_calls_that_did_not_wait() {
    for (took, count) in [(0, Some(10)), (2_000_000, None)] {
        let mut play = Play::opened();
        for _ in 0..10 {
            let read = play.enter(Syscall::Recvfrom, S, bytes(10));
            play.wait(took);
            play.leave(read, -11, None);
        }
        let counts: Vec<_> = remarks(&play).iter().map(|remark| remark.what).collect();
        // Twenty steps of ten microseconds, but the first.
        let expected = count.map(|count| Remarked::NothingThere { count, over: 190_000 });
        assert_eq!(counts, expected.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn what_a_write_did_not_take_is_counted_in_one_remark() {
    let mut play = Play::opened();
    for (at, took) in [(0, 60), (60, 40)] {
        let said = play.said(C, ESTABLISHED, at + took, 0, 0);
        play.call(Syscall::Sendto, C, bytes(100), i64::try_from(took).unwrap(), said);
    }
    let [found] = &remarks(&play)[..] else { panic!("one") };
    assert_eq!(found.what, Remarked::ShortWrites { count: 2, missing: 100 });
}

#[test]
fn a_connection_that_exit_closes_is_remarked_and_one_that_a_signal_ends_is_not() {
    for (syscall, count) in [(Syscall::ExitGroup, 1), (Syscall::Killed, 0), (Syscall::Close, 0)] {
        let mut play = Play::opened();
        play.enter_drops(syscall, 0, Arguments::None, &[C]);
        let found = remarks(&play);
        assert_eq!(found.len(), count, "{syscall:?}");
        assert!(found.iter().all(|remark| remark.what == Remarked::LeftToExit));
    }
}

#[test]
fn a_timer_that_tracing_may_have_moved_is_told() {
    for (held, count) in [(5_000_000, 1), (1_000, 0)] {
        let mut play = Play::opened();
        says(&mut play, 0, 9);
        let send = play.enter(Syscall::Sendto, C, bytes(1));
        play.a(PSH | ACK, 10, 1, 1);
        play.wait(41_000_000);
        play.held += held;
        let said = play.said(C, ESTABLISHED, 10, 0, 0);
        play.leave(send, 1, said);
        play.b(ACK, 1, 11, 0);
        let found: Vec<Remarked> = remarks(&play).iter().map(|remark| remark.what).collect();
        let held = i64::try_from(held).unwrap();
        assert_eq!(found, vec![Remarked::TimerMoved { count: 1, held }; count]);
    }
}

#[test]
fn remarks_have_a_bound() {
    let mut play = Play::opened();
    let close = play.enter_drops(Syscall::Close, S, Arguments::None, &[S]);
    play.b(FIN | ACK, 1, 1, 0);
    play.leave(close, 0, None);
    for _ in 0..MOST_REMARKS + 5 {
        play.a(PSH | ACK, 1, 2, 3);
        play.b(RST, 2, 0, 0);
    }
    let (_, judge) = play.judged();
    assert_eq!((judge.remarks().0.len(), judge.remarks().1), (MOST_REMARKS, 5));
}
