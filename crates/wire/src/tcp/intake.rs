//! A conversation takes its next segment: what is counted, analysed and shown.

use super::conversation::{
    AccurateEcn, Completeness, Conversation, Endpoint, Reset, ResetCause, RoundTrip, Side,
};
use super::direction::Scale;
use super::rules::Rules;
use super::table::Segment;
use super::{Final, Flag, TcpNote};
use crate::Timestamp;
use crate::layer::{Tcp, TcpFlags};

impl Final {
    /// Puts into the note what the second pass shows; gives the scale of this segment's window.
    fn show(&mut self, segment: &Segment, note: &mut TcpNote) -> Scale {
        let tcp = &segment.tcp;
        let ([a, b], [scale_a, scale_b]) = (&mut self.base, self.scale);
        let (base, peer_base) = if note.from_b { (b, a) } else { (a, b) };
        let scale = if note.from_b { scale_b } else { scale_a };
        if tcp.flags.all(TcpFlags::SYN | TcpFlags::ACK) && base.is_some_and(|base| base != tcp.seq) {
            *base = Some(tcp.seq);
            note.analysis.set(Flag::ReusedPorts);
        }
        if tcp.payload_len.is_some() {
            note.base = base.unwrap_or_default();
            note.peer_base = peer_base.unwrap_or_default();
        }
        note.sack_base = peer_base.unwrap_or_default();
        scale
    }
}

/// What relative numbers of both sides count from, once segments tell.
fn begin(tcp: &Tcp, this: &mut Side, peer: &mut Side) {
    let start = if tcp.flags.any(TcpFlags::SYN) { tcp.seq } else { tcp.seq - 1u32 };
    this.direction.base.get_or_insert(start);
    if tcp.flags.any(TcpFlags::ACK) {
        peer.direction.base.get_or_insert(tcp.ack - 1u32);
    }
}

impl RoundTrip {
    /// Takes the next segment; gives how long ago the SYN was that it acknowledges.
    fn take(&mut self, flags: TcpFlags, time: Timestamp) -> Option<i64> {
        if flags.any(TcpFlags::SYN) {
            if !flags.any(TcpFlags::ACK) {
                self.syn_time = Some(time);
            }
            return None;
        }
        if !flags.any(TcpFlags::ACK) || self.shown.is_some() {
            return None;
        }
        let since_syn = self.syn_time.map(|syn| time.since(syn));
        // Wireshark takes zero for unknown.
        self.shown = since_syn.filter(|nanos| *nanos != 0);
        since_syn
    }
}

impl AccurateEcn {
    /// A SYN with all three flags, answered by one of four combinations.
    fn opens(&mut self, flags: TcpFlags) {
        let ecn = flags.0 >> 6 & 7;
        if flags.all(TcpFlags::SYN | TcpFlags::ACK) {
            self.agreed = matches!(ecn, 0b010 | 0b011 | 0b100 | 0b110);
        } else if flags.any(TcpFlags::SYN) {
            self.offered = ecn == 0b111;
        }
    }

    const fn is_known(self) -> bool {
        self.offered && self.agreed || self.counted
    }
}

impl Conversation {
    /// A SYN on known ends whose number is not the one that the conversation began with.
    pub(super) fn begins_again(&self, segment: &Segment) -> bool {
        let flags = segment.tcp.flags;
        let from_b = segment.source != self.a;
        let [a, b] = &self.sides;
        let base = if from_b { b.direction.base } else { a.direction.base };
        flags.any(TcpFlags::SYN)
            && !flags.any(TcpFlags::ACK)
            && base.is_some_and(|base| base != segment.tcp.seq)
    }

