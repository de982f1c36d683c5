//! What is read of a file that a process has mapped: its sections, each as large as it may be at most.

use gimli::LittleEndian;
use object::elf;
use object::read::elf::{ElfFile64, ProgramHeader};
use object::{Architecture, CompressionFormat, Object, ObjectSection, ReadCache, ReadRef};
use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

/// The most bytes of a section, and the most that are read at once.
const LARGEST: u64 = 256 << 20;
/// The most bytes of all sections of all files that are kept.
const MOST: u64 = 1 << 30;

/// How gimli reads sections.
pub type Reader = gimli::EndianArcSlice<LittleEndian>;

/// How many bytes of sections may still be kept.
#[derive(Clone, Debug)]
pub struct Budget(Rc<Cell<u64>>);

impl Default for Budget {
    fn default() -> Self {
        Self(Rc::new(Cell::new(MOST)))
    }
}

impl Budget {
    /// Takes so many of them, if they are left.
    pub fn take(&self, size: u64) -> Option<()> {
        let left = self.0.get().checked_sub(size).filter(|_| size <= LARGEST)?;
        self.0.set(left);
        Some(())
    }
}

/// Opens a file to be read, whatever stands at the path: nothing there may keep the caller waiting.
pub fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

/// Reads of a file, none larger than a section may be: lengths in the file can lie.
#[derive(Clone, Copy, Debug)]
pub struct Bounded<'a>(&'a ReadCache<File>);

impl<'a> ReadRef<'a> for Bounded<'a> {
    fn len(self) -> Result<u64, ()> {
        self.0.len()
    }

    fn read_bytes_at(self, offset: u64, size: u64) -> Result<&'a [u8], ()> {
        if size > LARGEST {
            return Err(());
        }
        self.0.read_bytes_at(offset, size)
    }

    fn read_bytes_at_until(self, range: Range<u64>, delimiter: u8) -> Result<&'a [u8], ()> {
        self.0.read_bytes_at_until(range, delimiter)
    }
}

/// A file of this machine's kind, as far as it was read.
pub type Elf<'a> = ElfFile64<'a, object::LittleEndian, Bounded<'a>>;

/// An ELF file.
#[derive(Debug)]
pub struct Image {
    file: File,
    cache: ReadCache<File>,
    budget: Budget,
}

impl Image {
    /// Of an open file.
    pub fn new(file: &File, budget: &Budget) -> Option<Self> {
        let [file, read] = [file.try_clone().ok()?, file.try_clone().ok()?];
        Some(Self { file, cache: ReadCache::new(read), budget: budget.clone() })
    }

    /// Gives the file to `look`, if it is one for this machine.
    pub fn look<T>(&mut self, look: impl FnOnce(&Sections<'_>) -> Option<T>) -> Option<T> {
        let seen = Elf::parse(Bounded(&self.cache)).ok().and_then(|file| {
            let is_ours = file.architecture() == NATIVE;
            is_ours.then(|| look(&Sections { file, whole: &self.file, budget: &self.budget }))?
        });
        self.cache.clear();
        seen
    }
}

#[cfg(target_arch = "x86_64")]
const NATIVE: Architecture = Architecture::X86_64;
#[cfg(target_arch = "aarch64")]
const NATIVE: Architecture = Architecture::Aarch64;

/// A file that is being read.
pub struct Sections<'a> {
    /// It.
    pub file: Elf<'a>,
    whole: &'a File,
    budget: &'a Budget,
}

impl Sections<'_> {
    /// The bytes of a section, decompressed; none where there is no such section, or it is too large.
    pub fn bytes(&self, name: &str) -> Option<Arc<[u8]>> {
        let section = self.file.section_by_name(name)?;
        let range = section.compressed_file_range().ok()?;
        if range.format == CompressionFormat::None {
            let end = range.offset.checked_add(range.compressed_size)?;
            let is_there = end <= self.whole.metadata().ok()?.len();
            return is_there.then(|| self.read(range.offset, range.compressed_size))?;
        }
        self.budget.take(range.uncompressed_size)?;
        Some(Arc::from(section.compressed_data().ok()?.decompress().ok()?))
    }

    /// Straight to where it stays: sections can be large.
    fn read(&self, offset: u64, size: u64) -> Option<Arc<[u8]>> {
        self.budget.take(size)?;
        let mut bytes: Arc<[u8]> = std::iter::repeat_n(0, usize::try_from(size).ok()?).collect();
        self.whole.read_exact_at(Arc::get_mut(&mut bytes)?, offset).ok()?;
        Some(bytes)
    }

    /// The same, for gimli: a section that is not there is empty; none where it is there and cannot be read.
    pub fn reader(&self, name: &str) -> Option<Reader> {
        let is_there = self.file.section_by_name(name).is_some();
        let bytes = if is_there { self.bytes(name)? } else { Arc::from([]) };
        Some(Reader::new(bytes, LittleEndian))
    }

    /// Where a section is in memory, before the file was moved to where it is mapped.
    pub fn address(&self, name: &str) -> Option<u64> {
        self.file.section_by_name(name).map(|section| section.address())
    }

    /// What of the file is mapped.
    pub fn segments(&self) -> Vec<Segment> {
        let endian = self.file.endian();
        let loaded = self.file.elf_program_headers().iter().filter(|one| one.p_type(endian) == elf::PT_LOAD);
        loaded
            .map(|one| Segment {
                offset: one.p_offset(endian),
                size: one.p_filesz(endian),
                address: one.p_vaddr(endian),
            })
            .collect()
    }
}

/// A part of a file that is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    offset: u64,
    size: u64,
    address: u64,
}

impl Segment {
    /// The address, as the file counts, of the byte at this offset of the file, if the segment has it.
    pub fn address_of(&self, offset: u64) -> Option<u64> {
        let inside = offset.checked_sub(self.offset).filter(|inside| *inside < self.size)?;
        self.address.checked_add(inside)
    }
}
