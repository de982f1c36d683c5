//! A server that is killed (SIGKILL) under load, and started anew at once at the same port.
//!
//! The kernel has closed the listeners of a process before anybody learns that it is gone (of `uring` some ms afterwards, for which the
//! new server tries again), and what is left of its connections (TIME-WAIT, FIN-WAIT) is in nobody's way with `SO_REUSEADDR`. A few times
//! for each engine, or as many as `RESTARTS` says (`just soak`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "what a long run is made for")]

mod common;

use common::watched::Held;
use common::{GUARD, Process, Server, address_of_its_own, again, enchufe};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

/// Clients at once.
const CLIENTS: u64 = 8;
/// Round trips of a connection: others are to have their turn, also where one is served at a time.
const TRIPS: u64 = 20;
/// Round trips of a server, of all its clients, before it is killed.
const LOAD: u64 = 500;

/// What clients saw.
#[derive(Debug, Default)]
struct Seen {
    trips: AtomicU64,
    finished: AtomicU64,
    /// Connections that were reset, and those that ended without one: what the server had read was not answered.
    reset: AtomicU64,
    ended: AtomicU64,
    /// Times that nobody listened.
    refused: AtomicU64,
    over: AtomicBool,
}

impl Seen {
    /// One connection after the other. Every byte that comes back is the one that was sent.
    fn visit(&self, address: SocketAddr, client: u64) {
        let mut number = client;
        while !self.over.load(Ordering::Relaxed) {
            let count = match TcpStream::connect(address).and_then(|stream| self.talk(&stream, &mut number)) {
                Ok(true) => &self.finished,
                Ok(false) => &self.ended,
                Err(error) => match error.kind() {
                    ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => &self.reset,
                    ErrorKind::ConnectionRefused => {
                        thread::yield_now();
                        &self.refused
                    }
                    _ => panic!("no other end than these: {error}"),
                },
            };
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether it was answered to the end.
    fn talk(&self, mut stream: &TcpStream, number: &mut u64) -> io::Result<bool> {
        stream.set_read_timeout(Some(GUARD))?;
        for _ in 0..TRIPS {
            *number += CLIENTS;
            let message = number.to_le_bytes().repeat(25);
            stream.write_all(&message)?;
            let mut echo = vec![0; message.len()];
            match stream.read_exact(&mut echo) {
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(false),
                result => result?,
            }
            assert!(echo == message, "another echo than message {number}");
            self.trips.fetch_add(1, Ordering::Relaxed);
        }
        stream.shutdown(Shutdown::Write)?;
        Ok(again(|| stream.read(&mut [0]))? == 0)
    }
}

/// Then it is over, also where the test fails: it waits for its clients.
struct Over<'a>(&'a Seen);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}

fn start(address: SocketAddr, engine: &str) -> Process {
    let listen = address.to_string();
    let words = ["serve", "echo", "--listen", &listen, "--engine", engine, "--json"];
    let server = Server::of(Process::start(enchufe("en", &words)));
    assert_eq!(server.address, address);
    server.process
}

fn restarts(engine: &str) {
    let times = std::env::var("RESTARTS").map_or(3, |times| times.parse().expect("RESTARTS is a number"));
    // Its clients come from another address: one that connects to itself while nobody listens would have the port.
    let address = address_of_its_own();
    let seen = Seen::default();
    let mut server = start(address, engine);
    thread::scope(|scope| {
        let _over = Over(&seen);
        for client in 0..CLIENTS {
            let seen = &seen;
            scope.spawn(move || seen.visit(address, client));
        }
        for _ in 0..times {
            let trips = || seen.trips.load(Ordering::Relaxed);
            let enough = trips() + LOAD;
            server.wait_for(|| (trips() >= enough).then_some(()));
            server.kill();
            server = start(address, engine);
        }
    });
    let held = Held::by(server.id());
    server.signal("TERM");
    assert_eq!(server.finish().code, Some(0));
    println!("{engine}: started {} times at {address}; the last has: {held}; {seen:?}", times + 1);
}

#[test]
fn blocking_is_there_again_at_once() {
    restarts("blocking");
}

#[test]
fn threads_are_there_again_at_once() {
    restarts("threads");
}

#[test]
fn epoll_is_there_again_at_once() {
    restarts("epoll");
}

#[test]
#[cfg_attr(not(have_io_uring), ignore = "needs io_uring")]
fn uring_is_there_again_at_once() {
    restarts("uring");
}
