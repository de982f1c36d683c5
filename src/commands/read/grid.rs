//! A table that is known whole: its columns are as wide as they must be.

use super::table::Form;
use std::io::{self, Write};
use unicode_width::UnicodeWidthStr;

/// Rows below a heading; which columns stand on the right.
pub struct Grid {
    heading: Vec<String>,
    right: &'static [bool],
    rows: Vec<Vec<String>>,
}

impl Grid {
    pub const fn new(heading: Vec<String>, right: &'static [bool]) -> Self {
        Self { heading, right, rows: Vec::new() }
    }

    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Writes it; bare between tabs, or aligned below its heading.
    pub fn write(&self, form: Form, out: &mut dyn Write) -> io::Result<()> {
        if form == Form::Tsv {
            return self.rows.iter().try_for_each(|row| writeln!(out, "{}", row.join("\t")));
        }
        let all = || std::iter::once(&self.heading).chain(&self.rows);
        let mut widths = vec![0; self.heading.len()];
        for row in all() {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        for row in all() {
            let mut line = String::new();
            for ((cell, width), right) in row.iter().zip(&widths).zip(self.right) {
                let pad = " ".repeat(width - cell.width());
                let (before, after) = if *right { (pad.as_str(), "") } else { ("", pad.as_str()) };
                line.extend([before, cell, after, "  "]);
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
