use crate::service::{Actions, Event, Service};

/// Sends back what comes, byte for byte, until the peer ends (RFC 862).
#[derive(Debug, Default, Clone, Copy)]
pub struct Echo;

impl Service for Echo {
    type State = ();

    fn event(&self, (): &mut (), event: Event<'_>, actions: &mut Actions) {
        match event {
            Event::Bytes(bytes) => actions.send_received(0..bytes.len()),
            Event::PeerEnded => actions.close(),
            Event::Opened(_) | Event::Writable | Event::Timer | Event::Answer(_) => {}
        }
    }

    fn returns_all(&self, (): &()) -> bool {
        true
    }
}
