//! Puts fragmented datagrams together (RFC 791 §3.2, RFC 8200 §4.5), within a bound on memory.

use std::collections::{BTreeMap, HashMap};

use crate::layer::Fragment;

/// The most datagrams that wait for their parts; the oldest goes first.
const MOST_DATAGRAMS: usize = 4_096;
/// The most bytes that wait, over all datagrams; the oldest goes first.
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// What a part takes beside its bytes, about: many small ones are not free.
const PART: usize = 128;
/// The most parts of one datagram: 65,535 bytes in the smallest parts that are not the last.
const MOST_PARTS: usize = 8_192;
/// The longest datagram.
const LONGEST: usize = 65_535;

type Key = ([u8; 16], [u8; 16], u32, Option<u8>);

#[derive(Debug, Default)]
struct Datagram {
    parts: Vec<(usize, Vec<u8>)>,
    frames: Vec<u64>,
    total: Option<usize>,
    /// The stretches that are here, end by start; they do not touch each other.
    here: BTreeMap<usize, usize>,
}

/// Datagrams that wait for their parts.
#[derive(Debug, Default)]
pub(crate) struct Fragments {
    waiting: HashMap<Key, Datagram>,
    /// By the frame of their first part.
    order: BTreeMap<u64, Key>,
    bytes: usize,
}

/// A datagram that is whole: its bytes, and the frames that carried it.
#[derive(Debug, Default)]
pub(crate) struct Whole {
    pub(crate) bytes: Vec<u8>,
    pub(crate) frames: Vec<u64>,
}

impl Fragments {
    /// Adds a part; gives the datagram if it was the last one missing. Frames come with growing numbers.
    pub(crate) fn add(&mut self, fragment: &Fragment, bytes: &[u8], frame: u64) -> Option<Whole> {
        let key = (fragment.source, fragment.destination, fragment.id, fragment.protocol);
        let start = usize::try_from(fragment.offset).unwrap_or(LONGEST);
        let end = start + bytes.len();
        if end > LONGEST + 8 {
            return None;
        }
        if !self.waiting.contains_key(&key) {
            if self.waiting.len() >= MOST_DATAGRAMS {
                self.drop_oldest();
            }
            self.order.insert(frame, key);
        }
        let datagram = self.waiting.entry(key).or_default();
        if datagram.parts.len() >= MOST_PARTS {
            return None;
        }
        self.bytes += bytes.len() + PART;
        datagram.parts.push((start, bytes.to_vec()));
        datagram.frames.push(frame);
        datagram.mark(start, end);
        if !fragment.more {
            datagram.total.get_or_insert(end);
        }
        if let Some(bytes) = datagram.assemble() {
            let frames = self.remove(&key).map(|datagram| datagram.frames).unwrap_or_default();
            return Some(Whole { bytes, frames });
        }
        while self.bytes > MOST_BYTES && self.drop_oldest() {}
        None
    }

    fn drop_oldest(&mut self) -> bool {
        let oldest = self.order.first_key_value().map(|(_, key)| *key);
        oldest.is_some_and(|key| self.remove(&key).is_some())
    }

    fn remove(&mut self, key: &Key) -> Option<Datagram> {
        let datagram = self.waiting.remove(key)?;
        self.bytes -= datagram.parts.iter().map(|(_, bytes)| bytes.len() + PART).sum::<usize>();
        self.order.remove(datagram.frames.first()?);
        Some(datagram)
    }
}

impl Datagram {
    /// Notes that these bytes are here.
    fn mark(&mut self, mut start: usize, mut end: usize) {
        let touching = |here: &BTreeMap<usize, usize>, start: usize, end: usize| {
            here.range(..=end).next_back().filter(|(_, to)| **to >= start).map(|(from, to)| (*from, *to))
        };
        while let Some((from, to)) = touching(&self.here, start, end) {
            self.here.remove(&from);
            (start, end) = (start.min(from), end.max(to));
        }
        self.here.insert(start, end);
    }

