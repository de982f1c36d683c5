//! What every program in Go has of its functions, also one without debug information, as `go run` makes them: the table
//! by which its runtime walks stacks (`debug/gosym`, `runtime/symtab.go`; as it is since Go 1.18).

use super::elf::Sections;
use super::frames::{Begins, From, Saved, Step};
use super::own;
use super::sources::Place;
use enchufe_story::fact::Line;
use std::sync::Arc;

/// What the table begins with: of Go 1.18, and since 1.20.
const MAGIC_1_18: u32 = 0xffff_fff0;
const MAGIC_1_20: u32 = 0xffff_fff1;
/// The table of a function that says which inlined function an address is of (`PCDATA_InlTreeIndex`).
const INLINED: usize = 2;

/// The table.
#[derive(Debug)]
pub struct Table {
    bytes: Arc<[u8]>,
    /// How many bytes an instruction has at least.
    quantum: u64,
    text: u64,
    functions: usize,
    /// Where the parts of the table begin: names, files by unit, files, values by address, functions.
    parts: [usize; 5],
    /// How long what is told of each function is, but for its further tables.
    fixed: usize,
    /// Where Go's own source is.
    root: String,
}

/// A function, by its place in the table.
#[derive(Clone, Copy, Debug)]
struct Function {
    entry: u64,
    place: usize,
}

impl Table {
    /// Reads it, where there is one.
    pub fn new(sections: &Sections<'_>) -> Option<Self> {
        let bytes = sections.bytes(".gopclntab").or_else(|| sections.bytes(".data.rel.ro.gopclntab"))?;
        let fixed = match word(&bytes, 0)? {
            MAGIC_1_18 => 40,
            MAGIC_1_20 => 44,
            _ => return None,
        };
        let [quantum, pointer] = *bytes.get(6..)?.first_chunk::<2>()?;
        if pointer != 8 || !matches!(quantum, 1 | 4) {
            return None;
        }
        let long = |at: usize| Some(u64::from_le_bytes(*bytes.get(8 + at * 8..)?.first_chunk()?));
        let place = |at| usize::try_from(long(at)?).ok();
        // Where the program can be moved, it is not written.
        let text = long(2).filter(|text| *text > 0).or_else(|| sections.address(".text"))?;
        let (functions, parts) = (place(0)?, [place(3)?, place(4)?, place(5)?, place(6)?, place(7)?]);
        let mut table =
            Self { bytes, quantum: quantum.into(), text, functions, parts, fixed, root: String::new() };
        table.root = table.find_root().unwrap_or_default();
        Some(table)
    }

    /// What stands before `runtime/` in the path of what every program begins with.
    fn find_root(&self) -> Option<String> {
        let functions = (0..self.functions).map_while(|at| self.function(at));
        let main = { functions }.find(|function| self.name(*function) == Some("runtime.main"))?;
        self.file(main, main.entry)?.rsplit_once("runtime/").map(|(root, _)| root.to_owned())
    }

    /// The way from the frame of a function that is at this address.
    pub fn step(&self, address: u64) -> Option<Step> {
        let function = self.at(address)?;
        let size = i64::from(self.value(function, self.field(function, 4)?, address)?);
        if size < 0 {
            return None;
        }
        // Its frames need no frame pointer; nobody calls C on the stack of a goroutine.
        Some(if cfg!(target_arch = "x86_64") {
            let begins = Begins::At(From::Stack, size + 8);
            Step { begins, instruction: Saved::At(From::Stack, size), frame: Saved::Lost }
        } else {
            let instruction = if size == 0 { Saved::Kept } else { Saved::At(From::Stack, 0) };
            Step { begins: Begins::At(From::Stack, size), instruction, frame: Saved::Lost }
        })
    }

    /// What is known of this address.
    pub fn place(&self, address: u64) -> Place {
        self.known(address).unwrap_or(Place::Other)
    }

