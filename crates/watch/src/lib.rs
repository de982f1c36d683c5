//! Watching what passes a network interface, while it happens.
//!
//! **Start reading** at [`capture::Capture`]: it hands out frames as [`enchufe_wire::file::Record`]s, the same
//! that a capture file gives, so that whatever reads files reads live.
//!
//! This crate decides nothing about packets (that is `wire`) and calls the kernel only through
//! `enchufe_sys`. It prints nothing, and has no sentences but those of its errors.

pub mod capture;
pub mod trace;

pub use capture::{Capture, CaptureError, Next, Options, Place};
