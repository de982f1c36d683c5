//! Which bytes of a stream a call moved: the kernel's counter at each stop, and what the calls return.

use super::event::{Moved, Range};
use crate::Certainty;
use crate::fact::CallId;
use enchufe_wire::Timestamp;

/// The most calls that are open on a socket at once and told apart.
const MOST_OPEN: usize = 64;
/// The most pieces that are told of a call.
const MOST_PIECES: usize = 64;
/// The most calls that are named at once.
pub(super) const MOST_NAMED: usize = 16;

/// Bytes, and the calls that may have moved them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) range: Range,
    /// None where no call was open.
    pub(super) calls: Vec<CallId>,
    pub(super) certainty: Certainty,
    /// Some of it was moved by calls that were not seen.
    pub(super) is_unseen: bool,
    /// When the first of the calls was entered.
    pub(super) since: Timestamp,
}

/// A call that begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begins {
    pub(super) call: CallId,
    pub(super) time: Timestamp,
    /// How many bytes it can move at most, where it says that.
    pub(super) most: Option<u64>,
    /// What stands before this place it did not move.
    pub(super) from: u64,
}

/// A call that is open.
#[derive(Clone, Debug)]
struct Open {
    begins: Begins,
    /// How many bytes it moved until the last word of the kernel; none where that is not known.
    before: Option<u64>,
    pieces: Vec<Moved>,
    /// It was left without a word of the kernel: it may have moved what the next word tells.
    is_over: bool,
}

/// A call that is left, and what it has to have of what was moved since the last word.
#[derive(Clone, Copy, Debug)]
struct Leaves {
    call: CallId,
    rest: Option<u64>,
}

/// A counter of the kernel, and the calls that can move it.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter {
    /// Where it stood the last time.
    pub(super) at: u64,
    open: Vec<Open>,
    /// More calls are open than are told apart.
    is_crowded: bool,
}

impl Meter {
    pub(super) fn enter(&mut self, begins: Begins) {
        if self.open.len() < MOST_OPEN {
            let begins = Begins { from: begins.from.max(self.at), ..begins };
            self.open.push(Open { begins, before: Some(0), pieces: Vec::new(), is_over: false });
        } else {
            self.is_crowded = true;
        }
    }

    /// The calls that are open now.
    pub(super) fn open(&self) -> impl Iterator<Item = CallId> {
        self.open.iter().filter(|open| !open.is_over).map(|open| open.begins.call)
    }

    /// Whether the calls that are open can have moved everything up to here.
    pub(super) fn can_reach(&self, end: u64) -> bool {
        let add = |reach: u64, open: &Open| Some(reach.saturating_add(open.begins.most?));
        let most = self.open.iter().try_fold(self.at, add);
        self.is_crowded || most.is_none_or(|most| end <= most)
    }

    /// Who may have moved these bytes, which the kernel did not tell yet.
    pub(super) fn perhaps(&self, range: Range) -> Vec<Stretch> {
        let mut edges: Vec<u64> = self.open.iter().map(|open| open.begins.from).collect();
        edges.retain(|edge| (range.start + 1..range.end).contains(edge));
        edges.push(range.end);
        edges.sort_unstable();
        edges.dedup();
        let mut start = range.start;
        let pieces = edges.into_iter().map(|end| {
            let range = Range { start, end };
            start = end;
            self.piece(range)
        });
        pieces.collect()
    }

    /// All of these bytes have the same candidates.
    fn piece(&self, range: Range) -> Stretch {
        let can = || self.open.iter().filter(|open| open.begins.from <= range.start);
        let calls: Vec<CallId> = can().take(MOST_NAMED).map(|open| open.begins.call).collect();
        let since = can().map(|open| open.begins.time).min().unwrap_or_default();
        let sole = calls.len() == 1 && !self.is_crowded;
        let certainty = if sole { Certainty::Proved } else { Certainty::Inferred };
        let is_unseen = calls.is_empty() && !self.is_crowded;
        Stretch { range, calls, certainty, is_unseen, since }
    }

    /// A call is left: it says that it moved `counted` bytes, the kernel that its counter is at `now`. Gives what was
    /// moved since the last word, and what of it all is this call's.
    pub(super) fn leave(
        &mut self,
        call: CallId,
        counted: Option<u64>,
        now: Option<u64>,
    ) -> (Vec<Stretch>, Vec<Moved>) {
        let Some(place) = self.open.iter().position(|open| open.begins.call == call) else {
            return (now.map(|now| self.see(now)).unwrap_or_default(), Vec::new());
        };
        let is_told = now.is_some();
        let word = now.or_else(|| self.reckoned(counted));
        let before = self.open.get(place).and_then(|open| open.before);
        let rest = counted.and_then(|counted| counted.checked_sub(before?));
        let stretches = self.moves(word.unwrap_or(self.at), Some(Leaves { call, rest }), is_told);
        let mut open = self.open.remove(place);
        let moved = open.pieces.clone();
        if word.is_some() {
            self.settle();
        } else if counted != Some(0) {
            open.is_over = true;
            self.open.insert(place, open);
        }
        (stretches, moved)
    }

