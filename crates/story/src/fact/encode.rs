//! Facts as bytes, for a block of a recording, and back.
//!
//! A fact is a version, its time, for how long programs were held, a tag and the values of that tag. Numbers have as many bytes as they need (seven bits
//! each, the last one without the top bit); a list or text begins with its length. Everything that grows has a bound, on both
//! sides: what is longer is cut when it is written, and refused when it is read. No length is believed: what is read takes
//! memory only as its bytes come.

use super::{
    Arguments, CallId, Cookie, Entered, Fact, Happened, KernelState, Left, Line, Outcome, Program, Reading,
    Status, Syscall,
};
use enchufe_wire::Timestamp;
use enchufe_wire::tcp::Endpoint;

/// The version that is written.
pub const VERSION: u8 = 2;
/// The first version, whose facts do not say for how long programs were held.
const FIRST: u8 = 1;
/// The longest text that is kept, in bytes.
pub const LONGEST_TEXT: usize = 1 << 20;
/// The longest list that is kept.
pub const LONGEST_LIST: usize = 65_536;

/// Why bytes are no fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// They end within it.
    Cut,
    /// They are of a later version than [`VERSION`], or of none.
    Version(u8),
    /// A tag that this version does not have.
    Tag {
        /// What it is a tag of.
        of: &'static str,
        /// The tag.
        tag: u64,
    },
    /// A number that does not fit what it is for.
    Number {
        /// What it is for.
        of: &'static str,
    },
    /// A text or a list that is longer than its bound.
    TooLong,
    /// A text that is no UTF-8.
    NotText,
}

impl std::fmt::Display for DecodeError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cut => write!(out, "a fact is cut off"),
            Self::Version(version) => {
                write!(out, "a fact has version {version}; the versions up to {VERSION} are known")
            }
            Self::Tag { of, tag } => write!(out, "a fact has the unknown tag {tag} for {of}"),
            Self::Number { of } => write!(out, "a fact has a number that does not fit {of}"),
            Self::TooLong => write!(out, "a fact has a text or a list that is longer than its bound"),
            Self::NotText => write!(out, "a fact has a text that is no UTF-8"),
        }
    }
}

impl std::error::Error for DecodeError {}

type Read<T> = Result<T, DecodeError>;

impl Fact {
    /// Adds it to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(VERSION);
        signed(out, self.time.nanos());
        number(out, self.held);
        happened(out, &self.happened);
    }

    /// Reads one from the front of `bytes`, which is moved past it.
    pub fn decode(bytes: &mut &[u8]) -> Result<Self, DecodeError> {
        let mut from = Source { bytes };
        let version = from.byte()?;
        if !(FIRST..=VERSION).contains(&version) {
            return Err(DecodeError::Version(version));
        }
        let time = Timestamp::from_nanos(from.signed()?);
        let held = if version == FIRST { 0 } else { from.number()? };
        let fact = Self { time, held, happened: from.happened()? };
        *bytes = from.bytes;
        Ok(fact)
    }
}

fn number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}

fn numbers(out: &mut Vec<u8>, values: &[u64]) {
    for value in values {
        number(out, *value);
    }
}

/// Small ones of either sign are short.
fn signed(out: &mut Vec<u8>, value: i64) {
    number(out, ((value << 1) ^ (value >> 63)).cast_unsigned());
}

fn blob(out: &mut Vec<u8>, bytes: &[u8]) {
    let kept = bytes.get(..LONGEST_TEXT).unwrap_or(bytes);
    number(out, kept.len() as u64);
    out.extend_from_slice(kept);
}

fn text(out: &mut Vec<u8>, text: &str) {
    let mut len = text.len().min(LONGEST_TEXT);
    while !text.is_char_boundary(len) {
        len -= 1;
    }
    blob(out, text.as_bytes().get(..len).unwrap_or_default());
}

fn list<T>(out: &mut Vec<u8>, items: &[T], mut put: impl FnMut(&mut Vec<u8>, &T)) {
    let kept = items.get(..LONGEST_LIST).unwrap_or(items);
    number(out, kept.len() as u64);
    for item in kept {
        put(out, item);
    }
}

