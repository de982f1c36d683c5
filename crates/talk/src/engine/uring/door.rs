//! How a worker lets in who comes.
//!
//! Where somebody hears of connections, or something is to be done with each, the kernel tells that somebody waits, and each is
//! accepted by a call, with its address. Where nobody does, the kernel lets in by itself, as long as a table has places for all who
//! may come before it can be told to stop. Not at a socket that was inherited: whom it lets in after the end could only be closed,
//! and whoever serves there next would have served them.

use super::rings::Rings;
use super::token::Token;
use crate::engine::Host;
use crate::engine::group::Group;
use crate::listen::Listener;
use crate::service::Service;
use std::convert::Infallible;

/// A thread's listeners.
pub(super) struct Doors {
    thread: usize,
    /// The kernel may let in by itself.
    is_open: bool,
    /// Of each listener: the ring whose operation waits for who comes, and its token.
    armed: Vec<Option<(usize, u64)>>,
    /// How many may wait at all of those where the kernel may let in by itself.
    queue: u32,
}

impl Doors {
    pub(super) fn new<S: Service>(host: &Host<'_>, thread: usize) -> Self {
        let is_open = !host.reporter.hears_of_connections()
            && host.options.is_empty()
            && host.limits.accept.is_none()
            && !S::ASKS;
        Self { thread, is_open, armed: Vec::new(), queue: 0 }
    }

    /// Has each listener that has no operation wait for who comes.
    pub(super) fn wait(&mut self, group: &Group<'_>, rings: &mut Rings) {
        self.queue = 0;
        // Neither can fail: what is done with each does not.
        let _ = group.each_listener::<Infallible>(self.thread, |(_, listener)| {
            if self.may_let_in(listener) {
                self.queue = self.queue.saturating_add(listener.backlog.max(0).cast_unsigned());
            }
            Ok(())
        });
        let _ = group.each_listener::<Infallible>(self.thread, |(index, listener)| {
            if self.armed.len() <= index {
                self.armed.resize(index + 1, None);
            }
            let may_let_in = self.may_let_in(listener);
            let Some(armed @ None) = self.armed.get_mut(index) else { return Ok(()) };
            let roomy = if may_let_in { rings.roomy(self.queue).ok().flatten() } else { None };
            if let Some(ring) = roomy
                && let Some(chosen) = rings.get(ring)
            {
                let token = Token::Arrival(index).word();
                chosen.accept(&listener.socket, token);
                *armed = Some((ring, token));
            } else {
                let token = Token::Knock(index).word();
                rings.first().readable(&listener.socket, token);
                *armed = Some((0, token));
            }
            Ok(())
        });
    }

    const fn may_let_in(&self, listener: &Listener) -> bool {
        self.is_open && !listener.inherited
    }

    /// If the places of this ring are not enough for who may come, it lets in nobody more, and tells of it by ending.
    pub(super) fn leave(&self, ring: usize, rings: &mut Rings) {
        if !rings.is_roomy(ring, self.queue) {
            self.cancel(rings, |token| matches!(Token::of(token), Token::Arrival(_)), |armed| armed == ring);
        }
    }

    /// The operation of a listener is over.
    pub(super) fn is_over(&mut self, index: usize) {
        if let Some(armed) = self.armed.get_mut(index) {
            *armed = None;
        }
    }

    /// Nobody is let in any more.
    pub(super) fn shut(&mut self, rings: &mut Rings) {
        self.cancel(rings, |_| true, |_| true);
        self.armed.clear();
    }

    fn cancel(&self, rings: &mut Rings, what: impl Fn(u64) -> bool, which: impl Fn(usize) -> bool) {
        for (ring, token) in self.armed.iter().flatten().copied() {
            if let Some(chosen) = rings.get(ring).filter(|_| what(token) && which(ring)) {
                chosen.cancel_one(token, Token::Ignored.word());
            }
        }
    }
}
