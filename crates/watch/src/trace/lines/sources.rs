//! Which line, or at least which function, an address of a file is.

use super::elf::{self, Budget, Image, Reader, Sections};
use super::own;
use super::tail::{Callee, Functions as Calls};
use addr2line::{Context, Frame, LookupContinuation, LookupResult, SplitDwarfLoad};
use enchufe_story::fact::Line;
use gimli::{Dwarf, DwarfFileType, DwoId, Reader as _, SectionId, UnitRef, UnitSectionOffset};
use object::LittleEndian;
use object::elf::{STT_FUNC, Sym64};
use object::read::elf::Sym;
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

/// What is known of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A line of the program's own source.
    Own(Line),
    /// A function; no more is known of it.
    Function(Line),
    /// Nothing, or what is not the program's own.
    Other,
}

/// The function that is called from an address, where that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    ranges: Vec<(u64, u64)>,
    /// Where it calls something else as the last that it does: a line, or itself where there are several.
    pub end: Line,
}

impl Called {
    /// Whether an address is in it.
    pub fn has(&self, address: u64) -> bool {
        self.ranges.iter().any(|(begins, ends)| (*begins..*ends).contains(&address))
    }
}

/// What a file says about its source.
pub struct Sources {
    context: Option<Context<Reader>>,
    functions: Functions,
    /// Where Go's own source is, of a program in Go.
    goroot: Option<String>,
    calls: RefCell<HashMap<Unit, Option<Rc<Calls>>>>,
    budget: Budget,
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sources").field("functions", &self.functions).finish_non_exhaustive()
    }
}

/// Which unit of a file, and of which file beside the objects.
type Unit = (UnitSectionOffset, Option<DwoId>);

/// The sections of DWARF that lines and functions are found with.
const WANTED: [SectionId; 10] = [
    SectionId::DebugAbbrev,
    SectionId::DebugAddr,
    SectionId::DebugAranges,
    SectionId::DebugInfo,
    SectionId::DebugLine,
    SectionId::DebugLineStr,
    SectionId::DebugRanges,
    SectionId::DebugRngLists,
    SectionId::DebugStr,
    SectionId::DebugStrOffsets,
];

impl Sources {
    /// Reads what a file has. `lines`: whether lines are looked for, or functions only.
    pub fn new(sections: &Sections<'_>, budget: &Budget, lines: bool) -> Self {
        let context = lines
            .then(|| dwarf(sections, |id| Some(id.name())))
            .and_then(|dwarf| Context::from_dwarf(dwarf?).ok());
        let functions = Functions::new(sections);
        let mut sources =
            Self { context, functions, goroot: None, calls: RefCell::default(), budget: budget.clone() };
        let is_go = [".note.go.buildid", ".go.buildinfo"].iter().any(|name| sections.address(name).is_some());
        if is_go {
            sources.goroot = Some(sources.goroot().unwrap_or_default());
        }
        sources
    }

    /// Where the source of Go's runtime is: what stands before `runtime/` in the path of what every program begins with.
    fn goroot(&self) -> Option<String> {
        let address = self.functions.named("runtime.main")?;
        let location = self.context.as_ref()?.find_location(address).ok()??;
        plain(location.file?).rsplit_once("runtime/").map(|(root, _)| root.to_owned())
    }

    /// What is known of this address; `root`: where the process has its files.
    pub fn place(&self, address: u64, root: &Path, file: &Path) -> Place {
        match self.lines(address, root) {
            Some(place) => place,
            // Go's own functions look like anybody's.
            None if self.goroot.is_some() => Place::Other,
            None => self.functions.own(address).map_or(Place::Other, |function| {
                Place::Function(Line { file: file.to_string_lossy().into_owned(), line: 0, function })
            }),
        }
    }

    /// The function that is called from this address, if it is the program's own and ends with a call.
    pub fn called(&self, address: u64, root: &Path) -> Option<Called> {
        let unit = self.whole(self.context.as_ref()?.find_dwarf_and_unit(address), root)?;
        let Callee { ranges, ends } = self.calls(&unit)?.callee(address.checked_add(1)?)?;
        let mut lines = ends.iter().map(|end| match self.lines(*end, root) {
            Some(Place::Own(line)) => Some(line),
            _ => None,
        });
        let first = lines.next()??;
        let is_only = lines.all(|line| line.as_ref() == Some(&first));
        let end = if is_only {
            first
        } else {
            Line { line: 0, function: self.functions.at(ranges.first()?.0)?, ..first }
        };
        Some(Called { ranges, end })
    }

    /// The innermost of the functions that were made one at this address which is the program's own; none where nothing
    /// is known of the address.
    fn lines(&self, address: u64, root: &Path) -> Option<Place> {
        let mut frames = self.whole(self.context.as_ref()?.find_frames(address), root).ok()?;
        let mut is_known = false;
        while let Ok(Some(frame)) = frames.next() {
            is_known |= frame.location.is_some();
            if let Some(line) = self.own(&frame, address) {
                return Some(Place::Own(line));
            }
        }
        is_known.then_some(Place::Other)
    }

    /// The calls of a unit, read once.
    fn calls(&self, unit: &UnitRef<'_, Reader>) -> Option<Rc<Calls>> {
        let key = (unit.header.offset(), unit.dwo_id);
        let read = || Calls::read(unit).filter(|calls| self.budget.take(calls.size()).is_some()).map(Rc::new);
        self.calls.borrow_mut().entry(key).or_insert_with(read).clone()
    }

