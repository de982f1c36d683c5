//! `timer_create(2)`: a signal at regular times that ends the call in which a thread waits, for calls that have no time limit of
//! their own (`waitpid`).
//!
//! A tick between two calls ends none. So what a tick is for is late by one more of them at most, and never left undone.

use crate::errno::check;
use std::ffi::c_int;
use std::io;
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Nothing is lost if it comes from elsewhere: it is ignored unless somebody asks for it (signal(7)).
const SIGNAL: c_int = libc::SIGURG;

static TICKED: AtomicBool = AtomicBool::new(false);

extern "C" fn note(_: c_int) {
    TICKED.store(true, Ordering::Relaxed);
}

/// Ticks for the thread that made them. There is one such clock in a process.
#[derive(Debug)]
pub struct Ticks {
    /// A pointer, to the kernel only a number: it keeps this value in its thread.
    timer: libc::timer_t,
    runs: bool,
}

impl Ticks {
    /// A clock that stands still.
    pub fn new() -> io::Result<Self> {
        // SAFETY: all zeros are a `sigaction`: integers and null pointers, an empty set of signals, and no `SA_RESTART`.
        let mut action: libc::sigaction = unsafe { mem::zeroed() };
        action.sa_sigaction = note as extern "C" fn(c_int) as libc::sighandler_t;
        // SAFETY: the action is live; its handler only writes an atomic value.
        check(unsafe { libc::sigaction(SIGNAL, &raw const action, ptr::null_mut()) })?;
        // SAFETY: all zeros are a `sigevent`: integers and a null pointer.
        let mut event: libc::sigevent = unsafe { mem::zeroed() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = SIGNAL;
        // SAFETY: no memory is passed.
        event.sigev_notify_thread_id = unsafe { libc::gettid() };
        let mut timer: libc::timer_t = ptr::null_mut();
        // SAFETY: both are live.
        check(unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer) })?;
        Ok(Self { timer, runs: false })
    }

    /// Lets it tick from now on, so often.
    pub fn start(&mut self, every: Duration) -> io::Result<()> {
        TICKED.store(false, Ordering::Relaxed);
        self.set(every)?;
        self.runs = true;
        Ok(())
    }

    /// Lets it stand still.
    pub fn stop(&mut self) -> io::Result<()> {
        self.set(Duration::ZERO)?;
        self.runs = false;
        Ok(())
    }

    /// Whether it ticks.
    pub const fn runs(&self) -> bool {
        self.runs
    }

    /// Whether it has ticked since this was asked last.
    pub fn take(&self) -> bool {
        // Most often it has not: reading alone costs nothing.
        TICKED.load(Ordering::Relaxed) && TICKED.swap(false, Ordering::Relaxed)
    }

    fn set(&self, every: Duration) -> io::Result<()> {
        let every = libc::timespec {
            tv_sec: libc::time_t::try_from(every.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: every.subsec_nanos().into(),
        };
        let times = libc::itimerspec { it_interval: every, it_value: every };
        // SAFETY: the timer is ours, the times are live, and the old ones are not asked for.
        check(unsafe { libc::timer_settime(self.timer, 0, &raw const times, ptr::null_mut()) })?;
        Ok(())
    }
}

impl Drop for Ticks {
    fn drop(&mut self) {
        // SAFETY: the timer is ours, and nobody uses it after this.
        unsafe { libc::timer_delete(self.timer) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn a_tick_ends_a_wait_that_nothing_else_would_end() {
        let mut ticks = Ticks::new().unwrap();
        assert!(!ticks.runs() && !ticks.take());
        ticks.start(Duration::from_millis(1)).unwrap();
        let (mut reader, writer) = io::pipe().unwrap();
        for _ in 0..3 {
            assert_eq!(reader.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::Interrupted);
            assert!(ticks.take());
        }
        ticks.stop().unwrap();
        assert!(!ticks.runs());
        drop(writer);
        assert_eq!(reader.read(&mut [0]).unwrap(), 0);
    }
}
