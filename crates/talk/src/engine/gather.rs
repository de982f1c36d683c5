//! Whether to sleep a little before asking the kernel what there is: then it tells of more at once, a read finds more, and nobody has to
//! wake this thread.
//!
//! Where that gets more done is tried out: it does where clients send without waiting for each answer, or where many connections come and
//! go; where each waits for its answer it would only keep them waiting.

use super::BusyPoll;
use super::trial::{Rule, Trial};
use std::io;
use std::thread;
use std::time::{Duration, Instant};

/// How long it sleeps. As much is received with 10 µs, and each waking costs: that took a third more of the thread's time. To wait for
/// several completions as long (`min_wait_usec`) took a third more with new connections.
const NAP: Duration = Duration::from_micros(50);
/// A thread that asks less often than every so many µs has time, and its clients have none to give.
const OFTEN: Duration = Duration::from_micros(25);
/// What an answer of the kernel tells of, on average, where more might be told of.
const FEW: u64 = 4;
/// With fewer connections there is nothing to gather.
const CONNECTIONS: usize = 8;
static RULE: Rule = Rule {
    phase: Duration::from_millis(5),
    better: 1.1,
    believed: Duration::from_secs(1),
    refused: [Duration::from_millis(250), Duration::from_secs(64)],
};

/// One thread's.
#[derive(Debug)]
pub(super) struct Gatherer {
    /// None: who looks before waiting wants no sleep.
    trial: Option<Trial>,
    since: Option<Instant>,
    asked: u64,
    told: u64,
}

impl Gatherer {
    pub(super) fn new(policy: BusyPoll) -> Self {
        let trial = (policy == BusyPoll::Off).then(|| Trial::new(&RULE));
        Self { trial, since: None, asked: 0, told: 0 }
    }

    /// The kernel was asked at this time, and told of so many; until then so many bytes were received in all.
    pub(super) fn asked(&mut self, now: Instant, told: usize, received: u64, connections: usize) {
        let Some(trial) = &mut self.trial else { return };
        self.asked += 1;
        self.told += told as u64;
        let since = *self.since.get_or_insert(now);
        if !trial.is_due(now, received) {
            return;
        }
        let time = now.saturating_duration_since(since);
        let often = OFTEN.as_nanos() * u128::from(self.asked) >= time.as_nanos();
        let few = self.told <= FEW * self.asked;
        trial.next(now, received, often && few && connections >= CONNECTIONS, self.told > self.asked);
        (self.since, self.asked, self.told) = (Some(now), 0, 0);
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

    fn naps(&self) -> bool {
        self.trial.as_ref().is_some_and(Trial::is_on)
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
