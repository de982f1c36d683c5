//! splice(2): bytes that go from socket to socket without coming to this program.

use rustix::pipe::{self, PipeFlags, SpliceFlags};
use socket2::SockRef;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};

/// A pipe(7) that holds what is on its way.
#[derive(Debug)]
pub struct Pipe {
    from: OwnedFd,
    into: OwnedFd,
}

impl Pipe {
    /// That holds `size` bytes, or as many as this user may have in pipes (`pipe-max-size`, `pipe-user-pages-soft` of pipe(7)).
    pub fn new(size: usize) -> io::Result<Self> {
        inject!(Pipe);
        let (from, into) = pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // What it has without being asked for does as well.
        let _ = pipe::fcntl_setpipe_size(&into, size);
        Ok(Self { from, into })
    }

    /// Takes at most `most` bytes of what has come on a connection that does not block; 0 after its end. Fails with
    /// [`io::ErrorKind::WouldBlock`] where nothing has come, or nothing more fits in.
    pub fn fill(&self, connection: &impl AsFd, most: usize) -> io::Result<usize> {
        inject!(Splice);
        Ok(pipe::splice(connection, None, &self.into, None, most, SpliceFlags::NONBLOCK)?)
    }

    /// Sends `count` bytes, which are in it, on a connection that does not block, or as many as there is room for; fails with
    /// [`io::ErrorKind::WouldBlock`] where there is none. Who does not ignore SIGPIPE, as Rust's programs do, has it where the peer is gone.
    pub fn drain(&self, connection: &impl AsFd, count: usize) -> io::Result<usize> {
        inject!(Splice);
        Ok(pipe::splice(&self.from, None, connection, None, count, SpliceFlags::NONBLOCK)?)
    }

    /// Ends it: the `count` bytes that are in it.
    pub fn into_bytes(self, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        std::fs::File::from(self.from).read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

/// Whether a connection sends as its window allows, as the algorithms do that Linux has been built with from of old, `cubic` and `reno`. Others,
/// such as `bbr`, set a pace (`TCP_CONGESTION` of tcp(7)).
pub fn is_windowed(connection: &impl AsFd) -> bool {
    let name = SockRef::from(connection).tcp_congestion().unwrap_or_default();
    let name = name.split(|byte| *byte == 0).next();
    matches!(name, Some(b"cubic" | b"reno"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        server.set_nonblocking(true).unwrap();
        (client, server)
    }

    /// Until something has come, or the end.
    fn fill(pipe: &Pipe, server: &TcpStream, most: usize) -> usize {
        loop {
            match pipe.fill(server, most) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::yield_now(),
                result => return result.unwrap(),
            }
        }
    }

    #[test]
    fn what_comes_goes_back_and_what_stays_can_be_had() {
        let (mut client, server) = pair();
        let pipe = Pipe::new(1 << 16).unwrap();
        assert_eq!(pipe.fill(&server, 9).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        client.write_all(b"ma\xC3\xB1ana").unwrap();
        let mut held = 0;
        while held < 7 {
            held += fill(&pipe, &server, 7 - held);
        }
        assert_eq!(pipe.drain(&server, 4).unwrap(), 4);
        let mut back = [0; 4];
        client.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"ma\xC3\xB1");
        drop(client);
        assert_eq!(fill(&pipe, &server, 9), 0);
        assert_eq!(pipe.into_bytes(3).unwrap(), b"ana");
    }

    #[test]
    fn it_takes_no_more_than_fits_in_and_no_more_goes_than_there_is_room_for() {
        let (mut client, server) = pair();
        let pipe = Pipe::new(1 << 16).unwrap();
        let writer = std::thread::spawn(move || client.write_all(&vec![7; 32 << 20]).map(|()| client));
        let (mut came, mut gone) = (0_usize, 0_usize);
        // Nobody reads what goes back.
        let is_full = |result: &io::Result<usize>| {
            result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
        };
        while came == gone || !is_full(&pipe.drain(&server, came - gone).inspect(|count| gone += count)) {
            came += fill(&pipe, &server, 1 << 16);
        }
        while !is_full(&pipe.fill(&server, 1 << 20).inspect(|count| came += count)) {}
        assert!(came > gone && came - gone <= 2 << 20, "{came} {gone}");
        drop((server, pipe));
        assert!(writer.join().unwrap().is_err());
    }

    #[test]
    fn which_algorithm_a_connection_has_is_known() {
        let (client, _) = pair();
        SockRef::from(&client).set_tcp_congestion(b"reno").unwrap();
        assert!(is_windowed(&client));
        if SockRef::from(&client).set_tcp_congestion(b"bbr").is_ok() {
            assert!(!is_windowed(&client));
        }
    }
}
