//! The door: listeners, who comes in, who waits outside, and what happens when there is no room.

use super::{Host, Tally};
use crate::error::TalkError;
use crate::listen::Listener;
use crate::options::{self, Refusal};
use crate::reason::{Call, End, Reason};
use crate::told::{About, ConnectionId, Shortage, Told};
use enchufe_sys::host::{self, AcceptFault, Bell, Interest, Watch};
use socket2::SockRef;
use std::collections::HashSet;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long the queue is left alone after a shortage, unless a connection ends before.
const SHORTAGE_PAUSE: Duration = Duration::from_secs(1);
/// How often those who wait are looked at.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Door<'a> {
    host: &'a Host<'a>,
    tally: &'a Tally,
    listeners: Vec<Listener>,
    /// Of the last connection.
    number: u64,
    /// Which listener is asked first: each in its turn.
    first: usize,
    /// A shortage that was told and is not over.
    short: Option<Shortage>,
    /// The last one let in was refused after all: what was short still is.
    refused: bool,
    /// Whether each connection needs a bell for the operator's answer.
    asks: bool,
    known: HashSet<SocketAddr>,
    next_look: Option<Instant>,
}

impl<'a> Door<'a> {
    pub(super) fn new(host: &'a Host<'a>, tally: &'a Tally, listeners: Vec<Listener>, asks: bool) -> Self {
        let known = HashSet::new();
        Self {
            host,
            tally,
            listeners,
            number: 0,
            first: 0,
            short: None,
            refused: false,
            asks,
            known,
            next_look: None,
        }
    }

    /// The next connection; `None` once no more are accepted. `freed` rings when one has ended.
    pub(super) fn next(&mut self, freed: &Bell) -> Result<Option<Arrival>, TalkError> {
        if !self.refused {
            self.short = None;
        }
        let mut pause_until = None;
        while !self.listeners.is_empty() {
            let ready = self.wait(freed, pause_until)?;
            pause_until = pause_until.filter(|until| Instant::now() < *until && !ready.freed);
            if ready.stopped {
                self.stop();
            } else if let (None, Some(index)) = (pause_until, ready.listener) {
                match self.accept(index)? {
                    Knock::Came(arrival) => {
                        self.refused = false;
                        return Ok(Some(arrival));
                    }
                    Knock::NoRoom => pause_until = Some(Instant::now() + SHORTAGE_PAUSE),
                    Knock::Nobody => {}
                }
            }
        }
        Ok(None)
    }

    /// Whether it still listens.
    pub(super) fn is_open(&self) -> bool {
        !self.listeners.is_empty()
    }

    fn wait(&mut self, freed: &Bell, pause_until: Option<Instant>) -> Result<Ready, TalkError> {
        let mut watches =
            vec![Watch::new(self.host.stop.begun(), Interest::READ), Watch::new(freed, Interest::READ)];
        if pause_until.is_none() {
            watches
                .extend(self.listeners.iter().map(|listener| Watch::new(&listener.socket, Interest::READ)));
        }
        let timeout = pause_until.map(|until| until.saturating_duration_since(Instant::now()));
        host::wait(&mut watches, timeout).map_err(TalkError::resources("poll"))?;
        let ready: Vec<_> = watches.iter().map(|watch| watch.ready().read || watch.ready().failed).collect();
        if ready[1] {
            freed.silence();
        }
        let count = self.listeners.len();
        let listener = (0..count)
            .map(|step| (self.first + step) % count)
            .find(|index| ready.get(index + 2).copied().unwrap_or(false));
        Ok(Ready { stopped: ready[0], freed: ready[1], listener })
    }

    /// Accepts from one listener.
    fn accept(&mut self, index: usize) -> Result<Knock, TalkError> {
        self.first = index + 1;
        let Some(listener) = self.listeners.get(index) else { return Ok(Knock::Nobody) };
        // Before it is accepted: who cannot be given the answer had better wait in the queue.
        let Ok(bell) = self.asks.then(Bell::new).transpose() else {
            self.tell_short(Shortage::Descriptors);
            return Ok(Knock::NoRoom);
        };
        let (stream, peer) = match listener.socket.accept() {
            Ok(arrival) => arrival,
            Err(error) => {
                let shortage = match host::accept_fault(&error) {
                    AcceptFault::Nobody => return Ok(Knock::Nobody),
                    AcceptFault::Descriptors => Shortage::Descriptors,
                    AcceptFault::Memory => Shortage::Memory,
                    AcceptFault::Fatal => {
                        return Err(TalkError::Call { call: Call::Accept, address: listener.address, error });
                    }
                };
                self.tell_short(shortage);
                return Ok(Knock::NoRoom);
            }
        };
        self.known.remove(&peer);
        // Counted before it is told: whoever hears of it may stop the server at once.
        let open = self.tally.open.fetch_add(1, Ordering::Relaxed);
        self.number += 1;
        let number = self.number;
        let about = About { id: ConnectionId(number), peer };
        let local = stream.local_addr().unwrap_or(listener.address);
        self.host.reporter.tell(Some(about), &Told::Accepted { peer, local });
        let limit = self.host.limits.connections;
        if open >= limit {
            self.refuse(stream, about, Shortage::Connections(limit));
            return Ok(Knock::Nobody);
        }
        if let Err(Refusal { error, .. }) = options::apply(self.host.options, &SockRef::from(&stream)) {
            self.end_unserved(stream, about, Reason::Failed(Call::SetOption, error));
            return Ok(Knock::Nobody);
        }
        let served = self.tally.served.fetch_add(1, Ordering::Relaxed) + 1;
        if self.host.limits.accept.is_some_and(|most| served >= most) {
            self.close();
        }
        Ok(Knock::Came(Arrival { stream, about, bell: bell.map(Arc::new) }))
    }

