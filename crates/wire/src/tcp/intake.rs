//! A conversation takes its next segment: what is counted, analysed and shown.

use super::conversation::{Completeness, Conversation, Endpoint, Reset, ResetCause, Side};
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
        let initial_rtt = self.shown_rtt;
        note.completeness = self.completeness;
        // Of a header that contradicts itself only the numbers count.
        if usize::from(segment.tcp.header_len) >= Tcp::LEN {
            self.round_trip(segment.tcp.flags, segment.time);
            self.complete(&segment.tcp);
        }
        note.initial_rtt = self.shown_rtt;
        if note.analysis.has(Flag::ReusedPorts) {
            note.completeness = self.completeness;
        }
        if let Some(told) = &self.told {
            note.completeness = told.completeness;
            note.initial_rtt = told.shown_rtt;
        }
        self.analyse(segment, note, initial_rtt, room);
        self.scale(segment, note);
        self.agree_on_ecn(segment.tcp.flags);
        note.accurate_ecn = self.accurate_ecn.1;
        self.accurate_ecn.1 |= segment.accurate_ecn;
    }

    /// The same, of a first reading: a whole segment without SYN, whose options say nothing that lasts. Nothing else
    /// of it is told to the second.
    pub(super) fn pass_by(&mut self, source: &Endpoint, tcp: &Tcp, time: Timestamp) {
        self.round_trip(tcp.flags, time);
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
        let cause = if syn_only && own.packets == 0 {
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

    /// From the last SYN to the first segment that acknowledges and opens nothing; Wireshark takes zero for unknown.
    fn round_trip(&mut self, flags: TcpFlags, time: Timestamp) {
        if flags.any(TcpFlags::SYN) {
            if !flags.any(TcpFlags::ACK) {
                self.syn_time = Some(time);
            }
        } else if flags.any(TcpFlags::ACK) && self.shown_rtt.is_none() {
            let since_syn = self.syn_time.map(|syn| time.since(syn));
            self.initial_rtt = self.initial_rtt.or(since_syn);
            self.shown_rtt = since_syn.filter(|nanos| *nanos != 0);
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

    fn complete(&mut self, tcp: &Tcp) {
        let [a, b] = &self.sides;
        let (syn, ack) = (tcp.flags.any(TcpFlags::SYN), tcp.flags.any(TcpFlags::ACK));
        // Of a conversation's first segment only a SYN counts, and a SYN only there.
        if a.packets + b.packets == 1 && (ack || !syn) {
            return;
        }
        let mut bits = self.completeness.0;
        let mut add = |yes: bool, bit: u8| bits |= if yes { bit } else { 0 };
        add(syn && !ack && a.packets + b.packets == 1, Completeness::SYN);
        add(syn && ack, Completeness::SYN_ACK);
        let data = tcp.payload_len.is_some_and(|len| len > 0);
        add(!syn && ack && !data, Completeness::ACK);
        add(data, Completeness::DATA);
        add(tcp.flags.any(TcpFlags::FIN), Completeness::FIN);
        add(tcp.flags.any(TcpFlags::RST), Completeness::RST);
        self.completeness = Completeness(bits);
    }
}
