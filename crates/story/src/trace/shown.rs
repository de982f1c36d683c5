//! The states that were given of each socket: what segments show, and what the kernel says of it, as one line.

use super::event::SocketChange;
use crate::Certainty;
use crate::fact::{CallId, Cookie, KernelState};
use crate::state::{Change, State};

impl KernelState {
    /// The state of RFC 9293 that it is. None for `TCP_CLOSE`, which is also what the kernel says of a socket that was
    /// never connected and of one that left its TIME-WAIT to another object.
    pub const fn state(self) -> Option<State> {
        Some(match self.0 {
            1 => State::Established,
            2 => State::SynSent,
            3 | 12 => State::SynReceived,
            4 => State::FinWait1,
            5 => State::FinWait2,
            6 => State::TimeWait,
            8 => State::CloseWait,
            9 => State::LastAck,
            10 => State::Listen,
            11 => State::Closing,
            _ => return None,
        })
    }

    /// Whether it is `TCP_CLOSE`.
    pub const fn is_close(self) -> bool {
        self.0 == 7
    }
}

/// How far a state is on its way through figure 5 of RFC 9293.
const fn rank(state: State) -> u8 {
    match state {
        State::Listen => 0,
        State::SynSent => 1,
        State::SynReceived => 2,
        State::Established => 3,
        State::FinWait1 | State::CloseWait => 4,
        State::FinWait2 | State::Closing | State::LastAck => 5,
        State::TimeWait => 6,
        State::Closed => 7,
    }
}

/// Whether one state can come after another, with others between them.
pub(super) const fn leads_to(from: State, to: State) -> bool {
    let split = matches!((from, to), (State::FinWait2, State::Closing) | (State::Closing, State::FinWait2));
    let begins = matches!(from, State::Closed) && matches!(to, State::Listen | State::SynSent);
    begins || !(crosses(from, to) || split) && rank(from) <= rank(to)
}

/// Whether one is a state of an end that ended first, and the other of one that did not.
const fn crosses(from: State, to: State) -> bool {
    is_active(from) && is_passive(to) || is_passive(from) && is_active(to)
}

const fn is_active(state: State) -> bool {
    matches!(state, State::FinWait1 | State::FinWait2 | State::Closing | State::TimeWait)
}

const fn is_passive(state: State) -> bool {
    matches!(state, State::CloseWait | State::LastAck)
}

/// What is given of an end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shown {
    now: Option<(State, Certainty)>,
    /// The kernel said it: segments that show less are behind.
    is_said: bool,
    /// The kernel's last word.
    word: Option<State>,
}

/// What the kernel's word adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Nothing,
    Change(SocketChange),
    /// It cannot come after what was given as proved.
    Disagrees(State),
}

impl Shown {
    pub(super) const fn state(self) -> Option<State> {
        match self.now {
            Some((state, _)) => Some(state),
            None => None,
        }
    }

    /// Keeps of what a segment shows what is not known already.
    pub(super) fn segment(&mut self, change: &mut Change) -> bool {
        if self.is_said && !self.goes_on(change) {
            return false;
        }
        // A FIN may wait to be sent: the kernel knows of it, segments do not yet.
        if self.word.zip(change.to).is_some_and(|(word, to)| crosses(word, to)) {
            return false;
        }
        if change.to.is_some_and(|to| rank(to) <= rank(State::SynReceived)) {
            self.word = None;
        }
        change.from = self.state();
        self.now = change.to.map(|state| (state, change.certainty));
        self.is_said = false;
        true
    }

    /// It is closed, and the kernel said this of it just before. Where that was ESTABLISHED, its end comes first, also where
    /// its FIN waits behind bytes while the peer's comes (§3.10.4: in any case FIN-WAIT-1).
    pub(super) const fn closes(&mut self, before: KernelState) {
        if matches!(before.state(), Some(State::Established)) {
            self.word = Some(State::FinWait1);
        }
    }

    fn goes_on(self, change: &Change) -> bool {
        let (Some(said), Some(to)) = (self.state(), change.to) else { return false };
        let begins = said == State::Closed && rank(to) <= rank(State::SynReceived);
        begins || rank(to) > rank(said)
    }

    /// A call made this state.
    pub(super) fn made(
        &mut self,
        socket: Cookie,
        to: State,
        call: CallId,
        from: Option<State>,
    ) -> SocketChange {
        let from = self.state().or(from);
        (self.now, self.is_said, self.word) = (Some((to, Certainty::Proved)), true, Some(to));
        let section = section(to);
        SocketChange { socket, from, to, certainty: Certainty::Proved, because: Some(call), section }
    }

    /// The kernel says this state.
    pub(super) fn said(&mut self, socket: Cookie, said: KernelState) -> Word {
        let to = match (said.state(), self.state()) {
            (Some(state), _) => state,
            // After a FIN of its own it may as well be TIME-WAIT.
            (
                None,
                Some(
                    State::SynSent
                    | State::SynReceived
                    | State::Established
                    | State::CloseWait
                    | State::LastAck
                    | State::Closed,
                ),
            ) if said.is_close() => State::Closed,
            _ => return Word::Nothing,
        };
        let before = self.now;
        if before == Some((to, Certainty::Proved)) {
            (self.is_said, self.word) = (true, Some(to));
            return Word::Nothing;
        }
        match before {
            Some((state, Certainty::Proved)) if !leads_to(state, to) => return Word::Disagrees(state),
            // What was inferred is on its way still. A reset, though, may not be taken.
            Some((state, Certainty::Inferred))
                if state != to && state != State::Closed && leads_to(to, state) =>
            {
                return Word::Nothing;
            }
            _ => {}
        }
        (self.now, self.is_said, self.word) = (Some((to, Certainty::Proved)), true, Some(to));
        Word::Change(SocketChange {
            socket,
            from: before.map(|(state, _)| state),
            to,
            certainty: Certainty::Proved,
            because: None,
            section: section(to),
        })
    }
}

/// Where RFC 9293 has the way into a state, the usual one.
const fn section(to: State) -> &'static str {
    match to {
        State::Listen | State::SynSent => "3.10.1",
        State::SynReceived => "3.10.7.2",
        State::FinWait1 | State::LastAck | State::Closed => "3.10.4",
        _ => "3.10.7.4",
    }
}
