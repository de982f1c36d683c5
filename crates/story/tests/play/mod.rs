//! Recordings written by hand, facts and packets, and what is told of them in short.

#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::format_push_string, clippy::unnecessary_wraps, reason = "short to write, which tests want")]

use crate::talk::craft::packets::{A, ACK, B, FIN, Ip, PSH, RST, SYN, Tcp};
use enchufe_story::fact::{
    Arguments, Arrival, CallId, Cookie, Entered, Fact, Happened, KernelState, Left, Outcome, Passage,
    Reading, Syscall,
};
use enchufe_story::trace::{By, Deed, Event, Judge, Moved, Now, Scout, Segment, SocketChange, Told};
use enchufe_story::{Certainty, State};
use enchufe_wire::file::{InterfaceInfo, Item, PacketNotes, Reader, Writer};
use enchufe_wire::session::Session;
use enchufe_wire::tcp::{Endpoint, Limits};
use enchufe_wire::{LinkType, Timestamp};
use std::collections::HashMap;

/// The client's port, and the server's.
pub(crate) const PORTS: (u16, u16) = (1234, 80);

pub(crate) const NONE: u8 = 0;
pub(crate) const ESTABLISHED: u8 = 1;
pub(crate) const SYN_SENT: u8 = 2;
pub(crate) const FIN_WAIT1: u8 = 4;
pub(crate) const FIN_WAIT2: u8 = 5;
pub(crate) const CLOSE: u8 = 7;
pub(crate) const CLOSE_WAIT: u8 = 8;
pub(crate) const LISTEN: u8 = 10;

/// The listening socket, the client's and the one that is accepted.
pub(crate) const L: u64 = 1;
pub(crate) const C: u64 = 2;
pub(crate) const S: u64 = 3;

enum Step {
    /// What happened, and for how long programs had been held.
    Fact(Happened, u64),
    Frame(Vec<u8>, Arrival),
}

/// A recording being written. Each step comes ten microseconds after the one before it.
pub(crate) struct Play {
    steps: Vec<(Timestamp, Step)>,
    now: i64,
    calls: u64,
    /// What the kernel says of the sockets that the next call drops.
    pub(crate) before: Vec<Reading>,
    /// For how long programs have been held.
    pub(crate) held: u64,
    pub(crate) names: HashMap<CallId, String>,
    /// The number of the SYN of the client and of the server.
    pub(crate) first: (u32, u32),
    pub(crate) ports: (u16, u16),
}

pub(crate) fn at(address: [u8; 4], port: u16) -> Endpoint {
    let mut endpoint = Endpoint { port, ..Endpoint::default() };
    endpoint.address[..4].copy_from_slice(&address);
    endpoint
}

pub(crate) const fn bytes(wanted: u64) -> Arguments {
    Arguments::Bytes { wanted, flags: 0 }
}

impl Play {
    pub(crate) fn new() -> Self {
        let (steps, names, before) = (Vec::new(), HashMap::new(), Vec::new());
        Self {
            steps,
            now: 1_000_000_000,
            calls: 0,
            before,
            held: 0,
            names,
            first: (1_000, 5_000),
            ports: PORTS,
        }
    }

    pub(crate) fn wait(&mut self, nanos: i64) {
        self.now += nanos;
    }

    pub(crate) fn fact(&mut self, happened: Happened) {
        self.now += 10_000;
        self.steps.push((Timestamp::from_nanos(self.now), Step::Fact(happened, self.held)));
    }

    /// Of program 0 (the server) where the socket is the listening or the accepted one, else of program 1.
    pub(crate) fn enter(&mut self, syscall: Syscall, socket: u64, arguments: Arguments) -> CallId {
        self.enter_drops(syscall, socket, arguments, &[])
    }

