//! One connection served by one thread that waits in `poll`: what `blocking`, `threads` and programs behind TLS share.

use super::Host;
use super::accept::Arrival;
use super::buffers::Buffers;
use super::line::Line;
use crate::reason::Call;
use crate::service::Service;
use crate::session::Session;
use enchufe_sys::host::{self, Bell, Interest, Ready, Watch};
use std::io;
use std::time::{Duration, Instant, SystemTime};

/// What a thread looks after beside its connection.
pub(super) trait Beside<S: Service> {
    /// What to wait for.
    fn watches<'w>(&'w self, session: &'w Session<'_, S, usize>) -> Vec<Watch<'w>>;

    /// When to look at it, if nothing happens before.
    fn until(&self, session: &Session<'_, S, usize>) -> Option<Instant>;

    /// What was found of the watches, in their order.
    fn look(&mut self, found: &[Ready], session: &mut Session<'_, S, usize>, now: Instant);
}

/// Nothing.
impl<S: Service> Beside<S> for () {
    fn watches<'w>(&'w self, _: &'w Session<'_, S, usize>) -> Vec<Watch<'w>> {
        Vec::new()
    }

    fn until(&self, _: &Session<'_, S, usize>) -> Option<Instant> {
        None
    }

    fn look(&mut self, _: &[Ready], _: &mut Session<'_, S, usize>, _: Instant) {}
}

struct Connection<'h, S: Service> {
    line: Line<'h, S>,
    /// Of this connection alone: at most [`MOST_BUFFERS`](crate::session::MOST_BUFFERS) and one.
    buffers: Buffers,
    /// Both directions are over. `poll` says so for ever, so it is not asked while nothing is to be
    /// read.
    hung_up: bool,
}

/// Serves a connection to its end and closes it, and looks after what is `beside` it meanwhile.
pub(super) fn serve<'h, S: Service>(
    host: &'h Host<'h>,
    service: &'h S,
    arrival: Arrival,
    beside: &mut impl Beside<S>,
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
        if let Err(error) = connection.turn(host, bell.as_deref(), beside) {
            connection.line.session.failed(Call::Poll, error);
        }
    }
    let Connection { line, mut buffers, .. } = connection;
    line.close(&mut buffers)
}

impl<S: Service> Connection<'_, S> {
    /// Waits for the next thing to happen and does what it asks for.
    fn turn(&mut self, host: &Host<'_>, bell: Option<&Bell>, beside: &mut impl Beside<S>) -> io::Result<()> {
        let session = &self.line.session;
        let interest = Interest { read: session.wants_read(), write: session.next().is_some() };
        let mute = self.hung_up && interest == Interest::NONE;
        let timeout = self.timeout(beside);
        let cutting = host.stop.cutting();
        let mut watches = vec![
            if mute { Watch::new(cutting, Interest::NONE) } else { Watch::new(&self.line.stream, interest) },
            Watch::new(cutting, Interest::READ),
            Watch::new(bell.unwrap_or(cutting), Interest::READ),
        ];
        watches.extend(beside.watches(&self.line.session));
        host::wait(&mut watches, timeout)?;
        let [socket, cut, rang] = [watches[0].ready(), watches[1].ready(), watches[2].ready()];
        let found: Vec<Ready> = watches.iter().skip(3).map(Watch::ready).collect();
        drop(watches);

        let now = Instant::now();
        beside.look(&found, &mut self.line.session, now);
        if cut.read {
            self.line.session.interrupted();
            return Ok(());
        }
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

    fn timeout(&mut self, beside: &impl Beside<S>) -> Option<Duration> {
        let now = Instant::now();
        let next = [self.line.deadline(now), beside.until(&self.line.session)];
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
