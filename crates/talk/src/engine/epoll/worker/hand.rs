//! Handing connections over to another thread, and taking them in.

use super::{Key, Token, Worker, number};
use crate::engine::balance::Pace;
use crate::engine::epoll::connection::{Connection, Idle, Place};
use crate::engine::moves::{Active, STAY, moves, next_thread};
use crate::reason::Call;
use crate::service::Service;
use enchufe_sys::epoll::Watch;
use enchufe_sys::reuseport::incoming_processor;
use std::mem;
use std::time::Instant;

/// A connection between two threads: nobody watches it.
pub(in crate::engine::epoll) struct Guest<S: Service> {
    idle: Idle<S>,
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
        let Self { pace: Some(pace), connections, busy, thread, .. } = self else { return };
        let at_home = |key: Key, pace: &Pace<'_>| {
            let Some(Place::Busy(index, _)) = connections.get(key.place) else { return [None; 2] };
            let Some(connection) = busy.get_mut(*index) else { return [None; 2] };
            let handled = incoming_processor(&connection.line.stream).ok().flatten();
            let thread = handled.and_then(|processor| pace.thread_on(processor));
            [thread, mem::replace(&mut connection.strays, thread)]
        };
        for (key, to) in moves(pace, *thread, now, active, at_home) {
            self.send_away(key, to);
        }
    }

    /// The connections that had turns since this was asked last and may go.
    fn active(&mut self, now: Instant) -> Vec<Active<Key>> {
        let mut active = Vec::new();
        for &key in &self.kept {
            let Some(Place::Busy(index, _)) = self.connections.get(key.place) else { continue };
            let Some(connection) = self.busy.get_mut(*index) else { continue };
            let turns = mem::take(&mut connection.turns);
            if turns > 0 && connection.stays.is_none_or(|until| until <= now) {
                active.push(Active { key, turns });
            }
        }
        active
    }

    /// At once, or as soon as nothing is under way on it; or not after all.
    fn send_away(&mut self, key: Key, to: Option<usize>) {
        if let Some(connection) = self.find(key) {
            connection.goes = to;
            self.hand_over(key);
        }
    }

    /// Hands over a connection that is to go, if nothing is under way.
    pub(super) fn hand_over(&mut self, key: Key) -> bool {
        let Some(&Place::Busy(index, _)) = self.connections.get(key.place) else { return false };
        let Some(connection) = self.busy.get_mut(index) else { return false };
        let Some(to) = connection.goes.filter(|to| !self.group.is_closed() && self.exchange.has_room(*to))
        else {
            return false;
        };
        let since = self.timers.since();
        let Some(session) = connection.line.session.park(since) else { return false };
        self.timers.disarm(&mut connection.armed);
        let mut idle = self.busy.remove(index).into_idle(session);
        self.connections.remove(key.place);
        // It is watched: what else could be wrong would be so for the one that takes it, too.
        let _ = self.epoll.remove(&idle.stream);
        idle.leave();
        match self.exchange.put(to, Guest { idle, since }) {
            None => self.group.ring_one(to),
            Some(guest) => self.welcome(guest, Instant::now()),
        }
        true
    }

    /// Takes in what others have handed over.
    pub(super) fn take_in(&mut self, now: Instant) {
        for guest in self.exchange.take(self.thread) {
            self.welcome(guest, now);
        }
    }

    /// What came on it meanwhile is told when it is watched.
    fn welcome(&mut self, guest: Guest<S>, now: Instant) {
        let Guest { idle, since } = guest;
        let (id, goes) = (idle.id(), next_thread(self.group, self.thread));
        let entry = self.connections.vacant_entry();
        let key = Key { place: entry.key(), number: number(id) };
        let watched = self.epoll.add(&idle.stream, Token::Connection(key).word(), Watch::Arrivals);
        let mut connection = Connection::wake(idle, self.group.entrance.host, self.service, since);
        (connection.goes, connection.stays) = (goes, now.checked_add(STAY));
        let session = &mut connection.line.session;
        if let Err(error) = watched {
            session.failed(Call::EpollCtl, error);
        }
        if self.is_cut {
            session.interrupted();
        }
        let is_over = session.is_over();
        entry.insert(Place::Busy(self.busy.insert(connection), id));
        if is_over { self.finish(key.place) } else { self.settle(key, now) }
    }
}
