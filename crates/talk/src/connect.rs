//! From a name and a port to a connection: all addresses of the name, raced as RFC 8305 says.

use crate::address::{Endpoint, Host};
use crate::error::TalkError;
use crate::options::{self, Refusal, SocketOption};
use crate::reason::Call;
use crate::stop::Stop;
use crate::told::{About, Awaited, Reporter, Told};
use enchufe_sys::host::{self, Bell, Interest, Watch};
use socket2::{Domain, SockRef, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// After this long the next address is tried beside the first: the "Connection Attempt Delay" that
/// RFC 8305 §5 recommends.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// Between two tries of `--retry`.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Which addresses of a name are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// All.
    #[default]
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

impl Family {
    fn includes(self, address: &SocketAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }
}

/// How to connect.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    /// Where to.
    pub endpoint: &'a Endpoint,
    /// Only this family.
    pub family: Family,
    /// The local address, and the local port if it is not 0.
    pub source: Option<(IpAddr, u16)>,
    /// The limit of one try over all addresses, name resolution included.
    pub timeout: Option<Duration>,
    /// For so long, a refusal is answered with another try.
    pub retry: Option<Duration>,
    /// Set before connecting.
    pub options: &'a [SocketOption],
}

/// A connection that was made.
#[derive(Debug)]
pub struct Connected {
    /// The socket, not blocking.
    pub stream: TcpStream,
    /// The other end.
    pub peer: SocketAddr,
}

/// The addresses of an endpoint, in the order in which they are to be used.
pub fn addresses(endpoint: &Endpoint, family: Family) -> Result<Vec<SocketAddr>, TalkError> {
    let all = match (endpoint.addresses(), &endpoint.host) {
        (Some(addresses), _) => addresses,
        (None, Host::Name(name)) => (name.as_str(), endpoint.port)
            .to_socket_addrs()
            .map_err(|error| TalkError::Unresolved { name: name.clone(), error })?
            .collect(),
        (None, _) => Vec::new(),
    };
    let mut wanted: Vec<SocketAddr> = Vec::new();
    for address in all.into_iter().filter(|address| family.includes(address)) {
        if !wanted.contains(&address) {
            wanted.push(address);
        }
    }
    if wanted.is_empty() {
        return Err(TalkError::NoSuchFamily { name: endpoint.to_string(), family });
    }
    Ok(interleave(wanted))
}

/// The families in turn, beginning with that of the first address (RFC 8305 §4).
fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v4 = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let (first, second): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|a| a.is_ipv4() == first_is_v4);
    let mut second = second.into_iter();
    let mut all = Vec::new();
    for address in first {
        all.push(address);
        all.extend(second.next());
    }
    all.extend(second);
    all
}

/// Connects, trying again as the plan says.
pub fn connect(plan: &Plan<'_>, reporter: &dyn Reporter, stop: &Stop) -> Result<Connected, TalkError> {
    crate::listen::start_sockets(reporter)?;
    let give_up = plan.retry.map(|time| (Instant::now() + time, time));
    let mut told = false;
    let quiet = OnlyConnected(reporter);
    loop {
        let deadline = plan.timeout.map(|time| Instant::now() + time);
        // A try is like the one before: what it does is told once.
        let error = match connect_once(plan, deadline, if told { &quiet } else { reporter }, stop) {
            Ok(connected) => return Ok(connected),
            Err(error) => error,
        };
        let (TalkError::Refused { address }, Some((until, limit))) = (&error, give_up) else {
            return Err(error);
        };
        if Instant::now() + RETRY_PAUSE >= until {
            return Err(error);
        }
        if !told {
            told = true;
            reporter.tell(None, &Told::Retrying { address: *address, limit });
        }
        pause(stop, RETRY_PAUSE)?;
    }
}

/// Passes on that it worked, and nothing else.
struct OnlyConnected<'a>(&'a dyn Reporter);

impl Reporter for OnlyConnected<'_> {
    fn tell(&self, about: Option<About>, told: &Told<'_>) {
        if matches!(told, Told::Connected { .. } | Told::Options { .. }) {
            self.0.tell(about, told);
        }
    }
}

fn pause(stop: &Stop, time: Duration) -> Result<(), TalkError> {
    let mut watches = [Watch::new(stop.begun(), Interest::READ)];
    host::wait(&mut watches, Some(time)).map_err(TalkError::resources("poll"))?;
    if watches[0].ready().read { Err(TalkError::Interrupted) } else { Ok(()) }
}

