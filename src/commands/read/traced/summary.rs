//! What a run comes to, a connection at a time: who opened it, who ended first, how much went, who waited in what.

use super::super::ladder::object as plain;
use super::super::words::{endpoint, say};
use super::book::Book;
use super::calls::{self, Other};
use crate::catalogue::{Catalogue, human_time};
use enchufe_story::fact::{CallId, Cookie, Outcome, Syscall};
use enchufe_story::trace::{Event, Left, MOST_SOCKETS, Off, Segment, Told};
use enchufe_story::{Certainty, What};
use enchufe_wire::layer::TcpFlags;
use enchufe_wire::tcp::Endpoint;
use serde::{Serialize, Serializer};
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::time::Duration;

/// The most connections that are summed up.
const MOST: usize = 10_000;
/// The most of them that are written as text.
const MOST_WRITTEN: usize = 50;
/// Waits shorter than this, in nanoseconds, are not said.
const LEAST_SAID: i64 = 1_000_000;

/// What the calls on a socket come to.
#[derive(Clone, Debug, Default, Serialize)]
struct Calls {
    #[serde(rename = "calls")]
    count: u64,
    /// How long they took, by their names.
    #[serde(serialize_with = "by_name")]
    waited_ns: BTreeMap<Syscall, i64>,
    /// For how long of that the tracer held programs, where that is known.
    #[serde(serialize_with = "by_name", skip_serializing_if = "BTreeMap::is_empty")]
    held_ns: BTreeMap<Syscall, i64>,
}

fn by_name<S: Serializer>(waits: &BTreeMap<Syscall, i64>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(waits.iter().map(|(syscall, nanos)| (syscall.name(), nanos)))
}

impl Calls {
    fn add(&mut self, left: &Left) {
        let Some(syscall) = left.syscall.filter(|syscall| !calls::is_detail(*syscall)) else { return };
        self.count += 1;
        let waited = left.duration.unwrap_or_default().max(0);
        *self.waited_ns.entry(syscall).or_default() += waited;
        if let Some(held) = left.held {
            *self.held_ns.entry(syscall).or_default() += held.clamp(0, waited);
        }
    }

    fn join(&mut self, other: Self) {
        self.count += other.count;
        let both = [(&mut self.waited_ns, other.waited_ns), (&mut self.held_ns, other.held_ns)];
        for (own, other) in both {
            for (syscall, nanos) in other {
                *own.entry(syscall).or_default() += nanos;
            }
        }
    }

    /// How long they took, without the time in which the tracer held programs.
    fn waits(&self) -> Vec<(&'static str, i64)> {
        let held = |syscall| self.held_ns.get(syscall).copied().unwrap_or_default();
        self.waited_ns
            .iter()
            .map(|(syscall, nanos)| (calls::name(*syscall), nanos.saturating_sub(held(syscall))))
            .collect()
    }
}

/// Why calls are not named as causes, where a ladder does not show it otherwise.
const OFF: [&str; 3] = ["multipath", "other-bytes", "unseen-calls"];

/// One end.
#[derive(Debug, Default, Serialize)]
struct Side {
    address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    program: Option<u32>,
    bytes: u64,
    segments: u64,
    #[serde(flatten)]
    calls: Calls,
    /// Why calls are not named as causes of all that it sent, by its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    off: Option<&'static str>,
    /// How far its stream went.
    #[serde(skip)]
    until: u64,
}

/// A segment that ends something.
#[derive(Clone, Copy, Debug, Serialize)]
struct Ended {
    by: &'static str,
    frame: u64,
    flag: &'static str,
}

#[derive(Debug, Serialize)]
struct Connection {
    event: &'static str,
    conversation: u32,
    a: Side,
    b: Side,
    /// Who sent a SYN of its own: one end, or both.
    opened_by: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_first: Option<Ended>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reset: Option<Ended>,
    /// How many causes of its segments are proved, and inferred.
    proved: u64,
    inferred: u64,
}

/// Sums up while events come.
#[derive(Debug, Default)]
pub struct Summary {
    connections: BTreeMap<u32, Connection>,
    /// Of sockets that have no segment yet.
    before: HashMap<Cookie, Calls>,
    left_out: u64,
    book: Book,
    /// Calls that ask for sockets that are not of TCP, while they are open.
    asking: HashMap<CallId, Other>,
    /// How many of those there were.
    others: BTreeMap<Other, u64>,
}

impl Connection {
    fn new(stream: u32, [a, b]: [&Endpoint; 2]) -> Self {
        let side = |end| Side { address: endpoint(end), ..Side::default() };
        let (opened_by, proved, inferred) = (Vec::new(), 0, 0);
        let (event, ended_first, reset) = ("connection", None, None);
        let (a, b, conversation) = (side(a), side(b), stream);
        Self { event, conversation, a, b, opened_by, ended_first, reset, proved, inferred }
    }

