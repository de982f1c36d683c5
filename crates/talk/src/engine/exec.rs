//! A program for each connection: its standard input and output are the socket, as inetd has them.
//!
//! A thread waits for each program: beside a process it costs next to nothing. The server keeps a copy of the socket,
//! so that it can say how the connection ended and what it carried; the connection ends with the program that was
//! started, whatever else may have the socket still. With TLS it has one end of a pair instead ([`relay`]).

mod relay;

use super::accept::Arrival;
use super::{Host, Program, Tally, threads};
use crate::error::TalkError;
use crate::listen::Listener;
use crate::reason::{Call, End, Reason};
use crate::told::{About, Told};
use enchufe_sys::host::{self, Interest, Watch};
use enchufe_sys::queues;
use enchufe_sys::sock_diag::{self, Question};
use enchufe_sys::start::{Ended, NotStarted, Start, Started};
use enchufe_sys::tcp_info::{TcpState, tcp_info};
use std::io::{self, Read};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

pub(super) fn run(
    listeners: Vec<Listener>,
    program: &Program,
    host: &Host<'_>,
    tally: &Tally,
) -> Result<(), TalkError> {
    threads::each(listeners, host, tally, false, |arrival| match host.tls {
        None => serve(program, arrival, host, tally),
        Some(_) => relay::serve(program, arrival, host, tally),
    })
}

/// Runs a program that has the connection itself.
fn serve(program: &Program, Arrival { stream, about, .. }: Arrival, host: &Host<'_>, tally: &Tally) {
    let begun = Instant::now();
    let (reason, carried) = match Connection::start(program, &stream, about, host) {
        Ok((connection, process)) => connection.serve(process),
        Err((call, error)) => {
            // RST: its client is not to take nothing for the answer.
            let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
            (Reason::Failed(call, error), Carried::default())
        }
    };
    drop(stream);
    let Carried { received, sent } = carried;
    tally.left();
    let end = End { reason, received, sent, unsent: 0, lasted: begun.elapsed() };
    tally.count(&end);
    if let Some(counters) = host.counters {
        counters.received(received);
        counters.sent(sent);
    }
    host.ended(about, &end);
}

/// Starts it, with this as its standard input and output.
fn start(
    program: &Program,
    ends: &impl AsFd,
    local: SocketAddr,
    about: About,
    host: &Host<'_>,
) -> Result<Started, (Call, io::Error)> {
    // A group of its own: Ctrl-C at the server's terminal gives it the time to end that all have, and what it
    // starts is cut with it.
    let start = Start {
        file: &program.file,
        arguments: &program.arguments,
        variables: &addresses(local, about.peer),
        ends: ends.as_fd(),
        descriptors: program.descriptors,
    };
    let process = start.start().map_err(|failed| match failed {
        NotStarted::Clone(error) => (Call::Clone, error),
        NotStarted::Exec(error) => (Call::Exec, error),
    })?;
    host.reporter.tell(Some(about), &Told::ProgramStarted { pid: process.pid() });
    Ok(process)
}

/// Waits until it ends; why it is to be ended before.
fn until_it_ends(process: &Started, deadline: Option<Instant>, host: &Host<'_>) -> Option<Reason> {
    loop {
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let mut watches =
            [Watch::new(process, Interest::READ), Watch::new(host.stop.cutting(), Interest::READ)];
        if let Err(error) = host::wait(&mut watches, left) {
            return Some(Reason::Failed(Call::Poll, error));
        }
        let [ended, cut] = watches.map(|watch| watch.ready().read);
        if ended {
            return None;
        }
        if cut {
            return Some(Reason::Interrupted);
        }
        if left.is_some_and(|left| left.is_zero()) {
            return host.limits.deadline.map(Reason::Deadline);
        }
    }
}

/// Waits for it, and tells how it ended.
fn tell_end(process: Started, about: About, host: &Host<'_>) {
    if let Ok(Ended { code, signal }) = process.wait() {
        host.reporter.tell(Some(about), &Told::ProgramEnded { code, signal });
    }
}

struct Connection<'a> {
    stream: &'a TcpStream,
    about: About,
    host: &'a Host<'a>,
    deadline: Option<Instant>,
}

/// Payload that was read and written.
#[derive(Clone, Copy, Debug, Default)]
struct Carried {
    received: u64,
    sent: u64,
}

