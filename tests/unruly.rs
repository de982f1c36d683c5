//! Clients that misbehave in every way there is, many at once; afterwards the server is as it was.
//!
//! Some hundreds for each engine, or as many as `UNRULY_CLIENTS` says (`just unruly`, `just soak`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "what a long run is made for")]

mod common;

use common::watched::Watched;
use common::{again, connect};
use socket2::SockRef;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// Clients at once, each in a thread of its own.
const AT_ONCE: u64 = 64;
/// After how long the server ends a silent connection; a slow client is four times as quick.
const IDLE: &str = "4s";
/// Small, so that whoever never reads is soon without room.
const BUFFERS: &str = "sndbuf=65536,rcvbuf=65536";
const SLOW: Duration = Duration::from_secs(1);
/// What an allocator may keep of its own accord, in KiB.
const KEPT: u64 = 8 * 1024;
/// What the buffers of a thread of `uring` come to take, each when it is first used, in KiB (docs/engines.md, *Buffers of `uring`*).
const BUFFERS_OF_RINGS: u64 = 24 * 1024;

/// What a client does. All of them get every byte back for as long as they read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Habit {
    /// Sends, reads all of it, ends.
    Orderly,
    /// Sends and ends its direction at once, then reads all of it.
    HalfClose,
    /// Ends without a byte.
    Probe,
    /// Resets without a byte.
    ResetAtOnce,
    /// Resets with a part of its bytes on their way, somewhere.
    ResetMidway,
    /// Closes with the answer unread, which is a reset.
    LeavesUnread,
    /// Will not hear any more, and ends.
    StopsReading,
    /// Sends until there is no room, and never reads.
    NeverReads,
    /// One byte a second.
    Slow,
    /// Is there and says nothing, as one that has vanished.
    Silent,
}

impl Habit {
    /// A thousand of them: those that take seconds are few, and others between them.
    fn of(number: u64) -> Self {
        match number.wrapping_mul(373) % 1000 {
            0..8 => Self::Slow,
            8..16 => Self::Silent,
            16..24 => Self::NeverReads,
            rest => match rest % 7 {
                0 => Self::HalfClose,
                1 => Self::Probe,
                2 => Self::ResetAtOnce,
                3 => Self::ResetMidway,
                4 => Self::LeavesUnread,
                5 => Self::StopsReading,
                _ => Self::Orderly,
            },
        }
    }

    /// Whether it gives up its connection before it is over: the server may never have seen it.
    const fn resets(self) -> bool {
        matches!(self, Self::ResetAtOnce | Self::ResetMidway | Self::LeavesUnread | Self::StopsReading)
    }
}

/// Numbers without a pattern, the same in each run (xorshift64*).
struct Random(u64);

