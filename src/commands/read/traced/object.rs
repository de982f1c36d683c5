//! A line of `--json`: one event of a recording.

use super::super::ladder::object as plain;
use super::super::words::endpoint;
use super::book::Book;
use super::names;
use crate::events::Payload;
use crate::text::escape;
use enchufe_story::State;
use enchufe_story::fact::{Arguments, Arrival, CallId, Line, Outcome, Passage, Reading, Status, Syscall};
use enchufe_story::trace::{
    By, Deed, Disagreement, Entered, Event, Left, Moved, Now, Range, Reason, Segment, Side, SocketChange,
    Told,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// An event; its keys stand in `docs/trace.md`.
#[derive(Debug, Serialize)]
pub struct Object {
    event: &'static str,
    time_epoch_ns: i64,
    #[serde(flatten)]
    keys: Keys,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
#[allow(clippy::large_enum_variant, reason = "it lives as long as one line")]
enum Keys {
    Segment(SegmentObject),
    Others(Map<String, Value>),
}

impl Object {
    pub fn new(event: &Event, book: &Book) -> Self {
        let (name, keys) = match &event.told {
            Told::Segment(segment) => ("segment", Keys::Segment(SegmentObject::new(segment, book))),
            told => {
                let (name, value) = other(told);
                let Value::Object(keys) = without_null(value) else { return Self::empty(name, event) };
                (name, Keys::Others(keys))
            }
        };
        Self { event: name, time_epoch_ns: event.time.nanos(), keys }
    }

    /// That the kernel said what cannot be.
    pub fn disagreement(disagreement: &Disagreement) -> Self {
        let Disagreement { socket, time, given, said } = disagreement;
        let kernel = said.state().map_or("CLOSE", State::name);
        let keys = [("socket", json!(socket.0)), ("given", json!(given.name())), ("kernel", json!(kernel))];
        let keys = keys.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        Self { event: "disagreement", time_epoch_ns: time.nanos(), keys: Keys::Others(keys) }
    }

    fn empty(name: &'static str, event: &Event) -> Self {
        Self { event: name, time_epoch_ns: event.time.nanos(), keys: Keys::Others(Map::new()) }
    }
}

fn other(told: &Told) -> (&'static str, Value) {
    match told {
        Told::Started(program) => {
            let command: Vec<String> = program.command.iter().map(|word| escape(word)).collect();
            let name = names::program(&program.command);
            let keys =
                json!({"program": program.number, "pid": program.pid, "name": name, "command": command});
            ("program_started", keys)
        }
        Told::Began { program, pid, tid } => ("began", json!({"program": program, "pid": pid, "tid": tid})),
        Told::Entered(entered) => ("call_entered", call_entered(entered)),
        Told::Left(left) => ("call_left", call_left(left)),
        Told::Printed { id, program, pid, tid, stream, text, length, line } => {
            let mut keys = json!({
                "call": id.0, "program": program, "pid": pid, "tid": tid,
                "stream": if *stream == 1 { "stdout" } else { "stderr" },
                "length": length, "line": line_object(line.as_ref()),
            });
            merge(&mut keys, &json!(Payload::new(text, escape(text), true)));
            ("printed", keys)
        }
        Told::Signalled { pid, tid, signal } => {
            let name = names::signal(*signal);
            ("signalled", json!({"pid": pid, "tid": tid, "number": signal, "signal": name}))
        }
        Told::Ended { pid, status } => {
            let mut keys = json!({ "pid": pid });
            let how = match status {
                Status::Exited(status) => json!({ "status": status }),
                Status::Killed(signal) => json!({"number": signal, "signal": names::signal(*signal)}),
            };
            merge(&mut keys, &how);
            ("ended", keys)
        }
        Told::ArrivedAgain { stream, frame, from_b } => {
            let keys = json!({"conversation": stream, "number": frame, "from": plain::end(*from_b)});
            ("arrived_again", keys)
        }
        Told::Segment(_) => ("segment", Value::Null),
    }
}

/// What is not known has no key.
pub fn without_null(mut value: Value) -> Value {
    if let Value::Object(keys) = &mut value {
        keys.retain(|_, value| !value.is_null());
    }
    value
}

pub fn merge(keys: &mut Value, more: &Value) {
    if let (Some(keys), Some(more)) = (keys.as_object_mut(), more.as_object()) {
        keys.extend(more.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
}

fn line_object(line: Option<&Line>) -> Value {
    let Some(Line { file, line, function }) = line else { return Value::Null };
    // Where only the function is known, there is no line; a line may be known without the function.
    let mut object = json!({ "file": file });
    if *line > 0 {
        merge(&mut object, &json!({ "line": line }));
    }
    if !function.is_empty() {
        merge(&mut object, &json!({ "function": function }));
    }
    object
}

const fn end(of: Option<(u32, bool)>) -> Option<&'static str> {
    match of {
        Some((_, is_b)) => Some(plain::end(is_b)),
        None => None,
    }
}

fn call_entered(entered: &Entered) -> Value {
    let drops: Vec<u64> = entered.drops.iter().map(|cookie| cookie.0).collect();
    let of = entered.of.map(|(stream, _)| stream);
    json!({
        "call": entered.id.0, "program": entered.program, "pid": entered.pid, "tid": entered.tid,
        "name": entered.syscall.name(), "fd": entered.fd,
        "socket": entered.socket.map(|cookie| cookie.0),
        "conversation": of, "end": end(entered.of),
        "arguments": arguments(&entered.arguments),
        "line": line_object(entered.line.as_ref()),
        "drops": drops,
    })
}

fn arguments(arguments: &Arguments) -> Value {
    match arguments {
        Arguments::None | Arguments::Printed { .. } => json!({}),
        Arguments::Socket { domain, kind, protocol } => json!({
            "domain": names::domain(*domain), "type": names::kind(*kind),
            "flags": names::kind_flags(*kind), "protocol": names::protocol(*protocol),
        }),
        Arguments::Address(end) => json!({ "address": endpoint(end) }),
        Arguments::OtherAddress { family } => json!({ "family": names::family(*family) }),
        Arguments::Backlog(backlog) => json!({ "backlog": backlog }),
        Arguments::Bytes { wanted, flags } => {
            json!({"length": wanted, "flags": names::message_flags(*flags)})
        }
        Arguments::How(how) => json!({ "how": names::how(*how) }),
        Arguments::Option { level, name, value } => {
            let mut object = json!({"level": names::level(*level), "option": names::option(*level, *name)});
            if let Some(value) = value {
                merge(&mut object, &json!({ "value": value }));
            }
            object
        }
        Arguments::Descriptor(fd) => json!({ "fd": fd }),
        Arguments::Status(status) => json!({ "status": status }),
        Arguments::Request(request) => json!({ "request": request }),
        Arguments::Waits { fds, timeout: None } => json!({ "fds": fds }),
        Arguments::Waits { fds, timeout: Some(nanos) } => json!({"fds": fds, "timeout_ns": nanos}),
    }
}

fn call_left(left: &Left) -> Value {
    let (result, error) = match left.outcome {
        Outcome::Returned(value) => (Some(value), None),
        Outcome::Failed(errno) => (None, Some(names::errno(errno))),
        Outcome::Never => (None, None),
    };
    let of = left.of.map(|(stream, _)| stream);
    let named = u64::try_from(left.from.numbers.len()).unwrap_or(u64::MAX);
    let made = left.made.map(|(fd, cookie)| json!({"fd": fd, "socket": cookie.0}));
    json!({
        "call": left.id.0, "name": left.syscall.map(Syscall::name), "program": left.program,
        "socket": left.socket.map(|cookie| cookie.0), "conversation": of, "end": end(left.of),
        "result": result, "error": error,
        "never": (left.outcome == Outcome::Never).then_some(true),
        "duration_ns": left.duration, "held_ns": left.held, "made": made,
        "wrote": left.wrote.iter().map(moved).collect::<Vec<_>>(),
        "read": left.read.iter().map(moved).collect::<Vec<_>>(),
        "from": left.from.numbers,
        "from_count": (named < left.from.count).then_some(left.from.count),
        "states": left.changes.iter().map(change).collect::<Vec<_>>(),
        "kernel": left.reading.as_ref().map(reading),
    })
}

/// The numbers of bytes as segments have them: the first byte of a stream is 1.
const fn range(range: Range) -> [u64; 2] {
    [range.start.saturating_add(1), range.end.saturating_add(1)]
}

fn ids(calls: &[CallId]) -> Vec<u64> {
    calls.iter().map(|call| call.0).collect()
}

fn moved(moved: &Moved) -> Value {
    let mut object = json!({"range": range(moved.range), "certainty": plain::certainty(moved.certainty)});
    if !moved.or.is_empty() {
        merge(&mut object, &json!({ "alternatives": ids(&moved.or) }));
    }
    object
}

fn change(change: &SocketChange) -> Value {
    without_null(json!({
        "socket": change.socket.0, "from": change.from.map(State::name), "to": change.to.name(),
        "certainty": plain::certainty(change.certainty), "because": change.because.map(|call| call.0),
        "rfc": 9293, "section": change.section,
    }))
}

fn reading(reading: &Reading) -> Value {
    let mut object = json!({
        "socket": reading.socket.0, "written": reading.written, "read": reading.read,
        "unread": reading.unread,
    });
    let known = [
        ("state", reading.state.state().map(|state| state.name().to_owned())),
        ("local", reading.local.as_ref().map(endpoint)),
        ("peer", reading.peer.as_ref().map(endpoint)),
    ];
    for (key, value) in known {
        if let Some(value) = value {
            merge(&mut object, &json!({ key: value }));
        }
    }
    object
}

/// A segment: what `read --ladder --json` says of it, and what calls have to do with it.
#[derive(Debug, Serialize)]
struct SegmentObject {
    #[serde(flatten)]
    row: plain::Object,
    ends: Ends,
    #[serde(flatten)]
    causes: Causes,
    #[serde(flatten)]
    passage: PassageObject,
}

/// What became of a segment on its way.
#[derive(Debug, Serialize)]
struct PassageObject {
    #[serde(skip_serializing_if = "Option::is_none")]
    received_epoch_ns: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lost: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wire_segments: Option<Value>,
}

impl PassageObject {
    fn new(segment: &Segment) -> Self {
        let Passage { arrival, .. } = segment.passage;
        let received = match arrival {
            Arrival::At(time) => Some(time.nanos()),
            Arrival::Unknown | Arrival::Never => None,
        };
        let pieces = segment.wire_segments();
        Self {
            received_epoch_ns: received,
            lost: (arrival == Arrival::Never).then_some(true),
            wire_segments: pieces.map(|(count, exact)| json!({"count": count, "at_least": !exact})),
        }
    }
}

#[derive(Debug, Serialize)]
struct Ends {
    a: Value,
    b: Value,
}

/// What calls have to do with a segment, and why it was sent now.
#[derive(Debug, Serialize)]
pub struct Causes {
    by: Vec<Value>,
    /// How many more there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    more: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<Value>,
}

impl Causes {
    pub fn new(segment: &Segment, book: &Book) -> Self {
        Self {
            by: segment.by.iter().map(|by| deed(by, book)).collect(),
            more: (segment.more > 0).then_some(segment.more),
            why: segment.why.as_ref().map(why),
        }
    }
}

impl SegmentObject {
    fn new(segment: &Segment, book: &Book) -> Self {
        let [a, b] = &segment.ends;
        let role = role(segment);
        let row =
            plain::Object::between(segment.stream, [&a.endpoint, &b.endpoint], role, &segment.row).untimed();
        Self {
            row,
            ends: Ends { a: side(a), b: side(b) },
            causes: Causes::new(segment, book),
            passage: PassageObject::new(segment),
        }
    }
}

/// Of the end that sent it: who connected is the client, who did not the server.
pub fn role(segment: &Segment) -> Option<&'static str> {
    match (segment.sender().connect, segment.receiver().connect) {
        (Some(_), None) => Some("client"),
        (None, Some(_)) => Some("server"),
        _ => None,
    }
}

fn side(side: &Side) -> Value {
    let mut object = json!({});
    let known = [
        ("program", side.program.map(u64::from)),
        ("socket", side.socket.map(|cookie| cookie.0)),
        ("listener", side.listener.map(|cookie| cookie.0)),
        ("connect", side.connect.map(|call| call.0)),
    ];
    for (key, value) in known {
        if let Some(value) = value {
            merge(&mut object, &json!({ key: value }));
        }
    }
    if side.socket.is_some() {
        merge(&mut object, &json!({ "certainty": plain::certainty(side.certainty) }));
    }
    if let Some(off) = side.off {
        merge(&mut object, &json!({ "off": off.id() }));
    }
    object
}

fn deed(by: &By, book: &Book) -> Value {
    let calls: Vec<Value> = by.calls.iter().map(|call| named(*call, book)).collect();
    let mut object =
        json!({"deed": by.deed.id(), "certainty": plain::certainty(by.certainty), "calls": calls});
    match by.deed {
        Deed::Writes(bytes) | Deed::WritesAgain(bytes) => {
            merge(&mut object, &json!({ "range": range(bytes) }));
        }
        Deed::LeavesUnread(unread) => merge(&mut object, &json!({ "unread": unread })),
        _ => {}
    }
    object
}

/// A call, with its line where that is remembered.
pub fn named(id: CallId, book: &Book) -> Value {
    let mut object = json!({ "call": id.0 });
    if let Some(call) = book.call(id) {
        merge(&mut object, &json!({"program": call.program, "name": call.syscall.name()}));
        merge(&mut object, &line_object(call.line.as_ref()));
    }
    object
}

fn why(reason: &Reason) -> Value {
    let mut object = now(&reason.now);
    merge(&mut object, &json!({ "certainty": plain::certainty(reason.certainty) }));
    if !reason.or.is_empty() {
        let others: Vec<Value> = reason.or.iter().map(now).collect();
        merge(&mut object, &json!({ "alternatives": others }));
    }
    object
}

fn now(now: &Now) -> Value {
    let mut object = json!({ "why": now.id() });
    match now {
        Now::Inside(call) | Now::Uncorked(call) => merge(&mut object, &json!({ "call": call.0 })),
        Now::Answers(frame) | Now::Released { by: frame, .. } => {
            merge(&mut object, &json!({ "frame": frame }));
        }
        Now::Timer(_) => {}
    }
    object
}
