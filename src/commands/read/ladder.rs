//! The ladder: the segments of a conversation as arrows between its ends, their states, and why each was sent.

pub(super) mod object;
pub(super) mod pen;
pub(super) mod said;
#[cfg(test)]
mod tests;

use super::reading::Seen;
use super::table::Form;
use super::words::say;
use crate::catalogue::Catalogue;
use enchufe_story::{Ladder, Ladders, Roles, Row};
use enchufe_wire::Filter;
use pen::{Pen, Room};
use std::collections::HashSet;
use std::io::{self, Write};

/// So many conversations that are cut are named one by one.
const MOST_NAMED: usize = 10;
/// So many rows wait until it is known who opened the connection: a second SYN may come.
const MOST_WAITING: usize = 16;

/// Writes ladders in the form that was asked for.
struct Writer<'a, W> {
    out: W,
    form: Form,
    catalogue: &'a Catalogue,
    width: usize,
    /// Decimals of a second, the most that a file had.
    decimals: usize,
}

impl<W: Write> Writer<'_, W> {
    /// Writes the head of a ladder; gives what draws its rows.
    fn begin(&mut self, ladder: &Ladder, rows: &[Row]) -> io::Result<Pen> {
        let mut room = Room::new(self.width, self.decimals);
        for row in rows {
            room.fit(row);
        }
        let pen = Pen::new(room, ladder.roles());
        if self.form != Form::Json {
            write!(self.out, "{}", pen.head(ladder, self.catalogue))?;
        }
        Ok(pen)
    }

    fn row(&mut self, ladder: &Ladder, pen: &mut Pen, row: &Row) -> io::Result<()> {
        if self.form != Form::Json {
            return write!(self.out, "{}", pen.row(row, self.catalogue));
        }
        serde_json::to_writer(&mut self.out, &object::Object::new(ladder, row))?;
        writeln!(self.out)
    }

    /// A line below ladders.
    fn line(&mut self, id: &str, count: u64) -> io::Result<()> {
        if count == 0 || self.form == Form::Json {
            return Ok(());
        }
        writeln!(self.out, "{}", say(self.catalogue, id, &[], &[("count", count)]))
    }

    /// What the marks mean, if there was one.
    fn legend(&mut self, pen: Option<&Pen>) -> io::Result<()> {
        if pen.is_some_and(Pen::has_inferred) && self.form != Form::Json {
            writeln!(self.out, "{}", self.catalogue.plain("ladder-legend"))?;
        }
        Ok(())
    }
}

/// One conversation, written while it comes.
pub struct One<'a, W> {
    writer: Writer<'a, W>,
    stream: u32,
    ladder: Option<Ladder>,
    waiting: Vec<Row>,
    pen: Option<Pen>,
}

impl<'a, W: Write> One<'a, W> {
    pub fn new(out: W, form: Form, stream: u32, catalogue: &'a Catalogue) -> Self {
        let writer = Writer { out, form, catalogue, width: pen::width(), decimals: 0 };
        Self { writer, stream, ladder: None, waiting: Vec::new(), pen: None }
    }

    /// Whether the conversation was there.
    pub const fn is_begun(&self) -> bool {
        self.ladder.is_some()
    }

    /// Takes the next frame.
    pub fn frame(&mut self, seen: &Seen<'_, '_>) -> io::Result<()> {
        if seen.frame.tcp.is_none_or(|note| note.stream != self.stream) {
            return Ok(());
        }
        self.writer.decimals = self.writer.decimals.max(seen.decimals);
        if self.ladder.is_none() {
            self.ladder = Ladder::new(seen.frame);
        }
        let Some(ladder) = &mut self.ladder else { return Ok(()) };
        let Some(row) = ladder.frame(seen.frame) else { return Ok(()) };
        if let Some(pen) = &mut self.pen {
            return self.writer.row(ladder, pen, &row);
        }
        let settled = matches!(ladder.roles(), Roles::Client { .. }) && row.flags.0 & 0x12 != 0x02;
        self.waiting.push(row);
        if settled || ladder.roles() == Roles::Both || self.waiting.len() >= MOST_WAITING {
            self.begin()?;
        }
        Ok(())
    }

