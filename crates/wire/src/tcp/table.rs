//! All conversations: a hash map from the two ends to a slot, and the order of use for the bound on memory.

use std::collections::HashMap;

use super::conversation::{Conversation, Endpoint};
use super::direction::MOST_SACK;
use super::{Final, Flag, TcpNote};
use crate::bytes::Bytes;
use crate::layer::{Tcp, TcpOption};
use crate::seq::Seq;
use crate::time::Timestamp;

/// One TCP segment as it goes into the analysis.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// The frame's number, from 1.
    pub number: u64,
    /// When it was captured.
    pub time: Timestamp,
    /// The frame's length on the wire.
    pub frame_len: u32,
    /// Who sent it.
    pub source: Endpoint,
    /// To whom.
    pub destination: Endpoint,
    /// Its header.
    pub tcp: Tcp,
    /// The header could be read to its end.
    pub(super) options_whole: bool,
    pub(super) scale: Option<u8>,
    pub(super) accurate_ecn: bool,
    pub(super) sack: [(Seq, Seq); MOST_SACK],
    pub(super) sack_len: usize,
}

impl Segment {
    /// A segment of these ends; `bytes` from the TCP header's start, for the options that analysis needs.
    pub fn new(number: u64, time: Timestamp, ends: [Endpoint; 2], tcp: Tcp, bytes: &[u8]) -> Self {
        let [source, destination] = ends;
        let mut segment = Self {
            number,
            time,
            frame_len: 0,
            source,
            destination,
            tcp,
            options_whole: tcp.options_read(bytes),
            scale: None,
            accurate_ecn: false,
            sack: Default::default(),
            sack_len: 0,
        };
        for option in tcp.options(bytes).map_while(Result::ok) {
            segment.options_whole &= !option.is_broken();
            segment.accurate_ecn |= option.byte_counters().is_some();
            match (option.kind, option.data) {
                (TcpOption::WINDOW_SCALE, [shift]) => segment.scale = Some((*shift).min(14)),
                (TcpOption::SACK, blocks) => segment.sack_blocks(blocks),
                _ => {}
            }
        }
        segment
    }

    fn sack_blocks(&mut self, blocks: &[u8]) {
        for block in blocks.chunks_exact(8) {
            let edges = block.be32(0).zip(block.be32(4));
            let (Some((left, right)), Some(slot)) = (edges, self.sack.get_mut(self.sack_len)) else { return };
            *slot = (Seq(left), Seq(right));
            self.sack_len += 1;
        }
    }
}

/// Bounds on memory.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most conversations that are kept; past it the longest idle one is forgotten.
    pub conversations: usize,
    /// The most unacknowledged segments that are remembered, over all conversations.
    pub unacked: usize,
}

impl Default for Limits {
    /// A million conversations, four million segments on their way.
    fn default() -> Self {
        Self { conversations: 1_000_000, unacked: 4_000_000 }
    }
}

const NONE: u32 = u32::MAX;

/// The two ends, the smaller one first.
type Key = (Endpoint, Endpoint);

#[derive(Debug)]
struct Slot {
    conversation: Conversation,
    key: Key,
}

/// A slot's neighbours in the order of use. Apart from the slots, so that what every segment touches is close together.
#[derive(Clone, Copy, Debug)]
struct Links {
    older: u32,
    newer: u32,
}

/// Slots that were found a short while ago, by a few bits of their ends: a look-up that finds the right one here needs no
/// hash. Whoever chooses ends that meet in one place only brings back the hash.
const RECENT: usize = 4096;

/// All conversations of a capture.
#[derive(Debug)]
pub struct Conversations {
    slots: Vec<Slot>,
    links: Vec<Links>,
    index: HashMap<Key, u32>,
    recent: Vec<u32>,
    /// The longest idle and the most recently used slot.
    oldest: u32,
    newest: u32,
    streams: u32,
    forgotten: u64,
    limits: Limits,
    room: usize,
    /// Whether it is the first of two readings: only what the second is told counts.
    scouts: bool,
    /// By stream, what a first pass left behind.
    pub(crate) told: Vec<Final>,
    /// The same of conversations that were forgotten.
    lost: HashMap<u32, Final>,
}

