//! Who is traced, and what each stop means.

use super::aside::{self, Aside};
use super::calls::{self, Kind};
use super::descriptors::{References, Shared, Slot};
use super::lines::{Lines, Modules};
use super::sockets::Sockets;
use super::threads::{Changed, Open, Process, Thread, owner};
use super::{memory, plan};
use enchufe_story::fact::{
    Arguments, CallId, Cookie, Entered, Fact, Happened, Left, Line, Outcome, Program, Reading, Status,
    Syscall,
};
use enchufe_sys::pidfd::PidFd;
use enchufe_sys::ptrace::{self, Entry, How, NATIVE, News};
use enchufe_wire::Timestamp;
use plan::{After, Plan};
use std::cell::OnceCell;
use std::collections::{BTreeMap, HashSet};
use std::io;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

/// What the kernel answers inside where a call is to be made again after a signal (`include/linux/errno.h`).
const RESTARTS: std::ops::RangeInclusive<i32> = 512..=516;

/// What makes a child that nobody traces (`CLONE_UNTRACED`, clone(2)).
const UNTRACED: u64 = 0x0080_0000;

/// How far a program has come.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Its command.
    pub command: Vec<Vec<u8>>,
    /// Its first process.
    pub pid: u32,
    /// It executes its command.
    pub runs: bool,
    /// It listens, or has connected.
    pub is_ready: bool,
    /// How its first process ended.
    pub status: Option<Status>,
}

impl Progress {
    /// The name of its command.
    pub fn name(&self) -> Vec<u8> {
        self.command.first().cloned().unwrap_or_default()
    }
}

/// All that is traced.
#[derive(Debug, Default)]
pub struct Tracer {
    pub threads: BTreeMap<u32, Thread>,
    pub processes: BTreeMap<u32, Process>,
    pub references: References,
    pub sockets: Sockets,
    modules: Modules,
    /// Lines of code are looked for.
    lines: bool,
    /// What happened, not yet taken.
    pub facts: Vec<Fact>,
    /// What is told while it happens, and not recorded.
    pub asides: Vec<Aside>,
    pub programs: Vec<Progress>,
    /// Threads that were seen before who made them told of it.
    early: HashSet<u32>,
    calls: u64,
    /// When what is told happened.
    pub time: Timestamp,
    /// A program has made a ring.
    pub has_rings: bool,
    /// When the stop that is being answered was told of.
    since: Timestamp,
    /// For how many nanoseconds programs were held at stops before it.
    held: i64,
}

impl Tracer {
    /// Nothing is traced yet.
    pub fn new(lines: bool) -> Self {
        Self { lines, ..Self::default() }
    }

    /// A program was launched.
    pub fn launched(&mut self, pid: u32, command: Vec<Vec<u8>>) -> io::Result<()> {
        let program = u32::try_from(self.programs.len()).unwrap_or(u32::MAX);
        self.add_process(pid, program)?;
        self.programs.push(Progress { command, pid, ..Progress::default() });
        self.add_thread(pid, pid, Shared::default());
        Ok(())
    }

    fn add_process(&mut self, pid: u32, program: u32) -> io::Result<()> {
        let (handle, lines) = (PidFd::open(pid)?, Lines::default());
        let process = Process { program, handle, lines, read_through: pid };
        self.processes.insert(pid, process);
        Ok(())
    }

    fn add_thread(&mut self, tid: u32, pid: u32, files: Shared) {
        self.threads.insert(tid, Thread::new(pid, files));
    }

    fn happened(&mut self, happened: Happened) {
        let held = self.held.saturating_add(self.time.since(self.since));
        self.facts.push(Fact { time: self.time, held: u64::try_from(held).unwrap_or(0), happened });
    }

