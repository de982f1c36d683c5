//! One connection as every engine keeps it: order of the output, bounds, timeouts, half-close, the
//! operator's turn, and the reason it ended. No I/O: the engine tells what happened and when, asks
//! what to do next, and hears of every deadline.
//!
//! `B` is the engine's name for a receive buffer. It is lent with [`Session::received`] and given
//! back when nothing refers to it any more: at once, from [`Session::sent`] when the last byte of it
//! is with the kernel, or from [`Session::take_back`] when it never will be. Until then the engine
//! must not write to it.

mod asking;
#[cfg(feature = "linux")]
mod beside;
#[cfg(feature = "linux")]
mod carried;
mod output;
mod parked;
mod queue;
mod secured;

use crate::engine::{Host, Limits};
use crate::reason::{Call, End, Reason};
use crate::service::{Action, Actions, Event, Service};
use crate::told::{About, Told};
use asking::Question;
use enchufe_sys::host::Bell;
pub use output::Next;
use output::{Done, Output};
pub use parked::Parked;
use secured::Secured;
use std::cell::Cell;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Receive buffers that one connection may hold: a peer that does not read its echo is no longer
/// read from when these are full.
pub const MOST_BUFFERS: usize = 8;
/// Bytes that may be queued for one connection before it is no longer read from.
pub const MOST_QUEUED: usize = 256 * 1024;

thread_local! {
    /// Room for the actions of one event: each session keeping its own would cost memory and time.
    #[allow(clippy::missing_const_for_thread_local, reason = "it is one; on Windows the lint looks at what the macro made of it")]
    static ACTIONS: Cell<Vec<Action>> = const { Cell::new(Vec::new()) };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The service speaks.
    Open,
    /// The service is done; its output and our FIN are on their way.
    Flushing,
    /// Our FIN is out; what still comes is thrown away until this time (`None`: for ever).
    Lingering(Option<Instant>),
    /// To be closed.
    Over,
}

/// The bookkeeping of one connection.
#[derive(Debug)]
pub struct Session<'h, S: Service, B> {
    service: &'h S,
    host: &'h Host<'h>,
    about: About,
    state: S::State,
    output: Output<B>,
    phase: Phase,
    paused: bool,
    peer_ended: bool,
    /// Our FIN is queued or sent: nothing can be sent after it.
    finishing: bool,
    timer: Option<Instant>,
    question: Question,
    bell: Option<Arc<Bell>>,
    opened: Instant,
    active: Instant,
    received: u64,
    sent: u64,
    discarded: u64,
    reason: Option<Reason>,
    /// Where the connection is of TLS.
    tls: Option<Box<Secured>>,
}

impl<'h, S: Service, B> Session<'h, S, B> {
    /// A connection that was just accepted. `bell` is what wakes the engine for [`Self::rang`];
    /// needed only for a service with [`Service::ASKS`].
    pub fn open(
        host: &'h Host<'h>,
        service: &'h S,
        about: About,
        bell: Option<Arc<Bell>>,
        (now, time_of_day): (Instant, SystemTime),
    ) -> Self {
        let mut session = Self { bell, ..Self::quiet(host, service, about, now) };
        match host.tls {
            None => {
                session.event(Event::Opened(time_of_day), now);
            }
            Some(identity) => session.open_secured(identity, time_of_day, now),
        }
        session
    }

    /// One that was opened then, on which nothing has happened.
    fn quiet(host: &'h Host<'h>, service: &'h S, about: About, opened: Instant) -> Self {
        Self {
            service,
            host,
            about,
            state: S::State::default(),
            output: Output::new(),
            phase: Phase::Open,
            paused: false,
            peer_ended: false,
            finishing: false,
            timer: None,
            question: Question::None,
            bell: None,
            opened,
            active: opened,
            received: 0,
            sent: 0,
            discarded: 0,
            reason: None,
            tls: None,
        }
    }

    /// Which connection it is.
    pub fn about(&self) -> About {
        self.about
    }

