use crate::service::{Actions, Event, Service};

/// Sends back what comes, byte for byte, until the peer ends (RFC 862).
#[derive(Debug, Default, Clone, Copy)]
pub struct Echo;

impl Service for Echo {
    type State = ();

    fn event(&self, (): &mut (), event: Event<'_>, actions: &mut Actions) {
        // Of bytes it hears nothing: they are sent back anyway.
        if matches!(event, Event::PeerEnded) {
            actions.close();
        }
    }

    fn returns_all(&self, (): &()) -> bool {
        true
    }
}
