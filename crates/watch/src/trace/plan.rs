//! What is to be told of a call that begins, and what is to be looked at when it is over.

use super::calls::{self, Buffer, Kind, Known};
use super::descriptors::{Shared, Slot};
use super::memory;
use super::sockets::Sockets;
use super::threads::{Thread, owner};
use super::tracer::Tracer;
use super::waits;
use enchufe_story::fact::{Arguments, Cookie, Reading, Syscall};
use enchufe_sys::ptrace::Entry;
use enchufe_wire::tcp::Endpoint;
use std::fs;
use std::rc::Rc;

/// What becomes of descriptors, and what is to be read, when a call is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Nothing.
    Nothing,
    /// What it gives is a new socket.
    Makes,
    /// What it gives is a copy of this.
    Copies(Slot),
    /// What it gives is no longer what it was.
    Overwrites,
    /// The counters of its socket.
    Reads,
    /// If it succeeds, descriptors may come and go without a call.
    Rings,
    /// What it gives is a descriptor of another process.
    Gets,
    /// It may have no way to this address of another machine.
    Leaves(Endpoint),
    /// It sends descriptors of these sockets to another process, if it succeeds.
    Passes,
    /// It takes descriptors of another process. If it only looks, they still are under way.
    Takes {
        /// Whether it only looks.
        peeks: bool,
    },
}

/// A call to be told.
#[derive(Debug)]
pub struct Plan {
    pub syscall: Syscall,
    /// The descriptor that it is about; −1: none.
    pub fd: i32,
    pub socket: Option<Cookie>,
    pub arguments: Arguments,
    pub drops: Vec<Cookie>,
    pub before: Vec<Reading>,
    pub after: After,
    /// Whether it is told at all, or only followed.
    pub told: bool,
    /// Sockets that it sends to another process.
    pub passes: Vec<Cookie>,
}

impl Plan {
    const fn new(syscall: Syscall, fd: i32, socket: Option<Cookie>, after: After) -> Self {
        Self {
            syscall,
            fd,
            socket,
            arguments: Arguments::None,
            drops: Vec::new(),
            before: Vec::new(),
            after,
            told: true,
            passes: Vec::new(),
        }
    }
}

impl Tracer {
    /// What is to be done about a call; nothing where it is of no interest.
    pub fn plan(&mut self, tid: u32, known: Known, entry: &Entry) -> Option<Plan> {
        let syscall = known.syscall?;
        let thread = self.threads.get(&tid)?;
        let files = thread.files.clone();
        let [first, second, ..] = entry.arguments;
        let (fd, other) = (memory::int(first), memory::int(second));
        if self.has_rings {
            self.look_again(tid, &files, fd);
        }
        let slot = files.borrow().get(fd);
        match (known.kind, slot) {
            (Kind::Rings, _) => Some(Plan::new(syscall, -1, None, After::Rings)),
            (Kind::Makes, _) => Some(makes(syscall, entry)),
            (Kind::Waits, _) => {
                let files = files.borrow();
                let arguments = waits::arguments(syscall, tid, entry, &files)?;
                let fds = if let Arguments::Waits { fds, .. } = &arguments { fds.as_slice() } else { &[] };
                let socket = if let [only] = fds { files.socket(*only) } else { None };
                let fd = if fds.is_empty() { fd } else { -1 };
                Some(Plan { arguments, ..Plan::new(syscall, fd, socket, After::Nothing) })
            }
            (Kind::OnSocket | Kind::Writes(_), Some(Slot::Socket(socket))) => {
                let arguments = arguments(syscall, tid, entry);
                if syscall == Syscall::Connect && arguments.is_no_address() {
                    // Its addresses are others when it connects again.
                    self.sockets.forget(socket);
                }
                Some(Plan { arguments, ..Plan::new(syscall, fd, Some(socket), after(syscall)) })
            }
            (Kind::OnSocket, None) => {
                leaves(tid, syscall, entry).or_else(|| self.passes(tid, &files, syscall, entry))
            }
            (Kind::Unshares, _) => {
                // As good as done: if it fails, its sockets are closed by nobody that is known, rather than by the wrong one.
                if first & u64::from(libc::CLONE_FILES.unsigned_abs()) != 0 {
                    self.unshare(tid);
                }
                None
            }
            (Kind::Gets, _) => Some(Plan { told: false, ..Plan::new(syscall, -1, None, After::Gets) }),
            (Kind::Writes(buffer), Some(Slot::Console(stream))) => {
                let (text, length) = memory::printed(tid, entry, buffer == Buffer::Vector);
                let arguments = Arguments::Printed { stream, text, length };
                Some(Plan { arguments, ..Plan::new(syscall, fd, None, After::Nothing) })
            }
            (Kind::Copies, _) => moves(syscall, tid, &files, entry),
            (Kind::Executes, _) => self.executes(tid, &files, syscall),
            (Kind::Closes, Some(_)) => self.closes(tid, syscall, (fd, fd), Arguments::None),
            (Kind::ClosesRange, _) => self.closes_range(tid, syscall, entry),
            (Kind::DuplicatesAnywhere, Some(slot)) => Some(copies(syscall, fd, slot, Arguments::None)),
            (Kind::Fcntl, Some(slot)) => fcntl(syscall, fd, slot, other),
            (Kind::Duplicates, slot) => self.duplicates(tid, syscall, (fd, slot), other),
            _ => None,
        }
    }

