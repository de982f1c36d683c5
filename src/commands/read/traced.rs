//! A recording of programs: their calls, what they printed, and their segments, on one ladder.

mod calls;
pub(super) mod finished;
mod lanes;
pub(in crate::commands) mod names;
mod segments;

use super::reading::Came;
use super::table::Form;
use super::words::say;
use crate::catalogue::Catalogue;
use enchufe_story::fact::Fact;
use enchufe_story::trace::{Event, Judge, Scout, Sockets};
use enchufe_watch::trace;
use enchufe_wire::file::{Item, code};
use lanes::Drawing;
use std::io::{self, Write};

/// The first reading: what must be known before the first segment is judged.
#[derive(Debug, Default)]
pub struct Facts {
    scout: Scout,
    count: u64,
}

impl Facts {
    /// Whether there was one: then it is a recording.
    pub const fn any(&self) -> bool {
        self.count > 0
    }

    /// Takes what comes; an error ends a reading that gives nothing.
    pub fn take(&mut self, came: &Came<'_, '_>) -> io::Result<()> {
        if let Came::Aside(_, Item::Section(section)) = came {
            let by = section.options.find(code::APPLICATION).unwrap_or_default();
            if by != trace::APPLICATION.as_bytes() {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        each_fact(came, |fact| {
            self.count += 1;
            self.scout.fact(fact);
        });
        Ok(())
    }

    pub fn finish(self) -> Sockets {
        self.scout.finish()
    }
}

/// Gives each fact that stands beside packets; tells how many could not be read.
fn each_fact(came: &Came<'_, '_>, mut with: impl FnMut(&Fact)) -> u64 {
    let mut broken = 0;
    if let Came::Aside(_, Item::Statistics(statistics)) = came {
        for fact in trace::facts(statistics) {
            match fact {
                Ok(fact) => with(&fact),
                Err(_) => broken += 1,
            }
        }
    }
    broken
}

/// The second reading: events, drawn as they come.
pub struct Traced<'a, W> {
    judge: Judge,
    drawing: Drawing<'a, W>,
    events: Vec<Event>,
    broken: u64,
    catalogue: &'a Catalogue,
}

impl<'a, W: Write> Traced<'a, W> {
    pub fn new(out: W, sockets: Sockets, form: Form, catalogue: &'a Catalogue) -> Self {
        let drawing = Drawing::new(out, &sockets, form, catalogue);
        Self { judge: Judge::new(sockets), drawing, events: Vec::new(), broken: 0, catalogue }
    }

    pub fn take(&mut self, came: &Came<'_, '_>) -> io::Result<()> {
        let Self { judge, events, .. } = self;
        match came {
            Came::Frame(seen) => judge.frame(seen.frame, events),
            Came::Aside(..) => self.broken += each_fact(came, |fact| judge.fact(fact, events)),
            Came::Pause => {}
        }
        self.draw()
    }

    fn draw(&mut self) -> io::Result<()> {
        self.events.drain(..).try_for_each(|event| self.drawing.event(event))
    }

    pub fn finish(mut self) -> io::Result<()> {
        self.judge.finish(&mut self.events);
        self.draw()?;
        if self.broken > 0 {
            let count = [("count", self.broken)];
            crate::style::complain(&say(self.catalogue, "note-facts-broken", &[], &count));
        }
        self.drawing.finish()
    }
}
