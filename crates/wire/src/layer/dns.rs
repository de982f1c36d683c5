//! DNS messages (RFC 1035), also as multicast DNS (RFC 6762) and LLMNR (RFC 4795).

use super::Data;
use crate::bytes::Bytes;

/// Which of the protocols that share the message format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the protocols' own")]
pub enum DnsFlavour {
    Dns,
    Mdns,
    Llmnr,
}

/// A message header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dns {
    /// Which protocol, by its port.
    pub flavour: DnsFlavour,
    /// `dns.id`
    pub id: u16,
    /// `dns.flags`
    pub flags: u16,
    /// Questions, answers, authorities, additionals.
    pub counts: [u16; 4],
}

impl Dns {
    pub(crate) const LEN: usize = 12;

    /// What of the header is there: a cut one says at least which protocol it is of.
    pub(super) fn parse(flavour: DnsFlavour, bytes: &[u8]) -> Self {
        let word = |at| bytes.be16(at).unwrap_or_default();
        Self { flavour, id: word(0), flags: word(2), counts: [word(4), word(6), word(8), word(10)] }
    }

    /// `dns.flags.response`
    pub const fn response(&self) -> bool {
        self.flags & 0x8000 != 0
    }

    /// `dns.flags.opcode`
    pub const fn opcode(&self) -> u8 {
        (self.flags >> 11 & 0xf) as u8
    }

    /// `dns.flags.rcode`
    pub const fn rcode(&self) -> u8 {
        (self.flags & 0xf) as u8
    }

    /// Whether `message` holds all that its header promises.
    pub(super) fn is_whole(&self, message: &[u8]) -> bool {
        if message.len() < Self::LEN {
            return false;
        }
        let mut walk = self.walk(message);
        while let Some(part) = walk.part() {
            let ends = match part {
                DnsPart::Ends => true,
                DnsPart::Question(_) => false,
                DnsPart::Record(record) => !record.data(message).whole,
            };
            if ends {
                return false;
            }
        }
        true
    }

    /// The questions, then the records of all sections, of the message that starts `message`.
    pub fn walk<'a>(&self, message: &'a [u8]) -> Walk<'a> {
        Walk { message, at: Self::LEN, left: self.counts }
    }
}

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// Where its name starts in the message.
    pub name_at: usize,
    /// `dns.qry.type`
    pub kind: u16,
    /// `dns.qry.class`
    pub class: u16,
}

/// A resource record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DnsRecord {
    /// 1 answer, 2 authority, 3 additional.
    pub section: u8,
    /// Where its name starts in the message.
    pub name_at: usize,
    /// `dns.resp.type`
    pub kind: u16,
    /// `dns.resp.class`
    pub class: u16,
    /// `dns.resp.ttl`
    pub ttl: u32,
    /// Where its data starts in the message.
    pub data_at: usize,
    /// `dns.resp.len`
    pub data_len: usize,
}

impl DnsRecord {
    /// What of its data is there.
    pub(crate) fn data(&self, message: &[u8]) -> Data {
        if message.len() < self.data_at + self.data_len {
            return Data::default();
        }
        Data::read(message, self.kind, self.data_at, self.data_len)
    }
}

/// One thing of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DnsPart {
    Question(Question),
    Record(DnsRecord),
    /// The message ends before what its header promises.
    Ends,
}

/// Walks the questions and records of a message.
#[derive(Clone, Debug)]
pub struct Walk<'a> {
    message: &'a [u8],
    at: usize,
    left: [u16; 4],
}

