//! One connection: a read and a send under way, and the session that they are told to.

use super::Random;
use super::engine::{Pool, is_ringing};
use super::wire::{Arrived, MOST_ROOM, Wire};
use enchufe_sys::host::Bell;
use enchufe_talk::engine::Host;
use enchufe_talk::reason::Call;
use enchufe_talk::session::{MOST_BUFFERS, Next, Session};
use enchufe_talk::told::About;
use enchufe_talk::{End, Service};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

/// Turns until an operation may complete.
const LATEST: usize = 4;

pub(super) struct Connection<'h, S: Service> {
    pub(super) session: Session<'h, S, usize>,
    pub(super) wire: usize,
    bell: Option<Arc<Bell>>,
    /// Turns until the read completes, if one is under way.
    reading: Option<usize>,
    sending: Option<(Sending, usize)>,
    /// The reset was noticed; turns until it is told.
    dying: Option<usize>,
    peer_ended: bool,
    lent: usize,
}

/// What the kernel was asked to send. It looks at the bytes when it sends them.
enum Sending {
    Lent(usize, Range<usize>),
    /// Where they lie, for they must not move, and what was there, as far as the wire takes it.
    Bytes(*const u8, Vec<u8>),
    HalfClose,
}

impl Sending {
    fn of(next: &Next<'_, usize>) -> Self {
        match next {
            Next::Lent(buffer, range) => Self::Lent(**buffer, range.clone()),
            Next::Bytes(bytes) => Self::Bytes(bytes.as_ptr(), bytes[..bytes.len().min(MOST_ROOM)].to_vec()),
            Next::HalfClose => Self::HalfClose,
        }
    }
}

impl<'h, S: Service> Connection<'h, S> {
    pub(super) fn open(
        host: &'h Host<'h>,
        service: &'h S,
        about: About,
        bell: Option<Arc<Bell>>,
        times: (Instant, SystemTime),
        wire: usize,
    ) -> Self {
        let session = Session::open(host, service, about, bell.clone(), times);
        let (reading, sending, dying) = (None, None, None);
        Self { session, wire, bell, reading, sending, dying, peer_ended: false, lent: 0 }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.session.deadline()
    }

    /// Whether anything happened or is under way and will happen.
    pub(super) fn turn(
        &mut self,
        wire: &mut Wire,
        pool: &mut Pool,
        random: &mut Random,
        now: Instant,
    ) -> bool {
        let mut moved = false;
        if let Some(bell) = self.bell.as_ref().filter(|bell| is_ringing(bell)) {
            bell.silence();
            self.session.rang(now);
            moved = true;
        }
        if self.session.deadline().is_some_and(|at| now >= at) {
            self.session.expired(now);
            moved = true;
        }
        moved |= self.notice_reset(wire, random);
        // Completions come in any order.
        if random.chance(2) {
            moved |= self.read(wire, pool, random, now);
            moved |= self.send(wire, pool, random, now);
        } else {
            moved |= self.send(wire, pool, random, now);
            moved |= self.read(wire, pool, random, now);
        }
        assert!(self.lent <= MOST_BUFFERS, "{} buffers lent to one connection", self.lent);
        moved
    }

    /// A reset is told sooner or later even where nothing is under way: the kernel is asked for it.
    fn notice_reset(&mut self, wire: &Wire, random: &mut Random) -> bool {
        if !wire.is_reset() || self.session.is_over() {
            return false;
        }
        match self.dying {
            None => self.dying = Some(random.below(3 * LATEST)),
            Some(0) => self.session.failed(Call::Recv, io::ErrorKind::ConnectionReset.into()),
            Some(turns) => self.dying = Some(turns - 1),
        }
        true
    }

    fn read(&mut self, wire: &mut Wire, pool: &mut Pool, random: &mut Random, now: Instant) -> bool {
        let wanted = self.session.wants_read();
        assert!(!(wanted && self.peer_ended), "nothing comes after the end");
        match self.reading {
            None if wanted => self.reading = Some(random.below(LATEST)),
            None => return false,
            // Some engines would cancel it, and some would be too late.
            Some(_) if !wanted && random.chance(2) => self.reading = None,
            Some(0) => return self.read_completes(wire, pool, random, now),
            Some(turns) => self.reading = Some(turns - 1),
        }
        true
    }

