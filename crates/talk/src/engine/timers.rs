//! When which connection is to be looked at: one time for each, however many there are.

use std::collections::BTreeSet;
use std::time::Instant;

/// Times that are put off cost nothing: the earlier one stays, and whoever it wakes puts in the new one. So an
/// idle limit that each byte puts off is looked at once in its time.
#[derive(Debug, Default)]
pub(super) struct Timers(BTreeSet<(Instant, usize)>);

/// The time that a connection has in [`Timers`]; it stays with the connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Armed(Option<Instant>);

impl Timers {
    /// `key` is to be looked at no later than `at`.
    pub(super) fn arm(&mut self, key: usize, armed: &mut Armed, at: Option<Instant>) {
        let Some(at) = at.filter(|at| armed.0.is_none_or(|before| *at < before)) else { return };
        self.disarm(key, armed);
        self.0.insert((at, key));
        armed.0 = Some(at);
    }

    /// `key` is gone.
    pub(super) fn disarm(&mut self, key: usize, armed: &mut Armed) {
        if let Some(before) = armed.0.take() {
            self.0.remove(&(before, key));
        }
    }

    /// The earliest time there is.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.first().map(|(at, _)| *at)
    }

    /// Whose time has come, one after the other: its [`Armed`] is to be [`Armed::cleared`].
    pub(super) fn pop(&mut self, now: Instant) -> Option<usize> {
        if self.next()? > now {
            return None;
        }
        self.0.pop_first().map(|(_, key)| key)
    }
}

impl Armed {
    /// Its time came.
    pub(super) fn cleared(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_earliest_comes_first_and_each_has_one_time() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let (mut timers, mut armed) = (Timers::default(), [Armed::default(); 3]);
        for (key, seconds) in [(0, 30), (1, 10), (2, 20)] {
            timers.arm(key, &mut armed[key], Some(at(seconds)));
        }
        // Later is kept for later, earlier takes its place, none changes nothing.
        timers.arm(1, &mut armed[1], Some(at(40)));
        timers.arm(0, &mut armed[0], Some(at(15)));
        timers.arm(2, &mut armed[2], None);
        assert_eq!((timers.0.len(), timers.next(), timers.pop(now)), (3, Some(at(10)), None));
        assert_eq!(timers.pop(at(15)), Some(1));
        armed[1].cleared();
        timers.disarm(0, &mut armed[0]);
        assert_eq!((timers.pop(at(100)), timers.pop(at(100)), timers.next()), (Some(2), None, None));
        timers.arm(1, &mut armed[1], Some(at(40)));
        assert_eq!(timers.pop(at(40)), Some(1));
    }
}
