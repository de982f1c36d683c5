//! What a capture file holds, one item at a time.

use super::options::{Options, code};
use crate::bytes::ByteOrder;
use crate::link::LinkType;
use crate::time::{Resolution, Timestamp};

/// One thing of a capture file, borrowed from the reader's buffer.
#[derive(Clone, Copy, Debug)]
pub enum Item<'a> {
    /// A section (for pcap: the file header).
    Section(Section<'a>),
    /// An interface of the section, in the order of their numbers.
    Interface(Interface<'a>),
    /// A packet.
    Packet(Record<'a>),
    /// One record of a name resolution block.
    Names(NameRecord<'a>),
    /// An interface statistics block.
    Statistics(Statistics<'a>),
    /// A custom block.
    Custom(Custom<'a>),
    /// A block that carries nothing used here (secrets, journal entries, unknown types).
    Other {
        /// The type of the block.
        block_type: u32,
    },
}

impl<'a> Item<'a> {
    /// Its bytes: what it carries, and its options.
    pub(crate) const fn parts(&self) -> (&'a [u8], &'a [u8]) {
        match self {
            Self::Section(section) => (&[], section.options.bytes),
            Self::Interface(interface) => (&[], interface.options.bytes),
            Self::Packet(record) => (record.bytes, record.options.bytes),
            Self::Names(names) => (names.records, &[]),
            Self::Statistics(statistics) => (&[], statistics.options.bytes),
            Self::Custom(custom) => (custom.data, &[]),
            Self::Other { .. } => (&[], &[]),
        }
    }

    /// The same, its bytes at another place.
    pub(crate) const fn over<'b>(&self, data: &'b [u8], options: &'b [u8]) -> Item<'b> {
        match *self {
            Self::Section(Section { order, .. }) => {
                Item::Section(Section { order, options: Options { order, bytes: options } })
            }
            Self::Interface(Interface { index, link, snaplen, resolution, time_offset, options: old }) => {
                let options = Options { order: old.order, bytes: options };
                Item::Interface(Interface { index, link, snaplen, resolution, time_offset, options })
            }
            Self::Packet(Record { interface, link, time, resolution, wire_len, options: old, .. }) => {
                let options = Options { order: old.order, bytes: options };
                Item::Packet(Record { interface, link, time, resolution, bytes: data, wire_len, options })
            }
            Self::Names(NameRecord { order, .. }) => Item::Names(NameRecord { order, records: data }),
            Self::Statistics(Statistics { interface, time, options: old }) => {
                let options = Options { order: old.order, bytes: options };
                Item::Statistics(Statistics { interface, time, options })
            }
            Self::Custom(Custom { enterprise, copied, order, .. }) => {
                Item::Custom(Custom { enterprise, copied, data, order })
            }
            Self::Other { block_type } => Item::Other { block_type },
        }
    }
}

/// A section header.
#[derive(Clone, Copy, Debug)]
pub struct Section<'a> {
    /// Byte order of everything in it.
    pub order: ByteOrder,
    /// Options: hardware, system, program, comments (none in pcap).
    pub options: Options<'a>,
}

/// An interface description.
#[derive(Clone, Copy, Debug)]
pub struct Interface<'a> {
    /// Its number within the section.
    pub index: u32,
    /// What its frames start with.
    pub link: LinkType,
    /// The most bytes of a frame that were kept, or 0 where there was no limit.
    pub snaplen: u32,
    /// The unit of its times.
    pub resolution: Resolution,
    /// Seconds to add to its times.
    pub time_offset: i64,
    /// Options: name, description, filter, comments.
    pub options: Options<'a>,
}

impl Interface<'_> {
    /// The same without its options, and their bytes.
    pub fn detached(&self) -> (Interface<'static>, Vec<u8>) {
        let Self { index, link, snaplen, resolution, time_offset, options } = *self;
        let bytes = options.bytes.to_vec();
        let options = Options::new(options.order, &[]);
        (Interface { index, link, snaplen, resolution, time_offset, options }, bytes)
    }
}

/// A packet as it stands in the file.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The interface that saw it, within the section.
    pub interface: u32,
    /// What it starts with.
    pub link: LinkType,
    /// When; a simple packet block has no time.
    pub time: Option<Timestamp>,
    /// The unit of its time.
    pub resolution: Resolution,
    /// The bytes that were kept.
    pub bytes: &'a [u8],
    /// How long the frame was on the wire.
    pub wire_len: u32,
    /// Options of its block: comments, flags, process (none in pcap).
    pub options: Options<'a>,
}

impl<'a> Record<'a> {
    /// No bytes, no time.
    pub(crate) const NONE: Self = Self {
        interface: 0,
        link: LinkType::NULL,
        time: None,
        resolution: Resolution::NANOS,
        bytes: &[],
        wire_len: 0,
        options: Options::NONE,
    };

    /// What an enterprise says beside it ([`PacketNotes::beside`](super::PacketNotes::beside)).
    pub fn beside(&self, enterprise: u32) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.options.beside(enterprise)
    }

    /// Process and thread, as Wireshark's development version writes them (option 8).
    pub fn process(&self) -> Option<PacketProcess> {
        let order = self.options.order;
        let option = self.options.into_iter().find(|option| option.code == code::PACKET_PROCESS)?;
        Some(PacketProcess { pid: order.u32(option.value, 0)?, tid: order.u32(option.value, 4)? })
    }
}