fn connect_once(
    plan: &Plan<'_>,
    deadline: Option<Instant>,
    reporter: &dyn Reporter,
    stop: &Stop,
) -> Result<Connected, TalkError> {
    let mut targets = resolve(plan.endpoint, plan.family, deadline, reporter, stop)?;
    if let Some((source, _)) = plan.source {
        targets.retain(|target| target.is_ipv4() == source.is_ipv4());
        if targets.is_empty() {
            let target = plan.endpoint.to_string();
            return Err(TalkError::FamilyMismatch { address: source, target });
        }
    }
    Race { plan, deadline, reporter, stop, targets, next: 0, attempts: Vec::new(), error: None }.run()
}

/// The addresses of an endpoint. A name is looked up in a thread of its own, for `getaddrinfo` knows
/// no time limit and no interruption.
pub(crate) fn resolve(
    endpoint: &Endpoint,
    family: Family,
    deadline: Option<Instant>,
    reporter: &dyn Reporter,
    stop: &Stop,
) -> Result<Vec<SocketAddr>, TalkError> {
    let Host::Name(name) = &endpoint.host else { return addresses(endpoint, family) };
    reporter.tell(None, &Told::Resolving { name });
    let bell = Arc::new(Bell::new().map_err(TalkError::resources("eventfd"))?);
    let (sender, receiver) = mpsc::channel();
    let (asked, ringer) = (endpoint.clone(), Arc::clone(&bell));
    std::thread::Builder::new()
        .spawn(move || {
            // Nobody listens any more where the wait was given up.
            let _ = sender.send(addresses(&asked, family));
            ringer.ring();
        })
        .map_err(TalkError::resources("clone"))?;
    loop {
        let mut watches = [Watch::new(&*bell, Interest::READ), Watch::new(stop.begun(), Interest::READ)];
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        host::wait(&mut watches, left).map_err(TalkError::resources("poll"))?;
        if watches[1].ready().read {
            return Err(TalkError::Interrupted);
        }
        if let Ok(result) = receiver.try_recv() {
            let addresses = result?;
            reporter.tell(None, &Told::Resolved { name, addresses: &addresses });
            return Ok(addresses);
        }
        if left.is_some_and(|left| left.is_zero()) {
            let error = io::ErrorKind::TimedOut.into();
            return Err(TalkError::Unresolved { name: name.clone(), error });
        }
    }
}

struct Attempt {
    socket: Socket,
    address: SocketAddr,
    started: Instant,
}

/// The attempts that are under way.
struct Race<'a> {
    plan: &'a Plan<'a>,
    deadline: Option<Instant>,
    reporter: &'a dyn Reporter,
    stop: &'a Stop,
    targets: Vec<SocketAddr>,
    /// The target that is tried next.
    next: usize,
    attempts: Vec<Attempt>,
    error: Option<TalkError>,
}

