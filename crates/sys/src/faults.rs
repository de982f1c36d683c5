//! Calls that fail by a plan, for errors that no test can provoke: only in a build for it, `--cfg enchufe_faults`.
//!
//! A plan is rules with spaces between them, `CALL:FAULT[:WHEN]`, and at most one `seed=NUMBER`:
//!
//! * `CALL` is the name of a [`Call`], as in `accept4` or `epoll_ctl`; an operation of `io_uring(7)` counts as the call that it stands for;
//! * `FAULT` is an error by its name, which the call then fails with and is not made; or `short`: a send is made, with a part
//!   of its bytes, and a ring with the smallest queues (`io_uring_setup`) or the fewest buffers (`io_uring_register`) that it can
//!   do with, so that they overflow and run out;
//! * `WHEN` is the number of a call of this kind, from 1 (`3`); several (`3..6`, without the 6th; `3..`); or one of so many, by the
//!   seed (`1/100`). Without it: always.
//!
//! The first rule that fits is the one that counts. The same numbers of calls have the same faults in each run; which thread makes them
//! is the system's choice. The plan of a process is what `ENCHUFE_FAULTS` says, until [`set`] gives it another.
//!
//! A fault may be only what the kernel may do. So there is no short `recv`, which would say that nothing is left (epoll(7), question 9),
//! and a `close` is made whatever it says (close(2), *Dealing with error returns*).
//!
//! An operation that goes on is a call when it begins, and one more after each completion: with a fault there it ends as if what it
//! would have done next had failed, and nothing that came before is lost.

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, PoisonError, RwLock};

/// Where the first plan is.
const VARIABLE: &str = "ENCHUFE_FAULTS";

/// The calls that can fail so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "they are those of section 2 of the manual, and operations of io_uring_enter(2)"
)]
pub enum Call {
    Accept,
    Recv,
    Send,
    Shutdown,
    SetSockOpt,
    GetSockOpt,
    EpollCreate,
    EpollCtl,
    EpollWait,
    Poll,
    EventFd,
    Clone,
    RingSetup,
    RingRegister,
    RingEnter,
    PollAdd,
    AsyncCancel,
    Close,
    FixedFdInstall,
    FilesUpdate,
    Pipe,
    Splice,
}

impl Call {
    /// All of them, in their order.
    pub const ALL: [Self; 22] = [
        Self::Accept,
        Self::Recv,
        Self::Send,
        Self::Shutdown,
        Self::SetSockOpt,
        Self::GetSockOpt,
        Self::EpollCreate,
        Self::EpollCtl,
        Self::EpollWait,
        Self::Poll,
        Self::EventFd,
        Self::Clone,
        Self::RingSetup,
        Self::RingRegister,
        Self::RingEnter,
        Self::PollAdd,
        Self::AsyncCancel,
        Self::Close,
        Self::FixedFdInstall,
        Self::FilesUpdate,
        Self::Pipe,
        Self::Splice,
    ];

    /// Its name in plans.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept4",
            Self::Recv => "recv",
            Self::Send => "send",
            Self::Shutdown => "shutdown",
            Self::SetSockOpt => "setsockopt",
            Self::GetSockOpt => "getsockopt",
            Self::EpollCreate => "epoll_create1",
            Self::EpollCtl => "epoll_ctl",
            Self::EpollWait => "epoll_wait",
            Self::Poll => "poll",
            Self::EventFd => "eventfd",
            Self::Clone => "clone",
            Self::RingSetup => "io_uring_setup",
            Self::RingRegister => "io_uring_register",
            Self::RingEnter => "io_uring_enter",
            Self::PollAdd => "poll_add",
            Self::AsyncCancel => "async_cancel",
            Self::Close => "close",
            Self::FixedFdInstall => "fixed_fd_install",
            Self::FilesUpdate => "files_update",
            Self::Pipe => "pipe2",
            Self::Splice => "splice",
        }
    }

    /// Whether it can be made with less than it was to have.
    const fn can_be_short(self) -> bool {
        matches!(self, Self::Send | Self::RingSetup | Self::RingRegister)
    }
}

