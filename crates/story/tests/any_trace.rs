//! No facts and no frames may panic the judge, in whatever order they come.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod play;
mod some;
mod talk;

use enchufe_story::fact::{
    Arguments, CallId, Cookie, Entered, Happened, KernelState, Left, Outcome, Reading, Syscall,
};
use enchufe_wire::tcp::Endpoint;
use play::Play;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use talk::craft::packets::{A, B};

/// What comes next: of few calls, sockets and numbers, so that they meet.
#[derive(Clone, Debug)]
enum Next {
    Happened(Happened),
    Segment { from_b: bool, flags: u16, seq: u32, ack: u32, len: usize, window: u16 },
    Wait(i64),
}

fn end() -> impl Strategy<Value = Endpoint> {
    prop_oneof![
        Just(play::at(A, 1234)),
        Just(play::at(B, 80)),
        Just(play::at([0; 4], 80)),
        Just(play::at([0; 4], 0)),
    ]
}

fn entered() -> impl Strategy<Value = Entered> {
    let arguments = prop_oneof![
        end().prop_map(Arguments::Address),
        Just(Arguments::OtherAddress { family: 0 }),
        (0..4i32).prop_map(Arguments::How),
        (0..4i32).prop_map(|flags| Arguments::Bytes { wanted: 9, flags }),
        (0..3i64).prop_map(|value| Arguments::Option { level: 1, name: 13, value: Some(value) }),
        (0..3i64).prop_map(|value| Arguments::Option { level: 6, name: 3, value: Some(value) }),
    ];
    let who = (0..6u64, 0..Syscall::ALL.len(), option::of(0..4u64), vec((0..4u64, reading()), 0..2));
    (who, arguments).prop_map(|((id, at, socket, drops), arguments)| Entered {
        id: CallId(id),
        program: 0,
        pid: 1,
        tid: 1,
        syscall: Syscall::ALL[at],
        fd: None,
        socket: socket.map(Cookie),
        arguments,
        drops: drops.iter().map(|(cookie, _)| Cookie(*cookie)).collect(),
        before: drops.into_iter().map(|(_, reading)| reading).collect(),
        line: None,
    })
}

fn reading() -> impl Strategy<Value = Reading> {
    let reading = (
        0..4u64,
        0..13u8,
        vec(prop_oneof![0..40u64, Just(u64::MAX)], 3),
        option::of(end()),
        option::of(end()),
    );
    reading.prop_map(|(socket, state, counts, local, peer)| Reading {
        socket: Cookie(socket),
        state: KernelState(state),
        written: counts[0],
        read: counts[1],
        unread: counts[2],
        local,
        peer,
    })
}

fn left() -> impl Strategy<Value = Left> {
    let outcome = prop_oneof![
        (-3..40i64).prop_map(Outcome::Returned),
        prop_oneof![Just(4), Just(115), Just(111)].prop_map(Outcome::Failed),
        Just(Outcome::Never),
    ];
    (0..6u64, outcome, option::of((Just(3), (0..4u64).prop_map(Cookie))), option::of(reading()))
        .prop_map(|(id, outcome, made, reading)| Left { id: CallId(id), outcome, made, reading })
}

fn next() -> impl Strategy<Value = Next> {
    let segment = (any::<bool>(), 0..64u16, 0..60u32, 0..60u32, 0..30usize, 0..3u16).prop_map(
        |(from_b, flags, seq, ack, len, window)| Next::Segment { from_b, flags, seq, ack, len, window },
    );
    prop_oneof![
        some::fact().prop_map(|fact| Next::Happened(fact.happened)),
        entered().prop_map(|entered| Next::Happened(Happened::Entered(entered))),
        entered().prop_map(|entered| Next::Happened(Happened::Entered(entered))),
        left().prop_map(|left| Next::Happened(Happened::Left(left))),
        left().prop_map(|left| Next::Happened(Happened::Left(left))),
        segment.clone(),
        segment.clone(),
        segment,
        any::<i64>().prop_map(|nanos| Next::Wait(nanos >> 20)),
    ]
}

proptest! {
    #[test]
    fn anything_is_told(steps in vec(next(), 0..80), first in prop_oneof![Just((1, 2)), Just((u32::MAX - 20, 7))]) {
        let mut play = Play::new();
        play.first = first;
        let mut frames = 0;
        for step in steps {
            match step {
                Next::Happened(happened) => play.fact(happened),
                Next::Wait(nanos) => play.wait(nanos),
                Next::Segment { from_b, flags, seq, ack, len, window } => {
                    frames += 1;
                    play.put(from_b, flags, seq, ack, |tcp| {
                        tcp.payload = len;
                        tcp.window = window * 20;
                    });
                }
            }
        }
        let (events, _) = play.judged();
        let mut told = 0;
        for event in &events {
            let enchufe_story::trace::Told::Segment(segment) = &event.told else { continue };
            told += 1;
            for by in &segment.by {
                prop_assert!(!by.calls.is_empty(), "what a call did names a call");
                prop_assert!(by.calls.len() == 1 || by.certainty == enchufe_story::Certainty::Inferred);
            }
            if let Some(reason) = &segment.why {
                let proved = reason.certainty == enchufe_story::Certainty::Proved;
                prop_assert!(!proved || reason.or.is_empty(), "what is proved has no alternative");
                prop_assert!(!reason.or.contains(&reason.now), "an alternative is another one");
            }
        }
        prop_assert_eq!(told, frames, "every segment is told");
    }
}
