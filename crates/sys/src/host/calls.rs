//! Calls that std and socket2 have, each in one place: so that a build for tests can have them fail.

use super::system;
use socket2::Socket;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread::{Builder, Scope, ScopedJoinHandle};

/// Takes the next connection of the listener's queue.
pub fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    inject!(Accept);
    listener.accept()
}

/// Hands a part of `bytes` to the kernel; how many. A signal does not end it.
pub fn send(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    again(|| {
        inject!(Send);
        #[cfg(enchufe_faults)]
        let bytes = crate::faults::shortened(crate::faults::Call::Send, bytes);
        system::send(stream, bytes)
    })
}

/// Sends FIN behind what was sent.
pub fn half_close(stream: &TcpStream) -> io::Result<()> {
    inject!(Shutdown);
    stream.shutdown(Shutdown::Write)
}

/// Sets an option of `socket`, by a function of it.
pub fn set_option(socket: &Socket, set: impl FnOnce(&Socket) -> io::Result<()>) -> io::Result<()> {
    inject!(SetSockOpt);
    set(socket)
}

/// Starts a thread of `scope`.
pub fn start_thread<'scope, T: Send + 'scope>(
    builder: Builder,
    scope: &'scope Scope<'scope, '_>,
    run: impl FnOnce() -> T + Send + 'scope,
) -> io::Result<ScopedJoinHandle<'scope, T>> {
    inject!(Clone);
    builder.spawn_scoped(scope, run)
}

/// Until no signal has ended it.
pub(super) fn again<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
