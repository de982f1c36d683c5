//! The events of `serve` and `send` as rows of data: what `--json` prints, one object a line, and
//! what every other form is made from. `docs/json.md` describes it; keys and ids do not change with
//! the language.

mod tls;

use base64::prelude::{BASE64_STANDARD, Engine};
use enchufe_talk::told::{About, Awaited, Reach, Shortage};
use enchufe_talk::{Reason, Told};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
pub use tls::{TlsFault, moment};

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// RFC 3339, UTC, nanoseconds.
    pub time: String,
    /// The connection it belongs to, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<u64>,
    /// The other end of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    #[serde(flatten)]
    pub event: Event,
}

/// Payload: `bytes` of it, as escaped text (a character that a read cut is shown with the next) and,
/// in JSON, exactly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    pub bytes: usize,
    pub text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
}

impl Payload {
    pub fn new(bytes: &[u8], text: String, exact: bool) -> Self {
        Self { bytes: bytes.len(), text, base64: exact.then(|| BASE64_STANDARD.encode(bytes)) }
    }
}

/// An error of the system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// As the system says it, in English.
    pub error: String,
    /// The name of its kind, as in Rust's `std::io::ErrorKind`.
    pub error_kind: String,
}

impl From<&std::io::Error> for Fault {
    fn from(error: &std::io::Error) -> Self {
        Self { error: error.to_string(), error_kind: format!("{:?}", error.kind()) }
    }
}

/// What happened. Keys that end in `_ns` are times in nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    WinsockStarted {
        version: String,
    },
    Starting {
        address: String,
    },
    SocketMade {
        address: String,
    },
    Options {
        options: BTreeMap<String, String>,
    },
    Bound {
        address: String,
    },
    Inherited {
        address: String,
        descriptor: i32,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    Listening {
        address: String,
        reach: String,
        backlog: u32,
    },
    MetricsListening {
        address: String,
        reach: String,
    },
    Skipped {
        address: String,
        call: String,
        #[serde(flatten)]
        fault: Fault,
    },
    /// Which engine serves, and on how many threads where it has a few.
    Engine {
        name: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        threads: Option<usize>,
    },
    Waiting {},
    Queued {
        peers: Vec<String>,
    },
    Accepted {
        local: String,
    },
    /// The handshake of TLS is done. `server_name`: what the client asked a server for.
    Secured {
        version: String,
        cipher: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        server_name: Option<String>,
        resumed: bool,
    },
    ProgramStarted {
        pid: u32,
    },
    /// `how` is `exit` or `signal`, `code` the number of that.
    ProgramEnded {
        how: String,
        code: i32,
    },
    Received {
        #[serde(flatten)]
        payload: Payload,
    },
    /// The connection ended inside a character: its bytes, escaped.
    Incomplete {
        text: String,
    },
    Returning {
        bytes: usize,
    },
    Answered {
        #[serde(flatten)]
        payload: Payload,
    },
    Question {
        #[serde(flatten)]
        payload: Payload,
    },
    QuestionWaits {
        ahead: usize,
    },
    QuestionWithdrawn {},
    LineIgnored {},
    OperatorLeft {},
    PeerEnded {},
    Discarded {
        bytes: u64,
    },
    Closed {
        reason: String,
        received: u64,
        sent: u64,
        unsent: u64,
        lasted_ns: u64,
        /// The limit that ended it, if one did.
        #[serde(skip_serializing_if = "Option::is_none")]
        limit_ns: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        call: Option<String>,
        #[serde(flatten)]
        fault: Option<Fault>,
        #[serde(flatten)]
        tls: Option<TlsFault>,
    },
    Short {
        of: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        limit: Option<usize>,
        #[serde(flatten)]
        fault: Option<Fault>,
    },
    Draining {
        open: usize,
        limit_ns: u64,
    },
    QueueCut {
        count: u32,
    },
    /// So many events of connections in a second were not told one by one.
    Folded {
        count: u32,
    },
    Stopped {
        served: u64,
        cut: u64,
        empty: u64,
    },
    Resolving {
        name: String,
    },
    Resolved {
        name: String,
        addresses: Vec<String>,
    },
    Connecting {
        address: String,
    },
    AttemptFailed {
        address: String,
        #[serde(flatten)]
        fault: Fault,
    },
    Retrying {
        address: String,
        limit_ns: u64,
    },
    Connected {
        address: String,
        local: String,
        took_ns: u64,
    },
    Sending {
        #[serde(flatten)]
        payload: Payload,
    },
    HalfClosed {},
    Acknowledged {
        bytes: u64,
    },
    DeliveryUnknown {
        bytes: u64,
    },
    StillWaiting {
        awaited: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        missing: Option<u64>,
    },
    Closing {},
}

