//! What is remembered of a socket while a recording is judged.

use super::event::{Off, Range};
use super::meter::{Begins, Meter, Stretch};
use super::remark::Habits;
use super::shown::Shown;
use crate::Certainty;
use crate::fact::{Arguments, CallId, Entered, Reading, Syscall};
use crate::state::State;
use enchufe_wire::Timestamp;
use std::collections::VecDeque;

/// The most stretches of written bytes that are remembered of a socket: what is sent again from before them has no call.
const MOST_WRITES: usize = 4_096;
/// The same over all sockets.
pub(super) const MOST_WRITES_OVERALL: usize = 1_000_000;
/// The most calls of a kind that are remembered of a socket.
const MOST_CALLS: usize = 16;

/// What ends the stream of a socket, or the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ender {
    /// `shutdown` of its own direction, or of a socket that listens.
    Shuts,
    /// The last reference.
    Drops,
    /// Not itself: a call of another thread that was in the kernel with the socket when its last descriptor was closed.
    /// The socket is open until that is over.
    Holds,
    /// `connect` to no address.
    Dissolves,
}

/// A socket.
#[derive(Clone, Debug, Default)]
pub(super) struct Account {
    pub(super) written: Meter,
    pub(super) read: Meter,
    writes: VecDeque<Stretch>,
    /// What ended it, in the order in which it was entered.
    pub(super) enders: Vec<(CallId, Ender)>,
    /// The call by which it listens anew after it was shut down.
    pub(super) listens_anew: Option<CallId>,
    /// Calls that let go what was held back, while they are open.
    pub(super) uncorks: Vec<CallId>,
    /// `SO_LINGER`, where it was set; negative: off.
    pub(super) linger: Option<i64>,
    /// `TCP_NODELAY`, where it was set.
    pub(super) nodelay: Option<bool>,
    /// How many bytes waited to be read, by the last word of the kernel.
    pub(super) unread: u64,
    pub(super) shown: Shown,
    /// Bytes of its stream were written by calls that were not seen.
    pub(super) has_unseen: bool,
    /// It may be used without a call that is seen.
    pub(super) has_rings: bool,
    /// Its bytes are others than those that calls write: why.
    pub(super) other_bytes: Option<Off>,
    pub(super) habits: Habits,
    /// Its conversation, and whether it is the end `b`.
    pub(super) of: Option<(u32, bool)>,
}

impl Account {
    pub(super) fn new(has_rings: bool) -> Self {
        Self { has_rings, ..Self::default() }
    }

    /// Remembers what was written; gives how many more stretches are remembered now.
    pub(super) fn wrote(&mut self, stretch: Stretch, is_full: bool) -> isize {
        self.has_unseen |= stretch.is_unseen;
        let mut more = 1;
        if self.writes.len() >= MOST_WRITES || is_full && !self.writes.is_empty() {
            self.writes.pop_front();
            more -= 1;
        } else if is_full {
            return 0;
        }
        self.writes.push_back(stretch);
        more
    }

    /// Segments of a conversation of it come.
    pub(super) fn begins(&mut self, of: (u32, bool)) {
        if self.of.is_some() {
            self.connects_again();
        }
        self.of = Some(of);
    }

    /// It connects again: the kernel counts from 0.
    fn connects_again(&mut self) {
        let Self { linger, nodelay, shown, has_rings, other_bytes, .. } = *self;
        *self = Self { linger, nodelay, shown, has_rings, other_bytes, ..Self::default() };
    }

    /// A call is about to begin: what its socket was connected with before, it no longer is.
    pub(super) fn is_about_to(&mut self, entered: &Entered) {
        let connects = entered.syscall == Syscall::Connect && !entered.arguments.is_no_address();
        if connects && self.enders.iter().any(|(_, ender)| *ender == Ender::Dissolves) {
            self.connects_again();
        }
    }

    pub(super) fn ends(&mut self, call: CallId, ender: Ender) {
        if self.enders.len() < MOST_CALLS {
            self.enders.push((call, ender));
        }
    }

