//! ptrace(2) of programs that a seccomp filter stops: what stops a thread, as types, and how it goes on.
//!
//! All of it is for the one thread that [launched](launch()) the programs: the kernel answers no other.

mod launch;
mod registers;
mod seccomp;

pub use launch::{Launch, LaunchError, Launched, Session, launch};
pub use registers::{Registers, registers};
pub use seccomp::{Filter, NATIVE};

use crate::errno::check;
use std::ffi::{c_int, c_void};
use std::io;
use std::mem;
use std::ptr;

/// What a thread that stopped, or ended, has to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It is about to make a call that its filter stops it at.
    Entering(Entry),
    /// It has made the call that it went on [to the end of](How::ToTheEnd).
    Left(Result<i64, i32>),
    /// Its process executes another program; it was the thread of this number before, which is gone.
    Executed {
        /// The number before.
        former: u32,
    },
    /// It made a process or thread, which is traced, too.
    Made {
        /// The number of that.
        child: u32,
    },
    /// It begins to run, as one that was made.
    Began,
    /// It is about to end; what it has is still there. The status is as of waitpid(2).
    Ending(Status),
    /// Its process is stopped by this signal, as by job control.
    Stopped(i32),
    /// This signal is about to be delivered to it.
    Signal(i32),
    /// It has ended.
    Ended(Status),
    /// Something that only passes.
    Other,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// With this status.
    Exited(i32),
    /// By this signal.
    Killed(i32),
}

/// A call that is about to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `AUDIT_ARCH_…`: which calls the number is one of.
    pub architecture: u32,
    /// Its number.
    pub number: u64,
    /// Its arguments, as they stand in the registers.
    pub arguments: [u64; 6],
    /// The stack pointer.
    pub stack: u64,
}

/// How a thread goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Until something else stops it.
    On,
    /// Until the call that it is in is over, or something else stops it.
    ToTheEnd,
    /// Not at all, until its process is continued.
    Listening,
}

const OPTIONS: c_int = libc::PTRACE_O_TRACESYSGOOD
    | libc::PTRACE_O_TRACESECCOMP
    | libc::PTRACE_O_TRACECLONE
    | libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACEEXEC
    | libc::PTRACE_O_TRACEEXIT
    | libc::PTRACE_O_EXITKILL;

/// Begins to trace the process, and all that it will make. They end when the calling thread does.
fn seize(pid: u32) -> io::Result<()> {
    request(libc::PTRACE_SEIZE, pid, ptr::null_mut(), OPTIONS as usize as *mut c_void)?;
    Ok(())
}

/// What one of the traced threads has to tell, and which; none where none has. Never blocks.
///
/// Fails with `ECHILD` when there is no child any more.
pub fn news() -> io::Result<Option<(u32, News)>> {
    wait(libc::WNOHANG)
}

/// What one of the traced threads has to tell next, and which; none where a signal to the calling thread came first.
///
/// Fails with `ECHILD` when there is no child any more.
pub fn next_news() -> io::Result<Option<(u32, News)>> {
    match wait(0) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
        news => news,
    }
}

fn wait(options: c_int) -> io::Result<Option<(u32, News)>> {
    let mut status: c_int = 0;
    let nothing: *mut c_void = ptr::null_mut();
    // `waitpid` of glibc is a place where a thread can be cancelled, which costs more than a look at the clock, at each stop.
    // SAFETY: the pointer is to a live integer, and what was used is not asked for.
    let tid = check(unsafe {
        libc::syscall(libc::SYS_wait4, -1, &raw mut status, libc::__WALL | options, nothing)
    })?;
    let Ok(tid @ 1..) = u32::try_from(tid) else { return Ok(None) };
    Ok(Some((tid, judge(tid, status))))
}

