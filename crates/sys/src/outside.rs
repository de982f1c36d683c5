//! fork(2): a part of this program that stays in the namespaces where it was made, and answers questions from there.

use crate::errno::check;
use socket2::{Domain, Socket, Type};
use std::cell::Cell;
use std::fs;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::time::Duration;

/// The longest question and the longest answer, in bytes; what is longer is cut.
pub const LONGEST: usize = 1_024;
/// An answer takes as long as to look through `/proc`; this is for the case that there is none.
const PATIENCE: Duration = Duration::from_secs(2);

/// The way to it. It ends with this, or with the process that has this, whatever ends that.
#[derive(Debug)]
pub struct Outside {
    way: Socket,
    pid: libc::pid_t,
    /// The number of the last question, by which its answer is known.
    asked: Cell<u8>,
}

impl Outside {
    /// Begins it. `answer` is called there, with each question.
    ///
    /// Fails with [`io::ErrorKind::Unsupported`] where there is a second thread: what that holds would be held there for ever.
    pub fn new(answer: impl FnMut(&[u8]) -> Vec<u8>) -> io::Result<Self> {
        if fs::read_dir("/proc/self/task")?.count() != 1 {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let (ours, theirs) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None)?;
        ours.set_read_timeout(Some(PATIENCE))?;
        // SAFETY: there is no other thread, so the child may do all that this one may; it never comes back from here.
        let pid = check(unsafe { libc::fork() })?;
        if pid == 0 {
            drop(ours);
            let _ = catch_unwind(AssertUnwindSafe(|| stay(&theirs, answer)));
            // SAFETY: it runs nothing of ours.
            unsafe { libc::_exit(0) };
        }
        Ok(Self { way: ours, pid, asked: Cell::new(0) })
    }

    /// Asks a question. Fails with [`io::ErrorKind::WouldBlock`] where it is not answered in two seconds.
    pub fn ask(&self, question: &[u8]) -> io::Result<Vec<u8>> {
        let number = self.asked.get().wrapping_add(1);
        self.asked.set(number);
        let mut asks = vec![number];
        asks.extend(question.get(..LONGEST).unwrap_or(question));
        (&self.way).write_all(&asks)?;
        let mut answer = vec![0; LONGEST + 1];
        loop {
            let length = match (&self.way).read(&mut answer) {
                // With a timeout set the kernel does not go on by itself after a signal (signal(7)).
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            match answer.get(..length) {
                Some([of, said @ ..]) if *of == number => return Ok(said.to_vec()),
                // To one before, which was given up.
                Some([_, ..]) => {}
                _ => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        // It ends when nobody can ask any more. Who waits for all children may have taken it already.
        let _ = self.way.shutdown(Shutdown::Both);
        // SAFETY: no memory is passed.
        unsafe { libc::waitpid(self.pid, ptr::null_mut(), 0) };
    }
}

fn stay(theirs: &Socket, mut answer: impl FnMut(&[u8]) -> Vec<u8>) {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT] {
        // What a terminal sends is not for it: it ends with who asks.
        // SAFETY: no handler is installed.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    let mut question = vec![0; LONGEST + 1];
    while let Ok(length @ 1..) = (&*theirs).read(&mut question) {
        let Some((number, question)) = question.get(..length).and_then(<[u8]>::split_first) else { return };
        let mut said = vec![*number];
        said.extend(answer(question));
        if (&*theirs).write_all(said.get(..=LONGEST).unwrap_or(&said)).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_there_is_another_thread_it_is_refused() {
        // Tests run in threads of their own.
        assert_eq!(Outside::new(<[u8]>::to_vec).unwrap_err().kind(), io::ErrorKind::Unsupported);
    }
}