    /// Ends a connection for which there is no room with RST, so that its client knows at once.
    pub(super) fn refuse(&mut self, stream: TcpStream, about: About, shortage: Shortage) {
        self.tell_short(shortage);
        self.refused = true;
        // It is about to be closed: without the option its client learns of it a little later.
        let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        self.end_unserved(stream, about, Reason::Limit);
    }

    fn end_unserved(&self, stream: TcpStream, about: About, reason: Reason) {
        drop(stream);
        self.tally.open.fetch_sub(1, Ordering::Relaxed);
        let end = End { reason, received: 0, sent: 0, unsent: 0, lasted: Duration::ZERO };
        self.host.reporter.tell(Some(about), &Told::Closed { end: &end });
    }

    fn tell_short(&mut self, of: Shortage) {
        if self.short != Some(of) {
            self.host.reporter.tell(None, &Told::Short { of });
        }
        self.short = Some(of);
    }

    /// Stops listening because the server is stopped: who still waits in the queue is cut.
    pub(super) fn stop(&mut self) {
        let cut = self.close();
        self.tally.cut.fetch_add(u64::from(cut), Ordering::Relaxed);
    }

    /// Stops listening. The kernel resets who still waits in the queue: that is told; how many.
    fn close(&mut self) -> u32 {
        let count =
            self.listeners.iter().filter_map(|listener| host::queue_length(&SockRef::from(&listener.socket)));
        let count: u32 = count.sum();
        self.listeners.clear();
        if count > 0 {
            self.host.reporter.tell(None, &Told::QueueCut { count });
        }
        count
    }

    /// What to watch while somebody is served: first that no more are to be accepted, then that
    /// somebody new waits outside. Nothing once it is closed.
    pub(super) fn watches(&self) -> impl Iterator<Item = Watch<'_>> {
        let quiet = self.next_look.is_some_and(|at| Instant::now() < at);
        let listeners = if quiet { &[][..] } else { &self.listeners[..] };
        let knocks = listeners.iter().map(|listener| Watch::new(&listener.socket, Interest::READ));
        let begun = self.is_open().then(|| Watch::new(self.host.stop.begun(), Interest::READ));
        begun.into_iter().chain(knocks)
    }

    /// When the door is to be looked at again: somebody waits there already.
    pub(super) fn next_look(&self) -> Option<Instant> {
        self.next_look.filter(|at| self.is_open() && Instant::now() < *at)
    }

    /// Tells of those who wait outside and were not told of yet.
    pub(super) fn look_who_waits(&mut self) {
        self.next_look = Some(Instant::now() + LOOK_PAUSE);
        let waiting: Vec<SocketAddr> = self
            .listeners
            .iter()
            .filter_map(|listener| host::queued_peers(listener.address))
            .flatten()
            .collect();
        let new: Vec<SocketAddr> =
            waiting.iter().copied().filter(|peer| !self.known.contains(peer)).collect();
        self.known = waiting.into_iter().collect();
        if !new.is_empty() {
            self.host.reporter.tell(None, &Told::Queued { peers: &new });
        }
    }
}

/// One who was let in.
pub(super) struct Arrival {
    pub(super) stream: TcpStream,
    pub(super) about: About,
    /// Rings when the operator has something to say; only where the service asks.
    pub(super) bell: Option<Arc<Bell>>,
}

/// What came of opening the door.
enum Knock {
    Came(Arrival),
    /// Nobody after all, or one who was sent away.
    Nobody,
    /// No descriptors or no memory: who waits outside goes on waiting.
    NoRoom,
}

struct Ready {
    stopped: bool,
    freed: bool,
    listener: Option<usize>,
}