    /// Whether the engine should read: not while paused, after the peer's end, or while what is
    /// queued for a peer that does not read has reached its bound.
    pub fn wants_read(&self) -> bool {
        match self.phase {
            Phase::Open => !self.paused && !self.peer_ended && !self.has_seen_fin() && self.has_room(),
            Phase::Flushing | Phase::Lingering(_) => !self.peer_ended,
            Phase::Over => false,
        }
    }

    fn has_room(&self) -> bool {
        self.output.queued() < MOST_QUEUED && self.output.buffers() < MOST_BUFFERS
    }

    /// Whether a limit counts from what goes: its time is then to be that of the send, for what was told before it may have
    /// taken long.
    pub fn measures_idleness(&self) -> bool {
        self.host.limits.idle.is_some()
    }

    /// `bytes` came and lie in `buffer`, whose positions [`Next::Lent`] will speak of. Gives the
    /// buffer back if it is not needed.
    pub fn received(&mut self, bytes: &[u8], buffer: B, now: Instant) -> Option<B> {
        self.active = now;
        if self.tls.is_some() {
            self.received_sealed(bytes, now);
            return Some(buffer);
        }
        if !self.payload(bytes, now) {
            return Some(buffer);
        }
        self.output.lend(buffer);
        None
    }

    /// Payload came; whether any of it is to be sent from its buffer.
    fn payload(&mut self, bytes: &[u8], now: Instant) -> bool {
        self.count(bytes.len());
        if self.phase != Phase::Open {
            self.discarded += bytes.len() as u64;
            return false;
        }
        self.tell(&Told::Received { bytes });
        if !self.service.returns_all(&self.state) {
            return self.event(Event::Bytes(bytes), now);
        }
        let is_lent = self.send_back(0..bytes.len(), bytes);
        self.settle(now);
        is_lent
    }

    fn count(&mut self, received: usize) {
        self.received += received as u64;
        if let Some(counters) = self.host.counters {
            counters.received(received as u64);
        }
    }

    /// The peer's FIN was read.
    pub fn peer_ended(&mut self, now: Instant) {
        if self.tls.is_some() {
            self.fin_came(now);
        } else {
            self.payload_ended(now);
        }
    }

    /// No more payload will come.
    fn payload_ended(&mut self, now: Instant) {
        if self.peer_ended {
            return;
        }
        self.peer_ended = true;
        self.active = now;
        match self.phase {
            Phase::Open => {
                self.tell(&Told::PeerEnded);
                self.event(Event::PeerEnded, now);
            }
            Phase::Lingering(_) => self.phase = Phase::Over,
            Phase::Flushing | Phase::Over => {}
        }
        self.settle(now);
    }

