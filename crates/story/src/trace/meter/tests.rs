//! Calls that overlap, and what their results and the kernel's counter leave open.

use super::*;
use Certainty::{Inferred, Proved};

const A: CallId = CallId(1);
const B: CallId = CallId(2);
const C: CallId = CallId(3);

fn enter(meter: &mut Meter, call: CallId, from: u64) {
    meter.enter(Begins { call, time: Timestamp::default(), most: None, from });
}

fn entered(calls: &[CallId]) -> Meter {
    let mut meter = Meter::default();
    for call in calls {
        enter(&mut meter, *call, 0);
    }
    meter
}

/// Start, end, calls, certainty.
type Short = (u64, u64, Vec<CallId>, Certainty);

fn short(stretches: &[Stretch]) -> Vec<Short> {
    let short = |one: &Stretch| (one.range.start, one.range.end, one.calls.clone(), one.certainty);
    stretches.iter().map(short).collect()
}

#[test]
fn a_call_that_is_alone_moved_what_it_says() {
    let mut meter = entered(&[A]);
    let (stretches, moved) = meter.leave(A, Some(10), Some(10));
    assert_eq!(short(&stretches), [(0, 10, vec![A], Proved)]);
    assert_eq!(moved, [Moved { range: Range { start: 0, end: 10 }, certainty: Proved, or: vec![] }]);
    // Nothing was moved: nothing is said.
    enter(&mut meter, B, 0);
    assert_eq!(meter.leave(B, Some(0), Some(10)), (vec![], vec![]));
}

#[test]
fn more_than_it_says_is_of_calls_that_were_not_seen() {
    let mut meter = entered(&[A]);
    let (stretches, _) = meter.leave(A, Some(4), Some(10));
    assert_eq!(short(&stretches), [(0, 10, vec![A], Inferred)]);
    assert!(stretches[0].is_unseen);
    let stretches = meter.see(15);
    assert_eq!(short(&stretches), [(10, 15, vec![], Inferred)]);
    assert!(stretches[0].is_unseen);
}

#[test]
fn without_a_word_of_the_kernel_its_result_has_to_do() {
    let mut meter = entered(&[A]);
    let (stretches, _) = meter.leave(A, Some(10), None);
    assert_eq!(short(&stretches), [(0, 10, vec![A], Inferred)]);
    // Of two nobody knows whose come first, until the kernel speaks.
    enter(&mut meter, B, 0);
    enter(&mut meter, C, 0);
    assert_eq!(meter.leave(B, Some(5), None).0, []);
    let (stretches, _) = meter.leave(C, Some(5), Some(20));
    assert_eq!(short(&stretches), [(10, 20, vec![B, C], Inferred)]);
}

#[test]
fn what_was_on_the_wire_before_a_call_began_is_not_its() {
    let mut meter = entered(&[A]);
    enter(&mut meter, B, 6);
    let (stretches, moved) = meter.leave(A, Some(6), Some(16));
    assert_eq!(short(&stretches), [(0, 6, vec![A], Proved), (6, 16, vec![B], Proved)]);
    assert_eq!(moved.len(), 1);
    let (stretches, moved) = meter.leave(B, Some(14), Some(20));
    assert_eq!(short(&stretches), [(16, 20, vec![B], Proved)]);
    assert_eq!(moved, [Moved { range: Range { start: 6, end: 20 }, certainty: Proved, or: vec![] }]);
}

#[test]
fn of_two_what_one_has_not_the_other_has() {
    let mut meter = entered(&[A, B]);
    let (stretches, _) = meter.leave(A, Some(10), Some(15));
    assert_eq!(short(&stretches), [(0, 15, vec![A, B], Inferred)]);
    // Five of those were of B: what it has beyond them is as much as it says.
    enter(&mut meter, C, 0);
    let (stretches, _) = meter.leave(B, Some(8), Some(18));
    assert_eq!(short(&stretches), [(15, 18, vec![B], Proved)]);
    let (stretches, _) = meter.leave(C, Some(2), Some(20));
    assert_eq!(short(&stretches), [(18, 20, vec![C], Proved)]);
}

#[test]
fn of_three_the_results_do_not_tell() {
    let mut meter = entered(&[A, B, C]);
    let (stretches, _) = meter.leave(A, Some(10), Some(15));
    assert_eq!(short(&stretches), [(0, 15, vec![A, B, C], Inferred)]);
    let (stretches, _) = meter.leave(B, Some(10), Some(25));
    assert_eq!(short(&stretches), [(15, 25, vec![B, C], Inferred)]);
    let (stretches, _) = meter.leave(C, Some(10), Some(30));
    assert_eq!(short(&stretches), [(25, 30, vec![C], Proved)]);
}

#[test]
fn a_call_that_moved_nothing_is_no_candidate() {
    let mut meter = entered(&[A, B]);
    let (stretches, moved) = meter.leave(A, Some(0), Some(10));
    assert_eq!((short(&stretches), moved), (vec![(0, 10, vec![B], Proved)], vec![]));
}

#[test]
fn past_the_bound_of_open_calls_nothing_is_proved() {
    let mut meter = Meter::default();
    for call in 0..100 {
        enter(&mut meter, CallId(call), 0);
    }
    assert_eq!(meter.open().count(), MOST_OPEN);
    let (stretches, _) = meter.leave(CallId(7), Some(0), Some(10));
    assert_eq!((stretches[0].certainty, stretches[0].calls.len()), (Inferred, MOST_NAMED - 1));
    assert!(meter.can_reach(u64::MAX), "who knows");
}

/// Threads that write in turns of any length: what is said to be proved is true.
#[test]
fn what_is_proved_is_true() {
    let mut dice = 0x5eed_5eed_5eed_5eed_u64;
    let mut roll = |sides: u64| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        (dice >> 33) % sides
    };
    let (mut proved, mut all) = (0, 0);
    for _ in 0..2_000 {
        let (mut meter, mut at) = (Meter::default(), 0u64);
        // The truth: who moved which byte, and how many each call moved.
        let (mut truth, mut open): (Vec<CallId>, Vec<(CallId, u64)>) = (Vec::new(), Vec::new());
        let mut found = Vec::new();
        for call in 0..12 {
            if open.len() < 3 && roll(3) > 0 {
                let sent = at.saturating_sub(roll(9));
                enter(&mut meter, CallId(call), sent);
                open.push((CallId(call), 0));
            }
            for _ in 0..roll(4) {
                let (sides, len) = (u64::try_from(open.len()).unwrap().max(1), roll(6));
                let who = usize::try_from(roll(sides)).unwrap();
                if let Some((call, moved)) = open.get_mut(who) {
                    truth.extend((0..len).map(|_| *call));
                    *moved += len;
                    at += len;
                }
            }
            if roll(2) == 0 && !open.is_empty() {
                let (call, moved) = open.remove(usize::try_from(roll(open.len() as u64)).unwrap());
                found.extend(meter.leave(call, Some(moved), Some(at)).0);
            }
        }
        for stretch in found {
            assert!(!stretch.is_unseen, "{stretch:?}");
            let of =
                usize::try_from(stretch.range.start).unwrap()..usize::try_from(stretch.range.end).unwrap();
            all += of.len();
            for call in &truth[of.clone()] {
                assert!(stretch.calls.contains(call), "{call:?} is no candidate of {stretch:?}");
            }
            if stretch.certainty == Proved {
                proved += of.len();
                assert_eq!(stretch.calls.len(), 1);
            }
        }
    }
    assert!(proved * 3 > all, "{proved} of {all} bytes");
}
