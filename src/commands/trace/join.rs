//! `enchufe trace --join`: one more program for a trace that runs already.

use crate::catalogue::Catalogue;
use crate::commands::read::traced::{how_ended, program_name};
use crate::commands::read::words::say;
use crate::exit::Code;
use crate::flags;
use crate::plan::Common;
use crate::problem::{Kind, Problem};
use crate::text::escape;
use enchufe_story::fact::Status;
use enchufe_sys::host::{self, Interest, Watch};
use enchufe_sys::signals::SignalPipe;
use enchufe_watch::trace::join::{Answer, Guest, Request, Running, running};
use enchufe_watch::trace::{CommandError, find};
use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// `SIGINT` and `SIGTERM` (signal(7)).
const SIGNALS: [i32; 2] = [2, 15];
/// So often the program is asked to end; after that it is left alone, and the trace ends it.
const MOST_ASKED: usize = 2;

pub fn join(
    word: &OsStr,
    flags: &flags::Trace,
    common: Common,
    catalogue: &Catalogue,
) -> Result<Code, Problem> {
    let (pid, command) = asked(word, flags)?;
    let name = program_name(&command);
    let request = request(command)?;
    let trace = choose(pid, running())?;
    if !common.quiet {
        let pid = trace.pid.to_string();
        let texts = [("program", name.as_str()), ("pid", &pid)];
        crate::style::complain(&say(catalogue, "note-join-begun", &texts, &[]));
    }
    let folder = env::current_dir().and_then(File::open);
    let folder = folder.map_err(|error| Problem::resources("open", &error))?;
    // Caught before there is a program that they could leave behind.
    let signals = signals()?;
    let stdio = (io::stdin(), io::stdout(), io::stderr());
    let descriptors = [stdio.0.as_fd(), stdio.1.as_fd(), stdio.2.as_fd(), folder.as_fd()];
    let guest = Guest::ask(trace, &request, descriptors).map_err(|error| failed(&error))?;
    let Some((status, ends)) = wait(&guest, &signals, &name)? else { return Ok(Code::Fine) };
    if !common.quiet {
        told(&name, status, ends, catalogue);
    }
    Ok(if flags.course.exit_status { super::own_status(status) } else { Code::Fine })
}

/// Which trace, if one was named, and the command.
fn asked(word: &OsStr, flags: &flags::Trace) -> Result<(Option<u32>, Vec<Vec<u8>>), Problem> {
    let pid = word.to_str().and_then(|word| word.parse().ok());
    let mut all = super::commands(flags).or_else(|problem| match problem.kind {
        Kind::NoProgram => Ok(Vec::new()),
        _ => Err(problem),
    })?;
    // `--join 'COMMAND'`: what is no number is the program.
    if pid.is_none() && !word.is_empty() {
        all.insert(0, super::words(word)?);
    }
    let count = all.len();
    match (all.pop(), count) {
        (Some(command), 1) => Ok((pid, command)),
        _ => Err(Problem::new(Kind::JoinOne)),
    }
}

fn request(command: Vec<Vec<u8>>) -> Result<Request, Problem> {
    let first = command.first().map_or(&[][..], Vec::as_slice);
    let file = find(first).map_err(super::cannot_run)?;
    // The trace has another folder.
    let file = std::path::absolute(&file).unwrap_or(file).into_os_string().into_vec();
    let variable = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        [name.as_bytes(), b"=", value.as_bytes()].concat()
    };
    Ok(Request { file, command, environment: env::vars_os().map(variable).collect() })
}

fn choose(pid: Option<u32>, mut all: Vec<Running>) -> Result<Running, Problem> {
    let listed = || all.iter().map(listed).collect::<Vec<_>>().join(", ");
    let place = match (pid, all.as_slice()) {
        (_, []) => return Err(Problem::new(Kind::JoinNone)),
        (None, [_]) => 0,
        (None, [first, ..]) => {
            return Err(Problem::new(Kind::JoinSeveral).with("all", listed()).with("pid", first.pid));
        }
        (Some(pid), all) => all
            .iter()
            .position(|running| running.pid == pid)
            .ok_or_else(|| Problem::new(Kind::JoinNoSuch).with("pid", pid).with("all", listed()))?,
    };
    Ok(all.swap_remove(place))
}

/// A trace by its number and what it runs, as far as that can be seen.
fn listed(running: &Running) -> String {
    let words = std::fs::read(format!("/proc/{}/cmdline", running.pid)).unwrap_or_default();
    let words: Vec<String> = words.split(|byte| *byte == 0).skip(1).map(escape).collect();
    format!("{} ({})", running.pid, words.join(" ").trim_end())
}

fn signals() -> Result<[(i32, SignalPipe); 2], Problem> {
    let pipe = |signal: i32| SignalPipe::new(&[signal]).map(|pipe| (signal, pipe));
    let [interrupt, terminate] = SIGNALS.map(pipe);
    let both = interrupt.and_then(|interrupt| Ok([interrupt, terminate?]));
    both.map_err(|error| Problem::resources("socketpair", &error))
}

/// Waits for the program's end, and hands signals on meanwhile; gives its status, and whether the trace ends. None where the user
/// does not wait any longer.
fn wait(
    guest: &Guest,
    signals: &[(i32, SignalPipe); 2],
    name: &str,
) -> Result<Option<(Status, bool)>, Problem> {
    let mut asked = 0;
    let mut ends = false;
    loop {
        let [interrupt, terminate] = signals;
        let mut watches = [guest.as_fd(), interrupt.1.as_fd(), terminate.1.as_fd()];
        let mut watches = watches.each_mut().map(|handle| Watch::new(handle, Interest::READ));
        host::wait(&mut watches, None).map_err(|error| failed(&error))?;
        let has_answer = watches.first().is_some_and(|watch| watch.ready().any());
        for (signal, pipe) in signals {
            for _ in 0..pipe.take() {
                asked += 1;
                guest.signal(*signal);
            }
        }
        if asked > MOST_ASKED {
            return Ok(None);
        }
        if !has_answer {
            continue;
        }
        match guest.answer().map_err(|error| failed(&error))? {
            Answer::Ends => ends = true,
            Answer::Ended(status) => return Ok(Some((status, ends))),
            answer => return Err(turned_away(answer, name)),
        }
    }
}

/// Says that the trace has ended, or how the program did, where that is not well.
fn told(name: &str, status: Status, ends: bool, catalogue: &Catalogue) {
    let how = how_ended(status, catalogue);
    let sentence = match status {
        _ if ends => say(catalogue, "note-join-ended", &[("program", name), ("how", &how)], &[]),
        Status::Exited(0) => return,
        _ => format!("{name} {how}"),
    };
    crate::style::complain(&sentence);
}

fn turned_away(answer: Answer, name: &str) -> Problem {
    let kind = match answer {
        Answer::OtherVersion => Kind::JoinOtherVersion,
        Answer::Full => Kind::JoinFull,
        Answer::Ending => Kind::JoinEnding,
        Answer::Refused(error) => {
            return super::cannot_run(CommandError::Refused { command: name.as_bytes().to_vec(), error });
        }
        Answer::Gone | Answer::Ends | Answer::Ended(_) => Kind::JoinGone,
    };
    Problem::new(kind).with("program", name)
}

fn failed(error: &io::Error) -> Problem {
    Problem::new(Kind::JoinFailed).cause(error)
}
