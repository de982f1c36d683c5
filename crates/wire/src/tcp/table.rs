//! All conversations: a hash map from the two ends to a slot, and the order of use for the bound on memory.

use std::collections::HashMap;

use super::conversation::{Completeness, Conversation, Endpoint, Reset, ResetCause};
use super::direction::{MOST_SACK, Scale};
use super::rules::Rules;
use super::{Final, Flag, TcpNote};
use crate::bytes::Bytes;
use crate::layer::{Tcp, TcpFlags, TcpOption};
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
    scale: Option<u8>,
    accurate_ecn: bool,
    sack: [(Seq, Seq); MOST_SACK],
    sack_len: usize,
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
            scale: None,
            accurate_ecn: false,
            sack: Default::default(),
            sack_len: 0,
        };
        for option in tcp.options(bytes).map_while(Result::ok) {
            match (option.kind, option.data) {
                (TcpOption::WINDOW_SCALE, [shift]) => segment.scale = Some((*shift).min(14)),
                (TcpOption::ACCURATE_ECN_0 | TcpOption::ACCURATE_ECN_1, _) => segment.accurate_ecn = true,
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

#[derive(Debug)]
struct Slot {
    conversation: Conversation,
    key: (Endpoint, Endpoint),
    older: u32,
    newer: u32,
}

/// All conversations of a capture.
#[derive(Debug)]
pub struct Conversations {
    slots: Vec<Slot>,
    index: HashMap<(Endpoint, Endpoint), u32>,
    /// The longest idle and the most recently used slot.
    oldest: u32,
    newest: u32,
    streams: u32,
    forgotten: u64,
    limits: Limits,
    room: usize,
    /// By stream, what a first pass left behind.
    told: Vec<Final>,
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
            index: HashMap::new(),
            oldest: NONE,
            newest: NONE,
            streams: 0,
            forgotten: 0,
            room: limits.unacked,
            limits,
            told: Vec::new(),
            lost: HashMap::new(),
        }
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
        let room = &mut self.room;
        if let Some(slot) = usize::try_from(at).ok().and_then(|at| self.slots.get_mut(at)) {
            slot.conversation.take(segment, &mut note, room);
        }
        note
    }

    /// The segment's slot: that of its ends, or a new one where there is none or the ports begin again.
    fn slot_of(&mut self, segment: &Segment, note: &mut TcpNote) -> u32 {
        let (source, destination) = (segment.source, segment.destination);
        let key = if source <= destination { (source, destination) } else { (destination, source) };
        let found = self.recent(&key).or_else(|| self.index.get(&key).copied());
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

    /// Frames come in bursts: the last conversation is the likeliest.
    fn recent(&self, key: &(Endpoint, Endpoint)) -> Option<u32> {
        let slot = self.slots.get(usize::try_from(self.newest).ok()?)?;
        (slot.key == *key && self.newest != NONE && self.index.get(key) == Some(&self.newest))
            .then_some(self.newest)
    }

    fn add(&mut self, key: (Endpoint, Endpoint), segment: &Segment) -> u32 {
        let Segment { number, time, source, destination, .. } = *segment;
        let mut conversation = Conversation::new(self.streams, source, destination, number, time);
        let stream = usize::try_from(self.streams).unwrap_or(usize::MAX);
        conversation.told = self.told.get(stream).copied();
        self.streams = self.streams.saturating_add(1);
        let slot = Slot { conversation, key, older: NONE, newer: NONE };
        let at = if self.slots.len() < self.limits.conversations.max(1) {
            self.slots.push(slot);
            u32::try_from(self.slots.len() - 1).unwrap_or(NONE)
        } else {
            self.replace_oldest(slot)
        };
        self.index.insert(key, at);
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
        if self.lost.len() < self.limits.conversations {
            self.lost.insert(old.conversation.stream, old.conversation.finals());
        }
        self.forgotten += 1;
        at
    }

    fn links(&mut self, at: u32) -> Option<&mut Slot> {
        self.slots.get_mut(usize::try_from(at).ok()?)
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

impl Final {
    /// Puts into the note what the second pass shows; gives the scale of this segment's window.
    fn show(&mut self, segment: &Segment, from_b: bool, note: &mut TcpNote) -> Scale {
        let tcp = &segment.tcp;
        let ([a, b], [scale_a, scale_b]) = (&mut self.base, self.scale);
        let (base, peer_base) = if from_b { (b, a) } else { (a, b) };
        let scale = if from_b { scale_b } else { scale_a };
        if tcp.flags.all(TcpFlags::SYN | TcpFlags::ACK) && base.is_some_and(|base| base != tcp.seq) {
            *base = Some(tcp.seq);
            note.analysis.set(Flag::ReusedPorts);
        }
        if tcp.payload_len.is_some() {
            note.base = base.unwrap_or_default();
            note.peer_base = peer_base.unwrap_or_default();
        }
        scale
    }
}

impl Conversation {
    /// A SYN on known ends whose number is not the one that the conversation began with.
    fn begins_again(&self, segment: &Segment) -> bool {
        let flags = segment.tcp.flags;
        let from_b = segment.source != self.a;
        let [a, b] = &self.sides;
        let base = if from_b { b.direction.base } else { a.direction.base };
        flags.any(TcpFlags::SYN)
            && !flags.any(TcpFlags::ACK)
            && base.is_some_and(|base| base != segment.tcp.seq)
    }

    fn take(&mut self, segment: &Segment, note: &mut TcpNote, room: &mut usize) {
        let tcp = &segment.tcp;
        let from_b = segment.source != self.a;
        note.stream = self.stream;
        note.from_b = from_b;
        self.count(segment, from_b);
        let initial_rtt = self.initial_rtt;
        self.round_trip(segment);
        note.initial_rtt = self.initial_rtt;
        note.completeness = self.completeness;
        self.complete(segment);
        if note.analysis.has(Flag::ReusedPorts) {
            note.completeness = self.completeness;
        }
        if let Some(told) = &self.told {
            note.completeness = told.completeness;
        }
        let [a, b] = &mut self.sides;
        let (this, peer) = if from_b { (b, a) } else { (a, b) };
        let syn_ack = tcp.flags.all(TcpFlags::SYN | TcpFlags::ACK);
        if syn_ack && this.direction.base.is_some_and(|base| base != tcp.seq) {
            this.direction.base = Some(tcp.seq);
            note.analysis.set(Flag::ReusedPorts);
        }
        if let Some(len) = tcp.payload_len {
            let syn = tcp.flags.any(TcpFlags::SYN);
            this.direction.base.get_or_insert(if syn { tcp.seq } else { tcp.seq - 1u32 });
            if tcp.flags.any(TcpFlags::ACK) {
                peer.direction.base.get_or_insert(tcp.ack - 1u32);
            }
            let (this, peer) = (&mut this.direction, &mut peer.direction);
            Rules { this, peer, segment, initial_rtt, note, room }.apply(len);
        }
        let repeated = [Flag::Retransmission, Flag::FastRetransmission, Flag::SpuriousRetransmission];
        if repeated.into_iter().any(|flag| note.analysis.has(flag)) {
            this.retransmissions += 1;
        }
        let (this, peer) = (&mut this.direction, &mut peer.direction);
        if tcp.payload_len.is_some() {
            note.base = this.base.unwrap_or_default();
            note.peer_base = peer.base.unwrap_or_default();
        }
        let mut scale = this.scale;
        if let Some(shift) = segment.scale {
            this.scale = Scale::Shift(shift);
        }
        if tcp.flags.any(TcpFlags::SYN) && this.scale == Scale::Unknown {
            this.scale = Scale::Off;
        }
        // RFC 7323 §1.3: both sides offer a scale, or neither uses one.
        if syn_ack && (this.scale == Scale::Off || peer.scale == Scale::Off) {
            (this.scale, peer.scale) = (Scale::Off, Scale::Off);
        }
        this.sack = segment.sack;
        this.sack_len = segment.sack_len;
        if let Some(told) = &mut self.told {
            scale = told.show(segment, from_b, note);
        }
        note.window = u32::from(tcp.window);
        if !tcp.flags.any(TcpFlags::SYN) && tcp.payload_len.is_some() {
            note.window <<= scale.shift();
            note.window_shift = if let Scale::Shift(shift) = scale { Some(shift) } else { None };
        }
        self.agree_on_ecn(tcp.flags);
        note.accurate_ecn = self.accurate_ecn.1;
        self.accurate_ecn.1 |= segment.accurate_ecn;
    }

    fn count(&mut self, segment: &Segment, from_b: bool) {
        let flags = segment.tcp.flags;
        if flags.any(TcpFlags::RST) && self.reset.is_none() {
            self.reset = Some(self.explain(segment, from_b));
        }
        let [a, b] = &mut self.sides;
        let side = if from_b { b } else { a };
        let now = (segment.number, segment.time);
        side.last_had_data = segment.tcp.payload_len.is_some_and(|len| len > 0);
        side.accepted |= flags.any(TcpFlags::ACK) && !flags.any(TcpFlags::RST);
        side.packets += 1;
        side.bytes += u64::from(segment.frame_len);
        side.payload += u64::from(segment.tcp.payload_len.unwrap_or_default());
        if segment.tcp.flags.any(TcpFlags::FIN) {
            side.fin.get_or_insert(now);
        }
        if segment.tcp.flags.any(TcpFlags::RST) {
            side.rst.get_or_insert(now);
        } else {
            side.last = Some(now);
        }
        self.last = now;
    }

    fn explain(&self, segment: &Segment, by_b: bool) -> Reset {
        let [a, b] = &self.sides;
        let (own, peer) = if by_b { (b, a) } else { (a, b) };
        let syn_only = self.completeness.has(Completeness::SYN) && !own.accepted && !peer.accepted;
        let cause = if syn_only && own.packets == 0 {
            ResetCause::Refused
        } else if own.fin.is_some() && peer.last_had_data {
            ResetCause::DataAfterClose
        } else {
            ResetCause::Abort
        };
        let answers = peer.last.map(|(frame, _)| frame);
        let (_, before) = self.last;
        Reset { by_b, frame: segment.number, answers, idle: segment.time.since(before), cause }
    }

    /// From the last SYN to the first segment that acknowledges and opens nothing.
    fn round_trip(&mut self, segment: &Segment) {
        let flags = segment.tcp.flags;
        if flags.any(TcpFlags::SYN) {
            if !flags.any(TcpFlags::ACK) {
                self.syn_time = Some(segment.time);
            }
        } else if flags.any(TcpFlags::ACK) && self.initial_rtt.is_none() {
            self.initial_rtt = self.syn_time.map(|syn| segment.time.since(syn));
        }
    }

    /// RFC 9768 §3.1.1: a SYN with all three flags, answered by one of four combinations.
    fn agree_on_ecn(&mut self, flags: TcpFlags) {
        let ecn = flags.0 >> 6 & 7;
        if flags.all(TcpFlags::SYN | TcpFlags::ACK) {
            self.accurate_ecn.1 = self.accurate_ecn.0 && matches!(ecn, 0b010 | 0b011 | 0b100 | 0b110);
        } else if flags.any(TcpFlags::SYN) {
            self.accurate_ecn.0 = ecn == 0b111;
        }
    }

    fn complete(&mut self, segment: &Segment) {
        let tcp = &segment.tcp;
        let [a, b] = &self.sides;
        let (syn, ack) = (tcp.flags.any(TcpFlags::SYN), tcp.flags.any(TcpFlags::ACK));
        // Of a conversation's first segment only a SYN counts.
        if a.packets + b.packets == 1 && (ack || !syn) {
            return;
        }
        let mut bits = self.completeness.0;
        let mut add = |yes: bool, bit: u8| bits |= if yes { bit } else { 0 };
        add(syn && !ack, Completeness::SYN);
        add(syn && ack, Completeness::SYN_ACK);
        let data = tcp.payload_len.is_some_and(|len| len > 0);
        add(!syn && ack && !data, Completeness::ACK);
        add(data, Completeness::DATA);
        add(tcp.flags.any(TcpFlags::FIN), Completeness::FIN);
        add(tcp.flags.any(TcpFlags::RST), Completeness::RST);
        self.completeness = Completeness(bits);
    }
}
