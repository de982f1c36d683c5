//! clone(2) with `CLONE_VM` and `CLONE_VFORK`, as `posix_spawn(3)` does: a program is started, with a limit of its own.
//!
//! The new process borrows the memory of this one until it executes, so a start costs the same however much memory and
//! however many threads there are. std can only have a limit set where it forks (`pre_exec`), which copies the map
//! of all memory: beside 2,000 threads 20 ms a start instead of 1. `posix_spawn` knows no limits, and
//! to set one from outside would come too late: its caller goes on when the program runs already.

use crate::errno::check;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_send_signal, waitid};
use std::env;
use std::ffi::{CString, OsStr, OsString, c_char, c_int, c_void};
use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

/// What to start, and how.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    /// The path of the file: none is searched for.
    pub file: &'a OsStr,
    /// What follows it.
    pub arguments: &'a [OsString],
    /// Variables of its environment, beside those of this process.
    pub variables: &'a [(&'a str, String)],
    /// Its standard input and output. What else it inherits is not closed on exec.
    pub ends: BorrowedFd<'a>,
    /// The soft limit of descriptors that it begins with; `None`: that of this process. The hard one bounds it.
    pub descriptors: Option<u64>,
}

/// A program that was started, and is to be waited for: nobody else does.
#[derive(Debug)]
pub struct Started {
    pid: u32,
    handle: OwnedFd,
}

/// What kept a program from starting.
#[derive(Debug)]
pub enum NotStarted {
    /// clone(2): there is no process for it.
    Clone(io::Error),
    /// execve(2), or what leads to it: a process cannot become it.
    Exec(io::Error),
}

impl From<io::Error> for NotStarted {
    fn from(error: io::Error) -> Self {
        Self::Exec(error)
    }
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The code that it ended with.
    pub code: Option<i32>,
    /// Or the signal that ended it.
    pub signal: Option<i32>,
}

impl Start<'_> {
    /// Starts it, as the leader of a group of its own, with SIGPIPE and SIGXFSZ as the system has them.
    pub fn start(&self) -> Result<Started, NotStarted> {
        let file = text(self.file.as_bytes())?;
        let arguments: io::Result<Vec<CString>> = std::iter::once(self.file)
            .chain(self.arguments.iter().map(OsString::as_os_str))
            .map(|word| text(word.as_bytes()))
            .collect();
        let (arguments, environment) = (arguments?, self.environment()?);
        let (arguments, environment) = (pointers(&arguments), pointers(&environment));
        let mut orders = Orders {
            file: file.as_ptr(),
            arguments: arguments.as_ptr(),
            environment: environment.as_ptr(),
            ends: self.ends.as_raw_fd(),
            limit: self.limit()?,
            mask: empty(),
            error: AtomicI32::new(0),
        };
        let started = orders.give().map_err(NotStarted::Clone)?;
        match orders.error.into_inner() {
            0 => Ok(started),
            error => {
                let _ = started.wait();
                Err(NotStarted::Exec(io::Error::from_raw_os_error(error)))
            }
        }
    }

    fn environment(&self) -> io::Result<Vec<CString>> {
        let own = env::vars_os().filter(|(name, _)| self.variables.iter().all(|(other, _)| name != other));
        let given = self.variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        own.chain(given)
            .map(|(name, value)| text(&[name.as_bytes(), b"=", &value.into_vec()].concat()))
            .collect()
    }

    fn limit(&self) -> io::Result<Option<libc::rlimit>> {
        let Some(soft) = self.descriptors else { return Ok(None) };
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the pointer is to a live value that the kernel fills in.
        check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
        let soft = soft.min(limit.rlim_max);
        // A sandbox that forbids the call had ours stay as it was.
        Ok((soft != limit.rlim_cur).then_some(libc::rlimit { rlim_cur: soft, ..limit }))
    }
}

impl Started {
    /// The number of its process, which is nobody else's until it was waited for.
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// Ends at once (SIGKILL) all that is in its group, and itself, which may have left that.
    pub fn end(&self) {
        // Nobody has waited for it yet, so that its number is no other's. What is over already cannot be ended, and need not be.
        if let Some(group) = Pid::from_raw(self.pid.cast_signed()) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = pidfd_send_signal(&self.handle, Signal::KILL);
    }

