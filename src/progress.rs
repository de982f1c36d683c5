//! How far a long piece of work is, on the last line of the terminal.

use crate::catalogue::{Catalogue, human_time};
use enchufe_talk::Told;
use fluent_bundle::FluentArgs;
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// Shorter ones need none.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(200);

/// Writes the last line of the terminal, which is to be cleared before another one is written.
pub fn draw(text: &str) {
    // A terminal that is gone shows nothing.
    let _ = write!(io::stderr().lock(), "\r{text}\x1b[K");
}

/// A line that is written over again and again.
#[derive(Debug)]
pub struct Line {
    begun: Instant,
    shown: Option<Instant>,
}

impl Line {
    pub fn new() -> Self {
        Self { begun: Instant::now(), shown: None }
    }

    /// Whether it is time to write it (again).
    pub fn is_due(&self) -> bool {
        Instant::now() >= self.shown.map_or(self.begun + PATIENCE, |at| at + PAUSE)
    }

    /// How long the work takes so far.
    pub fn elapsed(&self) -> String {
        human_time(self.begun.elapsed())
    }

    pub fn draw(&mut self, text: &str) {
        self.shown = Some(Instant::now());
        draw(text);
    }

    /// Takes the line away before another one is written.
    pub fn clear(&mut self) {
        if self.shown.take().is_some() {
            // A terminal that is gone shows nothing.
            let _ = io::stderr().lock().write_all(b"\r\x1b[K");
        }
    }
}

/// Counts pieces of a conversation and shows the sums.
#[derive(Debug)]
pub struct Progress {
    line: Line,
    sent: u64,
    received: u64,
}

impl Progress {
    pub fn new() -> Self {
        Self { line: Line::new(), sent: 0, received: 0 }
    }

    /// A piece came or is going.
    pub fn count(&mut self, told: &Told<'_>, catalogue: &Catalogue) {
        match told {
            Told::Sending { bytes } => self.sent += bytes.len() as u64,
            Told::Received { bytes } => self.received += bytes.len() as u64,
            _ => return,
        }
        if self.line.is_due() {
            let mut args = FluentArgs::new();
            args.set("sent", human_size(self.sent));
            args.set("received", human_size(self.received));
            args.set("elapsed", self.line.elapsed());
            self.line.draw(&catalogue.text("progress-send", &args));
        }
    }

    /// Takes the line away before another one is written.
    pub fn clear(&mut self) {
        self.line.clear();
    }
}

/// Bytes as people say them: powers of 1024 with their IEC names.
pub fn human_size(bytes: u64) -> String {
    let (unit, shift) = match bytes {
        0..1_024 => return format!("{bytes} B"),
        1_024..1_048_576 => ("KiB", 10),
        1_048_576..1_073_741_824 => ("MiB", 20),
        _ => ("GiB", 30),
    };
    let tenths = (u128::from(bytes) * 10) >> shift;
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_said_with_one_decimal() {
        assert_eq!(human_size(1023), "1023 B");
        assert_eq!(human_size(1536), "1.5 KiB");
        assert_eq!(human_size(64 << 20), "64.0 MiB");
        assert_eq!(human_size(u64::MAX), "17179869183.9 GiB");
    }
}
