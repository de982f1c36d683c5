//! One thread: its rings, its connections, and the loop that turns what is done into what is to be done.

mod arrive;
mod hand;

use super::batch::Batch;
use super::connection::Connection;
use super::door::Doors;
use super::rings::{Prepared, Rings, feeds};
use super::token::Token;
use crate::engine::balance::Pace;
use crate::engine::busy::Spinner;
use crate::engine::carriage::{Carriers, Looks};
use crate::engine::crowd::{Crowd, Key};
use crate::engine::exchange::Exchange;
use crate::engine::gather::Gatherer;
use crate::engine::group::{Group, Intake};
use crate::engine::moves::next_thread;
use crate::engine::timers::Asked;
use crate::engine::{CutsAtPanic, Host, Tally, again};
use crate::error::TalkError;
use crate::reason::Call;
use crate::service::Service;
use crate::told::About;
use enchufe_sys::host::Bell;
use enchufe_sys::io_uring::{Completion, Ring, Until};
use std::io;
use std::mem;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Completions of one turn; the others are taken in the next.
const MOST: usize = 4096;
/// Completions between two looks at the clock.
const CLOCK: usize = 32;

pub(super) struct Worker<'h, S: Service> {
    thread: usize,
    group: &'h Group<'h>,
    exchange: &'h Exchange<S>,
    tally: &'h Tally,
    service: &'h S,
    rings: Rings,
    doors: Doors,
    bell: Arc<Bell>,
    crowd: Crowd<'h, Connection<'h, S>>,
    spinner: Spinner,
    /// Connections that found no buffer.
    starved: Vec<Key>,
    carriers: Carriers,
    arrivals: Vec<(TcpStream, About)>,
    intake: Intake,
    /// What the kernel could not watch for want of memory; it is asked again then.
    deaf: Vec<Token>,
    /// What a wait is for.
    waits: Batch,
    gatherer: Gatherer,
    /// What came from outside: pieces and newcomers, in this turn; bytes, so far.
    came: (usize, u64),
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
        first: Prepared,
    ) -> Result<Self, TalkError> {
        let host = group.entrance.host;
        let bell = group.bell(thread)?;
        let rings = Rings::new(first, Arc::clone(&bell));
        Ok(Self {
            thread,
            group,
            exchange,
            tally,
            service,
            rings,
            doors: Doors::new::<S>(host, thread),
            bell,
            crowd: Crowd::new(host, service, next_thread(group, thread)),
            spinner: Spinner::new(host.limits.busy_poll),
            starved: Vec::new(),
            carriers: Carriers::default(),
            arrivals: Vec::new(),
            intake: Intake::new(),
            deaf: Vec::new(),
            waits: Batch::new(),
            gatherer: Gatherer::new(host.limits.busy_poll),
            came: (0, 0),
            pace: None,
            is_cut: false,
            asked: Asked::default(),
        })
    }

    fn host(&self) -> &'h Host<'h> {
        self.group.entrance.host
    }

    /// Serves until no more are accepted and the last connection is over.
    pub(super) fn run(mut self) -> Result<(), TalkError> {
        let _cut = CutsAtPanic(self.host().stop);
        let mut result = Ok(());
        self.open_doors();
        while !(self.group.is_closed() && self.crowd.is_empty() && self.exchange.leave(self.thread)) {
            if let Err(error) = self.wait() {
                self.group.close();
                self.lose_all(&error);
                return Err(TalkError::Resources { call: "io_uring_enter", error });
            }
            if let Err(error) = self.turn() {
                // Those who are there are served to their end.
                self.group.close();
                result = result.and(Err(error));
            }
        }
        // A connection that went to another thread is not closed before its slot here is empty.
        let _ = self.rings.wait(Some(Duration::ZERO), Until::One);
        result
    }

    /// What its own thread is to do before anybody is let in.
    pub(super) fn settle_in(&mut self) -> Result<(), TalkError> {
        self.pace = self.group.settle_in(self.thread)?;
        self.rings.enable().map_err(TalkError::resources("io_uring_register"))?;
        for token in [Token::Begun, Token::Cutting, Token::Bell] {
            self.hear_of(token);
        }
        Ok(())
    }

    fn wait(&mut self) -> io::Result<()> {
        let timeout = self
            .asked
            .asks(self.rings.has_news(), [self.crowd.next_time(), self.intake.until(), self.carriers.next()]);
        let (until, rings) = (self.waits.until(), &mut self.rings);
        if !self.starved.is_empty() {
            // What is sent gives buffers back.
            rings.hurry();
        }
        self.gatherer.nap(timeout, || {
            // A wait for several is a sleep already.
            if until == Until::One {
                // What is to be begun does not wait, and may tell something at once.
                rings.wait(Some(Duration::ZERO), until)?;
            }
            Ok(until == Until::One && !rings.has_news())
        })?;
        self.spinner.wait(timeout, |time| {
            if time != Some(Duration::ZERO) || rings.is_worth_a_look() {
                rings.wait(time, until)?;
            }
            Ok(rings.has_news())
        })
    }

    fn turn(&mut self) -> Result<(), TalkError> {
        let told = Instant::now();
        let (mut now, mut count, mut result) = (told, 0, Ok(()));
        self.came.0 = 0;
        for index in 0..self.rings.len() {
            while count < MOST
                && let Some(came) = self.rings.get(index).and_then(Ring::take)
            {
                count += 1;
                if count % CLOCK == 0 {
                    now = Instant::now();
                }
                result = result.and(self.handle(index, came, now));
            }
        }
        self.feed(now);
        self.look_at_streams();
        let told_all = count < MOST && !self.rings.has_news();
        if let Some(since) = self.asked.as_of(told_all, self.crowd.len() / MOST + 16) {
            self.expire(since);
        }
        self.gatherer.asked(told, self.came.0, self.came.1, self.crowd.len());
        self.look_around(told);
        result
    }

    fn handle(&mut self, ring: usize, came: Completion, now: Instant) -> Result<(), TalkError> {
        match Token::of(came.token) {
            Token::Ignored => {}
            deaf @ (Token::Begun | Token::Cutting | Token::Bell) if came.has_failed() => {
                self.deaf.push(deaf);
                self.intake.leave(self.group, now);
            }
            Token::Begun => {
                self.group.stop();
                self.doors.shut(&mut self.rings);
            }
            Token::Cutting => self.cut(now),
            Token::Bell => self.rang(now),
            Token::Knock(index) => return self.knocked(index, came, now),
            Token::Arrival(index) => return self.arrived(ring, index, came, now),
            Token::Close(place) => self.closed(place),
            Token::Send(place) if self.hear_late(place, came, now) => {}
            Token::Receive(place)
            | Token::Send(place)
            | Token::Room(place)
            | Token::Watch(place)
            | Token::Cancel(place)
            | Token::Fin(place)
            | Token::Error(place) => self.done(place, came, now),
        }
        Ok(())
    }

    /// Has a connection hear that all is sent, if there is nothing to begin then: with many connections that is every other thing that is
    /// told. Whether it was so.
    fn hear_late(&mut self, place: usize, came: Completion, now: Instant) -> bool {
        let Some((connection, _)) = self.crowd.get(place) else { return false };
        let Some(ring) = self.rings.get(connection.spot.ring.into()) else { return false };
        connection.hear_late(came, ring, now)
    }

    /// An operation on a connection has told something.
    fn done(&mut self, at: usize, came: Completion, now: Instant) {
        if came.piece.is_some() {
            self.came = (self.came.0 + 1, self.came.1 + u64::from(came.count()));
        }
        let waits = &mut self.waits;
        let begin = |connection: &mut Connection<'h, S>, ring: &mut Ring| match Token::of(came.token) {
            Token::Receive(_) => {
                if came.piece.is_some() {
                    let ahead = connection.is_answering();
                    waits.came(&mut connection.window, ahead, now);
                }
                connection.received(came, ring, now);
            }
            Token::Send(_) => connection.sent(came, ring, at, now),
            Token::Room(_) => connection.has_room(came, now),
            Token::Watch(_) => connection.changed(came, ring, at),
            Token::Error(_) => connection.knows_what_failed(came, ring, at),
            Token::Fin(_) => connection.finished(now),
            _ => connection.cancelled(),
        };
        if work(&mut self.crowd, &mut self.rings, (&mut self.starved, &mut self.carriers), at, now, begin) {
            self.hand_over(at, now);
        }
    }

    /// Does something with a connection, and begins what is to be done on it then.
    fn work(&mut self, place: usize, now: Instant, begin: impl FnOnce(&mut Connection<'h, S>, &mut Ring)) {
        if work(&mut self.crowd, &mut self.rings, (&mut self.starved, &mut self.carriers), place, now, begin)
        {
            self.hand_over(place, now);
        }
    }

    /// The socket of a connection is closed.
    fn closed(&mut self, place: usize) {
        if let Some(connection) = self.crowd.remove(place) {
            self.rings.freed(connection.spot.ring.into());
            self.tally.ended(connection.session);
            self.group.freed();
        }
    }

    /// Has those receive that found no buffer, once there are some again.
    fn feed(&mut self, now: Instant) {
        if self.starved.is_empty() || !self.rings.feed() {
            return;
        }
        for key in mem::take(&mut self.starved) {
            if !self.crowd.is_there(key) {
                continue;
            }
            self.work(key.place, now, |connection, ring| {
                connection.is_starved = !feeds(ring);
            });
            if self.crowd.get(key.place).is_some_and(|(connection, _)| connection.is_starved) {
                self.starved.push(key);
            }
        }
    }

    fn expire(&mut self, now: Instant) {
        if self.intake.until().is_some_and(|until| now >= until) {
            self.look_at_queue();
        }
        while let Some(key) = self.crowd.expired(now) {
            self.work(key.place, now, |connection, ring| connection.expire(ring, now));
        }
    }

    /// Has the kernel tell of the stop, or of the bell.
    fn hear_of(&mut self, token: Token) {
        let (stop, ring) = (self.host().stop, self.rings.first());
        match token {
            Token::Begun => ring.readable(stop.begun(), token.word()),
            Token::Cutting => ring.readable(stop.cutting(), token.word()),
            _ => ring.readable(&*self.bell, token.word()),
        }
    }

    /// Something changed at the door, another ring or thread has something, or the operator has something to say.
    fn rang(&mut self, now: Instant) {
        self.bell.silence();
        self.take_in(now);
        self.hear_of(Token::Bell);
        self.look_at_queue();
        if self.group.is_closed() {
            self.doors.shut(&mut self.rings);
        }
        if !S::ASKS {
            return;
        }
        for key in self.crowd.asking() {
            self.work(key.place, now, |connection, _| connection.session.rang(now));
        }
    }

    /// Nothing is known of the connections any more.
    fn lose_all(&mut self, error: &io::Error) {
        for place in self.crowd.places() {
            let found = self.crowd.get(place).is_some();
            if let Some(mut connection) = self.crowd.remove(place).filter(|_| found) {
                connection.session.failed(Call::RingEnter, again(error));
                self.tally.ended(connection.session);
            }
        }
        for guest in self.exchange.abandon(self.thread) {
            guest.lose(self.host(), self.service, self.tally, (Call::RingEnter, again(error)));
        }
    }

    /// Ends what still runs.
    fn cut(&mut self, now: Instant) {
        self.group.stop();
        self.is_cut = true;
        self.doors.shut(&mut self.rings);
        for place in self.crowd.places() {
            self.work(place, now, |connection, _| connection.session.interrupted());
        }
    }
}

