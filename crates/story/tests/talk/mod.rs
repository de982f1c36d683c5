//! Conversations written by hand, and their rows in short.

#![allow(dead_code, reason = "each test file uses a part")]

#[allow(dead_code, reason = "the captures of another library's tests; these use a part")]
#[path = "../../../wire/tests/craft/mod.rs"]
pub(crate) mod craft;

use craft::packets::{A, B, Capture, Ip, Tcp};
use enchufe_story::{Certainty, Ladder, Row, State};
use enchufe_wire::file::{Item, Reader};
use enchufe_wire::session::{Frame, Session};
use enchufe_wire::tcp::Limits;

#[allow(unused_imports, reason = "each test file uses a part")]
pub(crate) use craft::packets::{ACK, FIN, PSH, RST, SYN};

/// Gives every frame of a file to `with`, as far as it can be read.
pub(crate) fn frames(file: &[u8], mut with: impl FnMut(&Frame<'_>)) {
    let (mut reader, mut session) = (Reader::new(), Session::new(Limits::default()));
    reader.feed(file);
    while let Ok(Some(item)) = reader.next() {
        if let Item::Packet(record) = item {
            with(&session.frame(&record));
        }
    }
}

/// A conversation being written. `a` begins; numbers are relative to each end's first one.
pub(crate) struct Talk {
    /// The number of the SYN of `a` and of `b`.
    pub(crate) first: (u32, u32),
    capture: Capture,
}

impl Talk {
    pub(crate) fn new() -> Self {
        Self { first: (1_000, 5_000), capture: Capture { link: 101, frames: Vec::new() } }
    }

    pub(crate) fn a(self, flags: u16, seq: u32, ack: u32, len: usize) -> Self {
        self.put(false, flags, seq, ack, |tcp| tcp.payload = len)
    }

    pub(crate) fn b(self, flags: u16, seq: u32, ack: u32, len: usize) -> Self {
        self.put(true, flags, seq, ack, |tcp| tcp.payload = len)
    }

    pub(crate) fn put(
        mut self,
        from_b: bool,
        flags: u16,
        seq: u32,
        ack: u32,
        change: impl FnOnce(&mut Tcp),
    ) -> Self {
        let (own, peer) = if from_b { (self.first.1, self.first.0) } else { self.first };
        let ports = if from_b { (80, 1234) } else { (1234, 80) };
        let ack = if flags & ACK == 0 { 0 } else { peer.wrapping_add(ack) };
        let mut tcp = Tcp::new(ports, flags, own.wrapping_add(seq), ack);
        change(&mut tcp);
        let (source, destination) = if from_b { (B, A) } else { (A, B) };
        let frame = Ip { source, destination, ..Ip::new(6) }.with(&tcp.bytes());
        let (at, len) = (u64::try_from(self.capture.frames.len()).unwrap(), frame.len());
        self.capture.frames.push((at * 1_000_000, frame, len));
        self
    }

    /// It as a capture file.
    pub(crate) fn file(&self) -> Vec<u8> {
        self.capture.pcap()
    }

    /// The three segments that open it.
    pub(crate) fn open(self) -> Self {
        self.a(SYN, 0, 0, 0).b(SYN | ACK, 0, 1, 0).a(ACK, 1, 1, 0)
    }

    /// The rows of its first conversation, or of all where the ports were used again.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let (mut ladder, mut rows): (Option<Ladder>, Vec<Row>) = (None, Vec::new());
        frames(&self.file(), |frame| {
            let stream = frame.tcp.unwrap().stream;
            if ladder.as_ref().is_none_or(|ladder| ladder.stream() != stream) {
                ladder = Ladder::new(frame);
            }
            rows.extend(ladder.as_mut().unwrap().frame(frame));
        });
        rows
    }

    /// The states that each row shows: `a SYN-SENT`, `(inferred)`, `?` where it is no longer known.
    pub(crate) fn states(&self) -> Vec<String> {
        self.rows().iter().map(states).collect()
    }

    #[track_caller]
    pub(crate) fn shows(&self, expected: &[&str]) {
        assert_eq!(self.states(), expected);
    }
}

fn states(row: &Row) -> String {
    let said = row.changes.iter().map(|change| {
        let end = if change.of_b { "b" } else { "a" };
        match (change.to.map(State::name), change.certainty) {
            (None, _) => format!("{end} ?"),
            (Some(name), Certainty::Proved) => format!("{end} {name}"),
            (Some(name), Certainty::Inferred) => format!("{end} ({name})"),
        }
    });
    said.collect::<Vec<_>>().join(", ")
}
