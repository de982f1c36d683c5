//! What is worth a second look: mistakes that programs with sockets often make, and what they cost, with the evidence.
//!
//! A rule is one file, and stands in one of the two tables below. It sees each segment, or each call that is left, once
//! that is judged; it says only what these prove, or marks it inferred.

mod answered_early;
mod left_to_exit;
mod left_unread;
mod nagle_delayed_ack;
mod nothing_there;
mod sent_to_gone;
mod short_writes;
mod small_reads;
mod small_writes;
mod timer_moved;

use super::account::Account;
use super::event::Segment;
use super::sockets::Role;
use crate::Certainty;
use crate::fact::{CallId, Cookie, Outcome, Syscall};
use enchufe_wire::Timestamp;
pub(super) use left_to_exit::look as left_to_exit;

/// The most remarks that are kept; those past it are counted.
pub const MOST_REMARKS: usize = 1_000;
/// The most calls and frames that a remark names.
const MOST_NAMED: usize = 16;
/// From so many equal things in a row on they are remarked.
const ROW: u64 = 8;

/// The rules for segments.
const OF_SEGMENTS: [fn(&mut Sight<'_>, &mut Remarks); 5] =
    [small_writes::look, nagle_delayed_ack::look, left_unread::look, sent_to_gone::look, timer_moved::look];

/// The rules for calls on a socket.
const OF_CALLS: [fn(&mut Called<'_>, &mut Remarks); 4] =
    [answered_early::look, small_reads::look, nothing_there::look, short_writes::look];

/// Something worth a second look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// What.
    pub what: Remarked,
    /// `tcp.stream`, where segments of the connection were seen.
    pub stream: Option<u32>,
    /// The socket of the end that did it.
    pub socket: Option<Cookie>,
    /// The calls that show it, at most sixteen.
    pub calls: Vec<CallId>,
    /// The frames that show it, at most sixteen.
    pub frames: Vec<u64>,
    /// How sure it is.
    pub certainty: Certainty,
}

/// What is worth a second look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remarked {
    /// One end wrote little at a time, and each time a segment left, with headers longer than the bytes; the peer said
    /// nothing between.
    SmallWrites {
        /// How many segments in a row.
        count: u64,
        /// How many bytes they had together.
        bytes: u64,
    },
    /// Calls in a row each took all of the few bytes that they asked for, and left more to be read.
    SmallReads {
        /// How many calls in a row.
        count: u64,
        /// How many bytes they took together.
        bytes: u64,
    },
    /// A write waited for the acknowledgement of the one before (Nagle's algorithm), and the peer delayed that.
    NagleDelayedAck {
        /// How long, in nanoseconds.
        waited: i64,
    },
    /// It was closed with bytes unread, which reset the connection.
    LeftUnread {
        /// How many, at least.
        bytes: u64,
    },
    /// It answered while bytes of the question waited to be read.
    AnsweredBeforeAllRead {
        /// How many.
        unread: u64,
    },
    /// Bytes were sent to a socket that was closed already.
    SentToGone,
    /// Calls in a row found nothing to take (`EAGAIN`), none of which waited.
    NothingThere {
        /// How many in a row.
        count: u64,
        /// How long, in nanoseconds, from the first one's begin to the last one's end.
        over: i64,
    },
    /// Calls took fewer bytes than they were given.
    ShortWrites {
        /// How many calls.
        count: u64,
        /// How many bytes they did not take, together.
        missing: u64,
    },
    /// The program did not close the connection before its process ended, which closed it.
    LeftToExit,
    /// Timers sent segments after a time in which the tracer held programs for long: they may have run out because of it.
    TimerMoved {
        /// How many segments.
        count: u64,
        /// For how long, in nanoseconds, programs were held before them.
        held: i64,
    },
}

impl Remarked {
    /// All ids.
    pub const IDS: [&'static str; 10] = [
        "small-writes",
        "small-reads",
        "nagle-delayed-ack",
        "left-unread",
        "answered-before-all-read",
        "sent-to-gone",
        "nothing-there",
        "short-writes",
        "left-to-exit",
        "timer-moved",
    ];

    /// Its id.
    pub const fn id(self) -> &'static str {
        match self {
            Self::SmallWrites { .. } => "small-writes",
            Self::SmallReads { .. } => "small-reads",
            Self::NagleDelayedAck { .. } => "nagle-delayed-ack",
            Self::LeftUnread { .. } => "left-unread",
            Self::AnsweredBeforeAllRead { .. } => "answered-before-all-read",
            Self::SentToGone => "sent-to-gone",
            Self::NothingThere { .. } => "nothing-there",
            Self::ShortWrites { .. } => "short-writes",
            Self::LeftToExit => "left-to-exit",
            Self::TimerMoved { .. } => "timer-moved",
        }
    }
}

/// A segment that had waited for an acknowledgement that was delayed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    /// What was acknowledged, and by which frame.
    pub(super) frames: [u64; 2],
    pub(super) waited: i64,
}

