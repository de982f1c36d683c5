//! `PR_SET_TIMERSLACK` of prctl(2): by how much the kernel may let a thread sleep longer than it asked for.

use rustix::thread::set_current_timer_slack;
use std::io;
use std::num::NonZeroU64;

/// From now on the calling thread is woken when its time is over; usually that may be 50 µs later, so that the kernel can wake
/// several at once.
pub fn none() -> io::Result<()> {
    Ok(set_current_timer_slack(Some(NonZeroU64::MIN))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::thread::current_timer_slack;

    #[test]
    fn a_thread_has_no_slack_and_the_others_keep_theirs() {
        let before = current_timer_slack().unwrap();
        let own = std::thread::spawn(|| none().and_then(|()| Ok(current_timer_slack()?)));
        assert_eq!(own.join().unwrap().unwrap(), 1);
        assert_eq!(current_timer_slack().unwrap(), before);
    }
}
