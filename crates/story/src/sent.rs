//! What one end sent, so that an acknowledgement or a repetition finds its segments.

use enchufe_wire::Seq;
use std::collections::VecDeque;

/// The most segments of a direction that are remembered: an acknowledgement or a repetition of one before them does not
/// name it.
pub const MOST_SENT: usize = 4_096;
/// The most stretches of missing numbers that are remembered.
const MOST_GAPS: usize = 64;
/// The most frames that are named at once.
const MOST_NAMED: usize = 16;

/// Frames, in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frames {
    /// The first of them, at most sixteen.
    pub numbers: Vec<u64>,
    /// How many there are.
    pub count: u64,
}

impl Frames {
    pub(crate) fn add(&mut self, frame: u64) {
        if self.numbers.len() < MOST_NAMED {
            self.numbers.push(frame);
        }
        self.count += 1;
    }

    /// Whether this is the only one.
    pub fn is_only(&self, frame: u64) -> bool {
        self.count == 1 && self.numbers == [frame]
    }
}

/// A segment that took numbers.
#[derive(Clone, Copy, Debug)]
struct Piece {
    frame: u64,
    start: Seq,
    end: Seq,
    /// Acknowledged up to here.
    acked: Seq,
    /// It is known not to have arrived.
    lost: bool,
}

/// What a number newly acknowledges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Acked {
    /// Segments that it now covers to their end.
    pub(crate) whole: Frames,
    /// A segment that it covers in part.
    pub(crate) part: Option<u64>,
    /// Some of what it covers was not seen.
    pub(crate) unseen: bool,
}

/// One direction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent {
    pieces: VecDeque<Piece>,
    /// Pieces before this place are acknowledged.
    open: usize,
    /// A piece came that begins before the end of one before it.
    is_mixed: bool,
    /// Numbers that were left out and neither came nor were acknowledged.
    gaps: Vec<(Seq, Seq)>,
    /// The number after the last one.
    pub(crate) next: Option<Seq>,
}

impl Sent {
    pub(crate) fn add(&mut self, frame: u64, start: Seq, end: Seq, lost: bool) {
        if self.pieces.len() >= MOST_SENT {
            self.pieces.pop_front();
            self.open = self.open.saturating_sub(1);
        }
        self.is_mixed |= self.next.is_some_and(|next| start.before(next));
        self.fill(start, end);
        if let Some(next) = self.next.filter(|next| start.after(*next) && self.gaps.len() < MOST_GAPS) {
            self.gaps.push((next, start));
        }
        self.pieces.push_back(Piece { frame, start, end, acked: start, lost });
        if self.next.is_none_or(|next| end.after(next)) {
            self.next = Some(end);
        }
    }

    /// Whether a segment at this number leaves some out.
    pub(crate) fn leaves_gap(&self, start: Seq) -> bool {
        self.next.is_some_and(|next| start.after(next))
    }

    fn fill(&mut self, start: Seq, end: Seq) {
        if self.gaps.is_empty() {
            return;
        }
        for (from, to) in std::mem::take(&mut self.gaps) {
            if !start.before(to) || !from.before(end) {
                self.gaps.push((from, to));
                continue;
            }
            let left = [(from, start), (end, to)].into_iter().filter(|(from, to)| from.before(*to));
            self.gaps.extend(left);
        }
        self.gaps.truncate(MOST_GAPS);
    }

    /// Marks what this number covers.
    pub(crate) fn acknowledge(&mut self, ack: Seq) -> Acked {
        let known = self.gaps.len();
        self.gaps.retain(|(from, _)| !from.before(ack));
        let unseen = self.gaps.len() < known || self.next.is_some_and(|next| ack.after(next));
        let mut acked = Acked { unseen, ..Acked::default() };
        for piece in self.pieces.iter_mut().skip(self.open) {
            if !piece.start.before(ack) {
                if self.is_mixed {
                    continue;
                }
                break;
            }
            if !piece.acked.before(piece.end) {
                continue;
            }
            if !ack.before(piece.end) {
                piece.acked = piece.end;
                if !piece.lost {
                    acked.whole.add(piece.frame);
                }
            } else if ack.after(piece.acked) {
                piece.acked = ack;
                acked.part = Some(piece.frame).filter(|_| !piece.lost).or(acked.part);
            }
        }
        let done = |piece: &Piece| !piece.acked.before(piece.end);
        while self.pieces.get(self.open).is_some_and(done) {
            self.open += 1;
        }
        self.is_mixed &= self.open < self.pieces.len();
        acked
    }

