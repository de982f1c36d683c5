//! From what was typed to what the libraries take.

use crate::flags::{self, Bounds, Ending, SocketFlags};
use crate::problem::{Kind, Problem};
use enchufe_talk::Endpoint;
use enchufe_talk::address::AddressError;
pub use enchufe_talk::address::parse_time;
use enchufe_talk::connect::Family;
use enchufe_talk::options::{NAMES, OptionError, SocketOption};
use enchufe_talk::services::LineEnding;
use std::time::Duration;

/// Bytes that one `recv` may ask for.
const READ_SIZES: std::ops::RangeInclusive<usize> = 1..=16 * 1024 * 1024;

/// The flags of every command.
#[derive(Clone, Copy, Debug)]
pub struct Common {
    pub quiet: bool,
    pub verbose: bool,
}

impl Common {
    pub fn new(flags: &flags::Common) -> Result<Self, Problem> {
        if let Some(language) = &flags.lang {
            choice("--lang", language, &["es", "en"])?;
        }
        if let Some(color) = &flags.color {
            crate::style::set(choice("--color", color, &["auto", "always", "never"])?);
        }
        Ok(Self { quiet: flags.quiet, verbose: flags.verbose })
    }
}

/// The limits of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    pub first_byte: Option<Duration>,
    pub idle: Option<Duration>,
    pub deadline: Option<Duration>,
    pub read_size: Option<usize>,
}

impl Times {
    pub fn new(flags: &Bounds) -> Result<Self, Problem> {
        let read_size = match &flags.read_size {
            Some(text) => Some(number("--read-size", text, READ_SIZES)?),
            None => None,
        };
        Ok(Self {
            first_byte: limit("--first-byte", flags.first_byte.as_deref())?,
            idle: limit("--idle", flags.idle.as_deref())?,
            deadline: limit("--deadline", flags.deadline.as_deref())?,
            read_size,
        })
    }
}

/// One of a few words.
pub fn choice<'a>(flag: &'static str, word: &str, choices: &[&'a str]) -> Result<&'a str, Problem> {
    choices.iter().copied().find(|choice| *choice == word).ok_or_else(|| {
        Problem::new(Kind::BadChoice)
            .with("flag", flag)
            .with("word", crate::text::escape(word.as_bytes()))
            .with("choices", choices.join(", "))
    })
}

/// A time, if one was given.
pub fn time(flag: &'static str, text: Option<&str>) -> Result<Option<Duration>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let bad =
        || Problem::new(Kind::BadTime).with("flag", flag).with("word", crate::text::escape(text.as_bytes()));
    parse_time(text).map(Some).ok_or_else(bad)
}

/// A time that bounds something: zero would leave no room for anything.
pub fn limit(flag: &'static str, text: Option<&str>) -> Result<Option<Duration>, Problem> {
    match (time(flag, text)?, text) {
        (Some(Duration::ZERO), Some(_)) => Err(Problem::new(Kind::ZeroTime).with("flag", flag)),
        (time, _) => Ok(time),
    }
}

/// A number within bounds.
pub fn number<N: std::str::FromStr + PartialOrd + std::fmt::Display>(
    flag: &'static str,
    text: &str,
    range: std::ops::RangeInclusive<N>,
) -> Result<N, Problem> {
    text.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
        Problem::new(Kind::BadNumber)
            .with("flag", flag)
            .with("word", crate::text::escape(text.as_bytes()))
            .with("least", range.start())
            .with("most", range.end())
    })
}

/// A number of bytes, as `64KiB`, `10MB` or `1GiB`. More than 64 bits hold is as many as they do.
pub fn size(flag: &'static str, text: &str) -> Result<u64, Problem> {
    const UNITS: [(&str, u64); 8] = [
        ("", 1),
        ("B", 1),
        ("kB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
    ];
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).unwrap_or((text, ""));
    let unit = UNITS.iter().find(|(name, _)| *name == unit.trim_start()).map(|(_, bytes)| *bytes);
    // Digits alone that are no number are too many.
    let number = (digits > 0).then(|| number.parse().unwrap_or(u64::MAX));
    number.zip(unit).map(|(number, unit)| number.saturating_mul(unit)).ok_or_else(|| {
        Problem::new(Kind::BadSize).with("flag", flag).with("word", crate::text::escape(text.as_bytes()))
    })
}

/// Where to connect.
pub fn target(text: &str) -> Result<Endpoint, Problem> {
    endpoint("", text)
}

/// Where to listen.
pub fn listener(flag: &'static str, text: &str) -> Result<Endpoint, Problem> {
    endpoint(&format!("{flag}: "), text)
}

/// `of` is what it is typed behind.
fn endpoint(of: &str, text: &str) -> Result<Endpoint, Problem> {
    text.parse().map_err(|error| {
        let (kind, word) = match error {
            AddressError::NoPort(word) => (Kind::NoPort, word),
            AddressError::BadPort(word) => (Kind::BadPort, word),
            AddressError::BadHost(word) => (Kind::BadHost, word),
            AddressError::Brackets(word) => (Kind::Brackets, word),
        };
        Problem::new(kind).with("of", of).with("word", crate::text::escape(word.as_bytes()))
    })
}

impl From<&SocketFlags> for Family {
    fn from(flags: &SocketFlags) -> Self {
        match (flags.ipv4, flags.ipv6) {
            (true, _) => Self::V4,
            (_, true) => Self::V6,
            _ => Self::Any,
        }
    }
}

/// `--socket nodelay,keepalive=30s`
pub fn socket_options(flags: &SocketFlags) -> Result<Vec<SocketOption>, Problem> {
    let parse = |word: &String| {
        word.parse().map_err(|error| match error {
            OptionError::Unknown(name) => Problem::new(Kind::BadOption)
                .with("word", crate::text::escape(name.as_bytes()))
                .with("choices", NAMES.join(", ")),
            OptionError::Value(name, value) => Problem::new(Kind::BadOptionValue)
                .with("option", name)
                .with("word", crate::text::escape(value.as_bytes())),
        })
    };
    flags.socket.iter().map(parse).collect()
}

impl From<Ending> for LineEnding {
    fn from(flags: Ending) -> Self {
        match (flags.newline, flags.crlf) {
            (true, _) => Self::Newline,
            (_, true) => Self::CrLf,
            _ => Self::None,
        }
    }
}
