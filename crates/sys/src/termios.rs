//! The mode of a terminal (termios(3)).

use crate::errno;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};

/// A terminal's mode as it was.
#[derive(Clone, Copy)]
pub struct Mode(libc::termios);

impl std::fmt::Debug for Mode {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Mode").field("local", &self.0.c_lflag).finish_non_exhaustive()
    }
}

/// Reads the mode. Fails with `ENOTTY` where there is no terminal.
pub fn mode(terminal: &impl AsFd) -> io::Result<Mode> {
    let mut termios = MaybeUninit::uninit();
    // SAFETY: the pointer is to room for one termios, and the descriptor is borrowed for the call.
    errno::check(unsafe { libc::tcgetattr(terminal.as_fd().as_raw_fd(), termios.as_mut_ptr()) })?;
    // SAFETY: tcgetattr succeeded and so has filled it.
    Ok(Mode(unsafe { termios.assume_init() }))
}

/// Sets the mode, at once.
pub fn set_mode(terminal: &impl AsFd, mode: &Mode) -> io::Result<()> {
    // SAFETY: the pointer is to a whole termios, and the descriptor is borrowed for the call.
    errno::check(unsafe { libc::tcsetattr(terminal.as_fd().as_raw_fd(), libc::TCSANOW, &raw const mode.0) })?;
    Ok(())
}
