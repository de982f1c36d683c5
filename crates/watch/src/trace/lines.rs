//! Where in its source a program is when it makes a call, asked of the stopped process.
//!
//! Python is read from the interpreter, all that is compiled from its stack and its debug information. Of other programs
//! that run what their users wrote (Java, Node, Ruby, shells) nothing is told: their own functions are not that.

mod elf;
mod frames;
mod go;
mod maps;
mod module;
mod native;
mod own;
mod python;
mod sources;
mod tail;

pub use module::Modules;

use enchufe_story::fact::Line;
use native::Native;
use python::Python;
use std::fs;

/// The lines of one process, until it executes another program.
#[derive(Debug, Default)]
pub struct Lines(Way);

/// How they are found.
#[derive(Debug, Default)]
enum Way {
    #[default]
    Unknown,
    Python(Python),
    /// A compiled program that has Python as a library.
    Both(Python, Native),
    Native(Native),
    Nothing,
}

impl Lines {
    /// Where the stopped thread of the process is; none where that is not known.
    pub fn of(&mut self, modules: &mut Modules, pid: u32, tid: u32) -> Option<Line> {
        if matches!(self.0, Way::Unknown) {
            self.0 = way(pid);
        }
        match &mut self.0 {
            Way::Python(python) => python.line(pid, tid),
            Way::Both(python, native) => python.line(pid, tid).or_else(|| native.line(modules, tid)),
            Way::Native(native) => native.line(modules, tid),
            Way::Nothing | Way::Unknown => None,
        }
    }
}

fn way(pid: u32) -> Way {
    let program = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    if python::is_interpreter(&program) {
        Way::Python(Python::default())
    } else if own::is_interpreter(&program) {
        Way::Nothing
    } else if python::is_within(pid) {
        Way::Both(Python::default(), Native::new(pid, &program))
    } else {
        Way::Native(Native::new(pid, &program))
    }
}
