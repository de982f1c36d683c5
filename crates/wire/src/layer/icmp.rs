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

    /// How many bytes of the message (of `reported` on the wire) it takes to read it; of what it quotes, only a redirect
    /// has to have some.
    pub(super) fn needed(self, bytes: &[u8], reported: usize) -> usize {
        match self.kind {
            5 => 9,
            9 => self.advertised(bytes, reported),
            13 | 14 => 20,
            17 | 18 => 12,
            0 | 3 | 4 | 8 | 11 | 12 | 15 | 16 | 43 => 8,
            42 if reported < 12 => 8,
            42 => extended(bytes, reported),
            _ => Self::LEN,
        }
    }

    /// The addresses of a router advertisement (RFC 1256 §3), and the extensions of mobile IP after them (RFC 5944 §2.1.1).
    fn advertised(self, bytes: &[u8], reported: usize) -> usize {
        const PAD: u8 = 0;
        const AGENT: u8 = 16;
        const PREFIXES: u8 = 19;
        // An address and its preference are two words.
        let addresses = bytes.u8_at(4).filter(|_| bytes.u8_at(5) == Some(2)).unwrap_or_default();
        let mut at = 8 + usize::from(addresses) * 8;
        while self.mobile() && at < reported {
            match (bytes.u8_at(at), bytes.u8_at(at + 1)) {
                (Some(PAD), _) => at += 1,
                (Some(AGENT | PREFIXES), Some(len)) => at += 2 + usize::from(len),
                (Some(_), Some(_)) => break,
                _ => return at + 2,
            }
        }
        at
    }

    /// Whether it is an advertisement of mobile IP, or one of a router that could be.
    pub(crate) const fn mobile(self) -> bool {
        self.kind == 9 && matches!(self.code, 0 | 16)
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
    pub(super) const LISTENERS: u8 = 143;

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
        let fixed = match self.kind {
            1..=4 | 152 | 153 => Self::LEN,
            128 | 129 | 133 | 141..=148 | 150 | 151 | 154 | 156 | 161 => 8,
            149 => 12,
            160 if reported < 12 => 8,
            160 => extended(bytes, reported),
            134 | 140 => 16,
            130 if bytes.len() >= Self::QUERY => Self::QUERY + sources(bytes, 26),
            130..=132 | 135 | 136 => 24,
            139 if self.code == 1 || reported <= 16 => 16,
            139 if self.code == 2 => 20,
            139 | 157 | 158 => 32,
            137 => 40,
            // Undecoded; none of it there is worth saying.
            _ => Self::LEN + 1,
        };
        match self.kind {
            Self::LISTENERS => listeners(bytes, reported),
            145 => each(fixed, bytes.len(), |_| 16),
            _ if self.options().is_some() => options_end(fixed, bytes, reported),
            _ => fixed,
        }
    }

    /// The shortest query of multicast listeners of version 2 (RFC 3810 §5.1).
    const QUERY: usize = 28;

    /// Where the options of neighbour discovery and its relatives start.
    pub(crate) const fn options(self) -> Option<usize> {
        match self.kind {
            133 | 141 | 142 | 147 | 148 | 150 | 154 => Some(8),
            149 => Some(12),
            134 => Some(16),
            135 | 136 => Some(24),
            137 => Some(40),
            _ => None,
        }
    }
}

/// An extended echo request is read to the end, unless its first object has no length (RFC 8335 §2).
fn extended(bytes: &[u8], reported: usize) -> usize {
    if bytes.be16(12).unwrap_or_default() == 0 { 12 } else { reported }
}

/// How long the list is of IPv6 addresses whose number stands there.
fn sources(bytes: &[u8], at: usize) -> usize {
    usize::from(bytes.be16(at).unwrap_or_default()) * 16
}

/// Where a report of multicast listeners ends, or the first piece of it that is not there (RFC 3810 §5.2).
fn listeners(bytes: &[u8], reported: usize) -> usize {
    let mut at = Icmpv6::LEN;
    let mut take = |len: usize| {
        at += len;
        (at <= bytes.len()).then_some(at)
    };
    let mut whole = || {
        take(2)?;
        let mut record = take(2)?;
        while record < reported {
            // Kind, length of what follows the sources, number of these, and the group.
            [1, 1, 2, 16].into_iter().try_for_each(|len| take(len).map(|_| ()))?;
            let (auxiliary, sources) = (bytes.u8_at(record + 1)?, bytes.be16(record + 2)?);
            (0..sources).try_for_each(|_| take(16).map(|_| ()))?;
            record = take(usize::from(auxiliary) * 4)?;
        }
        Some(())
    };
    let _ = whole();
    at
}

/// Where the last of the pieces ends that fill a message.
fn each(mut at: usize, reported: usize, len: impl Fn(usize) -> usize) -> usize {
    while at < reported {
        at += len(at);
    }
    at
}

/// Where the last of the options ends, or says that it does.
fn options_end(mut at: usize, bytes: &[u8], reported: usize) -> usize {
    while at < reported && at <= bytes.len() {
        match bytes.get(at + 1) {
            // An option of no length ends them.
            Some(0) => break,
            Some(len) => at += usize::from(*len) * 8,
            None => return at + 2,
        }
    }
    at
}
