//! The second reading: facts and frames in the order of time become events.

use super::account::{Account, Ender, MOST_WRITES_OVERALL};
use super::call::counted;
use super::cause::Case;
use super::event::{self, Event, Left, Moved, Off, Segment, Side, SocketChange, Told};
use super::meter::{Begins, Stretch};
use super::shown::{Shown, Word};
use super::sockets::{Found, MOST_OPEN, MOST_SOCKETS, Role, Sockets};
use super::talk::{Flow, Talk};
use crate::cause::Frames;
use crate::fact::{
    Arguments, CallId, Cookie, Entered, Fact, Happened, KernelState, Outcome, Reading, Syscall,
};
use crate::state::State;
use crate::{Certainty, Ladder, Roles, Row};
use enchufe_wire::Timestamp;
use enchufe_wire::layer::TcpFlags;
use enchufe_wire::session::Frame;
use enchufe_wire::tcp::Endpoint;
use std::collections::HashMap;

/// The most conversations that are judged at once: past it the longest idle one is given up, and what comes of it still has
/// no cause and no state.
pub const MOST_TALKS: usize = 4_096;
/// The most contradictions that are kept.
const MOST_DISAGREEMENTS: usize = 1_000;

/// The kernel said a state that cannot come after one that was given as proved: one of both is a mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disagreement {
    /// The socket.
    pub socket: Cookie,
    /// When the kernel said it.
    pub time: Timestamp,
    /// What was given.
    pub given: State,
    /// What the kernel said.
    pub said: KernelState,
}

/// A call that is open.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) syscall: Syscall,
    pub(super) entered: Timestamp,
    program: u32,
    socket: Option<Cookie>,
    drops: Vec<Cookie>,
    /// What `SO_LINGER` becomes.
    linger: Option<i64>,
    /// What it returns is no count of bytes that were read.
    is_aside: bool,
    /// The bytes of the socket are then others than those that calls write.
    changes_bytes: bool,
    prints: bool,
}

/// Judges a recording.
#[derive(Debug, Default)]
pub struct Judge {
    sockets: Sockets,
    time: Timestamp,
    calls: HashMap<CallId, Call>,
    accounts: HashMap<Cookie, Account>,
    /// States of ends without a socket.
    loose: HashMap<(u32, bool), Shown>,
    talks: HashMap<u32, Talk>,
    next_stream: u32,
    /// How many stretches of written bytes are remembered.
    writes: usize,
    disagreements: Vec<Disagreement>,
}

impl Judge {
    /// With what a first reading found.
    pub fn new(sockets: Sockets) -> Self {
        Self { sockets, ..Self::default() }
    }

    /// The sockets.
    pub const fn sockets(&self) -> &Sockets {
        &self.sockets
    }

    /// States that the kernel said and that cannot be after what was given as proved.
    pub fn disagreements(&self) -> &[Disagreement] {
        &self.disagreements
    }

    /// Takes the next fact.
    pub fn fact(&mut self, fact: &Fact, out: &mut Vec<Event>) {
        let time = fact.time;
        self.time = time;
        let told = match &fact.happened {
            Happened::Started(program) => Told::Started(program.clone()),
            Happened::Began { program, pid, tid } => Told::Began { program: *program, pid: *pid, tid: *tid },
            Happened::Signalled { pid, tid, signal } => {
                Told::Signalled { pid: *pid, tid: *tid, signal: *signal }
            }
            Happened::Ended { pid, status } => Told::Ended { pid: *pid, status: *status },
            Happened::Entered(entered) => self.entered(entered),
            Happened::Left(left) => match self.left(left) {
                Some(left) => Told::Left(left),
                None => return,
            },
        };
        out.push(Event { time, told });
    }

    /// Takes the next frame.
    pub fn frame(&mut self, frame: &Frame<'_>, out: &mut Vec<Event>) {
        let time = frame.time.unwrap_or(self.time);
        self.time = time;
        if let Some(segment) = self.segment(frame) {
            out.push(Event { time, told: Told::Segment(segment) });
        }
    }

