use super::collect::{LineEnding, Until};
use crate::service::{Actions, Event, Service};

/// A question longer than this is put as it stands, and nothing more is read before its answer.
const LONGEST_QUESTION: usize = 64 * 1024;

/// Puts what came in one go to the operator, whose line goes back as the answer.
#[derive(Debug, Clone, Copy)]
pub struct Ask {
    /// What counts as one go.
    pub until: Until,
    /// What is added to the operator's line.
    pub ending: LineEnding,
}

/// What one connection of [`Ask`] remembers.
#[derive(Debug, Default)]
pub struct Asking {
    /// What came since the last question.
    next: Vec<u8>,
    /// What came is one go: it may be asked as soon as nothing is being asked.
    whole: bool,
    pending: bool,
    peer_ended: bool,
}

impl Ask {
    fn proceed(self, state: &mut Asking, actions: &mut Actions) {
        if state.pending {
            return;
        }
        if state.whole && !state.next.is_empty() {
            let rest = self.until.rest(&mut state.next);
            let question = std::mem::replace(&mut state.next, rest);
            let long = state.next.len() >= LONGEST_QUESTION;
            state.whole = state.peer_ended || long || self.until.is_whole(&state.next);
            state.pending = true;
            actions.cancel_timer();
            actions.ask(question);
            if !long {
                actions.resume_reading();
            }
        } else if state.peer_ended {
            actions.close();
        }
    }
}

impl Service for Ask {
    type State = Asking;
    const ASKS: bool = true;

    fn event(&self, state: &mut Asking, event: Event<'_>, actions: &mut Actions) {
        match event {
            Event::Bytes(bytes) => {
                state.next.extend_from_slice(bytes);
                state.whole |= self.until.enough(bytes, actions);
                if state.next.len() >= LONGEST_QUESTION {
                    state.whole = true;
                    actions.pause_reading();
                }
            }
            Event::Timer => state.whole = true,
            Event::PeerEnded => {
                state.whole = true;
                state.peer_ended = true;
            }
            Event::Answer(line) => {
                state.pending = false;
                actions.answer(self.ending.add_to(line));
            }
            Event::Opened(_) | Event::Writable => return,
        }
        self.proceed(state, actions);
    }
}
