//! A question to the operator: it waits for its turn, is shown, and is answered, taken back, or left by an operator who goes.

use super::Session;
use crate::operator::Turn;
use crate::reason::Reason;
use crate::service::{Event, Service};
use crate::told::Told;
use std::mem;
use std::time::Instant;

/// Where a connection's question is.
#[derive(Debug)]
pub(super) enum Question {
    None,
    /// Others are before it.
    Queued(Vec<u8>),
    Shown,
}

impl<S: Service, B> Session<'_, S, B> {
    /// The operator's bell rang.
    pub fn rang(&mut self, now: Instant) {
        let Some(operator) = self.host.operator else { return };
        if !self.is_asking() {
            return;
        }
        match operator.turn(self.about.id) {
            Turn::Ahead(_) => {}
            Turn::Now => self.show_question(),
            Turn::Answered(line) => {
                self.question = Question::None;
                self.event(Event::Answer(&line), now);
            }
            Turn::Left => {
                self.operator_left();
                self.settle(now);
            }
        }
    }

    /// Whether a question of its waits or is out.
    pub fn is_asking(&self) -> bool {
        !matches!(self.question, Question::None)
    }

    /// Whether a question is out for a peer that has sent its FIN: it may have left, and nothing
    /// would come to say so.
    pub fn may_have_been_left(&self) -> bool {
        self.peer_ended && self.is_asking()
    }

    pub(super) fn ask(&mut self, question: Vec<u8>) {
        let Some(operator) = self.host.operator else { return };
        if self.is_asking() {
            return;
        }
        self.question = Question::Queued(question);
        match operator.ask(self.about.id, self.bell.clone()) {
            Turn::Ahead(ahead) => self.tell(&Told::QuestionWaits { ahead }),
            Turn::Now => self.show_question(),
            Turn::Answered(_) | Turn::Left => self.operator_left(),
        }
    }

    /// Nobody will answer; what was answered before is still sent.
    fn operator_left(&mut self) {
        self.question = Question::None;
        if let Some(operator) = self.host.operator {
            operator.withdraw(self.about.id);
        }
        self.close();
        self.reason = Some(Reason::OwnEnd);
    }

    fn show_question(&mut self) {
        if let Question::Queued(bytes) = mem::replace(&mut self.question, Question::Shown) {
            self.tell(&Told::Question { bytes: &bytes });
        }
    }

    pub(super) fn withdraw_question(&mut self) {
        let asked = !matches!(mem::replace(&mut self.question, Question::None), Question::None);
        if let Some(operator) = self.host.operator.filter(|_| asked) {
            // Told first: the next question is shown as soon as this one is gone.
            self.tell(&Told::QuestionWithdrawn);
            operator.withdraw(self.about.id);
        }
    }
}