    /// Nothing comes any more. (So far nothing waits for that.)
    pub fn finish(&mut self, _out: &mut Vec<Event>) {}

    fn account(&mut self, cookie: Cookie) -> Option<&mut Account> {
        if self.accounts.len() >= MOST_SOCKETS {
            return self.accounts.get_mut(&cookie);
        }
        Some(self.accounts.entry(cookie).or_default())
    }

    fn entered(&mut self, entered: &Entered) -> Told {
        let Entered { id, program, pid, tid, syscall, fd, socket, .. } = *entered;
        let prints = matches!(entered.arguments, Arguments::Printed { .. });
        if self.calls.len() < MOST_OPEN {
            let linger = entered.arguments.linger().filter(|_| syscall == Syscall::Setsockopt);
            let is_aside = entered.arguments.is_aside();
            let changes_bytes =
                entered.arguments.changes_bytes() && matches!(syscall, Syscall::Setsockopt | Syscall::Socket);
            let (drops, entered) = (entered.drops.clone(), self.time);
            self.calls.insert(
                id,
                Call { syscall, entered, program, socket, drops, linger, is_aside, changes_bytes, prints },
            );
        }
        if let Arguments::Printed { stream, text, length } = &entered.arguments {
            let (text, line) = (text.clone(), entered.line.clone());
            return Told::Printed { id, program, pid, tid, stream: *stream, text, length: *length, line };
        }
        let account = socket.and_then(|cookie| self.account(cookie));
        let of = account.and_then(|account| account.of);
        let talk = of.and_then(|(stream, is_b)| Some((self.talks.get(&stream)?, is_b)));
        let sent = talk.map_or(0, |(talk, is_b)| talk.flow(is_b).sent);
        let time = self.time;
        if let Some(account) = socket.and_then(|cookie| self.account(cookie)) {
            begin(account, entered, time, sent);
        }
        for cookie in &entered.drops {
            if let Some(account) = self.account(*cookie) {
                account.ends(id, Ender::Drops);
            }
        }
        let (arguments, drops) = (entered.arguments.clone(), entered.drops.clone());
        let line = entered.line.clone();
        Told::Entered(event::Entered {
            id,
            program,
            pid,
            tid,
            syscall,
            fd,
            socket,
            of,
            arguments,
            drops,
            line,
        })
    }

    fn left(&mut self, left: &crate::fact::Left) -> Option<Left> {
        let call = self.calls.remove(&left.id);
        let failed = matches!(left.outcome, Outcome::Failed(_));
        if call.as_ref().is_some_and(|call| call.prints) && !failed {
            return None;
        }
        let mut changes = Vec::new();
        let (wrote, read) = self.moved(call.as_ref(), left);
        if let Some(call) = &call {
            self.does(call, left, &mut changes);
        }
        if let Some(reading) = &left.reading {
            let call = call.as_ref().filter(|_| !failed).map(|call| (left.id, call.syscall));
            self.hears(reading, call, &mut changes);
        }
        let about = call.as_ref().and_then(|call| call.socket);
        let socket = left.made.map(|(_, cookie)| cookie).or(about);
        let socket = socket.or_else(|| left.reading.map(|reading| reading.socket));
        let of = |cookie: Option<Cookie>| self.accounts.get(&cookie?).and_then(|account| account.of);
        let (of, read_of) = (of(socket), of(about));
        let from = self.brought(read_of, &read);
        Some(Left {
            id: left.id,
            syscall: call.as_ref().map(|call| call.syscall),
            program: call.as_ref().map(|call| call.program),
            socket,
            of,
            outcome: left.outcome,
            duration: call.as_ref().map(|call| self.time.since(call.entered)),
            made: left.made,
            wrote,
            read,
            from,
            changes,
            reading: left.reading,
        })
    }

