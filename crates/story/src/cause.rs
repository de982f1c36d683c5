//! Why a segment was sent, as far as packets alone tell: *what* it is for, and *why now*.
//!
//! Bytes and numbers decide, never times. Which call wrote the bytes, and which timer ran, packets do not tell: where
//! [`Cause::why`] is none, nothing is known. What carries no new byte is placed by what it answers; that is proved where
//! only one segment of the peer can be meant, the only one since this end's segment before.

use crate::Certainty;
use crate::machine::Segment;
pub use crate::sent::Frames;
use crate::sent::Sent;
use enchufe_wire::Seq;
use enchufe_wire::layer::TcpFlags;
use enchufe_wire::tcp::{Flag, Reset, ResetCause, TcpNote};

/// The cause of a segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    /// What it is for.
    pub what: Vec<Claim>,
    /// Why now.
    pub why: Option<(Why, Certainty)>,
}

/// One thing that a segment is for, and how sure that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// What.
    pub what: What,
    /// How sure.
    pub certainty: Certainty,
}

/// What a segment is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It asks for a connection: a SYN that acknowledges nothing.
    Opens,
    /// Its number acknowledges these segments of the peer, and did not before.
    Acknowledges {
        /// Those that it covers to their end.
        frames: Frames,
        /// One that it covers in part.
        part: Option<u64>,
    },
    /// It acknowledges what the capture does not have.
    AcknowledgesUnseen,
    /// The same number as this frame of its sender, and nothing else.
    RepeatsAcknowledgement {
        /// The first frame with this number.
        frame: u64,
    },
    /// It has numbers (bytes, SYN, FIN) that these frames had.
    Repeats {
        /// The frames.
        frames: Frames,
        /// They had all of them.
        whole: bool,
    },
    /// Numbers before it have not come.
    LeavesGap,
    /// It ends its sender's bytes: the first FIN.
    Ends,
    /// It asks whether the peer is still there (RFC 9293 §3.8.4).
    KeepAlive,
    /// It asks whether the peer's window is still closed (RFC 9293 §3.8.6.1).
    WindowProbe,
    /// It only tells another window.
    WindowUpdate {
        /// The window before: `tcp.window_size`, as it stands in the header where the scale is not known.
        from: u32,
        /// The window now.
        to: u32,
    },
    /// It ends the connection at once.
    Resets(ResetCause),
}

impl What {
    /// Its id.
    pub const fn id(&self) -> &'static str {
        match self {
            Self::Opens => "opens",
            Self::Acknowledges { .. } => "acknowledges",
            Self::AcknowledgesUnseen => "acknowledges-unseen",
            Self::RepeatsAcknowledgement { .. } => "repeats-acknowledgement",
            Self::Repeats { .. } => "repeats",
            Self::LeavesGap => "leaves-gap",
            Self::Ends => "ends",
            Self::KeepAlive => "keep-alive",
            Self::WindowProbe => "window-probe",
            Self::WindowUpdate { .. } => "window-update",
            Self::Resets(ResetCause::Refused) => "refuses",
            Self::Resets(ResetCause::DataAfterClose) => "resets-data-after-close",
            Self::Resets(ResetCause::Unread) => "resets-unread",
            Self::Resets(ResetCause::Abort) => "aborts",
        }
    }
}

/// Why a segment was sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It answers this frame of the peer.
    Answers(u64),
}

/// What is remembered of one end to name causes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Speaker {
    sent: Sent,
    /// The last number that it acknowledged, and the first frame that did.
    ack: Option<(Seq, u64)>,
    window: Option<u32>,
    /// The last of its windows that is not known to have been lost on the way.
    told_window: Option<u32>,
    /// The number up to which the peer acknowledged it, by segments that are not known to have been lost.
    known: Option<Seq>,
    /// How many SYNs without an acknowledgement it sent, and the last of them.
    opens: (u64, u64),
    /// Its last question to the peer, and segments of it since then.
    probe: Option<u64>,
    /// How many segments of it came since the peer's last one.
    since_peer: u64,
    /// The last of them.
    last: u64,
    ended: bool,
}

/// A segment, its sender and its receiver.
pub(crate) struct Judged<'j> {
    pub(crate) segment: &'j Segment,
    pub(crate) note: &'j TcpNote,
    pub(crate) me: &'j mut Speaker,
    pub(crate) peer: &'j mut Speaker,
}