    /// Waits until it ends. The descriptor is given back then.
    pub fn wait(self) -> io::Result<Ended> {
        loop {
            match waitid(WaitId::PidFd(self.handle.as_fd()), WaitIdOptions::EXITED) {
                Ok(Some(status)) => {
                    break Ok(Ended { code: status.exit_status(), signal: status.terminating_signal() });
                }
                Ok(None) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => break Err(error.into()),
            }
        }
    }
}

/// Readable once it has ended.
impl AsFd for Started {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

/// What the new process does before it executes. It shares this memory, so that nothing may be allocated, and no lock be
/// taken that another thread could hold.
struct Orders {
    file: *const c_char,
    /// These two end with a null pointer.
    arguments: *const *const c_char,
    environment: *const *const c_char,
    ends: c_int,
    limit: Option<libc::rlimit>,
    /// The signals that are held back by who starts it.
    mask: libc::sigset_t,
    /// Why it did not come to execute (errno), or 0.
    error: AtomicI32,
}

/// Room for the calls of the new process before it executes: some hundred bytes each, none of them recursive.
const STACK: usize = 64 * 1024;

/// The signals are 1 to this (signal(7)).
const LAST_SIGNAL: c_int = 64;

impl Orders {
    /// Starts a process that carries them out, and returns when it executes or has ended.
    fn give(&mut self) -> io::Result<Started> {
        // A stack of its own, with the alignment that all processors want.
        let mut stack = vec![0_u128; STACK / mem::size_of::<u128>()];
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
        let mut handle: c_int = -1;
        let mut all = empty();
        // SAFETY: the sets are live. A handler that ran in the new process would do so in our memory: none may until it has
        // only the system's.
        check(unsafe {
            libc::sigfillset(&raw mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut self.mask)
        })?;
        // SAFETY: the stack begins at its end, is large enough (see there), and lives, as do we and the place for the handle,
        // until the process executes or has ended, for this thread goes on only then (CLONE_VFORK).
        let pid = check(unsafe {
            let top = stack.as_mut_ptr_range().end.cast::<c_void>();
            libc::clone(begin, top, flags, ptr::from_mut(self).cast(), &raw mut handle)
        });
        // SAFETY: the set is the one that was in force, and the old one is not asked for.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.mask, ptr::null_mut()) };
        let pid = u32::try_from(pid?).map_err(io::Error::other)?;
        // SAFETY: the kernel has just given us this descriptor (CLONE_PIDFD), and nobody else has it.
        Ok(Started { pid, handle: unsafe { OwnedFd::from_raw_fd(handle) } })
    }

    /// In the new process: executes the program, or tells what kept it from that.
    ///
    /// # Safety
    ///
    /// To be called in a process that [`give`](Self::give) has started, alone.
    unsafe fn carry_out(&self) -> io::Result<()> {
        // SAFETY: all of these are safe between fork and exec (signal-safety(7); setrlimit only makes its call), the
        // pointers are to live values, and the lists of words end with a null pointer.
        unsafe {
            forget_handlers();
            check(libc::setpgid(0, 0))?;
            for end in [libc::STDIN_FILENO, libc::STDOUT_FILENO] {
                // To copy one on itself would leave it to be closed.
                let own = self.ends == end;
                check(if own { libc::fcntl(end, libc::F_SETFD, 0) } else { libc::dup2(self.ends, end) })?;
            }
            if let Some(limit) = &self.limit {
                check(libc::setrlimit(libc::RLIMIT_NOFILE, ptr::from_ref(limit)))?;
            }
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.mask, ptr::null_mut());
            check(libc::execve(self.file, self.arguments, self.environment))?;
        }
        Ok(())
    }
}

extern "C" fn begin(orders: *mut c_void) -> c_int {
    // SAFETY: `give` hands this over, and waits; nobody changes it meanwhile.
    let orders = unsafe { &*orders.cast_const().cast::<Orders>() };
    // SAFETY: this is the process that it has started.
    if let Err(error) = unsafe { orders.carry_out() } {
        orders.error.store(error.raw_os_error().unwrap_or(libc::EINVAL), Ordering::Relaxed);
    }
    // SAFETY: ends this process alone, without what the other would do at its end.
    unsafe { libc::_exit(127) }
}

