//! Writes pcapng, little-endian, in nanoseconds, into a buffer of the caller.

use super::item::PacketProcess;
use super::options::code;
use super::pcapng::{
    CUSTOM, CUSTOM_COPIED, ENHANCED_PACKET, INTERFACE, ORDER_MAGIC, PROCESS, SECTION, STATISTICS,
};
use super::relay::halves;
use crate::link::LinkType;
use crate::time::Timestamp;

/// The most bytes that one option can have for [`Writer::beside`].
const LONGEST_BESIDE: usize = u16::MAX as usize - 4;

/// A writer of one section. Every method appends whole blocks, so a file that ends between two calls is readable.
#[derive(Clone, Copy, Debug, Default)]
pub struct Writer {
    interfaces: u32,
    processes: u32,
}

/// What is said of an interface.
#[derive(Clone, Copy, Debug, Default)]
pub struct InterfaceInfo<'a> {
    /// Its name, if known.
    pub name: &'a str,
    /// The most bytes of a frame that are kept, 0 for all.
    pub snaplen: u32,
}

/// What is said beside a packet.
#[derive(Clone, Copy, Debug, Default)]
pub struct PacketNotes<'a> {
    /// Comments, in order. Longer ones than 65,535 bytes are cut: the format has no room.
    pub comments: &'a [&'a [u8]],
    /// Process and thread, as Wireshark's development version writes them.
    pub process: Option<PacketProcess>,
    /// The number of the block that describes it ([`Writer::process`]).
    pub process_block: Option<u32>,
    /// What an enterprise says beside it: a custom option, which programs that change the file do not keep.
    pub beside: Option<(u32, &'a [u8])>,
}

impl Writer {
    /// A writer that has written nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The section header; the first thing in a file.
    pub fn section(&mut self, out: &mut Vec<u8>, application: &str) {
        section(out, application, |_| ());
        self.begin();
    }

    pub(super) const fn begin(&mut self) {
        (self.interfaces, self.processes) = (0, 0);
    }

    /// The number of the interface that was just written.
    pub(super) const fn added(&mut self) -> u32 {
        self.interfaces += 1;
        self.interfaces - 1
    }

    /// An interface; gives its number for [`packet`](Self::packet).
    pub fn interface(&mut self, out: &mut Vec<u8>, link: LinkType, info: &InterfaceInfo<'_>) -> u32 {
        block(out, INTERFACE, |out| {
            out.extend_from_slice(&u16::try_from(link.0).unwrap_or(u16::MAX).to_le_bytes());
            out.extend_from_slice(&[0, 0]);
            out.extend_from_slice(&info.snaplen.to_le_bytes());
            if !info.name.is_empty() {
                option(out, code::NAME, info.name.as_bytes());
            }
            option(out, code::RESOLUTION, &[9]);
            option(out, 0, &[]);
        });
        self.added()
    }

    /// A packet of an interface. Times before 1970 are written as 1970.
    pub fn packet(
        &self,
        out: &mut Vec<u8>,
        interface: u32,
        time: Timestamp,
        bytes: &[u8],
        wire_len: u32,
        notes: &PacketNotes<'_>,
    ) {
        block(out, ENHANCED_PACKET, |out| {
            enhanced(out, interface, time, bytes, wire_len);
            let before = out.len();
            for comment in notes.comments {
                option(out, code::COMMENT, comment);
            }
            if let Some(PacketProcess { pid, tid }) = notes.process {
                let ids = [pid.to_le_bytes(), tid.to_le_bytes()].concat();
                option(out, code::PACKET_PROCESS, &ids);
            }
            if let Some(number) = notes.process_block {
                option(out, code::PACKET_PROCESS_BLOCK, &number.to_le_bytes());
            }
            if let Some((enterprise, data)) = notes.beside {
                option(out, code::CUSTOM, &[&enterprise.to_le_bytes(), data].concat());
            }
            if out.len() > before {
                option(out, 0, &[]);
            }
        });
    }

    /// A process; gives the number by which [packets](PacketNotes::process_block) of this section name it. Wireshark shows it with
    /// them since version 4.6; those before pass over it, where a custom block would be a row of theirs.
    pub fn process(&mut self, out: &mut Vec<u8>, pid: u32, name: &str) -> u32 {
        const NAME: u16 = 2;
        block(out, PROCESS, |out| {
            out.extend_from_slice(&pid.to_le_bytes());
            option(out, NAME, name.as_bytes());
            option(out, 0, &[]);
        });
        self.processes += 1;
        self.processes - 1
    }

