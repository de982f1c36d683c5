//! A peer that speaks TLS: rustls's client on a socket, so that all that holds for plain connections can be seen to hold for
//! those of TLS.
//!
//! Its handshake goes on by itself, as TCP's does, whatever a case does meanwhile: an engine that serves one at a time lets it wait.

use crate::pattern::Pattern;
use crate::recorder::{FOR_EVER, Recorder, Seen, What};
use crate::sockets::STUCK;
use crate::world::Peer;
use enchufe_sys::host::{self, Bell, Interest, Watch};
use enchufe_talk::tls::Identity;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};
use socket2::SockRef;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

/// Payload of one record (RFC 8446 §5.1).
pub(crate) const RECORD: usize = 16 * 1024;

macro_rules! file {
    ($name:literal) => {
        include_bytes!(concat!("../../../../tests/tls/", $name))
    };
}

static CONFIG: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| config(file!("ca.pem"), rustls::ALL_VERSIONS));

fn config(trusted: &[u8], versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_protocol_versions(versions).unwrap();
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

fn connection(config: Arc<ClientConfig>) -> ClientConnection {
    ClientConnection::new(config, ServerName::try_from("localhost").unwrap()).unwrap()
}

/// A client that speaks these versions.
pub(crate) fn client(versions: &[&'static SupportedProtocolVersion]) -> ClientConnection {
    connection(config(file!("ca.pem"), versions))
}

/// A client that trusts somebody else.
pub(crate) fn untrusting() -> ClientConnection {
    connection(config(file!("self.pem"), rustls::ALL_VERSIONS))
}

/// Whom the servers of the suite are.
pub(crate) fn identity() -> Identity {
    Identity::from_pem(file!("server.pem"), file!("server.key"), SystemTime::now()).unwrap()
}

/// A server that goes on is waited for so long.
struct Line {
    stream: TcpStream,
    connection: ClientConnection,
    give_up: Instant,
    /// The server's FIN was read.
    ended: bool,
}

impl Line {
    fn new(stream: TcpStream) -> Self {
        stream.set_nonblocking(true).unwrap();
        let mut connection = connection(Arc::clone(&CONFIG));
        connection.set_buffer_limit(None);
        Self { stream, connection, give_up: Instant::now() + FOR_EVER, ended: false }
    }

    fn shake_hands(mut self) -> io::Result<Self> {
        while self.connection.is_handshaking() || self.connection.wants_write() {
            self.go_on(Interest { read: true, write: self.connection.wants_write() }, None)?;
            if self.ended {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self)
    }

    /// Waits until one of these is possible and does it; whether one was.
    fn go_on(&mut self, interest: Interest, time: Option<Duration>) -> io::Result<bool> {
        let left = self.give_up.saturating_duration_since(Instant::now());
        let mut watches = [Watch::new(&self.stream, interest)];
        host::wait(&mut watches, Some(time.unwrap_or(left))).unwrap();
        let ready = watches[0].ready();
        assert!(ready.any() || time.is_some(), "nothing moves for ever");
        let again = |result: io::Result<usize>| match result {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            other => other.map(Some),
        };
        if interest.write && (ready.write || ready.failed) {
            again(self.connection.write_tls(&mut self.stream))?;
        }
        if interest.read && (ready.read || ready.failed) {
            self.ended |= again(self.connection.read_tls(&mut self.stream))? == Some(0);
            let result = self.connection.process_new_packets();
            result.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        }
        Ok(ready.any())
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.connection.wants_write() {
            self.go_on(Interest::WRITE, None)?;
        }
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.connection.reader().read(buffer) {
                Ok(0) => return self.fin().map(|()| 0),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                other => return other,
            }
            self.go_on(Interest { read: true, write: self.connection.wants_write() }, None)?;
        }
    }

    /// Behind `close_notify` there is nothing but the FIN.
    fn fin(&mut self) -> io::Result<()> {
        loop {
            match self.stream.read(&mut [0; 16]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    host::wait(&mut [Watch::new(&self.stream, Interest::READ)], Some(FOR_EVER))?;
                }
                result => {
                    assert_eq!(result?, 0, "behind close_notify");
                    return Ok(());
                }
            }
        }
    }

    fn exchange(&mut self, pattern: &Pattern, count: usize) {
        let mut buffer = vec![0; 256 * 1024];
        let (mut sent, mut have) = (0, 0);
        while have < count {
            if !self.connection.wants_write() && sent < count {
                let piece = pattern.at(sent, (count - sent).min(64 * 1024));
                sent += self.connection.writer().write(piece).unwrap();
            }
            let interest = Interest { read: true, write: self.connection.wants_write() };
            self.go_on(interest, None).expect("the server goes on");
            while let Ok(more @ 1..) = self.connection.reader().read(&mut buffer) {
                pattern.expect(have, &buffer[..more]);
                have += more;
            }
        }
    }
}

/// Where the line is.
enum State {
    /// With a thread, which gives it back when it is done, or when the bell rings.
    Away {
        thread: JoinHandle<io::Result<Box<Line>>>,
        call: Arc<Bell>,
    },
    Here(Box<Line>),
    Failed(ErrorKind),
}

pub(crate) struct Client<'a> {
    state: State,
    /// What is to be sent as soon as the handshake is done, until it is.
    early: Arc<Mutex<Option<Vec<u8>>>>,
    /// The same socket.
    stream: TcpStream,
    recorder: &'a Recorder,
}