    /// Takes what a thread told, and lets it go on.
    pub fn take(&mut self, tid: u32, news: News) {
        let time = now();
        (self.time, self.since) = (time, time);
        let (how, signal) = match news {
            News::Entering(entry) => (self.entering(tid, entry), 0),
            News::Left(result) => {
                self.left(tid, result);
                (How::On, 0)
            }
            News::Made { child } => {
                self.made(tid, child);
                (How::On, 0)
            }
            News::Executed { former } => {
                self.executed(tid, former);
                (How::On, 0)
            }
            // One that is not known yet waits for who made it.
            News::Began if !self.threads.contains_key(&tid) => {
                self.early.insert(tid);
                return;
            }
            News::Ending(status) => {
                self.ending(tid, told(status));
                (How::On, 0)
            }
            News::Signal(signal) => {
                let thread = self.threads.get_mut(&tid);
                let pid = thread.map_or(tid, |thread| {
                    thread.interrupted.signalled(tid, signal);
                    thread.pid
                });
                self.happened(Happened::Signalled { pid, tid, signal });
                (How::On, signal)
            }
            News::Stopped(_) => (How::Listening, 0),
            News::Ended(status) => return self.ended(tid, told(status)),
            News::Began | News::Other => (How::On, 0),
        };
        // What was changed is put back when the call is over, whatever comes before.
        let is_changed = self.threads.get(&tid).is_some_and(|thread| thread.changed.is_some());
        let how = if is_changed && matches!(how, How::On) { How::ToTheEnd } else { how };
        // Who was killed meanwhile is told to have ended.
        let _ = ptrace::resume(tid, how, signal);
        self.held = self.held.saturating_add(now().since(self.since).max(0));
    }

    fn entering(&mut self, tid: u32, entry: Entry) -> How {
        let Some(thread) = self.threads.get_mut(&tid) else { return How::On };
        thread.changed = None;
        if !thread.interrupted.is_empty() {
            let (left, again) = thread.interrupted.entered(&entry);
            let goes_on = again.is_some();
            thread.call = again;
            self.leave(left);
            if goes_on {
                return How::ToTheEnd;
            }
        }
        let Some(thread) = self.threads.get_mut(&tid) else { return How::On };
        let Some(known) = calls::known(entry.number).filter(|_| entry.architecture == NATIVE) else {
            return How::On;
        };
        if known.kind == Kind::Returns {
            thread.returns = !thread.interrupted.is_empty();
            return if thread.returns { How::ToTheEnd } else { How::On };
        }
        if known.kind == Kind::Stacks {
            let [given, ..] = entry.arguments;
            if given != 0 {
                thread.interrupted.alternate = memory::stack(tid, given);
            }
            return How::On;
        }
        if matches!(known.kind, Kind::Clones | Kind::Clones3) {
            return self.clones(tid, known.kind, &entry);
        }
        let Some(plan) = self.plan(tid, known, &entry) else { return How::On };
        self.open(tid, entry, plan)
    }

    fn clones(&mut self, tid: u32, kind: Kind, entry: &Entry) -> How {
        let Some(thread) = self.threads.get_mut(&tid) else { return How::On };
        let [first, ..] = entry.arguments;
        let flags = if kind == Kind::Clones3 { memory::u64_at(tid, first) } else { Some(first) };
        thread.clone = flags.unwrap_or(0);
        let (asked, traced) = (thread.clone, thread.clone & !UNTRACED);
        if traced == asked {
            return How::On;
        }
        // A child without a tracer would fail at every call that its filter stops (ENOSYS, seccomp(2)).
        let (done, changed) = match kind {
            Kind::Clones3 => {
                (ptrace::write_word(tid, first, traced), Changed::Memory { address: first, word: asked })
            }
            _ => (ptrace::set_first_argument(tid, traced), Changed::Register(asked)),
        };
        if done.is_err() {
            return How::On;
        }
        thread.changed = Some(changed);
        How::ToTheEnd
    }

    /// A call that is told begins.
    fn open(&mut self, tid: u32, entry: Entry, plan: Plan) -> How {
        let Plan { syscall, fd, socket, arguments, drops, before, after, told, passes } = plan;
        let Some(thread) = self.threads.get(&tid) else { return How::On };
        let pid = thread.pid;
        let id = told.then(|| {
            let id = self.next();
            let line = self.line(pid, tid);
            let program = self.processes.get(&pid).map_or(0, |process| process.program);
            let fd = (fd >= 0).then_some(fd);
            // From here on the time is the program's.
            self.time = now();
            let entered =
                Entered { id, program, pid, tid, syscall, fd, socket, arguments, drops, before, line };
            self.happened(Happened::Entered(entered));
            id
        });
        if let Some(thread) = self.threads.get_mut(&tid) {
            thread.call = Some(Open { id, entry, syscall, fd, after, passes });
        }
        How::ToTheEnd
    }

