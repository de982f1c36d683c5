//! The side of who joins.

use super::message::{ANSWER, Refusal, Request, Said, TooLong, letter};
use super::place::Running;
use enchufe_story::fact::Status;
use enchufe_sys::unix;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

/// Who has asked a trace to run a program, and waits for its end.
#[derive(Debug)]
pub struct Guest(UnixStream);

/// What a trace answers.
#[derive(Debug)]
pub enum Answer {
    /// It is of another version of this program.
    OtherVersion,
    /// Too many have joined it.
    Full,
    /// It is about to end.
    Ending,
    /// The program could not be executed.
    Refused(io::Error),
    /// It ends, and has asked the program to end.
    Ends,
    /// The program has ended.
    Ended(Status),
    /// It is gone without another word, and the program with it.
    Gone,
}

impl Guest {
    /// Asks for a program, which reads and prints on the first three descriptors and begins in the folder that is the fourth.
    ///
    /// Fails with `ArgumentListTooLong` (`E2BIG`) where the request is longer than a trace takes.
    pub fn ask(trace: Running, request: &Request, descriptors: [BorrowedFd<'_>; 4]) -> io::Result<Self> {
        let stream = trace.stream;
        let request = request.encode().map_err(|TooLong| io::ErrorKind::ArgumentListTooLong)?;
        let sent = unix::send(&stream, &request, &descriptors);
        let sent = sent.and_then(|sent| (&stream).write_all(request.get(sent..).unwrap_or_default()));
        match sent {
            // One that turns us away may not read all; it has said why.
            Err(error) if !is_gone(&error) => Err(error),
            _ => Ok(Self(stream)),
        }
    }

    /// Hands a signal on to the program: `SIGINT` or `SIGTERM`, others are not.
    pub fn signal(&self, signal: i32) {
        // A trace that is gone needs none.
        let _ = letter(signal).map(|letter| (&self.0).write_all(&[letter]));
    }

    /// What it is told next; waits for that.
    pub fn answer(&self) -> io::Result<Answer> {
        let mut bytes = [0; ANSWER];
        match (&self.0).read_exact(&mut bytes) {
            Err(error) if is_gone(&error) => return Ok(Answer::Gone),
            read => read?,
        }
        Ok(match Said::decode(bytes)? {
            Said::Refused(Refusal::Unknown) => Answer::OtherVersion,
            Said::Refused(Refusal::Full) => Answer::Full,
            Said::Refused(Refusal::Ending) => Answer::Ending,
            Said::Refused(Refusal::Program(errno)) => Answer::Refused(io::Error::from_raw_os_error(errno)),
            Said::Ends => Answer::Ends,
            Said::Ended(status) => Answer::Ended(status),
        })
    }
}

fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | ConnectionReset | BrokenPipe)
}

impl AsFd for Guest {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
