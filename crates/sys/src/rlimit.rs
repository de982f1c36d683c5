//! getrlimit(2): how many descriptors this process may have open.

use crate::errno::check;
use std::io;

/// `RLIMIT_NOFILE`, in descriptors. A limit without end is [`u64::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DescriptorLimit {
    /// The limit in force.
    pub soft: u64,
    /// How far the process itself may raise it.
    pub hard: u64,
}

/// The limits of this process.
pub fn descriptor_limit() -> io::Result<DescriptorLimit> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live value that the kernel fills in.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
    Ok(DescriptorLimit { soft: limit.rlim_cur, hard: limit.rlim_max })
}

/// Sets the limits of this process. Fails when the hard one is raised without the right to.
pub fn set_descriptor_limit(limit: DescriptorLimit) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: limit.soft, rlim_max: limit.hard };
    // SAFETY: the pointer is to a live value that the kernel only reads.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_may_set_the_limits_that_it_has() {
        let limit = descriptor_limit().unwrap();
        assert!(limit.soft > 0 && limit.soft <= limit.hard);
        set_descriptor_limit(limit).unwrap();
    }
}
