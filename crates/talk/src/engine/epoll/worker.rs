//! One thread: its epoll, its connections, and the loop that turns what the kernel tells into what they do.

mod hand;

use super::connection::{Connection, Turn};
use super::token::Token;
use crate::engine::balance::Pace;
use crate::engine::buffers::Buffers;
use crate::engine::busy::Spinner;
use crate::engine::carriage::{Carriers, Looks};
use crate::engine::crowd::{Crowd, Key};
use crate::engine::exchange::Exchange;
use crate::engine::gather::Gatherer;
use crate::engine::group::{Group, Intake, Queue};
use crate::engine::moves::next_thread;
use crate::engine::timers::Asked;
use crate::engine::{CutsAtPanic, Host, Tally, again};
use crate::error::TalkError;
use crate::reason::Call;
use crate::service::Service;
use crate::session::Session;
use crate::told::{About, Shortage};
use enchufe_sys::epoll::{Epoll, Events, Found, Watch};
use enchufe_sys::host::Bell;
use enchufe_sys::timer_slack;
use std::io;
use std::mem;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

/// Events that are taken at once; the others wait in the kernel.
const EVENTS: usize = 1024;
/// Events between two looks at the clock, which costs as much as a few per cent of a round trip.
const CLOCK: usize = 32;

pub(super) struct Worker<'h, S: Service> {
    thread: usize,
    group: &'h Group<'h>,
    exchange: &'h Exchange<S>,
    tally: &'h Tally,
    service: &'h S,
    epoll: Epoll,
    bell: Arc<Bell>,
    crowd: Crowd<'h, Connection<'h, S>>,
    spinner: Spinner,
    gatherer: Gatherer,
    buffers: Buffers,
    /// Connections that have more to do, which no event will tell.
    in_line: Vec<Key>,
    carriers: Carriers,
    arrivals: Vec<(TcpStream, About)>,
    intake: Intake,
    /// Where connections may be handed over.
    pace: Option<Pace<'h>>,
    /// What runs was ended: who comes from another thread is, too.
    is_cut: bool,
    asked: Asked,
}

