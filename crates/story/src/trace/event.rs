//! What is told of a recording: [events](Event), in the order of their times.

use crate::cause::Frames;
use crate::fact::{self, CallId, Cookie, Line, Outcome, Passage, Program, Reading, Status, Syscall};
use crate::{Certainty, Row, State};
use enchufe_wire::Timestamp;
use enchufe_wire::tcp::Endpoint;
use std::ops::Deref;

/// Something that happened, and what is known of it.
#[derive(Clone, Debug)]
pub struct Event {
    /// When, by the clock that stamps packets and calls. A frame without a time has that of the event before it.
    pub time: Timestamp,
    /// What.
    pub told: Told,
}

/// What happened.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "most are segments, the largest")]
pub enum Told {
    /// A program was started.
    Started(Program),
    /// A process or thread of a program began.
    Began {
        /// The place of its program among those that were started.
        program: u32,
        /// Its process.
        pid: u32,
        /// Itself.
        tid: u32,
    },
    /// A thread entered a call. Where [`Told::Left`] with the same number is the next event, nothing happened in it that is
    /// told; else it encloses what stands between.
    Entered(Entered),
    /// A thread left a call.
    Left(Left),
    /// A program printed. What it printed with is told by this event alone: not entered, and not left unless it failed.
    Printed {
        /// The call that printed.
        id: CallId,
        /// The place of its program among those that were started.
        program: u32,
        /// The process.
        pid: u32,
        /// The thread.
        tid: u32,
        /// 1: standard output, 2: standard error.
        stream: u8,
        /// What, as far as it was kept.
        text: Vec<u8>,
        /// How many bytes that were.
        length: u64,
        /// Where the program's own source prints.
        line: Option<Line>,
    },
    /// A signal was delivered.
    Signalled {
        /// The process.
        pid: u32,
        /// The thread.
        tid: u32,
        /// Its number (signal(7)).
        signal: i32,
    },
    /// A process is gone.
    Ended {
        /// Which.
        pid: u32,
        /// How.
        status: Status,
    },
    /// A segment was sent.
    Segment(Segment),
    /// A segment that had arrived arrived once more.
    ArrivedAgain {
        /// Its conversation.
        stream: u32,
        /// Its frame.
        frame: u64,
        /// Whether the end `b` sent it.
        from_b: bool,
    },
}

/// A call that was entered: what the tracer told of it, and where that belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entered {
    /// The call.
    pub call: fact::Entered,
    /// The conversation (`tcp.stream`) of its socket, where segments of it were seen, and whether it is the end `b`.
    pub of: Option<(u32, bool)>,
}

/// What is asked of it is most often asked of the call.
impl Deref for Entered {
    type Target = fact::Entered;

    fn deref(&self) -> &fact::Entered {
        &self.call
    }
}

/// A call that was left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Its number.
    pub id: CallId,
    /// What was called; none where what was entered is not in the recording.
    pub syscall: Option<Syscall>,
    /// The place of its program among those that were started.
    pub program: Option<u32>,
    /// The socket that it is about, or that it made.
    pub socket: Option<Cookie>,
    /// The conversation of that socket, and whether it is the end `b`.
    pub of: Option<(u32, bool)>,
    /// How it went.
    pub outcome: Outcome,
    /// Nanoseconds between its two stops.
    pub duration: Option<i64>,
    /// In how many of those the tracer held a program: this one's other threads, or another that it may have waited for.
    pub held: Option<i64>,
    /// The socket that it made: its descriptor and itself.
    pub made: Option<(i32, Cookie)>,
    /// Bytes of its socket's stream that it wrote, by the kernel's counters.
    pub wrote: Vec<Moved>,
    /// Bytes of the peer's stream that it read, by the kernel's counters.
    pub read: Vec<Moved>,
    /// The frames that brought the bytes that it read, as far as they were seen.
    pub from: Frames,
    /// What it did to the state of its socket, or proves of it.
    pub changes: Vec<SocketChange>,
    /// What the kernel said of the socket.
    pub reading: Option<Reading>,
}

/// Bytes of a stream: from the first to the one after the last, the first byte of a stream being 0. (In a table of segments it has
/// the relative number 1.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Range {
    /// The first.
    pub start: u64,
    /// The one after the last.
    pub end: u64,
}

