//! Looking again and again before waiting: a thread that waits is woken by the kernel, and its processor from its sleep, which
//! takes longer than a round trip.

use super::BusyPoll;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

/// How long the automatic way looks at most. It begins where of the last waits half were no longer.
const MOST: Duration = Duration::from_micros(100);
/// The waits that are remembered, a bit each.
const REMEMBERED: u32 = u16::BITS;
/// A thread that yields to nobody has its turn again within a µs; after this long the processor had something else to do.
const TAKEN_AWAY: Duration = Duration::from_micros(30);
/// Of so much time others may have so much: more is not what the kernel itself does now and then, but somebody who wants the processor.
const WINDOW: Duration = Duration::from_millis(5);
const OTHERS: Duration = Duration::from_millis(1);
/// For how long a processor that others want is left to them: at first, and at most.
const RESTS: [Duration; 2] = [Duration::from_millis(10), Duration::from_millis(160)];

/// One thread's.
#[derive(Debug)]
pub(super) struct Spinner {
    policy: BusyPoll,
    /// Of the last waits, those after which something came soon: one long silence says little of the next.
    soon: u16,
    /// Others had so much since then.
    taken: (Duration, Option<Instant>),
    rest: Duration,
    rest_until: Option<Instant>,
}

impl Spinner {
    pub(super) const fn new(policy: BusyPoll) -> Self {
        Self { policy, soon: 0, taken: (Duration::ZERO, None), rest: RESTS[0], rest_until: None }
    }

    /// Waits until there is something, or for `timeout`. `look` does so: for the time that it is told, and tells whether it found
    /// something.
    pub(super) fn wait(
        &mut self,
        timeout: Option<Duration>,
        mut look: impl FnMut(Option<Duration>) -> io::Result<bool>,
    ) -> io::Result<()> {
        if self.policy == BusyPoll::Off || timeout == Some(Duration::ZERO) {
            return look(timeout).map(drop);
        }
        let begun = Instant::now();
        if self.spin(begun, timeout, &mut look)?
            || look(timeout.map(|time| time.saturating_sub(begun.elapsed())))?
        {
            self.soon = self.soon << 1 | u16::from(begun.elapsed() <= MOST);
        }
        Ok(())
    }

    /// Whether it found something.
    fn spin(
        &mut self,
        begun: Instant,
        timeout: Option<Duration>,
        look: &mut impl FnMut(Option<Duration>) -> io::Result<bool>,
    ) -> io::Result<bool> {
        let limit = self.limit(begun).min(timeout.unwrap_or(Duration::MAX));
        let mut now = begun;
        while now.saturating_duration_since(begun) < limit {
            // That may take its time: sends are begun by it.
            if look(Some(Duration::ZERO))? {
                self.rest = RESTS[0];
                return Ok(true);
            }
            let before = Instant::now();
            // Whoever else wants this processor has it: perhaps the one that is waited for.
            thread::yield_now();
            now = Instant::now();
            let away = now.saturating_duration_since(before);
            if self.policy == BusyPoll::Auto && away > TAKEN_AWAY && self.is_wanted_elsewhere(before, away) {
                self.rest_until = now.checked_add(self.rest);
                self.rest = (self.rest * 2).min(RESTS[1]);
                return Ok(false);
            }
        }
        Ok(false)
    }

    /// Whether others want the processor, which they had from then on for so long.
    fn is_wanted_elsewhere(&mut self, from: Instant, away: Duration) -> bool {
        let (taken, since) = self.taken;
        let since = since.filter(|since| from.saturating_duration_since(*since) < WINDOW);
        let taken = since.map_or(Duration::ZERO, |_| taken) + away;
        self.taken = (taken, since.or(Some(from)));
        taken > OTHERS
    }

    /// For how long to look.
    fn limit(&mut self, now: Instant) -> Duration {
        match self.policy {
            BusyPoll::Off => Duration::ZERO,
            BusyPoll::For(time) => time,
            BusyPoll::Auto => {
                self.rest_until = self.rest_until.filter(|until| now < *until);
                if self.rest_until.is_some() || self.soon.count_ones() < REMEMBERED / 2 {
                    Duration::ZERO
                } else {
                    MOST
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `look` was told, one after the other, until it found something at the last.
    fn told(spinner: &mut Spinner, timeout: Option<Duration>, found_at: usize) -> Vec<Option<Duration>> {
        let mut told = Vec::new();
        let look = |time| {
            told.push(time);
            Ok(told.len() == found_at)
        };
        spinner.wait(timeout, look).unwrap();
        told
    }

    const NONE: Option<Duration> = Some(Duration::ZERO);

    #[test]
    fn it_waits_at_once_where_it_is_off_or_expects_nothing_soon() {
        assert_eq!(told(&mut Spinner::new(BusyPoll::Off), None, 1), [None]);
        assert_eq!(told(&mut Spinner::new(BusyPoll::Auto), None, 1), [None]);
    }

    #[test]
    fn it_looks_first_where_it_is_told_to() {
        let mut spinner = Spinner::new(BusyPoll::For(Duration::from_secs(3600)));
        assert_eq!(told(&mut spinner, None, 3), [NONE; 3]);
        assert_eq!(told(&mut spinner, NONE, 1), [NONE], "there is more to do");
        let short = told(&mut Spinner::new(BusyPoll::For(Duration::from_nanos(1))), None, 2);
        assert_eq!(short, [NONE, None]);
    }

    #[test]
    fn what_the_kernel_does_now_and_then_is_no_sign_of_others() {
        let mut spinner = Spinner::new(BusyPoll::Auto);
        let begun = Instant::now();
        let mut wanted = |after, away| {
            spinner.is_wanted_elsewhere(begun + Duration::from_micros(after), Duration::from_micros(away))
        };
        assert!(!wanted(0, 400));
        assert!(!wanted(2_000, 500), "together no more than they may have");
        assert!(!wanted(5_000, 400), "another window");
        assert!(!wanted(7_000, 600));
        assert!(wanted(9_999, 31), "more than they may have");
        assert!(wanted(20_000, 1_001), "at once");
    }

    #[test]
    fn what_comes_soon_is_looked_for_and_a_processor_that_others_want_is_left_to_them() {
        let mut spinner = Spinner::new(BusyPoll::Auto);
        spinner.soon = 0x0ff0;
        let now = Instant::now();
        assert_eq!(spinner.limit(now), MOST);
        spinner.rest_until = now.checked_add(RESTS[0]);
        assert_eq!(spinner.limit(now), Duration::ZERO);
        assert_eq!(spinner.limit(now + RESTS[0]), MOST);
        spinner.soon = 0x0fe0;
        assert_eq!(spinner.limit(now + RESTS[0]), Duration::ZERO);
    }
}
