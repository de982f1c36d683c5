//! Whether another way of doing the same gets more done: tried out now and then, and what is found is believed for a while.
//!
//! A trial compares what was received in some ms so with what was received before and after.

use std::time::{Duration, Instant};

/// What a trial goes by.
#[derive(Debug)]
pub(super) struct Rule {
    /// How long each of the three parts of a trial takes.
    pub(super) phase: Duration,
    /// So many times as much must be received.
    pub(super) better: f64,
    /// How long it is believed that the other way is better; and that it is not, at first and at most.
    pub(super) believed: Duration,
    pub(super) refused: [Duration; 2],
}

#[derive(Debug)]
pub(super) struct Trial {
    rule: &'static Rule,
    part: Part,
    begun: Option<(Instant, u64)>,
    refused: Duration,
    not_before: Option<Instant>,
}

/// Rates are bytes a second.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    Before,
    Tries { before: f64 },
    After { best: f64, tried: f64 },
    Believes { until: Instant },
}

impl Trial {
    pub(super) const fn new(rule: &'static Rule) -> Self {
        Self { rule, part: Part::Before, begun: None, refused: rule.refused[0], not_before: None }
    }

    /// Whether it is done the other way now.
    pub(super) const fn is_on(&self) -> bool {
        matches!(self.part, Part::Tries { .. } | Part::Believes { .. })
    }

    /// So many bytes were received in all until now. Whether a phase is over: [`Self::next`] is to be called then.
    pub(super) fn is_due(&mut self, now: Instant, received: u64) -> bool {
        let (begun, _) = *self.begun.get_or_insert((now, received));
        now.saturating_duration_since(begun) >= self.rule.phase
    }

    /// Begins the next phase; a trial only where one may be of use, and what one has found is believed no longer than it is.
    pub(super) fn next(&mut self, now: Instant, received: u64, may_begin: bool, may_stay: bool) {
        let (begun, before) = self.begun.replace((now, received)).unwrap_or((now, received));
        let bytes = u32::try_from(received.saturating_sub(before)).unwrap_or(u32::MAX);
        let time = now.saturating_duration_since(begun).max(Duration::from_nanos(1));
        let rate = f64::from(bytes) / time.as_secs_f64();
        self.part = match self.part {
            Part::Before if may_begin && self.not_before.is_none_or(|until| until <= now) => {
                Part::Tries { before: rate }
            }
            Part::Tries { before } => Part::After { best: before, tried: rate },
            Part::After { best, tried } if tried > self.rule.better * best.max(rate) => {
                self.refused = self.rule.refused[0];
                Part::Believes { until: now + self.rule.believed }
            }
            Part::After { .. } => {
                self.refuse(now);
                Part::Before
            }
            Part::Believes { until } if now < until && may_stay => self.part,
            Part::Before | Part::Believes { .. } => Part::Before,
        };
    }

    /// It cannot be done the other way now.
    pub(super) fn refuse(&mut self, now: Instant) {
        self.part = Part::Before;
        self.not_before = now.checked_add(self.refused);
        self.refused = (self.refused * 2).min(self.rule.refused[1]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static RULE: Rule = Rule {
        phase: Duration::from_millis(5),
        better: 1.0,
        believed: Duration::from_millis(100),
        refused: [Duration::from_millis(20), Duration::from_millis(50)],
    };

    /// Whether it is done the other way, in each ms of so many, where so many bytes come in one.
    fn run(trial: &mut Trial, millis: u32, rate: impl Fn(bool) -> u64) -> Vec<bool> {
        let begun = Instant::now();
        let mut received = 0;
        let step = |milli| {
            let now = begun + Duration::from_millis(1) * milli;
            if trial.is_due(now, received) {
                trial.next(now, received, true, true);
            }
            received += rate(trial.is_on());
            trial.is_on()
        };
        (0..millis).map(step).collect()
    }

    #[test]
    fn what_is_better_is_done_and_tried_again_after_a_while() {
        let on = run(&mut Trial::new(&RULE), 300, |on| if on { 110 } else { 100 });
        // 5 ms before, 5 ms of trial, 5 ms after; believed for 100 ms.
        let first: Vec<bool> = [false, true, false].into_iter().flat_map(|on| [on; 5]).collect();
        assert_eq!((&on[..15], &on[15..115]), (first.as_slice(), [true; 100].as_slice()));
        assert!(!on[115..120].contains(&true) && on[120]);
    }

    #[test]
    fn what_is_not_better_is_tried_more_and_more_seldom() {
        let on = run(&mut Trial::new(&RULE), 300, |on| if on { 99 } else { 100 });
        let begins: Vec<usize> = (1..on.len()).filter(|at| on[*at] && !on[at - 1]).collect();
        // Refused at 15 for 20 ms, at 45 for 40, at 95 for 50, at 155 for 50 and so on, each after a trial.
        assert_eq!(begins, [5, 35, 85, 145, 205, 265]);
    }

    #[test]
    fn what_cannot_be_done_is_not_tried_for_a_while() {
        let (mut trial, now) = (Trial::new(&RULE), Instant::now());
        trial.refuse(now);
        trial.next(now + Duration::from_millis(19), 0, true, true);
        assert!(!trial.is_on());
        trial.next(now + Duration::from_millis(20), 0, true, true);
        assert!(trial.is_on());
    }
}
