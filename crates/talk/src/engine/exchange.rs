//! Connections on their way from one thread to another.

use crate::service::Service;
use crate::session::Parked;
use std::mem;
use std::net::TcpStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Connections that a thread has been handed and has not looked at yet.
const MOST: usize = 256;

/// A connection between two threads: nobody watches it, and what comes on it meanwhile is told when somebody does.
pub(super) struct Guest<S: Service> {
    pub(super) session: Parked<S>,
    pub(super) stream: TcpStream,
    /// Its times count from then.
    pub(super) since: Instant,
}

/// What each thread is handed.
pub(super) struct Exchange<S: Service>(Vec<Mutex<Inbox<S>>>);

struct Inbox<S: Service> {
    guests: Vec<Guest<S>>,
    /// Its thread is gone, or about to go.
    left: bool,
}

impl<S: Service> Exchange<S> {
    pub(super) fn new(threads: usize) -> Self {
        let inbox = |_| Mutex::new(Inbox { guests: Vec::new(), left: false });
        Self((0..threads).map(inbox).collect())
    }

    fn inbox(&self, thread: usize) -> Option<MutexGuard<'_, Inbox<S>>> {
        Some(self.0.get(thread)?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether a thread can be handed one more.
    pub(super) fn has_room(&self, thread: usize) -> bool {
        self.inbox(thread).is_some_and(|inbox| !inbox.left && inbox.guests.len() < MOST)
    }

    /// Hands one over; gives it back where it cannot be.
    pub(super) fn put(&self, thread: usize, guest: Guest<S>) -> Option<Guest<S>> {
        match self.inbox(thread) {
            Some(mut inbox) if !inbox.left => {
                inbox.guests.push(guest);
                None
            }
            _ => Some(guest),
        }
    }

    /// All that a thread was handed.
    pub(super) fn take(&self, thread: usize) -> Vec<Guest<S>> {
        self.inbox(thread).map_or_else(Vec::new, |mut inbox| mem::take(&mut inbox.guests))
    }

    /// Whether a thread that has nothing else to do may go: from then on it is handed nothing.
    pub(super) fn leave(&self, thread: usize) -> bool {
        self.inbox(thread).is_none_or(|mut inbox| {
            inbox.left = inbox.guests.is_empty();
            inbox.left
        })
    }
}