/// The errors that a plan can name.
const ERRORS: [(&str, i32); 33] = [
    ("EACCES", libc::EACCES),
    ("EAGAIN", libc::EAGAIN),
    ("EALREADY", libc::EALREADY),
    ("EBADF", libc::EBADF),
    ("EBADR", libc::EBADR),
    ("EBUSY", libc::EBUSY),
    ("ECONNABORTED", libc::ECONNABORTED),
    ("ECONNREFUSED", libc::ECONNREFUSED),
    ("ECONNRESET", libc::ECONNRESET),
    ("EHOSTDOWN", libc::EHOSTDOWN),
    ("EHOSTUNREACH", libc::EHOSTUNREACH),
    ("EINTR", libc::EINTR),
    ("EINVAL", libc::EINVAL),
    ("EIO", libc::EIO),
    ("EMFILE", libc::EMFILE),
    ("ENETDOWN", libc::ENETDOWN),
    ("ENETRESET", libc::ENETRESET),
    ("ENETUNREACH", libc::ENETUNREACH),
    ("ENFILE", libc::ENFILE),
    ("ENOBUFS", libc::ENOBUFS),
    ("ENOENT", libc::ENOENT),
    ("ENOMEM", libc::ENOMEM),
    ("ENONET", libc::ENONET),
    ("ENOPROTOOPT", libc::ENOPROTOOPT),
    ("ENOSPC", libc::ENOSPC),
    ("ENOSYS", libc::ENOSYS),
    ("ENOTCONN", libc::ENOTCONN),
    ("EOPNOTSUPP", libc::EOPNOTSUPP),
    ("EPERM", libc::EPERM),
    ("EPIPE", libc::EPIPE),
    ("EPROTO", libc::EPROTO),
    ("ETIMEDOUT", libc::ETIMEDOUT),
    ("EWOULDBLOCK", libc::EWOULDBLOCK),
];

/// Why a plan is none: the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadPlan(String);

impl fmt::Display for BadPlan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{VARIABLE}: `{}` is no CALL:FAULT[:WHEN]", self.0)
    }
}

impl std::error::Error for BadPlan {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Error(i32),
    Short,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// From one number to before another.
    Numbers(u64, u64),
    OneOf(u64),
}

#[derive(Clone, Copy, Debug)]
struct Rule {
    call: Call,
    fault: Fault,
    when: When,
}

impl FromStr for Rule {
    type Err = BadPlan;

    fn from_str(text: &str) -> Result<Self, BadPlan> {
        let bad = || BadPlan(text.to_owned());
        let mut parts = text.split(':');
        let (name, fault) = (parts.next().unwrap_or_default(), parts.next().ok_or_else(bad)?);
        let call = Call::ALL.into_iter().find(|call| call.name() == name).ok_or_else(bad)?;
        let when = parts.next().map_or(Some(When::Numbers(0, u64::MAX)), when).ok_or_else(bad)?;
        let error = ERRORS.iter().find(|(name, _)| *name == fault).map(|(_, number)| Fault::Error(*number));
        let short = (call.can_be_short() && fault == "short").then_some(Fault::Short);
        let fault = error.or(short).filter(|_| parts.next().is_none()).ok_or_else(bad)?;
        Ok(Self { call, fault, when })
    }
}

fn when(text: &str) -> Option<When> {
    if let Some(of) = text.strip_prefix("1/") {
        return of.parse().ok().filter(|of| *of > 0).map(When::OneOf);
    }
    if let Some((from, to)) = text.split_once("..") {
        let to = if to.is_empty() { u64::MAX } else { to.parse().ok()? };
        return Some(When::Numbers(from.parse().ok()?, to));
    }
    let number: u64 = text.parse().ok()?;
    Some(When::Numbers(number, number.saturating_add(1)))
}

#[derive(Debug, Default)]
struct Plan {
    seed: u64,
    rules: Vec<Rule>,
    /// How often each call was made, by its place in [`Call::ALL`].
    made: [AtomicU64; Call::ALL.len()],
}

impl FromStr for Plan {
    type Err = BadPlan;

    fn from_str(text: &str) -> Result<Self, BadPlan> {
        let mut plan = Self::default();
        for word in text.split_whitespace() {
            match word.strip_prefix("seed=") {
                Some(seed) => plan.seed = seed.parse().map_err(|_| BadPlan(word.to_owned()))?,
                None => plan.rules.push(word.parse()?),
            }
        }
        Ok(plan)
    }
}

impl Plan {
    fn fault(&self, call: Call, number: u64, fits: fn(Fault) -> bool) -> Option<Fault> {
        let of_call = self.rules.iter().enumerate().filter(|(_, rule)| rule.call == call && fits(rule.fault));
        let now = |(index, rule): &(usize, &Rule)| match rule.when {
            When::Numbers(from, to) => (from..to).contains(&number),
            When::OneOf(of) => mixed(self.seed ^ (*index as u64) << 56, number).is_multiple_of(of),
        };
        of_call.into_iter().find(now).map(|(_, rule)| rule.fault)
    }
}

