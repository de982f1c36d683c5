//! A conversation: its two ends, what each sent, and how it began and ended.

use super::direction::{Direction, Scale};
use crate::seq::Seq;
use crate::time::Timestamp;

/// An address and a port. IPv4 addresses stand in the first four bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    /// The address.
    pub address: [u8; 16],
    /// Whether the address is one of IPv6.
    pub ipv6: bool,
    /// The port.
    pub port: u16,
}

/// `tcp.completeness`: what of a connection's life was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Completeness(pub u8);

#[allow(missing_docs, reason = "the names are the bits' own")]
impl Completeness {
    pub const SYN: u8 = 1;
    pub const SYN_ACK: u8 = 2;
    pub const ACK: u8 = 4;
    pub const DATA: u8 = 8;
    pub const FIN: u8 = 16;
    pub const RST: u8 = 32;

    /// Whether this bit is set.
    pub const fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }
}

/// What one side sent.
#[derive(Clone, Debug, Default)]
pub struct Side {
    pub(super) direction: Direction,
    /// Segments.
    pub packets: u64,
    /// Bytes of their frames.
    pub bytes: u64,
    /// Payload bytes, repeated ones included.
    pub payload: u64,
    /// Segments that carried bytes again (any kind of retransmission).
    pub retransmissions: u64,
    /// The frame of its first FIN, and when.
    pub fin: Option<(u64, Timestamp)>,
    /// The frame of its first RST, and when.
    pub rst: Option<(u64, Timestamp)>,
    /// The frame of its last segment that was no RST, and when.
    pub last: Option<(u64, Timestamp)>,
    /// What the last segment carried.
    pub(super) last_had_data: bool,
    /// The frame of its last segment with data.
    pub(super) last_data: Option<u64>,
    /// It sent a SYN with an acknowledgement, or an acknowledgement without a SYN.
    pub(super) accepted: bool,
}

/// How a conversation ended, as far as the capture tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It did not end in this capture.
    Open,
    /// Both sides sent a FIN.
    Closed,
    /// Only one side sent a FIN.
    HalfClosed {
        /// Whether it was `b`.
        by_b: bool,
    },
    /// One side reset it.
    Reset {
        /// Whether it was `b`.
        by_b: bool,
        /// The frame.
        frame: u64,
    },
}

/// A reset, and what it answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reset {
    /// Whether `b` sent it.
    pub by_b: bool,
    /// Its frame.
    pub frame: u64,
    /// The peer's segment that it answered; none where its sender's program, or something on the way, ended the connection.
    pub answers: Option<u64>,
    /// Nanoseconds since the conversation's segment before it.
    pub idle: i64,
    /// Why, as far as segments tell.
    pub cause: ResetCause,
}

/// Why a reset was sent, as far as segments tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetCause {
    /// It answers a SYN: nobody listens there, or somebody refuses.
    Refused,
    /// Its sender had sent a FIN, and then came data: there was nobody left to read it.
    DataAfterClose,
    /// Inferred: its sender had got data, sent none after it, and had not closed. To close with bytes unread sends a reset
    /// (RFC 9293 §3.6.1, SHLD-3); a linger time of zero, or something on the way, would look the same.
    Unread,
    /// It ends a connection that was open: a deliberate abort, or something on the way.
    Abort,
}

/// One TCP conversation. `a` is who sent the first segment that was seen.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// `tcp.stream`
    pub stream: u32,
    /// Who sent the first segment.
    pub a: Endpoint,
    /// The other.
    pub b: Endpoint,
    /// What `a` and `b` sent.
    pub sides: [Side; 2],
    /// The first frame, and when.
    pub first: (u64, Timestamp),
    /// The last frame, and when.
    pub last: (u64, Timestamp),
    /// How long the handshake took, in nanoseconds.
    pub initial_rtt: Option<i64>,
    /// `tcp.completeness`
    pub completeness: Completeness,
    /// The first reset, and what it answered.
    pub reset: Option<Reset>,
    pub(super) round_trip: RoundTrip,
    pub(super) accurate_ecn: AccurateEcn,
    /// What a first pass left behind.
    pub(super) told: Option<Final>,
}

/// What tells that three flags are a counter (RFC 9768 §3.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct AccurateEcn {
    /// The last SYN offered it, by all three flags.
    pub(super) offered: bool,
    /// The last answer to a SYN, also one that nobody saw an offer before, agrees.
    pub(super) agreed: bool,
    /// A segment had the option that only who agreed may send.
    pub(super) counted: bool,
}

/// From the last SYN to the first segment that acknowledges and opens nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RoundTrip {
    pub(super) syn_time: Option<Timestamp>,
    /// `tcp.analysis.initial_rtt`: by a clock too coarse to tell, what the next acknowledgement took.
    pub(super) shown: Option<i64>,
}

/// What a second pass shows from the end of the first: the base and the window scale of both sides, and how long the
/// handshake took; and what it goes on from, accurate ECN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Final {
    pub(super) base: [Option<Seq>; 2],
    pub(super) scale: [Scale; 2],
    pub(super) completeness: Completeness,
    pub(super) round_trip: RoundTrip,
    pub(super) accurate_ecn: AccurateEcn,
}

impl Conversation {
    pub(super) fn new(stream: u32, a: Endpoint, b: Endpoint, frame: u64, time: Timestamp) -> Self {
        Self {
            stream,
            a,
            b,
            sides: [Side::default(), Side::default()],
            first: (frame, time),
            last: (frame, time),
            initial_rtt: None,
            completeness: Completeness(0),
            reset: None,
            round_trip: RoundTrip::default(),
            accurate_ecn: AccurateEcn::default(),
            told: None,
        }
    }

    pub(super) fn finals(&self) -> Final {
        let [a, b] = &self.sides;
        Final {
            base: [a.direction.base, b.direction.base],
            scale: [a.direction.scale, b.direction.scale],
            completeness: self.completeness,
            round_trip: self.round_trip,
            accurate_ecn: self.accurate_ecn,
        }
    }

    /// How it ended.
    pub fn end(&self) -> End {
        let [a, b] = &self.sides;
        match (a.rst, b.rst) {
            (Some((frame, _)), None) => return End::Reset { by_b: false, frame },
            (None, Some((frame, _))) => return End::Reset { by_b: true, frame },
            (Some(first), Some(second)) => {
                let by_b = second.0 < first.0;
                return End::Reset { by_b, frame: first.0.min(second.0) };
            }
            (None, None) => {}
        }
        match (a.fin, b.fin) {
            (Some(_), Some(_)) => End::Closed,
            (Some(_), None) => End::HalfClosed { by_b: false },
            (None, Some(_)) => End::HalfClosed { by_b: true },
            (None, None) => End::Open,
        }
    }
}
