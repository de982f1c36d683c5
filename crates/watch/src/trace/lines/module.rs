//! The files that programs execute, each read once, whoever has it mapped.

use super::elf::{Budget, Image, Segment};
use super::frames::{Frames, Step};
use super::go::Table;
use super::own::Role;
use super::sources::{Called, Place, Sources};
use enchufe_sys::ptrace::read_memory;
use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::rc::Rc;

/// The most files that are remembered. Those that come later have no lines.
const MOST_FILES: usize = 256;
/// The most addresses that are remembered of a file. When there are more, all are looked up again.
const MOST_ADDRESSES: usize = 65_536;
/// So much of the beginning of a file says which build it is: what stands where, and the number that linkers give it.
const HEAD: usize = 1_024;

/// What is known of an address.
#[derive(Clone, Debug)]
pub struct Known {
    /// The way to the caller, if there is one.
    pub step: Option<Step>,
    /// Its place in the source.
    pub place: Rc<Place>,
    /// The function that is called from there, if more is to be known of it.
    pub called: Option<Rc<Called>>,
}

/// A file that programs execute.
#[derive(Debug)]
pub struct Module {
    file: File,
    budget: Budget,
    segments: Vec<Segment>,
    frames: Frames,
    /// Of a program in Go without debug information.
    go: Option<Table>,
    sources: Option<Rc<Sources>>,
    known: HashMap<u64, Known>,
}

impl Module {
    fn open(file: File, budget: &Budget) -> Option<Self> {
        let mut image = Image::new(&file, budget)?;
        let (segments, frames, go) = image.look(|sections| {
            let is_debuggable = sections.address(".debug_info").is_some();
            let go = if is_debuggable { None } else { Table::new(sections) };
            Some((sections.segments(), Frames::new(sections), go))
        })?;
        let budget = budget.clone();
        Some(Self { file, budget, segments, frames, go, sources: None, known: HashMap::new() })
    }

    /// Whether this is what stands at an address of a process's memory.
    pub fn stands_at(&self, pid: u32, address: u64, offset: u64) -> bool {
        let (mut here, mut there) = ([0; HEAD], [0; HEAD]);
        let in_file = self.file.read_at(&mut here, offset).unwrap_or(0);
        let Some(there) = there.get_mut(..in_file).filter(|there| !there.is_empty()) else { return false };
        let in_memory = read_memory(pid, address, there);
        in_memory.ok() == Some(in_file) && here.get(..in_file) == Some(there)
    }

    /// The address, as the file counts, of the byte at this offset of it.
    pub fn address_of(&self, offset: u64) -> Option<u64> {
        self.segments.iter().find_map(|segment| segment.address_of(offset))
    }

    /// What is known of an address, as the file counts; `root`: where the process has its files.
    pub fn known(&mut self, address: u64, role: Role, root: &Path, path: &Path) -> Known {
        if let Some(known) = self.known.get(&address) {
            return known.clone();
        }
        if self.known.len() >= MOST_ADDRESSES {
            self.known.clear();
        }
        let place = match (role, &self.go) {
            (Role::Libc, _) => Place::Other,
            (_, Some(go)) => go.place(address),
            _ => self.sources(role).map_or(Place::Other, |sources| sources.place(address, root, path)),
        };
        let by_go = || self.go.as_ref().and_then(|go| go.step(address));
        let step = self.frames.step(address).or_else(by_go);
        let sources = self.sources.as_ref().filter(|_| matches!(place, Place::Own(_)));
        let called = sources.and_then(|sources| sources.called(address, root)).map(Rc::new);
        let known = Known { step, place: Rc::new(place), called };
        self.known.insert(address, known.clone());
        known
    }

    fn sources(&mut self, role: Role) -> Option<Rc<Sources>> {
        if self.sources.is_none() {
            let (lines, budget) = (role == Role::Program, &self.budget);
            let mut image = Image::new(&self.file, budget)?;
            let read = image.look(|sections| Some(Sources::new(sections, budget, lines)));
            self.sources = read.map(Rc::new);
        }
        self.sources.clone()
    }
}

/// A file, as it was when it was opened.
type Identity = (u64, u64, u64, (i64, i64), (i64, i64));

/// All files.
#[derive(Debug, Default)]
pub struct Modules {
    budget: Budget,
    /// None: one that is no program.
    files: HashMap<Identity, Option<Shared>>,
}

/// A file that several processes may have.
pub type Shared = Rc<std::cell::RefCell<Module>>;

impl Modules {
    /// The file, read if it was not yet.
    pub fn of(&mut self, file: File) -> Option<Shared> {
        let metadata = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
        let identity = (
            metadata.dev(),
            metadata.ino(),
            metadata.size(),
            (metadata.mtime(), metadata.mtime_nsec()),
            (metadata.ctime(), metadata.ctime_nsec()),
        );
        if !self.files.contains_key(&identity) && self.files.len() >= MOST_FILES {
            return None;
        }
        let budget = &self.budget;
        let read = || Module::open(file, budget).map(|module| Rc::new(module.into()));
        self.files.entry(identity).or_insert_with(read).clone()
    }
}

#[cfg(test)]
mod tests;
