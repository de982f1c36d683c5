//! Calls that signals interrupted, and what becomes of them: they are made again, they fail, or their program never comes
//! back to them, as a handler may go on elsewhere (`longjmp`).

use super::threads::Open;
use enchufe_sys::ptrace::Entry;
use std::fs;
use std::ops::Range;

/// The most calls, each in a handler of the one before, that are remembered of a thread.
const MOST: usize = 64;

/// A call that a signal interrupted.
#[derive(Debug)]
struct Interrupted {
    open: Open,
    /// How many handlers began since and have not ended.
    handlers: u32,
}

/// Those of a thread, the last one last.
#[derive(Debug, Default)]
pub struct Interruptions {
    calls: Vec<Interrupted>,
    /// The stack that handlers have of their own (`sigaltstack(2)`).
    pub alternate: Option<Range<u64>>,
}

impl Interruptions {
    /// A signal interrupts this call. Gives one that is remembered no more.
    pub fn add(&mut self, open: Open) -> Option<Open> {
        let oldest = (self.calls.len() >= MOST).then(|| self.calls.remove(0).open);
        self.calls.push(Interrupted { open, handlers: 0 });
        oldest
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// A signal is about to be delivered.
    pub fn signalled(&mut self, tid: u32, signal: i32) {
        if let Some(last) = self.calls.last_mut().filter(|_| has_handler(tid, signal)) {
            last.handlers += 1;
        }
    }

    /// A handler has ended, and the call it interrupted with it, if that fails: it is given.
    pub fn handled(&mut self, fails: bool) -> Option<Open> {
        let last = self.calls.last_mut()?;
        last.handlers = last.handlers.saturating_sub(1);
        (fails && last.handlers == 0).then(|| self.calls.pop())?.map(|interrupted| interrupted.open)
    }

    /// A call is made: is it the last one again? Before it stand those that the program does not come back to.
    pub fn entered(&mut self, entry: &Entry) -> (Vec<Open>, Option<Open>) {
        let mut left = Vec::new();
        while let Some(last) = self.calls.last() {
            let is_over = last.handlers == 0;
            let is_again = is_over && (last.open.entry == *entry || is_restart(entry));
            if !is_over && !self.is_outside(entry.stack, last.open.entry.stack) {
                break;
            }
            let Some(Interrupted { open, .. }) = self.calls.pop() else { break };
            if is_again {
                return (left, Some(open));
            }
            left.push(open);
        }
        (left, None)
    }

    /// Whether code with this stack pointer is not in a handler that interrupted code with that one: a handler's stack is below
    /// it, or another.
    fn is_outside(&self, now: u64, interrupted: u64) -> bool {
        let is_alternate = |stack: u64| self.alternate.as_ref().is_some_and(|range| range.contains(&stack));
        match (is_alternate(interrupted), is_alternate(now)) {
            (false, true) => false,
            (true, false) => true,
            _ => now >= interrupted,
        }
    }

    /// The thread is another, or has ended: all of them.
    pub fn end(&mut self) -> Vec<Open> {
        std::mem::take(self).calls.into_iter().map(|interrupted| interrupted.open).collect()
    }
}

/// `restart_syscall`, by which the kernel makes some calls again.
const fn is_restart(entry: &Entry) -> bool {
    entry.number == libc::SYS_restart_syscall.unsigned_abs()
}

/// Whether the program has a handler for the signal (proc(5), `status`); if that cannot be known, as if it had.
fn has_handler(tid: u32, signal: i32) -> bool {
    let text = fs::read_to_string(format!("/proc/{tid}/status")).unwrap_or_default();
    let caught = text.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|caught| u64::from_str_radix(caught.trim(), 16).ok()).unwrap_or(u64::MAX);
    let place = u32::try_from(signal).ok().and_then(|signal| signal.checked_sub(1));
    place.and_then(|place| caught.checked_shr(place)).is_some_and(|bits| bits & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::plan::After;
    use enchufe_story::fact::Syscall;
    use enchufe_sys::ptrace::NATIVE;

    fn entry(number: u64, stack: u64) -> Entry {
        Entry { architecture: NATIVE, number, arguments: [3, 0, 0, 0, 0, 0], stack }
    }

    fn open(entry: Entry) -> Open {
        Open { id: None, entry, syscall: Syscall::Recvfrom, fd: 3, after: After::Nothing, passes: Vec::new() }
    }

    /// One call that was interrupted, with so many handlers under way.
    fn interrupted(stack: u64, handlers: u32) -> Interruptions {
        let calls = vec![Interrupted { open: open(entry(45, stack)), handlers }];
        Interruptions { calls, alternate: None }
    }

    fn entered(all: &mut Interruptions, entry: &Entry) -> (usize, bool) {
        let (left, again) = all.entered(entry);
        (left.len(), again.is_some())
    }

    #[test]
    fn the_same_call_is_made_again_only_when_its_handlers_are_over() {
        assert_eq!(entered(&mut interrupted(1_000, 0), &entry(45, 1_000)), (0, true));
        assert_eq!(entered(&mut interrupted(1_000, 1), &entry(45, 1_000)), (1, false), "a jump out");
        assert_eq!(entered(&mut interrupted(1_000, 1), &entry(45, 500)), (0, false), "by the handler");
        let mut all = interrupted(1_000, 2);
        assert!(all.handled(true).is_none(), "the inner of two handlers");
        assert!(all.handled(false).is_none());
        assert_eq!(entered(&mut all, &entry(45, 1_000)), (0, true));
    }

    #[test]
    fn a_call_that_fails_is_over_with_its_last_handler() {
        let mut all = interrupted(1_000, 1);
        assert!(all.handled(true).is_some());
        assert!(all.is_empty());
    }

    #[test]
    fn another_call_from_outside_the_handlers_shows_that_the_first_was_left() {
        assert_eq!(entered(&mut interrupted(1_000, 1), &entry(44, 1_000)), (1, false));
        assert_eq!(entered(&mut interrupted(1_000, 1), &entry(44, 999)), (0, false));
        assert_eq!(entered(&mut interrupted(1_000, 0), &entry(44, 999)), (1, false));
    }

    #[test]
    fn handlers_with_a_stack_of_their_own_may_be_above() {
        let mut all = interrupted(1_000, 1);
        all.alternate = Some(5_000..6_000);
        assert_eq!(entered(&mut all, &entry(44, 5_500)), (0, false));
        assert_eq!(entered(&mut all, &entry(44, 4_000)), (1, false));
    }

    #[test]
    fn a_call_of_a_handler_may_be_interrupted_too() {
        let mut all = interrupted(1_000, 1);
        assert!(all.add(open(entry(44, 500))).is_none());
        assert_eq!(entered(&mut all, &entry(44, 500)), (0, true));
        assert_eq!(entered(&mut all, &entry(44, 1_000)), (1, false));
    }

    #[test]
    fn no_more_are_remembered_than_a_bound() {
        let mut all = Interruptions::default();
        let given = (0..100).filter(|_| all.add(open(entry(45, 1))).is_some()).count();
        assert_eq!((given, all.end().len()), (100 - MOST, MOST));
    }
}
