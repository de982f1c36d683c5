//! How to get from a function's frame to its caller's: what the compiler wrote down for debuggers and exceptions.
//!
//! Nothing is guessed. Where a file has no rule for an address, or one that these do not cover, the stack ends: a
//! frame that is not there would give a wrong line.

use super::elf::{Reader, Sections};
use gimli::{
    BaseAddresses, CfaRule, CieOrFde, DebugFrame, EhFrame, EhFrameHdr, Encoding, Format,
    FrameDescriptionEntry, LittleEndian, Operation, ParsedEhFrameHdr, Register, RegisterRule, UnwindContext,
    UnwindExpression, UnwindSection, UnwindTableRow,
};
use std::cell::OnceCell;
use std::sync::Arc;

/// The numbers that DWARF has for registers (System V ABI of the processor).
#[cfg(target_arch = "x86_64")]
mod numbers {
    use gimli::Register;
    pub const STACK: Register = Register(7);
    pub const FRAME: Register = Register(6);
}
#[cfg(target_arch = "aarch64")]
mod numbers {
    use gimli::Register;
    pub const STACK: Register = Register(31);
    pub const FRAME: Register = Register(29);
}

/// A register that a rule counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// The stack pointer.
    Stack,
    /// The frame pointer.
    Frame,
}

/// Where the frame of the caller begins (the canonical frame address).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begins {
    /// So far from a register.
    At(From, i64),
    /// Where the word so far from a register says, plus so much.
    ToldAt(From, i64, i64),
}

/// Where the caller's value of a register is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// Still in the register.
    Kept,
    /// In memory, so far from where the caller's frame begins.
    Beside(i64),
    /// In memory, so far from a register.
    At(From, i64),
    /// Nowhere.
    Lost,
}

/// The way from one frame to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Where the caller's frame begins.
    pub begins: Begins,
    /// Where it goes on.
    pub instruction: Saved,
    /// Its frame pointer.
    pub frame: Saved,
}

/// The rules of a file.
#[derive(Debug)]
pub struct Frames {
    bases: BaseAddresses,
    index: Option<ParsedEhFrameHdr<Reader>>,
    /// `.eh_frame`, for exceptions: compilers write it for every function unless they are told not to.
    exceptions: Table<EhFrame<Reader>>,
    /// `.debug_frame`, for debuggers: what Go has.
    debugging: Table<DebugFrame<Reader>>,
}

impl Frames {
    /// Reads what a file has.
    pub fn new(sections: &Sections<'_>) -> Self {
        let at = |name| sections.address(name).unwrap_or(0);
        let bases = BaseAddresses::default()
            .set_eh_frame(at(".eh_frame"))
            .set_eh_frame_hdr(at(".eh_frame_hdr"))
            .set_text(at(".text"))
            .set_got(at(".got"));
        let read = |name| sections.reader(name).unwrap_or_else(|| Reader::new(Arc::from([]), LittleEndian));
        let index = EhFrameHdr::from(read(".eh_frame_hdr"));
        let index = index.parse(&bases, 8).ok();
        let (mut exceptions, mut debugging) =
            (EhFrame::from(read(".eh_frame")), DebugFrame::from(read(".debug_frame")));
        exceptions.set_address_size(8);
        debugging.set_address_size(8);
        Self { bases, index, exceptions: Table::new(exceptions), debugging: Table::new(debugging) }
    }

    /// The way from the frame of a function that is at this address.
    pub fn step(&self, address: u64) -> Option<Step> {
        self.indexed(address)
            .and_then(|entry| step(&self.exceptions.section, &self.bases, &entry, address))
            .or_else(|| self.exceptions.step(&self.bases, address))
            .or_else(|| self.debugging.step(&self.bases, address))
    }

    fn indexed(&self, address: u64) -> Option<FrameDescriptionEntry<Reader>> {
        let index = self.index.as_ref()?;
        let place = index.table()?.lookup(address, &self.bases).ok()?.pointer();
        // By gimli's own function the difference may be less than nothing in a file that lies.
        let place = usize::try_from(place.checked_sub(index.eh_frame_ptr().pointer())?).ok()?;
        let section = &self.exceptions.section;
        let entry = section.fde_from_offset(&self.bases, place.into(), EhFrame::cie_from_offset).ok()?;
        entry.contains(address).then_some(entry)
    }
}

/// The rules of a section, found by address where the file has no index of them.
#[derive(Debug)]
struct Table<S> {
    section: S,
    /// Where each function begins and ends, and where its rules are.
    entries: OnceCell<Vec<(u64, u64, usize)>>,
}

