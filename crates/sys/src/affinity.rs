//! `sched_setaffinity(2)`: on which processors a thread may run.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::io;

/// The processors on which the calling thread may run, by their numbers.
pub fn allowed() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|number| set.is_set(*number)).collect())
}

/// Whether this process may choose its processors at all, which a filter of system calls may forbid: tried, with those that the calling
/// thread has.
pub fn may_be_chosen() -> bool {
    sched_getaffinity(None).and_then(|set| sched_setaffinity(None, &set)).is_ok()
}

/// From now on the calling thread runs on this processor alone. Fails where the system has no such processor or
/// does not give it to this process.
pub fn run_on(number: usize) -> io::Result<()> {
    if number >= CpuSet::MAX_CPU {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut set = CpuSet::new();
    set.set(number);
    Ok(sched_setaffinity(None, &set)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_runs_where_it_is_told_to_and_no_other_does() {
        let before = allowed().unwrap();
        let last = *before.last().unwrap();
        let pinned = std::thread::spawn(move || run_on(last).and_then(|()| allowed()));
        assert_eq!(pinned.join().unwrap().unwrap(), [last]);
        assert_eq!(allowed().unwrap(), before);
        assert!(run_on(usize::MAX).is_err());
        assert!(may_be_chosen() && allowed().unwrap() == before);
    }
}
