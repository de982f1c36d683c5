//! Who is let in: what every engine does with a connection that was accepted, or that could not be.

use super::{Host, Tally};
use crate::error::TalkError;
use crate::listen::Listener;
use crate::options::{self, Refusal, SocketOption};
use crate::reason::{Call, End, Reason};
use crate::told::{About, ConnectionId, Shortage, Told};
use enchufe_sys::host::{self, AcceptFault};
use socket2::SockRef;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long the queue is left alone after a shortage, unless a connection ends before.
pub(super) const SHORTAGE_PAUSE: Duration = Duration::from_secs(1);

/// So often in a row `accept` may fail because of those who wait, and is called again at once. Each such error should be of
/// another of them; one that stays, as where something forbids the call, would be met for ever.
const MOST_FAILURES: u32 = 64;

/// Shared by the threads that accept.
pub(super) struct Entrance<'a> {
    pub(super) host: &'a Host<'a>,
    tally: &'a Tally,
    /// Several threads wait at its listeners.
    is_shared: bool,
    /// Of the last connection.
    number: AtomicU64,
    /// A shortage that was told and is not over, and the number of the last connection when it was told.
    short: Mutex<Option<(Shortage, u64)>>,
    /// Times that `accept` has failed since it last gave a connection, though nothing is wrong with the listener.
    failures: AtomicU32,
}

/// Why nobody came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nobody {
    /// There was none.
    There,
    /// No descriptors or no memory: who waits outside goes on waiting.
    Room,
}

impl<'a> Entrance<'a> {
    pub(super) fn new(host: &'a Host<'a>, tally: &'a Tally, is_shared: bool) -> Self {
        let (number, failures) = (AtomicU64::new(0), AtomicU32::new(0));
        Self { host, tally, is_shared, number, short: Mutex::new(None), failures }
    }

