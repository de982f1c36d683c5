//! The face on Windows: composes the facilities of this crate.

use super::calls::again;
use super::{AcceptFault, Delivery, Denial, Interest, PortUse, Process, Ready};
use crate::afd::{self, Polling};
use crate::console::{self, ControlEvents};
use crate::event::{self, Event};
use crate::tcp_table::{self, Entry};
use crate::{job, winsock};
use std::cell::OnceCell;
use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpStream};
use std::os::windows::io::{AsHandle as _, AsRawHandle, AsSocket, BorrowedHandle, RawSocket};
use std::time::Duration;

use socket2::Socket;
use windows_sys::Win32::Foundation::ERROR_TOO_MANY_OPEN_FILES;
use windows_sys::Win32::Networking::WinSock::{
    WSAEAFNOSUPPORT, WSAECONNABORTED, WSAECONNRESET, WSAEINTR, WSAEMFILE, WSAENETDOWN, WSAENOBUFS,
    WSAEWOULDBLOCK, WSAHOST_NOT_FOUND, WSANO_DATA,
};

/// What can be waited on: sockets, and what is made here.
pub trait AsHandle {
    /// As the system has it.
    fn waitable(&self) -> Waitable<'_>;
}

/// What can be waited on, as the system has it. A socket's handle is that which the driver knows.
#[derive(Clone, Copy, Debug)]
pub enum Waitable<'a> {
    /// A socket, borrowed by the watch that this is in.
    Socket(RawSocket),
    /// An event.
    Event(BorrowedHandle<'a>),
}

impl<T: AsSocket> AsHandle for T {
    fn waitable(&self) -> Waitable<'_> {
        Waitable::Socket(winsock::base(self.as_socket()))
    }
}

/// One thing to wait on, borrowed so that it cannot be closed meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct Watch<'a> {
    on: Waitable<'a>,
    interest: Interest,
    found: Ready,
}

