//! prctl(2), `PR_SET_PDEATHSIG`: a program that does not outlive who started it.

use crate::errno::check;
use std::io;
use std::os::unix::process::{CommandExt, parent_id};
use std::process::Command;

/// The kernel sends SIGTERM to the program when the thread that starts it ends, however it ends.
pub fn end_with_parent(command: &mut Command) {
    let parent = std::process::id();
    let arm = move || {
        // SAFETY: prctl with these arguments only sets an attribute of the calling process.
        check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) })?;
        // Who ended before that is not noticed by the kernel any more.
        if parent_id() == parent { Ok(()) } else { Err(io::ErrorKind::Interrupted.into()) }
    };
    // SAFETY: `arm` calls only prctl and getppid, which are safe between fork and exec (signal-safety(7)).
    unsafe { command.pre_exec(arm) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_started_all_the_same() {
        let mut command = Command::new("true");
        end_with_parent(&mut command);
        assert!(command.status().unwrap().success());
    }
}
