//! The ladder: what the client does on the left, the wire in the middle, what the server does on the right.

use super::super::ladder::pen::width;
use super::super::ladder::said;
use super::super::words::say;
use super::book::{Book, Named};
use super::folding::Bulk;
use super::tags::Tags;
use super::{calls, names, segments};
use crate::catalogue::{Catalogue, human_time};
use crate::commands::demo::columns::wrap;
use enchufe_story::fact::{Arrival, CallId, Line, Outcome, Program, Status, Syscall};
use enchufe_story::trace::{Entered, Event, Left, Role, Segment, SocketChange, Sockets, Told};
use enchufe_story::{Certainty, Change};
use enchufe_wire::Timestamp;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Duration;
use unicode_width::UnicodeWidthStr;

/// A time in which nothing happened is drawn from here on, in nanoseconds.
const LEAST_GAP: i64 = 5_000_000;
/// The width of the frame numbers.
const NUMBER: usize = 4;
const LEAST_WIDTH: usize = 60;
const MOST_WIDTH: usize = 170;
/// Where something is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    Left,
    Right,
}

/// What a program printed, until its line is whole.
#[derive(Debug)]
struct Print {
    since: Timestamp,
    tid: u32,
    line: Option<Line>,
    text: Vec<u8>,
}

/// A call that was entered, and of which nothing is drawn yet.
#[derive(Debug)]
struct Pending {
    since: Timestamp,
    call: Entered,
}

/// Draws events as they come.
pub struct Drawing<'a, W> {
    out: W,
    catalogue: &'a Catalogue,
    room: Room,
    /// Programs with a listening socket stand on the right.
    servers: HashSet<u32>,
    programs: Vec<u32>,
    tags: Tags,
    book: Book,
    hidden: HashSet<CallId>,
    /// Calls that are drawn with a segment of theirs need no line for an outcome that goes without saying.
    drawn: HashSet<CallId>,
    /// Of each conversation, which end stands on the left.
    left_is_b: HashMap<u32, bool>,
    pending: Option<Pending>,
    /// By program and stream.
    prints: BTreeMap<(u32, u8), Print>,
    last: Option<Timestamp>,
    has_inferred: bool,
    /// With details.
    verbose: bool,
    /// The row that is drawn.
    row: String,
}

/// The widths of the columns.
#[derive(Clone, Copy, Debug)]
struct Room {
    lane: usize,
    arrow: usize,
}

impl Room {
    fn new(width: usize) -> Self {
        let width = width.clamp(LEAST_WIDTH, MOST_WIDTH);
        let arrow = (width * 3 / 10).clamp(18, 40);
        Self { lane: (width - NUMBER - 2 - arrow) / 2, arrow }
    }
}

impl<'a, W: Write> Drawing<'a, W> {
    pub fn new(out: W, sockets: &Sockets, tags: Tags, verbose: bool, catalogue: &'a Catalogue) -> Self {
        let listeners = sockets.all().iter().filter(|socket| matches!(socket.role, Role::Listens { .. }));
        Self {
            out,
            catalogue,
            room: Room::new(width()),
            servers: listeners.map(|socket| socket.program).collect(),
            programs: sockets.programs().to_vec(),
            tags,
            book: Book::default(),
            hidden: HashSet::new(),
            drawn: HashSet::new(),
            left_is_b: HashMap::new(),
            pending: None,
            prints: BTreeMap::new(),
            last: None,
            has_inferred: false,
            verbose,
            row: String::new(),
        }
    }

    /// Draws an event that was [learnt](Self::learn).
    pub fn event(&mut self, event: Event) -> io::Result<()> {
        if self.tags.is_noise(&event) {
            return Ok(());
        }
        let Event { time, told } = event;
        match told {
            Told::Started(program) => self.started(time, &program),
            Told::Entered(entered) => self.entered(time, entered),
            Told::Left(left) => self.left(time, &left),
            Told::Printed { program, tid, stream, text, line, .. } => {
                self.printed((program, stream), Print { since: time, tid, line, text })
            }
            Told::Ended { pid, status } => self.ended(time, pid, status),
            Told::Segment(segment) => self.segment(time, &segment),
            Told::ArrivedAgain { frame, .. } => self.arrived_again(time, frame),
            Told::Began { program, pid, tid } => {
                let id = if pid == tid { "trace-process" } else { "trace-thread" };
                self.detail(time, program, id, &[("number", &tid.to_string())])
            }
            Told::Signalled { pid, signal, .. } => {
                let Some(program) = self.book.program_of(pid) else { return Ok(()) };
                self.detail(time, program, "trace-signalled", &[("signal", &names::signal(signal))])
            }
        }
    }

