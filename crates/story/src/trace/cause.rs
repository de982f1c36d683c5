//! Which calls have to do with a segment, and why it was sent now.

use super::account::{Account, Ender};
use super::event::{By, Deed, Now, Off, Range, Reason, Release, Side, Timer};
use super::heard::{Flying, Opened};
use super::judge::Call;
use super::remark::{Held, Timed};
use super::sockets::{Role, Sockets};
use super::talk::Flow;
use crate::cause::What;
use crate::fact::{Arrival, CallId, Cookie};
use crate::{Certainty, Row};
use enchufe_wire::Timestamp;
use enchufe_wire::layer::{Tcp, TcpFlags};
use enchufe_wire::tcp::{Flag, ResetCause, TcpNote};
use std::collections::HashMap;

/// Linux waits at least this long before an acknowledgement goes alone (`TCP_DELACK_MIN`, 40 ms; less a tick).
const DELAYED: i64 = 36_000_000;
/// What asks for something is answered within this, where a timer does not happen to run out.
const SOON: i64 = 1_000_000;
/// Linux gives a retransmission timer at least this long, where no route and no setting says otherwise (`TCP_RTO_MIN`, 200 ms;
/// less a tick), and an acknowledgement of something new starts it anew (RFC 6298 §5.3).
const LEAST_TIMEOUT: i64 = 196_000_000;
/// What is corked goes after 200 ms (tcp(7), `TCP_CORK`; less a tick).
const CORKED: i64 = 190_000_000;

/// A segment, and what is known of both ends.
pub(super) struct Case<'c> {
    pub(super) row: &'c Row,
    pub(super) note: &'c TcpNote,
    pub(super) time: Timestamp,
    pub(super) me: &'c mut Flow,
    pub(super) peer: &'c mut Flow,
    /// Its sender.
    pub(super) side: &'c Side,
    pub(super) account: Option<&'c Account>,
    pub(super) calls: &'c HashMap<CallId, Call>,
    pub(super) sockets: &'c Sockets,
    pub(super) accounts: &'c HashMap<Cookie, Account>,
}