/// A number that does not follow from its neighbours' (`SplitMix64`).
const fn mixed(seed: u64, number: u64) -> u64 {
    let mut word = seed.wrapping_add(number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

static PLAN: LazyLock<RwLock<Plan>> = LazyLock::new(|| RwLock::new(from_environment()));

/// Ends the program where the plan is none: a run without its faults would prove nothing, and the call that asks for them cannot say so.
fn from_environment() -> Plan {
    // What is no text is no plan either.
    let text = std::env::var_os(VARIABLE).unwrap_or_default().to_string_lossy().into_owned();
    text.parse().unwrap_or_else(|error: BadPlan| {
        let _ = writeln!(io::stderr(), "{error}");
        std::process::exit(2)
    })
}

/// Another plan from now on, in which every call is counted anew.
pub fn set(plan: &str) -> Result<(), BadPlan> {
    let plan = plan.parse()?;
    *PLAN.write().unwrap_or_else(PoisonError::into_inner) = plan;
    Ok(())
}

/// How often this call was made since the plan is in force, those that failed by it included.
pub fn made(call: Call) -> u64 {
    PLAN.read().unwrap_or_else(PoisonError::into_inner).made[call as usize].load(Ordering::Relaxed)
}

/// Counts a call that is about to be made, and fails where the plan has it fail.
pub(crate) fn inject(call: Call) -> io::Result<()> {
    let plan = PLAN.read().unwrap_or_else(PoisonError::into_inner);
    let number = plan.made[call as usize].fetch_add(1, Ordering::Relaxed) + 1;
    match plan.fault(call, number, |fault| fault != Fault::Short) {
        Some(Fault::Error(number)) => Err(io::Error::from_raw_os_error(number)),
        _ => Ok(()),
    }
}

/// What the call that is about to be made may have of its bytes: at least one.
pub(crate) fn shortened(call: Call, bytes: &[u8]) -> &[u8] {
    if is_short(call, 0) { &bytes[..bytes.len() - bytes.len() / 2] } else { bytes }
}

/// Whether the call that was counted last, or the next after it, is to be made with less.
pub(crate) fn is_short(call: Call, after: u64) -> bool {
    let plan = PLAN.read().unwrap_or_else(PoisonError::into_inner);
    let number = plan.made[call as usize].load(Ordering::Relaxed) + after;
    plan.fault(call, number, |fault| fault == Fault::Short).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(plan: &str, call: Call, numbers: std::ops::Range<u64>) -> Vec<u64> {
        let plan: Plan = plan.parse().unwrap();
        numbers.filter(|number| plan.fault(call, *number, |_| true).is_some()).collect()
    }

    #[test]
    fn a_plan_says_which_calls_fail_and_how() {
        let plan = "recv:ECONNRESET:3 recv:EINTR:5..7 send:short epoll_wait:EINTR:9..";
        assert_eq!(faults(plan, Call::Recv, 1..20), [3, 5, 6]);
        assert_eq!(faults(plan, Call::Send, 1..4), [1, 2, 3]);
        assert_eq!(faults(plan, Call::EpollWait, 1..12), [9, 10, 11]);
        assert_eq!(faults(plan, Call::Accept, 1..20), [0; 0]);
        let parsed: Plan = plan.parse().unwrap();
        assert_eq!(parsed.fault(Call::Recv, 3, |_| true), Some(Fault::Error(libc::ECONNRESET)));
    }

    #[test]
    fn one_of_so_many_is_the_same_in_each_run_and_another_by_another_seed() {
        let plan = |seed| faults(&format!("seed={seed} recv:EINTR:1/10"), Call::Recv, 0..10_000);
        assert_eq!(plan(1), plan(1));
        assert_ne!(plan(1), plan(2));
        assert!((800..1200).contains(&plan(1).len()), "{}", plan(1).len());
    }

    #[test]
    fn what_is_no_plan_is_refused() {
        let wrong =
            ["recv", "recv:", "read:EINTR", "recv:EWHAT", "recv:short", "send:EPIPE:0/3", "send:EPIPE:1/0"];
        for rule in wrong.into_iter().chain(["send:EPIPE:x", "send:EPIPE:1:2", "seed=x"]) {
            assert_eq!(rule.parse::<Plan>().unwrap_err(), BadPlan(rule.to_owned()));
        }
        assert!(Call::ALL.iter().enumerate().all(|(index, call)| *call as usize == index));
    }
}