impl Walk<'_> {
    pub(crate) fn part(&mut self) -> Option<DnsPart> {
        let (section, left) = self.left.iter_mut().enumerate().find(|(_, left)| **left > 0)?;
        *left -= 1;
        let section = u8::try_from(section).unwrap_or_default();
        let part = if section == 0 { self.question() } else { self.record(section) };
        if part.is_none() {
            self.left = [0; 4];
        }
        Some(part.unwrap_or(DnsPart::Ends))
    }

    fn question(&mut self) -> Option<DnsPart> {
        let name_at = self.at;
        let after = name_end(self.message, name_at)?;
        let (kind, class) = (self.message.be16(after)?, self.message.be16(after + 2)?);
        self.at = after + 4;
        Some(DnsPart::Question(Question { name_at, kind, class }))
    }

    fn record(&mut self, section: u8) -> Option<DnsPart> {
        let name_at = self.at;
        let after = name_end(self.message, name_at)?;
        let (kind, class) = (self.message.be16(after)?, self.message.be16(after + 2)?);
        let (ttl, data_len) = (self.message.be32(after + 4)?, usize::from(self.message.be16(after + 8)?));
        let data_at = after + 10;
        self.at = data_at + data_len;
        Some(DnsPart::Record(DnsRecord { section, name_at, kind, class, ttl, data_at, data_len }))
    }
}

/// What a name goes on with.
enum Label {
    Root,
    /// So many bytes of text.
    Text(usize),
    /// So many bytes of bits (RFC 2673 §3.1), which are not shown.
    Bits(usize),
    Pointer(usize),
    /// A kind that no document defines.
    Unknown,
}

fn label(message: &[u8], at: usize) -> Option<Label> {
    const BITS: u8 = 0x41;
    Some(match message.u8_at(at)? {
        0 => Label::Root,
        len @ 1..=0x3f => {
            message.get(at..=at + usize::from(len))?;
            Label::Text(usize::from(len))
        }
        BITS => match message.u8_at(at + 1)? {
            0 => Label::Bits(32),
            bits => Label::Bits(usize::from(bits).div_ceil(8)),
        },
        0x40..=0x7f => Label::Unknown,
        0x80..=0xbf => return None,
        0xc0.. => Label::Pointer(usize::from(message.be16(at)? & 0x3fff)),
    })
}

/// Where a name ends that is all there, also what it points to.
pub(super) fn name_end(message: &[u8], start: usize) -> Option<usize> {
    let (mut at, mut end, mut jumps, mut begun) = (start, None, 0, false);
    loop {
        match label(message, at)? {
            Label::Text(len) => (at, begun) = (at + 1 + len, true),
            Label::Bits(len) => (at, begun) = (at + 2 + len, true),
            Label::Pointer(to) if jumps < MOST_JUMPS => {
                end = end.or(Some(at + 2));
                (at, jumps) = (to, jumps + 1);
            }
            Label::Pointer(_) => return end,
            Label::Unknown if !begun => return None,
            Label::Root | Label::Unknown => return end.or(Some(at + 1)),
        }
    }
}

/// Every jump of a sane name goes backwards, so this many suffice.
const MOST_JUMPS: usize = 64;

/// How a name came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Whole,
    /// The bytes end inside it.
    Cut,
}

/// Appends the name at `at`, as Wireshark shows it.
pub(crate) fn write_name(message: &[u8], at: usize, out: &mut String) -> Name {
    // RFC 1035 §2.3.4.
    const LONGEST: usize = 255;
    let (mut at, mut jumps, mut written, start) = (at, 0, 0, out.len());
    loop {
        let Some(label) = label(message, at) else { return Name::Cut };
        match label {
            Label::Root => break,
            Label::Text(len) => {
                if written > 0 {
                    out.push('.');
                }
                crate::text::escaped(message.get(at + 1..=at + len).unwrap_or_default(), out);
                written += len + 1;
                at += 1 + len;
            }
            Label::Bits(len) => at += 2 + len,
            Label::Pointer(to) => {
                at = to;
                jumps += 1;
                if jumps > MOST_JUMPS {
                    out.push_str("<Name contains a pointer that loops>");
                    return Name::Whole;
                }
            }
            Label::Unknown => {
                out.truncate(start);
                out.push_str("<Unknown extended label>");
                return Name::Whole;
            }
        }
        if written > LONGEST {
            out.truncate(start);
            out.push_str("<Name too long>");
            return Name::Whole;
        }
    }
    if written == 0 {
        out.push_str("<Root>");
    }
    Name::Whole
}
