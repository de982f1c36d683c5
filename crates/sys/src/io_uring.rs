//! `io_uring(7)`: whether this kernel, and who may use it, has it.

use crate::errno::check;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

/// The size of `struct io_uring_params`, in bytes.
const PARAMETERS: usize = 120;

/// Makes a ring of one entry and closes it again.
///
/// Fails with `ENOSYS` where the kernel has none, with `EPERM` where the system forbids it to this user
/// (`kernel.io_uring_disabled`) or a filter does.
pub fn probe() -> io::Result<()> {
    let mut parameters = [0_u8; PARAMETERS];
    // SAFETY: the parameters are live, zero, and as long as the kernel's structure.
    let raw = check(unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, parameters.as_mut_ptr()) })?;
    let raw = i32::try_from(raw).map_err(io::Error::other)?;
    // SAFETY: the kernel has just given us this descriptor, and nobody else has it.
    drop(unsafe { OwnedFd::from_raw_fd(raw) });
    Ok(())
}
