//! Calls as they are said: the name that the manual of the C library has, what was asked for, how it went.

use super::super::words::{endpoint, say};
use super::folding::{Kind, Tally};
use super::names;
use crate::catalogue::{Catalogue, human_time};
use crate::text::{escape, shell_word};
use enchufe_story::fact::{Arguments, Outcome, Program, Status, Syscall};
use enchufe_story::trace::{Entered, Left};
use std::time::Duration;

/// Waits shorter than this are not said.
const LEAST_SAID: i64 = 1_000_000;

/// What a programmer calls it: `send` is `sendto` to the kernel.
pub fn name(syscall: Syscall) -> &'static str {
    match syscall {
        Syscall::Sendto => "send",
        Syscall::Recvfrom => "recv",
        Syscall::Accept4 => "accept",
        Syscall::ExitGroup => "exit",
        Syscall::Execve | Syscall::Execveat => "exec",
        _ => syscall.name(),
    }
}

/// Whether only who wants details sees it: it neither moves bytes nor changes what a socket does, or waits until it can.
pub const fn is_detail(syscall: Syscall) -> bool {
    let asks = matches!(
        syscall,
        Syscall::Fcntl | Syscall::Ioctl | Syscall::Getsockname | Syscall::Getpeername | Syscall::Getsockopt
    );
    asks || waits(syscall)
}

/// The same of a call that was entered: sockets that are not of TCP are not followed.
pub fn is_detailed(entered: &Entered) -> bool {
    is_detail(entered.syscall) || other(&entered.arguments).is_some()
}

/// A socket that is not of TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Other {
    Udp,
    Unix,
    Another,
}

/// Of what `socket` and `socketpair` ask for: what it is, if it is not TCP.
pub const fn other(arguments: &Arguments) -> Option<Other> {
    let Arguments::Socket { domain, kind, protocol } = arguments else { return None };
    match (*domain, *kind & names::KIND, *protocol) {
        (names::AF_INET | names::AF_INET6, names::STREAM, 0 | names::TCP) => None,
        (names::AF_INET | names::AF_INET6, names::DATAGRAM, _) => Some(Other::Udp),
        (names::AF_UNIX, ..) => Some(Other::Unix),
        _ => Some(Other::Another),
    }
}

/// `EAGAIN` of Linux: nothing to do now.
pub const EAGAIN: i32 = 11;

/// Whether it waits until something can be done with one of several descriptors.
const fn waits(syscall: Syscall) -> bool {
    matches!(
        syscall,
        Syscall::Poll
            | Syscall::Ppoll
            | Syscall::Select
            | Syscall::Pselect6
            | Syscall::EpollWait
            | Syscall::EpollPwait
            | Syscall::EpollPwait2
    )
}

/// Whether programs do it again and again while bytes move.
pub fn is_repeated(syscall: Syscall) -> bool {
    waits(syscall) || moves(Some(syscall))
}

/// The call, with what it was asked for.
pub fn called(entered: &Entered) -> String {
    let name = name(entered.syscall);
    let said = match &entered.arguments {
        Arguments::Address(end) => endpoint(end),
        Arguments::OtherAddress { family } => names::family(*family),
        Arguments::Backlog(backlog) => return format!("{name}({backlog})"),
        Arguments::Bytes { wanted, flags: 0 } => return format!("{name}({wanted})"),
        Arguments::Bytes { wanted, flags } => {
            return format!("{name}({wanted}, {})", names::message_flags(*flags).join("|"));
        }
        Arguments::How(how) => names::how(*how),
        Arguments::Option { level, name, value } => {
            let option = names::option(*level, *name);
            value.map_or_else(|| option.clone(), |value| format!("{option} {value}"))
        }
        Arguments::Descriptor(fd) => format!("{} {fd}", entered.fd.unwrap_or(-1)),
        Arguments::Status(status) => status.to_string(),
        Arguments::Socket { domain, kind, .. } if other(&entered.arguments).is_some() => {
            format!("{} {}", names::domain(*domain), names::kind(*kind))
        }
        Arguments::Socket { domain, .. } => names::domain(*domain),
        Arguments::Waits { fds, timeout } => return format!("{name}({})", waited(entered.fd, fds, *timeout)),
        Arguments::None | Arguments::Printed { .. } | Arguments::Request(_) => String::new(),
    };
    let on = match entered.syscall {
        Syscall::Close => return format!("{name}({})", entered.fd.unwrap_or(-1)),
        _ => said,
    };
    if on.is_empty() { name.to_owned() } else { format!("{name} {on}") }
}

/// What is waited for, and for how long at most.
fn waited(fd: Option<i32>, fds: &[i32], timeout: Option<i64>) -> String {
    let all = fd.iter().chain(fds).map(i32::to_string).collect::<Vec<_>>().join(" ");
    match timeout {
        Some(nanos) => format!("{all}, {}", human_time(Duration::from_nanos(nanos.max(0).unsigned_abs()))),
        None => all,
    }
}

