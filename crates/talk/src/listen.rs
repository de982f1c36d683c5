//! Opening the addresses of a server, or taking over sockets that somebody else has opened.

#[cfg(feature = "linux")]
mod inherited;

#[cfg(feature = "linux")]
pub use inherited::{Inherited, inherit};

use crate::address::{Endpoint, Host};
use crate::connect;
use crate::error::TalkError;
use crate::options::{self, Refusal, SocketOption};
use crate::reason::Call;
use crate::stop::Stop;
use crate::told::{Reach, Reporter, Told};
use enchufe_sys::host::{self, Denial, PortUse};
use socket2::{Domain, SockRef, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

/// A socket in LISTEN, not blocking.
#[derive(Debug)]
pub struct Listener {
    pub(crate) socket: TcpListener,
    pub(crate) address: SocketAddr,
    pub(crate) backlog: i32,
    /// It was opened by whoever started this process, and may be listened on there too.
    pub(crate) inherited: bool,
}

impl Listener {
    /// Where it listens; the port is the one that the kernel chose if 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same socket once more, for another thread.
    #[cfg(feature = "linux")]
    pub(crate) fn again(&self) -> Result<Self, Failure> {
        let socket = self.socket.try_clone().map_err(|error| Failure::Call(Call::Socket, error))?;
        Ok(Self { socket, ..*self })
    }

    /// The socket, for who accepts without an engine.
    pub fn socket(&self) -> &TcpListener {
        &self.socket
    }
}

/// Why a descriptor is none to accept connections from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It is not open.
    Closed,
    /// It is a file or something else.
    NoSocket,
    /// It is a socket, and not one of TCP.
    NoTcp,
    /// It is a socket of TCP that does not listen.
    NotListening,
}

/// What to open.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    /// Where.
    pub endpoints: &'a [Endpoint],
    /// Only this family (`-4`, `-6`).
    pub family: connect::Family,
    /// How many connections may wait to be accepted; the kernel's own bound applies
    /// (`net.core.somaxconn`, listen(2)).
    pub backlog: u32,
    /// Set before listening, so that connections inherit them.
    pub options: &'a [SocketOption],
}

impl<'a> Plan<'a> {
    /// These addresses, with as many waiting as the system allows.
    pub const fn new(endpoints: &'a [Endpoint]) -> Self {
        Self { endpoints, family: connect::Family::Any, backlog: u32::MAX, options: &[] }
    }
}

/// Opens every address, or none.
///
/// An endpoint that stands for an address of each family (`:4000`) is content with one where the
/// machine does not have the other.
pub fn open(plan: &Plan<'_>, reporter: &dyn Reporter, stop: &Stop) -> Result<Vec<Listener>, TalkError> {
    start_sockets(reporter)?;
    let mut listeners = Vec::new();
    for endpoint in plan.endpoints {
        listeners.extend(open_endpoint(endpoint, plan, reporter, stop)?);
    }
    tell_listening(&listeners, reporter);
    Ok(listeners)
}

fn tell_listening(listeners: &[Listener], reporter: &dyn Reporter) {
    for Listener { address, backlog, .. } in listeners {
        let (address, backlog) = (*address, u32::try_from(*backlog).unwrap_or_default());
        reporter.tell(None, &Told::Listening { address, reach: Reach::of(address), backlog });
    }
}

/// How many may wait at a socket that listens: no more than the system allows, whatever was asked for. `None` where it does
/// not tell.
fn queue_limit(socket: &Socket) -> Option<i32> {
    host::queue_limit(socket).and_then(|limit| i32::try_from(limit).ok()).filter(|limit| *limit > 0)
}

/// Starts what sockets need, where that is a step of its own.
pub(crate) fn start_sockets(reporter: &dyn Reporter) -> Result<(), TalkError> {
    if let Some(version) = host::start_sockets().map_err(TalkError::resources("WSAStartup"))? {
        reporter.tell(None, &Told::WinsockStarted { version: &version });
    }
    Ok(())
}

/// How often a port that nobody is found to have is tried anew, and how long after the try before.
const BIND_TRIES: u32 = if cfg!(feature = "linux") { 40 } else { 0 };
const BIND_PAUSE: Duration = Duration::from_millis(5);

/// How often port 0 is tried anew because the port that one family gave is taken in the other.
const PORT_TRIES: u32 = 16;

fn open_endpoint(
    endpoint: &Endpoint,
    plan: &Plan<'_>,
    reporter: &dyn Reporter,
    stop: &Stop,
) -> Result<Vec<Listener>, TalkError> {
    let addresses = connect::resolve(endpoint, plan.family, None, reporter, stop)?;
    let mut tries = if endpoint.port == 0 && addresses.len() > 1 { PORT_TRIES } else { 1 };
    loop {
        tries -= 1;
        match open_all(&addresses, endpoint, plan, reporter) {
            Err(TalkError::AddressInUse { .. }) if tries > 0 => {}
            result => return result,
        }
    }
}

