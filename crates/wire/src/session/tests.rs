#[allow(dead_code, reason = "shared with other tests")]
#[path = "../../tests/craft/mod.rs"]
pub(crate) mod craft;

use super::*;
use crate::LinkType;
use crate::row::Columns;
use crate::time::Resolution;
use craft::packets::{Capture, Dice};

/// The crafted captures and random ones, those of IP without a link layer in Ethernet.
pub(crate) fn ethernet_captures() -> Vec<Capture> {
    let mut captures: Vec<_> = craft::all().into_iter().map(|(_, capture)| capture).collect();
    captures.extend((0..12).map(|seed| craft::random::capture(seed, 30)));
    for capture in &mut captures {
        if LinkType(capture.link) != LinkType::RAW {
            continue;
        }
        capture.link = LinkType::ETHERNET.0;
        for (_, frame, wire_len) in &mut capture.frames {
            let is_v6 = frame.first().is_some_and(|first| first >> 4 == 6);
            let ethertype = if is_v6 { 0x86dd } else { 0x0800 };
            *frame = craft::packets::ethernet(ethertype, frame);
            *wire_len += 14;
        }
    }
    captures
}

fn records(capture: &Capture) -> Vec<Record<'_>> {
    let mut records = Vec::new();
    for (time, bytes, wire_len) in &capture.frames {
        records.push(Record {
            interface: 0,
            link: LinkType(capture.link),
            time: Some(Timestamp::from_nanos(i64::try_from(*time).unwrap())),
            resolution: Resolution::NANOS,
            bytes,
            wire_len: u32::try_from(*wire_len).unwrap(),
            options: Options::NONE,
        });
    }
    records
}

fn rows(records: &[Record<'_>], session: &mut Session) -> Vec<String> {
    let (mut columns, mut rows) = (Columns::new(), Vec::new());
    for record in records {
        let mut row = String::new();
        columns.line(&session.frame(record), &mut row);
        rows.push(row);
    }
    rows
}

#[test]
fn the_short_way_of_a_first_reading_tells_the_second_all_that_the_long_way_does() {
    let mut dice = Dice::new(11);
    let mut short_ones = 0;
    for mut capture in ethernet_captures() {
        for turn in 0..4 {
            // Damaged here and there, the first time not.
            let damage = if turn == 0 { 0 } else { capture.frames.len() / 5 + 1 };
            for _ in 0..damage {
                let count = u32::try_from(capture.frames.len()).unwrap();
                let frame = &mut capture.frames[usize::try_from(dice.roll(count)).unwrap()].1;
                let at = usize::try_from(dice.roll(74)).unwrap();
                let value = u8::try_from(dice.roll(256)).unwrap();
                frame.get_mut(at).into_iter().for_each(|byte| *byte = value);
            }
            let conversations = [1_000, 1, 2, 5][turn];
            let (limits, records) = (Limits { conversations, unacked: 1_000 }, records(&capture));
            let (mut short, mut long) = (Scout::new(limits), Scout::new(limits));
            for record in &records {
                // As `Scout::record` does.
                if short.0.pass_by(record) {
                    short_ones += 1;
                } else {
                    short.0.frame(record);
                }
                long.0.frame(record);
                assert_eq!(short.0.number, long.0.number);
                assert_eq!(short.0.tcp.forgotten(), long.0.tcp.forgotten());
            }
            let (mut short, mut long) = (short.finish(limits), long.finish(limits));
            assert_eq!(short.tcp.told, long.tcp.told);
            let told = |session: &Session| {
                let Later { reassembled_in, replies } = session.told.as_ref().unwrap();
                (reassembled_in.map.clone(), replies.map.clone())
            };
            assert_eq!(told(&short), told(&long));
            assert_eq!(rows(&records, &mut short), rows(&records, &mut long));
        }
    }
    assert!(short_ones > 10_000, "{short_ones}");
}