impl Range {
    /// How many bytes it has.
    pub const fn len(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Whether it has none.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// What it has in common with another.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let start = self.start.max(other.start);
        Self { start, end: self.end.min(other.end).max(start) }
    }
}

/// Bytes that a call moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Which.
    pub range: Range,
    /// Proved: they are its, all of them. Inferred: some of them may be of others.
    pub certainty: Certainty,
    /// Those others: calls on the same socket at the same time, at most sixteen.
    pub or: Vec<CallId>,
}

/// A state of a socket that a call made, or that the kernel said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketChange {
    /// The socket.
    pub socket: Cookie,
    /// What was given before; none: nothing.
    pub from: Option<State>,
    /// The state.
    pub to: State,
    /// How sure it is.
    pub certainty: Certainty,
    /// The call that made it; none where the kernel's word only tells it, or confirms what a segment let infer.
    pub because: Option<CallId>,
    /// Where RFC 9293 has it.
    pub section: &'static str,
}

impl SocketChange {
    /// Whether the state is the one that was given before, and only how sure it is changed.
    pub fn is_confirmation(&self) -> bool {
        self.from == Some(self.to)
    }
}

/// A segment, between two ends.
#[derive(Clone, Debug)]
pub struct Segment {
    /// `tcp.stream`
    pub stream: u32,
    /// What packets alone tell: numbers, what it acknowledges, states (those that calls have proved before are left out).
    pub row: Row,
    /// The two ends of the conversation, `a` (who sent the first segment that was seen) and `b`.
    pub ends: [Side; 2],
    /// Its bytes in the stream of its sender; none where it has none, or the stream's first number is not known.
    pub bytes: Option<Range>,
    /// What calls have to do with it, at most sixty-four.
    pub by: Vec<By>,
    /// How many more there are.
    pub more: usize,
    /// Why it was sent now; none: nothing is known.
    pub why: Option<Reason>,
    /// What became of it on its way.
    pub passage: Passage,
    /// The most bytes that a segment of its sender may have, where it is known (the peer's option in its SYN).
    pub most: Option<u16>,
}

impl Segment {
    /// The end that sent it.
    pub const fn sender(&self) -> &Side {
        let [a, b] = &self.ends;
        if self.row.from_b { b } else { a }
    }

    /// Where it is more than one: for how many segments it stands on a wire, and whether that is what the kernel was to cut it
    /// into (else it is at least so many).
    pub fn wire_segments(&self) -> Option<(u32, bool)> {
        let len = self.row.len?;
        let (size, exact) = match self.passage.segment_size {
            Some(size) => (size, true),
            None => (self.most?, false),
        };
        let count = len.div_ceil(u32::from(size).max(1));
        (count > 1).then_some((count, exact))
    }

    /// The end that it was sent to.
    pub const fn receiver(&self) -> &Side {
        let [a, b] = &self.ends;
        if self.row.from_b { a } else { b }
    }
}

/// One end of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// Its address and port.
    pub endpoint: Endpoint,
    /// Its socket; none where no socket of the programs is known for it, or not yet accepted by any.
    pub socket: Option<Cookie>,
    /// How sure that is: inferred where addresses were used again and the order does not tell.
    pub certainty: Certainty,
    /// The call that connects it.
    pub connect: Option<CallId>,
    /// The listening socket that the connection came to.
    pub listener: Option<Cookie>,
    /// The program of the socket, else of the listener.
    pub program: Option<u32>,
    /// Why calls are not named as causes of what it sends from here on, or only where the kernel's counters tell them.
    pub off: Option<Off>,
}

/// Why calls are not, or not surely, named as causes of what an end sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Off {
    /// It is no socket of the programs that is known.
    NoSocket,
    /// Bytes of its stream were moved by calls that were not seen: the kernel counted more than calls returned. Those that are
    /// seen are still named, and where the kernel's counter tells their bytes, that is proved.
    UnseenCalls,
    /// Its bytes are others than those that calls write: TLS by the kernel, `TCP_REPAIR`.
    OtherBytes,
    /// Both ends agreed on MPTCP, or its socket is one of that: the bytes that calls write may go over other connections, and the
    /// kernel's counters are of one of them.
    Multipath,
    /// The first number of its stream was not seen.
    NoStart,
    /// Both ends are one socket.
    Itself,
    /// The conversation was given up to keep memory bounded: of what comes of it still, only the numbers are told.
    GivenUp,
}