    fn read_completes(
        &mut self,
        wire: &mut Wire,
        pool: &mut Pool,
        random: &mut Random,
        now: Instant,
    ) -> bool {
        let count = match wire.arrived() {
            Arrived::Nothing => return false,
            Arrived::Bytes(count) => count,
            Arrived::End => {
                self.reading = None;
                self.peer_ended = true;
                self.session.peer_ended(now);
                return true;
            }
            Arrived::Reset => {
                self.reading = None;
                self.session.failed(Call::Recv, io::ErrorKind::ConnectionReset.into());
                return true;
            }
        };
        let Some(index) = pool.take() else { return false };
        self.reading = None;
        let buffer = pool.buffer(index);
        let count = random.part(count.min(buffer.len()));
        let bytes = &mut buffer[..count];
        wire.server_reads(bytes);
        self.lent += 1;
        let freed = self.session.received(bytes, index, now);
        self.take_back(freed, pool);
        true
    }

    fn send(&mut self, wire: &mut Wire, pool: &mut Pool, random: &mut Random, now: Instant) -> bool {
        match &mut self.sending {
            None => {
                let Some(next) = self.session.next() else { return false };
                self.sending = Some((Sending::of(&next), random.below(LATEST)));
            }
            Some((_, turns)) if *turns > 0 => *turns -= 1,
            Some(_) => return self.send_completes(wire, pool, random, now),
        }
        true
    }

    fn send_completes(
        &mut self,
        wire: &mut Wire,
        pool: &mut Pool,
        random: &mut Random,
        now: Instant,
    ) -> bool {
        if wire.is_reset() {
            self.sending = None;
            self.session.failed(Call::Send, io::ErrorKind::ConnectionReset.into());
            return true;
        }
        let Some((sending, _)) = self.sending.take() else { return false };
        let room = wire.room();
        let sent = match &sending {
            Sending::HalfClose => {
                wire.server_ends();
                self.session.half_closed(now);
                return true;
            }
            _ if room == 0 => {
                self.sending = Some((sending, 0));
                return false;
            }
            Sending::Lent(index, range) => {
                let count = random.part(range.len().min(room));
                wire.server_sends(&pool.buffer(*index)[range.start..range.start + count]);
                count
            }
            Sending::Bytes(place, bytes) => {
                match self.session.next() {
                    Some(Next::Bytes(now)) => {
                        assert_eq!(now.as_ptr(), *place, "a send under way moved");
                        assert!(now.starts_with(bytes), "a send under way changed");
                    }
                    _ => assert!(self.session.is_over(), "a send under way went away"),
                }
                let count = random.part(bytes.len().min(room));
                wire.server_sends(&bytes[..count]);
                count
            }
        };
        let freed = self.session.sent(sent, now);
        self.take_back(freed, pool);
        true
    }

    fn take_back(&mut self, freed: Option<usize>, pool: &mut Pool) {
        if let Some(index) = freed {
            self.lent -= 1;
            pool.give_back(index);
        }
    }

    /// The session is over. A send that is under way may still get out.
    pub(super) fn close(
        mut self,
        wire: &mut Wire,
        pool: &mut Pool,
        random: &mut Random,
        (now, secured): (Instant, bool),
    ) -> End {
        if random.chance(2) && !matches!(self.sending, Some((Sending::HalfClose, _))) {
            self.send_completes(wire, pool, random, now);
        }
        while let Some(index) = self.session.take_back() {
            self.take_back(Some(index), pool);
        }
        assert_eq!(self.lent, 0, "every buffer comes back");
        wire.server_closes();
        let end = self.session.closed(now);
        // With TLS it counts what is inside.
        if secured {
            assert!(end.received <= wire.taken && end.sent <= wire.given, "more than what went over");
        } else {
            assert_eq!(
                (end.received, end.sent),
                (wire.taken, wire.given),
                "the session counts what went over"
            );
        }
        end
    }
}
