//! An engine in memory with the completions of `io_uring`, and the peers to it.
//!
//! * An operation is submitted and completes some turns later: a read with any part of what has come,
//!   a send with any part of what was asked for. One send is under way at a time.
//! * A read takes its buffer from a pool when it completes, and lends it to the session. A buffer
//!   given back is overwritten at once, and a send takes its bytes from the buffer only when it
//!   completes, so that a buffer given back too early shows in what the peer reads.
//! * The clock goes on when nothing else can happen, to the next deadline. Where there is none, a
//!   peer that still waits would wait for ever, and the case fails.
//!
//! What happens when is drawn from a seed. Everything is in one thread: the engine goes on while a
//! peer waits.

mod connection;
mod engine;
mod wire;

use crate::pattern::Pattern;
use crate::recorder::{Recorder, Report, Seen};
use crate::secured;
use crate::world::{Peer, Server, Setup, World};
use enchufe_talk::engine::Host;
use enchufe_talk::{Operator, Service, Stop, Told};
use engine::Engine;
use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use wire::Wire;

/// Every case runs once for each of so many seeds.
const SEEDS: u64 = 16;

/// After how many turns a condition is looked at.
#[derive(Clone, Copy)]
enum Look {
    Always = 1,
    /// To look through what was told takes longer than a turn.
    NowAndThen = 16,
}

/// A schedule.
#[derive(Clone, Copy)]
pub(crate) struct Scripted {
    seed: u64,
    /// Connections are of TLS.
    secured: bool,
}

impl Scripted {
    pub(crate) fn seeds() -> impl Iterator<Item = Self> {
        (1..=SEEDS).map(|seed| Self { seed, secured: false })
    }

    /// With TLS. What it sends and how much is not the seed's.
    pub(crate) fn secured() -> impl Iterator<Item = Self> {
        Self::seeds().map(|world| Self { secured: true, ..world })
    }
}

impl World for Scripted {
    /// A million turns of each schedule would take too long.
    fn long(&self) -> usize {
        if self.seed.is_multiple_of(8) { 1 << 20 } else { 1 << 16 }
    }

    fn one_at_a_time(&self) -> bool {
        false
    }

    fn name(&self) -> &'static str {
        "scripted_completions"
    }

    fn run<S: Service>(&self, service: &S, setup: &Setup, case: impl FnOnce(&dyn Server)) -> Report {
        let (recorder, stop, operator) = (Recorder::new(), Stop::new().unwrap(), Operator::default());
        let mut random = Random::new(self.seed);
        let mut limits = setup.limits.clone();
        limits.read_size = limits.read_size.min(random.one_of([16, 1000, 8192]));
        let identity = self.secured.then(secured::identity);
        let host = Host {
            reporter: &recorder,
            limits,
            stop: &stop,
            operator: Some(&operator),
            options: &setup.options,
            counters: None,
            tls: identity.as_ref(),
        };
        let _said = SaysSeed(self.seed);
        let running = Running {
            engine: RefCell::new(Engine::new(&host, service, random)),
            recorder: &recorder,
            stop: &stop,
            operator: &operator,
            secured: self.secured,
        };
        if !setup.held {
            running.go();
        }
        case(&running);
        running.go();
        stop.begin();
        running.until("the server ends", Look::Always, |engine| engine.is_over());
        let summary = running.engine.borrow_mut().end();
        enchufe_talk::Reporter::tell(
            &recorder,
            None,
            &Told::Stopped { served: summary.served, cut: summary.cut, empty: summary.empty },
        );
        Report::new(recorder.seen(), summary)
    }
}

/// A failure can be had again by its seed.
struct SaysSeed(u64);

impl Drop for SaysSeed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("with seed {}", self.0);
        }
    }
}

struct Running<'h, S: Service> {
    engine: RefCell<Engine<'h, S>>,
    recorder: &'h Recorder,
    stop: &'h Stop,
    operator: &'h Operator,
    secured: bool,
}

impl<S: Service> Running<'_, S> {
    /// The engine goes on until `done`.
    fn until(&self, what: &str, look: Look, mut done: impl FnMut(&mut Engine<'_, S>) -> bool) {
        let mut engine = self.engine.borrow_mut();
        for turn in 0_u64.. {
            if turn.is_multiple_of(look as u64) && done(&mut engine) {
                return;
            }
            let given_up = turn.is_multiple_of(1024) && self.recorder.is_given_up();
            assert!(!given_up, "never came: {what}; {}", self.recorder.story());
            // Before time passes, all that needs none has its turn.
            if !engine.turn() {
                if done(&mut engine) {
                    return;
                }
                assert!(engine.pass_time(), "would never come: {what}; {}", self.recorder.story());
            }
        }
    }

    /// The engine goes on for a while, or not.
    fn a_while(&self) {
        let mut engine = self.engine.borrow_mut();
        for _ in 0..engine.random.below(4) {
            engine.turn();
        }
    }
}