impl Case<'_> {
    /// The places of its bytes in the stream. `header` begins with the segment.
    pub(super) fn bytes(&mut self, tcp: &Tcp, header: &[u8]) -> Option<Range> {
        const MSS: u8 = 2;
        // Its subtypes 0 and 1 are MP_CAPABLE and MP_JOIN.
        const MULTIPATH: u8 = 30;
        if tcp.flags.any(TcpFlags::SYN) && !tcp.flags.any(TcpFlags::RST) {
            self.me.starts(tcp.seq);
            let mss = tcp.options(header).filter_map(Result::ok).find(|option| option.kind == MSS);
            let mss = mss.and_then(|mss| mss.data.try_into().ok()).map(u16::from_be_bytes);
            self.peer.most = mss.or(self.peer.most);
            let mut options = tcp.options(header).filter_map(Result::ok);
            let subtype = options.find(|option| option.kind == MULTIPATH);
            let subtype = subtype.and_then(|option| option.data.first()).map(|byte| byte >> 4);
            self.me.multipath = subtype.filter(|subtype| *subtype <= 1);
        }
        let range = self.me.range(tcp.seq, tcp.flags, self.row.len?)?;
        (!range.is_empty()).then_some(range)
    }

    /// What calls have to do with it, and why now.
    pub(super) fn causes(&self, bytes: Option<Range>) -> (Vec<By>, Option<Reason>) {
        let (mut by, why) = self.all_causes(bytes);
        if self.account.is_some_and(|account| account.other_bytes == Some(Off::Multipath)) {
            // A call ends all paths of a connection; when this one ends, and why, the kernel decides.
            let is_sure = |deed| matches!(deed, Deed::Opens | Deed::Listens | Deed::Completes);
            for by in by.iter_mut().filter(|by| !is_sure(by.deed)) {
                by.certainty = Certainty::Inferred;
            }
        }
        (by, why)
    }

    fn all_causes(&self, bytes: Option<Range>) -> (Vec<By>, Option<Reason>) {
        if self.row.flags.any(TcpFlags::RST) {
            let by = self.resets();
            let why = self.inside(&by).or_else(|| self.told());
            return (by, why);
        }
        let mut by = Vec::new();
        self.opens(&mut by);
        self.writes(bytes, &mut by);
        self.ends(&mut by);
        self.takes(&mut by);
        let why = self.why(bytes, &by);
        (by, why)
    }

    fn has(&self, flag: u16) -> bool {
        self.row.flags.any(flag)
    }

    fn is_open(&self, call: CallId) -> bool {
        self.calls.contains_key(&call)
    }

    fn repeats(&self) -> Option<bool> {
        self.row.cause.what.iter().find_map(|claim| match claim.what {
            What::Repeats { whole, .. } => Some(whole),
            _ => None,
        })
    }

    /// As sure as the socket of the end is, and as that nothing else used it.
    fn by(&self, deed: Deed, calls: Vec<CallId>, certainty: Certainty) -> By {
        let has_rings = self.account.is_some_and(|account| account.has_rings);
        let certainty = if has_rings { Certainty::Inferred } else { certainty };
        By { deed, calls, certainty: certainty.min(self.side.certainty) }
    }

    fn opens(&self, by: &mut Vec<By>) {
        if !self.has(TcpFlags::SYN) {
            let completes = self.me.has_syn && self.peer.has_syn && self.has(TcpFlags::ACK);
            if let Some(call) = self.side.connect.filter(|_| completes && !self.me.has_completed) {
                by.push(self.by(Deed::Completes, vec![call], Certainty::Proved));
            }
            return;
        }
        if let Some(call) = self.side.connect {
            by.push(self.by(Deed::Opens, vec![call], Certainty::Proved));
        } else if self.has(TcpFlags::ACK) {
            self.listens(by);
        } else if let Some(account) = self.account {
            // Fast Open: the bytes open it.
            let first = account.written.perhaps(Range { start: 0, end: 1 });
            for piece in first.into_iter().filter(|piece| !piece.calls.is_empty()) {
                by.push(self.by(Deed::Opens, piece.calls, piece.certainty));
            }
        }
    }

    fn listens(&self, by: &mut Vec<By>) {
        let listen = |cookie| {
            let anew = self.accounts.get(&cookie).and_then(|account| account.listens_anew);
            match self.sockets.get(cookie)?.role {
                Role::Listens { call, .. } => Some(anew.unwrap_or(call)),
                _ => None,
            }
        };
        if let Some(call) = self.side.listener.and_then(listen) {
            by.push(self.by(Deed::Listens, vec![call], Certainty::Proved));
            return;
        }
        let all = self.sockets.listening(self.side.endpoint, self.time);
        let calls: Vec<CallId> =
            all.iter().filter_map(|socket| listen(socket.cookie)).take(super::meter::MOST_NAMED).collect();
        if !calls.is_empty() {
            by.push(self.by(Deed::Listens, calls, Certainty::Inferred));
        }
    }

    fn writes(&self, bytes: Option<Range>, by: &mut Vec<By>) {
        let (Some(bytes), Some(account)) = (bytes, self.account) else { return };
        // The byte of a keep-alive need not be one of the stream.
        let asks = self.row.cause.what.iter().any(|claim| claim.what == What::KeepAlive);
        if asks || account.other_bytes.is_some() {
            return;
        }
        // What was sent before, where the segment has both.
        let old = match self.repeats() {
            None => Range { start: bytes.start, end: bytes.start },
            Some(true) => bytes,
            Some(false) => bytes.and(Range { start: 0, end: self.me.sent }),
        };
        let new = Range { start: old.end, end: bytes.end };
        for (part, again) in [(old, true), (new, false)] {
            for written in account.who_wrote(part) {
                if written.calls.is_empty() {
                    continue;
                }
                let deed = if again { Deed::WritesAgain(written.range) } else { Deed::Writes(written.range) };
                by.push(self.by(deed, written.calls, written.certainty));
            }
        }
    }

    /// The calls that ended the stream, and how sure that is: the first one, but where several are open at once.
    fn enders(&self, which: impl Fn(Ender) -> bool) -> Option<(Vec<CallId>, Certainty)> {
        let all = &self.account?.enders;
        let calls: Vec<CallId> =
            all.iter().filter(|(_, ender)| which(*ender)).map(|(call, _)| *call).collect();
        let first = *calls.first()?;
        let held = all.iter().filter(|(_, ender)| *ender == Ender::Holds).map(|(call, _)| *call);
        let held: Vec<CallId> = held.collect();
        if !held.is_empty() && all.contains(&(first, Ender::Drops)) {
            return Some((std::iter::once(first).chain(held).collect(), Certainty::Inferred));
        }
        let open: Vec<CallId> = calls.into_iter().filter(|call| self.is_open(*call)).collect();
        if open.len() > 1 && open.first() == Some(&first) {
            return Some((open, Certainty::Inferred));
        }
        Some((vec![first], Certainty::Proved))
    }

    fn ends(&self, by: &mut Vec<By>) {
        if !self.has(TcpFlags::FIN) {
            return;
        }
        if let Some((calls, certainty)) =
            self.enders(|ender| !matches!(ender, Ender::Dissolves | Ender::Holds))
        {
            by.push(self.by(Deed::Ends, calls, certainty));
        }
    }

    /// A `recv` that took bytes makes room: only where nothing else is told of the segment.
    fn takes(&self, by: &mut Vec<By>) {
        let is_plain = by.is_empty() && self.row.len == Some(0) && !self.has(TcpFlags::SYN | TcpFlags::FIN);
        let calls =
            if self.makes_room() || self.before_reading().is_some() { self.reading() } else { Vec::new() };
        if is_plain && !calls.is_empty() {
            by.push(self.by(Deed::Takes, calls, Certainty::Inferred));
        }
    }

    fn makes_room(&self) -> bool {
        self.row.cause.what.iter().any(|claim| matches!(claim.what, What::WindowUpdate { .. }))
    }

    /// The reading calls that are open, where there is something to read: one that waits does nothing.
    fn reading(&self) -> Vec<CallId> {
        let account = self.account.filter(|account| self.peer.heard.sent > account.read.at);
        let open = account.into_iter().flat_map(|account| account.read.open());
        open.take(super::meter::MOST_NAMED).collect()
    }

    /// Whether it acknowledges something for the first time.
    fn is_news(&self) -> bool {
        let is_ack = |what: &What| matches!(what, What::Acknowledges { .. } | What::AcknowledgesUnseen);
        self.row.cause.what.iter().any(|claim| is_ack(&claim.what))
    }

    /// A reading call that was entered after the bytes came which this acknowledges.
    fn before_reading(&self) -> Option<CallId> {
        let (_, came) = self.peer.heard.moved.filter(|_| self.is_news())?;
        let entered = |call: &CallId| self.calls.get(call).map(|call| call.entered);
        self.reading().into_iter().find(|call| entered(call).is_some_and(|entered| entered > came))
    }

    fn resets(&self) -> Vec<By> {
        let cause = self.row.cause.what.iter().find_map(|claim| match claim.what {
            What::Resets(cause) => Some(cause),
            _ => None,
        });
        let drops = self.enders(|ender| ender == Ender::Drops);
        let dissolves = self.enders(|ender| ender == Ender::Dissolves);
        match (cause, drops, dissolves) {
            (Some(ResetCause::Refused), ..) => Vec::new(),
            (_, _, Some((calls, certainty))) => vec![self.by(Deed::Dissolves, calls, certainty)],
            (_, Some((calls, certainty)), _) if calls.iter().any(|call| self.is_open(*call)) => {
                self.aborts(&calls, certainty)
            }
            (Some(ResetCause::DataAfterClose), Some((calls, certainty)), _) => {
                vec![self.by(Deed::WasGone, calls, certainty)]
            }
            // Its FIN may have waited behind bytes.
            (_, Some((calls, _)), _) => vec![self.by(Deed::WasGone, calls, Certainty::Inferred)],
            (_, None, None) => self.leaves_queue(),
        }
    }

    /// The last reference was dropped, and that reset the connection: bytes that nobody read, or `SO_LINGER`.
    fn aborts(&self, calls: &[CallId], certainty: Certainty) -> Vec<By> {
        let Some(account) = self.account else { return Vec::new() };
        // A socket that is accepted begins with the options of the one that listens.
        let listener = self.side.listener.and_then(|cookie| self.accounts.get(&cookie));
        let lingers = account.linger.or(listener.and_then(|listener| listener.linger)) == Some(0);
        // What this end acknowledged had come; what was only sent may not have.
        let unread = |came: u64| came.saturating_sub(account.read.at);
        let (sure, perhaps) = (unread(self.me.acked).max(account.unread), unread(self.peer.heard.sent));
        let unread = if sure > 0 { sure } else { perhaps };
        let only = !(lingers && unread > 0);
        let mut all = Vec::new();
        if unread > 0 {
            let is_sure = only && sure > 0 && account.other_bytes.is_none() && !account.has_unseen;
            let certainty = if is_sure { certainty } else { Certainty::Inferred };
            all.push(self.by(Deed::LeavesUnread(unread), calls.to_vec(), certainty));
        }
        if lingers {
            let certainty = if only { certainty } else { Certainty::Inferred };
            all.push(self.by(Deed::Aborts, calls.to_vec(), certainty));
        }
        all
    }

    /// A listening socket ends with connections in its queue.
    fn leaves_queue(&self) -> Vec<By> {
        let listener = self.side.listener.filter(|_| self.side.socket.is_none());
        let account = listener.and_then(|cookie| self.accounts.get(&cookie));
        let drops = account.into_iter().flat_map(|account| &account.enders);
        let ends = |ender: &Ender| matches!(ender, Ender::Drops | Ender::Shuts);
        let mut open = drops.filter(|(call, ender)| ends(ender) && self.is_open(*call));
        let call = open.next().map(|(call, _)| *call);
        let by = call.map(|call| self.by(Deed::LeavesUnaccepted, vec![call], Certainty::Inferred));
        by.into_iter().collect()
    }

    /// What packets alone tell.
    fn told(&self) -> Option<Reason> {
        let (why, certainty) = self.row.cause.why?;
        let crate::Why::Answers(frame) = why;
        let heard = &self.peer.heard;
        if !heard.is_known {
            return Some(Reason { now: Now::Answers(frame), certainty, or: Vec::new() });
        }
        // Only what has come can be answered.
        let has_come = heard.since.iter().any(|(other, _)| *other == frame);
        let is_sure = has_come && (heard.count == 1 || self.has(TcpFlags::SYN));
        let frame = if has_come { frame } else { heard.since.back()?.0 };
        let certainty = if is_sure { certainty } else { Certainty::Inferred };
        Some(Reason { now: Now::Answers(frame), certainty, or: Vec::new() })
    }

    /// Between the stops of a call that made it.
    fn inside(&self, by: &[By]) -> Option<Reason> {
        let does = |deed: Deed| !matches!(deed, Deed::Takes | Deed::Completes | Deed::WritesAgain(_));
        let mut calls: Vec<(CallId, Certainty)> = Vec::new();
        for by in by.iter().filter(|by| does(by.deed)) {
            let open = by.calls.iter().filter(|call| self.is_open(**call));
            calls.extend(open.map(|call| (*call, by.certainty)));
        }
        // A call whose bytes they are for sure comes before those that may have written some.
        calls.sort_by_key(|(_, certainty)| *certainty != Certainty::Proved);
        let (call, certainty) = *calls.first()?;
        let mut or = Vec::new();
        if certainty == Certainty::Inferred {
            for (other, _) in calls.iter().skip(1).filter(|(other, _)| *other != call) {
                if !or.contains(&Now::Inside(*other)) {
                    or.push(Now::Inside(*other));
                }
            }
        }
        Some(Reason { now: Now::Inside(call), certainty, or })
    }

    fn why(&self, bytes: Option<Range>, by: &[By]) -> Option<Reason> {
        let inferred = |now, or| Some(Reason { now, certainty: Certainty::Inferred, or });
        let asks = |what: &What| self.row.cause.what.iter().any(|claim| claim.what == *what);
        if asks(&What::KeepAlive) {
            return inferred(Now::Timer(Timer::KeepAlive), Vec::new());
        }
        if asks(&What::WindowProbe) {
            return inferred(Now::Timer(Timer::WindowProbe), Vec::new());
        }
        if self.repeats() == Some(true) {
            return Some(self.again(bytes));
        }
        if self.repeats() == Some(false) {
            let mut again = self.again(bytes);
            again.or.extend(self.released(bytes).into_iter().flat_map(|released| {
                let Reason { now, or, .. } = released;
                std::iter::once(now).chain(or)
            }));
            return self.inside(by).or(Some(again));
        }
        if self.has(TcpFlags::SYN | TcpFlags::FIN) || bytes.is_some() {
            return self.inside(by).or_else(|| self.told()).or_else(|| self.released(bytes));
        }
        self.told().or_else(|| self.acknowledges())
    }

    /// What was sent before is sent again.
    fn again(&self, bytes: Option<Range>) -> Reason {
        let timer = Now::Timer(Timer::Retransmission);
        // The peer said something since: it may have asked for it, most likely where it is sent as soon as that has come.
        let asked = self.asked();
        let fast = self.note.analysis.has(Flag::FastRetransmission);
        let heard = &self.peer.heard;
        let is_probe = self.may_probe(bytes);
        let restarts = heard.opened.is_some_and(|one| one.frame == heard.last && one.after.is_some());
        let limit = if restarts && !is_probe { LEAST_TIMEOUT } else { SOON };
        let soon = heard.is_known && self.time.since(heard.last_time) < limit;
        // A SYN that comes again is answered again (§3.10.7.4).
        let told = self.told().filter(|_| self.has(TcpFlags::SYN));
        let (now, mut or) = match told.map(|told| told.now).or(asked) {
            Some(answers) if fast || soon || self.has(TcpFlags::SYN) && self.row.cause.why.is_some() => {
                (answers, vec![timer])
            }
            Some(answers) => (timer, vec![answers]),
            None => (timer, Vec::new()),
        };
        or.extend(is_probe.then_some(Now::Timer(Timer::TailLossProbe)));
        Reason { now, certainty: Certainty::Inferred, or }
    }

    /// Whether it may be a tail loss probe: that sends the last segment again, once (RFC 8985 §7.3).
    fn may_probe(&self, bytes: Option<Range>) -> bool {
        let is_tail = bytes.is_some_and(|bytes| bytes.end == self.me.sent) || self.has(TcpFlags::FIN);
        let once = |what: &What| matches!(what, What::Repeats { frames, whole: true } if frames.count == 1);
        is_tail && !self.has(TcpFlags::SYN) && self.row.cause.what.iter().any(|claim| once(&claim.what))
    }

    /// Its calls were left before: something let it go.
    fn released(&self, bytes: Option<Range>) -> Option<Reason> {
        let account = self.account?;
        let uncork = account.uncorks.last().map(|call| Now::Uncorked(*call));
        // To end the stream pushes what waits before the end.
        let pushed = account.enders.iter().map(|(call, _)| *call).find(|call| self.is_open(*call));
        let waited = self.me.moved.map_or(0, |(_, before)| self.time.since(before));
        // Once it let one go, it lets others go, until the peer says something else; not what was written later.
        let written = bytes.map(|bytes| account.who_wrote(bytes)).unwrap_or_default();
        let since = written.iter().map(|written| written.since).max();
        let opened = self.peer.heard.opened.filter(|opened| {
            let is_last = opened.time > self.me.last_time || opened.frame == self.peer.heard.last;
            is_last && since.is_none_or(|since| since <= opened.time)
        });
        let is_late = opened.is_some_and(|opened| self.time.since(opened.time) >= DELAYED);
        let released = opened.map(|Opened { frame, all, edge, .. }| {
            let from = match bytes {
                Some(bytes) if bytes.end > edge => Release::Window,
                Some(bytes) if all && !self.has_nodelay(account) && self.is_short(bytes) => Release::Nagle,
                _ => Release::Flight,
            };
            Now::Released { by: frame, from }
        });
        let cork = (waited >= CORKED).then_some(Now::Timer(Timer::Cork));
        let pushed = pushed.map(Now::Inside);
        let (first, second) = if is_late { (cork, released) } else { (released, cork) };
        let last_resort = self.unasked().filter(|_| uncork.is_none() && pushed.is_none() && opened.is_none());
        let mut all = uncork.into_iter().chain(pushed).chain(first).chain(second).chain(last_resort);
        let now = all.next()?;
        Some(Reason { now, certainty: Certainty::Inferred, or: all.collect() })
    }

    /// Whether it had waited for an acknowledgement that was delayed.
    pub(super) fn held(&self, why: Option<&Reason>) -> Option<Held> {
        let Now::Released { by, from: Release::Nagle } = why?.now else { return None };
        let opened = self.peer.heard.opened.filter(|opened| opened.frame == by)?;
        let (sent, waited) = opened.after.filter(|(_, waited)| *waited >= DELAYED)?;
        Some(Held { frames: [sent, by], waited })
    }

    /// Of what a timer sent: how long after what it answers or repeats that was, and how long of it programs were held.
    pub(super) fn timed(&self, why: Option<&Reason>, held: u64) -> Option<Timed> {
        let Now::Timer(timer) = why?.now else { return None };
        let (moved, before) = match timer {
            Timer::DelayedAck => (self.peer.moved, self.peer.held),
            _ => (self.me.moved, self.me.held),
        };
        let (_, since) = moved?;
        let held = i64::try_from(held.saturating_sub(before)).unwrap_or(i64::MAX);
        Some(Timed { waited: self.time.since(since), held })
    }

    /// Nothing that is known of asked for it. Whatever comes from the peer lets Linux look at what `MSG_MORE` held back
    /// (`tcp_data_snd_check`); and the probe for a lost tail sends what is new, where there is some (RFC 8985 §7.3).
    fn unasked(&self) -> Option<Now> {
        const PROBE: i64 = 2_000_000;
        if self.repeats().is_some() {
            return None;
        }
        let is_under_way = self.peer.heard.acked < self.me.sent;
        let waited = self.me.moved.map_or(0, |(_, before)| self.time.since(before));
        if let Some(answers) = self.asked() {
            return Some(answers);
        }
        if is_under_way && waited >= PROBE {
            return Some(Now::Timer(Timer::TailLossProbe));
        }
        // One of several that the same segment let go: what came behind a gap makes room, too (RFC 3042, RFC 6937).
        (is_under_way && self.peer.heard.is_known).then_some(Now::Answers(self.peer.heard.last))
    }

    /// Whether Nagle's algorithm was turned off: by the program, or for the listening socket that the connection came to.
    fn has_nodelay(&self, account: &Account) -> bool {
        let listener = self.side.listener.and_then(|cookie| self.accounts.get(&cookie));
        account.nodelay.or(listener.and_then(|listener| listener.nodelay)) == Some(true)
    }

    /// Whether Nagle's algorithm holds it back. What a segment may have, options take from.
    fn is_short(&self, bytes: Range) -> bool {
        const LONGEST_OPTIONS: u16 = 40;
        const DEFAULT: u16 = 536;
        let most = self.me.most.unwrap_or(DEFAULT).saturating_sub(LONGEST_OPTIONS);
        bytes.len() < u64::from(most)
    }

    /// An acknowledgement that nothing in the segments asks for by name.
    fn acknowledges(&self) -> Option<Reason> {
        let room = self.makes_room();
        let reading = self.before_reading().or_else(|| self.reading().first().copied().filter(|_| room));
        let reading = reading.map(Now::Inside);
        let mut all = Vec::new();
        if self.is_news() {
            let (frame, came) = self.peer.heard.moved?;
            let (at_once, delayed) = (Now::Answers(frame), Now::Timer(Timer::DelayedAck));
            let completes = self.me.has_syn && self.peer.has_syn && !self.me.has_completed;
            if completes && self.peer.heard.count == 1 && self.side.connect.is_some() {
                return Some(Reason { now: at_once, certainty: self.side.certainty, or: Vec::new() });
            }
            all.extend(reading);
            if self.time.since(came) < DELAYED {
                all.extend([at_once, delayed]);
            } else {
                all.extend([delayed, at_once]);
            }
        } else if room {
            all.extend(reading);
        }
        let mut all = all.into_iter();
        let Some(now) = all.next() else { return self.fits_nothing() };
        Some(Reason { now, certainty: Certainty::Inferred, or: all.collect() })
    }

    /// An acknowledgement that says nothing new: what came behind a gap, or came before, is acknowledged at once
    /// (§3.10.7.4, RFC 5681 §4.2).
    fn fits_nothing(&self) -> Option<Reason> {
        let heard = &self.peer.heard;
        // What carries nothing is not answered, but where it fits nothing itself.
        let mut moving = heard.since.iter().rev().filter(|(_, moves)| *moves);
        let (frame, _) = moving.next().or(heard.since.back())?;
        let is_only = moving.next().is_none() && heard.has_all();
        let repeats =
            self.row.cause.what.iter().any(|one| matches!(one.what, What::RepeatsAcknowledgement { .. }));
        let moves = heard.since.iter().any(|(_, moves)| *moves);
        let is_sure = is_only && moves && repeats;
        let certainty = if is_sure { self.side.certainty } else { Certainty::Inferred };
        Some(Reason { now: Now::Answers(*frame), certainty, or: Vec::new() })
    }

    /// What the peer said last since the sender's last segment.
    fn asked(&self) -> Option<Now> {
        self.peer.heard.since.back().map(|(frame, _)| Now::Answers(*frame))
    }

    /// Keeps it for those that come.
    pub(super) fn remember(&mut self, tcp: &Tcp, bytes: Option<Range>, arrival: Arrival, held: u64) {
        let new = match (self.repeats(), bytes) {
            (Some(true), _) | (_, None) => None,
            (Some(false), Some(bytes)) => Some(bytes.and(Range { start: self.me.sent, end: u64::MAX })),
            (None, bytes) => bytes,
        };
        if let Some(new) = new {
            self.me.add(new);
        }
        let moves = self.row.len.is_some_and(|len| len > 0) || self.has(TcpFlags::SYN | TcpFlags::FIN);
        if moves {
            (self.me.moved, self.me.held) = (Some((self.row.frame, self.time)), held);
        }
        self.me.has_fin |= self.has(TcpFlags::FIN);
        self.me.heard.has_urgent |= self.has(TcpFlags::URG);
        let mut acknowledges = None;
        if self.has(TcpFlags::ACK) && !self.has(TcpFlags::RST) {
            self.me.has_completed |= !self.has(TcpFlags::SYN);
            let acked = self.peer.place(tcp.ack).and_then(|at| u64::try_from(at).ok()).unwrap_or(0);
            let acked = acked.min(self.peer.sent);
            self.me.acked = self.me.acked.max(acked);
            acknowledges = Some((acked, self.row.window));
        }
        let (frame, sent) = (self.row.frame, self.time);
        let after = self.peer.heard.moved.map(|(frame, came)| (frame, sent.since(came)));
        let flying = Flying { frame, sent, lands: sent, range: bytes, moves, acked: acknowledges, after };
        self.me.heard.send(flying, arrival);
        self.peer.heard.is_answered();
        self.me.last_time = self.time;
        self.me.last = self.row.frame;
    }
}
