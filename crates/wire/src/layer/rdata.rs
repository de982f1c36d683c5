//! What the data of DNS records consist of, as far as Wireshark reads it: a record whose data ends the message early is
//! a fault, and what its row shows comes from some of them.

use super::dns::name_end;
use crate::bytes::Bytes;

/// One after the other, what a kind of record has in its data.
#[derive(Clone, Copy, Debug)]
enum Part {
    /// So many bytes.
    Skip(usize),
    Name,
    /// A length and so many bytes (a `character-string` of RFC 1035 §3.3).
    Text,
    /// The same, to the end of the data.
    Texts,
    /// A length of two bytes and so many.
    Sized,
    /// What the row shows of it can be shown from here on.
    Shown,
    /// What is left, and so many bytes less than nothing.
    Rest(usize),
    /// Blocks of a bitmap of types (RFC 4034 §4.1.2), to the end of the data.
    Bitmap,
    /// A hash, of which Wireshark takes five bytes at a time.
    Hash,
    /// How many servers there are, and their addresses.
    Servers,
    /// Options of EDNS (RFC 6891 §6.1.2), to the end of the data.
    Options,
    /// Parameters of a service (RFC 9460 §2.2), to the end of the data.
    Parameters,
    /// Address prefixes (RFC 3123 §4), to the end of the data.
    Prefixes,
    /// A version, and a place if it is known (RFC 1876 §2).
    Location,
    /// The end of an address, and a name if it is not a whole one (RFC 2874 §3.1).
    Suffix,
    /// Algorithm and gateway (RFC 4025 §2.1).
    Gateway,
    /// Identity and key of a host, and the names of its servers (RFC 8005 §5).
    Host,
}

use Part::{
    Bitmap, Gateway, Hash, Host, Location, Name, Options, Parameters, Prefixes, Rest, Servers, Shown, Sized,
    Skip, Suffix, Text, Texts,
};

fn parts(kind: u16) -> &'static [Part] {
    match kind {
        1 => &[Skip(4), Shown],
        2 | 5 | 12 | 39 => &[Name, Shown],
        3 | 4 | 7 | 8 | 9 | 23 => &[Shown, Name],
        6 => &[Name, Shown, Name, Skip(20)],
        11 => &[Skip(4), Shown, Skip(1), Rest(0)],
        13 => &[Text, Text, Shown],
        14 | 17 => &[Shown, Name, Name],
        15 | 36 => &[Skip(2), Name, Shown],
        16 | 99 => &[Texts, Rest(0)],
        18 | 21 => &[Shown, Skip(2), Name],
        19 | 20 => &[Shown, Text],
        24 | 46 => &[Skip(18), Name, Rest(1)],
        25 | 43 | 48 | 59 | 60 | 32769 => &[Skip(4), Rest(1)],
        26 => &[Shown, Skip(2), Name, Name],
        27 => &[Shown, Text, Text, Text],
        28 => &[Skip(16), Shown],
        29 => &[Location],
        30 => &[Name, Shown, Rest(0)],
        33 => &[Skip(6), Name, Shown],
        35 => &[Skip(4), Text, Text, Text, Name, Shown],
        37 => &[Skip(5), Rest(1)],
        38 => &[Suffix, Shown],
        41 => &[Options],
        42 => &[Shown, Prefixes],
        44 => &[Skip(2)],
        45 => &[Gateway, Rest(1)],
        47 => &[Name, Shown, Bitmap, Rest(0)],
        50 => &[Skip(4), Text, Hash, Bitmap, Rest(0)],
        51 => &[Shown, Skip(4), Text],
        52 => &[Shown, Skip(3), Rest(1)],
        55 => &[Shown, Host],
        62 => &[Skip(6), Bitmap, Rest(0)],
        63 => &[Skip(6), Rest(1)],
        105 | 108 => &[Skip(6)],
        64 | 65 => &[Skip(2), Name, Parameters],
        104 | 106 => &[Skip(10)],
        107 => &[Skip(2), Name],
        109 => &[Skip(8)],
        249 => &[Name, Skip(12), Sized, Sized],
        250 => &[Name, Skip(8), Sized, Skip(4), Sized],
        257 => &[Skip(1), Text, Rest(0)],
        65281 => &[Skip(12), Servers],
        65282 => &[Skip(12), Name, Shown],
        _ => &[Shown],
    }
}

/// How much of a record's data is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Data {
    /// What the row shows of it.
    pub(crate) shown: bool,
    /// All of it.
    pub(crate) whole: bool,
}

