//! What is said while programs run and nothing happens: who listens where nobody comes, and who goes on.

use crate::catalogue::Catalogue;
use crate::commands::read::traced::program_name;
use crate::commands::read::words::{endpoint, say};
use enchufe_story::State;
use enchufe_story::fact::{Fact, Happened, Syscall};
use std::collections::HashMap;
use std::time::Duration;

/// A program that listens has been alone for so long.
const ALONE: Duration = Duration::from_secs(1);
/// Nothing has happened for so long.
const SILENT: Duration = Duration::from_secs(5);

/// Says each thing once.
pub struct Notes {
    /// The program that runs alone in a network of its own.
    alone: Option<String>,
    /// Where it listens.
    address: Option<String>,
    /// Somebody connected, or tried to.
    is_met: bool,
    is_silence_said: bool,
    /// The programs whose first process goes on, by that.
    going: HashMap<u32, String>,
    catalogue: &'static Catalogue,
}

impl Notes {
    pub fn new(catalogue: &'static Catalogue) -> Self {
        let (alone, address, is_met, is_silence_said, going) = (None, None, false, false, HashMap::new());
        Self { alone, address, is_met, is_silence_said, going, catalogue }
    }

    /// The programs have a network of their own.
    pub fn are_apart(&mut self, commands: &[Vec<Vec<u8>>]) {
        if let [only] = commands {
            self.alone = Some(program_name(only));
        }
    }

    pub fn fact(&mut self, fact: &Fact) {
        match &fact.happened {
            Happened::Started(program) => {
                self.going.insert(program.pid, program_name(&program.command));
            }
            Happened::Ended { pid, .. } => {
                self.going.remove(pid);
            }
            Happened::Entered(entered) => self.is_met |= entered.syscall == Syscall::Connect,
            Happened::Left(left) => {
                let listens = left.reading.filter(|reading| reading.state.state() == Some(State::Listen));
                if let Some(local) = listens.and_then(|reading| reading.local) {
                    self.address = self.address.take().or_else(|| Some(endpoint(&local)));
                }
            }
            Happened::Began { .. } | Happened::Signalled { .. } | Happened::ArrivedAgain { .. } => {}
        }
    }

    /// No program has made a call for this long.
    pub fn silent(&mut self, silent: Duration) {
        if silent >= ALONE {
            self.end();
        }
        if silent < SILENT || self.is_silence_said || self.going.is_empty() {
            return;
        }
        self.is_silence_said = true;
        let mut names: Vec<&str> = self.going.values().map(String::as_str).collect();
        names.sort_unstable();
        self.say("note-trace-silent", &[("programs", &names.join(", "))]);
    }

    /// Whoever could have come has not.
    pub fn end(&mut self) {
        if self.is_met {
            return;
        }
        if let (Some(program), Some(address)) = (&self.alone, &self.address) {
            self.say("note-trace-alone", &[("program", program), ("address", address)]);
            self.alone = None;
        }
    }

    fn say(&self, id: &str, texts: &[(&'static str, &str)]) {
        crate::style::complain(&say(self.catalogue, id, texts, &[]));
    }
}