    /// From now on the thread's table of descriptors is its own.
    pub fn unshare(&mut self, tid: u32) {
        let Some(thread) = self.threads.get_mut(&tid) else { return };
        if Rc::strong_count(&thread.files) > 1 {
            thread.files = self.references.copy(&thread.files);
        }
    }

    fn next(&mut self) -> CallId {
        self.calls += 1;
        CallId(self.calls)
    }

    fn program(&self, pid: u32) -> u32 {
        self.processes.get(&pid).map_or(0, |process| process.program)
    }

    fn line(&mut self, pid: u32, tid: u32) -> Option<Line> {
        if !self.lines {
            return None;
        }
        let process = self.processes.get_mut(&pid)?;
        // Nothing of a process can be read through a thread that has ended.
        if !self.threads.contains_key(&process.read_through) {
            (process.lines, process.read_through) = (Lines::default(), tid);
        }
        process.lines.of(&mut self.modules, process.read_through, tid)
    }

    fn left(&mut self, tid: u32, result: Result<i64, i32>) {
        let Some(thread) = self.threads.get_mut(&tid) else { return };
        match thread.changed.take() {
            Some(Changed::Memory { address, word }) => {
                let _ = ptrace::write_word(tid, address, word);
            }
            Some(Changed::Register(word)) => {
                let _ = ptrace::put_back_first_argument(tid, word);
            }
            None => {}
        }
        if std::mem::take(&mut thread.returns) {
            // What the interrupted call gives: it fails, or it is made again.
            if let Some(open) = thread.interrupted.handled(result == Err(libc::EINTR)) {
                self.close_call(&open, Outcome::Failed(libc::EINTR), None, None);
            }
            return;
        }
        let Some(open) = thread.call.take() else { return };
        if result.is_err_and(|error| RESTARTS.contains(&error)) {
            let oldest = thread.interrupted.add(open);
            return self.leave(oldest);
        }
        let (pid, files) = (thread.pid, thread.files.clone());
        let outcome = result.map_or_else(Outcome::Failed, Outcome::Returned);
        self.passed(tid, &files, &open, result);
        if let (After::Leaves(address), Err(errno)) = (open.after, result) {
            let program = self.program(pid);
            self.asides.push(Aside::Failed { program, syscall: open.syscall, address, errno });
        }
        let made = result.ok().and_then(|fd| self.make(tid, &files, &open, fd));
        let reading = self.read_after(tid, &files, &open, made, result);
        self.note_progress(pid, &open, result);
        self.close_call(&open, outcome, made, reading);
    }

    /// The socket that the call made, if it did.
    fn make(&mut self, tid: u32, files: &Shared, open: &Open, fd: i64) -> Option<(i32, Cookie)> {
        let fd = i32::try_from(fd).ok()?;
        match open.after {
            After::Makes => {
                let socket = Sockets::identify(owner(&self.threads, &self.processes, tid)?, fd)?;
                self.references.set(files, fd, Slot::Socket(socket));
                Some((fd, socket))
            }
            After::Copies(slot) => {
                self.references.set(files, fd, slot);
                None
            }
            After::Overwrites => {
                self.references.close(files, fd);
                None
            }
            After::Gets => {
                self.take_in(tid, files, fd);
                None
            }
            After::Rings => {
                self.has_rings = true;
                None
            }
            After::Nothing | After::Reads | After::Leaves(_) | After::Passes | After::Takes { .. } => None,
        }
    }

    /// Descriptors that went to another process, or came from one.
    fn passed(&mut self, tid: u32, files: &Shared, open: &Open, result: Result<i64, i32>) {
        match (open.after, result) {
            (After::Passes, Err(_)) => {
                for socket in &open.passes {
                    self.references.arrive(*socket);
                }
            }
            (After::Takes { peeks }, Ok(count)) => {
                let [_, pointer, ..] = open.entry.arguments;
                let count = (open.syscall == Syscall::Recvmmsg).then(|| u64::try_from(count).unwrap_or(0));
                let all = memory::messages(pointer, count).flat_map(|at| memory::descriptors(tid, at));
                for fd in all.collect::<Vec<i32>>() {
                    let Some(socket) = self.take_in(tid, files, fd) else { continue };
                    if !peeks {
                        self.references.arrive(socket);
                    }
                }
            }
            _ => {}
        }
    }

