//! The engines of the crate on this machine's own TCP.

use crate::pattern::Pattern;
use crate::recorder::{FOR_EVER, Recorder, Report, Seen, Unheard, What};
use crate::secured;
use crate::world::{Peer, Server, Setup, World};
use enchufe_sys::host::{self, Interest, PortUse, Watch};
use enchufe_talk::engine::{self, BusyPoll, Carry, HandOver, Host, Kind, Limits};
use enchufe_talk::listen::{self, Listener, Plan};
use enchufe_talk::options::{self, SocketOption};
use enchufe_talk::session::{MOST_BUFFERS, MOST_QUEUED};
use enchufe_talk::{Operator, Service, Stop, connect};
use socket2::{Domain, SockRef, Socket, Type};
use std::cell::Cell;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// How long a peer may find no room before it is taken to be stuck. Were it wrong, a case would see
/// less, not fail.
pub(crate) const STUCK: Duration = Duration::from_millis(150);

/// What every kernel keeps for a peer that does not read yet.
const SMALL: usize = 1024;

/// An engine of the crate.
#[derive(Clone, Copy)]
pub(crate) struct Sockets {
    /// The module of its tests.
    name: &'static str,
    kind: Kind,
    /// Of an engine that has a few.
    threads: NonZeroUsize,
    /// Connections are of TLS.
    secured: bool,
    hand_over: HandOver,
    carry: Carry,
    /// Somebody hears of connections.
    heard: bool,
}

impl Sockets {
    /// The only world of this engine.
    pub(crate) fn of(name: &'static str, kind: Kind) -> [Self; 1] {
        Self::on(1, name, kind)
    }

    /// With so many threads.
    pub(crate) fn on(threads: usize, name: &'static str, kind: Kind) -> [Self; 1] {
        let threads = NonZeroUsize::new(threads).unwrap();
        [Self {
            name,
            kind,
            threads,
            secured: false,
            hand_over: HandOver::default(),
            carry: Carry::default(),
            heard: true,
        }]
    }

    /// With TLS.
    pub(crate) fn secured([world]: [Self; 1]) -> [Self; 1] {
        [Self { secured: true, ..world }]
    }

    /// The kernel carries what it can.
    pub(crate) fn carried([world]: [Self; 1]) -> [Self; 1] {
        [Self { carry: Carry::Always, ..world }]
    }

    /// Nobody hears of connections, so that an engine need not know whose they are.
    pub(crate) fn unheard([world]: [Self; 1]) -> [Self; 1] {
        [Self { heard: false, ..world }]
    }

    /// Every connection goes to another thread whenever it can.
    pub(crate) fn restless(threads: usize, name: &'static str, kind: Kind) -> [Self; 1] {
        Self::on(threads, name, kind).map(|world| Self { hand_over: HandOver::Always, ..world })
    }
}

impl World for Sockets {
    fn long(&self) -> usize {
        if self.secured { 16 << 20 } else { 64 << 20 }
    }

    fn one_at_a_time(&self) -> bool {
        self.kind == Kind::Blocking
    }

    fn hands_over(&self) -> bool {
        self.hand_over == HandOver::Always
    }

    fn has_rings(&self) -> bool {
        self.kind == Kind::Uring
    }

    fn largest_piece(&self, read: usize) -> usize {
        if self.secured { read + secured::RECORD } else { read }
    }

