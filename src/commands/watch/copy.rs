//! What passes, as a capture file.

use crate::commands::read::copied::APPLICATION;
use crate::problem::{Kind, Problem};
use enchufe_watch::Capture;
use enchufe_wire::Timestamp;
use enchufe_wire::file::{InterfaceInfo, Record, Writer};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Bytes that wait to be written together, while frames come fast.
const TOGETHER: usize = 1 << 20;

/// Writes whole blocks, so that what is there can be read if more does not fit.
pub struct Copy {
    path: PathBuf,
    file: BufWriter<File>,
    writer: Writer,
    blocks: Vec<u8>,
    last: Timestamp,
}

impl Copy {
    pub fn create(path: &Path, capture: &Capture, interface: &str) -> Result<Self, Problem> {
        let file = File::create(path)
            .map_err(|error| Problem::new(Kind::WriteFile).with("path", path.display()).cause(&error))?;
        let (mut writer, mut blocks) = (Writer::new(), Vec::new());
        writer.section(&mut blocks, APPLICATION);
        let info = InterfaceInfo { name: interface, snaplen: capture.snaplen() };
        writer.interface(&mut blocks, capture.link(), &info);
        let file = BufWriter::with_capacity(TOGETHER, file);
        let mut copy = Self { path: path.to_owned(), file, writer, blocks, last: Timestamp::default() };
        copy.write()?;
        Ok(copy)
    }

    pub fn packet(&mut self, record: &Record<'_>) -> Result<(), Problem> {
        self.last = record.time.unwrap_or(self.last);
        self.writer.record(&mut self.blocks, 0, record);
        self.write()
    }

    /// How many frames there are, and how many more there would be if there had been room.
    pub fn counters(&mut self, count: u64, dropped: u64) -> Result<(), Problem> {
        self.writer.counters(&mut self.blocks, 0, self.last, (count.saturating_add(dropped), dropped));
        self.write()
    }

    fn write(&mut self) -> Result<(), Problem> {
        let result = self.file.write_all(&self.blocks);
        self.blocks.clear();
        result.map_err(|error| self.unwritable(&error))
    }

    pub fn flush(&mut self) -> Result<(), Problem> {
        let result = self.file.flush();
        result.map_err(|error| self.unwritable(&error))
    }

    fn unwritable(&self, error: &io::Error) -> Problem {
        Problem::new(Kind::WriteFile).with("path", self.path.display()).cause(error)
    }
}
