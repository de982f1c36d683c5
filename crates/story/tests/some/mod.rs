//! Any facts.

#![allow(dead_code, reason = "each test file uses a part")]

use enchufe_story::fact::{
    Arguments, CallId, Cookie, Entered, Fact, Happened, KernelState, Left, Line, Outcome, Program, Reading,
    Status, Syscall,
};
use enchufe_wire::Timestamp;
use enchufe_wire::tcp::Endpoint;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

pub(crate) fn fact() -> impl Strategy<Value = Fact> {
    (any::<i64>(), any::<u64>(), happened()).prop_map(|(nanos, held, happened)| Fact {
        time: Timestamp::from_nanos(nanos),
        held,
        happened,
    })
}

fn happened() -> impl Strategy<Value = Happened> {
    let word = || vec(any::<u8>(), 0..20);
    prop_oneof![
        (any::<u32>(), any::<u32>(), vec(word(), 0..5))
            .prop_map(|(number, pid, command)| Happened::Started(Program { number, pid, command })),
        (any::<u32>(), any::<u32>(), any::<u32>()).prop_map(|(program, pid, tid)| Happened::Began {
            program,
            pid,
            tid
        }),
        any::<i64>().prop_map(|sent| Happened::ArrivedAgain { sent: Timestamp::from_nanos(sent) }),
        entered().prop_map(Happened::Entered),
        left().prop_map(Happened::Left),
        (any::<u32>(), any::<u32>(), any::<i32>()).prop_map(|(pid, tid, signal)| Happened::Signalled {
            pid,
            tid,
            signal
        }),
        (any::<u32>(), any::<i32>(), any::<bool>()).prop_map(|(pid, value, killed)| {
            let status = if killed { Status::Killed(value) } else { Status::Exited(value) };
            Happened::Ended { pid, status }
        }),
    ]
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    (any::<[u8; 16]>(), any::<bool>(), any::<u16>()).prop_map(|(mut address, ipv6, port)| {
        if !ipv6 {
            address[4..].fill(0);
        }
        Endpoint { address, ipv6, port }
    })
}

fn arguments() -> impl Strategy<Value = Arguments> {
    prop_oneof![
        Just(Arguments::None),
        any::<[i32; 3]>().prop_map(|[domain, kind, protocol]| Arguments::Socket { domain, kind, protocol }),
        endpoint().prop_map(Arguments::Address),
        any::<i32>().prop_map(|family| Arguments::OtherAddress { family }),
        any::<i32>().prop_map(Arguments::Backlog),
        (any::<u64>(), any::<i32>()).prop_map(|(wanted, flags)| Arguments::Bytes { wanted, flags }),
        any::<i32>().prop_map(Arguments::How),
        (any::<i32>(), any::<i32>(), option::of(any::<i64>()))
            .prop_map(|(level, name, value)| Arguments::Option { level, name, value }),
        any::<i32>().prop_map(Arguments::Descriptor),
        (any::<u8>(), vec(any::<u8>(), 0..40), any::<u64>())
            .prop_map(|(stream, text, length)| Arguments::Printed { stream, text, length }),
        any::<i32>().prop_map(Arguments::Status),
        any::<u64>().prop_map(Arguments::Request),
        (vec(any::<i32>(), 0..4), option::of(any::<i64>()))
            .prop_map(|(fds, timeout)| Arguments::Waits { fds, timeout }),
    ]
}

fn entered() -> impl Strategy<Value = Entered> {
    let line =
        (".{0,12}", any::<u32>(), ".{0,12}").prop_map(|(file, line, function)| Line { file, line, function });
    let who = (any::<u64>(), any::<[u32; 3]>(), 0..Syscall::ALL.len());
    let what = (
        option::of(any::<i32>()),
        option::of(any::<u64>()),
        arguments(),
        vec((any::<u64>(), reading()), 0..4),
    );
    (who, what, option::of(line)).prop_map(
        |((id, [program, pid, tid], at), (fd, socket, arguments, drops), line)| Entered {
            id: CallId(id),
            program,
            pid,
            tid,
            syscall: Syscall::ALL[at],
            fd,
            socket: socket.map(Cookie),
            arguments,
            drops: drops.iter().map(|(cookie, _)| Cookie(*cookie)).collect(),
            before: drops.into_iter().map(|(_, reading)| reading).collect(),
            line,
        },
    )
}

fn reading() -> impl Strategy<Value = Reading> {
    (any::<[u64; 4]>(), any::<u8>(), option::of(endpoint()), option::of(endpoint())).prop_map(
        |([socket, written, read, unread], state, local, peer)| Reading {
            socket: Cookie(socket),
            state: KernelState(state),
            written,
            read,
            unread,
            local,
            peer,
        },
    )
}

fn left() -> impl Strategy<Value = Left> {
    let outcome = prop_oneof![
        any::<i64>().prop_map(Outcome::Returned),
        any::<i32>().prop_map(Outcome::Failed),
        Just(Outcome::Never),
    ];
    let made = (any::<i32>(), any::<u64>()).prop_map(|(fd, cookie)| (fd, Cookie(cookie)));
    (any::<u64>(), outcome, option::of(made), option::of(reading()))
        .prop_map(|(id, outcome, made, reading)| Left { id: CallId(id), outcome, made, reading })
}
