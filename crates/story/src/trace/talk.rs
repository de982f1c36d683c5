//! What is remembered of a conversation while a recording is judged.

use super::event::{Moved, Range, Side};
use crate::Ladder;
use crate::cause::Frames;
use enchufe_wire::layer::TcpFlags;
use enchufe_wire::{Seq, Timestamp};
use std::collections::VecDeque;

/// The most segments of a direction whose bytes a reading call can name.
const MOST_PIECES: usize = 4_096;

/// A conversation.
#[derive(Clone, Debug)]
pub(super) struct Talk {
    pub(super) ladder: Ladder,
    pub(super) sides: [Side; 2],
    pub(super) flows: [Flow; 2],
    /// The frame that came last, and when.
    pub(super) last: (u64, Timestamp),
}

impl Talk {
    pub(super) const fn flow(&self, is_b: bool) -> &Flow {
        let [a, b] = &self.flows;
        if is_b { b } else { a }
    }
}

/// The segments of one end.
#[derive(Clone, Debug, Default)]
pub(super) struct Flow {
    /// A number, and the place in the stream that it stands for.
    start: Option<(Seq, u64)>,
    /// Bytes that came for the first time, and their frames.
    pieces: VecDeque<(Range, u64)>,
    /// The place after the last byte that was sent.
    pub(super) sent: u64,
    /// The place in the peer's stream up to which it acknowledged.
    pub(super) acked: u64,
    /// The frame of its last segment that acknowledged something new, or opened the window, and when; whether there was
    /// nothing under way after it.
    pub(super) opened: Option<Opened>,
    /// The place in the peer's stream up to which its window lets the peer send, once it told one.
    pub(super) edge: Option<u64>,
    /// The most bytes that a segment of it may have, by the peer's SYN.
    pub(super) most: Option<u16>,
    /// A SYN of it was seen.
    pub(super) has_syn: bool,
    /// A FIN of it was seen.
    pub(super) has_fin: bool,
    /// The frame of its last segment, and how many came since the peer's last one.
    pub(super) last: u64,
    pub(super) since_peer: u64,
    /// When its last segment with something to acknowledge came, and which it was.
    pub(super) moved: Option<(u64, Timestamp)>,
    /// It has acknowledged the peer's SYN.
    pub(super) has_completed: bool,
}

/// A segment that let the peer send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opened {
    pub(super) frame: u64,
    pub(super) time: Timestamp,
    /// Nothing of the peer was under way any more.
    pub(super) all: bool,
    /// The place in the peer's stream up to which it might send before.
    pub(super) edge: u64,
}

impl Flow {
    /// Its SYN has this number.
    pub(super) fn starts(&mut self, syn: Seq) {
        if self.start.is_none() || !self.has_syn {
            self.start = Some((syn + 1, 0));
        }
        self.has_syn = true;
    }

    pub(super) const fn is_known(&self) -> bool {
        self.start.is_some()
    }

    /// The place of a number in the stream; negative before its first byte.
    pub(super) fn place(&self, seq: Seq) -> Option<i64> {
        let (known, at) = self.start?;
        i64::try_from(at).ok()?.checked_add(i64::from(seq - known))
    }

    /// The places of the bytes of a segment.
    pub(super) fn range(&self, seq: Seq, flags: TcpFlags, len: u32) -> Option<Range> {
        let first = self.place(seq + u32::from(flags.any(TcpFlags::SYN)))?;
        let start = u64::try_from(first).ok()?;
        Some(Range { start, end: start.checked_add(u64::from(len))? })
    }

    /// Remembers bytes that were not sent before.
    pub(super) fn add(&mut self, range: Range, frame: u64) {
        if range.is_empty() {
            return;
        }
        if self.pieces.len() >= MOST_PIECES {
            self.pieces.pop_front();
        }
        let place = self.pieces.partition_point(|(piece, _)| piece.start <= range.start);
        self.pieces.insert(place, (range, frame));
        self.sent = self.sent.max(range.end);
        let Some((seq, at)) = self.start else { return };
        // Numbers wrap after four gigabytes: count from a near one.
        let ahead = u32::try_from(self.sent.saturating_sub(at)).unwrap_or(u32::MAX);
        if ahead > 1 << 30 {
            self.start = Some((seq + ahead, at + u64::from(ahead)));
        }
    }

    /// The frames that brought these bytes; those before them are forgotten.
    pub(super) fn brought(&mut self, ranges: &[Moved]) -> Frames {
        let mut frames = Frames::default();
        let start = ranges.iter().map(|moved| moved.range.start).min().unwrap_or_default();
        while self.pieces.front().is_some_and(|(piece, _)| piece.end <= start) {
            self.pieces.pop_front();
        }
        let end = ranges.iter().map(|moved| moved.range.end).max().unwrap_or_default();
        for (piece, frame) in self.pieces.iter().take_while(|(piece, _)| piece.start < end) {
            if ranges.iter().any(|moved| !piece.and(moved.range).is_empty()) {
                frames.add(*frame);
            }
        }
        frames
    }
}
