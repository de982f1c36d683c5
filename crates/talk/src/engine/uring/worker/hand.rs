//! Handing connections over to another thread, and taking them in.

use super::Worker;
use crate::engine::exchange::Guest;
use crate::engine::moves::{Why, moves};
use crate::engine::uring::connection::{Connection, Spot};
use crate::engine::uring::token::Token;
use crate::reason::Call;
use crate::service::Service;
use crate::session::Session;
use enchufe_sys::reuseport::incoming_processor;
use std::io;
use std::net::TcpStream;
use std::time::Instant;

impl<S: Service> Worker<'_, S> {
    /// Looks, once in a while, whether this thread has too much to do or what another would do better.
    pub(super) fn look_around(&mut self, now: Instant) {
        let Self { pace: Some(pace), crowd, rings, .. } = self else { return };
        let handled = |connection: &Connection<'_, S>| {
            let Spot { ring, slot } = connection.spot;
            let socket = rings.get(ring.into())?.descriptor(slot).map(TcpStream::from).ok()?;
            incoming_processor(&socket).ok().flatten()
        };
        for (key, to) in moves(pace, now, crowd, handled) {
            self.send_away(key.place, to, now);
        }
    }

    /// At once, or as soon as nothing is under way on it; or not after all.
    fn send_away(&mut self, place: usize, to: Option<usize>, now: Instant) {
        self.work(place, now, |connection, _| connection.standing.goes = to);
    }

    /// Hands over a connection that is to go, if nothing is under way on it any more.
    pub(super) fn hand_over(&mut self, place: usize, now: Instant) {
        let since = self.crowd.since();
        let is_closed = self.group.is_closed();
        let Some((connection, _)) = self.crowd.get(place) else { return };
        if !connection.standing.goes.is_some_and(|to| !is_closed && self.exchange.has_room(to)) {
            connection.standing.goes = None;
            return self.work(place, now, |_, _| {});
        }
        let Spot { ring: index, slot } = connection.spot;
        let Some(ring) = self.rings.get(index.into()) else { return };
        // Without a descriptor to carry it, it stays.
        let Ok(stream) = ring.descriptor(slot).map(TcpStream::from) else {
            connection.standing.goes = None;
            return self.work(place, now, |_, _| {});
        };
        let Some((session, to)) = connection.leave(since) else { return };
        let why = Why::of(&connection.standing, to);
        ring.close(slot, Token::Ignored.word());
        self.rings.freed(index.into());
        self.crowd.remove(place);
        match self.exchange.put(to, Guest { session, stream, since, why }) {
            None => self.group.ring_one(to),
            Some(guest) => self.welcome(guest, now),
        }
    }

    /// Takes in what others have handed over.
    pub(super) fn take_in(&mut self, now: Instant) {
        for guest in self.exchange.take(self.thread) {
            self.group.takes_in(guest.why);
            self.welcome(guest, now);
        }
    }

    /// What came on it meanwhile is received when it is received from.
    fn welcome(&mut self, guest: Guest<S>, now: Instant) {
        let (ring, slot) = match self.rings.adopt(&guest.stream) {
            Ok(Some(found)) => found,
            full => {
                let error = full.err().unwrap_or_else(|| io::ErrorKind::OutOfMemory.into());
                guest.lose(self.host(), self.service, self.tally, (Call::RingEnter, error));
                return self.group.freed();
            }
        };
        let Guest { session, stream, since, why } = guest;
        drop(stream);
        let mut session = Session::unpark(session, self.host(), self.service, since);
        if self.is_cut {
            session.interrupted();
        }
        let ring = u8::try_from(ring).unwrap_or(u8::MAX);
        let mut connection = Connection::new(session, Spot { ring, slot });
        connection.standing.stays = now.checked_add(why.stays());
        let place = self.crowd.insert(connection);
        self.work(place, now, |_, _| {});
        let next = self.crowd.next_thread();
        // Not before it has had something to do here.
        if let Some((connection, _)) = self.crowd.get(place) {
            connection.standing.goes = next;
        }
    }
}
