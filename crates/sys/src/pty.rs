//! pty(7): a terminal for a program, whose other end is ours.

use crate::errno::check;
use crate::fd;
use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::ptr;

/// A pair of pseudo-terminals (pty(7)): ours, which does not block, and the program's.
pub fn terminal(columns: u16, rows: u16) -> io::Result<(OwnedFd, OwnedFd)> {
    let (mut ours, mut theirs) = (0, 0);
    let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the integers and the size are live; no name and no modes are asked for.
    check(unsafe {
        libc::openpty(&raw mut ours, &raw mut theirs, ptr::null_mut(), ptr::null(), &raw const size)
    })?;
    // SAFETY: the kernel has just given us these descriptors, and nobody else has them.
    let pair = [ours, theirs].map(|raw| unsafe { OwnedFd::from_raw_fd(raw) });
    for end in &pair {
        fd::set_flags(end.as_fd(), libc::F_SETFD, libc::FD_CLOEXEC)?;
    }
    set_nonblocking(&pair[0])?;
    Ok(pair.into())
}

/// Makes reads of the open file fail with [`io::ErrorKind::WouldBlock`] where they would wait.
pub fn set_nonblocking(file: &impl AsFd) -> io::Result<()> {
    fd::set_flags(file.as_fd(), libc::F_SETFL, libc::O_NONBLOCK)
}
