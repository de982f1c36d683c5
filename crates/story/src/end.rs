//! What is known of one end of a conversation.

use crate::Certainty;
use crate::state::State;
use enchufe_wire::{Seq, Timestamp};

/// Whether something arrived, and in which frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fact {
    #[default]
    No,
    Known(Certainty, u64),
}

impl Fact {
    pub(crate) const fn is_no(self) -> bool {
        matches!(self, Self::No)
    }

    pub(crate) const fn is_proved(self) -> bool {
        matches!(self, Self::Known(Certainty::Proved, _))
    }

    pub(crate) const fn is_inferred(self) -> bool {
        matches!(self, Self::Known(Certainty::Inferred, _))
    }

    /// The same, proved; of this frame where it was not known at all.
    pub(crate) const fn prove(&mut self, frame: u64) {
        *self = match *self {
            Self::No => Self::Known(Certainty::Proved, frame),
            Self::Known(_, known) => Self::Known(Certainty::Proved, known),
        };
    }

    pub(crate) const fn infer(&mut self, frame: u64) {
        if self.is_no() {
            *self = Self::Known(Certainty::Inferred, frame);
        }
    }
}

/// A SYN that was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Syn {
    pub(crate) frame: u64,
    /// The number after it.
    pub(crate) end: Seq,
    /// It was not seen, but the peer acknowledged it.
    pub(crate) unseen: bool,
    pub(crate) has_bytes: bool,
}

/// A FIN that was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fin {
    /// The first copy that was seen.
    pub(crate) frame: u64,
    /// The first copy that is not known to have been lost.
    pub(crate) came: Option<u64>,
    /// When that arrived, where it is known.
    pub(crate) came_at: Option<Timestamp>,
    /// The number after it.
    pub(crate) end: Seq,
    /// What it acknowledged.
    pub(crate) ack: Option<Seq>,
}

/// A state, how sure, and because of which frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    pub(crate) state: State,
    pub(crate) certainty: Certainty,
    pub(crate) because: u64,
}

/// One end.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, and most go with any other")]
pub(crate) struct End {
    pub(crate) syn: Option<Syn>,
    /// It sent a SYN with an acknowledgement.
    pub(crate) syn_ack: bool,
    /// It sent no SYN before that.
    pub(crate) passive: bool,
    /// It sent its SYN, ACK again after the peer's acknowledgement was seen.
    pub(crate) asked_again: bool,
    /// The frame of the peer's SYN, which it has.
    pub(crate) got_syn: Option<u64>,
    /// It has the acknowledgement of its SYN.
    pub(crate) syn_acked: Fact,
    /// When the segment arrives by which that is inferred, where it is known.
    pub(crate) syn_acked_at: Option<Timestamp>,
    pub(crate) fin: Option<Fin>,
    /// The frame of the peer's FIN, which it has.
    pub(crate) got_fin: Option<u64>,
    /// It has the acknowledgement of its FIN.
    pub(crate) fin_acked: Fact,
    /// When the segment arrives by which that is inferred, where it is known.
    pub(crate) fin_acked_at: Option<Timestamp>,
    /// A reset ended it.
    pub(crate) reset: Fact,
    pub(crate) reset_sent: bool,
    /// The reset put it back into LISTEN.
    pub(crate) listens_again: bool,
    /// It sent after its own reset: whose that was is not known.
    pub(crate) muddled: bool,
    /// It is known to have sent no FIN before what was seen of it.
    pub(crate) opened: bool,
    /// The frame of its first bytes or FIN since then.
    pub(crate) spoke: Option<u64>,
    /// The number of its last empty segment.
    pub(crate) empty_at: Option<Seq>,
    /// The number after the last one that was seen of it.
    pub(crate) next: Option<Seq>,
    /// The last number that it acknowledged.
    pub(crate) ack: Option<Seq>,
    /// Numbers of it are missing in the capture.
    pub(crate) has_gaps: bool,
    /// It acknowledged what was not seen, up to here.
    pub(crate) unseen: Option<Seq>,
    /// The number after the last one that came from the peer in a segment that did not acknowledge this end's SYN.
    pub(crate) before_syn_ack: Option<Seq>,
    /// The same of this end's FIN.
    pub(crate) before_fin_ack: Option<Seq>,
    pub(crate) shown: Option<(State, Certainty)>,
    /// What was shown before a reset came.
    pub(crate) before_reset: Option<(State, Certainty)>,
}

/// Moves a number on to a later one.
pub(crate) fn advance(known: &mut Option<Seq>, to: Seq) {
    if known.is_none_or(|known| to.after(known)) {
        *known = Some(to);
    }
}

/// Whether this number acknowledges everything before `end`.
pub(crate) fn covers(ack: Option<Seq>, end: Seq) -> bool {
    ack.is_some_and(|ack| !ack.before(end))
}