    /// Takes the next segment of this conversation. `room` is how many more unacknowledged segments may be remembered; without
    /// it the rules of the analysis are left out, which change nothing that a second reading is told.
    pub(super) fn take(&mut self, segment: &Segment, note: &mut TcpNote, room: Option<&mut usize>) {
        let from_b = segment.source != self.a;
        note.stream = self.stream;
        note.from_b = from_b;
        note.reset = self.count(segment, from_b);
        let initial_rtt = self.round_trip.shown;
        note.completeness = self.completeness;
        // Of a header that contradicts itself only the numbers count.
        if usize::from(segment.tcp.header_len) >= Tcp::LEN {
            self.time_handshake(segment.tcp.flags, segment.time);
            self.complete(&segment.tcp);
        }
        note.initial_rtt = self.round_trip.shown;
        if note.analysis.has(Flag::ReusedPorts) {
            note.completeness = self.completeness;
        }
        if let Some(told) = &self.told {
            note.completeness = told.completeness;
            note.initial_rtt = told.round_trip.shown;
        }
        self.analyse(segment, note, initial_rtt, room);
        self.scale(segment, note);
        self.accurate_ecn.opens(segment.tcp.flags);
        note.accurate_ecn = self.accurate_ecn.is_known();
        self.accurate_ecn.counted |= segment.accurate_ecn;
    }

    /// The same, of a first reading: a whole segment without SYN, whose options say nothing that lasts. Nothing else
    /// of it is told to the second.
    pub(super) fn pass_by(&mut self, source: &Endpoint, tcp: &Tcp, time: Timestamp) {
        self.time_handshake(tcp.flags, time);
        let (this, peer) = self.sides(*source != self.a);
        this.packets += 1;
        begin(tcp, this, peer);
        self.complete(tcp);
    }

    /// The side that sent the segment, and its peer.
    fn sides(&mut self, from_b: bool) -> (&mut Side, &mut Side) {
        let [a, b] = &mut self.sides;
        if from_b { (b, a) } else { (a, b) }
    }

    fn analyse(
        &mut self,
        segment: &Segment,
        note: &mut TcpNote,
        initial_rtt: Option<i64>,
        room: Option<&mut usize>,
    ) {
        let tcp = &segment.tcp;
        let (this, peer) = self.sides(note.from_b);
        let syn_ack = tcp.flags.all(TcpFlags::SYN | TcpFlags::ACK);
        if syn_ack && this.direction.base.is_some_and(|base| base != tcp.seq) {
            this.direction.base = Some(tcp.seq);
            note.analysis.set(Flag::ReusedPorts);
        }
        if let Some(len) = tcp.payload_len {
            let syn = tcp.flags.any(TcpFlags::SYN);
            if syn && !syn_ack && this.direction.base == Some(tcp.seq) {
                // A SYN sent again: as in Wireshark, what lies beyond a gap is forgotten.
                this.direction.next = this.direction.contiguous;
                note.analysed = true;
            }
            begin(tcp, this, peer);
            note.base = this.direction.base.unwrap_or_default();
            note.peer_base = peer.direction.base.unwrap_or_default();
            let (this, peer) = (&mut this.direction, &mut peer.direction);
            if let Some(room) = room {
                Rules { this, peer, segment, initial_rtt, note, room }.apply(len);
            }
        }
        note.sack_base = peer.direction.base.unwrap_or_default();
        let repeated = [Flag::Retransmission, Flag::FastRetransmission, Flag::SpuriousRetransmission];
        if repeated.into_iter().any(|flag| note.analysis.has(flag)) {
            this.retransmissions += 1;
        }
        this.direction.sack = segment.sack;
        this.direction.sack_len = segment.sack_len;
    }

    /// The window of this segment, and what its options mean for those that follow.
    fn scale(&mut self, segment: &Segment, note: &mut TcpNote) {
        let flags = segment.tcp.flags;
        let (this, peer) = self.sides(note.from_b);
        let (this, peer) = (&mut this.direction, &mut peer.direction);
        let mut scale = this.scale;
        if let Some(shift) = segment.scale {
            this.scale = Scale::Shift(shift);
        }
        // RFC 7323 §1.3: both sides offer a scale, or neither uses one. A SYN that is sent again offers anew.
        if !segment.options_whole {
            // What is missing may be the scale.
        } else if flags.any(TcpFlags::SYN) && this.scale == Scale::Unknown {
            (this.scale, peer.scale) = (Scale::Off, Scale::Off);
        } else if flags.all(TcpFlags::SYN | TcpFlags::ACK) && peer.scale == Scale::Off {
            this.scale = Scale::Off;
        }
        if let Some(told) = &mut self.told {
            scale = told.show(segment, note);
        }
        note.window = u32::from(segment.tcp.window);
        if !flags.any(TcpFlags::SYN) && segment.tcp.payload_len.is_some() {
            note.window <<= scale.shift();
            note.window_factor = Some(scale.factor());
        }
    }

