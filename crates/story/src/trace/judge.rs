//! The second reading: facts and frames in the order of time become events.

use super::account::{Account, MOST_WRITES_OVERALL};
use super::call::counted;
use super::cause::Case;
use super::event::{self, Event, Left, Moved, Off, Segment, Side, SocketChange, Told};
use super::meter::Stretch;
use super::remark::{self, Called, Remark, Remarks, Sight};
use super::shown::{Shown, Word};
use super::sockets::{Found, MOST_OPEN, MOST_SOCKETS, Role, Sockets};
use super::talk::{Flow, Talk, given_up, several_paths, shows, turns_off};
use crate::cause::Frames;
use crate::fact::{
    Arguments, CallId, Cookie, Entered, Fact, Happened, KernelState, Outcome, Passage, Reading, Syscall,
};
use crate::state::State;
use crate::{Certainty, Ladder, Roles};
use enchufe_wire::Timestamp;
use enchufe_wire::layer::TcpFlags;
use enchufe_wire::session::Frame;
use enchufe_wire::tcp::Endpoint;
use std::collections::HashMap;

/// The most conversations that are judged at once: past it the longest idle one is given up, and what comes of it still has
/// no cause and no state.
pub const MOST_TALKS: usize = 4_096;
/// The most that is told of what calls have to do with a segment.
const MOST_BY: usize = 64;
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
    /// For how long programs had been held then.
    held: u64,
    program: u32,
    socket: Option<Cookie>,
    drops: Vec<Cookie>,
    /// What `SO_LINGER` becomes.
    linger: Option<i64>,
    /// What `TCP_NODELAY` becomes.
    nodelay: Option<bool>,
    /// How many bytes it asked for, where it says that.
    wanted: Option<u64>,
    /// What it returns is no count of bytes that were read.
    is_aside: bool,
    /// The bytes of the socket are then others than those that calls write.
    changes_bytes: bool,
    prints: bool,
}

impl Call {
    fn new(entered: &Entered, time: Timestamp, held: u64) -> Self {
        let Entered { syscall, program, socket, arguments, drops, .. } = entered;
        let sets = *syscall == Syscall::Setsockopt;
        Self {
            syscall: *syscall,
            entered: time,
            held,
            program: *program,
            socket: *socket,
            drops: drops.clone(),
            linger: arguments.linger().filter(|_| sets),
            nodelay: arguments.nodelay().filter(|_| sets),
            wanted: arguments.wanted(),
            is_aside: arguments.is_aside(),
            changes_bytes: arguments.changes_bytes() && (sets || *syscall == Syscall::Socket),
            prints: matches!(arguments, Arguments::Printed { .. }),
        }
    }
}