    /// Through a ring a socket may have been made, or closed and its number given to something else.
    fn look_again(&mut self, tid: u32, files: &Shared, fd: i32) {
        let Some(owner) = owner(&self.threads, &self.processes, tid) else { return };
        let (known, found) = (files.borrow().socket(fd), Sockets::identify(owner, fd));
        match found {
            Some(socket) if known != found => {
                self.references.set(files, fd, Slot::Socket(socket));
            }
            None if known.is_some() => {
                self.references.close(files, fd);
            }
            _ => {}
        }
    }

    fn closes_range(&mut self, tid: u32, syscall: Syscall, entry: &Entry) -> Option<Plan> {
        let [first, last, flags, ..] = entry.arguments;
        if flags & u64::from(libc::CLOSE_RANGE_UNSHARE) != 0 {
            self.unshare(tid);
        }
        // Only marked to be closed on exec.
        if flags & u64::from(libc::CLOSE_RANGE_CLOEXEC) != 0 {
            return None;
        }
        // Numbers past the largest descriptor mean all.
        let last = i32::try_from(last & 0xffff_ffff).unwrap_or(i32::MAX);
        self.closes(tid, syscall, (memory::int(first), last), Arguments::Descriptor(last))
    }

    /// What goes through a socket that is not of TCP may be descriptors of one that is.
    fn passes(&mut self, tid: u32, files: &Shared, syscall: Syscall, entry: &Entry) -> Option<Plan> {
        let [_, pointer, third, fourth, ..] = entry.arguments;
        let (is_sent, count, flags) = match syscall {
            Syscall::Sendmsg => (true, None, third),
            Syscall::Recvmsg => (false, None, third),
            Syscall::Sendmmsg => (true, Some(third), fourth),
            Syscall::Recvmmsg => (false, Some(third), fourth),
            _ => return None,
        };
        let fd = memory::int(entry.arguments[0]);
        if !is_sent {
            let may_take = memory::messages(pointer, count).any(|message| memory::has_beside(tid, message));
            let peeks = memory::int(flags) & libc::MSG_PEEK != 0;
            let plan = Plan::new(syscall, fd, None, After::Takes { peeks });
            return may_take.then_some(Plan { told: false, ..plan });
        }
        let all = memory::messages(pointer, count).flat_map(|message| memory::descriptors(tid, message));
        let passes: Vec<Cookie> = all.filter_map(|fd| files.borrow().socket(fd)).collect();
        for socket in &passes {
            self.references.pass(*socket);
        }
        let plan = Plan::new(syscall, fd, None, After::Passes);
        (!passes.is_empty()).then_some(Plan { told: false, passes, ..plan })
    }

    /// Descriptors are as good as closed when the call begins: nothing can stop it, and their numbers may be
    /// another's before it ends.
    fn closes(
        &mut self,
        tid: u32,
        syscall: Syscall,
        (first, last): (i32, i32),
        arguments: Arguments,
    ) -> Option<Plan> {
        let thread = self.threads.get(&tid)?;
        let files = thread.files.clone();
        let fds = files.borrow().between(first, last);
        let only = files.borrow().socket(first);
        let (drops, before) = self.before(tid, &files, &fds);
        for fd in &fds {
            self.references.close(&files, *fd);
        }
        for socket in &drops {
            self.sockets.forget(*socket);
        }
        let told = if syscall == Syscall::Close { only.is_some() } else { !drops.is_empty() };
        let plan = Plan::new(syscall, first, only, After::Nothing);
        told.then_some(Plan { arguments, drops, before, ..plan })
    }

