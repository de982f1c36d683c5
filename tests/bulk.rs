//! Much through one connection: it never stands still, whoever is slower, and every byte comes back.
//!
//! Some megabytes in each way for each engine, or as many as `BULK_MIB` says, as often as `BULK_TIMES` does (`just soak`). There is no
//! time that it may take; a minute in which no byte moves is the end, and what is known of it is told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "what a long run is made for")]

mod common;

use common::watched::Held;
use common::{Server, again, noise};
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A prime, so that no buffer's size fits into it.
const PERIOD: usize = 65_521;
/// A writer that has found no room for so long is taken to have none until somebody reads. Were it wrong, a test would see less.
const STUCK: Duration = Duration::from_millis(20);

/// How a client goes about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// It reads whatever there is.
    ReadsAtOnce,
    /// It reads only when nothing goes on any more, a part each time.
    ReadsLate,
    /// It writes little at a time, and reads whatever there is.
    WritesLittle,
    /// It reads at once, and both ends have little room: less, and a segment of loopback has no place in it, for which TCP waits.
    Narrow,
}

impl Way {
    const ALL: [Self; 4] = [Self::ReadsAtOnce, Self::ReadsLate, Self::WritesLittle, Self::Narrow];

    /// What there is time for: this many parts of the usual.
    const fn part(self) -> usize {
        match self {
            Self::ReadsAtOnce | Self::ReadsLate | Self::Narrow => 1,
            Self::WritesLittle => 16,
        }
    }

    const fn written_at_once(self) -> usize {
        if matches!(self, Self::WritesLittle) { 700 } else { 256 * 1024 }
    }
}

/// A client of one connection.
struct Bulk<'a> {
    stream: TcpStream,
    way: Way,
    /// So many bytes, of a stream that has this over and over.
    total: usize,
    pattern: &'a [u8],
    written: AtomicUsize,
    read: AtomicUsize,
}

impl Bulk<'_> {
    fn write(&self) {
        let mut sent = 0;
        while sent < self.total {
            let piece = piece(self.pattern, sent, self.way.written_at_once().min(self.total - sent));
            sent += self.moved("send", || (&self.stream).write(piece));
            self.written.store(sent, Ordering::Relaxed);
        }
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    fn read(&self) {
        let mut room = vec![0; 256 * 1024];
        let (mut have, mut burst) = (0, 0);
        loop {
            if self.way == Way::ReadsLate && have >= burst {
                self.wait_until_stuck();
                burst = have + self.total / 16;
            }
            let count = self.moved("recv", || (&self.stream).read(&mut room));
            if count == 0 {
                break;
            }
            let mut piece_at = 0;
            while piece_at < count {
                let expected = piece(self.pattern, have + piece_at, count - piece_at);
                let found = &room[piece_at..piece_at + expected.len()];
                assert!(found == expected, "a byte after {} is another", have + piece_at);
                piece_at += expected.len();
            }
            have += count;
            self.read.store(have, Ordering::Relaxed);
        }
        assert_eq!(have, self.total, "the end came early");
    }

    /// Until the writer has no more room, or nothing more to write.
    fn wait_until_stuck(&self) {
        let mut seen = (0, Instant::now());
        loop {
            let written = self.written.load(Ordering::Relaxed);
            if written == self.total || written == seen.0 && seen.1.elapsed() > STUCK {
                return;
            }
            if written != seen.0 {
                seen = (written, Instant::now());
            }
            thread::sleep(STUCK / 10);
        }
    }

    /// How much a call has moved. One that gave up after a minute would never have.
    fn moved(&self, name: &str, call: impl FnMut() -> io::Result<usize>) -> usize {
        match again(call) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.tell_stall(name),
            Err(error) => panic!("{:?}, {name}: {error}; {}", self.way, self.so_far()),
        }
    }

    fn tell_stall(&self, call: &str) -> ! {
        let port = format!(":{:04X} ", self.stream.local_addr().unwrap().port());
        let sockets = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
        let ends: Vec<&str> = sockets.lines().filter(|line| line.contains(&port)).collect();
        panic!("{:?} stands still in {call}: {}; {ends:#?}", self.way, self.so_far());
    }

    fn so_far(&self) -> String {
        let (written, read) = (self.written.load(Ordering::Relaxed), self.read.load(Ordering::Relaxed));
        format!("{written} written, {read} read of {}", self.total)
    }
}

fn piece(pattern: &[u8], offset: usize, most: usize) -> &[u8] {
    let from = offset % pattern.len();
    &pattern[from..pattern.len().min(from + most)]
}

fn number(variable: &str, usual: usize) -> usize {
    std::env::var(variable).map_or(usual, |text| text.parse().expect("a number"))
}

fn bulk(engine: &str) {
    let (total, times) = (number("BULK_MIB", 48) << 20, number("BULK_TIMES", 1));
    let pattern = noise(PERIOD, 7);
    for way in Way::ALL {
        let buffers = if way == Way::Narrow { "sndbuf=32768,rcvbuf=32768" } else { "nodelay" };
        // To tell of every byte takes longer than to carry it.
        let server = Server::quiet(&["echo", "--engine", engine, "--socket", buffers]);
        let (begun, before) = (Instant::now(), Held::by(server.process.id()));
        for _ in 0..times {
            let stream = server.connect();
            if way == Way::Narrow {
                socket2::SockRef::from(&stream).set_recv_buffer_size(32768).unwrap();
            }
            let (written, read) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let total = total / way.part();
            let client = Bulk { stream, way, total, pattern: &pattern, written, read };
            let talked = panic::catch_unwind(AssertUnwindSafe(|| {
                thread::scope(|scope| {
                    scope.spawn(|| client.write());
                    client.read();
                });
            }));
            // What the server says of it is what one would ask for next.
            assert!(talked.is_ok(), "{engine} {way:?}: see above; the server: {:?}", server.stop());
        }
        let (took, after) = (begun.elapsed(), Held::by(server.process.id()));
        println!(
            "{engine} {way:?}: {times} x {} MiB in {took:.1?}; before: {before}; after: {after}",
            (total / way.part()) >> 20
        );
        server.stop().is(0, "", "");
    }
}

#[test]
fn blocking_never_stands_still() {
    bulk("blocking");
}

#[test]
fn threads_never_stand_still() {
    bulk("threads");
}

#[test]
fn epoll_never_stands_still() {
    bulk("epoll");
}

#[test]
#[cfg_attr(not(have_io_uring), ignore = "needs io_uring")]
fn uring_never_stands_still() {
    bulk("uring");
}