impl<S: Service> Server for Running<'_, S> {
    fn try_connect(&self) -> io::Result<Box<dyn Peer + '_>> {
        let wire = self.engine.borrow_mut().knock()?;
        self.a_while();
        let client: Box<dyn Peer + '_> = Box::new(Client { running: self, wire });
        Ok(if self.secured { Box::new(secured::Over::new(client)) } else { client })
    }

    fn wait_until_nobody_listens(&self) {
        self.until("that nobody listens", Look::Always, |engine| !engine.listens());
    }

    fn wait(&self, what: &str, condition: &dyn Fn(&[Seen]) -> bool) {
        self.until(what, Look::NowAndThen, |_| self.recorder.holds(condition));
    }

    fn seen(&self) -> Vec<Seen> {
        self.recorder.seen()
    }

    fn stop(&self) -> &Stop {
        self.stop
    }

    fn operator(&self) -> &Operator {
        self.operator
    }

    fn go(&self) {
        self.engine.borrow_mut().go();
    }

    fn wait_until_over(&self) {
        self.until("its end", Look::Always, |engine| engine.is_over());
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        vec![wire::SERVER]
    }
}

struct Client<'r, 'h, S: Service> {
    running: &'r Running<'h, S>,
    wire: usize,
}

impl<S: Service> Client<'_, '_, S> {
    /// Waits until `done` of the wire has an answer.
    fn wait<T>(&self, what: &str, mut done: impl FnMut(&mut Wire) -> Option<T>) -> T {
        let mut answer = None;
        self.running.until(what, Look::Always, |engine| {
            answer = done(engine.wire(self.wire));
            answer.is_some()
        });
        answer.expect("it is what was waited for")
    }
}

impl<S: Service> Peer for Client<'_, '_, S> {
    fn address(&self) -> SocketAddr {
        self.running.engine.borrow_mut().wire(self.wire).peer
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut sent = 0;
        while sent < bytes.len() {
            sent += self.wait("room to send", |wire| wire.peer_sends(&bytes[sent..]))?;
            self.running.a_while();
        }
        Ok(())
    }

    fn send_until_stuck(&mut self, bytes: &[u8]) -> usize {
        let mut sent = 0;
        let mut engine = self.running.engine.borrow_mut();
        while sent < bytes.len() {
            match engine.wire(self.wire).peer_sends(&bytes[sent..]) {
                Some(count) => sent += count.expect("the server goes on"),
                // Time stands still.
                None if engine.turn() => {}
                None => break,
            }
        }
        sent
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.wait("bytes or an end", |wire| wire.peer_reads(buffer))
    }

    fn exchange(&mut self, pattern: &Pattern, count: usize) {
        let mut buffer = [0; 4096];
        let (mut sent, mut have) = (0, 0);
        while have < count {
            let (more, back) = self.wait("room to send, or the echo", |wire| {
                let rest = pattern.at(sent, count - sent);
                let more = if rest.is_empty() { None } else { wire.peer_sends(rest) };
                let back = wire.peer_reads(&mut buffer);
                (more.is_some() || back.is_some()).then_some((more, back))
            });
            sent += more.map_or(0, |more| more.expect("the server reads"));
            if let Some(back) = back {
                let back = back.expect("the server goes on");
                assert!(back > 0, "ended after {have} of {count} bytes");
                pattern.expect(have, &buffer[..back]);
                have += back;
            }
            self.running.a_while();
        }
    }

    fn half_close(&mut self) {
        self.running.engine.borrow_mut().wire(self.wire).peer_ends();
        self.running.a_while();
    }

    fn close(self: Box<Self>) {}

    fn reset(self: Box<Self>) {
        self.running.engine.borrow_mut().wire(self.wire).peer_resets();
        self.running.a_while();
    }
}

impl<S: Service> Drop for Client<'_, '_, S> {
    fn drop(&mut self) {
        if let Ok(mut engine) = self.running.engine.try_borrow_mut() {
            engine.wire(self.wire).peer_closes();
        }
    }
}

/// Marsaglia's xorshift64 with a multiplied output (Vigna 2016).
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        // Near seeds are to begin far from each other, and none at 0.
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    /// From 0 to below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next()).unwrap() % end
    }

    /// From 1 to `most`: often all, often one, often between.
    fn part(&mut self, most: usize) -> usize {
        match self.below(3) {
            0 => 1,
            1 => most,
            _ => 1 + self.below(most),
        }
    }

    fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }

    pub(crate) fn one_of<T, const N: usize>(&mut self, choices: [T; N]) -> T {
        let at = self.below(N);
        choices.into_iter().nth(at).expect("below its length")
    }
}
