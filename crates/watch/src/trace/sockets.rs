//! What the kernel says of the sockets of a stopped program.
//!
//! A descriptor is copied out, asked, and the copy closed again **before the program goes on**: while there is a copy, the
//! program's own `close` would send no FIN.

use enchufe_story::fact::{Cookie, KernelState, Reading};
use enchufe_sys::pidfd::PidFd;
use enchufe_sys::{cookie, queues, tcp_info};
use enchufe_wire::tcp::Endpoint;
use socket2::{Protocol, SockRef, Type};
use std::collections::BTreeMap;
use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;

/// Beside the inode of a socket of MPTCP, where others have their cookie, which never is as large; and JSON still has the sum.
const BY_INODE: u64 = 1 << 52;

/// What is known of sockets already.
#[derive(Debug, Default)]
pub struct Sockets(BTreeMap<Cookie, Known>);

#[derive(Debug, Default)]
struct Known {
    /// These do not change any more, once the second is known.
    local: Option<Endpoint>,
    peer: Option<Endpoint>,
    /// When nothing was left to be read: how many bytes had come.
    emptied_at: Option<u64>,
}

impl Sockets {
    /// Which socket of TCP the descriptor is; none where it is none.
    pub fn identify(process: &PidFd, fd: i32) -> Option<Cookie> {
        let copy = process.copy(fd).ok()?;
        let socket = SockRef::from(&copy);
        let is_stream = socket.r#type().is_ok_and(|kind| kind == Type::STREAM);
        let protocol = socket.protocol().ok().flatten().filter(|_| is_stream)?;
        if protocol == Protocol::TCP {
            return cookie::cookie(&copy).ok().map(Cookie);
        }
        // The kernel gives one that is accepted the cookie of its listener (`mptcp_sk_clone_init`).
        let inode = File::from(copy).metadata().ok().filter(|_| protocol == Protocol::MPTCP)?.ino();
        Some(Cookie(BY_INODE | inode))
    }

    /// What the kernel says of it now.
    pub fn read(&mut self, process: &PidFd, fd: i32, socket: Cookie) -> Option<Reading> {
        self.read_if(process, fd, socket, |_, _| true)
    }

    /// The same, where nothing can have been read since the last time, for less: with nothing left then and nothing come
    /// since, nothing is left now.
    pub fn read_after_writing(&mut self, process: &PidFd, fd: i32, socket: Cookie) -> Option<Reading> {
        self.read_if(process, fd, socket, |known, received| known.emptied_at != Some(received))
    }

    fn read_if(
        &mut self,
        process: &PidFd,
        fd: i32,
        socket: Cookie,
        may_be_left: impl FnOnce(&Known, u64) -> bool,
    ) -> Option<Reading> {
        let copy = process.copy(fd).ok()?;
        let info = tcp_info::tcp_info(&copy).ok()?;
        let known = self.0.entry(socket).or_default();
        let received = info.bytes_received;
        let unread = if may_be_left(known, received) { queues::unread(&copy).unwrap_or(0) } else { 0 };
        known.emptied_at = (unread == 0).then_some(received);
        known.ask(&copy);
        let (local, peer) = (known.local, known.peer);
        // The peer's FIN counts as a byte that was received (`tcp_fin`, net/ipv4/tcp_input.c).
        let fin = u64::from(has_peers_fin(info.state));
        Some(Reading {
            socket,
            state: KernelState(info.state as u8),
            written: info.bytes_sent.saturating_sub(info.bytes_retrans) + u64::from(info.notsent_bytes),
            read: info.bytes_received.saturating_sub(unread).saturating_sub(fin),
            unread,
            local,
            peer,
        })
    }

    /// It has ended.
    pub fn forget(&mut self, socket: Cookie) {
        self.0.remove(&socket);
    }
}

impl Known {
    fn ask(&mut self, copy: &OwnedFd) {
        if self.peer.is_some() {
            return;
        }
        let socket = SockRef::from(copy);
        let local = socket.local_addr().ok().and_then(|address| address.as_socket());
        self.local = local.filter(|address| address.port() != 0).map(endpoint);
        let peer = socket.peer_addr().ok().and_then(|address| address.as_socket());
        self.peer = peer.map(endpoint);
    }
}

/// The states of an end that has the peer's FIN.
const fn has_peers_fin(state: tcp_info::TcpState) -> bool {
    use tcp_info::TcpState::{CloseWait, Closing, LastAck, TimeWait};
    matches!(state, CloseWait | LastAck | Closing | TimeWait)
}

/// An address as packets have it: one of IPv4 that an IPv6 socket has is one of IPv4.
fn endpoint(address: SocketAddr) -> Endpoint {
    let (mut bytes, port) = ([0; 16], address.port());
    let canonical = address.ip().to_canonical();
    let ipv6 = canonical.is_ipv6();
    match canonical {
        IpAddr::V4(ip) => bytes.iter_mut().zip(ip.octets()).for_each(|(to, from)| *to = from),
        IpAddr::V6(ip) => bytes = ip.octets(),
    }
    Endpoint { address: bytes, ipv6, port }
}
