//! One connection served by one thread that waits in `poll`: what `blocking` and `threads` share.

use super::Host;
use super::accept::{Arrival, Door};
use super::buffers::Buffers;
use super::line::Line;
use crate::reason::Call;
use crate::service::Service;
use crate::session::Session;
use enchufe_sys::host::{self, Bell, Interest, Watch};
use std::io;
use std::time::{Duration, Instant, SystemTime};

struct Connection<'h, S: Service> {
    line: Line<'h, S>,
    /// Of this connection alone: at most [`MOST_BUFFERS`](crate::session::MOST_BUFFERS) and one.
    buffers: Buffers,
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
        line: Line::new(session, stream),
        buffers: Buffers::new(host.limits.read_size),
        hung_up: false,
    };
    if let Err(error) = connection.line.stream.set_nonblocking(true) {
        connection.line.session.failed(Call::SetOption, error);
    }
    connection.line.flush(&mut connection.buffers, Instant::now());
    while !connection.line.session.is_over() {
        if let Err(error) = connection.turn(host, bell.as_deref(), door.as_deref_mut()) {
            connection.line.session.failed(Call::Poll, error);
        }
    }
    let Connection { line, mut buffers, .. } = connection;
    line.close(&mut buffers)
}

impl<S: Service> Connection<'_, S> {
    /// Waits for the next thing to happen and does what it asks for.
    fn turn(&mut self, host: &Host<'_>, bell: Option<&Bell>, door: Option<&mut Door<'_>>) -> io::Result<()> {
        let session = &self.line.session;
        let interest = Interest { read: session.wants_read(), write: session.next().is_some() };
        let mute = self.hung_up && interest == Interest::NONE;
        let timeout = self.timeout(door.as_deref());
        let cutting = host.stop.cutting();
        let mut watches = vec![
            if mute { Watch::new(cutting, Interest::NONE) } else { Watch::new(&self.line.stream, interest) },
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
            self.line.session.interrupted();
            return Ok(());
        }
        let now = Instant::now();
        if let (true, Some(bell)) = (rang.read, bell) {
            bell.silence();
            self.line.session.rang(now);
        }
        if socket.read || socket.failed {
            self.read(now);
        }
        // Where there is room again the peer was not silent, however late this thread has its turn.
        self.line.flush(&mut self.buffers, now);
        self.line.expire(now);
        Ok(())
    }

    fn timeout(&mut self, door: Option<&Door<'_>>) -> Option<Duration> {
        let now = Instant::now();
        let next = [self.line.deadline(now), door.and_then(Door::next_look)];
        next.into_iter().flatten().min().map(|at| at.saturating_duration_since(now))
    }

    fn read(&mut self, now: Instant) {
        if self.line.session.wants_read() {
            self.line.read(&mut self.buffers, now);
        } else {
            // Only an error or the end of both directions brings us here.
            self.hung_up = self.line.look_for_error();
        }
    }
}
