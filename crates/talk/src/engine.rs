//! Who runs a service: the contract, then one file an engine.
//!
//! **The contract.** An engine
//! 1. owns listeners, connections, receive buffers and the clock; it makes a [`Session`] for each
//!    connection and does what [`Session::next`] and [`Session::wants_read`] say;
//! 2. tells the session everything in the order in which it happened, never the same byte twice;
//! 3. lends a buffer with [`Session::received`] and does not write to it until it is given back;
//!    sends may complete short or late, one after the other; reads stop when the session says so,
//!    though one that is under way may still bring bytes;
//! 4. calls [`Session::expired`] at [`Session::deadline`], [`Session::rang`] when the bell of a
//!    service that asks has rung, and [`Session::interrupted`] on every connection once
//!    [`Stop::cutting`] is ready;
//! 5. closes the descriptor as soon as [`Session::is_over`], tells what was still under way and got
//!    out, collects its buffers with [`Session::take_back`], makes room for another connection, then
//!    calls [`Session::closed`];
//! 6. after [`Stop::begun`] accepts nothing more, closes the listeners, and returns when the last
//!    connection is over;
//! 7. meets its bounds (connections, descriptors, memory, threads) by telling
//!    [`Told::Short`] and going on.
//!
//! `tests/conformance` holds every engine to it.

mod accept;
#[cfg(feature = "linux")]
mod balance;
mod blocking;
mod buffers;
#[cfg(feature = "linux")]
mod busy;
#[cfg(feature = "linux")]
mod carriage;
mod connection;
#[cfg(feature = "linux")]
mod crowd;
mod entrance;
#[cfg(feature = "linux")]
mod epoll;
#[cfg(feature = "linux")]
mod exchange;
#[cfg(feature = "linux")]
mod exec;
#[cfg(feature = "linux")]
mod gather;
#[cfg(feature = "linux")]
mod group;
mod line;
#[cfg(feature = "linux")]
mod moves;
mod presence;
mod ready;
#[cfg(feature = "linux")]
mod steering;
mod threads;
#[cfg(feature = "linux")]
mod timers;
#[cfg(feature = "linux")]
mod trial;
#[cfg(feature = "linux")]
mod uring;

use crate::counters::Counters;
use crate::error::TalkError;
use crate::listen::Listener;
use crate::operator::Operator;
use crate::options::SocketOption;
use crate::reason::{End, Reason};
use crate::service::Service;
use crate::session::Session;
use crate::stop::Stop;
use crate::tls::Identity;
use crate::told::{About, Reporter, Told};

use enchufe_sys::host::{self, Bell, Interest, Watch};
#[cfg(feature = "linux")]
pub(crate) use moves::Why;
pub use ready::Ready;
#[cfg(feature = "linux")]
pub use steering::astray;
#[cfg(feature = "linux")]
pub use uring::{MOST_RINGS, MOST_SOCKETS};

use std::ffi::OsString;
#[cfg(feature = "linux")]
use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::Builder;
use std::time::{Duration, Instant};

/// The engines there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One connection at a time, the others wait in the listener's queue: the textbook's server.
    Blocking,
    /// A thread for each connection.
    Threads,
    /// A few threads, each with many connections, of which the kernel says which can be gone on with.
    #[cfg(feature = "linux")]
    Epoll,
    /// The same, with calls that are handed to the kernel together.
    #[cfg(feature = "linux")]
    Uring,
}

impl Kind {
    /// All of them, the simplest first and the one that serves most with least last.
    pub const ALL: &[Self] = &[
        Self::Blocking,
        Self::Threads,
        #[cfg(feature = "linux")]
        Self::Epoll,
        #[cfg(feature = "linux")]
        Self::Uring,
    ];

    /// The name in flags, JSON and the catalogue of texts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blocking => "blocking",
            Self::Threads => "threads",
            #[cfg(feature = "linux")]
            Self::Epoll => "epoll",
            #[cfg(feature = "linux")]
            Self::Uring => "uring",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// The one that serves most connections with least, of those that this system has and allows; [`Ready::best`] looks whether it has
    /// room for a whole server, too.
    pub fn best() -> Self {
        Self::ALL.iter().rev().copied().find(|kind| kind.is_allowed().is_ok()).unwrap_or(Self::Threads)
    }

