//! Handing connections over to another thread, and taking them in.

use super::connection::{Connection, Spot};
use super::crowd::Key;
use super::token::Token;
use super::worker::Worker;
use crate::engine::balance::Pace;
use crate::engine::moves::{Active, STAY, moves, next_thread};
use crate::reason::Call;
use crate::service::Service;
use crate::session::{Parked, Session};
use enchufe_sys::reuseport::incoming_processor;
use std::io;
use std::mem;
use std::net::TcpStream;
use std::time::Instant;

/// A connection between two threads: nobody receives from it.
pub(super) struct Guest<S: Service> {
    session: Parked<S>,
    stream: TcpStream,
    /// Its times count from then.
    since: Instant,
}

impl<S: Service> Worker<'_, S> {
    /// Looks, once in a while, whether this thread has too much to do or what another would do better.
    pub(super) fn look_around(&mut self, now: Instant) {
        if !self.pace.as_ref().is_some_and(|pace| pace.is_due(now)) {
            return;
        }
        let active = self.active(now);
        let Self { pace: Some(pace), crowd, rings, thread, .. } = self else { return };
        let at_home = |key: Key, pace: &Pace<'_>| {
            let Some((connection, _)) = crowd.get(key.place) else { return [None; 2] };
            let ring = rings.get(connection.spot.ring.into());
            let socket =
                ring.and_then(|ring| ring.descriptor(connection.spot.slot).ok()).map(TcpStream::from);
            let handled = socket.and_then(|socket| incoming_processor(&socket).ok().flatten());
            let thread = handled.and_then(|processor| pace.thread_on(processor));
            [thread, mem::replace(&mut connection.strays, thread)]
        };
        for (key, to) in moves(pace, *thread, now, active, at_home) {
            self.send_away(key.place, to, now);
        }
    }

    /// The connections that had something to do since this was asked last and may go.
    fn active(&mut self, now: Instant) -> Vec<Active<Key>> {
        let mut active = Vec::new();
        for key in self.crowd.kept().into_iter().filter(|key| self.crowd.is_there(*key)).collect::<Vec<_>>() {
            let Some((connection, _)) = self.crowd.get(key.place) else { continue };
            let turns = mem::take(&mut connection.turns);
            if turns > 0 && connection.stays.is_none_or(|until| until <= now) {
                active.push(Active { key, turns });
            }
        }
        active
    }

    /// At once, or as soon as nothing is under way on it; or not after all.
    fn send_away(&mut self, place: usize, to: Option<usize>, now: Instant) {
        self.work(place, now, |connection, _| connection.goes = to);
    }

    /// Hands over a connection that is to go, if nothing is under way on it any more.
    pub(super) fn hand_over(&mut self, place: usize, now: Instant) {
        let since = self.crowd.timers.since();
        let is_closed = self.group.is_closed();
        let Some((connection, timers)) = self.crowd.get(place) else { return };
        if !connection.goes.is_some_and(|to| !is_closed && self.exchange.has_room(to)) {
            connection.goes = None;
            return self.work(place, now, |_, _| {});
        }
        let Spot { ring: index, slot } = connection.spot;
        let Some(ring) = self.rings.get(index.into()) else { return };
        // Without a descriptor to carry it, it stays.
        let Ok(stream) = ring.descriptor(slot).map(TcpStream::from) else {
            connection.goes = None;
            return self.work(place, now, |_, _| {});
        };
        let Some((session, to)) = connection.leave(since) else { return };
        timers.disarm(&mut connection.armed);
        ring.close(slot, Token::Ignored.word());
        self.rings.freed(index.into());
        self.crowd.remove(place);
        match self.exchange.put(to, Guest { session, stream, since }) {
            None => self.group.ring_one(to),
            Some(guest) => self.welcome(guest, now),
        }
    }

    /// Takes in what others have handed over.
    pub(super) fn take_in(&mut self, now: Instant) {
        for guest in self.exchange.take(self.thread) {
            self.welcome(guest, now);
        }
    }

    /// What came on it meanwhile is received when it is received from.
    fn welcome(&mut self, guest: Guest<S>, now: Instant) {
        let Guest { session, stream, since } = guest;
        let mut session = Session::unpark(session, self.host(), self.service, since);
        let (ring, slot) = match self.rings.adopt(&stream) {
            Ok(Some(found)) => found,
            full => {
                session
                    .failed(Call::RingEnter, full.err().unwrap_or_else(|| io::ErrorKind::OutOfMemory.into()));
                drop(stream);
                self.tally.ended(session);
                return self.group.freed();
            }
        };
        drop(stream);
        if self.is_cut {
            session.interrupted();
        }
        let ring = u8::try_from(ring).unwrap_or(u8::MAX);
        let mut connection = Connection::new(session, Spot { ring, slot });
        connection.stays = now.checked_add(STAY);
        let place = self.crowd.insert(connection);
        self.work(place, now, |_, _| {});
        // Not before it has had something to do here.
        if let Some((connection, _)) = self.crowd.get(place) {
            connection.goes = next_thread(self.group, self.thread);
        }
    }
}
