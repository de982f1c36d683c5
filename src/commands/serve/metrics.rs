//! `--metrics`: what the server has done, for programs that look after it, by HTTP.
//!
//! One thread has all of it. What asks is another program or anybody: each connection has its bounds, and the oldest
//! makes room for a new one, so that one that says nothing keeps nobody from asking.

mod http;
mod page;

use self::http::{Heard, Request};
use super::Plan;
use crate::problem::{Kind, Problem};
use crate::reporter::Teller;
use enchufe_sys::host::{self, AcceptFault, Bell, Interest, Watch};
use enchufe_talk::listen::{self, Listener};
use enchufe_talk::told::{About, Reach};
use enchufe_talk::{Counters, Endpoint, Reporter, Stop, TalkError, Told};
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Connections at a time; past these the oldest is closed.
pub const MOST: usize = 8;
/// More that wait to be let in; they come and go quickly.
const BACKLOG: u32 = 128;
/// Until it is closed, from accepted.
const LIMIT: Duration = Duration::from_secs(5);
/// Bytes of a connection that are thrown away after its answer; past these it is closed.
const LEFTOVERS: usize = 64 * 1024;
/// How long the queue is left alone when there are no descriptors for who waits there.
const SHORTAGE_PAUSE: Duration = Duration::from_secs(1);

/// Opens the address. Where it listens is told by [`Desk::open`], when the server does too.
pub fn listen(
    endpoint: &Endpoint,
    plan: &Plan,
    teller: &Teller,
    stop: &Stop,
) -> Result<Vec<Listener>, Problem> {
    let plan = listen::Plan {
        endpoints: std::slice::from_ref(endpoint),
        family: plan.family,
        backlog: BACKLOG,
        options: &[],
    };
    listen::open(&plan, &Beside(teller), stop).map_err(|error| Problem::from(error).with("flag", "--metrics"))
}

/// Tells of the steps to a second address only what is not said of the server's.
struct Beside<'a>(&'a Teller);

impl Reporter for Beside<'_> {
    fn tell(&self, about: Option<About>, told: &Told<'_>) {
        if matches!(told, Told::WinsockStarted { .. } | Told::Skipped { .. }) {
            self.0.tell(about, told);
        }
    }
}

/// Why the server's own addresses could not be opened: because of one of these, if that is so.
pub fn explain(error: TalkError, metrics: &[Listener]) -> Problem {
    match error {
        TalkError::AddressInUse { address, .. }
            if metrics.iter().any(|own| overlap(own.address(), address)) =>
        {
            Problem::new(Kind::MetricsListen).with("address", address)
        }
        error => error.into(),
    }
}

fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let meet = one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && one.is_ipv4() == other.is_ipv4() && meet
}

/// Who answers.
pub struct Desk {
    pub listeners: Vec<Listener>,
    pub counters: Arc<Counters>,
    pub stop: Arc<Stop>,
}

impl Desk {
    /// Tells where it listens, and answers in a thread that ends with the program.
    pub fn open(self, teller: &Teller) -> Result<(), Problem> {
        for address in self.listeners.iter().map(Listener::address) {
            teller.tell(None, &Told::MetricsListening { address, reach: Reach::of(address) });
        }
        // Before anybody is let in who could have the last descriptor.
        let mut visitors = Visitors { reserve: Bell::new().ok(), ..Visitors::default() };
        let answer = move || loop {
            if visitors.turn(&self).is_err() {
                // No memory to wait with.
                visitors = Visitors::default();
                std::thread::sleep(SHORTAGE_PAUSE);
            }
        };
        std::thread::Builder::new().spawn(answer).map_err(|error| Problem::resources("clone", &error))?;
        Ok(())
    }

    fn answer(&self, request: &Request) -> Vec<u8> {
        match request.page {
            Ok(http::Page::Metrics) => {
                http::response(http::OK, page::TYPE, &page::metrics(&self.counters.counted()), request)
            }
            Ok(http::Page::Health) => http::response(http::OK, http::PLAIN, "ok\n", request),
            Ok(http::Page::Ready) if self.is_ready() => {
                http::response(http::OK, http::PLAIN, "ready\n", request)
            }
            Ok(http::Page::Ready) => http::response(http::UNAVAILABLE, http::PLAIN, "not ready\n", request),
            Err(status) => http::response(status, http::PLAIN, &format!("{}\n", status.1), request),
        }
    }

    /// Whether who connects is served.
    fn is_ready(&self) -> bool {
        self.counters.takes_more() && !self.stop.has_begun()
    }
}

/// The connections of a desk, the oldest first.
#[derive(Default)]
struct Visitors {
    all: VecDeque<Visitor>,
    rest_until: Option<Instant>,
    /// A descriptor that is given up for who asks when there is no other: a server that has used up all is the one to ask.
    reserve: Option<Bell>,
}

