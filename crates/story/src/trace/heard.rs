//! What of an end's segments has come to the other end, and when.
//!
//! A segment is judged when it is sent. What it brings counts from when it arrives: at once where that is not known, and not at
//! all where it is known that it never did.

use super::event::{Moved, Range};
use crate::cause::Frames;
use crate::fact::Arrival;
use enchufe_wire::Timestamp;
use std::collections::VecDeque;

/// The most segments of a direction whose bytes a reading call can name.
const MOST_PIECES: usize = 4_096;
/// The most segments that are on their way at once: past it the first counts as arrived.
const MOST_FLYING: usize = 4_096;
/// So many segments that came since the other end's last one are told apart.
const MOST_SINCE: usize = 16;
/// So many segments are remembered to know them when they arrive again.
const MOST_LANDED: usize = 256;

/// A segment, and what it brings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flying {
    pub(super) frame: u64,
    pub(super) sent: Timestamp,
    pub(super) lands: Timestamp,
    /// Its bytes.
    pub(super) range: Option<Range>,
    /// It has something to acknowledge.
    pub(super) moves: bool,
    /// The place in the other end's stream up to which it acknowledges, and its window.
    pub(super) acked: Option<(u64, u32)>,
    /// What it acknowledged, and after how many nanoseconds.
    pub(super) after: Option<(u64, i64)>,
}

/// A segment that let the other end send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opened {
    pub(super) frame: u64,
    pub(super) time: Timestamp,
    /// Nothing of the other end was under way any more.
    pub(super) all: bool,
    /// The place in the other end's stream up to which it might send before.
    pub(super) edge: u64,
    /// What it acknowledged, and after how many nanoseconds.
    pub(super) after: Option<(u64, i64)>,
}

/// What has come.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    flying: VecDeque<Flying>,
    landed: VecDeque<(Timestamp, u64, bool)>,
    /// Bytes that came for the first time, and their frames.
    pieces: VecDeque<(Range, u64)>,
    /// Of some segment it is known whether and when it came.
    pub(super) is_known: bool,
    /// A segment of it had urgent bytes: what waits to be read is counted only up to those (`tcp_inq`, include/net/tcp.h), and
    /// they may be read beside the stream, so that which bytes a call of the other end read is not known from there on.
    pub(super) has_urgent: bool,
    /// The place after the last byte that came.
    pub(super) sent: u64,
    /// The place in the other end's stream up to which it is acknowledged.
    pub(super) acked: u64,
    /// The last that acknowledged something new, or opened the window.
    pub(super) opened: Option<Opened>,
    /// The place in the other end's stream up to which the window lets it send, once it was told one.
    pub(super) edge: Option<u64>,
    /// The last one with something to acknowledge, and when it came.
    pub(super) moved: Option<(u64, Timestamp)>,
    /// The last one, and when it came.
    pub(super) last: u64,
    pub(super) last_time: Timestamp,
    /// Those that came since the other end's last segment, the last sixteen, and whether each has something to acknowledge.
    pub(super) since: VecDeque<(u64, bool)>,
    /// How many these are.
    pub(super) count: u64,
}

impl Heard {
    /// A segment is sent.
    pub(super) fn send(&mut self, mut flying: Flying, arrival: Arrival) {
        match arrival {
            Arrival::Never => {
                self.is_known = true;
                return;
            }
            Arrival::At(time) => {
                self.is_known = true;
                flying.lands = time;
            }
            Arrival::Unknown => {}
        }
        let place = self.flying.partition_point(|other| other.lands <= flying.lands);
        self.flying.insert(place, flying);
    }

    /// What was on its way until then has come. So much did the other end send until now.
    pub(super) fn land(&mut self, until: Timestamp, others_sent: u64) {
        while let Some(first) = self.flying.front() {
            if first.lands > until && self.flying.len() <= MOST_FLYING {
                return;
            }
            if let Some(flying) = self.flying.pop_front() {
                self.lands(&flying, others_sent);
            }
        }
    }

    fn lands(&mut self, flying: &Flying, others_sent: u64) {
        let Flying { frame, lands, range, moves, acked, after, sent } = *flying;
        if let Some(range) = range {
            self.came(range, frame);
        }
        if moves {
            self.moved = Some((frame, lands));
        }
        if let Some((acked, window)) = acked {
            let edge = self.acked.max(acked).saturating_add(u64::from(window));
            let before = self.edge.replace(edge).unwrap_or(edge);
            if acked > self.acked || edge > before {
                let all = acked == others_sent;
                self.opened = Some(Opened { frame, time: lands, all, edge: before, after });
            }
            self.acked = self.acked.max(acked);
        }
        (self.last, self.last_time) = (frame, lands);
        self.hears(frame, moves);
        if self.is_known {
            if self.landed.len() >= MOST_LANDED {
                self.landed.pop_front();
            }
            self.landed.push_back((sent, frame, moves));
        }
    }

    fn hears(&mut self, frame: u64, moves: bool) {
        if self.since.len() >= MOST_SINCE {
            self.since.pop_front();
        }
        self.since.push_back((frame, moves));
        self.count += 1;
    }

    /// One that was sent then arrives again: its frame.
    pub(super) fn again(&mut self, sent: Timestamp, time: Timestamp) -> Option<u64> {
        let (_, frame, moves) = *self.landed.iter().rev().find(|(known, ..)| *known == sent)?;
        self.hears(frame, moves);
        (self.last, self.last_time) = (frame, time);
        Some(frame)
    }

    /// Whether all that came since the other end's last segment are told apart.
    pub(super) fn has_all(&self) -> bool {
        self.count == self.since.len() as u64
    }

    /// The other end sends.
    pub(super) fn is_answered(&mut self) {
        self.since.clear();
        self.count = 0;
    }

    /// Keeps which frame brought which bytes first.
    fn came(&mut self, range: Range, frame: u64) {
        self.sent = self.sent.max(range.end);
        let first = self.pieces.partition_point(|(piece, _)| piece.end <= range.start);
        let (mut place, mut start) = (first, range.start);
        while start < range.end {
            let next = self.pieces.get(place).map(|(piece, _)| *piece);
            let end = next.map_or(range.end, |next| next.start.min(range.end));
            if start < end {
                self.pieces.insert(place, (Range { start, end }, frame));
                place += 1;
            }
            start = next.map_or(range.end, |next| next.end);
            place += 1;
        }
        while self.pieces.len() > MOST_PIECES {
            self.pieces.pop_front();
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
            let is_new = frames.numbers.last() != Some(frame);
            if is_new && ranges.iter().any(|moved| !piece.and(moved.range).is_empty()) {
                frames.add(*frame);
            }
        }
        frames
    }
}
