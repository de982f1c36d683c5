//! What goes through the socket: one request from the guest, then single letters; answers of one size to it.

use enchufe_story::fact::Status;
use std::fmt;
use std::io;

/// What a request begins with. Another version has another.
const BEGINNING: &[u8] = b"enchufe join 1\n";
/// The beginning, and the length of what comes after it.
const HEADER: usize = BEGINNING.len() + 4;
/// The longest request: twice what Linux takes for words and environment together with the usual limit of the stack (execve(2)).
const LONGEST: usize = 4 << 20;
/// Standard input, output and error, and the folder.
pub const DESCRIPTORS: usize = 4;
/// An answer's letter, kind and number.
pub const ANSWER: usize = 6;

/// What a guest asks to be run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The file, by its whole path.
    pub file: Vec<u8>,
    /// Its words, the name by which it is called among them.
    pub command: Vec<Vec<u8>>,
    /// Its environment, `NAME=VALUE`.
    pub environment: Vec<Vec<u8>>,
}

/// A request that is longer than can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "the command and its environment have more than {LONGEST} bytes")
    }
}

impl std::error::Error for TooLong {}

/// What is wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is of another version, or none at all.
    Unknown,
    /// It does not keep to its own lengths, or has something that cannot be run.
    Broken,
}

impl Request {
    /// As bytes.
    pub fn encode(&self) -> Result<Vec<u8>, TooLong> {
        let mut out = BEGINNING.to_vec();
        out.extend([0; 4]);
        word(&mut out, &self.file)?;
        for list in [&self.command, &self.environment] {
            out.extend(length(list.len())?);
            list.iter().try_for_each(|item| word(&mut out, item))?;
        }
        let long = out.len() - HEADER;
        let said = length(long).ok().filter(|_| long <= LONGEST).ok_or(TooLong)?;
        out.splice(BEGINNING.len()..HEADER, said);
        Ok(out)
    }

    /// Reads one from what has come so far; none while it is not whole.
    pub fn decode(bytes: &[u8]) -> Result<Option<Self>, Fault> {
        let begun = bytes.get(..BEGINNING.len()).unwrap_or(bytes);
        if !BEGINNING.starts_with(begun) {
            return Err(Fault::Unknown);
        }
        let Some(mut rest) = bytes.get(BEGINNING.len()..) else { return Ok(None) };
        let Ok(long) = number(&mut rest) else { return Ok(None) };
        if long > LONGEST || rest.len() > long {
            return Err(Fault::Broken);
        }
        if rest.len() < long {
            return Ok(None);
        }
        let request =
            Self { file: text(&mut rest)?, command: list(&mut rest)?, environment: list(&mut rest)? };
        let is_whole = rest.is_empty() && request.file.first() == Some(&b'/') && !request.command.is_empty();
        if is_whole { Ok(Some(request)) } else { Err(Fault::Broken) }
    }
}

fn length(length: usize) -> Result<[u8; 4], TooLong> {
    u32::try_from(length).map(u32::to_le_bytes).map_err(|_| TooLong)
}

fn word(out: &mut Vec<u8>, word: &[u8]) -> Result<(), TooLong> {
    out.extend(length(word.len())?);
    out.extend_from_slice(word);
    Ok(())
}

fn number(bytes: &mut &[u8]) -> Result<usize, Fault> {
    let (first, rest) = bytes.split_first_chunk::<4>().ok_or(Fault::Broken)?;
    *bytes = rest;
    usize::try_from(u32::from_le_bytes(*first)).map_err(|_| Fault::Broken)
}

/// A text that the kernel can be given: without a zero in it.
fn text(bytes: &mut &[u8]) -> Result<Vec<u8>, Fault> {
    let length = number(bytes)?;
    let (text, rest) = bytes.split_at_checked(length).ok_or(Fault::Broken)?;
    *bytes = rest;
    if text.contains(&0) { Err(Fault::Broken) } else { Ok(text.to_vec()) }
}

/// Each has its length before it, so there are no more of them than a fourth of the bytes.
fn list(bytes: &mut &[u8]) -> Result<Vec<Vec<u8>>, Fault> {
    let count = number(bytes)?;
    (0..count).map(|_| text(bytes)).collect()
}

/// Why a guest is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It speaks another version.
    Unknown,
    /// There are too many.
    Full,
    /// The trace is about to end.
    Ending,
    /// The program could not be executed, with this `errno`.
    Program(i32),
}

/// What a trace tells a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// It is turned away.
    Refused(Refusal),
    /// The trace ends, and asks the program to end, too.
    Ends,
    /// The program has ended.
    Ended(Status),
}

