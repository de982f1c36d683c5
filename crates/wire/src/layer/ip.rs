//! IPv4 (RFC 791) and IPv6 (RFC 8200) with its extension headers.

use crate::bytes::Bytes;

/// An IPv4 header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4 {
    /// `ip.hdr_len`, in bytes.
    pub header_len: u8,
    /// `ip.dsfield`
    pub service: u8,
    /// `ip.len`
    pub total_len: u16,
    /// `ip.id`
    pub id: u16,
    /// `ip.flags` (3 bits) and fragment offset (13 bits, in units of eight bytes).
    pub flags_offset: u16,
    /// `ip.ttl`
    pub ttl: u8,
    /// `ip.proto`
    pub protocol: u8,
    /// `ip.checksum`
    pub checksum: u16,
    /// `ip.src`
    pub source: [u8; 4],
    /// `ip.dst`
    pub destination: [u8; 4],
}

impl Ipv4 {
    pub(crate) const LEN: usize = 20;

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            header_len: (bytes.u8_at(0)? & 0x0f) * 4,
            service: bytes.u8_at(1)?,
            total_len: bytes.be16(2)?,
            id: bytes.be16(4)?,
            flags_offset: bytes.be16(6)?,
            ttl: bytes.u8_at(8)?,
            protocol: bytes.u8_at(9)?,
            checksum: bytes.be16(10)?,
            source: bytes.array(12)?,
            destination: bytes.array(16)?,
        })
    }

    /// `ip.flags.mf`
    pub const fn more_fragments(&self) -> bool {
        self.flags_offset & 0x2000 != 0
    }

    /// `ip.flags.df`
    pub const fn dont_fragment(&self) -> bool {
        self.flags_offset & 0x4000 != 0
    }

    /// `ip.frag_offset`, in bytes.
    pub const fn offset(&self) -> u32 {
        (self.flags_offset as u32 & 0x1fff) * 8
    }
}

/// An IPv6 header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6 {
    /// Version, traffic class and flow label.
    pub first_word: u32,
    /// `ipv6.plen`
    pub payload_len: u16,
    /// `ipv6.nxt`
    pub next_header: u8,
    /// `ipv6.hlim`
    pub hop_limit: u8,
    /// `ipv6.src`
    pub source: [u8; 16],
    /// `ipv6.dst`
    pub destination: [u8; 16],
}

impl Ipv6 {
    pub(crate) const LEN: usize = 40;

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            first_word: bytes.be32(0)?,
            payload_len: bytes.be16(4)?,
            next_header: bytes.u8_at(6)?,
            hop_limit: bytes.u8_at(7)?,
            source: bytes.array(8)?,
            destination: bytes.array(24)?,
        })
    }

    /// `ipv6.tclass`
    pub const fn traffic_class(&self) -> u32 {
        self.first_word >> 20 & 0xff
    }

    /// `ipv6.flow`
    pub const fn flow(&self) -> u32 {
        self.first_word & 0x000f_ffff
    }
}

/// An extension header that is stepped over: hop-by-hop options, routing, destination options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6Extension {
    /// Which one, by its protocol number.
    pub kind: u8,
    /// What follows it.
    pub next_header: u8,
    /// Its length in bytes.
    pub len: u16,
    /// `ipv6.routing.type`, of a routing header.
    pub routing_type: Option<u8>,
    /// Where a routing header leads in the end, if that is not the header's destination.
    pub final_destination: Option<[u8; 16]>,
}

impl Ipv6Extension {
    pub(crate) const HOP_BY_HOP: u8 = 0;
    pub(crate) const ROUTING: u8 = 43;
    pub(crate) const FRAGMENT: u8 = 44;
    pub(crate) const DESTINATION: u8 = 60;
    pub(crate) const SEGMENT_ROUTING: u8 = 4;

    pub(super) fn parse(kind: u8, bytes: &[u8]) -> Option<Self> {
        let len = (u16::from(bytes.u8_at(1)?) + 1) * 8;
        let routing_type = if kind == Self::ROUTING { bytes.u8_at(2) } else { None };
        // Of segment routing the list is reversed (RFC 8754 §2); of type 0 the last one is the end (RFC 2460 §4.4).
        let segments_left = bytes.u8_at(3).unwrap_or_default();
        let final_destination = match routing_type.filter(|_| segments_left > 0) {
            Some(0) => bytes.array(usize::from(len).saturating_sub(16).max(8)),
            Some(Self::SEGMENT_ROUTING) if len > 8 && bytes.len() >= usize::from(len) => bytes.array(8),
            _ => None,
        };
        Some(Self { kind, next_header: bytes.u8_at(0)?, len, routing_type, final_destination })
    }
}

/// A fragment header (RFC 8200 §4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6Fragment {
    /// What the datagram carries.
    pub next_header: u8,
    /// Offset (13 bits), reserved (2 bits), more fragments (1 bit).
    pub offset_more: u16,
    /// `ipv6.fraghdr.ident`
    pub id: u32,
}

impl Ipv6Fragment {
    pub(crate) const LEN: usize = 8;

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        Some(Self { next_header: bytes.u8_at(0)?, offset_more: bytes.be16(2)?, id: bytes.be32(4)? })
    }

    /// Offset of this part, in bytes.
    pub const fn offset(&self) -> u32 {
        self.offset_more as u32 & 0xfff8
    }

    /// Whether more parts follow.
    pub const fn more_fragments(&self) -> bool {
        self.offset_more & 1 != 0
    }
}

/// What reassembly needs of a fragment, of either version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Source address, IPv4 ones in the first four bytes.
    pub source: [u8; 16],
    /// Destination address, likewise.
    pub destination: [u8; 16],
    /// The datagram's id.
    pub id: u32,
    /// What it carries.
    pub protocol: u8,
    /// Where this part lies in it, in bytes.
    pub offset: u32,
    /// Whether more parts follow.
    pub more: bool,
}
