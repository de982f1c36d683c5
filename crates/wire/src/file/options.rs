//! The options of pcapng blocks: a list of code, length, value, padded to four bytes.

use crate::bytes::ByteOrder;

/// Option codes (pcapng §3.5 and the sections of each block).
pub mod code {
    /// A comment, in any block.
    pub const COMMENT: u16 = 1;
    /// Bytes of an enterprise, in any block, not to be copied into another file; its number stands before them.
    pub const CUSTOM: u16 = 19_373;
    /// Interface name.
    pub const NAME: u16 = 2;
    /// Interface description; also the process and thread of a packet has its own code below.
    pub const DESCRIPTION: u16 = 3;
    /// Section: the program that wrote the file.
    pub const APPLICATION: u16 = 4;
    /// Interface: unit of times.
    pub const RESOLUTION: u16 = 9;
    /// Interface: seconds to add to times.
    pub const TIME_OFFSET: u16 = 14;
    /// Packet: direction and link errors.
    pub const PACKET_FLAGS: u16 = 2;
    /// Packet: process and thread, as Wireshark's development version writes them.
    pub const PACKET_PROCESS: u16 = 8;
    /// Packet: the number of the block that describes its process, as Apple's tcpdump writes it and Wireshark's sources read it since
    /// 2025.
    pub const PACKET_PROCESS_BLOCK: u16 = 0x8001;
    /// Packet: the same of the process on whose behalf it was sent.
    pub const PACKET_OTHER_PROCESS_BLOCK: u16 = 0x8003;
    /// Statistics: packets received.
    pub const RECEIVED: u16 = 4;
    /// Statistics: packets dropped by the interface for want of room.
    pub const DROPPED: u16 = 5;
    /// Statistics: packets dropped by the system.
    pub const SYSTEM_DROPPED: u16 = 7;
}

/// A list of options, read as it is walked; what does not fit ends it.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    pub(super) order: ByteOrder,
    pub(super) bytes: &'a [u8],
}

/// One option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaptureOption<'a> {
    /// What it is, within its kind of block.
    pub code: u16,
    /// Its value, without padding.
    pub value: &'a [u8],
}

impl Options<'_> {
    /// No options.
    pub const NONE: Self = Self { order: ByteOrder::Little, bytes: &[] };
}

impl<'a> Options<'a> {
    /// The options that stand in these bytes.
    pub const fn new(order: ByteOrder, bytes: &'a [u8]) -> Self {
        Self { order, bytes }
    }

    /// The byte order of their codes, lengths and numbers.
    pub const fn order(&self) -> ByteOrder {
        self.order
    }

    /// The comments, in order. They are bytes from a file: they can hold anything.
    pub fn comments(self) -> impl Iterator<Item = &'a [u8]> {
        self.into_iter().filter(|option| option.code == code::COMMENT).map(|option| option.value)
    }

    /// What an enterprise says in custom options.
    pub fn beside(self, enterprise: u32) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let order = self.order;
        self.into_iter().filter(|option| option.code == code::CUSTOM).filter_map(move |option| {
            let data = option.value.get(4..)?;
            (order.u32(option.value, 0)? == enterprise).then_some(data)
        })
    }

    /// The first option of this code.
    pub fn find(self, code: u16) -> Option<&'a [u8]> {
        self.into_iter().find(|option| option.code == code).map(|option| option.value)
    }
}

impl<'a> IntoIterator for Options<'a> {
    type Item = CaptureOption<'a>;
    type IntoIter = Walk<'a>;
    fn into_iter(self) -> Walk<'a> {
        Walk { order: self.order, rest: self.bytes }
    }
}

/// Walks a list of options.
#[derive(Clone, Debug)]
pub struct Walk<'a> {
    order: ByteOrder,
    rest: &'a [u8],
}

impl<'a> Walk<'a> {
    /// Once it is at its end: the bytes behind the option that ends it.
    pub(super) fn behind_the_end(&self) -> &'a [u8] {
        self.rest.get(4..).unwrap_or_default()
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = CaptureOption<'a>;

    fn next(&mut self) -> Option<CaptureOption<'a>> {
        let code = self.order.u16(self.rest, 0)?;
        let length = usize::from(self.order.u16(self.rest, 2)?);
        let value = self.rest.get(4..4 + length)?;
        if code == 0 {
            return None;
        }
        self.rest = self.rest.get(4 + length.next_multiple_of(4)..).unwrap_or_default();
        Some(CaptureOption { code, value })
    }
}
