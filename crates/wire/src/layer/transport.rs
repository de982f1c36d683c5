//! UDP (RFC 768) and TCP (RFC 9293) with its options.

use crate::bytes::Bytes;
use crate::seq::Seq;

/// A UDP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Udp {
    /// `udp.srcport`
    pub source_port: u16,
    /// `udp.dstport`
    pub destination_port: u16,
    /// `udp.length`, as it stands in the header.
    pub len: u16,
    /// `udp.checksum`
    pub checksum: u16,
    /// It begins the first part of a datagram that is not whole.
    pub fragmented: bool,
}

impl Udp {
    pub(crate) const LEN: usize = 8;

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            source_port: bytes.be16(0)?,
            destination_port: bytes.be16(2)?,
            len: bytes.be16(4)?,
            checksum: bytes.be16(6)?,
            fragmented: false,
        })
    }
}

/// The twelve bits beside a TCP header's length (RFC 9293 §3.1, RFC 3168, RFC 7560).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpFlags(pub u16);

#[allow(missing_docs, reason = "the names are the flags' own")]
impl TcpFlags {
    pub const FIN: u16 = 0x001;
    pub const SYN: u16 = 0x002;
    pub const RST: u16 = 0x004;
    pub const PSH: u16 = 0x008;
    pub const ACK: u16 = 0x010;
    pub const URG: u16 = 0x020;
    pub const ECE: u16 = 0x040;
    pub const CWR: u16 = 0x080;
    pub const AE: u16 = 0x100;
    pub const RESERVED: u16 = 0xe00;
    pub const NAMES: [(u16, &str); 9] = [
        (Self::FIN, "FIN"),
        (Self::SYN, "SYN"),
        (Self::RST, "RST"),
        (Self::PSH, "PSH"),
        (Self::ACK, "ACK"),
        (Self::URG, "URG"),
        (Self::ECE, "ECE"),
        (Self::CWR, "CWR"),
        (Self::AE, "AE"),
    ];

    /// The names of those that are set, in Wireshark's order; the reserved ones have none.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(bit, _)| self.any(*bit)).map(|(_, name)| name)
    }

    /// Whether any of these bits is set.
    pub const fn any(self, bits: u16) -> bool {
        self.0 & bits != 0
    }

    /// Whether all of these bits are set.
    pub const fn all(self, bits: u16) -> bool {
        self.0 & bits == bits
    }
}

/// A TCP header. The options lie in its view, see [`options`](Self::options).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// `tcp.srcport`
    pub source_port: u16,
    /// `tcp.dstport`
    pub destination_port: u16,
    /// `tcp.seq_raw`
    pub seq: Seq,
    /// `tcp.ack_raw`
    pub ack: Seq,
    /// `tcp.hdr_len`, in bytes.
    pub header_len: u8,
    /// `tcp.flags`
    pub flags: TcpFlags,
    /// `tcp.window_size_value`
    pub window: u16,
    /// `tcp.checksum`
    pub checksum: u16,
    /// `tcp.urgent_pointer`
    pub urgent: u16,
    /// `tcp.len`: payload bytes on the wire; `None` where the segment is shorter than its header says, or a fragment.
    pub payload_len: Option<u32>,
}

