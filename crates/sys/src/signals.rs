//! Signals as bytes in a socket, so that they can be waited on (signal-hook does the delicate part).
//!
//! A process has one handler a signal, but may have several [`SignalPipe`]s: each gets every signal. While
//! there is none for a signal that one was made for, the signal does what it does by default.

use std::ffi::c_int;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use signal_hook::SigId;
use signal_hook::consts::FORBIDDEN;
use signal_hook::low_level;

/// The largest signal number of Linux (signal(7)), plus one.
const SIGNALS: usize = 65;

/// How many pipes listen to each signal.
static LISTENERS: [AtomicUsize; SIGNALS] = [const { AtomicUsize::new(0) }; SIGNALS];

/// Which signals have the action that emulates the default while nobody listens.
static DEFAULTS: Mutex<[bool; SIGNALS]> = Mutex::new([false; SIGNALS]);

/// One byte for each signal that arrived, in a socket that can be waited on.
#[derive(Debug)]
pub struct SignalPipe {
    reader: UnixStream,
    registered: Vec<(c_int, SigId)>,
}

/// From now on a write that would make a file larger than the process may (`ulimit -f`) fails with `EFBIG`, instead of ending the process
/// by SIGXFSZ: it can be told then (setrlimit(2)).
pub fn fail_past_file_size() {
    // SAFETY: no handler of ours is named. Nothing else can be wrong with a signal that can be ignored.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

impl SignalPipe {
    /// Catches `signals` from now until the pipe is dropped. Fails for those that cannot be caught or that
    /// the program's own faults raise ([`io::ErrorKind::InvalidInput`]), and without descriptors.
    pub fn new(signals: &[c_int]) -> io::Result<Self> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        let mut pipe = Self { reader, registered: Vec::new() };
        for &signal in signals {
            // signal-hook panics at these.
            if FORBIDDEN.contains(&signal) {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            let listeners = listeners(signal).ok_or(io::ErrorKind::InvalidInput)?;
            emulate_default_without_listeners(signal)?;
            // signal-hook writes with MSG_DONTWAIT: a full pipe loses signals and never blocks the handler.
            let id = low_level::pipe::register(signal, writer.try_clone()?)?;
            listeners.fetch_add(1, Ordering::SeqCst);
            pipe.registered.push((signal, id));
        }
        Ok(pipe)
    }

    /// How many signals arrived since the last call. Never blocks.
    pub fn take(&self) -> usize {
        let mut bytes = [0; 64];
        let mut taken = 0;
        // Anything but bytes is "nothing there": the other end lives in the handler, so no end of stream.
        while let Ok(count @ 1..) = (&self.reader).read(&mut bytes) {
            taken += count;
        }
        taken
    }
}

impl Drop for SignalPipe {
    fn drop(&mut self) {
        for &(signal, id) in &self.registered {
            if let Some(listeners) = listeners(signal) {
                listeners.fetch_sub(1, Ordering::SeqCst);
            }
            low_level::unregister(id);
        }
    }
}

impl AsFd for SignalPipe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

fn listeners(signal: c_int) -> Option<&'static AtomicUsize> {
    LISTENERS.get(usize::try_from(signal).ok()?)
}

/// signal-hook leaves its handler in place when the last action is unregistered, and the signal then does
/// nothing at all. So the first action of each signal is one that stays and does what the default does.
fn emulate_default_without_listeners(signal: c_int) -> io::Result<()> {
    let Some(listeners) = listeners(signal) else { return Err(io::ErrorKind::InvalidInput.into()) };
    let mut defaults = DEFAULTS.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(installed) = usize::try_from(signal).ok().and_then(|index| defaults.get_mut(index)) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    if *installed {
        return Ok(());
    }
    let action = move || {
        if listeners.load(Ordering::SeqCst) == 0 {
            // It fails only for signals that cannot be caught, and this one was.
            let _ = low_level::emulate_default_handler(signal);
        }
    };
    // SAFETY: the action reads an atomic and calls a function documented as async-signal-safe; it cannot
    // panic.
    unsafe { low_level::register(signal, action) }?;
    *installed = true;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::env;
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, Stdio};

    const CHILD: &str = "ENCHUFE_SYS_TEST_RAISE";

    #[test]
    fn every_pipe_gets_every_signal_until_it_is_dropped() {
        let first = SignalPipe::new(&[libc::SIGUSR1]).unwrap();
        let second = SignalPipe::new(&[libc::SIGUSR1]).unwrap();
        low_level::raise(libc::SIGUSR1).unwrap();
        assert_eq!((first.take(), first.take(), second.take()), (1, 0, 1));
        drop(first);
        low_level::raise(libc::SIGUSR1).unwrap();
        assert_eq!(second.take(), 1);
    }

    #[test]
    fn what_cannot_be_caught_is_refused() {
        for signal in [libc::SIGKILL, libc::SIGSEGV, 0, -1, 1000] {
            assert!(SignalPipe::new(&[signal]).is_err(), "{signal}");
        }
    }

    #[test]
    fn after_the_last_pipe_the_signal_ends_the_process_again() {
        let (_, module) = module_path!().split_once("::").unwrap();
        let name = format!("{module}::after_the_last_pipe_the_signal_ends_the_process_again");
        if env::var_os(CHILD).is_some() {
            drop(SignalPipe::new(&[libc::SIGTERM]).unwrap());
            drop(SignalPipe::new(&[libc::SIGTERM]).unwrap());
            low_level::raise(libc::SIGTERM).unwrap();
            return;
        }
        let status = Command::new(env::current_exe().unwrap())
            .args(["--exact", &name])
            .env(CHILD, "1")
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert_eq!(status.signal(), Some(libc::SIGTERM));
    }
}
