//! Where in its source a Python program is, asked of the stopped process (py-spy's library reads its memory).
//!
//! The frames of a thread are found by the number that the system has for the thread. The interpreter lets other threads
//! run during a call, so "the current thread" of the interpreter would be nobody.

use enchufe_story::fact::Line;
use py_spy::config::LockingStrategy;
use py_spy::{Config, Frame, PythonSpy};
use std::fs;
use std::path::Path;

/// So many calls in a row may find no interpreter before it is taken for granted that there is none.
const MOST_FAILURES: u32 = 20;

/// The lines of one process.
#[derive(Debug, Default)]
pub struct Lines(State);

#[derive(Default)]
enum State {
    #[default]
    Unknown,
    /// An interpreter that could not be read yet: so many times.
    Python(u32),
    Reading(Box<PythonSpy>),
    /// No interpreter that could be read.
    Other,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unknown => "Unknown",
            Self::Python(_) => "Python",
            Self::Reading(_) => "Reading",
            Self::Other => "Other",
        })
    }
}

impl Lines {
    /// Where the stopped thread of the process is; none where it is not Python, or could not be read.
    pub fn of(&mut self, pid: u32, tid: u32) -> Option<Line> {
        if matches!(self.0, State::Unknown) {
            self.0 = if is_python(pid) { State::Python(0) } else { State::Other };
        }
        if let State::Python(failures) = self.0 {
            self.0 = match PythonSpy::new(pid.cast_signed(), &config()) {
                Ok(spy) => State::Reading(Box::new(spy)),
                // It may still be starting.
                Err(_) if failures < MOST_FAILURES => State::Python(failures + 1),
                Err(_) => State::Other,
            };
        }
        let State::Reading(spy) = &mut self.0 else { return None };
        let traces = spy.get_stack_traces().ok()?;
        let trace = traces.into_iter().find(|trace| trace.os_thread_id == Some(u64::from(tid)))?;
        let own = trace.frames.iter().find(|frame| is_own(&frame.filename)).or(trace.frames.first())?;
        Some(line(own))
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

/// Whether the process runs an interpreter: by the name of its program, or of a library that it has.
fn is_python(pid: u32) -> bool {
    let named = |path: &Path| {
        path.file_name().is_some_and(|name| {
            let name = name.to_string_lossy();
            name.starts_with("python") || name.starts_with("libpython")
        })
    };
    if fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|path| named(&path)) {
        return true;
    }
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    maps.lines().filter_map(|line| line.split_once('/')).any(|(_, path)| named(Path::new(path)))
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
