//! The conversations: a row each.

use super::clock::seconds;
use super::grid::Grid;
use super::table::Form;
use super::words::{duration, endpoint, say, side};
use crate::catalogue::Catalogue;
use enchufe_wire::tcp::{Conversation, End};
use serde::Serialize;
use std::io::{self, Write};

/// A row of `--json`; `a` sent the first frame that was seen.
#[derive(Debug, Serialize)]
struct Row {
    conversation: u32,
    a: String,
    b: String,
    packets: u64,
    /// Of whole frames, as all numbers of bytes here but the payload.
    bytes: u64,
    a_packets: u64,
    a_bytes: u64,
    a_payload: u64,
    b_packets: u64,
    b_bytes: u64,
    b_payload: u64,
    first: u64,
    last: u64,
    duration_ns: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    handshake_ns: Option<i64>,
    retransmissions: u64,
    end: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_frame: Option<u64>,
}

impl Row {
    fn new(conversation: &Conversation) -> Self {
        let [a, b] = &conversation.sides;
        let (end, by_b, end_frame) = match conversation.end() {
            End::Open => ("open", None, None),
            End::Closed => ("closed", None, None),
            End::HalfClosed { by_b } => ("half-closed", Some(by_b), None),
            End::Reset { by_b, frame } => ("reset", Some(by_b), Some(frame)),
        };
        Self {
            conversation: conversation.stream,
            a: endpoint(&conversation.a),
            b: endpoint(&conversation.b),
            packets: a.packets + b.packets,
            bytes: a.bytes + b.bytes,
            a_packets: a.packets,
            a_bytes: a.bytes,
            a_payload: a.payload,
            b_packets: b.packets,
            b_bytes: b.bytes,
            b_payload: b.payload,
            first: conversation.first.0,
            last: conversation.last.0,
            duration_ns: conversation.last.1.since(conversation.first.1),
            handshake_ns: conversation.initial_rtt,
            retransmissions: a.retransmissions + b.retransmissions,
            end,
            end_by: by_b.map(|by_b| side(conversation, by_b)),
            end_frame,
        }
    }

    fn cells(&self, form: Form, catalogue: &Catalogue) -> Vec<String> {
        let bare = |nanos: i64| {
            let mut text = String::new();
            seconds(Some(nanos), 9, &mut text);
            text
        };
        let time = |nanos| if form == Form::Tsv { bare(nanos) } else { duration(nanos) };
        let frame = self.end_frame.map(|frame| frame.to_string()).unwrap_or_default();
        let end_args = [("who", self.end_by.as_deref().unwrap_or_default()), ("frame", &frame)];
        let end = match form {
            Form::Tsv => self.end.to_owned(),
            _ => say(catalogue, &format!("end-{}", self.end), &end_args, &[]),
        };
        vec![
            self.conversation.to_string(),
            self.a.clone(),
            self.b.clone(),
            self.packets.to_string(),
            self.bytes.to_string(),
            self.a_bytes.to_string(),
            self.b_bytes.to_string(),
            time(self.duration_ns),
            self.handshake_ns.map(time).unwrap_or_default(),
            self.retransmissions.to_string(),
            end,
        ]
    }
}

const COLUMNS: [&str; 11] = [
    "column-conversation",
    "column-a",
    "column-b",
    "column-packets",
    "column-bytes",
    "column-from-a",
    "column-from-b",
    "column-duration",
    "column-handshake",
    "column-retransmissions",
    "column-end",
];
const RIGHT: [bool; 11] = [true, false, false, true, true, true, true, true, true, true, false];

/// Writes them all.
pub fn write(
    conversations: &[&Conversation],
    form: Form,
    catalogue: &Catalogue,
    out: &mut dyn Write,
) -> io::Result<()> {
    let rows = conversations.iter().map(|conversation| Row::new(conversation));
    if form == Form::Json {
        for row in rows {
            serde_json::to_writer(&mut *out, &row)?;
            writeln!(out)?;
        }
        return Ok(());
    }
    let mut grid = Grid::new(COLUMNS.iter().map(|name| catalogue.plain(name)).collect(), &RIGHT);
    for row in rows {
        grid.row(row.cells(form, catalogue));
    }
    grid.write(form, out)
}
