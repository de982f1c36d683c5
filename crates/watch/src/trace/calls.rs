//! The calls that stop a program, and what is to be known of each.

use enchufe_story::fact::Syscall;
use enchufe_sys::ptrace::Filter;

/// How a call is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It makes a socket.
    Makes,
    /// Its first argument is a descriptor, told if that is a socket of TCP.
    OnSocket,
    /// The same, and told also if it writes to what the program prints on.
    Writes(Buffer),
    /// It moves bytes out of its second descriptor, or into its first (`sendfile`, `splice`, `tee`).
    Copies,
    /// It makes its second argument a copy of its first.
    Duplicates,
    /// It makes a copy of its first argument wherever there is room.
    DuplicatesAnywhere,
    /// `fcntl`: some of its requests make copies.
    Fcntl,
    /// What it gives is a descriptor of another process.
    Gets,
    /// It makes the thread's table of descriptors its own (`CLONE_FILES`).
    Unshares,
    /// It executes another program, which closes what is marked so.
    Executes,
    /// It ends the handler of a signal.
    Returns,
    /// It gives handlers a stack of their own.
    Stacks,
    /// It closes its first argument.
    Closes,
    /// It closes all from its first argument to its second.
    ClosesRange,
    /// It makes a process or thread: flags in its first argument.
    Clones,
    /// The same: flags at its first argument.
    Clones3,
    /// It waits for one of several descriptors.
    Waits,
    /// It goes on with a call that a signal without a handler interrupted (`restart_syscall`).
    Restarts,
    /// It makes a ring (`io_uring(7)`), by which sockets are used without calls.
    Rings,
}

/// Where a call that writes has its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buffer {
    /// At the second argument, as many as the third.
    Plain,
    /// In as many pieces as the third argument, told of at the second.
    Vector,
}

/// A call that is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Which; none where it is never told.
    pub syscall: Option<Syscall>,
    /// How.
    pub kind: Kind,
}

const fn told(number: libc::c_long, syscall: Syscall, kind: Kind) -> (libc::c_long, Known) {
    (number, Known { syscall: Some(syscall), kind })
}

const fn seen(number: libc::c_long, kind: Kind) -> (libc::c_long, Known) {
    (number, Known { syscall: None, kind })
}

