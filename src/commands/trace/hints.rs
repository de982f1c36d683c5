//! What is told while programs run: what they print, and what may explain that they do other than outside.

use super::astray::Astray;
use super::live::Live;
use super::notes::Notes;
use crate::catalogue::Catalogue;
use crate::commands::read::traced::program_name;
use crate::commands::read::words::say;
use crate::plan::Common;
use crate::text::escape;
use enchufe_story::fact::{Fact, Happened};
use enchufe_sys::outside::Outside;
use enchufe_watch::trace::{Aside, Heard};
use std::collections::{HashMap, HashSet};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The most files that are told of.
const MOST_FILES: usize = 50;

/// The programs that were started, by their numbers.
pub type Names = HashMap<u32, String>;

/// All of it, but where nothing is to be said.
pub struct Hints<'a> {
    commands: &'a [Vec<Vec<u8>>],
    live: Live,
    notes: Option<Notes>,
    /// In a network of their own.
    astray: Option<Astray>,
    names: Names,
    /// Files that gave no privilege.
    files: HashSet<(u32, PathBuf)>,
    /// A program of 32 bits was named.
    has_foreign: bool,
    quiet: bool,
    catalogue: &'static Catalogue,
}

impl<'a> Hints<'a> {
    pub fn new(commands: &'a [Vec<Vec<u8>>], common: Common, catalogue: &'static Catalogue) -> Self {
        let (live, quiet) = (Live::new(common), common.quiet);
        let notes = (!quiet).then(|| Notes::new(catalogue));
        let (names, files) = (Names::new(), HashSet::new());
        Self { commands, live, notes, astray: None, names, files, has_foreign: false, quiet, catalogue }
    }

    /// The programs are in a network of their own; this is who stays outside.
    pub fn are_apart(&mut self, outside: Option<Outside>) {
        if let Some(notes) = &mut self.notes {
            notes.are_apart(self.commands);
            self.astray = Some(Astray::new(outside, self.catalogue));
        }
    }

    pub fn hear(&mut self, heard: Heard<'_>) {
        match heard {
            Heard::Fact(fact) => self.fact(fact),
            Heard::Aside(aside) => self.aside(&aside),
            Heard::Idle(silent) => self.notes.iter_mut().for_each(|notes| notes.silent(silent)),
        }
    }

    fn fact(&mut self, fact: &Fact) {
        if let Happened::Started(program) = &fact.happened {
            self.names.insert(program.number, program_name(&program.command));
        }
        self.live.fact(fact, &self.names);
        self.astray.iter_mut().for_each(|astray| astray.fact(fact, &self.names));
        self.notes.iter_mut().for_each(|notes| notes.fact(fact));
    }

    fn aside(&mut self, aside: &Aside) {
        self.astray.iter_mut().for_each(|astray| astray.aside(aside, &self.names));
        match aside {
            Aside::Unprivileged { program, file } => self.unprivileged(*program, file),
            Aside::Foreign { file } if !self.has_foreign => {
                // What is not seen is said to who wants no hints, too.
                self.has_foreign = true;
                let program = escape(file.as_os_str().as_bytes());
                let note = say(self.catalogue, "note-trace-32-bits", &[("program", &program)], &[]);
                crate::style::complain(&note);
            }
            Aside::Foreign { .. } | Aside::Failed { .. } => {}
        }
    }

    fn unprivileged(&mut self, program: u32, file: &Path) {
        let is_new = self.files.len() < MOST_FILES && self.files.insert((program, file.to_owned()));
        if self.quiet || !is_new {
            return;
        }
        let program = self.names.get(&program).map(String::as_str);
        let file = escape(file.as_os_str().as_bytes());
        // A program that is such a file itself has no name yet.
        let texts = [("program", program.unwrap_or(&file)), ("file", &file)];
        crate::style::complain(&say(self.catalogue, "note-trace-unprivileged", &texts, &[]));
    }

    /// All have ended.
    pub fn end(&mut self) {
        self.live.end(!self.names.is_empty());
        self.notes.iter_mut().for_each(Notes::end);
    }
}
