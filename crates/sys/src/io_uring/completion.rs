//! What operations have come to.

use super::{Piece, Slot, mask};
use std::io;

/// What came of an operation.
#[derive(Clone, Copy, Debug)]
pub struct Completion {
    /// As it was given with the operation, without its two highest bits.
    pub token: u64,
    /// As the kernel says it: an error's number is below zero.
    pub(super) outcome: i32,
    /// What a receive has brought; to be given back.
    pub piece: Option<Piece>,
    /// The operation has more to tell.
    pub goes_on: bool,
}

impl Completion {
    /// What the call of the same name gives.
    pub fn result(&self) -> io::Result<u32> {
        u32::try_from(self.outcome).map_err(|_| io::Error::from_raw_os_error(self.outcome.wrapping_neg()))
    }

    /// The same, and zero for an error.
    pub fn count(&self) -> u32 {
        u32::try_from(self.outcome).unwrap_or_default()
    }

    /// Whether it gives an error.
    pub const fn has_failed(&self) -> bool {
        self.outcome < 0
    }

    /// Of a watch: whether an error is pending ([`Ring::error`](super::Ring::error)).
    pub fn has_error(&self) -> bool {
        self.count() & mask(libc::POLLERR) != 0
    }

    /// Of an accept: whom it has let in. They are to be closed.
    pub fn slot(&self) -> Option<Slot> {
        self.result().ok().map(Slot)
    }
}
