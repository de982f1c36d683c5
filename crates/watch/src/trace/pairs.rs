//! Frames that this machine sends and receives: the two copies are one frame with two times.
//!
//! Copies pair in the order in which they come, by identical bytes. A frame waits until its second copy has come, or so long
//! that it does not come any more; then it keeps one time. What is handed on is in the order in which it was sent.

use crate::capture::{Captured, ENOUGH, Way};
use enchufe_story::fact::{Arrival, Passage};
use enchufe_wire::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// The most bytes that wait for a second copy: past it the first frame is handed on without.
const MOST_WAITING: usize = 8 << 20;

/// So many frames that are no longer waited for are remembered, to know them when they arrive late, or again.
const MOST_KNOWN: usize = 256;

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// When it was sent; of one that was only seen when it was received, that.
    pub time: Timestamp,
    pub bytes: Vec<u8>,
    pub wire_len: u32,
    pub passage: Passage,
}

/// What came of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// It is a frame, or the second copy of one.
    Frame,
    /// The frame that was sent then arrives once more.
    Again(Timestamp),
}

#[derive(Debug)]
struct Waiting {
    pair: Pair,
    waits: bool,
}

/// A frame that is no longer waited for.
#[derive(Debug)]
struct Known {
    sent: Timestamp,
    wire_len: u32,
    bytes: Vec<u8>,
    has_arrived: bool,
}

impl Known {
    fn new(pair: &Pair, has_arrived: bool) -> Self {
        let bytes = pair.bytes.iter().copied().take(ENOUGH as usize).collect();
        Self { sent: pair.time, wire_len: pair.wire_len, bytes, has_arrived }
    }
}

#[derive(Debug)]
pub struct Pairs {
    patience: i64,
    waiting: VecDeque<Waiting>,
    /// The number of the first of them, counted on and on.
    first: u64,
    /// Those whose second copy has not come, by their numbers.
    open: VecDeque<u64>,
    bytes: usize,
    /// The newest time that was heard of.
    now: i64,
    known: VecDeque<Known>,
}

impl Pairs {
    /// A second copy comes within this time, or never.
    pub fn new(patience: Duration) -> Self {
        Self {
            patience: i64::try_from(patience.as_nanos()).unwrap_or(i64::MAX),
            waiting: VecDeque::new(),
            first: 0,
            open: VecDeque::new(),
            bytes: 0,
            now: i64::MIN,
            known: VecDeque::new(),
        }
    }

    /// Takes a copy. They come in the order of their times.
    pub fn push(&mut self, captured: &Captured<'_>) -> Came {
        let Captured { record, beside } = captured;
        let time = record.time.unwrap_or_default();
        self.tick(time);
        if beside.way == Way::Received {
            if let Some(at) = self.find(record.bytes, record.wire_len) {
                self.lands(at, time);
                return Came::Frame;
            }
            let is_it =
                |known: &&mut Known| known.wire_len == record.wire_len && is_copy(&known.bytes, record.bytes);
            if let Some(known) = self.known.iter_mut().rev().find(is_it) {
                // Too late for one that was given up: it keeps one time.
                let again = std::mem::replace(&mut known.has_arrived, true);
                return if again { Came::Again(known.sent) } else { Came::Frame };
            }
        }
        let waits = beside.way == Way::Sent;
        if waits {
            self.open.push_back(self.first + self.waiting.len() as u64);
        }
        let passage = Passage { arrival: Arrival::Unknown, segment_size: beside.segment_size };
        let pair = Pair { time, bytes: record.bytes.to_vec(), wire_len: record.wire_len, passage };
        self.bytes += pair.bytes.len();
        self.waiting.push_back(Waiting { pair, waits });
        Came::Frame
    }

    /// It is at least this late.
    pub fn tick(&mut self, now: Timestamp) {
        self.now = self.now.max(now.nanos());
    }

    /// The next frame that is whole, or waited long enough; `all`: also those that may still become whole.
    pub fn pop(&mut self, all: bool) -> Option<Pair> {
        let front = self.waiting.front()?;
        let is_over = self.now.saturating_sub(front.pair.time.nanos()) >= self.patience;
        if front.waits && !all && !is_over && self.bytes <= MOST_WAITING {
            return None;
        }
        let Waiting { mut pair, waits } = self.waiting.pop_front()?;
        if waits {
            self.open.pop_front();
            self.know(Known::new(&pair, false));
            if is_over {
                pair.passage.arrival = Arrival::Never;
            }
        }
        self.first += 1;
        self.bytes = self.bytes.saturating_sub(pair.bytes.len());
        Some(pair)
    }

    /// The first frame without a second copy that these bytes are a copy of: its place in `open`.
    fn find(&self, bytes: &[u8], wire_len: u32) -> Option<usize> {
        self.open.iter().position(|number| {
            let place = usize::try_from(number.saturating_sub(self.first)).unwrap_or(usize::MAX);
            self.waiting.get(place).is_some_and(|waiting| {
                waiting.pair.wire_len == wire_len && is_copy(&waiting.pair.bytes, bytes)
            })
        })
    }