/// Those that this process ignores for itself: Rust's programs do the first, [`fail_past_file_size`](crate::host::fail_past_file_size) the
/// second.
const OURS: [c_int; 2] = [libc::SIGPIPE, libc::SIGXFSZ];

/// Signals that are caught do again what the system has them do, as execve(2) would see to; and [`OURS`].
///
/// # Safety
///
/// To be called in a process that is going to execute, with all signals held back.
unsafe fn forget_handlers() {
    for signal in 1..=LAST_SIGNAL {
        // SAFETY: all zeros are a `sigaction`: no handler, no flags, nothing held back. The pointers are to live values. Signals that
        // have no action to change are refused, and stay.
        unsafe {
            let mut action: libc::sigaction = mem::zeroed();
            if libc::sigaction(signal, ptr::null(), &raw mut action) == 0
                && action.sa_sigaction != libc::SIG_DFL
                && (action.sa_sigaction != libc::SIG_IGN || OURS.contains(&signal))
            {
                let usual: libc::sigaction = mem::zeroed();
                libc::sigaction(signal, &raw const usual, ptr::null_mut());
            }
        }
    }
}

fn empty() -> libc::sigset_t {
    // SAFETY: all zeros are a `sigset_t`, which is initialised before it is used.
    unsafe {
        let mut set = mem::zeroed();
        libc::sigemptyset(&raw mut set);
        set
    }
}

