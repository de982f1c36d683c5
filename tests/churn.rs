//! Clients that come and go while calls of the server fail by a plan (`crates/sys/src/faults.rs`): what comes back is what was sent, until
//! it ends; an end that came early is one that the server told as such; and afterwards the server has what it had.
//!
//! Some seconds, or as many as `CHURN_SECONDS` says (`just soak`), of all engines at the same time: a server and clients for each.
#![cfg(enchufe_faults)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "what a long run is made for")]

mod common;

use common::watched::{Told, Watched};
use common::{again, noise};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Clients at once.
const CLIENTS: u64 = 24;
/// Anything that a kernel may say, now and then. What ends the server (a listener of no use) is not among it.
const PLAN: &str = "accept4:EMFILE:1/400 accept4:ENOBUFS:1/500 accept4:ECONNABORTED:1/50 accept4:EPERM:1/60 \
    recv:EINTR:1/10 recv:ECONNRESET:1/300 recv:ETIMEDOUT:1/400 send:EINTR:1/10 send:short:1/4 send:EPIPE:1/300 \
    send:EHOSTUNREACH:1/400 shutdown:ENOTCONN:1/50 setsockopt:ENOBUFS:1/200 epoll_ctl:ENOSPC:1/150 \
    epoll_wait:EINTR:1/20 poll:EINTR:1/20 clone:EAGAIN:100..200";
/// And of rings, where a receive that finds no buffer ends nothing. The third is of the second thread, the first being one that is tried: it has
/// little room.
const OF_RINGS: &str = "recv:ENOBUFS:1/30 recv:ENOMEM:1/500 send:EAGAIN:1/20 poll_add:ENOMEM:1/300 async_cancel:EALREADY:1/10 \
    close:EIO:1/20 files_update:ENOMEM:1/300 files_update:ENFILE:1/400 fixed_fd_install:EMFILE:1/10 io_uring_enter:EINTR:1/30 \
    io_uring_enter:EBUSY:1/40 io_uring_enter:EAGAIN:1/200 io_uring_setup:short:3 io_uring_register:short:8";
/// What an allocator may keep of its own accord, in KiB.
const KEPT: u64 = 8 * 1024;

/// What the clients of a time saw.
#[derive(Debug, Default)]
struct Seen {
    number: AtomicU64,
    bytes: AtomicU64,
    whole: AtomicU64,
    /// Connections that ended before all was there, by the client's address.
    early: Mutex<BTreeMap<String, u64>>,
}

impl Seen {
    fn visit(&self, address: SocketAddr, bytes: &[u8], until: Instant) {
        while Instant::now() < until {
            let number = self.number.fetch_add(1, Ordering::Relaxed);
            let Ok(stream) = TcpStream::connect(address) else { continue };
            stream.set_read_timeout(Some(common::GUARD)).unwrap();
            let local = stream.local_addr().unwrap().to_string();
            match self.talk(&stream, bytes, number) {
                Ok(true) => {
                    self.whole.fetch_add(1, Ordering::Relaxed);
                }
                Ok(false) => *self.early.lock().unwrap().entry(local).or_default() += 1,
                Err(error) => match error.kind() {
                    ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
                        *self.early.lock().unwrap().entry(local).or_default() += 1;
                    }
                    _ => panic!("no other end than these: {error}"),
                },
            }
        }
    }

    /// Whether all came back, and then the end.
    fn talk(&self, mut stream: &TcpStream, bytes: &[u8], number: u64) -> io::Result<bool> {
        let mut random = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 8;
        for _ in 0..=random % 6 {
            random = random.rotate_right(11);
            let from = usize::try_from(random % 1000).unwrap();
            // Most are short: the server tells of each byte, which takes longer than to carry it.
            let most = if random.is_multiple_of(16) { 20_000 } else { 500 };
            let count = usize::try_from(random >> 20).unwrap() % most;
            let message = &bytes[from..=from + count];
            stream.write_all(message)?;
            let mut have = 0;
            let mut room = vec![0; message.len()];
            while have < message.len() {
                let more = again(|| stream.read(&mut room[have..]))?;
                if more == 0 {
                    return Ok(false);
                }
                assert!(room[have..have + more] == message[have..have + more], "another echo, {number}");
                have += more;
                self.bytes.fetch_add(more as u64, Ordering::Relaxed);
            }
        }
        stream.shutdown(Shutdown::Write)?;
        Ok(again(|| stream.read(&mut [0]))? == 0)
    }
}

fn churn(engine: &str) {
    let seconds = std::env::var("CHURN_SECONDS").map_or(6, |text| text.parse().expect("a number"));
    let words = ["echo", "--engine", engine, "--socket", "nodelay", "--idle", "30s"];
    // The first option is the listener's, and the first thread waits for the stop.
    let rings = if engine == "uring" { OF_RINGS } else { "" };
    // One that meets an error before it serves ends with that, as it should: another seed then.
    let start =
        |seed| Some((seed, Watched::try_start(&words, Some(&format!("seed={seed} {PLAN} {rings}")))?));
    let (plan, server) = (u64::from(std::process::id())..).find_map(start).unwrap();
    let (before, bytes) = (server.held(), noise(21_001, plan));
    let run = |time: Duration| {
        let (seen, until) = (Seen::default(), Instant::now() + time);
        thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| seen.visit(server.address, &bytes, until));
            }
        });
        (seen, server.settled(before))
    };
    let time = Duration::from_secs(seconds);
    let (first, after_some) = run(time / 4);
    let (rest, after_all) = run(time / 4 * 3);
    assert!(after_all.memory <= after_some.memory + KEPT, "{after_some:?} {after_all:?}");
    let told = server.stop();
    for seen in [&first, &rest] {
        println!(
            "{engine}, seed {plan}: {} whole, {} early, {} bytes",
            count(&seen.whole),
            early(seen),
            count(&seen.bytes)
        );
    }
    println!("{engine}: before: {before}; after a quarter: {after_some}; after all: {after_all}");
    println!("{engine}: ends {:?}, short {:?}", told.ends, told.short);
    assert!(count(&rest.whole) > 0 && early(&rest) > 0, "there were both");
    assert_eq!(told.stopped["cut"], 0);
    each_early_end_was_told(&told, &[first, rest]);
}

fn count(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

fn early(seen: &Seen) -> u64 {
    seen.early.lock().unwrap().values().sum()
}

/// For each address as many ends of the server that were no orderly ones, at least: a fault may also come when all is there.
fn each_early_end_was_told(told: &Told, times: &[Seen]) {
    let mut early = BTreeMap::<String, u64>::new();
    for seen in times {
        for (address, count) in seen.early.lock().unwrap().iter() {
            *early.entry(address.clone()).or_default() += count;
        }
    }
    for (address, count) in early {
        let told = told.broken.get(&address).copied().unwrap_or_default();
        assert!(told >= count, "{address} saw {count} early ends, and {told} were told");
    }
}

#[test]
fn the_engines_outlast_calls_that_fail() {
    thread::scope(|scope| {
        for engine in ["blocking", "threads", "epoll", "uring"] {
            scope.spawn(move || churn(engine));
        }
    });
}
