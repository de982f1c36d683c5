//! What was seen, written down while it is seen: calls and packets, in the order of their times.

use super::pairs::{Came, Pair, Pairs};
use crate::capture::{Capture, Captured, Next};
use enchufe_story::fact::{APPLICATION, ENTERPRISE, Fact, Happened, passage_bytes};
use enchufe_sys::host::Bell;
use enchufe_wire::Timestamp;
use enchufe_wire::file::{InterfaceInfo, PacketNotes, Writer};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::ops::Range;
use std::time::{Duration, Instant};

/// Facts wait this much longer than a frame for its second copy: for frames that came before them and are still in the
/// kernel's ring, where nothing newer shows that there are none.
const LATEST: Duration = Duration::from_millis(250);
/// The two copies of a frame of the loopback interface are some microseconds apart, unless the machine stands still.
const PATIENCE: Duration = Duration::from_millis(100);

/// What was recorded is in the file after this, however much is going on.
const KEPT: Duration = Duration::from_secs(1);

/// So many bytes of frames are recorded whole, if nothing else is asked for; of those that come later, their headers.
pub const WHOLE: u64 = 256 << 20;
/// Enough of a frame for all that is judged: the longest headers of Ethernet, IPv6 and TCP, with room for extensions.
pub const HEADERS: usize = 256;

/// So many bytes are given to the file at once.
const PIECE: usize = 256 << 10;

/// A recording under way.
#[derive(Debug)]
pub struct Recorder<W: Write> {
    out: W,
    /// What is not with the file yet.
    buffer: Vec<u8>,
    writer: Writer,
    capture: Option<Capture>,
    pairs: Pairs,
    /// What facts wait.
    latest: i64,
    waiting: Waiting,
    /// Bytes of frames so far, and how many are recorded whole.
    bytes: u64,
    whole: u64,
    /// When all was given to the file last.
    kept: Instant,
}

/// Facts that wait for their turn, as they will be written.
#[derive(Debug, Default)]
struct Waiting {
    encoded: Vec<u8>,
    /// How many of its bytes were taken out.
    taken: usize,
    /// The time and the place of each, in the order of their times.
    facts: VecDeque<(Timestamp, Range<usize>)>,
}

impl Waiting {
    fn push(&mut self, fact: &Fact) {
        let start = self.encoded.len();
        fact.encode(&mut self.encoded);
        // Only what frames tell comes out of turn.
        let is_last = self.facts.back().is_none_or(|(time, _)| *time <= fact.time);
        let count = self.facts.len();
        let place = if is_last { count } else { self.facts.partition_point(|(time, _)| *time <= fact.time) };
        self.facts.insert(place, (fact.time, start..self.encoded.len()));
    }

    /// The first one, if it is of before a time.
    fn pop(&mut self, until: Timestamp) -> Option<(Timestamp, &[u8])> {
        self.facts.front().filter(|(time, _)| *time < until)?;
        let (time, place) = self.facts.pop_front()?;
        self.taken += place.len();
        Some((time, self.encoded.get(place).unwrap_or_default()))
    }

    /// Forgets the bytes of those that were taken out.
    fn settle(&mut self) {
        if !self.facts.is_empty() && self.taken < PIECE {
            return;
        }
        let first = self.facts.iter().map(|(_, place)| place.start).min().unwrap_or(self.encoded.len());
        self.encoded.drain(..first);
        for (_, place) in &mut self.facts {
            *place = place.start - first..place.end - first;
        }
        self.taken = 0;
    }
}

/// A recording that is whole.
#[derive(Debug)]
pub struct Recorded<W> {
    /// What was written to.
    pub out: W,
    /// Packets that were lost.
    pub drops: u64,
    /// Whether there were more bytes of frames than are recorded whole.
    pub is_cut: bool,
}

impl<W: Write> Recorder<W> {
    /// Begins a recording, with packets where there is a capture: of this interface, which carries a frame at most this long.
    pub fn new(out: W, capture: Option<Capture>, name: &str, carries: Duration) -> io::Result<Self> {
        let patience = carries.saturating_add(PATIENCE);
        let mut recorder = Self {
            out,
            buffer: Vec::with_capacity(PIECE),
            writer: Writer::new(),
            capture,
            pairs: Pairs::new(patience),
            latest: i64::try_from((patience + LATEST).as_nanos()).unwrap_or(i64::MAX),
            waiting: Waiting::default(),
            bytes: 0,
            whole: WHOLE,
            kept: Instant::now(),
        };
        recorder.writer.section(&mut recorder.buffer, APPLICATION);
        let link = recorder.capture.as_ref().map_or(enchufe_wire::LinkType::ETHERNET, Capture::link);
        let info = InterfaceInfo { name, snaplen: 0 };
        recorder.writer.interface(&mut recorder.buffer, link, &info);
        Ok(recorder)
    }

