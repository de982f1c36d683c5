//! Draws rows into the width that there is.
//!
//! Wide: number, time, the left end's states, the arrow between two lines, the right end's states, the cause. Narrower:
//! the cause stands below the right end's state. Narrow: no lines, an arrow's head before the flags, all else below.

use super::super::clock::seconds;
use super::super::words::{endpoint, say};
use super::said;
use crate::catalogue::Catalogue;
use crate::commands::demo::columns::wrap;
use enchufe_story::{Certainty, Ladder, Roles, Row};
use unicode_width::UnicodeWidthStr;

/// Where stdout is no terminal, as wide as a page of the documentation.
const USUAL_WIDTH: usize = 100;
const LEAST_WIDTH: usize = 40;
const MOST_WIDTH: usize = 160;
/// From here on causes have a column of their own.
const WIDE: usize = 96;
/// Below it there are no lines.
const NARROW: usize = 72;
/// The widest state, inferred.
const STATE: usize = "(SYN-RECEIVED)".len();
/// The most that an arrow takes.
const MOST_ARROW: usize = 44;
const LEAST_ARROW: usize = 24;
/// The least that is left for texts right of it.
const LEAST_TEXT: usize = 16;
/// What an arrow has at least beside its label.
const SHAFT: usize = 4;

/// The width of the terminal.
pub fn width() -> usize {
    let size = terminal_size::terminal_size_of(std::io::stdout());
    size.map_or(USUAL_WIDTH, |(width, _)| usize::from(width.0))
}

/// The widths of the columns.
#[derive(Clone, Debug)]
pub struct Room {
    width: usize,
    decimals: usize,
    number: usize,
    time: usize,
}

impl Room {
    pub fn new(width: usize, decimals: usize) -> Self {
        let width = width.clamp(LEAST_WIDTH, MOST_WIDTH);
        Self { width, decimals, number: if width < NARROW { 3 } else { 5 }, time: 0 }
    }

    /// Makes the columns as wide as this row needs.
    pub fn fit(&mut self, row: &Row) {
        self.number = self.number.max(row.frame.to_string().len());
        self.time = self.time.max(self.when(row).len());
    }

    fn when(&self, row: &Row) -> String {
        let mut when = String::new();
        seconds(row.relative, self.decimals, &mut when);
        when
    }

    fn is_wide(&self) -> bool {
        self.width >= WIDE && self.rest() >= STATE + 1 + LEAST_ARROW + LEAST_TEXT
    }

    fn is_narrow(&self) -> bool {
        self.width < NARROW || self.rest() < LEAST_ARROW + LEAST_TEXT
    }

    /// What the left end and the two lines leave.
    const fn rest(&self) -> usize {
        self.width.saturating_sub(self.left() + STATE + 1 + 2 + 1)
    }

    /// The column of the left states.
    const fn left(&self) -> usize {
        self.number + 1 + self.time + 2
    }

    /// The arrow's width, and that of the text right of it.
    fn shares(&self) -> (usize, usize) {
        let rest = self.rest();
        let own = if self.is_wide() { STATE + 1 } else { 0 };
        let arrow = (rest.saturating_sub(own) * 11 / 20).clamp(LEAST_ARROW, MOST_ARROW);
        (arrow, rest.saturating_sub(own + arrow))
    }
}

/// The parts of a row.
struct Parts {
    head: String,
    from_left: bool,
    flags: String,
    numbers: String,
    /// States of the left and the right end, in order.
    states: [Vec<String>; 2],
    cause: String,
}

/// Draws one ladder.
#[derive(Debug)]
pub struct Pen {
    room: Room,
    left_is_b: bool,
    has_client: bool,
    has_inferred: bool,
}

impl Pen {
    /// The client stands on the left; where none is known, who was seen first.
    pub fn new(room: Room, roles: Roles) -> Self {
        let left_is_b = matches!(roles, Roles::Client { is_b: true });
        let has_client = matches!(roles, Roles::Client { .. });
        Self { room, left_is_b, has_client, has_inferred: false }
    }

    /// Whether something inferred was drawn.
    pub const fn has_inferred(&self) -> bool {
        self.has_inferred
    }

    /// A ladder before this one had marks, too.
    pub fn remember_marks(&mut self, before: Option<&Self>) {
        self.has_inferred |= before.is_some_and(Self::has_inferred);
    }

    fn names(&self, catalogue: &Catalogue) -> [String; 2] {
        if self.has_client {
            return ["lane-client", "lane-server"].map(|id| catalogue.plain(id));
        }
        ["A".to_owned(), "B".to_owned()]
    }

    /// Who talks, and the names above the lines.
    pub fn head(&self, ladder: &Ladder, catalogue: &Catalogue) -> String {
        let [a, b] = ladder.ends();
        let (left, right) = if self.left_is_b { (b, a) } else { (a, b) };
        let (stream, left, right) = (ladder.stream().to_string(), endpoint(left), endpoint(right));
        let id = match ladder.roles() {
            Roles::Client { .. } => "ladder-head",
            Roles::Both => "ladder-head-both",
            Roles::Unknown => "ladder-head-unknown",
            Roles::Itself => "ladder-head-itself",
        };
        let texts = [("stream", stream.as_str()), ("a", &left), ("b", &right)];
        let mut lines = wrap(&say(catalogue, id, &texts, &[]), self.room.width);
        if !self.room.is_narrow() {
            let [left, right] = self.names(catalogue);
            let (arrow, _) = self.room.shares();
            let indent = self.room.left() + STATE + 1;
            // Each name stands over its line, as far to the outside as it can.
            let start = (indent + 1).saturating_sub(left.width());
            let gap = (indent + 1 + arrow).saturating_sub(start + left.width());
            lines.push(format!("{}{left}{}{right}", " ".repeat(start), " ".repeat(gap)));
        }
        lines.push(String::new());
        lines.join("\n")
    }

