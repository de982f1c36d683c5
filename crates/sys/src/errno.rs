//! How system calls report failure.

use std::io;

/// Turns the −1 of a system call into the [`io::Error`] of its `errno`. Must be called right after it.
pub(crate) fn check<T: From<i8> + PartialEq>(result: T) -> io::Result<T> {
    if result == T::from(-1) { Err(io::Error::last_os_error()) } else { Ok(result) }
}
