//! The packet table: a row a frame, as aligned text, bare or as JSON.

use super::clock::{Clock, seconds};
use super::column::{Column, json_value, write_value};
use super::input::Seen;
use crate::catalogue::Catalogue;
use crate::flags;
use crate::problem::Problem;
use enchufe_wire::field::visit;
use enchufe_wire::row::Columns;
use serde::Serialize;
use serde_json::{Map, Value};
use std::fmt::Write as _;
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
    /// The row, made anew for each frame.
    cells: Vec<String>,
    line: String,
    widths: Vec<usize>,
    begun: bool,
}

impl<'a, W: Write> Table<'a, W> {
    pub fn new(out: W, form: Form, layout: &'a Layout, catalogue: &'a Catalogue) -> Self {
        let columns = if layout.chosen.is_empty() { Column::USUAL.to_vec() } else { layout.chosen.clone() };
        let widths = columns.iter().map(|column| column.layout().0).collect();
        let cells = vec![String::new(); columns.len()];
        let (texts, line) = (Columns::new(), String::new());
        Self { out, form, catalogue, layout, columns, texts, cells, line, widths, begun: false }
    }

    /// Whether a row was written.
    pub const fn is_begun(&self) -> bool {
        self.begun
    }

    /// Writes the row of a frame.
    pub fn row(&mut self, seen: &Seen<'_, '_>) -> io::Result<()> {
        self.texts.fill(seen.frame);
        match self.form {
            Form::Json if self.layout.chosen.is_empty() => self.object(seen)?,
            Form::Json => self.chosen_object(seen)?,
            Form::Tsv => {
                self.fill(seen, 9);
                self.bare()?;
            }
            Form::Text => {
                if !self.begun {
                    self.heading()?;
                }
                self.fill(seen, seen.decimals);
                self.align()?;
            }
        }
        self.begun = true;
        Ok(())
    }

    fn fill(&mut self, seen: &Seen<'_, '_>, decimals: usize) {
        let mut has_fields = false;
        for (cell, column) in self.cells.iter_mut().zip(&self.columns) {
            cell.clear();
            match column {
                Column::Time => self.layout.clock.write(seen, decimals, cell),
                Column::Source => cell.push_str(&self.texts.source),
                Column::Destination => cell.push_str(&self.texts.destination),
                Column::Protocol => cell.push_str(&self.texts.protocol),
                Column::Info => cell.push_str(&self.texts.info),
                // Writing into a text cannot fail.
                Column::Number => write!(cell, "{}", seen.frame.number).unwrap_or_default(),
                Column::Length => write!(cell, "{}", seen.frame.packet.wire_len()).unwrap_or_default(),
                Column::Field(_) => has_fields = true,
            }
        }
        if has_fields {
            let (cells, columns) = (&mut self.cells, &self.columns);
            visit(seen.frame, &mut |field| {
                for (cell, column) in cells.iter_mut().zip(columns) {
                    if *column == Column::Field(field.id) {
                        write_value(&field, cell);
                    }
                }
            });
        }
    }

    fn heading(&mut self) -> io::Result<()> {
        for (cell, column) in self.cells.iter_mut().zip(&self.columns) {
            *cell = match column {
                Column::Field(id) => id.info().name.to_owned(),
                column => self.catalogue.plain(&format!("column-{}", column.name())),
            };
        }
        self.align()
    }

    fn bare(&mut self) -> io::Result<()> {
        for (at, cell) in self.cells.iter().enumerate() {
            if at > 0 {
                self.out.write_all(b"\t")?;
            }
            self.out.write_all(cell.as_bytes())?;
        }
        self.out.write_all(b"\n")
    }

    fn object(&mut self, seen: &Seen<'_, '_>) -> io::Result<()> {
        self.line.clear();
        seconds(seen.frame.relative, 9, &mut self.line);
        let row = Row {
            number: seen.frame.number,
            time_relative: &self.line,
            time_epoch_ns: seen.frame.time.map(enchufe_wire::Timestamp::nanos),
            source: &self.texts.source,
            destination: &self.texts.destination,
            protocol: &self.texts.protocol,
            length: seen.frame.packet.wire_len(),
            info: &self.texts.info,
        };
        serde_json::to_writer(&mut self.out, &row)?;
        writeln!(self.out)
    }

    /// The chosen columns; a field is a list, for a frame can have it several times.
    fn chosen_object(&mut self, seen: &Seen<'_, '_>) -> io::Result<()> {
        self.fill(seen, 9);
        let mut object = Map::new();
        for (cell, column) in self.cells.iter().zip(&self.columns) {
            let value = match column {
                Column::Number => seen.frame.number.into(),
                Column::Length => seen.frame.packet.wire_len().into(),
                Column::Field(_) => Value::Array(Vec::new()),
                _ => cell.as_str().into(),
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
        serde_json::to_writer(&mut self.out, &object)?;
        writeln!(self.out)
    }

    /// Writes the cells in columns, each as wide as the widest so far; the last ends where it ends.
    fn align(&mut self) -> io::Result<()> {
        self.line.clear();
        let last = self.cells.len().saturating_sub(1);
        for (at, (cell, column)) in self.cells.iter().zip(&self.columns).enumerate() {
            let Some(width) = self.widths.get_mut(at) else { continue };
            *width = (*width).max(cell.width());
            let pad = *width - cell.width();
            let right = column.layout().1;
            self.line.extend(std::iter::repeat_n(' ', if right { pad } else { 0 }));
            self.line.push_str(cell);
            if at < last {
                self.line.extend(std::iter::repeat_n(' ', if right { 1 } else { pad + 1 }));
            }
        }
        writeln!(self.out, "{}", self.line.trim_end())
    }

    /// Hands on what is still held back.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// The same, and no row comes after it.
    pub fn finish(mut self) -> io::Result<()> {
        self.flush()
    }
}