    fn known(&self, address: u64) -> Option<Place> {
        let function = self.at(address)?;
        let name = self.name(function)?.to_owned();
        let is_own = |file: &str| own::is_own(file, Some(&self.root));
        // Which function was made one with this one here stands elsewhere.
        let is_inlined = self.further(function, INLINED, address).is_some_and(|index| index >= 0);
        let file = self.file(function, address)?;
        if is_own(file) {
            let line = self.value(function, self.field(function, 6)?, address)?;
            let line = u32::try_from(line).ok().filter(|line| *line > 0)?;
            let function = if is_inlined { String::new() } else { name };
            return Some(Place::Own(Line { file: file.to_owned(), line, function }));
        }
        let own = self.file(function, function.entry).filter(|file| is_inlined && is_own(file))?;
        Some(Place::Function(Line { file: own.to_owned(), line: 0, function: name }))
    }

    fn part(&self, part: usize) -> Option<&[u8]> {
        self.bytes.get(*self.parts.get(part)?..)
    }

    fn function(&self, at: usize) -> Option<Function> {
        let (table, at) = (self.part(4)?, at.checked_mul(8)?);
        let entry = self.text.checked_add(word(table, at)?.into())?;
        Some(Function { entry, place: usize::try_from(word(table, at.checked_add(4)?)?).ok()? })
    }

    /// The function that has this address.
    fn at(&self, address: u64) -> Option<Function> {
        let (mut low, mut high) = (0, self.functions);
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.function(middle)?.entry <= address { low = middle + 1 } else { high = middle }
        }
        // After the last one stands where it ends.
        let end = self.part(4).and_then(|table| word(table, self.functions.checked_mul(8)?))?;
        let is_within = address < self.text.checked_add(end.into())?;
        self.function(low.checked_sub(1)?).filter(|_| is_within)
    }

    /// A number that is told of a function.
    fn field(&self, function: Function, field: usize) -> Option<u32> {
        word(self.part(4)?.get(function.place..)?, field * 4)
    }

    fn name(&self, function: Function) -> Option<&str> {
        text(self.part(0)?, self.field(function, 1)?)
    }

    fn file(&self, function: Function, address: u64) -> Option<&str> {
        let number = self.value(function, self.field(function, 5)?, address)?;
        let unit = usize::try_from(self.field(function, 8)?).ok()?;
        let place = usize::try_from(number).ok()?.checked_add(unit)?.checked_mul(4)?;
        text(self.part(2)?, word(self.part(1)?, place)?)
    }

    /// A value of one of its further tables.
    fn further(&self, function: Function, table: usize, address: u64) -> Option<i32> {
        if table >= usize::try_from(self.field(function, 7)?).ok()? {
            return None;
        }
        let place = self.fixed + table * 4;
        let offset = word(self.part(4)?.get(function.place..)?, place)?;
        if offset == 0 { None } else { self.value(function, offset, address) }
    }

    /// What a table that begins at this offset says for an address: by how much the value changes, and after how many
    /// instructions again.
    fn value(&self, function: Function, offset: u32, address: u64) -> Option<i32> {
        let mut rest = self.part(3)?.get(usize::try_from(offset).ok()?..)?;
        let (mut value, mut at, mut is_first) = (-1_i32, function.entry, true);
        loop {
            let change = number(&mut rest)?;
            if change == 0 && !is_first {
                return None;
            }
            is_first = false;
            let signed = (change >> 1).cast_signed() ^ -(change & 1).cast_signed();
            value = value.checked_add(signed)?;
            at = at.checked_add(u64::from(number(&mut rest)?).checked_mul(self.quantum)?)?;
            if address < at {
                return Some(value);
            }
        }
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn text(bytes: &[u8], at: u32) -> Option<&str> {
    let bytes = bytes.get(usize::try_from(at).ok()?..)?;
    let end = bytes.iter().position(|byte| *byte == 0)?;
    str::from_utf8(bytes.get(..end)?).ok()
}

/// Seven bits a byte, the lowest first; the last has no eighth.
fn number(rest: &mut &[u8]) -> Option<u32> {
    let mut value = 0;
    for shift in [0, 7, 14, 21, 28] {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