    /// A descriptor has come from elsewhere: which socket it is, if it is one.
    fn take_in(&mut self, tid: u32, files: &Shared, fd: i32) -> Option<Cookie> {
        let socket = Sockets::identify(owner(&self.threads, &self.processes, tid)?, fd)?;
        self.references.set(files, fd, Slot::Socket(socket));
        Some(socket)
    }

    fn read_after(
        &mut self,
        tid: u32,
        files: &Shared,
        open: &Open,
        made: Option<(i32, Cookie)>,
        result: Result<i64, i32>,
    ) -> Option<Reading> {
        let (fd, socket) = match (made, open.after) {
            (Some(made), _) => made,
            (None, After::Reads) if result != Err(libc::EAGAIN) => (open.fd, files.borrow().socket(open.fd)?),
            _ => return None,
        };
        let owner = owner(&self.threads, &self.processes, tid)?;
        if calls::only_writes(open.syscall) {
            self.sockets.read_after_writing(owner, fd, socket)
        } else {
            self.sockets.read(owner, fd, socket)
        }
    }

    fn note_progress(&mut self, pid: u32, open: &Open, result: Result<i64, i32>) {
        let ready = match open.syscall {
            Syscall::Listen => result.is_ok(),
            Syscall::Connect => result.is_ok() || result == Err(libc::EINPROGRESS),
            _ => false,
        };
        let program = self.processes.get(&pid).map(|process| process.program);
        let place = program.and_then(|program| usize::try_from(program).ok());
        if let Some(progress) = place.and_then(|place| self.programs.get_mut(place)) {
            progress.is_ready |= ready;
        }
    }

    fn close_call(
        &mut self,
        open: &Open,
        outcome: Outcome,
        made: Option<(i32, Cookie)>,
        reading: Option<Reading>,
    ) {
        if let Some(id) = open.id {
            self.happened(Happened::Left(Left { id, outcome, made, reading }));
        }
    }

    /// Calls that never return.
    fn leave(&mut self, calls: impl IntoIterator<Item = Open>) {
        for open in calls {
            self.close_call(&open, Outcome::Never, None, None);
        }
    }

    fn made(&mut self, tid: u32, child: u32) {
        let Some(thread) = self.threads.get_mut(&tid) else { return };
        let flags = std::mem::take(&mut thread.clone);
        let (parent, files) = (thread.pid, thread.files.clone());
        let has = |flag: i32| flags & u64::from(flag.unsigned_abs()) != 0;
        // A copy of the process has the copy of that stack.
        let is_copy = !has(libc::CLONE_VM) || has(libc::CLONE_VFORK);
        let alternate = thread.interrupted.alternate.clone().filter(|_| is_copy);
        let files = if has(libc::CLONE_FILES) { files } else { self.references.copy(&files) };
        let pid = if has(libc::CLONE_THREAD) { parent } else { child };
        let program = self.processes.get(&parent).map_or(0, |process| process.program);
        if pid == child && self.add_process(child, program).is_err() {
            // It is gone already.
            self.references.close_all(&files);
        }
        self.add_thread(child, pid, files);
        if let Some(thread) = self.threads.get_mut(&child) {
            thread.interrupted.alternate = alternate;
        }
        self.happened(Happened::Began { program, pid, tid: child });
        if self.early.remove(&child) {
            let _ = ptrace::resume(child, How::On, 0);
        }
    }

    /// A process executes another program: one thread is left, what is closed on exec is closed.
    fn executed(&mut self, pid: u32, former: u32) {
        let Some(mut thread) = self.threads.remove(&former).or_else(|| self.threads.remove(&pid)) else {
            return;
        };
        self.threads.retain(|_, other| other.pid != pid);
        if Rc::strong_count(&thread.files) > 1 {
            thread.files = self.references.copy(&thread.files);
        }
        let files = thread.files.clone();
        let call = thread.call.take();
        (thread.pid, thread.own) = (pid, OnceCell::new());
        let left = thread.interrupted.end();
        self.threads.insert(pid, thread);
        self.leave(left);
        let Some(process) = self.processes.get_mut(&pid) else { return };
        (process.lines, process.read_through) = (Lines::default(), pid);
        let program = process.program;
        self.asides.extend(aside::privileged(pid).map(|file| Aside::Unprivileged { program, file }));
        self.asides.extend(aside::foreign(pid).map(|file| Aside::Foreign { file }));
        let place = usize::try_from(process.program).unwrap_or(usize::MAX);
        if let Some(progress) = self.programs.get_mut(place).filter(|progress| !progress.runs) {
            progress.runs = true;
            let (number, command) = (process.program, progress.command.clone());
            for stream in [1, 2] {
                self.references.set(&files, stream.into(), Slot::Console(stream));
            }
            self.happened(Happened::Started(Program { number, pid, command }));
            return;
        }
        self.close_on_exec(pid, &files, call.as_ref());
    }

