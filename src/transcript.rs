//! An event as a line for people: a function from the row to text.

use crate::catalogue::{Catalogue, human_time};
use crate::events::{Event, Line, Payload};
use crate::problem::cause_text;
use crate::style::{Ink, paint};
use crate::text;
use base64::prelude::{BASE64_STANDARD, Engine};
use enchufe_talk::Call;
use fluent_bundle::{FluentArgs, FluentValue};
use serde_json::{Map, Value};
use std::time::Duration;

/// Characters of one payload that are shown where it is not the result itself.
const SHOWN: usize = 2000;

/// How lines are written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Form {
    pub payload: Shown,
    /// The time before the line.
    pub timestamps: Timestamps,
    /// The number of the connection before the line: several may be told of at once.
    pub numbered: bool,
    pub color: bool,
}

/// How payload is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shown {
    /// As text in the line, cut where it is long.
    #[default]
    Text,
    /// As text in the line, all of it.
    Whole,
    /// As a dump below the line.
    Hex,
    /// Only how much it is.
    Hidden,
}

impl Shown {
    /// So many bytes of a payload at most have to be decoded: none has more characters to show, and
    /// one more says that the text is cut.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Text => 4 * (SHOWN + 1),
            Self::Whole => usize::MAX,
            Self::Hex | Self::Hidden => 0,
        }
    }
}

/// Which time stands before a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Timestamps {
    #[default]
    None,
    /// Of the day, local.
    Clock,
    /// Date, time and offset from UTC.
    Full,
}

/// Whether an event is told only with `-v`.
pub const fn is_detail(event: &Event) -> bool {
    matches!(
        event,
        Event::WinsockStarted { .. }
            | Event::SocketMade { .. }
            | Event::Options { .. }
            | Event::Skipped { .. }
            | Event::Engine { .. }
            | Event::Resolving { .. }
            | Event::Resolved { .. }
            | Event::HalfClosed {}
    )
}

/// The line, without its end; with `hex` a dump may follow on lines of its own.
pub fn render(line: &Line, form: Form, catalogue: &Catalogue) -> String {
    let mut out = stamp(&line.time, form.timestamps);
    if let Some(number) = line.connection.filter(|_| form.numbered) {
        let mark = format!("#{number}");
        out += &if form.color { paint(&mark, Ink::Lane) } else { mark };
        out.push(' ');
    }
    out += &sentence(line, form, catalogue);
    if let Some(payload) = payload(&line.event).filter(|_| form.payload == Shown::Hex) {
        let bytes = payload.base64.as_deref().and_then(|text| BASE64_STANDARD.decode(text).ok());
        out.push('\n');
        out += text::hex_dump(&bytes.unwrap_or_default()).trim_end_matches('\n');
    }
    out
}

fn stamp(time: &str, timestamps: Timestamps) -> String {
    let layout = match timestamps {
        Timestamps::None => return String::new(),
        Timestamps::Clock => "%H:%M:%S%.6f ",
        Timestamps::Full => "%Y-%m-%dT%H:%M:%S%.6f%:z ",
    };
    match time.parse::<jiff::Timestamp>() {
        Ok(time) => time.to_zoned(jiff::tz::TimeZone::system()).strftime(layout).to_string(),
        Err(_) => String::new(),
    }
}

fn payload(event: &Event) -> Option<&Payload> {
    match event {
        Event::Received { payload }
        | Event::Answered { payload }
        | Event::Question { payload }
        | Event::Sending { payload } => Some(payload),
        _ => None,
    }
}

fn sentence(line: &Line, form: Form, catalogue: &Catalogue) -> String {
    // The row knows its own keys: each is an argument of its text.
    let Ok(Value::Object(keys)) = serde_json::to_value(&line.event) else { return String::new() };
    let mut args = FluentArgs::new();
    if let Some(peer) = &line.peer {
        args.set("peer", peer.as_str());
    }
    keys.iter().for_each(|(key, value)| set(&mut args, key, value));
    if let Some(payload) = payload(&line.event) {
        args.set("quoted", quoted(&payload.text, form.payload));
    }
    if let Event::Inherited { name, .. } = &line.event {
        args.set("named", name.as_ref().map(|name| format!(", {name}")).unwrap_or_default());
    }
    add_words(&mut args, &keys, catalogue);
    let id = keys.get("event").and_then(Value::as_str).unwrap_or_default();
    catalogue.text(&format!("event-{id}"), &args)
}

