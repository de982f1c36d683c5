//! ICMP (RFC 792), and that for IPv6 (RFC 4443).

use crate::bytes::Bytes;

/// An ICMP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Icmp {
    /// `icmp.type`
    pub kind: u8,
    /// `icmp.code`
    pub code: u8,
    /// `icmp.checksum`
    pub checksum: u16,
}

impl Icmp {
    /// Type, code, checksum, and half of what follows.
    pub(crate) const LEN: usize = 6;
    pub(crate) const ECHO_REPLY: u8 = 0;
    pub(crate) const ECHO: u8 = 8;

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        bytes.get(..Self::LEN)?;
        Some(Self { kind: bytes.u8_at(0)?, code: bytes.u8_at(1)?, checksum: bytes.be16(2)? })
    }

    /// Whether it quotes the packet that it complains about.
    pub const fn quotes(&self) -> bool {
        matches!(self.kind, 3 | 4 | 5 | 11 | 12)
    }
}

/// A header of ICMP for IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Icmpv6 {
    /// `icmpv6.type`
    pub kind: u8,
    /// `icmpv6.code`
    pub code: u8,
    /// `icmpv6.checksum`
    pub checksum: u16,
}

impl Icmpv6 {
    pub(crate) const LEN: usize = 4;
    pub(crate) const ECHO: u8 = 128;
    pub(crate) const ECHO_REPLY: u8 = 129;

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        Some(Self { kind: bytes.u8_at(0)?, code: bytes.u8_at(1)?, checksum: bytes.be16(2)? })
    }

    /// Whether it quotes the packet that it complains about.
    pub const fn quotes(&self) -> bool {
        matches!(self.kind, 1..=4)
    }
}
