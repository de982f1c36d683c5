//! Places of a Python program that were asked for before. py-spy reads all frames of all threads, which takes several times as
//! long as all the rest of a stop, and most calls are made where one was made before.
//!
//! **Nothing is told here that py-spy has not told.** What it said of a code object is remembered together with the memory that
//! it follows from: the file, the name, the first line and the table of lines. It is told again only where all of that is the
//! same, byte for byte, and the thread is at the same instruction of it. Where things are in that memory is known for some
//! versions; that it is right is seen when py-spy is asked: where its frames do not stand where they should, nothing is
//! remembered.

use super::is_own;
use enchufe_story::fact::Line;
use enchufe_sys::ptrace::{read_memory, read_pieces};
use py_spy::Frame;
use std::collections::HashMap;

/// The most frames that are followed, from the innermost one.
const MOST_FRAMES: usize = 64;
/// The most threads that are looked through for one.
const MOST_THREADS: usize = 4_096;
/// The most code objects, and instructions of one, that are remembered; past it all are forgotten.
const MOST_CODES: usize = 1_024;
const MOST_LINES: usize = 4_096;
/// The most memory of a code object.
const MOST_MEMORY: usize = 16 << 10;

/// Where things are in the memory of an interpreter of 64 bits, by `Include/` and `Include/internal/` of its source.
#[derive(Clone, Copy, Debug)]
struct Layout {
    /// `PyInterpreterState.threads.head`
    threads: u64,
    /// `PyThreadState.native_thread_id`, `.cframe` or `.current_frame`
    native: usize,
    current: usize,
    /// `_PyCFrame.current_frame`, where it is in between.
    between: Option<u64>,
    /// `_PyInterpreterFrame.f_code`, `.previous`, `.prev_instr`; `.owner`, where frames of C stand among them.
    code: usize,
    back: usize,
    instruction: usize,
    owner: Option<usize>,
    /// `PyCodeObject.co_firstlineno`
    first: u64,
    /// The characters of a `PyASCIIObject`.
    characters: u64,
}

const LAYOUTS: [(u64, Layout); 3] = [
    (
        11,
        Layout {
            threads: 16,
            native: 160,
            current: 56,
            between: Some(8),
            code: 32,
            back: 48,
            instruction: 56,
            owner: None,
            first: 72,
            characters: 48,
        },
    ),
    (
        12,
        Layout {
            threads: 72,
            native: 144,
            current: 56,
            between: Some(0),
            code: 0,
            back: 8,
            instruction: 56,
            owner: Some(70),
            first: 68,
            characters: 40,
        },
    ),
    (
        13,
        Layout {
            threads: 7_344,
            native: 160,
            current: 72,
            between: None,
            code: 0,
            back: 8,
            instruction: 56,
            owner: Some(70),
            first: 68,
            characters: 40,
        },
    ),
];

/// `PyThreadState.next`
const NEXT: usize = 8;
/// `FRAME_OWNED_BY_CSTACK`
const BY_C: u8 = 3;
/// `PyCodeObject.co_filename`, `.co_qualname` and `.co_linetable`, and the end of the last.
const FILE: usize = 112;
const NAME: usize = 128;
const TABLE: usize = 136;
const END: u64 = 144;
/// `PyVarObject.ob_size`, `PyASCIIObject.length`: what stands before it (the count of references) changes.
const SIZE: u64 = 16;
/// The bytes of a `PyBytesObject`.
const BYTES: u64 = 32;

/// What was said of a code object.
#[derive(Debug)]
struct Code {
    /// The memory that says it, and what is there.
    pieces: [(u64, usize); 4],
    memory: Vec<u8>,
    is_own: bool,
    file: String,
    function: String,
    /// By the place of the instruction.
    lines: HashMap<u64, u32>,
}

/// Where a frame is: its code object, and the instruction.
type Step = (u64, u64);

/// What was found.
#[derive(Debug)]
pub enum Found {
    Line(Line),
    /// py-spy is to be asked; the frames, from the innermost one.
    Unknown(Vec<Step>),
}

