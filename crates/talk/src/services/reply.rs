use super::collect::Until;
use crate::service::{Actions, Event, Service};

/// Answers each connection once and closes it. It never needs the peer's end.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The answer.
    pub answer: Vec<u8>,
    /// When it is given.
    pub until: Until,
}

impl Reply {
    fn give(&self, answered: &mut bool, actions: &mut Actions) {
        if !*answered {
            *answered = true;
            actions.answer(self.answer.clone());
            actions.close();
        }
    }
}

impl Service for Reply {
    /// Whether the answer was given.
    type State = bool;

    fn event(&self, answered: &mut bool, event: Event<'_>, actions: &mut Actions) {
        match event {
            Event::Bytes(bytes) if !*answered => {
                if self.until.enough(bytes, actions) {
                    self.give(answered, actions);
                }
            }
            Event::Timer | Event::PeerEnded => self.give(answered, actions),
            Event::Opened(_) | Event::Bytes(_) | Event::Writable | Event::Answer(_) => {}
        }
    }
}
