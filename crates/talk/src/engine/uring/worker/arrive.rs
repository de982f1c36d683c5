//! Letting in who waits at a listener.

use super::Worker;
use crate::engine::entrance::Nobody;
use crate::engine::group::Queue;
use crate::engine::uring::connection::{Connection, Spot};
use crate::engine::uring::token::Token;
use crate::error::TalkError;
use crate::service::Service;
use crate::session::Session;
use crate::told::{About, Shortage};
use enchufe_sys::host::{self, AcceptFault};
use enchufe_sys::io_uring::{self, Completion, Slot};
use std::convert::Infallible;
use std::io;
use std::mem;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

impl<S: Service> Worker<'_, S> {
    /// Somebody waits at a listener.
    pub(super) fn knocked(&mut self, index: usize, came: Completion, now: Instant) -> Result<(), TalkError> {
        self.doors.is_over(index);
        if self.group.is_closed() {
            return Ok(());
        }
        let mut stuck = came.has_failed() && self.could_not(index, came.result())?;
        if !stuck {
            stuck = match self.rings.room() {
                // Each is told that there is none.
                Ok(0) => self.accept(index, self.intake.most(), now)?,
                Ok(free) => self.accept(index, self.intake.most().min(free), now)?,
                Err(error) => {
                    self.group.entrance.tell_short(match host::accept_fault(&error) {
                        AcceptFault::Descriptors => Shortage::Descriptors,
                        _ => of_a_ring(&error),
                    });
                    true
                }
            };
        }
        if stuck {
            self.intake.leave(self.group, now);
        } else {
            self.open_doors();
        }
        Ok(())
    }

    /// Accepts so many at most. Whether those who come after them had better wait.
    fn accept(&mut self, index: usize, most: usize, now: Instant) -> Result<bool, TalkError> {
        let mut arrivals = mem::take(&mut self.arrivals);
        let queue = self.group.accept((self.thread, index), most, &mut arrivals);
        self.came.0 += arrivals.len();
        let (nobody, mut stuck) = (arrivals.is_empty(), false);
        for (stream, about) in arrivals.drain(..) {
            stuck |= self.take(stream, about, now);
        }
        self.arrivals = arrivals;
        let queue = queue?;
        self.intake.learn(queue);
        // Descriptors that were wanting are free again where those who had them are in a table.
        Ok(stuck || nobody && queue == Queue::Stuck)
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
            Err(error) => of_a_ring(&error),
        };
        self.group.entrance.turn_away(stream, about, shortage);
        !matches!(shortage, Shortage::Connections(_))
    }

    /// The kernel has let somebody in, or could not.
    pub(super) fn arrived(
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
            None => self.could_not(index, came.result())?,
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
        if self.group.is_closed() {
            entrance.came_too_late();
        } else {
            // Nobody hears of it.
            let nobody = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
            let (about, has_room) = entrance.count(nobody, nobody);
            if has_room {
                entrance.serves();
                return self.open(ring, slot, about, now);
            }
            entrance.refuse(None, about, Shortage::Connections(self.host().limits.connections));
        }
        if let Some(chosen) = self.rings.get(ring) {
            chosen.reset_at_close(slot, Token::Ignored.word());
            chosen.close(slot, Token::Ignored.word());
            self.rings.freed(ring);
        }
    }

    fn open(&mut self, ring: usize, slot: Slot, about: About, now: Instant) {
        self.group.entrance.had_room(about);
        let bell = S::ASKS.then(|| Arc::clone(&self.bell));
        let session = Session::open(self.host(), self.service, about, bell, (now, SystemTime::now()));
        let ring = u8::try_from(ring).unwrap_or(u8::MAX);
        let mut connection = Connection::new(session, Spot { ring, slot });
        connection.standing.goes = self.crowd.next_thread();
        let place = self.crowd.insert(connection);
        self.work(place, now, |_, _| {});
    }

    pub(super) fn open_doors(&mut self) {
        // A listener that was inherited is still there then, and who comes to it is somebody else's.
        if !self.group.is_closed() {
            self.doors.wait(self.group, &mut self.rings);
        }
    }

    pub(super) fn look_at_queue(&mut self) {
        if self.intake.come_back(self.group) {
            self.open_doors();
            for token in mem::take(&mut self.deaf) {
                self.hear_of(token);
            }
        }
    }
}

/// What is wanting where a ring says so.
fn of_a_ring(error: &io::Error) -> Shortage {
    error.raw_os_error().map_or(Shortage::Memory, Shortage::Ring)
}
