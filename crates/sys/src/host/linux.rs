//! The face on Linux: composes the facilities of this crate.

use super::calls::again;
use super::{AcceptFault, Delivery, Denial, Interest, PortUse, Process, Ready};
pub use crate::allocator::give_back_early;
use crate::eventfd::EventFd;
use crate::poll::{self, PollFd};
use crate::rlimit::{self, DescriptorLimit};
use crate::signals::SignalPipe;
use crate::sock_diag::{self, Entry, Question};
use crate::tcp_info::{TcpState, tcp_info};
use crate::termios::{self, Mode};
use crate::{origin, parent_death, process, queues};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustix::net::{RecvFlags, SendFlags};
use socket2::Socket;

/// What can be waited on: anything with a descriptor.
pub use std::os::fd::AsFd as AsHandle;

/// One thing to wait on, borrowed so that it cannot be closed meanwhile.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct Watch<'a>(PollFd<'a>);

impl<'a> Watch<'a> {
    /// Watches `handle` for `interest`. Nothing is ready before the first [`wait`].
    pub fn new(handle: &'a impl AsHandle, interest: Interest) -> Watch<'a> {
        let read = if interest.read { libc::POLLIN } else { 0 };
        let write = if interest.write { libc::POLLOUT } else { 0 };
        Watch(PollFd::new(handle.as_fd(), read | write))
    }

    /// What the last [`wait`] found.
    pub fn ready(&self) -> Ready {
        let found = self.0.found();
        // The end of a pipe is POLLHUP without POLLIN (poll(2)), and a read then gives 0 at once.
        let hung_up = found & libc::POLLHUP != 0 && self.0.events() & libc::POLLIN != 0;
        Ready {
            read: found & libc::POLLIN != 0 || hung_up,
            write: found & libc::POLLOUT != 0,
            failed: found & (libc::POLLERR | libc::POLLHUP | libc::POLLNVAL) != 0,
        }
    }
}

/// Waits until one of the watches is ready or `timeout` is over (`None`: for ever), and tells how many are.
///
/// The time is not rounded down (ppoll(2)). A signal ends the wait early with `Ok(0)` and nothing ready, so
/// callers look at their clock and wait again. Fails with more watches than descriptors allowed.
pub fn wait(watches: &mut [Watch<'_>], timeout: Option<Duration>) -> io::Result<usize> {
    let pointer = std::ptr::from_mut(watches) as *mut [PollFd<'_>];
    // SAFETY: a `Watch` is a transparent `PollFd`, and the exclusive borrow goes on in this one alone.
    match poll::ppoll(unsafe { &mut *pointer }, timeout) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
        result => result,
    }
}

/// A bell that any thread can ring and that can be waited on (for reading). Once rung it stays ready until
/// it is silenced. eventfd(2).
#[derive(Debug)]
pub struct Bell(EventFd);

impl Bell {
    /// A silent bell. Fails without descriptors.
    pub fn new() -> io::Result<Bell> {
        EventFd::new().map(Bell)
    }

    /// Rings. Ringing twice before it is silenced is ringing once.
    pub fn ring(&self) {
        // It fails only when the counter is full: the bell is ringing then.
        let _ = self.0.add();
    }

    /// Makes it silent until the next ring.
    pub fn silence(&self) {
        // It fails only when the counter is zero: the bell is silent then.
        let _ = self.0.take();
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// SIGINT (Ctrl-C) and SIGTERM as something to wait on (for reading).
///
/// Each of several gets every signal. When the last is dropped both signals end the process again.
#[derive(Debug)]
pub struct StopSignals(SignalPipe);

impl StopSignals {
    /// Catches both from now on. Fails without descriptors.
    pub fn install() -> io::Result<StopSignals> {
        SignalPipe::new(&[libc::SIGINT, libc::SIGTERM]).map(StopSignals)
    }

    /// How many arrived since the last call. Never blocks. Two of one kind before the first was handled are
    /// one.
    pub fn take(&self) -> usize {
        self.0.take()
    }
}

impl AsFd for StopSignals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Nothing: sockets are there from the start.
pub const fn start_sockets() -> io::Result<Option<String>> {
    Ok(None)
}

/// Takes the error of a connection (`SO_ERROR` of socket(7)).
pub fn take_error(socket: &Socket) -> io::Result<Option<io::Error>> {
    inject!(GetSockOpt);
    socket.take_error()
}

/// Lets a server bind the port of its predecessor at once, while connections of that are in TIME-WAIT.
///
/// `SO_REUSEADDR`, which on Linux does not let two listeners share a port (socket(7)).
pub fn reuse_address(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_address(true)
}

/// Receives from a connection. A signal does not end it. Without the C library: where there are several threads it asks before and
/// after each call whether its thread was cancelled, which took 2 % of the time of a server.
pub fn receive(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    again(|| {
        inject!(Recv);
        Ok(rustix::net::recv(stream, &mut *buffer, RecvFlags::empty())?.0)
    })
}

/// Hands bytes to a connection, as many as there is room for. Without the C library, as [`receive`].
pub(super) fn send(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    Ok(rustix::net::send(stream, bytes, SendFlags::NOSIGNAL)?)
}

/// After how long without a segment the first probe is sent (`TCP_KEEPIDLE` of tcp(7)).
pub fn keep_alive_time(socket: &Socket) -> io::Result<Option<Duration>> {
    socket.tcp_keepalive_time().map(Some)
}

/// How far the peer's TCP has acknowledged what was written to this connection.
///
/// Ask after `shutdown(Write)`, without which there is no FIN to be acknowledged. A pending error is taken
/// by this call. Fails where the socket is no TCP connection.
pub fn delivery(socket: &Socket) -> io::Result<Delivery> {
    let state = tcp_info(socket)?.state;
    // The state first: what is acknowledged between the two calls is then told by the next.
    let unacknowledged = queues::unacknowledged(socket)?;
    Ok(match state {
        TcpState::FinWait2 | TcpState::TimeWait => Delivery::Acknowledged,
        TcpState::Closed => after_the_end(socket, unacknowledged)?,
        // The FIN is the last of the bytes that the kernel counts.
        TcpState::FinWait1 | TcpState::Closing | TcpState::LastAck => {
            Delivery::Waiting { unacknowledged: unacknowledged.saturating_sub(1) }
        }
        _ => Delivery::Waiting { unacknowledged },
    })
}

/// The state CLOSED says nothing by itself: the kernel moves a socket there after LAST-ACK, when TIME-WAIT
/// begins (`tcp_time_wait` leaves that to another object), and after a reset or a timeout.
fn after_the_end(socket: &Socket, unacknowledged: u64) -> io::Result<Delivery> {
    let lost = || Ok(Delivery::Lost(io::ErrorKind::NotConnected.into()));
    if let Some(error) = socket.take_error()? {
        return Ok(Delivery::Lost(error));
    }
    // The error may have been taken before, so its absence proves nothing. After a reset SIOCOUTQ keeps
    // what was not acknowledged; and a connection that ends in order ends with the peer's FIN, of which the
    // kernel keeps a flag that a reset does not set.
    let end_received = match queues::end_received(socket) {
        Ok(received) => received,
        Err(error) => return Ok(Delivery::Lost(error)),
    };
    if unacknowledged != 0 || !end_received {
        return lost();
    }
    // A reset in CLOSE-WAIT has the peer's FIN too, and ours is not sent. What is acknowledged beyond the
    // payload is our FIN, and our SYN where we connected (in an accepted socket the kernel begins to count
    // after it).
    let info = tcp_info(socket)?;
    let payload = info.bytes_sent.saturating_sub(info.bytes_retrans);
    let fin = if origin::was_accepted(socket)? { 1 } else { 2 };
    if info.bytes_acked < payload + fin {
        return lost();
    }
    Ok(Delivery::Acknowledged)
}

/// What is in the way of binding `address`, as far as it is seen: `None` when nothing is, or where the
/// system does not tell.
///
/// What listens is told before what is bound, then what is connected, then TIME-WAIT. Unspecified addresses
/// are in the way of all others of the port, and `::` also of IPv4 unless its socket takes IPv6 alone.
pub fn port_use(address: SocketAddr) -> Option<PortUse> {
    if address.port() == 0 {
        return None;
    }
    let states = !(TcpState::SynReceived.bit() | TcpState::NewSynReceived.bit());
    let mut entries =
        sock_diag::sockets(Question { states, local_port: address.port(), remote_port: 0 }).ok()?;
    entries.retain(|entry| conflict(address.ip(), entry));
    let find = |wanted: fn(&Entry) -> bool| {
        // One that somebody has is told before one that waits to be accepted.
        entries.iter().filter(|entry| wanted(entry)).max_by_key(|entry| entry.inode != 0)
    };
    if let Some(entry) = find(|entry| state(entry) == Some(TcpState::Listen)) {
        return Some(PortUse::Listening { owner: owner(entry) });
    }
    if let Some(entry) =
        find(|entry| matches!(state(entry), Some(TcpState::Closed | TcpState::BoundInactive)))
    {
        return Some(PortUse::Bound { owner: owner(entry) });
    }
    if let Some(entry) = find(|entry| state(entry) != Some(TcpState::TimeWait)) {
        return Some(PortUse::Connected { owner: owner(entry) });
    }
    entries.iter().map(|entry| entry.expires).max().map(|left| PortUse::TimeWait { left })
}

/// Whether a socket is in the way of binding `wanted`.
fn conflict(wanted: IpAddr, entry: &Entry) -> bool {
    let (wanted, taken) = (wanted.to_canonical(), entry.local.ip().to_canonical());
    let same_family = wanted.is_ipv4() == taken.is_ipv4();
    match (wanted.is_unspecified(), taken.is_unspecified()) {
        (false, false) => wanted == taken,
        _ if same_family => true,
        // Over the families only `::` reaches.
        (_, true) if taken.is_ipv6() => !entry.only_v6,
        (true, _) => wanted.is_ipv6(),
        _ => false,
    }
}

/// The peers whose handshake is done and that wait to be accepted by the listener at this address.
///
/// IPv4 peers of an IPv6 listener are told as IPv4. `None` where the system does not tell.
pub fn queued_peers(listener: SocketAddr) -> Option<Vec<SocketAddr>> {
    let states = TcpState::Established.bit() | TcpState::CloseWait.bit();
    let entries =
        sock_diag::sockets(Question { states, local_port: listener.port(), remote_port: 0 }).ok()?;
    let reached = |entry: &Entry| {
        let (at, local) = (listener.ip(), entry.local.ip().to_canonical());
        at.to_canonical() == local || at.is_unspecified() && (at.is_ipv6() || local.is_ipv4())
    };
    // `accept` is what gives a connection its inode (`sock_graft`).
    let queued = entries.iter().filter(|entry| entry.inode == 0 && reached(entry));
    Some(queued.map(|entry| canonical(entry.remote)).collect())
}

/// How many connections wait in this listener's accept queue. `None` when it does not listen, or the system
/// does not tell.
pub fn queue_length(listener: &Socket) -> Option<u32> {
    tcp_info(listener).ok().filter(|info| info.state == TcpState::Listen).map(|info| info.unacked)
}

/// How many connections may wait in this listener's accept queue. `None` when it does not listen, or the system
/// does not tell.
pub fn queue_limit(listener: &Socket) -> Option<u32> {
    tcp_info(listener).ok().filter(|info| info.state == TcpState::Listen).map(|info| info.sacked)
}

/// Whether the peer of a connection inside this machine still has its socket open: a peer that only ended
/// its direction has, one that closed has not, one that waits to be accepted has.
///
/// `None` when the peer is not on this machine (or in another of its network namespaces), or the system
/// does not tell. A connection that was reset is open at neither end.
pub fn peer_is_open(local: SocketAddr, peer: SocketAddr) -> Option<bool> {
    let (local, peer) = (canonical(local), canonical(peer));
    let question = Question { states: u32::MAX, local_port: peer.port(), remote_port: local.port() };
    let entries = sock_diag::sockets(question).ok()?;
    let mirror =
        entries.iter().find(|entry| canonical(entry.local) == peer && canonical(entry.remote) == local);
    match mirror {
        Some(entry) if entry.inode != 0 => Some(true),
        // Without a descriptor and before its FIN, it waits to be accepted. After that it is an orphan.
        Some(entry) => Some(matches!(
            state(entry),
            Some(
                TcpState::Established
                    | TcpState::CloseWait
                    | TcpState::SynReceived
                    | TcpState::NewSynReceived
            )
        )),
        // One address for both ends is of this machine, whose sockets we have seen.
        None if peer.ip().is_loopback() || peer.ip() == local.ip() => Some(false),
        None => None,
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn state(entry: &Entry) -> Option<TcpState> {
    TcpState::from_number(entry.state)
}

fn owner(entry: &Entry) -> Option<Process> {
    let (pid, name) = process::owner(entry.inode).filter(|_| entry.inode != 0)?;
    Some(Process { pid, name })
}

/// How many descriptors this process may have open. A limit without end is [`u64::MAX`].
pub fn descriptor_limit() -> Option<u64> {
    rlimit::descriptor_limit().ok().map(|limit| limit.soft)
}

/// Raises that limit as far as the process itself may, and tells the one in force afterwards.
pub fn raise_descriptor_limit() -> Option<u64> {
    let limit = rlimit::descriptor_limit().ok()?;
    // Where it is refused the old one stays in force, and is told.
    let _ = rlimit::set_descriptor_limit(DescriptorLimit { soft: limit.hard, ..limit });
    descriptor_limit()
}

/// What an error of `accept` means.
///
/// Linux hands errors of the new connection to `accept`; they are to be taken as "nobody" (accept(2), *Error
/// handling*).
pub fn accept_fault(error: &io::Error) -> AcceptFault {
    match error.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE) => AcceptFault::Descriptors,
        Some(libc::ENOBUFS | libc::ENOMEM) => AcceptFault::Memory,
        Some(
            libc::EAGAIN
            | libc::EINTR
            | libc::ECONNABORTED
            | libc::EPERM
            | libc::EPROTO
            | libc::ENETDOWN
            | libc::ENOPROTOOPT
            | libc::EHOSTDOWN
            | libc::ENONET
            | libc::EHOSTUNREACH
            | libc::EOPNOTSUPP
            | libc::ENETUNREACH,
        ) => AcceptFault::Nobody,
        _ => AcceptFault::Fatal,
    }
}

/// Whether a `connect` that does not block has only begun (connect(2), EINPROGRESS).
pub fn is_in_progress(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EINPROGRESS)
}

/// Why `bind` says EACCES of this port: only a privileged user may have it (ip(7), `ip_unprivileged_port_start`), or
/// something else forbids it.
pub fn denial(port: u16) -> Denial {
    let setting = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    let first_free = setting.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(1024);
    // Port 0 is whichever is free.
    if port != 0 && port < first_free { Denial::Privileged } else { Denial::Other }
}

/// Whether a name has no address: `EAI_NONAME` and `EAI_NODATA` of getaddrinfo(3), of which std gives only
/// glibc's text.
pub fn is_name_unknown(error: &io::Error) -> bool {
    let text = error.to_string();
    let said = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
    said.starts_with("Name or service") || said.starts_with("No address")
}

/// The name of a call: as everywhere here, that of Linux.
pub const fn call_name(call: &'static str) -> &'static str {
    call
}

/// A word in quotes, as shells take it.
pub fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// From now on a write that would make a file larger than the process may (`ulimit -f`) fails, and does not end the process.
pub fn fail_past_file_size() {
    crate::signals::fail_past_file_size();
}

/// For how long a close may be told to wait: `l_linger` of socket(7) is an `int` of seconds, and what does not fit would be another time.
pub const LONGEST_LINGER: Duration = Duration::from_secs(i32::MAX as u64);

/// What a line ends with that was typed on a terminal.
pub const TYPED_END: &[u8] = b"\n";

/// Whether terminals show colours.
pub const fn prepare_terminals() -> bool {
    true
}

/// Asks whoever draws on the terminal to draw anew, as after a change of its size (`SIGWINCH`, which is ignored
/// where nobody does).
pub fn redraw() -> io::Result<()> {
    signal_hook::low_level::raise(libc::SIGWINCH)
}

/// Lets a program that is about to be started end with this one, whatever ends this one (prctl(2),
/// `PR_SET_PDEATHSIG`). The thread that starts it must live as long as it.
pub fn end_with_us(command: &mut std::process::Command) {
    parent_death::end_with_parent(command);
}

/// Whether the system has no such address family (socket(2), EAFNOSUPPORT).
pub fn is_family_missing(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EAFNOSUPPORT)
}

/// The mode of the terminal on standard input, kept to be put back: a line editor that is ended from outside
/// leaves its own.
#[derive(Clone, Copy, Debug)]
pub struct TerminalMode(Mode);

impl TerminalMode {
    /// As it is now. Fails where standard input is no terminal.
    pub fn save() -> io::Result<Self> {
        termios::mode(&io::stdin()).map(Self)
    }

    /// Puts it back.
    pub fn restore(&self) -> io::Result<()> {
        termios::set_mode(&io::stdin(), &self.0)
    }
}
