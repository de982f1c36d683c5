//! One connection served by one thread that waits in `poll`: what `blocking` and `threads` share.

use super::Host;
use super::accept::{Arrival, Door};
use crate::reason::Call;
use crate::service::Service;
use crate::session::{Next, Session};
use crate::told::About;
use enchufe_sys::host::{self, Bell, Interest, Watch};
use socket2::SockRef;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant, SystemTime};

/// How often a peer that has sent FIN is looked for while a question of its is out.
const PEER_CHECK: Duration = Duration::from_secs(1);

struct Connection<'h, S: Service> {
    session: Session<'h, S, usize>,
    stream: TcpStream,
    about: About,
    /// Receive buffers, lent by their index; made as they are needed, at most
    /// [`MOST_BUFFERS`](crate::session::MOST_BUFFERS) and one.
    buffers: Vec<Vec<u8>>,
    free: Vec<usize>,
    read_size: usize,
    check_peer: Option<Instant>,
    /// Both directions are over. `poll` says so for ever, so it is not asked while nothing is to be
    /// read.
    hung_up: bool,
}

/// Serves `stream` to its end and closes it. An engine that lets others wait meanwhile gives its
/// `door`.
pub(super) fn serve<'h, S: Service>(
    host: &'h Host<'h>,
    service: &'h S,
    arrival: Arrival,
    mut door: Option<&mut Door<'_>>,
) -> Session<'h, S, usize> {
    let Arrival { stream, about, bell } = arrival;
    let session = Session::open(host, service, about, bell.clone(), (Instant::now(), SystemTime::now()));
    let mut connection = Connection {
        session,
        stream,
        about,
        buffers: Vec::new(),
        free: Vec::new(),
        read_size: host.limits.read_size,
        check_peer: None,
        hung_up: false,
    };
    if let Err(error) = connection.stream.set_nonblocking(true) {
        connection.session.failed(Call::SetOption, error);
    }
    connection.flush();
    while !connection.session.is_over() {
        if let Err(error) = connection.turn(host, bell.as_deref(), door.as_deref_mut()) {
            connection.session.failed(Call::Poll, error);
        }
    }
    let Connection { session, stream, .. } = connection;
    drop(stream);
    session
}

impl<S: Service> Connection<'_, S> {
    /// Waits for the next thing to happen and does what it asks for.
    fn turn(&mut self, host: &Host<'_>, bell: Option<&Bell>, door: Option<&mut Door<'_>>) -> io::Result<()> {
        let interest = Interest { read: self.session.wants_read(), write: self.session.next().is_some() };
        let mute = self.hung_up && interest == Interest::NONE;
        let timeout = self.timeout(door.as_deref());
        let cutting = host.stop.cutting();
        let mut watches = vec![
            if mute { Watch::new(cutting, Interest::NONE) } else { Watch::new(&self.stream, interest) },
            Watch::new(cutting, Interest::READ),
            Watch::new(bell.unwrap_or(cutting), Interest::READ),
        ];
        if let Some(door) = &door {
            watches.extend(door.watches());
        }
        host::wait(&mut watches, timeout)?;
        let [socket, cut, rang] = [watches[0].ready(), watches[1].ready(), watches[2].ready()];
        let stopped = watches.get(3).is_some_and(|watch| watch.ready().read);
        let knocked = watches.iter().skip(4).any(|watch| watch.ready().read);
        drop(watches);

        match door {
            Some(door) if stopped => door.stop(),
            Some(door) if knocked => door.look_who_waits(),
            _ => {}
        }
        if cut.read {
            self.session.interrupted();
            return Ok(());
        }
        if let (true, Some(bell)) = (rang.read, bell) {
            bell.silence();
            self.session.rang(Instant::now());
        }
        if socket.read || socket.failed {
            self.read();
        }
        self.expire();
        self.flush();
        Ok(())
    }

    fn timeout(&mut self, door: Option<&Door<'_>>) -> Option<Duration> {
        let now = Instant::now();
        if self.session.may_have_been_left() {
            self.check_peer.get_or_insert(now + PEER_CHECK);
        } else {
            self.check_peer = None;
        }
        let next = [self.session.deadline(), self.check_peer, door.and_then(Door::next_look)];
        next.into_iter().flatten().min().map(|at| at.saturating_duration_since(now))
    }

    fn read(&mut self) {
        if !self.session.wants_read() {
            // Only an error or the end of both directions brings us here.
            match host::take_error(&SockRef::from(&self.stream)) {
                Ok(Some(error)) => self.session.failed(Call::Recv, error),
                _ => self.hung_up = true,
            }
            return;
        }
        let index = self.free.pop().unwrap_or_else(|| {
            self.buffers.push(vec![0; self.read_size]);
            self.buffers.len() - 1
        });
        let Some(buffer) = self.buffers.get_mut(index) else { return };
        let result = self.stream.read(buffer);
        let now = Instant::now();
        let freed = match result {
            Ok(0) => {
                self.session.peer_ended(now);
                Some(index)
            }
            Ok(count) => self.session.received(buffer.get(..count).unwrap_or_default(), index, now),
            Err(error) => {
                self.fail(Call::Recv, error);
                Some(index)
            }
        };
        self.free.extend(freed);
    }

    /// Hands the kernel what it takes. One turn of a service that never ends is one buffer of its:
    /// the peer's bytes and the stop are looked at between two of them.
    fn flush(&mut self) {
        let mut turn = self.session.queued();
        while turn > 0 || matches!(self.session.next(), Some(Next::HalfClose)) {
            let result = match self.session.next() {
                None => return,
                Some(Next::HalfClose) => {
                    // ENOTCONN: the peer's RST was faster; the next read says so.
                    let _ = self.stream.shutdown(Shutdown::Write);
                    self.session.half_closed(Instant::now());
                    continue;
                }
                Some(Next::Lent(index, range)) => {
                    let buffer = self.buffers.get(*index).map_or(&[][..], Vec::as_slice);
                    self.stream.write(buffer.get(range).unwrap_or_default())
                }
                Some(Next::Bytes(bytes)) => self.stream.write(bytes),
            };
            match result {
                Ok(count) => {
                    turn = turn.saturating_sub(count.max(1));
                    self.free.extend(self.session.sent(count, Instant::now()));
                }
                Err(error) => return self.fail(Call::Send, error),
            }
        }
    }

    fn fail(&mut self, call: Call, error: io::Error) {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => {}
            _ => self.session.failed(call, error),
        }
    }

    fn expire(&mut self) {
        let now = Instant::now();
        if self.check_peer.is_some_and(|at| now >= at) {
            self.check_peer = None;
            let local = self.stream.local_addr();
            if local.is_ok_and(|local| host::peer_is_open(local, self.about.peer) == Some(false)) {
                self.session.peer_left();
            }
        }
        if self.session.deadline().is_some_and(|at| now >= at) {
            self.session.expired(now);
        }
    }
}
