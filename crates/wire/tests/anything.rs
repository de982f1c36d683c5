//! Nothing that a file can hold may panic, hang or fill memory: arbitrary bytes, and damaged captures, through
//! everything that reads or prints. Expected values are none: getting to the end is the proof.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what it expects by unwrapping"
)]

mod craft;

use craft::packets::Capture;
use enchufe_wire::field;
use enchufe_wire::file::{Item, Reader, Record};
use enchufe_wire::filter::Filter;
use enchufe_wire::finding::Findings;
use enchufe_wire::follow::Follow;
use enchufe_wire::layer::Source;
use enchufe_wire::outline::Outlines;
use enchufe_wire::row::Columns;
use enchufe_wire::session::{Scout, Session};
use enchufe_wire::tcp::Limits;

/// Numbers that only look random, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % sides
    }

    fn place(&mut self, len: usize) -> usize {
        usize::try_from(self.roll(u64::try_from(len.max(1)).unwrap())).unwrap()
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.roll(256)).unwrap()
    }
}

/// Everything that can be asked of a capture, twice.
fn read_whole(file: &[u8], filters: &[Filter]) {
    let limits = Limits { conversations: 7, unacked: 50 };
    let (mut session, mut scout) = (Session::new(limits), Scout::new(limits));
    for _ in 0..2 {
        let (mut reader, mut findings, mut follow) = (Reader::new(), Findings::new(), Follow::new(0));
        let (mut columns, mut outlines) = (Columns::new(), Outlines::new());
        for piece in file.chunks(1000) {
            reader.feed(piece);
            while let Ok(Some(item)) = reader.next() {
                match item {
                    Item::Packet(record) => {
                        scout.record(&record);
                        one(&record, &mut session, filters, |frame| {
                            columns.fill(frame);
                            findings.frame(frame);
                            outlines.frame(frame);
                            follow.frame(frame, &mut |_| {});
                        });
                    }
                    Item::Custom(custom) => {
                        let _ = custom.process().map(|process| process.options.into_iter().count());
                    }
                    Item::Names(names) => {
                        let _ = names.records().count();
                    }
                    Item::Statistics(statistics) => {
                        let _ = statistics.counter(5);
                    }
                    _ => {}
                }
            }
        }
        reader.finish().ok();
        follow.finish(&mut |_| {});
        findings.finish(session.conversations());
        session = std::mem::take(&mut scout).finish(limits);
    }
}

fn one<'s>(
    record: &Record<'s>,
    session: &'s mut Session,
    filters: &[Filter],
    mut with: impl FnMut(&enchufe_wire::session::Frame<'s>),
) {
    let _ = (record.process(), record.options.comments().count());
    let frame = session.frame(record);
    field::visit(&frame, &mut |found| {
        let source = match found.source {
            Source::Frame => frame.packet.bytes(),
            Source::Reassembled => frame.packet.reassembled(),
        };
        let name = found.id.info().name;
        assert!(!name.is_empty());
        assert!(found.len == 0 || found.start + found.len <= source.len(), "{name} lies outside");
    });
    for filter in filters {
        let _ = filter.matches(&frame);
    }
    with(&frame);
}

fn filters() -> Vec<Filter> {
    let texts = [
        "tcp.payload[0:4] == 61:62:63:64 or frame[-9:] contains 00",
        "dns.qry.name matches \"a.*\"",
        "ip.addr in {10.0.0.0/8}",
    ];
    texts.iter().map(|text| Filter::parse(text).unwrap()).collect()
}

#[test]
fn damaged_captures_are_read_to_the_end() {
    let (mut dice, filters) = (Dice(88_172_645_463_325_252), filters());
    for (_, capture) in craft::all() {
        let whole = capture.pcap();
        for _ in 0..12 {
            let mut file = whole.clone();
            for _ in 0..=dice.roll(20) {
                let place = dice.place(file.len());
                // The header stays, so that what is behind it is reached.
                if place >= 24 {
                    file[place] = dice.byte();
                }
            }
            file.truncate(file.len() - dice.place(file.len() / 8));
            read_whole(&file, &filters);
        }
    }
}

#[test]
fn arbitrary_frames_of_every_link_type_are_read() {
    let (mut dice, filters) = (Dice(362_436_069), filters());
    for link in [0u32, 1, 12, 101, 108, 113, 228, 229, 276, 999] {
        let mut frames = Vec::new();
        for _ in 0..400 {
            let mut frame: Vec<u8> = (0..dice.roll(90)).map(|_| dice.byte()).collect();
            // Beginnings that lead further than chance does.
            let starts: [&[u8]; 4] = [&[0x45, 0, 0, 60], &[0x60, 0, 0, 0, 0, 40], &[2, 0, 0, 0, 0x45], &[]];
            let start = starts[dice.place(4)];
            frame.splice(0..0, start.iter().copied());
            let wire = frame.len() + dice.place(40);
            frames.push((0, frame, wire));
        }
        read_whole(&Capture { link, frames }.pcap(), &filters);
    }
}

#[test]
fn a_header_that_is_cut_has_no_field_outside() {
    let message = craft::packets::udp(53, 5353, &[1; 40]);
    let frame = craft::packets::ip4(17, &message);
    for capture in [Capture::short_everywhere(101, &frame), Capture::cut_everywhere(101, &frame)] {
        read_whole(&capture.pcap(), &[]);
    }
}

#[test]
fn arbitrary_filters_are_answered() {
    let words = [
        "tcp",
        "ip.addr",
        "tcp.port",
        "dns.qry.name",
        "==",
        "!=",
        "&",
        "contains",
        "matches",
        "in",
        "{",
        "}",
        "(",
        ")",
        "[0:2]",
        "[1-]",
        "80",
        "10.0.0.0/8",
        "\"a\"",
        "\"(\"",
        "r\"[\"",
        "not",
        "and",
        "or",
        "len(",
        "..",
        ",",
        "any",
        "all",
        "'x'",
        "é",
        "0x",
        "::",
        "-1",
        "\"\\x4",
        "frame[",
    ];
    let mut dice = Dice(521_288_629);
    for _ in 0..20_000 {
        let text: Vec<&str> = (0..=dice.roll(9)).map(|_| words[dice.place(words.len())]).collect();
        let text = text.join([" ", ""][dice.place(2)]);
        if let Err(error) = Filter::parse(&text) {
            assert!(error.span.start <= error.span.end && error.span.end <= text.len(), "{text}: {error:?}");
        }
    }
}