    fn begin(&mut self) -> io::Result<()> {
        let Some(ladder) = &self.ladder else { return Ok(()) };
        let mut pen = self.writer.begin(ladder, &self.waiting)?;
        for row in self.waiting.drain(..) {
            self.writer.row(ladder, &mut pen, &row)?;
        }
        self.pen = Some(pen);
        Ok(())
    }

    /// Shows what was written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.writer.out.flush()
    }

    /// Writes what is left.
    pub fn finish(mut self) -> io::Result<()> {
        if self.pen.is_none() {
            self.begin()?;
        }
        self.writer.legend(self.pen.as_ref())?;
        self.flush()
    }
}

/// All conversations, written when all came.
pub struct All {
    ladders: Ladders,
    /// The conversations that the filter chose, if there is one: those with a frame that fits.
    chosen: Option<HashSet<u32>>,
    decimals: usize,
    frames: u64,
}

impl All {
    pub fn new(filtered: bool) -> Self {
        Self { ladders: Ladders::new(), chosen: filtered.then(HashSet::new), decimals: 0, frames: 0 }
    }

    pub const fn has_frames(&self) -> bool {
        self.frames > 0
    }

    /// Takes the next frame.
    pub fn frame(&mut self, seen: &Seen<'_, '_>, filter: &Filter) {
        self.frames += 1;
        self.decimals = self.decimals.max(seen.decimals);
        let fits = self.chosen.is_none() || filter.matches(seen.frame);
        if fits || seen.frame.tcp.is_some() {
            self.ladders.frame(seen.frame);
        }
        if let (true, Some(chosen), Some(note)) = (fits, &mut self.chosen, seen.frame.tcp) {
            chosen.insert(note.stream);
        }
    }

    /// Writes one ladder after the other.
    pub fn write(self, out: impl Write, form: Form, catalogue: &Catalogue) -> io::Result<()> {
        let mut writer = Writer { out, form, catalogue, width: pen::width(), decimals: self.decimals };
        let chosen = |stream| self.chosen.as_ref().is_none_or(|chosen| chosen.contains(&stream));
        let shown = self.ladders.stories().iter().filter(|story| chosen(story.ladder.stream()));
        let mut last: Option<Pen> = None;
        for story in shown {
            if last.is_some() && form != Form::Json {
                writeln!(writer.out)?;
            }
            let mut pen = writer.begin(&story.ladder, &story.rows)?;
            for row in &story.rows {
                writer.row(&story.ladder, &mut pen, row)?;
            }
            pen.remember_marks(last.as_ref());
            last = Some(pen);
        }
        writer.legend(last.as_ref())?;
        writer.line("ladder-others", self.ladders.others())?;
        writer.out.flush()?;
        self.say_what_is_missing(catalogue);
        Ok(())
    }

    /// Says which conversations are cut, and what is not shown of others.
    fn say_what_is_missing(&self, catalogue: &Catalogue) {
        let chosen = |stream| self.chosen.as_ref().is_none_or(|chosen| chosen.contains(&stream));
        let cut = self.ladders.stories().iter().filter(|story| story.left_out > 0);
        let mut cut = cut.filter(|story| chosen(story.ladder.stream()));
        for story in cut.by_ref().take(MOST_NAMED) {
            let stream = story.ladder.stream().to_string();
            let counts = [("count", story.left_out)];
            crate::style::complain(&say(catalogue, "note-ladder-cut", &[("stream", &stream)], &counts));
        }
        let left_out = self.ladders.left_out() + cut.map(|story| story.left_out).sum::<u64>();
        if left_out > 0 {
            crate::style::complain(&say(catalogue, "note-ladder-left-out", &[], &[("count", left_out)]));
        }
    }
}
