//! The rules of `tcp.analysis`, one segment at a time, in Wireshark's order: a later rule sees what an earlier one said.

use super::direction::{Direction, MOST_UNACKED, Scale, Unacked};
use super::table::Segment;
use super::{Flag, TcpNote};
use crate::layer::TcpFlags;
use crate::seq::Seq;

/// What separates reordering from retransmission while the round trip is unknown, in nanoseconds.
const REORDERING_NANOS: i64 = 3_000_000;
/// How soon after the last duplicate acknowledgement a retransmission is a fast one (RFC 5681 §3.2), in nanoseconds.
const FAST_NANOS: i64 = 20_000_000;
/// In place of a count of duplicate acknowledgements: the peer acknowledged what was never seen, and that was said.
/// That this counts as «at least two» for fast retransmissions is Wireshark's.
const SAID_UNSEEN: u32 = u32::MAX;
/// Above this a number of bytes in flight is a sign of a gap, not of a window.
const MOST_IN_FLIGHT: u32 = 2_000_000_000;

/// One segment between its direction and its peer's.
pub(super) struct Rules<'c> {
    pub(super) this: &'c mut Direction,
    pub(super) peer: &'c mut Direction,
    pub(super) segment: &'c Segment,
    pub(super) initial_rtt: Option<i64>,
    pub(super) note: &'c mut TcpNote,
    /// How many more unacknowledged segments may be remembered, over all conversations.
    pub(super) room: &'c mut usize,
}

const SYN_FIN_RST: u16 = TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST;

