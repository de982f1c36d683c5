//! Streams that go straight back: the kernel carries their bytes from the socket through a pipe to the socket, and nobody copies them.
//!
//! For that alone they would go slower than by copying: the server has less to do and waits more, and whoever sends has to wake it. So it
//! does not wait for the socket, but looks at it again and again, after a pause each time. Whether more gets done so is tried out on each
//! stream.

use super::Carry;
use super::buffers::Flow;
use super::crowd::Key;
use super::trial::{Rule, Trial};
use crate::reason::Call;
use crate::service::Service;
use crate::session::Session;
use enchufe_sys::splice::{Pipe, is_windowed};
use std::io;
use std::mem;
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Streams of one thread that are carried at once; the others are copied. Each takes a descriptor for its socket and two for its pipe.
const MOST: usize = 16;
/// What a pipe holds at most, which is kept in memory where a peer does not read: as much as may be queued for a connection anyway.
const PIPE: usize = crate::session::MOST_QUEUED;
/// Between two looks. With less there is more to do, with more a sender's window may be full before.
const PAUSE: Duration = Duration::from_micros(200);
/// How often a pipe is filled in one look.
const ROUNDS: usize = 8;
/// Where less comes between two looks, to wait for it costs less than to look.
const MUCH: u64 = 32 * 1024;
static RULE: Rule = Rule {
    phase: Duration::from_millis(8),
    // It takes half of the processor time or less: to be as fast is enough.
    better: 1.0,
    believed: Duration::from_secs(1),
    refused: [Duration::from_millis(250), Duration::from_secs(64)],
};

/// A connection through which much comes.
#[derive(Debug)]
pub(super) struct Stream {
    trial: Trial,
    /// As tests want it: no trial, and all that comes is much.
    always: bool,
    /// It cannot be carried.
    never: bool,
    carriage: Option<Carriage>,
    /// The last look found something.
    moved: bool,
}

#[derive(Debug)]
struct Carriage {
    socket: TcpStream,
    pipe: Pipe,
    /// Bytes in the pipe.
    held: usize,
    /// Nothing more comes.
    has_ended: bool,
}

impl Stream {
    /// If this one may be carried.
    pub(super) fn new<S: Service, B>(session: &Session<'_, S, B>) -> Option<Self> {
        let carry = session.carry();
        let always = carry == Carry::Always;
        (carry != Carry::Never).then(|| Self {
            trial: Trial::new(&RULE),
            always,
            never: false,
            carriage: None,
            moved: false,
        })
    }

    /// Whether little is as good as much.
    pub(super) const fn takes_all(&self) -> bool {
        self.always
    }

    pub(super) const fn is_carried(&self) -> bool {
        self.carriage.is_some()
    }

    /// Whether it is to be carried now. `flow`: whether much comes on it.
    pub(super) const fn is_due(&self, flow: Flow) -> bool {
        !self.never && flow.is_large() && (self.always || self.trial.is_on())
    }

    /// What has come by now may be enough to judge by.
    pub(super) fn learn<S: Service, B>(&mut self, session: &Session<'_, S, B>, now: Instant) {
        let came = session.came();
        if !self.never && self.trial.is_due(now, came) {
            self.trial.next(now, came, true, true);
        }
    }

    /// Begins to carry it, if that can be.
    pub(super) fn board(&mut self, socket: io::Result<TcpStream>, pipe: Option<Pipe>, now: Instant) {
        let Some((socket, pipe)) = socket.ok().zip(pipe) else {
            self.never |= self.always;
            return self.trial.refuse(now);
        };
        // What keeps a pace sends more packets, of which each costs. And a call on a socket that blocks would wait, whatever it is told.
        self.never = !(self.always || is_windowed(&socket)) || socket.set_nonblocking(true).is_err();
        if !self.never {
            self.carriage = Some(Carriage { socket, pipe, held: 0, has_ended: false });
        }
    }

