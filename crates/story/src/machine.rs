//! Both ends of a conversation: what each segment adds to what is known, in the order in which RFC 9293 §3.10.7.4 has it.

use crate::Certainty;
use crate::end::{End, Fact, Fin, Shown, Syn, advance, covers};
use crate::fact::Arrival;
use crate::state::{Change, State};
use enchufe_wire::layer::TcpFlags;
use enchufe_wire::{Seq, Timestamp};

/// A segment as the states see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    pub(crate) frame: u64,
    pub(crate) from_b: bool,
    pub(crate) flags: TcpFlags,
    pub(crate) seq: Seq,
    pub(crate) ack: Option<Seq>,
    /// Payload bytes.
    pub(crate) len: u32,
    /// When it was sent, and what is known of its arrival.
    pub(crate) time: Option<Timestamp>,
    pub(crate) arrival: Arrival,
    /// It tells which bytes came behind a gap, or twice (SACK, RFC 2018, RFC 2883).
    pub(crate) selects: bool,
}

impl Segment {
    /// Whether it is known not to have arrived.
    pub(crate) fn is_lost(&self) -> bool {
        self.arrival == Arrival::Never
    }

    /// When it arrives, where that is known.
    const fn lands(&self) -> Option<Timestamp> {
        match self.arrival {
            Arrival::At(time) => Some(time),
            Arrival::Unknown | Arrival::Never => None,
        }
    }

    pub(crate) const fn has(&self, flag: u16) -> bool {
        self.flags.any(flag)
    }

    /// The number after its last one.
    pub(crate) fn end(&self) -> Seq {
        self.seq + u32::from(self.has(TcpFlags::SYN)) + self.len + u32::from(self.has(TcpFlags::FIN))
    }

    /// Whether it takes numbers that a receiver acknowledges.
    pub(crate) const fn moves(&self) -> bool {
        self.len > 0 || self.has(TcpFlags::SYN | TcpFlags::FIN)
    }
}

/// The two ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Machine {
    a: End,
    b: End,
}

/// A segment between its sender and its receiver.
struct Step<'m> {
    me: &'m mut End,
    peer: &'m mut End,
    segment: &'m Segment,
    changes: &'m mut Vec<Change>,
}

impl Machine {
    /// Takes the next segment; what it shows is added to `changes`.
    pub(crate) fn take(&mut self, segment: &Segment, changes: &mut Vec<Change>) {
        let Self { a, b } = self;
        let (me, peer) = if segment.from_b { (b, a) } else { (a, b) };
        let mut step = Step { me, peer, segment, changes };
        if segment.has(TcpFlags::RST) {
            return step.reset();
        }
        step.after_reset();
    }
}

