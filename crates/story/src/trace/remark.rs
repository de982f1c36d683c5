//! What is worth a second look: mistakes that programs with sockets often make, and what they cost, with the evidence.

use super::event::{Deed, Segment};
use crate::Certainty;
use crate::fact::{CallId, Cookie};

/// The most remarks that are kept; those past it are counted.
pub const MOST_REMARKS: usize = 1_000;
/// The most calls and frames that a remark names.
const MOST_NAMED: usize = 16;
/// So many bytes are few for a segment: a header of IPv4 and one of TCP with time stamps already take 52.
const FEW: u64 = 52;
/// From so many of them in a row on it is remarked.
const ROW: u64 = 8;

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
}

impl Remarked {
    /// All ids.
    pub const IDS: [&'static str; 5] =
        ["small-writes", "nagle-delayed-ack", "left-unread", "answered-before-all-read", "sent-to-gone"];

    /// Its id.
    pub const fn id(self) -> &'static str {
        match self {
            Self::SmallWrites { .. } => "small-writes",
            Self::NagleDelayedAck { .. } => "nagle-delayed-ack",
            Self::LeftUnread { .. } => "left-unread",
            Self::AnsweredBeforeAllRead { .. } => "answered-before-all-read",
            Self::SentToGone => "sent-to-gone",
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

/// Little segments of one end in a row.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    count: u64,
    bytes: u64,
    calls: Vec<CallId>,
    frames: Vec<u64>,
    /// Its remark, once there is one.
    place: Option<usize>,
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
    pub(super) fn segment(&mut self, segment: &Segment, held: Option<Held>, rows: [&mut Row; 2]) {
        let [own, peer] = rows;
        self.little(segment, own);
        if segment.bytes.is_some() {
            *peer = Row::default();
        }
        let (stream, socket) = (Some(segment.stream), segment.sender().socket);
        let frame = segment.row.frame;
        if let Some(Held { frames: [sent, by], waited }) = held {
            let writes = segment.by.iter().filter(|by| matches!(by.deed, Deed::Writes(_)));
            let calls = writes.flat_map(|by| by.calls.iter().copied()).take(MOST_NAMED).collect();
            let (what, frames) = (Remarked::NagleDelayedAck { waited }, vec![sent, by, frame]);
            self.add(Remark { what, stream, socket, calls, frames, certainty: Certainty::Inferred });
        }
        for by in &segment.by {
            let what = match by.deed {
                Deed::LeavesUnread(bytes) => Remarked::LeftUnread { bytes },
                Deed::WasGone => Remarked::SentToGone,
                _ => continue,
            };
            let (calls, certainty, frames) = (by.calls.clone(), by.certainty, vec![frame]);
            self.add(Remark { what, stream, socket, calls, frames, certainty });
        }
    }

    /// A segment of few bytes, all of one call that wrote no more.
    fn little(&mut self, segment: &Segment, row: &mut Row) {
        let Some(bytes) = segment.bytes else { return };
        let socket = segment.sender().socket;
        let call =
            match segment.by.iter().filter(|by| matches!(by.deed, Deed::Writes(_))).collect::<Vec<_>>()[..] {
                [by] if by.certainty == Certainty::Proved => by.calls.first().copied(),
                _ => None,
            };
        let Some(call) = call.filter(|_| bytes.len() < FEW) else {
            *row = Row::default();
            return;
        };
        (row.count, row.bytes) = (row.count + 1, row.bytes.saturating_add(bytes.len()));
        if row.frames.len() < MOST_NAMED {
            row.frames.push(segment.row.frame);
            row.calls.push(call);
        }
        let what = Remarked::SmallWrites { count: row.count, bytes: row.bytes };
        let (calls, frames) = (row.calls.clone(), row.frames.clone());
        if let Some(remark) = row.place.and_then(|place| self.list.get_mut(place)) {
            (remark.what, remark.calls, remark.frames) = (what, calls, frames);
        } else if row.count == ROW {
            row.place = (self.list.len() < MOST_REMARKS).then_some(self.list.len());
            let (stream, certainty) = (Some(segment.stream), Certainty::Proved);
            self.add(Remark { what, stream, socket, calls, frames, certainty });
        }
    }
}
