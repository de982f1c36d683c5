//! One thread: its epoll, its connections, and the loop that turns what the kernel tells into what they do.

mod hand;

use super::connection::{Connection, Place, Turn};
use crate::engine::balance::Pace;
use crate::engine::buffers::Buffers;
use crate::engine::busy::Spinner;
use crate::engine::entrance::SHORTAGE_PAUSE;
use crate::engine::exchange::Exchange;
use crate::engine::gather::{Gatherer, NAP};
use crate::engine::group::{Group, Queue};
use crate::engine::moves::next_thread;
use crate::engine::timers::Timers;
use crate::engine::{CutsAtPanic, Host, Tally};
use crate::error::TalkError;
use crate::reason::Call;
use crate::service::Service;
use crate::session::Session;
use crate::told::{About, ConnectionId, Shortage};
use enchufe_sys::affinity::run_on;
use enchufe_sys::epoll::{Epoll, Events, Found, Watch};
use enchufe_sys::host::Bell;
use enchufe_sys::timer_slack;
use hand::Guest;
use slab::Slab;
use std::collections::VecDeque;
use std::io;
use std::mem;
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// Events that are taken at once; the others wait in the kernel.
const EVENTS: usize = 1024;
/// Connections that are let in before those that are there have their turn.
const MOST_ARRIVALS: usize = 64;
/// Events between two looks at the clock, which costs as much as a few per cent of a round trip.
const CLOCK: usize = 32;

pub(super) struct Worker<'h, S: Service> {
    thread: usize,
    group: &'h Group<'h>,
    exchange: &'h Exchange<Guest<S>>,
    tally: &'h Tally,
    service: &'h S,
    epoll: Epoll,
    bell: Arc<Bell>,
    connections: Slab<Place<S>>,
    /// Those of them that are not parked.
    busy: Slab<Connection<'h, S>>,
    /// Connections that are not parked between their turns.
    kept: VecDeque<Key>,
    timers: Timers,
    spinner: Spinner,
    gatherer: Gatherer,
    buffers: Buffers,
    /// Connections that have more to do, which no event will tell.
    in_line: Vec<Key>,
    arrivals: Vec<(TcpStream, About)>,
    /// How many are let in at once: as many as lately came.
    batch: usize,
    /// The queue is left alone until then.
    short_until: Option<Instant>,
    /// Where connections may be handed over.
    pace: Option<Pace<'h>>,
    /// What runs was ended: who comes from another thread is, too.
    is_cut: bool,
    /// The kernel has more to tell than fits into one answer since then, and so many answers were full.
    asking_since: Option<Instant>,
    full_answers: usize,
}

/// A connection by its place, and by its number, for the place may be another's by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    place: usize,
    number: u32,
}

/// Whom an event is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Begun,
    Cutting,
    Bell,
    Listener(usize),
    Connection(Key),
}

/// Places from here on are no connection's: a process has fewer descriptors.
const FIRST_OTHER: u32 = 0xFFFF_0000;