impl Data {
    /// Of a record of this kind, with its data of `len` bytes at `at`.
    pub(crate) fn read(message: &[u8], kind: u16, at: usize, len: usize) -> Self {
        let mut data = Self::default();
        if len == 0 {
            return Self { shown: true, whole: true };
        }
        let mut cursor = Cursor { message, at, end: at + len };
        for part in parts(kind) {
            data.shown |= matches!(part, Shown);
            if cursor.part(*part).is_none() {
                return data;
            }
        }
        data.whole = true;
        data
    }
}

/// Where in a message something is read, and where the record's data ends. Wireshark reads past the latter.
struct Cursor<'a> {
    message: &'a [u8],
    at: usize,
    end: usize,
}

impl Cursor<'_> {
    fn part(&mut self, part: Part) -> Option<()> {
        match part {
            Shown => Some(()),
            Skip(len) => self.skip(len),
            Name => {
                self.at = name_end(self.message, self.at)?;
                Some(())
            }
            Text => {
                let len = self.byte()?;
                self.skip(len)
            }
            Sized => {
                let len = self.word()?;
                self.skip(len)
            }
            Hash => {
                let len = self.byte()?;
                self.skip(len)?;
                if len.is_multiple_of(5) { Some(()) } else { self.message.u8_at(self.at).map(|_| ()) }
            }
            Rest(less) => (self.at <= self.end + less).then_some(()),
            Texts => self.each(|it| it.part(Text)),
            Servers => {
                let mut servers = self.message.be32(self.at)?;
                self.skip(4)?;
                // So many, or to the end of the data: it is passed by where it does not come after a whole address.
                while servers > 0 && self.at != self.end {
                    self.skip(4)?;
                    servers -= 1;
                }
                Some(())
            }
            Bitmap => self.each(|it| {
                it.skip(1)?;
                it.part(Text)
            }),
            Options => self.each(Self::option),
            Parameters => self.each(Self::parameter),
            Prefixes => self.prefixes(),
            Location => {
                if self.byte()? == 0 {
                    self.skip(15)
                } else {
                    Some(())
                }
            }
            Suffix => {
                let prefix = self.byte()?;
                self.skip(16usize.saturating_sub(prefix / 8))?;
                if prefix > 0 { self.part(Name) } else { Some(()) }
            }
            Gateway => {
                self.skip(1)?;
                let kind = self.byte()?;
                self.skip(1)?;
                match kind {
                    1 => self.skip(4),
                    2 => self.skip(16),
                    3 => self.part(Name),
                    _ => Some(()),
                }
            }
            Host => {
                let identity = self.byte()?;
                self.skip(1)?;
                let key = self.word()?;
                self.skip(identity + key)?;
                while self.at + 1 < self.end {
                    self.part(Name)?;
                }
                Some(())
            }
        }
    }

    fn each(&mut self, mut one: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        while self.at < self.end {
            one(self)?;
        }
        Some(())
    }

    fn skip(&mut self, len: usize) -> Option<()> {
        self.at += len;
        (self.at <= self.message.len()).then_some(())
    }

    fn byte(&mut self) -> Option<usize> {
        let byte = self.message.u8_at(self.at)?;
        self.at += 1;
        Some(usize::from(byte))
    }

    fn word(&mut self) -> Option<usize> {
        let word = self.message.be16(self.at)?;
        self.at += 2;
        Some(usize::from(word))
    }

    fn option(&mut self) -> Option<()> {
        const CLIENT_SUBNET: usize = 8;
        const COOKIE: usize = 10;
        const ERROR: usize = 15;
        let (code, len) = (self.word()?, self.word()?);
        let least = match code {
            CLIENT_SUBNET => 4,
            COOKIE => 8,
            ERROR if len > 0 => 2,
            _ => 0,
        };
        self.message.get(self.at..self.at + least)?;
        self.skip(len)
    }

    fn parameter(&mut self) -> Option<()> {
        let (key, len) = (self.word()?, self.word()?);
        let rest = self.end;
        self.end = self.at + len;
        let read = match key {
            0 => self.each(|it| it.skip(2)),
            1 => self.each(|it| it.part(Text)),
            2 => Some(()),
            3 => self.skip(2),
            4 => self.each(|it| it.skip(4)),
            6 => self.each(|it| it.skip(16)),
            _ => self.skip(len),
        };
        self.end = rest;
        read
    }

    fn prefixes(&mut self) -> Option<()> {
        while self.at + 1 < self.end {
            self.skip(3)?;
            let len = self.byte()? & 0x7f;
            self.skip(len)?;
        }
        Some(())
    }
}
