//! The events of `--json`: each line is held to the table of keys below, so that a key that is new,
//! gone or renamed fails every test that reads events.

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Map, Value};

/// Of each event: its name, the keys that it always has, those that it may have. In front of them
/// all have `time` and `event`.
const KEYS: [(&str, &str, &str); 43] = [
    ("starting", "address", ""),
    ("socket_made", "address", ""),
    ("options", "options", ""),
    ("bound", "address", ""),
    ("inherited", "address descriptor", "name"),
    ("listening", "address reach backlog", ""),
    ("metrics_listening", "address reach", ""),
    ("skipped", "address call error error_kind", ""),
    ("engine", "name", "threads"),
    ("waiting", "", ""),
    ("queued", "peers", ""),
    ("accepted", "connection peer local", ""),
    ("secured", "connection peer version cipher resumed", "server_name"),
    ("program_started", "connection peer pid", ""),
    ("program_ended", "connection peer how code", ""),
    ("received", "connection peer bytes text base64", ""),
    ("incomplete", "connection peer text", ""),
    ("returning", "connection peer bytes", ""),
    ("answered", "connection peer bytes text base64", ""),
    ("question", "connection peer bytes text base64", ""),
    ("question_waits", "connection peer ahead", ""),
    ("question_withdrawn", "connection peer", ""),
    ("line_ignored", "", ""),
    ("operator_left", "", ""),
    ("peer_ended", "connection peer", ""),
    ("discarded", "connection peer bytes", ""),
    (
        "closed",
        "connection peer reason received sent unsent lasted_ns",
        "limit_ns call error error_kind tls alert names moment detail",
    ),
    ("short", "of", "limit error error_kind"),
    ("draining", "open limit_ns", ""),
    ("queue_cut", "count", ""),
    ("stopped", "served cut empty", ""),
    ("folded", "count", ""),
    ("resolving", "name", ""),
    ("resolved", "name addresses", ""),
    ("connecting", "address", ""),
    ("attempt_failed", "address error error_kind", ""),
    ("retrying", "address limit_ns", ""),
    ("connected", "address local took_ns", ""),
    ("sending", "connection peer bytes text base64", ""),
    ("half_closed", "connection peer", ""),
    ("acknowledged", "connection peer bytes", ""),
    ("still_waiting", "awaited", "missing connection peer"),
    ("closing", "connection peer", ""),
];

/// One line, held to the table.
#[track_caller]
pub fn parse(line: &str) -> Value {
    let event: Map<String, Value> = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    let name = event["event"].as_str().unwrap();
    let (_, always, sometimes) =
        KEYS.into_iter().find(|(event, ..)| *event == name).unwrap_or_else(|| panic!("unknown: {line}"));
    for key in always.split_whitespace().chain(["time", "event"]) {
        assert!(event.contains_key(key), "no {key} in {line}");
    }
    let known = |key: &str| {
        ["time", "event"].contains(&key)
            || always.split_whitespace().chain(sometimes.split_whitespace()).any(|known| known == key)
    };
    for key in event.keys() {
        assert!(known(key), "unknown key {key} in {line}");
    }
    check_time(event["time"].as_str().unwrap());
    if let Some(exact) = event.get("base64") {
        let bytes = BASE64_STANDARD.decode(exact.as_str().unwrap()).unwrap();
        assert_eq!(event["bytes"], bytes.len(), "{line}");
    }
    // The same object comes out of it again: no key is there twice, and all is plain JSON.
    assert_eq!(serde_json::to_string(&event).unwrap().len(), line.len(), "{line}");
    Value::Object(event)
}

/// `2026-11-22T01:10:28.657090047Z`
fn check_time(time: &str) {
    let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    assert_eq!(shape, "9999-99-99T99:99:99.999999999Z");
}

/// All of them.
#[track_caller]
pub fn all(text: &str) -> Vec<Value> {
    text.lines().map(parse).collect()
}

/// All of them without what differs from run to run: times that were measured.
#[track_caller]
pub fn stable(text: &str) -> Vec<Value> {
    let mut events = all(text);
    for event in &mut events {
        let keys = event.as_object_mut().unwrap();
        for time in ["time", "lasted_ns", "took_ns"] {
            keys.remove(time);
        }
    }
    events
}

/// Their names.
#[track_caller]
pub fn names(text: &str) -> Vec<String> {
    all(text).iter().map(|event| event["event"].as_str().unwrap().to_owned()).collect()
}

/// The bytes of all events of a name, one after the other.
#[track_caller]
pub fn payload(text: &str, name: &str) -> Vec<u8> {
    let events = all(text);
    let payloads = events.iter().filter(|event| event["event"] == name);
    payloads.flat_map(|event| BASE64_STANDARD.decode(event["base64"].as_str().unwrap()).unwrap()).collect()
}

/// Those of a name.
#[track_caller]
pub fn only(text: &str, name: &str) -> Vec<Value> {
    all(text).into_iter().filter(|event| event["event"] == name).collect()
}

/// The reasons that connections ended for, in order.
#[track_caller]
pub fn reasons(text: &str) -> Vec<String> {
    only(text, "closed").iter().map(|event| event["reason"].as_str().unwrap().to_owned()).collect()
}
