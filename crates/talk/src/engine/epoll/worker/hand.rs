//! Handing connections over to another thread, and taking them in.

use super::{Key, Token, Worker, number};
use crate::engine::HandOver;
use crate::engine::balance::Load;
use crate::engine::epoll::connection::{Connection, Place};
use crate::engine::epoll::exchange::Guest;
use crate::engine::group::Group;
use crate::reason::Call;
use crate::service::Service;
use enchufe_sys::epoll::Watch;
use enchufe_sys::reuseport::incoming_processor;
use std::cmp::Reverse;
use std::mem;
use std::time::{Duration, Instant};

/// A connection that was handed over stays for so long: were it wrong, it is not to go to and fro.
const STAY: Duration = Duration::from_secs(2);
/// Connections that are asked which processor handles their packets, each time.
const MOST_ASKED: usize = 64;
/// One with fewer turns is served as well anywhere.
const MANY_TURNS: u32 = 20;
/// So much of a processor's time is left for its own.
const LEFT_ALONE: f64 = 0.25;

/// A connection whose packets the processor of another thread handles.
struct Stray {
    key: Key,
    turns: u32,
    to: usize,
    /// It was so when this was asked before.
    for_long: bool,
}

/// Where every connection of a thread is to go after its turn, where each is.
pub(super) fn next_thread(group: &Group<'_>, thread: usize) -> Option<usize> {
    let always = group.entrance.host.limits.hand_over == HandOver::Always;
    always.then(|| (thread + 1) % group.threads()).filter(|next| *next != thread)
}

impl<S: Service> Worker<'_, S> {
    /// Looks, once in a while, whether this thread has too much to do or what another would do better.
    pub(super) fn look_around(&mut self, now: Instant) {
        let Some(pace) = self.pace.as_mut().filter(|pace| pace.is_due(now)) else { return };
        let load = pace.load(now);
        let active = self.active(now);
        let strays = self.strays(&active);
        let Some((pace, load)) = self.pace.as_mut().zip(load) else { return };
        if !load.is_full() && strays.is_empty() {
            return pace.rest();
        }
        let Some(left) = pace.left(now) else { return };
        if !self.send_home(&strays, load, left.clone(), &active) && load.is_full() {
            self.relieve(load, &left, &active);
        }
    }

    /// Hands over what is at home elsewhere and has been so for a while, as far as there is room. Whether any is.
    fn send_home(&mut self, strays: &[Stray], load: Load, mut left: Vec<f64>, active: &[(u32, Key)]) -> bool {
        let all: f64 = active.iter().map(|(turns, _)| f64::from(*turns)).sum();
        let mut went = false;
        for stray in strays.iter().filter(|stray| stray.for_long) {
            let takes = load.at_home(f64::from(stray.turns) / all);
            let Some(room) = left.get_mut(stray.to).filter(|left| **left >= takes + LEFT_ALONE) else {
                continue;
            };
            *room -= takes;
            went = true;
            self.send_away(stray.key, Some(stray.to));
        }
        went
    }

    /// Hands over to the thread whose processor has most time left, if that is worth it.
    fn relieve(&mut self, load: Load, left: &[f64], active: &[(u32, Key)]) {
        let others = left.iter().copied().enumerate().filter(|(thread, _)| *thread != self.thread);
        let Some((to, left)) = others.max_by(|one, other| one.1.total_cmp(&other.1)) else { return };
        let work: Vec<u32> = active.iter().map(|(turns, _)| *turns).collect();
        for ((_, key), goes) in active.iter().zip(load.going(left, &work)) {
            self.send_away(*key, goes.then_some(to));
        }
    }

    /// Those connections whose packets another thread's processor handles.
    fn strays(&mut self, active: &[(u32, Key)]) -> Vec<Stray> {
        let mut strays = Vec::new();
        let Some(pace) = &self.pace else { return strays };
        let busy = active.iter().take(MOST_ASKED).take_while(|(turns, _)| *turns >= MANY_TURNS);
        for &(turns, key) in busy {
            let Some(Place::Busy(index, _)) = self.connections.get(key.place) else { continue };
            let Some(connection) = self.busy.get_mut(*index) else { continue };
            let handled = incoming_processor(&connection.line.stream).ok().flatten();
            let thread = handled.and_then(|processor| pace.thread_on(processor));
            let before = mem::replace(&mut connection.strays, thread);
            strays.extend(thread.map(|to| Stray { key, turns, to, for_long: before == thread }));
        }
        strays
    }

    /// The connections that had turns since this was asked last and may go, those with most of them first.
    fn active(&mut self, now: Instant) -> Vec<(u32, Key)> {
        let mut active = Vec::new();
        for key in &self.kept {
            let Some(Place::Busy(index, _)) = self.connections.get(key.place) else { continue };
            let Some(connection) = self.busy.get_mut(*index) else { continue };
            let turns = mem::take(&mut connection.turns);
            if turns > 0 && connection.stays.is_none_or(|until| until <= now) {
                active.push((turns, *key));
            }
        }
        active.sort_by_key(|(turns, _)| Reverse(*turns));
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