/// The texts of payload, made where the state of the decoders is.
pub trait Decode {
    fn received(&mut self, about: Option<About>, bytes: &[u8]) -> Payload;
    fn whole(&mut self, bytes: &[u8]) -> Payload;
}

impl Event {
    /// The row of what was told.
    pub fn of(about: Option<About>, told: &Told<'_>, decode: &mut impl Decode) -> Self {
        let text = |value: &dyn std::fmt::Display| value.to_string();
        match *told {
            Told::WinsockStarted { version } => Self::WinsockStarted { version: version.to_owned() },
            Told::Starting { address } => Self::Starting { address: text(&address) },
            Told::SocketMade { address } => Self::SocketMade { address: text(&address) },
            Told::Options { list } => Self::Options {
                options: list.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
            },
            Told::Bound { address } => Self::Bound { address: text(&address) },
            Told::Inherited { address, number, name } => Self::Inherited {
                address: text(&address),
                descriptor: number,
                name: Some(crate::text::escape(name.as_bytes())).filter(|name| !name.is_empty()),
            },
            Told::Listening { address, reach, backlog } => {
                Self::Listening { address: text(&address), reach: reach_id(reach).to_owned(), backlog }
            }
            Told::MetricsListening { address, reach } => {
                Self::MetricsListening { address: text(&address), reach: reach_id(reach).to_owned() }
            }
            Told::Skipped { address, call, error } => {
                Self::Skipped { address: text(&address), call: text(&call), fault: error.into() }
            }
            Told::Engine { name, threads } => Self::Engine { name: name.to_owned(), threads },
            Told::Waiting => Self::Waiting {},
            Told::Queued { peers } => Self::Queued { peers: peers.iter().map(ToString::to_string).collect() },
            Told::Accepted { local, .. } => Self::Accepted { local: text(&local) },
            Told::Secured { version, cipher, name, resumed } => Self::Secured {
                version: version.to_owned(),
                cipher: cipher.to_owned(),
                server_name: name.map(str::to_owned),
                resumed,
            },
            Told::ProgramStarted { pid } => Self::ProgramStarted { pid },
            Told::ProgramEnded { code, signal } => {
                let (how, number) = if signal.is_some() { ("signal", signal) } else { ("exit", code) };
                Self::ProgramEnded { how: how.to_owned(), code: number.unwrap_or_default() }
            }
            Told::Received { bytes } => Self::Received { payload: decode.received(about, bytes) },
            Told::Returning { count } => Self::Returning { bytes: count },
            Told::Answered { bytes } => Self::Answered { payload: decode.whole(bytes) },
            Told::Question { bytes } => Self::Question { payload: decode.whole(bytes) },
            Told::QuestionWaits { ahead } => Self::QuestionWaits { ahead },
            Told::QuestionWithdrawn => Self::QuestionWithdrawn {},
            Told::LineIgnored => Self::LineIgnored {},
            Told::OperatorLeft => Self::OperatorLeft {},
            Told::PeerEnded => Self::PeerEnded {},
            Told::Discarded { count } => Self::Discarded { bytes: count },
            Told::Closed { end } => Self::closed(end),
            Told::Short { of } => {
                let limit = if let Shortage::Connections(limit) = of { Some(limit) } else { None };
                let error =
                    if let Shortage::Accept(error) | Shortage::Ring(error) = of { Some(error) } else { None };
                let fault = error.map(|error| Fault::from(&std::io::Error::from_raw_os_error(error)));
                Self::Short { of: shortage_id(of).to_owned(), limit, fault }
            }
            Told::Draining { open, limit } => Self::Draining { open, limit_ns: nanoseconds(limit) },
            Told::QueueCut { count } => Self::QueueCut { count },
            Told::Stopped { served, cut, empty } => Self::Stopped { served, cut, empty },
            Told::Resolving { name } => Self::Resolving { name: name.to_owned() },
            Told::Resolved { name, addresses } => Self::Resolved {
                name: name.to_owned(),
                addresses: addresses.iter().map(ToString::to_string).collect(),
            },
            Told::Connecting { address } => Self::Connecting { address: text(&address) },
            Told::AttemptFailed { address, error } => {
                Self::AttemptFailed { address: text(&address), fault: error.into() }
            }
            Told::Retrying { address, limit } => {
                Self::Retrying { address: text(&address), limit_ns: nanoseconds(limit) }
            }
            Told::Connected { peer, local, took } => {
                Self::Connected { address: text(&peer), local: text(&local), took_ns: nanoseconds(took) }
            }
            Told::Sending { bytes } => Self::Sending { payload: decode.whole(bytes) },
            Told::HalfClosed => Self::HalfClosed {},
            Told::Acknowledged { bytes } => Self::Acknowledged { bytes },
            Told::DeliveryUnknown { bytes } => Self::DeliveryUnknown { bytes },
            Told::StillWaiting { awaited } => {
                let missing = if let Awaited::Echo { missing } = awaited { Some(missing) } else { None };
                Self::StillWaiting { awaited: awaited_id(awaited).to_owned(), missing }
            }
            Told::Closing => Self::Closing {},
        }
    }