fn judge(tid: u32, status: c_int) -> News {
    if !libc::WIFSTOPPED(status) {
        return News::Ended(ended(status));
    }
    let signal = libc::WSTOPSIG(status);
    match status >> 16 {
        libc::PTRACE_EVENT_SECCOMP => entry(tid).map_or(News::Other, News::Entering),
        libc::PTRACE_EVENT_EXEC => News::Executed { former: message(tid) },
        libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE => {
            News::Made { child: message(tid) }
        }
        libc::PTRACE_EVENT_EXIT => News::Ending(ended(c_int::try_from(message(tid)).unwrap_or_default())),
        libc::PTRACE_EVENT_STOP if signal == libc::SIGTRAP => News::Began,
        libc::PTRACE_EVENT_STOP => News::Stopped(signal),
        0 if signal == libc::SIGTRAP | 0x80 => left(tid).map_or(News::Other, News::Left),
        0 => News::Signal(signal),
        _ => News::Other,
    }
}

const fn ended(status: c_int) -> Status {
    if libc::WIFSIGNALED(status) {
        Status::Killed(libc::WTERMSIG(status))
    } else {
        Status::Exited(libc::WEXITSTATUS(status))
    }
}

/// Lets a stopped thread go on, with this signal delivered to it if it is not 0.
///
/// Fails with `ESRCH` where it is not stopped any more: it was killed, and will be told to have ended.
pub fn resume(tid: u32, how: How, signal: i32) -> io::Result<()> {
    let kind = match how {
        How::On => libc::PTRACE_CONT,
        How::ToTheEnd => libc::PTRACE_SYSCALL,
        How::Listening => libc::PTRACE_LISTEN,
    };
    let signal = if how == How::Listening { 0 } else { usize::try_from(signal).unwrap_or_default() };
    request(kind, tid, ptr::null_mut(), signal as *mut c_void)?;
    Ok(())
}

/// Sends a process a signal. Fails with `ESRCH` where it is gone.
pub fn signal(pid: u32, signal: i32) -> io::Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::kill(pid.cast_signed(), signal) })?;
    Ok(())
}

/// Reads memory of a stopped process into `out`; gives how much of it could be read, from the beginning.
pub fn read_memory(pid: u32, address: u64, out: &mut [u8]) -> io::Result<usize> {
    let own = libc::iovec { iov_base: out.as_mut_ptr().cast(), iov_len: out.len() };
    let address = usize::try_from(address).map_err(io::Error::other)?;
    let theirs = libc::iovec { iov_base: address as *mut c_void, iov_len: out.len() };
    // SAFETY: the first memory is live and writable; the other is not ours, and the kernel checks it.
    let count = check(unsafe {
        libc::process_vm_readv(pid.cast_signed(), &raw const own, 1, &raw const theirs, 1, 0)
    })?;
    Ok(count.unsigned_abs())
}

/// Reads pieces of memory of a stopped process, addresses and lengths, into `out`, one behind the other; gives how much could be
/// read, from the beginning. At most 1,024 pieces (`IOV_MAX`).
pub fn read_pieces(pid: u32, pieces: &[(u64, usize)], out: &mut [u8]) -> io::Result<usize> {
    let own = libc::iovec { iov_base: out.as_mut_ptr().cast(), iov_len: out.len() };
    let piece = |(address, length): &(u64, usize)| {
        let address = usize::try_from(*address).map_err(io::Error::other)?;
        Ok(libc::iovec { iov_base: address as *mut c_void, iov_len: *length })
    };
    let theirs: Vec<libc::iovec> = pieces.iter().map(piece).collect::<io::Result<_>>()?;
    let number = libc::c_ulong::try_from(theirs.len()).unwrap_or(libc::c_ulong::MAX);
    // SAFETY: the first memory is live and writable, and so many pieces are told of; what they are is not ours, and the
    // kernel checks it.
    let count = check(unsafe {
        libc::process_vm_readv(pid.cast_signed(), &raw const own, 1, theirs.as_ptr(), number, 0)
    })?;
    Ok(count.unsigned_abs())
}

/// Writes a word into memory of a stopped thread, also where it may not write itself.
pub fn write_word(tid: u32, address: u64, word: u64) -> io::Result<()> {
    let address = usize::try_from(address).map_err(io::Error::other)?;
    let word = usize::try_from(word).map_err(io::Error::other)?;
    request(libc::PTRACE_POKEDATA, tid, address as *mut c_void, word as *mut c_void)?;
    Ok(())
}

