//! Where a capture comes from: a file or standard input, perhaps compressed.

use super::archive;
use crate::problem::{Kind, Problem};
use enchufe_wire::batch::{Batch, Intake};
use enchufe_wire::file::ReadError;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes read at a time: of one capture, of all of them, and at least.
const CHUNK: usize = 256 * 1024;
const CHUNKS: usize = 4 * 1024 * 1024;
const LEAST: usize = 16 * 1024;

/// A capture that was named.
#[derive(Clone, Debug)]
pub enum Source {
    /// `-`
    Stdin,
    File {
        path: PathBuf,
        /// How long it is, of a regular one.
        length: Option<u64>,
    },
}

/// How much has been read of all sources, before anything is unpacked.
pub type Meter = Arc<AtomicU64>;

/// A reader that counts what passes.
struct Metered<R> {
    inner: R,
    meter: Meter,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(into)?;
        self.meter.fetch_add(u64::try_from(count).unwrap_or_default(), Ordering::Relaxed);
        Ok(count)
    }
}

impl Source {
    /// Looks at what the name stands for.
    pub fn new(path: &Path) -> Result<Self, Problem> {
        if path == Path::new("-") {
            return Ok(Self::Stdin);
        }
        let meta = std::fs::metadata(path).map_err(|error| Problem::unreadable("open", path, &error))?;
        if meta.is_dir() {
            return Err(Problem::new(Kind::FileIsDirectory).with("path", path.display()));
        }
        Ok(Self::File { path: path.to_owned(), length: meta.is_file().then_some(meta.len()) })
    }

    /// How long it is, where that is known: then it can be read again.
    pub const fn length(&self) -> Option<u64> {
        match self {
            Self::Stdin => None,
            Self::File { length, .. } => *length,
        }
    }

    /// Which file it is, whatever it was named by.
    pub fn identity(&self) -> Option<same_file::Handle> {
        match self {
            Self::Stdin => same_file::Handle::stdin().ok(),
            Self::File { path, .. } => same_file::Handle::from_path(path).ok(),
        }
    }

    /// As it was named.
    pub fn name(&self) -> String {
        match self {
            Self::Stdin => "-".to_owned(),
            Self::File { path, .. } => path.display().to_string(),
        }
    }

    /// Opens it.
    ///
    /// Where there are several captures each reads smaller pieces.
    pub fn open(&self, meter: &Meter, several: usize) -> Result<Opened, Problem> {
        let meter = Arc::clone(meter);
        let (input, is_archive) = match self {
            Self::Stdin => self.unpack(Metered { inner: io::stdin(), meter }),
            Self::File { path, .. } => {
                let inner = File::open(path).map_err(|error| Problem::unreadable("open", path, &error))?;
                self.unpack(Metered { inner, meter })
            }
        }?;
        let chunk = (CHUNKS / several.max(1)).clamp(LEAST, CHUNK);
        let is_near = self.length().is_some() && !is_archive;
        Ok(Opened { source: self.clone(), input, is_near, intake: Intake::new(), chunk, shown: false })
    }

    fn unpack(&self, input: impl Read + Send + 'static) -> Result<(Box<dyn Read + Send>, bool), Problem> {
        archive::unpacked(input).map_err(|error| self.unreadable(&error, false))
    }

    /// The sentence for input that cannot be read.
    fn unreadable(&self, error: &io::Error, shown: bool) -> Problem {
        let kind = if shown { Kind::CaptureBroken } else { Kind::CaptureUnreadable };
        Problem::new(kind).with("path", self.name()).cause(error)
    }

    /// The sentence for a capture that cannot be read, or not further.
    fn explain(&self, error: &ReadError, shown: bool) -> Problem {
        let about = |kind: Kind| Problem::new(kind).with("path", self.name());
        match *error {
            ReadError::Empty => about(Kind::CaptureEmpty),
            ReadError::NotACapture { first } => {
                let first: Vec<String> = first.iter().map(|byte| format!("{byte:02x}")).collect();
                about(Kind::NotACapture).with("first", first.join(" "))
            }
            ReadError::Version { major, minor, .. } if !shown => {
                about(Kind::CaptureVersion).with("version", format!("{major}.{minor}"))
            }
            ReadError::Cut { offset, needed, have } => {
                let kind = if shown { Kind::CaptureCut } else { Kind::CaptureCutAtOnce };
                about(kind).with("offset", offset).with("needed", needed).with("have", have)
            }
            ref error => about(if shown { Kind::CaptureDamaged } else { Kind::CaptureDamagedAtOnce })
                .with("offset", offset(error))
                .cause(&io::Error::other(error.to_string())),
        }
    }
}

/// A capture that is being read.
pub struct Opened {
    source: Source,
    input: Box<dyn Read + Send>,
    /// It is a file, and there is nothing to unpack: what comes next is there at once.
    pub is_near: bool,
    intake: Intake,
    /// Bytes read at a time.
    chunk: usize,
    /// Whether something came that is shown.
    shown: bool,
}

impl Opened {
    /// Reads once more, and adds the items that are whole; whether there may be more. What came before a fault is in
    /// the batch.
    pub fn fill(&mut self, file: usize, batch: &mut Batch) -> Result<bool, Problem> {
        let Self { source, input, intake, chunk, shown, .. } = self;
        let room = intake.room(batch, *chunk);
        let (count, failed) = loop {
            match input.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break (0, Some(error)),
                Ok(count) => break (count, None),
            }
        };
        let taken = intake.take(batch, file, count);
        *shown |= batch.has_content();
        match (failed, taken) {
            (Some(error), _) => Err(source.unreadable(&error, *shown)),
            (None, Ok(())) if count > 0 => Ok(true),
            (None, taken) => {
                let whole = taken.and_then(|()| intake.finish());
                whole.map(|()| false).map_err(|error| source.explain(&error, *shown))
            }
        }
    }
}

/// Where in the (unpacked) file it went wrong.
const fn offset(error: &ReadError) -> u64 {
    match *error {
        ReadError::Empty | ReadError::NotACapture { .. } => 0,
        ReadError::Version { offset, .. }
        | ReadError::Cut { offset, .. }
        | ReadError::PacketLength { offset, .. }
        | ReadError::BlockLength { offset, .. }
        | ReadError::Trailer { offset, .. }
        | ReadError::SectionOrder { offset }
        | ReadError::Interface { offset, .. }
        | ReadError::Interfaces { offset, .. } => offset,
    }
}