    fn lane(&self, program: u32) -> Lane {
        if self.servers.contains(&program) { Lane::Right } else { Lane::Left }
    }

    /// Where a call on a socket stands: at its end of the conversation, where one program may have both.
    fn lane_of(&self, program: u32, of: Option<(u32, bool)>) -> Lane {
        let Some((stream, is_b)) = of else { return self.lane(program) };
        let left_is_b = self.left_is_b.get(&stream).copied().unwrap_or(false);
        if is_b == left_is_b { Lane::Left } else { Lane::Right }
    }

    fn name(&self, program: u32) -> &str {
        self.book.name(program)
    }

    /// What stands before a text where several programs share a lane.
    fn whose(&self, program: u32) -> String {
        let lane = self.lane(program);
        let sharing = self.programs.iter().filter(|other| self.lane(**other) == lane).count();
        if sharing > 1 { format!("[{}] ", program + 1) } else { String::new() }
    }

    fn started(&mut self, time: Timestamp, program: &Program) -> io::Result<()> {
        self.settle()?;
        self.gap(time)?;
        let text = format!("{}$ {}", self.whose(program.number), calls::command(program));
        self.text(self.lane(program.number), &text, &[])
    }

    fn ended(&mut self, time: Timestamp, pid: u32, status: Status) -> io::Result<()> {
        let Some(number) = self.book.first_process_of(pid) else { return Ok(()) };
        for stream in [1, 2] {
            self.print((number, stream))?;
        }
        self.settle()?;
        self.gap(time)?;
        let text = calls::ended(status, self.catalogue);
        self.text(self.lane(number), &format!("{}{text}", self.whose(number)), &[])
    }

