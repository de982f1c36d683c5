//! Arbitrary text as a display filter: an error says where it is, an accepted filter is asked of frames, and its
//! negation answers the opposite.
#![no_main]

#[allow(dead_code)]
#[path = "../../crates/wire/tests/craft/mod.rs"]
mod craft;

use std::sync::LazyLock;

use enchufe_wire::file::{Item, Reader};
use enchufe_wire::filter::FilterProblem;
use enchufe_wire::tcp::Limits;
use enchufe_wire::{Filter, Session};
use libfuzzer_sys::fuzz_target;

/// Captures that have every kind of field between them, as files of few frames.
static CAPTURES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let wanted =
        ["report", "ethernet", "arp", "icmp", "icmpv6", "fragments", "extensions", "links_sll", "dns"];
    let captures = craft::all().into_iter().filter(|(name, _)| wanted.contains(name));
    captures
        .map(|(_, mut capture)| {
            capture.frames.truncate(8);
            capture.pcap()
        })
        .collect()
});

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let filter = match Filter::parse(&text) {
        Ok(filter) => filter,
        Err(error) => {
            assert!(text.get(error.span.clone()).is_some(), "{error:?}");
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let negation = match Filter::parse(&format!("!({text})")) {
        Ok(negation) => Some(negation),
        Err(error) => {
            let excused = text.trim().is_empty() || error.problem == FilterProblem::TooDeep;
            assert!(excused, "{error:?}");
            None
        }
    };
    for capture in CAPTURES.iter() {
        let (mut reader, mut session) = (Reader::new(), Session::new(Limits::default()));
        reader.feed(capture);
        while let Ok(Some(item)) = reader.next() {
            let Item::Packet(record) = item else { continue };
            let frame = session.frame(&record);
            let holds = filter.matches(&frame);
            assert!(negation.as_ref().is_none_or(|negation| negation.matches(&frame) != holds));
        }
    }
});