    fn lands(&mut self, at: usize, time: Timestamp) {
        let Some(number) = self.open.remove(at) else { return };
        let place = usize::try_from(number.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let Some(waiting) = self.waiting.get_mut(place) else { return };
        waiting.waits = false;
        waiting.pair.passage.arrival = Arrival::At(time);
        let known = Known::new(&waiting.pair, true);
        self.know(known);
    }

    fn know(&mut self, known: Known) {
        if self.known.len() >= MOST_KNOWN {
            self.known.pop_front();
        }
        self.known.push_back(known);
    }
}

/// Whether both begin with the same bytes, as far as both are there.
fn is_copy(one: &[u8], other: &[u8]) -> bool {
    let len = one.len().min(other.len());
    one.get(..len) == other.get(..len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Beside;
    use enchufe_wire::LinkType;
    use enchufe_wire::file::{Options, Record};
    use enchufe_wire::time::Resolution;

    fn push(pairs: &mut Pairs, way: Way, time: i64, bytes: &[u8]) -> Came {
        let record = Record {
            interface: 0,
            link: LinkType::RAW,
            time: Some(Timestamp::from_nanos(time)),
            resolution: Resolution::NANOS,
            bytes,
            wire_len: 9,
            options: Options::NONE,
        };
        pairs.push(&Captured { record, beside: Beside { way, segment_size: None } })
    }

    fn pop(pairs: &mut Pairs) -> Vec<(i64, Vec<u8>, Arrival)> {
        std::iter::from_fn(|| pairs.pop(false))
            .map(|pair| (pair.time.nanos(), pair.bytes, pair.passage.arrival))
            .collect()
    }

    const fn at(time: i64) -> Arrival {
        Arrival::At(Timestamp::from_nanos(time))
    }

    #[test]
    fn two_copies_are_one_frame_with_two_times_in_the_order_in_which_frames_were_sent() {
        let mut pairs = Pairs::new(Duration::from_nanos(100));
        push(&mut pairs, Way::Sent, 1, b"a");
        push(&mut pairs, Way::Sent, 2, b"b");
        assert!(pop(&mut pairs).is_empty());
        push(&mut pairs, Way::Received, 3, b"b");
        assert!(pop(&mut pairs).is_empty(), "the first one may still come");
        push(&mut pairs, Way::Received, 4, b"a");
        assert_eq!(pop(&mut pairs), [(1, b"a".to_vec(), at(4)), (2, b"b".to_vec(), at(3))]);
    }

    #[test]
    fn identical_frames_pair_in_order_and_one_that_does_not_come_keeps_its_time_alone() {
        let mut pairs = Pairs::new(Duration::from_nanos(100));
        push(&mut pairs, Way::Sent, 1, b"same");
        push(&mut pairs, Way::Sent, 50, b"same");
        push(&mut pairs, Way::Received, 60, b"same");
        assert_eq!(pop(&mut pairs), [(1, b"same".to_vec(), at(60))]);
        push(&mut pairs, Way::Sent, 151, b"next");
        assert_eq!(pop(&mut pairs), [(50, b"same".to_vec(), Arrival::Never)]);
        assert_eq!(pairs.pop(true).map(|pair| pair.passage.arrival), Some(Arrival::Unknown));
    }

    #[test]
    fn a_frame_that_arrives_again_is_not_another_frame() {
        let mut pairs = Pairs::new(Duration::from_nanos(100));
        push(&mut pairs, Way::Sent, 1, b"whole frame");
        assert_eq!(push(&mut pairs, Way::Received, 2, b"whole"), Came::Frame);
        assert_eq!(pop(&mut pairs).len(), 1);
        let sent = Timestamp::from_nanos(1);
        assert_eq!(push(&mut pairs, Way::Received, 9, b"whole"), Came::Again(sent));
        assert_eq!(push(&mut pairs, Way::Received, 10, b"other"), Came::Frame);
        assert_eq!(pop(&mut pairs), [(10, b"other".to_vec(), Arrival::Unknown)]);
    }

    #[test]
    fn one_that_comes_after_it_was_given_up_is_not_another_frame() {
        let mut pairs = Pairs::new(Duration::from_nanos(100));
        push(&mut pairs, Way::Sent, 1, b"late");
        pairs.tick(Timestamp::from_nanos(101));
        assert_eq!(pop(&mut pairs), [(1, b"late".to_vec(), Arrival::Never)]);
        assert_eq!(push(&mut pairs, Way::Received, 102, b"late"), Came::Frame);
        assert_eq!(push(&mut pairs, Way::Received, 103, b"late"), Came::Again(Timestamp::from_nanos(1)));
        assert!(pop(&mut pairs).is_empty());
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut pairs = Pairs::new(Duration::MAX);
        for time in 0..20 {
            push(&mut pairs, Way::Sent, time, &vec![0; 1 << 20]);
            while pairs.pop(false).is_some() {}
            assert!(pairs.bytes <= MOST_WAITING);
        }
    }
}
