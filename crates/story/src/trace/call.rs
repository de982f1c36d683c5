//! What calls can do, by their names.

use crate::fact::{Arguments, Outcome, Syscall};
use enchufe_wire::tcp::Endpoint;

const MSG_OOB: i32 = 1;
const MSG_PEEK: i32 = 2;
const SHUT_WR: i32 = 1;
const SHUT_RDWR: i32 = 2;
const SOL_SOCKET: i32 = 1;
const SO_LINGER: i32 = 13;
const IPPROTO_TCP: i32 = 6;
const TCP_NODELAY: i32 = 1;
const TCP_CORK: i32 = 3;
const TCP_REPAIR: i32 = 19;
const TCP_ULP: i32 = 31;
const SOL_TLS: i32 = 282;
const IPPROTO_MPTCP: i32 = 262;
const IPPROTO_IPV6: i32 = 41;
const IPV6_V6ONLY: i32 = 26;
const AF_UNSPEC: i32 = 0;

/// `errno` of a `connect` that goes on, or that had been asked for before.
pub(super) const GOES_ON: [i32; 4] = [4, 106, 114, 115];

impl Syscall {
    /// Whether it can add to the stream of its socket.
    pub(super) const fn writes(self) -> bool {
        use Syscall as S;
        matches!(
            self,
            S::Send
                | S::Sendto
                | S::Sendmsg
                | S::Sendmmsg
                | S::Write
                | S::Writev
                | S::Pwritev2
                | S::Sendfile
                | S::Splice
        )
    }

    /// Whether it can take from the stream of the peer.
    pub(super) const fn reads(self) -> bool {
        use Syscall as S;
        matches!(
            self,
            S::Recv | S::Recvfrom | S::Recvmsg | S::Recvmmsg | S::Read | S::Readv | S::Preadv2 | S::Splice
        )
    }

    /// Whether it moves no more bytes than it was asked for. What the parts of a vector ask for may be known in part only.
    pub(super) const fn is_bounded(self) -> bool {
        matches!(self, Self::Send | Self::Sendto | Self::Write | Self::Sendfile)
    }

    /// Whether it returns how many bytes it moved.
    pub(super) const fn counts(self) -> bool {
        !matches!(self, Self::Sendmmsg | Self::Recvmmsg)
    }
}

impl Arguments {
    /// Of a call that moves bytes: how many it asked for.
    pub(super) const fn wanted(&self) -> Option<u64> {
        match self {
            Self::Bytes { wanted, .. } => Some(*wanted),
            _ => None,
        }
    }

    /// Of a call that reads: whether its result says nothing of how far the stream was read.
    pub(super) const fn is_aside(&self) -> bool {
        matches!(self, Self::Bytes { flags, .. } if *flags & (MSG_PEEK | MSG_OOB) != 0)
    }

    /// Of `shutdown`: whether it ends the stream.
    pub(super) const fn ends_writing(&self) -> bool {
        matches!(self, Self::How(SHUT_WR | SHUT_RDWR))
    }

    /// Of `connect`: whether it dissolves the connection.
    pub const fn is_no_address(&self) -> bool {
        matches!(self, Self::OtherAddress { family: AF_UNSPEC })
    }

    /// Of `setsockopt`: what `SO_LINGER` becomes, negative where it is off.
    pub(super) const fn linger(&self) -> Option<i64> {
        match self {
            Self::Option { level: SOL_SOCKET, name: SO_LINGER, value } => *value,
            _ => None,
        }
    }

    /// Of `setsockopt`: what `TCP_NODELAY` becomes.
    pub(super) const fn nodelay(&self) -> Option<bool> {
        match self {
            Self::Option { level: IPPROTO_TCP, name: TCP_NODELAY, value: Some(value) } => Some(*value != 0),
            _ => None,
        }
    }

    /// Of `setsockopt`: whether a socket of IPv6 is for IPv6 only.
    pub(super) const fn is_ipv6_only(&self) -> bool {
        matches!(self, Self::Option { level: IPPROTO_IPV6, name: IPV6_V6ONLY, value: Some(1) })
    }

    /// Whether from here on the bytes of the socket are others than those that calls write.
    pub(super) const fn changes_bytes(&self) -> bool {
        match self {
            Self::Socket { protocol, .. } => *protocol == IPPROTO_MPTCP,
            Self::Option { level: IPPROTO_TCP, name, .. } => matches!(*name, TCP_REPAIR | TCP_ULP),
            Self::Option { level, .. } => *level == SOL_TLS,
            _ => false,
        }
    }

    /// Of `setsockopt`: whether it lets go what was held back.
    pub(super) const fn uncorks(&self) -> bool {
        match self {
            Self::Option { level: IPPROTO_TCP, name: TCP_NODELAY, value: Some(value) } => *value != 0,
            Self::Option { level: IPPROTO_TCP, name: TCP_CORK, value: Some(value) } => *value == 0,
            _ => false,
        }
    }
}

/// The number of bytes that a call of this outcome moved, as it says itself.
pub(super) fn counted(outcome: Outcome) -> Option<u64> {
    match outcome {
        Outcome::Returned(count) => u64::try_from(count).ok(),
        Outcome::Failed(_) => Some(0),
        Outcome::Never => None,
    }
}

/// An address of IPv4 that was written as one of IPv6 (RFC 4291 §2.5.5.2), as IPv4.
pub(super) fn plain(mut endpoint: Endpoint) -> Endpoint {
    const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
    if !endpoint.ipv6 || !endpoint.address.starts_with(&MAPPED) {
        return endpoint;
    }
    let mut address = [0; 16];
    for (to, from) in address.iter_mut().zip(endpoint.address.iter().skip(MAPPED.len())) {
        *to = *from;
    }
    (endpoint.address, endpoint.ipv6) = (address, false);
    endpoint
}

/// Whether a socket that says this address can be at that one: a socket that is not bound to an address says none.
pub(super) fn fits(said: Endpoint, seen: Endpoint) -> bool {
    said.port == seen.port
        && (said.address == [0; 16] || said.address == seen.address && said.ipv6 == seen.ipv6)
}