impl Default for Conversations {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Conversations {
    /// No conversations yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            slots: Vec::new(),
            links: Vec::new(),
            index: HashMap::new(),
            recent: vec![NONE; RECENT],
            oldest: NONE,
            newest: NONE,
            streams: 0,
            forgotten: 0,
            room: limits.unacked,
            limits,
            scouts: false,
            told: Vec::new(),
            lost: HashMap::new(),
        }
    }

    /// The start of the first of two readings.
    pub(crate) fn scouting(limits: Limits) -> Self {
        Self { scouts: true, ..Self::new(limits) }
    }

    /// The start of a second pass over the same segments.
    pub(crate) fn again(self, limits: Limits) -> Self {
        let streams = usize::try_from(self.streams).unwrap_or_default().min(limits.conversations);
        let mut told = vec![Final::default(); streams];
        let kept = self.slots.iter().map(|slot| (slot.conversation.stream, slot.conversation.finals()));
        for (stream, end) in kept.chain(self.lost) {
            if let Some(place) = usize::try_from(stream).ok().and_then(|at| told.get_mut(at)) {
                *place = end;
            }
        }
        Self { told, ..Self::new(limits) }
    }

    /// The conversations that are kept, in the order in which they began.
    pub fn sorted(&self) -> Vec<&Conversation> {
        let mut all: Vec<_> = self.slots.iter().map(|slot| &slot.conversation).collect();
        all.sort_by_key(|conversation| conversation.stream);
        all
    }

    /// How many were forgotten to keep the bound.
    pub const fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Takes the next segment, in file order.
    pub fn segment(&mut self, segment: &Segment) -> TcpNote {
        let mut note = TcpNote::default();
        let at = self.slot_of(segment, &mut note);
        self.touch(at);
        let room = if self.scouts { None } else { Some(&mut self.room) };
        if let Some(slot) = usize::try_from(at).ok().and_then(|at| self.slots.get_mut(at)) {
            slot.conversation.take(segment, &mut note, room);
        }
        note
    }

    /// Takes a whole segment without SYN of a first reading the short way, if its conversation is known: what its
    /// options say is nothing that lasts.
    pub(crate) fn pass_by(&mut self, ends: [Endpoint; 2], tcp: &Tcp, time: Timestamp) -> bool {
        let Some(at) = self.found(&key_of(ends)) else { return false };
        self.touch(at);
        let Some(slot) = usize::try_from(at).ok().and_then(|at| self.slots.get_mut(at)) else { return false };
        let [source, _] = ends;
        slot.conversation.pass_by(&source, tcp, time);
        true
    }

    /// The segment's slot: that of its ends, or a new one where there is none or the ports begin again.
    fn slot_of(&mut self, segment: &Segment, note: &mut TcpNote) -> u32 {
        let key = key_of([segment.source, segment.destination]);
        let found = self.found(&key);
        let known = found.and_then(|at| self.slots.get(usize::try_from(at).ok()?));
        match (found, known) {
            (Some(at), Some(slot)) => {
                if !slot.conversation.begins_again(segment) {
                    return at;
                }
                note.analysis.set(Flag::ReusedPorts);
                self.add(key, segment)
            }
            _ => self.add(key, segment),
        }
    }

    /// The slot that the index has for these ends.
    fn found(&mut self, key: &Key) -> Option<u32> {
        let place = self.recent.get_mut(place_of(key))?;
        let is_it = |at: u32| {
            let slot = usize::try_from(at).ok().and_then(|at| self.slots.get(at));
            slot.is_some_and(|slot| slot.key == *key)
        };
        if !is_it(*place) {
            *place = *self.index.get(key)?;
        }
        Some(*place)
    }

    fn add(&mut self, key: Key, segment: &Segment) -> u32 {
        let Segment { number, time, source, destination, .. } = *segment;
        let mut conversation = Conversation::new(self.streams, source, destination, number, time);
        let stream = usize::try_from(self.streams).unwrap_or(usize::MAX);
        conversation.told = self.told.get(stream).copied();
        conversation.accurate_ecn = conversation.told.map(|told| told.accurate_ecn).unwrap_or_default();
        self.streams = self.streams.saturating_add(1);
        let slot = Slot { conversation, key };
        let at = if self.slots.len() < self.limits.conversations.max(1) {
            self.slots.push(slot);
            self.links.push(Links { older: NONE, newer: NONE });
            u32::try_from(self.slots.len() - 1).unwrap_or(NONE)
        } else {
            self.replace_oldest(slot)
        };
        self.index.insert(key, at);
        if let Some(place) = self.recent.get_mut(place_of(&key)) {
            *place = at;
        }
        at
    }

    fn replace_oldest(&mut self, slot: Slot) -> u32 {
        let at = self.oldest;
        self.unlink(at);
        let Some(old) = usize::try_from(at).ok().and_then(|at| self.slots.get_mut(at)) else { return NONE };
        let old = std::mem::replace(old, slot);
        // A conversation whose ports were used again is no longer what the index finds.
        if self.index.get(&old.key) == Some(&at) {
            self.index.remove(&old.key);
        }
        self.room += old.conversation.sides.iter().map(|side| side.direction.unacked.len()).sum::<usize>();
        if self.scouts && self.lost.len() < self.limits.conversations {
            self.lost.insert(old.conversation.stream, old.conversation.finals());
        }
        self.forgotten += 1;
        at
    }

    fn links(&mut self, at: u32) -> Option<&mut Links> {
        self.links.get_mut(usize::try_from(at).ok()?)
    }

    fn unlink(&mut self, at: u32) {
        let Some(slot) = self.links(at) else { return };
        let (older, newer) = (slot.older, slot.newer);
        (slot.older, slot.newer) = (NONE, NONE);
        if let Some(slot) = self.links(older) {
            slot.newer = newer;
        } else if self.oldest == at {
            self.oldest = newer;
        }
        if let Some(slot) = self.links(newer) {
            slot.older = older;
        } else if self.newest == at {
            self.newest = older;
        }
    }

    fn touch(&mut self, at: u32) {
        if self.newest == at {
            return;
        }
        self.unlink(at);
        let newest = self.newest;
        if let Some(slot) = self.links(at) {
            slot.older = newest;
        }
        match self.links(newest) {
            Some(slot) => slot.newer = at,
            None => self.oldest = at,
        }
        self.newest = at;
    }
}

fn key_of([source, destination]: [Endpoint; 2]) -> Key {
    if source <= destination { (source, destination) } else { (destination, source) }
}

fn place_of((one, other): &Key) -> usize {
    let bits = |end: &Endpoint| {
        let address = u128::from_ne_bytes(end.address);
        let folded = address ^ address >> 32 ^ address >> 64 ^ address >> 96;
        u32::try_from(folded & 0xffff_ffff).unwrap_or_default() ^ u32::from(end.port) << 8
    };
    // Multiplied so that the upper bits depend on all (Fibonacci hashing).
    let mixed = (bits(one) ^ bits(other).rotate_left(16)).wrapping_mul(0x9e37_79b1);
    usize::try_from(mixed >> 20).unwrap_or_default() % RECENT
}