    /// Counts the segment; explains it if it is a reset.
    fn count(&mut self, segment: &Segment, from_b: bool) -> Option<Reset> {
        let flags = segment.tcp.flags;
        let reset = flags.any(TcpFlags::RST).then(|| self.explain(segment, from_b));
        self.reset = self.reset.or(reset);
        let [a, b] = &mut self.sides;
        let side = if from_b { b } else { a };
        let now = (segment.number, segment.time);
        side.last_had_data = segment.tcp.payload_len.is_some_and(|len| len > 0);
        if side.last_had_data {
            side.last_data = Some(segment.number);
        }
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
        reset
    }

    fn explain(&self, segment: &Segment, by_b: bool) -> Reset {
        let [a, b] = &self.sides;
        let (own, peer) = if by_b { (b, a) } else { (a, b) };
        let syn_only = self.completeness.has(Completeness::SYN) && !own.accepted && !peer.accepted;
        // It may refuse a SYN that comes again, too.
        let cause = if syn_only && own.last.is_none() {
            ResetCause::Refused
        } else if own.fin.is_some() && peer.last_had_data {
            ResetCause::DataAfterClose
        } else if own.fin.is_none() && peer.last_data > own.last_data {
            ResetCause::Unread
        } else {
            ResetCause::Abort
        };
        // RFC 9293 §3.5.2: what answers a segment that has an acknowledgement takes its number from there and has none itself.
        let by_number = !segment.tcp.flags.any(TcpFlags::ACK) && segment.tcp.seq == peer.direction.ack;
        let answered = by_number || matches!(cause, ResetCause::Refused | ResetCause::DataAfterClose);
        let answers = peer.last.filter(|_| answered).map(|(frame, _)| frame);
        let (_, before) = self.last;
        Reset { by_b, frame: segment.number, answers, idle: segment.time.since(before), cause }
    }

    fn time_handshake(&mut self, flags: TcpFlags, time: Timestamp) {
        let since_syn = self.round_trip.take(flags, time);
        self.initial_rtt = self.initial_rtt.or(since_syn);
        // Where the first pass saw no acknowledgement after the SYN, the second takes one before it.
        if let Some(told) = &mut self.told {
            told.round_trip.take(flags, time);
        }
    }

    fn complete(&mut self, tcp: &Tcp) {
        let [a, b] = &self.sides;
        let (syn, ack) = (tcp.flags.any(TcpFlags::SYN), tcp.flags.any(TcpFlags::ACK));
        // Of a conversation's first segment only a SYN counts, and a SYN only there.
        let first = a.packets + b.packets == 1;
        if first && (ack || !syn) {
            return;
        }
        let mut bits = self.completeness.0;
        let mut add = |yes: bool, bit: u8| bits |= if yes { bit } else { 0 };
        add(syn && !ack && first, Completeness::SYN);
        add(syn && ack, Completeness::SYN_ACK);
        // Without an acknowledgement only the first SYN, what it carries, and a reset count.
        let data = tcp.payload_len.is_some_and(|len| len > 0);
        add(!syn && ack && !data, Completeness::ACK);
        add(data && (ack && !syn || first), Completeness::DATA);
        add(ack && tcp.flags.any(TcpFlags::FIN), Completeness::FIN);
        add(tcp.flags.any(TcpFlags::RST), Completeness::RST);
        self.completeness = Completeness(bits);
    }
}
