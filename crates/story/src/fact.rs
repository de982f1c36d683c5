//! What a tracer saw while programs ran: facts, in the order of their times, without any judgement.
//!
//! A call is told twice: when it is [entered](Happened::Entered) and when it is [left](Happened::Left). Both times are of
//! stops at which the thread does not run, so the pair encloses all that the call did. What the kernel's counters say of
//! a socket when a call is left is a [`Reading`].

mod beside;
mod encode;
mod passage;
mod syscall;

pub use beside::{APPLICATION, ENTERPRISE, facts, passage, passage_bytes};
pub use encode::{DecodeError, LONGEST_LIST, LONGEST_TEXT, VERSION};
pub use passage::{Arrival, Passage};
pub use syscall::Syscall;

use enchufe_wire::Timestamp;
use enchufe_wire::tcp::Endpoint;

/// The kernel's cookie of a socket (`SO_COOKIE`): never used again, the same through `dup` and `fork`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cookie(pub u64);

/// The number of a call, by which what is entered and what is left find each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// When, by the clock that stamps packets (`CLOCK_REALTIME`).
    pub time: Timestamp,
    /// For how many nanoseconds the tracer had held a program at its stops until then, all together: what it is sure
    /// to have added to the times of what the programs did. 0 in a recording that does not know.
    pub held: u64,
    /// What.
    pub happened: Happened,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    /// A program was started.
    Started(Program),
    /// A process or thread of a program began, by `fork`, `clone` and their kin.
    Began {
        /// The place of its program among those that were started, from 0.
        program: u32,
        /// Its process: itself, where it is not a thread.
        pid: u32,
        /// Itself.
        tid: u32,
    },
    /// A thread entered a call.
    Entered(Entered),
    /// A thread left a call.
    Left(Left),
    /// A signal was delivered to a thread.
    Signalled {
        /// The process.
        pid: u32,
        /// The thread.
        tid: u32,
        /// Its number (signal(7)).
        signal: i32,
    },
    /// A frame that had arrived arrived once more: what carries it had made a second one of it.
    ArrivedAgain {
        /// When it was sent.
        sent: Timestamp,
    },
    /// A process is gone.
    Ended {
        /// Which.
        pid: u32,
        /// How.
        status: Status,
    },
}

/// A program that was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its place among those that were started, from 0.
    pub number: u32,
    /// Its first process.
    pub pid: u32,
    /// What was run: the command and its arguments.
    pub command: Vec<Vec<u8>>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It exited with this status.
    Exited(i32),
    /// This signal ended it.
    Killed(i32),
}

/// A call that was entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entered {
    /// Its number.
    pub id: CallId,
    /// The place of its program among those that were started.
    pub program: u32,
    /// The process.
    pub pid: u32,
    /// The thread.
    pub tid: u32,
    /// What was called.
    pub syscall: Syscall,
    /// The descriptor that it is about, if it is about one.
    pub fd: Option<i32>,
    /// The socket of that descriptor.
    pub socket: Option<Cookie>,
    /// What it was asked for.
    pub arguments: Arguments,
    /// Sockets whose last reference it drops: what the kernel then does (FIN, RST) is its doing. Told when the call is
    /// entered, by the tracer's own count of references over all processes.
    pub drops: Vec<Cookie>,
    /// What the kernel said of those before.
    pub before: Vec<Reading>,
    /// Where the program's own source calls it.
    pub line: Option<Line>,
}

/// A place in a program's source.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Line {
    /// The file, as the program knows it.
    pub file: String,
    /// The line, from 1; 0 where only the function is known.
    pub line: u32,
    /// The function.
    pub function: String,
}

/// The arguments of a call, as meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arguments {
    /// None that are told.
    None,
    /// Of `socket` and `socketpair`: `AF_`, `SOCK_` and flags, protocol.
    Socket {
        /// `AF_…`
        domain: i32,
        /// `SOCK_…`, with its flags.
        kind: i32,
        /// `IPPROTO_…`
        protocol: i32,
    },
    /// Of `bind` and `connect`: an address of IPv4 or IPv6.
    Address(Endpoint),
    /// Of `bind` and `connect`: an address of another family.
    OtherAddress {
        /// `AF_…`
        family: i32,
    },
    /// Of `listen`.
    Backlog(i32),
    /// Of calls that move bytes: how many at most, and flags (`MSG_…`).
    Bytes {
        /// The length that was asked for.
        wanted: u64,
        /// `MSG_…`
        flags: i32,
    },
    /// Of `shutdown`: `SHUT_…`
    How(i32),
    /// Of `setsockopt` and `getsockopt`.
    Option {
        /// `SOL_…`, `IPPROTO_…`
        level: i32,
        /// `SO_…`, `TCP_…`
        name: i32,
        /// What is set, where that is a number.
        value: Option<i64>,
    },
    /// Of `dup2`, `dup3`: the descriptor that becomes a copy.
    Descriptor(i32),
    /// Of a write to what the program was given to print on.
    Printed {
        /// 1: standard output, 2: standard error.
        stream: u8,
        /// What was printed, as far as it is kept.
        text: Vec<u8>,
        /// How many bytes that were.
        length: u64,
    },
    /// Of `exit_group` and its kin.
    Status(i32),
    /// Of `fcntl` and `ioctl`: the request.
    Request(u64),
    /// Of `poll`, `select`, `epoll_wait` and their kin.
    Waits {
        /// The descriptors among those waited for that are sockets of TCP; of `epoll_wait` they are not told.
        fds: Vec<i32>,
        /// For how many nanoseconds at most; none: for ever.
        timeout: Option<i64>,
    },
}

/// A call that was left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Its number.
    pub id: CallId,
    /// How it went.
    pub outcome: Outcome,
    /// The socket that it made (`socket`, `accept`): its descriptor and itself.
    pub made: Option<(i32, Cookie)>,
    /// What the kernel says of the socket now: of the one that it made, else of the one that it is about.
    pub reading: Option<Reading>,
}

/// How a call went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It returned this.
    Returned(i64),
    /// It failed with this `errno`.
    Failed(i32),
    /// It never returned: the thread ended in it, or a signal's handler went on elsewhere (`longjmp`).
    Never,
}

/// What the kernel says of a TCP socket (`TCP_INFO`, `SIOCINQ`, `getsockname`, `getpeername`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The socket.
    pub socket: Cookie,
    /// Its state.
    pub state: KernelState,
    /// How many bytes of its stream were written so far: `tcpi_bytes_sent - tcpi_bytes_retrans + tcpi_notsent_bytes`.
    pub written: u64,
    /// How many bytes of the peer's stream were read so far: `tcpi_bytes_received - SIOCINQ`, without the FIN.
    pub read: u64,
    /// How many bytes of the peer's stream wait to be read.
    pub unread: u64,
    /// Its own address, once it has one.
    pub local: Option<Endpoint>,
    /// The peer's, once it has one.
    pub peer: Option<Endpoint>,
}

/// The kernel's state of a socket (`include/net/tcp_states.h`). Where it and RFC 9293 differ is said in
/// [`crate::state`]: SYN-RECEIVED exists in the kernel only as a request until the ACK, TIME-WAIT is a separate object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelState(pub u8);
