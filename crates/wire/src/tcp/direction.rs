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

    /// `tcp.window_size_scalefactor`
    pub(super) const fn factor(self) -> i16 {
        match self {
            Self::Unknown => -1,
            Self::Off => -2,
            Self::Shift(shift) => 1 << shift,
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
    /// What it was last looked through for, while the same would find nothing again.
    looked_for: Option<Seq>,
    /// A base, and relative to it the lowest start and the highest end of it, while they hold.
    span: Option<(Seq, u32, u32)>,
    /// A segment of this direction is missing, and the peer said nothing since: bytes in flight cannot be told.
    pub(super) gap_in_flight: bool,
    pub(super) sack: [(Seq, Seq); MOST_SACK],
    pub(super) sack_len: usize,
    pub(super) push_bytes: u32,
    pub(super) push_ended: bool,
}

/// SACK blocks of one segment: forty bytes of options have room for four.
pub(super) const MOST_SACK: usize = 4;

impl Direction {
    /// Remembers a segment until it is acknowledged.
    pub(super) fn remember(&mut self, sent: Unacked) {
        if let Some((base, first, last)) = &mut self.span {
            *first = sent.seq.relative(*base).min(*first);
            *last = sent.next.relative(*base).max(*last);
        }
        if self.looked_for.is_some_and(|ack| !sent.next.after(ack) || ack.after(sent.seq)) {
            self.looked_for = None;
        }
        self.unacked.push(sent);
    }

    /// Forgets what is acknowledged; gives the segment whose end the acknowledgement names.
    pub(super) fn acknowledged(&mut self, ack: Seq) -> Option<(u64, Timestamp)> {
        /// What stays reserved.
        const FEW: usize = 64;
        if self.looked_for.replace(ack) == Some(ack) {
            return None;
        }
        let before = self.unacked.len();
        let (mut acks, mut cut) = (None, false);
        self.unacked.retain_mut(|sent| {
            if sent.next == ack && acks.is_none() {
                acks = Some((sent.frame, sent.time));
            }
            let waits = sent.next.after(ack);
            if waits && ack.after(sent.seq) {
                sent.seq = ack;
                cut = true;
            }
            waits
        });
        let left = self.unacked.len();
        if cut || left < before {
            self.span = None;
        }
        if self.unacked.capacity() > FEW && left < self.unacked.capacity() / 4 {
            self.unacked.shrink_to(FEW.max(left * 2));
        }
        acks
    }

    /// The lowest start and the highest end of what is not acknowledged, relative to the base.
    pub(super) fn span(&mut self) -> (u32, u32) {
        let base = self.base.unwrap_or_default();
        if let Some((_, first, last)) = self.span.filter(|(known, ..)| *known == base) {
            return (first, last);
        }
        let first = self.unacked.iter().map(|sent| sent.seq.relative(base)).min().unwrap_or_default();
        let last = self.unacked.iter().map(|sent| sent.next.relative(base)).max().unwrap_or_default();
        self.span = (!self.unacked.is_empty()).then_some((base, first, last));
        (first, last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is remembered between segments changes no answer: each one is also reckoned from all that waits.
    #[test]
    fn shortcuts_give_what_looking_at_every_segment_gives() {
        let mut state = 1u64;
        let mut roll = |sides: u32| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            u32::try_from(state >> 33).unwrap() % sides
        };
        for round in 0..200u32 {
            let mut side = Direction::default();
            let mut all: Vec<Unacked> = Vec::new();
            let start = [0, u32::MAX - 50, 1 << 31][usize::try_from(round % 3).unwrap()];
            for frame in 1..200u64 {
                let seq = Seq(start) + roll(100);
                if roll(3) > 0 {
                    let sent = Unacked { frame, time: Timestamp::default(), seq, next: seq + roll(9) };
                    side.remember(sent);
                    all.push(sent);
                } else {
                    let ack = if roll(2) == 0 { Seq(start) + roll(20) } else { seq };
                    let acks = all.iter().find(|sent| sent.next == ack).map(|sent| sent.frame);
                    assert_eq!(side.acknowledged(ack).map(|(frame, _)| frame), acks);
                    all.retain(|sent| sent.next.after(ack));
                    let behind = all.iter_mut().filter(|sent| ack.after(sent.seq));
                    behind.for_each(|sent| sent.seq = ack);
                }
                side.base = if roll(50) == 0 { Some(seq) } else { side.base };
                let base = side.base.unwrap_or_default();
                let first = all.iter().map(|sent| sent.seq.relative(base)).min().unwrap_or_default();
                let last = all.iter().map(|sent| sent.next.relative(base)).max().unwrap_or_default();
                assert_eq!((side.span(), side.unacked.len()), ((first, last), all.len()));
            }
        }
    }
}
