//! ppoll(2): waiting on descriptors, to the nanosecond.

use crate::errno::check;
use std::ffi::c_short;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;
use std::time::Duration;

/// One descriptor to wait on, borrowed so that it cannot be closed meanwhile.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct PollFd<'fd> {
    raw: libc::pollfd,
    descriptor: PhantomData<BorrowedFd<'fd>>,
}

impl<'fd> PollFd<'fd> {
    /// Waits for `events`, a sum of `POLLIN`, `POLLOUT` and so on. `POLLERR`, `POLLHUP` and `POLLNVAL` are
    /// reported also when not asked for.
    pub fn new(descriptor: BorrowedFd<'fd>, events: c_short) -> Self {
        let raw = libc::pollfd { fd: descriptor.as_raw_fd(), events, revents: 0 };
        Self { raw, descriptor: PhantomData }
    }

    /// What was waited for.
    pub fn events(&self) -> c_short {
        self.raw.events
    }

    /// What the last [`ppoll`] found.
    pub fn found(&self) -> c_short {
        self.raw.revents
    }
}

/// Waits until one of the descriptors is ready or `timeout` is over (`None`: for ever), and tells how many
/// are ready.
///
/// Fails with [`io::ErrorKind::Interrupted`] at a signal, and with `EINVAL` for more descriptors than the
/// process may have open; nothing is reported as found then.
pub fn ppoll(descriptors: &mut [PollFd<'_>], timeout: Option<Duration>) -> io::Result<usize> {
    let ready = wait(descriptors, timeout.map(timespec).as_ref());
    if ready.is_err() {
        for descriptor in descriptors {
            descriptor.raw.revents = 0;
        }
    }
    ready
}

fn wait(descriptors: &mut [PollFd<'_>], timeout: Option<&libc::timespec>) -> io::Result<usize> {
    inject!(Poll);
    let timeout = timeout.map_or(ptr::null(), ptr::from_ref);
    let count = libc::nfds_t::try_from(descriptors.len()).unwrap_or(libc::nfds_t::MAX);
    // SAFETY: `PollFd` has the layout of `pollfd`, `count` is their number; the time is null or to a live
    // value.
    let ready = check(unsafe { libc::ppoll(descriptors.as_mut_ptr().cast(), count, timeout, ptr::null()) })?;
    Ok(usize::try_from(ready).unwrap_or(0))
}

/// The time as the kernel wants it; what it cannot hold (292 thousand million years) is its maximum.
fn timespec(time: Duration) -> libc::timespec {
    libc::timespec {
        tv_sec: libc::time_t::try_from(time.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: time.subsec_nanos().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn what_is_ready_is_found_and_what_is_not_is_not() {
        let (left, right) = UnixStream::pair().unwrap();
        let mut both = [PollFd::new(right.as_fd(), libc::POLLIN), PollFd::new(left.as_fd(), libc::POLLIN)];
        assert_eq!(ppoll(&mut both, Some(Duration::ZERO)).unwrap(), 0);
        (&left).write_all(b"x").unwrap();
        assert_eq!(ppoll(&mut both, None).unwrap(), 1);
        assert_eq!(both.map(|one| one.found()), [libc::POLLIN, 0]);
    }

    #[test]
    fn nothing_to_wait_on_and_times_of_any_size_are_fine() {
        assert_eq!(ppoll(&mut [], Some(Duration::from_nanos(1))).unwrap(), 0);
        let (left, right) = UnixStream::pair().unwrap();
        drop(right);
        let mut ended = [PollFd::new(left.as_fd(), libc::POLLIN)];
        assert_eq!(ppoll(&mut ended, Some(Duration::MAX)).unwrap(), 1);
    }
}
