//! The packet table: a row a frame, as aligned text, bare or as JSON.

use super::clock::{Clock, seconds};
use super::column::{Column, json_value, write_value};
use super::reading::Seen;
use super::traced::{Cause, Causes};
use crate::catalogue::Catalogue;
use crate::flags;
use crate::problem::Problem;
use enchufe_wire::field::visit;
use enchufe_wire::row::Columns;
use serde::Serialize;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::io::{self, Write};
use unicode_width::UnicodeWidthStr;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Below a heading, in columns that grow as they must.
    Text,
    /// The fields between tabs, nothing else.
    Tsv,
    /// One object a line.
    Json,
}

impl Form {
    /// What `--tsv` and `--json` say.
    pub const fn of(flags: &flags::Rows) -> Self {
        match (flags.tsv, flags.json) {
            (true, _) => Self::Tsv,
            (_, true) => Self::Json,
            _ => Self::Text,
        }
    }
}

/// A row of `--json`.
#[derive(Debug, Serialize)]
struct Row<'a> {
    number: u64,
    /// Seconds since the first frame, nanoseconds after the point.
    time_relative: &'a str,
    /// Nanoseconds since 1970-01-01 UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    time_epoch_ns: Option<i64>,
    source: &'a str,
    destination: &'a str,
    protocol: &'a str,
    /// On the wire, in bytes.
    length: usize,
    info: &'a str,
    /// Of a recording of programs.
    #[serde(flatten)]
    causes: Option<&'a Causes>,
}

/// Which columns.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Those that were asked for; none: Wireshark's.
    pub chosen: Vec<Column>,
    pub clock: Clock,
}

impl Layout {
    /// What `--columns` and `--time` say.
    pub fn of(flags: &flags::Rows) -> Result<Self, Problem> {
        let chosen = flags.columns.iter().map(|name| Column::new(name)).collect::<Result<_, _>>()?;
        Ok(Self { chosen, clock: Clock::new(flags.time.as_deref())? })
    }
}

/// Writes the rows of one capture.
pub struct Table<'a, W> {
    out: W,
    form: Form,
    catalogue: &'a Catalogue,
    layout: &'a Layout,
    columns: Vec<Column>,
    texts: Columns,
    /// What fields of the row say, one text a column.
    fields: Vec<String>,
    /// Rows that are handed on together.
    rows: String,
    widths: Vec<usize>,
    begun: bool,
    /// Why the segment of the next row was sent.
    cause: Option<Cause>,
}

/// How wide Info begins where a column comes after it.
const INFO_WIDTH: usize = 64;

/// So many bytes of rows are handed on at once.
const TOGETHER: usize = 64 * 1024;

impl<'a, W: Write> Table<'a, W> {
    pub fn new(out: W, form: Form, layout: &'a Layout, catalogue: &'a Catalogue) -> Self {
        let columns = if layout.chosen.is_empty() { Column::USUAL.to_vec() } else { layout.chosen.clone() };
        let widths = columns.iter().map(|column| column.layout().0).collect();
        let fields = vec![String::new(); columns.len()];
        let (texts, rows) = (Columns::new(), String::new());
        Self { out, form, catalogue, layout, columns, texts, fields, rows, widths, begun: false, cause: None }
    }

    /// Of a recording of programs: with a column more, where no others were asked for.
    #[must_use]
    pub fn with_causes(mut self) -> Self {
        if self.layout.chosen.is_empty() {
            self.columns.push(Column::Cause);
            self.fields.push(String::new());
            if let Some(info) = self.widths.last_mut() {
                *info = INFO_WIDTH;
            }
            self.widths.push(Column::Cause.layout().0);
        }
        self
    }

    /// The same as [`row`](Self::row), with why it was sent.
    pub fn row_with(&mut self, seen: &Seen<'_, '_>, cause: Option<Cause>) -> io::Result<()> {
        self.cause = cause;
        self.row(seen)
    }

    /// Whether a row was written.
    pub const fn is_begun(&self) -> bool {
        self.begun
    }

    /// Writes the row of a frame; it is seen after the next [`flush`](Self::flush).
    pub fn row(&mut self, seen: &Seen<'_, '_>) -> io::Result<()> {
        self.texts.fill(seen.frame);
        match self.form {
            Form::Json if self.layout.chosen.is_empty() => self.object(seen)?,
            Form::Json => self.chosen_object(seen)?,
            Form::Tsv => self.line(seen, 9),
            Form::Text => {
                if !self.begun {
                    self.heading();
                }
                self.line(seen, seen.decimals);
            }
        }
        self.begun = true;
        if self.rows.len() < TOGETHER { Ok(()) } else { self.hand_on() }
    }

    /// Looks for the fields that are columns.
    fn fill_fields(&mut self, seen: &Seen<'_, '_>) {
        if !self.columns.iter().any(|column| matches!(column, Column::Field(_))) {
            return;
        }
        let (fields, columns) = (&mut self.fields, &self.columns);
        fields.iter_mut().for_each(String::clear);
        visit(seen.frame, &mut |field| {
            for (text, column) in fields.iter_mut().zip(columns) {
                if *column == Column::Field(field.id) {
                    write_value(&field, text);
                }
            }
        });
    }