    /// A row, on as many lines as it takes.
    pub fn row(&mut self, row: &Row, catalogue: &Catalogue) -> String {
        self.room.fit(row);
        let inferred = |certainty| certainty == Certainty::Inferred;
        self.has_inferred |=
            row.changes.iter().any(|change| change.to.is_some() && inferred(change.certainty))
                || row.cause.what.iter().any(|claim| inferred(claim.certainty))
                || row.cause.why.is_some_and(|(_, certainty)| inferred(certainty));
        let (flags, numbers) = said::label(row);
        let Room { number, time, .. } = self.room;
        let head = format!("{:>number$} {:>time$}", row.frame, self.room.when(row));
        let from_left = row.from_b == self.left_is_b;
        let cause = said::cause(row, catalogue);
        let states = [states(row, self.left_is_b), states(row, !self.left_is_b)];
        let parts = Parts { head, from_left, flags, numbers, states, cause };
        let lines = if self.room.is_narrow() { self.narrow(&parts, catalogue) } else { self.lanes(parts) };
        lines.iter().flat_map(|line| [line.trim_end(), "\n"]).collect()
    }

    /// Arrows between two lines.
    fn lanes(&self, mut parts: Parts) -> Vec<String> {
        let (arrow, text) = self.room.shares();
        parts.make_fit(arrow);
        let [left, right] = &parts.states;
        let before = left.len().max(right.len()).saturating_sub(1);
        let mut lines: Vec<String> = (0..before)
            .map(|at| self.between(state_at(left, at, before), state_at(right, at, before)))
            .collect();
        let mut texts =
            if parts.cause.is_empty() { Vec::new() } else { wrap(&parts.cause, text) }.into_iter();
        let (left, right) = (state_at(left, before, before), state_at(right, before, before));
        let beside = if self.room.is_wide() {
            format!("{right:STATE$} {}", texts.next().unwrap_or_default())
        } else if right.is_empty() {
            texts.next().unwrap_or_default()
        } else {
            right.to_owned()
        };
        lines.push(format!("{}  {left:>STATE$} {} {beside}", parts.head, draw(&parts, arrow)));
        let skip = if self.room.is_wide() { STATE + 1 } else { 0 };
        lines.extend(texts.map(|text| self.between("", &format!("{:skip$}{text}", ""))));
        lines
    }

    /// A line without an arrow.
    fn between(&self, left: &str, right: &str) -> String {
        let ((arrow, _), indent) = (self.room.shares(), self.room.left());
        format!("{:indent$}{left:>STATE$} │{:arrow$}│ {right}", "", "")
    }

    /// No lines: who it comes from is told by the arrow's side.
    fn narrow(&self, parts: &Parts, catalogue: &Catalogue) -> Vec<String> {
        let indent = self.room.number + 1;
        let arrow = if parts.from_left { "──▶" } else { "◀──" };
        let mut lines = vec![format!("{} {arrow} {}{}", parts.head, parts.flags, parts.numbers)];
        let names = self.names(catalogue);
        for (states, name) in parts.states.iter().zip(names) {
            lines.extend(states.iter().map(|state| format!("{:indent$}{name}: {state}", "")));
        }
        if !parts.cause.is_empty() {
            let texts = wrap(&parts.cause, self.room.width - indent);
            lines.extend(texts.iter().map(|text| format!("{:indent$}{text}", "")));
        }
        lines
    }
}

impl Parts {
    /// Moves the numbers to the cause where the arrow has no room for them.
    fn make_fit(&mut self, arrow: usize) {
        let flags = self.flags.width() + SHAFT;
        if flags + self.numbers.width() > arrow {
            self.numbers = format!(" {}", self.numbers.trim());
        }
        if flags + self.numbers.width() > arrow {
            let numbers = std::mem::take(&mut self.numbers);
            let between = if self.cause.is_empty() { "" } else { "; " };
            self.cause = format!("{}{between}{}", numbers.trim(), self.cause);
        }
    }
}

/// The state on a line before the arrow's, or on the arrow's: the last one stands there.
fn state_at(states: &[String], at: usize, arrow: usize) -> &str {
    let place = (at + states.len()).checked_sub(arrow + 1);
    place.and_then(|place| states.get(place)).map_or("", String::as_str)
}

/// The states of one end in this row; one that is only confirmed before another comes is left out.
fn states(row: &Row, of_b: bool) -> Vec<String> {
    let changes: Vec<_> = row.changes.iter().filter(|change| change.of_b == of_b).collect();
    let last = changes.len().saturating_sub(1);
    let told = changes.iter().enumerate().filter(|(at, change)| *at == last || !change.is_confirmation());
    told.map(|(_, change)| said::state(change)).collect()
}

/// The arrow between its two lines.
fn draw(parts: &Parts, width: usize) -> String {
    let label = format!("{}{}", parts.flags, parts.numbers);
    let spare = width.saturating_sub(label.width() + SHAFT);
    let tail = "─".repeat(1 + spare.min(1));
    let shaft = "─".repeat(spare.saturating_sub(1));
    if parts.from_left {
        format!("│{tail} {label} {shaft}▶│")
    } else {
        format!("│◀{shaft} {label} {tail}│")
    }
}
