//! What is remembered of a conversation while a recording is judged.

use super::account::Account;
use super::event::{Off, Range, Segment, Side};
use super::heard::Heard;
use super::remark::Row as Little;
use super::shown::Shown;
use crate::fact::{Cookie, Passage};
use crate::state::State;
use crate::{Certainty, Ladder, Roles, Row};
use enchufe_wire::layer::TcpFlags;
use enchufe_wire::session::Frame;
use enchufe_wire::{Seq, Timestamp};
use std::collections::HashMap;

/// A conversation.
#[derive(Clone, Debug)]
pub(super) struct Talk {
    pub(super) ladder: Ladder,
    pub(super) sides: [Side; 2],
    pub(super) flows: [Flow; 2],
    /// The frame that came last, and when.
    pub(super) last: (u64, Timestamp),
}

impl Talk {
    pub(super) const fn flow(&self, is_b: bool) -> &Flow {
        let [a, b] = &self.flows;
        if is_b { b } else { a }
    }

    /// What was on its way until then has come.
    pub(super) fn land(&mut self, until: Timestamp) {
        let [a, b] = &mut self.flows;
        a.heard.land(until, b.sent);
        b.heard.land(until, a.sent);
    }
}

/// The segments of one end.
#[derive(Clone, Debug, Default)]
pub(super) struct Flow {
    /// A number, and the place in the stream that it stands for.
    start: Option<(Seq, u64)>,
    /// The place after the last byte that was sent.
    pub(super) sent: u64,
    /// The place in the peer's stream up to which it acknowledged.
    pub(super) acked: u64,
    /// What of it came to the peer.
    pub(super) heard: Heard,
    /// The most bytes that a segment of it may have, by the peer's SYN.
    pub(super) most: Option<u16>,
    /// A SYN of it was seen.
    pub(super) has_syn: bool,
    /// A FIN of it was seen.
    pub(super) has_fin: bool,
    /// The frame of its last segment, and when that was sent.
    pub(super) last: u64,
    pub(super) last_time: Timestamp,
    /// When its last segment with something to acknowledge came, and which it was.
    pub(super) moved: Option<(u64, Timestamp)>,
    /// For how long programs had been held then.
    pub(super) held: u64,
    /// Its segments with few bytes, in a row.
    pub(super) little: Little,
    /// Its segments that a timer sent, which tracing may have let run out.
    pub(super) timers: Little,
    /// The subtype of the option with which its SYN asks for MPTCP, or agrees to it (0), or adds a path to another connection (1).
    pub(super) multipath: Option<u8>,
    /// It has acknowledged the peer's SYN.
    pub(super) has_completed: bool,
}

impl Flow {
    /// Its SYN has this number.
    pub(super) fn starts(&mut self, syn: Seq) {
        if self.start.is_none() || !self.has_syn {
            self.start = Some((syn + 1, 0));
        }
        self.has_syn = true;
    }

    pub(super) const fn is_known(&self) -> bool {
        self.start.is_some()
    }

    /// The place of a number in the stream; negative before its first byte.
    pub(super) fn place(&self, seq: Seq) -> Option<i64> {
        let (known, at) = self.start?;
        i64::try_from(at).ok()?.checked_add(i64::from(seq - known))
    }

    /// The places of the bytes of a segment.
    pub(super) fn range(&self, seq: Seq, flags: TcpFlags, len: u32) -> Option<Range> {
        let first = self.place(seq + u32::from(flags.any(TcpFlags::SYN)))?;
        let start = u64::try_from(first).ok()?;
        Some(Range { start, end: start.checked_add(u64::from(len))? })
    }

    /// Remembers that so much was sent.
    pub(super) fn add(&mut self, range: Range) {
        if range.is_empty() {
            return;
        }
        self.sent = self.sent.max(range.end);
        let Some((seq, at)) = self.start else { return };
        // Numbers wrap after four gigabytes: count from a near one.
        let ahead = u32::try_from(self.sent.saturating_sub(at)).unwrap_or(u32::MAX);
        if ahead > 1 << 30 {
            self.start = Some((seq + ahead, at + u64::from(ahead)));
        }
    }
}

/// The states that a segment shows, beside what is known of them.
pub(super) fn shows(
    row: &mut Row,
    talk: &Talk,
    stream: u32,
    accounts: &mut HashMap<Cookie, Account>,
    loose: &mut HashMap<(u32, bool), Shown>,
) {
    let [a, b] = &talk.sides;
    let answers = row.flags.all(TcpFlags::SYN | TcpFlags::ACK);
    row.changes.retain_mut(|change| {
        let side = if change.of_b { b } else { a };
        if answers && change.to == Some(State::Listen) && side.listener.is_some() {
            change.certainty = Certainty::Proved;
        }
        let account = side.socket.and_then(|cookie| accounts.get_mut(&cookie));
        match account {
            Some(account) => account.shown.segment(change),
            None => loose.entry((stream, change.of_b)).or_default().segment(change),
        }
    });
}

/// Both ends have agreed on MPTCP (RFC 8684 §3.1, §3.2).
pub(super) fn several_paths(talk: &Talk, accounts: &mut HashMap<Cookie, Account>) {
    if talk.flows.iter().all(|flow| flow.multipath.is_some()) {
        for socket in talk.sides.iter().filter_map(|side| side.socket) {
            if let Some(account) = accounts.get_mut(&socket) {
                account.other_bytes = Some(Off::Multipath);
            }
        }
    }
}

/// Whether calls can be named as causes of what the two ends send from here on.
pub(super) fn turns_off(talk: &mut Talk, accounts: &HashMap<Cookie, Account>) {
    let Talk { ladder, sides, flows, .. } = talk;
    let multipath = flows.iter().all(|flow| flow.multipath.is_some());
    for (side, flow) in sides.iter_mut().zip(flows) {
        let account = side.socket.and_then(|cookie| accounts.get(&cookie));
        let other_bytes = account.and_then(|account| account.other_bytes);
        side.off = match () {
            () if ladder.roles() == Roles::Itself => Some(Off::Itself),
            () if multipath => Some(Off::Multipath),
            () if side.socket.is_none() && side.listener.is_none() => Some(Off::NoSocket),
            () if other_bytes.is_some() => other_bytes,
            () if account.is_some_and(|account| account.has_unseen || account.has_rings) => {
                Some(Off::UnseenCalls)
            }
            () if flow.last > 0 && !flow.is_known() => Some(Off::NoStart),
            () => None,
        };
    }
}

/// A segment of a conversation that was given up.
pub(super) fn given_up(frame: &Frame<'_>, passage: Passage) -> Option<Segment> {
    let mut ladder = Ladder::new(frame)?;
    ladder.mute();
    let row = ladder.frame(frame)?;
    let ends = ladder.ends().map(|endpoint| Side {
        endpoint,
        socket: None,
        certainty: Certainty::Proved,
        connect: None,
        listener: None,
        program: None,
        off: Some(Off::GivenUp),
    });
    Some(Segment {
        stream: ladder.stream(),
        row,
        ends,
        bytes: None,
        by: Vec::new(),
        more: 0,
        why: None,
        passage,
        most: None,
    })
}
