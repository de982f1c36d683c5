//! Frames in the order of their times: a small, bounded buffer.

use super::Beside;
use enchufe_wire::Timestamp;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// A frame is handed on when one this much younger has come, in nanoseconds. Between its stamp and its place
/// in the ring a CPU is not interrupted, unless the machine is virtual and its host takes the CPU away.
const WINDOW: i64 = 5_000_000;

/// The most bytes that wait, before those of the block being taken; and the most blocks that they are in.
const MOST_WAITING: usize = 8 << 20;
const MOST_BLOCKS: usize = 16;

/// The most buffers that are kept to be filled again.
const MOST_SPARE: usize = 256;

/// Frames that wait. While others come without a pause their bytes stay in the ring: to copy them is what the fastest
/// traffic leaves no time for.
#[derive(Debug, Default)]
pub(super) struct Reorder {
    waiting: BinaryHeap<Reverse<Frame>>,
    current: Option<Frame>,
    spare: Vec<Vec<u8>>,
    newest: i64,
    bytes: usize,
    taken: u64,
    /// How many frames that wait, or are current, are in each block that was not given back; and the first block's number.
    blocks: VecDeque<usize>,
    oldest: u64,
}

/// A frame. Ordered by time, then as it came; of no two is the number the same.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Frame {
    pub time: Timestamp,
    number: u64,
    pub wire_len: u32,
    pub beside: Beside,
    pub bytes: Bytes,
}

/// The bytes of a frame.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Bytes {
    /// Where they are in the ring.
    Lent {
        block: u64,
        place: usize,
        len: usize,
    },
    Own(Vec<u8>),
}

impl Bytes {
    const fn len(&self) -> usize {
        match self {
            Self::Lent { len, .. } => *len,
            Self::Own(bytes) => bytes.len(),
        }
    }
}

impl Reorder {
    /// The frames that are pushed now are in the next block.
    pub fn begin_block(&mut self) {
        self.blocks.push_back(0);
    }

    /// Takes a frame.
    pub fn push(&mut self, time: Timestamp, wire_len: u32, beside: Beside, bytes: Bytes) {
        self.count(&bytes, |count| *count += 1);
        self.bytes += bytes.len();
        self.newest = self.newest.max(time.nanos());
        self.taken += 1;
        self.waiting.push(Reverse(Frame { time, number: self.taken, wire_len, beside, bytes }));
    }

    /// Bytes of our own, written by `fill`.
    pub fn own(&mut self, fill: impl FnOnce(&mut Vec<u8>)) -> Bytes {
        let mut bytes = self.spare.pop().unwrap_or_default();
        bytes.clear();
        fill(&mut bytes);
        Bytes::Own(bytes)
    }

    fn count(&mut self, bytes: &Bytes, change: impl FnOnce(&mut usize)) {
        if let Bytes::Lent { block, .. } = bytes {
            let place = usize::try_from(block.saturating_sub(self.oldest)).ok();
            if let Some(count) = place.and_then(|place| self.blocks.get_mut(place)) {
                change(count);
            }
        }
    }

    /// Goes on to the next frame, which is then the current one: the earliest, if it has waited long enough
    /// or `all` are to go. Tells whether there is one.
    pub fn advance(&mut self, all: bool) -> bool {
        if let Some(Frame { bytes, .. }) = self.current.take() {
            self.count(&bytes, |count| *count -= 1);
            if let (Bytes::Own(bytes), true) = (bytes, self.spare.len() < MOST_SPARE) {
                self.spare.push(bytes);
            }
        }
        let full = self.bytes > MOST_WAITING || self.blocks.len() > MOST_BLOCKS;
        let ready = |frame: &Frame| all || full || self.newest.saturating_sub(frame.time.nanos()) >= WINDOW;
        if self.waiting.peek().is_some_and(|Reverse(earliest)| ready(earliest)) {
            self.current = self.waiting.pop().map(|Reverse(frame)| frame);
        }
        self.bytes -= self.current.as_ref().map_or(0, |frame| frame.bytes.len());
        self.current.is_some()
    }

