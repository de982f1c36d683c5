//! A recording in sentences: what the calls of each conversation did.

use super::super::reading::Came;
use super::super::words::{endpoint, say, span};
use super::book::Book;
use super::each_fact;
use super::remarked::Remarking;
use crate::catalogue::{Catalogue, human_time};
use enchufe_story::Certainty;
use enchufe_story::fact::passage;
use enchufe_story::fact::{Outcome, Syscall};
use enchufe_story::trace::{By, Deed, Event, Judge, Left, Segment, Side, Sockets, Told};
use enchufe_wire::finding::{Finding, FindingId};
use enchufe_wire::layer::TcpFlags;
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

/// The most steps of a conversation that are told, and of all.
const MOST: usize = 1_000;
const MOST_OVERALL: usize = 100_000;

/// One thing that calls did.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    /// The end of its text's id.
    id: &'static str,
    who: String,
    /// The calls; where it is inferred, all that may have done it.
    calls: String,
    certainty: Certainty,
    frames: Option<(u64, u64)>,
    bytes: u64,
    /// How many segments, or calls that read.
    count: u64,
    nanos: i64,
}

impl Step {
    /// Whether another is more of the same.
    fn goes_on(&self, next: &Self) -> bool {
        matches!(self.id, "writes" | "writes-again" | "reads")
            && (self.id, &self.who, &self.calls, self.certainty)
                == (next.id, &next.who, &next.calls, next.certainty)
    }

    fn join(&mut self, next: &Self) {
        self.frames = match (self.frames, next.frames) {
            (Some((first, last)), Some((from, to))) => Some((first.min(from), last.max(to))),
            (known, None) | (None, known) => known,
        };
        self.bytes += next.bytes;
        self.count += next.count;
    }
}

/// A conversation.
#[derive(Debug, Default)]
struct Course {
    steps: Vec<Step>,
    left_out: u64,
    /// What its two ends are called.
    ends: [String; 2],
    accepted: bool,
    /// A listening socket answered for it.
    listened: bool,
}

/// Gathers what calls did.
pub struct Telling<'a> {
    judge: Judge,
    events: Vec<Event>,
    book: Book,
    courses: BTreeMap<u32, Course>,
    steps: usize,
    /// Frames of resets whose cause calls tell.
    resets: HashSet<u64>,
    catalogue: &'a Catalogue,
}

impl<'a> Telling<'a> {
    pub fn new(sockets: Sockets, catalogue: &'a Catalogue) -> Self {
        let (judge, events, book) = (Judge::new(sockets), Vec::new(), Book::default());
        Self { judge, events, book, courses: BTreeMap::new(), steps: 0, resets: HashSet::new(), catalogue }
    }

    pub fn take(&mut self, came: &Came<'_, '_>) {
        let Self { judge, events, .. } = self;
        match came {
            Came::Frame(seen) => judge.frame(seen.frame, passage(seen.record), events),
            Came::Aside(..) => {
                each_fact(came, |fact| judge.fact(fact, events));
            }
            Came::Pause => {}
        }
        for event in std::mem::take(&mut self.events) {
            self.book.see(&event);
            match &event.told {
                Told::Segment(segment) => self.segment(segment),
                Told::Left(left) => self.left(left),
                _ => {}
            }
        }
    }

    fn who(&self, side: &Side) -> String {
        let name = side.program.map_or("", |program| self.book.name(program));
        if name.is_empty() { endpoint(&side.endpoint) } else { name.to_owned() }
    }

    fn segment(&mut self, segment: &Segment) {
        let ends = segment.ends.each_ref().map(|side| self.who(side));
        let course = self.courses.entry(segment.stream).or_default();
        course.ends = ends;
        for by in &segment.by {
            self.deed(segment, by);
        }
    }

    fn deed(&mut self, segment: &Segment, by: &By) {
        let bytes = match by.deed {
            Deed::Writes(range) | Deed::WritesAgain(range) => range.len(),
            Deed::LeavesUnread(unread) => unread,
            // The handshake's end and a wider window are the kernel's own.
            Deed::Completes | Deed::Takes => return,
            _ => 0,
        };
        if by.deed == Deed::Listens
            && let Some(course) = self.courses.get_mut(&segment.stream)
        {
            course.listened = true;
        }
        let frame = segment.row.frame;
        if segment.row.flags.any(TcpFlags::RST) && self.resets.len() < MOST_OVERALL {
            self.resets.insert(frame);
        }
        let step = Step {
            id: by.deed.id(),
            who: self.who(segment.sender()),
            calls: self.book.placed(&by.calls, self.catalogue),
            certainty: by.certainty,
            frames: Some((frame, frame)),
            bytes,
            count: 1,
            nanos: 0,
        };
        self.add(segment.stream, step);
    }