    /// Whether the system has what it needs: tried, not concluded from a version. Its call, and what it said.
    pub fn is_allowed(self) -> Result<(), TalkError> {
        match self {
            #[cfg(feature = "linux")]
            Self::Uring => enchufe_sys::io_uring::probe().map_err(TalkError::resources("io_uring_setup")),
            _ => Ok(()),
        }
    }

    /// Whether each of its connections is a descriptor of the process.
    pub const fn takes_descriptors(self) -> bool {
        match self {
            #[cfg(feature = "linux")]
            Self::Uring => false,
            _ => true,
        }
    }

    /// Whether it has a few threads, as many as [`Limits::threads`].
    pub const fn has_few_threads(self) -> bool {
        !matches!(self, Self::Blocking | Self::Threads)
    }
}

/// Whether a thread with nothing to do looks for something before it waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BusyPoll {
    /// It waits.
    #[default]
    Off,
    /// It looks for at most 100 µs where the next is expected within that time, from what lately was so, and where nobody else
    /// wanted the processor meanwhile.
    Auto,
    /// It looks for this long, whatever there is.
    For(Duration),
}

/// Whether a thread of an engine that has a few hands connections over to another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "linux"),
    expect(
        clippy::manual_non_exhaustive,
        reason = "the hidden one is for tests of engines that are not there"
    )
)]
pub enum HandOver {
    /// A connection stays where it was accepted.
    Never,
    /// Within a second, where a thread has more to do than its processor can, while another's processor has time left.
    #[default]
    WhenFull,
    /// After each turn, for tests.
    #[doc(hidden)]
    Always,
}

/// Whether the kernel carries the bytes of streams that go straight back ([`Service::returns_all`]), which a
/// thread of an engine that has a few then does not copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[cfg_attr(
    not(feature = "linux"),
    expect(
        clippy::manual_non_exhaustive,
        reason = "the hidden one is for tests of engines that are not there"
    )
)]
pub enum Carry {
    /// All bytes are copied.
    Never,
    /// Where much comes at once on a connection whose TCP keeps no pace of its own, and as much gets through so, which is tried out; at most 16
    /// connections of a thread at once, each of which has up to 256 KiB on its way. Who does not ignore SIGPIPE, as Rust's programs do, is
    /// sent it where a peer is gone: splice(2) cannot be told not to.
    #[default]
    WhereAsFast,
    /// All that can be, for tests.
    #[doc(hidden)]
    Always,
}

/// The bounds of a server; what happens at each is in its line.
#[derive(Clone, Debug)]
pub struct Limits {
    /// A connection that has sent nothing for this long after it was made is closed.
    pub first_byte: Option<Duration>,
    /// A connection on which nothing came or went for this long is closed.
    pub idle: Option<Duration>,
    /// A connection is closed this long after it was made.
    pub deadline: Option<Duration>,
    /// After our FIN, what the peer still sends is thrown away for this long at most.
    pub linger: Duration,
    /// Connections past this number are reset at once.
    pub connections: usize,
    /// After this many accepted connections no more are.
    pub accept: Option<u64>,
    /// Bytes asked for in one `recv`.
    pub read_size: usize,
    /// Bytes asked for in a `recv` of a connection whose last one got as many as it asked for, by an engine that has a few threads;
    /// less than [`Self::read_size`]: no more than that.
    pub stream_size: usize,
    /// After a stop, what still runs has this long to end.
    pub drain: Duration,
    /// Threads of an engine that has a few; `None`: one for each of [`Self::processors`], or, without any, for
    /// each that this process may use.
    pub threads: Option<NonZeroUsize>,
    /// The processors, by their numbers, that those threads run on, one after the other; none: where the system
    /// likes. Where there are as many as threads, connections come to the thread of the processor that handles their
    /// packets.
    pub processors: Vec<usize>,
    /// Whether those threads look for what comes before they wait for it.
    pub busy_poll: BusyPoll,
    /// Whether those threads hand connections over to each other.
    pub hand_over: HandOver,
    /// Whether streams are carried rather than copied.
    pub carry: Carry,
    /// So many connections of such a thread that had a turn lately, some 400 bytes each, are as they were in it; the others are
    /// packed.
    pub kept: usize,
}