fn text(bytes: &[u8]) -> io::Result<CString> {
    CString::new(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}

/// A list as execve(2) wants it. To be dropped before what it points at.
fn pointers(words: &[CString]) -> Vec<*const c_char> {
    words.iter().map(|word| word.as_ptr()).chain([ptr::null()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rlimit;
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::Shutdown;
    use std::os::unix::net::UnixStream;

    /// What a shell makes of this, and how it ends.
    fn shell(
        script: &str,
        variables: &[(&str, String)],
        descriptors: Option<u64>,
        input: &[u8],
    ) -> (String, Ended) {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let arguments = ["-c".into(), script.into()];
        let file = OsStr::new("/bin/sh");
        let start = Start { file, arguments: &arguments, variables, ends: theirs.as_fd(), descriptors };
        let started = start.start().unwrap();
        drop(theirs);
        ours.write_all(input).unwrap();
        ours.shutdown(Shutdown::Write).unwrap();
        let mut text = String::new();
        ours.read_to_string(&mut text).unwrap();
        (text, started.wait().unwrap())
    }

    #[test]
    fn a_program_has_the_ends_the_variables_and_the_group_that_it_is_given() {
        let script = "cat; echo $PROTO $HOME; cut -d' ' -f5 /proc/$$/stat; echo $$; exit 3";
        let variables = [("PROTO", "TCP".to_owned()), ("HOME", "/nowhere".to_owned())];
        let (text, ended) = shell(script, &variables, None, b"hola\n");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..2], ["hola", "TCP /nowhere"]);
        assert_eq!(lines[2], lines[3], "it leads its group");
        assert_eq!(ended, Ended { code: Some(3), signal: None });
        let (_, ended) = shell("kill -9 $$", &[], None, b"");
        assert_eq!(ended, Ended { code: None, signal: Some(9) });
    }

    #[test]
    fn a_program_has_the_limit_that_it_is_given_and_this_process_keeps_its_own() {
        let limits = || std::fs::read_to_string("/proc/self/limits").unwrap();
        let before = limits();
        assert_eq!(shell("ulimit -Sn", &[], Some(77), b"").0, "77\n");
        let hard = shell("ulimit -Hn", &[], None, b"").0;
        assert_eq!(shell("ulimit -Sn; ulimit -Hn", &[], Some(u64::MAX), b"").0, hard.repeat(2));
        assert_eq!(limits(), before);
    }

    #[test]
    fn a_program_does_what_the_system_has_it_do_at_a_signal() {
        // Those two, 13 and 25, are ignored here alone; the others that are, or are held back, are so there.
        crate::host::fail_past_file_size();
        let states = |text: &str| {
            let of = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            ["SigBlk:", "SigIgn:", "SigCgt:"]
                .map(|name| u64::from_str_radix(of(name).unwrap().trim(), 16).unwrap())
        };
        let [blocked, ignored, _] = states(&std::fs::read_to_string("/proc/thread-self/status").unwrap());
        let (text, _) = shell("exec cat /proc/self/status", &[], None, b"");
        assert_eq!(states(&text), [blocked, ignored & !(1 << 12 | 1 << 24), 0]);
    }

    #[test]
    fn a_program_is_ended_with_all_that_is_in_its_group() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let arguments = ["-c".into(), "sleep 1000 & echo started; wait".into()];
        let (file, ends) = (OsStr::new("/bin/sh"), theirs.as_fd());
        let start = Start { file, arguments: &arguments, variables: &[], ends, descriptors: None };
        let started = start.start().unwrap();
        drop(theirs);
        let mut said = String::new();
        BufReader::new(&ours).read_line(&mut said).unwrap();
        started.end();
        // The other one has this end, too.
        assert_eq!((said.as_str(), (&ours).read(&mut [0]).unwrap()), ("started\n", 0));
        assert_eq!(started.wait().unwrap(), Ended { code: None, signal: Some(9) });
    }

    /// Whether the test of this name runs in a process of its own; if not, what starts it there: file, words, and a variable.
    fn alone(name: &str) -> Option<(OsString, [OsString; 3], (&'static str, String))> {
        const ALONE: &str = "ENCHUFE_SYS_TEST_START";
        let (_, module) = module_path!().split_once("::").unwrap();
        let words = ["--exact".into(), format!("{module}::{name}").into(), "--nocapture".into()];
        let file = env::current_exe().unwrap().into();
        env::var_os(ALONE).is_none().then(|| (file, words, (ALONE, "1".to_owned())))
    }

    #[test]
    fn a_program_that_has_left_its_group_is_ended_too() {
        let Some((file, words, variable)) = alone("a_program_that_has_left_its_group_is_ended_too") else {
            use rustix::process::{getpgid, getppid, setpgid};
            setpgid(None, Some(getpgid(getppid()).unwrap())).unwrap();
            println!("left");
            loop {
                std::thread::park();
            }
        };
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (file, variables, ends) = (file.as_os_str(), [variable], theirs.as_fd());
        let start = Start { file, arguments: &words, variables: &variables, ends, descriptors: None };
        let started = start.start().unwrap();
        drop(theirs);
        assert!(BufReader::new(&ours).lines().any(|line| line.unwrap().ends_with("left")));
        started.end();
        assert_eq!(started.wait().unwrap(), Ended { code: None, signal: Some(9) });
    }

    fn not_started(file: &str, ends: &impl AsFd) -> NotStarted {
        let (file, ends) = (OsStr::new(file), ends.as_fd());
        Start { file, arguments: &[], variables: &[], ends, descriptors: None }.start().unwrap_err()
    }

    #[test]
    fn what_cannot_be_executed_is_told_and_leaves_no_process() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        for (file, error) in [("/nowhere/at/all", libc::ENOENT), ("/", libc::EACCES)] {
            let NotStarted::Exec(said) = not_started(file, &theirs) else { panic!("{file}") };
            assert_eq!(said.raw_os_error(), Some(error));
        }
        let NotStarted::Exec(said) = not_started("a\0b", &theirs) else { panic!("no name") };
        assert_eq!(said.kind(), io::ErrorKind::InvalidInput);
        drop((theirs, ours));
    }

    /// It wants one descriptor, for the handle.
    #[test]
    fn a_process_that_cannot_be_had_is_no_program_that_cannot_be_executed() {
        let name = "a_process_that_cannot_be_had_is_no_program_that_cannot_be_executed";
        if let Some((file, words, (variable, value))) = alone(name) {
            let output = std::process::Command::new(file).args(words).env(variable, value).output().unwrap();
            return assert!(output.status.success(), "{output:?}");
        }
        let (ours, theirs) = UnixStream::pair().unwrap();
        let limit = rlimit::descriptor_limit().unwrap();
        rlimit::set_descriptor_limit(rlimit::DescriptorLimit { soft: 64, ..limit }).unwrap();
        let taken: Vec<_> = std::iter::from_fn(|| theirs.try_clone().ok()).collect();
        let NotStarted::Clone(said) = not_started("/bin/true", &theirs) else { panic!("no process") };
        assert_eq!(said.raw_os_error(), Some(libc::EMFILE));
        drop((taken, theirs, ours));
    }
}
