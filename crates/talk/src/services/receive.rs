use crate::service::{Actions, Event, Service};

/// Takes what comes until the peer ends: that, however TCP cut it, is the message.
#[derive(Debug, Default, Clone, Copy)]
pub struct Receive;

impl Service for Receive {
    type State = ();

    fn event(&self, (): &mut (), event: Event<'_>, actions: &mut Actions) {
        if matches!(event, Event::PeerEnded) {
            actions.close();
        }
    }
}

/// Throws away what comes until the peer ends (RFC 863). For an engine the same as [`Receive`]; a
/// program tells them apart by what it shows.
pub type Discard = Receive;