/// The places of one process.
#[derive(Debug)]
pub struct Places {
    layout: Layout,
    interpreter: u64,
    /// The `PyThreadState` of a thread.
    threads: HashMap<u32, u64>,
    codes: HashMap<u64, Code>,
    /// What was read last.
    memory: Vec<u8>,
}

impl Places {
    /// For an interpreter of this version, if it is known where things are in it.
    pub fn new((major, minor): (u64, u64), interpreter: usize) -> Option<Self> {
        let (_, layout) = *LAYOUTS.iter().find(|(known, _)| major == 3 && *known == minor)?;
        let interpreter = u64::try_from(interpreter).ok()?;
        let (threads, codes, memory) = Default::default();
        Some(Self { layout, interpreter, threads, codes, memory })
    }

    /// Where the thread is.
    pub fn find(&mut self, pid: u32, tid: u32) -> Found {
        let mut steps = Vec::new();
        let mut is_known = true;
        let mut frame = self.innermost(pid, tid).unwrap_or_default();
        while frame != 0 && steps.len() < MOST_FRAMES {
            let Some((step, back)) = self.frame(pid, frame) else { break };
            frame = back;
            let Some((code, instruction)) = step else { continue };
            steps.push((code, instruction));
            let known = if is_known { self.known(pid, code) } else { None };
            match known {
                Some(code) if !code.is_own => {}
                Some(code) => match code.lines.get(&instruction) {
                    Some(line) => {
                        let (file, function) = (code.file.clone(), code.function.clone());
                        return Found::Line(Line { file, line: *line, function });
                    }
                    None => is_known = false,
                },
                None => is_known = false,
            }
        }
        Found::Unknown(steps)
    }

    /// Remembers what py-spy said of these frames, as far as the first of the program's own.
    pub fn learn(&mut self, pid: u32, steps: &[Step], frames: &[Frame]) {
        if steps.len() != frames.len() {
            return;
        }
        let Some(own) = frames.iter().position(|frame| is_own(&frame.filename)) else { return };
        for ((code, instruction), frame) in steps.iter().zip(frames.iter().take(own + 1)) {
            if self.codes.len() >= MOST_CODES {
                self.codes.clear();
            }
            if self.known(pid, *code).is_none() {
                self.codes.remove(code);
                let Some(read) = self.read(pid, *code, frame) else { return };
                self.codes.insert(*code, read);
            }
            let Some(known) = self.codes.get_mut(code) else { return };
            let is_same = known.file == frame.filename && known.function == frame.name;
            let Some(line) = u32::try_from(frame.line).ok().filter(|_| is_same) else { return };
            if known.lines.len() >= MOST_LINES {
                known.lines.clear();
            }
            known.lines.insert(*instruction, line);
        }
    }

    /// The innermost frame of the thread.
    fn innermost(&mut self, pid: u32, tid: u32) -> Option<u64> {
        let known = self.threads.get(&tid).and_then(|state| self.thread(pid, *state));
        let thread = match known.filter(|thread| thread.native == u64::from(tid)) {
            Some(thread) => thread,
            None => self.look_for(pid, tid)?,
        };
        match self.layout.between {
            Some(offset) => word_at(pid, thread.current.checked_add(offset)?),
            None => Some(thread.current),
        }
    }

    /// Looks for the thread among all of the interpreter.
    fn look_for(&mut self, pid: u32, tid: u32) -> Option<Thread> {
        let mut state = word_at(pid, self.interpreter.checked_add(self.layout.threads)?)?;
        for _ in 0..MOST_THREADS {
            let thread = self.thread(pid, state)?;
            if thread.native == u64::from(tid) {
                if self.threads.len() >= MOST_THREADS {
                    self.threads.clear();
                }
                self.threads.insert(tid, state);
                return Some(thread);
            }
            state = thread.next;
        }
        None
    }

    fn thread(&self, pid: u32, state: u64) -> Option<Thread> {
        let mut memory = [0; 168];
        read_all(pid, state, &mut memory)?;
        let Layout { native, current, .. } = self.layout;
        Some(Thread {
            next: word(&memory, NEXT)?,
            native: word(&memory, native)?,
            current: word(&memory, current)?,
        })
    }

