//! The connections of one thread: most of them parked, as small as they can be.

use super::connection::{Connection, Idle};
use crate::engine::Host;
use crate::engine::timers::Timers;
use crate::service::Service;
use crate::session::Session;
use crate::told::ConnectionId;
use slab::Slab;
use std::collections::VecDeque;
use std::mem;

pub(super) struct Crowd<'h, S: Service> {
    host: &'h Host<'h>,
    service: &'h S,
    places: Slab<Place<S>>,
    /// Those of them that are not parked.
    busy: Slab<Connection<'h, S>>,
    /// Those that are not parked though nothing is under way, the oldest first.
    kept: VecDeque<Key>,
    pub(super) timers: Timers,
}

enum Place<S: Service> {
    Parked(Idle<S>),
    /// Where it is as a whole, and which one it is.
    Busy(usize, ConnectionId),
}

/// A connection by its place, and by its number, for the place may be another's by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) place: usize,
    id: ConnectionId,
}

impl<'h, S: Service> Crowd<'h, S> {
    pub(super) fn new(host: &'h Host<'h>, service: &'h S) -> Self {
        let timers = Timers::default();
        Self { host, service, places: Slab::new(), busy: Slab::new(), kept: VecDeque::new(), timers }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// The places of all.
    pub(super) fn places(&self) -> Vec<usize> {
        self.places.iter().map(|(place, _)| place).collect()
    }

    /// The places of those that are not parked and of which this is so.
    pub(super) fn busy_places(&self, is_so: impl Fn(&Connection<'h, S>) -> bool) -> Vec<usize> {
        let of = |(place, found): (usize, &Place<S>)| match found {
            Place::Busy(index, _) if self.busy.get(*index).is_some_and(&is_so) => Some(place),
            _ => None,
        };
        self.places.iter().filter_map(of).collect()
    }

    /// Lets one in; its place.
    pub(super) fn insert(&mut self, connection: Connection<'h, S>) -> usize {
        let id = connection.session.about().id;
        self.places.insert(Place::Busy(self.busy.insert(connection), id))
    }

    /// Whoever is in this place, as a whole, and the times of all.
    pub(super) fn get(&mut self, place: usize) -> Option<(&mut Connection<'h, S>, &mut Timers)> {
        let found = self.places.get_mut(place)?;
        let index = match *found {
            Place::Busy(index, _) => index,
            Place::Parked(_) => {
                let entry = self.busy.vacant_entry();
                let index = entry.key();
                let Place::Parked(idle) = mem::replace(found, Place::Busy(index, ConnectionId(0))) else {
                    return None;
                };
                *found = Place::Busy(index, idle.id());
                let (host, service, since) = (self.host, self.service, self.timers.since());
                entry.insert(idle.wake(|parked| Session::unpark(parked, host, service, since)));
                index
            }
        };
        Some((self.busy.get_mut(index)?, &mut self.timers))
    }

    /// To find it again, if it is still there then.
    pub(super) fn key(&self, place: usize) -> Option<Key> {
        let id = match self.places.get(place)? {
            Place::Parked(idle) => idle.id(),
            Place::Busy(_, id) => *id,
        };
        Some(Key { place, id })
    }

    /// Whether it is still there.
    pub(super) fn is_there(&self, key: Key) -> bool {
        self.key(key.place) == Some(key)
    }

    /// It had something to do: it is ready for more, and the one that has been so for longest no longer.
    pub(super) fn keep(&mut self, place: usize) {
        let Some(key) = self.key(place) else { return };
        let Some((connection, _)) = self.get(place) else { return };
        if mem::replace(&mut connection.is_kept, true) {
            return;
        }
        self.kept.push_back(key);
        if self.kept.len() > self.host.limits.kept
            && let Some(oldest) = self.kept.pop_front()
            && self.is_there(oldest)
        {
            self.park(oldest.place);
        }
    }

    fn park(&mut self, place: usize) {
        let Some(found) = self.places.get_mut(place) else { return };
        let Place::Busy(index, _) = *found else { return };
        let Some(connection) = self.busy.get_mut(index) else { return };
        connection.is_kept = false;
        if let Some(idle) = connection.park(self.timers.since()) {
            *found = Place::Parked(idle);
            self.busy.remove(index);
        }
    }

    /// Those that are whole between what they do.
    pub(super) fn kept(&self) -> Vec<Key> {
        self.kept.iter().copied().collect()
    }

    /// It is here no longer.
    pub(super) fn remove(&mut self, place: usize) -> Option<Connection<'h, S>> {
        match self.places.try_remove(place)? {
            Place::Busy(index, _) => self.busy.try_remove(index),
            Place::Parked(_) => None,
        }
    }
}
