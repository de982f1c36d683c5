//! The connections of one thread of an engine that has a few: most of them parked, as small as they can be.

use super::Host;
use super::moves::Active;
use super::timers::{Armed, Timers};
use crate::service::Service;
use crate::session::{Parked, Session};
use crate::told::ConnectionId;
use slab::Slab;
use std::collections::VecDeque;
use std::mem;
use std::time::Instant;

/// A connection as its engine has it while something is under way on it.
pub(super) trait Member<'h>: Sized + 'h {
    type Service: Service;
    /// The engine's name for a receive buffer.
    type Buffer;
    /// What is to be known of it beside its session while it is parked.
    type Rest;

    fn session(&self) -> &Session<'h, Self::Service, Self::Buffer>;

    fn standing(&mut self) -> &mut Standing;

    /// What is to be kept of its session, if nothing is under way but that its peer may send.
    fn park(&mut self, since: Instant) -> Option<Parked<Self::Service>>;

    /// And what beside it.
    fn into_rest(self) -> Self::Rest;

    /// From both.
    fn wake(session: Session<'h, Self::Service, Self::Buffer>, rest: Self::Rest) -> Self;
}

/// What the thread of a connection knows of it.
#[derive(Debug, Default)]
pub(super) struct Standing {
    pub(super) armed: Armed,
    /// It had something to do lately: more may come soon, and is not to begin with unpacking it.
    pub(super) is_kept: bool,
    /// How often it had something to do since its thread looked last.
    pub(super) turns: u32,
    /// The thread that is to have it as soon as nothing is under way.
    pub(super) goes: Option<usize>,
    /// Another thread's processor handled its packets when that was looked at last.
    pub(super) strays: Option<usize>,
    /// It came from another thread, and stays until then.
    pub(super) stays: Option<Instant>,
}

pub(super) struct Crowd<'h, C: Member<'h>> {
    host: &'h Host<'h>,
    service: &'h C::Service,
    /// Where each is to go after its turn.
    next: Option<usize>,
    places: Slab<Place<C::Service, C::Rest>>,
    /// Those of them that are not parked.
    busy: Slab<C>,
    /// Those that are not parked though nothing is under way, the oldest first.
    kept: VecDeque<Key>,
    timers: Timers,
}

enum Place<S: Service, R> {
    /// Nothing is under way: as small as it can be, for it may be for long.
    Parked(Idle<S, R>),
    /// Where it is as a whole, and which one it is.
    Busy(usize, ConnectionId),
}

struct Idle<S: Service, R> {
    session: Parked<S>,
    armed: Armed,
    rest: R,
}

/// A connection by its place, and by its number, for the place may be another's by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) place: usize,
    /// The low half: two of one place are not 2³² apart while anything is to be told of the first.
    pub(super) number: u32,
}

impl Key {
    #[expect(clippy::cast_possible_truncation, reason = "it only tells neighbours apart")]
    const fn new(place: usize, ConnectionId(number): ConnectionId) -> Self {
        Self { place, number: number as u32 }
    }
}

impl<S: Service, R> Place<S, R> {
    const fn id(&self) -> ConnectionId {
        match self {
            Self::Parked(idle) => idle.session.id(),
            Self::Busy(_, id) => *id,
        }
    }
}

