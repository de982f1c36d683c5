//! Streams that go straight back: the kernel carries their bytes from the socket through a pipe to the socket, and nobody copies them.
//!
//! For that alone they would go slower than by copying: the server has less to do and waits more, and whoever sends has to wake it. So it
//! does not wait for the socket, but looks at it again and again, after a pause each time. Whether more gets done so is tried out on each
//! stream.

use super::Carry;
use super::buffers::Flow;
use super::crowd::{Key, Standing};
use super::trial::{Rule, Trial};
use crate::reason::Call;
use crate::service::Service;
use crate::session::Session;
use enchufe_sys::splice::{Pipe, is_windowed};
use std::io;
use std::mem;
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Streams of one thread that are carried at once; the others are copied. Each takes two descriptors for its pipe, and one for its socket
/// where that is none.
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
    pipe: Pipe,
    /// Bytes in the pipe.
    held: usize,
    /// Nothing more comes.
    has_ended: bool,
}

impl Stream {
    /// Whether a connection is to be carried now, of which this is the stream once much has come. `flow`: whether much comes on it.
    pub(super) fn is_wanted<S: Service, B>(
        stream: &mut Option<Box<Self>>,
        session: &Session<'_, S, B>,
        flow: &mut Flow,
    ) -> bool {
        if stream.is_none() && (flow.is_large() || session.carries_all()) {
            *stream = Self::new(session).map(Box::new);
            if stream.as_ref().is_some_and(|stream| stream.takes_all()) {
                flow.learn(true);
            }
        }
        stream.as_ref().is_some_and(|stream| stream.is_due(*flow))
    }

    /// If this one may be carried.
    fn new<S: Service, B>(session: &Session<'_, S, B>) -> Option<Self> {
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

    const fn is_due(&self, flow: Flow) -> bool {
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
    pub(super) fn board(&mut self, socket: Option<&TcpStream>, pipe: Option<Pipe>, now: Instant) {
        let Some((socket, pipe)) = socket.zip(pipe) else {
            self.never |= self.always;
            return self.trial.refuse(now);
        };
        // What keeps a pace sends more packets, of which each costs. And a call on a socket that blocks would wait, whatever it is told.
        self.never = !(self.always || is_windowed(socket)) || socket.set_nonblocking(true).is_err();
        if !self.never {
            self.carriage = Some(Carriage { pipe, held: 0, has_ended: false });
        }
    }

    /// Carries what has come, until nothing is there. Whether there may be more at once.
    pub(super) fn look<S: Service, B>(
        &mut self,
        socket: &TcpStream,
        session: &mut Session<'_, S, B>,
        flow: &mut Flow,
        now: Instant,
    ) -> bool {
        let before = session.came();
        let more = self.carriage.as_mut().is_some_and(|carriage| carriage.look(socket, session, now));
        let came = session.came() - before;
        flow.learn(came >= MUCH);
        self.moved = came > 0;
        self.learn(session, now);
        more
    }

    /// Ends the carrying, if it is carried and is to be received from and sent to again: what was in the pipe is the session's then. Whether
    /// that was so.
    pub(super) fn alight<S: Service, B>(
        &mut self,
        session: &mut Session<'_, S, B>,
        flow: Flow,
        standing: &mut Standing,
    ) -> bool {
        // To another thread it goes after something has come.
        let goes_now = standing.goes.is_some() && self.moved;
        let stays = !session.is_over() && !goes_now && self.is_due(flow);
        let Some(carriage) = self.carriage.take_if(|carriage| carriage.has_ended || !stays) else {
            return false;
        };
        let Carriage { pipe, held, has_ended } = carriage;
        // What comes after an end is nothing that more could be gained from. For its end alone it need not go anywhere.
        self.never |= has_ended;
        standing.goes.take_if(|_| has_ended);
        match pipe.into_bytes(held) {
            Ok(bytes) => session.put_back(bytes),
            Err(error) => session.failed(Call::Splice, error),
        }
        true
    }
}

impl Carriage {
    fn look<S: Service, B>(
        &mut self,
        socket: &TcpStream,
        session: &mut Session<'_, S, B>,
        now: Instant,
    ) -> bool {
        for _ in 0..ROUNDS {
            match self.round(socket, session, now) {
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
        socket: &TcpStream,
        session: &mut Session<'_, S, B>,
        now: Instant,
    ) -> io::Result<(usize, usize)> {
        let mut came = 0;
        if !self.has_ended && self.held < PIPE {
            let result = self.pipe.fill(socket, PIPE - self.held);
            self.has_ended = matches!(result, Ok(0));
            came = unless_none(result)?;
            self.held += came;
            session.carried_in(came, now);
        }
        let mut gone = 0;
        if self.held > 0 {
            gone = unless_none(self.pipe.drain(socket, self.held))?;
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
    fn due(&mut self, now: Instant) -> Vec<Key> {
        if self.next.is_none_or(|next| now < next) {
            return Vec::new();
        }
        self.next = None;
        mem::take(&mut self.list)
    }

    /// Those of them that go on, and whether there may be more of one at once.
    fn rest(&mut self, list: Vec<Key>, more: bool) {
        let now = Instant::now();
        let next = if more { Some(now) } else { now.checked_add(PAUSE) };
        for key in list {
            self.add(key, now);
            self.next = next;
        }
    }
}

/// A thread that looks at those that are carried.
pub(super) trait Looks {
    fn carriers(&mut self) -> &mut Carriers;

    /// Looks at this one. Whether there may be more at once; none: it is not carried any more.
    fn look_at(&mut self, key: Key, now: Instant) -> Option<bool>;

    /// Looks at all, if it is time to.
    fn look_at_streams(&mut self) {
        // The time is not asked for where there are none.
        if self.carriers().next().is_none() {
            return;
        }
        let now = Instant::now();
        let mut list = self.carriers().due(now);
        if list.is_empty() {
            return;
        }
        let mut any = false;
        list.retain(|key| self.look_at(*key, now).inspect(|more| any |= more).is_some());
        self.carriers().rest(list, any);
    }
}
