//! Connections on their way from one thread to another.

use super::moves::Why;
use super::{Host, Tally};
use crate::reason::Call;
use crate::service::Service;
use crate::session::{Parked, Session};
use std::io;
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
    pub(super) why: Why,
}

impl<S: Service> Guest<S> {
    /// It can be watched nowhere: ends it, and tells so.
    pub(super) fn lose(self, host: &Host<'_>, service: &S, tally: &Tally, (call, error): (Call, io::Error)) {
        let Self { session, stream, since, .. } = self;
        let mut session: Session<'_, S, ()> = Session::unpark(session, host, service, since);
        session.failed(call, error);
        drop(stream);
        tally.ended(session);
    }
}

/// What each thread is handed.
pub(super) struct Exchange<S: Service>(Vec<Mutex<Inbox<S>>>);

struct Inbox<S: Service> {
    guests: Vec<Guest<S>>,
    /// Its thread is gone, or about to go.
    left: bool,
}

impl<S: Service> Inbox<S> {
    const fn has_room(&self) -> bool {
        !self.left && self.guests.len() < MOST
    }
}

impl<S: Service> Exchange<S> {
    pub(super) fn new(threads: usize) -> Self {
        let inbox = |_| Mutex::new(Inbox { guests: Vec::new(), left: false });
        Self((0..threads).map(inbox).collect())
    }

    fn inbox(&self, thread: usize) -> Option<MutexGuard<'_, Inbox<S>>> {
        Some(self.0.get(thread)?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether a thread can be handed one more, if no other thread does so before.
    pub(super) fn has_room(&self, thread: usize) -> bool {
        self.inbox(thread).is_some_and(|inbox| inbox.has_room())
    }

    /// Hands one over; gives it back where it cannot be.
    pub(super) fn put(&self, thread: usize, guest: Guest<S>) -> Option<Guest<S>> {
        match self.inbox(thread) {
            Some(mut inbox) if inbox.has_room() => {
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

    /// A thread cannot go on: what it was handed and has not looked at. From then on it is handed nothing.
    pub(super) fn abandon(&self, thread: usize) -> Vec<Guest<S>> {
        self.inbox(thread).map_or_else(Vec::new, |mut inbox| {
            inbox.left = true;
            mem::take(&mut inbox.guests)
        })
    }

    /// Whether a thread that has nothing else to do may go: from then on it is handed nothing.
    pub(super) fn leave(&self, thread: usize) -> bool {
        self.inbox(thread).is_none_or(|mut inbox| {
            inbox.left = inbox.guests.is_empty();
            inbox.left
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::Echo;
    use crate::stop::Stop;
    use crate::told::{About, ConnectionId, Silent};
    use std::net::TcpListener;
    use std::sync::atomic::Ordering;
    use std::time::SystemTime;

    #[test]
    fn who_was_handed_to_a_thread_that_cannot_go_on_is_ended_and_nobody_comes_to_that_or_a_full_one() {
        let (stop, tally) = (Stop::new().unwrap(), Tally::default());
        let host = Host::new(&Silent, &stop);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let since = Instant::now();
        let guest = || {
            let stream = client.try_clone().unwrap();
            let about = About { id: ConnectionId(1), peer: stream.peer_addr().unwrap() };
            let mut session: Session<'_, Echo, ()> =
                Session::open(&host, &Echo, about, None, (since, SystemTime::now()));
            tally.open.fetch_add(1, Ordering::Relaxed);
            Guest { session: session.park(since).unwrap(), stream, since, why: Why::Load }
        };
        let exchange = Exchange::new(2);
        assert!(exchange.put(1, guest()).is_none());
        assert!(!exchange.leave(1), "it has one to look at");
        for guest in exchange.abandon(1) {
            guest.lose(&host, &Echo, &tally, (Call::EpollWait, io::ErrorKind::OutOfMemory.into()));
        }
        assert_eq!(tally.open.load(Ordering::Relaxed), 0);
        assert!(!exchange.has_room(1) && exchange.put(1, guest()).is_some());
        for _ in 0..MOST {
            assert!(exchange.has_room(0) && exchange.put(0, guest()).is_none());
        }
        // Another thread may have been told that there was room.
        assert!(!exchange.has_room(0) && exchange.put(0, guest()).is_some());
        assert_eq!(exchange.take(0).len(), MOST);
    }
}
