//! Where in its source a compiled program is: its stack is unwound from the call outwards, until a line of its own.
//!
//! What a stack is walked by, and what its addresses are, is remembered for each address of each file: after the first
//! call from a place it costs three questions to the kernel, whoever makes it.

use super::elf;
use super::frames::{Begins, From, Saved, Step};
use super::maps::{self, Mapping};
use super::module::{Modules, Shared};
use super::own::{self, Role};
use super::sources::{Called, Place, below};
use enchufe_story::fact::Line;
use enchufe_sys::ptrace::{self, Registers, read_memory};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// The most frames that are walked.
const MOST_FRAMES: usize = 64;
/// So often the mappings of a process are read in vain, because of an address that is in no file.
const MOST_FAILURES: u32 = 64;
/// So much of a stack is read at once.
const WINDOW: usize = 4_096;

/// The mappings of a process, with what is known of their files.
#[derive(Debug)]
pub struct Native {
    pid: u32,
    /// Where it has its files.
    root: PathBuf,
    /// The program that it executes.
    program: PathBuf,
    mappings: Vec<Mapped>,
    failures: u32,
    stack: Stack,
}

#[derive(Debug)]
struct Mapped {
    mapping: Mapping,
    role: Role,
    /// It cannot be another file later: what is there from the start until the end of the process.
    stays: bool,
    module: Opened,
}

#[derive(Debug)]
enum Opened {
    NotYet,
    Never,
    Is(Shared),
}

/// Where a frame is.
#[derive(Clone, Copy, Debug)]
struct Frame {
    instruction: u64,
    stack: u64,
    /// The frame pointer; none where it is not known.
    pointer: Option<u64>,
    /// Where the innermost function returns to, if a register says.
    link: Option<u64>,
}

impl Native {
    /// Of a process that executes this program, by what `/proc/PID/exe` says.
    pub fn new(pid: u32, program: &Path) -> Self {
        let path = program.as_os_str().as_bytes();
        let path = OsStr::from_bytes(path.strip_suffix(b" (deleted)").unwrap_or(path));
        let root = format!("/proc/{pid}/root").into();
        Self { pid, root, program: path.into(), mappings: Vec::new(), failures: 0, stack: Stack::new(pid) }
    }

    /// Where the stopped thread of the process is; none where nothing of its own source is on its stack, or no way
    /// leads there.
    pub fn line(&mut self, modules: &mut Modules, tid: u32) -> Option<Line> {
        let registers = ptrace::registers(tid).ok()?;
        if !self.mappings.is_empty() {
            match self.walk(modules, &registers) {
                Ok((line, Ended::Known)) => return line,
                Ok((line, Ended::Nowhere)) if self.failures >= MOST_FAILURES => return line,
                Ok((_, Ended::Nowhere)) | Err(Gone) => {}
            }
        }
        self.read();
        let (line, ended) = self.walk(modules, &registers).ok()?;
        self.failures += u32::from(ended == Ended::Nowhere);
        line
    }

    /// Gives what was found, and where the walk ended. Fails where a file that it passed is not there any more.
    fn walk(&mut self, modules: &mut Modules, registers: &Registers) -> Result<(Option<Line>, Ended), Gone> {
        self.stack.forget();
        let (mut function, mut passed, mut ended) = (None, Vec::new(), Ended::Known);
        let mut inner: Option<(Shared, u64)> = None;
        let mut frame = Frame {
            instruction: registers.instruction,
            stack: registers.stack,
            pointer: Some(registers.frame),
            link: registers.link,
        };
        for _ in 0..MOST_FRAMES {
            // A call may be the last instruction of its function: what comes after it may be another's.
            let address = frame.instruction.wrapping_sub(1);
            let Some(place) = self.place(address) else {
                ended = Ended::Nowhere;
                break;
            };
            let Some((module, role)) = self.module(modules, place) else { break };
            let Some(Mapped { mapping, stays, .. }) = self.mappings.get(place) else { break };
            if !stays && !passed.contains(&place) {
                passed.push(place);
            }
            let offset = (address - mapping.start).wrapping_add(mapping.offset);
            let address = module.borrow().address_of(offset);
            let Some(address) = address else { break };
            let known = module.borrow_mut().known(address, role, &self.root, &mapping.path);
            match &*known.place {
                Place::Own(line) => {
                    let line = known
                        .called
                        .as_deref()
                        .and_then(|called| vanished(called, &module, inner.as_ref()))
                        .unwrap_or(line);
                    return self.confirm(&passed, (Some(line.clone()), Ended::Known));
                }
                Place::Function(line) => note(&mut function, line, role),
                Place::Other => {}
            }
            let Some(next) = known.step.and_then(|step| frame.next(step, &mut self.stack)) else { break };
            (frame, inner) = (next, Some((module, address)));
        }
        self.confirm(&passed, (function.map(|(line, _)| line), ended))
    }

    /// The file of a mapping, read if it was not yet, and what it is for the program.
    fn module(&mut self, modules: &mut Modules, place: usize) -> Option<(Shared, Role)> {
        let (pid, root, program) = (self.pid, &self.root, &self.program);
        let mapped = self.mappings.get_mut(place)?;
        if matches!(mapped.module, Opened::NotYet) {
            let mapping = &mapped.mapping;
            let module = open(pid, root, program, mapping).and_then(|file| modules.of(file));
            let is_it = |module: &Shared| module.borrow().stands_at(pid, mapping.head, mapping.head_offset);
            mapped.module = module.filter(is_it).map_or(Opened::Never, Opened::Is);
        }
        match &mapped.module {
            Opened::Is(module) => Some((module.clone(), mapped.role)),
            Opened::NotYet | Opened::Never => None,
        }
    }

