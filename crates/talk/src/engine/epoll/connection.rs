//! One connection of a worker: what the kernel has said of its socket, and what can be done now.

use crate::engine::buffers::Buffers;
use crate::engine::crowd::{Member, Standing};
use crate::engine::line::{Line, Read, Sent};
use crate::service::Service;
use crate::session::{Parked, Session};
use enchufe_sys::epoll::Found;
use std::net::TcpStream;
use std::time::Instant;

/// Reads of one connection before the others have their turn.
const READS: usize = 16;

pub(super) struct Connection<'h, S: Service> {
    pub(super) line: Line<'h, S>,
    pub(super) standing: Standing,
    /// It has more to do, which no event will tell.
    pub(super) in_line: bool,
    /// The kernel tells of room too.
    pub(super) watches_room: bool,
    known: Known,
}

/// What is kept of a connection that is parked, beside its session.
pub(super) struct Rest {
    stream: TcpStream,
    known: Known,
    watches_room: bool,
}

/// What is known of the socket, not what is: a read or a send that finds otherwise says so.
struct Known {
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

impl<'h, S: Service> Member<'h> for Connection<'h, S> {
    type Service = S;
    type Buffer = usize;
    type Rest = Rest;

    fn session(&self) -> &Session<'h, S, usize> {
        &self.line.session
    }

    fn standing(&mut self) -> &mut Standing {
        &mut self.standing
    }

    fn park(&mut self, since: Instant) -> Option<Parked<S>> {
        if self.in_line { None } else { self.line.session.park(since) }
    }

    fn into_rest(self) -> Rest {
        let Self { line, known, watches_room, .. } = self;
        Rest { stream: line.stream, known, watches_room }
    }

    fn wake(session: Session<'h, S, usize>, rest: Rest) -> Self {
        let Rest { stream, known, watches_room } = rest;
        Self { watches_room, known, ..Self::new(session, stream) }
    }
}

impl<'h, S: Service> Connection<'h, S> {
    pub(super) fn new(session: Session<'h, S, usize>, stream: TcpStream) -> Self {
        Self {
            line: Line::new(session, stream),
            standing: Standing::default(),
            in_line: false,
            watches_room: false,
            known: Known { readable: false, writable: true, read_on: false },
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::crowd::Crowd;
    use crate::services::Echo;

    #[test]
    fn a_parked_connection_is_small() {
        assert_eq!(Crowd::<Connection<'_, Echo>>::PARKED, 72);
    }
}