    /// Counters of an interface at a time: frames that it received, and those of them for which there was no room.
    pub fn counters(
        &self,
        out: &mut Vec<u8>,
        interface: u32,
        time: Timestamp,
        (received, dropped): (u64, u64),
    ) {
        block(out, STATISTICS, |out| {
            out.extend_from_slice(&interface.to_le_bytes());
            out.extend_from_slice(&halves(time));
            option(out, code::RECEIVED, &received.to_le_bytes());
            option(out, code::DROPPED, &dropped.to_le_bytes());
            option(out, 0, &[]);
        });
    }

    /// What an enterprise says beside the packets at a time: a custom option of statistics, which programs that change
    /// the file do not keep. Wireshark shows no row for it, as it does for a custom block. At most 65,531 bytes.
    pub fn beside(&self, out: &mut Vec<u8>, interface: u32, time: Timestamp, enterprise: u32, data: &[u8]) {
        block(out, STATISTICS, |out| {
            out.extend_from_slice(&interface.to_le_bytes());
            out.extend_from_slice(&halves(time));
            let data = data.get(..LONGEST_BESIDE).unwrap_or(data);
            out.extend_from_slice(&code::CUSTOM.to_le_bytes());
            out.extend_from_slice(&u16::try_from(4 + data.len()).unwrap_or(u16::MAX).to_le_bytes());
            out.extend_from_slice(&enterprise.to_le_bytes());
            padded(out, data);
            option(out, 0, &[]);
        });
    }

    /// A custom block of an enterprise number. `copied` lets other programs keep it in a changed file.
    pub fn custom(&self, out: &mut Vec<u8>, enterprise: u32, copied: bool, data: &[u8]) {
        block(out, if copied { CUSTOM_COPIED } else { CUSTOM }, |out| {
            out.extend_from_slice(&enterprise.to_le_bytes());
            padded(out, data);
        });
    }
}

/// A section header with options before its end.
pub(super) fn section(out: &mut Vec<u8>, application: &str, options: impl FnOnce(&mut Vec<u8>)) {
    block(out, SECTION, |out| {
        out.extend_from_slice(&ORDER_MAGIC.to_le_bytes());
        out.extend_from_slice(&1u16.to_le_bytes());
        out.extend_from_slice(&0u16.to_le_bytes());
        // The section's length: unknown, as it is written while it grows.
        out.extend_from_slice(&u64::MAX.to_le_bytes());
        options(out);
        option(out, code::APPLICATION, application.as_bytes());
        option(out, 0, &[]);
    });
}

/// What an enhanced packet block has before its options.
pub(super) fn enhanced(out: &mut Vec<u8>, interface: u32, time: Timestamp, bytes: &[u8], wire_len: u32) {
    enhanced_head(out, interface, time, bytes.len(), wire_len);
    padded(out, bytes);
}

/// What it has before the bytes, of which there are so many.
pub(super) fn enhanced_head(out: &mut Vec<u8>, interface: u32, time: Timestamp, len: usize, wire_len: u32) {
    out.extend_from_slice(&interface.to_le_bytes());
    out.extend_from_slice(&halves(time));
    out.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(&wire_len.to_le_bytes());
}

pub(super) fn block(out: &mut Vec<u8>, block_type: u32, body: impl FnOnce(&mut Vec<u8>)) {
    block_around(out, block_type, 0, body);
}

/// A block of which so many bytes are not written here.
pub(super) fn block_around(
    out: &mut Vec<u8>,
    block_type: u32,
    elsewhere: usize,
    body: impl FnOnce(&mut Vec<u8>),
) {
    let start = out.len();
    out.extend_from_slice(&block_type.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    body(out);
    let length = u32::try_from(out.len() - start + elsewhere + 4).unwrap_or(u32::MAX).to_le_bytes();
    out.extend_from_slice(&length);
    if let Some(head) = out.get_mut(start + 4..start + 8) {
        head.copy_from_slice(&length);
    }
}

pub(super) fn option(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = value.get(..usize::from(u16::MAX)).unwrap_or(value);
    out.extend_from_slice(&code.to_le_bytes());
    out.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes());
    padded(out, value);
}

fn padded(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(bytes);
    padding(out, bytes.len());
}

/// What stands behind so many bytes.
pub(super) fn padding(out: &mut Vec<u8>, len: usize) {
    out.resize(out.len() + len.next_multiple_of(4) - len, 0);
}