/// How it went: nothing where that goes without saying; and how long it took, where that was long.
pub fn outcome(left: &Left) -> String {
    let is_plain = matches!(left.outcome, Outcome::Returned(_)) && left.made.is_none();
    let tells = |syscall| moves(Some(syscall)) || waits(syscall) || syscall == Syscall::Socket;
    let goes_without = is_plain && !left.syscall.is_some_and(tells);
    let mut said = if goes_without { String::new() } else { result(left) };
    if let Some(nanos) = left.duration.filter(|nanos| *nanos >= LEAST_SAID) {
        let time = human_time(Duration::from_nanos(nanos.unsigned_abs()));
        let plain = if said.is_empty() { result(left) } else { said };
        said = format!("{plain} ({time})");
    }
    said.trim_start().to_owned()
}

/// What it gave, and which frames brought it.
pub fn result(left: &Left) -> String {
    let said = match left.outcome {
        Outcome::Returned(_) if left.made.is_some() => {
            format!("= fd {}", left.made.map_or(-1, |(fd, _)| fd))
        }
        // One that is not of TCP.
        Outcome::Returned(value) if left.syscall == Some(Syscall::Socket) => format!("= fd {value}"),
        Outcome::Returned(value) if moves(left.syscall) => format!("= {value} B"),
        Outcome::Returned(value) => format!("= {value}"),
        Outcome::Failed(errno) => format!("= {}", names::errno(errno)),
        Outcome::Never => String::new(),
    };
    if left.from.count == 0 {
        return said;
    }
    let frames: Vec<String> = left.from.numbers.iter().map(|frame| format!("#{frame}")).collect();
    let named = u64::try_from(frames.len()).unwrap_or(u64::MAX);
    let more = left.from.count.saturating_sub(named);
    let more = if more == 0 { String::new() } else { format!(" +{more}") };
    format!("{said} ← {}{more}", frames.join(" "))
}

/// How a process ended.
pub fn ended(status: Status, catalogue: &Catalogue) -> String {
    match status {
        Status::Exited(status) => say(catalogue, "trace-exited", &[("status", &status.to_string())], &[]),
        Status::Killed(signal) => say(catalogue, "trace-killed", &[("signal", &names::signal(signal))], &[]),
    }
}

/// What was run, as it is typed to a shell.
pub fn command(program: &Program) -> String {
    let words = program.command.iter().map(|word| shell_word(word));
    words.collect::<Vec<_>>().join(" ")
}

/// Many equal calls.
pub fn tally(kind: &Kind, tally: &Tally) -> String {
    let mut said = format!("{} {}", kind.place, name(kind.syscall));
    let succeeded = tally.count.saturating_sub(tally.again);
    if succeeded > 0 {
        said = format!("{said} ×{succeeded}");
        if moves(Some(kind.syscall)) {
            said = format!("{said} = {} B", tally.bytes);
        }
    }
    if tally.again > 0 {
        let comma = if succeeded > 0 { "," } else { "" };
        said = format!("{said}{comma} {} ×{}", names::errno(EAGAIN), tally.again);
    }
    if tally.nanos >= LEAST_SAID {
        let time = human_time(Duration::from_nanos(tally.nanos.unsigned_abs()));
        said = format!("{said} ({time})");
    }
    said.trim_start().to_owned()
}

/// Whether the outcome of a call needs no word where a segment stands for it: it took no time, did not fail, and wrote or
/// closed.
pub fn goes_without_saying(left: &Left) -> bool {
    let quick = left.duration.is_none_or(|nanos| nanos < LEAST_SAID);
    let reads = left.from.count > 0 || left.made.is_some();
    let plain = matches!(left.outcome, Outcome::Returned(0)) && left.syscall != Some(Syscall::Connect)
        || matches!(left.outcome, Outcome::Returned(_))
            && left.wrote.iter().any(|moved| !moved.range.is_empty());
    quick && !reads && plain
}

/// Whether what a call gives is a number of bytes.
pub fn moves(syscall: Option<Syscall>) -> bool {
    syscall.is_some_and(|syscall| {
        matches!(
            syscall,
            Syscall::Send
                | Syscall::Sendto
                | Syscall::Sendmsg
                | Syscall::Write
                | Syscall::Writev
                | Syscall::Pwritev2
                | Syscall::Sendfile
                | Syscall::Splice
                | Syscall::Recv
                | Syscall::Recvfrom
                | Syscall::Recvmsg
                | Syscall::Read
                | Syscall::Readv
                | Syscall::Preadv2
        )
    })
}

/// What was printed, in quotes, without the end of its line.
pub fn printed(text: &[u8]) -> String {
    let line = text.strip_suffix(b"\n").unwrap_or(text);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    // Escaped as everywhere; the quotes around it are ours, so its own need no mark.
    escape(line).replace("\\\"", "\"")
}