    /// What is closed on exec ends before the tracer is told that another program is executed. It may also fail.
    fn executes(&mut self, tid: u32, files: &Shared, syscall: Syscall) -> Option<Plan> {
        let pid = self.threads.get(&tid)?.pid;
        let is_shared = |other: &Thread| other.pid != pid && Rc::ptr_eq(&other.files, files);
        if self.threads.values().any(is_shared) {
            return None;
        }
        let all: Vec<i32> = files.borrow().sockets().map(|(fd, _)| fd).collect();
        let fds: Vec<i32> = all.into_iter().filter(|fd| is_closed_on_exec(tid, *fd)).collect();
        let (drops, before) = self.before(tid, files, &fds);
        let plan = Plan::new(syscall, -1, None, After::Nothing);
        (!drops.is_empty()).then_some(Plan { drops, before, ..plan })
    }

    /// The sockets that closing these would end, and what the kernel says of them.
    fn before(&mut self, tid: u32, files: &Shared, fds: &[i32]) -> (Vec<Cookie>, Vec<Reading>) {
        let drops = self.references.last_of(&files.borrow(), fds);
        let mut readings = Vec::new();
        for socket in &drops {
            let fd = files.borrow().sockets().find(|(fd, cookie)| cookie == socket && fds.contains(fd));
            if let (Some((fd, _)), Some(owner)) = (fd, owner(&self.threads, &self.processes, tid)) {
                readings.extend(self.sockets.read(owner, fd, *socket));
            }
        }
        (drops, readings)
    }

    fn duplicates(
        &mut self,
        tid: u32,
        syscall: Syscall,
        (fd, slot): (i32, Option<Slot>),
        to: i32,
    ) -> Option<Plan> {
        let thread = self.threads.get(&tid)?;
        let files = thread.files.clone();
        let over = files.borrow().get(to);
        if fd == to || slot.is_none() && over.is_none() {
            return None;
        }
        let socket = files.borrow().socket(fd);
        let (drops, before) = self.before(tid, &files, &[to]);
        for socket in &drops {
            self.sockets.forget(*socket);
        }
        let after = slot.map_or(After::Overwrites, After::Copies);
        let told = socket.is_some() || !drops.is_empty();
        let plan = Plan::new(syscall, fd, socket, after);
        Some(Plan { arguments: Arguments::Descriptor(to), drops, before, told, ..plan })
    }
}

/// Whether the descriptor has `FD_CLOEXEC` (proc(5), `fdinfo`).
fn is_closed_on_exec(tid: u32, fd: i32) -> bool {
    let text = fs::read_to_string(format!("/proc/{tid}/fdinfo/{fd}")).unwrap_or_default();
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| i32::from_str_radix(flags.trim(), 8).ok());
    flags.is_some_and(|flags| flags & libc::O_CLOEXEC != 0)
}

/// A socket of TCP is followed; that there is another one is told.
fn makes(syscall: Syscall, entry: &Entry) -> Plan {
    let [domain, kind, protocol, ..] = entry.arguments.map(memory::int);
    // Flags stand above the kind.
    let is_stream = kind & 0xf == libc::SOCK_STREAM;
    let is_internet = matches!(domain, libc::AF_INET | libc::AF_INET6);
    let is_tcp = matches!(protocol, 0 | libc::IPPROTO_TCP | libc::IPPROTO_MPTCP);
    let is_tcp = is_stream && is_internet && is_tcp;
    let arguments = Arguments::Socket { domain, kind, protocol };
    let after = if is_tcp { After::Makes } else { After::Nothing };
    Plan { arguments, ..Plan::new(syscall, -1, None, after) }
}