fn maybe<T>(out: &mut Vec<u8>, value: Option<T>, put: impl FnOnce(&mut Vec<u8>, T)) {
    out.push(u8::from(value.is_some()));
    if let Some(value) = value {
        put(out, value);
    }
}

fn endpoint(out: &mut Vec<u8>, endpoint: Endpoint) {
    out.push(u8::from(endpoint.ipv6));
    let len = if endpoint.ipv6 { 16 } else { 4 };
    out.extend(endpoint.address.iter().take(len));
    out.extend(endpoint.port.to_le_bytes());
}

fn happened(out: &mut Vec<u8>, happened: &Happened) {
    match happened {
        Happened::Started(program) => {
            out.push(0);
            number(out, program.number.into());
            number(out, program.pid.into());
            list(out, &program.command, |out, word| blob(out, word));
        }
        Happened::Began { program, pid, tid } => {
            out.push(1);
            numbers(out, &[(*program).into(), (*pid).into(), (*tid).into()]);
        }
        Happened::Entered(call) => {
            out.push(2);
            entered(out, call);
        }
        Happened::Left(call) => {
            out.push(3);
            left(out, call);
        }
        Happened::Signalled { pid, tid, signal } => {
            out.push(4);
            numbers(out, &[(*pid).into(), (*tid).into()]);
            signed(out, i64::from(*signal));
        }
        Happened::Ended { pid, status } => {
            out.push(5);
            number(out, u64::from(*pid));
            let (tag, value) = match *status {
                Status::Exited(value) => (0, value),
                Status::Killed(value) => (1, value),
            };
            out.push(tag);
            signed(out, i64::from(value));
        }
        Happened::ArrivedAgain { sent } => {
            out.push(6);
            signed(out, sent.nanos());
        }
    }
}

fn entered(out: &mut Vec<u8>, call: &Entered) {
    number(out, call.id.0);
    numbers(out, &[call.program.into(), call.pid.into(), call.tid.into()]);
    number(out, u64::from(call.syscall as u8));
    maybe(out, call.fd, |out, fd| signed(out, i64::from(fd)));
    maybe(out, call.socket, |out, socket| number(out, socket.0));
    arguments(out, &call.arguments);
    list(out, &call.drops, |out, socket| number(out, socket.0));
    list(out, &call.before, reading);
    maybe(out, call.line.as_ref(), |out, line| {
        text(out, &line.file);
        number(out, u64::from(line.line));
        text(out, &line.function);
    });
}

fn arguments(out: &mut Vec<u8>, arguments: &Arguments) {
    let mut put = |tag: u8, values: &[i64]| {
        out.push(tag);
        for value in values {
            signed(out, *value);
        }
    };
    match arguments {
        Arguments::None => put(0, &[]),
        Arguments::Socket { domain, kind, protocol } => {
            put(1, &[(*domain).into(), (*kind).into(), (*protocol).into()]);
        }
        Arguments::Address(address) => {
            put(2, &[]);
            endpoint(out, *address);
        }
        Arguments::OtherAddress { family } => put(3, &[(*family).into()]),
        Arguments::Backlog(backlog) => put(4, &[(*backlog).into()]),
        Arguments::Bytes { wanted, flags } => {
            put(5, &[(*flags).into()]);
            number(out, *wanted);
        }
        Arguments::How(how) => put(6, &[(*how).into()]),
        Arguments::Option { level, name, value } => {
            put(7, &[(*level).into(), (*name).into()]);
            maybe(out, *value, signed);
        }
        Arguments::Descriptor(fd) => put(8, &[(*fd).into()]),
        Arguments::Printed { stream, text, length } => {
            put(9, &[i64::from(*stream)]);
            blob(out, text);
            number(out, *length);
        }
        Arguments::Status(status) => put(10, &[(*status).into()]),
        Arguments::Request(request) => {
            put(11, &[]);
            number(out, *request);
        }
        Arguments::Waits { fds, timeout } => {
            put(12, &[]);
            list(out, fds, |out, fd| signed(out, i64::from(*fd)));
            maybe(out, *timeout, signed);
        }
    }
}

