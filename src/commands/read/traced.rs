//! A recording of programs: their calls, what they printed, and their segments, on one ladder.

mod book;
mod calls;
mod causes;
mod chosen;
pub(super) mod finished;
mod folding;
mod lanes;
mod listing;
mod names;
mod object;
mod remarked;
mod segments;
mod summary;
mod tags;
mod told;

pub use causes::{Cause, Causing};
pub use chosen::{Choosing, Chosen};

use super::reading::Came;
use super::table::Form;
use super::words::say;
use crate::catalogue::Catalogue;
use book::Book;
pub use calls::{ended as how_ended, name as call_name};
use enchufe_story::fact::{self, DecodeError, Fact, VERSION, passage};
use enchufe_story::trace::{Event, Judge, Remark, Scout, Sockets, Told};
use enchufe_wire::file::{Item, code};
use folding::Folding;
use lanes::Drawing;
use listing::Listing;
pub use names::program as program_name;
pub use object::Causes;
use object::Object;
use remarked::Remarking;
use std::io::{self, Write};
use summary::Summary;
use tags::Tags;
pub use told::Telling;

/// The first reading: what must be known before the first segment is judged.
#[derive(Debug, Default)]
pub struct Facts {
    scout: Scout,
    count: u64,
    /// Facts of a later version, which cannot be read.
    newer: u64,
    /// A section said that a tracer wrote it.
    is_recording: bool,
}

impl Facts {
    /// Whether there was one: then it is a recording.
    pub const fn any(&self) -> bool {
        self.count + self.newer > 0
    }

    /// Takes what comes; an error ends a reading that gives nothing.
    pub fn take(&mut self, came: &Came<'_, '_>) -> io::Result<()> {
        if let Came::Aside(_, Item::Section(section)) = came {
            let by = section.options.find(code::APPLICATION).unwrap_or_default();
            // Of any version: facts say themselves which one they are of.
            if !(by.starts_with(b"enchufe ") && by.ends_with(b" trace")) {
                return Err(io::ErrorKind::InvalidData.into());
            }
            self.is_recording = true;
        }
        if !self.is_recording && matches!(came, Came::Frame(_)) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let unread = each_fact(came, |fact| {
            self.count += 1;
            self.scout.fact(fact);
        });
        self.newer += unread.newer;
        Ok(())
    }

    pub fn finish(self) -> Sockets {
        self.scout.finish()
    }
}

/// How many facts could not be read.
#[derive(Clone, Copy, Debug, Default)]
struct Unread {
    broken: u64,
    /// Those of a later version than is known, and which one.
    newer: u64,
    version: u8,
}

impl Unread {
    fn add(&mut self, other: Self) {
        self.broken += other.broken;
        self.newer += other.newer;
        self.version = self.version.max(other.version);
    }

    fn tell(self, catalogue: &Catalogue) {
        if self.broken > 0 {
            let count = [("count", self.broken)];
            crate::style::complain(&say(catalogue, "note-facts-broken", &[], &count));
        }
        if self.newer > 0 {
            let version = self.version.to_string();
            let (texts, count) = ([("version", version.as_str())], [("count", self.newer)]);
            crate::style::complain(&say(catalogue, "note-facts-newer", &texts, &count));
        }
    }
}

/// Gives each fact that stands beside packets; tells how many could not be read.
fn each_fact(came: &Came<'_, '_>, mut with: impl FnMut(&Fact)) -> Unread {
    let mut unread = Unread::default();
    if let Came::Aside(_, Item::Statistics(statistics)) = came {
        for fact in fact::facts(statistics) {
            match fact {
                Ok(fact) => with(&fact),
                Err(DecodeError::Version(version)) if version > VERSION => {
                    unread.add(Unread { broken: 0, newer: 1, version });
                }
                Err(_) => unread.broken += 1,
            }
        }
    }
    unread
}

/// What of a recording is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Ladder,
    Calls,
}

/// How a recording is shown.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    pub what: What,
    pub form: Form,
    /// With details.
    pub verbose: bool,
}

