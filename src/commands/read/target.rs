//! Where a capture is written to: a file, or standard output.

use crate::problem::{Kind, Problem};
use std::fs::File;
use std::io::{self, IoSlice, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Bytes that wait to be written together: so few that they are still near the processor.
const TOGETHER: usize = 256 << 10;

/// What is written in blocks: where more does not fit, those before the last one can be read.
pub struct Target {
    path: PathBuf,
    out: Box<dyn Write>,
}

impl Target {
    /// Makes the file, in the place of one of the name; `-` is standard output.
    pub fn create(path: &Path) -> Result<Self, Problem> {
        let out: Box<dyn Write> = if path != Path::new("-") {
            let refused = |error: io::Error| Problem::unwritable("open", path, &error);
            Box::new(File::create(path).map_err(refused)?)
        } else if io::stdout().is_terminal() {
            return Err(Problem::new(Kind::CaptureOnTerminal));
        } else {
            Box::new(io::stdout().lock())
        };
        Ok(Self { path: path.to_owned(), out })
    }

    /// Writes blocks and empties them, once they are worth it.
    pub fn write(&mut self, blocks: &mut Vec<u8>) -> io::Result<()> {
        if blocks.len() < TOGETHER { Ok(()) } else { self.hand_on(blocks) }
    }

    /// Writes all blocks that wait, and empties them.
    pub fn flush(&mut self, blocks: &mut Vec<u8>) -> io::Result<()> {
        self.hand_on(blocks)?;
        self.out.flush()
    }

    fn hand_on(&mut self, blocks: &mut Vec<u8>) -> io::Result<()> {
        self.write_around(blocks, blocks.len(), &[])
    }

    /// Writes all blocks that wait, at this place between them bytes that are worth no copy, and empties them. What was
    /// written is not written again, also where the rest could not be.
    pub fn write_around(&mut self, blocks: &mut Vec<u8>, place: usize, bytes: &[u8]) -> io::Result<()> {
        let (before, behind) = blocks.split_at_checked(place).unwrap_or((blocks, &[]));
        let mut parts = [before, bytes, behind].map(IoSlice::new);
        let (mut rest, mut done) = (&mut parts[..], 0);
        let written = loop {
            // Without the parts that are empty.
            IoSlice::advance_slices(&mut rest, 0);
            if rest.is_empty() {
                break Ok(());
            }
            match self.out.write_vectored(rest) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    done += count;
                    IoSlice::advance_slices(&mut rest, count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        if written.is_ok() {
            blocks.clear();
        } else {
            let all = [before, bytes, behind].concat();
            *blocks = all.get(done..).unwrap_or_default().to_vec();
        }
        written
    }

    /// Whether who reads standard output had enough, which is no fault.
    pub fn has_left(&self, error: &io::Error) -> bool {
        self.path == Path::new("-") && error.kind() == io::ErrorKind::BrokenPipe
    }

    /// The sentence for what cannot be written.
    pub fn refused(&self, error: &io::Error) -> Problem {
        Problem::unwritable("write", &self.path, error)
    }

    /// As it was named.
    pub fn name(&self) -> String {
        self.path.display().to_string()
    }
}