fn open_all(
    addresses: &[SocketAddr],
    endpoint: &Endpoint,
    plan: &Plan<'_>,
    reporter: &dyn Reporter,
) -> Result<Vec<Listener>, TalkError> {
    let either = matches!(endpoint.host, Host::ThisMachine | Host::Every);
    let mut listeners: Vec<Listener> = Vec::new();
    let mut skipped = None;
    for mut address in addresses.iter().copied() {
        if let Some(first) = listeners.first() {
            address.set_port(first.address.port());
        }
        match open_one(address, plan, reporter) {
            Ok(listener) => listeners.push(listener),
            Err(Failure::Call(call, error)) if either && is_missing_family(&error) => {
                reporter.tell(None, &Told::Skipped { address, call, error: &error });
                skipped = Some(explain(call, address, error));
            }
            Err(failure) => return Err(failure.explain(address)),
        }
    }
    match skipped {
        Some(error) if listeners.is_empty() => Err(error),
        _ => Ok(listeners),
    }
}

pub(crate) enum Failure {
    Call(Call, io::Error),
    Option(Refusal),
}

impl Failure {
    pub(crate) fn explain(self, address: SocketAddr) -> TalkError {
        match self {
            Self::Call(call, error) => explain(call, address, error),
            Self::Option(Refusal { option, error }) => TalkError::Option { option, address, error },
        }
    }
}

fn open_one(address: SocketAddr, plan: &Plan<'_>, reporter: &dyn Reporter) -> Result<Listener, Failure> {
    let at = |call: Call| move |error: io::Error| Failure::Call(call, error);
    reporter.tell(None, &Told::Starting { address });
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).map_err(at(Call::Socket))?;
    reporter.tell(None, &Told::SocketMade { address });
    set_up(&socket, address, plan.options)?;
    bind(&socket, address).map_err(at(Call::Bind))?;
    let asked = i32::try_from(plan.backlog).unwrap_or(i32::MAX);
    let bound = socket.local_addr().map_err(at(Call::Bind))?.as_socket().unwrap_or(address);
    reporter.tell(None, &Told::Bound { address: bound });
    socket.listen(asked).map_err(at(Call::Listen))?;
    socket.set_nonblocking(true).map_err(at(Call::SetOption))?;
    if !plan.options.is_empty() {
        let list = options::read_back(plan.options, &SockRef::from(&socket)).map_err(at(Call::SetOption))?;
        reporter.tell(None, &Told::Options { list: &list });
    }
    let backlog = queue_limit(&socket).unwrap_or(asked);
    Ok(Listener { socket: socket.into(), address: bound, backlog, inherited: false })
}

/// Binds. Where nobody is found that has the port it is tried again for a while: after a server of rings was killed the kernel takes some
/// ms to take its sockets away.
fn bind(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    let mut tries = BIND_TRIES;
    loop {
        match socket.bind(&address.into()) {
            Err(error) if tries > 0 && error.kind() == io::ErrorKind::AddrInUse && is_nobodys(address) => {
                tries -= 1;
                std::thread::sleep(BIND_PAUSE);
            }
            result => return result,
        }
    }
}

/// Whether nobody is found who has this address.
fn is_nobodys(address: SocketAddr) -> bool {
    matches!(
        host::port_use(address),
        None | Some(PortUse::Listening { owner: None } | PortUse::Bound { owner: None })
    )
}

/// What every listener is before it is bound.
pub(crate) fn set_up(socket: &Socket, address: SocketAddr, options: &[SocketOption]) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::Call(Call::SetOption, error);
    host::reuse_address(socket).map_err(failed)?;
    if address.is_ipv6() {
        // Each family has its own socket here, so that [::]:P leaves 0.0.0.0:P to the other one.
        socket.set_only_v6(true).map_err(failed)?;
    }
    options::apply(options, &SockRef::from(socket)).map_err(Failure::Option)
}

/// Whether the machine has no such address family, or not this address of it.
fn is_missing_family(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable || host::is_family_missing(error)
}

pub(crate) fn explain(call: Call, address: SocketAddr, error: io::Error) -> TalkError {
    match (call, error.kind()) {
        (Call::Bind | Call::Listen, io::ErrorKind::AddrInUse) => {
            TalkError::AddressInUse { address, holder: host::port_use(address) }
        }
        (Call::Bind, io::ErrorKind::PermissionDenied) => match host::denial(address.port()) {
            Denial::Privileged => TalkError::PrivilegedPort { address },
            Denial::Taken => match host::port_use(address) {
                None => TalkError::KeptPort { address },
                holder => TalkError::AddressInUse { address, holder },
            },
            Denial::Other => TalkError::Call { call, address, error },
        },
        (Call::Bind, io::ErrorKind::AddrNotAvailable) => TalkError::NotOurAddress { address },
        _ => TalkError::Call { call, address, error },
    }
}