    const fn side(&mut self, is_b: bool) -> &mut Side {
        if is_b { &mut self.b } else { &mut self.a }
    }

    fn segment(&mut self, segment: &Segment) {
        let row = &segment.row;
        let by = plain::end(row.from_b);
        if row.flags.any(TcpFlags::SYN) && !row.flags.any(TcpFlags::ACK) && !self.opened_by.contains(&by) {
            self.opened_by.push(by);
        }
        let ended = |flag| Some(Ended { by, frame: row.frame, flag });
        if row.flags.any(TcpFlags::RST) {
            self.reset = self.reset.or_else(|| ended("RST"));
        } else if row.flags.any(TcpFlags::FIN) {
            self.ended_first = self.ended_first.or_else(|| ended("FIN"));
        }
        let side = self.side(row.from_b);
        side.segments += 1;
        side.bytes += new_bytes(segment, &mut side.until);
        let by = segment.by.iter().map(|by| by.certainty);
        let what = row.cause.what.iter().map(|claim| claim.certainty);
        for certainty in by.chain(what).chain(segment.why.as_ref().map(|why| why.certainty)) {
            match certainty {
                Certainty::Proved => self.proved += 1,
                Certainty::Inferred => self.inferred += 1,
            }
        }
    }
}

/// How many of its bytes were not sent before.
fn new_bytes(segment: &Segment, until: &mut u64) -> u64 {
    let all = segment.row.len.map_or(0, u64::from);
    let after = segment.bytes.map(|bytes| bytes.end.saturating_sub(bytes.start.max(*until)));
    *until = segment.bytes.map_or(*until, |bytes| bytes.end.max(*until));
    let again = segment.row.cause.what.iter().find_map(|claim| match &claim.what {
        What::Repeats { whole: true, .. } | What::KeepAlive | What::WindowProbe => Some(0),
        What::Repeats { whole: false, .. } => Some(after.unwrap_or(all)),
        _ => None,
    });
    again.unwrap_or(all)
}

impl Summary {
    pub fn event(&mut self, event: &Event) {
        // It names programs, and no call.
        if !matches!(event.told, Told::Entered(_)) {
            self.book.see(event);
        }
        match &event.told {
            Told::Segment(segment) => self.segment(segment),
            Told::Left(left) => self.left(left),
            Told::Entered(entered) => {
                let other = calls::other(&entered.arguments).filter(|_| self.asking.len() < MOST);
                self.asking.extend(other.map(|other| (entered.id, other)));
            }
            _ => {}
        }
    }

    fn segment(&mut self, segment: &Segment) {
        let stream = segment.stream;
        if self.connections.len() >= MOST && !self.connections.contains_key(&stream) {
            self.left_out += u64::from(segment.row.flags.any(TcpFlags::SYN));
            return;
        }
        let [a, b] = &segment.ends;
        let new = || Connection::new(stream, [&a.endpoint, &b.endpoint]);
        let connection = self.connections.entry(stream).or_insert_with(new);
        for (side, is_b) in segment.ends.iter().zip([false, true]) {
            let own = connection.side(is_b);
            own.program = own.program.or(side.program);
            // One that is not of the programs is no wonder.
            let off = side.off.filter(|off| *off != Off::NoSocket);
            own.off = off.map(Off::id).or(own.off);
            if let Some(before) = side.socket.and_then(|cookie| self.before.remove(&cookie)) {
                own.calls.join(before);
            }
        }
        connection.segment(segment);
    }

    fn left(&mut self, left: &Left) {
        let made = matches!(left.outcome, Outcome::Returned(value) if value >= 0);
        if let Some(other) = self.asking.remove(&left.id).filter(|_| made) {
            let both = left.syscall == Some(Syscall::Socketpair);
            *self.others.entry(other).or_default() += if both { 2 } else { 1 };
        }
        if let Some((stream, is_b)) = left.of {
            if let Some(connection) = self.connections.get_mut(&stream) {
                connection.side(is_b).calls.add(left);
            }
        } else if let Some(cookie) = left.socket
            && (self.before.len() < MOST_SOCKETS || self.before.contains_key(&cookie))
        {
            self.before.entry(cookie).or_default().add(left);
        }
    }

    /// Writes an object a connection, and one for all.
    pub fn objects(&self, held: u64, out: &mut impl Write) -> io::Result<()> {
        for connection in self.connections.values() {
            serde_json::to_writer(&mut *out, connection)?;
            writeln!(out)?;
        }
        if !self.others.is_empty() {
            let count = |other| self.others.get(&other).copied().unwrap_or_default();
            let (udp, unix, others) = (count(Other::Udp), count(Other::Unix), count(Other::Another));
            let counts = json!({"event": "other_sockets", "udp": udp, "unix": unix, "others": others});
            serde_json::to_writer(&mut *out, &counts)?;
            writeln!(out)?;
        }
        if held > 0 && !self.connections.is_empty() {
            serde_json::to_writer(&mut *out, &json!({"event": "tracing", "held_ns": held}))?;
            writeln!(out)?;
        }
        Ok(())
    }

