//! `enchufe trace`

mod astray;
mod forbidden;
mod hints;
mod join;
mod live;
pub mod network;
mod notes;
pub mod obstacle;
mod shell;

use crate::catalogue::Catalogue;
use crate::exit::Code;
use crate::flags;
use crate::plan::{self, Common};
use crate::problem::{Kind, Problem};
use crate::text::escape;
use enchufe_story::fact::Status;
use enchufe_sys::children::Children;
use enchufe_watch::trace::join::Door;
use enchufe_watch::trace::{
    Audience, CommandError, Console, Heard, Options, Recorder, TraceError, WHOLE, run,
};
use hints::Hints;
use network::Network;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long the others may go on when the last program has ended.
const DRAIN: Duration = Duration::from_secs(1);
/// How long a program may take until the next one can start.
const START: Duration = Duration::from_secs(10);
/// `ENOENT` and `ENOEXEC` of Linux.
const NO_ENTRY: i32 = 2;
const NO_EXECUTABLE: i32 = 8;
/// The size of a terminal that nobody looks at.
const SIZE: (u16, u16) = (80, 24);

pub fn trace(flags: &flags::Trace, common: Common, catalogue: &'static Catalogue) -> Result<Code, Problem> {
    if flags.pid.is_some() {
        return Err(Problem::new(Kind::PidNotOffered));
    }
    if let Some(word) = &flags.join {
        return join::join(word, flags, common, catalogue);
    }
    let (options, limit) = asked(flags, common, catalogue)?;
    // Before any other thread: signals of children, and the network, are the whole process's.
    let children = Children::new().map_err(|error| Problem::resources("signalfd", &error))?;
    let network = Network::enter(&flags.network, common, catalogue)?;
    let Network { capture, is_shared, interface, carries, link, outside } = network;
    let bell = super::watch::bell_on_signals()?;
    // Of a network with others in it nothing is kept that is not the programs', not even for a while.
    let kept = flags.write.as_deref().filter(|_| !is_shared);
    let (file, path) = recording(kept)?;
    let cannot_write = |error: &io::Error| not_recorded(kept, error);
    let recorder = Recorder::new(&file, capture, interface, carries);
    let recorder = recorder.map_err(|error| cannot_write(&error))?;
    let mut recorder = recorder.limited(limit);
    let stdin = io::stdin();
    let mut hints = Hints::new(&options.commands, common, catalogue);
    if !is_shared {
        hints.are_apart(outside);
    }
    // Where there is no folder for it nobody joins, and who wants to is told so.
    let door = Door::open().ok();
    let told = &mut |heard: Heard<'_>| hints.hear(heard);
    let audience = Audience { input: Some(stdin.as_fd()), stop: &bell, door, told };
    let ran = run(&options, &children, &mut recorder, audience);
    drop(link);
    hints.end();
    let ended = recorder.finish(&bell);
    if let Err(TraceError::Record(error)) = &ran {
        return Err(cannot_write(error));
    }
    let whole = ended.map_err(|error| cannot_write(&error))?;
    tell_losses(whole.is_cut, whole.drops, flags, common, catalogue);
    let shown = show(&path, is_shared, flags, common, catalogue);
    let ended = ran.map_err(failed)?;
    let shown = shown?;
    let status = ended.statuses.last().copied().flatten().filter(|_| flags.course.exit_status);
    Ok(status.map_or(shown, own_status))
}

/// What is to be run, and how much of its packets is recorded whole; hints at what is no command of ours.
fn asked(
    flags: &flags::Trace,
    common: Common,
    catalogue: &'static Catalogue,
) -> Result<(Options, u64), Problem> {
    let options = options(flags)?;
    let limit = flags.limit.as_deref().map(|text| plan::size("--limit", text)).transpose()?.unwrap_or(WHOLE);
    super::read::recorded::can_show(flags)?;
    flags.write.as_deref().map_or(Ok(()), can_be_recorded)?;
    if !common.quiet {
        let hints = flags.programs.iter().filter_map(|text| shell::hint(text, catalogue));
        hints.for_each(|hint| crate::style::complain(&hint));
    }
    for command in &options.commands {
        let first = command.first().map_or(&[][..], Vec::as_slice);
        enchufe_watch::trace::find(first).map_err(cannot_run)?;
    }
    Ok((options, limit))
}

fn can_be_recorded(path: &Path) -> Result<(), Problem> {
    if path == Path::new("-") {
        return Err(Problem::new(Kind::RecordingToStdout));
    }
    // The finished recording takes the place of what is there: never that of a device.
    if path.metadata().is_ok_and(|there| !there.is_file()) {
        return Err(Problem::new(Kind::RecordingNoFile).with("path", path.display()));
    }
    Ok(())
}

/// What the recording lacks.
fn tell_losses(is_cut: bool, lost: u64, flags: &flags::Trace, common: Common, catalogue: &Catalogue) {
    if is_cut && !common.quiet {
        let size = flags.limit.as_deref().unwrap_or("256MiB");
        crate::style::complain(&super::read::words::say(catalogue, "note-trace-cut", &[("size", size)], &[]));
    }
    if lost > 0 {
        let note = super::read::words::say(catalogue, "note-trace-lost", &[], &[("count", lost)]);
        crate::style::complain(&note);
    }
}

/// The status of a program as a shell has it.
fn own_status(status: Status) -> Code {
    let code = match status {
        Status::Exited(status) => status & 0xff,
        Status::Killed(signal) => 128 + signal,
    };
    Code::Program(u8::try_from(code).unwrap_or(u8::MAX))
}

