//! A row of `--json`.

use super::super::clock::seconds;
use super::super::words::endpoint;
use super::said::remark;
use enchufe_story::cause::Frames;
use enchufe_story::{Certainty, Change, Claim, Ladder, Roles, Row, State, What, Why};
use enchufe_wire::tcp::Endpoint;
use serde::Serialize;

pub const fn certainty(certainty: Certainty) -> &'static str {
    match certainty {
        Certainty::Proved => "proved",
        Certainty::Inferred => "inferred",
    }
}

pub const fn end(is_b: bool) -> &'static str {
    if is_b { "b" } else { "a" }
}

/// What the segment is for.
#[derive(Debug, Serialize)]
struct ClaimObject {
    what: &'static str,
    certainty: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    frames: Option<Vec<u64>>,
    /// How many frames there are, where not all are named.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    /// The frame that is acknowledged in part.
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<u64>,
    /// Whether the frames had all of the numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    whole: Option<bool>,
    /// The windows before and now.
    #[serde(skip_serializing_if = "Option::is_none")]
    windows: Option<[u32; 2]>,
}

impl ClaimObject {
    fn new(claim: &Claim) -> Self {
        let mut object = Self {
            what: claim.what.id(),
            certainty: certainty(claim.certainty),
            frames: None,
            count: None,
            part: None,
            whole: None,
            windows: None,
        };
        match &claim.what {
            What::Acknowledges { frames, part } => {
                object.name(frames);
                object.part = *part;
            }
            What::Repeats { frames, whole } => {
                object.name(frames);
                object.whole = Some(*whole);
            }
            What::RepeatsAcknowledgement { frame } => object.frames = Some(vec![*frame]),
            What::WindowUpdate { from, to } => object.windows = Some([*from, *to]),
            _ => {}
        }
        object
    }

    fn name(&mut self, frames: &Frames) {
        let named = u64::try_from(frames.numbers.len()).unwrap_or(u64::MAX);
        self.count = (named < frames.count).then_some(frames.count);
        self.frames = Some(frames.numbers.clone());
    }
}

/// Why it was sent now.
#[derive(Debug, Serialize)]
struct WhyObject {
    why: &'static str,
    frame: u64,
    certainty: &'static str,
}

/// A state from here on.
#[derive(Debug, Serialize)]
struct StateObject {
    end: &'static str,
    from: Option<&'static str>,
    to: Option<&'static str>,
    certainty: &'static str,
    because: u64,
    rfc: u16,
    section: &'static str,
}

impl StateObject {
    fn new(change: &Change) -> Self {
        Self {
            end: end(change.of_b),
            from: change.from.map(State::name),
            to: change.to.map(State::name),
            certainty: certainty(change.certainty),
            because: change.because,
            rfc: 9293,
            section: change.section,
        }
    }
}

/// A row.
#[derive(Debug, Serialize)]
pub struct Object {
    conversation: u32,
    number: u64,
    /// Seconds since the first frame, nanoseconds after the point; empty where there is no time.
    time_relative: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_epoch_ns: Option<i64>,
    a: String,
    b: String,
    /// Of the end that sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    from: &'static str,
    flags: Vec<&'static str>,
    seq: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    ack: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<u32>,
    /// The numbers of its bytes: the first, and the one after the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<(u32, u32)>,
    window: u32,
    remarks: Vec<String>,
    what: Vec<ClaimObject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<WhyObject>,
    states: Vec<StateObject>,
}

impl Object {
    /// Without its time, where that stands beside it.
    pub fn untimed(self) -> Self {
        Self { time_epoch_ns: None, ..self }
    }

    pub fn new(ladder: &Ladder, row: &Row) -> Self {
        let role = match ladder.roles() {
            Roles::Client { is_b } if is_b == row.from_b => Some("client"),
            Roles::Client { .. } => Some("server"),
            Roles::Both | Roles::Unknown | Roles::Itself => None,
        };
        let object = Self::between(ladder.stream(), ladder.ends().each_ref(), role, row);
        let why = row.cause.why.map(|(Why::Answers(frame), sure)| WhyObject {
            why: "answers",
            frame,
            certainty: certainty(sure),
        });
        Self { why, ..object }
    }

    /// The same, but why it was sent now.
    pub fn between(stream: u32, ends: [&Endpoint; 2], role: Option<&'static str>, row: &Row) -> Self {
        let [a, b] = ends.map(endpoint);
        let mut time_relative = String::new();
        seconds(row.relative, 9, &mut time_relative);
        Self {
            conversation: stream,
            number: row.frame,
            time_relative,
            time_epoch_ns: row.time.map(enchufe_wire::Timestamp::nanos),
            a,
            b,
            role,
            from: end(row.from_b),
            flags: row.flags.names().collect(),
            seq: row.seq,
            ack: row.ack,
            length: row.len,
            range: row.range(),
            window: row.window,
            remarks: row.remarks.iter().map(remark).collect(),
            what: row.cause.what.iter().map(ClaimObject::new).collect(),
            why: None,
            states: row.changes.iter().map(StateObject::new).collect(),
        }
    }
}