impl<'a> Connection<'a> {
    fn start(
        program: &Program,
        stream: &'a TcpStream,
        about: About,
        host: &'a Host<'a>,
    ) -> Result<(Self, Started), (Call, io::Error)> {
        // The program shares the flag, and expects to wait.
        stream.set_nonblocking(false).map_err(|error| (Call::SetOption, error))?;
        let local = stream.local_addr().map_err(|error| (Call::Exec, error))?;
        let process = start(program, stream, local, about, host)?;
        let deadline = host.limits.deadline.and_then(|limit| Instant::now().checked_add(limit));
        Ok((Self { stream, about, host, deadline }, process))
    }

    /// Waits until the program ends, or ends it.
    fn serve(self, process: Started) -> (Reason, Carried) {
        let cut = until_it_ends(&process, self.deadline, self.host);
        if cut.is_some() {
            process.end();
        }
        tell_end(process, self.about, self.host);
        let (reason, mut carried) = self.look();
        if let Some(cut) = cut {
            return (cut, carried);
        }
        carried.received += self.linger();
        (reason, carried)
    }

    /// Whose FIN came first, or that there was a reset; and what the kernel counted: what came and was read, what
    /// was written.
    fn look(&self) -> (Reason, Carried) {
        let Ok(info) = tcp_info(self.stream) else { return (Reason::OwnEnd, Carried::default()) };
        let (reason, ended) = match info.state {
            TcpState::CloseWait | TcpState::LastAck => (Reason::PeerFinished, true),
            TcpState::Closed => self.look_closed(),
            state => (Reason::OwnEnd, matches!(state, TcpState::Closing | TcpState::TimeWait)),
        };
        // The peer's FIN is counted with its bytes (`tcp_fin` moves `rcv_nxt`), and not among those to be read.
        let unread = queues::unread(self.stream).unwrap_or(0) + u64::from(ended);
        let received = info.bytes_received.saturating_sub(unread);
        let sent = info.bytes_sent.saturating_sub(info.bytes_retrans) + u64::from(info.notsent_bytes);
        (reason, Carried { received, sent })
    }

    /// Why the kernel has given the connection up, and whether the peer's FIN had come.
    fn look_closed(&self) -> (Reason, bool) {
        let error = self.stream.take_error().ok().flatten();
        let ended = queues::end_received(self.stream).unwrap_or(false);
        let reason = match error {
            Some(error) => Reason::of_error(Call::Recv, error),
            // The program may have taken the error. A connection that ends in order has the peer's FIN.
            None if !ended => Reason::Reset,
            None if self.is_in_time_wait() => Reason::OwnEnd,
            None => Reason::PeerFinished,
        };
        (reason, ended)
    }

    /// Who sends its FIN first is left with TIME-WAIT (RFC 9293 §3.6).
    fn is_in_time_wait(&self) -> bool {
        let Ok(local) = self.stream.local_addr() else { return false };
        let (local_port, remote_port) = (local.port(), self.about.peer.port());
        let question = Question { states: TcpState::TimeWait.bit(), local_port, remote_port };
        sock_diag::sockets(question)
            .is_ok_and(|found| found.iter().any(|entry| entry.remote == self.about.peer))
    }

    /// After our FIN, throws away what the peer still sends until its own: to close with unread bytes would send
    /// RST, which may destroy the answer on its way (RFC 2525 §2.17). How much that was.
    fn linger(&self) -> u64 {
        let until = Instant::now().checked_add(self.host.limits.linger);
        let mut count = 0;
        let mut buffer = vec![0; 16 * 1024];
        // ENOTCONN: it is over already.
        if self.stream.shutdown(Shutdown::Write).is_err() || self.stream.set_nonblocking(true).is_err() {
            return 0;
        }
        loop {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            let cutting = self.host.stop.cutting();
            let mut watches = [Watch::new(self.stream, Interest::READ), Watch::new(cutting, Interest::READ)];
            // Asked each time: what comes from a peer that goes on sending is always there.
            let waited = host::wait(&mut watches, left);
            if waited.is_err() || left.is_some_and(|left| left.is_zero()) || watches[1].ready().read {
                break;
            }
            match (&*self.stream).read(&mut buffer) {
                Ok(0) => break,
                Ok(more) => count += more as u64,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
        if count > 0 {
            self.host.reporter.tell(Some(self.about), &Told::Discarded { count });
        }
        count
    }
}

/// The addresses of both ends, by the names that programs for tcpserver (ucspi-tcp) know.
fn addresses(local: SocketAddr, peer: SocketAddr) -> [(&'static str, String); 5] {
    [
        ("PROTO", "TCP".to_owned()),
        ("TCPLOCALIP", local.ip().to_string()),
        ("TCPLOCALPORT", local.port().to_string()),
        ("TCPREMOTEIP", peer.ip().to_string()),
        ("TCPREMOTEPORT", peer.port().to_string()),
    ]
}