    fn brought(&mut self, of: Option<(u32, bool)>, read: &[Moved]) -> Frames {
        let (Some((stream, is_b)), false) = (of, read.is_empty()) else { return Frames::default() };
        let Some(talk) = self.talks.get_mut(&stream) else { return Frames::default() };
        let [a, b] = &mut talk.flows;
        let peer = if is_b { a } else { b };
        peer.brought(read)
    }

    /// Which bytes the call moved.
    fn moved(&mut self, call: Option<&Call>, left: &crate::fact::Left) -> (Vec<Moved>, Vec<Moved>) {
        let about = call.and_then(|call| call.socket);
        let said = left.reading.filter(|reading| reading.state.state() != Some(State::Listen));
        let own = said.filter(|reading| about.is_none_or(|cookie| cookie == reading.socket));
        // What `accept` is told of the socket that it made.
        if let (Some(reading), None) = (said, own) {
            self.sees(&reading);
        }
        let cookie = own.map(|reading| reading.socket).or(about);
        let Some(account) = cookie.and_then(|cookie| self.account(cookie)) else {
            return (Vec::new(), Vec::new());
        };
        let count = call.filter(|call| call.syscall.counts() || matches!(left.outcome, Outcome::Failed(_)));
        let count = count.and_then(|_| counted(left.outcome));
        let aside = call.is_some_and(|call| call.is_aside);
        let (written, read) = own.map_or((None, None), |reading| words(account, &reading, count));
        let (stretches, wrote) = account.written.leave(left.id, count, written);
        let (_, read) = account.read.leave(left.id, count.filter(|_| !aside), read);
        if let Some(reading) = own {
            account.unread = reading.unread;
        }
        account.uncorks.retain(|call| *call != left.id);
        self.keep(cookie, stretches);
        (wrote, read)
    }

    /// The kernel's counters of a socket that the call was not about.
    fn sees(&mut self, reading: &Reading) {
        let Some(account) = self.account(reading.socket) else { return };
        let (written, read) = words(account, reading, None);
        account.unread = reading.unread;
        if let Some(read) = read {
            account.read.see(read);
        }
        let stretches = written.map(|written| account.written.see(written));
        self.keep(Some(reading.socket), stretches.unwrap_or_default());
    }

    /// Remembers who wrote what.
    fn keep(&mut self, cookie: Option<Cookie>, stretches: Vec<Stretch>) {
        let Some(account) = cookie.and_then(|cookie| self.accounts.get_mut(&cookie)) else { return };
        for stretch in stretches {
            let more = account.wrote(stretch, self.writes >= MOST_WRITES_OVERALL);
            self.writes = self.writes.saturating_add_signed(more);
        }
    }

    /// What the call did to its socket.
    fn does(&mut self, call: &Call, left: &crate::fact::Left, changes: &mut Vec<SocketChange>) {
        let succeeded = matches!(left.outcome, Outcome::Returned(at) if at >= 0);
        if let Some((cookie, account)) = call.socket.and_then(|cookie| Some((cookie, self.account(cookie)?)))
        {
            match call.syscall {
                Syscall::Listen if succeeded && account.shown.state() != Some(State::Listen) => {
                    changes.push(account.shown.made(cookie, State::Listen, left.id, Some(State::Closed)));
                }
                Syscall::Setsockopt if succeeded => {
                    account.linger = call.linger.or(account.linger);
                    account.has_other_bytes |= call.changes_bytes;
                }
                Syscall::Shutdown | Syscall::Connect if !succeeded => {
                    account.enders.retain(|(call, _)| *call != left.id);
                }
                _ => {}
            }
        }
        if let Some((_, made)) = left.made.filter(|_| call.changes_bytes)
            && let Some(account) = self.account(made)
        {
            account.has_other_bytes = true;
        }
        for cookie in &call.drops {
            let Some(account) = self.account(*cookie) else { continue };
            if let Some(State::Listen | State::SynSent) = account.shown.state() {
                changes.push(account.shown.made(*cookie, State::Closed, left.id, None));
            }
        }
    }