    pub(crate) fn enter_drops(
        &mut self,
        syscall: Syscall,
        socket: u64,
        arguments: Arguments,
        drops: &[u64],
    ) -> CallId {
        self.calls += 1;
        let id = CallId(self.calls);
        let of = if socket == 0 { drops.first().copied().unwrap_or(L) } else { socket };
        let program = u32::from(![L, S].contains(&of));
        self.names.insert(id, format!("{}#{}", syscall.name(), self.calls));
        let (pid, tid) = (100 + program, 100 + program);
        let (fd, socket) = (Some(3), (socket > 0).then_some(Cookie(socket)));
        let drops = drops.iter().map(|cookie| Cookie(*cookie)).collect();
        let (line, before) = (None, std::mem::take(&mut self.before));
        self.fact(Happened::Entered(Entered {
            id,
            program,
            pid,
            tid,
            syscall,
            fd,
            socket,
            arguments,
            drops,
            before,
            line,
        }));
        id
    }

    pub(crate) fn leave(&mut self, id: CallId, returned: i64, reading: Option<Reading>) {
        let outcome = if returned < 0 {
            Outcome::Failed(i32::try_from(-returned).unwrap())
        } else {
            Outcome::Returned(returned)
        };
        self.fact(Happened::Left(Left { id, outcome, made: None, reading }));
    }

    pub(crate) fn leave_made(&mut self, id: CallId, cookie: u64, reading: Option<Reading>) {
        let made = Some((4, Cookie(cookie)));
        self.fact(Happened::Left(Left { id, outcome: Outcome::Returned(4), made, reading }));
    }

    /// Entered and left, nothing between.
    pub(crate) fn call(
        &mut self,
        syscall: Syscall,
        socket: u64,
        arguments: Arguments,
        returned: i64,
        reading: Option<Reading>,
    ) -> CallId {
        let id = self.enter(syscall, socket, arguments);
        self.leave(id, returned, reading);
        id
    }

    /// What the kernel says of one of the three sockets.
    pub(crate) fn said(
        &self,
        cookie: u64,
        state: u8,
        written: u64,
        read: u64,
        unread: u64,
    ) -> Option<Reading> {
        let (client, server) = (at(A, self.ports.0), at(B, self.ports.1));
        let (local, peer) = match cookie {
            L => (Some(server), None),
            S => (Some(server), Some(client)),
            _ => (Some(client), Some(server)),
        };
        Some(Reading {
            socket: Cookie(cookie),
            state: KernelState(state),
            written,
            read,
            unread,
            local,
            peer,
        })
    }

    /// A segment of the client.
    pub(crate) fn a(&mut self, flags: u16, seq: u32, ack: u32, len: usize) {
        self.put(false, flags, seq, ack, |tcp| tcp.payload = len);
    }

    /// A segment of the server.
    pub(crate) fn b(&mut self, flags: u16, seq: u32, ack: u32, len: usize) {
        self.put(true, flags, seq, ack, |tcp| tcp.payload = len);
    }

    pub(crate) fn put(
        &mut self,
        from_b: bool,
        flags: u16,
        seq: u32,
        ack: u32,
        change: impl FnOnce(&mut Tcp),
    ) {
        let (own, peer) = if from_b { (self.first.1, self.first.0) } else { self.first };
        let ports = if from_b { (self.ports.1, self.ports.0) } else { self.ports };
        let ack = if flags & ACK == 0 { 0 } else { peer.wrapping_add(ack) };
        let mut tcp = Tcp::new(ports, flags, own.wrapping_add(seq), ack);
        change(&mut tcp);
        let (source, destination) = if from_b { (B, A) } else { (A, B) };
        let frame = Ip { source, destination, ..Ip::new(6) }.with(&tcp.bytes());
        self.now += 10_000;
        self.steps.push((Timestamp::from_nanos(self.now), Step::Frame(frame, Arrival::Unknown)));
    }

