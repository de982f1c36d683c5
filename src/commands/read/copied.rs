//! The packets that fit, written as pcapng in nanoseconds.

use crate::problem::{Kind, Problem};
use enchufe_wire::LinkType;
use enchufe_wire::file::{InterfaceInfo, PacketNotes, Record, Writer};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Writes whole blocks, so that what is there can be read if more does not fit.
pub struct Copied {
    path: PathBuf,
    out: BufWriter<File>,
    writer: Writer,
    /// The link type of each interface, by its number.
    links: Vec<LinkType>,
    block: Vec<u8>,
    count: u64,
}

impl Copied {
    /// Makes the file; one of the name is replaced, but never one that is read.
    pub fn new(path: &Path, read: &Path) -> Result<Self, Problem> {
        let same =
            path.canonicalize().ok().zip(read.canonicalize().ok()).is_some_and(|(to, from)| to == from);
        if same {
            return Err(Problem::new(Kind::SameFile).with("path", path.display()));
        }
        let refused =
            |error: io::Error| Problem::new(Kind::WriteFile).with("path", path.display()).cause(&error);
        let out = BufWriter::new(File::create(path).map_err(refused)?);
        let (writer, links, block) = (Writer::new(), Vec::new(), Vec::new());
        let mut copied = Self { path: path.to_owned(), out, writer, links, block, count: 0 };
        copied.writer.section(&mut copied.block, concat!("enchufe ", env!("CARGO_PKG_VERSION")));
        copied.hand_on().map_err(refused)?;
        Ok(copied)
    }

    /// Writes a packet, its comments and its process with it.
    pub fn record(&mut self, record: &Record<'_>) -> io::Result<()> {
        let interface = if let Some(at) = self.links.iter().position(|link| *link == record.link) {
            u32::try_from(at).unwrap_or_default()
        } else {
            self.links.push(record.link);
            self.writer.interface(&mut self.block, record.link, &InterfaceInfo::default())
        };
        let comments: Vec<&[u8]> = record.options.comments().collect();
        let notes = PacketNotes { comments: &comments, process: record.process() };
        let time = record.time.unwrap_or_default();
        self.writer.packet(&mut self.block, interface, time, record.bytes, record.wire_len, &notes);
        self.count += 1;
        self.hand_on()
    }

    fn hand_on(&mut self) -> io::Result<()> {
        self.out.write_all(&self.block)?;
        self.block.clear();
        Ok(())
    }

    /// Writes what is held back; how many packets were written, and where.
    pub fn finish(mut self) -> (io::Result<()>, u64, PathBuf) {
        (self.out.flush(), self.count, self.path)
    }
}
