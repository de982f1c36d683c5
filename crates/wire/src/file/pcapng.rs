//! pcapng: blocks with their length before and after the body.

use super::item::{Custom, Interface, Item, NameRecord, Record, Section, Statistics};
use super::options::{Options, code};
use super::{LONGEST_BLOCK, LONGEST_PACKET, MOST_INTERFACES, ReadError};
use crate::bytes::{ByteOrder, Bytes};
use crate::link::LinkType;
use crate::time::{Resolution, Timestamp};

pub(super) const SECTION: u32 = 0x0a0d_0d0a;
pub(super) const INTERFACE: u32 = 1;
const OLD_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
pub(super) const NAMES: u32 = 4;
pub(super) const STATISTICS: u32 = 5;
pub(super) const ENHANCED_PACKET: u32 = 6;
pub(super) const CUSTOM_COPIED: u32 = 0x0bad;
pub(super) const CUSTOM: u32 = 0x4000_0bad;
/// A process, as Apple's tcpdump describes it. The topmost bit is for local use: readers pass over such a block.
pub(super) const PROCESS: u32 = 0x8000_0001;
pub(super) const ORDER_MAGIC: u32 = 0x1a2b_3c4d;
/// Type, length and the length again.
const FRAME: usize = 12;

/// What is remembered between blocks of a section.
#[derive(Debug, Default)]
pub(super) struct State {
    order: Option<ByteOrder>,
    interfaces: Vec<Clock>,
}

/// What packets need from their interface.
#[derive(Clone, Copy, Debug)]
struct Clock {
    link: LinkType,
    snaplen: u32,
    resolution: Resolution,
    offset: i64,
}

impl State {
    pub(super) fn needed(&self, bytes: &[u8], offset: u64) -> Result<usize, ReadError> {
        let Some(order) = self.order_of(bytes, offset)? else { return Ok(FRAME) };
        let Some(length) = order.u32(bytes, 4) else { return Ok(FRAME) };
        if length < 12 || !length.is_multiple_of(4) || length > LONGEST_BLOCK {
            return Err(ReadError::BlockLength { offset, length });
        }
        Ok(usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// A section says its own order, everything else has the section's.
    fn order_of(&self, bytes: &[u8], offset: u64) -> Result<Option<ByteOrder>, ReadError> {
        if bytes.be32(0) != Some(SECTION) {
            return Ok(self.order);
        }
        match bytes.be32(8) {
            None => Ok(None),
            Some(ORDER_MAGIC) => Ok(Some(ByteOrder::Big)),
            Some(other) if other.swap_bytes() == ORDER_MAGIC => Ok(Some(ByteOrder::Little)),
            Some(_) => Err(ReadError::SectionOrder { offset }),
        }
    }

    pub(super) fn item<'a>(&mut self, block: &'a [u8], offset: u64) -> Result<Item<'a>, ReadError> {
        let order = self.order_of(block, offset)?.unwrap_or(ByteOrder::Little);
        let head = order.u32(block, 4).unwrap_or_default();
        let tail = order.u32(block, block.len().saturating_sub(4)).unwrap_or_default();
        if head != tail {
            return Err(ReadError::Trailer { offset, head, tail });
        }
        let block_type = order.u32(block, 0).unwrap_or_default();
        let body = block.get(8..block.len().saturating_sub(4)).unwrap_or_default();
        let short = ReadError::BlockLength { offset, length: head };
        match block_type {
            SECTION => self.section(body, order, offset),
            INTERFACE => self.interface(body, order, offset),
            ENHANCED_PACKET | OLD_PACKET => self.packet(body, order, block_type, offset),
            SIMPLE_PACKET => self.simple_packet(body, order, offset),
            NAMES => Ok(Item::Names(NameRecord { order, records: body })),
            STATISTICS => self.statistics(body, order).ok_or(short),
            CUSTOM | CUSTOM_COPIED => custom(body, order, block_type).ok_or(short),
            _ => Ok(Item::Other { block_type }),
        }
    }

