//! Why a connection ended: every one does with exactly one [`Reason`].

use crate::tls::Fault;
use std::fmt;
use std::io;
use std::time::Duration;

/// The socket call that failed, by its POSIX name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `socket(2)`.
    Socket,
    /// `setsockopt(2)`.
    SetOption,
    /// `bind(2)`.
    Bind,
    /// `listen(2)`.
    Listen,
    /// `accept(2)`.
    Accept,
    /// `connect(2)`.
    Connect,
    /// `getaddrinfo(3)`.
    Resolve,
    /// `recv(2)`.
    Recv,
    /// `send(2)`.
    Send,
    /// `splice(2)`.
    Splice,
    /// `shutdown(2)`.
    Shutdown,
    /// `poll(2)`.
    Poll,
    /// `getsockopt(2)`.
    GetOption,
    /// `epoll_ctl(2)`.
    EpollCtl,
    /// `epoll_wait(2)`.
    EpollWait,
    /// `io_uring_enter(2)`, and the operations that it hands over.
    RingEnter,
    /// `clone(2)`.
    Clone,
    /// `execve(2)`, and what leads to it.
    Exec,
}

impl Call {
    /// The name as in the man pages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Socket => "socket",
            Self::SetOption => "setsockopt",
            Self::Bind => "bind",
            Self::Listen => "listen",
            Self::Accept => "accept",
            Self::Connect => "connect",
            Self::Resolve => "getaddrinfo",
            Self::Recv => "recv",
            Self::Send => "send",
            Self::Splice => "splice",
            Self::Shutdown => "shutdown",
            Self::Poll => "poll",
            Self::GetOption => "getsockopt",
            Self::EpollCtl => "epoll_ctl",
            Self::EpollWait => "epoll_wait",
            Self::RingEnter => "io_uring_enter",
            Self::Clone => "clone",
            Self::Exec => "execve",
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Why a connection ended.
#[derive(Debug)]
pub enum Reason {
    /// The peer sent its FIN first, and everything was answered.
    PeerFinished,
    /// This end closed first: it was done.
    OwnEnd,
    /// The peer sent RST (`ECONNRESET`, `EPIPE`).
    Reset,
    /// Nothing came or went for this long.
    Idle(Duration),
    /// Not one byte came for this long after the connection was made.
    FirstByte(Duration),
    /// The connection, or the attempt to make it, reached its time limit.
    Deadline(Duration),
    /// This program was told to stop before the connection was over.
    Interrupted,
    /// Nobody listens at the address (RST in answer to SYN).
    Refused,
    /// A limit of this server left no room for the connection.
    Limit,
    /// The peer's program is gone though its system still holds the connection.
    PeerLeft,
    /// TLS could not go on.
    Tls(Box<Fault>),
    /// The peer's FIN came without TLS's `close_notify`: what came may not be all that was said.
    Truncated,
    /// The system gave the connection up (unreachable, timed out) or refused a call.
    Failed(Call, io::Error),
}

impl Reason {
    /// The names of all of them, in JSON and in the catalogue of texts.
    pub const IDS: [&'static str; 13] = [
        "peer_finished",
        "own_end",
        "reset_by_peer",
        "idle",
        "first_byte",
        "deadline",
        "interrupted",
        "refused",
        "limit",
        "peer_left",
        "failed",
        "tls",
        "truncated",
    ];

    /// Its place in [`Self::IDS`].
    pub const fn number(&self) -> usize {
        match self {
            Self::PeerFinished => 0,
            Self::OwnEnd => 1,
            Self::Reset => 2,
            Self::Idle(_) => 3,
            Self::FirstByte(_) => 4,
            Self::Deadline(_) => 5,
            Self::Interrupted => 6,
            Self::Refused => 7,
            Self::Limit => 8,
            Self::PeerLeft => 9,
            Self::Failed(..) => 10,
            Self::Tls(_) => 11,
            Self::Truncated => 12,
        }
    }

    /// Its name in [`Self::IDS`].
    pub const fn id(&self) -> &'static str {
        Self::IDS[self.number()]
    }

    /// The reason that an error of `call` on a connection stands for.
    pub fn of_error(call: Call, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => {
                Self::Reset
            }
            io::ErrorKind::ConnectionRefused => Self::Refused,
            _ => Self::Failed(call, error),
        }
    }
}

/// How a connection ended, with what it carried.
#[derive(Debug)]
pub struct End {
    /// Why.
    pub reason: Reason,
    /// Payload bytes read from the peer, those thrown away after our end included. With TLS, what was in its records.
    pub received: u64,
    /// Payload bytes handed to the kernel for the peer. With TLS, those in whole records.
    pub sent: u64,
    /// Bytes in hand to be sent that were not, because the connection ended. What had not been taken
    /// from the input yet is not in it.
    pub unsent: u64,
    /// From accepted or connected to closed.
    pub lasted: Duration,
}
