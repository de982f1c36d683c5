//! The cause of each packet, for a table.

use super::super::reading::Came;
use super::book::Book;
use super::object::Causes;
use super::{each_fact, segments};
use crate::catalogue::Catalogue;
use enchufe_story::fact::passage;
use enchufe_story::trace::{Event, Judge, Sockets, Told};

/// Why a packet was sent: in words, and as keys of JSON.
#[derive(Debug)]
pub struct Cause {
    pub text: String,
    pub keys: Causes,
}

/// Judges while packets are shown.
pub struct Causing<'a> {
    judge: Judge,
    book: Book,
    events: Vec<Event>,
    catalogue: &'a Catalogue,
}

impl<'a> Causing<'a> {
    pub fn new(sockets: Sockets, catalogue: &'a Catalogue) -> Self {
        Self { judge: Judge::new(sockets), book: Book::default(), events: Vec::new(), catalogue }
    }

    /// Takes what comes; gives the cause of what is a segment.
    pub fn take(&mut self, came: &Came<'_, '_>) -> Option<Cause> {
        let Self { judge, events, .. } = self;
        match came {
            Came::Frame(seen) => judge.frame(seen.frame, passage(seen.record), events),
            Came::Aside(..) => {
                each_fact(came, |fact| judge.fact(fact, events));
            }
            Came::Pause => {}
        }
        let mut cause = None;
        for event in events.drain(..) {
            self.book.see(&event);
            if let Told::Segment(segment) = &event.told {
                let text = segments::cause(segment, &self.book, self.catalogue);
                cause = Some(Cause { text, keys: Causes::new(segment, &self.book) });
            }
        }
        cause
    }
}