    fn section<'a>(&mut self, body: &'a [u8], order: ByteOrder, offset: u64) -> Result<Item<'a>, ReadError> {
        let version = order.u16(body, 4).zip(order.u16(body, 6)).unwrap_or_default();
        let (major, minor) = version;
        // 1.2 is what some writers put for 1.0.
        if major != 1 || !(minor == 0 || minor == 2) {
            return Err(ReadError::Version { offset, major, minor });
        }
        self.order = Some(order);
        self.interfaces.clear();
        Ok(Item::Section(Section { order, options: options(body, 16, order) }))
    }

    fn interface<'a>(
        &mut self,
        body: &'a [u8],
        order: ByteOrder,
        offset: u64,
    ) -> Result<Item<'a>, ReadError> {
        let index = u32::try_from(self.interfaces.len()).unwrap_or(u32::MAX);
        if index >= MOST_INTERFACES {
            return Err(ReadError::Interfaces { offset, limit: MOST_INTERFACES });
        }
        let (Some(link), Some(snaplen)) = (order.u16(body, 0), order.u32(body, 4)) else {
            return Err(too_short(body, offset));
        };
        let options = options(body, 8, order);
        let resolution = options.find(code::RESOLUTION).and_then(|value| value.first());
        let resolution = resolution.map_or(Resolution::MICROS, |octet| Resolution::from_octet(*octet));
        let time_offset = options.find(code::TIME_OFFSET).and_then(|value| order.u64(value, 0));
        let time_offset = time_offset.unwrap_or_default().cast_signed();
        let link = LinkType(u32::from(link));
        self.interfaces.push(Clock { link, snaplen, resolution, offset: time_offset });
        Ok(Item::Interface(Interface { index, link, snaplen, resolution, time_offset, options }))
    }

    fn packet<'a>(
        &self,
        body: &'a [u8],
        order: ByteOrder,
        block_type: u32,
        offset: u64,
    ) -> Result<Item<'a>, ReadError> {
        let interface = match block_type {
            ENHANCED_PACKET => order.u32(body, 0),
            _ => order.u16(body, 0).map(u32::from),
        };
        let fields = interface.zip(order.u32(body, 4)).zip(order.u32(body, 8));
        let lengths = order.u32(body, 12).zip(order.u32(body, 16));
        let (Some(((interface, high), low)), Some((length, wire_len))) = (fields, lengths) else {
            return Err(too_short(body, offset));
        };
        let clock = self.clock(interface, offset)?;
        let (bytes, after) = data(body, 20, length, offset)?;
        let units = u64::from(high) << 32 | u64::from(low);
        let time = Some(clock.timestamp(units));
        let options = options(body, after, order);
        let Clock { link, resolution, .. } = clock;
        Ok(Item::Packet(Record { interface, link, time, resolution, bytes, wire_len, options }))
    }

    fn simple_packet<'a>(
        &self,
        body: &'a [u8],
        order: ByteOrder,
        offset: u64,
    ) -> Result<Item<'a>, ReadError> {
        let wire_len = order.u32(body, 0).ok_or(too_short(body, offset))?;
        let clock = self.clock(0, offset)?;
        let kept = u32::try_from(body.len()).unwrap_or(u32::MAX).saturating_sub(4);
        let limit = if clock.snaplen == 0 { u32::MAX } else { clock.snaplen };
        let (bytes, _) = data(body, 4, wire_len.min(limit).min(kept), offset)?;
        let (Clock { link, resolution, .. }, options) = (clock, Options::NONE);
        Ok(Item::Packet(Record { interface: 0, link, time: None, resolution, bytes, wire_len, options }))
    }

    fn statistics<'a>(&self, body: &'a [u8], order: ByteOrder) -> Option<Item<'a>> {
        let interface = order.u32(body, 0)?;
        let units = u64::from(order.u32(body, 4)?) << 32 | u64::from(order.u32(body, 8)?);
        let clock = self.interfaces.get(usize::try_from(interface).ok()?);
        let time = clock.map(|clock| clock.timestamp(units));
        Some(Item::Statistics(Statistics { interface, time, options: options(body, 12, order) }))
    }

    fn clock(&self, interface: u32, offset: u64) -> Result<Clock, ReadError> {
        let found = usize::try_from(interface).ok().and_then(|index| self.interfaces.get(index));
        found.copied().ok_or(ReadError::Interface { offset, interface })
    }
}

impl Clock {
    fn timestamp(&self, units: u64) -> Timestamp {
        self.resolution.timestamp(units, self.offset)
    }
}

fn custom(body: &[u8], order: ByteOrder, block_type: u32) -> Option<Item<'_>> {
    let enterprise = order.u32(body, 0)?;
    let data = body.get(4..)?;
    Some(Item::Custom(Custom { enterprise, copied: block_type == CUSTOM_COPIED, data, order }))
}

fn options(body: &[u8], at: usize, order: ByteOrder) -> Options<'_> {
    Options { order, bytes: body.get(at..).unwrap_or_default() }
}

/// The packet's bytes, and where the options start.
fn data(body: &[u8], at: usize, length: u32, offset: u64) -> Result<(&[u8], usize), ReadError> {
    let wrong = ReadError::PacketLength { offset, length, limit: LONGEST_PACKET };
    if length > LONGEST_PACKET {
        return Err(wrong);
    }
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let bytes = body.get(at..at + length).ok_or(wrong)?;
    Ok((bytes, at + length.next_multiple_of(4)))
}

fn too_short(body: &[u8], offset: u64) -> ReadError {
    let length = u32::try_from(body.len() + FRAME).unwrap_or(u32::MAX);
    ReadError::BlockLength { offset, length }
}
