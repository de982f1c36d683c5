//! *Doing*: TCP services, the engines that run them, and the client.
//!
//! What this crate is:
//!
//! * [`Service`]: what a server answers, free of I/O. It is told [`Event`]s and answers with
//!   [`Actions`]. The ready-made ones are in [`services`].
//! * [`Session`]: the bookkeeping of one connection that every engine shares: order of the output,
//!   bounds, timeouts, half-close, and the reason it ended.
//! * [`engine`]: who owns descriptors, buffers and clocks. One contract, one file an engine.
//! * [`client`]: the other end.
//! * [`tls`]: the layer between a service and its socket, where it is asked for.
//! * [`Told`]: everything that happens, as typed values for a [`Reporter`]. No prose: a program puts
//!   it into words.
//!
//! What it never does: print, read flags, know of captures or traces.
//!
//! Start reading at [`service`], then [`session`], then `engine/connection.rs`.

// What engines share is there for all of them.
#![cfg_attr(not(feature = "linux"), allow(dead_code))]

pub mod address;
pub mod client;
pub mod connect;
pub mod counters;
pub mod engine;
pub mod error;
pub mod listen;
pub mod operator;
pub mod options;
pub mod reason;
pub mod service;
pub mod services;
pub mod session;
pub mod stop;
pub mod tls;
pub mod told;

pub use address::Endpoint;
pub use counters::Counters;
pub use error::TalkError;
pub use operator::Operator;
pub use reason::{Call, End, Reason};
pub use service::{Actions, Event, Service};
pub use session::Session;
pub use stop::Stop;
pub use told::{ConnectionId, Reporter, Told};
