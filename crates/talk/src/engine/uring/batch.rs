//! Whether pieces come one after the other without waiting for answers, on many connections: then to wait for several of them costs each a
//! little time, and the processor much less.

use enchufe_sys::io_uring::Until;
use std::time::Duration;

/// Pieces of a window.
const WINDOW: u32 = 64;
/// How long who was there first waits for the others.
const WHILE: Duration = Duration::from_micros(50);
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
    until: Until,
}

impl Batch {
    pub(super) const fn new() -> Self {
        Self { window: 1, pieces: 0, ahead: 0, connections: 0, trusted: 0, until: Until::One }
    }

    /// What to wait for.
    pub(super) const fn until(&self) -> Until {
        self.until
    }

    /// A piece came on a connection, whose last window is `last`; `ahead` of the answer to what came before.
    pub(super) fn came(&mut self, last: &mut u32, ahead: bool) {
        self.pieces += 1;
        self.ahead += u32::from(ahead);
        if *last != self.window {
            *last = self.window;
            self.connections += 1;
        }
        if self.pieces == WINDOW {
            self.judge();
        }
    }

    fn judge(&mut self) {
        self.trusted = self.trusted.saturating_sub(1);
        if self.connections < CONNECTIONS || self.trusted == 0 && self.ahead < AHEAD {
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

    /// A window of pieces from so many connections in turn, of which so many came ahead.
    fn window(batch: &mut Batch, connections: usize, ahead: u32) -> Until {
        let mut last = vec![0; connections];
        for piece in 0..WINDOW {
            batch.came(&mut last[piece as usize % connections], piece < ahead);
        }
        batch.until()
    }

    #[test]
    fn many_that_do_not_wait_are_waited_for_and_others_are_not() {
        let mut batch = Batch::new();
        assert_eq!(window(&mut batch, 50, AHEAD - 1), Until::One, "they wait for their answers");
        assert_eq!(window(&mut batch, 7, WINDOW), Until::One, "they are few");
        assert_eq!(window(&mut batch, 50, AHEAD), Until::Several(25, WHILE));
        for _ in 1..TRUSTED {
            assert_eq!(window(&mut batch, 50, 0), Until::Several(25, WHILE));
        }
        assert_eq!(window(&mut batch, 50, 0), Until::One);
        assert_eq!(window(&mut batch, 64, WINDOW), Until::Several(32, WHILE));
        assert_eq!(window(&mut batch, 7, 0), Until::One, "most have left");
    }
}
