//! Waiting on sockets: the request of Winsock's driver that `select` and `WSAPoll` are made of.
//!
//! Neither of those two is enough here. `WSAPoll` tells of a peer's FIN also where nobody asked, so that a sender
//! whose peer has half-closed would spin, and before Windows 10 2004 it did not tell of a refused `connect`; `select`
//! does not tell of a reset. The request itself does what poll(2) does, and completes as any overlapped operation: it
//! can be waited for beside events. Its numbers are in no header of the Windows SDK, but have been the same since
//! Windows Vista; libuv, wepoll and mio use them in the same way
//! (<https://github.com/piscisaureus/wepoll/blob/dist/wepoll.c>, `IOCTL_AFD_POLL`).

use crate::win32::check;
use std::io;
use std::os::windows::io::{AsRawHandle, BorrowedHandle, RawSocket};
use std::ptr;
use windows_sys::Win32::Foundation::{ERROR_IO_PENDING, ERROR_OPERATION_ABORTED, HANDLE};
use windows_sys::Win32::System::IO::{CancelIoEx, DeviceIoControl, GetOverlappedResult, OVERLAPPED};

/// There are bytes to read.
pub const RECEIVE: u32 = 0x01;
/// There is room to write; for a `connect`: it is done.
pub const SEND: u32 = 0x04;
/// The peer's FIN came.
pub const DISCONNECT: u32 = 0x08;
/// The connection was reset or given up.
pub const ABORT: u32 = 0x10;
/// The socket was closed by this process.
pub const LOCAL_CLOSE: u32 = 0x20;
/// Somebody waits to be accepted.
pub const ACCEPT: u32 = 0x80;
/// A `connect` failed.
pub const CONNECT_FAIL: u32 = 0x100;

/// `IOCTL_AFD_POLL`
const POLL: u32 = 0x0001_2024;

// What follows lays out `AFD_POLL_INFO` as 64-bit Windows has it.
const _: () = assert!(size_of::<HANDLE>() == 8);

/// Words before the first socket: the time (here without limit), then the number of sockets and a flag.
const HEAD: usize = 2;
/// Words of a socket: its handle, then the events and a status.
const ENTRY: usize = 2;
const NO_LIMIT: u64 = i64::MAX as u64;

/// A question under way: what of these sockets is so already, or when one of it comes true.
///
/// Memory that the kernel may write to is in boxes, which live until the operation is over.
pub struct Polling<'a> {
    /// Any of the sockets takes the question.
    asked: HANDLE,
    event: BorrowedHandle<'a>,
    overlapped: Box<OVERLAPPED>,
    words: Box<[u64]>,
    is_pending: bool,
}

impl std::fmt::Debug for Polling<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Polling").field("is_pending", &self.is_pending).finish_non_exhaustive()
    }
}

impl<'a> Polling<'a> {
    /// Asks for these events of these sockets (their base handles, see
    /// [`winsock::base`](crate::winsock::base)), which must stay open meanwhile. `event` is signalled when there is
    /// an answer; nobody else may use it. Fails with no sockets at all.
    pub fn begin(sockets: &[(RawSocket, u32)], event: BorrowedHandle<'a>) -> io::Result<Self> {
        let Some((first, _)) = sockets.first() else { return Err(io::ErrorKind::InvalidInput.into()) };
        let mut words = vec![NO_LIMIT, sockets.len() as u64];
        words.extend(sockets.iter().flat_map(|(socket, events)| [*socket, u64::from(*events)]));
        let mut polling = Self {
            asked: *first as HANDLE,
            event,
            overlapped: Box::new(OVERLAPPED { hEvent: event.as_raw_handle(), ..OVERLAPPED::default() }),
            words: words.into_boxed_slice(),
            is_pending: false,
        };
        polling.ask()?;
        Ok(polling)
    }

    fn ask(&mut self) -> io::Result<()> {
        let size = u32::try_from(size_of_val(&*self.words)).map_err(|_| io::ErrorKind::InvalidInput)?;
        let words = self.words.as_mut_ptr();
        // SAFETY: both buffers are the words, of that size; they and the overlapped structure are in boxes, which
        // live until `finish` or the drop has seen the end of the operation.
        let done = check(unsafe {
            DeviceIoControl(
                self.asked,
                POLL,
                words.cast(),
                size,
                words.cast(),
                size,
                ptr::null_mut(),
                &raw mut *self.overlapped,
            )
        });
        match done {
            Err(error) if error.raw_os_error() == Some(ERROR_IO_PENDING.cast_signed()) => {
                self.is_pending = true;
                Ok(())
            }
            done => done,
        }
    }

    /// What is signalled when there is an answer; nothing where there is one already.
    pub fn pending(&self) -> Option<BorrowedHandle<'a>> {
        self.is_pending.then_some(self.event)
    }

    /// Ends the question. What was found, by socket; nothing where nothing has come true.
    pub fn finish(mut self) -> io::Result<Vec<(RawSocket, u32)>> {
        if !self.end()? {
            return Ok(Vec::new());
        }
        let count = self.words.get(1).map_or(0, |word| word & u64::from(u32::MAX));
        let count = usize::try_from(count).unwrap_or(0);
        let entries = self.words.get(HEAD..).unwrap_or_default().chunks_exact(ENTRY).take(count);
        let found = entries.filter_map(|entry| match entry {
            // The upper half is the status.
            [socket, events] => Some((*socket, u32::try_from(events & u64::from(u32::MAX)).unwrap_or(0))),
            _ => None,
        });
        Ok(found.collect())
    }

    /// Ends the operation; whether it has given an answer.
    fn end(&mut self) -> io::Result<bool> {
        if !std::mem::take(&mut self.is_pending) {
            return Ok(true);
        }
        // It fails where the operation is over already.
        // SAFETY: the handle is a socket's, which is open, and the structure is that of the operation.
        let _ = unsafe { CancelIoEx(self.asked, &raw const *self.overlapped) };
        let mut bytes = 0;
        // SAFETY: as above. It returns when the kernel has done with both boxes.
        match check(unsafe {
            GetOverlappedResult(self.asked, &raw const *self.overlapped, &raw mut bytes, 1)
        }) {
            Err(error) if error.raw_os_error() == Some(ERROR_OPERATION_ABORTED.cast_signed()) => Ok(false),
            result => result.map(|()| true),
        }
    }
}

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        // Whatever is said, the operation is over then.
        let _ = self.end();
    }
}