    /// Whether everything that was sent is acknowledged.
    pub(crate) fn is_acknowledged(&self) -> bool {
        self.open == self.pieces.len()
    }

    /// The segments that had some of these numbers, and whether they had all.
    pub(crate) fn repeated(&self, start: Seq, end: Seq) -> Option<(Frames, bool)> {
        if self.next.is_none_or(|next| !start.before(next)) {
            return None;
        }
        let mut frames = Frames::default();
        let mut parts = Vec::new();
        for piece in self.pieces.iter().filter(|piece| piece.start.before(end) && start.before(piece.end)) {
            frames.add(piece.frame);
            parts.push((piece.start - start, piece.end - start));
        }
        parts.sort_unstable();
        let reach =
            parts.iter().fold(0, |reach, (from, to)| if *from <= reach { reach.max(*to) } else { reach });
        (frames.count > 0).then_some((frames, reach >= end - start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(pieces: &[(u64, u32, u32)]) -> Sent {
        let mut sent = Sent::default();
        for (frame, start, end) in pieces {
            sent.add(*frame, Seq(*start), Seq(*end), false);
        }
        sent
    }

    #[test]
    fn a_number_names_what_it_newly_covers_and_in_part() {
        let mut sent = sent(&[(1, 0, 10), (2, 10, 20), (3, 20, 30)]);
        let acked = sent.acknowledge(Seq(15));
        assert_eq!((acked.whole.numbers, acked.part), (vec![1], Some(2)));
        let acked = sent.acknowledge(Seq(30));
        assert_eq!((acked.whole.numbers, acked.part), (vec![2, 3], None));
        assert!(sent.is_acknowledged());
        assert_eq!(sent.acknowledge(Seq(30)), Acked::default());
    }

    #[test]
    fn what_came_late_is_named_in_the_order_in_which_it_came() {
        let mut sent = sent(&[(1, 0, 10), (2, 20, 30), (3, 10, 20)]);
        assert_eq!(sent.acknowledge(Seq(20)).whole.numbers, [1, 3]);
        assert_eq!(sent.acknowledge(Seq(30)).whole.numbers, [2]);
    }

    #[test]
    fn what_was_left_out_is_unseen_until_it_comes() {
        let mut sent = sent(&[(1, 0, 10), (2, 20, 30), (3, 12, 15), (4, 40, 50)]);
        assert!(!sent.acknowledge(Seq(10)).unseen);
        assert!(sent.acknowledge(Seq(30)).unseen, "10 to 12 and 15 to 20");
        assert!(!sent.acknowledge(Seq(30)).unseen, "it is said once");
        sent.add(5, Seq(30), Seq(40), false);
        assert!(!sent.acknowledge(Seq(50)).unseen);
        assert!(sent.acknowledge(Seq(60)).unseen);
    }

    #[test]
    fn a_repetition_names_all_who_had_its_bytes_and_knows_whether_it_is_whole() {
        let sent = sent(&[(1, 0, 10), (2, 10, 20), (3, 25, 30)]);
        assert_eq!(
            sent.repeated(Seq(5), Seq(15)).map(|(frames, whole)| (frames.numbers, whole)),
            Some((vec![1, 2], true))
        );
        assert_eq!(
            sent.repeated(Seq(15), Seq(30)).map(|(frames, whole)| (frames.numbers, whole)),
            Some((vec![2, 3], false))
        );
        assert_eq!(sent.repeated(Seq(20), Seq(25)), None, "the bytes of a gap are new");
        assert_eq!(sent.repeated(Seq(30), Seq(40)), None);
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_goes_first() {
        let mut sent = Sent::default();
        let most = u32::try_from(MOST_SENT).unwrap_or_default();
        for at in 0..most + 10 {
            sent.add(u64::from(at), Seq(at), Seq(at + 1), false);
        }
        assert_eq!(sent.pieces.len(), MOST_SENT);
        let acked = sent.acknowledge(Seq(most + 10));
        assert_eq!((acked.whole.count, acked.whole.numbers[0]), (u64::from(most), 10));
        assert_eq!(acked.whole.numbers.len(), MOST_NAMED);
    }
}