impl Off {
    /// All ids.
    pub const IDS: [&'static str; 7] =
        ["no-socket", "unseen-calls", "other-bytes", "multipath", "no-start", "itself", "given-up"];

    /// Its id.
    pub const fn id(self) -> &'static str {
        match self {
            Self::NoSocket => "no-socket",
            Self::UnseenCalls => "unseen-calls",
            Self::OtherBytes => "other-bytes",
            Self::Multipath => "multipath",
            Self::NoStart => "no-start",
            Self::Itself => "itself",
            Self::GivenUp => "given-up",
        }
    }
}

/// What calls have to do with a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    /// What they did.
    pub deed: Deed,
    /// The call; where it is inferred, all that may have done it, at most sixteen.
    pub calls: Vec<CallId>,
    /// How sure it is.
    pub certainty: Certainty,
}

/// What a call did that made a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// It opened the connection: its SYN (RFC 9293 §3.10.1).
    Opens,
    /// It made the socket listen, for which the kernel answers a SYN (§3.10.7.2), long before anybody accepts.
    Listens,
    /// It opened the connection, whose handshake this ends (§3.10.7.3).
    Completes,
    /// It wrote these bytes.
    Writes(Range),
    /// It wrote these bytes, which were sent before.
    WritesAgain(Range),
    /// It ended the stream: `shutdown`, or what dropped the last reference to the socket (§3.10.4).
    Ends,
    /// It dropped the last reference to a socket with bytes that were never read (RFC 9293 §3.6.1): at least so many.
    LeavesUnread(u64),
    /// It dropped the last reference to a socket whose `SO_LINGER` was zero (§3.10.5).
    Aborts,
    /// It dissolved the connection: `connect` to no address.
    Dissolves,
    /// It dropped the last reference to a listening socket, with the connection still in its queue.
    LeavesUnaccepted,
    /// It had dropped the last reference to the socket before: nobody was there to read.
    WasGone,
    /// It had taken bytes, which made room.
    Takes,
}

impl Deed {
    /// All ids.
    pub const IDS: [&'static str; 12] = [
        "opens",
        "listens",
        "completes",
        "writes",
        "writes-again",
        "ends",
        "leaves-unread",
        "aborts",
        "dissolves",
        "leaves-unaccepted",
        "was-gone",
        "takes",
    ];

    /// Its id.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Opens => "opens",
            Self::Listens => "listens",
            Self::Completes => "completes",
            Self::Writes(_) => "writes",
            Self::WritesAgain(_) => "writes-again",
            Self::Ends => "ends",
            Self::LeavesUnread(_) => "leaves-unread",
            Self::Aborts => "aborts",
            Self::Dissolves => "dissolves",
            Self::LeavesUnaccepted => "leaves-unaccepted",
            Self::WasGone => "was-gone",
            Self::Takes => "takes",
        }
    }
}

/// Why a segment was sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The explanation; where it is inferred, the usual one.
    pub now: Now,
    /// How sure it is.
    pub certainty: Certainty,
    /// Of what is inferred: what else fits.
    pub or: Vec<Now>,
}

/// When, and so why, a segment left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Now {
    /// Between the two stops of this call, which made it.
    Inside(CallId),
    /// It answers this frame of the peer, as soon as that came.
    Answers(u64),
    /// It had waited, and this frame let it go.
    Released {
        /// The frame of the peer.
        by: u64,
        /// What it had waited for.
        from: Release,
    },
    /// It had waited, and this call (`TCP_NODELAY`, `TCP_CORK`) let it go.
    Uncorked(CallId),
    /// A timer ran out.
    Timer(Timer),
}

/// What a segment had waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Release {
    /// Room in the peer's window.
    Window,
    /// Acknowledgement of all that was under way: Nagle's algorithm (RFC 9293 §3.7.4).
    Nagle,
    /// Fewer bytes under way: the congestion window, or room in the queue.
    Flight,
}

