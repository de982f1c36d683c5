//! What neither std nor socket2 has of Winsock.

use std::io;
use std::os::windows::io::{AsRawSocket, AsSocket, BorrowedSocket, RawSocket};
use std::ptr;
use windows_sys::Win32::Networking::WinSock::{
    SIO_BASE_HANDLE, SO_EXCLUSIVEADDRUSE, SOCKET, SOL_SOCKET, WSADATA, WSAIoctl, WSAStartup, setsockopt,
};

/// Starts Winsock and tells the version that this process has of it, as `(2, 2)`. It is not ended again: Windows does
/// that with the process.
pub fn start() -> io::Result<(u8, u8)> {
    let mut data = WSADATA::default();
    // SAFETY: the pointer is to a live value that the call fills in.
    match unsafe { WSAStartup(0x0202, &raw mut data) } {
        0 => {
            let [major, minor] = data.wVersion.to_le_bytes();
            Ok((major, minor))
        }
        // It says so itself, for `WSAGetLastError` cannot before this.
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// `SO_EXCLUSIVEADDRUSE`: nobody else may bind the address while this socket has it, not even with `SO_REUSEADDR`.
pub fn claim_address(socket: &impl AsSocket) -> io::Result<()> {
    let on = 1_u32.to_ne_bytes();
    let length = i32::try_from(on.len()).unwrap_or(0);
    let raw = raw(socket.as_socket());
    // SAFETY: the pointer is to so many live bytes, which are only read: a BOOL.
    match unsafe { setsockopt(raw, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, on.as_ptr(), length) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The handle that the driver knows, where other software has put its own in front of it (a layered service
/// provider); the socket's own where that is not told.
pub fn base(socket: BorrowedSocket<'_>) -> RawSocket {
    let (mut base, mut bytes): (SOCKET, u32) = (0, 0);
    let length = u32::try_from(size_of::<SOCKET>()).unwrap_or(0);
    // SAFETY: the pointers are to live values, the first of that size; nothing is read and no operation overlaps.
    let failed = unsafe {
        WSAIoctl(
            raw(socket),
            SIO_BASE_HANDLE,
            ptr::null(),
            0,
            (&raw mut base).cast(),
            length,
            &raw mut bytes,
            ptr::null_mut(),
            None,
        )
    };
    if failed == 0 && bytes == length { base as RawSocket } else { socket.as_raw_socket() }
}

fn raw(socket: BorrowedSocket<'_>) -> SOCKET {
    // The same number, which two crates give different types. What does not fit is no socket: `INVALID_SOCKET`.
    SOCKET::try_from(socket.as_raw_socket()).unwrap_or(SOCKET::MAX)
}