impl<'h, S: Service> Worker<'h, S> {
    pub(super) fn new(
        (group, exchange): (&'h Group<'h>, &'h Exchange<S>),
        tally: &'h Tally,
        service: &'h S,
        thread: usize,
    ) -> Result<Self, TalkError> {
        let host = group.entrance.host;
        let epoll = Epoll::new().map_err(TalkError::resources("epoll_create1"))?;
        let worker = Self {
            thread,
            group,
            exchange,
            tally,
            service,
            epoll,
            bell: group.bell(thread)?,
            crowd: Crowd::new(host, service, next_thread(group, thread)),
            spinner: Spinner::new(host.limits.busy_poll),
            gatherer: Gatherer::new(host.limits.busy_poll),
            buffers: Buffers::with_large(host.limits.read_size, host.limits.stream_size),
            in_line: Vec::new(),
            carriers: Carriers::default(),
            arrivals: Vec::new(),
            intake: Intake::new(),
            pace: None,
            is_cut: false,
            asked: Asked::default(),
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
        self.pace = self.group.settle_in(self.thread)?;
        // With slack it sleeps longer than it wants to, which is all that comes of it.
        let _ = timer_slack::none();
        Ok(())
    }

    /// Serves until no more are accepted and the last connection is over.
    pub(super) fn run(mut self) -> Result<(), TalkError> {
        let _cut = CutsAtPanic(self.host().stop);
        let mut events = Events::with_room_for(EVENTS);
        let mut result = Ok(());
        while !(self.group.is_closed() && self.crowd.is_empty() && self.exchange.leave(self.thread)) {
            if let Err(error) = self.wait(&mut events) {
                self.group.close();
                // Nothing is known of the connections any more.
                self.end_all(|session| session.failed(Call::EpollWait, again(&error)));
                for guest in self.exchange.abandon(self.thread) {
                    guest.lose(self.host(), self.service, self.tally, (Call::EpollWait, again(&error)));
                }
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

    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let times = [self.crowd.next_time(), self.intake.until(), self.carriers.next()];
        let timeout = self.asked.asks(!self.in_line.is_empty(), times);
        self.gatherer.nap(timeout, || Ok(true))?;
        let epoll = &self.epoll;
        self.spinner.wait(timeout, |time| epoll.wait(events, time).map(|()| !events.is_empty()))
    }

    fn turn(&mut self, events: &Events) -> Result<(), TalkError> {
        let told = Instant::now();
        self.gatherer.asked(told, events.len(), self.buffers.received(), self.crowd.len());
        let mut now = told;
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
            if let Some(connection) = self.crowd.find(key) {
                connection.in_line = false;
                self.work(key, now);
            }
        }
        self.look_at_streams();
        let most = self.crowd.len() / EVENTS;
        if let Some(since) = self.asked.as_of(events.len() < EVENTS, most) {
            self.expire(since);
        }
        self.look_around(told);
        result
    }

    fn ready(&mut self, key: Key, found: Found, now: Instant) {
        if let Some(connection) = self.crowd.find(key) {
            connection.learn(found);
            if connection.is_carried() {
                // It has failed: that is found where it is looked at, and told until then.
                connection.carry(now);
            }
            self.work(key, now);
        }
    }

    /// Gives a connection its turn.
    fn work(&mut self, key: Key, now: Instant) {
        let Some((connection, _)) = self.crowd.get(key.place) else { return };
        let turn = connection.turn(&mut self.buffers, &self.carriers, now);
        match turn {
            Turn::More if !connection.in_line => {
                connection.in_line = true;
                self.in_line.push(key);
            }
            Turn::Boards => self.carriers.add(key, now),
            Turn::Done | Turn::More | Turn::Full => {}
        }
        let watch = connection.wants_told(turn);
        if watch != connection.watched && !connection.line.session.is_over() {
            match self.epoll.change(&connection.line.stream, Token::Connection(key).word(), watch) {
                Ok(()) => connection.watched = watch,
                Err(error) => connection.line.session.failed(Call::EpollCtl, error),
            }
        }
        connection.standing.turns = connection.standing.turns.saturating_add(1);
        if connection.line.session.is_over() {
            return self.finish(key.place);
        }
        if connection.standing.goes.is_none() || !self.hand_over(key.place) {
            self.settle(key.place, now);
        }
    }

    /// A connection has had its turn, and stays.
    fn settle(&mut self, place: usize, now: Instant) {
        let Some((connection, timers)) = self.crowd.get(place) else { return };
        let at = connection.line.deadline(now);
        timers.arm(place, &mut connection.standing.armed, at);
        if !connection.standing.is_kept {
            self.crowd.keep(place);
        }
    }

    /// Closes a connection that is over, and tells of its end.
    fn finish(&mut self, place: usize) {
        if let Some(mut connection) = self.crowd.remove(place) {
            connection.alight();
            let session = connection.line.close(&mut self.buffers);
            self.tally.ended(session);
            self.group.freed();
        }
    }

    fn expire(&mut self, now: Instant) {
        if self.intake.until().is_some_and(|until| now >= until) {
            self.look_at_queue();
        }
        while let Some(key) = self.crowd.expired(now) {
            if let Some(connection) = self.crowd.find(key) {
                connection.line.expire(now);
                self.work(key, now);
            }
        }
    }

    /// Lets in who waits at one listener.
    fn accept(&mut self, index: usize, now: Instant) -> Result<(), TalkError> {
        let mut arrivals = mem::take(&mut self.arrivals);
        let queue = self.group.accept((self.thread, index), self.intake.most(), &mut arrivals);
        for (stream, about) in arrivals.drain(..) {
            self.open(stream, about, now);
        }
        self.arrivals = arrivals;
        let queue = queue?;
        self.intake.learn(queue);
        if queue == Queue::Stuck && self.intake.leave(self.group, now) {
            // To watch for less takes nothing that the kernel could lack.
            let _ = self.watch_queue(Watch::Nothing);
        }
        Ok(())
    }

    fn open(&mut self, stream: TcpStream, about: About, now: Instant) {
        let key = self.crowd.next_key(about.id);
        if self.epoll.add(&stream, Token::Connection(key).word(), Watch::Arrivals).is_err() {
            return self.group.entrance.turn_away(stream, about, Shortage::Watches);
        }
        self.group.entrance.had_room(about);
        let bell = S::ASKS.then(|| Arc::clone(&self.bell));
        let session =
            Session::open(self.group.entrance.host, self.service, about, bell, (now, SystemTime::now()));
        let mut connection = Connection::new(session, stream);
        connection.standing.goes = self.crowd.next_thread();
        self.crowd.insert(connection);
        self.work(key, now);
    }

    fn look_at_queue(&mut self) {
        if self.intake.until().is_none() {
            return;
        }
        if self.watch_queue(Watch::Readable).is_err() && !self.group.is_closed() {
            self.intake.leave(self.group, Instant::now());
        } else {
            self.intake.come_back(self.group);
        }
    }

    fn watch_queue(&self, watch: Watch) -> io::Result<()> {
        self.group.each_listener(self.thread, |(index, listener)| {
            self.epoll.change(&listener.socket, Token::Listener(index).word(), watch)
        })
    }

    /// Something changed at the door, or the operator has something to say.
    fn rang(&mut self, now: Instant) {
        self.bell.silence();
        self.take_in(now);
        self.look_at_queue();
        if !S::ASKS {
            return;
        }
        for key in self.crowd.asking() {
            if let Some(connection) = self.crowd.find(key) {
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
        for place in self.crowd.places() {
            if let Some((connection, _)) = self.crowd.get(place) {
                end(&mut connection.line.session);
                self.finish(place);
            }
        }
    }
}

impl<S: Service> Looks for Worker<'_, S> {
    fn carriers(&mut self) -> &mut Carriers {
        &mut self.carriers
    }

    fn look_at(&mut self, key: Key, now: Instant) -> Option<bool> {
        let more = self.crowd.find(key)?.carry(now);
        self.work(key, now);
        self.crowd.find(key).filter(|connection| connection.is_carried()).map(|_| more)
    }
}
