//! What programs print, shown while they run: on a terminal, where somebody waits for them or answers them.

use super::hints::Names;
use crate::plan::Common;
use crate::text::escape;
use enchufe_story::fact::{Arguments, Fact, Happened};
use std::io::{self, IsTerminal, Write};

/// Shows what is printed.
#[derive(Debug)]
pub struct Live {
    visible: bool,
    /// The program that printed last, if its line is not whole.
    open: Option<u32>,
}

impl Live {
    pub fn new(common: Common) -> Self {
        let visible = !common.quiet && io::stderr().is_terminal();
        Self { visible, open: None }
    }

    pub fn fact(&mut self, fact: &Fact, names: &Names) {
        if !self.visible {
            return;
        }
        if let Happened::Entered(entered) = &fact.happened
            && let Arguments::Printed { text, .. } = &entered.arguments
        {
            let name = names.get(&entered.program).map_or("", String::as_str);
            let shown = self.shown(entered.program, name, text);
            // Who closed it does not want to know.
            let _ = io::stderr().lock().write_all(shown.as_bytes());
        }
    }

    fn shown(&mut self, program: u32, name: &str, text: &[u8]) -> String {
        let mut shown = String::new();
        if self.open.is_some_and(|open| open != program) {
            shown.push('\n');
            self.open = None;
        }
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            if self.open.is_none() {
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

    /// Ends a line that is not whole, and leaves one free where programs were started.
    pub fn end(&mut self, has_started: bool) {
        if self.visible && has_started {
            let _ = io::stderr().lock().write_all(if self.open.take().is_some() { b"\n\n" } else { b"\n" });
        }
    }
}