impl End {
    /// The state that the facts say, if they say one.
    pub(crate) fn state(&self, peer: &Self) -> Option<Shown> {
        if let Fact::Known(certainty, because) = self.reset {
            let state = if self.listens_again { State::Listen } else { State::Closed };
            return (!self.muddled).then_some(Shown { state, certainty, because });
        }
        let known = self.syn.is_some() || self.opened && self.spoke.is_some() && peer.opened;
        if self.muddled || !known {
            return None;
        }
        match self.fin {
            Some(fin) if self.syn.is_none() || self.got_syn.is_some() => self.closing(fin, peer),
            _ => self.open(),
        }
    }

    /// Before it sent a FIN.
    fn open(&self) -> Option<Shown> {
        let shown = |state, certainty, because| Some(Shown { state, certainty, because });
        if let Some(frame) = self.got_fin {
            return shown(State::CloseWait, Certainty::Proved, frame);
        }
        let sure = |certainty| if self.unseen.is_some() { Certainty::Inferred } else { certainty };
        let Some(syn) = self.syn else {
            return shown(State::Established, sure(Certainty::Proved), self.spoke?);
        };
        match (self.got_syn, self.syn_acked) {
            (None, _) if syn.unseen => None,
            (None, _) => shown(State::SynSent, Certainty::Proved, syn.frame),
            (Some(frame), Fact::No) => {
                let certainty = if self.asked_again { Certainty::Inferred } else { Certainty::Proved };
                shown(State::SynReceived, certainty, frame)
            }
            (_, Fact::Known(certainty, frame)) => shown(State::Established, sure(certainty), frame),
        }
    }

    fn closing(&self, fin: Fin, peer: &Self) -> Option<Shown> {
        let shown = |state, certainty, because| Some(Shown { state, certainty, because });
        let peer_first = peer.fin.is_some_and(|first| covers(fin.ack, first.end));
        match (self.got_fin, self.fin_acked) {
            (_, Fact::No) if peer_first => shown(State::LastAck, Certainty::Proved, fin.frame),
            (_, Fact::Known(certainty, frame)) if peer_first => shown(State::Closed, certainty, frame),
            (None, _) if self.unseen.is_some() => None,
            (None, Fact::No) => shown(State::FinWait1, Certainty::Proved, fin.frame),
            // If it arrives, so has the peer's FIN, most likely: FIN-WAIT-2 would be over with that.
            (None, Fact::Known(Certainty::Inferred, _)) if self.fin_acked_late(peer) => {
                shown(State::FinWait1, Certainty::Proved, fin.frame)
            }
            (None, Fact::Known(certainty, frame)) => shown(State::FinWait2, certainty, frame),
            (Some(frame), Fact::No) => shown(State::Closing, Certainty::Proved, frame),
            (Some(frame), Fact::Known(certainty, acked)) => {
                shown(State::TimeWait, certainty, frame.max(acked))
            }
        }
    }

    /// Whether the acknowledgement of its FIN came with the peer's FIN, or after it.
    pub(crate) fn fin_acked_late(&self, peer: &Self) -> bool {
        let Fact::Known(_, acked) = self.fin_acked else { return false };
        let Some(Fin { came: Some(came), came_at, .. }) = peer.fin else { return false };
        // Segments may overtake each other.
        came_at.zip(self.fin_acked_at).map_or(came <= acked, |(came, acked)| came <= acked)
    }

    /// Where RFC 9293 has the way into this state.
    pub(crate) fn section(&self, to: Option<State>) -> &'static str {
        match to {
            Some(State::Closed | State::Listen) if !self.reset.is_no() && !self.reset_sent => "3.5.3",
            Some(State::SynSent | State::Listen) => "3.10.1",
            Some(State::FinWait1 | State::LastAck) => "3.10.4",
            Some(State::SynReceived) if self.passive => "3.10.7.2",
            Some(State::SynReceived) => "3.10.7.3",
            Some(State::Established) if self.syn.is_some() && !self.syn_ack => "3.10.7.3",
            Some(State::Closed) if !self.reset.is_no() => "3.5.2",
            None => "3.3.2",
            Some(_) => "3.10.7.4",
        }
    }

    /// Its connection begins anew: what was shown stays what was before.
    pub(crate) fn restart(&mut self) {
        *self = Self { shown: self.shown, ..Self::default() };
    }

    /// Whether a segment of it was seen that could be reset.
    pub(crate) fn is_there(&self) -> bool {
        self.ack.is_some() || self.syn.is_some_and(|syn| !syn.unseen)
    }

    /// The peer's connection begins anew: what this end had of it is no longer.
    pub(crate) fn forget_peer(&mut self) {
        (self.got_syn, self.got_fin, self.ack, self.unseen) = (None, None, None, None);
        (self.syn_acked, self.fin_acked) = (Fact::No, Fact::No);
        (self.before_syn_ack, self.before_fin_ack) = (None, None);
        (self.syn_acked_at, self.fin_acked_at) = (None, None);
    }
}
