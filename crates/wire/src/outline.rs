//! The course of each conversation: handshake, turns of data with what acknowledged them, how each side closed; and the
//! frames that belong to no conversation.
//!
//! A *turn* is what one side sent before the other one sent bytes. **Memory** grows with conversations and turns, up to
//! [`MOST_TURNS`] a conversation and [`MOST_KEPT`] over all; what is past it is counted, not kept.

use std::collections::HashMap;

use crate::layer::{Tcp, TcpFlags};
use crate::seq::Seq;
use crate::session::Frame;

/// The most turns of a conversation that are kept.
pub const MOST_TURNS: usize = 1_000;
/// The most conversations, and turns over all of them, that are kept; the most stretches of other frames.
pub const MOST_KEPT: usize = 100_000;

/// The most stretches of missing bytes that are remembered of a side; what fills one past it counts as repeated.
const MOST_HOLES: usize = 256;

/// What one side sent before the other sent bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Whether `b` sent it.
    pub from_b: bool,
    /// Payload bytes; what had come before is not counted again.
    pub bytes: u64,
    /// The first and the last of its frames.
    pub frames: (u64, u64),
    /// How many segments with bytes.
    pub segments: u64,
    /// How many of them carried bytes that had come before.
    pub repeated: u64,
    /// The frame that acknowledged its last byte.
    pub acknowledged_by: Option<u64>,
    end: Seq,
}

/// How one side closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close {
    /// Whether `b` closed.
    pub by_b: bool,
    /// The frame of its first FIN.
    pub fin: u64,
    /// The frame that acknowledged it.
    pub acknowledged_by: Option<u64>,
    end: Seq,
}

/// The course of one conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// The frame of the first SYN without acknowledgement, and whether `b` sent it.
    pub syn: Option<(u64, bool)>,
    /// The frame of the first SYN with acknowledgement.
    pub syn_ack: Option<u64>,
    /// The frame that acknowledged it.
    pub opened: Option<u64>,
    /// Turns, in order.
    pub turns: Vec<Turn>,
    /// Turns that were not kept.
    pub turns_left_out: u64,
    /// The closes, in order: at most one a side.
    pub closes: Vec<Close>,
    /// Segments whose bytes, or a part of them, had come before.
    pub repeated: u64,
    /// Segments before which, when they came, bytes were missing.
    pub early: u64,
    /// Acknowledgements of bytes that had not been seen.
    pub unseen: u64,
    next: [Option<Seq>; 2],
    holes: [Vec<(Seq, Seq)>; 2],
    syn_ack_end: Option<Seq>,
}

/// Gathers the courses.
#[derive(Debug, Default)]
pub struct Outlines {
    courses: HashMap<u32, Outline>,
    turns: usize,
    /// First and last number of each stretch of frames without a conversation.
    others: Vec<(u64, u64)>,
    left_out: u64,
}

impl Outlines {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The course of the conversation of this number (`tcp.stream`), if it was kept.
    pub fn of(&self, stream: u32) -> Option<&Outline> {
        self.courses.get(&stream)
    }

    /// Stretches of frames that belong to no TCP conversation, the first and last number of each.
    pub fn others(&self) -> &[(u64, u64)] {
        &self.others
    }

    /// How many frames and stretches were not kept, past [`MOST_KEPT`].
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Takes the next frame.
    pub fn frame(&mut self, frame: &Frame<'_>) {
        let (Some(note), Some((tcp, _))) = (frame.tcp, frame.packet.tcp()) else {
            self.other(frame.number);
            return;
        };
        if self.courses.len() >= MOST_KEPT && !self.courses.contains_key(&note.stream) {
            self.left_out += 1;
            return;
        }
        let outline = self.courses.entry(note.stream).or_default();
        self.turns += outline.segment(frame.number, note.from_b, tcp, self.turns < MOST_KEPT);
    }

    fn other(&mut self, number: u64) {
        let room = self.others.len() < MOST_KEPT;
        match self.others.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ if room => self.others.push((number, number)),
            _ => self.left_out += 1,
        }
    }
}

impl Outline {
    /// Whether every byte that was seen came once and in order, from the first one on, with none missing between.
    pub const fn is_in_order(&self) -> bool {
        self.syn.is_some()
            && self.syn_ack.is_some()
            && self.repeated == 0
            && self.early == 0
            && self.unseen == 0
    }

    /// Takes a segment; gives how many turns are new.
    fn segment(&mut self, frame: u64, from_b: bool, tcp: &Tcp, room: bool) -> usize {
        if tcp.flags.any(TcpFlags::RST) {
            return 0;
        }
        if tcp.flags.any(TcpFlags::SYN) {
            self.opens(frame, from_b, tcp);
        }
        if tcp.flags.any(TcpFlags::ACK) {
            self.acknowledges(frame, from_b, tcp.ack);
        }
        let bytes = tcp.payload_len.unwrap_or_default();
        let start = tcp.seq + u32::from(tcp.flags.any(TcpFlags::SYN));
        let end = start + bytes;
        let added = if bytes > 0 { self.data(frame, from_b, (start, end), room) } else { 0 };
        if tcp.flags.any(TcpFlags::FIN) && !self.closes.iter().any(|close| close.by_b == from_b) {
            self.closes.push(Close { by_b: from_b, fin: frame, acknowledged_by: None, end: end + 1 });
        }
        added
    }