impl Limits {
    /// What the affinity mask and the quota of the process's control group (`cpu.max`) leave it, where no
    /// number is given.
    fn threads_or_all(&self) -> usize {
        let named = || NonZeroUsize::new(self.processors.len());
        let all = || std::thread::available_parallelism().ok();
        self.threads.or_else(named).or_else(all).map_or(1, NonZeroUsize::get)
    }

    /// The processor of a thread, if it is to run on one.
    fn processor_of(&self, thread: usize) -> Option<usize> {
        self.processors.get(thread.checked_rem(self.processors.len())?).copied()
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            first_byte: None,
            idle: None,
            deadline: None,
            linger: Duration::from_secs(2),
            connections: usize::MAX,
            accept: None,
            read_size: 64 * 1024,
            stream_size: 0,
            drain: Duration::from_secs(5),
            threads: None,
            processors: Vec::new(),
            busy_poll: BusyPoll::Off,
            hand_over: HandOver::WhenFull,
            carry: Carry::WhereAsFast,
            kept: 512,
        }
    }
}

/// What an engine works with.
pub struct Host<'a> {
    /// Who is told.
    pub reporter: &'a dyn Reporter,
    /// The bounds.
    pub limits: Limits,
    /// When to end.
    pub stop: &'a Stop,
    /// Who answers the questions of a service that asks.
    pub operator: Option<&'a Operator>,
    /// Set on every connection.
    pub options: &'a [SocketOption],
    /// Who counts, where somebody wants to know while it serves.
    pub counters: Option<&'a Counters>,
    /// Who it is, where connections are to be of TLS.
    pub tls: Option<&'a Identity>,
}

impl<'a> Host<'a> {
    /// One whose bounds are the usual ones, with nobody to ask.
    pub fn new(reporter: &'a dyn Reporter, stop: &'a Stop) -> Self {
        Self {
            reporter,
            limits: Limits::default(),
            stop,
            operator: None,
            options: &[],
            counters: None,
            tls: None,
        }
    }

    /// The descriptor of this connection is closed: counts and tells how it ended.
    pub(crate) fn ended(&self, about: About, end: &End) {
        // Counted before it is told: whoever hears of it may look at once.
        if let Some(counters) = self.counters {
            counters.closed(end);
        }
        self.reporter.tell(Some(about), &Told::Closed { end });
    }
}

impl std::fmt::Debug for Host<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Host").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// What a server did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Connections served; those that were reset for want of room are not, nor those for which an option was refused.
    pub served: u64,
    /// Of those, cut because the server was stopped; and those that this reset in the queue.
    pub cut: u64,
    /// Of those served, over without a byte of payload in either direction, as the probes of a load balancer are.
    pub empty: u64,
}

/// Counted by whichever thread runs a connection.
#[derive(Debug, Default)]
struct Tally {
    open: AtomicUsize,
    served: AtomicU64,
    cut: AtomicU64,
    empty: AtomicU64,
}

impl Tally {
    /// The descriptor of this connection is closed. There is room before its end is told: whoever
    /// hears of it may come at once.
    fn ended<S: Service, B>(&self, session: Session<'_, S, B>) {
        self.left();
        self.count(&session.closed(Instant::now()));
    }

