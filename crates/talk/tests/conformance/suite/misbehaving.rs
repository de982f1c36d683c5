//! Peers that do what peers should not, by the hundred (or as many as `CONFORMANCE_PEERS` says), at each service that answers without
//! an operator: what is left when they are gone is nothing.

use crate::child::in_a_child;
use crate::pattern::Pattern;
use crate::recorder::{Seen, What};
use crate::scripted::Random;
use crate::sockets::unconnected;
use crate::world::{Setup, World};
use enchufe_talk::Service;
use enchufe_talk::services::{Chargen, Daytime, Echo, Receive, Reply, Until};
use socket2::SockRef;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Peers at a time.
const AT_ONCE: usize = 40;
/// More than both kernels keep.
const MUCH: usize = 16 << 20;
/// What a peer that never reads, or never speaks, is given.
const PATIENCE: Duration = Duration::from_millis(200);

/// Peers that do not read, and what each sends at a time.
const IDLE_READERS: usize = 6;
const PIECE: usize = 4 * 1024;

/// Buffers that connections share are no peer's to keep. Large ones are few.
pub(crate) fn peers_that_do_not_read_leave_room_for_others<W: World>(world: &W) {
    let setup = Setup::with(|limits| limits.read_size = 1 << 20).narrow();
    let report = world.run(&Echo, &setup, |server| {
        let pattern = Pattern::new();
        let stuck: Vec<_> = (0..IDLE_READERS)
            .map(|_| {
                let mut peer = server.connect();
                let (id, mut sent) = (server.accepted(&*peer), 0);
                // Each piece is read by itself, as long as the server reads.
                loop {
                    let piece = pattern.at(sent, PIECE);
                    let more = peer.send_until_stuck(piece);
                    sent += more;
                    if more < piece.len() {
                        break;
                    }
                }
                (id, peer, sent)
            })
            .collect();
        server.connect().expect_echo(b"there is room");
        for (_, mut peer, sent) in stuck {
            let back = peer.read_exact(sent);
            pattern.expect(0, &back);
        }
    });
    assert_eq!(report.outcomes().len(), IDLE_READERS + 1);
}

/// Most of them come to the echo, which is the one that is held to every byte.
const OTHERS_SHARE: u64 = 8;

pub(crate) fn peers_that_misbehave_leave_nothing_behind<W: World>(world: &W) {
    let test = format!("{}::peers_that_misbehave_leave_nothing_behind", world.name());
    in_a_child(&test, || {
        let peers =
            std::env::var("CONFORMANCE_PEERS").map_or(400, |count| count.parse().expect("a number of peers"));
        let others = peers / OTHERS_SHARE;
        come_to(world, &Echo, peers, true);
        come_to(world, &Receive, others, false);
        come_to(world, &Chargen, others, false);
        come_to(world, &Daytime { line: |_| "now\r\n".into() }, others, false);
        let reply = Reply { answer: b"that".to_vec(), until: Until::Line };
        come_to(world, &reply, others, false);
    });
}

fn come_to<W: World, S: Service>(world: &W, service: &S, peers: u64, echoes: bool) {
    let setup = Setup::with(|limits| {
        limits.idle = Some(PATIENCE);
        limits.linger = PATIENCE;
    });
    let report = world.run(service, &setup, |server| {
        server.wait("the start", &|seen| seen.iter().any(|seen| seen.what == What::Waiting));
        let before = descriptors();
        let next = AtomicU64::new(1);
        let address = server.addresses()[0];
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed > peers {
                            return;
                        }
                        misbehave(address, seed, echoes);
                    }
                });
            }
        });
        let ends =
            |seen: &[Seen]| seen.iter().filter(|seen| matches!(seen.what, What::Closed(_))).count() as u64;
        server.wait("the end of all", &|seen| ends(seen) == peers);
        assert_eq!(descriptors(), before);
        drop(server.connect());
        server.wait("one more", &|seen| ends(seen) == peers + 1);
    });
    assert_eq!(report.summary.served, peers + 1);
}

/// Of this process: the server's, with those of the peers.
fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// What one peer does. What it reads must be what it sent; that the server ends it is no fault.
fn misbehave(address: SocketAddr, seed: u64, echoes: bool) {
    let mut random = Random::new(seed);
    let (socket, since) = (unconnected(address, &[]), Instant::now());
    socket.connect(&address.into()).unwrap();
    let mut peer = Peer { stream: socket.into(), since, pattern: Pattern::new(), echoes, sent: 0, read: 0 };
    let acts = random.below(4);
    for _ in 0..acts {
        let size = random.one_of([1, 19, 1000, 70_000]);
        let act = random.below(4);
        let done = match act {
            0 => peer.send(size),
            1 => peer.send(size).and_then(|()| peer.read_some()),
            2 => (0..size.min(50)).try_for_each(|_| peer.send(1)),
            // More than both kernels keep, and nothing is read.
            _ => peer.flood(),
        };
        if done.is_err() {
            break;
        }
    }
    match random.below(5) {
        // RST, at whatever point this is.
        0 => SockRef::from(&peer.stream).set_linger(Some(Duration::ZERO)).unwrap(),
        // In order: nothing may be missing, unless the server's patience was over.
        1 => peer.finish(),
        2 => drop(peer.stream.shutdown(Shutdown::Both)),
        // Until the server has enough of it, if it ever has.
        3 => drop(
            peer.stream
                .peek(&mut [0])
                .and_then(|_| (&peer.stream).take(MUCH as u64).read_to_end(&mut Vec::new())),
        ),
        // It vanishes, maybe with bytes unread.
        _ => {}
    }
}

struct Peer {
    stream: TcpStream,
    /// It comes.
    since: Instant,
    pattern: Pattern,
    /// What it reads is what it sent.
    echoes: bool,
    sent: usize,
    read: usize,
}

impl Peer {
    fn send(&mut self, count: usize) -> io::Result<()> {
        // Both ends would wait for each other if nobody read meanwhile.
        let most = count.min(100_000_usize.saturating_sub(self.sent.saturating_sub(self.read)));
        let bytes: Vec<u8> = (0..most).map(|at| self.pattern.at(self.sent + at, 1)[0]).collect();
        self.stream.write_all(&bytes)?;
        self.sent += most;
        Ok(())
    }

    fn read_some(&mut self) -> io::Result<()> {
        if self.read == self.sent {
            return Ok(());
        }
        let mut buffer = vec![0; 4096];
        let count = self.stream.read(&mut buffer)?;
        if self.echoes {
            self.pattern.expect(self.read, &buffer[..count]);
        }
        self.read += count;
        if count == 0 { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    fn flood(&mut self) -> io::Result<()> {
        self.stream.set_nonblocking(true)?;
        let end = self.sent + MUCH;
        let result = loop {
            match self.stream.write(self.pattern.at(self.sent, usize::MAX)) {
                // It reads all that comes.
                Ok(_) if self.sent > end => break Ok(()),
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.stream.set_nonblocking(false)?;
        result
    }

    /// An end in order comes after all that was sent, unless the server's patience may have been over.
    fn finish(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
        while self.read < self.sent {
            let Err(error) = self.read_some() else { continue };
            let may_be_short = !self.echoes || self.since.elapsed() >= PATIENCE;
            assert!(
                error.kind() != ErrorKind::UnexpectedEof || may_be_short,
                "ended after {} of {} bytes",
                self.read,
                self.sent
            );
            return;
        }
    }
}
