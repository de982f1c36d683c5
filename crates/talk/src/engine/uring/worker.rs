//! One thread: its rings, its connections, and the loop that turns what is done into what is to be done.

mod hand;

use super::batch::Batch;
use super::connection::{Connection, Spot};
use super::door::Doors;
use super::rings::{Prepared, Rings};
use super::token::Token;
use crate::engine::balance::Pace;
use crate::engine::busy::Spinner;
use crate::engine::crowd::{Crowd, Key};
use crate::engine::entrance::Nobody;
use crate::engine::exchange::Exchange;
use crate::engine::gather::Gatherer;
use crate::engine::group::{Group, Intake, Queue};
use crate::engine::moves::next_thread;
use crate::engine::timers::{Asked, time_left};
use crate::engine::{CutsAtPanic, Host, Tally, again};
use crate::error::TalkError;
use crate::reason::Call;
use crate::service::Service;
use crate::session::Session;
use crate::told::{About, Shortage};
use enchufe_sys::host::Bell;
use enchufe_sys::io_uring::{self, Class, Completion, Ring, Slot, Until};
use std::convert::Infallible;
use std::io;
use std::mem;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

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
        let timeout = time_left(self.rings.has_news(), [self.crowd.next_time(), self.intake.until()]);
        let (until, rings) = (self.waits.until(), &mut self.rings);
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
        let asked = Instant::now();
        let (mut now, mut count, mut result) = (asked, 0, Ok(()));
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
        let told_all = count < MOST && !self.rings.has_news();
        if let Some(since) = self.asked.as_of(asked, told_all, self.crowd.len() / MOST + 16) {
            self.expire(since);
        }
        self.gatherer.asked(asked, self.came.0, self.came.1, self.crowd.len());
        self.look_around(asked);
        result
    }

    fn handle(&mut self, ring: usize, came: Completion, now: Instant) -> Result<(), TalkError> {
        match Token::of(came.token) {
            Token::Ignored => {}
            deaf @ (Token::Begun | Token::Cutting | Token::Bell) if came.result.is_err() => {
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

    /// An operation on a connection has told something.
    fn done(&mut self, at: usize, came: Completion, now: Instant) {
        if came.piece.is_some() {
            self.came =
                (self.came.0 + 1, self.came.1 + came.result.as_ref().map_or(0, |count| u64::from(*count)));
        }
        let waits = &mut self.waits;
        let begin = |connection: &mut Connection<'h, S>, ring: &mut Ring| match Token::of(came.token) {
            Token::Receive(_) => {
                if came.piece.is_some() {
                    let ahead = connection.is_answering();
                    waits.came(&mut connection.window, ahead);
                }
                connection.received(came, ring, now);
            }
            Token::Send(_) => connection.sent(came, ring, at, now),
            Token::Room(_) => connection.has_room(came),
            Token::Watch(_) => connection.changed(came, ring, at),
            Token::Error(_) => connection.knows_what_failed(came, ring, at),
            Token::Fin(_) => connection.finished(now),
            _ => connection.cancelled(),
        };
        if work(&mut self.crowd, &mut self.rings, &mut self.starved, at, now, begin) {
            self.hand_over(at, now);
        }
    }

    /// Does something with a connection, and begins what is to be done on it then.
    fn work(&mut self, place: usize, now: Instant, begin: impl FnOnce(&mut Connection<'h, S>, &mut Ring)) {
        if work(&mut self.crowd, &mut self.rings, &mut self.starved, place, now, begin) {
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
        if self.starved.is_empty() {
            return;
        }
        for key in mem::take(&mut self.starved) {
            if !self.crowd.is_there(key) {
                continue;
            }
            self.work(key.place, now, |connection, ring| {
                let (free, all) = ring.free_buffers(Class::Usual);
                connection.is_starved = free < all / 4;
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

    /// Somebody waits at a listener.
    fn knocked(&mut self, index: usize, came: Completion, now: Instant) -> Result<(), TalkError> {
        self.doors.is_over(index);
        if self.group.is_closed() {
            return Ok(());
        }
        let mut stuck = came.result.is_err() && self.could_not(index, came.result)?;
        if !stuck {
            let mut arrivals = mem::take(&mut self.arrivals);
            let queue = self.group.accept((self.thread, index), self.intake.most(), &mut arrivals);
            self.came.0 += arrivals.len();
            for (stream, about) in arrivals.drain(..) {
                stuck |= self.take(stream, about, now);
            }
            self.arrivals = arrivals;
            let queue = queue?;
            self.intake.learn(queue);
            stuck |= queue == Queue::Stuck;
        }
        if stuck {
            self.intake.leave(self.group, now);
        } else {
            self.open_doors();
        }
        Ok(())
    }

    /// Takes in one who was accepted. Whether those who come after it had better wait.
    fn take(&mut self, stream: TcpStream, about: About, now: Instant) -> bool {
        let shortage = match self.rings.adopt(&stream) {
            Ok(Some((ring, slot))) => {
                drop(stream);
                self.open(ring, slot, about, now);
                return false;
            }
            Ok(None) => Shortage::Connections(self.rings.places()),
            Err(error) => error.raw_os_error().map_or(Shortage::Memory, Shortage::Ring),
        };
        self.group.entrance.turn_away(Some(stream), about, shortage);
        !matches!(shortage, Shortage::Connections(_))
    }

    /// The kernel has let somebody in, or could not.
    fn arrived(
        &mut self,
        ring: usize,
        index: usize,
        came: Completion,
        now: Instant,
    ) -> Result<(), TalkError> {
        if !came.goes_on {
            self.doors.is_over(index);
        }
        let stuck = match came.slot() {
            Some(slot) => {
                self.rings.taken(ring);
                self.came.0 += 1;
                self.let_in(ring, slot, now);
                self.doors.leave(ring, &mut self.rings);
                false
            }
            None => self.could_not(index, came.result)?,
        };
        if stuck {
            self.intake.leave(self.group, now);
        } else if !came.goes_on && !self.group.is_closed() {
            self.open_doors();
        }
        Ok(())
    }

    /// Whether who waits outside cannot be let in now.
    fn could_not(&self, index: usize, result: io::Result<u32>) -> Result<bool, TalkError> {
        let mut address = None;
        // It cannot fail: what is done with each does not.
        let _ = self.group.each_listener::<Infallible>(self.thread, |(at, listener)| {
            if at == index {
                address = Some(listener.address());
            }
            Ok(())
        });
        match (result, address) {
            (Err(error), Some(address)) if !io_uring::is_cancelled(&error) => {
                Ok(self.group.entrance.fault(error, address)? == Nobody::Room)
            }
            _ => Ok(false),
        }
    }

    fn let_in(&mut self, ring: usize, slot: Slot, now: Instant) {
        let entrance = &self.group.entrance;
        // Nobody hears of it.
        let nobody = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let refused = if self.group.is_closed() {
            entrance.came_too_late();
            true
        } else {
            let (about, has_room) = entrance.count(nobody, nobody);
            if has_room {
                entrance.serves();
                return self.open(ring, slot, about, now);
            }
            let socket =
                self.rings.get(ring).and_then(|ring| ring.descriptor(slot).ok()).map(TcpStream::from);
            entrance.refuse(socket, about, Shortage::Connections(self.host().limits.connections));
            true
        };
        if let Some(chosen) = self.rings.get(ring).filter(|_| refused) {
            chosen.close(slot, Token::Ignored.word());
            self.rings.freed(ring);
        }
    }

    fn open(&mut self, ring: usize, slot: Slot, about: About, now: Instant) {
        self.group.entrance.had_room();
        let bell = S::ASKS.then(|| Arc::clone(&self.bell));
        let session = Session::open(self.host(), self.service, about, bell, (now, SystemTime::now()));
        let ring = u8::try_from(ring).unwrap_or(u8::MAX);
        let mut connection = Connection::new(session, Spot { ring, slot });
        connection.standing.goes = self.crowd.next_thread();
        let place = self.crowd.insert(connection);
        self.work(place, now, |_, _| {});
    }

    fn open_doors(&mut self) {
        // A listener that was inherited is still there then, and who comes to it is somebody else's.
        if !self.group.is_closed() {
            self.doors.wait(self.group, &mut self.rings);
        }
    }

    fn look_at_queue(&mut self) {
        if self.intake.come_back(self.group) {
            self.open_doors();
            for token in mem::take(&mut self.deaf) {
                self.hear_of(token);
            }
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

/// Does something with a connection, begins what is to be done on it then, and has its time watched. Whether it is to go to another
/// thread, now that nothing is under way on it.
fn work<'h, S: Service>(
    crowd: &mut Crowd<'h, Connection<'h, S>>,
    rings: &mut Rings,
    starved: &mut Vec<Key>,
    place: usize,
    now: Instant,
    begin: impl FnOnce(&mut Connection<'h, S>, &mut Ring),
) -> bool {
    let Some((connection, timers)) = crowd.get(place) else { return false };
    let was_starved = connection.is_starved;
    let Some(ring) = rings.get(connection.spot.ring.into()) else { return false };
    begin(connection, ring);
    connection.standing.turns = connection.standing.turns.saturating_add(1);
    connection.go_on(ring, place, now);
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
    if !is_kept {
        crowd.keep(place);
    }
    goes
}