    /// Carries what has come, until nothing is there. Whether there may be more at once.
    pub(super) fn look<S: Service, B>(
        &mut self,
        session: &mut Session<'_, S, B>,
        flow: &mut Flow,
        now: Instant,
    ) -> bool {
        let before = session.came();
        let more = self.carriage.as_mut().is_some_and(|carriage| carriage.look(session, now));
        let came = session.came() - before;
        flow.learn(came >= MUCH);
        self.moved = came > 0;
        self.learn(session, now);
        more
    }

    /// Whether it is carried and is to be received from and sent to again. `goes`: to another thread, after something has come.
    pub(super) fn has_to_alight(&self, flow: Flow, goes: bool) -> bool {
        let is_over = |carriage: &Carriage| carriage.has_ended || goes && self.moved || !self.is_due(flow);
        self.carriage.as_ref().is_some_and(is_over)
    }

    /// Ends the carrying. What was in the pipe is the session's again. Whether it has ended, which is still to be read.
    pub(super) fn alight<S: Service, B>(&mut self, session: &mut Session<'_, S, B>) -> bool {
        let Some(Carriage { pipe, held, has_ended, .. }) = self.carriage.take() else { return false };
        // What comes after an end is nothing that more could be gained from.
        self.never |= has_ended;
        match pipe.into_bytes(held) {
            Ok(bytes) => session.put_back(bytes),
            Err(error) => session.failed(Call::Splice, error),
        }
        has_ended
    }
}

impl Carriage {
    fn look<S: Service, B>(&mut self, session: &mut Session<'_, S, B>, now: Instant) -> bool {
        for _ in 0..ROUNDS {
            match self.round(session, now) {
                Ok((0, 0)) => return false,
                Ok(_) => {}
                Err(error) => {
                    session.failed(Call::Splice, error);
                    return false;
                }
            }
        }
        true
    }

    /// Takes what has come, and sends what there is room for: how much of both.
    fn round<S: Service, B>(
        &mut self,
        session: &mut Session<'_, S, B>,
        now: Instant,
    ) -> io::Result<(usize, usize)> {
        let mut came = 0;
        if !self.has_ended && self.held < PIPE {
            let result = self.pipe.fill(&self.socket, PIPE - self.held);
            self.has_ended = matches!(result, Ok(0));
            came = unless_none(result)?;
            self.held += came;
            session.carried_in(came, now);
        }
        let mut gone = 0;
        if self.held > 0 {
            gone = unless_none(self.pipe.drain(&self.socket, self.held))?;
            self.held = self.held.saturating_sub(gone);
            session.carried_out(gone, now);
        }
        Ok((came, gone))
    }
}

/// Nothing, where the call would have waited or was interrupted.
fn unless_none(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(0),
        result => result,
    }
}

/// Those of one thread that are carried.
#[derive(Debug, Default)]
pub(super) struct Carriers {
    list: Vec<Key>,
    /// When they are looked at next.
    next: Option<Instant>,
}

impl Carriers {
    /// A pipe for one more, if there is room. None is kept for the next: a stream lasts.
    pub(super) fn pipe(&self) -> Option<Pipe> {
        if self.list.len() < MOST { Pipe::new(PIPE).ok() } else { None }
    }

    /// This one is carried from now on.
    pub(super) fn add(&mut self, key: Key, now: Instant) {
        if !self.list.contains(&key) {
            self.list.push(key);
        }
        self.next.get_or_insert(now);
    }

    /// When they are to be looked at.
    pub(super) const fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Those that are to be looked at now.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Key> {
        if self.next.is_none_or(|next| now < next) {
            return Vec::new();
        }
        self.next = None;
        mem::take(&mut self.list)
    }

    /// Those of them that go on, and whether there may be more of one at once.
    pub(super) fn rest(&mut self, list: Vec<Key>, more: bool) {
        let now = Instant::now();
        let next = if more { Some(now) } else { now.checked_add(PAUSE) };
        for key in list {
            self.add(key, now);
            self.next = next;
        }
    }
}