    /// Writes some lines a connection.
    pub fn write(&self, held: u64, out: &mut impl Write, catalogue: &Catalogue) -> io::Result<()> {
        let teller = Teller { book: &self.book, catalogue };
        for connection in self.connections.values().take(MOST_WRITTEN) {
            teller.lines(connection).iter().try_for_each(|line| writeln!(out, "{line}"))?;
        }
        let more = self.connections.len().saturating_sub(MOST_WRITTEN);
        let more = u64::try_from(more).unwrap_or(u64::MAX).saturating_add(self.left_out);
        if more > 0 {
            writeln!(out, "{}", say(catalogue, "summary-more", &[], &[("count", more)]))?;
        }
        if !self.others.is_empty() {
            let name = |other| match other {
                Other::Udp => "UDP".to_owned(),
                Other::Unix => "Unix".to_owned(),
                Other::Another => catalogue.plain("summary-another"),
            };
            let counts: Vec<String> =
                self.others.iter().map(|(other, count)| format!("{} {count}", name(*other))).collect();
            writeln!(out, "{}", say(catalogue, "summary-others", &[("sockets", &counts.join(", "))], &[]))?;
        }
        if held > 0 && !self.connections.is_empty() {
            let time = human_time(Duration::from_nanos(held));
            writeln!(out, "{}", say(catalogue, "summary-held", &[("time", &time)], &[]))?;
        }
        Ok(())
    }
}

/// Says what a connection comes to.
struct Teller<'s> {
    book: &'s Book,
    catalogue: &'s Catalogue,
}

impl Teller<'_> {
    /// The program and its address.
    fn who(&self, side: &Side) -> String {
        let name = side.program.map_or("", |program| self.book.name(program));
        format!("{name} {}", side.address).trim_start().to_owned()
    }

    fn lines(&self, connection: &Connection) -> Vec<String> {
        let Connection { a, b, .. } = connection;
        let of = |end: &str| if end == "a" { a } else { b };
        let stream = connection.conversation.to_string();
        let who = |end: &str| self.who(of(end));
        let head = match connection.opened_by.as_slice() {
            [one] => self.say("summary-opened", &[("stream", &stream), ("who", &who(one))]),
            [] => self.say("summary-not-opened", &[("stream", &stream)]),
            _ => self.say("summary-opened-both", &[("stream", &stream)]),
        };
        let frame = |ended: &Ended| ended.frame.to_string();
        let mut end: Vec<String> = Vec::new();
        let ended = connection.ended_first.as_ref().map(|ended| ("summary-ended", ended));
        let reset = connection.reset.as_ref().map(|ended| ("summary-reset", ended));
        for (id, ended) in ended.into_iter().chain(reset) {
            end.push(self.say(id, &[("who", &who(ended.by)), ("frame", &frame(ended))]));
        }
        if end.is_empty() {
            end.push(self.catalogue.plain("summary-open"));
        }
        let mut lines = vec![format!("{head}; {}", end.join("; "))];
        for side in [a, b] {
            lines.push(format!("  {}", self.side(side)));
            let off = side.off.filter(|off| OFF.contains(off));
            let said = off.map(|off| self.say(&format!("summary-off-{off}"), &[("who", &self.who(side))]));
            lines.extend(said.map(|said| format!("  {said}")));
        }
        let counts = [("proved", connection.proved), ("inferred", connection.inferred)];
        lines.push(format!("  {}", say(self.catalogue, "summary-causes", &[], &counts)));
        lines
    }

    fn side(&self, side: &Side) -> String {
        let mut waits = side.calls.waits();
        waits.retain(|(_, nanos)| *nanos >= LEAST_SAID);
        waits.sort_by_key(|(_, nanos)| -nanos);
        let said = |(name, nanos): &(&str, i64)| {
            format!("{name} {}", human_time(Duration::from_nanos(nanos.unsigned_abs())))
        };
        let waits: Vec<String> = waits.iter().map(said).collect();
        let counts = [("bytes", side.bytes), ("segments", side.segments), ("calls", side.calls.count)];
        let text = say(self.catalogue, "summary-side", &[("who", &self.who(side))], &counts);
        if waits.is_empty() {
            return text;
        }
        let waited = self.say("summary-waited", &[("calls", &waits.join(", "))]);
        let held: i64 = side.calls.held_ns.values().sum();
        if held == 0 {
            return format!("{text}; {waited}");
        }
        let held = human_time(Duration::from_nanos(held.unsigned_abs()));
        format!("{text}; {waited} {}", self.say("summary-taken-off", &[("time", &held)]))
    }

    fn say(&self, id: &str, texts: &[(&'static str, &str)]) -> String {
        say(self.catalogue, id, texts, &[])
    }
}
