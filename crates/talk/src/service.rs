//! What a server answers, free of I/O: the contract between a service and whichever engine runs it.
//!
//! An engine tells a connection's [`Event`]s in the order in which they happen and carries out the
//! [`Actions`] in the order in which they were given. It owns descriptors, buffers, clocks and
//! bounds; a service owns nothing but its state.
//!
//! ```
//! use enchufe_talk::{Actions, Event, Service};
//!
//! /// Answers every piece with its length.
//! struct Length;
//!
//! impl Service for Length {
//!     type State = ();
//!     fn event(&self, _state: &mut (), event: Event<'_>, actions: &mut Actions) {
//!         match event {
//!             Event::Bytes(bytes) => actions.answer(format!("{}\n", bytes.len()).into_bytes()),
//!             Event::PeerEnded => actions.close(),
//!             _ => {}
//!         }
//!     }
//! }
//! ```

use std::borrow::Cow;
use std::ops::Range;
use std::time::{Duration, SystemTime};

/// A TCP service. One value serves all connections, from several threads.
pub trait Service: Sync {
    /// What is remembered for one connection.
    type State: Default + Send;

    /// Whether it ever asks the operator ([`Actions::ask`]).
    const ASKS: bool = false;

    /// Something happened on a connection; `actions` says what to do about it.
    fn event(&self, state: &mut Self::State, event: Event<'_>, actions: &mut Actions);

    /// Whether, from now on and until the peer's end, all that comes is to be sent back, byte for byte, and nothing else. The engine does that by
    /// itself then, or has the kernel do it where nobody is told of the bytes: there is no [`Event::Bytes`] and no [`Event::Writable`].
    fn returns_all(&self, _state: &Self::State) -> bool {
        false
    }
}

/// What happens on a connection.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// The connection is made, at this time of day.
    Opened(SystemTime),
    /// These bytes came: as many as one read gave, which says nothing about what the peer wrote.
    Bytes(&'a [u8]),
    /// All output has been handed to the kernel: there is room for more.
    Writable,
    /// The peer's FIN: no more bytes will come. It may still be reading.
    PeerEnded,
    /// The time asked for with [`Actions::timer`] is over.
    Timer,
    /// The operator's answer as it was typed, without its line ending.
    Answer(&'a [u8]),
}

/// What a service wants done, in order. Nothing is done after [`Actions::close`].
#[derive(Debug, Default)]
pub struct Actions {
    pub(crate) list: Vec<Action>,
}

#[derive(Debug)]
pub(crate) enum Action {
    SendReceived(Range<usize>),
    Send { bytes: Cow<'static, [u8]>, told: bool },
    PauseReading,
    ResumeReading,
    HalfClose,
    Close,
    Timer(Duration),
    CancelTimer,
    Ask(Vec<u8>),
}

impl Actions {
    /// Sends this range of the bytes of the present [`Event::Bytes`], without copying them: the
    /// engine's buffer stays lent until they are sent. A range outside of them is cut to them.
    pub fn send_received(&mut self, range: Range<usize>) {
        self.list.push(Action::SendReceived(range));
    }

    /// Sends bytes that are an answer: the reporter hears of it once the kernel has them all.
    pub fn answer(&mut self, bytes: impl Into<Cow<'static, [u8]>>) {
        self.list.push(Action::Send { bytes: bytes.into(), told: true });
    }

    /// Sends bytes without telling (a stream without end).
    pub fn send(&mut self, bytes: impl Into<Cow<'static, [u8]>>) {
        self.list.push(Action::Send { bytes: bytes.into(), told: false });
    }

    /// Leaves what comes in the kernel, so that the peer is held back. Its end is not seen either.
    pub fn pause_reading(&mut self) {
        self.list.push(Action::PauseReading);
    }

    /// Reads again.
    pub fn resume_reading(&mut self) {
        self.list.push(Action::ResumeReading);
    }

    /// Sends FIN after the output and goes on reading.
    pub fn half_close(&mut self) {
        self.list.push(Action::HalfClose);
    }

    /// Ends the connection after the output, in good order: FIN, then what the peer still sends is
    /// read and thrown away until its own FIN, for a bounded time. (To close with unread bytes
    /// would send RST, and RST may destroy the answer on its way: RFC 2525 §2.17.)
    pub fn close(&mut self) {
        self.list.push(Action::Close);
    }

    /// Asks for one [`Event::Timer`] after this time; replaces the one asked for before.
    pub fn timer(&mut self, after: Duration) {
        self.list.push(Action::Timer(after));
    }

    /// No [`Event::Timer`] after all.
    pub fn cancel_timer(&mut self) {
        self.list.push(Action::CancelTimer);
    }

    /// Puts a question to the operator; the answer comes as [`Event::Answer`] when it is this
    /// connection's turn. Only for a service with [`Service::ASKS`]. One at a time: another one
    /// before the answer is dropped.
    pub fn ask(&mut self, question: impl Into<Vec<u8>>) {
        self.list.push(Action::Ask(question.into()));
    }
}