    /// A descriptor is closed.
    fn left(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    fn count(&self, end: &End) {
        if matches!(end.reason, Reason::Interrupted) {
            self.cut.fetch_add(1, Ordering::Relaxed);
        }
        if end.received == 0 && end.sent == 0 {
            self.empty.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn summary(&self) -> Summary {
        let so_far = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Summary { served: so_far(&self.served), cut: so_far(&self.cut), empty: so_far(&self.empty) }
    }
}

/// Rings when it goes, also where a service panics.
struct RingsLast<'a>(&'a Bell);

impl Drop for RingsLast<'_> {
    fn drop(&mut self) {
        self.0.ring();
    }
}

/// Cuts the server when it goes because a service panics: a thread that has many connections would leave those
/// of the others running, and clients waiting in a queue that nobody looks at.
struct CutsAtPanic<'a>(&'a Stop);

impl Drop for CutsAtPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.cut();
        }
    }
}

/// An error of a thread's own call, for each of its connections that it ends.
#[cfg(feature = "linux")]
fn again(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)
}

/// Serves until [`Stop::begin`] or until [`Limits::accept`] connections are over. Errors are those
/// that leave nothing to serve with.
pub fn serve<S: Service>(
    kind: Kind,
    listeners: Vec<Listener>,
    service: &S,
    host: &Host<'_>,
) -> Result<Summary, TalkError> {
    Ready::new(kind, &host.limits)?.serve(listeners, service, host)
}

/// What to run for each connection.
#[derive(Clone, Debug)]
pub struct Program {
    /// The path of the file: none is searched for.
    pub file: OsString,
    /// What follows it.
    pub arguments: Vec<OsString>,
    /// The soft limit of descriptors that it begins with: the one of this process before it was raised, for many programs take
    /// none above 1,024 (`select(2)`), or close all that there could be. `None`: that of this process.
    pub descriptors: Option<u64>,
}

/// Runs a program for each connection, as long as [`serve`] would serve. Its standard input and output are the socket; with TLS
/// ([`Host::tls`]) one end of a pair of Unix sockets, and what it reads and writes is carried between the other one and the connection.
#[cfg(feature = "linux")]
pub fn serve_program(
    listeners: Vec<Listener>,
    program: &Program,
    host: &Host<'_>,
) -> Result<Summary, TalkError> {
    watched(host, |tally| exec::run(listeners, program, host, tally))
}

/// Runs an engine, and ends it when it is time.
fn watched(host: &Host<'_>, run: impl FnOnce(&Tally) -> Result<(), TalkError>) -> Result<Summary, TalkError> {
    let over = Bell::new().map_err(TalkError::resources("eventfd"))?;
    let tally = Tally::default();
    let result = std::thread::scope(|scope| {
        let watcher = || watch_over_drain(host, &tally, &over);
        host::start_thread(Builder::new(), scope, watcher).map_err(TalkError::resources("clone"))?;
        let _over = RingsLast(&over);
        run(&tally)
    });
    let summary = tally.summary();
    let Summary { served, cut, empty } = summary;
    host.reporter.tell(None, &Told::Stopped { served, cut, empty });
    result.map(|()| summary)
}

/// Waits for the stop, gives what runs its time, then cuts it. A thread of its own, so that an
/// engine that is busy with one connection is cut too.
fn watch_over_drain(host: &Host<'_>, tally: &Tally, over: &Bell) {
    let first = |bell: &Bell, until: Option<Instant>| loop {
        let mut watches = [Watch::new(bell, Interest::READ), Watch::new(over, Interest::READ)];
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        // Without poll there is no drain to watch over: an engine that waits by it meets the same error and says so, and with another
        // a second stop cuts.
        if host::wait(&mut watches, left).is_err() || watches[1].ready().read {
            return false;
        }
        if watches[0].ready().read {
            return true;
        }
        if left.is_some_and(|left| left.is_zero()) {
            return true;
        }
    };
    if !first(host.stop.begun(), None) {
        return;
    }
    let open = tally.open.load(Ordering::Relaxed);
    if open > 0 {
        host.reporter.tell(None, &Told::Draining { open, limit: host.limits.drain });
    }
    if first(host.stop.cutting(), Instant::now().checked_add(host.limits.drain)) {
        host.stop.cut();
    }
}
