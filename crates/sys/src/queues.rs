//! What waits in the two queues of a TCP socket, and whether the peer's FIN came.

use crate::errno::check;
use crate::fd;
use std::ffi::c_int;
use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// `SIOCOUTQ` of tcp(7): bytes written and not acknowledged, sent or not. A FIN counts one.
///
/// It is `write_seq - snd_una` in every state but the two of the handshake, where it is 0 (`tcp_ioctl` in
/// `net/ipv4/tcp.c`), also after the connection is gone: a reset empties the queue, but not the difference.
/// Fails with `EINVAL` on a listener.
pub fn unacknowledged(socket: &impl AsFd) -> io::Result<u64> {
    let bytes = fd::request(socket.as_fd(), libc::TIOCOUTQ)?;
    Ok(u64::try_from(bytes).unwrap_or(0))
}

/// `SIOCINQ` of tcp(7): bytes that arrived and were not read. A FIN does not count. Fails with `EINVAL` on
/// a listener.
pub fn unread(socket: &impl AsFd) -> io::Result<u64> {
    let bytes = fd::request(socket.as_fd(), libc::FIONREAD)?;
    Ok(u64::try_from(bytes).unwrap_or(0))
}

/// Whether the peer's FIN was received in order, also when nothing tells it from a reset any more.
///
/// Once the connection is over and its error was taken, `read` gives 0 both after a FIN and after a reset.
/// The kernel still knows: with `TCP_INQ` (tcp(7), Linux 4.18) a read says how much is left, and that
/// number counts the FIN (`tcp_inq_hint`), while `SIOCINQ` does not (`tcp_inq`, both in `net/ipv4/tcp.c`).
///
/// It looks at the socket without taking a byte of it, but takes its pending error, which it then fails
/// with.
pub fn end_received(socket: &impl AsFd) -> io::Result<bool> {
    let socket = socket.as_fd();
    let (before, _) = fd::option(socket, libc::IPPROTO_TCP, libc::TCP_INQ)?;
    fd::set_option(socket, libc::IPPROTO_TCP, libc::TCP_INQ, 1)?;
    let hint = inq_hint(socket);
    fd::set_option(socket, libc::IPPROTO_TCP, libc::TCP_INQ, before)?;
    match hint {
        Ok(hint) => Ok(hint > unread(&socket)?),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

/// One control message with an integer: `CMSG_SPACE(sizeof(int))` of cmsg(3).
#[repr(C)]
struct Control {
    header: libc::cmsghdr,
    value: c_int,
    padding: c_int,
}

/// A read that takes nothing, for the `TCP_CM_INQ` beside it.
fn inq_hint(socket: BorrowedFd<'_>) -> io::Result<u64> {
    let mut byte = [0_u8; 1];
    let mut buffer = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: byte.len() };
    // SAFETY: all zeros are a `Control` and a `msghdr`: integers and null pointers.
    let (mut control, mut message) = unsafe { (mem::zeroed::<Control>(), mem::zeroed::<libc::msghdr>()) };
    message.msg_iov = &raw mut buffer;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control).cast();
    message.msg_controllen = size_of::<Control>() as _;
    let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
    // SAFETY: the message points at `byte` and `control`, alive and as long as it says.
    check(unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags) })?;
    // Nothing was written there if there is no such message.
    if (control.header.cmsg_level, control.header.cmsg_type) != (libc::IPPROTO_TCP, libc::TCP_CM_INQ) {
        return Err(io::ErrorKind::Unsupported.into());
    }
    Ok(u64::try_from(control.value).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::thread;

    #[test]
    fn the_queues_count_bytes_and_the_end_is_seen_behind_them() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        assert!(!end_received(&server).unwrap());
        client.write_all(b"four").unwrap();
        while unread(&server).unwrap() < 4 || unacknowledged(&client).unwrap() > 0 {
            thread::yield_now();
        }
        assert!(!end_received(&server).unwrap(), "bytes are no end");
        client.shutdown(Shutdown::Write).unwrap();
        while !end_received(&server).unwrap() {
            thread::yield_now();
        }
        assert_eq!(unread(&server).unwrap(), 4, "nothing was taken, and the FIN does not count");
        let mut all = Vec::new();
        server.read_to_end(&mut all).unwrap();
        assert_eq!((all.as_slice(), end_received(&server).unwrap()), (b"four".as_slice(), true));
        assert!(unread(&listener).is_err() && unacknowledged(&listener).is_err());
    }
}
