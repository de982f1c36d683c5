//! When which connection is to be looked at: one time for each, however many there are.

use std::collections::BTreeSet;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

/// Times are kept as so many of these, rounded up, so that one and its key fit a word: there may be very many. It is what a
/// kernel's own tick takes at 250 Hz.
const TICK_NANOS: u64 = 4_000_000;
/// Of the word: a process has at most 2²⁸ descriptors (the limit of `fs.nr_open`). 36 bits of ticks are eight years.
const KEY_BITS: u32 = 28;
const LAST_TICK: u64 = u64::MAX >> KEY_BITS;

/// Times that are put off cost nothing: the earlier one stays, and whoever it wakes puts in the new one. So an
/// idle limit that each byte puts off is looked at once in its time.
#[derive(Debug)]
pub(super) struct Timers {
    since: Instant,
    /// Ticks since then, and the key behind them.
    words: BTreeSet<NonZeroU64>,
}

/// The time that a connection has in [`Timers`]; it stays with the connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Armed(Option<NonZeroU64>);

/// Times are over only where the kernel was asked since, and had told all: what has come while a thread was held up, by a slow reader
/// of what it tells, by who had its processor, or by a signal that stopped it, is there and not known.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// When it was asked for what is told now, where there are times.
    last: Option<Instant>,
    /// There has been more to tell than fits into one answer since then, and so many answers were full.
    since: Option<Instant>,
    full: usize,
}

impl Asked {
    /// The kernel is going to be asked. For how long, by a thread that has to look after something at these times: not at all, where there
    /// is more to do.
    pub(super) fn asks<const N: usize>(
        &mut self,
        more: bool,
        times: [Option<Instant>; N],
    ) -> Option<Duration> {
        let next = times.into_iter().flatten().min();
        // Without any none can be over.
        self.last = next.map(|_| Instant::now());
        let left = next.zip(self.last).map(|(next, now)| next.saturating_duration_since(now));
        if more { Some(Duration::ZERO) } else { left }
    }

    /// The kernel has told all, or gave a full answer. As of when times are over, if they are; at the latest
    /// after `most` full answers, in which it tells of each in its turn, however many there are.
    pub(super) fn as_of(&mut self, told_all: bool, most: usize) -> Option<Instant> {
        let since = *self.since.get_or_insert(self.last?);
        self.full += 1;
        if !told_all && self.full <= most {
            return None;
        }
        *self = Self::default();
        Some(since)
    }
}

impl Default for Timers {
    fn default() -> Self {
        Self { since: Instant::now(), words: BTreeSet::new() }
    }
}

impl Timers {
    /// A time before all others.
    pub(super) const fn since(&self) -> Instant {
        self.since
    }

    /// `key` is to be looked at no later than a tick after `at`.
    pub(super) fn arm(&mut self, key: usize, armed: &mut Armed, at: Option<Instant>) {
        let Some(word) = at.map(|at| self.word(key, at)) else { return };
        if armed.0.is_some_and(|before| before <= word) {
            return;
        }
        self.disarm(armed);
        self.words.insert(word);
        armed.0 = Some(word);
    }

    /// Its connection is gone.
    pub(super) fn disarm(&mut self, armed: &mut Armed) {
        if let Some(before) = armed.0.take() {
            self.words.remove(&before);
        }
    }

    /// The earliest time there is.
    pub(super) fn next(&self) -> Option<Instant> {
        let ticks = self.words.first()?.get() >> KEY_BITS;
        self.since.checked_add(Duration::from_nanos(ticks.saturating_mul(TICK_NANOS)))
    }

    /// Whose time has come, one after the other: its [`Armed`] is to be [`Armed::cleared`].
    pub(super) fn pop(&mut self, now: Instant) -> Option<usize> {
        if self.words.first()?.get() >> KEY_BITS > self.ticks(now, 0) {
            return None;
        }
        let key = self.words.pop_first()?.get() & !(u64::MAX << KEY_BITS);
        usize::try_from(key).ok()
    }

