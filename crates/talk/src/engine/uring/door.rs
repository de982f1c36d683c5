//! How a worker lets in who comes.
//!
//! Where somebody hears of connections, or something is to be done with each, the kernel tells that somebody waits, and each is
//! accepted by a call, with its address. Where nobody does, the kernel lets in by itself.

use super::rings::Rings;
use super::token::Token;
use crate::engine::Host;
use crate::engine::group::Group;
use crate::service::Service;

/// A thread's listeners.
pub(super) struct Doors {
    thread: usize,
    /// The kernel lets in by itself.
    pub(super) is_open: bool,
    /// Of each listener: the ring whose operation waits for who comes.
    armed: Vec<Option<usize>>,
}

impl Doors {
    pub(super) fn new<S: Service>(host: &Host<'_>, thread: usize) -> Self {
        let is_open = !host.reporter.hears_of_connections()
            && host.options.is_empty()
            && host.limits.accept.is_none()
            && !S::ASKS;
        Self { thread, is_open, armed: Vec::new() }
    }

    /// Has each listener that has no operation wait for who comes. Whether there are places for them.
    pub(super) fn wait(&mut self, group: &Group<'_>, rings: &mut Rings) -> bool {
        let mut has_room = true;
        // It cannot fail: what is to be done with each does not.
        let _ = group.each_listener::<std::convert::Infallible>(self.thread, |(index, listener)| {
            if self.armed.len() <= index {
                self.armed.resize(index + 1, None);
            }
            let Some(armed @ None) = self.armed.get_mut(index) else { return Ok(()) };
            if !self.is_open {
                rings.first().readable(&listener.socket, Token::Knock(index).word());
                *armed = Some(0);
            } else if let Ok(Some(ring)) = rings.roomy()
                && let Some(chosen) = rings.get(ring)
            {
                chosen.accept(&listener.socket, Token::Arrival(index).word());
                *armed = Some(ring);
            } else {
                has_room = false;
            }
            Ok(())
        });
        has_room
    }

    /// The operation of a listener is over.
    pub(super) fn is_over(&mut self, index: usize) {
        if let Some(armed) = self.armed.get_mut(index) {
            *armed = None;
        }
    }

    /// The places of this ring are nearly taken: it lets in nobody more, and tells of it by ending.
    pub(super) fn leave(&self, ring: usize, rings: &mut Rings) {
        self.cancel(rings, |armed| armed == ring);
    }

    /// Nobody is let in any more.
    pub(super) fn shut(&mut self, rings: &mut Rings) {
        self.cancel(rings, |_| true);
        self.armed.clear();
    }

    fn cancel(&self, rings: &mut Rings, which: impl Fn(usize) -> bool) {
        for (index, armed) in self.armed.iter().enumerate() {
            let token = if self.is_open { Token::Arrival(index) } else { Token::Knock(index) };
            if let Some(ring) = armed.filter(|armed| which(*armed)).and_then(|armed| rings.get(armed)) {
                ring.cancel_one(token.word(), Token::Ignored.word());
            }
        }
    }
}
