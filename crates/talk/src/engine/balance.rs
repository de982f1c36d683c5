//! Which thread has more to do than its processor can, while the processor of another has time left.
//!
//! Each thread looks at itself once in a [`WINDOW`], where it has anything to do at all: for how long it ran, and for how long it
//! could have and others had its processor. Only one that is full for a whole window looks at the others, and what it finds
//! must hold for another one: the system, too, moves what is too much for a processor, within some ms. So a thread that is
//! full hands over after 200 to 600 ms; one with few connections looks more often, to follow a client that was moved.

use super::{HandOver, Limits};
use enchufe_sys::schedstat::{self, Spent, ThreadTimes};
use std::collections::HashMap;
use std::mem;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Between two looks; and of a thread that is not full and has few connections: looking costs it little, and each may be waited for.
const WINDOW: Duration = Duration::from_millis(200);
const SHORT_WINDOW: Duration = Duration::from_millis(25);
const FEW: usize = 4;
/// A thread is full that could have run for so much of a window.
const FULL: f64 = 0.9;
/// A processor has time left where that is so much of a window.
const LEFT: f64 = 0.3;
/// So much of what a connection does must be due to go, for it goes as a whole: the only one of a thread that has its processor for itself
/// finds nothing better elsewhere, the only one of a thread that others leave half of it does.
const DUE: [f64; 2] = [0.75, 0.5];
/// Others want a thread's processor: then all that it does goes where there is room for all. What stays would take turns with them, some ms
/// each.
const CROWDED: f64 = 0.25;
/// What is served where its packets are not handled takes so much more (1.5 to 1.75 times, measured).
const AWAY: f64 = 1.6;

/// What the threads know of each other.
#[derive(Debug)]
pub(super) struct Balance {
    /// Of each thread, once it runs; none where the kernel does not count.
    times: Vec<OnceLock<ThreadTimes>>,
    /// Of each thread, where each has one for itself; none: they run where the system likes.
    processors: Vec<usize>,
}

/// One thread's view.
#[derive(Debug)]
pub(super) struct Pace<'a> {
    balance: &'a Balance,
    thread: usize,
    since: Instant,
    spent: Spent,
    /// It was full in each window since.
    full_since: Option<Instant>,
    others: Option<Others>,
}

/// What the others had done at a time.
#[derive(Debug)]
pub(super) struct Others {
    at: Instant,
    spent: Vec<Option<Spent>>,
    idle: HashMap<usize, Duration>,
}

/// What became of a thread's time since it looked last: parts of the whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Load {
    /// It ran.
    pub(super) ran: f64,
    /// It could have.
    pub(super) delayed: f64,
}

impl Balance {
    /// None where nothing is handed over. What looks before it waits seems busy: with [`Limits::busy_poll`] nobody is known to be idle.
    pub(super) fn new(threads: usize, limits: &Limits) -> Option<Self> {
        let wanted = limits.hand_over == HandOver::WhenFull && limits.busy_poll == super::BusyPoll::Off;
        let own = limits.processors.len() >= threads;
        (threads > 1 && wanted).then(|| Self {
            times: (0..threads).map(|_| OnceLock::new()).collect(),
            processors: if own { limits.processors.clone() } else { Vec::new() },
        })
    }

    /// The calling thread is this one; none: the kernel does not count what it does.
    pub(super) fn enter(&self, thread: usize) -> Option<Pace<'_>> {
        let times = ThreadTimes::of_this_thread().ok()?;
        let spent = times.spent().ok()?;
        self.times.get(thread)?.set(times).ok()?;
        Some(Pace { balance: self, thread, since: Instant::now(), spent, full_since: None, others: None })
    }

    pub(super) fn spent(&self, thread: usize) -> Option<Spent> {
        self.times.get(thread)?.get()?.spent().ok()
    }

    pub(super) fn others(&self, at: Instant) -> Option<Others> {
        let idle = if self.processors.is_empty() { HashMap::new() } else { schedstat::idle().ok()? };
        Some(Others { at, spent: (0..self.times.len()).map(|thread| self.spent(thread)).collect(), idle })
    }

    /// How much of the time between two looks the processor of each thread had left.
    fn left(&self, before: &Others, after: &Others) -> Vec<f64> {
        let time = after.at.saturating_duration_since(before.at);
        let of = |thread: usize| {
            let spent = |all: &Others| all.spent.get(thread).copied().flatten();
            let own = 1.0 - Load::between(spent(before)?, spent(after)?, time).full();
            let Some(processor) = self.processors.get(thread) else { return Some(own) };
            let idle = after.idle.get(processor)?.saturating_sub(*before.idle.get(processor)?);
            Some(own.min(part(idle, time)))
        };
        (0..self.times.len()).map(|thread| of(thread).unwrap_or(0.0)).collect()
    }
}