/// Bytes go from one descriptor to another: what is told is told of the one that is a socket, of both of the one that takes.
fn moves(syscall: Syscall, tid: u32, files: &Shared, entry: &Entry) -> Option<Plan> {
    let [first, second, third, ..] = entry.arguments.map(memory::int);
    let (from, to) = if syscall == Syscall::Splice { (first, third) } else { (second, first) };
    let found = [to, from].into_iter().find_map(|fd| Some((fd, files.borrow().socket(fd)?)));
    let (fd, socket) = found?;
    let arguments = arguments(syscall, tid, entry);
    Some(Plan { arguments, ..Plan::new(syscall, fd, Some(socket), After::Reads) })
}

fn fcntl(syscall: Syscall, fd: i32, slot: Slot, request: i32) -> Option<Plan> {
    let arguments = Arguments::Request(u64::from(request.unsigned_abs()));
    if matches!(request, libc::F_DUPFD | libc::F_DUPFD_CLOEXEC) {
        return Some(copies(syscall, fd, slot, arguments));
    }
    let Slot::Socket(socket) = slot else { return None };
    Some(Plan { arguments, ..Plan::new(syscall, fd, Some(socket), After::Nothing) })
}

/// A datagram, or what is to come of a socket that is not looked at, may be for an address that there is no way to.
fn leaves(tid: u32, syscall: Syscall, entry: &Entry) -> Option<Plan> {
    let [_, second, third, _, fifth, sixth] = entry.arguments;
    let (pointer, length) = match syscall {
        Syscall::Connect => (second, third),
        Syscall::Sendto => (fifth, sixth),
        _ => return None,
    };
    let Arguments::Address(address) = memory::address(tid, pointer, length) else { return None };
    let is_here = if address.ipv6 { address.address == LOOPBACK } else { address.address[0] == 127 };
    (!is_here).then(|| Plan { told: false, ..Plan::new(syscall, -1, None, After::Leaves(address)) })
}

/// `::1`
const LOOPBACK: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

fn copies(syscall: Syscall, fd: i32, slot: Slot, arguments: Arguments) -> Plan {
    let socket = match slot {
        Slot::Socket(socket) => Some(socket),
        Slot::Console(_) => None,
    };
    Plan { arguments, told: socket.is_some(), ..Plan::new(syscall, fd, socket, After::Copies(slot)) }
}

fn arguments(syscall: Syscall, tid: u32, entry: &Entry) -> Arguments {
    let [_, pointer, third, fourth, ..] = entry.arguments;
    match syscall {
        Syscall::Bind | Syscall::Connect => memory::address(tid, pointer, third),
        Syscall::Listen => Arguments::Backlog(memory::int(pointer)),
        Syscall::Shutdown => Arguments::How(memory::int(pointer)),
        Syscall::Setsockopt => memory::option(tid, entry, true),
        Syscall::Getsockopt => memory::option(tid, entry, false),
        Syscall::Ioctl => Arguments::Request(pointer),
        Syscall::Sendto | Syscall::Recvfrom => Arguments::Bytes { wanted: third, flags: memory::int(fourth) },
        Syscall::Write | Syscall::Read => Arguments::Bytes { wanted: third, flags: 0 },
        Syscall::Writev | Syscall::Readv | Syscall::Preadv2 | Syscall::Pwritev2 => {
            Arguments::Bytes { wanted: memory::vector_length(tid, pointer, third), flags: 0 }
        }
        Syscall::Sendmsg | Syscall::Recvmsg => {
            Arguments::Bytes { wanted: memory::message_length(tid, pointer), flags: memory::int(third) }
        }
        Syscall::Sendfile => Arguments::Bytes { wanted: fourth, flags: 0 },
        Syscall::Splice | Syscall::Tee => Arguments::Bytes { wanted: entry.arguments[4], flags: 0 },
        _ => Arguments::None,
    }
}

/// Whether the socket is read when the call is over: where it moved bytes, or may have changed state.
const fn after(syscall: Syscall) -> After {
    use Syscall::{Bind, Connect, Listen, Preadv2, Read, Readv, Recvfrom, Recvmmsg, Recvmsg, Shutdown};
    match syscall {
        Syscall::Accept | Syscall::Accept4 => After::Makes,
        Bind | Connect | Listen | Shutdown | Read | Readv | Preadv2 | Recvfrom | Recvmsg | Recvmmsg => {
            After::Reads
        }
        _ if calls::writes(syscall) => After::Reads,
        _ => After::Nothing,
    }
}