    fn place(&self, address: u64) -> Option<usize> {
        let place = self.mappings.partition_point(|one| one.mapping.end <= address);
        self.mappings.get(place).filter(|one| one.mapping.start <= address)?;
        Some(place)
    }

    fn read(&mut self) {
        let program = fs::metadata(format!("/proc/{}/exe", self.pid)).map(|metadata| metadata.ino());
        let mapped = |mapping: Mapping| {
            let is_program = mapping.path == self.program || program.as_ref().ok() == Some(&mapping.inode);
            let role = if is_program { Role::Program } else { own::role(&mapping.path) };
            let stays = is_program || role == Role::Libc;
            let module = if mapping.is_served { Opened::Never } else { Opened::NotYet };
            Mapped { mapping, role, stays, module }
        };
        self.mappings = maps::read(self.pid).unwrap_or_default().into_iter().map(mapped).collect();
    }

    fn confirm<T>(&self, passed: &[usize], found: T) -> Result<T, Gone> {
        let is_there = |place: &usize| match self.mappings.get(*place) {
            Some(Mapped { mapping, module: Opened::Is(module), .. }) => {
                module.borrow().stands_at(self.pid, mapping.head, mapping.head_offset)
            }
            _ => false,
        };
        if passed.iter().all(is_there) { Ok(found) } else { Err(Gone) }
    }
}

/// Where a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// In a file that is known: at a line, or where no way leads on.
    Known,
    /// At an address that is in no file.
    Nowhere,
}

/// A file that was mapped is not any more.
#[derive(Debug)]
struct Gone;

/// Where a function that was called, and is not the frame inside, called what took its place.
fn vanished<'c>(called: &'c Called, module: &Shared, inner: Option<&(Shared, u64)>) -> Option<&'c Line> {
    let (inside, address) = inner?;
    let is_there = Rc::ptr_eq(inside, module) && called.has(*address);
    (!is_there).then_some(&called.end)
}

/// Remembers the innermost function: one of the program, if there is one, rather than one of a library.
fn note(function: &mut Option<(Line, Role)>, line: &Line, role: Role) {
    let is_better = match function {
        None => true,
        Some((_, before)) => *before == Role::System && role == Role::Program,
    };
    if is_better {
        *function = Some((line.clone(), role));
    }
}

/// The file of a mapping, also where its name is gone, as far as the kernel lets it be opened.
fn open(pid: u32, root: &Path, program: &Path, mapping: &Mapping) -> Option<File> {
    if mapping.path == *program {
        return elf::open(Path::new(&format!("/proc/{pid}/exe"))).ok();
    }
    let named = || {
        let file = elf::open(&below(root, &mapping.path)).ok()?;
        (file.metadata().ok()?.ino() == mapping.inode).then_some(file)
    };
    let by_number = || {
        let (start, end) = (mapping.start, mapping.end);
        elf::open(Path::new(&format!("/proc/{pid}/map_files/{start:x}-{end:x}"))).ok()
    };
    let named = if mapping.is_deleted { None } else { named() };
    named.or_else(by_number)
}

impl Frame {
    /// The frame of the caller; none where it is not known.
    fn next(self, step: Step, stack: &mut Stack) -> Option<Self> {
        let register = |from| match from {
            From::Stack => Some(self.stack),
            From::Frame => self.pointer,
        };
        let begins = match step.begins {
            Begins::At(from, offset) => register(from)?.wrapping_add_signed(offset),
            Begins::ToldAt(from, offset, plus) => {
                stack.word(register(from)?.wrapping_add_signed(offset))?.wrapping_add_signed(plus)
            }
        };
        // Stacks grow downwards.
        if begins < self.stack {
            return None;
        }
        let mut read = |saved, kept| match saved {
            Saved::Kept => kept,
            Saved::Beside(offset) => stack.word(begins.wrapping_add_signed(offset)),
            Saved::At(from, offset) => stack.word(register(from)?.wrapping_add_signed(offset)),
            Saved::Lost => None,
        };
        let instruction = read(step.instruction, self.link)?;
        let pointer = read(step.frame, self.pointer);
        // Only the innermost function can return to where a register says.
        Some(Self { instruction, stack: begins, pointer, link: None })
    }
}

/// The stack of a stopped thread, read a piece at a time.
#[derive(Debug)]
struct Stack {
    pid: u32,
    start: u64,
    bytes: Box<[u8; WINDOW]>,
    /// So much of it was read.
    length: usize,
}

impl Stack {
    fn new(pid: u32) -> Self {
        Self { pid, start: 0, bytes: Box::new([0; WINDOW]), length: 0 }
    }

    /// It may be another's, or have changed.
    const fn forget(&mut self) {
        self.length = 0;
    }

    fn word(&mut self, address: u64) -> Option<u64> {
        self.kept(address).or_else(|| {
            self.start = address;
            self.length = read_memory(self.pid, address, &mut self.bytes[..]).unwrap_or(0);
            self.kept(address)
        })
    }

    fn kept(&self, address: u64) -> Option<u64> {
        let place = usize::try_from(address.checked_sub(self.start)?).ok()?;
        let word = self.bytes.get(..self.length)?.get(place..)?.first_chunk::<8>()?;
        Some(u64::from_ne_bytes(*word))
    }
}