impl<S: UnwindSection<Reader>> Table<S>
where
    S::Offset: std::convert::From<usize>,
{
    fn new(section: S) -> Self {
        Self { section, entries: OnceCell::new() }
    }

    fn step(&self, bases: &BaseAddresses, address: u64) -> Option<Step> {
        let entries = self.entries.get_or_init(|| self.read(bases));
        let place = entries.partition_point(|(begins, ..)| *begins <= address).checked_sub(1)?;
        let (_, _, offset) = entries.get(place).filter(|(_, ends, _)| address < *ends)?;
        let entry = self.section.fde_from_offset(bases, (*offset).into(), S::cie_from_offset).ok()?;
        step(&self.section, bases, &entry, address)
    }

    fn read(&self, bases: &BaseAddresses) -> Vec<(u64, u64, usize)> {
        let (mut entries, mut all) = (self.section.entries(bases), Vec::new());
        // What comes after a mistake is not there.
        while let Ok(Some(entry)) = entries.next() {
            let CieOrFde::Fde(partial) = entry else { continue };
            let Ok(entry) = partial.parse(S::cie_from_offset) else { continue };
            all.push((entry.initial_address(), entry.end_address(), entry.offset()));
        }
        all.sort_unstable();
        all
    }
}

fn step<S: UnwindSection<Reader>>(
    section: &S,
    bases: &BaseAddresses,
    entry: &FrameDescriptionEntry<Reader>,
    address: u64,
) -> Option<Step> {
    let mut context = UnwindContext::new();
    // Who was interrupted by a signal did not call what its handler calls.
    if entry.is_signal_trampoline() {
        return None;
    }
    let row = entry.unwind_info_for_address(section, bases, &mut context, address).ok()?;
    let encoding = Encoding { address_size: 8, format: Format::Dwarf32, version: 4 };
    let rules = Rules { section, row, encoding };
    // The caller's stack pointer is where its frame begins. A rule of its own for it is no compiler's.
    if row.register(numbers::STACK).is_some() {
        return None;
    }
    let begins = rules.begins()?;
    let instruction = match rules.saved(entry.cie().return_address_register()) {
        // On x86 a call pushes it, so there always is a rule; elsewhere a register still has it.
        Saved::Kept if cfg!(target_arch = "x86_64") => return None,
        Saved::Lost => return None,
        saved => saved,
    };
    Some(Step { begins, instruction, frame: rules.saved(numbers::FRAME) })
}

struct Rules<'a, S> {
    section: &'a S,
    row: &'a UnwindTableRow<usize>,
    encoding: Encoding,
}

impl<S: UnwindSection<Reader>> Rules<'_, S> {
    fn begins(&self) -> Option<Begins> {
        match self.row.cfa() {
            CfaRule::RegisterAndOffset { register, offset } => Some(Begins::At(from(*register)?, *offset)),
            CfaRule::Expression(expression) => match self.read(expression)? {
                (from, offset, None) => Some(Begins::At(from, offset)),
                (from, offset, Some(plus)) => Some(Begins::ToldAt(from, offset, plus)),
            },
        }
    }

    fn saved(&self, register: Register) -> Saved {
        match self.row.register(register) {
            None | Some(RegisterRule::SameValue) => Saved::Kept,
            Some(RegisterRule::Offset(offset)) => Saved::Beside(offset),
            Some(RegisterRule::Expression(expression)) => match self.read(&expression) {
                Some((from, offset, None)) => Saved::At(from, offset),
                _ => Saved::Lost,
            },
            _ => Saved::Lost,
        }
    }

    /// An expression of the forms that compilers write: a register and how far from it, perhaps the word there, and
    /// how far from that.
    fn read(&self, expression: &UnwindExpression<usize>) -> Option<(From, i64, Option<i64>)> {
        let mut operations = expression.get(self.section).ok()?.operations(self.encoding);
        let Some(Operation::RegisterOffset { register, offset, .. }) = operations.next().ok()? else {
            return None;
        };
        let from = from(register)?;
        let plus = match operations.next().ok()? {
            None => return Some((from, offset, None)),
            Some(Operation::Deref { size: 8, space: false, .. }) => match operations.next().ok()? {
                None => return Some((from, offset, Some(0))),
                Some(Operation::PlusConstant { value }) => i64::try_from(value).ok()?,
                Some(_) => return None,
            },
            Some(_) => return None,
        };
        operations.next().ok()?.is_none().then_some((from, offset, Some(plus)))
    }
}

fn from(register: Register) -> Option<From> {
    match register {
        numbers::STACK => Some(From::Stack),
        numbers::FRAME => Some(From::Frame),
        _ => None,
    }
}
