//! One connection of a worker: what the kernel has said of its socket, and what can be done now.

use crate::engine::Host;
use crate::engine::buffers::Buffers;
use crate::engine::line::{Line, Read, Sent};
use crate::engine::timers::Armed;
use crate::service::Service;
use crate::session::{Parked, Session};
use crate::told::ConnectionId;
use enchufe_sys::epoll::Found;
use std::net::TcpStream;
use std::time::Instant;

/// Reads of one connection before the others have their turn.
const READS: usize = 16;

pub(super) struct Connection<'h, S: Service> {
    pub(super) line: Line<'h, S>,
    pub(super) armed: Armed,
    /// It has more to do, which no event will tell.
    pub(super) in_line: bool,
    /// The kernel tells of room too.
    pub(super) watches_room: bool,
    /// It had a turn lately: the next may come soon, and is not to begin with unpacking it.
    pub(super) is_kept: bool,
    /// Turns since its thread looked last.
    pub(super) turns: u32,
    /// The thread that is to have it as soon as nothing is under way.
    pub(super) goes: Option<usize>,
    /// Another thread's processor handled its packets when that was looked at last.
    pub(super) strays: Option<usize>,
    /// It came from another thread, and stays until then.
    pub(super) stays: Option<Instant>,
    known: Known,
}

/// A connection between its turns.
pub(super) enum Place<S: Service> {
    /// Nothing is under way: as small as it can be, for it may be for long.
    Parked(Idle<S>),
    /// Where it is as a whole, and which one it is.
    Busy(usize, ConnectionId),
}

impl<S: Service> Place<S> {
    /// Which connection it is.
    pub(super) const fn id(&self) -> ConnectionId {
        match self {
            Self::Parked(idle) => idle.id(),
            Self::Busy(_, id) => *id,
        }
    }
}

/// What is kept of a connection that is parked, or on its way to another thread.
pub(super) struct Idle<S: Service> {
    session: Parked<S>,
    pub(super) stream: TcpStream,
    armed: Armed,
    known: Known,
    watches_room: bool,
}

impl<S: Service> Idle<S> {
    /// Which connection it is.
    pub(super) const fn id(&self) -> ConnectionId {
        self.session.id()
    }

    /// No epoll watches it, and it has no timer.
    pub(super) fn leave(&mut self) {
        (self.armed, self.watches_room) = (Armed::default(), false);
    }
}

/// What is known of the socket, not what is: a read or a send that finds otherwise says so.
pub(super) struct Known {
    readable: bool,
    writable: bool,
    /// A read that does not fill its buffer has not read all: there is an end behind the bytes, or TCP's urgent
    /// pointer stood among them.
    read_on: bool,
}

/// What came of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing is left to do until the kernel tells something.
    Done,
    /// The others are to have theirs before it goes on.
    More,
    /// There is no room to send, and the kernel is to tell when there is.
    Full,
}

impl<'h, S: Service> Connection<'h, S> {
    pub(super) fn new(session: Session<'h, S, usize>, stream: TcpStream) -> Self {
        Self {
            line: Line::new(session, stream),
            armed: Armed::default(),
            in_line: false,
            watches_room: false,
            is_kept: false,
            turns: 0,
            goes: None,
            strays: None,
            stays: None,
            known: Known { readable: false, writable: true, read_on: false },
        }
    }

    /// One that was parked.
    pub(super) fn wake(idle: Idle<S>, host: &'h Host<'h>, service: &'h S, since: Instant) -> Self {
        let Idle { session, stream, armed, known, watches_room } = idle;
        let session = Session::unpark(session, host, service, since);
        Self { armed, watches_room, known, ..Self::new(session, stream) }
    }

    /// What is to be kept of it, if nothing is under way and no turn is to come soon: the connection is of no use then.
    pub(super) fn park(&mut self, since: Instant) -> Option<Parked<S>> {
        if self.is_kept || self.in_line { None } else { self.line.session.park(since) }
    }

    /// With what [`Self::park`] gave.
    pub(super) fn into_idle(self, session: Parked<S>) -> Idle<S> {
        let Self { line, armed, known, watches_room, .. } = self;
        Idle { session, stream: line.stream, armed, known, watches_room }
    }

    /// The kernel told this.
    pub(super) fn learn(&mut self, found: Found) {
        self.known.readable |= found.readable();
        self.known.writable |= found.writable();
        self.known.read_on |= found.ended() || found.urgent();
        if found.failed() && !self.line.session.wants_read() {
            self.line.look_for_error();
        }
    }

    /// Sends and reads what can be.
    pub(super) fn turn(&mut self, buffers: &mut Buffers, now: Instant) -> Turn {
        let mut kept = None;
        for _ in 0..READS {
            let sent = self.flush(buffers, now);
            if self.line.session.is_over() {
                return Turn::Done;
            }
            if let (Turn::Full, Some((index, used))) = (sent, kept.take()) {
                buffers.shrink(index, used);
            }
            if !self.known.readable || !self.line.session.wants_read() {
                return sent;
            }
            kept = self.read(buffers, now);
        }
        Turn::More
    }

    fn flush(&mut self, buffers: &mut Buffers, now: Instant) -> Turn {
        if !self.known.writable {
            return Turn::Full;
        }
        match self.line.flush(buffers, now) {
            Sent::All => Turn::Done,
            Sent::Turn => Turn::More,
            Sent::Full => {
                self.known.writable = false;
                Turn::Full
            }
        }
    }

    /// The buffer that the session keeps of this read, and how much of it is used.
    fn read(&mut self, buffers: &mut Buffers, now: Instant) -> Option<(usize, usize)> {
        match self.line.read(buffers, now) {
            Read::Bytes(count, kept) => {
                // A stream that gives less than was asked for has no more (epoll(7), question 9).
                self.known.readable = self.known.read_on || self.line.filled;
                kept.map(|index| (index, count))
            }
            Read::End | Read::Nothing => {
                self.known.readable = false;
                None
            }
        }
    }
}