    /// The whole, once the parts reach from zero to the end that the first last part said. Where parts overlap, the one
    /// that starts first counts, and of those the one that came first.
    fn assemble(&mut self) -> Option<Vec<u8>> {
        let total = self.total?;
        if self.here.get(&0).is_none_or(|reached| *reached < total) {
            return None;
        }
        self.parts.sort_by_key(|(start, _)| *start);
        let mut whole = Vec::with_capacity(total);
        for (start, bytes) in &self.parts {
            let new = whole.len().checked_sub(*start).and_then(|known| bytes.get(known..));
            whole.extend_from_slice(new.unwrap_or_default());
            whole.truncate(total);
        }
        Some(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(id: u32, offset: usize, more: bool) -> Fragment {
        let offset = u32::try_from(offset).unwrap();
        Fragment { source: [1; 16], destination: [2; 16], id, protocol: Some(17), offset, more }
    }

    #[test]
    fn the_bytes_of_all_datagrams_are_bounded_and_the_oldest_goes_first() {
        let mut fragments = Fragments::default();
        let (mut most, bytes) = (0, vec![7; 64_000]);
        for id in 0..1_000u32 {
            let frame = u64::from(id) + 1;
            assert!(fragments.add(&part(id, 0, true), &bytes, frame).is_none());
            most = most.max(fragments.bytes);
        }
        assert!(most <= MOST_BYTES && fragments.waiting.len() == MOST_BYTES / (64_000 + PART));
        assert!(fragments.add(&part(0, 64_000, false), &[8], 1_001).is_none(), "it is gone");
        let whole = fragments.add(&part(999, 64_000, false), &[8], 1_002).unwrap();
        assert_eq!((whole.bytes.len(), whole.frames), (64_001, vec![1_000, 1_002]));
    }

    #[test]
    fn parts_of_one_datagram_again_and_again_stay_within_the_bound() {
        let (mut fragments, bytes) = (Fragments::default(), vec![7; 4_000]);
        for frame in 1..20_000 {
            assert!(fragments.add(&part(1, 8, true), &bytes, frame).is_none());
            assert!(fragments.bytes <= MOST_BYTES && fragments.order.len() == fragments.waiting.len());
        }
        // Parts without bytes are parts.
        for frame in 20_000..30_000 {
            assert!(fragments.add(&part(u32::try_from(frame).unwrap(), 8, true), &[], frame).is_none());
            assert!(fragments.bytes <= MOST_BYTES && fragments.order.len() == fragments.waiting.len());
        }
        assert_eq!(fragments.waiting.len(), MOST_DATAGRAMS);
    }

    #[test]
    fn parts_in_any_order_and_overlap_make_the_datagram_when_the_last_hole_is_filled() {
        let mut state = 1u64;
        let mut roll = |sides: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(state >> 33).unwrap() % sides
        };
        let mut frame = 0;
        for _ in 0..300 {
            let mut fragments = Fragments::default();
            let (mut model, mut total) = ([None::<(usize, u8)>; 600], None);
            loop {
                frame += 1;
                let (start, len, more) = (roll(60) * 8, 8 * (1 + roll(12)), roll(10) > 0);
                let bytes = vec![u8::try_from(roll(256)).unwrap(); len];
                for place in &mut model[start..start + len] {
                    // Who starts first counts, and of those who came first.
                    if place.is_none_or(|(before, _)| start < before) {
                        *place = Some((start, bytes[0]));
                    }
                }
                total = total.or((!more).then_some(start + len));
                let whole = fragments.add(&part(1, start, more), &bytes, frame);
                let expected: Option<Vec<u8>> = total
                    .and_then(|total| model[..total].iter().map(|place| Some(place.as_ref()?.1)).collect());
                assert_eq!(whole.as_ref().map(|whole| &whole.bytes), expected.as_ref());
                if whole.is_some() {
                    assert!(fragments.bytes == 0 && fragments.order.is_empty());
                    break;
                }
            }
        }
    }
}
