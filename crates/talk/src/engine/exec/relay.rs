//! A program behind TLS. What comes has to be opened before it reads it, and what it writes to be sealed: its standard input and output
//! are one end of a pair of sockets, and the server carries between the other one and the connection.
//!
//! It is as it would be without TLS: it is started once there is a connection, which is after the handshake; what it does not read holds the
//! peer back, what the peer does not read holds it back, and the connection ends with it.

use super::{start, tell_end, until_it_ends};
use crate::engine::accept::Arrival;
use crate::engine::connection::{self, Beside};
use crate::engine::{Host, Program, Tally};
use crate::reason::Call;
use crate::service::{Actions, Event, Service};
use crate::told::About;
use enchufe_sys::host::{Interest, Ready, Watch};
use enchufe_sys::pair::{End, pair};
use enchufe_sys::start::Started;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::time::Instant;

/// Bytes that are taken from a program at once: four records.
const PIECE: usize = 64 * 1024;

/// Runs a program for a connection of TLS.
pub(super) fn serve(program: &Program, arrival: Arrival, host: &Host<'_>, tally: &Tally) {
    let (about, local) = (arrival.about, arrival.stream.local_addr());
    let deadline = host.limits.deadline.and_then(|limit| Instant::now().checked_add(limit));
    let mut run = Run { program, about, local, host, stage: Stage::Before };
    let mut session = connection::serve(host, &Relay, arrival, &mut run);
    // Whatever it still reads or writes, it finds that nobody is there.
    session.beside(Instant::now(), |way, _| way.end = None);
    if let Stage::Runs(process) = run.stage {
        if until_it_ends(&process, deadline, host).is_some() {
            process.end();
        }
        tell_end(process, about, host);
    }
    tally.ended(session);
}

type Session<'h> = crate::session::Session<'h, Relay, usize>;

/// What comes is the program's.
struct Relay;

/// The way to the program and back.
#[derive(Debug, Default)]
struct Way {
    /// The handshake is done.
    is_agreed: bool,
    /// Our end of the pair, from the start of the program until all that had the other one have closed it.
    end: Option<End>,
    /// What came and the program has no room for: no more than one read of the connection gave, for it is not read from meanwhile.
    waits: Vec<u8>,
    /// The program says nothing more.
    is_silent: bool,
    /// It reads nothing more: what comes stays where it is until it is over, as in a socket that nobody reads.
    is_deaf: bool,
}

impl Service for Relay {
    type State = Way;

    fn event(&self, way: &mut Way, event: Event<'_>, actions: &mut Actions) {
        match event {
            Event::Opened(_) => {
                way.is_agreed = true;
                // Until there is a program.
                actions.pause_reading();
            }
            Event::Bytes(bytes) => {
                let given = way.give(bytes);
                way.waits.extend_from_slice(bytes.get(given..).unwrap_or_default());
                if !way.waits.is_empty() {
                    actions.pause_reading();
                }
            }
            // Nothing waits: the end is told where what comes is read.
            Event::PeerEnded => {
                if let Some(end) = &way.end {
                    end.finish();
                }
            }
            Event::Writable | Event::Timer | Event::Answer(_) => {}
        }
    }
}

impl Way {
    /// Hands the program what it has room for; how much.
    fn give(&mut self, bytes: &[u8]) -> usize {
        let Some(end) = self.end.as_ref().filter(|_| !self.is_deaf) else { return 0 };
        let mut given = 0;
        while let Some(rest) = bytes.get(given..).filter(|rest| !rest.is_empty()) {
            match end.write(rest) {
                Ok(count) => given += count,
                Err(error) => {
                    self.is_deaf = error.kind() != io::ErrorKind::WouldBlock;
                    break;
                }
            }
        }
        given
    }

    /// Hands it what waits.
    fn go_on(&mut self, actions: &mut Actions) {
        let mut waits = mem::take(&mut self.waits);
        waits.drain(..self.give(&waits));
        self.waits = waits;
        if self.waits.is_empty() {
            actions.resume_reading();
        }
    }