/// Changes the first argument of the call that a stopped thread is about to make.
#[cfg(target_arch = "x86_64")]
pub fn set_first_argument(tid: u32, word: u64) -> io::Result<()> {
    let register = mem::offset_of!(libc::user_regs_struct, rdi);
    let word = usize::try_from(word).map_err(io::Error::other)?;
    // `struct user` begins with the registers (sys/user.h).
    request(libc::PTRACE_POKEUSER, tid, register as *mut c_void, word as *mut c_void)?;
    Ok(())
}

/// Changes the first argument of the call that a stopped thread is about to make.
#[cfg(target_arch = "aarch64")]
pub fn set_first_argument(tid: u32, word: u64) -> io::Result<()> {
    const NT_PRSTATUS: usize = 1;
    // SAFETY: all zeros are registers: integers.
    let mut registers: libc::user_regs_struct = unsafe { mem::zeroed() };
    let mut place =
        libc::iovec { iov_base: (&raw mut registers).cast(), iov_len: mem::size_of_val(&registers) };
    let kind = NT_PRSTATUS as *mut c_void;
    request(libc::PTRACE_GETREGSET, tid, kind, (&raw mut place).cast())?;
    if let Some(first) = registers.regs.first_mut() {
        *first = word;
    }
    request(libc::PTRACE_SETREGSET, tid, kind, (&raw mut place).cast())?;
    Ok(())
}

/// Puts back what [`set_first_argument`] changed, when the call is over: the register keeps it.
#[cfg(target_arch = "x86_64")]
pub fn put_back_first_argument(tid: u32, word: u64) -> io::Result<()> {
    set_first_argument(tid, word)
}

/// Puts back what [`set_first_argument`] changed: nothing, as the result of the call is in that register.
#[cfg(target_arch = "aarch64")]
pub fn put_back_first_argument(_tid: u32, _word: u64) -> io::Result<()> {
    Ok(())
}

/// `struct ptrace_syscall_info` of `include/uapi/linux/ptrace.h` (Linux 5.3): what all kinds begin with, and the longest.
#[repr(C)]
#[derive(Clone, Copy)]
struct Info {
    kind: u8,
    pad: [u8; 3],
    architecture: u32,
    instruction: u64,
    stack: u64,
    /// Entry: the number; exit: the value.
    first: u64,
    /// Entry: the arguments; exit: whether it failed, in the first byte.
    rest: [u64; 6],
    filter: u32,
    reserved: u32,
}

const EXIT: u8 = 2;
const SECCOMP: u8 = 3;

fn info(tid: u32) -> Option<Info> {
    // SAFETY: all zeros are an `Info`: integers.
    let mut info: Info = unsafe { mem::zeroed() };
    let size = mem::size_of::<Info>();
    request(libc::PTRACE_GET_SYSCALL_INFO, tid, size as *mut c_void, (&raw mut info).cast()).ok()?;
    Some(info)
}

fn entry(tid: u32) -> Option<Entry> {
    let info = info(tid).filter(|info| info.kind == SECCOMP)?;
    Some(Entry {
        architecture: info.architecture,
        number: info.first,
        arguments: info.rest,
        stack: info.stack,
    })
}

fn left(tid: u32) -> Option<Result<i64, i32>> {
    let info = info(tid).filter(|info| info.kind == EXIT)?;
    let value = info.first.cast_signed();
    let failed = info.rest.first().is_some_and(|first| first.to_ne_bytes()[0] != 0);
    Some(if failed { Err(i32::try_from(-value).unwrap_or(libc::EINVAL)) } else { Ok(value) })
}

fn message(tid: u32) -> u32 {
    let mut message: libc::c_ulong = 0;
    let asked = request(libc::PTRACE_GETEVENTMSG, tid, ptr::null_mut(), (&raw mut message).cast());
    asked.ok().and_then(|_| u32::try_from(message).ok()).unwrap_or_default()
}

/// Addresses and data are what the requests of this module take: numbers, or live memory that is large enough.
fn request(
    kind: libc::c_uint,
    tid: u32,
    address: *mut c_void,
    data: *mut c_void,
) -> io::Result<libc::c_long> {
    // SAFETY: see above; the kernel checks whether the thread is ours to trace.
    check(unsafe { libc::ptrace(kind, tid.cast_signed(), address, data) })
}
