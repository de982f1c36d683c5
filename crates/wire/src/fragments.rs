//! Puts fragmented datagrams together (RFC 791 §3.2, RFC 8200 §4.5), within a bound on memory.

use std::collections::{HashMap, VecDeque};

use crate::layer::Fragment;

/// The most datagrams that wait for their parts; the oldest goes first.
const MOST_DATAGRAMS: usize = 4_096;
/// The most parts of one datagram: 65,535 bytes in the smallest parts that are not the last.
const MOST_PARTS: usize = 8_192;
/// The longest datagram.
const LONGEST: usize = 65_535;

type Key = ([u8; 16], [u8; 16], u32, u8);

#[derive(Debug, Default)]
struct Datagram {
    parts: Vec<(usize, Vec<u8>)>,
    frames: Vec<u64>,
    total: Option<usize>,
}

/// Datagrams that wait for their parts.
#[derive(Debug, Default)]
pub(crate) struct Fragments {
    waiting: HashMap<Key, Datagram>,
    order: VecDeque<Key>,
}

/// A datagram that is whole: its bytes, and the frames that carried it.
#[derive(Debug, Default)]
pub(crate) struct Whole {
    pub(crate) bytes: Vec<u8>,
    pub(crate) frames: Vec<u64>,
}

impl Fragments {
    /// Adds a part; gives the datagram if it was the last one missing.
    pub(crate) fn add(&mut self, fragment: &Fragment, bytes: &[u8], frame: u64) -> Option<Whole> {
        let key = (fragment.source, fragment.destination, fragment.id, fragment.protocol);
        if !self.waiting.contains_key(&key) {
            self.make_room();
            self.order.push_back(key);
        }
        let datagram = self.waiting.entry(key).or_default();
        let start = usize::try_from(fragment.offset).unwrap_or(LONGEST);
        let end = start + bytes.len();
        if end > LONGEST + 8 || datagram.parts.len() >= MOST_PARTS {
            return None;
        }
        datagram.parts.push((start, bytes.to_vec()));
        datagram.frames.push(frame);
        if !fragment.more {
            datagram.total = Some(end);
        }
        let whole = datagram.assemble()?;
        let frames = std::mem::take(&mut datagram.frames);
        self.waiting.remove(&key);
        self.order.retain(|other| *other != key);
        Some(Whole { bytes: whole, frames })
    }

    fn make_room(&mut self) {
        if self.waiting.len() >= MOST_DATAGRAMS
            && let Some(oldest) = self.order.pop_front()
        {
            self.waiting.remove(&oldest);
        }
    }
}

impl Datagram {
    /// The whole, once the parts reach from zero to the end. Where parts overlap, the later one counts.
    fn assemble(&mut self) -> Option<Vec<u8>> {
        let total = self.total?;
        let mut ranges: Vec<(usize, usize)> =
            self.parts.iter().map(|(start, bytes)| (*start, start + bytes.len())).collect();
        ranges.sort_unstable();
        let reached = ranges
            .iter()
            .fold(0, |reached, (start, end)| if *start <= reached { reached.max(*end) } else { reached });
        if reached < total {
            return None;
        }
        let mut whole = vec![0; total];
        for (start, bytes) in &self.parts {
            let end = (start + bytes.len()).min(total);
            if let Some(place) = whole.get_mut(*start..end) {
                let len = place.len();
                place.copy_from_slice(bytes.get(..len).unwrap_or_default());
            }
        }
        Some(whole)
    }
}
