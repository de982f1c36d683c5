//! The registers from which the stack of a stopped thread is unwound.

use super::request;
use std::ffi::c_void;
use std::io;
use std::{mem, ptr};

/// Where a stopped thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registers {
    /// The instruction that comes next.
    pub instruction: u64,
    /// The stack pointer.
    pub stack: u64,
    /// The frame pointer, where code keeps one: `rbp`, `x29`.
    pub frame: u64,
    /// Where the innermost function returns to, where that is a register: `x30`.
    pub link: Option<u64>,
}

/// Reads them. Fails with `ESRCH` where the thread is not stopped.
pub fn registers(tid: u32) -> io::Result<Registers> {
    const NT_PRSTATUS: usize = 1;
    // SAFETY: all zeros are registers: integers.
    let mut all: libc::user_regs_struct = unsafe { mem::zeroed() };
    let mut place = libc::iovec { iov_base: ptr::from_mut(&mut all).cast(), iov_len: mem::size_of_val(&all) };
    let kind = NT_PRSTATUS as *mut c_void;
    request(libc::PTRACE_GETREGSET, tid, kind, (&raw mut place).cast())?;
    Ok(told(&all))
}

#[cfg(target_arch = "x86_64")]
const fn told(all: &libc::user_regs_struct) -> Registers {
    Registers { instruction: all.rip, stack: all.rsp, frame: all.rbp, link: None }
}

#[cfg(target_arch = "aarch64")]
const fn told(all: &libc::user_regs_struct) -> Registers {
    let [.., frame, link] = all.regs;
    Registers { instruction: all.pc, stack: all.sp, frame, link: Some(link) }
}
