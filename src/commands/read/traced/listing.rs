//! The calls one below the other, as strace has them, and below each what it caused.

use super::super::ladder::said;
use super::super::words::say;
use super::book::Book;
use super::tags::Tags;
use super::{calls, names};
use crate::catalogue::{Catalogue, human_time};
use enchufe_story::Certainty;
use enchufe_story::fact::{CallId, Line, Outcome, Status, Syscall};
use enchufe_story::trace::{By, Deed, Entered, Event, Left, Segment, Told};
use enchufe_wire::Timestamp;
use std::collections::HashMap;
use std::io::{self, Write};
use std::time::Duration;
use unicode_width::UnicodeWidthStr;

/// The most rows that are kept until the end: what a call causes can come long after it.
const MOST: usize = 100_000;
/// The most segments that are told of one call.
const MOST_CAUSED: usize = 16;

/// So many bytes of a line that is not whole are shown in one row.
const LONGEST_PRINT: usize = 4_096;

#[derive(Debug)]
struct Row {
    time: i64,
    program: u32,
    pid: u32,
    place: String,
    text: String,
    caused: Vec<String>,
    /// How many more it caused.
    more: u64,
    /// It is shown only where it caused something.
    quiet: bool,
}

/// Gathers calls, and writes them at the end.
pub struct Listing<'a, W> {
    out: W,
    verbose: bool,
    tags: Tags,
    catalogue: &'a Catalogue,
    book: Book,
    start: Option<Timestamp>,
    rows: Vec<Row>,
    places: HashMap<CallId, usize>,
    /// Lines that are not whole: of a process and a stream, their row and what it has so far.
    prints: HashMap<(u32, u32, u8), (usize, Vec<u8>)>,
    left_out: u64,
    has_inferred: bool,
}

impl<'a, W: Write> Listing<'a, W> {
    pub fn new(out: W, tags: Tags, verbose: bool, catalogue: &'a Catalogue) -> Self {
        let (book, rows, places, prints) = Default::default();
        let (start, left_out, has_inferred) = (None, 0, false);
        Self { out, verbose, tags, catalogue, book, start, rows, places, prints, left_out, has_inferred }
    }

    pub fn event(&mut self, event: &Event) {
        self.book.see(event);
        if self.tags.is_noise(event) {
            return;
        }
        let time = event.time.since(*self.start.get_or_insert(event.time));
        match &event.told {
            Told::Entered(entered) => self.entered(time, entered),
            Told::Left(left) => self.left(left),
            Told::Segment(segment) => self.segment(segment),
            // No call has to do with it.
            Told::ArrivedAgain { .. } => {}
            Told::Printed { program, pid, stream, text, line, .. } => {
                self.printed(time, (*program, *pid, *stream), line.as_ref(), text);
            }
            Told::Started(program) => {
                let of = (program.number, program.pid);
                self.row(time, of, None, format!("$ {}", calls::command(program)));
            }
            Told::Ended { pid, status } => self.ended(time, *pid, *status),
            Told::Signalled { pid, signal, .. } => {
                self.detail(time, *pid, "trace-signalled", ("signal", &names::signal(*signal)));
            }
            Told::Began { pid, tid, .. } => {
                let id = if pid == tid { "trace-process" } else { "trace-thread" };
                self.detail(time, *pid, id, ("number", &tid.to_string()));
            }
        }
    }

