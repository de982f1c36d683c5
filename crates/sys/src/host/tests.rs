//! Proofs of the face, with real sockets on this machine's loopback.

use super::*;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Instant;

use socket2::Socket;

mod delivered;
mod sockets;
mod waiting;

/// Looks again and again until there is an answer; only a broken test meets the bound.
#[track_caller]
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "never: {what}");
        thread::yield_now();
    }
}

/// Both ends of a connection: the one that connected, the one that was accepted.
fn pair(address: &str) -> (Socket, Socket) {
    let listener = TcpListener::bind(address).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    (client.into(), server.into())
}

/// Closes with a reset.
fn reset(socket: Socket) {
    socket.set_linger(Some(Duration::ZERO)).unwrap();
    drop(socket);
}

fn local(socket: &Socket) -> SocketAddr {
    socket.local_addr().unwrap().as_socket().unwrap()
}