impl Random {
    fn of(client: u64) -> Self {
        Self((client + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(high).unwrap() % end
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let (count, first) = (self.below(most) + 1, self.below(251));
        (0..count).map(|at| u8::try_from((first + at) % 251).unwrap()).collect()
    }
}

fn behave(address: SocketAddr, client: u64) {
    let mut random = Random::of(client);
    let mut stream = connect(address);
    match Habit::of(client) {
        Habit::Orderly => {
            for _ in 0..=random.below(4) {
                let bytes = random.bytes(4_000);
                stream.write_all(&bytes).unwrap();
                expect(&stream, &bytes);
            }
            end(&stream);
        }
        Habit::HalfClose => {
            // No more than both sides' buffers hold: who only writes first must have room.
            let bytes = random.bytes(30_000);
            stream.write_all(&bytes).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            expect(&stream, &bytes);
            assert_eq!(again(|| stream.read(&mut [0])).unwrap(), 0);
        }
        Habit::Probe => end(&stream),
        Habit::ResetAtOnce => reset(stream),
        Habit::ResetMidway => {
            stream.set_nonblocking(true).unwrap();
            for _ in 0..=random.below(8) {
                let _ = stream.write(&random.bytes(20_000));
                let _ = stream.read(&mut vec![0; random.below(20_000) + 1]);
            }
            reset(stream);
        }
        Habit::LeavesUnread => {
            stream.write_all(&random.bytes(10_000)).unwrap();
            common::reset(stream);
        }
        Habit::StopsReading => {
            stream.shutdown(Shutdown::Read).unwrap();
            let _ = stream.write(&random.bytes(10_000));
            let _ = stream.shutdown(Shutdown::Write);
        }
        Habit::NeverReads => {
            stream.set_nonblocking(true).unwrap();
            let bytes = random.bytes(30_000);
            while stream.write(&bytes).is_ok() {}
            stream.set_nonblocking(false).unwrap();
            // The server's end comes after what it had sent.
            drain(&stream);
        }
        Habit::Slow => {
            for byte in random.bytes(3) {
                thread::sleep(SLOW);
                stream.write_all(&[byte]).unwrap();
                expect(&stream, &[byte]);
            }
            end(&stream);
        }
        Habit::Silent => drain(&stream),
    }
}

/// What comes back is what was sent.
fn expect(mut stream: &TcpStream, bytes: &[u8]) {
    let mut echo = vec![0; bytes.len()];
    stream.read_exact(&mut echo).unwrap();
    assert!(echo == bytes, "another echo than the {} bytes", bytes.len());
}

/// Ends its own direction, and the server ends the other.
fn end(mut stream: &TcpStream) {
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(again(|| stream.read(&mut [0])).unwrap(), 0);
}

/// Reads until the server ends or resets.
fn drain(mut stream: &TcpStream) {
    let mut room = vec![0; 64 * 1024];
    loop {
        match again(|| stream.read(&mut room)) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return,
            Err(error) => panic!("the server does not end a connection that is idle: {error}"),
        }
    }
}

/// Closes with a reset (`SO_LINGER` of zero, socket(7)).
fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
}

/// So many clients, numbered from `first`.
fn visit(address: SocketAddr, first: u64, count: u64) {
    let next = AtomicU64::new(first);
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let client = next.fetch_add(1, Ordering::Relaxed);
                    if client >= first + count {
                        return;
                    }
                    behave(address, client);
                }
            });
        }
    });
}

fn clients() -> u64 {
    std::env::var("UNRULY_CLIENTS").map_or(300, |count| count.parse().expect("UNRULY_CLIENTS is a number"))
}

/// A thread each.
fn processors() -> u64 {
    thread::available_parallelism().unwrap().get() as u64
}

/// As many as there is time for where each waits for those before it, some of them for seconds.
fn in_a_row() -> u64 {
    (clients() / 100).max(30)
}

fn unruly(engine: &str, clients: u64) {
    let words = ["echo", "--engine", engine, "--idle", IDLE, "--socket", BUFFERS];
    let server = Watched::start(&words, None);
    let before = server.held();
    // The first ones make what is kept from then on.
    let warm = (clients / 10).max(100).min(clients);
    visit(server.address, 0, warm);
    let after_few = server.settled(before);
    visit(server.address, warm, clients);
    let after_all = server.settled(before);
    let kept = KEPT + if engine == "uring" { BUFFERS_OF_RINGS * processors() } else { 0 };
    assert!(after_all.memory <= after_few.memory + kept, "{after_few:?} {after_all:?}");
    println!(
        "{engine}: {clients} clients; before: {before}; after {warm} more: {after_few}; after all: {after_all}"
    );
    // Only those that their client gave up may never have been seen.
    let told = server.stop();
    let all = warm + clients;
    let given_up = (0..all).filter(|client| Habit::of(*client).resets()).count() as u64;
    let seen = told.begun;
    assert!((all - given_up..=all).contains(&seen), "{all} clients, {given_up} gave up, {seen} seen");
    assert_eq!((&told.stopped["served"], &told.stopped["cut"]), (&seen.into(), &0.into()));
}

#[test]
fn blocking_is_as_before() {
    unruly("blocking", in_a_row());
}

#[test]
fn threads_are_as_before() {
    unruly("threads", clients());
}

#[test]
fn epoll_is_as_before() {
    unruly("epoll", clients());
}

#[test]
#[cfg_attr(not(have_io_uring), ignore = "needs io_uring")]
fn uring_is_as_before() {
    unruly("uring", clients());
}
