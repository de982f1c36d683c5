//! What is remembered of one direction of a conversation.

use super::Analysis;
use crate::seq::Seq;
use crate::time::Timestamp;

/// The most unacknowledged segments that are remembered of a direction, as in Wireshark.
pub const MOST_UNACKED: usize = 10_000;

/// A window scale that was or was not offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Scale {
    /// No SYN of this direction was seen.
    #[default]
    Unknown,
    /// The peer, or this side, offered none: windows are as they stand.
    Off,
    /// Shift by this.
    Shift(u8),
}

impl Scale {
    pub(super) const fn shift(self) -> u8 {
        match self {
            Self::Shift(shift) => shift,
            Self::Unknown | Self::Off => 0,
        }
    }
}

/// A segment that was not acknowledged yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unacked {
    pub(super) frame: u64,
    pub(super) time: Timestamp,
    pub(super) seq: Seq,
    pub(super) next: Seq,
}

/// One direction. As in Wireshark a sequence number of zero means «not seen»: captures in which a number is really
/// zero read the same in both programs.
#[derive(Clone, Debug, Default)]
pub(super) struct Direction {
    /// What relative numbers count from.
    pub(super) base: Option<Seq>,
    /// The highest end of a segment seen, when, and in which frame.
    pub(super) next: Seq,
    pub(super) next_time: Timestamp,
    pub(super) next_frame: u64,
    /// The highest end reached without a gap: what the peer may acknowledge.
    pub(super) contiguous: Seq,
    /// The last acknowledgement number that this side sent, and when.
    pub(super) ack: Seq,
    pub(super) ack_time: Timestamp,
    /// The last window, as it stands in the header.
    pub(super) window: Option<u16>,
    pub(super) scale: Scale,
    /// Its window counts as that of a SYN, which is never scaled.
    pub(super) window_unscaled: bool,
    /// Duplicate acknowledgements in a row, and the frame that they repeat.
    pub(super) duplicates: u32,
    pub(super) original_ack: u64,
    /// The flags of its last segment.
    pub(super) last: Analysis,
    /// Newest last.
    pub(super) unacked: Vec<Unacked>,
    /// A segment of this direction is missing, and the peer said nothing since: bytes in flight cannot be told.
    pub(super) gap_in_flight: bool,
    pub(super) sack: [(Seq, Seq); MOST_SACK],
    pub(super) sack_len: usize,
    pub(super) push_bytes: u32,
    pub(super) push_ended: bool,
}

/// SACK blocks of one segment: forty bytes of options have room for four.
pub(super) const MOST_SACK: usize = 4;