impl Tcp {
    pub(crate) const LEN: usize = 20;

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let offset_flags = bytes.be16(12)?;
        Some(Self {
            source_port: bytes.be16(0)?,
            destination_port: bytes.be16(2)?,
            seq: Seq(bytes.be32(4)?),
            ack: Seq(bytes.be32(8)?),
            header_len: u8::try_from(offset_flags >> 12).unwrap_or_default() * 4,
            flags: TcpFlags(offset_flags & 0x0fff),
            window: bytes.be16(14)?,
            // A header cut after the window still says what matters.
            checksum: bytes.be16(16).unwrap_or_default(),
            urgent: bytes.be16(18).unwrap_or_default(),
            payload_len: None,
        })
    }

    /// What an ICMP error has to quote: ports and sequence number (RFC 792).
    pub(super) fn quoted(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            source_port: bytes.be16(0)?,
            destination_port: bytes.be16(2)?,
            seq: Seq(bytes.be32(4)?),
            ack: Seq::default(),
            header_len: 0,
            flags: TcpFlags::default(),
            window: 0,
            checksum: 0,
            urgent: 0,
            payload_len: None,
        })
    }

    /// Whether the header can be read to its end, or to where nothing is read any more.
    pub(crate) fn options_read(&self, segment: &[u8]) -> bool {
        let header = usize::from(self.header_len);
        let fixed = header.min(segment.len()) >= Self::LEN;
        fixed && (header <= segment.len() || self.cut_options(segment) == CutOptions::Read)
    }

    /// Where the options of a header end of which `segment` lacks the last bytes.
    pub(super) fn cut_options(&self, segment: &[u8]) -> CutOptions {
        let (mut at, header) = (Self::LEN, usize::from(self.header_len));
        while at < header {
            let rest = segment.get(at..).unwrap_or_default();
            let len = match *rest {
                [TcpOption::NOP, ..] => 1,
                [] | [_] | [TcpOption::END, ..] => return CutOptions::Between,
                [_, 0 | 1, ..] => return CutOptions::Read,
                [_, len, ..] => usize::from(len),
            };
            // Said of all that is left of the header but two bytes, which have to be there.
            if at + len > header {
                return if segment.len() + 2 < header { CutOptions::Between } else { CutOptions::Read };
            }
            if rest.len() < len && rest.len() < TcpOption::needed(rest) {
                return CutOptions::Inside;
            }
            if rest.first().is_some_and(|kind| TcpOption::breaks(*kind, len)) {
                return CutOptions::Broken;
            }
            at += len;
        }
        CutOptions::Read
    }

    /// The options, given the bytes from the header's start.
    pub fn options<'a>(&self, segment: &'a [u8]) -> TcpOptions<'a> {
        let end = usize::from(self.header_len);
        let rest = segment.get(Self::LEN..end.min(segment.len())).unwrap_or_default();
        TcpOptions { rest, at: Self::LEN }
    }

    /// Whether Wireshark reads no further than one of its options.
    pub(super) fn has_broken_option(&self, segment: &[u8]) -> bool {
        self.options(segment).map_while(Result::ok).any(|option| option.is_broken())
    }

    /// Whether it has no options, or of the usual ones only timestamps as senders align them (RFC 7323 appendix A).
    pub(super) fn has_usual_options(&self, segment: &[u8]) -> bool {
        const ALIGNED: [u8; 4] = [TcpOption::NOP, TcpOption::NOP, TcpOption::TIMESTAMPS, 10];
        const ALIGNED_LEN: usize = Tcp::LEN + 12;
        match usize::from(self.header_len) {
            Self::LEN => true,
            ALIGNED_LEN => segment.len() >= ALIGNED_LEN && segment.array(Self::LEN) == Some(ALIGNED),
            _ => false,
        }
    }

    /// How far this segment moves the sequence number: its payload, and one each for SYN and FIN.
    pub const fn sequence_len(&self) -> u32 {
        let payload = match self.payload_len {
            Some(len) => len,
            None => 0,
        };
        payload + self.flags.any(TcpFlags::SYN) as u32 + self.flags.any(TcpFlags::FIN) as u32
    }
}

/// Where the options of a cut header end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CutOptions {
    /// Nothing that is read of them is missing.
    Read,
    /// Inside one that fits the header.
    Inside,
    /// At one that nothing can be made of.
    Broken,
    /// Between two, or where it cannot be told.
    Between,
}

/// One TCP option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpOption<'a> {
    /// Where it starts, from the header's start.
    pub at: usize,
    /// `tcp.option_kind`
    pub kind: u8,
    /// Its data, after kind and length.
    pub data: &'a [u8],
}

/// Which byte counter of accurate ECN an option begins with (RFC 9768 §3.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByteCounters {
    Ect0First,
    Ect1First,
}

impl<'a> TcpOption<'a> {
    pub(crate) const END: u8 = 0;
    pub(crate) const NOP: u8 = 1;
    pub(crate) const MSS: u8 = 2;
    pub(crate) const WINDOW_SCALE: u8 = 3;
    pub(crate) const SACK_PERMITTED: u8 = 4;
    pub(crate) const SACK: u8 = 5;
    pub(crate) const TIMESTAMPS: u8 = 8;
    pub(crate) const SCPS: u8 = 20;
    const SNACK: u8 = 21;
    pub(crate) const QUICK_START: u8 = 27;
    pub(crate) const MULTIPATH: u8 = 30;
    pub(crate) const ACCURATE_ECN_0: u8 = 172;
    pub(crate) const ACCURATE_ECN_1: u8 = 174;
    pub(crate) const EXPERIMENT_1: u8 = 253;
    pub(crate) const EXPERIMENT_2: u8 = 254;