impl<'a> Pace<'a> {
    /// Where what threads have done is to be looked up, and which one this is.
    pub(super) const fn balance_and_thread(&self) -> (&'a Balance, usize) {
        (self.balance, self.thread)
    }

    /// Whether it is time to look, for a thread with so many connections. How much time others have left, for one that is full, is not to be
    /// judged by the few ticks of a short window.
    pub(super) fn is_due(&self, now: Instant, connections: usize) -> bool {
        let is_short = connections <= FEW && self.full_since.is_none();
        let window = if is_short { SHORT_WINDOW } else { WINDOW };
        now.saturating_duration_since(self.since) >= window
    }

    /// Ends the window, until which the thread did this.
    pub(super) fn load(&mut self, now: Instant, spent: Option<Spent>) -> Option<Load> {
        let since = mem::replace(&mut self.since, now);
        let spent = spent?;
        let load = Load::between(self.spent, spent, now.saturating_duration_since(since));
        self.spent = spent;
        // For one that runs where the system likes, that finds another processor if others want this one.
        let stays = !self.balance.processors.is_empty();
        let load = if stays { load } else { Load { ran: load.full(), delayed: 0.0 } };
        self.full_since = if load.is_full() { self.full_since.or(Some(since)) } else { None };
        Some(load)
    }

    /// Whether it has been full for a whole window.
    pub(super) fn is_full(&self, now: Instant) -> bool {
        self.full_since.is_some_and(|since| now.saturating_duration_since(since) >= WINDOW)
    }

    /// Where it is worth to look at the others: how much time the processor of each thread has left; known from the second time on.
    pub(super) fn left(&mut self, after: Others) -> Option<Vec<f64>> {
        let left = self.others.as_ref().map(|before| self.balance.left(before, &after));
        self.others = Some(after);
        left
    }

    /// Another thread than this one that has this processor for itself.
    pub(super) fn thread_on(&self, processor: usize) -> Option<usize> {
        let thread = self.balance.processors.iter().position(|own| *own == processor)?;
        (thread != self.thread && thread < self.balance.times.len()).then_some(thread)
    }

    /// It is not.
    pub(super) fn rest(&mut self) {
        self.others = None;
    }
}

impl Load {
    fn between(before: Spent, after: Spent, time: Duration) -> Self {
        let ran = part(after.running.saturating_sub(before.running), time);
        Self { ran, delayed: part(after.delayed.saturating_sub(before.delayed), time) }
    }

    fn full(self) -> f64 {
        self.ran + self.delayed
    }

    /// How much time a connection takes that had so much of all the work, where its packets are handled.
    pub(super) fn at_home(self, part: f64) -> f64 {
        self.ran * part / AWAY
    }

    /// Whether it had no time left.
    fn is_full(self) -> bool {
        self.full() >= FULL
    }

    /// Which of its connections are to go where so much is left, by what each did in the window. Half of the difference
    /// goes, so that it is not to come back.
    pub(super) fn going(self, left: f64, work: &[u32]) -> Vec<bool> {
        if left < LEFT {
            return vec![false; work.len()];
        }
        let fits = self.delayed >= CROWDED && self.ran <= left;
        let share = if fits { 1.0 } else { left / 2.0 / self.full().max(FULL) };
        let least = (DUE[0] - self.delayed / 2.0).max(DUE[1]);
        let mut due = 0.0;
        let goes = |work: &u32| {
            let work = f64::from(*work);
            due += share * work;
            let goes = due >= work * least;
            due -= if goes { work } else { 0.0 };
            goes
        };
        work.iter().map(goes).collect()
    }
}

