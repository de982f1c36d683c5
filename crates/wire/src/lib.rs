//! Bytes to layers to TCP conversations to findings: what a capture says, as typed data under Wireshark's names.
//!
//! **Start reading** at [`file::Reader`] (capture files), then [`Session::frame`] (one frame, with what it means beside
//! those before it), [`layer`] (what a frame holds), [`tcp`] (conversations and the rules of `tcp.analysis`) and
//! [`row`] (the packet table); [`batch`] takes all that from one thread to the next; [`filter`], [`finding`] and [`follow`] ask more of the frames.
//!
//! This crate does no I/O, reads no clock, prints nothing and never fails on a packet: what it cannot decode it
//! leaves as data, with the reason and the place. It holds no sentences for people, only ids and values.

#![forbid(unsafe_code)]

pub mod batch;
mod bytes;
mod datagrams;
pub mod field;
pub mod file;
pub mod filter;
pub mod finding;
pub mod follow;
mod fragments;
pub mod layer;
pub mod link;
mod names;
pub mod outline;
pub mod row;
pub mod seq;
pub mod session;
pub mod tcp;
mod text;
pub mod time;

pub use filter::Filter;
pub use link::LinkType;
pub use seq::Seq;
pub use session::{Frame, Scout, Session};
pub use time::Timestamp;
