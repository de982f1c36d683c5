//! What a server keeps is bounded, however much its peers send, and as little as its documentation says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the figures are of interest where it fails")]

mod common;

use common::watched::{Held, Watched};
use common::{Server, connect, noise, read_exactly};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// Peers at once.
const PEERS: u64 = 24;
/// What one is owed at most, in KiB: 256, and one read.
const OWED: u64 = 512;
/// And what came of one on a ring before that heard that it was not wanted, in KiB: 32 buffers (docs/engines.md, *Bounds*).
const UNWANTED: u64 = 2 * 1024;
/// What the buffers of a thread of `uring` come to take, in KiB.
const BUFFERS_OF_RINGS: u64 = 24 * 1024;
/// What an allocator may keep of its own accord, and a thread's stack for each of them, in KiB.
const BESIDE: u64 = 8 * 1024 + 64 * PEERS;
/// Peers at once of a server whose threads are watched when they are gone: as many as glibc has arenas on two processors.
const LEAVING: u64 = 16;
/// What a thread that is gone may leave, in KiB: 128 at the end of its arena (mallopt(3), `M_TRIM_THRESHOLD`), and twice as much of its stack
/// and in gaps before what others still had. Measured: at most 290; with thresholds that grow, 435 to 710.
const LEFT: u64 = 3 * 128;
/// Who finds no room for so long is taken to find none. Were it wrong, the test would see less.
const STUCK: Duration = Duration::from_millis(100);

/// A prime, so that no buffer's size fits into it.
const PERIOD: usize = 65_521;

/// A peer that sends as long as there is room, and reads nothing.
struct Peer {
    stream: TcpStream,
    sent: usize,
}

impl Peer {
    fn flood(&mut self, pattern: &[u8]) {
        self.stream.set_write_timeout(Some(STUCK)).unwrap();
        loop {
            match self.stream.write(&pattern[self.sent % pattern.len()..]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// At last: nothing is missing.
    fn read(mut self, pattern: &[u8]) {
        self.stream.shutdown(Shutdown::Write).unwrap();
        let mut all = Vec::new();
        self.stream.read_to_end(&mut all).unwrap();
        assert_eq!(all.len(), self.sent);
        assert!(all.chunks(pattern.len()).all(|piece| *piece == pattern[..piece.len()]));
    }
}

/// So many peers, which have all sent as long as there was room.
fn flood(count: u64, pattern: &[u8], connect: impl Fn() -> TcpStream) -> Vec<Peer> {
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..count)
            .map(|_| {
                let mut peer = Peer { stream: connect(), sent: 0 };
                scope.spawn(move || {
                    peer.flood(pattern);
                    peer
                })
            })
            .collect();
        all.into_iter().map(|peer| peer.join().unwrap()).collect()
    })
}

/// `each` at most of every peer, and `beside` once, in KiB.
fn owed(engine: &str, each: u64, beside: u64) {
    let server = Server::quiet(&["echo", "--engine", engine]);
    let pattern = noise(PERIOD, 3);
    let flood = |count| flood(count, &pattern, || server.connect());
    // The first makes what is kept from then on.
    for peer in flood(1) {
        peer.read(&pattern);
    }
    let memory = || Held::by(server.process.id()).memory;
    let before = memory();
    let mut peers = flood(PEERS);
    let (after, sent) = (memory(), peers.iter().map(|peer| peer.sent).sum::<usize>() >> 10);
    println!(
        "{engine}: {before} KiB, then {after} KiB with {sent} KiB sent by {PEERS} peers that do not read"
    );
    let most = before + PEERS * each + beside;
    assert!(after <= most, "{before} KiB, then {after} KiB");
    // What the kernels keep may grow still.
    for peer in &mut peers {
        peer.flood(&pattern);
    }
    assert!(memory() <= most);
    for peer in peers {
        peer.read(&pattern);
    }
    server.stop().is(0, "", "");
}

#[test]
fn peers_that_do_not_read_are_owed_no_more_than_their_bound_by_threads() {
    owed("threads", OWED, BESIDE);
}

#[test]
fn peers_that_do_not_read_are_owed_no_more_than_their_bound_by_epoll() {
    owed("epoll", OWED, BESIDE);
}

#[test]
#[cfg_attr(not(have_io_uring), ignore = "needs io_uring")]
fn peers_that_do_not_read_are_owed_no_more_than_their_bound_by_uring() {
    let threads = std::thread::available_parallelism().unwrap().get() as u64;
    owed("uring", OWED + UNWANTED, BESIDE + threads * BUFFERS_OF_RINGS);
}

/// The longest lines are those of the largest pieces, of which each byte is told: several hundred KiB.
#[test]
fn threads_that_are_gone_leave_little_of_their_memory() {
    let server =
        Watched::start(&["echo", "--engine", "threads", "--socket", "sndbuf=65536,rcvbuf=65536"], None);
    let pattern = noise(PERIOD, 3);
    let begun = || {
        let mut stream = connect(server.address);
        stream.write_all(b"x").unwrap();
        assert_eq!(read_exactly(&stream, 1), b"x");
        stream
    };
    let visit = |count: u64| {
        let peers = flood(count, &pattern, begun);
        // A thread each.
        let others = server.held().threads - peers.len();
        drop(peers);
        server.until(|now| now.threads <= others).memory
    };
    // The first makes what is kept from then on.
    let before = visit(1);
    let after: Vec<u64> = (0..2).map(|_| visit(LEAVING)).collect();
    println!("{before} KiB, then {after:?} KiB");
    assert!(after.iter().all(|after| *after <= before + LEAVING * LEFT), "{before} KiB, then {after:?} KiB");
    server.stop();
}
