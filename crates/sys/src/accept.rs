//! accept4(2): a connection that does not block, in one call.

use rustix::net::{SocketFlags, acceptfrom_with};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};

/// Takes the next connection of the listener's queue. It does not block, is closed on exec, and comes with its
/// peer's address.
///
/// Fails with [`io::ErrorKind::WouldBlock`] where nobody waits and the listener does not block.
pub fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    inject!(Accept);
    let (descriptor, peer) = acceptfrom_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)?;
    let stream = TcpStream::from(descriptor);
    let peer = match peer.and_then(|peer| SocketAddr::try_from(peer).ok()) {
        Some(peer) => peer,
        None => stream.peer_addr()?,
    };
    Ok((stream, peer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::poll::{PollFd, ppoll};
    use std::io::Read;
    use std::os::fd::AsFd;

    #[test]
    fn who_is_accepted_has_an_address_and_does_not_block() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            listener.set_nonblocking(true).unwrap();
            assert_eq!(accept(&listener).unwrap_err().kind(), io::ErrorKind::WouldBlock);
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            // The end of the handshake may be on its way still.
            ppoll(&mut [PollFd::new(listener.as_fd(), libc::POLLIN)], None).unwrap();
            let (mut server, peer) = accept(&listener).unwrap();
            assert_eq!(peer, client.local_addr().unwrap());
            assert_eq!(server.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        }
    }
}