fn left(out: &mut Vec<u8>, call: &Left) {
    number(out, call.id.0);
    let (tag, value) = match call.outcome {
        Outcome::Returned(value) => (0, value),
        Outcome::Failed(errno) => (1, i64::from(errno)),
        Outcome::Never => (2, 0),
    };
    out.push(tag);
    signed(out, value);
    maybe(out, call.made, |out, (fd, socket)| {
        signed(out, i64::from(fd));
        number(out, socket.0);
    });
    maybe(out, call.reading, |out, said| reading(out, &said));
}

fn reading(out: &mut Vec<u8>, reading: &Reading) {
    out.push(reading.state.0);
    numbers(out, &[reading.socket.0, reading.written, reading.read, reading.unread]);
    maybe(out, reading.local, endpoint);
    maybe(out, reading.peer, endpoint);
}

/// Bytes that are being read.
struct Source<'b> {
    bytes: &'b [u8],
}

impl<'b> Source<'b> {
    fn take(&mut self, len: usize) -> Read<&'b [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(len).ok_or(DecodeError::Cut)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| DecodeError::Cut)
    }

    fn byte(&mut self) -> Read<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn number(&mut self) -> Read<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            let shifted = part << shift;
            if shifted >> shift != part {
                break;
            }
            value |= shifted;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::Number { of: "64 bits" })
    }

    fn signed(&mut self) -> Read<i64> {
        let value = self.number()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    fn u32(&mut self, of: &'static str) -> Read<u32> {
        self.number()?.try_into().map_err(|_| DecodeError::Number { of })
    }

    fn i32(&mut self, of: &'static str) -> Read<i32> {
        self.signed()?.try_into().map_err(|_| DecodeError::Number { of })
    }

    fn len(&mut self, most: usize) -> Read<usize> {
        let len = usize::try_from(self.number()?).map_err(|_| DecodeError::TooLong)?;
        if len > most { Err(DecodeError::TooLong) } else { Ok(len) }
    }

    fn blob(&mut self) -> Read<Vec<u8>> {
        let len = self.len(LONGEST_TEXT)?;
        self.take(len).map(<[u8]>::to_vec)
    }

    fn text(&mut self) -> Read<String> {
        String::from_utf8(self.blob()?).map_err(|_| DecodeError::NotText)
    }

    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        let len = self.len(LONGEST_LIST)?;
        let mut items = Vec::new();
        for _ in 0..len {
            items.push(item(self)?);
        }
        Ok(items)
    }

    fn flag(&mut self, of: &'static str) -> Read<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            tag => Err(DecodeError::Tag { of, tag: tag.into() }),
        }
    }

    fn maybe<T>(&mut self, of: &'static str, item: impl FnOnce(&mut Self) -> Read<T>) -> Read<Option<T>> {
        if self.flag(of)? { item(self).map(Some) } else { Ok(None) }
    }

    fn endpoint(&mut self) -> Read<Endpoint> {
        let mut endpoint = Endpoint { ipv6: self.flag("a family")?, ..Endpoint::default() };
        if endpoint.ipv6 {
            endpoint.address = self.array()?;
        } else {
            let address: [u8; 4] = self.array()?;
            endpoint.address.iter_mut().zip(address).for_each(|(to, from)| *to = from);
        }
        endpoint.port = u16::from_le_bytes(self.array()?);
        Ok(endpoint)
    }

    fn happened(&mut self) -> Read<Happened> {
        Ok(match self.byte()? {
            0 => Happened::Started(Program {
                number: self.u32("a program")?,
                pid: self.u32("a process")?,
                command: self.list(Self::blob)?,
            }),
            1 => Happened::Began {
                program: self.u32("a program")?,
                pid: self.u32("a process")?,
                tid: self.u32("a thread")?,
            },
            2 => Happened::Entered(self.entered()?),
            3 => Happened::Left(self.left()?),
            4 => Happened::Signalled {
                pid: self.u32("a process")?,
                tid: self.u32("a thread")?,
                signal: self.i32("a signal")?,
            },
            5 => Happened::Ended { pid: self.u32("a process")?, status: self.status()? },
            6 => Happened::ArrivedAgain { sent: Timestamp::from_nanos(self.signed()?) },
            tag => return Err(DecodeError::Tag { of: "what happened", tag: tag.into() }),
        })
    }

    fn status(&mut self) -> Read<Status> {
        Ok(match self.byte()? {
            0 => Status::Exited(self.i32("a status")?),
            1 => Status::Killed(self.i32("a signal")?),
            tag => return Err(DecodeError::Tag { of: "an end", tag: tag.into() }),
        })
    }

    fn syscall(&mut self) -> Read<Syscall> {
        let tag = self.number()?;
        let place = usize::try_from(tag).ok();
        let known = place.and_then(|place| Syscall::ALL.get(place)).copied();
        known.ok_or(DecodeError::Tag { of: "a call", tag })
    }

    fn entered(&mut self) -> Read<Entered> {
        Ok(Entered {
            id: CallId(self.number()?),
            program: self.u32("a program")?,
            pid: self.u32("a process")?,
            tid: self.u32("a thread")?,
            syscall: self.syscall()?,
            fd: self.maybe("a descriptor", |from| from.i32("a descriptor"))?,
            socket: self.maybe("a socket", |from| from.number().map(Cookie))?,
            arguments: self.arguments()?,
            drops: self.list(|from| from.number().map(Cookie))?,
            before: self.list(Self::reading)?,
            line: self.maybe("a line", |from| {
                Ok(Line { file: from.text()?, line: from.u32("a line")?, function: from.text()? })
            })?,
        })
    }

    fn arguments(&mut self) -> Read<Arguments> {
        Ok(match self.byte()? {
            0 => Arguments::None,
            1 => Arguments::Socket {
                domain: self.i32("a domain")?,
                kind: self.i32("a kind")?,
                protocol: self.i32("a protocol")?,
            },
            2 => Arguments::Address(self.endpoint()?),
            3 => Arguments::OtherAddress { family: self.i32("a family")? },
            4 => Arguments::Backlog(self.i32("a backlog")?),
            5 => {
                let flags = self.i32("flags")?;
                Arguments::Bytes { wanted: self.number()?, flags }
            }
            6 => Arguments::How(self.i32("a direction")?),
            7 => Arguments::Option {
                level: self.i32("a level")?,
                name: self.i32("an option")?,
                value: self.maybe("a value", Self::signed)?,
            },
            8 => Arguments::Descriptor(self.i32("a descriptor")?),
            9 => Arguments::Printed {
                stream: self.signed()?.try_into().map_err(|_| DecodeError::Number { of: "a stream" })?,
                text: self.blob()?,
                length: self.number()?,
            },
            10 => Arguments::Status(self.i32("a status")?),
            11 => Arguments::Request(self.number()?),
            12 => Arguments::Waits {
                fds: self.list(|from| from.i32("a descriptor"))?,
                timeout: self.maybe("a time", Self::signed)?,
            },
            tag => return Err(DecodeError::Tag { of: "arguments", tag: tag.into() }),
        })
    }

    fn left(&mut self) -> Read<Left> {
        let id = CallId(self.number()?);
        let outcome = match self.byte()? {
            0 => Outcome::Returned(self.signed()?),
            1 => Outcome::Failed(self.i32("an error")?),
            2 => {
                self.signed()?;
                Outcome::Never
            }
            tag => return Err(DecodeError::Tag { of: "an outcome", tag: tag.into() }),
        };
        let made =
            self.maybe("a new socket", |from| Ok((from.i32("a descriptor")?, Cookie(from.number()?))))?;
        Ok(Left { id, outcome, made, reading: self.maybe("a reading", Self::reading)? })
    }

    fn reading(&mut self) -> Read<Reading> {
        let state = KernelState(self.byte()?);
        Ok(Reading {
            socket: Cookie(self.number()?),
            state,
            written: self.number()?,
            read: self.number()?,
            unread: self.number()?,
            local: self.maybe("an address", Self::endpoint)?,
            peer: self.maybe("an address", Self::endpoint)?,
        })
    }
}