/// A timer of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Timer {
    /// What was not acknowledged is sent again (RFC 6298).
    Retransmission,
    /// The last segment is sent again, or what is new where there is some, so that the peer says what it lacks, before the
    /// retransmission timer runs out: a tail loss probe (RFC 8985 §7).
    TailLossProbe,
    /// An acknowledgement had waited for company (RFC 9293 §3.8.6.3).
    DelayedAck,
    /// Is the peer still there? (§3.8.4)
    KeepAlive,
    /// Is its window still closed? (§3.8.6.1)
    WindowProbe,
    /// What was held back together (`TCP_CORK`, `MSG_MORE`) goes after 200 ms.
    Cork,
}

impl Now {
    /// All ids.
    pub const IDS: [&'static str; 12] = [
        "inside",
        "answers",
        "released-window",
        "released-nagle",
        "released-flight",
        "uncorked",
        "timer-retransmission",
        "timer-tail-loss-probe",
        "timer-delayed-ack",
        "timer-keep-alive",
        "timer-window-probe",
        "timer-cork",
    ];

    /// Its id.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Inside(_) => "inside",
            Self::Answers(_) => "answers",
            Self::Released { from: Release::Window, .. } => "released-window",
            Self::Released { from: Release::Nagle, .. } => "released-nagle",
            Self::Released { from: Release::Flight, .. } => "released-flight",
            Self::Uncorked(_) => "uncorked",
            Self::Timer(Timer::Retransmission) => "timer-retransmission",
            Self::Timer(Timer::TailLossProbe) => "timer-tail-loss-probe",
            Self::Timer(Timer::DelayedAck) => "timer-delayed-ack",
            Self::Timer(Timer::KeepAlive) => "timer-keep-alive",
            Self::Timer(Timer::WindowProbe) => "timer-window-probe",
            Self::Timer(Timer::Cork) => "timer-cork",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Remarked;

    #[test]
    fn all_ids_are_listed_for_those_who_have_to_have_a_text_for_each() {
        let call = CallId(1);
        let range = Range { start: 0, end: 1 };
        let deeds = [
            Deed::Opens,
            Deed::Listens,
            Deed::Completes,
            Deed::Writes(range),
            Deed::WritesAgain(range),
            Deed::Ends,
            Deed::LeavesUnread(1),
            Deed::Aborts,
            Deed::Dissolves,
            Deed::LeavesUnaccepted,
            Deed::WasGone,
            Deed::Takes,
        ];
        assert_eq!(deeds.map(Deed::id), Deed::IDS);
        let released = |from| Now::Released { by: 1, from };
        let nows = [
            Now::Inside(call),
            Now::Answers(1),
            released(Release::Window),
            released(Release::Nagle),
            released(Release::Flight),
            Now::Uncorked(call),
            Now::Timer(Timer::Retransmission),
            Now::Timer(Timer::TailLossProbe),
            Now::Timer(Timer::DelayedAck),
            Now::Timer(Timer::KeepAlive),
            Now::Timer(Timer::WindowProbe),
            Now::Timer(Timer::Cork),
        ];
        assert_eq!(nows.map(Now::id), Now::IDS);
        let offs = [
            Off::NoSocket,
            Off::UnseenCalls,
            Off::OtherBytes,
            Off::Multipath,
            Off::NoStart,
            Off::Itself,
            Off::GivenUp,
        ];
        assert_eq!(offs.map(Off::id), Off::IDS);
        let remarks = [
            Remarked::SmallWrites { count: 1, bytes: 1 },
            Remarked::SmallReads { count: 1, bytes: 1 },
            Remarked::NagleDelayedAck { waited: 1 },
            Remarked::LeftUnread { bytes: 1 },
            Remarked::AnsweredBeforeAllRead { unread: 1 },
            Remarked::SentToGone,
            Remarked::NothingThere { count: 1, over: 1 },
            Remarked::ShortWrites { count: 1, missing: 1 },
            Remarked::LeftToExit,
            Remarked::TimerMoved { count: 1, held: 1 },
        ];
        assert_eq!(remarks.map(Remarked::id), Remarked::IDS);
    }
}
