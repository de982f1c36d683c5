//! Blocks of other files, written into ours: in little-endian, times in nanoseconds, the rest as it was.

use super::item::{Interface, NameRecord, Record, Section, Statistics};
use super::options::{Options, code};
use super::pcapng::{ENHANCED_PACKET, INTERFACE, NAMES, STATISTICS};
use super::write::{Writer, block, block_around, enhanced, enhanced_head, option, padding, section};
use crate::bytes::ByteOrder;
use crate::time::Timestamp;

/// What options belong to: their numbers mean something else in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Section,
    Interface,
    Packet,
    Statistics,
}

/// What an option holds, as far as byte order goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    /// Text, addresses: the same in both orders.
    Bytes,
    /// Numbers of 4 bytes.
    Words,
    /// Numbers of 8 bytes.
    LongWords,
    /// An enterprise number of 4 bytes, then what only it knows.
    Custom,
    /// A kind of one byte, then perhaps a number of 8.
    Verdict,
    /// The writer says this itself, or it holds no more.
    Nothing,
}

impl Of {
    const fn holds(self, code: u16) -> Holds {
        const START_TIME: u16 = 2;
        const END_TIME: u16 = 3;
        match (self, code) {
            // Custom options (pcapng §3.5.1); the second pair may not be copied into another file.
            (_, 2988 | 2989) => Holds::Custom,
            (_, 19372 | 19373)
            | (Self::Section, code::APPLICATION)
            | (Self::Interface, code::RESOLUTION | code::TIME_OFFSET)
            | (Self::Statistics, START_TIME | END_TIME)
            // The blocks that they number are not copied.
            | (Self::Packet, code::PACKET_PROCESS_BLOCK | code::PACKET_OTHER_PROCESS_BLOCK) => Holds::Nothing,
            (Self::Interface, 10) | (Self::Packet, code::PACKET_FLAGS | 6 | code::PACKET_PROCESS) => {
                Holds::Words
            }
            (Self::Interface, 8 | 16 | 17) | (Self::Packet, 4 | 5) | (Self::Statistics, 4..=8) => {
                Holds::LongWords
            }
            (Self::Packet, 7) => Holds::Verdict,
            _ => Holds::Bytes,
        }
    }
}

fn packet_options(options: Options<'_>, out: &mut Vec<u8>) {
    let before = out.len();
    relay(Of::Packet, options, out);
    if out.len() > before {
        option(out, 0, &[]);
    }
}

impl Writer {
    /// A section like another one: its comments, hardware and system.
    pub fn section_like(&mut self, out: &mut Vec<u8>, application: &str, like: &Section<'_>) {
        section(out, application, |out| relay(Of::Section, like.options, out));
        self.begin();
    }

    /// An interface like another one; gives its number for [`packet`](Self::packet).
    pub fn interface_like(&mut self, out: &mut Vec<u8>, like: &Interface<'_>) -> u32 {
        block(out, INTERFACE, |out| {
            out.extend_from_slice(&u16::try_from(like.link.0).unwrap_or(u16::MAX).to_le_bytes());
            out.extend_from_slice(&[0, 0]);
            out.extend_from_slice(&like.snaplen.to_le_bytes());
            relay(Of::Interface, like.options, out);
            option(out, code::RESOLUTION, &[9]);
            option(out, 0, &[]);
        });
        self.added()
    }

    /// A packet as it was read, with its options. Times before 1970, and none, are written as 1970.
    pub fn record(&self, out: &mut Vec<u8>, interface: u32, record: &Record<'_>) {
        let time = record.time.unwrap_or_default();
        block(out, ENHANCED_PACKET, |out| {
            enhanced(out, interface, time, record.bytes, record.wire_len);
            packet_options(record.options, out);
        });
    }

    /// The same without the packet's bytes: gives where in `out` they belong, for who can write them from where they are.
    pub fn record_around(&self, out: &mut Vec<u8>, interface: u32, record: &Record<'_>) -> usize {
        let (time, len) = (record.time.unwrap_or_default(), record.bytes.len());
        let mut place = 0;
        block_around(out, ENHANCED_PACKET, len, |out| {
            enhanced_head(out, interface, time, len, record.wire_len);
            place = out.len();
            padding(out, len);
            packet_options(record.options, out);
        });
        place
    }

    /// Names as they were read.
    pub fn names(&self, out: &mut Vec<u8>, names: &NameRecord<'_>) {
        block(out, NAMES, |out| {
            // Records and, behind the end of them, options: both are lists of number, length, value.
            let mut rest = Options { order: names.order, bytes: names.records };
            for _ in 0..2 {
                let mut walk = rest.into_iter();
                walk.by_ref().for_each(|record| option(out, record.code, record.value));
                option(out, 0, &[]);
                rest.bytes = walk.behind_the_end();
                if rest.bytes.is_empty() {
                    return;
                }
            }
        });
    }

    /// Counters of an interface as they were read.
    pub fn statistics(&self, out: &mut Vec<u8>, interface: u32, statistics: &Statistics<'_>) {
        block(out, STATISTICS, |out| {
            out.extend_from_slice(&interface.to_le_bytes());
            out.extend_from_slice(&halves(statistics.time.unwrap_or_default()));
            relay(Of::Statistics, statistics.options, out);
            option(out, 0, &[]);
        });
    }
}

/// A time as two words, the upper one first.
pub(super) fn halves(time: Timestamp) -> [u8; 8] {
    u64::try_from(time.nanos()).unwrap_or_default().rotate_left(32).to_le_bytes()
}

/// Appends options without their end.
fn relay(of: Of, options: Options<'_>, out: &mut Vec<u8>) {
    let mut value = Vec::new();
    for one in options {
        value.clear();
        value.extend_from_slice(one.value);
        let holds = of.holds(one.code);
        if holds == Holds::Nothing {
            continue;
        }
        if options.order == ByteOrder::Big {
            turn(holds, &mut value);
        }
        option(out, one.code, &value);
    }
}

/// From big-endian to little-endian.
fn turn(holds: Holds, value: &mut [u8]) {
    let (skipped, width) = match holds {
        Holds::Bytes | Holds::Nothing => return,
        Holds::Words => (0, 4),
        Holds::LongWords => (0, 8),
        Holds::Custom => return value.get_mut(..4).unwrap_or_default().reverse(),
        Holds::Verdict => (1, 8),
    };
    for number in value.get_mut(skipped..).unwrap_or_default().chunks_exact_mut(width) {
        number.reverse();
    }
}
