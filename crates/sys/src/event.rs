//! Events: what one thread signals and others wait for.

use crate::win32::check;
use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use std::ptr;
use std::time::Duration;
use windows_sys::Win32::Foundation::{HANDLE, WAIT_FAILED, WAIT_OBJECT_0};
use windows_sys::Win32::System::Threading::{
    CreateEventW, INFINITE, ResetEvent, SetEvent, WaitForMultipleObjects, WaitForSingleObject,
};

/// So many handles can be waited for at once (`MAXIMUM_WAIT_OBJECTS`).
pub const MOST: usize = 64;

/// An event that stays signalled until it is reset.
#[derive(Debug)]
pub struct Event(OwnedHandle);

impl Event {
    /// One that is not signalled.
    pub fn new() -> io::Result<Self> {
        // SAFETY: neither attributes nor a name are given.
        let handle = unsafe { CreateEventW(ptr::null(), 1, 0, ptr::null()) };
        if handle.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the system has just given us this handle, and nobody else has it.
        Ok(Self(unsafe { OwnedHandle::from_raw_handle(handle) }))
    }

    /// Signals it.
    pub fn set(&self) -> io::Result<()> {
        // SAFETY: the handle is open and an event's.
        check(unsafe { SetEvent(self.0.as_raw_handle()) })
    }

    /// Makes it wait to be signalled again.
    pub fn reset(&self) -> io::Result<()> {
        // SAFETY: the handle is open and an event's.
        check(unsafe { ResetEvent(self.0.as_raw_handle()) })
    }
}

impl AsHandle for Event {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.0.as_handle()
    }
}

/// Whether it is signalled now. It is not reset by that.
pub fn is_set(event: BorrowedHandle<'_>) -> bool {
    // SAFETY: the handle is open, for it is borrowed.
    unsafe { WaitForSingleObject(event.as_raw_handle(), 0) == WAIT_OBJECT_0 }
}

/// Waits until one of them is signalled or `timeout` is over (`None`: for ever). None may be there twice, and at most
/// [`MOST`] of them.
///
/// The time is not rounded down. What the system cannot hold (49 days) is its maximum.
pub fn wait(events: &[BorrowedHandle<'_>], timeout: Option<Duration>) -> io::Result<()> {
    let handles: Vec<HANDLE> = events.iter().map(AsRawHandle::as_raw_handle).collect();
    let milliseconds = timeout.map_or(INFINITE, |timeout| {
        let whole = timeout.as_nanos().div_ceil(1_000_000);
        u32::try_from(whole).unwrap_or(INFINITE).min(INFINITE - 1)
    });
    if handles.is_empty() {
        match timeout {
            Some(_) => std::thread::sleep(Duration::from_millis(milliseconds.into())),
            None => return Err(io::ErrorKind::InvalidInput.into()),
        }
        return Ok(());
    }
    if handles.len() > MOST {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let count = u32::try_from(handles.len()).unwrap_or(0);
    // SAFETY: the pointer is to so many handles, which are open, for they are borrowed.
    let woken = unsafe { WaitForMultipleObjects(count, handles.as_ptr(), 0, milliseconds) };
    if woken == WAIT_FAILED { Err(io::Error::last_os_error()) } else { Ok(()) }
}