fn nanos(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Judges a recording.
#[derive(Debug, Default)]
pub struct Judge {
    sockets: Sockets,
    time: Timestamp,
    /// For how long programs have been held.
    held: u64,
    /// A program has made a ring (`io_uring(7)`): from then on any socket may be used without a call that is seen.
    has_rings: bool,
    calls: HashMap<CallId, Call>,
    accounts: HashMap<Cookie, Account>,
    /// States of ends without a socket.
    loose: HashMap<(u32, bool), Shown>,
    talks: HashMap<u32, Talk>,
    next_stream: u32,
    /// How many stretches of written bytes are remembered.
    writes: usize,
    disagreements: Vec<Disagreement>,
    remarks: Remarks,
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

    /// What is worth a second look so far, and how much more was not kept.
    pub fn remarks(&self) -> (&[Remark], u64) {
        (&self.remarks.list, self.remarks.left_out)
    }

    /// Takes the next fact.
    pub fn fact(&mut self, fact: &Fact, out: &mut Vec<Event>) {
        let time = fact.time;
        (self.time, self.held) = (time, self.held.max(fact.held));
        let told = match &fact.happened {
            Happened::Started(program) => Told::Started(program.clone()),
            Happened::Began { program, pid, tid } => Told::Began { program: *program, pid: *pid, tid: *tid },
            Happened::Signalled { pid, tid, signal } => {
                Told::Signalled { pid: *pid, tid: *tid, signal: *signal }
            }
            Happened::Ended { pid, status } => Told::Ended { pid: *pid, status: *status },
            Happened::ArrivedAgain { sent } => match self.arrived_again(*sent) {
                Some(told) => told,
                None => return,
            },
            Happened::Entered(entered) => self.entered(entered),
            Happened::Left(left) => match self.left(left) {
                Some(left) => Told::Left(left),
                None => return,
            },
        };
        out.push(Event { time, told });
    }

    /// For how many nanoseconds the tracer held programs at their stops so far; 0 where that is not known.
    pub const fn held(&self) -> u64 {
        self.held
    }

    fn held_since(&self, before: u64) -> Option<i64> {
        (self.held > 0).then(|| nanos(self.held.saturating_sub(before)))
    }

    /// Takes the next frame, and what is known of its way.
    pub fn frame(&mut self, frame: &Frame<'_>, passage: Passage, out: &mut Vec<Event>) {
        let time = frame.time.unwrap_or(self.time);
        self.time = time;
        if let Some(segment) = self.segment(frame, passage) {
            out.push(Event { time, told: Told::Segment(segment) });
        }
    }

    /// A segment that was sent then arrives once more.
    fn arrived_again(&mut self, sent: Timestamp) -> Option<Told> {
        let time = self.time;
        self.talks.iter_mut().find_map(|(stream, talk)| {
            talk.land(time);
            let [a, b] = &mut talk.flows;
            let of_a = a.heard.again(sent, time).map(|frame| (frame, false));
            let (frame, from_b) = of_a.or_else(|| Some((b.heard.again(sent, time)?, true)))?;
            Some(Told::ArrivedAgain { stream: *stream, frame, from_b })
        })
    }

    fn account(&mut self, cookie: Cookie) -> Option<&mut Account> {
        if self.accounts.len() >= MOST_SOCKETS {
            return self.accounts.get_mut(&cookie);
        }
        let has_rings = self.has_rings;
        Some(self.accounts.entry(cookie).or_insert_with(|| Account::new(has_rings)))
    }

    fn entered(&mut self, entered: &Entered) -> Told {
        let Entered { id, program, pid, tid, syscall, socket, .. } = *entered;
        if self.calls.len() < MOST_OPEN {
            self.calls.insert(id, Call::new(entered, self.time, self.held));
        }
        if let Arguments::Printed { stream, text, length } = &entered.arguments {
            let (text, line) = (text.clone(), entered.line.clone());
            return Told::Printed { id, program, pid, tid, stream: *stream, text, length: *length, line };
        }
        let account = socket.and_then(|cookie| self.account(cookie));
        let of = account.and_then(|account| {
            account.is_about_to(entered);
            account.of
        });
        let talk = of.and_then(|(stream, is_b)| Some((self.talks.get(&stream)?, is_b)));
        let sent = talk.map_or(0, |(talk, is_b)| talk.flow(is_b).sent);
        let time = self.time;
        if let Some(account) = socket.and_then(|cookie| self.account(cookie)) {
            account.enters(entered, time, sent);
        }
        for reading in &entered.before {
            self.sees(reading);
            self.doubts(reading);
            if let Some(account) = self.account(reading.socket) {
                account.shown.closes(reading.state);
            }
        }
        for cookie in &entered.drops {
            let accepting = self.accepting(*cookie);
            self.account(*cookie);
            if let Some(account) = self.accounts.get_mut(cookie) {
                remark::left_to_exit(syscall, id, *cookie, account, &mut self.remarks);
                account.dropped(id, syscall, &accepting);
            }
        }
        Told::Entered(event::Entered { call: entered.clone(), of })
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
        // The counters are of one connection of several.
        let is_whole = about
            .and_then(|cookie| self.accounts.get(&cookie))
            .is_none_or(|account| account.other_bytes != Some(Off::Multipath));
        let (wrote, read) = if is_whole { (wrote, read) } else { (Vec::new(), Vec::new()) };
        let peer = read_of.and_then(|(stream, is_b)| Some(self.talks.get(&stream)?.flow(!is_b)));
        let read = if peer.is_some_and(|peer| peer.heard.has_urgent) { Vec::new() } else { read };
        let from = self.brought(read_of, &read);
        Some(Left {
            id: left.id,
            syscall: call.as_ref().map(|call| call.syscall),
            program: call.as_ref().map(|call| call.program),
            socket,
            of,
            outcome: left.outcome,
            duration: call.as_ref().map(|call| self.time.since(call.entered)),
            held: call.as_ref().and_then(|call| self.held_since(call.held)),
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
        let time = self.time;
        let Some(talk) = self.talks.get_mut(&stream) else { return Frames::default() };
        talk.land(time);
        let [a, b] = &mut talk.flows;
        let peer = if is_b { a } else { b };
        peer.heard.brought(read)
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
        let (written, read) = own.map_or((None, None), |reading| account.words(&reading, count));
        let (unread, before) = (account.unread, account.read.at);
        let (stretches, wrote) = account.written.leave(left.id, count, written);
        let (_, read) = account.read.leave(left.id, count.filter(|_| !aside), read);
        if let Some(reading) = own {
            account.unread = reading.unread;
        }
        account.uncorks.retain(|call| *call != left.id);
        let unread = [unread, account.unread];
        self.keep(cookie, stretches);
        if let (Some(socket), Some(call)) = (cookie, call) {
            self.called(socket, call, left, (!wrote.is_empty(), before > 0, unread));
        }
        (wrote, read)
    }

    /// Shows a call on a socket to the rules.
    fn called(
        &mut self,
        socket: Cookie,
        call: &Call,
        left: &crate::fact::Left,
        (has_written, had_read, unread): (bool, bool, [u64; 2]),
    ) {
        let Self { accounts, sockets, remarks, .. } = self;
        let Some(account) = accounts.get_mut(&socket) else { return };
        remarks.called(Called {
            id: left.id,
            syscall: call.syscall,
            times: [call.entered, self.time],
            outcome: left.outcome,
            wanted: call.wanted,
            is_aside: call.is_aside,
            has_written,
            had_read,
            unread,
            socket,
            role: sockets.get(socket).map(|socket| socket.role),
            account,
        });
    }

    /// The kernel's counters of a socket that the call was not about, or is about to drop.
    fn sees(&mut self, reading: &Reading) {
        let Some(account) = self.account(reading.socket) else { return };
        let (written, read) = account.words(reading, None);
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
        if call.syscall == Syscall::IoUringSetup && succeeded {
            self.has_rings = true;
            self.accounts.values_mut().for_each(|account| account.has_rings = true);
        }
        if let Some((cookie, account)) = call.socket.and_then(|cookie| Some((cookie, self.account(cookie)?)))
        {
            match call.syscall {
                Syscall::Listen if succeeded && account.shown.state() != Some(State::Listen) => {
                    changes.push(account.shown.made(cookie, State::Listen, left.id, Some(State::Closed)));
                }
                Syscall::Listen if !succeeded => {
                    account.listens_anew = account.listens_anew.filter(|call| *call != left.id);
                }
                // To shut down the reading side of a socket that listens ends that (`inet_shutdown`, net/ipv4/af_inet.c).
                Syscall::Shutdown
                    if left.reading.is_some_and(|reading| reading.state.is_close())
                        && account.shown.state() == Some(State::Listen) =>
                {
                    changes.push(account.shown.made(cookie, State::Closed, left.id, None));
                }
                Syscall::Setsockopt if succeeded => {
                    account.linger = call.linger.or(account.linger);
                    account.nodelay = call.nodelay.or(account.nodelay);
                    let changes = call.changes_bytes.then_some(Off::OtherBytes);
                    account.other_bytes = account.other_bytes.or(changes);
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
            // Of calls that make sockets only those of MPTCP do.
            account.other_bytes = Some(Off::Multipath);
        }
        // What would have been closed on exec is still there.
        let still_there = call.syscall == Syscall::Execve && !succeeded;
        for cookie in &call.drops {
            let Some(account) = self.account(*cookie) else { continue };
            if still_there {
                account.enders.retain(|(call, _)| *call != left.id);
                continue;
            }
            if let Some(State::Listen | State::SynSent) = account.shown.state().filter(|_| !account.is_held())
            {
                changes.push(account.shown.made(*cookie, State::Closed, left.id, None));
            }
        }
    }

    /// The calls that wait for connections of this socket.
    fn accepting(&self, cookie: Cookie) -> Vec<CallId> {
        if !self.sockets.get(cookie).is_some_and(|socket| matches!(socket.role, Role::Listens { .. })) {
            return Vec::new();
        }
        let waits = |call: &Call| {
            call.socket == Some(cookie) && matches!(call.syscall, Syscall::Accept | Syscall::Accept4)
        };
        self.calls.iter().filter(|(_, call)| waits(call)).map(|(id, _)| *id).collect()
    }

    /// Looks only whether what the kernel says of the state can be.
    fn doubts(&mut self, reading: &Reading) {
        let shown = self.accounts.get(&reading.socket).map(|account| account.shown);
        if let Some(Word::Disagrees(given)) = shown.map(|mut shown| shown.said(reading.socket, reading.state))
        {
            self.disagrees(reading, given);
        }
    }

    fn disagrees(&mut self, reading: &Reading, given: State) {
        if self.disagreements.len() < MOST_DISAGREEMENTS {
            let Reading { socket, state: said, .. } = *reading;
            self.disagreements.push(Disagreement { socket, time: self.time, given, said });
        }
    }

    /// What the kernel says of the state.
    fn hears(&mut self, reading: &Reading, call: Option<(CallId, Syscall)>, changes: &mut Vec<SocketChange>) {
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
            Word::Disagrees(given) => self.disagrees(reading, given),
            Word::Nothing => {}
        }
    }

    fn segment(&mut self, frame: &Frame<'_>, passage: Passage) -> Option<Segment> {
        let (note, (tcp, view)) = (frame.tcp?, frame.packet.tcp()?);
        let stream = note.stream;
        if !self.talks.contains_key(&stream) {
            if stream < self.next_stream {
                return given_up(frame, passage);
            }
            self.begin(frame, stream)?;
        }
        if tcp.flags.any(TcpFlags::SYN) && !tcp.flags.any(TcpFlags::ACK) {
            self.opens_too(stream, note.from_b);
        }
        let time = self.time;
        let Self { talks, accounts, loose, calls, sockets, held: so_far, .. } = self;
        let talk = talks.get_mut(&stream)?;
        talk.last = (frame.number, time);
        talk.land(time);
        let mut row = talk.ladder.frame_on_its_way(frame, passage.arrival)?;
        shows(&mut row, talk, stream, accounts, loose);
        let is_told = talk.ladder.roles() != Roles::Itself && row.len.is_some();
        let (mut bytes, mut by, mut why, mut held, mut timed) = (None, Vec::new(), None, None, None);
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
            held = case.held(why.as_ref());
            timed = case.timed(why.as_ref(), *so_far);
            case.remember(tcp, bytes, passage.arrival, *so_far);
            let account = side.socket.and_then(|cookie| accounts.get_mut(&cookie));
            if let (Some(account), Some(bytes)) = (account, bytes) {
                account.has_unseen |= !account.written.can_reach(bytes.end);
            }
        }
        several_paths(talk, accounts);
        turns_off(talk, accounts);
        let more = by.len().saturating_sub(MOST_BY);
        by.truncate(MOST_BY);
        let most = talk.flow(note.from_b).most;
        let segment = Segment { stream, row, ends: talk.sides.clone(), bytes, by, more, why, passage, most };
        let [a, b] = &mut talk.flows;
        let (me, peer) = if note.from_b { (b, a) } else { (a, b) };
        let rows = [&mut me.little, &mut peer.little];
        self.remarks.segment(Sight { segment: &segment, held, timed, rows, timers: &mut me.timers });
        Some(segment)
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

    /// An end that was waited for to answer connects itself (simultaneous open, §3.5): whose it is can be known since then.
    fn opens_too(&mut self, stream: u32, is_b: bool) {
        let Some(talk) = self.talks.get(&stream) else { return };
        let [a, b] = &talk.sides;
        if (if is_b { b } else { a }).socket.is_some() {
            return;
        }
        let [a, b] = *talk.ladder.ends();
        let side = if is_b { self.side(b, a) } else { self.side(a, b) };
        let Some(account) = side.socket.and_then(|cookie| self.account(cookie)) else { return };
        account.begins((stream, is_b));
        if let Some(talk) = self.talks.get_mut(&stream) {
            let [a, b] = &mut talk.sides;
            *(if is_b { b } else { a }) = side;
        }
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
