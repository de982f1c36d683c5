//! Where in its source a Python program is: py-spy's library reads the memory of the stopped process.
//!
//! The frames of a thread are found by the number that the system has for the thread. The interpreter lets other threads
//! run during a call, so "the current thread" of the interpreter would be nobody.

mod places;

use enchufe_story::fact::Line;
use places::{Found, Places};
use py_spy::config::LockingStrategy;
use py_spy::{Config, Frame, PythonSpy};
use std::fs;
use std::path::Path;

/// So many calls in a row may find no interpreter before it is taken for granted that there is none.
const MOST_FAILURES: u32 = 20;

/// The interpreter of one process.
pub enum Python {
    /// It could not be read yet: so many times.
    Starting(u32),
    Reading(Box<Reader>),
    /// It never could.
    Unreadable,
}

/// One that can be read.
pub struct Reader {
    spy: PythonSpy,
    /// None of a version that nothing is known of.
    places: Option<Places>,
}

impl Reader {
    fn new(spy: PythonSpy) -> Self {
        let version = (spy.version.major, spy.version.minor);
        let places = Places::new(version, spy.addresses.interpreter_address);
        Self { spy, places }
    }

    fn line(&mut self, pid: u32, tid: u32) -> Option<Line> {
        let steps = match self.places.as_mut().map(|places| places.find(pid, tid)) {
            Some(Found::Line(line)) => return Some(line),
            Some(Found::Unknown(steps)) => steps,
            None => Vec::new(),
        };
        let traces = self.spy.get_stack_traces().ok()?;
        let trace = traces.into_iter().find(|trace| trace.os_thread_id == Some(u64::from(tid)))?;
        if let Some(places) = &mut self.places {
            places.learn(pid, &steps, &trace.frames);
        }
        Some(line(shown(&trace.frames)?))
    }
}

impl Default for Python {
    fn default() -> Self {
        Self::Starting(0)
    }
}

impl std::fmt::Debug for Python {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Starting(_) => "Starting",
            Self::Reading(_) => "Reading",
            Self::Unreadable => "Unreadable",
        })
    }
}

impl Python {
    /// Where the stopped thread of the process is; none where it executes no Python, or could not be read.
    pub fn line(&mut self, pid: u32, tid: u32) -> Option<Line> {
        if let Self::Starting(failures) = *self {
            *self = match PythonSpy::new(pid.cast_signed(), &config()) {
                Ok(spy) => Self::Reading(Box::new(Reader::new(spy))),
                // It may still be starting.
                Err(_) if failures < MOST_FAILURES => Self::Starting(failures + 1),
                Err(_) => Self::Unreadable,
            };
        }
        let Self::Reading(reader) = self else { return None };
        reader.line(pid, tid)
    }
}

fn config() -> Config {
    Config { blocking: LockingStrategy::AlreadyLocked, ..Config::default() }
}

fn line(frame: &Frame) -> Line {
    Line {
        file: frame.filename.clone(),
        line: u32::try_from(frame.line).unwrap_or(0),
        function: frame.name.clone(),
    }
}

/// Whether a program is the interpreter.
pub fn is_interpreter(program: &Path) -> bool {
    is_named(program, "python")
}

/// Whether the process has the interpreter as a library.
pub fn is_within(pid: u32) -> bool {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    let mut paths = maps.lines().filter_map(|line| line.split_once('/'));
    paths.any(|(_, path)| is_named(Path::new(path), "libpython"))
}

fn is_named(path: &Path, begins: &str) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(begins))
}

/// The frame that is told: the innermost of the program's own, else of what was given to Python without a file.
fn shown(frames: &[Frame]) -> Option<&Frame> {
    // Libraries, too, have code that they wrote themselves while they run (`<string>`, as `dataclass` does).
    let is_given = |frame: &&Frame| matches!(frame.filename.as_str(), "<string>" | "<stdin>");
    let own = frames.iter().find(|frame| is_own(&frame.filename));
    own.or_else(|| frames.iter().find(is_given)).or_else(|| frames.first())
}

/// Whether a file is the program's own: neither of Python's library nor of what was installed beside it.
fn is_own(file: &str) -> bool {
    let installed = ["/lib/python", "/lib64/python", "/site-packages/", "/dist-packages/"];
    !file.starts_with('<') && !installed.iter().any(|part| file.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_with_python_is_not_the_programs_own() {
        assert!(is_own("servidor.py") && is_own("/home/ana/python/cliente.py"));
        for file in [
            "/usr/lib/python3.11/socket.py",
            "<frozen importlib._bootstrap>",
            "/home/ana/.venv/lib/python3.12/site-packages/urllib3/util/connection.py",
            "/usr/lib/python3/dist-packages/requests/api.py",
        ] {
            assert!(!is_own(file), "{file}");
        }
    }
}