    /// What the kernel says of the state.
    fn hears(&mut self, reading: &Reading, call: Option<(CallId, Syscall)>, changes: &mut Vec<SocketChange>) {
        let time = self.time;
        let Some(account) = self.account(reading.socket) else { return };
        match account.shown.said(reading.socket, reading.state) {
            Word::Change(mut change) => {
                let made = call.filter(|(_, syscall)| match change.to {
                    State::FinWait1 | State::LastAck => *syscall == Syscall::Shutdown,
                    State::SynSent => *syscall == Syscall::Connect,
                    _ => false,
                });
                change.because = made.map(|(call, _)| call);
                changes.push(change);
            }
            Word::Disagrees(given) if self.disagreements.len() < MOST_DISAGREEMENTS => {
                let (socket, said) = (reading.socket, reading.state);
                self.disagreements.push(Disagreement { socket, time, given, said });
            }
            Word::Nothing | Word::Disagrees(_) => {}
        }
    }

    fn segment(&mut self, frame: &Frame<'_>) -> Option<Segment> {
        let (note, (tcp, view)) = (frame.tcp?, frame.packet.tcp()?);
        let stream = note.stream;
        if !self.talks.contains_key(&stream) {
            if stream < self.next_stream {
                return given_up(frame);
            }
            self.begin(frame, stream)?;
        }
        let time = self.time;
        let Self { talks, accounts, loose, calls, sockets, .. } = self;
        let talk = talks.get_mut(&stream)?;
        talk.last = (frame.number, time);
        let mut row = talk.ladder.frame(frame)?;
        shows(&mut row, talk, stream, accounts, loose);
        let is_told = talk.ladder.roles() != Roles::Itself && row.len.is_some();
        let (mut bytes, mut by, mut why) = (None, Vec::new(), None);
        if is_told {
            let [a, b] = &mut talk.flows;
            let (me, peer) = if note.from_b { (b, a) } else { (a, b) };
            let [a, b] = &talk.sides;
            let side = if note.from_b { b } else { a };
            let account = side.socket.and_then(|cookie| accounts.get(&cookie));
            let mut case =
                Case { row: &row, note: &note, time, me, peer, side, account, calls, sockets, accounts };
            bytes = case.bytes(tcp, frame.packet.slice(view));
            (by, why) = case.causes(bytes);
            case.remember(tcp, bytes);
            let account = side.socket.and_then(|cookie| accounts.get_mut(&cookie));
            if let (Some(account), Some(bytes)) = (account, bytes) {
                account.has_unseen |= !account.written.can_reach(bytes.end);
            }
        }
        let [a, b] = &talk.flows;
        for (side, flow) in talk.sides.iter_mut().zip([a, b]) {
            let account = side.socket.and_then(|cookie| accounts.get(&cookie));
            side.off = match () {
                () if talk.ladder.roles() == Roles::Itself => Some(Off::Itself),
                () if side.socket.is_none() && side.listener.is_none() => Some(Off::NoSocket),
                () if account.is_some_and(|account| account.has_other_bytes) => Some(Off::OtherBytes),
                () if account.is_some_and(|account| account.has_unseen) => Some(Off::UnseenCalls),
                () if flow.last > 0 && !flow.is_known() => Some(Off::NoStart),
                () => None,
            };
        }
        Some(Segment { stream, row, ends: talk.sides.clone(), bytes, by, why })
    }

