//! Socket options and requests on a descriptor that neither std nor socket2 know.

use crate::errno::check;
use std::ffi::c_int;
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

/// Plain old data that the kernel may fill in: any bytes, all zeros among them, are a value.
///
/// # Safety
///
/// Every bit pattern must be valid for the type, and it must have no pointer in it.
pub(crate) unsafe trait Plain: Copy {}

// SAFETY: every bit pattern is an integer.
unsafe impl Plain for c_int {}

/// `getsockopt(2)`: the value, and how many of its bytes the kernel wrote (the others are zero).
pub(crate) fn option<T: Plain>(fd: BorrowedFd<'_>, level: c_int, name: c_int) -> io::Result<(T, usize)> {
    // SAFETY: `Plain` promises that all zeros are a value.
    let mut value: T = unsafe { mem::zeroed() };
    let mut length = libc::socklen_t::try_from(mem::size_of::<T>()).unwrap_or(0);
    // SAFETY: the pointers are to live values, and `length` is the size of the first.
    check(unsafe {
        libc::getsockopt(fd.as_raw_fd(), level, name, (&raw mut value).cast(), &raw mut length)
    })?;
    Ok((value, length as usize))
}

/// `setsockopt(2)` with an integer.
pub(crate) fn set_option(fd: BorrowedFd<'_>, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    set_value(fd, level, name, &value)
}

/// `setsockopt(2)` with any plain value.
pub(crate) fn set_value<T: Plain>(
    fd: BorrowedFd<'_>,
    level: c_int,
    name: c_int,
    value: &T,
) -> io::Result<()> {
    let length = libc::socklen_t::try_from(mem::size_of::<T>()).unwrap_or(0);
    // SAFETY: the pointer is to a live value of `length` bytes, which the kernel only reads.
    check(unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, ptr::from_ref(value).cast(), length) })?;
    Ok(())
}

/// `ioctl(2)` with a request that writes one integer.
pub(crate) fn request(fd: BorrowedFd<'_>, request: libc::Ioctl) -> io::Result<c_int> {
    let mut value: c_int = 0;
    // SAFETY: the requests used in this crate write one `c_int`, to a live one.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), request, &raw mut value) })?;
    Ok(value)
}

/// `fcntl(2)` with a request that sets flags.
pub(crate) fn set_flags(fd: BorrowedFd<'_>, request: c_int, flags: c_int) -> io::Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), request, flags) })?;
    Ok(())
}