/// Of the whole.
fn part(of: Duration, time: Duration) -> f64 {
    if time.is_zero() { 0.0 } else { (of.as_secs_f64() / time.as_secs_f64()).min(1.0) }
}

#[cfg(test)]
impl Balance {
    /// One of threads that have these processors, and of which nothing is to be looked up.
    pub(super) fn of_processors(processors: &[usize]) -> Self {
        Self { times: processors.iter().map(|_| OnceLock::new()).collect(), processors: processors.to_vec() }
    }

    /// A thread that begins then.
    pub(super) fn enter_at(&self, thread: usize, since: Instant) -> Pace<'_> {
        Pace { balance: self, thread, since, spent: Spent::default(), full_since: None, others: None }
    }
}

#[cfg(test)]
impl Others {
    /// What each thread had done, and how long each processor had been idle.
    pub(super) fn given(at: Instant, spent: Vec<Option<Spent>>, idle: HashMap<usize, Duration>) -> Self {
        Self { at, spent, idle }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn spent(running: u64, delayed: u64) -> Spent {
        Spent { running: Duration::from_millis(running), delayed: Duration::from_millis(delayed) }
    }

    #[test]
    fn a_thread_is_full_that_ran_or_wanted_to() {
        for (running, delayed, full) in [(950, 0, true), (500, 450, true), (500, 300, false), (0, 0, false)] {
            let load = Load::between(spent(1000, 70), spent(1000 + running, 70 + delayed), SECOND);
            assert_eq!(load.is_full(), full, "{load:?}");
        }
    }

    #[test]
    fn half_of_the_difference_goes_and_a_connection_alone_stays() {
        let alone = Load { ran: 1.0, delayed: 0.0 };
        assert_eq!(alone.going(1.0, &[9]), [false]);
        assert_eq!(alone.going(1.0, &[9, 9]), [false, true]);
        assert_eq!(alone.going(0.5, &[9, 9]), [false, false], "the other would be full then");
        assert_eq!(alone.going(1.0, &[90, 10]), [false, true]);
        assert_eq!(alone.going(1.0, &[9; 8]).iter().filter(|goes| **goes).count(), 4);
        assert_eq!(alone.going(0.5, &[9; 8]).iter().filter(|goes| **goes).count(), 2);
        assert_eq!(alone.going(0.2, &[9; 8]), [false; 8]);
        // What others want is left to them as a whole, if there is room.
        let crowded = Load { ran: 0.5, delayed: 0.5 };
        assert_eq!(crowded.going(1.0, &[9]), [true]);
        assert_eq!(crowded.going(0.9, &[9; 50]), [true; 50]);
        assert_eq!(crowded.going(0.4, &[9]), [false]);
        assert_eq!(crowded.going(0.4, &[9; 8]).iter().filter(|goes| **goes).count(), 2);
    }

    #[test]
    fn a_processor_has_left_what_neither_its_thread_nor_anybody_else_took() {
        let mut balance = Balance::of_processors(&[4, 5, 6]);
        let begun = Instant::now();
        let at = |at, spent: [Spent; 3], idle: [u64; 3]| Others {
            at,
            spent: spent.map(Some).into(),
            idle: (4..).zip(idle.map(Duration::from_millis)).collect(),
        };
        let before = at(begun, [spent(0, 0); 3], [0; 3]);
        // The second sleeps beside somebody else, the third alone.
        let after = at(begun + SECOND, [spent(1000, 0), spent(0, 0), spent(250, 0)], [0, 100, 750]);
        assert_eq!(balance.left(&before, &after), [0.0, 0.1, 0.75]);
        balance.processors.clear();
        assert_eq!(balance.left(&before, &after), [0.0, 1.0, 0.75]);
    }
}
