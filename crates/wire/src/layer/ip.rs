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
    /// `ip.dst`: where a source route ends, if it says so.
    pub destination: [u8; 4],
    /// Where in the header it stands.
    pub(crate) destination_at: u8,
}

impl Ipv4 {
    pub(crate) const LEN: usize = 20;
    const DESTINATION_AT: u8 = 16;

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let header_len = (bytes.u8_at(0)? & 0x0f) * 4;
        let destination_at = match usize::from(header_len) {
            Self::LEN => Self::DESTINATION_AT,
            len => route_end(bytes.get(..len).unwrap_or(bytes)).unwrap_or(Self::DESTINATION_AT),
        };
        Some(Self {
            header_len,
            service: bytes.u8_at(1)?,
            total_len: bytes.be16(2)?,
            id: bytes.be16(4)?,
            flags_offset: bytes.be16(6)?,
            ttl: bytes.u8_at(8)?,
            protocol: bytes.u8_at(9)?,
            checksum: bytes.be16(10)?,
            source: bytes.array(12)?,
            destination: bytes.array(usize::from(destination_at))?,
            destination_at,
        })
    }

    /// Whether a header, cut maybe, holds a whole source route.
    pub(crate) fn has_route(header: &[u8]) -> bool {
        options(header).any(|(_, kind, _)| matches!(kind, LOOSE_ROUTE | STRICT_ROUTE))
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

const LOOSE_ROUTE: u8 = 131;
const STRICT_ROUTE: u8 = 137;

/// The options of an IPv4 header (RFC 791 §3.1): where each starts, its kind and its length.
fn options(header: &[u8]) -> impl Iterator<Item = (usize, u8, usize)> {
    const END: u8 = 0;
    const NOP: u8 = 1;
    let mut at = Ipv4::LEN;
    std::iter::from_fn(move || {
        while header.u8_at(at)? == NOP {
            at += 1;
        }
        let (start, kind, len) = (at, header.u8_at(at)?, usize::from(header.u8_at(at + 1)?));
        at += len;
        (kind != END && len > 1 && at <= header.len()).then_some((start, kind, len))
    })
}

/// Whether an option is too short for its kind: of record route, timestamps, security, source routes, CIPSO, stream
/// identifiers, router alert, quick start and traceroute.
pub(super) fn short_option(header: &[u8]) -> bool {
    options(header).any(|(_, kind, len)| match kind {
        7 | 130 | 133 | LOOSE_ROUTE | STRICT_ROUTE => len < 3,
        68 | 136 | 148 => len < 4,
        134 => len < 6 || len == 7,
        25 => len < 8,
        82 => len < 12,
        _ => false,
    })
}

/// Where the last address of the first source route stands, if the route is not finished.
fn route_end(header: &[u8]) -> Option<u8> {
    let (start, _, len) = options(header).find(|(_, kind, _)| matches!(*kind, LOOSE_ROUTE | STRICT_ROUTE))?;
    let next = usize::from(header.u8_at(start + 2).filter(|_| len > 2)?);
    let unfinished = next >= 4 && next.is_multiple_of(4) && next <= len;
    u8::try_from(start + len - 4).ok().filter(|_| unfinished)
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
    /// How many bytes of that are those of the header's destination.
    pub(crate) elided: u8,
    /// A list of addresses that is longer than the header.
    pub(super) broken: bool,
}

impl Ipv6Extension {
    pub(crate) const HOP_BY_HOP: u8 = 0;
    pub(crate) const ROUTING: u8 = 43;
    pub(crate) const FRAGMENT: u8 = 44;
    pub(crate) const DESTINATION: u8 = 60;
    pub(crate) const SEGMENT_ROUTING: u8 = 4;

    /// Routing header of mobility (RFC 6275 §6.4), and of networks with low power (RFC 6554).
    const HOME_ADDRESS: u8 = 2;
    const LOW_POWER: u8 = 3;

    pub(super) fn parse(kind: u8, bytes: &[u8]) -> Option<Self> {
        let len = (u16::from(bytes.u8_at(1)?) + 1) * 8;
        let next_header = bytes.u8_at(0)?;
        let mut extension = Self {
            kind,
            next_header,
            len,
            routing_type: None,
            final_destination: None,
            elided: 0,
            broken: false,
        };
        if kind == Self::ROUTING {
            extension.route(bytes);
        }
        Some(extension)
    }

    fn route(&mut self, bytes: &[u8]) {
        let header = bytes.get(..usize::from(self.len)).unwrap_or(bytes);
        let addresses = usize::from(self.len - 8) / 16;
        self.routing_type = bytes.u8_at(2);
        let (at, broken) = match self.routing_type {
            // The last one is the end (RFC 2460 §4.4).
            Some(0) => (addresses.checked_sub(1).map(|before| 8 + before * 16), false),
            Some(Self::HOME_ADDRESS) => (Some(8), addresses == 0),
            Some(Self::LOW_POWER) => {
                self.elided = bytes.u8_at(4).unwrap_or_default() & 0x0f;
                let at = compressed(header);
                (at, at.is_some_and(|at| at + 16 - usize::from(self.elided) > usize::from(self.len)))
            }
            // The list is reversed (RFC 8754 §2).
            Some(Self::SEGMENT_ROUTING) => {
                let last = usize::from(bytes.u8_at(4).unwrap_or_default());
                (Some(8), last >= addresses)
            }
            _ => (None, false),
        };
        self.broken = broken;
        let mut end = [0; 16];
        let kept = usize::from(self.elided);
        let there = at.and_then(|at| header.get(at..at + 16 - kept)).zip(end.get_mut(kept..));
        let unfinished = bytes.u8_at(3).unwrap_or_default() > 0;
        if let Some((from, to)) = there.filter(|_| unfinished) {
            to.copy_from_slice(from);
            self.final_destination = Some(end);
        }
    }

    /// Whether a packet ends inside the addresses of a header of a type that is read.
    pub(super) fn cut_inside_list(&self, bytes: &[u8]) -> bool {
        match self.routing_type {
            Some(0 | Self::LOW_POWER) => bytes.len() >= 4,
            Some(Self::HOME_ADDRESS | Self::SEGMENT_ROUTING) => (4..24).contains(&bytes.len()),
            _ => false,
        }
    }

    /// Where it leads in the end, given the header's destination.
    pub fn leads_to(&self, destination: [u8; 16]) -> Option<[u8; 16]> {
        let mut end = self.final_destination?;
        let kept = end.iter_mut().zip(destination).take(usize::from(self.elided));
        kept.for_each(|(to, from)| *to = from);
        Some(end)
    }
}

/// Where the last address of a list starts whose addresses leave out what they share with the destination (RFC 6554 §3).
fn compressed(header: &[u8]) -> Option<usize> {
    let (elided, padding) = (header.u8_at(4)?, i32::from(header.u8_at(5)? >> 4));
    let (each, last) = (16 - i32::from(elided >> 4), 16 - i32::from(elided & 0x0f));
    let size = i32::try_from(header.len().checked_sub(8)?).ok().filter(|size| *size > 0)?;
    let before = (size - padding - last) / each;
    usize::try_from(before * each).ok().map(|before| 8 + before)
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
    /// What it carries, as all parts of an IPv4 datagram say; those of IPv6 need not (RFC 8200 §4.5).
    pub protocol: Option<u8>,
    /// Where this part lies in it, in bytes.
    pub offset: u32,
    /// Whether more parts follow.
    pub more: bool,
}

/// The length in a jumbo payload option, if it is one that needs the option (RFC 2675 §2, §3).
pub(super) fn jumbo_len(hop_by_hop: &[u8]) -> Option<usize> {
    const PAD_1: u8 = 0;
    const JUMBO: u8 = 0xc2;
    let end = (usize::from(hop_by_hop.u8_at(1)?) + 1) * 8;
    let mut at = 2;
    while at < end {
        match hop_by_hop.u8_at(at)? {
            PAD_1 => at += 1,
            JUMBO if hop_by_hop.u8_at(at + 1)? == 4 => {
                let len = hop_by_hop.be32(at + 2).filter(|len| *len > 65_535)?;
                return usize::try_from(len).ok();
            }
            _ => at += 2 + usize::from(hop_by_hop.u8_at(at + 1)?),
        }
    }
    None
}

/// Where the last option of hop-by-hop or destination options says that it ends, which may be past them. Wireshark
/// takes two bytes of each, also where the one of padding is all there is.
pub(super) fn options_end(extension: &Ipv6Extension, bytes: &[u8]) -> usize {
    const PAD_1: u8 = 0;
    let mut at = 2;
    while extension.kind != Ipv6Extension::ROUTING && at < usize::from(extension.len) {
        let (Some(kind), Some(len)) = (bytes.u8_at(at), bytes.u8_at(at + 1)) else { return at + 2 };
        at += if kind == PAD_1 { 1 } else { 2 + usize::from(len) };
    }
    at
}