/// A segment that a timer sent, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timed {
    /// After what it answers or repeats.
    pub(super) waited: i64,
    /// For how long of that programs were held.
    pub(super) held: i64,
}

/// A segment, as rules see it.
pub(super) struct Sight<'s> {
    pub(super) segment: &'s Segment,
    pub(super) held: Option<Held>,
    pub(super) timed: Option<Timed>,
    /// Little segments of its sender in a row, and of the peer.
    pub(super) rows: [&'s mut Row; 2],
    /// Those of its sender that a timer sent too early, perhaps.
    pub(super) timers: &'s mut Row,
}

impl Sight<'_> {
    /// A remark of its sender, shown by its frame.
    fn remark(&self, what: Remarked, calls: Vec<CallId>, certainty: Certainty) -> Remark {
        let Segment { stream, row, .. } = self.segment;
        let (stream, socket) = (Some(*stream), self.segment.sender().socket);
        Remark { what, stream, socket, calls, frames: vec![row.frame], certainty }
    }
}

/// A call on a socket, as rules see it when it is left.
pub(super) struct Called<'c> {
    pub(super) id: CallId,
    pub(super) syscall: Syscall,
    pub(super) times: [Timestamp; 2],
    pub(super) outcome: Outcome,
    /// How many bytes it asked for, where it says that.
    pub(super) wanted: Option<u64>,
    /// Whether its result says nothing of how far the stream was read.
    pub(super) is_aside: bool,
    /// It put bytes into its stream.
    pub(super) has_written: bool,
    /// It had read some of the peer's stream before.
    pub(super) had_read: bool,
    /// How many bytes waited to be read before it, and now.
    pub(super) unread: [u64; 2],
    pub(super) socket: Cookie,
    pub(super) role: Option<Role>,
    pub(super) account: &'c mut Account,
}

impl Called<'_> {
    /// A remark that this call alone shows, proved.
    fn remark(&self, what: Remarked) -> Remark {
        let (stream, socket) = (self.account.of.map(|(stream, _)| stream), Some(self.socket));
        Remark {
            what,
            stream,
            socket,
            calls: vec![self.id],
            frames: Vec::new(),
            certainty: Certainty::Proved,
        }
    }

    /// How many bytes it moved, as it says itself.
    fn count(&self) -> Option<u64> {
        match self.outcome {
            Outcome::Returned(count) => u64::try_from(count).ok(),
            Outcome::Failed(_) | Outcome::Never => None,
        }
    }
}

/// What is remembered of a socket for the rules.
#[derive(Clone, Debug, Default)]
pub(super) struct Habits {
    has_answered_early: bool,
    small_reads: Row,
    nothing_there: Row,
    short_writes: Row,
}

/// Equal things in a row, which are one remark.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    count: u64,
    bytes: u64,
    since: Timestamp,
    calls: Vec<CallId>,
    frames: Vec<u64>,
    /// Its remark, once there is one: of the longest row.
    place: Option<usize>,
    longest: u64,
}

impl Row {
    /// The row is over, and another may begin.
    fn restart(&mut self) {
        let Self { place, longest, .. } = *self;
        *self = Self { place, longest, ..Self::default() };
    }

    /// One more, of so many bytes (or nanoseconds), shown by a call, a frame or both.
    fn add(&mut self, bytes: u64, call: Option<CallId>, frame: Option<u64>) {
        (self.count, self.bytes) = (self.count + 1, self.bytes.saturating_add(bytes));
        self.calls.extend(call.filter(|_| self.calls.len() < MOST_NAMED));
        self.frames.extend(frame.filter(|_| self.frames.len() < MOST_NAMED));
    }
}

/// What was remarked.
#[derive(Clone, Debug, Default)]
pub(super) struct Remarks {
    pub(super) list: Vec<Remark>,
    pub(super) left_out: u64,
}

impl Remarks {
    pub(super) fn add(&mut self, remark: Remark) {
        if self.list.len() < MOST_REMARKS {
            self.list.push(remark);
        } else {
            self.left_out += 1;
        }
    }

    /// Looks at the next segment.
    pub(super) fn segment(&mut self, mut sight: Sight<'_>) {
        for rule in OF_SEGMENTS {
            rule(&mut sight, self);
        }
    }

    /// Looks at a call on a socket that is left.
    pub(super) fn called(&mut self, mut called: Called<'_>) {
        for rule in OF_CALLS {
            rule(&mut called, self);
        }
    }

    /// Adds what a row shows from so many on, or brings its remark up to date: a row that is no longer than one before it is
    /// not told.
    fn row(&mut self, row: &mut Row, least: u64, mut remark: Remark) {
        if row.count < least || row.count <= row.longest {
            return;
        }
        let is_first = std::mem::replace(&mut row.longest, row.count) == 0;
        (remark.calls, remark.frames) = (row.calls.clone(), row.frames.clone());
        if let Some(known) = row.place.and_then(|place| self.list.get_mut(place)) {
            *known = remark;
        } else if is_first {
            row.place = (self.list.len() < MOST_REMARKS).then_some(self.list.len());
            self.add(remark);
        }
    }
}