    /// What to send next. Ask again after each [`Self::sent`] or [`Self::half_closed`].
    pub fn next(&self) -> Option<Next<'_, B>> {
        if self.phase == Phase::Over { None } else { self.output.next() }
    }

    /// Bytes that are to be sent and are not with the kernel yet.
    pub fn queued(&self) -> usize {
        self.output.queued()
    }

    /// The buffers that it keeps.
    pub fn buffers(&self) -> impl Iterator<Item = &B> {
        self.output.lent()
    }

    /// `count` bytes of [`Self::next`] are with the kernel. Gives back the buffer that this freed.
    pub fn sent(&mut self, count: usize, now: Instant) -> Option<B> {
        self.active = now;
        let (done, payload) = self.output.advance(count);
        self.sent += payload as u64;
        if let Some(counters) = self.host.counters {
            counters.sent(payload as u64);
        }
        let freed = match done {
            Done::Buffer(buffer) => Some(buffer),
            Done::Answer(bytes) => {
                self.tell(&Told::Answered { bytes: &bytes });
                None
            }
            Done::Nothing => None,
        };
        let is_sent = self.output.is_empty() && self.phase == Phase::Open && !self.shakes_hands();
        if is_sent && !self.service.returns_all(&self.state) {
            self.event(Event::Writable, now);
        }
        self.settle(now);
        freed
    }

    /// The peer's system has taken something that the kernel had: there is room for more. For engines that do not send at once then.
    pub fn has_gone(&mut self, now: Instant) {
        self.active = now;
    }

    /// Our FIN was sent, as [`Next::HalfClose`] asked.
    pub fn half_closed(&mut self, now: Instant) {
        self.output.advance(0);
        // Whose FIN came first.
        self.reason.get_or_insert(if self.peer_ended { Reason::PeerFinished } else { Reason::OwnEnd });
        self.settle(now);
    }

    /// The peer's program has closed its socket.
    pub fn peer_left(&mut self) {
        self.over(Reason::PeerLeft);
    }

    /// A call on the connection failed.
    pub fn failed(&mut self, call: Call, error: io::Error) {
        let reason = Reason::of_error(call, error);
        let is_none = matches!(reason, Reason::Reset) && self.owes_nothing();
        self.over(if is_none { Reason::PeerFinished } else { reason });
    }

    /// The program stops now.
    pub fn interrupted(&mut self) {
        self.over(Reason::Interrupted);
    }

    /// When [`Self::expired`] is to be called, if nothing happens before.
    pub fn deadline(&self) -> Option<Instant> {
        let limits = self.limits();
        // A time that no clock can hold never comes.
        let end = |limit: Option<Duration>, since: Instant| limit.and_then(|time| since.checked_add(time));
        let whole = end(limits.deadline, self.opened);
        let first = end(limits.first_byte.filter(|_| self.received == 0), self.opened);
        let idle = end(limits.idle, self.active);
        let phase = match self.phase {
            Phase::Open => earlier(earlier(first, idle), self.timer),
            Phase::Flushing => idle,
            Phase::Lingering(until) => until,
            Phase::Over => return None,
        };
        earlier(phase, whole)
    }

    /// [`Self::deadline`] may have passed.
    pub fn expired(&mut self, now: Instant) {
        let limits = self.limits();
        let passed = |limit: Option<Duration>, since: Instant| {
            limit.filter(|time| now.saturating_duration_since(since) >= *time)
        };
        if let Some(time) = passed(limits.deadline, self.opened) {
            return self.over(Reason::Deadline(time));
        }
        match self.phase {
            Phase::Open => {
                let silent = if self.received == 0 { limits.first_byte } else { None };
                if let Some(time) = passed(silent, self.opened) {
                    self.over(Reason::FirstByte(time));
                } else if let Some(time) = passed(limits.idle, self.active) {
                    self.over(Reason::Idle(time));
                } else if self.timer.is_some_and(|at| now >= at) {
                    self.timer = None;
                    self.event(Event::Timer, now);
                }
            }
            Phase::Flushing => {
                if let Some(time) = passed(limits.idle, self.active) {
                    self.over(Reason::Idle(time));
                }
            }
            Phase::Lingering(Some(until)) if now >= until => self.phase = Phase::Over,
            Phase::Lingering(_) | Phase::Over => {}
        }
    }

    /// Whether the engine is to close the connection and call [`Self::closed`].
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Once it is over: a buffer that it still has, until there is none.
    pub fn take_back(&mut self) -> Option<B> {
        if self.is_over() { self.output.take_back() } else { None }
    }

    /// The descriptor is closed: tells how it ended.
    pub fn closed(mut self, now: Instant) -> End {
        if self.discarded > 0 {
            self.tell(&Told::Discarded { count: self.discarded });
        }
        let end = End {
            reason: self.reason.take().unwrap_or(Reason::OwnEnd),
            received: self.received,
            sent: self.sent,
            unsent: if self.tls.is_some() {
                self.output.sealed_payload()
            } else {
                self.output.queued() as u64
            },
            lasted: now.saturating_duration_since(self.opened),
        };
        self.host.ended(self.about, &end);
        end
    }

    fn limits(&self) -> &'h Limits {
        &self.host.limits
    }

    fn tell(&self, told: &Told<'_>) {
        self.host.reporter.tell(Some(self.about), told);
    }

    /// Tells the service and does what it says; whether any of the received bytes are to be sent from their buffer.
    fn event(&mut self, event: Event<'_>, now: Instant) -> bool {
        let came = if let Event::Bytes(bytes) = event { bytes } else { &[] };
        let mut actions = Actions { list: ACTIONS.take() };
        self.service.event(&mut self.state, event, &mut actions);
        self.carry_out(actions, came, now)
    }

    /// Whether any of the received bytes are to be sent from their buffer.
    fn carry_out(&mut self, mut actions: Actions, came: &[u8], now: Instant) -> bool {
        let mut is_lent = false;
        // Most events ask for nothing: it is worth a look.
        if !actions.list.is_empty() {
            for action in actions.list.drain(..) {
                if self.phase == Phase::Open {
                    is_lent |= self.act(action, came, now);
                }
            }
        }
        ACTIONS.set(actions.list);
        self.settle(now);
        is_lent
    }

    /// Carries out one action; whether it sends any of the received bytes from their buffer.
    fn act(&mut self, action: Action, came: &[u8], now: Instant) -> bool {
        match action {
            Action::Send { .. } | Action::HalfClose if self.finishing => {}
            Action::SendReceived(range) => return self.send_back(range, came),
            Action::Send { bytes, told } if !bytes.is_empty() && self.tls.is_some() => {
                self.seal_own(bytes, told);
            }
            Action::Send { bytes, told } if !bytes.is_empty() => self.output.push(bytes, told),
            Action::Send { bytes, told } => {
                if told {
                    self.tell(&Told::Answered { bytes: &bytes });
                }
            }
            Action::PauseReading => self.paused = true,
            Action::ResumeReading => self.paused = false,
            Action::HalfClose => self.half_close(),
            Action::Close => self.close(),
            Action::Timer(after) => self.timer = now.checked_add(after),
            Action::CancelTimer => self.timer = None,
            Action::Ask(question) => self.ask(question),
        }
        false
    }

    /// Sends a range of what came; whether it stays in its buffer for that.
    fn send_back(&mut self, range: Range<usize>, came: &[u8]) -> bool {
        let range = range.start.min(came.len())..range.end.min(came.len());
        if range.is_empty() || self.finishing {
            return false;
        }
        self.tell(&Told::Returning { count: range.len() });
        if self.tls.is_some() {
            self.seal(came.get(range).unwrap_or_default());
            return false;
        }
        self.output.push_received(range);
        true
    }

    fn close(&mut self) {
        self.withdraw_question();
        self.phase = Phase::Flushing;
        self.peer_ended |= self.has_seen_fin();
        if self.peer_ended {
            self.reason.get_or_insert(Reason::PeerFinished);
            self.seal_end();
        } else if !self.finishing {
            self.half_close();
        }
    }

    fn half_close(&mut self) {
        self.seal_end();
        self.finishing = true;
        self.output.push_half_close();
    }

    /// Goes on when the last of the output, our FIN, is out, and ends when both FINs are. (The peer's
    /// being in, closing the descriptor sends ours.)
    fn settle(&mut self, now: Instant) {
        if self.owes_end() {
            // Comes back here.
            self.payload_ended(now);
        } else if self.phase == Phase::Flushing && self.output.is_empty() {
            let until = now.checked_add(self.limits().linger);
            self.phase = if self.peer_ended { Phase::Over } else { Phase::Lingering(until) };
        } else if self.phase == Phase::Open && self.finishing && self.peer_ended && self.output.is_empty() {
            self.phase = Phase::Over;
        }
    }

    fn over(&mut self, reason: Reason) {
        if self.phase == Phase::Over {
            return;
        }
        self.withdraw_question();
        // To be stopped while only the peer's FIN is missing takes nothing from anybody. A reset
        // does: the answer may not have been read.
        let done = matches!(self.phase, Phase::Lingering(_));
        // In what TLS failed says more than how its end was met.
        let said = matches!(self.reason, Some(Reason::Tls(_) | Reason::Truncated));
        if !(said || done && matches!(reason, Reason::Interrupted | Reason::Deadline(_))) {
            self.reason = Some(reason);
        }
        self.phase = Phase::Over;
    }
}

/// The earlier of two times; none never comes.
fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
