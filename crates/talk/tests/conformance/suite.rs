//! The cases, by what they are about.

pub(crate) mod asking;
pub(crate) mod bytes;
pub(crate) mod clock;
pub(crate) mod ends;
#[cfg(enchufe_faults)]
pub(crate) mod faults;
pub(crate) mod limits;
pub(crate) mod misbehaving;
pub(crate) mod services;
pub(crate) mod sockets_only;
pub(crate) mod stopping;
pub(crate) mod tls;
pub(crate) mod waiting;

use std::time::Duration;

/// A limit that is waited for.
const SOON: Duration = Duration::from_millis(30);
