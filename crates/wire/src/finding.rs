//! What deserves attention: each flag of the analysis and each end that was not FIN and FIN, as an id with its packets.
//!
//! Ids are values: what they mean to people, in which language, is said elsewhere.

use std::collections::BTreeMap;

use crate::session::Frame;
use crate::tcp::{Completeness, Conversation, Conversations, End, Endpoint, Flag, Reset, ResetCause};

/// The most packet numbers that one finding keeps; all are counted.
pub const MOST_PACKETS: usize = 1_000;
/// The most packet numbers that all findings keep, beside the first of each.
pub const MOST_KEPT: usize = 1_000_000;
/// The most findings that are kept, over all conversations.
pub const MOST_FINDINGS: usize = 100_000;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FindingId {
    /// A SYN that nobody answered.
    Unanswered,
    /// A reset answered the SYN: nobody listens there.
    Refused,
    /// A reset by a side that had sent its FIN, answering data that came after.
    DataAfterClose,
    /// A reset by a side that had got data and sent none after it: inferred, it closed with bytes unread.
    Unread,
    /// A reset that ended an open connection.
    Aborted,
    /// Only one side sent its FIN.
    HalfClosed,
    /// What Wireshark's rules call a keep-alive, sent while the peer's window was closed: inferred, a window probe.
    WindowProbe,
    /// One of the flags of the analysis.
    Flag(Flag),
}

/// How bad it is, in Wireshark's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Part of a normal conversation.
    Chat,
    /// Worth knowing.
    Note,
    /// Worth looking at.
    Warn,
}

/// Where a behaviour is defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rfc {
    /// The number of the RFC.
    pub number: u16,
    /// Its section.
    pub section: &'static str,
}

impl FindingId {
    /// Whether another explanation fits, too.
    pub const fn is_inferred(self) -> bool {
        matches!(self, Self::Unread | Self::WindowProbe)
    }

    /// How bad it is. Those of flags are Wireshark's.
    pub const fn severity(self) -> Severity {
        match self {
            Self::Unanswered
            | Self::Refused
            | Self::DataAfterClose
            | Self::Unread
            | Self::Aborted
            | Self::Flag(
                Flag::ZeroWindow
                | Flag::LostSegment
                | Flag::WindowFull
                | Flag::AckLostSegment
                | Flag::OutOfOrder,
            ) => Severity::Warn,
            Self::Flag(Flag::WindowUpdate) => Severity::Chat,
            Self::HalfClosed | Self::WindowProbe | Self::Flag(_) => Severity::Note,
        }
    }

    /// Where it is defined.
    pub const fn rfc(self) -> Rfc {
        const fn rfc(number: u16, section: &'static str) -> Rfc {
            Rfc { number, section }
        }
        match self {
            Self::Unanswered => rfc(9293, "3.8.3"),
            Self::Refused => rfc(9293, "3.10.7.1"),
            Self::DataAfterClose | Self::Unread => rfc(9293, "3.6.1"),
            Self::Aborted => rfc(9293, "3.10.5"),
            Self::HalfClosed => rfc(9293, "3.6"),
            Self::WindowProbe => rfc(9293, "3.8.6.1"),
            Self::Flag(flag) => match flag {
                Flag::ReusedPorts => rfc(9293, "3.4.1"),
                Flag::Retransmission => rfc(6298, "5"),
                Flag::FastRetransmission => rfc(5681, "3.2"),
                Flag::SpuriousRetransmission => rfc(2883, "4"),
                Flag::OutOfOrder => rfc(5681, "4.2"),
                Flag::LostSegment | Flag::AckLostSegment => rfc(9293, "3.4"),
                Flag::DuplicateAck => rfc(5681, "2"),
                Flag::WindowUpdate => rfc(9293, "3.8.6.2.2"),
                Flag::WindowFull | Flag::ZeroWindow => rfc(9293, "3.8.6"),
                Flag::ZeroWindowProbe | Flag::ZeroWindowProbeAck => rfc(9293, "3.8.6.1"),
                Flag::KeepAlive | Flag::KeepAliveAck => rfc(9293, "3.8.4"),
            },
        }
    }
}

/// Something found in one conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub id: FindingId,
    /// `tcp.stream`
    pub stream: u32,
    /// The frames, in order, at most [`MOST_PACKETS`]; only the first where all findings have [`MOST_KEPT`].
    pub packets: Vec<u64>,
    /// How many frames there were.
    pub count: u64,
    /// Of an end: whose segment it was.
    pub by: Option<Endpoint>,
    /// Of a reset: what it answered, and after how long.
    pub reset: Option<Reset>,
}