    /// The kernel's word at another time.
    pub(super) fn see(&mut self, now: u64) -> Vec<Stretch> {
        let stretches = self.moves(now, None, true);
        self.settle();
        stretches
    }

    /// Without a word of the kernel: what a call that is alone returned.
    fn reckoned(&self, counted: Option<u64>) -> Option<u64> {
        let alone = self.open.len() == 1 && !self.is_crowded;
        counted.filter(|_| alone).map(|counted| self.at.saturating_add(counted))
    }

    fn settle(&mut self) {
        self.open.retain(|open| !open.is_over);
        self.is_crowded &= !self.open.is_empty();
    }

    fn moves(&mut self, now: u64, leaves: Option<Leaves>, is_told: bool) -> Vec<Stretch> {
        if now <= self.at {
            return Vec::new();
        }
        let mut stretches = self.perhaps(Range { start: self.at, end: now });
        self.at = now;
        // What only one can have moved comes first: it leaves less for the rest.
        let (sole, shared): (Vec<usize>, Vec<usize>) =
            (0..stretches.len()).partition(|at| stretches.get(*at).is_some_and(|one| one.calls.len() < 2));
        let mut left = leaves.and_then(|leaves| leaves.rest);
        for at in sole.iter().chain(&shared) {
            let Some(stretch) = stretches.get_mut(*at) else { continue };
            let mine = leaves.filter(|leaves| stretch.calls.contains(&leaves.call)).map(|leaves| leaves.call);
            let is_sole = stretch.calls.len() < 2;
            // Of several stretches that are shared, any may have what is left.
            let rest = left.filter(|left| is_sole || shared.len() == 1 || *left == 0);
            if let (Some(call), Some(rest)) = (mine, rest) {
                if is_sole {
                    contradicts(stretch, rest, shared.is_empty());
                } else {
                    decide(stretch, call, rest, self.is_crowded);
                }
            }
            if mine.is_some_and(|call| stretch.calls == [call]) {
                left = left.map(|left| left.saturating_sub(stretch.range.len()));
            }
            if !is_told {
                stretch.certainty = Certainty::Inferred;
            }
            self.share(stretch, mine, rest);
        }
        stretches
    }

    /// Keeps what the calls have of a stretch.
    fn share(&mut self, stretch: &Stretch, leaver: Option<CallId>, rest: Option<u64>) {
        let len = stretch.range.len();
        let others = stretch.calls.iter().filter(|call| Some(**call) != leaver).count();
        for open in self.open.iter_mut().filter(|open| stretch.calls.contains(&open.begins.call)) {
            let add = |len: u64| open.before.map(|before| before.saturating_add(len));
            open.before = match (stretch.calls.len(), leaver, rest) {
                (1, ..) => add(len),
                // Of two, what one has not, the other has.
                (_, Some(_), Some(rest)) if others == 1 => add(len.saturating_sub(rest)),
                _ => None,
            };
            let call = open.begins.call;
            let or: Vec<CallId> = stretch.calls.iter().copied().filter(|other| *other != call).collect();
            let Stretch { range, certainty, .. } = *stretch;
            let is_next = |last: &Moved| last.range.end == range.start && last.certainty == certainty;
            let has_room = open.pieces.len() < MOST_PIECES;
            match open.pieces.last_mut() {
                Some(last) if is_next(last) && last.or == or => last.range.end = range.end,
                _ if has_room => open.pieces.push(Moved { range, certainty, or }),
                _ => {}
            }
        }
    }
}

/// Bytes that only the call that is left can have moved, and what it has to have: less than these, and some are of calls
/// that were not seen.
fn contradicts(stretch: &mut Stretch, rest: u64, is_all: bool) {
    let len = stretch.range.len();
    stretch.is_unseen |= rest < len;
    if rest < len || is_all && rest > len {
        stretch.certainty = Certainty::Inferred;
    }
}

/// Bytes that the call that is left shares with others, and what it has to have of them.
fn decide(stretch: &mut Stretch, leaver: CallId, rest: u64, is_crowded: bool) {
    if rest == stretch.range.len() {
        stretch.calls.retain(|call| *call == leaver);
        stretch.certainty = Certainty::Proved;
    } else if rest == 0 {
        stretch.calls.retain(|call| *call != leaver);
        if stretch.calls.len() == 1 && !is_crowded {
            stretch.certainty = Certainty::Proved;
        }
    }
}

#[cfg(test)]
mod tests;
