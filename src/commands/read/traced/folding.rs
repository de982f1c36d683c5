//! Bulk on the ladder: many segments with data in one direction, or many equal calls, as one row with counts.

use super::super::ladder::said;
use super::book::{Book, Named};
use super::calls;
use super::lanes::Drawing;
use enchufe_story::fact::{CallId, Outcome, Syscall};
use enchufe_story::trace::{Deed, Entered, Event, Left, Segment, Told};
use enchufe_story::{Certainty, What};
use enchufe_wire::Timestamp;
use enchufe_wire::layer::TcpFlags;
use enchufe_wire::tcp::Flag;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{self, Write};
use std::rc::Rc;

/// So many segments with data, or equal calls, are drawn one by one.
pub const FEW: u64 = 8;
/// The most kinds of calls in one row.
const MOST_KINDS: usize = 8;
/// The most events that wait to be drawn one by one.
const MOST_HELD: usize = 256;

/// Calls that are equal: of one program, on one line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    pub program: u32,
    pub syscall: Syscall,
    pub place: Rc<str>,
}

/// How many there were.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub count: u64,
    pub bytes: u64,
    /// How many failed with `EAGAIN`.
    pub again: u64,
    /// How long they took, in nanoseconds.
    pub nanos: i64,
}

/// What one row holds.
#[derive(Debug, Default)]
pub struct Bulk {
    /// The conversation, once it has a segment.
    pub stream: Option<u32>,
    /// Whether `b` sends the data, once there is some.
    from_b: Option<bool>,
    pub from_left: bool,
    pub segments: u64,
    pub bytes: u64,
    pub acks: u64,
    /// How many of them closed the window.
    pub closed: u64,
    /// The frames, the first and the last.
    pub frames: Option<(u64, u64)>,
    /// The numbers of the data: the first, and the one after the last.
    pub range: Option<(u32, u32)>,
    pub calls: Vec<(Kind, Tally)>,
    /// Who wrote the data, and whether that is proved.
    pub writers: BTreeMap<CallId, bool>,
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
    data_since: Option<Timestamp>,
    /// Calls that were entered in it and not left.
    open: HashMap<CallId, Event>,
}

impl Bulk {
    fn is_much(&self) -> bool {
        self.segments > FEW || self.calls.iter().any(|(_, tally)| tally.count > FEW)
    }

    /// Takes an event, if it is one of many.
    fn take(&mut self, event: &Event, book: &Book) -> bool {
        let fits = match &event.told {
            Told::Segment(segment) => self.segment(event.time, segment),
            Told::Entered(entered) => self.entered(event, entered, book),
            Told::Left(left) => self.left(left, book),
            _ => false,
        };
        if fits {
            self.first.get_or_insert(event.time);
            self.last = Some(event.time);
        }
        fits
    }

    fn segment(&mut self, time: Timestamp, segment: &Segment) -> bool {
        let row = &segment.row;
        let has_data = row.range().is_some();
        let closes_with_data = has_data && row.window == 0;
        let same = !closes_with_data
            && self.stream.is_none_or(|stream| stream == segment.stream)
            && (!has_data || self.from_b.is_none_or(|from_b| from_b == row.from_b));
        if !same || !is_plain(segment) {
            return false;
        }
        self.stream = Some(segment.stream);
        self.frames = Some((self.frames.map_or(row.frame, |(first, _)| first), row.frame));
        let Some((first, end)) = row.range() else {
            self.acks += 1;
            self.closed += u64::from(row.window == 0);
            return true;
        };
        let left_is_b = segment.ends[0].listener.is_some() && segment.ends[0].connect.is_none();
        (self.from_b, self.from_left) = (Some(row.from_b), row.from_b == left_is_b);
        self.segments += 1;
        self.bytes += u64::from(row.len.unwrap_or_default());
        self.range = Some((self.range.map_or(first, |(first, _)| first), end));
        self.data_since.get_or_insert(time);
        for by in &segment.by {
            let is_proved = by.certainty == Certainty::Proved;
            for call in &by.calls {
                if self.writers.len() < MOST_HELD {
                    *self.writers.entry(*call).or_insert(true) &= is_proved;
                }
            }
        }
        true
    }

    /// The place of a call's kind, if it can be one of many.
    fn kind(&mut self, call: CallId, book: &Book) -> Option<usize> {
        let Named { syscall, program, place, .. } = book.call(call)?.clone();
        if !calls::is_repeated(syscall) {
            return None;
        }
        let kind = Kind { program, syscall, place };
        if let Some(at) = self.calls.iter().position(|(known, _)| *known == kind) {
            return Some(at);
        }
        if self.calls.len() >= MOST_KINDS {
            return None;
        }
        self.calls.push((kind, Tally::default()));
        Some(self.calls.len() - 1)
    }

    fn entered(&mut self, event: &Event, entered: &Entered, book: &Book) -> bool {
        let fits = self.kind(entered.id, book).is_some();
        if fits {
            self.open.insert(entered.id, event.clone());
        }
        fits
    }