/// The last reading: events, shown as they come.
pub struct Traced<'a, W> {
    judge: Judge,
    /// None: all are shown.
    chosen: Option<Chosen>,
    view: View<'a, W>,
    /// Of a ladder: what it comes to.
    summary: Option<Summary>,
    events: Vec<Event>,
    unread: Unread,
    catalogue: &'a Catalogue,
}

/// Who shows events.
#[allow(clippy::large_enum_variant, reason = "there is one")]
enum View<'a, W> {
    Ladder(Folding<'a, W>),
    Calls(Listing<'a, W>),
    Objects(Book, What, W),
}

impl<'a, W: Write> Traced<'a, W> {
    pub fn new(
        out: W,
        sockets: Sockets,
        chosen: Option<Chosen>,
        manner: Manner,
        catalogue: &'a Catalogue,
    ) -> Self {
        let tags = Tags::new(&sockets, chosen.as_ref().is_some_and(Chosen::is_one));
        let view = match (manner.form, manner.what) {
            (Form::Json, what) => View::Objects(Book::default(), what, out),
            (_, What::Calls) => View::Calls(Listing::new(out, tags, manner.verbose, catalogue)),
            (_, What::Ladder) => {
                let drawing = Drawing::new(out, &sockets, tags, manner.verbose, catalogue);
                View::Ladder(Folding::new(drawing, manner.verbose))
            }
        };
        let (judge, events) = (Judge::new(sockets), Vec::new());
        let summary = (manner.what == What::Ladder).then(Summary::default);
        Self { judge, chosen, view, summary, events, unread: Unread::default(), catalogue }
    }

    pub fn take(&mut self, came: &Came<'_, '_>) -> io::Result<()> {
        let Self { judge, events, .. } = self;
        match came {
            Came::Frame(seen) => judge.frame(seen.frame, passage(seen.record), events),
            Came::Aside(..) => self.unread.add(each_fact(came, |fact| judge.fact(fact, events))),
            Came::Pause => {}
        }
        self.show()
    }

    fn show(&mut self) -> io::Result<()> {
        let Self { events, chosen, view, summary, .. } = self;
        let fits = |event: &Event| chosen.as_mut().is_none_or(|chosen| chosen.fits(event));
        events.drain(..).filter(fits).try_for_each(|event| {
            if let Some(summary) = summary {
                summary.event(&event);
            }
            view.event(event)
        })
    }

    pub fn finish(mut self) -> io::Result<()> {
        self.show()?;
        if let View::Objects(_, _, out) = &mut self.view {
            for disagreement in self.judge.disagreements() {
                serde_json::to_writer(&mut *out, &Object::disagreement(disagreement))?;
                writeln!(out)?;
            }
        }
        self.unread.tell(self.catalogue);
        let Self { judge, chosen, view, summary, catalogue, .. } = self;
        let is_chosen = |remark: &Remark| chosen.as_ref().is_none_or(|chosen| chosen.has(remark));
        view.finish(&judge, &is_chosen, &summary.unwrap_or_default(), catalogue)
    }
}

impl<W: Write> View<'_, W> {
    fn event(&mut self, event: Event) -> io::Result<()> {
        match self {
            Self::Ladder(folding) => folding.event(event),
            Self::Calls(listing) => {
                listing.event(&event);
                Ok(())
            }
            Self::Objects(book, what, out) => {
                book.see(&event);
                if *what == What::Calls && matches!(event.told, Told::Segment(_)) {
                    return Ok(());
                }
                serde_json::to_writer(&mut *out, &Object::new(&event, book))?;
                writeln!(out)
            }
        }
    }

    fn finish(
        self,
        judge: &Judge,
        is_chosen: &dyn Fn(&Remark) -> bool,
        summary: &Summary,
        catalogue: &Catalogue,
    ) -> io::Result<()> {
        match self {
            Self::Ladder(folding) => {
                let (mut out, book) = folding.finish()?.finish()?;
                summary.write(judge.held(), &mut out, catalogue)?;
                Remarking { judge, book: &book }.write(is_chosen, catalogue, &mut out)?;
                out.flush()
            }
            Self::Calls(listing) => listing.finish(),
            Self::Objects(book, _, mut out) => {
                Remarking { judge, book: &book }.objects(is_chosen, &mut out)?;
                summary.objects(judge.held(), &mut out)?;
                out.flush()
            }
        }
    }
}
