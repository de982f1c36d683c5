//! Where a client's bytes come from. A thread reads, so that nothing else waits for a terminal or a
//! pipe; it reads only when asked, so that a slow peer holds it back.

use enchufe_sys::host::Bell;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

/// Bytes read from a file or pipe at a time.
const PIECE: usize = 64 * 1024;

/// The next of the input.
#[derive(Debug)]
pub enum Piece {
    /// Bytes to send.
    Bytes(Vec<u8>),
    /// There are no more.
    End,
    /// Whoever types wants to stop at once (Ctrl-C at a prompt).
    Interrupted,
    /// It cannot be read further.
    Failed(io::Error),
}

/// When the next piece is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As soon as the one before is with the kernel.
    Stream,
    /// When the answer to the one before has come and nothing more comes for this long.
    Conversation(Duration),
}

/// A client's input.
#[derive(Debug)]
pub struct Input {
    pub(super) pace: Pace,
    pub(super) bell: Arc<Bell>,
    /// Asks the thread for the next piece; a message has none.
    requests: Option<Sender<()>>,
    pieces: Receiver<Piece>,
}

impl Input {
    /// One message.
    pub fn message(message: Vec<u8>) -> io::Result<Self> {
        let (sender, pieces) = mpsc::channel();
        for piece in [Piece::Bytes(message), Piece::End] {
            // The receiver is below: it cannot be gone.
            let _ = sender.send(piece);
        }
        Ok(Self { pace: Pace::Stream, bell: Arc::new(Bell::new()?), requests: None, pieces })
    }

    /// All that `reader` gives.
    pub fn reader(mut reader: impl Read + Send + 'static) -> io::Result<Self> {
        Self::pieces(Pace::Stream, move || {
            let mut piece = vec![0; PIECE];
            loop {
                match reader.read(&mut piece) {
                    Ok(0) => return Piece::End,
                    Ok(count) => {
                        piece.truncate(count);
                        return Piece::Bytes(piece);
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Piece::Failed(error),
                }
            }
        })
    }

    /// What `next` gives, called in a thread of its own.
    pub fn pieces(pace: Pace, mut next: impl FnMut() -> Piece + Send + 'static) -> io::Result<Self> {
        let bell = Arc::new(Bell::new()?);
        let (requests, requested) = mpsc::channel::<()>();
        let (sender, pieces) = mpsc::channel();
        let ringer = Arc::clone(&bell);
        std::thread::Builder::new().spawn(move || {
            while requested.recv().is_ok() {
                let piece = next();
                let last = !matches!(piece, Piece::Bytes(_));
                if sender.send(piece).is_err() || last {
                    ringer.ring();
                    return;
                }
                ringer.ring();
            }
        })?;
        Ok(Self { pace, bell, requests: Some(requests), pieces })
    }

    pub(super) fn request(&self) {
        match &self.requests {
            // A thread that has ended has sent its last piece, which is still to be taken.
            Some(requests) => drop(requests.send(())),
            None => self.bell.ring(),
        }
    }

    pub(super) fn take(&self) -> Option<Piece> {
        self.bell.silence();
        self.pieces.try_recv().ok()
    }
}
