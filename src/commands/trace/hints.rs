//! What is told while programs run: what they print, and what may explain that they do other than outside.

use super::astray::Astray;
use super::live::Live;
use crate::catalogue::Catalogue;
use crate::commands::read::traced::program_name;
use crate::commands::read::words::say;
use crate::plan::Common;
use crate::text::escape;
use enchufe_story::fact::{Fact, Happened};
use enchufe_sys::outside::Outside;
use enchufe_watch::trace::Aside;
use std::collections::{HashMap, HashSet};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The most files that are told of.
const MOST_FILES: usize = 50;

/// Who is told everything.
type Told<'a> = Box<dyn FnMut(&Fact) + 'a>;

/// All of it, but where nothing is to be said.
pub struct Hints<'a> {
    live: Live,
    /// Says that a program listens where nobody can reach it.
    alone: Option<Told<'a>>,
    /// In a network of their own.
    astray: Option<Astray>,
    names: HashMap<u32, String>,
    /// Files that gave no privilege.
    files: HashSet<(u32, PathBuf)>,
    quiet: bool,
    catalogue: &'static Catalogue,
}

impl<'a> Hints<'a> {
    pub fn new(common: Common, catalogue: &'static Catalogue) -> Self {
        let (names, files) = (HashMap::new(), HashSet::new());
        let (live, quiet) = (Live::new(common), common.quiet);
        Self { live, alone: None, astray: None, names, files, quiet, catalogue }
    }

    /// Of programs in a network of their own; this is who stays outside, and what says that nobody reaches the only one.
    pub fn apart(self, outside: Option<Outside>, alone: Option<impl FnMut(&Fact) + 'a>) -> Self {
        if self.quiet {
            return self;
        }
        let alone = alone.map(|alone| Box::new(alone) as Told<'a>);
        let astray = Some(Astray::new(outside, self.catalogue));
        Self { alone, astray, ..self }
    }

    pub fn fact(&mut self, fact: &Fact) {
        if let Happened::Started(program) = &fact.happened {
            self.names.insert(program.number, program_name(&program.command));
        }
        self.live.fact(fact);
        self.astray.iter_mut().for_each(|astray| astray.fact(fact));
        self.alone.iter_mut().for_each(|alone| alone(fact));
    }

    pub fn aside(&mut self, aside: &Aside) {
        self.astray.iter_mut().for_each(|astray| astray.aside(aside));
        if let Aside::Unprivileged { program, file } = aside {
            self.unprivileged(*program, file);
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
        self.live.end();
    }
}
