//! What a process used, known when it has ended (wait4(2), getrusage(2)).

use std::io;
use std::mem;
use std::process::{Child, ExitStatus};
use std::time::Duration;

use crate::errno::check;

/// What a process and those that it waited for used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time in the program.
    pub user: Duration,
    /// CPU time in the kernel for it.
    pub system: Duration,
    /// The most memory that was resident at once, in bytes: of the largest of them. A program begins with what the one
    /// had that started it, so no figure is smaller than that.
    pub peak_rss: u64,
}

/// Waits for a child to end. It must not have been waited for: the child is gone afterwards, and [`Child::wait`] fails.
pub fn wait(child: &Child) -> io::Result<(ExitStatus, Usage)> {
    let pid = libc::pid_t::try_from(child.id()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut status = 0;
    // SAFETY: all zeros are a `rusage`: integers.
    let mut usage: libc::rusage = unsafe { mem::zeroed() };
    loop {
        // SAFETY: both pointers are to live values of the types that the kernel writes.
        match check(unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) }) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok(_) => break,
        }
    }
    let status = std::os::unix::process::ExitStatusExt::from_raw(status);
    let peak_rss = u64::try_from(usage.ru_maxrss).unwrap_or_default().saturating_mul(1024);
    Ok((status, Usage { user: time(usage.ru_utime), system: time(usage.ru_stime), peak_rss }))
}

fn time(time: libc::timeval) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::from_secs(seconds) + Duration::from_micros(u64::try_from(time.tv_usec).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    #[expect(clippy::zombie_processes, reason = "it is waited for here, not by the standard library")]
    fn a_child_that_ended_tells_how_and_what_it_used() {
        // 8 MiB in a variable of the shell are 8 MiB in memory.
        let script = "x=$(head -c 8388608 /dev/zero | tr '\\0' x); exit 3";
        let child = Command::new("sh").args(["-c", script]).spawn().unwrap();
        let (status, usage) = wait(&child).unwrap();
        assert_eq!(status.code(), Some(3));
        assert!(usage.peak_rss > 8 << 20, "{usage:?}");
        assert!(usage.user + usage.system > Duration::ZERO, "{usage:?}");
        assert!(wait(&child).is_err(), "it is gone");
    }
}