    /// Where a frame is, if it is one of Python, and the one that called it.
    fn frame(&self, pid: u32, address: u64) -> Option<(Option<Step>, u64)> {
        let mut memory = [0; 72];
        read_all(pid, address, &mut memory)?;
        let Layout { code, back, instruction, owner, .. } = self.layout;
        let by_c = owner.and_then(|owner| memory.get(owner)).is_some_and(|owner| *owner == BY_C);
        let (code, instruction) = (word(&memory, code)?, word(&memory, instruction)?);
        // Past the code object's own fields.
        let is_within = instruction.checked_sub(code).is_some_and(|offset| offset >= END);
        let is_python = !by_c && code != 0;
        if is_python && !is_within {
            return None;
        }
        Some((is_python.then_some((code, instruction)), word(&memory, back)?))
    }

    /// What is known of a code object, if its memory is as it was.
    fn known(&mut self, pid: u32, code: u64) -> Option<&Code> {
        let known = self.codes.get(&code)?;
        self.memory.resize(known.memory.len(), 0);
        let read = read_pieces(pid, &known.pieces, &mut self.memory).ok()?;
        (read == known.memory.len() && self.memory == known.memory).then_some(known)
    }

    /// Reads what it was that py-spy read.
    fn read(&self, pid: u32, code: u64, frame: &Frame) -> Option<Code> {
        let mut fields = [0; 144];
        read_all(pid, code, &mut fields)?;
        let [file, name, table] = [FILE, NAME, TABLE].map(|place| word(&fields, place).unwrap_or_default());
        let table_size = BYTES.checked_add(word_at(pid, table.checked_add(SIZE)?)?)?;
        let text = |at: u64, text: &str| {
            let length = self.layout.characters - SIZE + u64::try_from(text.len()).ok()?;
            Some((at.checked_add(SIZE)?, usize::try_from(length).ok()?))
        };
        let pieces = [
            (code.checked_add(self.layout.first)?, usize::try_from(END - self.layout.first).ok()?),
            text(file, &frame.filename)?,
            text(name, &frame.name)?,
            (table.checked_add(SIZE)?, usize::try_from(table_size - SIZE).ok()?),
        ];
        let size = pieces.iter().map(|(_, length)| *length).fold(0, usize::saturating_add);
        if size > MOST_MEMORY {
            return None;
        }
        let mut memory = vec![0; size];
        if read_pieces(pid, &pieces, &mut memory).ok()? != size {
            return None;
        }
        // Only where the texts stand where they should. Those that are not of ASCII stand elsewhere.
        let [(_, first), (_, file_length), (_, name_length), _] = pieces;
        let stands = |text: &str, from: usize, length: usize| {
            let piece = memory.get(from..from + length);
            text.is_ascii()
                && piece.and_then(|piece| word(piece, 0)) == u64::try_from(text.len()).ok()
                && piece.is_some_and(|piece| piece.ends_with(text.as_bytes()))
        };
        let is_right = stands(&frame.filename, first, file_length)
            && stands(&frame.name, first + file_length, name_length);
        let (file, function) = (frame.filename.clone(), frame.name.clone());
        let (is_own, lines) = (is_own(&file), HashMap::new());
        is_right.then_some(Code { pieces, memory, is_own, file, function, lines })
    }
}

/// What is read of a `PyThreadState`.
struct Thread {
    next: u64,
    native: u64,
    current: u64,
}

fn word(memory: &[u8], place: usize) -> Option<u64> {
    let bytes = memory.get(place..)?.first_chunk()?;
    Some(u64::from_le_bytes(*bytes))
}

fn word_at(pid: u32, address: u64) -> Option<u64> {
    let mut bytes = [0; 8];
    read_all(pid, address, &mut bytes)?;
    word(&bytes, 0)
}

fn read_all(pid: u32, address: u64, out: &mut [u8]) -> Option<()> {
    (read_memory(pid, address, out).ok()? == out.len()).then_some(())
}