impl Step<'_> {
    /// A segment of an end that a reset seems to have ended shows what it had done before that arrived.
    fn after_reset(&mut self) {
        if self.me.reset.is_no() || self.segment.has(TcpFlags::SYN) {
            return self.take();
        }
        if self.me.reset_sent {
            self.me.muddled = true;
            return self.show_me();
        }
        let (reset, shown) = (std::mem::take(&mut self.me.reset), self.me.shown);
        self.me.shown = self.me.before_reset;
        let before = self.changes.len();
        self.take();
        self.me.reset = reset;
        self.me.before_reset = self.me.shown;
        let from_b = self.segment.from_b;
        match self.changes.iter_mut().skip(before).find(|change| change.of_b == from_b) {
            Some(change) => {
                change.from = shown.map(|(state, _)| state);
                self.show_me();
            }
            None => self.me.shown = shown,
        }
    }

    fn take(&mut self) {
        if self.segment.has(TcpFlags::SYN) {
            self.opens();
        }
        self.notes_what_it_is();
        if let Some(ack) = self.segment.ack {
            self.has_got(ack);
        }
        if self.segment.has(TcpFlags::FIN) {
            self.closes();
        }
        self.is_seen();
        self.show_peer();
    }

    fn opens(&mut self) {
        let Segment { frame, seq, ack, len, .. } = *self.segment;
        let end = seq + 1;
        let another = self.me.syn.is_some_and(|syn| syn.end != end);
        if another || !self.me.reset.is_no() || self.me.muddled {
            self.me.restart();
            self.peer.forget_peer();
        } else if self.me.syn.is_none() {
            // What was seen of it before was of another connection, or is counted again.
            self.me.restart();
        }
        let first = self.me.syn.is_none();
        if first {
            self.me.syn = Some(Syn { frame, end, unseen: false, has_bytes: len > 0 });
            self.me.before_syn_ack = self.peer.next;
        } else if let Some(syn) = &mut self.me.syn {
            syn.unseen = false;
        }
        self.me.opened = true;
        let Some(ack) = ack else { return self.show_me() };
        if self.peer.syn.is_none() {
            self.peer.syn = Some(Syn { frame, end: ack, unseen: true, has_bytes: false });
            self.peer.opened = true;
            self.me.before_syn_ack = Some(ack);
        }
        // What had not come yet may have come since.
        let is_under_way = self.segment.time.is_some_and(|time| self.me.syn_acked_at > Some(time));
        if self.me.syn_ack && self.me.syn_acked.is_inferred() && !is_under_way {
            (self.me.syn_acked, self.me.asked_again) = (Fact::No, true);
        }
        if !self.me.syn_ack {
            self.me.syn_ack = true;
            self.me.passive = first;
            let because = self.peer.syn.map_or(frame, |syn| syn.frame);
            if first {
                self.emit(Shown { state: State::Listen, certainty: Certainty::Inferred, because });
            }
        }
    }

    /// What the capture lacks, and whether the end is known to have sent no FIN before.
    fn notes_what_it_is(&mut self) {
        let Segment { frame, seq, .. } = *self.segment;
        self.me.has_gaps |= self.me.next.is_some_and(|next| seq.after(next));
        if self.segment.moves() {
            self.me.opened |= self.me.empty_at.is_some_and(|at| !seq.before(at));
            let talks = self.segment.len > 0 || self.segment.has(TcpFlags::FIN);
            if self.me.opened && talks && self.me.spoke.is_none() {
                self.me.spoke = Some(frame);
            }
            // What the peer acknowledged without its having been seen was this.
            if self.peer.unseen.is_some_and(|unseen| !self.segment.end().before(unseen)) {
                self.peer.unseen = None;
            }
        } else if self.me.next.is_none_or(|next| !seq.before(next)) {
            self.me.empty_at = Some(seq);
        }
    }

    /// What the sender had when it acknowledged this number.
    fn has_got(&mut self, ack: Seq) {
        let frame = self.segment.frame;
        advance(&mut self.me.ack, ack);
        match self.peer.next {
            None => self.peer.next = Some(ack),
            Some(next) if ack.after(next) => self.me.unseen = Some(ack),
            Some(_) => {}
        }
        self.has_got_syn(ack);
        let sure = !self.peer.has_gaps && self.me.unseen.is_none();
        let only_with = |before: Option<Seq>| before.is_some_and(|before| ack.after(before));
        if self.me.got_syn.is_some() && !self.me.syn_acked.is_proved() {
            let arrived = self.me.syn_acked.is_inferred() && sure && only_with(self.me.before_syn_ack);
            if arrived || self.sends_as_established() {
                self.me.syn_acked.prove(frame);
            }
        }
        self.show_me();
        if self.me.fin_acked.is_inferred() && sure && only_with(self.me.before_fin_ack) {
            self.me.fin_acked.prove(frame);
            // What came with the peer's FIN, or after it, shows when that is acknowledged.
            if !self.me.fin_acked_late(self.peer) {
                self.show_me();
            }
        }
        self.has_got_fin(ack);
    }

    fn has_got_fin(&mut self, ack: Seq) {
        let fin = self.peer.fin.filter(|fin| self.me.got_fin.is_none() && covers(Some(ack), fin.end));
        let Some(Fin { frame, came, .. }) = fin else { return };
        let because = came.unwrap_or(frame);
        self.me.got_fin = Some(because);
        let first = matches!(self.me.shown, Some((State::FinWait1, _)));
        if first && self.me.fin_acked.is_inferred() && self.me.fin_acked_late(self.peer) {
            // The ACK of its own FIN was under way when it sent this.
            self.emit(Shown { state: State::Closing, certainty: Certainty::Inferred, because });
        }
        self.show_me();
    }

    /// A SEND waits for ESTABLISHED (§3.10.2); with Fast Open (RFC 7413) it does not.
    fn sends_as_established(&self) -> bool {
        let early = [&self.me.syn, &self.peer.syn].into_iter().flatten().any(|syn| syn.has_bytes);
        self.segment.len > 0 && !self.segment.has(TcpFlags::SYN) && !early
    }

    fn has_got_syn(&mut self, ack: Seq) {
        let Segment { frame, .. } = *self.segment;
        if self.me.syn.is_none() || self.me.got_syn.is_some() {
            return;
        }
        let of_peer = self.peer.syn;
        if of_peer.is_some_and(|syn| ack.before(syn.end)) {
            return;
        }
        let got = of_peer.filter(|syn| !syn.unseen).map_or(frame, |syn| syn.frame);
        self.me.got_syn = Some(got);
        self.peer.opened = true;
        if self.segment.has(TcpFlags::SYN) {
            // Sent on entering SYN-RECEIVED, so before anything that came later is looked at.
            return self.emit(Shown {
                state: State::SynReceived,
                certainty: Certainty::Proved,
                because: got,
            });
        }
        // An end in SYN-SENT sends an ACK without a SYN only on entering ESTABLISHED (§3.10.7.3).
        self.me.syn_acked.prove(got);
    }

    fn closes(&mut self) {
        let Segment { frame, ack, .. } = *self.segment;
        if self.me.fin.is_none() {
            self.me.fin = Some(Fin { frame, came: None, came_at: None, end: self.segment.end(), ack });
            self.me.before_fin_ack = self.peer.next;
            // Its acknowledgement was captured before it, or a copy of it was not.
            if covers(self.peer.ack, self.segment.end()) {
                self.peer.got_fin.get_or_insert(frame);
            }
        }
        if let Some(fin) = self.me.fin.as_mut().filter(|fin| fin.came.is_none() && !self.segment.is_lost()) {
            (fin.came, fin.came_at) = (Some(frame), self.segment.lands());
        }
        self.show_me();
    }

    /// What the peer has if this segment arrives, and what numbers were seen.
    fn is_seen(&mut self) {
        let (end, Segment { frame, ack, .. }) = (self.segment.end(), *self.segment);
        let lost = self.segment.is_lost();
        let peer = &mut *self.peer;
        if let Some(syn) = peer.syn {
            // In SYN-SENT only a SYN with an acknowledgement is of use.
            let is_of_use = peer.got_syn.is_some() || self.segment.has(TcpFlags::SYN);
            if covers(ack, syn.end) {
                if is_of_use && !lost {
                    if peer.syn_acked.is_no() {
                        peer.syn_acked_at = self.segment.lands();
                    }
                    peer.syn_acked.infer(frame);
                }
            } else {
                advance(&mut peer.before_syn_ack, end);
            }
        }
        if let Some(fin) = peer.fin {
            if ack == Some(fin.end) {
                if !lost {
                    if peer.fin_acked.is_no() {
                        peer.fin_acked_at = self.segment.lands();
                    }
                    peer.fin_acked.infer(frame);
                }
            } else {
                advance(&mut peer.before_fin_ack, end);
            }
        }
        advance(&mut self.me.next, end);
    }

    fn reset(&mut self) {
        let Segment { frame, seq, ack, .. } = *self.segment;
        let opening = self.me.fin.is_none() && (self.me.got_syn.is_none() || self.me.syn_acked.is_no());
        let opening = self.me.syn.filter(|_| opening);
        // In SYN-SENT and SYN-RECEIVED an acknowledgement that fits nothing is answered with a reset at its number, and
        // the state stays (§3.10.7.3, §3.10.7.4).
        let only_refuses = ack.is_none() && opening.is_some_and(|syn| syn.end != seq);
        if !only_refuses && !self.me.muddled && !self.me.reset.is_proved() {
            let known = ack.is_some() || self.me.syn.is_some() || self.me.opened;
            self.me.before_reset = self.me.shown;
            let certainty = if known { Certainty::Proved } else { Certainty::Inferred };
            (self.me.reset, self.me.reset_sent) = (Fact::Known(certainty, frame), true);
            self.me.listens_again = false;
            self.show_me();
        }
        let closed = matches!(self.peer.shown, Some((State::Closed, _)));
        if !self.segment.is_lost()
            && self.peer.reset.is_no()
            && !closed
            && self.peer.is_there()
            && self.is_acceptable()
        {
            let waits = matches!(self.peer.shown, Some((State::SynReceived, _)));
            self.peer.before_reset = self.peer.shown;
            self.peer.listens_again = waits && self.peer.passive;
            self.peer.reset.infer(frame);
            self.show_peer();
        }
    }

    /// Whether the receiver takes this reset (§3.10.7.3, §3.10.7.4).
    fn is_acceptable(&self) -> bool {
        let Segment { seq, ack, .. } = *self.segment;
        let next_of_peer = self.peer.next;
        match self.peer.syn {
            Some(syn) if self.peer.got_syn.is_none() && !syn.unseen => {
                covers(ack, syn.end)
                    && ack.is_some_and(|ack| next_of_peer.is_none_or(|next| !ack.after(next)))
            }
            _ => {
                let expected = self.peer.ack;
                expected == Some(seq)
                    || expected.is_none_or(|expected| seq.after(expected))
                        && self.me.next.is_none_or(|next| !seq.after(next))
            }
        }
    }

    fn show_me(&mut self) {
        let state = self.me.state(self.peer);
        show(self.me, state, self.segment.from_b, self.segment.frame, self.changes);
    }

    fn show_peer(&mut self) {
        let state = self.peer.state(self.me);
        show(self.peer, state, !self.segment.from_b, self.segment.frame, self.changes);
    }

    /// Shows a state of the sender that the facts have left behind already.
    fn emit(&mut self, shown: Shown) {
        show(self.me, Some(shown), self.segment.from_b, self.segment.frame, self.changes);
    }
}

fn show(end: &mut End, state: Option<Shown>, of_b: bool, frame: u64, changes: &mut Vec<Change>) {
    let now = state.map(|shown| (shown.state, shown.certainty));
    if now == end.shown {
        return;
    }
    let (from, to) = (end.shown.map(|(state, _)| state), now.map(|(state, _)| state));
    let certainty = now.map_or(Certainty::Inferred, |(_, certainty)| certainty);
    let because = state.map_or(frame, |shown| shown.because);
    changes.push(Change { of_b, from, to, certainty, because, section: end.section(to) });
    end.shown = now;
}