impl Judged<'_> {
    /// Its cause; it is remembered for those that come.
    pub(crate) fn cause(mut self) -> Cause {
        let mut cause = Cause::default();
        if let Some(reset) = self.note.reset {
            self.resets(&reset, &mut cause);
        } else {
            let is_plain = !self.segment.moves();
            let asks = self.asks(&mut cause);
            self.takes_numbers(asks, &mut cause);
            let news = self.acknowledges(&mut cause);
            if is_plain && !asks && !news {
                self.says_nothing_new(&mut cause);
            }
            self.remember(asks);
        }
        if !self.segment.is_lost() {
            self.me.since_peer += 1;
            self.me.last = self.segment.frame;
        }
        self.peer.since_peer = 0;
        self.peer.probe = None;
        cause
    }

    /// An answer to a segment: proved if no other can be meant.
    fn answers(&self, frame: u64) -> (Why, Certainty) {
        let only = self.peer.since_peer == 1 && self.peer.last == frame;
        (Why::Answers(frame), if only { Certainty::Proved } else { Certainty::Inferred })
    }

    fn resets(&self, reset: &Reset, cause: &mut Cause) {
        let unsure = reset.cause == ResetCause::Unread;
        let certainty = if unsure { Certainty::Inferred } else { Certainty::Proved };
        cause.what.push(Claim { what: What::Resets(reset.cause), certainty });
        cause.why = reset.answers.map(|frame| self.answers(frame));
    }

    /// A keep-alive or a window probe: one number back, or one byte into a closed window.
    fn asks(&self, cause: &mut Cause) -> bool {
        let analysis = self.note.analysis;
        let back = analysis.has(Flag::KeepAlive);
        if !back && !analysis.has(Flag::ZeroWindowProbe) {
            return false;
        }
        let closed = self.peer.told_window == Some(0);
        // As far as it knows. An end asks when it waits for nothing: its last byte under way is sent again (RFC 9293 §3.8.4).
        let knows =
            self.me.sent.next.is_none_or(|next| self.me.known.is_some_and(|known| !known.before(next)));
        if back && !closed && self.segment.len > 0 && !knows {
            return false;
        }
        // With a byte it may be the last one again; while something is under way it may be late.
        let sure = back && !closed && self.segment.len == 0 && knows && self.me.sent.is_acknowledged();
        let certainty = if sure { Certainty::Proved } else { Certainty::Inferred };
        let what = if closed || !back { What::WindowProbe } else { What::KeepAlive };
        cause.what.push(Claim { what, certainty });
        true
    }

    fn takes_numbers(&mut self, asks: bool, cause: &mut Cause) {
        let Segment { frame, seq, ack, .. } = *self.segment;
        let lost = self.segment.is_lost();
        if !self.segment.moves() {
            return;
        }
        let end = self.segment.end();
        let mut claim = |what| cause.what.push(Claim { what, certainty: Certainty::Proved });
        if self.segment.has(TcpFlags::SYN) && ack.is_none() {
            claim(What::Opens);
            if !lost {
                self.me.opens = (self.me.opens.0 + 1, frame);
            }
        }
        if self.me.sent.leaves_gap(seq) && !self.segment.has(TcpFlags::SYN) {
            claim(What::LeavesGap);
        }
        if let Some((frames, whole)) = self.me.sent.repeated(seq, end) {
            claim(What::Repeats { frames, whole });
        }
        if self.segment.has(TcpFlags::FIN) && !std::mem::replace(&mut self.me.ended, true) {
            claim(What::Ends);
        }
        // The byte of a keep-alive need not be one of the stream.
        if !asks || self.note.analysis.has(Flag::ZeroWindowProbe) {
            self.me.sent.add(frame, seq, end, lost);
        }
    }

    /// Whether the number is another than before.
    fn acknowledges(&mut self, cause: &mut Cause) -> bool {
        let Some(ack) = self.segment.ack else { return false };
        let acked = self.peer.sent.acknowledge(ack);
        if !self.segment.is_lost() && self.peer.known.is_none_or(|known| ack.after(known)) {
            self.peer.known = Some(ack);
        }
        let is_news = self.me.ack.is_none_or(|(before, _)| ack.after(before));
        // What is answered with a SYN, ACK is a SYN without an ACK (§3.10.7.2, §3.10.7.3).
        let (count, last) = self.peer.opens;
        if self.segment.has(TcpFlags::SYN) && acked.whole.count > 0 && count > 0 {
            let certainty = if count == 1 { Certainty::Proved } else { Certainty::Inferred };
            cause.why = Some((Why::Answers(last), certainty));
        }
        let mut claim = |what| cause.what.push(Claim { what, certainty: Certainty::Proved });
        let unseen = acked.unseen;
        if acked.whole.count > 0 || acked.part.is_some() {
            claim(What::Acknowledges { frames: acked.whole, part: acked.part });
        }
        if unseen && is_news {
            claim(What::AcknowledgesUnseen);
        }
        if is_news {
            self.me.ack = Some((ack, self.segment.frame));
        }
        is_news
    }

    /// An empty segment with the number of the one before.
    fn says_nothing_new(&self, cause: &mut Cause) {
        let (Some(ack), Some((before, frame))) = (self.segment.ack, self.me.ack) else { return };
        if ack != before {
            return;
        }
        let asked = self.peer.probe;
        match self.me.window {
            // To say which bytes came is to say more than a window.
            Some(from) if from != self.note.window && !self.segment.selects => {
                let what = What::WindowUpdate { from, to: self.note.window };
                cause.what.push(Claim { what, certainty: Certainty::Proved });
                // It may have changed without being asked.
                cause.why = asked.map(|frame| (Why::Answers(frame), Certainty::Inferred));
            }
            _ => {
                let what = What::RepeatsAcknowledgement { frame };
                cause.what.push(Claim { what, certainty: Certainty::Proved });
                cause.why = asked.map(|frame| self.answers(frame));
            }
        }
    }

    fn remember(&mut self, asks: bool) {
        self.me.window = Some(self.note.window);
        if !self.segment.is_lost() {
            self.me.told_window = self.me.window;
        }
        if asks && !self.segment.is_lost() {
            self.me.probe = Some(self.segment.frame);
        } else if self.segment.moves() {
            self.me.probe = None;
        }
    }
}