    /// The last segment arrives so many nanoseconds after it was sent; without a number it never does.
    pub(crate) fn arrives(&mut self, after: Option<i64>) {
        let now = self.now;
        let way = after.map_or(Arrival::Never, |after| Arrival::At(Timestamp::from_nanos(now + after)));
        if let Some((_, Step::Frame(_, arrival))) = self.steps.last_mut() {
            *arrival = way;
        }
    }

    /// The server listens, and waits in `accept`, whose number is given.
    pub(crate) fn listens(&mut self) -> CallId {
        let call = self.enter(Syscall::Socket, 0, Arguments::Socket { domain: 2, kind: 1, protocol: 0 });
        self.leave_made(call, L, None);
        self.call(Syscall::Bind, L, Arguments::Address(at(B, self.ports.1)), 0, None);
        let listening = self.said(L, LISTEN, 0, 0, 0);
        self.call(Syscall::Listen, L, Arguments::Backlog(1), 0, listening);
        self.enter(Syscall::Accept, L, Arguments::None)
    }

    /// The client connects; `accept` is left.
    pub(crate) fn connects(&mut self, accept: CallId) {
        let call = self.enter(Syscall::Connect, C, Arguments::Address(at(B, self.ports.1)));
        self.a(SYN, 0, 0, 0);
        self.b(SYN | ACK, 0, 1, 0);
        self.a(ACK, 1, 1, 0);
        let said = self.said(C, ESTABLISHED, 0, 0, 0);
        self.leave(call, 0, said);
        let said = self.said(S, ESTABLISHED, 0, 0, 0);
        self.leave_made(accept, S, said);
    }

    /// Both, which take calls 1 to 5 and frames 1 to 3.
    pub(crate) fn opened() -> Self {
        let mut play = Self::new();
        let accept = play.listens();
        play.connects(accept);
        play
    }

    /// What is told of it.
    pub(crate) fn judged(&self) -> (Vec<Event>, Judge) {
        let mut scout = Scout::new();
        for (time, step) in &self.steps {
            if let Step::Fact(happened, held) = step {
                scout.fact(&Fact { time: *time, held: *held, happened: happened.clone() });
            }
        }
        let mut judge = Judge::new(scout.finish());
        let (mut writer, mut file) = (Writer::new(), Vec::new());
        writer.section(&mut file, "a test");
        let interface = writer.interface(&mut file, LinkType::RAW, &InterfaceInfo::default());
        let (mut reader, mut session) = (Reader::new(), Session::new(Limits::default()));
        reader.feed(&file);
        let mut out = Vec::new();
        for (time, step) in &self.steps {
            match step {
                Step::Fact(happened, held) => {
                    judge.fact(&Fact { time: *time, held: *held, happened: happened.clone() }, &mut out);
                }
                Step::Frame(frame, arrival) => {
                    let mut block = Vec::new();
                    let len = u32::try_from(frame.len()).unwrap();
                    writer.packet(&mut block, interface, *time, frame, len, &PacketNotes::default());
                    reader.feed(&block);
                    while let Ok(Some(item)) = reader.next() {
                        if let Item::Packet(record) = item {
                            let passage = Passage { arrival: *arrival, segment_size: None };
                            judge.frame(&session.frame(&record), passage, &mut out);
                        }
                    }
                }
            }
        }
        (out, judge)
    }

    /// The events that have something to show, from this frame or call on, each as a line.
    pub(crate) fn lines(&self) -> Vec<String> {
        let (events, judge) = self.judged();
        assert_eq!(judge.disagreements(), [], "the kernel agrees");
        events.iter().filter_map(|event| self.line(event)).collect()
    }

    /// What is told of its segments.
    pub(crate) fn segments(&self) -> Vec<Segment> {
        let told = self.judged().0.into_iter().filter_map(|event| match event.told {
            Told::Segment(segment) => Some(segment),
            _ => None,
        });
        told.collect()
    }