    /// The same, with so many bytes of frames recorded whole.
    #[must_use]
    pub fn limited(self, whole: u64) -> Self {
        Self { whole, ..self }
    }

    /// Whether frames are cut from now on, as there were too many bytes.
    const fn is_cut(&self) -> bool {
        self.bytes > self.whole
    }

    /// What to wait on for packets.
    pub const fn capture(&self) -> Option<&Capture> {
        self.capture.as_ref()
    }

    /// Takes facts, and the packets that are there.
    pub fn take(&mut self, facts: &[Fact], now: Timestamp) -> io::Result<()> {
        for fact in facts {
            self.waiting.push(fact);
        }
        let mut capture = self.capture.take();
        while let Some(captured) = capture.as_mut().and_then(Capture::ready) {
            self.copy(&captured);
        }
        self.capture = capture;
        // What is not in the ring by now was not sent so long ago.
        let half = i64::try_from(LATEST.as_nanos() / 2).unwrap_or(i64::MAX);
        self.pairs.tick(Timestamp::from_nanos(now.nanos().saturating_sub(half)));
        self.packets(false)?;
        self.write_facts(Timestamp::from_nanos(now.nanos().saturating_sub(self.latest)))
    }

    /// Gives the file what was recorded, so that it is there whatever ends us: where nothing else is to be done, and else once
    /// in a second.
    pub fn keep(&mut self, is_quiet: bool) -> io::Result<()> {
        if is_quiet || self.kept.elapsed() >= KEPT {
            self.write()?;
            self.kept = Instant::now();
        }
        Ok(())
    }

    /// Takes a copy of a frame.
    fn copy(&mut self, captured: &Captured<'_>) {
        if let Came::Again(sent) = self.pairs.push(captured) {
            let time = captured.record.time.unwrap_or_default();
            self.waiting.push(&Fact { time, held: 0, happened: Happened::ArrivedAgain { sent } });
        }
    }

    /// Writes the frames that are whole, and the facts before them.
    fn packets(&mut self, all: bool) -> io::Result<()> {
        while let Some(pair) = self.pairs.pop(all) {
            self.write_facts(pair.time)?;
            self.packet(&pair)?;
        }
        Ok(())
    }

    fn packet(&mut self, pair: &Pair) -> io::Result<()> {
        let Pair { time, bytes, wire_len, passage } = pair;
        self.bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let cut = bytes.get(..HEADERS).filter(|_| self.is_cut()).unwrap_or(bytes);
        let beside = passage_bytes(passage);
        let beside = (!beside.is_empty()).then_some((ENTERPRISE, beside.as_slice()));
        let notes = PacketNotes { beside, ..PacketNotes::default() };
        self.writer.packet(&mut self.buffer, 0, *time, cut, *wire_len, &notes);
        self.write_pieces()
    }

    /// Writes the facts before a time.
    fn write_facts(&mut self, until: Timestamp) -> io::Result<()> {
        while let Some((time, fact)) = self.waiting.pop(until) {
            self.writer.beside(&mut self.buffer, 0, time, ENTERPRISE, fact);
        }
        self.waiting.settle();
        self.write_pieces()
    }

    fn write_pieces(&mut self) -> io::Result<()> {
        if self.buffer.len() < PIECE { Ok(()) } else { self.write() }
    }

    fn write(&mut self) -> io::Result<()> {
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    /// Takes the last packets.
    pub fn finish(mut self, stop: &Bell) -> io::Result<Recorded<W>> {
        let mut drops = 0;
        if let Some(mut capture) = self.capture.take() {
            loop {
                match capture.next(stop, Some(Instant::now()))? {
                    Next::Frame(captured) => {
                        self.copy(&captured);
                        self.packets(false)?;
                    }
                    Next::Pause => {}
                    Next::End => break,
                }
            }
            drops = capture.drops()?;
        }
        self.packets(true)?;
        self.write_facts(Timestamp::from_nanos(i64::MAX))?;
        self.write()?;
        Ok(Recorded { is_cut: self.is_cut(), out: self.out, drops })
    }
}