    fn close_on_exec(&mut self, pid: u32, files: &Shared, call: Option<&Open>) {
        let sockets: Vec<(i32, Cookie)> = files.borrow().sockets().collect();
        let Some(process) = self.processes.get(&pid) else { return };
        let gone: Vec<i32> =
            sockets.iter().map(|(fd, _)| *fd).filter(|fd| process.handle.copy(*fd).is_err()).collect();
        let drops = self.references.last_of(&files.borrow(), &gone);
        for fd in gone {
            self.references.close(files, fd);
        }
        for socket in &drops {
            self.sockets.forget(*socket);
        }
        match call {
            // It told them when it was entered.
            Some(call) if call.id.is_some() => self.close_call(call, Outcome::Returned(0), None, None),
            _ => self.drop_all(pid, pid, Syscall::Execve, Arguments::None, (drops, Vec::new())),
        }
    }

    /// What ends sockets without being a call that is looked at.
    fn drop_all(
        &mut self,
        pid: u32,
        tid: u32,
        syscall: Syscall,
        arguments: Arguments,
        (drops, before): (Vec<Cookie>, Vec<Reading>),
    ) {
        if drops.is_empty() {
            return;
        }
        let program = self.processes.get(&pid).map_or(0, |process| process.program);
        let id = self.next();
        let entered = Entered {
            id,
            program,
            pid,
            tid,
            syscall,
            fd: None,
            socket: None,
            arguments,
            drops,
            before,
            line: None,
        };
        self.happened(Happened::Entered(entered));
    }

    /// A thread is about to end; with the last one that has them, its descriptors are closed.
    fn ending(&mut self, tid: u32, status: Status) {
        let Some(mut thread) = self.threads.remove(&tid) else { return };
        self.leave(thread.call.take().into_iter().chain(thread.interrupted.end()));
        if Rc::strong_count(&thread.files) > 1 {
            return;
        }
        let sockets: Vec<(i32, Cookie)> = thread.files.borrow().sockets().collect();
        let drops = self.references.close_all(&thread.files);
        let mut before = Vec::new();
        if let Some(owner) = thread.owner(tid, &self.threads, &self.processes) {
            let last = sockets.into_iter().filter(|(_, socket)| drops.contains(socket));
            before.extend(last.filter_map(|(fd, socket)| self.sockets.read(owner, fd, socket)));
        }
        let (syscall, arguments) = match status {
            Status::Exited(status) => (Syscall::ExitGroup, Arguments::Status(status)),
            Status::Killed(signal) => (Syscall::Killed, Arguments::Status(signal)),
        };
        self.drop_all(thread.pid, tid, syscall, arguments, (drops, before));
    }

    fn ended(&mut self, tid: u32, status: Status) {
        // One that was killed may not have said before that it ends.
        self.ending(tid, status);
        self.early.remove(&tid);
        if self.processes.remove(&tid).is_none() {
            return;
        }
        let progress = self.programs.iter_mut().find(|progress| progress.pid == tid);
        // What never ran did not begin in the recording either.
        let has_begun = progress.as_ref().is_none_or(|progress| progress.runs);
        if let Some(progress) = progress {
            progress.status = Some(status);
        }
        if has_begun {
            self.happened(Happened::Ended { pid: tid, status });
        }
    }
}

/// By the clock that stamps packets.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

const fn told(status: ptrace::Status) -> Status {
    match status {
        ptrace::Status::Exited(status) => Status::Exited(status),
        ptrace::Status::Killed(signal) => Status::Killed(signal),
    }
}
