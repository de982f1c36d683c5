//! Whether a TCP socket comes from `accept` or from `connect`.

use crate::fd;
use std::ffi::c_int;
use std::io;
use std::os::fd::AsFd;

/// What a new socket has for multicast: one hop (ip(7), ipv6(7)).
const DEFAULT_HOPS: c_int = 1;

/// Whether the socket was accepted. The answer does not change while it lives, whatever became of the
/// connection.
///
/// No option says so, but the kernel notes the hop count of the segment that completed the handshake where
/// a datagram socket has the one for multicast (`tcp_v4_syn_recv_sock`, `tcp_v6_syn_recv_sock`), which
/// cannot be set on a TCP socket over IPv4. A peer that sends with one hop looks like a socket that
/// connected.
pub fn was_accepted(socket: &impl AsFd) -> io::Result<bool> {
    let socket = socket.as_fd();
    let (family, _) = fd::option::<c_int>(socket, libc::SOL_SOCKET, libc::SO_DOMAIN)?;
    let (hops, _) = match family {
        libc::AF_INET6 => fd::option::<c_int>(socket, libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_HOPS)?,
        _ => fd::option::<c_int>(socket, libc::IPPROTO_IP, libc::IP_MULTICAST_TTL)?,
    };
    Ok(hops != DEFAULT_HOPS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

    #[test]
    fn the_two_ends_are_told_apart_over_both_protocols() {
        for (bind, connect) in [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("::", "127.0.0.1")] {
            let listener = TcpListener::bind((bind, 0)).unwrap();
            let port = listener.local_addr().unwrap().port();
            let client = TcpStream::connect((connect, port)).unwrap();
            let (server, _) = listener.accept().unwrap();
            assert!(was_accepted(&server).unwrap() && !was_accepted(&client).unwrap(), "{bind} {connect}");
        }
    }

    #[test]
    fn a_new_socket_was_not_accepted() {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        assert!(!was_accepted(&listener).unwrap());
    }
}
