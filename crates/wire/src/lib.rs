//! Bytes to layers to TCP conversations to findings: what a capture says, as typed data under Wireshark's names.
//!
//! **Start reading** at [`file::Reader`] (capture files).
//!
//! This crate does no I/O, reads no clock, prints nothing and never fails on a packet: what it cannot decode it
//! leaves as data, with the reason and the place. It holds no sentences for people, only ids and values.

#![forbid(unsafe_code)]

mod bytes;
pub mod file;
pub mod link;
pub mod seq;
pub mod time;

pub use link::LinkType;
pub use seq::Seq;
pub use time::Timestamp;