    /// Whether the first block that was not given back is no longer needed; it then counts as given back.
    pub fn frees_block(&mut self) -> bool {
        let free = self.blocks.front() == Some(&0);
        if free {
            self.blocks.pop_front();
            self.oldest += 1;
        }
        free
    }

    /// Copies what is still in the ring, so that all blocks can be given back.
    pub fn copy_all<'r>(&mut self, bytes_at: impl Fn(u64, usize, usize) -> &'r [u8]) {
        if self.blocks.is_empty() {
            return;
        }
        let mut waiting = std::mem::take(&mut self.waiting).into_vec();
        for Reverse(frame) in &mut waiting {
            if let Bytes::Lent { block, place, len } = frame.bytes {
                frame.bytes = self.own(|out| out.extend_from_slice(bytes_at(block, place, len)));
            }
        }
        self.waiting = waiting.into();
        self.blocks.iter_mut().for_each(|count| *count = 0);
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
            reorder.push(Timestamp::from_nanos(time), 1, Beside::default(), Bytes::Own(vec![1]));
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
            reorder.push(Timestamp::from_nanos(1), 1, Beside::default(), Bytes::Own(vec![byte]));
        }
        for byte in 0..4 {
            assert!(reorder.advance(true));
            assert_eq!(reorder.current().unwrap().bytes, Bytes::Own(vec![byte]));
        }
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut reorder = Reorder::default();
        for time in 0..100 {
            reorder.push(Timestamp::from_nanos(time), 1, Beside::default(), Bytes::Own(vec![0; 1 << 20]));
            while reorder.advance(false) {}
            assert!(reorder.bytes <= MOST_WAITING);
        }
    }

    fn lend(reorder: &mut Reorder, block: u64, times: &[i64]) {
        reorder.begin_block();
        for (place, &time) in times.iter().enumerate() {
            reorder.push(
                Timestamp::from_nanos(time),
                1,
                Beside::default(),
                Bytes::Lent { block, place, len: 1 },
            );
        }
    }

    #[test]
    fn a_block_is_free_when_its_last_frame_and_those_of_all_before_it_were_handed_on() {
        let mut reorder = Reorder::default();
        lend(&mut reorder, 0, &[10, 40]);
        lend(&mut reorder, 1, &[20, 30]);
        let mut freed = Vec::new();
        while reorder.advance(true) {
            freed.push((reorder.frees_block(), reorder.current().unwrap().time.nanos()));
        }
        assert_eq!(freed, [(false, 10), (false, 20), (false, 30), (false, 40)]);
        assert!(reorder.frees_block() && reorder.frees_block() && !reorder.frees_block());
        lend(&mut reorder, 2, &[]);
        assert!(reorder.frees_block());
    }

    #[test]
    fn frames_that_are_copied_need_no_block_and_keep_their_order() {
        let mut reorder = Reorder::default();
        lend(&mut reorder, 0, &[10, 40]);
        lend(&mut reorder, 1, &[30, 20]);
        assert!(reorder.advance(true) && !reorder.frees_block());
        assert!(!reorder.advance(false));
        let ring: [&[u8]; 2] = [b"ab", b"cd"];
        reorder.copy_all(|block, place, len| &ring[usize::try_from(block).unwrap()][place..place + len]);
        assert!(reorder.frees_block() && reorder.frees_block());
        for (time, byte) in [(20, b'd'), (30, b'c'), (40, b'b')] {
            assert!(reorder.advance(true));
            let Frame { time: when, bytes, .. } = reorder.current().unwrap();
            assert_eq!((when.nanos(), bytes), (time, &Bytes::Own(vec![byte])));
        }
    }

    #[test]
    fn at_most_half_of_the_ring_waits() {
        let mut reorder = Reorder::default();
        for block in 0..100 {
            lend(&mut reorder, block, &[1]);
            while reorder.advance(false) {}
            while reorder.frees_block() {}
            assert!(reorder.blocks.len() <= MOST_BLOCKS);
        }
    }
}
