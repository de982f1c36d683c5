//! Where a capture comes from: a file or standard input, perhaps compressed.

use crate::problem::{Kind, Problem};
use enchufe_wire::file::ReadError;
use flate2::read::MultiGzDecoder;
use ruzstd::decoding::StreamingDecoder;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// A capture that was named.
#[derive(Debug)]
pub enum Source {
    /// `-`
    Stdin,
    File {
        path: PathBuf,
        regular: bool,
    },
}

impl Source {
    /// Looks at what the name stands for.
    pub fn new(path: &Path) -> Result<Self, Problem> {
        if path == Path::new("-") {
            return Ok(Self::Stdin);
        }
        let meta = std::fs::metadata(path)
            .map_err(|error| Problem::new(Kind::File).with("path", path.display()).cause(&error))?;
        if meta.is_dir() {
            return Err(Problem::new(Kind::FileIsDirectory).with("path", path.display()));
        }
        Ok(Self::File { path: path.to_owned(), regular: meta.is_file() })
    }

    pub const fn can_be_read_again(&self) -> bool {
        matches!(self, Self::File { regular: true, .. })
    }

    /// As it was named.
    pub fn name(&self) -> String {
        match self {
            Self::Stdin => "-".to_owned(),
            Self::File { path, .. } => path.display().to_string(),
        }
    }

    /// The bytes of the capture, unpacked.
    pub fn open(&self) -> Result<Box<dyn Read>, Problem> {
        match self {
            Self::Stdin => self.unpack(io::stdin()),
            Self::File { path, .. } => {
                let file = File::open(path)
                    .map_err(|error| Problem::new(Kind::File).with("path", path.display()).cause(&error))?;
                self.unpack(file)
            }
        }
    }

    fn unpack(&self, mut input: impl Read + 'static) -> Result<Box<dyn Read>, Problem> {
        let mut first = Vec::new();
        input.by_ref().take(4).read_to_end(&mut first).map_err(|error| self.unreadable(&error, false))?;
        let packed = (first.starts_with(&GZIP), first.starts_with(&ZSTD));
        let whole = Cursor::new(first).chain(input);
        Ok(match packed {
            (true, _) => Box::new(MultiGzDecoder::new(BufReader::new(whole))),
            (_, true) => {
                let decoder = StreamingDecoder::new(BufReader::new(whole));
                Box::new(
                    decoder.map_err(|error| self.unreadable(&io::Error::other(error.to_string()), false))?,
                )
            }
            _ => Box::new(whole),
        })
    }

    /// The sentence for input that cannot be read.
    pub fn unreadable(&self, error: &io::Error, shown: bool) -> Problem {
        let kind = if shown { Kind::CaptureBroken } else { Kind::CaptureUnreadable };
        Problem::new(kind).with("path", self.name()).cause(error)
    }

    /// The sentence for a capture that cannot be read, or not further.
    pub fn explain(&self, error: &ReadError, shown: bool) -> Problem {
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
                .cause(&io::Error::new(io::ErrorKind::InvalidData, error.to_string())),
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
