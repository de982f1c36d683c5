//! The time column.

use super::reading::Seen;
use crate::plan::choice;
use crate::problem::Problem;
use jiff::tz::TimeZone;
use std::fmt::Write;

/// What the column shows.
#[derive(Clone, Debug)]
pub enum Clock {
    /// Since the first frame.
    Relative,
    /// Since the frame before it.
    Delta,
    /// Date and time in a zone.
    Date(TimeZone),
}

impl Clock {
    pub fn new(word: Option<&str>) -> Result<Self, Problem> {
        let word = choice("--time", word.unwrap_or("relative"), &["relative", "delta", "utc", "local"])?;
        Ok(match word {
            "delta" => Self::Delta,
            "utc" => Self::Date(TimeZone::UTC),
            "local" => Self::Date(TimeZone::system()),
            _ => Self::Relative,
        })
    }

    /// Appends the time of a frame with so many decimals; nothing where it has none.
    pub fn write(&self, seen: &Seen<'_, '_>, decimals: usize, out: &mut String) {
        match self {
            Self::Relative => seconds(seen.frame.relative, decimals, out),
            Self::Delta => seconds(seen.frame.delta, decimals, out),
            Self::Date(zone) => {
                let Some(time) = seen.frame.time else { return };
                let Ok(time) = jiff::Timestamp::from_nanosecond(time.nanos().into()) else { return };
                let start = out.len();
                // Writing into a text cannot fail.
                let _ = write!(out, "{}", time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S.%9f"));
                shorten(start, decimals, out);
            }
        }
    }
}

/// Appends nanoseconds as seconds.
pub fn seconds(nanos: Option<i64>, decimals: usize, out: &mut String) {
    let Some(nanos) = nanos else { return };
    let start = out.len();
    if nanos < 0 {
        out.push('-');
    }
    let size = nanos.unsigned_abs();
    let (mut whole, mut fraction) = (itoa::Buffer::new(), itoa::Buffer::new());
    out.push_str(whole.format(size / 1_000_000_000));
    // Nine digits: the one before them is left out.
    let fraction = fraction.format(1_000_000_000 + size % 1_000_000_000);
    out.push('.');
    out.push_str(fraction.get(1..).unwrap_or_default());
    shorten(start, decimals, out);
}

/// Takes digits after the point away, and the point with the last of them.
fn shorten(start: usize, decimals: usize, out: &mut String) {
    let away = if decimals == 0 { 10 } else { 9_usize.saturating_sub(decimals) };
    out.truncate((out.len() - away).max(start));
}