    fn most_lent(&self, read: usize) -> usize {
        // Nothing is lent where what came is opened elsewhere: it is queued. What is carried lies in a pipe.
        if self.secured {
            MOST_QUEUED + self.largest_piece(read)
        } else if self.carry == Carry::Always {
            MOST_QUEUED.max(MOST_BUFFERS * read)
        } else {
            MOST_BUFFERS * read
        }
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn run<S: Service>(&self, service: &S, setup: &Setup, case: impl FnOnce(&dyn Server)) -> Report {
        // Many servers of many clients run in one process.
        host::raise_descriptor_limit();
        let (recorder, stop, operator) = (Recorder::new(), Stop::new().unwrap(), Operator::default());
        // Several threads also look before they wait, and read streams in larger pieces.
        let looks = self.threads.get() > 1;
        let stream_size =
            if looks && setup.limits.read_size == Limits::default().read_size { 512 * 1024 } else { 0 };
        // Where nothing else is tried, a connection is parked as soon as it can be.
        let kept = if looks { Limits::default().kept } else { 0 };
        let busy_poll = if looks { BusyPoll::For(Duration::from_micros(50)) } else { BusyPoll::Off };
        let identity = self.secured.then(secured::identity);
        let unheard = Unheard(&recorder);
        let host = Host {
            reporter: if self.heard { &recorder } else { &unheard },
            limits: Limits {
                threads: Some(self.threads),
                busy_poll,
                stream_size,
                kept,
                hand_over: self.hand_over,
                carry: self.carry,
                ..setup.limits.clone()
            },
            stop: &stop,
            operator: Some(&operator),
            options: &setup.options,
            counters: None,
            tls: identity.as_ref(),
        };
        let endpoint = if setup.every_address { ":0" } else { "127.0.0.1:0" }.parse().unwrap();
        let plan = Plan {
            endpoints: &[endpoint],
            family: connect::Family::Any,
            backlog: 1024,
            options: &setup.options,
        };
        let listeners = listen::open(&plan, &recorder, &Stop::new().unwrap()).unwrap();
        let addresses = listeners.iter().map(Listener::address).collect();
        let (go, gate) = mpsc::channel();
        let (host, recorder, stop, operator) = (&host, &recorder, &stop, &operator);
        let summary = std::thread::scope(|scope| {
            let (ends, ended) = mpsc::channel::<()>();
            let server = scope.spawn(move || {
                let _ends = ends;
                let _ = gate.recv();
                engine::serve(self.kind, listeners, service, host).unwrap()
            });
            let turn = Cell::new(0);
            let in_order = self.threads > NonZeroUsize::MIN && !setup.held;
            let secured = self.secured;
            let running =
                Running { addresses, recorder, stop, operator, setup, go, ended, turn, in_order, secured };
            if !setup.held {
                running.go();
            }
            case(&running);
            stop.begin();
            drop(running);
            server.join().unwrap_or_else(|panic| resume_unwind(panic))
        });
        Report::new(recorder.seen(), summary)
    }
}

struct Running<'a> {
    addresses: Vec<SocketAddr>,
    recorder: &'a Recorder,
    stop: &'a Stop,
    operator: &'a Operator,
    setup: &'a Setup,
    go: mpsc::Sender<()>,
    /// Disconnected when it has.
    ended: mpsc::Receiver<()>,
    /// Which address is the next peer's.
    turn: Cell<usize>,
    /// Several threads accept, in any order: a peer is connected when it is let in, so that the numbers of the
    /// connections are as a case knows them.
    in_order: bool,
    secured: bool,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // A case that failed is not to wait for its server.
        if std::thread::panicking() {
            self.stop.cut();
        }
        self.go();
        if self.ended.recv_timeout(FOR_EVER) == Err(RecvTimeoutError::Timeout) {
            // There is no other way to leave a thread behind.
            eprintln!("never ended; {}", self.recorder.story());
            std::process::abort();
        }
    }
}

