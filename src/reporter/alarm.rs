//! A time at which something is to be said though nothing happens then.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The earliest of the times that were set. They count from the beginning of who sets them.
#[derive(Debug, Default)]
pub struct Alarm {
    at: Mutex<Option<Duration>>,
    changed: Condvar,
}

impl Alarm {
    /// Goes off at this time, or before where an earlier one is set.
    pub fn set(&self, at: Duration) {
        let mut known = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_none_or(|known| at < known) {
            *known = Some(at);
            self.changed.notify_all();
        }
    }

    /// Waits until it goes off.
    pub fn wait(&self, begun: Instant) {
        let mut known = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            known = match known.map(|at| at.saturating_sub(begun.elapsed())) {
                Some(Duration::ZERO) => {
                    *known = None;
                    return;
                }
                Some(left) => {
                    self.changed.wait_timeout(known, left).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(known).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}