    /// Its last lines are these.
    #[track_caller]
    pub(crate) fn ends_with(&self, expected: &[&str]) {
        let lines = self.lines();
        let from = lines.len().saturating_sub(expected.len());
        let (found, expected) = (lines[from..].join("\n"), expected.join("\n"));
        assert!(found == expected, "\nexpected:\n{expected}\n\nall:\n{}\n", lines.join("\n"));
    }

    fn name(&self, call: CallId) -> String {
        self.names.get(&call).cloned().unwrap_or_else(|| "?".to_owned())
    }

    pub(crate) fn line(&self, event: &Event) -> Option<String> {
        match &event.told {
            Told::Entered(entered) => Some(format!("> {}", self.name(entered.id))),
            Told::Left(left) => {
                let mut line = format!("< {}", self.name(left.id));
                for (verb, moved) in [("wrote", &left.wrote), ("read", &left.read)] {
                    for moved in moved {
                        line += &format!(" {verb} {}", self.moved(moved));
                    }
                }
                if left.from.count > 0 {
                    line += &format!(" from {:?}", left.from.numbers);
                }
                for change in &left.changes {
                    line += &format!(" {}", told(change));
                }
                Some(line)
            }
            Told::Segment(segment) => Some(self.segment(segment)),
            Told::Printed { text, .. } => Some(format!("print {}", String::from_utf8_lossy(text))),
            _ => None,
        }
    }

    fn moved(&self, moved: &Moved) -> String {
        let or: Vec<String> = moved.or.iter().map(|call| format!(" or {}", self.name(*call))).collect();
        sure(format!("{}..{}{}", moved.range.start, moved.range.end, or.concat()), moved.certainty)
    }

    fn segment(&self, segment: &Segment) -> String {
        let row = &segment.row;
        let names = [(SYN, "SYN"), (FIN, "FIN"), (RST, "RST"), (PSH, "PSH"), (ACK, "ACK")];
        let flags: Vec<&str> =
            names.iter().filter(|(flag, _)| row.flags.any(*flag)).map(|(_, name)| *name).collect();
        let mut line = format!("#{} {} {}", row.frame, if row.from_b { "b" } else { "a" }, flags.join(","));
        if let Some(range) = segment.bytes {
            line += &format!(" {}..{}", range.start, range.end);
        }
        for by in &segment.by {
            line += &format!("; {}", self.by(by));
        }
        if let Some(reason) = &segment.why {
            let or: Vec<String> = reason.or.iter().map(|now| format!(" or {}", self.now(now))).collect();
            line += &format!("; now: {}", sure(self.now(&reason.now) + &or.concat(), reason.certainty));
        }
        for change in &row.changes {
            let end = if change.of_b { "b" } else { "a" };
            line +=
                &format!("; {end} {}", sure(change.to.map_or("?", State::name).to_owned(), change.certainty));
        }
        line
    }

    fn by(&self, by: &By) -> String {
        let calls: Vec<String> = by.calls.iter().map(|call| self.name(*call)).collect();
        let range = match by.deed {
            Deed::Writes(range) | Deed::WritesAgain(range) => format!(" {}..{}", range.start, range.end),
            Deed::LeavesUnread(count) => format!(" {count}"),
            _ => String::new(),
        };
        sure(format!("{} {}{range}", calls.join(" or "), by.deed.id()), by.certainty)
    }

    fn now(&self, now: &Now) -> String {
        match now {
            Now::Inside(call) | Now::Uncorked(call) => format!("{} {}", now.id(), self.name(*call)),
            Now::Answers(frame) | Now::Released { by: frame, .. } => format!("{} #{frame}", now.id()),
            Now::Timer(_) => now.id().to_owned(),
        }
    }
}

fn sure(text: String, certainty: Certainty) -> String {
    if certainty == Certainty::Proved { text } else { format!("({text})") }
}

fn told(change: &SocketChange) -> String {
    let from = change.from.map_or("?", State::name);
    let by = change.because.map(|_| " by it").unwrap_or_default();
    sure(format!("{from} to {}{by}", change.to.name()), change.certainty)
}