    /// What was found, with what of it is in files beside the objects.
    fn whole<L: LookupContinuation<Buf = Reader>>(
        &self,
        mut found: LookupResult<L>,
        root: &Path,
    ) -> L::Output {
        loop {
            match found {
                LookupResult::Output(whole) => return whole,
                LookupResult::Load { load, continuation } => {
                    let loaded = self.split(&load, root);
                    found = continuation.resume(loaded);
                }
            }
        }
    }

    fn own(&self, frame: &Frame<'_, Reader>, address: u64) -> Option<Line> {
        let location = frame.location.as_ref()?;
        let file = location.file.map(plain).filter(|file| own::is_own(file, self.goroot.as_deref()))?;
        // 0: made by the compiler, of no line.
        let line = location.line.filter(|line| *line > 0)?;
        let function = frame.function.as_ref().and_then(|function| function.demangle().ok());
        let function = function.map(std::borrow::Cow::into_owned).or_else(|| self.functions.at(address));
        Some(Line { file, line, function: function.unwrap_or_default() })
    }

    /// What `-gsplit-dwarf` put into a file beside the objects.
    fn split(&self, load: &SplitDwarfLoad<Reader>, root: &Path) -> Option<Arc<Dwarf<Reader>>> {
        let part =
            |part: &Option<Reader>| Some(PathBuf::from(part.as_ref()?.to_string_lossy().ok()?.into_owned()));
        let path = part(&load.comp_dir).unwrap_or_default().join(part(&load.path)?);
        let file = elf::open(&below(root, &path)).ok()?;
        Image::new(&file, &self.budget)?.look(|sections| {
            let mut dwarf = dwarf(sections, SectionId::dwo_name)?;
            dwarf.file_type = DwarfFileType::Dwo;
            let header = dwarf.units().next().ok()??;
            let is_it = dwarf.unit(header).ok()?.dwo_id == Some(load.dwo_id);
            dwarf.make_dwo(&load.parent);
            is_it.then(|| Arc::new(dwarf))
        })
    }
}

/// A path of a process, by where it has its files.
pub fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

fn dwarf(sections: &Sections<'_>, name: impl Fn(SectionId) -> Option<&'static str>) -> Option<Dwarf<Reader>> {
    // Parts of it could tell of the wrong function.
    Dwarf::load(|id| {
        let name = name(id).filter(|_| WANTED.contains(&id)).unwrap_or_default();
        sections.reader(name).ok_or(())
    })
    .ok()
}

/// Without `.` and without what `..` takes back: compilers write paths as they were typed.
fn plain(file: &str) -> String {
    let mut path = PathBuf::new();
    for part in Path::new(file).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if path.file_name().is_some() => {
                path.pop();
            }
            part => path.push(part),
        }
    }
    path.to_string_lossy().into_owned()
}

/// The functions of a file, by its symbols.
#[derive(Debug)]
struct Functions {
    /// Where each begins and ends, and where its name is.
    all: Vec<(u64, u64, u32)>,
    names: Arc<[u8]>,
    /// The C library is among them.
    is_static: bool,
}

impl Functions {
    fn new(sections: &Sections<'_>) -> Self {
        let file = &sections.file;
        let (table, names) = match file.elf_symbol_table() {
            table if table.is_empty() => (file.elf_dynamic_symbol_table(), ".dynstr"),
            table => (table, ".strtab"),
        };
        let endian = file.endian();
        let is_told = |symbol: &&Sym64<LittleEndian>| {
            let is_there = symbol.st_shndx(endian) != object::elf::SHN_UNDEF;
            is_there && symbol.st_type() == STT_FUNC && symbol.st_size(endian) > 0
        };
        let place = |symbol: &Sym64<LittleEndian>| {
            let (begins, size) = (symbol.st_value(endian), symbol.st_size(endian));
            (begins, begins.saturating_add(size), symbol.st_name(endian))
        };
        let mut all: Vec<_> = table.iter().filter(is_told).map(place).collect();
        all.sort_unstable();
        let names = sections.bytes(names).unwrap_or_else(|| Arc::from([]));
        let mut functions = Self { all, names, is_static: false };
        functions.is_static = functions.named("__libc_start_main").is_some();
        functions
    }

    /// Where the function of this name begins.
    fn named(&self, name: &str) -> Option<u64> {
        let is_it = |place: u32| self.name(place) == Some(name);
        self.all.iter().find(|(.., place)| is_it(*place)).map(|(begins, ..)| *begins)
    }

    fn name(&self, place: u32) -> Option<&str> {
        let name = self.names.get(usize::try_from(place).ok()?..)?;
        let end = name.iter().position(|byte| *byte == 0)?;
        str::from_utf8(name.get(..end)?).ok()
    }

    /// The function that has this address, as its source names it.
    fn at(&self, address: u64) -> Option<String> {
        self.raw(address).map(|raw| addr2line::demangle_auto(raw.into(), None).into_owned())
    }

    /// The same, if it is the program's own.
    fn own(&self, address: u64) -> Option<String> {
        let is_mangled = |name: &String| self.raw(address) != Some(name);
        self.at(address).filter(|name| own::is_own_function(name, is_mangled(name), self.is_static))
    }

    fn raw(&self, address: u64) -> Option<&str> {
        let place = self.all.partition_point(|(begins, ..)| *begins <= address).checked_sub(1)?;
        let (_, _, name) = self.all.get(place).filter(|(_, ends, _)| address < *ends)?;
        self.name(*name)
    }
}