    /// Has small segments go at once to who comes to these listeners, for an accepted socket is as the one that it came to. Nagle's algorithm
    /// would hold an answer back until the one before is acknowledged, so that a client with two messages on their way waits for both, and
    /// the first answer of TLS, behind the ticket of TLS 1.3, until the client's delayed acknowledgement, 40 ms. What is asked for each
    /// connection ([`Host::options`]) is set later, and holds.
    pub(super) fn hasten<'l>(listeners: impl IntoIterator<Item = &'l Listener>) {
        for listener in listeners {
            // Without it answers come later, and that is all.
            let _ = SocketOption::NoDelay(true).set(&SockRef::from(&listener.socket));
        }
    }

    /// Counts a connection that was accepted and tells of it; `None`: there is no room for it, and it is
    /// ended.
    pub(super) fn admit(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        local: SocketAddr,
    ) -> Option<(TcpStream, About)> {
        let (about, has_room) = self.count(peer, local);
        if !has_room {
            self.refuse(Some(stream), about, Shortage::Connections(self.host.limits.connections));
            return None;
        }
        if let Err(Refusal { error, .. }) = options::apply(self.host.options, &SockRef::from(&stream)) {
            self.end_unserved(Some(stream), about, Reason::Failed(Call::SetOption, error));
            return None;
        }
        Some((stream, about))
    }

    /// Counts a connection that was accepted and tells of it. Whether there is room for it.
    pub(super) fn count(&self, peer: SocketAddr, local: SocketAddr) -> (About, bool) {
        if self.failures.load(Ordering::Relaxed) > 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
        // The number before the place, and neither seen the other way round: one with a later number than the last when a shortage was told
        // then found its room after that, and so there was some ([`Self::had_room`]).
        let number = self.number.fetch_add(1, Ordering::SeqCst) + 1;
        // Counted before it is told: whoever hears of it may stop the server at once.
        let open = self.tally.open.fetch_add(1, Ordering::SeqCst);
        if let Some(counters) = self.host.counters {
            counters.accepted();
        }
        let about = About { id: ConnectionId(number), peer };
        self.host.reporter.tell(Some(about), &Told::Accepted { peer, local });
        (about, open < self.host.limits.connections)
    }

    /// One more is served. Whether it is the last that may be.
    pub(super) fn serves(&self) -> bool {
        let served = self.tally.served.fetch_add(1, Ordering::Relaxed) + 1;
        self.host.limits.accept.is_some_and(|most| served >= most)
    }

    /// One that was to be served is not after all.
    pub(super) fn turn_away(&self, stream: TcpStream, about: About, shortage: Shortage) {
        self.tally.served.fetch_sub(1, Ordering::Relaxed);
        self.refuse(Some(stream), about, shortage);
    }

    /// Ends a connection for which there is no room with RST, so that its client knows at once. (One that is no
    /// descriptor is ended so by whoever has it.)
    pub(super) fn refuse(&self, stream: Option<TcpStream>, about: About, shortage: Shortage) {
        self.tell_short(shortage);
        // It is about to be closed: without the option its client learns of it a little later.
        let _ = stream.as_ref().map(|stream| SockRef::from(stream).set_linger(Some(Duration::ZERO)));
        self.end_unserved(stream, about, Reason::Limit);
    }

    fn end_unserved(&self, stream: Option<TcpStream>, about: About, reason: Reason) {
        // It takes no room, and its client may know of its end and come again as soon as it is closed.
        self.tally.open.fetch_sub(1, Ordering::Relaxed);
        drop(stream);
        let end = End { reason, received: 0, sent: 0, unsent: 0, lasted: Duration::ZERO };
        self.host.ended(about, &end);
    }

    /// What an `accept` that failed says about those who wait. Fails where the listener is of no use any
    /// more.
    pub(super) fn fault(&self, error: io::Error, address: SocketAddr) -> Result<Nobody, TalkError> {
        self.tell_short(match host::accept_fault(&error) {
            AcceptFault::Nobody => match self.still_fails(&error) {
                Some(number) => Shortage::Accept(number),
                None => return Ok(Nobody::There),
            },
            AcceptFault::Descriptors => Shortage::Descriptors,
            AcceptFault::Memory => Shortage::Memory,
            AcceptFault::Fatal => return Err(TalkError::Call { call: Call::Accept, address, error }),
        });
        Ok(Nobody::Room)
    }

    /// The error's number, if it has come too often.
    fn still_fails(&self, error: &io::Error) -> Option<i32> {
        if error.kind() == io::ErrorKind::WouldBlock {
            return None;
        }
        let before = self.failures.fetch_add(1, Ordering::Relaxed).min(MOST_FAILURES);
        error.raw_os_error().filter(|_| before == MOST_FAILURES)
    }

    /// Tells of a shortage once for all whom it concerns.
    pub(super) fn tell_short(&self, of: Shortage) {
        let mut short = self.short.lock().unwrap_or_else(PoisonError::into_inner);
        if short.is_none_or(|(told, _)| told != of) {
            self.host.reporter.tell(None, &Told::Short { of });
        }
        *short = Some((of, self.number.load(Ordering::SeqCst)));
    }

    /// This one was let in: what was short is not any more, unless it was found short by who came after it.
    pub(super) fn had_room(&self, about: About) {
        let mut short = self.short.lock().unwrap_or_else(PoisonError::into_inner);
        *short = short.filter(|(_, last)| about.id.0 <= *last);
    }

    /// One that came after the server was stopped is reset, as are those in the queue, by whoever has it.
    pub(super) fn came_too_late(&self) {
        self.tally.cut.fetch_add(1, Ordering::Relaxed);
    }

    /// Stops listening because the server is stopped: who still waits in the queue is cut.
    pub(super) fn stop(&self, listeners: Vec<Listener>) {
        let cut = self.close(listeners);
        self.tally.cut.fetch_add(u64::from(cut), Ordering::Relaxed);
    }

    /// Stops listening. The kernel resets who still waits in the queue: that is told; how many. Not in one that somebody else
    /// may be listening on, too.
    pub(super) fn close(&self, listeners: Vec<Listener>) -> u32 {
        if let Some(counters) = self.host.counters {
            counters.takes_no_more();
        }
        let count = listeners
            .iter()
            .filter(|listener| !listener.inherited)
            .filter_map(|listener| host::queue_length(&SockRef::from(&listener.socket)));
        let count: u32 = count.sum();
        // An operation of another thread that waits for who comes would keep a socket open that is only dropped. One that others
        // have, too, goes on listening for them.
        for listener in listeners.iter().filter(|listener| self.is_shared && !listener.inherited) {
            let _ = SockRef::from(&listener.socket).shutdown(Shutdown::Read);
        }
        drop(listeners);
        if count > 0 {
            self.host.reporter.tell(None, &Told::QueueCut { count });
        }
        count
    }
}
