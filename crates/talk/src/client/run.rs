//! The client's loop: one thread that waits for the socket, the input, the stop and the clock.

mod secured;

use self::secured::Secured;
use super::expect::Judge;
use super::{HalfClose, Input, Outcome, PATIENCE, Pace, Piece, Plan, Reply, Verdict};
use crate::connect::Connected;
use crate::reason::{Call, End, Reason};
use crate::stop::Stop;
use crate::tls::{Checked, Sealed};
use crate::told::{About, Awaited, ConnectionId, Reporter, Told};
use enchufe_sys::host::{self, Delivery, Interest, Watch};
use socket2::SockRef;
use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// The kernel does not wake anybody for an acknowledgement: it is asked again after this long, twice
/// as long each time up to the second.
const FIRST_CHECK: Duration = Duration::from_millis(1);
const LAST_CHECK: Duration = Duration::from_millis(50);
/// In a conversation, a peer that has not answered by then may not be going to.
const ANSWER_TIME: Duration = Duration::from_secs(1);
/// Bytes sent whose echo has not come: past this no more input is taken until some does.
const MOST_UNECHOED: u64 = 64 * 1024 * 1024;
/// How often a peer that has ended is looked for while there is still input.
const PEER_CHECK: Duration = Duration::from_secs(1);

/// Talks until it is over; with `tls`, of TLS. `sink` gets the peer's bytes.
pub fn talk(
    connected: Connected,
    tls: Option<&Checked>,
    input: &Input,
    plan: &Plan,
    sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    reporter: &dyn Reporter,
    stop: &Stop,
) -> Outcome {
    let now = Instant::now();
    let mut talk = Talk {
        about: About { id: ConnectionId(1), peer: connected.peer },
        stream: connected.stream,
        input,
        plan,
        sink,
        reporter,
        judge: plan.expect.map(Judge::new),
        buffer: vec![0; plan.read_size],
        pending: Sealed::default(),
        written: 0,
        secured: None,
        feed: Feed::Idle,
        half_closed: None,
        peer_ended: None,
        settled: None,
        delivered: Delivered::NotYet,
        check: FIRST_CHECK,
        checked: None,
        opened: now,
        active: now,
        answered: None,
        said: None,
        received: 0,
        sent: 0,
        discarded: 0,
        reason: None,
        input_error: None,
        output_error: None,
    };
    match tls {
        Some(checked) => talk.begin_handshake(checked),
        // A message is there already: nothing that the peer does comes before it.
        None => talk.take_input(),
    }
    while talk.reason.is_none() {
        if let Err(error) = talk.turn(stop) {
            talk.reason = Some(Reason::Failed(Call::Poll, error));
        }
    }
    talk.close()
}

/// How it stands with the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Feed {
    Idle,
    /// A piece was asked for and has not come.
    Requested,
    Over,
}

/// What is known of the acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delivered {
    NotYet,
    Acknowledged,
    /// The system does not tell.
    NotTold,
}

struct Talk<'a> {
    about: About,
    stream: TcpStream,
    input: &'a Input,
    plan: &'a Plan,
    sink: &'a mut dyn FnMut(&[u8]) -> io::Result<()>,
    reporter: &'a dyn Reporter,
    judge: Option<Judge>,
    buffer: Vec<u8>,
    /// The piece that is being sent, and how much of it is with the kernel.
    pending: Sealed,
    written: usize,
    /// Where the connection is of TLS.
    secured: Option<Box<Secured>>,
    feed: Feed,
    half_closed: Option<Instant>,
    peer_ended: Option<Instant>,
    /// When the expectation was met or failed.
    settled: Option<Instant>,
    delivered: Delivered,
    check: Duration,
    /// When it was last looked whether a peer that has ended is still there.
    checked: Option<Instant>,
    opened: Instant,
    /// When something last came or went.
    active: Instant,
    /// When something came since the last piece of the input was sent.
    answered: Option<Instant>,
    /// The pause in which it was said what is being waited for: that which began then.
    said: Option<Instant>,
    received: u64,
    sent: u64,
    discarded: u64,
    reason: Option<Reason>,
    input_error: Option<io::Error>,
    output_error: Option<io::Error>,
}

