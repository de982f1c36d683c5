//! What a frame that was made to be slow is answered with.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what it expects by unwrapping"
)]

#[allow(dead_code, reason = "shared with other tests")]
mod craft;

use craft::packets::{be, ip4, udp};
use enchufe_wire::file::{Options, Record};
use enchufe_wire::time::Resolution;
use enchufe_wire::{Filter, LinkType, Session};

/// A message that asks for `a` so many times, then for `b`, and has an answer for `b`.
fn asks(count: u16) -> Vec<u8> {
    let name = |letter: u8| [&[1, letter, 0][..], &be(&[16, 1])].concat();
    let mut message = be(&[1, 0x8180, count + 1, 1, 0, 0]);
    message.extend(name(b'a').repeat(usize::from(count)));
    message.extend(name(b'b'));
    message.extend([&name(b'b')[..], &be(&[0, 60, 0])].concat());
    ip4(17, &udp(53, 1000, &message))
}

#[test]
fn of_each_field_a_thousand_values_are_compared_with_another_fields() {
    let filter = Filter::parse("dns.qry.name == dns.resp.name").unwrap();
    for (count, found) in [(0, true), (999, true), (1_000, false)] {
        let bytes = asks(count);
        let record = Record {
            interface: 0,
            link: LinkType::RAW,
            time: None,
            resolution: Resolution::NANOS,
            bytes: &bytes,
            wire_len: u32::try_from(bytes.len()).unwrap(),
            options: Options::NONE,
        };
        assert_eq!(filter.matches(&Session::default().frame(&record)), found, "{count}");
    }
}