    /// The last descriptor is closed, in a thread of its own or with its process.
    pub(super) fn dropped(&mut self, call: CallId, syscall: Syscall, accepting: &[CallId]) {
        self.ends(call, Ender::Drops);
        // Those end the other threads before.
        if matches!(syscall, Syscall::Execve | Syscall::ExitGroup | Syscall::Killed) {
            return;
        }
        let moving: Vec<CallId> = self.read.open().chain(self.written.open()).collect();
        for holder in moving.into_iter().chain(accepting.iter().copied()) {
            if !self.is_held_by(holder) {
                self.ends(holder, Ender::Holds);
            }
        }
    }

    fn is_held_by(&self, call: CallId) -> bool {
        self.enders.contains(&(call, Ender::Holds))
    }

    /// Whether a call may hold it open past its last descriptor.
    pub(super) fn is_held(&self) -> bool {
        self.enders.iter().any(|(_, ender)| *ender == Ender::Holds)
    }

    pub(super) fn uncorked_by(&mut self, call: CallId) {
        if self.uncorks.len() < MOST_CALLS {
            self.uncorks.push(call);
        }
    }

    /// Which calls wrote these bytes, in pieces.
    pub(super) fn who_wrote(&self, range: Range) -> Vec<Stretch> {
        let mut found = Vec::new();
        let first = self.writes.partition_point(|write| write.range.end <= range.start);
        for write in self.writes.iter().skip(first) {
            let common = write.range.and(range);
            if common.is_empty() {
                break;
            }
            found.push(Stretch { range: common, ..write.clone() });
        }
        let tail = range.and(Range { start: self.written.at, end: u64::MAX });
        if !tail.is_empty() {
            let is_sure = !self.has_unseen && self.written.can_reach(tail.end);
            let mut pieces = self.written.perhaps(tail);
            for piece in pieces.iter_mut().filter(|_| !is_sure) {
                piece.certainty = Certainty::Inferred;
            }
            found.append(&mut pieces);
        }
        found
    }

    /// How far the kernel says that a socket was written and read, as far as that can be believed.
    pub(super) fn words(&self, reading: &Reading, count: Option<u64>) -> (Option<u64>, Option<u64>) {
        // What a connection leaves behind when it is over can be off by a SYN and a FIN.
        const OFF: u64 = 2;
        let (written, read) = (self.written.at, self.read.at);
        if reading.state.is_close() {
            let fits = |at: u64, said: u64| {
                let expected = at.checked_add(count?)?;
                (expected..=expected.saturating_add(OFF)).contains(&said).then_some(expected)
            };
            // A call moves only one of both.
            let one = |at: u64, said: u64| fits(at, said).or((said <= at.saturating_add(OFF)).then_some(at));
            return (one(written, reading.written), one(read, reading.read));
        }
        // A FIN that waits to be sent is counted as a byte.
        let ends = matches!(reading.state.state(), Some(State::FinWait1 | State::Closing | State::LastAck));
        let is_written = !ends || self.written.open().next().is_some();
        (is_written.then_some(reading.written), Some(reading.read))
    }

    /// A call begins on its socket, of whose stream so much was sent.
    pub(super) fn enters(&mut self, entered: &Entered, time: Timestamp, sent: u64) {
        let Entered { id, syscall, arguments, .. } = entered;
        let begins = Begins { call: *id, time, most: None, from: 0 };
        if syscall.writes() {
            let most = match arguments {
                Arguments::Bytes { wanted, .. } if syscall.is_bounded() => Some(*wanted),
                _ => None,
            };
            self.written.enter(Begins { most, from: sent, ..begins });
        }
        if syscall.reads() && !arguments.is_aside() {
            self.read.enter(begins);
        }
        match syscall {
            Syscall::Listen if self.shown.state() == Some(State::Closed) => self.listens_anew = Some(*id),
            Syscall::Shutdown if arguments.ends_writing() || self.shown.state() == Some(State::Listen) => {
                self.ends(*id, Ender::Shuts);
            }
            Syscall::Connect if arguments.is_no_address() => self.ends(*id, Ender::Dissolves),
            Syscall::Setsockopt if arguments.uncorks() => self.uncorked_by(*id),
            _ => {}
        }
    }
}