impl<'h, C: Member<'h>> Crowd<'h, C> {
    pub(super) fn new(host: &'h Host<'h>, service: &'h C::Service, next: Option<usize>) -> Self {
        let (places, busy) = (Slab::new(), Slab::new());
        Self { host, service, next, places, busy, kept: VecDeque::new(), timers: Timers::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// A time before all others.
    pub(super) const fn since(&self) -> Instant {
        self.timers.since()
    }

    /// Where each is to go after its turn.
    pub(super) const fn next_thread(&self) -> Option<usize> {
        self.next
    }

    /// The places of all.
    pub(super) fn places(&self) -> Vec<usize> {
        self.places.iter().map(|(place, _)| place).collect()
    }

    /// Those whose question the operator has not answered: none of them is parked.
    pub(super) fn asking(&self) -> Vec<Key> {
        let is_asking = |index| self.busy.get(index).is_some_and(|one| one.session().is_asking());
        let asking = self.places.iter().filter_map(|(place, found)| match *found {
            Place::Busy(index, id) if is_asking(index) => Some(Key::new(place, id)),
            _ => None,
        });
        asking.collect()
    }

    /// How the next that is let in will be found.
    pub(super) fn next_key(&self, id: ConnectionId) -> Key {
        Key::new(self.places.vacant_key(), id)
    }

    /// Lets one in; its place.
    pub(super) fn insert(&mut self, connection: C) -> usize {
        let id = connection.session().about().id;
        self.places.insert(Place::Busy(self.busy.insert(connection), id))
    }

    /// Whoever is in this place, as a whole, and the times of all.
    pub(super) fn get(&mut self, place: usize) -> Option<(&mut C, &mut Timers)> {
        let found = self.places.get_mut(place)?;
        let index = match *found {
            Place::Busy(index, _) => index,
            Place::Parked(_) => {
                let entry = self.busy.vacant_entry();
                let index = entry.key();
                let Place::Parked(idle) = mem::replace(found, Place::Busy(index, found.id())) else {
                    return None;
                };
                let Idle { session, armed, rest } = idle;
                let session = Session::unpark(session, self.host, self.service, self.timers.since());
                let connection = entry.insert(C::wake(session, rest));
                *connection.standing() = Standing { armed, goes: self.next, ..Standing::default() };
                index
            }
        };
        Some((self.busy.get_mut(index)?, &mut self.timers))
    }

    /// It, if it is still there.
    pub(super) fn find(&mut self, key: Key) -> Option<&mut C> {
        if self.is_there(key) { self.get(key.place).map(|(connection, _)| connection) } else { None }
    }

    /// To find whoever is in this place again.
    pub(super) fn key(&self, place: usize) -> Option<Key> {
        self.places.get(place).map(|found| Key::new(place, found.id()))
    }

    /// Whether it is still there.
    pub(super) fn is_there(&self, key: Key) -> bool {
        self.key(key.place) == Some(key)
    }

    /// It had something to do: it is ready for more, and the one that has been so for longest no longer.
    pub(super) fn keep(&mut self, place: usize) {
        let Some(key) = self.key(place) else { return };
        let Some((connection, _)) = self.get(place) else { return };
        if mem::replace(&mut connection.standing().is_kept, true) {
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
        connection.standing().is_kept = false;
        if let Some(session) = connection.park(self.timers.since()) {
            let armed = connection.standing().armed;
            *found = Place::Parked(Idle { session, armed, rest: self.busy.remove(index).into_rest() });
        }
    }

    /// Those that had something to do since this was asked last and may go.
    pub(super) fn active(&mut self, now: Instant) -> Vec<Active> {
        let mut active = Vec::new();
        for &key in &self.kept {
            let Some(Place::Busy(index, id)) = self.places.get(key.place) else { continue };
            let Some(connection) = self.busy.get_mut(*index).filter(|_| Key::new(key.place, *id) == key)
            else {
                continue;
            };
            let standing = connection.standing();
            let turns = mem::take(&mut standing.turns);
            if turns > 0 && standing.stays.is_none_or(|until| until <= now) {
                active.push(Active { key, turns });
            }
        }
        active
    }

    /// When one of them is to be looked at next.
    pub(super) fn next_time(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// One whose time has come, and that has none now.
    pub(super) fn expired(&mut self, now: Instant) -> Option<Key> {
        while let Some(place) = self.timers.pop(now) {
            if let Some((connection, _)) = self.get(place) {
                connection.standing().armed.cleared();
                return self.key(place);
            }
        }
        None
    }

    /// It is here no longer.
    pub(super) fn remove(&mut self, place: usize) -> Option<C> {
        let Place::Busy(index, _) = self.places.try_remove(place)? else { return None };
        let mut connection = self.busy.try_remove(index)?;
        self.timers.disarm(&mut connection.standing().armed);
        Some(connection)
    }
}

#[cfg(test)]
impl<'h, C: Member<'h>> Crowd<'h, C> {
    /// Bytes of one that is parked, in a slab, which marks its empty places in what the connection leaves.
    pub(super) const PARKED: usize = size_of::<Option<Place<C::Service, C::Rest>>>();
}