    fn word(&self, key: usize, at: Instant) -> NonZeroU64 {
        // The first tick is never over at once, so that no word is zero.
        let ticks = self.ticks(at, TICK_NANOS - 1).clamp(1, LAST_TICK);
        NonZeroU64::MIN.saturating_add((ticks << KEY_BITS | key as u64 & !(u64::MAX << KEY_BITS)) - 1)
    }

    /// Since the beginning.
    fn ticks(&self, at: Instant, more: u64) -> u64 {
        let nanos = at.saturating_duration_since(self.since).as_nanos();
        u64::try_from(nanos).unwrap_or(u64::MAX).saturating_add(more) / TICK_NANOS
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

    const TICK: Duration = Duration::from_nanos(TICK_NANOS);

    #[test]
    fn the_earliest_comes_first_and_each_has_one_time() {
        let (mut timers, mut armed) = (Timers::default(), [Armed::default(); 3]);
        let now = timers.since();
        let at = |seconds| now + Duration::from_secs(seconds);
        for (key, seconds) in [(0, 30), (1, 10), (2, 20)] {
            timers.arm(key, &mut armed[key], Some(at(seconds)));
        }
        // Later is kept for later, earlier takes its place, none changes nothing.
        timers.arm(1, &mut armed[1], Some(at(40)));
        timers.arm(0, &mut armed[0], Some(at(15)));
        timers.arm(2, &mut armed[2], None);
        assert_eq!((timers.words.len(), timers.next(), timers.pop(now)), (3, Some(at(10)), None));
        assert_eq!(timers.pop(at(15)), Some(1));
        armed[1].cleared();
        timers.disarm(&mut armed[0]);
        assert_eq!((timers.pop(at(100)), timers.pop(at(100)), timers.next()), (Some(2), None, None));
        timers.arm(1, &mut armed[1], Some(at(40)));
        assert_eq!(timers.pop(at(40)), Some(1));
    }

    #[test]
    fn no_time_comes_early_and_each_within_a_tick() {
        let (mut timers, mut armed) = (Timers::default(), Armed::default());
        let at = timers.since() + TICK * 5 + Duration::from_nanos(1);
        timers.arm(7, &mut armed, Some(at));
        assert_eq!((timers.pop(at), timers.pop(at + TICK)), (None, Some(7)));
        armed.cleared();
        timers.arm(0, &mut armed, Some(timers.since()));
        assert_eq!(timers.pop(timers.since() + TICK), Some(0));
        armed.cleared();
        let years = timers.since() + TICK * u32::MAX;
        timers.arm(7, &mut armed, Some(years + TICK * u32::MAX * 1_000));
        assert!(timers.pop(years).is_none() && timers.next().is_some_and(|at| at > years));
    }

    /// So many times, each 5 s after the last, something comes on each of so many connections and puts its idle limit off. How often
    /// a time was looked at, and how many there were at most.
    fn looks(connections: usize, rounds: u32, idle: Duration) -> (usize, usize) {
        let (mut all, mut armed) = (Timers::default(), vec![Armed::default(); connections]);
        let (mut looks, mut most) = (0, 0);
        for round in 0..rounds {
            let now = all.since() + Duration::from_secs(5) * round;
            while let Some(key) = all.pop(now) {
                looks += 1;
                armed[key].cleared();
                all.arm(key, &mut armed[key], Some(now + idle));
            }
            for (key, armed) in armed.iter_mut().enumerate() {
                all.arm(key, armed, Some(now + idle));
            }
            most = most.max(all.words.len());
        }
        (looks, most)
    }

    #[test]
    fn a_hundred_thousand_connections_are_looked_at_once_in_their_time_and_not_when_something_comes() {
        const CONNECTIONS: usize = 100_000;
        let idle = Duration::from_secs(30);
        // After 30 s, and 60, and 90: three looks at each, while something came twenty times.
        assert_eq!(looks(CONNECTIONS, 20, idle), (3 * CONNECTIONS, CONNECTIONS));
        assert_eq!(looks(1, 20, idle), (3, 1));
    }
}
