//! What is remembered of programs and calls, to name them.

use super::super::words::say;
use super::names;
use crate::catalogue::Catalogue;
use enchufe_story::fact::{CallId, Line, Syscall};
use enchufe_story::trace::{Event, Told};
use enchufe_wire::file::PacketProcess;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::rc::Rc;

/// The most calls that can be named; the oldest are forgotten.
const MOST: usize = 1 << 16;

/// A program that was started.
#[derive(Debug)]
pub struct Known {
    pub name: Rc<str>,
    pub pid: u32,
}

/// A call.
#[derive(Clone, Debug)]
pub struct Named {
    pub syscall: Syscall,
    pub program: u32,
    pub line: Option<Line>,
    /// Its line of code, as it is said.
    pub place: Rc<str>,
    pub process: PacketProcess,
}

/// The programs, and the calls that can still be named.
#[derive(Debug, Default)]
pub struct Book {
    /// Whether lines are said with their files, and calls without lines with their programs: where no lane tells whose they are.
    apart: bool,
    programs: BTreeMap<u32, Known>,
    /// In the order in which they were numbered.
    calls: BTreeMap<CallId, Named>,
    /// The program of each process.
    processes: HashMap<u32, u32>,
}

impl Book {
    /// One whose names are understood without a lane.
    pub fn apart() -> Self {
        Self { apart: true, ..Self::default() }
    }

    /// Learns what an event says of programs and calls.
    pub fn see(&mut self, event: &Event) {
        match &event.told {
            Told::Started(program) => {
                let known = Known { name: names::program(&program.command).into(), pid: program.pid };
                self.programs.insert(program.number, known);
                self.processes.insert(program.pid, program.number);
            }
            Told::Began { program, pid, .. } => {
                self.processes.insert(*pid, *program);
            }
            Told::Entered(entered) => {
                let place = self.place(entered.program, entered.line.as_ref());
                let (program, line) = (entered.program, entered.line.clone());
                let process = PacketProcess { pid: entered.pid, tid: entered.tid };
                let named = Named { syscall: entered.syscall, program, line, place, process };
                self.calls.insert(entered.id, named);
                if self.calls.len() > MOST {
                    self.calls.pop_first();
                }
            }
            _ => {}
        }
    }

    /// How a line is said.
    fn place(&self, program: u32, line: Option<&Line>) -> Rc<str> {
        let own = self.programs.get(&program).map(|known| &known.name);
        match line {
            None if self.apart => own.cloned().unwrap_or_default(),
            line => names::place(line, own.filter(|_| !self.apart).map_or("", |own| own)).into(),
        }
    }

    /// What a program is called.
    pub fn name(&self, program: u32) -> &str {
        self.programs.get(&program).map_or("", |known| &known.name)
    }

    /// The program whose first process this is.
    pub fn first_process_of(&self, pid: u32) -> Option<u32> {
        self.programs.iter().find(|(_, known)| known.pid == pid).map(|(number, _)| *number)
    }

    /// The program of a process.
    pub fn program_of(&self, pid: u32) -> Option<u32> {
        self.processes.get(&pid).copied()
    }

    pub fn call(&self, id: CallId) -> Option<&Named> {
        self.calls.get(&id)
    }

    /// A call, by its line and its name.
    pub fn said(&self, id: CallId, catalogue: &Catalogue) -> String {
        let Some(Named { syscall, place, .. }) = self.call(id) else {
            return catalogue.plain("trace-a-call");
        };
        if *syscall == Syscall::Killed {
            return catalogue.plain("trace-its-end");
        }
        let name = super::calls::name(*syscall);
        if place.is_empty() { name.to_owned() } else { format!("{place} {name}") }
    }

    /// Calls by their names, with their places in the source; what reads the same is said once.
    pub fn placed(&self, ids: &[CallId], catalogue: &Catalogue) -> String {
        let mut all: Vec<String> = Vec::new();
        for id in ids {
            let said = self.call(*id).map_or_else(
                || catalogue.plain("trace-a-call"),
                |call| {
                    let name = super::calls::name(call.syscall);
                    match &call.line {
                        _ if call.syscall == Syscall::Killed => catalogue.plain("trace-its-end"),
                        Some(line) if line.line > 0 => {
                            let file = Path::new(&line.file).file_name();
                            let file = file.map_or_else(String::new, |name| name.to_string_lossy().into());
                            let number = line.line.to_string();
                            say(
                                catalogue,
                                "told-call",
                                &[("call", name), ("file", &file), ("line", &number)],
                                &[],
                            )
                        }
                        _ => name.to_owned(),
                    }
                },
            );
            if !all.contains(&said) {
                all.push(said);
            }
        }
        all.join(" / ")
    }
}