impl<S: Service> Looks for Worker<'_, S> {
    fn carriers(&mut self) -> &mut Carriers {
        &mut self.carriers
    }

    fn look_at(&mut self, key: Key, now: Instant) -> Option<bool> {
        if !self.crowd.is_there(key) {
            return None;
        }
        let mut more = false;
        self.work(key.place, now, |connection, _| more = connection.carry(now));
        self.crowd.find(key).filter(|connection| connection.is_carried()).map(|_| more)
    }
}

/// Does something with a connection, begins what is to be done on it then, and has its time watched. Whether it is to go to another
/// thread, now that nothing is under way on it.
fn work<'h, S: Service>(
    crowd: &mut Crowd<'h, Connection<'h, S>>,
    rings: &mut Rings,
    (starved, carriers): (&mut Vec<Key>, &mut Carriers),
    place: usize,
    now: Instant,
    begin: impl FnOnce(&mut Connection<'h, S>, &mut Ring),
) -> bool {
    let Some((connection, timers)) = crowd.get(place) else { return false };
    let was_starved = connection.is_starved;
    let Some(ring) = rings.get(connection.spot.ring.into()) else { return false };
    begin(connection, ring);
    connection.standing.turns = connection.standing.turns.saturating_add(1);
    connection.alight();
    connection.go_on(ring, place, now);
    let is_new = connection.board(carriers, ring, place, now);
    if connection.session.is_over() {
        timers.disarm(&mut connection.standing.armed);
    } else {
        let at = connection.deadline(now);
        timers.arm(place, &mut connection.standing.armed, at);
    }
    let (is_starved, is_kept, goes) =
        (connection.is_starved, connection.standing.is_kept, connection.goes_now());
    if is_starved && !was_starved {
        starved.extend(crowd.key(place));
    }
    if is_new && let Some(key) = crowd.key(place) {
        carriers.add(key, now);
    }
    if !is_kept {
        crowd.keep(place);
    }
    goes
}