/// The words for an error and for a reason, where the row has them.
fn add_words(args: &mut FluentArgs<'_>, keys: &Map<String, Value>, catalogue: &Catalogue) {
    let word = |key: &str| keys.get(key).and_then(Value::as_str);
    if let Some(error) = word("error") {
        let of_program = word("call") == Some(Call::Exec.name());
        args.set("cause", cause(of_program, word("error_kind").unwrap_or_default(), error, catalogue));
    }
    if word("alert").is_some() {
        args.set("answered", "yes");
    }
    if let Some(names) = word("names") {
        args.set("has_names", if names.is_empty() { "no" } else { "yes" });
    }
    if word("server_name").is_some() {
        args.set("asked", "yes");
    }
    if let Some(reason) = word("reason") {
        let why = catalogue.text(&format!("reason-{reason}"), args);
        args.set("why", why);
    }
}

/// Why a connection ended, in words.
pub fn why(end: &enchufe_talk::End, catalogue: &Catalogue) -> String {
    let Ok(Value::Object(keys)) = serde_json::to_value(Event::closed(end)) else { return String::new() };
    let mut args = FluentArgs::new();
    keys.iter().for_each(|(key, value)| set(&mut args, key, value));
    add_words(&mut args, &keys, catalogue);
    match args.get("why") {
        Some(FluentValue::String(why)) => why.to_string(),
        _ => String::new(),
    }
}

/// The text of an error whose kind went through JSON as a name. That a program could not be executed has texts of its own: what it lacks
/// may be another file.
fn cause(of_program: bool, kind: &str, text: &str, catalogue: &Catalogue) -> String {
    let id = match kind {
        "NotFound" if of_program => "program-incomplete".to_owned(),
        // ENOEXEC, which std has no kind for.
        _ if of_program && text.starts_with("Exec format error") => "program-foreign".to_owned(),
        _ => format!("io-{kind}"),
    };
    if catalogue.has(&id) {
        catalogue.plain(&id)
    } else {
        cause_text(std::io::ErrorKind::Other, text, catalogue)
    }
}

fn set<'a>(args: &mut FluentArgs<'a>, key: &'a str, value: &'a Value) {
    if let Some(name) = key.strip_suffix("_ns") {
        args.set(name, human_time(Duration::from_nanos(value.as_u64().unwrap_or_default())));
        return;
    }
    match value {
        Value::Number(number) => args.set(key, FluentValue::from(number.as_f64().unwrap_or_default())),
        Value::String(text) => {
            if let ("address", Some((ip, port))) = (key, text.rsplit_once(':')) {
                args.set("ip", ip);
                args.set("port", port);
            }
            args.set(key, text.as_str());
        }
        Value::Array(list) => {
            let list: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
            args.set("count", FluentValue::from(list.len()));
            args.set(key, list.join(", "));
        }
        Value::Object(map) => {
            let list: Vec<String> = map
                .iter()
                .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()))
                .collect();
            args.set(key, list.join(", "));
        }
        Value::Bool(answer) => args.set(key, if *answer { "yes" } else { "no" }),
        Value::Null => {}
    }
}

/// `: "text"`, cut where it is long; nothing where a dump follows.
fn quoted(text: &str, shown: Shown) -> String {
    match (shown, text.char_indices().nth(SHOWN)) {
        (Shown::Hex | Shown::Hidden, _) => String::new(),
        (Shown::Text, Some((end, _))) => format!(": \"{}\"…", text.get(..end).unwrap_or_default()),
        _ => format!(": \"{text}\""),
    }
}