/// Who sent or received a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketProcess {
    /// The process.
    pub pid: u32,
    /// The thread.
    pub tid: u32,
}

/// A name resolution block: address and names, one record after the other.
#[derive(Clone, Copy, Debug)]
pub struct NameRecord<'a> {
    pub(super) order: ByteOrder,
    pub(super) records: &'a [u8],
}

impl<'a> NameRecord<'a> {
    /// Each record: its type (1 IPv4, 2 IPv6), the address, and its names (each ended by a zero byte).
    pub fn records(&self) -> impl Iterator<Item = (u16, &'a [u8], &'a [u8])> {
        Options { order: self.order, bytes: self.records }.into_iter().filter_map(|record| {
            let address_len = if record.code == 1 { 4 } else { 16 };
            let (address, names) = record.value.split_at_checked(address_len)?;
            Some((record.code, address, names))
        })
    }
}

/// Interface statistics.
#[derive(Clone, Copy, Debug)]
pub struct Statistics<'a> {
    /// The interface.
    pub interface: u32,
    /// When they were taken.
    pub time: Option<Timestamp>,
    /// Options: start and end, received, dropped, filtered.
    pub options: Options<'a>,
}

impl<'a> Statistics<'a> {
    /// What an enterprise says beside packets ([`Writer::beside`](super::Writer::beside)).
    pub fn beside(&self, enterprise: u32) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.options.beside(enterprise)
    }

    /// A counter among the options (`code::RECEIVED`, `code::DROPPED`, …).
    pub fn counter(&self, code: u16) -> Option<u64> {
        let option = self.options.into_iter().find(|option| option.code == code)?;
        self.options.order.u64(option.value, 0)
    }
}

/// A custom block.
#[derive(Clone, Copy, Debug)]
pub struct Custom<'a> {
    /// Private enterprise number of who defined it.
    pub enterprise: u32,
    /// Whether a program that changes the file may keep it.
    pub copied: bool,
    /// Everything after the enterprise number.
    pub data: &'a [u8],
    /// Byte order of the section.
    pub order: ByteOrder,
}

impl<'a> Custom<'a> {
    /// Wireshark's enterprise number.
    pub const WIRESHARK: u32 = 32_622;
    const PROCESS_ENTRY: u32 = 3;

    /// The process that this block describes, if it is Wireshark's process information block: entry type 3, the length of the
    /// entry, and in it the process id and options, little-endian whatever the section is.
    pub fn process(&self) -> Option<Process<'a>> {
        let little = ByteOrder::Little;
        if self.enterprise != Self::WIRESHARK || little.u32(self.data, 0)? != Self::PROCESS_ENTRY {
            return None;
        }
        let length = usize::try_from(little.u32(self.data, 4)?).ok()?;
        let entry = self.data.get(8..)?.get(..length)?;
        let options = Options { order: little, bytes: entry.get(4..).unwrap_or_default() };
        Some(Process { pid: little.u32(entry, 0)?, options })
    }
}

/// A process, as Wireshark's development version describes it.
#[derive(Clone, Copy, Debug)]
pub struct Process<'a> {
    /// Its id.
    pub pid: u32,
    /// Name 2, path 3, command line 4, parent 5, user id 6, user 7, start time 9.
    pub options: Options<'a>,
}
