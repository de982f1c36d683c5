//! What programs print, shown while they run: on a terminal, where somebody waits for them or answers them.

use crate::commands::read::traced::program_name;
use crate::plan::Common;
use crate::text::escape;
use enchufe_story::fact::{Arguments, Fact, Happened};
use std::collections::HashMap;
use std::io::{self, IsTerminal, Write};

/// Shows what is printed.
#[derive(Debug)]
pub struct Live {
    visible: bool,
    names: HashMap<u32, String>,
    /// The program that printed last, if its line is not whole.
    open: Option<u32>,
}

impl Live {
    pub fn new(common: Common) -> Self {
        let visible = !common.quiet && io::stderr().is_terminal();
        Self { visible, names: HashMap::new(), open: None }
    }

    pub fn fact(&mut self, fact: &Fact) {
        if !self.visible {
            return;
        }
        match &fact.happened {
            Happened::Started(program) => {
                self.names.insert(program.number, program_name(&program.command));
            }
            Happened::Entered(entered) => {
                if let Arguments::Printed { text, .. } = &entered.arguments {
                    let shown = self.shown(entered.program, text);
                    // Who closed it does not want to know.
                    let _ = io::stderr().lock().write_all(shown.as_bytes());
                }
            }
            _ => {}
        }
    }

    fn shown(&mut self, program: u32, text: &[u8]) -> String {
        let mut shown = String::new();
        if self.open.is_some_and(|open| open != program) {
            shown.push('\n');
            self.open = None;
        }
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            if self.open.is_none() {
                let name = self.names.get(&program).map_or("", String::as_str);
                shown = format!("{shown}{} » ", escape(name.as_bytes()));
            }
            let whole = line.ends_with(b"\n");
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            shown += &escape(line).replace("\\\"", "\"");
            self.open = if whole { None } else { Some(program) };
            if whole {
                shown.push('\n');
            }
        }
        shown
    }

    /// Ends a line that is not whole, and leaves one free.
    pub fn end(&mut self) {
        if self.visible && !self.names.is_empty() {
            let _ = io::stderr().lock().write_all(if self.open.take().is_some() { b"\n\n" } else { b"\n" });
        }
    }
}
