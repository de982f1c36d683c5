//! Facts as bytes and back: what was written is read, and no bytes can do harm.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod some;

use enchufe_story::fact::{
    Arguments, CallId, DecodeError, Fact, Happened, LONGEST_TEXT, Left, Outcome, Program, Syscall, VERSION,
};
use enchufe_wire::Timestamp;
use proptest::prelude::*;

fn encoded(fact: &Fact) -> Vec<u8> {
    let mut bytes = Vec::new();
    fact.encode(&mut bytes);
    bytes
}

fn ended(id: u64) -> Fact {
    let left = Left { id: CallId(id), outcome: Outcome::Never, made: None, reading: None };
    Fact { time: Timestamp::from_nanos(-1), held: 1, happened: Happened::Left(left) }
}

proptest! {
    #[test]
    fn what_was_written_is_read(facts in proptest::collection::vec(some::fact(), 0..8)) {
        let bytes: Vec<u8> = facts.iter().flat_map(encoded).collect();
        let mut rest = bytes.as_slice();
        for fact in &facts {
            prop_assert_eq!(&Fact::decode(&mut rest).unwrap(), fact);
        }
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn what_is_cut_is_refused(fact in some::fact(), at in any::<prop::sample::Index>()) {
        let bytes = encoded(&fact);
        let mut cut = &bytes[..at.index(bytes.len())];
        prop_assert_eq!(Fact::decode(&mut cut), Err(DecodeError::Cut));
    }

    #[test]
    fn any_bytes_are_a_fact_or_refused(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Fact::decode(&mut bytes.as_slice());
        if let Some(first) = bytes.first_mut() {
            *first = VERSION;
        }
        let mut rest = bytes.as_slice();
        if Fact::decode(&mut rest).is_err() {
            prop_assert_eq!(rest.len(), bytes.len(), "what was refused is not taken");
        }
    }

    #[test]
    fn a_damaged_fact_is_a_fact_or_refused(
        fact in some::fact(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = encoded(&fact);
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = Fact::decode(&mut bytes.as_slice());
    }
}

#[test]
fn another_version_and_unknown_tags_are_named() {
    assert_eq!(Fact::decode(&mut [9].as_slice()), Err(DecodeError::Version(9)));
    let mut bytes = encoded(&ended(1));
    bytes[3] = 77;
    assert_eq!(Fact::decode(&mut bytes.as_slice()), Err(DecodeError::Tag { of: "what happened", tag: 77 }));
    assert_eq!(DecodeError::Version(9).to_string(), "a fact has version 9; the versions up to 2 are known");
}

#[test]
fn facts_of_the_first_version_do_not_say_for_how_long_programs_were_held() {
    let fact = ended(7);
    let mut bytes = encoded(&fact);
    bytes[0] = 1;
    bytes.remove(2);
    assert_eq!(Fact::decode(&mut bytes.as_slice()), Ok(Fact { held: 0, ..fact }));
}

#[test]
fn a_length_is_not_believed() {
    // A program whose command has four thousand million words.
    let fact = Fact {
        time: Timestamp::default(),
        held: 0,
        happened: Happened::Started(Program { number: 0, pid: 1, command: Vec::new() }),
    };
    let mut bytes = encoded(&fact);
    bytes.pop();
    bytes.extend([0xff, 0xff, 0xff, 0xff, 0x0f]);
    assert_eq!(Fact::decode(&mut bytes.as_slice()), Err(DecodeError::TooLong));
}

#[test]
fn what_is_too_long_is_cut_between_characters() {
    let line = enchufe_story::fact::Line {
        file: "é".repeat(LONGEST_TEXT),
        line: 1,
        function: "x".repeat(LONGEST_TEXT + 1),
    };
    let entered = enchufe_story::fact::Entered {
        id: CallId(1),
        program: 0,
        pid: 1,
        tid: 1,
        syscall: Syscall::Write,
        fd: Some(1),
        socket: None,
        arguments: Arguments::Printed { stream: 1, text: vec![b'a'; LONGEST_TEXT + 9], length: 1 << 40 },
        drops: Vec::new(),
        before: Vec::new(),
        line: Some(line),
    };
    let fact = Fact { time: Timestamp::default(), held: 0, happened: Happened::Entered(entered) };
    let Happened::Entered(read) = Fact::decode(&mut encoded(&fact).as_slice()).unwrap().happened else {
        panic!("an entered call")
    };
    let line = read.line.unwrap();
    assert_eq!((line.file.len(), line.function.len()), (LONGEST_TEXT, LONGEST_TEXT));
    let Arguments::Printed { text, length, .. } = read.arguments else { panic!("what was printed") };
    assert_eq!((text.len(), length), (LONGEST_TEXT, 1 << 40));
}

#[test]
fn calls_keep_their_numbers() {
    for (number, syscall) in (0u8..).zip(Syscall::ALL) {
        assert_eq!(syscall as u8, number, "{}", syscall.name());
    }
    // Recordings have these numbers: they never change.
    assert_eq!((Syscall::Socket as u8, Syscall::Close as u8, Syscall::Killed as u8), (0, 26, 50));
}
