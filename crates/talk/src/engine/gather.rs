//! Whether to sleep a little before asking the kernel what there is: then it tells of more at once, a read finds more, and nobody has to
//! wake this thread.
//!
//! Where that gets more done is tried out: it does where clients send without waiting for each answer, or where many connections come and
//! go; where each waits for its answer it would only keep them waiting. A trial compares what was received within some ms with the sleep
//! and without, before and after.

use super::BusyPoll;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

/// How long it sleeps. As much is received with 10 µs, and each waking costs: that took a third more of the thread's time. To wait for
/// several completions as long (`min_wait_usec`) took a third more with new connections.
const NAP: Duration = Duration::from_micros(50);
/// Of what is compared.
const PHASE: Duration = Duration::from_millis(5);
/// A thread that asks less often than every so many µs has time, and its clients have none to give.
const OFTEN: Duration = Duration::from_micros(25);
/// What an answer of the kernel tells of, on average, where more might be told of.
const FEW: u64 = 4;
/// With fewer connections there is nothing to gather.
const CONNECTIONS: usize = 8;
/// So much more must be received.
const BETTER: f64 = 1.1;
/// How long what a trial found is believed: what was better; what was not, at first and at most.
const BELIEVED: Duration = Duration::from_secs(1);
const REFUSED: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(64)];

/// One thread's.
#[derive(Debug)]
pub(super) struct Gatherer {
    phase: Phase,
    begun: Option<Instant>,
    asked: u64,
    told: u64,
    received: u64,
    refused: Duration,
    not_before: Option<Instant>,
}

/// Rates are bytes a second.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    /// Who looks before waiting wants no sleep.
    Off,
    Before,
    Trial {
        before: f64,
    },
    After {
        best: f64,
        trial: f64,
    },
    Naps {
        until: Instant,
    },
}

impl Gatherer {
    pub(super) fn new(policy: BusyPoll) -> Self {
        let phase = if policy == BusyPoll::Off { Phase::Before } else { Phase::Off };
        Self { phase, begun: None, asked: 0, told: 0, received: 0, refused: REFUSED[0], not_before: None }
    }

    /// The kernel was asked at this time, and told of so many; until then so many bytes were received in all.
    pub(super) fn asked(&mut self, now: Instant, told: usize, received: u64, connections: usize) {
        if self.phase == Phase::Off {
            return;
        }
        self.asked += 1;
        self.told += told as u64;
        let begun = *self.begun.get_or_insert(now);
        let time = now.saturating_duration_since(begun);
        if time < PHASE {
            return;
        }
        let bytes = u32::try_from(received.saturating_sub(self.received)).unwrap_or(u32::MAX);
        let rate = f64::from(bytes) / time.as_secs_f64();
        let often = OFTEN.as_nanos() * u128::from(self.asked) >= time.as_nanos();
        let few = self.told <= FEW * self.asked;
        self.next(now, rate, often && few && connections >= CONNECTIONS);
        (self.begun, self.asked, self.told, self.received) = (Some(now), 0, 0, received);
    }

    /// A phase is over.
    fn next(&mut self, now: Instant, rate: f64, may_gain: bool) {
        self.phase = match self.phase {
            Phase::Before if may_gain && self.not_before.is_none_or(|until| until <= now) => {
                Phase::Trial { before: rate }
            }
            Phase::Trial { before } => Phase::After { best: before, trial: rate },
            Phase::After { best, trial } if trial > BETTER * best.max(rate) => {
                self.refused = REFUSED[0];
                Phase::Naps { until: now + BELIEVED }
            }
            Phase::After { .. } => {
                self.not_before = now.checked_add(self.refused);
                self.refused = (self.refused * 2).min(REFUSED[1]);
                Phase::Before
            }
            Phase::Naps { until } if now < until && self.told > self.asked => self.phase,
            Phase::Before | Phase::Naps { .. } | Phase::Off => Phase::Before,
        };
    }

    /// Sleeps before the kernel is asked, which may take `timeout`, if that pays and `is_idle` says that nothing is there yet.
    pub(super) fn nap(
        &self,
        timeout: Option<Duration>,
        is_idle: impl FnOnce() -> io::Result<bool>,
    ) -> io::Result<()> {
        if self.naps() && timeout != Some(Duration::ZERO) && is_idle()? {
            thread::sleep(NAP);
        }
        Ok(())
    }

    const fn naps(&self) -> bool {
        matches!(self.phase, Phase::Trial { .. } | Phase::Naps { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A thread whose clients send, for so many milliseconds, as much as `rate` says in each: bytes, and what each answer tells of.
    fn run(gatherer: &mut Gatherer, millis: u32, rate: impl Fn(bool) -> (u64, usize)) -> (u32, u32) {
        let begun = Instant::now();
        let (mut received, mut napped) = (0, 0);
        for tick in 0..millis * 100 {
            let (bytes, told) = rate(gatherer.naps());
            received += bytes;
            napped += u32::from(gatherer.naps());
            gatherer.asked(begun + Duration::from_micros(10) * tick, told, received, 50);
        }
        (napped, millis * 100)
    }

    #[test]
    fn it_naps_where_that_gets_more_done() {
        let mut gatherer = Gatherer::new(BusyPoll::Off);
        let (napped, all) = run(&mut gatherer, 2_000, |naps| if naps { (30, 8) } else { (19, 1) });
        assert!(napped > all * 9 / 10, "{napped} of {all}");
    }

    #[test]
    fn it_tries_seldom_where_that_gets_no_more_done() {
        let mut gatherer = Gatherer::new(BusyPoll::Off);
        let (napped, all) = run(&mut gatherer, 10_000, |_| (19, 1));
        assert!(napped > 0 && napped < all / 100, "{napped} of {all}");
    }

    #[test]
    fn it_does_not_try_where_answers_tell_of_many_or_somebody_looks() {
        let many = run(&mut Gatherer::new(BusyPoll::Off), 100, |naps| if naps { (30, 40) } else { (19, 40) });
        assert_eq!(many.0, 0);
        let looks = run(&mut Gatherer::new(BusyPoll::Auto), 100, |naps| if naps { (30, 8) } else { (19, 1) });
        assert_eq!(looks.0, 0);
    }
}
