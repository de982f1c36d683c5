//! One connection of a worker: what the kernel has said of its socket, and what can be done now.

use crate::engine::buffers::Buffers;
use crate::engine::carriage::{Carriers, Stream};
use crate::engine::crowd::{Member, Standing};
use crate::engine::line::{Line, Read, Sent};
use crate::service::Service;
use crate::session::{Parked, Session};
use enchufe_sys::epoll::{Found, Watch};
use std::net::TcpStream;
use std::time::Instant;

/// Reads of one connection before the others have their turn.
const READS: usize = 16;

pub(super) struct Connection<'h, S: Service> {
    pub(super) line: Line<'h, S>,
    pub(super) standing: Standing,
    /// It has more to do, which no event will tell.
    pub(super) in_line: bool,
    /// What the kernel tells of it.
    pub(super) watched: Watch,
    known: Known,
    /// Where much has come that may be carried.
    stream: Option<Box<Stream>>,
}

/// What is kept of a connection that is parked, beside its session.
pub(super) struct Rest {
    stream: TcpStream,
    known: Known,
    watched: Watch,
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
    /// It is carried from now on, and looked at with the others that are.
    Boards,
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
        if self.in_line || self.is_carried() { None } else { self.line.session.park(since) }
    }

    fn into_rest(self) -> Rest {
        let Self { line, known, watched, .. } = self;
        Rest { stream: line.stream, known, watched }
    }

    fn wake(session: Session<'h, S, usize>, rest: Rest) -> Self {
        let Rest { stream, known, watched } = rest;
        Self { watched, known, ..Self::new(session, stream) }
    }
}

impl<'h, S: Service> Connection<'h, S> {
    pub(super) fn new(session: Session<'h, S, usize>, stream: TcpStream) -> Self {
        Self {
            line: Line::new(session, stream),
            standing: Standing::default(),
            in_line: false,
            watched: Watch::Arrivals,
            known: Known { readable: false, writable: true, read_on: false },
            stream: None,
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

    /// Sends and reads what can be, or has the kernel carry it.
    pub(super) fn turn(&mut self, buffers: &mut Buffers, carriers: &Carriers, now: Instant) -> Turn {
        self.alight();
        if self.is_carried() {
            return Turn::Done;
        }
        let mut kept = None;
        for _ in 0..READS {
            let sent = self.flush(buffers, now);
            if self.line.session.is_over() {
                return Turn::Done;
            }
            if let (Turn::Full, Some((index, used))) = (sent, kept.take()) {
                buffers.shrink(index, used);
            }
            if !self.line.session.wants_read() {
                return sent;
            }
            // Before it is carried, all that came is to be sent.
            if self.is_to_be_carried() {
                if sent != Turn::Done {
                    return sent;
                }
                if self.board(carriers, now) {
                    return Turn::Boards;
                }
            }
            if !self.known.readable {
                return sent;
            }
            kept = self.read(buffers, now);
        }
        Turn::More
    }

    /// What the kernel is to tell of it after this.
    pub(super) fn wants_told(&self, turn: Turn) -> Watch {
        match (self.watched, turn) {
            // Who looks at it by itself is not to be woken by each packet.
            _ if self.is_carried() => Watch::Nothing,
            (_, Turn::Full) => Watch::Changes,
            (Watch::Nothing, _) => Watch::Arrivals,
            (watched, _) => watched,
        }
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
                if let Some(stream) = &mut self.stream {
                    if stream.takes_all() {
                        self.line.flow.learn(true);
                    }
                    stream.learn(&self.line.session, now);
                }
                kept.map(|index| (index, count))
            }
            Read::End | Read::Nothing => {
                self.known.readable = false;
                None
            }
        }
    }

    pub(super) fn is_carried(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.is_carried())
    }

    fn is_to_be_carried(&mut self) -> bool {
        let Line { session, flow, .. } = &mut self.line;
        self.standing.goes.is_none() && Stream::is_wanted(&mut self.stream, session, flow)
    }

    /// Has the kernel carry it, if nothing else is under way. Whether it is carried from now on.
    fn board(&mut self, carriers: &Carriers, now: Instant) -> bool {
        let Self { stream: Some(stream), line, .. } = self else { return false };
        if line.session.rests() {
            stream.board(Some(&line.stream), carriers.pipe(), now);
        }
        stream.is_carried()
    }

    /// Ends that, if it is carried and is not to be.
    pub(super) fn alight(&mut self) {
        let Self { stream: Some(stream), line, standing, known, .. } = self else { return };
        if stream.alight(&mut line.session, line.flow, standing) {
            // Nothing was told meanwhile.
            (known.readable, known.writable) = (true, true);
        }
    }

    /// Looks for what has come on one that is carried. Whether there may be more at once.
    pub(super) fn carry(&mut self, now: Instant) -> bool {
        let Self { stream: Some(stream), line: Line { session, stream: socket, flow, .. }, .. } = self else {
            return false;
        };
        stream.look(socket, session, flow, now)
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
