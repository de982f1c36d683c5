//! The programs that are traced, and who traces them.

use enchufe_sys::usage::{self, Usage};
use std::ffi::OsStr;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// What strace is told: only what a tracer of sockets must see, in one file.
pub const STRACE: [&str; 6] = ["strace", "-f", "--seccomp-bpf", "-e", "trace=network,desc", "-o"];

/// What is traced.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `pair.c`
    C,
    /// `pair.py`
    Python,
}

/// Who traces it.
#[derive(Clone, Copy)]
pub enum Tracer {
    None,
    Ours { lines: bool },
    Strace,
}

/// What a program says of itself.
#[derive(Clone, Copy)]
pub struct Took {
    time: Duration,
    calls: f64,
    stops: f64,
}

impl Took {
    pub fn nanos_a_call(self) -> f64 {
        self.time.as_secs_f64() * 1e9 / self.calls
    }

    /// How often it gave up its processor.
    pub fn stops_a_call(self) -> f64 {
        self.stops / self.calls
    }

    pub const fn seconds(self) -> f64 {
        self.time.as_secs_f64()
    }
}

/// Where all is.
pub struct Bench {
    folder: tempfile::TempDir,
    has_python: bool,
}

impl Bench {
    /// Compiles what is traced; none where something is missing.
    pub fn new() -> io::Result<Option<Self>> {
        if !is_there("strace") || !is_there("cc") {
            return Ok(None);
        }
        let bench = Self { folder: tempfile::tempdir()?, has_python: is_there("python3") };
        let mut compiler = Command::new("cc");
        compiler.args(["-O2", "-g", "-Wall", "-Wextra", "-Werror", "-o"]).arg(bench.path("pair"));
        if !compiler.arg(source("pair.c")).status()?.success() {
            return Err(io::Error::other("pair.c cannot be compiled"));
        }
        Ok(Some(bench))
    }

    pub const fn has(&self, program: Program) -> bool {
        !matches!(program, Program::Python) || self.has_python
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The recording that was made last.
    pub fn recording(&self) -> PathBuf {
        self.path("recording.pcapng")
    }

    /// Where to write what nobody reads.
    pub fn out(&self) -> PathBuf {
        self.path("out")
    }

    fn program(&self, program: Program, words: &[&str]) -> Vec<PathBuf> {
        // The Python program does one thing.
        let (mut command, words) = match program {
            Program::C => (vec![self.path("pair")], words),
            Program::Python => {
                (vec!["python3".into(), source("pair.py")], words.get(1..).unwrap_or_default())
            }
        };
        command.extend(words.iter().map(PathBuf::from));
        command.push(self.path("took"));
        command
    }

    fn ours(&self, lines: bool) -> Vec<PathBuf> {
        let mut command: Vec<PathBuf> =
            [env!("CARGO_BIN_EXE_enchufe"), "trace", "-q", "--view", "conversations"]
                .iter()
                .chain((!lines).then_some(&"--no-lines"))
                .map(PathBuf::from)
                .collect();
        command.extend(["-w".into(), self.recording(), "--".into()]);
        command
    }

    /// Runs a program, on these processors.
    pub fn run(
        &self,
        program: Program,
        words: &[&str],
        tracer: Tracer,
        processors: &str,
    ) -> io::Result<Took> {
        let mut command = vec!["taskset".into(), "-c".into(), processors.into()];
        match tracer {
            Tracer::None => {}
            Tracer::Ours { lines } => command.extend(self.ours(lines)),
            Tracer::Strace => {
                command.extend(STRACE.map(PathBuf::from));
                command.push(self.path("strace"));
            }
        }
        command.extend(self.program(program, words));
        self.took(&command).map(|(took, _)| took)
    }

    /// Records a program, on one processor; tells what it took, what we used, and how long we took when it had ended.
    pub fn record(&self, words: &[&str], program: Program) -> io::Result<(Took, Usage, Duration)> {
        let mut command = vec!["taskset".into(), "-c".into(), "0".into()];
        command.extend(self.ours(false));
        command.extend(self.program(program, words));
        let (took, usage) = self.took(&command)?;
        // The last that it does.
        let ended = std::fs::metadata(self.path("took"))?.modified()?;
        Ok((took, usage, ended.elapsed().unwrap_or_default()))
    }

    fn took(&self, words: &[PathBuf]) -> io::Result<(Took, Usage)> {
        // There is none before the first.
        let _ = std::fs::remove_file(self.path("took"));
        let (status, usage) = usage::wait(&command(words).stdout(Stdio::null()).spawn()?)?;
        if !status.success() {
            return Err(io::Error::other(format!("{words:?}: {status}")));
        }
        let text = std::fs::read_to_string(self.path("took"))?;
        let numbers: Vec<u64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let &[nanos, calls, ref stops @ ..] = numbers.as_slice() else {
            return Err(io::Error::other(format!("{words:?}: {text}")));
        };
        let stops = stops.first().copied().unwrap_or_default();
        Ok((
            Took { time: Duration::from_nanos(nanos), calls: as_number(calls), stops: as_number(stops) },
            usage,
        ))
    }
}

pub fn command<S: AsRef<OsStr>>(words: &[S]) -> Command {
    let (program, words) = words.split_first().map_or((OsStr::new(""), &[][..]), |(p, w)| (p.as_ref(), w));
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::null()).stderr(Stdio::inherit());
    command
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/trace").join(name)
}

fn is_there(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// How far it is, where somebody looks.
pub fn progress(text: &str) {
    if io::stderr().is_terminal() {
        eprint!("\r{text}\x1b[K");
    }
}

pub fn megabytes(bytes: u64) -> f64 {
    as_number(bytes) / 1e6
}

#[expect(clippy::cast_precision_loss, reason = "few digits are shown")]
pub const fn as_number(count: u64) -> f64 {
    count as f64
}
