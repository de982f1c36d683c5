//! Job objects: programs that end with this one.

use crate::win32::check;
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr;
use std::sync::OnceLock;
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectExtendedLimitInformation, SetInformationJobObject,
};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

/// The job of this process. The system closes it with the process, and that ends all others in it.
static JOB: OnceLock<OwnedHandle> = OnceLock::new();

/// Lets every program that this process starts from now on end with it, whatever ends it.
pub fn end_children_with_us() -> io::Result<()> {
    if JOB.get().is_some() {
        return Ok(());
    }
    // SAFETY: neither attributes nor a name are given.
    let handle = unsafe { CreateJobObjectW(ptr::null(), ptr::null()) };
    if handle.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the system has just given us this handle, and nobody else has it.
    let job = unsafe { OwnedHandle::from_raw_handle(handle) };
    let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    let size = u32::try_from(size_of_val(&limits)).unwrap_or(0);
    let class = JobObjectExtendedLimitInformation;
    // SAFETY: the pointer is to a live value of that size, which is only read.
    check(unsafe { SetInformationJobObject(job.as_raw_handle(), class, (&raw const limits).cast(), size) })?;
    // Programs are in the job of the process that starts them; so it must be in it itself.
    // SAFETY: both handles are open; the second is one that stands for this process and needs no closing.
    check(unsafe { AssignProcessToJobObject(job.as_raw_handle(), GetCurrentProcess()) })?;
    // Another thread may have been faster: then both jobs hold the process.
    std::mem::forget(JOB.set(job));
    Ok(())
}