/// Finishes the recording where it is kept or has what is others', and shows it.
fn show(
    raw: &Path,
    is_shared: bool,
    flags: &flags::Trace,
    common: Common,
    catalogue: &'static Catalogue,
) -> Result<Code, Problem> {
    if let Some(to) = &flags.write {
        super::read::recorded::finish_recording(raw, to, is_shared, common, catalogue)?;
        return super::read::recorded::recorded(to, flags, common, catalogue);
    }
    if !is_shared {
        return super::read::recorded::recorded(raw, flags, common, catalogue);
    }
    let folder = tempfile::tempdir().map_err(|error| temporary("open", &error))?;
    let path = folder.path().join("trace.pcapng");
    super::read::recorded::finish_recording(raw, &path, is_shared, common, catalogue)?;
    super::read::recorded::recorded(&path, flags, common, catalogue)
}

fn options(flags: &flags::Trace) -> Result<Options, Problem> {
    let wants_terminal = flags.console.pty || io::stdout().is_terminal() && !flags.console.pipes;
    let size = terminal_size::terminal_size_of(io::stdout());
    let (columns, rows) = size.map_or(SIZE, |(width, height)| (width.0, height.0));
    let commands = commands(flags)?;
    let reader = flags.console.stdin.as_deref();
    let reader = reader.map(|text| plan::number("--stdin", text, 1..=commands.len())).transpose()?;
    let rings = flags.network.io_uring.as_deref();
    let rings = rings.map(|word| plan::choice("--io-uring", word, &["refuse", "allow"]));
    Ok(Options {
        reader: reader.unwrap_or(commands.len()).saturating_sub(1),
        commands,
        file: None,
        console: if wants_terminal { Console::Terminal { columns, rows } } else { Console::Pipes },
        drain: plan::time("--drain", flags.course.drain.as_deref())?.unwrap_or(DRAIN),
        start_timeout: plan::limit("--start-timeout", flags.course.start_timeout.as_deref())?
            .unwrap_or(START),
        start_anyway: flags.course.start_anyway,
        io_uring: rings.transpose()? == Some("allow"),
        lines: !flags.network.no_lines,
    })
}

fn commands(flags: &flags::Trace) -> Result<Vec<Vec<Vec<u8>>>, Problem> {
    let mut all = Vec::new();
    for text in &flags.programs {
        all.push(words(text)?);
    }
    if !flags.program.is_empty() {
        all.push(flags.program.iter().map(|word| word.as_bytes().to_vec()).collect());
    }
    if all.is_empty() { Err(Problem::new(Kind::NoProgram)) } else { Ok(all) }
}

/// The words of a command, as a shell splits them.
fn words(text: &OsStr) -> Result<Vec<Vec<u8>>, Problem> {
    // The quotes are what it is about: they need no mark.
    let word = || escape(text.as_bytes()).replace("\\\"", "\"");
    let words = shlex::bytes::split(text.as_bytes());
    let words = words.ok_or_else(|| Problem::new(Kind::OpenQuote).with("word", word()))?;
    if words.is_empty() { Err(Problem::new(Kind::EmptyCommand)) } else { Ok(words) }
}

/// Where the recording goes: the file of `-w`, else one without a name; and a path by which it can be read.
pub(super) fn recording(write: Option<&Path>) -> Result<(File, PathBuf), Problem> {
    if let Some(path) = write {
        return Ok((
            File::create(path).map_err(|error| Problem::unwritable("open", path, &error))?,
            path.to_owned(),
        ));
    }
    let file = tempfile::tempfile().map_err(|error| temporary("open", &error))?;
    let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    Ok((file, path))
}

/// What happens is not written to the file of `-w`, or to the folder where files without a name are.
pub(super) fn not_recorded(write: Option<&Path>, error: &io::Error) -> Problem {
    match write {
        Some(path) => Problem::unwritable("write", path, error),
        None => temporary("write", error),
    }
}

/// The folder where files without a name are is not one of the command line.
fn temporary(call: &'static str, error: &io::Error) -> Problem {
    Problem::unwritable(call, &std::env::temp_dir(), error).way("way-temporary")
}

pub(super) fn cannot_run(error: CommandError) -> Problem {
    let (kind, command, cause) = match error {
        CommandError::NotFound { command } => (Kind::CommandNotFound, command, None),
        CommandError::Directory { command } => (Kind::CommandIsDirectory, command, None),
        CommandError::NotExecutable { command } => (Kind::CommandNotExecutable, command, None),
        CommandError::Refused { command, error } => {
            let kind = match error.raw_os_error() {
                Some(NO_EXECUTABLE) => Kind::CommandForeign,
                // The file itself was found before.
                Some(NO_ENTRY) => Kind::CommandNoInterpreter,
                _ => Kind::CommandRefused,
            };
            (kind, command, Some(error))
        }
        CommandError::Untraced(error) => return forbidden::by_ptrace(&error),
        CommandError::Unfiltered(error) => return Problem::new(Kind::SeccompForbidden).cause(&error),
    };
    let problem = Problem::new(kind).with("word", escape(&command));
    if let Some(error) = cause { problem.cause(&error) } else { problem }
}

pub(super) fn failed(error: TraceError) -> Problem {
    match error {
        TraceError::Command(error) => cannot_run(error),
        TraceError::NotReady { command } => Problem::new(Kind::NotReady).with("word", escape(&command)),
        TraceError::Record(error) | TraceError::System(error) => {
            Problem::new(Kind::TraceFailed).cause(&error)
        }
    }
}
