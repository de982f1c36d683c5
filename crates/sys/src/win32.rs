//! How calls of Windows report failure.

use std::io;
use windows_sys::core::BOOL;

/// Turns the `FALSE` of a call into the [`io::Error`] of `GetLastError`. Must be called right after it.
pub(crate) fn check(result: BOOL) -> io::Result<()> {
    if result == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