impl Talk<'_> {
    fn turn(&mut self, stop: &Stop) -> io::Result<()> {
        self.advance(Instant::now());
        if self.reason.is_some() {
            return Ok(());
        }
        let now = Instant::now();
        let interest = Interest { read: self.peer_ended.is_none(), write: !self.is_written() };
        let timeout = self.wake(now).map(|at| at.saturating_duration_since(now));
        let mut watches = [
            Watch::new(stop.begun(), Interest::READ),
            Watch::new(&*self.input.bell, if self.shakes_hands() { Interest::NONE } else { Interest::READ }),
            // Both directions over: the kernel would say so at once, again and again.
            if self.peer_ended.is_some() && self.half_closed.is_some() {
                Watch::new(stop.begun(), Interest::NONE)
            } else {
                Watch::new(&self.stream, interest)
            },
        ];
        host::wait(&mut watches, timeout)?;
        let [stopped, rang, socket] = watches.map(|watch| watch.ready());
        if stopped.read {
            self.reason = Some(Reason::Interrupted);
            return Ok(());
        }
        if rang.read {
            self.take_input();
        }
        if socket.read || socket.failed {
            self.read();
        }
        if socket.write || interest.write {
            self.write();
        }
        Ok(())
    }

    /// Does what is due without anything having happened on the socket.
    fn advance(&mut self, now: Instant) {
        self.check_limits(now);
        self.request_input(now);
        let flushed = self.is_flushed();
        let settled = self.is_settled(flushed);
        if settled {
            self.settled.get_or_insert(now);
        }
        // With an echo to come the FIN waits until it came, as the reports' client does it.
        let echo = self.judge.as_ref().is_some_and(|judge| judge.missing() > 0);
        let may = self.plan.half_close == HalfClose::AtInputEnd || self.plan.reply == Reply::Ignore;
        if self.half_closed.is_none() && may && ((flushed && !echo) || settled) {
            self.send_fin(now);
        }
        self.check_delivery(now, flushed);
        self.check_over(now, flushed);
        self.check_patience(now, flushed);
    }

    /// Whether the verdict is clear and nothing is left to be sent for it. What was given to be sent is
    /// sent, also to a peer that says what was expected before it was asked.
    fn is_settled(&self, flushed: bool) -> bool {
        let Some(judge) = &self.judge else { return false };
        let written = self.is_written();
        match self.input.pace {
            Pace::Stream => (judge.is_met() && flushed) || (judge.has_failed() && written),
            Pace::Conversation(_) => self.sent > 0 && written && (judge.is_met() || judge.has_failed()),
        }
    }

    /// Whether the whole input is with the kernel.
    fn is_flushed(&self) -> bool {
        self.feed == Feed::Over && self.is_written()
    }

    /// Whether all that is to be sent is with the kernel.
    fn is_written(&self) -> bool {
        self.written == self.pending.bytes.len()
    }

    fn send_fin(&mut self, now: Instant) {
        if !self.says_end() {
            return;
        }
        self.half_closed = Some(now);
        match self.stream.shutdown(Shutdown::Write) {
            Ok(()) => self.tell(&Told::HalfClosed),
            // The connection is gone already; the next read says how.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => {}
            Err(error) => self.reason = Some(Reason::of_error(Call::Shutdown, error)),
        }
    }

    fn request_input(&mut self, now: Instant) {
        let busy = self.feed != Feed::Idle || !self.is_written() || self.shakes_hands();
        let unechoed = self.judge.as_ref().map_or(0, Judge::missing);
        let due = match self.input.pace {
            Pace::Stream => unechoed < MOST_UNECHOED,
            Pace::Conversation(_) => self.prompt_at().is_some_and(|at| now >= at),
        };
        if !busy && due && self.settled.is_none() {
            self.feed = Feed::Requested;
            self.input.request();
        }
    }

    /// In a conversation, when the next question may be asked.
    fn prompt_at(&self) -> Option<Instant> {
        let Pace::Conversation(quiet) = self.input.pace else { return None };
        if self.sent == 0 {
            return Some(self.opened);
        }
        Some(match self.answered {
            Some(at) => at + quiet,
            None => self.active + ANSWER_TIME,
        })
    }

    fn take_input(&mut self) {
        let Some(piece) = self.input.take() else { return };
        self.feed = Feed::Idle;
        match piece {
            Piece::Bytes(bytes) if bytes.is_empty() => {}
            Piece::Bytes(bytes) => {
                self.tell(&Told::Sending { bytes: &bytes });
                if let Some(judge) = &mut self.judge {
                    judge.sent(&bytes);
                }
                self.put(bytes);
                self.answered = None;
                self.write();
            }
            Piece::End => self.end_input(),
            Piece::Interrupted => self.reason = Some(Reason::Interrupted),
            Piece::Failed(error) => {
                self.input_error = Some(error);
                self.end_input();
            }
        }
    }

    fn end_input(&mut self) {
        self.feed = Feed::Over;
        if let Some(judge) = &mut self.judge {
            judge.input_over();
        }
    }

    fn write(&mut self) {
        while let Some(rest) = self.pending.bytes.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(count) => {
                    let before = self.pending.carried(self.written);
                    self.written += count;
                    self.sent += (self.pending.carried(self.written) - before) as u64;
                    self.active = Instant::now();
                }
                Err(error) => return self.fail(Call::Send, error),
            }
        }
    }

    fn read(&mut self) {
        match host::receive(&self.stream, &mut self.buffer) {
            Ok(0) => self.fin_came(),
            Ok(count) => {
                self.active = Instant::now();
                // While it is shown, it is of nobody else.
                let buffer = std::mem::take(&mut self.buffer);
                let bytes = buffer.get(..count).unwrap_or_default();
                if self.secured.is_some() {
                    self.read_sealed(bytes);
                } else {
                    self.show(bytes);
                }
                self.buffer = buffer;
            }
            Err(error) => self.fail(Call::Recv, error),
        }
    }

    /// No more payload will come.
    fn peer_is_done(&mut self) {
        if self.peer_ended.is_none() {
            self.active = Instant::now();
            self.peer_ended = Some(self.active);
            self.tell(&Told::PeerEnded);
        }
    }

    fn show(&mut self, bytes: &[u8]) {
        self.answered = Some(self.active);
        self.received += bytes.len() as u64;
        if self.plan.reply == Reply::Ignore {
            self.discarded += bytes.len() as u64;
            return;
        }
        self.reporter.tell(Some(self.about), &Told::Received { bytes });
        if let Some(judge) = &mut self.judge {
            judge.received(bytes);
        }
        if let Err(error) = (self.sink)(bytes) {
            self.output_error = Some(error);
            self.reason = Some(Reason::OwnEnd);
        }
    }

    fn fail(&mut self, call: Call, error: io::Error) {
        if !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) {
            self.reason.get_or_insert(Reason::of_error(call, error));
        }
    }

    fn check_limits(&mut self, now: Instant) {
        let passed = |limit: Option<Duration>, since: Instant| limit.filter(|time| now >= since + *time);
        let silent = if self.received == 0 { self.plan.first_byte } else { None };
        let reason = passed(self.plan.deadline, self.opened)
            .map(Reason::Deadline)
            .or_else(|| passed(silent, self.opened).map(Reason::FirstByte))
            .or_else(|| passed(self.plan.idle, self.active).map(Reason::Idle));
        if self.reason.is_none() {
            self.reason = reason;
        }
    }

    /// Asks how far the peer has acknowledged, where that is what counts.
    fn check_delivery(&mut self, now: Instant, flushed: bool) {
        let stuck = self.plan.reply == Reply::Ignore && !self.is_written();
        if stuck && now >= self.active + self.plan.wait {
            self.reason.get_or_insert(Reason::Deadline(self.plan.wait));
        }
        let Some(since) = self.half_closed.filter(|_| self.plan.reply == Reply::Ignore && flushed) else {
            return;
        };
        if self.reason.is_some() {
            return;
        }
        match host::delivery(&SockRef::from(&self.stream)) {
            Ok(Delivery::Acknowledged) => {
                self.delivered = Delivered::Acknowledged;
                self.tell(&Told::Acknowledged { bytes: self.sent });
                self.reason = Some(self.first_to_end());
            }
            Ok(Delivery::Unknown) if self.peer_ended.is_some() => {
                self.delivered = Delivered::NotTold;
                self.tell(&Told::DeliveryUnknown { bytes: self.sent });
                self.reason = Some(self.first_to_end());
            }
            Ok(Delivery::Waiting { .. } | Delivery::Unknown) if now >= since + self.plan.wait => {
                self.reason = Some(Reason::Deadline(self.plan.wait));
            }
            Ok(Delivery::Unknown) => self.delivered = Delivered::NotTold,
            Ok(Delivery::Waiting { .. }) => self.check = (self.check * 2).min(LAST_CHECK),
            Ok(Delivery::Lost(error)) => {
                let gone = error.kind() == io::ErrorKind::NotConnected;
                self.reason = Some(if gone { Reason::Reset } else { Reason::of_error(Call::Recv, error) });
            }
            Err(error) => self.reason = Some(Reason::Failed(Call::GetOption, error)),
        }
    }

    /// Whose FIN came first.
    fn first_to_end(&self) -> Reason {
        match (self.half_closed, self.peer_ended) {
            (Some(ours), Some(theirs)) if ours <= theirs => Reason::OwnEnd,
            (_, Some(_)) => Reason::PeerFinished,
            (_, None) => Reason::OwnEnd,
        }
    }

    fn check_over(&mut self, now: Instant, flushed: bool) {
        if self.reason.is_some() || self.plan.reply == Reply::Ignore {
            return;
        }
        let lingered =
            self.settled.is_some_and(|at| self.half_closed.is_none() || now >= at + self.plan.linger);
        let silent = self.plan.expect == Some(super::Expect::Nothing)
            && flushed
            && now >= self.active + self.plan.wait;
        let ended =
            self.peer_ended.is_some() && (flushed || self.settled.is_some() || self.peer_is_gone(now));
        if ended || lingered || silent {
            self.reason = Some(self.first_to_end());
        }
    }

    /// A peer that has sent FIN may still read our input. Not when it talks with a person, who would
    /// wait for an answer that cannot come; nor when its program has closed the socket.
    fn peer_is_gone(&mut self, now: Instant) -> bool {
        if matches!(self.input.pace, Pace::Conversation(_)) {
            return true;
        }
        if self.checked.is_some_and(|at| now < at + PEER_CHECK) {
            return false;
        }
        self.checked = Some(now);
        let local = self.stream.local_addr();
        local.is_ok_and(|local| host::peer_is_open(local, self.about.peer) == Some(false))
    }

    /// What is being waited for, other than the input.
    fn awaited(&self, flushed: bool) -> Option<Awaited> {
        let missing = self.judge.as_ref().map_or(0, Judge::missing);
        if self.shakes_hands() {
            Some(Awaited::Handshake)
        } else if !self.is_written() {
            Some(Awaited::Room)
        } else if self.plan.reply == Reply::Ignore && flushed && self.delivered != Delivered::NotTold {
            Some(Awaited::Acknowledgement)
        } else if missing > 0 {
            Some(Awaited::Echo { missing })
        } else if !flushed || self.settled.is_some() {
            None
        } else if self.judge.is_some() {
            Some(Awaited::Expected)
        } else {
            Some(Awaited::PeerEnd)
        }
    }

    fn check_patience(&mut self, now: Instant, flushed: bool) {
        let long = now >= self.active + PATIENCE && self.said != Some(self.active);
        let Some(awaited) = self.awaited(flushed).filter(|_| long && self.reason.is_none()) else { return };
        self.said = Some(self.active);
        self.tell(&Told::StillWaiting { awaited });
    }

    /// When to look at the clock again.
    fn wake(&self, now: Instant) -> Option<Instant> {
        let plan = self.plan;
        let flushed = self.is_flushed();
        let asking =
            self.feed == Feed::Idle && self.is_written() && !self.shakes_hands() && self.settled.is_none();
        let prompt = if asking { self.prompt_at() } else { None };
        let delivery = (plan.reply == Reply::Ignore && self.half_closed.is_some()).then(|| now + self.check);
        let nothing =
            (plan.expect == Some(super::Expect::Nothing) && flushed).then(|| self.active + plan.wait);
        let patience = (self.awaited(flushed).is_some() && self.said != Some(self.active))
            .then(|| self.active + PATIENCE);
        [
            plan.deadline.map(|time| self.opened + time),
            plan.first_byte.filter(|_| self.received == 0).map(|time| self.opened + time),
            plan.idle.map(|time| self.active + time),
            self.settled.map(|at| at + plan.linger),
            self.peer_ended.map(|_| self.checked.map_or(now, |at| at + PEER_CHECK)),
            (plan.reply == Reply::Ignore).then(|| self.active + plan.wait).filter(|at| *at > now),
            prompt,
            delivery,
            nothing,
            patience,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn tell(&self, told: &Told<'_>) {
        self.reporter.tell(Some(self.about), told);
    }

    fn close(mut self) -> Outcome {
        self.say_end_at_last();
        let verdict = match (&self.judge, self.plan.reply) {
            (Some(judge), _) => judge.verdict().map_or(Verdict::Met, Verdict::Unmet),
            (None, Reply::Ignore) => match self.delivered {
                Delivered::Acknowledged => Verdict::Met,
                Delivered::NotYet => Verdict::NotAcknowledged,
                Delivered::NotTold => Verdict::NotTold,
            },
            (None, Reply::Show) => Verdict::NotAsked,
        };
        self.tell(&Told::Closing);
        let end = End {
            reason: self.reason.take().unwrap_or(Reason::OwnEnd),
            received: self.received,
            sent: self.sent,
            unsent: (self.pending.payload - self.pending.carried(self.written)) as u64,
            lasted: self.opened.elapsed(),
        };
        let Talk { stream, reporter, about, discarded, input_error, output_error, .. } = self;
        drop(stream);
        if discarded > 0 {
            reporter.tell(Some(about), &Told::Discarded { count: discarded });
        }
        reporter.tell(Some(about), &Told::Closed { end: &end });
        Outcome { end, verdict, input_error, output_error }
    }
}