    /// Its byte counters of accurate ECN, of which a sender may leave out the last ones. An option of another length
    /// has none.
    pub(crate) fn byte_counters(&self) -> Option<(ByteCounters, &'a [u8])> {
        let experiment = matches!(self.kind, Self::EXPERIMENT_1 | Self::EXPERIMENT_2);
        let (first, counters) = match (self.kind, self.data) {
            (Self::ACCURATE_ECN_0, counters) => (ByteCounters::Ect0First, counters),
            (Self::ACCURATE_ECN_1, counters) => (ByteCounters::Ect1First, counters),
            (_, [0xac, 0xc0, counters @ ..]) if experiment => (ByteCounters::Ect0First, counters),
            (_, [0xac, 0xc1, counters @ ..]) if experiment => (ByteCounters::Ect1First, counters),
            _ => return None,
        };
        matches!(counters.len(), 0 | 3 | 6 | 9).then_some((first, counters))
    }

    /// One that Wireshark cannot make sense of: it reads no further.
    pub(crate) fn is_broken(&self) -> bool {
        Self::breaks(self.kind, self.data.len() + 2)
    }

    /// The same of its kind and length: a SACK option without a whole block, a multipath option without its kind, and
    /// every SNACK option.
    fn breaks(kind: u8, len: usize) -> bool {
        match kind {
            Self::SACK => len < 10,
            Self::MULTIPATH => len < 4,
            Self::SNACK => len == 6,
            _ => false,
        }
    }

    /// How much of the option that starts here is read. Of one whose length is not its kind's
    /// (<https://www.iana.org/assignments/tcp-parameters>) that is no more than to see it.
    fn needed(bytes: &[u8]) -> usize {
        const SEEN: usize = 2;
        let [kind, len, data @ ..] = bytes else { return SEEN };
        let len = usize::from(*len);
        let right = match *kind {
            Self::SACK => {
                let left = len.saturating_sub(SEEN) % 8;
                return if left < 4 { len } else { len - left + 4 };
            }
            Self::SACK_PERMITTED | 22 | 23 => len == 2,
            Self::WINDOW_SCALE => len == 3,
            Self::MSS | Self::SCPS | 28 => len == 4,
            6 | 7 | 11..=13 | Self::SNACK => len == 6,
            Self::QUICK_START if len == 8 => return 4,
            Self::QUICK_START => false,
            Self::TIMESTAMPS => len == 10,
            19 => len == 18,
            29 => len >= 4,
            Self::ACCURATE_ECN_0 | Self::ACCURATE_ECN_1 => matches!(len, 2 | 5 | 8 | 11),
            Self::EXPERIMENT_1 | Self::EXPERIMENT_2 => match data {
                _ if len < 4 => false,
                [0xac, 0xc0 | 0xc1, ..] if !matches!(len, 4 | 7 | 10 | 13) => return 4,
                _ => true,
            },
            _ => true,
        };
        if right { len } else { SEEN }
    }
}

/// Why a list of options ends early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpOptionError {
    /// The length is below two, or goes past the header.
    Length,
    /// The bytes end inside an option.
    Missing,
}

/// Walks TCP options.
#[derive(Clone, Debug)]
pub struct TcpOptions<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Iterator for TcpOptions<'a> {
    type Item = Result<TcpOption<'a>, TcpOptionError>;

    fn next(&mut self) -> Option<Self::Item> {
        let kind = *self.rest.first()?;
        let at = self.at;
        let len = match kind {
            TcpOption::END => {
                let option = TcpOption { at, kind, data: &[] };
                self.rest = &[];
                return Some(Ok(option));
            }
            TcpOption::NOP => 1,
            _ => match self.rest.get(1) {
                None => return Some(self.end(TcpOptionError::Missing)),
                Some(len @ 2..) => usize::from(*len),
                Some(_) => return Some(self.end(TcpOptionError::Length)),
            },
        };
        let Some((option, rest)) = self.rest.split_at_checked(len) else {
            return Some(self.end(TcpOptionError::Length));
        };
        let option = TcpOption { at, kind, data: option.get(2..).unwrap_or_default() };
        self.rest = if option.is_broken() { &[] } else { rest };
        self.at += len;
        Some(Ok(option))
    }
}

impl<'a> TcpOptions<'a> {
    /// Where the next option starts, or the one that could not be read.
    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    fn end(&mut self, error: TcpOptionError) -> Result<TcpOption<'a>, TcpOptionError> {
        self.rest = &[];
        Err(error)
    }
}
