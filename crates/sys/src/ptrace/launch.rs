//! fork(2) and execve(2) of a program that is traced from its first instruction.

use super::{Filter, seize};
use crate::errno::check;
use std::ffi::{CString, c_char, c_int};
use std::io::{self, Read};
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

/// What to run.
#[derive(Debug)]
pub struct Launch<'l> {
    /// The file.
    pub file: &'l CString,
    /// Its arguments, the name by which it is called among them.
    pub arguments: &'l [CString],
    /// Its environment, `NAME=VALUE`.
    pub environment: &'l [CString],
    /// What becomes its descriptors 0, 1 and 2.
    pub stdio: [BorrowedFd<'l>; 3],
    /// Which session it is in.
    pub session: Session,
    /// The folder that it begins in; none: ours.
    pub folder: Option<BorrowedFd<'l>>,
    /// Where it is to stop.
    pub filter: &'l Filter,
}

/// The session of a program (setsid(2)), by which a terminal sends it signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Session {
    /// That of who launches it.
    Shared,
    /// One of its own, without a terminal.
    Own,
    /// One of its own, which its descriptor 0, a terminal, controls.
    Terminal,
}

/// A program that was launched.
#[derive(Debug)]
pub struct Launched {
    /// Its process.
    pub pid: u32,
    failure: OwnedFd,
}

/// Where it went wrong.
#[derive(Debug)]
pub enum LaunchError {
    /// The process may not be traced.
    Trace(io::Error),
    /// It may not have a filter of its calls.
    Filter(io::Error),
    /// It could not be executed, or not be made.
    Execute(io::Error),
}

impl LaunchError {
    /// What the kernel said, wherever it was.
    pub const fn error(&self) -> &io::Error {
        match self {
            Self::Trace(error) | Self::Filter(error) | Self::Execute(error) => error,
        }
    }
}

/// What the process tells of a filter that was refused, beside the error.
const AT_FILTER: u8 = 1;

impl Launched {
    /// Why it could not be executed, once it has ended without.
    pub fn failure(self) -> Option<LaunchError> {
        let mut told = [0; 5];
        let mut pipe = std::fs::File::from(self.failure);
        pipe.read_exact(&mut told).ok()?;
        let [n0, n1, n2, n3, place] = told;
        let error = io::Error::from_raw_os_error(i32::from_ne_bytes([n0, n1, n2, n3]));
        Some(if place == AT_FILTER { LaunchError::Filter(error) } else { LaunchError::Execute(error) })
    }
}

/// Starts the program, traced by the calling thread, which must also be the one that waits for it.
///
/// That the program cannot be executed is told later, by [`Launched::failure`].
pub fn launch(launch: &Launch<'_>) -> Result<Launched, LaunchError> {
    let (failure, tell) = pipe().map_err(LaunchError::Execute)?;
    let (wait, go) = pipe().map_err(LaunchError::Execute)?;
    let arguments = pointers(launch.arguments);
    let environment = pointers(launch.environment);
    // SAFETY: the child only makes system calls until it executes the program or ends (signal-safety(7)); all that it needs
    // was allocated before.
    let pid = check(unsafe { libc::fork() }).map_err(LaunchError::Execute)?;
    if pid == 0 {
        drop(go);
        let (error, place) = run(launch, &wait, &arguments, &environment);
        let [n0, n1, n2, n3] = error.raw_os_error().unwrap_or(libc::EINVAL).to_ne_bytes();
        let told = [n0, n1, n2, n3, place];
        // SAFETY: the pointer is to live memory of that length; `_exit` runs nothing of ours.
        unsafe {
            libc::write(tell.as_raw_fd(), told.as_ptr().cast(), told.len());
            libc::_exit(127);
        }
    }
    let number = u32::try_from(pid).unwrap_or_default();
    if let Err(error) = seize(number) {
        // Nothing was written to it: it ends by itself when `go` is closed.
        drop(go);
        // SAFETY: no memory is passed.
        unsafe { libc::waitpid(pid, ptr::null_mut(), 0) };
        return Err(LaunchError::Trace(error));
    }
    // SAFETY: the pointer is to live memory of that length.
    let written = check(unsafe { libc::write(go.as_raw_fd(), [1_u8].as_ptr().cast(), 1) });
    written.map_err(LaunchError::Execute)?;
    Ok(Launched { pid: number, failure })
}

/// What the child does; gives why it could not, and where that was.
fn run(
    launch: &Launch<'_>,
    wait: &OwnedFd,
    arguments: &[*const c_char],
    environment: &[*const c_char],
) -> (io::Error, u8) {
    let prepare = || {
        let mut byte = 0_u8;
        // SAFETY: the pointer is to one live byte.
        let count = check(unsafe { libc::read(wait.as_raw_fd(), (&raw mut byte).cast(), 1) })?;
        if count == 0 {
            return Err(io::Error::from_raw_os_error(libc::EPERM));
        }
        default_signals()?;
        if let Some(folder) = launch.folder {
            // SAFETY: no memory is passed.
            check(unsafe { libc::fchdir(folder.as_raw_fd()) })?;
        }
        if launch.session != Session::Shared {
            // SAFETY: no memory is passed.
            check(unsafe { libc::setsid() })?;
        }
        stdio(launch.stdio)?;
        if launch.session == Session::Terminal {
            // SAFETY: no memory is passed.
            check(unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) })?;
        }
        Ok(())
    };
    if let Err(error) = prepare() {
        return (error, 0);
    }
    if let Err(error) = launch.filter.apply() {
        return (error, AT_FILTER);
    }
    // SAFETY: all three are live, and the lists end with null.
    unsafe { libc::execve(launch.file.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    (io::Error::last_os_error(), 0)
}

/// No signal held back, and none ignored: what std and we have set for ourselves is not the program's.
fn default_signals() -> io::Result<()> {
    // SAFETY: the set is initialised before it is used; the action is the default one.
    unsafe {
        let mut none = mem::zeroed();
        libc::sigemptyset(&raw mut none);
        check(libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut()))?;
        for ours in [libc::SIGPIPE, libc::SIGXFSZ] {
            libc::signal(ours, libc::SIG_DFL);
        }
    }
    Ok(())
}

fn stdio(wanted: [BorrowedFd<'_>; 3]) -> io::Result<()> {
    // Away from 0 to 2 first, so that none is overwritten before it was copied.
    let mut high = [0; 3];
    for (to, from) in high.iter_mut().zip(wanted) {
        // SAFETY: no memory is passed.
        *to = check(unsafe { libc::fcntl(from.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 3) })?;
    }
    for (to, from) in (0..).zip(high) {
        // SAFETY: no memory is passed.
        check(unsafe { libc::dup2(from, to) })?;
    }
    Ok(())
}

fn pointers(texts: &[CString]) -> Vec<*const c_char> {
    texts.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect()
}

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends: [c_int; 2] = [0; 2];
    // SAFETY: the pointer is to two live integers.
    check(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) })?;
    // SAFETY: the kernel has just given us these descriptors, and nobody else has them.
    Ok(ends.map(|raw| unsafe { OwnedFd::from_raw_fd(raw) }).into())
}
