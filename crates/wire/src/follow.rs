//! One conversation's bytes in order, each direction on its own; what the capture lacks is a gap, never closed silently.
//!
//! Data is handed on as soon as it is in order. A gap is declared once the peer acknowledges past it (it arrived
//! there, so it will not come again), once more than [`MOST_WAITING`] bytes wait behind it, or at the end.

use std::collections::BTreeMap;

use crate::layer::{Tcp, TcpFlags};
use crate::seq::Seq;
use crate::session::Frame;

/// The most bytes of one direction that wait behind a gap, with what it takes to remember each piece.
pub const MOST_WAITING: usize = 16 * 1024 * 1024;
/// What a piece takes beside its bytes, about: many small ones are not free.
const PIECE: usize = 96;

/// A stretch of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// Whether `b` sent it.
    pub from_b: bool,
    /// The frame whose arrival made it known, if one did.
    pub frame: Option<u64>,
    /// Where it begins: the first payload byte of the direction is 0.
    pub offset: u64,
    /// What it is.
    pub content: Content<'a>,
}

/// Bytes, or their absence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// Bytes in order.
    Bytes(&'a [u8]),
    /// So many bytes that are not in the capture.
    Gap(u64),
}

/// Follows one conversation.
#[derive(Debug)]
pub struct Follow {
    stream: u32,
    sides: [Direction; 2],
}

#[derive(Debug, Default)]
struct Direction {
    /// The number of the first payload byte, once a segment told it.
    first: Option<Seq>,
    /// The offset up to which everything was handed on.
    reached: u64,
    /// What waits behind a gap: by offset, with its frame.
    waiting: BTreeMap<u64, (u64, Vec<u8>)>,
    waiting_bytes: usize,
}

impl Follow {
    /// Follows the conversation of this number (`tcp.stream`).
    pub fn new(stream: u32) -> Self {
        Self { stream, sides: Default::default() }
    }

    /// Takes the next frame; frames of other conversations are passed over.
    pub fn frame(&mut self, frame: &Frame<'_>, sink: &mut dyn FnMut(Chunk<'_>)) {
        let (Some(note), Some((tcp, view))) = (frame.tcp, frame.packet.tcp()) else { return };
        if note.stream != self.stream || tcp.flags.any(TcpFlags::RST) {
            return;
        }
        let [a, b] = &mut self.sides;
        let (this, peer) = if note.from_b { (b, a) } else { (a, b) };
        if tcp.flags.any(TcpFlags::ACK) {
            peer.acknowledged(tcp.ack, !note.from_b, sink);
        }
        let header = usize::from(tcp.header_len);
        let payload = frame.packet.slice(view).get(header..).unwrap_or_default();
        let carried = usize::try_from(tcp.payload_len.unwrap_or_default()).unwrap_or(usize::MAX);
        let payload = payload.get(..carried).unwrap_or(payload);
        this.segment(tcp, payload, note.from_b, frame.number, sink);
    }

    /// Hands on what still waits, with the gaps before it.
    pub fn finish(&mut self, sink: &mut dyn FnMut(Chunk<'_>)) {
        for (side, from_b) in self.sides.iter_mut().zip([false, true]) {
            while let Some((offset, _)) = side.waiting.first_key_value() {
                side.skip_to(*offset, from_b, sink);
            }
        }
    }
}

