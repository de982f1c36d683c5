//! Stopping, in two steps: first nothing new is taken on, then what still runs is cut.

use enchufe_sys::host::{self, Bell, Interest, Watch};
use std::io;
use std::time::Duration;

/// Shared by whoever stops a server or client and whoever runs it. Each step happens once.
#[derive(Debug)]
pub struct Stop {
    begun: Bell,
    cut: Bell,
}

impl Stop {
    /// Not stopped yet. Fails when no descriptor is to be had.
    pub fn new() -> io::Result<Self> {
        Ok(Self { begun: Bell::new()?, cut: Bell::new()? })
    }

    /// No new connections; those that run may end.
    pub fn begin(&self) {
        self.begun.ring();
    }

    /// What still runs is to end now.
    pub fn cut(&self) {
        self.begun.ring();
        self.cut.ring();
    }

    /// Stays ready from [`Self::begin`] on.
    pub fn begun(&self) -> &Bell {
        &self.begun
    }

    /// Whether [`Self::begin`] or [`Self::cut`] was called, as far as the system tells.
    pub fn has_begun(&self) -> bool {
        let mut begun = [Watch::new(&self.begun, Interest::READ)];
        host::wait(&mut begun, Some(Duration::ZERO)).is_err() || begun[0].ready().read
    }

    /// Stays ready from [`Self::cut`] on.
    pub fn cutting(&self) -> &Bell {
        &self.cut
    }
}
