//! `SO_REUSEPORT`, `SO_ATTACH_REUSEPORT_CBPF` and `SO_INCOMING_CPU` of socket(7): which of several listeners at one
//! address has a new connection, and which processor handles what comes.

use crate::errno::check;
use crate::fd;
use socket2::Socket;
use std::ffi::c_int;
use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd};

/// Lets a socket share its address with the others that are let, of the same user. Those that listen are numbered in
/// the order in which they begin to (`reuseport_add_sock` in `net/core/sock_reuseport.c`).
pub fn share(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_port(true)
}

/// Load what the kernel has beside the packet: `SKF_AD_OFF + SKF_AD_CPU`, of `linux/filter.h`.
const LOAD_PROCESSOR: libc::sock_filter =
    libc::sock_filter { code: 0x20, jt: 0, jf: 0, k: 0_u32.wrapping_sub(0x1000).wrapping_add(36) };

/// Skips the next instruction unless it is this one.
const fn unless(processor: u32) -> libc::sock_filter {
    libc::sock_filter { code: 0x15, jt: 0, jf: 1, k: processor }
}

const fn choose(listener: u32) -> libc::sock_filter {
    libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: listener }
}

/// From now on a connection comes to the listener of this number whose place here has the processor that handles its
/// first packet; from any other processor to one by its hash, as without.
///
/// `listener` is any of those that share the address. Fails with `EINVAL` for more than some two thousand.
pub fn steer(listener: &impl AsFd, processors: &[usize]) -> io::Result<()> {
    let word = |number: usize| u32::try_from(number).map_err(|_| io::ErrorKind::InvalidInput);
    let mut program = vec![LOAD_PROCESSOR];
    for (index, processor) in processors.iter().enumerate() {
        program.extend([unless(word(*processor)?), choose(word(index)?)]);
    }
    // None has this number, and the kernel then goes by the hash (`reuseport_select_sock`).
    program.push(choose(u32::MAX));
    let len = u16::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let program = libc::sock_fprog { len, filter: program.as_mut_ptr() };
    let length = libc::socklen_t::try_from(mem::size_of_val(&program)).unwrap_or(0);
    // SAFETY: the kernel only reads `len` instructions, which are live.
    check(unsafe {
        libc::setsockopt(
            listener.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_REUSEPORT_CBPF,
            (&raw const program).cast(),
            length,
        )
    })?;
    Ok(())
}

/// The processor that handled the last packet of a connection; none before its first.
pub fn incoming_processor(connection: &impl AsFd) -> io::Result<Option<usize>> {
    let (number, _) = fd::option::<c_int>(connection.as_fd(), libc::SOL_SOCKET, libc::SO_INCOMING_CPU)?;
    Ok(usize::try_from(number).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::affinity;
    use crate::poll::{PollFd, ppoll};
    use socket2::{Domain, Type};
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::time::Duration;

    /// For what must come.
    const PATIENCE: Duration = Duration::from_secs(30);

    fn listener(address: SocketAddr) -> TcpListener {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        share(&socket).unwrap();
        socket.bind(&address.into()).unwrap();
        socket.listen(64).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket.into()
    }

    #[test]
    fn a_connection_comes_to_the_listener_of_the_processor_that_handles_it() {
        let processors = affinity::allowed().unwrap();
        let first = listener("127.0.0.1:0".parse().unwrap());
        let address = first.local_addr().unwrap();
        let mut listeners = vec![first];
        listeners.extend(processors.iter().skip(1).map(|_| listener(address)));
        // The other way round, so that it is no accident.
        let reversed: Vec<usize> = processors.iter().rev().copied().collect();
        steer(&listeners[0], &reversed).unwrap();
        for (processor, listener) in reversed.into_iter().zip(&listeners) {
            let clients = std::thread::spawn(move || {
                // On loopback the sender's processor handles what is sent.
                affinity::run_on(processor).unwrap();
                (0..20).map(|_| TcpStream::connect(address).unwrap()).collect::<Vec<_>>()
            });
            let clients = clients.join().unwrap();
            for _ in &clients {
                // The end of the handshake may be on its way still.
                let found =
                    ppoll(&mut [PollFd::new(listener.as_fd(), libc::POLLIN)], Some(PATIENCE)).unwrap();
                assert_eq!(found, 1, "one of processor {processor} came elsewhere");
                let (connection, _) = listener.accept().unwrap();
                assert_eq!(incoming_processor(&connection).unwrap(), Some(processor));
            }
        }
    }
}
