//! The trace's side: who asks to join, and what it is told.

use super::message::{DESCRIPTORS, Fault, Refusal, Request, Said, signal};
use super::place;
use enchufe_story::fact::Status;
use enchufe_sys::unix;
use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

/// The most guests at once; who comes past them is turned away.
const MOST: usize = 16;
/// How much is read at once.
const PIECE: usize = 16 << 10;

/// Where programs come in that join a trace. Nothing here waits.
#[derive(Debug)]
pub struct Door {
    listener: UnixListener,
    path: PathBuf,
    user: u32,
    guests: Vec<Visit>,
    last: u64,
}

/// One who knocked.
#[derive(Debug)]
struct Visit {
    number: u64,
    stream: UnixStream,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Its request is not whole yet.
    Asking(Vec<u8>, Vec<OwnedFd>),
    /// It was asked for a program; the number of that, once it is launched.
    Waiting(Option<u32>),
}

/// What came through the door.
#[derive(Debug)]
pub enum News {
    /// Somebody asks for a program.
    Asks(u64, Request, [OwnedFd; DESCRIPTORS]),
    /// A signal for the program.
    Signals(u32, i32),
    /// The guest of this program is gone.
    Gone(u32),
}

impl Door {
    /// Opens it. Fails where the user has no folder that is closed to others.
    pub fn open() -> io::Result<Self> {
        let (listener, path) = place::open()?;
        let door = Self { listener, path, user: unix::user(), guests: Vec::new(), last: 0 };
        door.listener.set_nonblocking(true)?;
        Ok(door)
    }

    /// What to wait on: readable when there is something to take.
    pub fn handles(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        [self.listener.as_fd()].into_iter().chain(self.guests.iter().map(|guest| guest.stream.as_fd()))
    }

    /// Takes what has come.
    pub(in crate::trace) fn take(&mut self) -> Vec<News> {
        let mut news = Vec::new();
        self.guests.retain_mut(|guest| guest.take(&mut news));
        // After those who are gone have left their places. What these want is ready the next time.
        while let Ok((stream, _)) = self.listener.accept() {
            self.receive(stream);
        }
        news
    }

    fn receive(&mut self, stream: UnixStream) {
        let is_ours = unix::peer(&stream).is_ok_and(|peer| peer.user == self.user);
        if !is_ours || stream.set_nonblocking(true).is_err() {
            return;
        }
        self.last += 1;
        let stage = Stage::Asking(Vec::new(), Vec::new());
        let mut guest = Visit { number: self.last, stream, stage };
        if self.guests.len() < MOST {
            self.guests.push(guest);
        } else {
            guest.say(Said::Refused(Refusal::Full));
        }
    }

    /// The program of this guest was launched.
    pub(in crate::trace) fn launched(&mut self, number: u64, program: u32) {
        if let Some(guest) = self.guests.iter_mut().find(|guest| guest.number == number) {
            guest.stage = Stage::Waiting(Some(program));
        }
    }

    /// This guest is turned away.
    pub(in crate::trace) fn refuse(&mut self, number: u64, refusal: Refusal) {
        self.leave(|guest| guest.number == number, Said::Refused(refusal));
    }

    /// The program of a guest could not be executed.
    pub(in crate::trace) fn failed(&mut self, program: u32, errno: i32) {
        self.leave(|guest| guest.program() == Some(program), Said::Refused(Refusal::Program(errno)));
    }

    /// The program of a guest has ended.
    pub(in crate::trace) fn ended(&mut self, program: u32, status: Status) {
        self.leave(|guest| guest.program() == Some(program), Said::Ended(status));
    }

    /// The trace asks all to end.
    pub(in crate::trace) fn ends(&mut self) {
        self.guests.iter_mut().for_each(|guest| guest.say(Said::Ends));
    }

    /// The programs whose guests wait for them.
    pub(in crate::trace) fn programs(&self) -> Vec<u32> {
        self.guests.iter().filter_map(Visit::program).collect()
    }

    fn leave(&mut self, is_it: impl Fn(&Visit) -> bool, said: Said) {
        if let Some(place) = self.guests.iter().position(is_it) {
            self.guests.remove(place).say(said);
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // Who looks for it finds that nobody is there, if it stays.
        let _ = fs::remove_file(&self.path);
    }
}

impl Visit {
    const fn program(&self) -> Option<u32> {
        match self.stage {
            Stage::Waiting(program) => program,
            Stage::Asking(..) => None,
        }
    }

    /// One that does not read its answers does not get them: there are two at most.
    fn say(&mut self, said: Said) {
        let _ = (&self.stream).write_all(&said.encode());
    }

    /// Takes what has come; tells whether it stays.
    fn take(&mut self, news: &mut Vec<News>) -> bool {
        let mut piece = [0; PIECE];
        let mut descriptors = Vec::new();
        let (came, ends) = match unix::receive(&self.stream, &mut piece, &mut descriptors) {
            Ok(0) => (&[][..], true),
            Ok(count) => (piece.get(..count).unwrap_or_default(), false),
            Err(error) => (&[][..], error.kind() != io::ErrorKind::WouldBlock),
        };
        match &mut self.stage {
            Stage::Waiting(program) => {
                let Some(program) = *program else { return !ends };
                news.extend(came.iter().filter_map(|letter| Some(News::Signals(program, signal(*letter)?))));
                if ends {
                    news.push(News::Gone(program));
                }
                !ends
            }
            Stage::Asking(request, all) => {
                request.extend_from_slice(came);
                all.extend(descriptors);
                let read =
                    if all.len() > DESCRIPTORS { Err(Fault::Broken) } else { Request::decode(request) };
                match read {
                    Ok(None) => !ends,
                    Ok(Some(request)) => {
                        let Ok(all) = <[OwnedFd; DESCRIPTORS]>::try_from(std::mem::take(all)) else {
                            return false;
                        };
                        self.stage = Stage::Waiting(None);
                        news.push(News::Asks(self.number, request, all));
                        true
                    }
                    Err(fault) => {
                        if fault == Fault::Unknown {
                            self.say(Said::Refused(Refusal::Unknown));
                        }
                        false
                    }
                }
            }
        }
    }
}