    fn detail(&mut self, time: i64, pid: u32, id: &str, text: (&'static str, &str)) {
        if let Some(program) = self.book.program_of(pid).filter(|_| self.verbose) {
            let text = say(self.catalogue, id, &[text], &[]);
            self.row(time, (program, pid), None, text);
        }
    }

    fn ended(&mut self, time: i64, pid: u32, status: Status) {
        let Some(program) = self.book.program_of(pid) else { return };
        let is_first = self.book.first_process_of(pid).is_some();
        if is_first || self.verbose && self.tags.is_active(pid) {
            let text = calls::ended(status, self.catalogue);
            self.row(time, (program, pid), None, text);
        }
    }

    /// Adds a row; gives its place, if there was room.
    fn row(
        &mut self,
        time: i64,
        (program, pid): (u32, u32),
        line: Option<&Line>,
        text: String,
    ) -> Option<usize> {
        if self.rows.len() >= MOST {
            self.left_out += 1;
            return None;
        }
        let place = names::place(line, self.book.name(program));
        let (caused, more, quiet) = (Vec::new(), 0, false);
        self.rows.push(Row { time, program, pid, place, text, caused, more, quiet });
        Some(self.rows.len() - 1)
    }

    /// One line of source may print a line of text in pieces.
    fn printed(&mut self, time: i64, from: (u32, u32, u8), line: Option<&Line>, text: &[u8]) {
        let (program, pid, stream) = from;
        let place = names::place(line, self.book.name(program));
        let before = self
            .prints
            .remove(&from)
            .filter(|(row, _)| self.rows.get(*row).is_some_and(|row| row.place == place));
        let new = || self.row(time, (program, pid), line, String::new()).map(|row| (row, Vec::new()));
        let Some((at, mut whole)) = before.or_else(new) else { return };
        whole.extend_from_slice(text);
        if let Some(row) = self.rows.get_mut(at) {
            row.text = format!("write({stream}) » {}", calls::printed(&whole));
        }
        if !whole.ends_with(b"\n") && whole.len() < LONGEST_PRINT {
            self.prints.insert(from, (at, whole));
        }
    }

    fn entered(&mut self, time: i64, entered: &Entered) {
        if calls::is_detailed(entered) && !self.verbose {
            return;
        }
        let killed = entered.syscall == Syscall::Killed;
        let text = if killed { self.catalogue.plain("trace-its-end") } else { calls::called(entered) };
        let at = self.row(time, (entered.program, entered.pid), entered.line.as_ref(), text);
        if let Some((at, row)) = at.and_then(|at| Some((at, self.rows.get_mut(at)?))) {
            // How a process ends is a row of its own.
            row.quiet = killed || entered.syscall == Syscall::ExitGroup;
            self.places.insert(entered.id, at);
        }
    }

    fn left(&mut self, left: &Left) {
        let place = self.places.get(&left.id);
        let Some(row) = place.and_then(|place| self.rows.get_mut(*place)) else { return };
        if left.outcome == Outcome::Never || row.quiet {
            return;
        }
        row.text = format!("{} {}", row.text, calls::result(left));
        if let Some(nanos) = left.duration {
            let time = human_time(Duration::from_nanos(nanos.unsigned_abs()));
            row.text = format!("{} ({time})", row.text);
        }
        for change in &left.changes {
            let state = super::lanes::state(change.to.name(), change.certainty);
            self.has_inferred |= change.certainty == Certainty::Inferred;
            row.text = format!("{}  {state}", row.text);
        }
    }

    fn segment(&mut self, segment: &Segment) {
        for by in &segment.by {
            let said = self.caused(segment, by);
            self.has_inferred |= by.certainty == Certainty::Inferred;
            for call in &by.calls {
                let place = self.places.get(call);
                let Some(row) = place.and_then(|place| self.rows.get_mut(*place)) else { continue };
                if row.caused.len() < MOST_CAUSED {
                    row.caused.push(said.clone());
                } else {
                    row.more += 1;
                }
            }
        }
    }

    /// A segment, as what a call caused.
    fn caused(&self, segment: &Segment, by: &By) -> String {
        let (flags, numbers) = said::label(&segment.row);
        let label = format!("→ #{} {flags}{numbers}", segment.row.frame);
        let note = match by.deed {
            Deed::Opens | Deed::Writes(_) | Deed::Ends => String::new(),
            _ => format!(", {}", self.catalogue.plain(&format!("trace-caused-{}", by.deed.id()))),
        };
        if by.certainty == Certainty::Proved { label + &note } else { format!("({label}{note})") }
    }

    pub fn finish(mut self) -> io::Result<()> {
        let mut widths = [0, 0, 0];
        let rows: Vec<&Row> = self.rows.iter().filter(|row| !row.quiet || !row.caused.is_empty()).collect();
        let cells =
            |row: &Row| [self.book.name(row.program).to_owned(), row.pid.to_string(), row.place.clone()];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(cells(row)) {
                *width = (*width).max(cell.width());
            }
        }
        let mut last = String::new();
        for row in rows {
            super::super::clock::seconds(Some(row.time), 6, &mut last);
            let mut line = format!("{last:>10} ");
            last.clear();
            for (width, cell) in widths.iter().zip(cells(row)) {
                line.extend([" ", &cell, &" ".repeat(width - cell.width())]);
            }
            writeln!(self.out, "{line}  {}", row.text)?;
            let indent = line.width() + 6;
            for caused in &row.caused {
                writeln!(self.out, "{:indent$}{caused}", "")?;
            }
            if row.more > 0 {
                let more = say(self.catalogue, "trace-caused-more", &[], &[("count", row.more)]);
                writeln!(self.out, "{:indent$}{more}", "")?;
            }
        }
        if self.has_inferred {
            writeln!(self.out, "{}", self.catalogue.plain("trace-legend"))?;
        }
        self.out.flush()?;
        if self.left_out > 0 {
            let count = [("count", self.left_out)];
            crate::style::complain(&say(self.catalogue, "note-calls-left-out", &[], &count));
        }
        Ok(())
    }
}