    /// Appends what stands in a column.
    fn cell(&mut self, at: usize, column: Column, seen: &Seen<'_, '_>, decimals: usize) {
        let Self { rows, texts, .. } = self;
        match column {
            Column::Time => self.layout.clock.write(seen, decimals, rows),
            Column::Source => rows.push_str(&texts.source),
            Column::Destination => rows.push_str(&texts.destination),
            Column::Protocol => rows.push_str(&texts.protocol),
            Column::Info => rows.push_str(&texts.info),
            Column::Cause => rows.push_str(self.cause.as_ref().map_or("", |cause| &cause.text)),
            Column::Number => rows.push_str(itoa::Buffer::new().format(seen.frame.number)),
            Column::Length => rows.push_str(itoa::Buffer::new().format(seen.frame.packet.wire_len())),
            Column::Field(_) => rows.push_str(self.fields.get(at).map_or("", String::as_str)),
        }
    }

    fn line(&mut self, seen: &Seen<'_, '_>, decimals: usize) {
        self.fill_fields(seen);
        for at in 0..self.columns.len() {
            let Some(column) = self.columns.get(at).copied() else { continue };
            let start = self.rows.len();
            self.cell(at, column, seen, decimals);
            self.end_cell(at, start);
        }
    }

    fn heading(&mut self) {
        for at in 0..self.columns.len() {
            let Some(column) = self.columns.get(at).copied() else { continue };
            let start = self.rows.len();
            match column {
                Column::Field(id) => self.rows.push_str(id.info().name),
                column => self.rows.push_str(&self.catalogue.plain(&format!("column-{}", column.name()))),
            }
            self.end_cell(at, start);
        }
    }

    /// Ends the cell that starts there: bare ones with a tab, others as wide as the widest of their column so far. The
    /// last ends where it ends.
    fn end_cell(&mut self, at: usize, start: usize) {
        let is_last = at + 1 == self.columns.len();
        if self.form != Form::Text {
            return self.rows.push(if is_last { '\n' } else { '\t' });
        }
        let right = self.columns.get(at).is_some_and(|column| column.layout().1);
        if is_last && !right {
            self.rows.truncate(self.rows.trim_ascii_end().len().max(start));
            return self.rows.push('\n');
        }
        let text = self.rows.get(start..).unwrap_or_default();
        let width = if text.is_ascii() { text.len() } else { text.width() };
        let Some(widest) = self.widths.get_mut(at) else { return };
        *widest = (*widest).max(width);
        let pad = *widest - width;
        if right && pad > 0 {
            self.rows.insert_str(start, &spaces(pad));
        } else {
            self.rows.push_str(&spaces(pad));
        }
        self.rows.push(if is_last { '\n' } else { ' ' });
    }

    fn object(&mut self, seen: &Seen<'_, '_>) -> io::Result<()> {
        let mut time_relative = String::new();
        seconds(seen.frame.relative, 9, &mut time_relative);
        let row = Row {
            number: seen.frame.number,
            time_relative: &time_relative,
            time_epoch_ns: seen.frame.time.map(enchufe_wire::Timestamp::nanos),
            source: &self.texts.source,
            destination: &self.texts.destination,
            protocol: &self.texts.protocol,
            length: seen.frame.packet.wire_len(),
            info: &self.texts.info,
            causes: self.cause.as_ref().map(|cause| &cause.keys),
        };
        json(&mut self.rows, &row)
    }

    /// The chosen columns; a field is a list, for a frame can have it several times.
    fn chosen_object(&mut self, seen: &Seen<'_, '_>) -> io::Result<()> {
        let mut object = Map::new();
        for column in &self.columns {
            let mut time = String::new();
            let value = match column {
                Column::Number => seen.frame.number.into(),
                Column::Length => seen.frame.packet.wire_len().into(),
                Column::Field(_) => Value::Array(Vec::new()),
                Column::Source => self.texts.source.as_str().into(),
                Column::Destination => self.texts.destination.as_str().into(),
                Column::Protocol => self.texts.protocol.as_str().into(),
                Column::Info => self.texts.info.as_str().into(),
                Column::Cause => self.cause.as_ref().map_or("", |cause| &cause.text).into(),
                Column::Time => {
                    self.layout.clock.write(seen, 9, &mut time);
                    time.into()
                }
            };
            object.insert(column.name().to_owned(), value);
        }
        visit(seen.frame, &mut |field| {
            if self.columns.contains(&Column::Field(field.id))
                && let Some(Value::Array(values)) = object.get_mut(field.id.info().name)
            {
                values.push(json_value(&field));
            }
        });
        json(&mut self.rows, &object)
    }

    fn hand_on(&mut self) -> io::Result<()> {
        let written = self.out.write_all(self.rows.as_bytes());
        self.rows.clear();
        written
    }

    /// Hands on what is still held back.
    pub fn flush(&mut self) -> io::Result<()> {
        self.hand_on()?;
        self.out.flush()
    }

    /// The same, and no row comes after it.
    pub fn finish(mut self) -> io::Result<()> {
        self.flush()
    }
}

fn json(rows: &mut String, row: &impl Serialize) -> io::Result<()> {
    rows.push_str(&serde_json::to_string(row)?);
    rows.push('\n');
    Ok(())
}

/// So many of them, at hand where they are few.
fn spaces(count: usize) -> Cow<'static, str> {
    const FEW: &str = "                                                                ";
    FEW.get(..count).map_or_else(|| " ".repeat(count).into(), Cow::Borrowed)
}
