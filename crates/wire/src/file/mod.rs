//! Capture files: readers fed with slices of bytes by the caller, who owns all input and output.
//!
//! [`Reader`] finds out whether the bytes are pcap or pcapng and gives [`Item`]s; [`Writer`] writes pcapng
//! into a buffer of the caller, new blocks or such as were read. Formats: <https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-05.html> and
//! <https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-03.html>.

mod error;
mod item;
mod options;
mod pcap;
mod pcapng;
mod relay;
mod write;

pub use crate::bytes::ByteOrder;
pub use error::ReadError;
pub use item::{Custom, Interface, Item, NameRecord, PacketProcess, Process, Record, Section, Statistics};
pub use options::{CaptureOption, Options, code};
pub use write::{InterfaceInfo, PacketNotes, Writer};

/// The longest packet that is read, as in Wireshark: more is a damaged file.
pub const LONGEST_PACKET: u32 = 262_144;
/// The longest pcapng block that is read, as in Wireshark.
pub const LONGEST_BLOCK: u32 = 16 * 1024 * 1024;
/// The most interfaces of one section that are kept.
pub const MOST_INTERFACES: u32 = 65_536;

/// A push parser of capture files: [`feed`](Self::feed) it what was read, take [`Item`]s until it wants more,
/// and [`finish`](Self::finish) at the end of the input. It holds at most one block beyond what was fed.
#[derive(Debug, Default)]
pub struct Reader {
    buffer: Vec<u8>,
    start: usize,
    parser: Parser,
}

impl Reader {
    /// A reader at the start of a file.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next bytes of the file.
    pub fn feed(&mut self, bytes: &[u8]) {
        // Moving the rest only once it is the smaller part keeps the copying linear.
        if self.start > self.buffer.len() / 2 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Where in the file the next item starts.
    pub const fn offset(&self) -> u64 {
        self.parser.offset
    }

    /// The next whole item, or `None` until more is fed. After an error the same error comes again.
    #[allow(clippy::should_implement_trait, reason = "an item borrows the reader: no Iterator can")]
    pub fn next(&mut self) -> Result<Option<Item<'_>>, ReadError> {
        let ready = self.buffer.get(self.start..).unwrap_or_default();
        let Some((item, len)) = self.parser.item(ready)? else { return Ok(None) };
        self.start += len;
        Ok(Some(item))
    }

    /// Says whether the file ended between two items, or where it was cut.
    pub fn finish(&self) -> Result<(), ReadError> {
        self.parser.finish(self.buffer.get(self.start..).unwrap_or_default())
    }
}

/// The same over bytes that the caller holds.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    offset: u64,
    format: Format,
}

#[derive(Debug, Default)]
enum Format {
    #[default]
    Unknown,
    Pcap(pcap::Header),
    Pcapng(pcapng::State),
}

impl Parser {
    /// The item that the bytes from here on begin with, and how many of them are its own; `None` while it is not whole.
    pub(crate) fn item<'a>(&mut self, ready: &'a [u8]) -> Result<Option<(Item<'a>, usize)>, ReadError> {
        if ready.len() < 4 {
            return Ok(None);
        }
        if matches!(self.format, Format::Unknown) {
            self.format = recognise(ready)?;
        }
        let needed = self.format.needed(ready, self.offset)?;
        let Some(block) = ready.get(..needed) else { return Ok(None) };
        let item = match &mut self.format {
            Format::Unknown => None,
            Format::Pcap(header) => header.item(block, self.offset)?,
            Format::Pcapng(state) => Some(state.item(block, self.offset)?),
        };
        let Some(item) = item else { return Ok(None) };
        self.offset += u64::try_from(needed).unwrap_or(u64::MAX);
        Ok(Some((item, needed)))
    }

    /// Says whether the file ended between two items, or where it was cut: `rest` is what belongs to none.
    pub(crate) fn finish(&self, rest: &[u8]) -> Result<(), ReadError> {
        if rest.is_empty() {
            return if self.offset == 0 { Err(ReadError::Empty) } else { Ok(()) };
        }
        let needed = match &self.format {
            Format::Unknown if rest.len() < 4 => {
                let mut first = [0; 4];
                first.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
                return Err(ReadError::NotACapture { first });
            }
            Format::Unknown => recognise(rest).map(|_| pcap::HEADER)?,
            format => format.needed(rest, self.offset)?,
        };
        let (needed, have) = (needed.max(rest.len() + 1), rest.len());
        Err(ReadError::Cut {
            offset: self.offset,
            needed: u64::try_from(needed).unwrap_or(u64::MAX),
            have: u64::try_from(have).unwrap_or(u64::MAX),
        })
    }
}

impl Format {
    /// How long the next item is, as far as its first bytes say.
    fn needed(&self, bytes: &[u8], offset: u64) -> Result<usize, ReadError> {
        match self {
            Self::Unknown => Ok(pcap::HEADER),
            Self::Pcap(header) => header.needed(bytes, offset),
            Self::Pcapng(state) => state.needed(bytes, offset),
        }
    }
}

fn recognise(bytes: &[u8]) -> Result<Format, ReadError> {
    let first = bytes.first_chunk::<4>().copied().unwrap_or_default();
    if let Some(header) = pcap::Header::from_magic(first) {
        return Ok(Format::Pcap(header));
    }
    if first == pcapng::SECTION.to_be_bytes() {
        return Ok(Format::Pcapng(pcapng::State::default()));
    }
    Err(ReadError::NotACapture { first })
}

#[cfg(test)]
mod tests;