impl Visitors {
    /// Waits for the next thing to happen and does it.
    fn turn(&mut self, desk: &Desk) -> io::Result<()> {
        if self.reserve.is_none() {
            self.reserve = Bell::new().ok();
        }
        let now = Instant::now();
        self.rest_until = self.rest_until.filter(|until| now < *until);
        let listeners = if self.rest_until.is_some() { &[][..] } else { &desk.listeners[..] };
        let next = self.all.front().map(|oldest| oldest.until).into_iter().chain(self.rest_until).min();
        let mut watches: Vec<Watch<'_>> = self.all.iter().map(Visitor::watch).collect();
        watches.extend(listeners.iter().map(|listener| Watch::new(listener.socket(), Interest::READ)));
        host::wait(&mut watches, next.map(|at| at.saturating_duration_since(now)))?;
        let ready: Vec<bool> = watches.iter().map(|watch| watch.ready().any()).collect();
        drop(watches);

        let (visitors, knocks) = ready.split_at(self.all.len());
        for (visitor, _) in self.all.iter_mut().zip(visitors).filter(|(_, ready)| **ready) {
            visitor.turn(desk);
        }
        let now = Instant::now();
        let before = self.all.len();
        self.all.retain(|visitor| !matches!(visitor.phase, Phase::Over) && now < visitor.until);
        if self.all.len() < before {
            self.rest_until = None;
        }
        for (listener, _) in desk.listeners.iter().zip(knocks).filter(|(_, ready)| **ready) {
            self.accept(listener);
        }
        Ok(())
    }

    fn accept(&mut self, listener: &Listener) {
        let enter = || host::accept(listener.socket()).and_then(|(stream, _)| Visitor::new(stream));
        let mut came = enter();
        if came.as_ref().is_err_and(|error| host::accept_fault(error) == AcceptFault::Descriptors)
            && self.give_one_up()
        {
            came = enter();
        }
        match came {
            Ok(visitor) => {
                if self.all.len() == MOST {
                    self.all.pop_front();
                }
                self.all.push_back(visitor);
            }
            // It was gone before it was let in.
            Err(error) if host::accept_fault(&error) == AcceptFault::Nobody => {}
            Err(_) => self.rest_until = Instant::now().checked_add(SHORTAGE_PAUSE),
        }
    }

    /// Whether a descriptor could be closed: the reserve, or that of one who has its answer.
    fn give_one_up(&mut self) -> bool {
        let leaves = |visitor: &Visitor| matches!(visitor.phase, Phase::Leaves(_));
        self.reserve.take().is_some()
            || self.all.iter().position(leaves).is_some_and(|index| self.all.remove(index).is_some())
    }
}

/// One connection.
struct Visitor {
    stream: TcpStream,
    until: Instant,
    phase: Phase,
}

enum Phase {
    /// What came of the request.
    Asks(Vec<u8>),
    /// What is not sent yet of the answer.
    IsAnswered(Vec<u8>),
    /// Our FIN is out. So many bytes may still come: to close with unread ones would send RST, which may destroy the
    /// answer on its way (RFC 2525 §2.17).
    Leaves(usize),
    Over,
}

impl Visitor {
    fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream, until: Instant::now() + LIMIT, phase: Phase::Asks(Vec::new()) })
    }

    fn watch(&self) -> Watch<'_> {
        let write = matches!(self.phase, Phase::IsAnswered(_));
        Watch::new(&self.stream, Interest { read: !write, write })
    }

    /// Goes on as far as it can.
    fn turn(&mut self, desk: &Desk) {
        while let Some(next) = match &mut self.phase {
            Phase::Asks(heard) => hear(&mut self.stream, heard, desk),
            Phase::IsAnswered(rest) => say(&mut self.stream, rest),
            Phase::Leaves(most) => see_off(&mut self.stream, most),
            Phase::Over => None,
        } {
            self.phase = next;
        }
    }
}

/// Reads more of the request; the next phase, once it is there, and nothing while there is more to wait for.
fn hear(stream: &mut TcpStream, heard: &mut Vec<u8>, desk: &Desk) -> Option<Phase> {
    let mut piece = [0; 2048];
    loop {
        let request = match stream.read(&mut piece) {
            Ok(0) if heard.is_empty() => return Some(Phase::Over),
            Ok(0) => Some(Request::wrong(http::BAD_REQUEST)),
            Ok(count) => {
                heard.extend_from_slice(piece.get(..count)?);
                match http::hear(heard) {
                    Heard::More => None,
                    Heard::All(request) => Some(request),
                }
            }
            Err(error) => return failed(&error),
        };
        if let Some(request) = request {
            return Some(Phase::IsAnswered(desk.answer(&request)));
        }
    }
}

fn say(stream: &mut TcpStream, rest: &mut Vec<u8>) -> Option<Phase> {
    while !rest.is_empty() {
        match stream.write(rest) {
            Ok(count) => drop(rest.drain(..count)),
            Err(error) => return failed(&error),
        }
    }
    match stream.shutdown(Shutdown::Write) {
        Ok(()) => Some(Phase::Leaves(LEFTOVERS)),
        Err(_) => Some(Phase::Over),
    }
}

fn see_off(stream: &mut TcpStream, most: &mut usize) -> Option<Phase> {
    let mut piece = [0; 2048];
    while *most > 0 {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => *most = most.saturating_sub(count),
            Err(error) => return failed(&error),
        }
    }
    Some(Phase::Over)
}

/// Nothing yet, or a connection that is gone.
fn failed(error: &io::Error) -> Option<Phase> {
    let later = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted);
    if later { None } else { Some(Phase::Over) }
}
