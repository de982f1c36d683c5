//! Whether pieces come one after the other without waiting for answers, on many connections: then to wait for several of them costs each a
//! little time, and the processor much less.

use enchufe_sys::io_uring::Until;
use std::time::{Duration, Instant};

/// Pieces of a window.
const WINDOW: u32 = 64;
/// How long who was there first waits for the others. With 50 µs a twentieth less gets done, at half as much again of the processor's time; with
/// 200 µs no more.
const WHILE: Duration = Duration::from_micros(150);
/// How long a window takes at most: where they come less often than every 25 µs, who was there first would wait for nobody.
const SOON: Duration = Duration::from_micros(25 * WINDOW as u64);
/// Of a window: pieces that came ahead of an answer, and connections, from which on it is so.
const AHEAD: u32 = 4;
const CONNECTIONS: u32 = 8;
/// What a wait is for at most.
const MOST: u32 = 32;
/// Windows after which it is looked at again: what is waited for comes in one piece, and nothing comes ahead.
const TRUSTED: u32 = 64;

#[derive(Debug)]
pub(super) struct Batch {
    /// Windows so far; none is zero.
    window: u32,
    pieces: u32,
    ahead: u32,
    connections: u32,
    /// For so many windows it is not looked at.
    trusted: u32,
    /// When the window before was full.
    since: Option<Instant>,
    until: Until,
}

impl Batch {
    pub(super) const fn new() -> Self {
        Self { window: 1, pieces: 0, ahead: 0, connections: 0, trusted: 0, since: None, until: Until::One }
    }

    /// What to wait for.
    pub(super) const fn until(&self) -> Until {
        self.until
    }

    /// A piece came on a connection, whose last window is `last`; `ahead` of the answer to what came before.
    pub(super) fn came(&mut self, last: &mut u32, ahead: bool, now: Instant) {
        self.pieces += 1;
        self.ahead += u32::from(ahead);
        if *last != self.window {
            *last = self.window;
            self.connections += 1;
        }
        if self.pieces == WINDOW {
            self.judge(now);
        }
    }

    fn judge(&mut self, now: Instant) {
        self.trusted = self.trusted.saturating_sub(1);
        let is_soon = self.since.is_some_and(|since| now.saturating_duration_since(since) <= SOON);
        self.since = Some(now);
        if !is_soon || self.connections < CONNECTIONS || self.trusted == 0 && self.ahead < AHEAD {
            (self.until, self.trusted) = (Until::One, 0);
        } else if self.trusted == 0 {
            (self.until, self.trusted) = (Until::Several((self.connections / 2).min(MOST), WHILE), TRUSTED);
        }
        (self.pieces, self.ahead, self.connections) = (0, 0, 0);
        self.window = self.window.checked_add(1).unwrap_or(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Windows of pieces from so many connections in turn, of which so many came ahead.
    struct Windows {
        batch: Batch,
        now: Instant,
    }

    impl Windows {
        fn new() -> Self {
            let (batch, now) = (Batch::new(), Instant::now());
            let mut windows = Self { batch, now };
            windows.next(50, WINDOW, SOON);
            windows
        }

        /// One that takes this time.
        fn next(&mut self, connections: usize, ahead: u32, time: Duration) -> Until {
            let mut last = vec![0; connections];
            self.now += time;
            for piece in 0..WINDOW {
                self.batch.came(&mut last[piece as usize % connections], piece < ahead, self.now);
            }
            self.batch.until()
        }
    }

    const SEVERAL: Until = Until::Several(25, WHILE);

    #[test]
    fn many_that_do_not_wait_are_waited_for_and_others_are_not() {
        let mut windows = Windows::new();
        assert_eq!(windows.next(50, AHEAD - 1, SOON), Until::One, "they wait for their answers");
        assert_eq!(windows.next(7, WINDOW, SOON), Until::One, "they are few");
        assert_eq!(windows.next(50, AHEAD, SOON), SEVERAL);
        for _ in 1..TRUSTED {
            assert_eq!(windows.next(50, 0, SOON), SEVERAL);
        }
        assert_eq!(windows.next(50, 0, SOON), Until::One);
        assert_eq!(windows.next(64, WINDOW, SOON), Until::Several(32, WHILE));
        assert_eq!(windows.next(7, 0, SOON), Until::One, "most have left");
    }

    #[test]
    fn who_comes_seldom_does_not_wait_for_others() {
        let mut windows = Windows::new();
        assert_eq!(windows.batch.until(), Until::One, "how often they come is not known");
        assert_eq!(windows.next(50, WINDOW, SOON + Duration::from_nanos(1)), Until::One);
        assert_eq!(windows.next(50, WINDOW, SOON), SEVERAL);
        assert_eq!(windows.next(50, WINDOW, SOON * 2), Until::One, "no longer");
    }
}
