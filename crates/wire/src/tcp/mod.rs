//! TCP conversations and what each segment means in its own: the rules of Wireshark's `tcp.analysis`.
//!
//! [`Conversations::segment`] takes one segment at a time, in file order, and gives a [`TcpNote`]. The rules are
//! heuristics, and are Wireshark's on purpose: the same capture must read the same in both programs.
//!
//! **Memory** grows with conversations, not packets: at most [`Limits::conversations`] are kept, the longest idle one
//! goes first; at most [`MOST_UNACKED`] unacknowledged segments a direction, as in Wireshark, and
//! [`Limits::unacked`] over all, past which acknowledgements find no segment (no `ack_rtt`, no bytes in flight).

mod conversation;
mod direction;
mod intake;
mod rules;
mod table;

pub(crate) use conversation::Final;
pub use conversation::{Completeness, Conversation, End, Endpoint, Reset, ResetCause, Side};
pub use direction::MOST_UNACKED;
pub use table::{Conversations, Limits, Segment};

use crate::seq::Seq;

/// The flags under `tcp.analysis`, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Analysis(u32);

/// One flag under `tcp.analysis`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Flag {
    /// A SYN on ports that another connection had used.
    ReusedPorts,
    /// Bytes sent again.
    Retransmission,
    /// Bytes sent again after at least two duplicate acknowledgements, within 20 ms.
    FastRetransmission,
    /// Bytes sent again that had been acknowledged.
    SpuriousRetransmission,
    /// Bytes that arrived after later ones, too soon for a retransmission.
    OutOfOrder,
    /// Bytes before this segment are not in the capture.
    LostSegment,
    /// It acknowledges bytes that are not in the capture.
    AckLostSegment,
    /// Only the window changed.
    WindowUpdate,
    /// It fills the peer's window to the last byte.
    WindowFull,
    /// One byte or none, before the next number: is anybody there?
    KeepAlive,
    /// The answer to a keep-alive.
    KeepAliveAck,
    /// The same acknowledgement again.
    DuplicateAck,
    /// One byte into a closed window.
    ZeroWindowProbe,
    /// The window is closed.
    ZeroWindow,
    /// The answer to a probe, the window still closed.
    ZeroWindowProbeAck,
}

impl Flag {
    /// All of them, in the order in which Wireshark prepends them to the Info column.
    pub const ALL: [Self; 15] = [
        Self::ReusedPorts,
        Self::Retransmission,
        Self::FastRetransmission,
        Self::SpuriousRetransmission,
        Self::OutOfOrder,
        Self::LostSegment,
        Self::AckLostSegment,
        Self::WindowUpdate,
        Self::WindowFull,
        Self::KeepAlive,
        Self::KeepAliveAck,
        Self::DuplicateAck,
        Self::ZeroWindowProbe,
        Self::ZeroWindow,
        Self::ZeroWindowProbeAck,
    ];

    /// Its field name.
    pub const fn field(self) -> &'static str {
        match self {
            Self::ReusedPorts => "tcp.analysis.reused_ports",
            Self::Retransmission => "tcp.analysis.retransmission",
            Self::FastRetransmission => "tcp.analysis.fast_retransmission",
            Self::SpuriousRetransmission => "tcp.analysis.spurious_retransmission",
            Self::OutOfOrder => "tcp.analysis.out_of_order",
            Self::LostSegment => "tcp.analysis.lost_segment",
            Self::AckLostSegment => "tcp.analysis.ack_lost_segment",
            Self::WindowUpdate => "tcp.analysis.window_update",
            Self::WindowFull => "tcp.analysis.window_full",
            Self::KeepAlive => "tcp.analysis.keep_alive",
            Self::KeepAliveAck => "tcp.analysis.keep_alive_ack",
            Self::DuplicateAck => "tcp.analysis.duplicate_ack",
            Self::ZeroWindowProbe => "tcp.analysis.zero_window_probe",
            Self::ZeroWindow => "tcp.analysis.zero_window",
            Self::ZeroWindowProbeAck => "tcp.analysis.zero_window_probe_ack",
        }
    }

    const fn bit(self) -> u32 {
        1 << self as u8
    }
}

impl Analysis {
    /// Whether this flag is set.
    pub const fn has(self, flag: Flag) -> bool {
        self.0 & flag.bit() != 0
    }

    /// Whether none is set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The flags that are set, in the order of [`Flag::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Flag> {
        Flag::ALL.into_iter().filter(move |flag| self.has(*flag))
    }

    pub(crate) const fn set(&mut self, flag: Flag) {
        self.0 |= flag.bit();
    }
}

/// What one segment means in its conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpNote {
    /// `tcp.stream`
    pub stream: u32,
    /// Whether it comes from the endpoint that the conversation calls `b`.
    pub from_b: bool,
    /// The peer's last window before it, as it stands in the header.
    pub peer_window: Option<u16>,
    /// What relative sequence numbers of this direction count from.
    pub base: Seq,
    /// What relative acknowledgement numbers count from.
    pub peer_base: Seq,
    /// What SACK edges count from: the same, and also of a segment that is shorter than its header.
    pub sack_base: Seq,
    /// `tcp.window_size`: the window, scaled where both sides offered a scale.
    pub window: u32,
    /// `tcp.window_size_scalefactor`, where the window is scaled by it: -1 is not known, -2 no scaling.
    pub window_factor: Option<i16>,
    /// Flags under `tcp.analysis`.
    pub analysis: Analysis,
    /// `tcp.analysis` stands there, be it without a flag.
    pub analysed: bool,
    /// `tcp.analysis.duplicate_ack_num`
    pub duplicate_ack_num: u32,
    /// `tcp.analysis.duplicate_ack_frame`
    pub duplicate_ack_frame: u64,
    /// `tcp.analysis.acks_frame`, and nanoseconds since it (`tcp.analysis.ack_rtt`).
    pub acks: Option<(u64, i64)>,
    /// `tcp.analysis.initial_rtt` of the conversation, in nanoseconds, once it is known; in a second pass from the start.
    pub initial_rtt: Option<i64>,
    /// `tcp.analysis.rto_frame`, and nanoseconds since it (`tcp.analysis.rto`).
    pub rto: Option<(u64, i64)>,
    /// `tcp.analysis.bytes_in_flight`
    pub bytes_in_flight: Option<u32>,
    /// `tcp.analysis.push_bytes_sent`
    pub push_bytes_sent: Option<u32>,
    /// Both sides agreed on accurate ECN: three flags are a counter (RFC 9768 §3.1).
    pub accurate_ecn: bool,
    /// `tcp.completeness`: of what came before this segment, or in a second pass of the whole conversation.
    pub completeness: Completeness,
    /// Of a reset: what it answers and why, as far as the segments before it tell.
    pub reset: Option<Reset>,
}