    /// The row of an end.
    pub fn closed(end: &enchufe_talk::End) -> Self {
        let (call, fault) = match &end.reason {
            Reason::Failed(call, error) => (Some(call.name().to_owned()), Some(error.into())),
            _ => (None, None),
        };
        let limit = match end.reason {
            Reason::Idle(limit) | Reason::FirstByte(limit) | Reason::Deadline(limit) => Some(limit),
            _ => None,
        };
        Self::Closed {
            reason: end.reason.id().to_owned(),
            received: end.received,
            sent: end.sent,
            unsent: end.unsent,
            lasted_ns: nanoseconds(end.lasted),
            limit_ns: limit.map(nanoseconds),
            call,
            fault,
            tls: if let Reason::Tls(fault) = &end.reason { Some(TlsFault::from(&**fault)) } else { None },
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

const fn reach_id(reach: Reach) -> &'static str {
    match reach {
        Reach::ThisMachine => "this_machine",
        Reach::EveryInterface => "every_interface",
        Reach::OneAddress => "one_address",
    }
}

const fn shortage_id(of: Shortage) -> &'static str {
    match of {
        Shortage::Connections(_) => "connections",
        Shortage::Descriptors => "descriptors",
        Shortage::Memory => "memory",
        Shortage::Threads => "threads",
        Shortage::Watches => "watches",
        Shortage::Ring(_) => "ring",
        Shortage::Accept(_) => "accept",
    }
}

const fn awaited_id(awaited: Awaited) -> &'static str {
    match awaited {
        Awaited::Connection => "connection",
        Awaited::Handshake => "handshake",
        Awaited::Echo { .. } => "echo",
        Awaited::Expected => "expected",
        Awaited::PeerEnd => "peer_end",
        Awaited::Acknowledgement => "acknowledgement",
        Awaited::Room => "room",
    }
}

#[cfg(test)]
mod tests;
