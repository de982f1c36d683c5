//! Two columns of text: the client on the left, the server on the right.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Where stdout is no terminal, as wide as a page of this documentation.
const USUAL_WIDTH: usize = 100;
const LEAST_WIDTH: usize = 60;
const MOST_WIDTH: usize = 160;
const GAP: &str = " │ ";

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Client,
    Server,
}

/// Cells of one width.
#[derive(Debug)]
pub struct Columns {
    width: usize,
}

impl Columns {
    /// As wide as the terminal.
    pub fn for_stdout() -> Self {
        let size = terminal_size::terminal_size_of(std::io::stdout());
        let width = size.map_or(USUAL_WIDTH, |(width, _)| usize::from(width.0));
        Self { width: (width.clamp(LEAST_WIDTH, MOST_WIDTH) - GAP.width()) / 2 }
    }

    /// The names of the two, underlined.
    pub fn heading(&self, client: &str, server: &str) -> String {
        let line = "─".repeat(self.width + 1);
        format!("{}{GAP}{server}\n{line}┼{line}\n", self.padded(client))
    }

    /// One side's text, wrapped into its column.
    pub fn cell(&self, side: Side, text: &str) -> String {
        let mut rows = String::new();
        for row in text.lines().flat_map(|line| wrap(line, self.width)) {
            let row = match side {
                Side::Client => format!("{}{GAP}", self.padded(&row)),
                Side::Server => format!("{}{GAP}{row}", self.padded("")),
            };
            rows += row.trim_end();
            rows.push('\n');
        }
        rows
    }

    fn padded(&self, text: &str) -> String {
        format!("{text}{}", " ".repeat(self.width.saturating_sub(text.width())))
    }
}

/// Rows of at most `width` columns, broken at spaces where there are some; rows after the first are
/// indented.
pub fn wrap(line: &str, width: usize) -> Vec<String> {
    // No character is wider than it has bytes.
    if line.len() <= width && !line.starts_with(' ') {
        return vec![line.to_owned()];
    }
    let mut rows = Vec::new();
    let mut row = String::new();
    for word in line.split(' ') {
        if !row.trim().is_empty() && row.width() + 1 + word.width() > width {
            rows.push(std::mem::replace(&mut row, "  ".to_owned()));
        } else if !row.is_empty() {
            row.push(' ');
        }
        for character in word.chars() {
            if row.width() + character.width().unwrap_or(0) > width {
                rows.push(std::mem::replace(&mut row, "  ".to_owned()));
            }
            row.push(character);
        }
    }
    rows.push(row);
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_at_spaces_and_long_words_are_cut() {
        assert_eq!(wrap("uno dos tres", 7), ["uno dos", "  tres"]);
        assert_eq!(wrap("abcdefgh", 5), ["abcde", "  fgh"]);
        assert_eq!(wrap("", 5), [""]);
        assert_eq!(wrap("日本語", 4), ["日本", "  語"]);
    }

    #[test]
    fn each_side_has_its_column() {
        let columns = Columns { width: 5 };
        assert_eq!(columns.heading("a", "b"), "a     │ b\n──────┼──────\n");
        assert_eq!(columns.cell(Side::Client, "ab"), "ab    │\n");
        assert_eq!(columns.cell(Side::Server, "ab"), "      │ ab\n");
    }
}