impl<'a> Watch<'a> {
    /// Watches `handle` for `interest`. Nothing is ready before the first [`wait`].
    pub fn new(handle: &'a impl AsHandle, interest: Interest) -> Watch<'a> {
        Watch { on: handle.waitable(), interest, found: Ready::default() }
    }

    /// What the last [`wait`] found.
    pub fn ready(&self) -> Ready {
        self.found
    }

    /// The events of the driver that are asked for.
    fn events(&self) -> u32 {
        let read = if self.interest.read { afd::RECEIVE | afd::ACCEPT | afd::DISCONNECT } else { 0 };
        let write = if self.interest.write { afd::SEND } else { 0 };
        read | write | afd::ABORT | afd::LOCAL_CLOSE | afd::CONNECT_FAIL
    }

    fn learn(&mut self, events: u32) {
        let any = |of: u32| events & of != 0;
        let failed = any(afd::ABORT | afd::LOCAL_CLOSE | afd::CONNECT_FAIL);
        let read = any(afd::RECEIVE | afd::ACCEPT | afd::DISCONNECT) || failed && self.interest.read;
        self.found = Ready { read, write: any(afd::SEND), failed };
    }
}

thread_local! {
    /// What a question of this thread signals: one at a time is under way.
    #[allow(clippy::missing_const_for_thread_local, reason = "it is one; the lint looks at what the macro made of it")]
    static ANSWERED: OnceCell<Event> = const { OnceCell::new() };
}

/// Waits until one of the watches is ready or `timeout` is over (`None`: for ever), and tells how many are.
///
/// The time is not rounded down. It may end early with `Ok(0)` and nothing ready, so callers look at their clock and
/// wait again. Fails with more than 63 bells.
pub fn wait(watches: &mut [Watch<'_>], timeout: Option<Duration>) -> io::Result<usize> {
    with_answered(|event| wait_with(event, watches, timeout))
}

/// What a question of this thread signals.
fn with_answered<T>(with: impl FnOnce(&Event) -> io::Result<T>) -> io::Result<T> {
    ANSWERED.with(|answered| {
        if let Some(event) = answered.get() {
            return with(event);
        }
        let event = Event::new()?;
        with(answered.get_or_init(|| event))
    })
}

fn wait_with(event: &Event, watches: &mut [Watch<'_>], timeout: Option<Duration>) -> io::Result<usize> {
    let mut sockets: Vec<(RawSocket, u32)> = Vec::new();
    let mut bells: Vec<BorrowedHandle<'_>> = Vec::new();
    for watch in &mut *watches {
        watch.found = Ready::default();
        match watch.on {
            Waitable::Socket(socket) => match sockets.iter_mut().find(|(known, _)| *known == socket) {
                Some((_, events)) => *events |= watch.events(),
                None => sockets.push((socket, watch.events())),
            },
            Waitable::Event(bell) if watch.interest.read => {
                // None may be waited for twice at once.
                if !bells.iter().any(|known| known.as_raw_handle() == bell.as_raw_handle()) {
                    bells.push(bell);
                }
            }
            Waitable::Event(_) => {}
        }
    }
    let found = if sockets.is_empty() {
        event::wait(&bells, timeout)?;
        Vec::new()
    } else {
        let polling = Polling::begin(&sockets, event.as_handle())?;
        if let Some(answer) = polling.pending() {
            bells.push(answer);
            event::wait(&bells, timeout)?;
        }
        polling.finish()?
    };
    for watch in &mut *watches {
        match watch.on {
            Waitable::Socket(socket) => {
                let events =
                    found.iter().find(|(known, _)| *known == socket).map_or(0, |(_, events)| *events);
                watch.learn(events & watch.events());
            }
            Waitable::Event(bell) => watch.found.read = watch.interest.read && event::is_set(bell),
        }
    }
    Ok(watches.iter().filter(|watch| watch.found.any()).count())
}

/// A bell that any thread can ring and that can be waited on (for reading). Once rung it stays ready until
/// it is silenced. An event: nothing of it passes a network, where it would stand among what is captured.
#[derive(Debug)]
pub struct Bell(Event);

impl Bell {
    /// A silent bell. Fails without handles.
    pub fn new() -> io::Result<Bell> {
        Event::new().map(Bell)
    }

    /// Rings. Ringing twice before it is silenced is ringing once.
    pub fn ring(&self) {
        // It fails only without a handle.
        let _ = self.0.set();
    }

    /// Makes it silent until the next ring.
    pub fn silence(&self) {
        // It fails only without a handle.
        let _ = self.0.reset();
    }
}

impl AsHandle for Bell {
    fn waitable(&self) -> Waitable<'_> {
        Waitable::Event(self.0.as_handle())
    }
}

/// Ctrl-C, Ctrl-Break and the end of the console (its window is closed, the user logs off) as something to wait on
/// (for reading).
///
/// Each of several gets every one. When the last is dropped they end the process again. The end of the console ends
/// it in any case, some seconds later.
#[derive(Debug)]
pub struct StopSignals(ControlEvents);

impl StopSignals {
    /// Catches them from now on. Fails without handles.
    pub fn install() -> io::Result<StopSignals> {
        ControlEvents::new().map(StopSignals)
    }

    /// How many arrived since the last call. Never blocks.
    pub fn take(&self) -> usize {
        self.0.take()
    }
}

impl AsHandle for StopSignals {
    fn waitable(&self) -> Waitable<'_> {
        Waitable::Event(self.0.as_handle())
    }
}

/// Starts Winsock and tells its version.
pub fn start_sockets() -> io::Result<Option<String>> {
    winsock::start().map(|(major, minor)| Some(format!("{major}.{minor}")))
}

/// Claims the address for this socket alone. A predecessor's connections in TIME-WAIT are in nobody's way on Windows;
/// `SO_REUSEADDR` would let another program take the port from under a server.
pub fn reuse_address(socket: &Socket) -> io::Result<()> {
    winsock::claim_address(socket)
}

/// Receives from a connection. The driver is asked whether an end was a reset: Windows says so in the read already, Wine
/// (8.0) reads 0 bytes then, which would be the peer's FIN.
pub fn receive(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    let mut stream = stream;
    let count = again(|| stream.read(buffer))?;
    if count == 0 && !buffer.is_empty() && is_reset(stream)? {
        return Err(reset());
    }
    Ok(count)
}

/// Hands bytes to a connection, as many as there is room for.
pub(super) fn send(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    let mut stream = stream;
    stream.write(bytes)
}

fn reset() -> io::Error {
    io::Error::from_raw_os_error(WSAECONNRESET)
}

/// Whether the driver says that the connection is gone.
fn is_reset(socket: &impl AsSocket) -> io::Result<bool> {
    with_answered(|event| {
        let question = [(winsock::base(socket.as_socket()), afd::ABORT)];
        let found = Polling::begin(&question, event.as_handle())?.finish()?;
        Ok(found.iter().any(|(_, events)| events & afd::ABORT != 0))
    })
}

/// Windows does not tell what was set.
pub fn keep_alive_time(_socket: &Socket) -> io::Result<Option<Duration>> {
    Ok(None)
}

/// Windows keeps no count of what was written and is not acknowledged that a program can ask for.
pub fn delivery(socket: &Socket) -> io::Result<Delivery> {
    Ok(match take_error(socket)? {
        Some(error) => Delivery::Lost(error),
        None => Delivery::Unknown,
    })
}

/// Takes the error of a connection: `SO_ERROR`, where Windows keeps a failed `connect`; a reset it tells only who
/// reads or writes, so a byte is looked at, and left there. For Wine the driver is asked, as in [`receive`].
pub fn take_error(socket: &Socket) -> io::Result<Option<io::Error>> {
    if let Some(error) = socket.take_error()? {
        return Ok(Some(error));
    }
    match socket.peek(&mut [MaybeUninit::uninit()]) {
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Ok(Some(error)),
        _ => Ok(is_reset(socket)?.then(reset)),
    }
}

/// What is in the way of binding `address`, as far as it is seen: `None` when nothing is, or where the
/// system does not tell.
///
/// What listens is told before what is connected. Unspecified addresses are in the way of all others of the port in
/// their family.
pub fn port_use(address: SocketAddr) -> Option<PortUse> {
    let mut entries = tcp_table::entries().ok()?;
    let meets = |entry: &Entry| {
        let (theirs, ours) = (entry.local.ip(), address.ip());
        let same = theirs == ours || theirs.is_unspecified() || ours.is_unspecified();
        entry.local.port() == address.port() && theirs.is_ipv4() == ours.is_ipv4() && same
    };
    entries.retain(|entry| address.port() != 0 && meets(entry));
    if let Some(entry) = entries.iter().find(|entry| entry.state == tcp_table::LISTEN) {
        return Some(PortUse::Listening { owner: owner(*entry) });
    }
    let over = [tcp_table::TIME_WAIT, tcp_table::DELETED];
    let entry = entries.iter().find(|entry| !over.contains(&entry.state))?;
    Some(PortUse::Connected { owner: owner(*entry) })
}

fn owner(entry: Entry) -> Option<Process> {
    tcp_table::process_name(entry.pid).map(|name| Process { pid: entry.pid, name })
}

/// Windows does not tell who waits.
pub fn queued_peers(_listener: SocketAddr) -> Option<Vec<SocketAddr>> {
    None
}

/// Windows does not tell how many wait.
pub fn queue_length(_listener: &Socket) -> Option<u32> {
    None
}

/// Windows does not tell how many may wait.
pub fn queue_limit(_listener: &Socket) -> Option<u32> {
    None
}

/// Windows does not tell a peer that has closed from one that has only ended its direction.
pub fn peer_is_open(_local: SocketAddr, _peer: SocketAddr) -> Option<bool> {
    None
}

/// Windows has no limit of handles that a process could ask for.
pub fn descriptor_limit() -> Option<u64> {
    None
}

/// As [`descriptor_limit`]: there is none to be raised.
pub fn raise_descriptor_limit() -> Option<u64> {
    None
}

/// What an error of `accept` means.
pub fn accept_fault(error: &io::Error) -> AcceptFault {
    match error.raw_os_error() {
        Some(WSAEMFILE) => AcceptFault::Descriptors,
        Some(code) if code == ERROR_TOO_MANY_OPEN_FILES.cast_signed() => AcceptFault::Descriptors,
        Some(WSAENOBUFS) => AcceptFault::Memory,
        Some(WSAEWOULDBLOCK | WSAEINTR | WSAECONNRESET | WSAECONNABORTED | WSAENETDOWN) => {
            AcceptFault::Nobody
        }
        _ => AcceptFault::Fatal,
    }
}

/// Whether a `connect` that does not block has only begun (`WSAEWOULDBLOCK`).
pub fn is_in_progress(error: &io::Error) -> bool {
    error.raw_os_error() == Some(WSAEWOULDBLOCK)
}

/// Why `bind` says `WSAEACCES` (10013): another socket has all addresses of the port for itself alone (*Using
/// `SO_REUSEADDR` and `SO_EXCLUSIVEADDRUSE`*: it is 10048 only where both ask for the same address), or Windows keeps the
/// port (`netsh int ipv4 show excludedportrange tcp`). No port is for privileged users.
pub fn denial(_port: u16) -> Denial {
    Denial::Taken
}

/// Whether a name has no address (`WSAHOST_NOT_FOUND`, `WSANO_DATA`).
pub fn is_name_unknown(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(WSAHOST_NOT_FOUND | WSANO_DATA))
}

