//! `SO_COOKIE` of socket(7) (Linux 4.6): which socket a descriptor is.

use crate::fd;
use std::io;
use std::os::fd::AsFd;

/// The number of the socket, which no other socket of this machine has or will have, through `dup` and `fork`, too.
///
/// Fails with `ENOTSOCK` on what is no socket.
pub fn cookie(socket: &impl AsFd) -> io::Result<u64> {
    let (cookie, _) = fd::option::<u64>(socket.as_fd(), libc::SOL_SOCKET, libc::SO_COOKIE)?;
    Ok(cookie)
}

// SAFETY: every bit pattern is an integer.
unsafe impl fd::Plain for u64 {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    #[test]
    fn a_copy_is_the_same_socket_and_another_is_not() {
        let one = UdpSocket::bind("127.0.0.1:0").unwrap();
        let other = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_eq!(cookie(&one).unwrap(), cookie(&one.try_clone().unwrap()).unwrap());
        assert_ne!(cookie(&one).unwrap(), cookie(&other).unwrap());
        assert!(cookie(&std::io::stdin()).is_err() || cookie(&one).unwrap() > 0);
    }
}