impl Rules<'_> {
    pub(super) fn apply(&mut self, len: u32) {
        if self.segment.tcp.flags.any(TcpFlags::ACK) {
            self.peer.gap_in_flight = false;
        }
        self.note.peer_window = self.peer.window;
        self.window_and_probes(len);
        self.acknowledges();
        self.repeats(len);
        self.remember(len);
        self.drop_acknowledged();
        self.count_in_flight(len);
        self.note.analysed |= !self.note.analysis.is_empty() || self.note.acks.is_some();
    }

    fn set(&mut self, flag: Flag) {
        self.note.analysis.set(flag);
    }

    /// Zero window probe, zero window, lost segment, keep-alive, window update, window full; then the answers.
    fn window_and_probes(&mut self, len: u32) {
        let tcp = &self.segment.tcp;
        let plain = !tcp.flags.any(SYN_FIN_RST);
        if len == 1 && tcp.seq == self.this.next && self.peer.window == Some(0) {
            return self.set(Flag::ZeroWindowProbe);
        }
        if tcp.window == 0 && plain {
            self.set(Flag::ZeroWindow);
        }
        if self.this.next != Seq(0) && tcp.seq.after(self.this.next) && !tcp.flags.any(TcpFlags::RST) {
            self.set(Flag::LostSegment);
            self.this.gap_in_flight = true;
        }
        if len <= 1 && plain && tcp.seq == self.this.next - 1u32 {
            self.set(Flag::KeepAlive);
        }
        let nothing_new = len == 0 && plain && tcp.seq == self.this.next && tcp.ack == self.this.ack;
        if nothing_new && tcp.window != 0 && self.this.window != Some(tcp.window) {
            self.set(Flag::WindowUpdate);
        }
        if len > 0 && plain && self.fills_window(len) {
            self.set(Flag::WindowFull);
        }
        if nothing_new && self.this.window == Some(tcp.window) {
            self.nothing_new(tcp.window);
        }
    }

    fn fills_window(&self, len: u32) -> bool {
        let shift = if self.peer.window_unscaled { 0 } else { self.peer.scale.shift() };
        let Some(window) = self.peer.window else { return false };
        let edge = self.peer.ack + (u32::from(window) << shift);
        self.peer.scale != Scale::Unknown && self.segment.tcp.seq + len == edge
    }

    /// The same acknowledgement with the same window: an answer to a probe, or a duplicate.
    fn nothing_new(&mut self, window: u16) {
        if window != 0 && self.peer.last.has(Flag::KeepAlive) {
            return self.set(Flag::KeepAliveAck);
        }
        if window == 0 && self.peer.last.has(Flag::ZeroWindowProbe) {
            return self.set(Flag::ZeroWindowProbeAck);
        }
        if window != 0 {
            self.this.duplicates =
                if self.this.duplicates == SAID_UNSEEN { 1 } else { self.this.duplicates + 1 };
            self.set(Flag::DuplicateAck);
            self.note.duplicate_ack_num = self.this.duplicates;
            self.note.duplicate_ack_frame = self.this.original_ack;
        }
    }

    fn acknowledges(&mut self) {
        let tcp = &self.segment.tcp;
        if tcp.ack != self.this.ack {
            self.this.original_ack = self.segment.number;
            self.this.duplicates = 0;
        }
        let known = self.peer.contiguous != Seq(0) && tcp.flags.any(TcpFlags::ACK);
        if !known || !tcp.ack.after(self.peer.contiguous) {
            return;
        }
        if self.peer.contiguous.before(self.peer.next) {
            self.peer.contiguous = self.peer.next;
            self.set(Flag::AckLostSegment);
            return;
        }
        self.note.analysed = true;
        if self.peer.duplicates == 0 {
            self.set(Flag::AckLostSegment);
        }
        self.peer.duplicates = SAID_UNSEEN;
    }

    /// Spurious, fast or plain retransmission, or out of order.
    fn repeats(&mut self, len: u32) {
        let tcp = &self.segment.tcp;
        let moves = len > 0 || tcp.flags.any(TcpFlags::SYN | TcpFlags::FIN);
        if !moves || self.note.analysis.has(Flag::KeepAlive) {
            return;
        }
        if len > 0 && self.peer.ack != Seq(0) && !(tcp.seq + len).after(self.peer.ack) {
            return self.set(Flag::SpuriousRetransmission);
        }
        // One byte before the next number, and more than it: the byte was a window probe.
        let after_probe = len > 1 && tcp.seq == self.this.next - 1u32;
        if self.this.next == Seq(0) || !tcp.seq.before(self.this.next) || after_probe {
            return;
        }
        // Compared without a sign, as in Wireshark: where times run backwards nothing is soon.
        let now = self.segment.time;
        let soon = |since, limit: i64| now.since(since).cast_unsigned() < limit.cast_unsigned();
        if self.peer.duplicates >= 2 && self.peer.ack == tcp.seq && soon(self.peer.ack_time, FAST_NANOS) {
            return self.set(Flag::FastRetransmission);
        }
        let end = tcp.seq + len + u32::from(tcp.flags.any(TcpFlags::SYN | TcpFlags::FIN));
        let limit = self.initial_rtt.unwrap_or(REORDERING_NANOS);
        if soon(self.this.next_time, limit) && self.this.next != end {
            return self.set(Flag::OutOfOrder);
        }
        self.set(Flag::Retransmission);
        let (frame, time) = match self.this.unacked.first() {
            Some(oldest) => (oldest.frame, oldest.time),
            None => (self.this.next_frame, self.this.next_time),
        };
        self.note.rto = Some((frame, self.segment.time.since(time)));
    }

    fn remember(&mut self, len: u32) {
        let tcp = &self.segment.tcp;
        let moves = len > 0 || tcp.flags.any(TcpFlags::SYN | TcpFlags::FIN);
        let mut next = tcp.seq + len;
        if moves && self.this.unacked.len() < MOST_UNACKED {
            next = next + u32::from(tcp.flags.any(TcpFlags::SYN | TcpFlags::FIN));
            if *self.room > 0 {
                *self.room -= 1;
                let (frame, time) = (self.segment.number, self.segment.time);
                self.this.remember(Unacked { frame, time, seq: tcp.seq, next });
            }
        }
        let probe = self.note.analysis.has(Flag::ZeroWindowProbe);
        if !probe && (self.this.next == Seq(0) || next.after(self.this.next)) {
            self.this.next = next;
            self.this.next_time = self.segment.time;
            self.this.next_frame = self.segment.number;
        }
        if !probe && (self.this.contiguous == Seq(0) || tcp.seq == self.this.contiguous) {
            self.this.contiguous = self.this.next;
        }
        self.this.window = Some(tcp.window);
        // Wireshark's too: a segment that acknowledges nothing says nothing new of how windows are meant.
        if tcp.flags.any(TcpFlags::SYN | TcpFlags::ACK) {
            self.this.window_unscaled = tcp.flags.any(TcpFlags::SYN);
        }
        self.this.ack = tcp.ack;
        self.this.ack_time = self.segment.time;
        self.this.last = self.note.analysis;
    }

    /// Forgets what this segment acknowledges, and finds the segment whose end it names.
    fn drop_acknowledged(&mut self) {
        let (ack, now) = (self.segment.tcp.ack, self.segment.time);
        let before = self.peer.unacked.len();
        let acks = self.peer.acknowledged(ack);
        *self.room += before - self.peer.unacked.len();
        self.note.acks = acks.map(|(frame, time)| (frame, now.since(time)));
    }

    fn count_in_flight(&mut self, len: u32) {
        if len == 0 || self.this.gap_in_flight || self.this.unacked.is_empty() {
            return;
        }
        self.note.analysed = true;
        let (first, last) = self.this.span();
        let blocks = self.peer.sack.iter().take(self.peer.sack_len);
        let sacked: u32 = blocks.fold(0, |sum, (left, right)| sum.wrapping_add(right.relative(*left)));
        let unit = u32::from(self.segment.tcp.flags.any(TcpFlags::SYN | TcpFlags::FIN));
        let in_flight = last.wrapping_sub(first).wrapping_sub(sacked).wrapping_sub(unit);
        let shown = in_flight > 0 && in_flight < MOST_IN_FLIGHT;
        self.note.bytes_in_flight = shown.then_some(in_flight);
        let push = self.segment.tcp.flags.any(TcpFlags::PSH);
        self.this.push_bytes =
            if self.this.push_ended { len } else { self.this.push_bytes.wrapping_add(len) };
        self.this.push_ended = push;
        self.note.push_bytes_sent = shown.then_some(self.this.push_bytes);
    }
}