impl Server for Running<'_> {
    fn try_connect(&self) -> io::Result<Box<dyn Peer + '_>> {
        let address = self.addresses[self.turn.replace(self.turn.get() + 1) % self.addresses.len()];
        let socket = unconnected(address, &self.setup.peers_options);
        socket.connect(&address.into())?;
        let stream = TcpStream::from(socket);
        if self.in_order {
            let own = stream.local_addr().unwrap();
            let accepted = |seen: &Seen| seen.peer == Some(own) && seen.what == What::Accepted;
            self.wait("that it is let in, or is not to be", &|seen| {
                // Looked at without taking the error, which is the case's. After a stop the port may be another
                // server's by now.
                let stop = Watch::new(self.stop.begun(), Interest::READ);
                let mut watches = [Watch::new(&stream, Interest::NONE), stop];
                host::wait(&mut watches, Some(Duration::ZERO)).unwrap();
                watches.iter().any(|watch| watch.ready().any()) || seen.iter().rev().any(accepted)
            });
        }
        Ok(if self.secured {
            Box::new(secured::Client::new(stream, self.recorder))
        } else {
            Box::new(Client { stream, recorder: self.recorder })
        })
    }

    fn wait_until_nobody_listens(&self) {
        let listens =
            |address: &SocketAddr| matches!(host::port_use(*address), Some(PortUse::Listening { .. }));
        self.wait("that nobody listens", &|_| !self.addresses.iter().any(listens));
    }

    fn wait(&self, what: &str, condition: &dyn Fn(&[Seen]) -> bool) {
        self.recorder.wait(what, condition);
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
        let _ = self.go.send(());
    }

    fn wait_until_over(&self) {
        self.wait("its end", &|seen| seen.iter().any(|seen| matches!(seen.what, What::Stopped(_))));
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        self.addresses.clone()
    }
}

/// A socket that will give up what would last for ever.
pub(crate) fn unconnected(address: SocketAddr, list: &[SocketOption]) -> Socket {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    socket.set_read_timeout(Some(FOR_EVER)).unwrap();
    socket.set_write_timeout(Some(FOR_EVER)).unwrap();
    options::apply(list, &SockRef::from(&socket)).unwrap();
    socket
}

struct Client<'a> {
    stream: TcpStream,
    recorder: &'a Recorder,
}

impl Client<'_> {
    /// A call that gave up would have lasted for ever.
    fn in_time<T>(&self, what: &str, result: io::Result<T>) -> io::Result<T> {
        let gave_up = result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        assert!(!gave_up && !self.recorder.is_given_up(), "{what} for ever; {}", self.recorder.story());
        result
    }
}

impl Peer for Client<'_> {
    fn address(&self) -> SocketAddr {
        self.stream.local_addr().unwrap()
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let result = self.stream.write_all(bytes);
        self.in_time("sends", result)
    }

    fn send_until_stuck(&mut self, bytes: &[u8]) -> usize {
        self.stream.set_nonblocking(true).unwrap();
        let mut sent = 0;
        while sent < bytes.len() {
            match self.stream.write(&bytes[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let mut watches = [Watch::new(&self.stream, Interest::WRITE)];
                    if host::wait(&mut watches, Some(STUCK)).unwrap() == 0 {
                        break;
                    }
                }
                Err(error) => panic!("send: {error}; {}", self.recorder.story()),
            }
        }
        self.stream.set_nonblocking(false).unwrap();
        sent
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let result = self.stream.read(buffer);
        self.in_time("reads", result)
    }

    fn exchange(&mut self, pattern: &Pattern, count: usize) {
        if count <= SMALL {
            self.send(&pattern.bytes(count)).expect("the server reads");
            let back = (self as &mut dyn Peer).read_exact(count);
            return pattern.expect(0, &back);
        }
        let mut sender = self.stream.try_clone().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let mut sent = 0;
                while sent < count {
                    sent += sender.write(pattern.at(sent, count - sent)).expect("the server reads");
                }
            });
            let mut buffer = vec![0; 256 * 1024];
            let mut have = 0;
            while have < count {
                let more = self.read(&mut buffer).expect("the server goes on");
                assert!(more > 0, "ended after {have} of {count} bytes");
                pattern.expect(have, &buffer[..more]);
                have += more;
            }
        });
    }

    fn half_close(&mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    fn close(self: Box<Self>) {}

    fn reset(self: Box<Self>) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
}