impl<'a> Client<'a> {
    pub(crate) fn new(stream: TcpStream, recorder: &'a Recorder) -> Self {
        let line = Line::new(stream.try_clone().unwrap());
        let early = Arc::new(Mutex::new(Some(Vec::new())));
        let waiting = Arc::clone(&early);
        let thread = std::thread::spawn(move || {
            let mut line = line.shake_hands()?;
            let mut early = waiting.lock().unwrap();
            line.connection.writer().write_all(&early.take().unwrap_or_default())?;
            line.flush()?;
            Ok(Box::new(line))
        });
        let state = State::Away { thread, call: Arc::new(Bell::new().unwrap()) };
        Self { state, early, stream, recorder }
    }

    fn line(&mut self) -> io::Result<&mut Line> {
        self.state = match std::mem::replace(&mut self.state, State::Failed(ErrorKind::Other)) {
            State::Away { thread, call } => {
                call.ring();
                match thread.join().unwrap_or_else(|_| panic!("{}", self.recorder.story())) {
                    Ok(line) => State::Here(line),
                    Err(error) => State::Failed(error.kind()),
                }
            }
            here => here,
        };
        match &mut self.state {
            State::Here(line) => Ok(line),
            State::Failed(kind) => Err((*kind).into()),
            State::Away { .. } => unreachable!("it was just called back"),
        }
    }

    /// What cannot be sent now is sent as soon as it can be.
    fn send_later(&mut self) {
        let State::Here(mut line) = std::mem::replace(&mut self.state, State::Failed(ErrorKind::Other))
        else {
            return;
        };
        let call = Arc::new(Bell::new().unwrap());
        let called = Arc::clone(&call);
        let thread = std::thread::spawn(move || {
            while line.connection.wants_write() {
                let mut watches =
                    [Watch::new(&line.stream, Interest::WRITE), Watch::new(&*called, Interest::READ)];
                host::wait(&mut watches, Some(FOR_EVER)).unwrap();
                if watches[1].ready().read {
                    break;
                }
                line.go_on(Interest::WRITE, None)?;
            }
            Ok(line)
        });
        self.state = State::Away { thread, call };
    }

    /// A server that cuts a connection does not say `close_notify`: what it said was not all that it had to say.
    fn expect_cut(&self) {
        let own = self.stream.local_addr().unwrap();
        let of_own = |seen: &[Seen]| {
            let closed = |seen: &&Seen| seen.peer == Some(own) && matches!(seen.what, What::Closed(_));
            seen.iter().rev().find(closed).map(|seen| format!("{:?}", seen.what))
        };
        self.recorder.wait("the end of a connection that was cut", &|seen| of_own(seen).is_some());
        let end = of_own(&self.recorder.seen()).unwrap();
        let cuts = ["Interrupted", "Deadline", "Idle", "FirstByte"];
        assert!(cuts.iter().any(|cut| end.contains(cut)), "no close_notify: {end}");
    }
}

impl Drop for Client<'_> {
    fn drop(&mut self) {
        if self.early.lock().unwrap().is_some() {
            // What the handshake waits for does not come any more.
            let _ = self.stream.shutdown(Shutdown::Both);
        } else if let Ok(line) = self.line() {
            line.connection.send_close_notify();
            let _ = line.flush();
        }
    }
}

