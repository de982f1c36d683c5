//! `pidfd_open(2)`, `pidfd_getfd(2)`: a process to wait for, and a copy of its descriptors.

use crate::errno::check;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// A handle on a process, whose number cannot come to mean another.
#[derive(Debug)]
pub struct PidFd(OwnedFd);

impl PidFd {
    /// The process with this number. Fails with `ESRCH` where there is none.
    pub fn open(pid: u32) -> io::Result<Self> {
        // SAFETY: no memory is passed.
        let raw = check(unsafe { libc::syscall(libc::SYS_pidfd_open, libc::c_long::from(pid), 0) })?;
        Ok(Self(owned(raw)?))
    }

    /// The thread with this number, which may have descriptors that its process has not. Fails with `EINVAL` before Linux 6.9.
    pub fn of_thread(tid: u32) -> io::Result<Self> {
        /// `PIDFD_THREAD` (`pidfd_open(2)`).
        const THREAD: libc::c_int = libc::O_EXCL;
        // SAFETY: no memory is passed.
        let raw = check(unsafe { libc::syscall(libc::SYS_pidfd_open, libc::c_long::from(tid), THREAD) })?;
        Ok(Self(owned(raw)?))
    }

    /// A copy of one of its descriptors: the same open file, so what it refers to stays open while the copy does.
    ///
    /// Fails with `EBADF` where the process has no such descriptor, and with `EPERM` for who may not trace it.
    pub fn copy(&self, fd: i32) -> io::Result<OwnedFd> {
        let own = libc::c_long::from(self.0.as_raw_fd());
        // SAFETY: no memory is passed.
        let raw = check(unsafe { libc::syscall(libc::SYS_pidfd_getfd, own, libc::c_long::from(fd), 0) })?;
        owned(raw)
    }
}

/// Readable once the process has ended.
impl AsFd for PidFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn owned(raw: libc::c_long) -> io::Result<OwnedFd> {
    let raw = i32::try_from(raw).map_err(io::Error::other)?;
    // SAFETY: the kernel has just given us this descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_copy_is_the_same_open_file() {
        let (one, mut other) = UnixStream::pair().unwrap();
        let copy = PidFd::open(std::process::id()).unwrap().copy(one.as_raw_fd()).unwrap();
        drop(one);
        other.write_all(b"hola").unwrap();
        let mut text = [0; 4];
        UnixStream::from(copy).read_exact(&mut text).unwrap();
        assert_eq!(&text, b"hola");
    }

    #[test]
    fn a_thread_has_a_handle_of_its_own() {
        let (one, _other) = UnixStream::pair().unwrap();
        let number = one.as_raw_fd();
        // SAFETY: no memory is passed.
        let tid = u32::try_from(unsafe { libc::gettid() }).unwrap();
        match PidFd::of_thread(tid) {
            Ok(thread) => assert!(thread.copy(number).is_ok()),
            Err(error) => assert_eq!(error.raw_os_error(), Some(libc::EINVAL), "before Linux 6.9"),
        }
    }

    #[test]
    fn what_is_not_there_is_told() {
        let none = PidFd::open(std::process::id()).unwrap().copy(-1).unwrap_err();
        assert_eq!(none.raw_os_error(), Some(libc::EBADF));
    }
}