impl Race<'_> {
    fn run(mut self) -> Result<Connected, TalkError> {
        let begun = Instant::now();
        let mut patience = Some(begun + crate::client::PATIENCE);
        let mut next_start = begun;
        loop {
            let now = Instant::now();
            while self.next < self.targets.len() && (self.attempts.is_empty() || now >= next_start) {
                next_start = now + ATTEMPT_DELAY;
                if let Some(connected) = self.start() {
                    return Ok(connected);
                }
            }
            if self.attempts.is_empty() {
                return Err(self.error.unwrap_or(TalkError::Interrupted));
            }
            if self.deadline.is_some_and(|at| now >= at) {
                let address = self.attempts[0].address;
                return Err(TalkError::ConnectTimeout {
                    address,
                    limit: self.plan.timeout.unwrap_or_default(),
                });
            }
            if patience.is_some_and(|at| now >= at) {
                patience = None;
                self.reporter.tell(None, &Told::StillWaiting { awaited: Awaited::Connection });
            }
            let start = (self.next < self.targets.len()).then_some(next_start);
            let wake = [start, patience, self.deadline].into_iter().flatten().min();
            if let Some(connected) = self.wait(wake)? {
                return Ok(connected);
            }
        }
    }

    /// Begins the next attempt; a connection if it was made at once.
    fn start(&mut self) -> Option<Connected> {
        let address = *self.targets.get(self.next)?;
        self.next += 1;
        self.reporter.tell(None, &Told::Connecting { address });
        let started = Instant::now();
        let socket = match self.open(address) {
            Ok(socket) => socket,
            Err(error) => {
                self.keep(error);
                return None;
            }
        };
        match socket.connect(&address.into()) {
            Ok(()) => self.finish(Attempt { socket, address, started }),
            Err(error) if host::is_in_progress(&error) => {
                self.attempts.push(Attempt { socket, address, started });
                None
            }
            Err(error) => {
                self.lose(address, error);
                None
            }
        }
    }

    fn open(&self, address: SocketAddr) -> Result<Socket, TalkError> {
        let at = |call: Call| move |error: io::Error| TalkError::Call { call, address, error };
        let socket =
            Socket::new(Domain::for_address(address), Type::STREAM, None).map_err(at(Call::Socket))?;
        self.reporter.tell(None, &Told::SocketMade { address });
        socket.set_nonblocking(true).map_err(at(Call::SetOption))?;
        options::apply(self.plan.options, &SockRef::from(&socket))
            .map_err(|Refusal { option, error }| TalkError::Option { option, address, error })?;
        if !self.plan.options.is_empty() {
            let list = options::read_back(self.plan.options, &SockRef::from(&socket))
                .map_err(at(Call::SetOption))?;
            self.reporter.tell(None, &Told::Options { list: &list });
        }
        if let Some((ip, port)) = self.plan.source {
            let source = SocketAddr::new(ip, port);
            if port != 0 {
                host::reuse_address(&socket).map_err(at(Call::SetOption))?;
            }
            socket.bind(&source.into()).map_err(|error| crate::listen::explain(Call::Bind, source, error))?;
        }
        Ok(socket)
    }

    /// Waits until an attempt is decided or it is time for something else.
    fn wait(&mut self, wake: Option<Instant>) -> Result<Option<Connected>, TalkError> {
        let mut watches = vec![Watch::new(self.stop.begun(), Interest::READ)];
        watches.extend(self.attempts.iter().map(|attempt| Watch::new(&attempt.socket, Interest::WRITE)));
        let timeout = wake.map(|at| at.saturating_duration_since(Instant::now()));
        host::wait(&mut watches, timeout).map_err(TalkError::resources("poll"))?;
        if watches[0].ready().read {
            return Err(TalkError::Interrupted);
        }
        let decided: Vec<bool> = watches.iter().skip(1).map(|watch| watch.ready().any()).collect();
        drop(watches);
        let mut decided = decided.into_iter();
        let (done, pending): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.attempts).into_iter().partition(|_| decided.next().unwrap_or(false));
        self.attempts = pending;
        for attempt in done {
            match attempt.socket.take_error() {
                Ok(None) => {
                    if let Some(connected) = self.finish(attempt) {
                        return Ok(Some(connected));
                    }
                }
                Ok(Some(error)) | Err(error) => self.lose(attempt.address, error),
            }
        }
        Ok(None)
    }

    fn finish(&mut self, attempt: Attempt) -> Option<Connected> {
        let Attempt { socket, address, started } = attempt;
        let local = match socket.local_addr().map(|local| local.as_socket()) {
            Ok(Some(local)) => local,
            _ => address,
        };
        if local == address {
            // The kernel gave us the very port that we call: a simultaneous open with ourselves
            // (RFC 9293 §3.5). Nobody listens there.
            let _ = socket.set_linger(Some(Duration::ZERO));
            drop(socket);
            self.lose(address, io::ErrorKind::ConnectionRefused.into());
            return None;
        }
        self.reporter.tell(None, &Told::Connected { peer: address, local, took: started.elapsed() });
        Some(Connected { stream: socket.into(), peer: address })
    }

    fn lose(&mut self, address: SocketAddr, error: io::Error) {
        if self.next < self.targets.len() || !self.attempts.is_empty() || self.plan.retry.is_some() {
            self.reporter.tell(None, &Told::AttemptFailed { address, error: &error });
        }
        self.keep(match error.kind() {
            io::ErrorKind::ConnectionRefused => TalkError::Refused { address },
            _ => TalkError::Call { call: Call::Connect, address, error },
        });
    }

    /// Of the errors of several addresses, a refusal says most: that one could be reached. (Where a
    /// machine has no IPv6, `::1` fails in another way than `127.0.0.1`.)
    fn keep(&mut self, error: TalkError) {
        if !matches!(self.error, Some(TalkError::Refused { .. })) {
            self.error = Some(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns_beginning_with_the_first() {
        let parse =
            |list: &[&str]| list.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
        assert_eq!(
            interleave(parse(&["[::1]:1", "[::2]:1", "[::3]:1", "127.0.0.1:1", "127.0.0.2:1"])),
            parse(&["[::1]:1", "127.0.0.1:1", "[::2]:1", "127.0.0.2:1", "[::3]:1"])
        );
    }
}
