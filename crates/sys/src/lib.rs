//! The kernel facilities that enchufe uses, as safe types: the only crate of the project with unsafe code.
//!
//! It asks and it tells; it decides nothing. What a refused `bind`, a full queue or a lost connection means
//! for the user is said elsewhere. It wraps nothing that [`std`] or [`socket2`] already have.
//!
//! # Where to start reading
//!
//! * [`host`] is the portable face: everything here that is not particular to one system. The other crates
//!   of the project use little else. It picks the system in one place, and each system is one file behind it.
//! * Every other module is one facility of one kernel, flat: none imports another, except small helpers.
//!   `linux.rs` and `windows.rs` list them. What needs two facilities is composed in the file of `host/`.
//!
//! Numbers of the kernel are taken from its headers; a fact that no manual page states is written beside
//! the code, with the kernel source it comes from, and proved by a test with real sockets.

#![allow(unsafe_code)] // Calling the kernel is what this crate is for; each block says why it is sound.

/// Where a call can be made to fail: see `faults`. In any other build there is nothing here.
macro_rules! inject {
    ($call:ident) => {
        #[cfg(enchufe_faults)]
        crate::faults::inject(crate::faults::Call::$call)?;
    };
}

pub mod host;

#[doc(inline)]
pub use host::kernel::*;