    /// The first frame of a conversation.
    fn begin(&mut self, frame: &Frame<'_>, stream: u32) -> Option<()> {
        let ladder = Ladder::new(frame)?;
        if self.talks.len() >= MOST_TALKS {
            let idle = self.talks.iter().min_by_key(|(_, talk)| talk.last.0).map(|(stream, _)| *stream)?;
            self.talks.remove(&idle);
            self.loose.retain(|(stream, _), _| *stream != idle);
        }
        let [a, b] = *ladder.ends();
        let sides = [self.side(a, b), self.side(b, a)];
        for (side, is_b) in sides.iter().zip([false, true]) {
            if let Some(account) = side.socket.and_then(|cookie| self.account(cookie)) {
                account.begins((stream, is_b));
            }
        }
        let last = (frame.number, self.time);
        self.talks.insert(stream, Talk { ladder, sides, flows: [Flow::default(), Flow::default()], last });
        self.next_stream = stream.saturating_add(1);
        Some(())
    }

    /// Whose the end at `local` is.
    fn side(&self, local: Endpoint, peer: Endpoint) -> Side {
        let found = self.sockets.find(local, peer, self.time);
        let socket = found.and_then(|found| self.sockets.get(found.cookie));
        let listener = match socket.map(|socket| socket.role) {
            Some(Role::Accepted { listener, .. }) => listener,
            Some(_) => None,
            None => match self.sockets.listening(local, self.time).as_slice() {
                [only] => Some(only.cookie),
                _ => None,
            },
        };
        let of_listener = listener.and_then(|cookie| self.sockets.get(cookie));
        let program = socket.or(of_listener).map(|socket| socket.program);
        let certainty = found.map_or(Certainty::Proved, |found: Found| found.certainty);
        let (socket, connect) = (found.map(|found| found.cookie), found.and_then(|found| found.connect));
        Side { endpoint: local, socket, certainty, connect, listener, program, off: None }
    }
}

/// How far the kernel says that a socket was written and read, as far as that can be believed.
fn words(account: &Account, reading: &Reading, count: Option<u64>) -> (Option<u64>, Option<u64>) {
    // What a connection leaves behind when it is over can be off by a SYN and a FIN.
    const OFF: u64 = 2;
    let (written, read) = (account.written.at, account.read.at);
    if reading.state.is_close() {
        let fits = |at: u64, said: u64| {
            let expected = at.checked_add(count?)?;
            (expected..=expected.saturating_add(OFF)).contains(&said).then_some(expected)
        };
        // A call moves only one of both.
        let one = |at: u64, said: u64| fits(at, said).or((said <= at.saturating_add(OFF)).then_some(at));
        return (one(written, reading.written), one(read, reading.read));
    }
    // A FIN that waits to be sent is counted as a byte.
    let ends = matches!(reading.state.state(), Some(State::FinWait1 | State::Closing | State::LastAck));
    let is_written = !ends || account.written.open().next().is_some();
    (is_written.then_some(reading.written), Some(reading.read))
}

/// A call begins on its socket, of whose stream so much was sent.
fn begin(account: &mut Account, entered: &Entered, time: Timestamp, sent: u64) {
    let Entered { id, syscall, arguments, .. } = entered;
    let begins = Begins { call: *id, time, most: None, from: 0 };
    if syscall.writes() {
        let most = match arguments {
            Arguments::Bytes { wanted, .. } if syscall.counts() && *syscall != Syscall::Splice => {
                Some(*wanted)
            }
            _ => None,
        };
        account.written.enter(Begins { most, from: sent, ..begins });
    }
    if syscall.reads() && !arguments.is_aside() {
        account.read.enter(begins);
    }
    match syscall {
        Syscall::Shutdown if arguments.ends_writing() => account.ends(*id, Ender::Shuts),
        Syscall::Connect if arguments.is_no_address() => account.ends(*id, Ender::Dissolves),
        Syscall::Setsockopt if arguments.uncorks() => account.uncorked_by(*id),
        _ => {}
    }
}

/// The states that a segment shows, beside what is known of them.
fn shows(
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

/// A segment of a conversation that was given up.
fn given_up(frame: &Frame<'_>) -> Option<Segment> {
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
    Some(Segment { stream: ladder.stream(), row, ends, bytes: None, by: Vec::new(), why: None })
}
