//! Frames in the order of their times: a small, bounded buffer.

use enchufe_wire::Timestamp;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A frame is handed on when one this much younger has come, in nanoseconds. Between its stamp and its place
/// in the ring a CPU is not interrupted, unless the machine is virtual and its host takes the CPU away.
const WINDOW: i64 = 5_000_000;

/// The most bytes that wait, before those of the block being taken.
const MOST_WAITING: usize = 8 << 20;

/// The most buffers that are kept to be filled again.
const MOST_SPARE: usize = 256;

/// Frames that wait. They are copied: the block that they came in is needed by the kernel.
#[derive(Debug, Default)]
pub(super) struct Reorder {
    waiting: BinaryHeap<Reverse<Frame>>,
    current: Option<Frame>,
    spare: Vec<Vec<u8>>,
    newest: i64,
    bytes: usize,
    taken: u64,
}

/// A frame. Ordered by time, then as it came; of no two is the number the same.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Frame {
    pub time: Timestamp,
    number: u64,
    pub wire_len: u32,
    pub bytes: Vec<u8>,
}

impl Reorder {
    /// Takes a frame, its bytes written by `fill`.
    pub fn push(&mut self, time: Timestamp, wire_len: u32, fill: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = self.spare.pop().unwrap_or_default();
        bytes.clear();
        fill(&mut bytes);
        self.bytes += bytes.len();
        self.newest = self.newest.max(time.nanos());
        self.taken += 1;
        self.waiting.push(Reverse(Frame { time, number: self.taken, wire_len, bytes }));
    }

    /// Goes on to the next frame, which is then the current one: the earliest, if it has waited long enough
    /// or `all` are to go. Tells whether there is one.
    pub fn advance(&mut self, all: bool) -> bool {
        if let Some(Frame { bytes, .. }) = self.current.take()
            && self.spare.len() < MOST_SPARE
        {
            self.spare.push(bytes);
        }
        let full = self.bytes > MOST_WAITING;
        let ready = |frame: &Frame| all || full || self.newest.saturating_sub(frame.time.nanos()) >= WINDOW;
        if self.waiting.peek().is_some_and(|Reverse(earliest)| ready(earliest)) {
            self.current = self.waiting.pop().map(|Reverse(frame)| frame);
        }
        self.bytes -= self.current.as_ref().map_or(0, |frame| frame.bytes.len());
        self.current.is_some()
    }

    pub const fn current(&self) -> Option<&Frame> {
        self.current.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(reorder: &mut Reorder, all: bool) -> Vec<i64> {
        let mut times = Vec::new();
        while reorder.advance(all) {
            times.extend(reorder.current().map(|frame| frame.time.nanos()));
        }
        times
    }

    fn push(reorder: &mut Reorder, times: &[i64]) {
        for &time in times {
            reorder.push(Timestamp::from_nanos(time), 1, |bytes| bytes.push(1));
        }
    }

    #[test]
    fn a_frame_waits_until_no_earlier_one_is_to_be_expected() {
        let mut reorder = Reorder::default();
        push(&mut reorder, &[20, 10, 30]);
        assert!(taken(&mut reorder, false).is_empty());
        push(&mut reorder, &[WINDOW + 15, 12]);
        assert_eq!(taken(&mut reorder, false), [10, 12]);
        assert_eq!(taken(&mut reorder, true), [20, 30, WINDOW + 15]);
    }

    #[test]
    fn frames_of_one_time_keep_their_order_and_their_bytes() {
        let mut reorder = Reorder::default();
        for byte in 0..4 {
            reorder.push(Timestamp::from_nanos(1), 1, |bytes| bytes.push(byte));
        }
        for byte in 0..4 {
            assert!(reorder.advance(true));
            assert_eq!(reorder.current().unwrap().bytes, [byte]);
        }
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut reorder = Reorder::default();
        for time in 0..100 {
            reorder.push(Timestamp::from_nanos(time), 1, |bytes| bytes.resize(1 << 20, 0));
            while reorder.advance(false) {}
            assert!(reorder.bytes <= MOST_WAITING);
        }
    }
}
