//! The person at the keyboard, who answers one question at a time whatever the engine.

use crate::told::ConnectionId;
use enchufe_sys::host::Bell;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Lines up the questions of all connections. Bounded by the connections: each has one at most.
#[derive(Debug, Default)]
pub struct Operator {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    askers: VecDeque<Asker>,
    answers: HashMap<ConnectionId, Vec<u8>>,
    left: bool,
}

#[derive(Debug)]
struct Asker {
    id: ConnectionId,
    bell: Option<Arc<Bell>>,
    shown: bool,
}

/// Where a connection's question stands.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn {
    /// So many are asked before it.
    Ahead(usize),
    /// It is being asked: whoever hears this shows it.
    Now,
    /// The operator's line.
    Answered(Vec<u8>),
    /// The operator answers no more.
    Left,
}

impl Operator {
    /// Puts a question in line; `bell` rings when [`Self::turn`] has something new to say.
    pub fn ask(&self, id: ConnectionId, bell: Option<Arc<Bell>>) -> Turn {
        self.lock().askers.push_back(Asker { id, bell, shown: false });
        self.turn(id)
    }

    /// Where the question of this connection stands now.
    pub fn turn(&self, id: ConnectionId) -> Turn {
        let mut inner = self.lock();
        if let Some(line) = inner.answers.remove(&id) {
            return Turn::Answered(line);
        }
        if inner.left {
            return Turn::Left;
        }
        let ahead = inner.askers.iter().position(|asker| asker.id == id);
        match (ahead, inner.askers.front_mut()) {
            (Some(0), Some(front)) => {
                front.shown = true;
                Turn::Now
            }
            (Some(ahead), _) => Turn::Ahead(ahead),
            (None, _) => Turn::Left,
        }
    }

    /// Takes a question back (its client left); the next one has its turn.
    pub fn withdraw(&self, id: ConnectionId) {
        let mut inner = self.lock();
        inner.answers.remove(&id);
        inner.askers.retain(|asker| asker.id != id);
        inner.ring_next();
    }

    /// The operator's line answers the question that is shown. `false`: none is.
    pub fn answer(&self, line: Vec<u8>) -> bool {
        let mut inner = self.lock();
        if !inner.askers.front().is_some_and(|asker| asker.shown) {
            return false;
        }
        if let Some(asker) = inner.askers.pop_front() {
            inner.answers.insert(asker.id, line);
            asker.ring();
        }
        inner.ring_next();
        true
    }

    /// The operator answers no more: whoever asks is told so.
    pub fn leave(&self) {
        let mut inner = self.lock();
        inner.left = true;
        for asker in inner.askers.drain(..) {
            asker.ring();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn ring_next(&self) {
        if let Some(next) = self.askers.front().filter(|asker| !asker.shown) {
            next.ring();
        }
    }
}

impl Asker {
    fn ring(&self) {
        if let Some(bell) = &self.bell {
            bell.ring();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_answers_only_the_question_that_was_shown() {
        let operator = Operator::default();
        let (first, second) = (ConnectionId(1), ConnectionId(2));
        assert!(!operator.answer("too early".into()));
        assert_eq!(operator.ask(first, None), Turn::Now);
        assert_eq!(operator.ask(second, None), Turn::Ahead(1));
        assert!(operator.answer("one".into()));
        assert!(!operator.answer("the second question was not shown yet".into()));
        assert_eq!(operator.turn(first), Turn::Answered("one".into()));
        assert_eq!(operator.turn(second), Turn::Now);
        assert!(operator.answer("two".into()));
        assert_eq!(operator.turn(second), Turn::Answered("two".into()));
    }

    #[test]
    fn a_question_taken_back_gives_the_next_its_turn() {
        let operator = Operator::default();
        operator.ask(ConnectionId(1), None);
        operator.ask(ConnectionId(2), None);
        operator.withdraw(ConnectionId(1));
        assert_eq!(operator.turn(ConnectionId(2)), Turn::Now);
    }

    #[test]
    fn whoever_asks_an_operator_that_left_is_told() {
        let operator = Operator::default();
        operator.ask(ConnectionId(1), None);
        operator.leave();
        assert_eq!(operator.turn(ConnectionId(1)), Turn::Left);
        assert_eq!(operator.ask(ConnectionId(2), None), Turn::Left);
    }
}
