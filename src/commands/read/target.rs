//! Where a capture is written to: a file, or standard output.

use crate::problem::{Kind, Problem};
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Bytes that wait to be written together.
const TOGETHER: usize = 1 << 20;

/// What is written in blocks: where more does not fit, those before the last one can be read.
pub struct Target {
    path: PathBuf,
    out: BufWriter<Box<dyn Write>>,
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
        Ok(Self { path: path.to_owned(), out: BufWriter::with_capacity(TOGETHER, out) })
    }

    /// Writes blocks, and empties them.
    pub fn write(&mut self, blocks: &mut Vec<u8>) -> io::Result<()> {
        let written = self.out.write_all(blocks);
        blocks.clear();
        written
    }

    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
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
