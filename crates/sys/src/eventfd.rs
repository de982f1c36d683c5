//! eventfd(2): a counter that can be waited on.

use crate::errno::check;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// A counter in the kernel, readable while it is not zero. Non-blocking and closed on exec.
#[derive(Debug)]
pub struct EventFd(OwnedFd);

impl EventFd {
    /// A counter at zero. Fails when the process or the system has no descriptor left.
    pub fn new() -> io::Result<Self> {
        inject!(EventFd);
        // SAFETY: no memory is passed.
        let raw = check(unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) })?;
        // SAFETY: the kernel has just given us this descriptor, and nobody else has it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(raw) }))
    }

    /// Adds one. Fails with [`io::ErrorKind::WouldBlock`] when the counter is full (2⁶⁴ − 2).
    pub fn add(&self) -> io::Result<()> {
        let one = 1_u64.to_ne_bytes();
        // SAFETY: the pointer is to live memory of that length.
        check(unsafe { libc::write(self.0.as_raw_fd(), one.as_ptr().cast(), one.len()) })?;
        Ok(())
    }

    /// Takes the whole count, which is then zero. Fails with [`io::ErrorKind::WouldBlock`] when it was.
    pub fn take(&self) -> io::Result<u64> {
        let mut count = [0; 8];
        // SAFETY: the pointer is to live, writable memory of that length.
        check(unsafe { libc::read(self.0.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) })?;
        Ok(u64::from_ne_bytes(count))
    }
}

impl AsFd for EventFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_gives_its_count_once() {
        let counter = EventFd::new().unwrap();
        assert_eq!(counter.take().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        counter.add().unwrap();
        counter.add().unwrap();
        assert_eq!(counter.take().unwrap(), 2);
        assert_eq!(counter.take().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}
