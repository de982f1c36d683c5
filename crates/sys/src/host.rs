//! What enchufe needs of a system and neither std nor socket2 has: the portable face of this crate.
//!
//! The types are here; the rest is in one file for each system, picked below and nowhere else: Linux, and
//! Windows. Another system brings these names with these meanings, or answers `None`:
//!
//! * threads: [`start_thread`];
//! * waiting: [`wait`] on [`Watch`]es of any [`AsHandle`], a [`Bell`] for other threads, [`StopSignals`];
//! * TCP: [`start_sockets`], [`reuse_address`], [`accept`], [`receive`], [`send`], [`half_close`],
//!   [`set_option`], [`keep_alive_time`], [`LONGEST_LINGER`], what went wrong with a
//!   connection ([`take_error`]), and how far the peer has acknowledged ([`delivery`]);
//! * the machine's sockets: who is in the way of a `bind` ([`port_use`], [`denial`]), who waits to be accepted
//!   ([`queued_peers`], [`queue_length`]) and how many may ([`queue_limit`]), whether a peer on this machine closed ([`peer_is_open`]);
//! * limits: [`descriptor_limit`], [`raise_descriptor_limit`], [`fail_past_file_size`]; memory: [`give_back_early`];
//! * the terminal: [`prepare_terminals`], what ends a typed line ([`TYPED_END`]), as it was
//!   ([`TerminalMode`]), [`redraw`]; programs that end with us: [`end_with_us`];
//! * what an error means ([`accept_fault`], [`is_in_progress`], [`is_family_missing`], [`is_name_unknown`]), and what
//!   a call is called here ([`call_name`]); how a word is typed to a shell ([`quote`]).

use std::io;
use std::time::Duration;

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
pub mod kernel;
#[cfg(target_os = "linux")]
#[path = "host/linux.rs"]
mod system;

#[cfg(windows)]
#[path = "windows.rs"]
pub mod kernel;
#[cfg(windows)]
#[path = "host/windows.rs"]
mod system;

mod calls;

pub use calls::{accept, half_close, send, set_option, start_thread};
pub use system::{
    AsHandle, Bell, LONGEST_LINGER, StopSignals, TYPED_END, TerminalMode, Watch, accept_fault, call_name,
    delivery, denial, descriptor_limit, end_with_us, fail_past_file_size, give_back_early, is_family_missing,
    is_in_progress, is_name_unknown, keep_alive_time, peer_is_open, port_use, prepare_terminals,
    queue_length, queue_limit, queued_peers, quote, raise_descriptor_limit, receive, redraw, reuse_address,
    start_sockets, take_error, wait,
};

/// What to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Interest {
    /// Until there is something to read, or the end of the stream.
    pub read: bool,
    /// Until there is room to write.
    pub write: bool,
}

impl Interest {
    /// Nothing but failure, which is always told.
    pub const NONE: Self = Self { read: false, write: false };
    /// To read.
    pub const READ: Self = Self { read: true, write: false };
    /// To write.
    pub const WRITE: Self = Self { read: false, write: true };
    /// Either.
    pub const BOTH: Self = Self { read: true, write: true };
}

/// What a wait found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Ready {
    /// A read would not block: there are bytes, or the end of the stream. Only told when asked for.
    pub read: bool,
    /// A write would not block. Only told when asked for.
    pub write: bool,
    /// An error is pending, or both directions are over. Told also when not asked for; it stays, so that
    /// who goes on waiting without taking the error or dropping the watch spins.
    pub failed: bool,
}

impl Ready {
    /// Whether anything was found.
    pub fn any(self) -> bool {
        self.read || self.write || self.failed
    }
}

/// What a failed `accept` means for the listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptFault {
    /// Nobody was there after all, or the peer is gone already: go on.
    Nobody,
    /// No descriptors: who waits stays in the queue.
    Descriptors,
    /// No memory for sockets: who waits stays in the queue.
    Memory,
    /// The listener is of no use any more.
    Fatal,
}

/// Why the permission to `bind` a port is denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// Only a privileged user may have it.
    Privileged,
    /// Somebody has it for itself alone (see [`port_use`]), or the system keeps it: nobody may have it (Windows).
    Taken,
    /// The port is not why.
    Other,
}

/// How far the peer's TCP has acknowledged what was written.
///
/// Its TCP, not its program: what is acknowledged is in the peer's machine, and may yet go unread.
#[derive(Debug)]
pub enum Delivery {
    /// Something is not acknowledged yet, or our FIN was not written.
    Waiting {
        /// The bytes written that the peer has not acknowledged. Our FIN does not count.
        unacknowledged: u64,
    },
    /// The peer has acknowledged every byte and our FIN, and the connection was not reset as far as is
    /// known.
    Acknowledged,
    /// The connection is gone, reset or timed out; what was not acknowledged before is unknown. The error
    /// is the cause, or [`io::ErrorKind::NotConnected`] where an earlier call has taken it.
    Lost(io::Error),
    /// The connection is there, and the system does not tell what was acknowledged (Windows).
    Unknown,
}

/// A process, as far as this user may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its name, on Linux at most 15 bytes of it.
    pub name: String,
}

/// What is in the way of binding an address. The owner is `None` where no process has the socket any more
/// or yet, and where this user may not see which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortUse {
    /// A socket that listens there.
    Listening {
        /// Who has it.
        owner: Option<Process>,
    },
    /// A socket bound there that neither listens nor is connected. Seen on Linux since 6.8.
    Bound {
        /// Who has it.
        owner: Option<Process>,
    },
    /// A connection with that local address.
    Connected {
        /// Who has it.
        owner: Option<Process>,
    },
    /// Connections that this side ended first, kept by the kernel for late segments.
    TimeWait {
        /// Until the last of them is gone.
        left: Duration,
    },
}

#[cfg(test)]
mod tests;
