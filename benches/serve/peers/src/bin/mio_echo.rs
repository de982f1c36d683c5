//! An echo server on mio: one thread, one buffer of 64 KiB; what a peer does not read is kept for it. Its argument is the port.

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};

const LISTENER: Token = Token(usize::MAX);

struct Connection {
    stream: TcpStream,
    owed: Vec<u8>,
}

/// Echoes what is there. `false`: the connection is over.
fn serve(connection: &mut Connection, buffer: &mut [u8]) -> io::Result<bool> {
    loop {
        while !connection.owed.is_empty() {
            let sent = connection.stream.write(&connection.owed)?;
            connection.owed.drain(..sent);
        }
        let count = connection.stream.read(buffer)?;
        if count == 0 {
            return Ok(false);
        }
        let sent = match connection.stream.write(&buffer[..count]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            sent => sent?,
        };
        connection.owed.extend_from_slice(&buffer[sent..count]);
    }
}

fn main() -> io::Result<()> {
    let port: u16 = std::env::args().nth(1).and_then(|word| word.parse().ok()).unwrap_or(4000);
    let mut listener = TcpListener::bind(([127, 0, 0, 1], port).into())?;
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(512));
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let (mut connections, mut buffer, mut next) = (HashMap::new(), vec![0; 64 * 1024], 0);
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    let _ = stream.set_nodelay(true);
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    poll.registry().register(&mut stream, Token(next), interest)?;
                    connections.insert(Token(next), Connection { stream, owed: Vec::new() });
                    next += 1;
                }
            } else if let Some(connection) = connections.get_mut(&event.token()) {
                match serve(connection, &mut buffer) {
                    Ok(true) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Ok(false) | Err(_) => drop(connections.remove(&event.token())),
                }
            }
        }
    }
}
