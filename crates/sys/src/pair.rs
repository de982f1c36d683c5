//! socketpair(2): two ends that are connected, for a program whose standard input and output are not to be the connection itself.

use crate::fd;
use rustix::net::{SendFlags, send};
use std::io::{self, Read};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// This process's end. It does not block, and a signal ends none of its calls.
#[derive(Debug)]
pub struct End(UnixStream);

/// Both ends: ours, and the one that a program is to have, which blocks as a program expects it to. Neither stays open in a program that
/// it is not given to. Fails without descriptors.
pub fn pair() -> io::Result<(End, OwnedFd)> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    Ok((End(ours), theirs.into()))
}

impl End {
    /// Hands over a part of `bytes`; how many. Fails with [`io::ErrorKind::BrokenPipe`] where nobody can read them any more, and raises
    /// no signal then.
    pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match send(&self.0, bytes, SendFlags::NOSIGNAL) {
                Err(rustix::io::Errno::INTR) => {}
                result => return Ok(result?),
            }
        }
    }

    /// Takes what is there, at most as much as there is room for; how much. 0 once nothing more can come, or, where the other end was
    /// closed before all was read of it, [`io::ErrorKind::ConnectionReset`] once and 0 then (unix(7), `unix_release_sock` of
    /// `net/unix/af_unix.c`).
    pub fn read(&self, room: &mut [u8]) -> io::Result<usize> {
        loop {
            match (&self.0).read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// Nothing more is written: who reads at the other end finds that.
    pub fn finish(&self) {
        // ENOTCONN: nobody is there.
        let _ = self.0.shutdown(Shutdown::Write);
    }

    /// How much is there to be read.
    pub fn unread(&self) -> io::Result<u64> {
        let bytes = fd::request(self.0.as_fd(), libc::FIONREAD)?;
        Ok(u64::try_from(bytes).unwrap_or(0))
    }
}

impl AsFd for End {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{ErrorKind, Write};

    #[test]
    fn each_end_has_what_the_other_writes_and_its_end() {
        let (ours, theirs) = pair().unwrap();
        let mut theirs = UnixStream::from(theirs);
        let mut room = [0; 8];
        assert_eq!(ours.read(&mut room).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(ours.write(b"there").unwrap(), 5);
        ours.finish();
        let mut there = Vec::new();
        theirs.read_to_end(&mut there).unwrap();
        assert_eq!(there, b"there");
        theirs.write_all(b"back").unwrap();
        assert_eq!((ours.unread().unwrap(), ours.read(&mut room).unwrap()), (4, 4));
        assert_eq!(&room[..4], b"back");
        assert_eq!(ours.write(b"more").unwrap_err().kind(), ErrorKind::BrokenPipe);
        drop(theirs);
        assert_eq!(ours.read(&mut room).unwrap(), 0);
    }

    #[test]
    fn what_was_not_read_at_the_other_end_is_told_after_what_came_from_it() {
        let (ours, theirs) = pair().unwrap();
        let mut theirs = UnixStream::from(theirs);
        ours.write(b"never read").unwrap();
        theirs.write_all(b"last").unwrap();
        drop(theirs);
        let mut room = [0; 8];
        assert_eq!(ours.read(&mut room).unwrap(), 4);
        assert_eq!(ours.read(&mut room).unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(ours.read(&mut room).unwrap(), 0);
        assert_eq!(ours.write(b"more").unwrap_err().kind(), ErrorKind::BrokenPipe);
    }
}
