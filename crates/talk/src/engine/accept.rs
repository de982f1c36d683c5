//! The door of an engine that accepts in one thread: its listeners, and who waits outside.

use super::entrance::{Entrance, Nobody, SHORTAGE_PAUSE};
use super::{Host, Tally};
use crate::error::TalkError;
use crate::listen::Listener;
use crate::told::{About, Shortage, Told};
use enchufe_sys::host::{self, Bell, Interest, Watch};
use std::collections::HashSet;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often those who wait are looked at.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Door<'a> {
    entrance: Entrance<'a>,
    listeners: Vec<Listener>,
    /// Which listener is asked first: each in its turn.
    first: usize,
    /// The last one let in, unless it was refused after all.
    let_in: Option<About>,
    /// Whether each connection needs a bell for the operator's answer.
    asks: bool,
    known: HashSet<SocketAddr>,
    next_look: Option<Instant>,
}

impl<'a> Door<'a> {
    pub(super) fn new(host: &'a Host<'a>, tally: &'a Tally, listeners: Vec<Listener>, asks: bool) -> Self {
        let entrance = Entrance::new(host, tally, false);
        // Others go as the system sends them, as do those of the program that a connection may be handed to.
        if host.tls.is_some() {
            Entrance::hasten(&listeners);
        }
        let known = HashSet::new();
        Self { entrance, listeners, first: 0, let_in: None, asks, known, next_look: None }
    }

    /// The next connection; `None` once no more are accepted. `freed` rings when one has ended.
    pub(super) fn next(&mut self, freed: &Bell) -> Result<Option<Arrival>, TalkError> {
        let next = self.wait_for_one(freed);
        if next.is_err() {
            // Those who are there are served to their end, which may be far; nobody is to wait for it outside.
            self.entrance.close(std::mem::take(&mut self.listeners));
        }
        next
    }

    fn wait_for_one(&mut self, freed: &Bell) -> Result<Option<Arrival>, TalkError> {
        if let Some(about) = self.let_in.take() {
            self.entrance.had_room(about);
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
                        self.let_in = Some(arrival.about);
                        return Ok(Some(arrival));
                    }
                    Knock::Nobody(Nobody::Room) => pause_until = Some(Instant::now() + SHORTAGE_PAUSE),
                    Knock::Nobody(Nobody::There) => {}
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
        let begun = self.entrance.host.stop.begun();
        let mut watches = vec![Watch::new(begun, Interest::READ), Watch::new(freed, Interest::READ)];
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
        let Some(listener) = self.listeners.get(index) else { return Ok(Knock::Nobody(Nobody::There)) };
        // Before it is accepted: who cannot be given the answer had better wait in the queue.
        let Ok(bell) = self.asks.then(Bell::new).transpose() else {
            self.entrance.tell_short(Shortage::Descriptors);
            return Ok(Knock::Nobody(Nobody::Room));
        };
        let (stream, peer) = match host::accept(&listener.socket) {
            Ok(arrival) => arrival,
            Err(error) => return self.entrance.fault(error, listener.address).map(Knock::Nobody),
        };
        self.known.remove(&peer);
        let local = stream.local_addr().unwrap_or(listener.address);
        let Some((stream, about)) = self.entrance.admit(stream, peer, local) else {
            return Ok(Knock::Nobody(Nobody::There));
        };
        if self.entrance.serves() {
            self.entrance.close(std::mem::take(&mut self.listeners));
        }
        Ok(Knock::Came(Arrival { stream, about, bell: bell.map(Arc::new) }))
    }

    /// Ends one that was let in with RST: there is no room for it after all.
    pub(super) fn refuse(&mut self, stream: TcpStream, about: About, shortage: Shortage) {
        self.entrance.turn_away(stream, about, shortage);
        self.let_in = None;
    }

    /// Stops listening because the server is stopped: who still waits in the queue is cut.
    pub(super) fn stop(&mut self) {
        self.entrance.stop(std::mem::take(&mut self.listeners));
    }

    /// What to watch while somebody is served: first that no more are to be accepted, then that
    /// somebody new waits outside. Nothing once it is closed.
    pub(super) fn watches(&self) -> impl Iterator<Item = Watch<'_>> {
        let quiet = self.next_look.is_some_and(|at| Instant::now() < at);
        let listeners = if quiet { &[][..] } else { &self.listeners[..] };
        let knocks = listeners.iter().map(|listener| Watch::new(&listener.socket, Interest::READ));
        let begun = self.entrance.host.stop.begun();
        self.is_open().then(|| Watch::new(begun, Interest::READ)).into_iter().chain(knocks)
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
            self.entrance.host.reporter.tell(None, &Told::Queued { peers: &new });
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
    Nobody(Nobody),
}

struct Ready {
    stopped: bool,
    freed: bool,
    listener: Option<usize>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listen::{self, Plan};
    use crate::stop::Stop;
    use crate::tls::samples::{SERVER, SERVER_KEY, identity};
    use crate::told::Silent;
    use std::net::TcpStream;
    use std::time::SystemTime;

    #[test]
    fn only_what_tls_sends_goes_at_once() {
        let identity = identity(SERVER, SERVER_KEY, SystemTime::now());
        for tls in [None, Some(&identity)] {
            let (stop, tally) = (Stop::new().unwrap(), Tally::default());
            let host = Host { tls, ..Host::new(&Silent, &stop) };
            let endpoint = ["127.0.0.1:0".parse().unwrap()];
            let listeners = listen::open(&Plan::new(&endpoint), &Silent, &stop).unwrap();
            let address = listeners[0].address();
            let mut door = Door::new(&host, &tally, listeners, false);
            let _client = TcpStream::connect(address).unwrap();
            let arrival = door.next(&Bell::new().unwrap()).unwrap().unwrap();
            assert_eq!(arrival.stream.nodelay().unwrap(), tls.is_some());
        }
    }
}
