//! `--events fold`: the first events of connections in a second are told one by one, and the others of that second by one
//! line that says how many they were.
//!
//! Threads that serve count together in one word, without waiting for each other: what is folded costs them no lock.

use std::cmp::Ordering;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Events of connections that are told one by one in a second.
pub const MOST: u32 = 100;

/// What becomes of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It is told.
    Told,
    /// It is the first of its second that is not.
    First,
    /// It is not told either.
    Folded,
}

/// What came of taking a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    pub place: Place,
    /// Events of a second that is over, which are to be told of by one line now.
    pub over: u32,
}

/// The events of the present second. It is told the time, and has no clock.
#[derive(Debug)]
pub struct Fold {
    all: Count,
    /// Bytes that came or went. They may not take all the room: that a connection which carries much ends, and how, is worth
    /// more than another piece of it.
    pieces: Count,
}

impl Default for Fold {
    fn default() -> Self {
        Self { all: Count::new(MOST), pieces: Count::new(MOST / 2) }
    }
}

impl Fold {
    /// Counts one event, at this time. Whoever comes with a later second than the last one gets what that one is to be
    /// told of; a thread that looked at the clock before another one may be a second late, and counts in the later one.
    pub fn take(&self, at: Duration, is_piece: bool) -> Taken {
        let mut taken = Taken { place: Place::Told, over: 0 };
        if is_piece {
            taken = self.pieces.take(at);
        }
        if taken.place == Place::Told {
            let room = self.all.take(at);
            taken = Taken { place: room.place, over: taken.over + room.over };
        }
        if taken.over > 0 {
            taken.over += self.over(at);
        }
        taken
    }

    /// How many are to be told of by one line, if their second is over at this time; they are not counted again.
    pub fn over(&self, at: Duration) -> u32 {
        let now = second(at);
        self.cut(|second| second < now)
    }

    /// How many are to be told of by one line because this is the end, whatever the time.
    pub fn last(&self) -> u32 {
        self.cut(|_| true)
    }

    /// When [`Self::over`] has something to say.
    pub fn next(&self) -> Option<Duration> {
        [self.all.next(), self.pieces.next()].into_iter().flatten().min()
    }

    fn cut(&self, is_over: impl Fn(u32) -> bool + Copy) -> u32 {
        self.all.cut(is_over).saturating_add(self.pieces.cut(is_over))
    }
}

/// Events of one kind.
#[derive(Debug)]
struct Count {
    most: u32,
    /// The second, and how many came in it.
    word: AtomicU64,
}

/// A second and a count.
const fn word(second: u32, count: u32) -> u64 {
    (second as u64) << 32 | count as u64
}

#[expect(clippy::cast_possible_truncation, reason = "the halves of a word")]
const fn parts(word: u64) -> (u32, u32) {
    ((word >> 32) as u32, word as u32)
}

/// The second in which this time lies; they are as many as will ever be served.
pub fn second(at: Duration) -> u32 {
    u32::try_from(at.as_secs()).unwrap_or(u32::MAX)
}

impl Count {
    const fn new(most: u32) -> Self {
        Self { most, word: AtomicU64::new(0) }
    }

    fn take(&self, at: Duration) -> Taken {
        let now = second(at);
        let mut known = self.word.load(Relaxed);
        loop {
            let (second, count) = parts(known);
            let (next, taken) = if now > second {
                (word(now, 1), Taken { place: Place::Told, over: count.saturating_sub(self.most) })
            } else {
                let place = match count.cmp(&self.most) {
                    Ordering::Less => Place::Told,
                    Ordering::Equal => Place::First,
                    Ordering::Greater => Place::Folded,
                };
                (word(second, count.saturating_add(1)), Taken { place, over: 0 })
            };
            match self.word.compare_exchange_weak(known, next, Relaxed, Relaxed) {
                Ok(_) => return taken,
                Err(other) => known = other,
            }
        }
    }

    fn next(&self) -> Option<Duration> {
        let (second, count) = parts(self.word.load(Relaxed));
        (count > self.most).then(|| Duration::from_secs(u64::from(second) + 1))
    }

