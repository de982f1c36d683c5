//! Waits that end: with what is waited for, or with why it will not come.

use super::{GUARD, again};
use socket2::SockRef;
use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(1);

/// Looks until this is there. It will not come any more where whoever is to bring it is gone, and after [`GUARD`].
pub fn look_for<T>(
    mut is_gone: impl FnMut() -> bool,
    mut look: impl FnMut() -> Option<T>,
) -> Result<T, &'static str> {
    let begun = Instant::now();
    loop {
        // Known before the look: what was brought last is found by it.
        let problem = if is_gone() {
            Some("the program has ended")
        } else if begun.elapsed() >= GUARD {
            Some("what is waited for does not come")
        } else {
            None
        };
        match (look(), problem) {
            (Some(found), _) => return Ok(found),
            (None, Some(problem)) => return Err(problem),
            (None, None) => thread::sleep(PAUSE),
        }
    }
}

/// How a program ends.
#[track_caller]
pub fn end_of(child: &mut Child) -> ExitStatus {
    look_for(|| false, || child.try_wait().unwrap()).expect("the program ends")
}

/// Who has come by now, if anybody.
pub fn arrival(listener: &TcpListener) -> Option<TcpStream> {
    // A listener has the limit of reading (socket(7)), and who comes has it from its listener.
    SockRef::from(listener).set_read_timeout(Some(PAUSE)).unwrap();
    match again(|| listener.accept()) {
        Ok((stream, _)) => Some(stream),
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        Err(error) => panic!("{error}"),
    }
}