    fn left(&mut self, left: &Left) {
        let (Some((stream, is_b)), Some(syscall)) = (left.of, left.syscall) else { return };
        let Some(course) = self.courses.get_mut(&stream) else { return };
        let [a, b] = &course.ends;
        let who = if is_b { b } else { a }.clone();
        let accepts = matches!(syscall, Syscall::Accept | Syscall::Accept4) && left.made.is_some();
        course.accepted |= accepts;
        let bytes: u64 = left.read.iter().map(|moved| moved.range.len()).sum();
        if !accepts && bytes == 0 || matches!(left.outcome, Outcome::Failed(_)) {
            return;
        }
        let frames = left.from.numbers.first().zip(left.from.numbers.last());
        let inferred = left.read.iter().any(|moved| moved.certainty == Certainty::Inferred);
        let step = Step {
            id: if accepts { "accepts" } else { "reads" },
            who,
            calls: self.book.placed(&[left.id], self.catalogue),
            certainty: if inferred { Certainty::Inferred } else { Certainty::Proved },
            frames: frames.map(|(first, last)| (*first, *last)),
            bytes,
            count: 1,
            nanos: left.duration.unwrap_or_default(),
        };
        self.add(stream, step);
    }

    /// Adds a step, or to one of the last two: who writes and who reads take turns.
    fn add(&mut self, stream: u32, step: Step) {
        let Some(course) = self.courses.get_mut(&stream) else { return };
        let last = course.steps.iter_mut().rev().take(2);
        if let Some(known) = last.into_iter().find(|known| known.goes_on(&step)) {
            known.join(&step);
        } else if course.steps.len() >= MOST || self.steps >= MOST_OVERALL {
            course.left_out += 1;
        } else {
            self.steps += 1;
            course.steps.push(step);
        }
    }

    /// Whether calls tell why: what packets alone let guess is then not said.
    pub fn explains(&self, found: &Finding) -> bool {
        found.id == FindingId::Unread && found.packets.iter().all(|frame| self.resets.contains(frame))
    }

    /// What is said of a conversation.
    pub fn lines(&self, stream: u32) -> Vec<String> {
        let Some(course) = self.courses.get(&stream) else { return Vec::new() };
        let mut lines: Vec<String> = course.steps.iter().map(|step| self.line(step)).collect();
        if course.listened && !course.accepted {
            lines.push(self.catalogue.plain("told-not-accepted"));
        }
        if course.left_out > 0 {
            lines.push(say(self.catalogue, "told-left-out", &[], &[("count", course.left_out)]));
        }
        let remarking = Remarking { judge: &self.judge, book: &self.book };
        for remark in self.judge.remarks().0.iter().filter(|remark| remark.stream == Some(stream)) {
            let [said, why] = remarking.sentences(remark, self.catalogue);
            let said = say(self.catalogue, "told-remark", &[("text", &said)], &[]);
            lines.extend([said, format!("  {why}")]);
        }
        lines
    }

    fn line(&self, step: &Step) -> String {
        let frames = step.frames.map(span).unwrap_or_default();
        let time = human_time(Duration::from_nanos(step.nanos.unsigned_abs()));
        let known = if step.frames.is_some() { "yes" } else { "no" };
        let texts = [
            ("who", step.who.as_str()),
            ("calls", &step.calls),
            ("frames", &frames),
            ("known", known),
            ("time", &time),
        ];
        let counts = [("bytes", step.bytes), ("count", step.count)];
        let said = say(self.catalogue, &format!("told-{}", step.id), &texts, &counts);
        if step.certainty == Certainty::Proved {
            return said;
        }
        say(self.catalogue, "told-inferred", &[("text", &said)], &[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Language;
    use enchufe_story::trace::Range;

    #[test]
    fn every_deed_has_its_texts_in_both_languages() {
        let told = [
            Deed::Opens,
            Deed::Listens,
            Deed::Writes(Range::default()),
            Deed::WritesAgain(Range::default()),
            Deed::Ends,
            Deed::LeavesUnread(1),
            Deed::Aborts,
            Deed::Dissolves,
            Deed::LeavesUnaccepted,
            Deed::WasGone,
        ];
        for catalogue in Language::ALL.map(Catalogue::new) {
            for deed in told {
                assert!(catalogue.has(&format!("told-{}", deed.id())), "{deed:?}");
            }
            // What the flags on an arrow say needs no words in a list of calls.
            let plain = |deed: &Deed| matches!(deed, Deed::Opens | Deed::Writes(_) | Deed::Ends);
            for deed in told.into_iter().chain([Deed::Completes, Deed::Takes]).filter(|deed| !plain(deed)) {
                assert!(catalogue.has(&format!("trace-caused-{}", deed.id())), "{deed:?}");
                assert!(catalogue.has(&format!("trace-by-{}", deed.id())), "{deed:?}");
            }
        }
    }
}