/// Asks whoever draws on the terminal to draw anew, as after a change of its size.
pub fn redraw() -> io::Result<()> {
    console::redraw()
}

/// Lets a program that is about to be started end with this one, whatever ends this one: as all that this one starts,
/// by a job. Where Windows refuses the job they do not.
pub fn end_with_us(_command: &mut std::process::Command) {
    let _ = job::end_children_with_us();
}

/// Whether the system has no such address family (`WSAEAFNOSUPPORT`).
pub fn is_family_missing(error: &io::Error) -> bool {
    error.raw_os_error() == Some(WSAEAFNOSUPPORT)
}

/// The name here of a call that [`super`] stands for, named by what it is on Linux.
pub fn call_name(call: &'static str) -> &'static str {
    match call {
        "eventfd" => "CreateEvent",
        "poll" => "DeviceIoControl",
        "clone" => "CreateThread",
        "socketpair" => "SetConsoleCtrlHandler",
        "readlink" => "GetModuleFileName",
        "waitpid" => "WaitForSingleObject",
        other => other,
    }
}

/// Has the allocator give freed memory back to the system, as far as it would keep more the longer a program runs: that of Windows has no
/// arenas of threads.
pub const fn give_back_early() {}

/// A word in quotes, as the command prompt and PowerShell both take it, and programs read it (`CommandLineToArgvW`).
pub fn quote(word: &str) -> String {
    format!("\"{}\"", word.replace('"', "\\\""))
}

/// No file is too large for a process here.
pub const fn fail_past_file_size() {}

/// For how long a close may be told to wait: `l_linger` of `LINGER` is a `u_short` of seconds, and what does not fit would be another time.
pub const LONGEST_LINGER: Duration = Duration::from_secs(u16::MAX as u64);

/// What a line ends with that was typed on a console.
pub const TYPED_END: &[u8] = b"\r\n";

/// Whether terminals here show colours; asked once, at the start, for consoles must be told so.
pub fn prepare_terminals() -> bool {
    console::understand_escapes().is_ok()
}

/// The mode of the terminal on standard input, kept to be put back: a line editor that is ended from outside
/// leaves its own.
#[derive(Clone, Copy, Debug)]
pub struct TerminalMode(u32);

impl TerminalMode {
    /// As it is now. Fails where standard input is no terminal.
    pub fn save() -> io::Result<Self> {
        console::input_mode().map(Self)
    }

    /// Puts it back.
    pub fn restore(&self) -> io::Result<()> {
        console::set_input_mode(self.0)
    }
}
