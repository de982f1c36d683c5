//! What a service keeps beside its connection, which no event of the connection tells of.

use super::{ACTIONS, Session};
use crate::service::{Actions, Service};
use std::time::Instant;

impl<S: Service, B> Session<'_, S, B> {
    /// What its service remembers.
    pub fn state(&self) -> &S::State {
        &self.state
    }

    /// Something happened beside the connection: its service does about it what it has to, here. What it wants done is not, where it has
    /// closed the connection before or that is over.
    pub fn beside<T>(&mut self, now: Instant, act: impl FnOnce(&mut S::State, &mut Actions) -> T) -> T {
        let mut actions = Actions { list: ACTIONS.take() };
        let result = act(&mut self.state, &mut actions);
        self.carry_out(actions, &[], now);
        result
    }

    /// Whether its service may still say something.
    pub fn is_open(&self) -> bool {
        self.phase == super::Phase::Open
    }
}