/// Gathers findings.
#[derive(Debug, Default)]
pub struct Findings {
    found: BTreeMap<(u32, FindingId), Finding>,
    /// Packet numbers in them.
    kept: usize,
    /// Findings that were not kept.
    left_out: u64,
}

impl Findings {
    /// Nothing found yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many findings were not kept, past [`MOST_FINDINGS`].
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Takes the next frame.
    pub fn frame(&mut self, frame: &Frame<'_>) {
        let Some(note) = frame.tcp.filter(|note| !note.analysis.is_empty()) else { return };
        for flag in note.analysis.iter() {
            let id = match flag {
                Flag::KeepAlive if note.peer_window == Some(0) => FindingId::WindowProbe,
                flag => FindingId::Flag(flag),
            };
            self.add(note.stream, id, frame.number);
        }
    }

    fn add(&mut self, stream: u32, id: FindingId, frame: u64) {
        let room = self.found.len() < MOST_FINDINGS;
        if !room && !self.found.contains_key(&(stream, id)) {
            self.left_out += 1;
            return;
        }
        let new = || Finding { id, stream, packets: Vec::new(), count: 0, by: None, reset: None };
        let finding = self.found.entry((stream, id)).or_insert_with(new);
        finding.count += 1;
        let room = finding.packets.len() < MOST_PACKETS && self.kept < MOST_KEPT;
        if room || finding.packets.is_empty() {
            self.kept += 1;
            finding.packets.push(frame);
        }
    }

    /// All findings, the most severe first, then by conversation; `conversations` tells how each one ended.
    pub fn finish(mut self, conversations: &Conversations) -> Vec<Finding> {
        for conversation in conversations.sorted() {
            let Some((id, frame)) = ending(conversation) else { continue };
            self.add(conversation.stream, id, frame);
            if let Some(finding) = self.found.get_mut(&(conversation.stream, id)) {
                finding.by = ended_by(conversation);
                finding.reset = conversation.reset;
            }
        }
        let mut all: Vec<_> = self.found.into_values().collect();
        all.sort_by_key(|finding| (std::cmp::Reverse(finding.id.severity()), finding.stream, finding.id));
        all
    }
}

/// Whose segment the end was.
fn ended_by(conversation: &Conversation) -> Option<Endpoint> {
    match conversation.end() {
        End::Reset { by_b, .. } | End::HalfClosed { by_b } => {
            Some(if by_b { conversation.b } else { conversation.a })
        }
        End::Open if conversation.sides[1].packets == 0 => Some(conversation.a),
        End::Open | End::Closed => None,
    }
}

/// What the end of a conversation gives to say, and the frame that shows it.
fn ending(conversation: &Conversation) -> Option<(FindingId, u64)> {
    let [_, b] = &conversation.sides;
    if let Some(reset) = conversation.reset {
        let id = match reset.cause {
            ResetCause::Refused => FindingId::Refused,
            ResetCause::DataAfterClose => FindingId::DataAfterClose,
            ResetCause::Unread => FindingId::Unread,
            ResetCause::Abort => FindingId::Aborted,
        };
        return Some((id, reset.frame));
    }
    let (first, _) = conversation.first;
    match conversation.end() {
        End::HalfClosed { by_b } => {
            let [a, b] = &conversation.sides;
            let (frame, _) = if by_b { b.fin } else { a.fin }?;
            Some((FindingId::HalfClosed, frame))
        }
        End::Open if b.packets == 0 && conversation.completeness.has(Completeness::SYN) => {
            Some((FindingId::Unanswered, first))
        }
        End::Open | End::Closed | End::Reset { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_past_the_bounds_are_counted_and_every_finding_keeps_its_first() {
        let (mut findings, id) = (Findings::new(), FindingId::Flag(Flag::DuplicateAck));
        for stream in 0..1_100 {
            for frame in 1..=1_001 {
                findings.add(stream, id, frame);
            }
        }
        let all = findings.finish(&Conversations::default());
        let packets = |stream: usize| (all[stream].packets.len(), all[stream].count);
        assert_eq!((packets(0), packets(999), packets(1_000)), ((1_000, 1_001), (1_000, 1_001), (1, 1_001)));
    }
}
