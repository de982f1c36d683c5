//! Medians, and how sure they are.

/// The resamples of the bootstrap.
const RESAMPLES: usize = 10_000;

/// A median with its 90 % interval (percentile bootstrap, Efron and Tibshirani 1993, chapter 13).
#[derive(Clone, Copy, Debug)]
pub struct Summary {
    pub median: f64,
    pub low: f64,
    pub high: f64,
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = values.get(middle).copied().unwrap_or(f64::NAN);
    if values.len() % 2 == 1 {
        return upper;
    }
    let lower = middle.checked_sub(1).and_then(|at| values.get(at)).copied().unwrap_or(f64::NAN);
    f64::midpoint(lower, upper)
}

impl Summary {
    /// Of these values.
    pub fn of(mut values: Vec<f64>) -> Self {
        // A fixed start: the same values have the same interval.
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let count = values.len();
        let mut pick = |values: &[f64]| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let at = usize::try_from(state >> 33).unwrap_or_default() % count.max(1);
            values.get(at).copied().unwrap_or(f64::NAN)
        };
        let mut medians = Vec::with_capacity(RESAMPLES);
        for _ in 0..RESAMPLES {
            let mut sample: Vec<f64> = (0..count).map(|_| pick(&values)).collect();
            medians.push(median(&mut sample));
        }
        medians.sort_by(f64::total_cmp);
        let at = |part: usize| medians.get(RESAMPLES * part / 100).copied().unwrap_or(f64::NAN);
        Self { median: median(&mut values), low: at(5), high: at(95) }
    }
}