    fn left(&mut self, left: &Left, book: &Book) -> bool {
        let kind = self.kind(left.id, book);
        let Some((kind, tally)) = kind.and_then(|at| self.calls.get_mut(at)) else { return false };
        let moves = calls::moves(Some(kind.syscall));
        match left.outcome {
            _ if !left.changes.is_empty() => return false,
            Outcome::Returned(0) if moves => return false,
            Outcome::Returned(value) => {
                tally.bytes += u64::try_from(value).ok().filter(|_| moves).unwrap_or_default();
            }
            Outcome::Failed(calls::EAGAIN) => tally.again += 1,
            Outcome::Failed(_) | Outcome::Never => return false,
        }
        tally.count += 1;
        tally.nanos = tally.nanos.saturating_add(left.duration.unwrap_or_default());
        self.open.remove(&left.id);
        true
    }
}

/// A segment that only brings bytes, or acknowledges some, of which there can be many.
fn is_plain(segment: &Segment) -> bool {
    let row = &segment.row;
    let plain = TcpFlags::ACK | TcpFlags::PSH;
    row.flags.0 & !plain == 0
        && row.flags.any(TcpFlags::ACK)
        && row.len.is_some()
        && row.changes.is_empty()
        && row.remarks.iter().all(|remark| {
            // Who fills the window closes it, which is counted.
            remark == Flag::WindowFull || said::SAID_BY_CAUSES.contains(&remark)
        })
        && row.cause.what.iter().all(|claim| {
            matches!(claim.what, What::Acknowledges { part: None, .. } | What::WindowUpdate { .. })
        })
        && segment.by.iter().all(|by| matches!(by.deed, Deed::Writes(_) | Deed::Takes))
}

/// Draws what is not bulk as it comes.
pub struct Folding<'a, W> {
    drawing: Drawing<'a, W>,
    /// What draws nothing passes by.
    quiet: HashSet<CallId>,
    held: Vec<Event>,
    bulk: Bulk,
    is_folded: bool,
    verbose: bool,
}

impl<'a, W: Write> Folding<'a, W> {
    pub fn new(drawing: Drawing<'a, W>, verbose: bool) -> Self {
        let (quiet, held) = (HashSet::new(), Vec::new());
        let (bulk, is_folded) = (Bulk::default(), false);
        Self { drawing, quiet, held, bulk, is_folded, verbose }
    }

    pub fn event(&mut self, event: Event) -> io::Result<()> {
        // What is held is drawn as if no program came after it.
        if matches!(event.told, Told::Started(_)) {
            self.flush()?;
        }
        self.drawing.learn(&event);
        if self.verbose {
            return self.drawing.event(event);
        }
        if self.is_quiet(&event) {
            return self.drawing.event(event);
        }
        if self.bulk.take(&event, self.drawing.book()) {
            return self.keep(event);
        }
        self.flush()?;
        if self.bulk.take(&event, self.drawing.book()) {
            return self.keep(event);
        }
        self.bulk = Bulk::default();
        self.drawing.event(event)
    }

    /// Whether nothing is drawn for it.
    fn is_quiet(&mut self, event: &Event) -> bool {
        match &event.told {
            Told::Began { .. } | Told::Signalled { .. } => true,
            Told::Ended { pid, .. } => self.drawing.book().first_process_of(*pid).is_none(),
            Told::Entered(entered) => {
                let is_quiet = calls::is_detailed(entered) || entered.syscall == Syscall::Killed;
                if is_quiet {
                    self.quiet.insert(entered.id);
                }
                is_quiet
            }
            Told::Left(left) => self.quiet.remove(&left.id),
            Told::Printed { .. } | Told::Started(_) | Told::Segment(_) | Told::ArrivedAgain { .. } => false,
        }
    }

    fn keep(&mut self, event: Event) -> io::Result<()> {
        if self.is_folded {
            return Ok(());
        }
        self.held.push(event);
        if self.bulk.is_much() {
            self.is_folded = true;
            self.held.clear();
        } else if self.held.len() > MOST_HELD {
            return self.flush();
        }
        Ok(())
    }

    /// Draws what is held.
    fn flush(&mut self) -> io::Result<()> {
        let bulk = std::mem::take(&mut self.bulk);
        if !std::mem::take(&mut self.is_folded) {
            return self.held.drain(..).try_for_each(|event| self.drawing.event(event));
        }
        let mut open: Vec<&Event> = bulk.open.values().collect();
        open.sort_by_key(|event| event.time);
        let (before, after): (Vec<&Event>, Vec<&Event>) =
            open.into_iter().partition(|event| bulk.data_since.is_some_and(|since| event.time <= since));
        before.into_iter().try_for_each(|event| self.drawing.event(event.clone()))?;
        self.drawing.bulk(&bulk)?;
        after.into_iter().try_for_each(|event| self.drawing.event(event.clone()))
    }

    pub fn finish(mut self) -> io::Result<Drawing<'a, W>> {
        self.flush()?;
        Ok(self.drawing)
    }
}
