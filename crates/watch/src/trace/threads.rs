//! What is remembered of each thread and process.

use super::descriptors::Shared;
use super::interruptions::Interruptions;
use super::lines::Lines;
use super::plan::After;
use enchufe_story::fact::{CallId, Cookie, Syscall};
use enchufe_sys::pidfd::PidFd;
use enchufe_sys::ptrace::Entry;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// A call under way.
#[derive(Debug)]
pub struct Open {
    /// Its number, if it is told.
    pub id: Option<CallId>,
    pub entry: Entry,
    pub syscall: Syscall,
    pub fd: i32,
    pub after: After,
    /// Sockets that it sends to another process.
    pub passes: Vec<Cookie>,
}

/// A thread.
#[derive(Debug)]
pub struct Thread {
    pub pid: u32,
    pub files: Shared,
    /// Through which its descriptors are looked at where its process has others; none where the kernel has no such handle
    /// (`PIDFD_THREAD`, Linux 6.9).
    pub own: OnceCell<Option<PidFd>>,
    pub call: Option<Open>,
    /// Calls that signals interrupted, and that may be made again, when the signals' handlers have run.
    pub interrupted: Interruptions,
    /// A handler is about to end.
    pub returns: bool,
    /// Flags of the `clone` that it is in.
    pub clone: u64,
    /// What of that call's arguments was changed, as it was before.
    pub changed: Option<Changed>,
}

/// What a call was given, to be put back when it is over: the program may look at it again.
#[derive(Clone, Copy, Debug)]
pub enum Changed {
    /// The flags of `clone3`, in memory.
    Memory { address: u64, word: u64 },
    /// The first argument of `clone`.
    Register(u64),
}

/// A process.
#[derive(Debug)]
pub struct Process {
    pub program: u32,
    pub handle: PidFd,
    pub lines: Lines,
    /// The thread through which the process is read for them: its first, while there is that one.
    pub read_through: u32,
}

impl Thread {
    /// Nothing is known of what it does.
    pub fn new(pid: u32, files: Shared) -> Self {
        Self {
            pid,
            files,
            own: OnceCell::new(),
            call: None,
            interrupted: Interruptions::default(),
            returns: false,
            clone: 0,
            changed: None,
        }
    }

    /// Whose descriptors are its own: those of a process are those of its first thread, while there is that one.
    pub fn owner<'a>(
        &'a self,
        tid: u32,
        threads: &BTreeMap<u32, Self>,
        processes: &'a BTreeMap<u32, Process>,
    ) -> Option<&'a PidFd> {
        let first = threads.get(&self.pid);
        if tid == self.pid || first.is_some_and(|first| Rc::ptr_eq(&first.files, &self.files)) {
            return processes.get(&self.pid).map(|process| &process.handle);
        }
        self.own.get_or_init(|| PidFd::of_thread(tid).ok()).as_ref()
    }
}

/// Whose descriptors this thread's are.
pub fn owner<'a>(
    threads: &'a BTreeMap<u32, Thread>,
    processes: &'a BTreeMap<u32, Process>,
    tid: u32,
) -> Option<&'a PidFd> {
    threads.get(&tid)?.owner(tid, threads, processes)
}