impl Direction {
    fn segment(
        &mut self,
        tcp: &Tcp,
        payload: &[u8],
        from_b: bool,
        frame: u64,
        sink: &mut dyn FnMut(Chunk<'_>),
    ) {
        let start = tcp.seq + u32::from(tcp.flags.any(TcpFlags::SYN));
        let first = *self.first.get_or_insert(start);
        if payload.is_empty() {
            return;
        }
        let Some(offset) = self.offset_of(start, first) else { return };
        let end = offset.saturating_add(u64::try_from(payload.len()).unwrap_or(u64::MAX));
        if end <= self.reached {
            return;
        }
        if offset <= self.reached {
            let known = usize::try_from(self.reached - offset).unwrap_or(usize::MAX);
            self.hand_on(payload.get(known..).unwrap_or_default(), from_b, frame, sink);
            self.drain(from_b, sink);
            return;
        }
        // A shorter piece in the same place has nothing that the longer one lacks.
        if self.waiting.get(&offset).is_some_and(|(_, old)| old.len() >= payload.len()) {
            return;
        }
        self.waiting_bytes += payload.len() + PIECE;
        if let Some((_, old)) = self.waiting.insert(offset, (frame, payload.to_vec())) {
            self.waiting_bytes -= old.len() + PIECE;
        }
        while self.waiting_bytes > MOST_WAITING {
            let Some((next, _)) = self.waiting.first_key_value() else { break };
            self.skip_to(*next, from_b, sink);
        }
    }

    /// The offset of a sequence number, near what was reached: numbers wrap every 4 GiB, offsets never do.
    /// `None` before the first byte, where only keep-alives lie.
    fn offset_of(&self, seq: Seq, first: Seq) -> Option<u64> {
        let low = u32::try_from(self.reached & u64::from(u32::MAX)).unwrap_or_default();
        let distance = seq - (first + low);
        self.reached.checked_add_signed(i64::from(distance))
    }

    fn acknowledged(&mut self, ack: Seq, from_b: bool, sink: &mut dyn FnMut(Chunk<'_>)) {
        let first = *self.first.get_or_insert(ack);
        let Some(offset) = self.offset_of(ack, first) else { return };
        // Only up to bytes that are here: a FIN is acknowledged like a byte.
        while let Some((next, _)) = self.waiting.first_key_value().filter(|(next, _)| **next < offset) {
            self.skip_to(*next, from_b, sink);
        }
    }

    fn skip_to(&mut self, offset: u64, from_b: bool, sink: &mut dyn FnMut(Chunk<'_>)) {
        if offset > self.reached {
            let content = Content::Gap(offset - self.reached);
            sink(Chunk { from_b, frame: None, offset: self.reached, content });
            self.reached = offset;
        }
        self.drain(from_b, sink);
    }

    fn hand_on(&mut self, bytes: &[u8], from_b: bool, frame: u64, sink: &mut dyn FnMut(Chunk<'_>)) {
        sink(Chunk { from_b, frame: Some(frame), offset: self.reached, content: Content::Bytes(bytes) });
        self.reached += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    }

    /// Hands on what waited and is now in order.
    fn drain(&mut self, from_b: bool, sink: &mut dyn FnMut(Chunk<'_>)) {
        while let Some(entry) = self.waiting.first_entry() {
            if *entry.key() > self.reached {
                return;
            }
            let (offset, (frame, bytes)) = entry.remove_entry();
            self.waiting_bytes -= bytes.len() + PIECE;
            let known = usize::try_from(self.reached - offset).unwrap_or(usize::MAX);
            if let Some(rest) = bytes.get(known..).filter(|rest| !rest.is_empty()) {
                self.hand_on(rest, from_b, frame, sink);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_small_pieces_behind_a_gap_are_not_free() {
        let tcp = |seq| Tcp {
            source_port: 1,
            destination_port: 2,
            seq: Seq(seq),
            ack: Seq(0),
            header_len: 20,
            flags: TcpFlags(0),
            window: 0,
            checksum: 0,
            urgent: 0,
            payload_len: Some(1),
        };
        let (mut side, mut given_up_at) = (Direction::default(), 0);
        side.segment(&tcp(0), b"x", false, 1, &mut |_| {});
        for seq in (2..).step_by(2).take_while(|seq| *seq < 1_000_000) {
            side.segment(&tcp(seq), b"x", false, u64::from(seq), &mut |chunk| {
                if matches!(chunk.content, Content::Gap(_)) && given_up_at == 0 {
                    given_up_at = usize::try_from(seq / 2).unwrap();
                }
            });
        }
        assert_eq!(given_up_at, MOST_WAITING / (1 + PIECE) + 1);
        assert!(side.waiting.len() <= MOST_WAITING / (1 + PIECE));
    }
}