impl Peer for Client<'_> {
    fn address(&self) -> SocketAddr {
        self.stream.local_addr().unwrap()
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(early) = &mut *self.early.lock().unwrap() {
            early.extend_from_slice(bytes);
            return Ok(());
        }
        let line = self.line()?;
        line.connection.writer().write_all(bytes)?;
        line.flush()
    }

    fn send_until_stuck(&mut self, bytes: &[u8]) -> usize {
        let line = self.line().expect("the server goes on");
        let mut sent = 0;
        while sent < bytes.len() {
            if !line.connection.wants_write() {
                let end = bytes.len().min(sent + 16 * 1024);
                sent += line.connection.writer().write(&bytes[sent..end]).unwrap();
            }
            if !line.go_on(Interest::WRITE, Some(STUCK)).expect("the server goes on") {
                self.send_later();
                break;
            }
        }
        sent
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let result = self.line().and_then(|line| line.read(buffer));
        if result.as_ref().is_err_and(|error| error.kind() == ErrorKind::UnexpectedEof) {
            self.expect_cut();
            return Ok(0);
        }
        result
    }

    fn exchange(&mut self, pattern: &Pattern, count: usize) {
        self.line().expect("the server goes on").exchange(pattern, count);
    }

    fn half_close(&mut self) {
        let line = self.line().expect("the server goes on");
        line.connection.send_close_notify();
        line.flush().unwrap();
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    fn close(mut self: Box<Self>) {
        self.line().expect("the server goes on");
    }

    fn reset(mut self: Box<Self>) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
        // Without a line it does not say close_notify.
        match std::mem::replace(&mut self.state, State::Failed(ErrorKind::Other)) {
            State::Away { thread, call } => {
                // The socket is that thread's, too.
                call.ring();
                let _ = self.stream.shutdown(Shutdown::Read);
                let _ = thread.join();
            }
            here => drop(here),
        }
    }
}

/// A peer of TLS over one that is not, whatever carries its bytes: for a world without sockets. One thing after the other.
pub(crate) struct Over<'a> {
    /// Until it is reset.
    below: Option<Box<dyn Peer + 'a>>,
    connection: ClientConnection,
    address: SocketAddr,
}

impl<'a> Over<'a> {
    pub(crate) fn new(below: Box<dyn Peer + 'a>) -> Self {
        let mut connection = connection(Arc::clone(&CONFIG));
        connection.set_buffer_limit(None);
        Self { address: below.address(), below: Some(below), connection }
    }

    fn below(&mut self) -> &mut (dyn Peer + 'a) {
        &mut **self.below.as_mut().expect("it was not reset")
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut bytes = Vec::new();
        while self.connection.wants_write() {
            self.connection.write_tls(&mut bytes)?;
        }
        self.below().send(&bytes)
    }

    fn take(&mut self) -> io::Result<()> {
        let mut bytes = [0; 4096];
        let count = self.below().read(&mut bytes)?;
        let mut rest = &bytes[..count];
        loop {
            self.connection.read_tls(&mut rest)?;
            let result = self.connection.process_new_packets();
            result.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    fn shake_hands(&mut self) -> io::Result<()> {
        while self.connection.is_handshaking() {
            self.flush()?;
            self.take()?;
        }
        self.flush()
    }
}

impl Drop for Over<'_> {
    fn drop(&mut self) {
        if self.below.is_none() || self.connection.is_handshaking() || std::thread::panicking() {
            return;
        }
        self.connection.send_close_notify();
        let _ = self.flush();
        self.below().half_close();
        // To leave the server's own end unread would be to reset it.
        while self.below().read(&mut [0; 4096]).is_ok_and(|count| count > 0) {}
    }
}

impl Peer for Over<'_> {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.shake_hands()?;
        self.connection.writer().write_all(bytes)?;
        self.flush()
    }

    fn send_until_stuck(&mut self, _: &[u8]) -> usize {
        unimplemented!("what is below takes whole records only")
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.shake_hands()?;
        loop {
            match self.connection.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.take()?,
                other => return other,
            }
        }
    }

    fn exchange(&mut self, pattern: &Pattern, count: usize) {
        let mut have = 0;
        while have < count {
            let piece = (count - have).min(3000);
            let bytes = pattern.at(have, piece);
            self.send(bytes).expect("the server reads");
            let back = (self as &mut dyn Peer).read_exact(bytes.len());
            pattern.expect(have, &back);
            have += bytes.len();
        }
    }

    fn half_close(&mut self) {
        self.shake_hands().expect("the server goes on");
        self.connection.send_close_notify();
        self.flush().expect("the server goes on");
        self.below().half_close();
    }

    fn close(mut self: Box<Self>) {
        self.shake_hands().expect("the server goes on");
    }

    fn reset(mut self: Box<Self>) {
        let _ = self.shake_hands();
        if let Some(below) = self.below.take() {
            below.reset();
        }
    }
}