impl Token {
    fn word(self) -> u64 {
        let low = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
        let (low, high) = match self {
            Self::Begun => (FIRST_OTHER, 0),
            Self::Cutting => (FIRST_OTHER + 1, 0),
            Self::Bell => (FIRST_OTHER + 2, 0),
            Self::Listener(index) => (low(index).saturating_add(FIRST_OTHER + 3), 0),
            Self::Connection(Key { place, number }) => (low(place), number),
        };
        u64::from(high) << 32 | u64::from(low)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the halves of a word")]
    fn of(word: u64) -> Self {
        match word as u32 {
            place if place < FIRST_OTHER => {
                Self::Connection(Key { place: place as usize, number: (word >> 32) as u32 })
            }
            FIRST_OTHER => Self::Begun,
            other => match other - FIRST_OTHER {
                1 => Self::Cutting,
                2 => Self::Bell,
                index => Self::Listener(index as usize - 3),
            },
        }
    }
}

/// The low half of a connection's number: two of one place are not 2³² apart while an event is in hand.
#[expect(clippy::cast_possible_truncation, reason = "it only tells neighbours apart")]
fn number(id: ConnectionId) -> u32 {
    id.0 as u32
}

impl<'h, S: Service> Worker<'h, S> {
    pub(super) fn new(
        (group, exchange): (&'h Group<'h>, &'h Exchange<Guest<S>>),
        tally: &'h Tally,
        service: &'h S,
        thread: usize,
    ) -> Result<Self, TalkError> {
        let host = group.entrance.host;
        let epoll = Epoll::new().map_err(TalkError::resources("epoll_create1"))?;
        let bell = match group.bell(thread) {
            Some(bell) => bell,
            None => Bell::new().map(Arc::new).map_err(TalkError::resources("eventfd"))?,
        };
        let worker = Self {
            thread,
            group,
            exchange,
            tally,
            service,
            epoll,
            bell,
            connections: Slab::new(),
            busy: Slab::new(),
            kept: VecDeque::new(),
            timers: Timers::default(),
            spinner: Spinner::new(host.limits.busy_poll),
            gatherer: Gatherer::new(host.limits.busy_poll),
            buffers: Buffers::with_large(host.limits.read_size, host.limits.stream_size),
            in_line: Vec::new(),
            arrivals: Vec::new(),
            batch: 1,
            short_until: None,
            pace: None,
            is_cut: false,
            asking_since: None,
            full_answers: 0,
        };
        worker.watch(host).map_err(TalkError::resources("epoll_ctl"))?;
        Ok(worker)
    }

    /// Watches all but connections.
    fn watch(&self, host: &Host<'_>) -> io::Result<()> {
        // The two of the stop stay ready once they are: told once.
        self.epoll.add(host.stop.begun(), Token::Begun.word(), Watch::Arrivals)?;
        self.epoll.add(host.stop.cutting(), Token::Cutting.word(), Watch::Arrivals)?;
        self.epoll.add(&*self.bell, Token::Bell.word(), Watch::Readable)?;
        self.group.each_listener(self.thread, |(index, listener)| {
            self.epoll.add(&listener.socket, Token::Listener(index).word(), Watch::Readable)
        })
    }

    /// Makes the calling thread the worker's.
    pub(super) fn settle_in(&mut self) -> Result<(), TalkError> {
        if let Some(processor) = self.host().limits.processor_of(self.thread) {
            run_on(processor).map_err(TalkError::resources("sched_setaffinity"))?;
        }
        // With slack it sleeps longer than it wants to, which is all that comes of it.
        let _ = timer_slack::none();
        self.pace = self.group.balance.as_ref().and_then(|balance| balance.enter(self.thread));
        Ok(())
    }

    /// Serves until no more are accepted and the last connection is over.
    pub(super) fn run(mut self) -> Result<(), TalkError> {
        let _cut = CutsAtPanic(self.host().stop);
        let mut events = Events::with_room_for(EVENTS);
        let mut result = Ok(());
        while !(self.group.is_closed() && self.connections.is_empty() && self.exchange.leave(self.thread)) {
            let (timeout, epoll) = (self.timeout(), &self.epoll);
            if self.gatherer.naps() && timeout != Some(Duration::ZERO) {
                thread::sleep(NAP);
            }
            let look = |time| epoll.wait(&mut events, time).map(|()| !events.is_empty());
            if let Err(error) = self.spinner.wait(timeout, look) {
                self.group.close();
                // Nothing is known of the connections any more.
                let again = || error.raw_os_error().map_or(error.kind().into(), io::Error::from_raw_os_error);
                self.end_all(|session| session.failed(Call::EpollWait, again()));
                return Err(TalkError::Resources { call: "epoll_wait", error });
            }
            if let Err(error) = self.turn(&events) {
                // Those who are there are served to their end.
                self.group.close();
                result = result.and(Err(error));
            }
        }
        result
    }

    fn host(&self) -> &'h Host<'h> {
        self.group.entrance.host
    }

    fn timeout(&self) -> Option<Duration> {
        if !self.in_line.is_empty() {
            return Some(Duration::ZERO);
        }
        let next = [self.timers.next(), self.short_until].into_iter().flatten().min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    fn turn(&mut self, events: &Events) -> Result<(), TalkError> {
        let asked = Instant::now();
        self.gatherer.asked(asked, events.len(), self.buffers.received(), self.connections.len());
        let mut now = asked;
        let mut result = Ok(());
        for (index, found) in events.iter().enumerate() {
            if index % CLOCK == CLOCK - 1 {
                now = Instant::now();
            }
            match Token::of(found.token) {
                Token::Connection(key) => self.ready(key, found, now),
                Token::Listener(index) => result = result.and(self.accept(index, now)),
                Token::Bell => self.rang(now),
                Token::Begun => self.group.stop(),
                Token::Cutting => self.cut(),
            }
        }
        for key in mem::take(&mut self.in_line) {
            now = Instant::now();
            if let Some(connection) = self.find(key) {
                connection.in_line = false;
                self.work(key, now);
            }
        }
        self.expire_as_of(asked, events.len() < EVENTS);
        self.look_around(asked);
        result
    }

    /// The connection, if it is still there: as a whole, until the end of [`Self::work`].
    fn find(&mut self, key: Key) -> Option<&mut Connection<'h, S>> {
        let place = self.connections.get_mut(key.place).filter(|place| number(place.id()) == key.number)?;
        if let Place::Busy(index, _) = *place {
            return self.busy.get_mut(index);
        }
        let entry = self.busy.vacant_entry();
        let whole = Place::Busy(entry.key(), place.id());
        let Place::Parked(idle) = mem::replace(place, whole) else { return None };
        let (host, since) = (self.group.entrance.host, self.timers.since());
        let connection = entry.insert(Connection::wake(idle, host, self.service, since));
        connection.goes = next_thread(self.group, self.thread);
        Some(connection)
    }

    /// Of whoever is in this place.
    fn key(&self, place: usize) -> Option<Key> {
        self.connections.get(place).map(|found| Key { place, number: number(found.id()) })
    }

    fn ready(&mut self, key: Key, found: Found, now: Instant) {
        if let Some(connection) = self.find(key) {
            connection.learn(found);
            self.work(key, now);
        }
    }

    /// Gives a connection that [`Self::find`] has found its turn.
    fn work(&mut self, key: Key, now: Instant) {
        let Some(Place::Busy(index, _)) = self.connections.get(key.place) else { return };
        let Some(connection) = self.busy.get_mut(*index) else { return };
        match connection.turn(&mut self.buffers, now) {
            Turn::Done => {}
            Turn::More if connection.in_line => {}
            Turn::More => {
                connection.in_line = true;
                self.in_line.push(key);
            }
            Turn::Full if connection.watches_room => {}
            Turn::Full => {
                let socket = &connection.line.stream;
                match self.epoll.change(socket, Token::Connection(key).word(), Watch::Changes) {
                    Ok(()) => connection.watches_room = true,
                    Err(error) => connection.line.session.failed(Call::EpollCtl, error),
                }
            }
        }
        connection.turns = connection.turns.saturating_add(1);
        if connection.line.session.is_over() {
            return self.finish(key.place);
        }
        if connection.goes.is_none() || !self.hand_over(key) {
            self.settle(key, now);
        }
    }

    /// A connection has had its turn, and stays.
    fn settle(&mut self, key: Key, now: Instant) {
        let Some(Place::Busy(index, _)) = self.connections.get(key.place) else { return };
        let Some(connection) = self.busy.get_mut(*index) else { return };
        let at = connection.line.deadline(now);
        self.timers.arm(key.place, &mut connection.armed, at);
        if !connection.is_kept {
            connection.is_kept = true;
            self.keep(key);
        }
    }

    /// One more is ready for its next turn, and the one that has been so for longest no longer.
    fn keep(&mut self, key: Key) {
        self.kept.push_back(key);
        let oldest = if self.kept.len() > self.host().limits.kept { self.kept.pop_front() } else { None };
        let Some(oldest) = oldest else { return };
        let Some(place) = self.connections.get_mut(oldest.place) else { return };
        let &mut Place::Busy(index, id) = place else { return };
        let Some(connection) = self.busy.get_mut(index).filter(|_| number(id) == oldest.number) else {
            return;
        };
        connection.is_kept = false;
        if let Some(session) = connection.park(self.timers.since()) {
            *place = Place::Parked(self.busy.remove(index).into_idle(session));
        }
    }

    /// Closes a connection that is over, and tells of its end.
    fn finish(&mut self, place: usize) {
        let Some(Place::Busy(index, _)) = self.connections.try_remove(place) else { return };
        let Some(mut connection) = self.busy.try_remove(index) else { return };
        self.timers.disarm(&mut connection.armed);
        let session = connection.line.close(&mut self.buffers);
        self.tally.ended(session);
        self.group.freed();
    }

    /// Times are over only where the kernel was asked since, and had told all: what has come while this thread was held
    /// up, by a slow reader of what it tells, is there and not known.
    fn expire_as_of(&mut self, asked: Instant, told_all: bool) {
        let since = *self.asking_since.get_or_insert(asked);
        self.full_answers += 1;
        // It tells of each in its turn, however many there are.
        if told_all || self.full_answers > self.connections.len() / EVENTS {
            (self.asking_since, self.full_answers) = (None, 0);
            self.expire(since);
        }
    }

    fn expire(&mut self, now: Instant) {
        if self.short_until.is_some_and(|until| now >= until) {
            self.look_at_queue();
        }
        while let Some(place) = self.timers.pop(now) {
            let Some(key) = self.key(place) else { continue };
            let Some(connection) = self.find(key) else { continue };
            connection.armed.cleared();
            connection.line.expire(now);
            self.work(key, now);
        }
    }

    /// Lets in who waits at one listener.
    fn accept(&mut self, index: usize, now: Instant) -> Result<(), TalkError> {
        let mut arrivals = mem::take(&mut self.arrivals);
        let queue = self.group.accept((self.thread, index), self.batch, &mut arrivals);
        for (stream, about) in arrivals.drain(..) {
            self.open(stream, about, now);
        }
        self.arrivals = arrivals;
        match queue? {
            Queue::More => self.batch = (self.batch * 2).min(MOST_ARRIVALS),
            Queue::Empty => self.batch = (self.batch / 2).max(1),
            Queue::Stuck => self.leave_queue(now),
        }
        Ok(())
    }

    fn open(&mut self, stream: TcpStream, about: About, now: Instant) {
        let entry = self.connections.vacant_entry();
        let key = Key { place: entry.key(), number: number(about.id) };
        if self.epoll.add(&stream, Token::Connection(key).word(), Watch::Arrivals).is_err() {
            return self.group.entrance.turn_away(Some(stream), about, Shortage::Watches);
        }
        self.group.entrance.had_room();
        let bell = S::ASKS.then(|| Arc::clone(&self.bell));
        let session =
            Session::open(self.group.entrance.host, self.service, about, bell, (now, SystemTime::now()));
        let mut connection = Connection::new(session, stream);
        connection.goes = next_thread(self.group, self.thread);
        entry.insert(Place::Busy(self.busy.insert(connection), about.id));
        self.work(key, now);
    }

    /// There is no room for who waits: the kernel would tell of them again and again.
    fn leave_queue(&mut self, now: Instant) {
        if self.short_until.is_none() {
            self.group.waits(true);
            self.watch_queue(Watch::Nothing);
        }
        self.short_until = Some(now + SHORTAGE_PAUSE);
    }

    fn look_at_queue(&mut self) {
        if self.short_until.take().is_some() {
            self.group.waits(false);
            self.watch_queue(Watch::Readable);
        }
    }

    fn watch_queue(&self, watch: Watch) {
        // What can fail here is only to change what is not watched.
        let _ = self.group.each_listener(self.thread, |(index, listener)| {
            self.epoll.change(&listener.socket, Token::Listener(index).word(), watch)
        });
    }

    /// Something changed at the door, or the operator has something to say.
    fn rang(&mut self, now: Instant) {
        self.bell.silence();
        self.take_in(now);
        self.look_at_queue();
        if !S::ASKS {
            return;
        }
        let is_asking = |index| self.busy.get(index).is_some_and(|one| one.line.session.is_asking());
        let asking = self.connections.iter().filter_map(|(place, found)| match *found {
            Place::Busy(index, id) if is_asking(index) => Some(Key { place, number: number(id) }),
            _ => None,
        });
        for key in asking.collect::<Vec<_>>() {
            if let Some(connection) = self.find(key) {
                connection.line.session.rang(now);
                self.work(key, now);
            }
        }
    }

    /// Ends what still runs.
    fn cut(&mut self) {
        self.group.stop();
        self.is_cut = true;
        self.end_all(Session::interrupted);
    }

    fn end_all(&mut self, end: impl Fn(&mut Session<'h, S, usize>)) {
        let places: Vec<usize> = self.connections.iter().map(|(place, _)| place).collect();
        for place in places {
            if let Some(connection) = self.key(place).and_then(|key| self.find(key)) {
                end(&mut connection.line.session);
                self.finish(place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written() {
        let connection = |place, number| Token::Connection(Key { place, number });
        let tokens = [
            Token::Begun,
            Token::Cutting,
            Token::Bell,
            Token::Listener(0),
            Token::Listener(999),
            connection(0, 0),
            connection(FIRST_OTHER as usize - 1, u32::MAX),
        ];
        for token in tokens {
            assert_eq!(Token::of(token.word()), token);
        }
    }
}