    /// Sends what the program has written, at most so much; how much that was. `is_left`: nobody has the other end any more.
    fn take(&mut self, most: usize, is_left: bool, actions: &mut Actions) -> usize {
        let Some(end) = &self.end else { return 0 };
        let mut piece = vec![0; most.min(PIECE)];
        match end.read(&mut piece) {
            Ok(count) if count > 0 => {
                piece.truncate(count);
                actions.send(piece);
                return count;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(_) | Err(_) if is_left => self.end = None,
            Ok(_) | Err(_) => {
                self.is_silent = true;
                actions.half_close();
            }
        }
        0
    }
}

/// The program of one connection.
struct Run<'a> {
    program: &'a Program,
    about: About,
    local: io::Result<SocketAddr>,
    host: &'a Host<'a>,
    stage: Stage,
}

enum Stage {
    /// The handshake is not done.
    Before,
    Runs(Started),
    /// It is over: so much of what it had written, or others to whom it has left its end, is not taken yet.
    Over(u64),
}

impl Run<'_> {
    fn begin(&mut self, session: &mut Session<'_>, now: Instant) {
        match self.start() {
            Ok((process, end)) => {
                self.stage = Stage::Runs(process);
                session.beside(now, |way, actions| {
                    way.end = Some(end);
                    way.go_on(actions);
                });
            }
            // Without close_notify: its client is not to take nothing for the answer.
            Err((call, error)) => session.failed(call, error),
        }
    }

    fn start(&self) -> Result<(Started, End), (Call, io::Error)> {
        let failed = |error: io::Error| (Call::Exec, error);
        let local = self.local.as_ref().map_err(|error| failed(error.kind().into()))?;
        let (ours, theirs) = pair().map_err(failed)?;
        let process = start(self.program, &theirs, *local, self.about, self.host)?;
        Ok((process, ours))
    }

    /// What is to be done with our end.
    fn interest(session: &Session<'_>) -> Interest {
        let way = session.state();
        Interest {
            // What the peer has not taken is not added to.
            read: !way.is_silent && session.is_open() && session.queued() == 0,
            write: !way.waits.is_empty() && !way.is_deaf,
        }
    }

    /// Takes what the program has written.
    fn take(&mut self, is_left: bool, session: &mut Session<'_>, now: Instant) {
        let most = if let Stage::Over(left) = self.stage { left } else { PIECE as u64 };
        let most = usize::try_from(most).unwrap_or(PIECE);
        let took = session.beside(now, |way, actions| way.take(most, is_left, actions)) as u64;
        if let Stage::Over(left) = &mut self.stage {
            *left = if took > 0 { left.saturating_sub(took) } else { 0 };
        }
    }

    /// The program has ended: its answer is what it has written by now.
    fn ended(&mut self, session: &Session<'_>) {
        let left = session.state().end.as_ref().and_then(|end| end.unread().ok()).unwrap_or(0);
        if let Stage::Runs(process) = mem::replace(&mut self.stage, Stage::Over(left)) {
            tell_end(process, self.about, self.host);
        }
    }
}

impl Beside<Relay> for Run<'_> {
    /// The program, as long as it runs, and our end, as long as there is something to do with it: it would go on telling that the other one is
    /// closed.
    fn watches<'w>(&'w self, session: &'w Session<'_>) -> Vec<Watch<'w>> {
        let process = match &self.stage {
            Stage::Runs(process) => Some(Watch::new(process, Interest::READ)),
            Stage::Before | Stage::Over(_) => None,
        };
        let interest = Self::interest(session);
        let end = session.state().end.as_ref().filter(|_| interest != Interest::NONE);
        process.into_iter().chain(end.map(|end| Watch::new(end, interest))).collect()
    }

    fn until(&self, session: &Session<'_>) -> Option<Instant> {
        let is_due = matches!(self.stage, Stage::Before) && session.state().is_agreed;
        is_due.then(Instant::now)
    }

    fn look(&mut self, found: &[Ready], session: &mut Session<'_>, now: Instant) {
        let (process, end) = match (&self.stage, found) {
            (Stage::Before, _) if session.state().is_agreed && session.is_open() => {
                return self.begin(session, now);
            }
            (Stage::Runs(_), [process, end @ ..]) => (process.read, end.first()),
            (_, end) => (false, end.first()),
        };
        if let Some(end) = end {
            if end.write {
                session.beside(now, Way::go_on);
            }
            if end.read {
                self.take(end.failed, session, now);
            }
        }
        if process {
            self.ended(session);
        }
        if matches!(self.stage, Stage::Over(0)) {
            session.beside(now, |way, actions| {
                way.end = None;
                actions.close();
            });
        }
    }
}
