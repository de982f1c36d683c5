//! Causes, flags and states as they are said.

use super::super::words::say;
use crate::catalogue::Catalogue;
use enchufe_story::cause::Frames;
use enchufe_story::{Cause, Certainty, Change, Row, State, What, Why};
use enchufe_wire::layer::TcpFlags;
use enchufe_wire::tcp::Flag;

/// Whether the number after `ACK` is said: of a segment with bytes its range is, and with a SYN it is always 1.
fn says_ack(row: &Row) -> bool {
    row.range().is_none() && !row.flags.any(TcpFlags::SYN)
}

/// What stands on the arrow: flags, and numbers where they fit.
pub fn label(row: &Row) -> (String, String) {
    let names: Vec<&str> = row.flags.names().collect();
    let flags = if row.flags.any(TcpFlags::RESERVED) || names.is_empty() {
        format!("0x{:03x}", row.flags.0)
    } else {
        names.join(", ")
    };
    let mut numbers = match (row.range(), row.ack) {
        (Some((first, end)), _) => format!("  {first}..{end}"),
        (None, Some(ack)) if says_ack(row) => format!(" {ack}"),
        _ => String::new(),
    };
    if row.window == 0 && !row.flags.any(TcpFlags::SYN | TcpFlags::RST) && row.len.is_some() {
        numbers += "  Win=0";
    }
    (flags, numbers)
}

/// A state; in parentheses where it is inferred.
pub fn state(change: &Change) -> String {
    match (change.to.map(State::name), change.certainty) {
        (None, _) => "?".to_owned(),
        (Some(name), Certainty::Proved) => name.to_owned(),
        (Some(name), Certainty::Inferred) => format!("({name})"),
    }
}

/// The id of a flag under `tcp.analysis`.
pub fn remark(flag: Flag) -> String {
    flag.field().trim_start_matches("tcp.analysis.").replace('_', "-")
}

/// What a cause says already, and by the numbers themselves.
pub const SAID_BY_CAUSES: [Flag; 9] = [
    Flag::LostSegment,
    Flag::AckLostSegment,
    Flag::WindowUpdate,
    Flag::KeepAlive,
    Flag::KeepAliveAck,
    Flag::DuplicateAck,
    Flag::ZeroWindowProbe,
    Flag::ZeroWindowProbeAck,
    Flag::ZeroWindow,
];

fn frames(frames: &Frames) -> String {
    let named: Vec<String> = frames.numbers.iter().map(|frame| format!("#{frame}")).collect();
    let named_count = u64::try_from(named.len()).unwrap_or(u64::MAX);
    let more = frames.count.saturating_sub(named_count);
    if more == 0 { named.join(", ") } else { format!("{}, +{more}", named.join(", ")) }
}

pub fn what(what: &What, catalogue: &Catalogue) -> String {
    let id = format!("cause-{}", what.id());
    let with = |id: &str, name, value: &str| say(catalogue, id, &[(name, value)], &[]);
    match what {
        What::Acknowledges { frames: whole, part: None } => with(&id, "frames", &frames(whole)),
        What::Acknowledges { frames: whole, part: Some(part) } => {
            let part = with("cause-acknowledges-part", "frame", &part.to_string());
            if whole.count == 0 {
                return part;
            }
            format!("{}, {part}", with(&id, "frames", &frames(whole)))
        }
        What::RepeatsAcknowledgement { frame } => with(&id, "frame", &frame.to_string()),
        What::Repeats { frames: had, whole: true } => with(&id, "frames", &frames(had)),
        What::Repeats { frames: had, whole: false } => with("cause-repeats-part", "frames", &frames(had)),
        What::WindowUpdate { from, to } => {
            let (from, to) = (from.to_string(), to.to_string());
            say(catalogue, &id, &[("from", &from), ("to", &to)], &[])
        }
        _ => catalogue.plain(&id),
    }
}

fn sure(text: String, certainty: Certainty) -> String {
    if certainty == Certainty::Proved { text } else { format!("({text})") }
}

/// Why a segment was sent, in a few words, then what else is remarkable.
pub fn cause(row: &Row, catalogue: &Catalogue) -> String {
    let Cause { what: claims, why } = &row.cause;
    let mut parts = Vec::new();
    if let Some((Why::Answers(frame), certainty)) = why {
        let frame = frame.to_string();
        parts.push(sure(say(catalogue, "cause-answers", &[("frame", &frame)], &[]), *certainty));
    }
    let answered = |said: &What| match (said, why) {
        (What::Acknowledges { frames, part: None }, Some((Why::Answers(frame), _))) => frames.is_only(*frame),
        (What::RepeatsAcknowledgement { .. }, Some(_)) => true,
        _ => false,
    };
    for claim in claims.iter().filter(|claim| !answered(&claim.what)) {
        parts.push(sure(what(&claim.what, catalogue), claim.certainty));
    }
    let left = row.remarks.iter().filter(|flag| !SAID_BY_CAUSES.contains(flag));
    parts.extend(left.map(|flag| format!("[{}]", catalogue.plain(&format!("remark-{}", remark(flag))))));
    parts.join("; ")
}