    fn next_of(&mut self, of_b: bool) -> &mut Option<Seq> {
        let [a, b] = &mut self.next;
        if of_b { b } else { a }
    }

    fn opens(&mut self, frame: u64, from_b: bool, tcp: &Tcp) {
        self.next_of(from_b).get_or_insert(tcp.seq + 1);
        if !tcp.flags.any(TcpFlags::ACK) {
            self.syn.get_or_insert((frame, from_b));
        } else if self.syn_ack.is_none() {
            (self.syn_ack, self.syn_ack_end) = (Some(frame), Some(tcp.seq + 1));
        }
    }

    fn acknowledges(&mut self, frame: u64, from_b: bool, ack: Seq) {
        if self.syn_ack != Some(frame) && self.syn_ack_end.is_some_and(|end| ack - end >= 0) {
            let by_opener = self.syn.is_none_or(|(_, opener)| opener == from_b);
            if by_opener {
                self.opened.get_or_insert(frame);
            }
        }
        // What is before a turn that was acknowledged was acknowledged, too.
        let sent = self.turns.iter_mut().rev().filter(|turn| turn.from_b != from_b);
        for turn in sent.take_while(|turn| turn.acknowledged_by.is_none()) {
            if ack - turn.end >= 0 {
                turn.acknowledged_by = Some(frame);
            }
        }
        let mut end = None;
        for close in self.closes.iter_mut().filter(|close| close.by_b != from_b) {
            end = Some(close.end);
            if close.acknowledged_by.is_none() && ack - close.end >= 0 {
                close.acknowledged_by = Some(frame);
            }
        }
        let next = self.next_of(!from_b);
        let reached = end.or(*next).unwrap_or(ack);
        if ack - reached > 0 {
            *next = Some(ack);
            self.unseen += 1;
        }
    }

    fn data(&mut self, frame: u64, from_b: bool, (start, end): (Seq, Seq), room: bool) -> usize {
        let next = self.next_of(from_b);
        let begins = next.is_none();
        let expected = *next.get_or_insert(start);
        *next = Some(if end - expected > 0 { end } else { expected });
        if begins {
            // What came before the capture's first segment is not known.
            self.hole(from_b, (start - (1 << 30), start));
        }
        let repeated = u64::from(start - expected < 0 && !self.fills(from_b, (start, end)));
        self.repeated += repeated;
        if start - expected > 0 {
            self.early += 1;
            self.hole(from_b, (expected, start));
        }
        let new = if repeated > 0 { (end - expected).max(0) } else { end - start };
        let bytes = u64::from(new.unsigned_abs());
        let room = room && self.turns.len() < MOST_TURNS;
        match self.turns.last_mut() {
            Some(turn) if turn.from_b == from_b && self.turns_left_out == 0 => {
                turn.bytes += bytes;
                turn.segments += 1;
                turn.repeated += repeated;
                turn.frames.1 = frame;
                if end - turn.end > 0 {
                    (turn.end, turn.acknowledged_by) = (end, None);
                }
                0
            }
            _ if !room => {
                self.turns_left_out += 1;
                0
            }
            _ => {
                let frames = (frame, frame);
                let (segments, acknowledged_by) = (1, None);
                self.turns.push(Turn { from_b, bytes, frames, segments, repeated, acknowledged_by, end });
                1
            }
        }
    }

    fn holes_of(&mut self, of_b: bool) -> &mut Vec<(Seq, Seq)> {
        let [a, b] = &mut self.holes;
        if of_b { b } else { a }
    }

    fn hole(&mut self, of_b: bool, hole: (Seq, Seq)) {
        let holes = self.holes_of(of_b);
        if holes.len() < MOST_HOLES {
            holes.push(hole);
        }
    }

    /// Whether these bytes were all missing; they are no longer.
    fn fills(&mut self, of_b: bool, (start, end): (Seq, Seq)) -> bool {
        let holes = self.holes_of(of_b);
        let found = holes.iter().position(|(from, to)| start - *from >= 0 && *to - end >= 0);
        let Some(at) = found else { return false };
        let (from, to) = holes.swap_remove(at);
        // What is filled in its middle is two.
        for left in [(from, start), (end, to)].into_iter().filter(|(from, to)| from != to) {
            self.hole(of_b, left);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_come_again_are_counted_once() {
        let mut outline = Outline::default();
        // Ten, the same again, five of them with ten new ones, and ten after a hole that is filled.
        for (frame, start, end) in [(1, 0, 10), (2, 0, 10), (3, 5, 20), (4, 30, 40), (5, 20, 30)] {
            outline.data(frame, false, (Seq(start), Seq(end)), true);
        }
        let turn = outline.turns[0];
        assert_eq!((turn.bytes, turn.segments, turn.repeated), (40, 5, 2));
    }

    #[test]
    fn a_hole_filled_byte_by_byte_does_not_become_ever_more_holes() {
        let mut outline = Outline::default();
        outline.data(1, false, (Seq(0), Seq(1)), true);
        outline.data(2, false, (Seq(1_000_000), Seq(1_000_001)), true);
        for frame in 3..5_000 {
            let start = Seq(10 * frame);
            outline.data(u64::from(frame), false, (start, start + 1), true);
        }
        let [a, _] = &outline.holes;
        assert_eq!(a.len(), MOST_HOLES);
        // Two holes become 256, and the fill after has no room for its second half.
        assert_eq!(outline.repeated, 4_997 - (254 + 1));
    }
}
