//! signalfd(2) with SIGCHLD: that a child, or a thread that is traced, has something to tell, as a descriptor.

use crate::errno::check;
use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

/// Readable when a child may have something to tell.
#[derive(Debug)]
pub struct Children(OwnedFd);

impl Children {
    /// Holds SIGCHLD back from the calling thread, and from those that it starts, so that it can be waited on. Other
    /// threads that are there already would take it: none may be.
    pub fn new() -> io::Result<Self> {
        let set = only(libc::SIGCHLD);
        // SAFETY: the set is live, and the old mask is not asked for.
        check(unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut()) })?;
        // SAFETY: the set is live.
        let raw =
            check(unsafe { libc::signalfd(-1, &raw const set, libc::SFD_NONBLOCK | libc::SFD_CLOEXEC) })?;
        // SAFETY: the kernel has just given us this descriptor, and nobody else has it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(raw) }))
    }

    /// Takes what was told, so that it can be waited for again: to be called before the children are asked.
    pub fn clear(&self) {
        // SAFETY: all zeros are a `signalfd_siginfo`: integers.
        let mut told: libc::signalfd_siginfo = unsafe { mem::zeroed() };
        let size = mem::size_of_val(&told);
        // One SIGCHLD at most is pending (signal(7)). Nothing there is no failure.
        // SAFETY: the pointer is to live, writable memory of that size.
        let _ = unsafe { libc::read(self.0.as_raw_fd(), (&raw mut told).cast(), size) };
    }
}

impl AsFd for Children {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn only(signal: i32) -> libc::sigset_t {
    // SAFETY: the set is initialised by `sigemptyset` before it is used, and the number is a signal's.
    unsafe {
        let mut set = mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, signal);
        set
    }
}
