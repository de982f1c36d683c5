//! Nothing that a capture can hold may panic, and what grows has a bound: every crafted capture, whole and damaged.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod talk;

use enchufe_story::{Change, Ladders, MOST_ROWS, State};
use enchufe_wire::file::{InterfaceInfo, PacketNotes, Writer};
use enchufe_wire::{LinkType, Timestamp};
use std::collections::HashMap;
use talk::craft::{
    self,
    packets::{ACK, Ip, SYN, Tcp},
};

/// Numbers that only look random, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % sides.max(1)
    }
}

/// Reads it, and looks whether each change goes on from the one before it.
fn read(file: &[u8]) -> Ladders {
    let mut ladders = Ladders::new();
    talk::frames(file, |frame| ladders.frame(frame));
    for story in ladders.stories() {
        let mut last: HashMap<bool, Option<State>> = HashMap::new();
        let changes =
            story.rows.iter().flat_map(|row| row.changes.iter().map(move |change| (row.frame, change)));
        for (frame, change) in changes {
            let Change { of_b, from, to, because, .. } = *change;
            assert_eq!(last.insert(of_b, to).unwrap_or_default(), from, "at frame {frame}");
            assert!(because <= frame && because > 0, "at frame {frame}: because of {because}");
        }
    }
    ladders
}

#[test]
fn every_crafted_capture_is_told() {
    for (name, capture) in craft::all() {
        let ladders = read(&capture.pcap());
        let rows: u64 = ladders.stories().iter().map(|story| story.rows.len() as u64 + story.left_out).sum();
        let frames = u64::try_from(capture.frames.len()).unwrap();
        assert_eq!(rows + ladders.others() + ladders.left_out(), frames, "{name}: every frame is counted");
    }
}

#[test]
fn damaged_captures_are_told_as_far_as_they_go() {
    let mut dice = Dice(0x5eed_5eed_5eed_5eed);
    for (_, capture) in craft::all() {
        let whole = capture.pcap();
        for _ in 0..12 {
            let mut file = whole.clone();
            for _ in 0..=dice.roll(file.len() / 50) {
                let at = 24 + dice.roll(file.len() - 24);
                if let Some(byte) = file.get_mut(at) {
                    *byte = u8::try_from(dice.roll(256)).unwrap();
                }
            }
            file.truncate(24 + dice.roll(file.len()));
            read(&file);
        }
    }
}

#[test]
fn segments_that_no_program_sends_are_told() {
    let mut dice = Dice(0xfeed_feed_feed_feed);
    for _ in 0..300 {
        let mut talk = talk::Talk::new();
        talk.first = (u32::MAX - 40, 3);
        for _ in 0..40 {
            let flags = u16::try_from(dice.roll(64)).unwrap();
            let (seq, ack) = (u32::try_from(dice.roll(90)).unwrap(), u32::try_from(dice.roll(90)).unwrap());
            let (from_b, len) = (dice.roll(2) == 0, dice.roll(30));
            talk = talk.put(from_b, flags, seq, ack, |tcp| {
                tcp.payload = len;
                tcp.window = u16::try_from(len % 3).unwrap();
            });
        }
        read(&talk.file());
    }
}

/// A file of this many segments, each made by its place.
fn many(count: u64, segment: impl Fn(u64) -> Tcp) -> Vec<u8> {
    let (mut writer, mut file) = (Writer::new(), Vec::new());
    writer.section(&mut file, "a test");
    let interface = writer.interface(&mut file, LinkType::RAW, &InterfaceInfo::default());
    for at in 0..count {
        let bytes = Ip::new(6).with(&segment(at).bytes());
        let (time, len) =
            (Timestamp::from_nanos(i64::try_from(at).unwrap()), u32::try_from(bytes.len()).unwrap());
        writer.packet(&mut file, interface, time, &bytes, len, &PacketNotes::default());
    }
    file
}

#[test]
fn rows_of_a_conversation_have_a_bound_and_what_is_past_it_is_counted() {
    let most = u64::try_from(MOST_ROWS).unwrap();
    let file = many(most + 7, |at| Tcp::new((1, 2), ACK, u32::try_from(at).unwrap(), 1));
    let ladders = read(&file);
    let [story] = ladders.stories() else { panic!("one conversation") };
    assert_eq!((story.rows.len(), story.left_out, ladders.left_out()), (MOST_ROWS, 7, 0));
}

#[test]
fn rows_over_all_conversations_have_a_bound() {
    // Each SYN of another port opens another conversation: 60,000 ports of one end, then of the other.
    let most = u64::try_from(enchufe_story::MOST_ROWS_OVERALL).unwrap();
    let file = many(most + 5, |at| {
        let port = u16::try_from(at % 60_000).unwrap() + 100;
        Tcp::new((port, u16::try_from(at / 60_000).unwrap() + 1), SYN, 7, 0)
    });
    let ladders = read(&file);
    assert_eq!(ladders.stories().len(), enchufe_story::MOST_ROWS_OVERALL);
    assert_eq!(ladders.left_out(), 5);
}
