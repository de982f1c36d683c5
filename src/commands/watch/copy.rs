//! What passes, as a capture file.

use super::Stop;
use crate::commands::read::copied::APPLICATION;
use crate::commands::read::target::Target;
use crate::problem::Problem;
use enchufe_watch::Capture;
use enchufe_wire::Timestamp;
use enchufe_wire::file::{InterfaceInfo, Record, Writer};
use std::io;
use std::path::Path;

/// Frames of so many bytes are written from where they are: to copy them first costs more than a call of the system.
const LONG: usize = 16 << 10;

/// Writes each frame as it comes.
pub struct Copy {
    target: Target,
    writer: Writer,
    blocks: Vec<u8>,
    last: Timestamp,
}

impl Copy {
    pub fn create(path: &Path, capture: &Capture, interface: &str) -> Result<Self, Problem> {
        let mut target = Target::create(path)?;
        let (mut writer, mut blocks) = (Writer::new(), Vec::new());
        writer.section(&mut blocks, APPLICATION);
        let info = InterfaceInfo { name: interface, snaplen: capture.snaplen() };
        writer.interface(&mut blocks, capture.link(), &info);
        target.write(&mut blocks).map_err(|error| target.refused(&error))?;
        Ok(Self { target, writer, blocks, last: Timestamp::default() })
    }

    pub fn packet(&mut self, record: &Record<'_>) -> Result<(), Stop> {
        self.last = record.time.unwrap_or(self.last);
        if record.bytes.len() < LONG {
            self.writer.record(&mut self.blocks, 0, record);
            return self.write();
        }
        let place = self.writer.record_around(&mut self.blocks, 0, record);
        let written = self.target.write_around(&mut self.blocks, place, record.bytes);
        written.map_err(|error| self.stop(error))
    }

    /// How many frames there are, and how many more there would be if there had been room.
    pub fn counters(&mut self, count: u64, dropped: u64) -> Result<(), Stop> {
        self.writer.counters(&mut self.blocks, 0, self.last, (count.saturating_add(dropped), dropped));
        self.write()
    }

    fn write(&mut self) -> Result<(), Stop> {
        let written = self.target.write(&mut self.blocks);
        written.map_err(|error| self.stop(error))
    }

    pub fn flush(&mut self) -> Result<(), Stop> {
        let flushed = self.target.flush(&mut self.blocks);
        flushed.map_err(|error| self.stop(error))
    }

    fn stop(&self, error: io::Error) -> Stop {
        if self.target.has_left(&error) {
            return Stop::Output(error);
        }
        Stop::Problem(self.target.refused(&error))
    }
}
