//! The packet table: a row a frame, as aligned text, bare or as JSON.

use crate::catalogue::Catalogue;
use enchufe_wire::row::Columns;
use enchufe_wire::session::Frame;
use serde::Serialize;
use std::io::{self, Write};
use unicode_width::UnicodeWidthStr;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Below a heading, in columns that grow as they must.
    Text,
    /// The fields of `tshark -T tabs`, nothing else.
    Tsv,
    /// One object a line.
    Json,
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

/// The columns before the last: what they are called, how wide they begin, on which side they stand.
const COLUMNS: [(&str, usize, bool); 6] = [
    ("column-number", 5, true),
    ("column-time", 12, true),
    ("column-source", 15, false),
    ("column-destination", 15, false),
    ("column-protocol", 8, false),
    ("column-length", 6, true),
];

/// Writes the rows of one capture.
pub struct Table<'a, W> {
    out: W,
    form: Form,
    catalogue: &'a Catalogue,
    columns: Columns,
    /// The row as fields between tabs, made anew for each frame.
    fields: String,
    line: String,
    widths: [usize; COLUMNS.len()],
    begun: bool,
}

impl<'a, W: Write> Table<'a, W> {
    pub fn new(out: W, form: Form, catalogue: &'a Catalogue) -> Self {
        let widths = COLUMNS.map(|(name, width, _)| width.max(catalogue.plain(name).width()));
        let (columns, fields, line) = (Columns::new(), String::new(), String::new());
        Self { out, form, catalogue, columns, fields, line, widths, begun: false }
    }

    /// Whether a row was written.
    pub const fn is_begun(&self) -> bool {
        self.begun
    }

    /// Writes the row of a frame.
    pub fn row(&mut self, frame: &Frame<'_>) -> io::Result<()> {
        self.fields.clear();
        self.columns.line(frame, &mut self.fields);
        match self.form {
            Form::Tsv => writeln!(self.out, "{}", self.fields)?,
            Form::Json => self.object(frame)?,
            Form::Text => {
                if !self.begun {
                    let names: Vec<String> =
                        COLUMNS.iter().map(|(name, ..)| self.catalogue.plain(name)).collect();
                    let heading = format!("{}\t{}", names.join("\t"), self.catalogue.plain("column-info"));
                    let row = std::mem::replace(&mut self.fields, heading);
                    self.align()?;
                    self.fields = row;
                }
                self.align()?;
            }
        }
        self.begun = true;
        Ok(())
    }

    fn object(&mut self, frame: &Frame<'_>) -> io::Result<()> {
        let mut fields = self.fields.splitn(COLUMNS.len() + 1, '\t').skip(1);
        let mut field = || fields.next().unwrap_or_default();
        let (time_relative, source, destination, protocol) = (field(), field(), field(), field());
        let row = Row {
            number: frame.number,
            time_relative,
            time_epoch_ns: frame.time.map(enchufe_wire::Timestamp::nanos),
            source,
            destination,
            protocol,
            length: frame.packet.wire_len(),
            info: fields.nth(1).unwrap_or_default(),
        };
        serde_json::to_writer(&mut self.out, &row)?;
        writeln!(self.out)
    }

    /// Writes the fields in columns, each as wide as the widest so far.
    fn align(&mut self) -> io::Result<()> {
        self.line.clear();
        let mut fields = self.fields.splitn(COLUMNS.len() + 1, '\t');
        for ((_, _, right), width) in COLUMNS.iter().zip(&mut self.widths) {
            let field = fields.next().unwrap_or_default();
            *width = (*width).max(field.width());
            let pad = *width - field.width();
            let (before, after) = if *right { (pad, 0) } else { (0, pad) };
            self.line.extend(std::iter::repeat_n(' ', before));
            self.line.push_str(field);
            self.line.extend(std::iter::repeat_n(' ', after + 1));
        }
        self.line.push_str(fields.next().unwrap_or_default());
        writeln!(self.out, "{}", self.line.trim_end())
    }

    /// Hands on what is still held back.
    pub fn finish(mut self) -> io::Result<()> {
        self.out.flush()
    }
}
