//! Handing connections over to another thread, and taking them in.

use super::Worker;
use crate::engine::crowd::Key;
use crate::engine::epoll::connection::Connection;
use crate::engine::epoll::token::Token;
use crate::engine::exchange::Guest;
use crate::engine::moves::{Why, moves};
use crate::reason::Call;
use crate::service::Service;
use crate::session::Session;
use enchufe_sys::epoll::Watch;
use enchufe_sys::reuseport::incoming_processor;
use std::time::Instant;

impl<S: Service> Worker<'_, S> {
    /// Looks, once in a while, whether this thread has too much to do or what another would do better.
    pub(super) fn look_around(&mut self, now: Instant) {
        let Self { pace: Some(pace), crowd, .. } = self else { return };
        let handled =
            |connection: &Connection<'_, S>| incoming_processor(&connection.line.stream).ok().flatten();
        for (key, to) in moves(pace, now, crowd, handled) {
            self.send_away(key, to);
        }
    }

    /// At once, or as soon as nothing is under way on it; or not after all.
    fn send_away(&mut self, key: Key, to: Option<usize>) {
        if let Some(connection) = self.crowd.find(key) {
            connection.standing.goes = to;
            self.hand_over(key.place);
        }
    }

    /// Hands over a connection that is to go, if nothing is under way.
    pub(super) fn hand_over(&mut self, place: usize) -> bool {
        let since = self.crowd.since();
        let Some((connection, _)) = self.crowd.get(place) else { return false };
        if connection.is_carried() {
            return false;
        }
        let is_taken = |to: &mut usize| !self.group.is_closed() && self.exchange.has_room(*to);
        connection.standing.goes.take_if(|to| !is_taken(to));
        let Some(to) = connection.standing.goes else { return false };
        let why = Why::of(&connection.standing, to);
        let Some(session) = connection.line.session.park(since) else { return false };
        let Some(Connection { line, .. }) = self.crowd.remove(place) else { return false };
        let stream = line.stream;
        // It is watched: what else could be wrong would be so for the one that takes it, too.
        let _ = self.epoll.remove(&stream);
        match self.exchange.put(to, Guest { session, stream, since, why }) {
            None => self.group.ring_one(to),
            Some(guest) => self.welcome(guest, Instant::now()),
        }
        true
    }

    /// Takes in what others have handed over.
    pub(super) fn take_in(&mut self, now: Instant) {
        for guest in self.exchange.take(self.thread) {
            self.group.takes_in(guest.why);
            self.welcome(guest, now);
        }
    }

    /// What came on it meanwhile is told when it is watched.
    fn welcome(&mut self, Guest { session, stream, since, why }: Guest<S>, now: Instant) {
        let key = self.crowd.next_key(session.id());
        let watched = self.epoll.add(&stream, Token::Connection(key).word(), Watch::Arrivals);
        let mut session = Session::unpark(session, self.host(), self.service, since);
        if let Err(error) = watched {
            session.failed(Call::EpollCtl, error);
        }
        if self.is_cut {
            session.interrupted();
        }
        let mut connection = Connection::new(session, stream);
        connection.standing.stays = now.checked_add(why.stays());
        self.crowd.insert(connection);
        self.work(key, now);
        let next = self.crowd.next_thread();
        // Not before it has had something to do here.
        if let Some(connection) = self.crowd.find(key) {
            connection.standing.goes = next;
        }
    }
}