impl Said {
    /// As bytes.
    pub fn encode(self) -> [u8; ANSWER] {
        let (letter, kind, number) = match self {
            Self::Refused(Refusal::Unknown) => (b'R', 0, 0),
            Self::Refused(Refusal::Full) => (b'R', 1, 0),
            Self::Refused(Refusal::Ending) => (b'R', 2, 0),
            Self::Refused(Refusal::Program(errno)) => (b'R', 3, errno),
            Self::Ends => (b'Q', 0, 0),
            Self::Ended(Status::Exited(status)) => (b'E', 0, status),
            Self::Ended(Status::Killed(signal)) => (b'E', 1, signal),
        };
        let [a, b, c, d] = number.to_le_bytes();
        [letter, kind, a, b, c, d]
    }

    /// Reads one; an answer that is not known is none.
    pub fn decode(bytes: [u8; ANSWER]) -> io::Result<Self> {
        let [letter, kind, a, b, c, d] = bytes;
        let number = i32::from_le_bytes([a, b, c, d]);
        Ok(match (letter, kind) {
            (b'R', 0) => Self::Refused(Refusal::Unknown),
            (b'R', 1) => Self::Refused(Refusal::Full),
            (b'R', 2) => Self::Refused(Refusal::Ending),
            (b'R', 3) => Self::Refused(Refusal::Program(number)),
            (b'Q', 0) => Self::Ends,
            (b'E', 0) => Self::Ended(Status::Exited(number)),
            (b'E', 1) => Self::Ended(Status::Killed(number)),
            _ => return Err(io::ErrorKind::InvalidData.into()),
        })
    }
}

/// The letter by which a guest hands a signal on.
pub const fn letter(signal: i32) -> Option<u8> {
    match signal {
        libc::SIGINT => Some(b'I'),
        libc::SIGTERM => Some(b'T'),
        _ => None,
    }
}

/// The signal of a letter.
pub const fn signal(letter: u8) -> Option<i32> {
    match letter {
        b'I' => Some(libc::SIGINT),
        b'T' => Some(libc::SIGTERM),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn request() -> Request {
        Request {
            file: b"/bin/echo".to_vec(),
            command: vec![b"echo".to_vec(), Vec::new(), "añ".into()],
            environment: vec![b"A=b".to_vec()],
        }
    }

    #[test]
    fn a_request_is_read_when_it_is_whole_and_not_before() {
        let bytes = request().encode().unwrap();
        for cut in 0..bytes.len() {
            assert_eq!(Request::decode(&bytes[..cut]), Ok(None), "{cut}");
        }
        assert_eq!(Request::decode(&bytes), Ok(Some(request())));
        assert_eq!(Request::decode(&[&bytes[..], b"x"].concat()), Err(Fault::Broken));
    }

    #[test]
    fn what_cannot_be_run_is_broken() {
        let file = Request { file: b"echo".to_vec(), ..request() };
        let command = Request { command: Vec::new(), ..request() };
        let zero = Request { environment: vec![b"A=\0".to_vec()], ..request() };
        for request in [file, command, zero] {
            assert_eq!(Request::decode(&request.encode().unwrap()), Err(Fault::Broken), "{request:?}");
        }
        let long = Request { environment: vec![vec![b'x'; LONGEST]], ..request() };
        assert_eq!(long.encode(), Err(TooLong));
    }

    #[test]
    fn what_is_something_else_is_known_at_its_first_byte() {
        assert_eq!(Request::decode(b"GET / HTTP/1.1"), Err(Fault::Unknown));
        assert_eq!(Request::decode(b"enchufe join 2\n"), Err(Fault::Unknown));
    }

    #[test]
    fn every_answer_is_read_as_it_was_written() {
        let refusals = [Refusal::Unknown, Refusal::Full, Refusal::Ending, Refusal::Program(2)];
        let statuses = [Status::Exited(255), Status::Killed(9)].map(Said::Ended);
        for said in refusals.map(Said::Refused).into_iter().chain(statuses).chain([Said::Ends]) {
            assert_eq!(Said::decode(said.encode()).unwrap(), said);
        }
        assert!(Said::decode(*b"nothin").is_err());
        assert_eq!(
            [libc::SIGINT, libc::SIGTERM].map(|one| signal(letter(one).unwrap())),
            [Some(2), Some(15)]
        );
    }

    proptest! {
        #[test]
        fn nothing_that_comes_can_panic(tail in proptest::collection::vec(any::<u8>(), 0..200), at in 0..60_usize) {
            let mut bytes = request().encode().unwrap();
            bytes.truncate(at);
            bytes.extend(&tail);
            let _ = Request::decode(&bytes);
        }
    }
}