    /// What is drawn with details only.
    fn detail(
        &mut self,
        time: Timestamp,
        program: u32,
        id: &str,
        texts: &[(&'static str, &str)],
    ) -> io::Result<()> {
        if !self.verbose {
            return Ok(());
        }
        self.settle()?;
        self.gap(time)?;
        let text = format!("{}{}", self.whose(program), say(self.catalogue, id, texts, &[]));
        self.text(self.lane(program), &text, &[])
    }

    fn entered(&mut self, time: Timestamp, entered: Entered) -> io::Result<()> {
        if calls::is_detailed(&entered) && !self.verbose || entered.syscall == Syscall::Killed {
            self.hidden.insert(entered.id);
            return Ok(());
        }
        // A prompt has no end of line.
        for stream in [1, 2] {
            self.print((entered.program, stream))?;
        }
        self.settle()?;
        self.pending = Some(Pending { since: time, call: entered });
        Ok(())
    }

    fn left(&mut self, time: Timestamp, left: &Left) -> io::Result<()> {
        // What a program waits for in its last moment is told by its end.
        if self.hidden.remove(&left.id) || left.outcome == Outcome::Never {
            return Ok(());
        }
        let lane = self.lane_of(left.program.unwrap_or(0), left.of);
        let outcome = calls::outcome(left);
        let states = self.own_states(&left.changes);
        let drawn = self.drawn.remove(&left.id);
        if let Some(Pending { since, call }) = self.pending.take_if(|pending| pending.call.id == left.id) {
            self.gap(since)?;
            self.last = Some(time);
            // Which connection it came to, `accept` says only now.
            let call = Entered { of: left.of.or(call.of), ..call };
            let text = format!("{} {outcome}", self.call(&call));
            return self.text(lane, text.trim_end(), &states);
        }
        if drawn && calls::goes_without_saying(left) && states.is_empty() {
            return Ok(());
        }
        self.settle()?;
        self.gap(time)?;
        let Some(Named { syscall, place, process, .. }) = self.book.call(left.id).cloned() else {
            return Ok(());
        };
        let outcome = if outcome.is_empty() { "= 0" } else { &outcome };
        let tags = self.tagged(left.program.unwrap_or(0), process.tid, left.of);
        let text = format!("{tags}{} {outcome}", at(&place, calls::name(syscall)));
        self.text(lane, &text, &states)
    }

    fn call(&self, entered: &Entered) -> String {
        let place = names::place(entered.line.as_ref(), self.name(entered.program));
        let text = calls::called(entered);
        let tags = self.tagged(entered.program, entered.tid, entered.of);
        format!("{tags}{}", at(&place, &text))
    }

    /// What stands before a call where there is something to tell apart.
    fn tagged(&self, program: u32, tid: u32, of: Option<(u32, bool)>) -> String {
        let (thread, stream) = (self.tags.thread(program, tid), of.map(|(stream, _)| stream));
        format!("{}{thread}{}", self.whose(program), self.tags.conversation(stream))
    }

    fn own_states(&mut self, changes: &[SocketChange]) -> Vec<String> {
        let told = changes.iter().map(|change| state(change.to.name(), change.certainty)).collect();
        self.has_inferred |= changes.iter().any(|change| change.certainty == Certainty::Inferred);
        told
    }

    fn printed(&mut self, from: (u32, u8), print: Print) -> io::Result<()> {
        // What it printed on the other stream came before, whole or not.
        let (program, stream) = from;
        self.print((program, 3 - stream.clamp(1, 2)))?;
        let before =
            self.prints.get_mut(&from).filter(|before| before.line == print.line && before.tid == print.tid);
        if let Some(before) = before {
            before.text.extend(print.text);
        } else {
            self.print(from)?;
            self.prints.insert(from, print);
        }
        let whole = self.prints.get(&from).is_some_and(|print| print.text.ends_with(b"\n"));
        if whole { self.print(from) } else { Ok(()) }
    }

    /// Draws what a program printed so far.
    fn print(&mut self, (program, stream): (u32, u8)) -> io::Result<()> {
        let Some(print) = self.prints.remove(&(program, stream)) else { return Ok(()) };
        self.settle()?;
        self.gap(print.since)?;
        let place = names::place(print.line.as_ref(), self.name(program));
        for line in print.text.split_inclusive(|byte| *byte == b'\n') {
            let tags = self.tagged(program, print.tid, None);
            let printed = format!("» {}", calls::printed(line));
            let text = format!("{tags}{}", at(&place, printed.trim()));
            self.text(self.lane(program), &text, &[])?;
        }
        Ok(())
    }

    /// Draws a call that encloses what comes.
    fn settle(&mut self) -> io::Result<()> {
        let Some(Pending { since, call }) = self.pending.take() else { return Ok(()) };
        // One that sends nothing is told by the end of its process.
        if call.syscall == Syscall::ExitGroup {
            return Ok(());
        }
        self.gap(since)?;
        let text = format!("{} …", self.call(&call));
        self.text(self.lane_of(call.program, call.of), &text, &[])
    }

    /// Draws the time that has passed since what was drawn last.
    fn gap(&mut self, time: Timestamp) -> io::Result<()> {
        let gap = self.last.map_or(0, |last| time.since(last));
        self.last = Some(self.last.map_or(time, |last| last.max(time)));
        if gap < LEAST_GAP {
            return Ok(());
        }
        let said = format!("· {} ·", human_time(Duration::from_nanos(gap.unsigned_abs())));
        let (lane, arrow) = (self.room.lane, self.room.arrow);
        writeln!(self.out, "{:NUMBER$}{:lane$}│{said:^arrow$}│", "", "")
    }

    /// A segment that the link doubled.
    fn arrived_again(&mut self, time: Timestamp, frame: u64) -> io::Result<()> {
        self.settle()?;
        self.gap(time)?;
        let said = say(self.catalogue, "trace-arrives-again", &[("frame", &frame.to_string())], &[]);
        let (lane, arrow) = (self.room.lane, self.room.arrow);
        writeln!(self.out, "{:NUMBER$}{:lane$}│{said:^arrow$}│", "", "")
    }

    fn segment(&mut self, time: Timestamp, segment: &Segment) -> io::Result<()> {
        let with = self.pending.take_if(|pending| segments::is_of(segment, pending.call.id));
        self.settle()?;
        self.gap(with.as_ref().map_or(time, |with| with.since))?;
        self.last = Some(time);
        let left_is_b = segment.ends[0].listener.is_some() && segment.ends[0].connect.is_none();
        self.left_is_b.insert(segment.stream, left_is_b);
        let from_left = segment.row.from_b == left_is_b;
        let mut cause = segments::cause(segment, &self.book, self.catalogue);
        if let Some(with) = with {
            self.drawn.insert(with.call.id);
            // The call itself stands where it is named.
            let named = self.book.said(with.call.id, self.catalogue);
            cause = replace_word(&cause, &named, &self.call(&with.call));
        }
        let states = |of_b: bool| {
            let of_end = |change: &&Change| change.of_b == of_b;
            segment.row.changes.iter().rfind(of_end).map(said::state).into_iter().collect::<Vec<_>>()
        };
        let [left, right] = [states(left_is_b), states(!left_is_b)];
        self.has_inferred |= segments::is_inferred(segment);
        let (flags, numbers) = said::label(&segment.row);
        let flags = format!("{}{flags}", self.tags.conversation(Some(segment.stream)));
        let mut label = format!("{flags}{numbers}");
        let mut middle = Vec::new();
        if !is_label(&label, self.room.arrow) {
            (label, middle) = (flags, vec![numbers.trim_start().to_owned()]);
        }
        let lost = segment.passage.arrival == Arrival::Never;
        middle.insert(0, arrow(&label, from_left, lost, self.room.arrow));
        let (left_text, right_text) = if from_left { (cause.as_str(), "") } else { ("", cause.as_str()) };
        let number = segment.row.frame.to_string();
        self.draw(&number, [(left_text, &left), (right_text, &right)], &middle)
    }

    /// What is known of programs and calls.
    pub const fn book(&self) -> &Book {
        &self.book
    }

    /// Learns what an event says of programs and calls, before it is drawn.
    pub fn learn(&mut self, event: &Event) {
        self.book.see(event);
    }

    /// Many segments and calls in one row.
    pub fn bulk(&mut self, bulk: &Bulk) -> io::Result<()> {
        self.settle()?;
        if let Some(first) = bulk.first {
            self.gap(first)?;
        }
        self.last = bulk.last.or(self.last);
        let mut lanes = [Vec::new(), Vec::new()];
        let [left, right] = &mut lanes;
        for (kind, tally) in bulk.calls.iter().filter(|(_, tally)| tally.count > 0) {
            let texts = if self.lane(kind.program) == Lane::Left { &mut *left } else { &mut *right };
            texts.push(format!("{}{}", self.whose(kind.program), calls::tally(kind, tally)));
        }
        let sender = if bulk.from_left { left } else { right };
        let is_sure = bulk.writers.values().all(|is_proved| *is_proved);
        self.has_inferred |= !is_sure;
        for call in bulk.writers.keys() {
            let said = self.book.said(*call, self.catalogue);
            if !sender.iter().any(|text| text.contains(&said)) {
                sender.push(said);
            }
        }
        if !is_sure {
            for text in sender.iter_mut() {
                *text = format!("({text})");
            }
        }
        let [left, right] = lanes.map(|texts| texts.join("; "));
        let number = bulk.frames.map(|(first, _)| first.to_string()).unwrap_or_default();
        let middle = self.bulk_arrow(bulk);
        self.draw(&number, [(&left, &[]), (&right, &[])], &middle)
    }

    fn bulk_arrow(&self, bulk: &Bulk) -> Vec<String> {
        let (Some((first, end)), Some((from, to))) = (bulk.range, bulk.frames) else { return Vec::new() };
        let count = say(self.catalogue, "trace-bulk", &[], &[("count", bulk.segments)]);
        let count = format!("{}{count}", self.tags.conversation(bulk.stream));
        let range = format!("{first}..{end}");
        let label = format!("{count}  {range}");
        let fits = is_label(&label, self.room.arrow);
        let texts = [("first", from.to_string()), ("last", to.to_string())];
        let texts = texts.each_ref().map(|(name, text)| (*name, text.as_str()));
        let below = say(self.catalogue, "trace-bulk-frames", &texts, &[("acks", bulk.acks)]);
        let label = if fits { &label } else { &count };
        let mut lines = vec![arrow(label, bulk.from_left, false, self.room.arrow)];
        lines.extend((!fits).then_some(range));
        lines.push(below);
        if bulk.closed > 0 {
            lines.push(say(self.catalogue, "trace-bulk-closed", &[], &[("count", bulk.closed)]));
        }
        lines
    }

    fn text(&mut self, lane: Lane, text: &str, states: &[String]) -> io::Result<()> {
        let nothing = ("", &[][..]);
        let sides = match lane {
            Lane::Left => [(text, states), nothing],
            Lane::Right => [nothing, (text, states)],
        };
        self.draw("", sides, &[])
    }

    /// One row, on as many lines as its texts need.
    fn draw(
        &mut self,
        number: &str,
        [left, right]: [(&str, &[String]); 2],
        middle: &[String],
    ) -> io::Result<()> {
        let (lane, arrow) = (self.room.lane, self.room.arrow);
        let [left, right] = [self.lines(left, Lane::Left), self.lines(right, Lane::Right)];
        for at in 0..left.len().max(right.len()).max(middle.len()).max(1) {
            let (own, other) = (left.get(at).map_or("", |l| l), right.get(at).map_or("", |l| l));
            let number = if at == 0 { number } else { "" };
            let middle = middle.get(at).map_or("", |middle| middle);
            let pad = lane.saturating_sub(own.width());
            // A long number takes the room that the lane leaves.
            let width = NUMBER.max(if number.is_empty() { 0 } else { number.width() + 1 });
            let pad = pad.saturating_sub(width - NUMBER);
            self.row.clear();
            // A string takes what is written.
            let _ = write!(self.row, "{number:<width$}{own}{:pad$}│{middle:^arrow$}│{other}", "");
            writeln!(self.out, "{}", self.row.trim_end())?;
        }
        Ok(())
    }

    /// The lines of one lane: the text, and the states at the edge to the wire.
    fn lines(&self, (text, states): (&str, &[String]), lane: Lane) -> Vec<String> {
        let room = self.room.lane - 1;
        let mut lines = if text.is_empty() { Vec::new() } else { wrap(text, room) };
        let state = states.join(" ");
        if lane == Lane::Right {
            for line in &mut lines {
                line.insert(0, ' ');
            }
        }
        if state.is_empty() {
            return lines;
        }
        match lines.last_mut() {
            Some(last) if last.width() + 2 + state.width() <= room => {
                let pad = room - last.width() - state.width();
                *last = match lane {
                    Lane::Left => format!("{last}{:pad$}{state} ", ""),
                    Lane::Right => format!("{last}{:pad$} {state}", ""),
                };
            }
            _ => {
                let pad = room.saturating_sub(state.width());
                lines.push(match lane {
                    Lane::Left => format!("{:pad$}{state} ", ""),
                    Lane::Right => format!(" {:pad$}{state}", ""),
                });
            }
        }
        lines
    }

    /// Draws what is left; gives what was written to, and who made which call.
    pub fn finish(mut self) -> io::Result<(W, Book)> {
        while let Some(from) = self.prints.keys().next().copied() {
            self.print(from)?;
        }
        self.settle()?;
        if self.has_inferred {
            writeln!(self.out, "{}", self.catalogue.plain("trace-legend"))?;
        }
        let legend = self.last.map(|_| self.tags.legend(self.catalogue)).unwrap_or_default();
        legend.iter().try_for_each(|line| writeln!(self.out, "{line}"))?;
        Ok((self.out, self.book))
    }
}

pub fn state(name: &str, certainty: Certainty) -> String {
    if certainty == Certainty::Proved { name.to_owned() } else { format!("({name})") }
}

/// A text at its line of code, if that is known.
fn at(place: &str, text: &str) -> String {
    if place.is_empty() { text.to_owned() } else { format!("{place} {text}") }
}

/// Replaces a name where it stands first, and not where a longer one begins with it: `write` is no part of `writev`.
fn replace_word(text: &str, name: &str, with: &str) -> String {
    let goes_on = |end: usize| text.get(end..).and_then(|rest| rest.chars().next());
    let is_whole = |start: usize| !goes_on(start + name.len()).is_some_and(char::is_alphanumeric);
    let found = text.match_indices(name).map(|(start, _)| start).find(|start| is_whole(*start));
    let Some((before, after)) =
        found.and_then(|start| Some((text.get(..start)?, text.get(start + name.len()..)?)))
    else {
        return text.to_owned();
    };
    format!("{before}{with}{after}")
}

/// Whether a text fits on an arrow.
fn is_label(label: &str, width: usize) -> bool {
    label.width() + 4 <= width
}

fn arrow(label: &str, to_right: bool, lost: bool, width: usize) -> String {
    let label = if is_label(label, width) { label } else { "…" };
    let spare = width.saturating_sub(label.width() + 4);
    // One that is lost does not come to the other line.
    let head = if lost {
        "✗"
    } else if to_right {
        "▶"
    } else {
        "◀"
    };
    if to_right {
        format!("─ {label} {}{head}", "─".repeat(spare))
    } else {
        format!("{head}{} {label} ─", "─".repeat(spare))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_replaced_where_it_stands_whole() {
        assert_eq!(replace_word("writev; write", "write", "write(5)"), "writev; write(5)");
        assert_eq!(replace_word(":4 send; :4 send", ":4 send", ":4 send(5)"), ":4 send(5); :4 send");
        assert_eq!(replace_word("close", "write", "write(5)"), "close");
    }
}
