//! A recording as a ladder: each segment of a TCP conversation as a row, what caused it, and the states of both ends
//! that it proves. With what a tracer saw of the programs, their calls stand beside the segments: [`trace`].
//!
//! **Start reading** at [`Ladder::frame`] (one conversation, a row at a time) and [`Ladders`] (all of a capture, within
//! bounds); [`state`] says what a segment proves about the states of RFC 9293 §3.3.2 and what it does not, [`cause`]
//! what is said about why a segment was sent.
//!
//! This crate does no I/O, reads no clock, prints nothing and never fails on a packet. It holds no sentences for people,
//! only ids and values; each is [proved or inferred](Certainty).

#![forbid(unsafe_code)]

pub mod cause;
mod end;
pub mod fact;
pub mod ladder;
mod ladders;
mod machine;
mod sent;
pub mod state;
pub mod trace;

pub use cause::{Cause, Claim, What, Why};
pub use ladder::{Ladder, Roles, Row};
pub use ladders::{Ladders, MOST_ROWS, MOST_ROWS_OVERALL, Story};
pub use sent::MOST_SENT;
pub use state::{Change, State};

/// How sure something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// Another explanation fits as well; this one is the usual.
    Inferred,
    /// It follows from flags and numbers of segments, and no second explanation fits, as long as the capture has every segment that
    /// passed where it was made. Where numbers show that it has not, what leans on that is inferred.
    Proved,
}
