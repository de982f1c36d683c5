//! pcap: a header of 24 bytes, then packets with headers of 16.

use super::item::{Item, Record, Section};
use super::options::Options;
use super::{LONGEST_PACKET, ReadError};
use crate::bytes::ByteOrder;
use crate::link::LinkType;
use crate::time::Resolution;

pub(super) const HEADER: usize = 24;
const PACKET_HEADER: usize = 16;

/// What the file header says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    order: ByteOrder,
    resolution: Resolution,
    link: Option<LinkType>,
}

impl Header {
    pub(super) fn from_magic(first: [u8; 4]) -> Option<Self> {
        let (order, resolution) = match first {
            [0xa1, 0xb2, 0xc3, 0xd4] => (ByteOrder::Big, Resolution::MICROS),
            [0xd4, 0xc3, 0xb2, 0xa1] => (ByteOrder::Little, Resolution::MICROS),
            [0xa1, 0xb2, 0x3c, 0x4d] => (ByteOrder::Big, Resolution::NANOS),
            [0x4d, 0x3c, 0xb2, 0xa1] => (ByteOrder::Little, Resolution::NANOS),
            _ => return None,
        };
        Some(Self { order, resolution, link: None })
    }

    pub(super) fn needed(&self, bytes: &[u8], offset: u64) -> Result<usize, ReadError> {
        if self.link.is_none() {
            return Ok(HEADER);
        }
        let Some(length) = self.order.u32(bytes, 8) else { return Ok(PACKET_HEADER) };
        if length > LONGEST_PACKET {
            return Err(ReadError::PacketLength { offset, length, limit: LONGEST_PACKET });
        }
        Ok(PACKET_HEADER + usize::try_from(length).unwrap_or(usize::MAX))
    }

    pub(super) fn item<'a>(&mut self, block: &'a [u8], offset: u64) -> Result<Option<Item<'a>>, ReadError> {
        let order = self.order;
        let Some(link) = self.link else {
            let version = order.u16(block, 4).zip(order.u16(block, 6)).unwrap_or_default();
            let (major, minor) = version;
            if major != 2 {
                return Err(ReadError::Version { offset, major, minor });
            }
            // The upper bits hold the length of a frame check sequence.
            self.link = order.u32(block, 20).map(|raw| LinkType(raw & 0x03ff_ffff));
            return Ok(Some(Item::Section(Section { order, options: Options::NONE })));
        };
        Ok(self.packet(block, link))
    }

    fn packet<'a>(&self, block: &'a [u8], link: LinkType) -> Option<Item<'a>> {
        let seconds = i64::from(self.order.u32(block, 0)?);
        let fraction = u64::from(self.order.u32(block, 4)?);
        Some(Item::Packet(Record {
            interface: 0,
            link,
            time: Some(self.resolution.timestamp(fraction, seconds)),
            resolution: self.resolution,
            bytes: block.get(PACKET_HEADER..)?,
            wire_len: self.order.u32(block, 12)?,
            options: Options::NONE,
        }))
    }
}
