//! Watching what passes a network interface, while it happens.
//!
//! **Start reading** at [`capture::Capture`]: it hands out frames as [`enchufe_wire::file::Record`]s, the same
//! that a capture file gives, so that whatever reads files reads live.
//!
//! [`net::Link`] makes a network's loopback a link that loses, delays and doubles by a plan, for programs that are traced on it.
//!
//! This crate decides nothing about packets (that is `wire`) and calls the kernel only through
//! `enchufe_sys`. It prints nothing, and has no sentences but those of its errors.

pub mod capture;
pub mod net;
pub mod trace;

pub use capture::{Beside, Capture, CaptureError, Captured, Copies, Next, Options, Place, Way};
