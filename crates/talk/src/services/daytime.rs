use crate::service::{Actions, Event, Service};
use std::time::SystemTime;

/// Sends the time of day and closes (RFC 867).
#[derive(Debug, Clone, Copy)]
pub struct Daytime {
    /// Puts the time into one line. RFC 867 leaves its form free.
    pub line: fn(SystemTime) -> String,
}

impl Service for Daytime {
    type State = ();

    fn event(&self, (): &mut (), event: Event<'_>, actions: &mut Actions) {
        if let Event::Opened(now) = event {
            actions.answer((self.line)(now).into_bytes());
            actions.close();
        }
    }
}