    fn cut(&self, is_over: impl Fn(u32) -> bool) -> u32 {
        let next = |known| {
            let (second, count) = parts(known);
            (is_over(second) && count > self.most).then_some(word(second, self.most))
        };
        match self.word.fetch_update(Relaxed, Relaxed, next) {
            Ok(known) => parts(known).1 - self.most,
            Err(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// How many of these are told, and what is folded before.
    fn take(fold: &Fold, count: u32, time: Duration) -> (u32, u32) {
        let taken: Vec<Taken> = (0..count).map(|_| fold.take(time, false)).collect();
        let told = taken.iter().filter(|taken| taken.place == Place::Told).count();
        (u32::try_from(told).unwrap(), taken.iter().map(|taken| taken.over).sum())
    }

    #[test]
    fn a_hundred_in_a_second_are_told_and_the_others_counted() {
        let fold = Fold::default();
        assert_eq!(take(&fold, 100, at(10)), (100, 0));
        assert_eq!((fold.over(at(1_000)), fold.next()), (0, None), "as many as may be are no fold");
        assert_eq!(fold.take(at(999), false), Taken { place: Place::First, over: 0 });
        assert_eq!(fold.take(at(999), false), Taken { place: Place::Folded, over: 0 });
        assert_eq!(fold.over(at(999)), 0, "the second is not over");
        assert_eq!(fold.next(), Some(at(1_000)));
        assert_eq!(fold.over(at(1_000)), 2);
        assert_eq!((fold.over(at(1_000)), fold.next()), (0, None), "and that is said once");
        assert_eq!(take(&fold, 3, at(1_000)), (3, 0));
    }

    #[test]
    fn the_next_event_of_a_later_second_has_what_was_folded() {
        let fold = Fold::default();
        assert_eq!(take(&fold, 250, at(500)), (100, 0));
        assert_eq!(take(&fold, 101, at(7_000)), (100, 150));
        assert_eq!(fold.over(at(8_000)), 1);
    }

    #[test]
    fn at_the_end_what_was_folded_so_far_is_said_and_what_comes_yet_is_folded_too() {
        let fold = Fold::default();
        take(&fold, 130, at(0));
        assert_eq!(fold.last(), 30);
        assert_eq!(fold.take(at(1), false), Taken { place: Place::First, over: 0 });
        assert_eq!(fold.last(), 1);
        assert_eq!(fold.last(), 0);
    }

    #[test]
    fn who_looked_at_the_clock_before_another_counts_in_the_later_second() {
        let fold = Fold::default();
        take(&fold, 100, at(2_000));
        assert_eq!(fold.take(at(1_999), false), Taken { place: Place::First, over: 0 });
        assert_eq!(fold.over(at(3_000)), 1);
    }

    #[test]
    fn pieces_leave_room_for_the_end_of_their_connection() {
        let fold = Fold::default();
        let pieces = (0..1_000).map(|_| fold.take(at(0), true));
        assert_eq!(pieces.filter(|taken| taken.place == Place::Told).count(), 50);
        assert_eq!(take(&fold, 60, at(1)), (50, 0));
        assert_eq!(fold.next(), Some(at(1_000)));
        assert_eq!(fold.take(at(1_000), true), Taken { place: Place::Told, over: 950 + 10 }, "in one line");
        assert_eq!((fold.next(), fold.last()), (None, 0));
    }

    #[test]
    fn threads_that_count_together_lose_none() {
        const THREADS: u32 = 4;
        const TIMES: u32 = 20_000;
        let fold = Fold::default();
        // Each has its own pace: the seconds of one are not those of the others.
        let count = |thread: u32| {
            let taken = (0..TIMES).map(|time| fold.take(at(u64::from(time / (thread + 1))), time % 3 > 0));
            taken.fold((0, 0), |(told, over), taken| {
                (told + u32::from(taken.place == Place::Told), over + taken.over)
            })
        };
        let sums: Vec<(u32, u32)> = std::thread::scope(|scope| {
            let start = |thread| {
                scope.spawn({
                    let count = &count;
                    move || count(thread)
                })
            };
            let running: Vec<_> = (0..THREADS).map(start).collect();
            running.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let (told, over) = sums.iter().fold((0, 0), |(told, over), sum| (told + sum.0, over + sum.1));
        assert_eq!(told + over + fold.last(), THREADS * TIMES);
    }
}