const CALLS: &[(libc::c_long, Known)] = &[
    told(libc::SYS_read, Syscall::Read, Kind::OnSocket),
    told(libc::SYS_write, Syscall::Write, Kind::Writes(Buffer::Plain)),
    told(libc::SYS_close, Syscall::Close, Kind::Closes),
    told(libc::SYS_sendto, Syscall::Sendto, Kind::OnSocket),
    told(libc::SYS_recvfrom, Syscall::Recvfrom, Kind::OnSocket),
    told(libc::SYS_sendmsg, Syscall::Sendmsg, Kind::OnSocket),
    told(libc::SYS_recvmsg, Syscall::Recvmsg, Kind::OnSocket),
    told(libc::SYS_readv, Syscall::Readv, Kind::OnSocket),
    told(libc::SYS_writev, Syscall::Writev, Kind::Writes(Buffer::Vector)),
    told(libc::SYS_sendmmsg, Syscall::Sendmmsg, Kind::OnSocket),
    told(libc::SYS_recvmmsg, Syscall::Recvmmsg, Kind::OnSocket),
    told(libc::SYS_preadv2, Syscall::Preadv2, Kind::OnSocket),
    told(libc::SYS_pwritev2, Syscall::Pwritev2, Kind::Writes(Buffer::Vector)),
    told(libc::SYS_sendfile, Syscall::Sendfile, Kind::Copies),
    told(libc::SYS_splice, Syscall::Splice, Kind::Copies),
    told(libc::SYS_socket, Syscall::Socket, Kind::Makes),
    told(libc::SYS_socketpair, Syscall::Socketpair, Kind::Makes),
    told(libc::SYS_connect, Syscall::Connect, Kind::OnSocket),
    told(libc::SYS_accept, Syscall::Accept, Kind::OnSocket),
    told(libc::SYS_accept4, Syscall::Accept4, Kind::OnSocket),
    told(libc::SYS_bind, Syscall::Bind, Kind::OnSocket),
    told(libc::SYS_listen, Syscall::Listen, Kind::OnSocket),
    told(libc::SYS_shutdown, Syscall::Shutdown, Kind::OnSocket),
    told(libc::SYS_setsockopt, Syscall::Setsockopt, Kind::OnSocket),
    told(libc::SYS_getsockopt, Syscall::Getsockopt, Kind::OnSocket),
    told(libc::SYS_getsockname, Syscall::Getsockname, Kind::OnSocket),
    told(libc::SYS_getpeername, Syscall::Getpeername, Kind::OnSocket),
    told(libc::SYS_ioctl, Syscall::Ioctl, Kind::OnSocket),
    told(libc::SYS_fcntl, Syscall::Fcntl, Kind::Fcntl),
    told(libc::SYS_dup, Syscall::Dup, Kind::DuplicatesAnywhere),
    told(libc::SYS_dup3, Syscall::Dup3, Kind::Duplicates),
    told(libc::SYS_close_range, Syscall::CloseRange, Kind::ClosesRange),
    told(libc::SYS_ppoll, Syscall::Ppoll, Kind::Waits),
    told(libc::SYS_pselect6, Syscall::Pselect6, Kind::Waits),
    told(libc::SYS_epoll_pwait, Syscall::EpollPwait, Kind::Waits),
    told(libc::SYS_epoll_pwait2, Syscall::EpollPwait2, Kind::Waits),
    #[cfg(target_arch = "x86_64")]
    told(libc::SYS_poll, Syscall::Poll, Kind::Waits),
    #[cfg(target_arch = "x86_64")]
    told(libc::SYS_select, Syscall::Select, Kind::Waits),
    #[cfg(target_arch = "x86_64")]
    told(libc::SYS_epoll_wait, Syscall::EpollWait, Kind::Waits),
    seen(libc::SYS_restart_syscall, Kind::Restarts),
    // Never told.
    told(libc::SYS_pidfd_getfd, Syscall::Dup, Kind::Gets),
    told(libc::SYS_unshare, Syscall::Dup, Kind::Unshares),
    told(libc::SYS_execve, Syscall::Execve, Kind::Executes),
    told(libc::SYS_execveat, Syscall::Execve, Kind::Executes),
    told(libc::SYS_io_uring_setup, Syscall::IoUringSetup, Kind::Rings),
    seen(libc::SYS_rt_sigreturn, Kind::Returns),
    seen(libc::SYS_sigaltstack, Kind::Stacks),
    seen(libc::SYS_clone, Kind::Clones),
    seen(libc::SYS_clone3, Kind::Clones3),
    #[cfg(target_arch = "x86_64")]
    told(libc::SYS_dup2, Syscall::Dup2, Kind::Duplicates),
];

/// Stops a program at these calls. What goes through rings is seen by nobody: if they are not allowed, the program is told
/// that there are none.
pub fn filter(rings: bool) -> Filter {
    let (absent, stops): (Vec<_>, Vec<_>) =
        CALLS.iter().partition(|(_, known)| known.kind == Kind::Rings && !rings);
    let numbers = |calls: Vec<&(libc::c_long, Known)>| -> Vec<u32> {
        calls.into_iter().filter_map(|(number, _)| u32::try_from(*number).ok()).collect()
    };
    Filter::new(&numbers(stops), &numbers(absent))
}

/// Numbers of calls are less.
const MOST: usize = 1_024;

/// By their numbers: each stop asks.
static BY_NUMBER: [Option<Known>; MOST] = by_number();

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number that is not in the table fails to build"
)]
const fn by_number() -> [Option<Known>; MOST] {
    let mut table = [None; MOST];
    let mut at = 0;
    while at < CALLS.len() {
        let (number, known) = CALLS[at];
        table[number as usize] = Some(known);
        at += 1;
    }
    table
}

/// What is to be known of the call with this number.
pub fn known(number: u64) -> Option<Known> {
    BY_NUMBER.get(usize::try_from(number).ok()?).copied().flatten()
}

/// Whether a call puts bytes into its socket.
pub const fn writes(syscall: Syscall) -> bool {
    only_writes(syscall) || matches!(syscall, Syscall::Sendfile | Syscall::Splice)
}

/// Whether it does, and cannot take any out of it.
pub const fn only_writes(syscall: Syscall) -> bool {
    matches!(
        syscall,
        Syscall::Write
            | Syscall::Writev
            | Syscall::Pwritev2
            | Syscall::Sendto
            | Syscall::Sendmsg
            | Syscall::Sendmmsg
    )
}
