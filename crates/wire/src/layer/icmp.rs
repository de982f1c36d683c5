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

    /// How many bytes of the message it takes to read it; of what it quotes, only a redirect has to have some.
    pub(super) const fn needed(self) -> usize {
        match self.kind {
            5 => 9,
            13 | 14 => 20,
            17 | 18 => 12,
            _ => 8,
        }
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

    /// How many bytes of the message (of `reported` on the wire) it takes to read it: a fixed part, and of
    /// neighbour discovery and its relatives the options after it.
    pub(super) fn needed(self, bytes: &[u8], reported: usize) -> usize {
        let (fixed, options) = match self.kind {
            1..=4 => (Self::LEN, false),
            152 | 153 => (4, false),
            128 | 129 | 144..=146 | 151 | 156 | 161 => (8, false),
            133 | 141 | 142 | 147 | 148 | 150 => (8, true),
            149 => (12, true),
            160 => (if reported < 12 { 8 } else { 12 }, false),
            134 | 140 => (16, self.kind == 134),
            130..=132 => (24, false),
            135 | 136 => (24, true),
            139 if self.code == 1 || reported <= 16 => (16, false),
            139 if self.code == 2 => (20, false),
            139 | 157 | 158 => (32, false),
            137 => (40, true),
            // Undecoded; none of it there is worth saying.
            _ => (Self::LEN + 1, false),
        };
        let mut at = fixed;
        while options && at < reported {
            match bytes.get(at + 1) {
                // An option of no length ends them.
                Some(0) => break,
                Some(len) => at += usize::from(*len) * 8,
                None => return at + 2,
            }
        }
        at
    }
}
