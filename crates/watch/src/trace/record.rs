//! What was seen, written down while it is seen: calls and packets, in the order of their times.

use crate::capture::{Capture, Next};
use enchufe_story::fact::{APPLICATION, ENTERPRISE, Fact};
use enchufe_sys::host::Bell;
use enchufe_wire::Timestamp;
use enchufe_wire::file::{InterfaceInfo, PacketNotes, Writer};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// Facts wait this long, in nanoseconds, for frames that came before them and are still in the kernel's ring, where
/// nothing newer shows that there are none.
const LATEST: i64 = 250_000_000;

/// What was recorded is in the file after this, however much is going on.
const KEPT: Duration = Duration::from_secs(1);

/// So many bytes of frames are recorded whole, if nothing else is asked for; of those that come later, [`HEADERS`].
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
    /// Where the first one begins.
    start: usize,
    /// The time and the length of each.
    facts: VecDeque<(Timestamp, usize)>,
}

impl Waiting {
    fn push(&mut self, fact: &Fact) {
        let before = self.encoded.len();
        fact.encode(&mut self.encoded);
        self.facts.push_back((fact.time, self.encoded.len() - before));
    }

    /// The first one, if it is of before a time.
    fn pop(&mut self, until: Timestamp) -> Option<(Timestamp, &[u8])> {
        let (time, length) = *self.facts.front().filter(|(time, _)| *time < until)?;
        self.facts.pop_front();
        let place = self.start..self.start + length;
        self.start = place.end;
        Some((time, self.encoded.get(place).unwrap_or_default()))
    }

    /// Forgets those that were taken out.
    fn settle(&mut self) {
        if self.facts.is_empty() || self.start >= PIECE {
            self.encoded.drain(..self.start);
            self.start = 0;
        }
    }
}

impl<W: Write> Recorder<W> {
    /// Begins a recording, with packets where there is a capture.
    pub fn new(out: W, capture: Option<Capture>) -> io::Result<Self> {
        let mut recorder = Self {
            out,
            buffer: Vec::with_capacity(PIECE),
            writer: Writer::new(),
            capture,
            waiting: Waiting::default(),
            bytes: 0,
            whole: WHOLE,
            kept: Instant::now(),
        };
        recorder.writer.section(&mut recorder.buffer, APPLICATION);
        let link = recorder.capture.as_ref().map_or(enchufe_wire::LinkType::ETHERNET, Capture::link);
        let info = InterfaceInfo { name: "lo", snaplen: 0 };
        recorder.writer.interface(&mut recorder.buffer, link, &info);
        Ok(recorder)
    }

    /// The same, with so many bytes of frames recorded whole.
    #[must_use]
    pub fn limited(self, whole: u64) -> Self {
        Self { whole, ..self }
    }

    /// Whether frames are cut, as there were too many bytes.
    pub const fn is_cut(&self) -> bool {
        self.bytes > self.whole
    }

    /// What to wait on for packets.
    pub const fn capture(&self) -> Option<&Capture> {
        self.capture.as_ref()
    }

    /// Takes facts, and the packets that are there.
    pub fn take(&mut self, facts: &[Fact], now: Timestamp) -> io::Result<()> {
        facts.iter().for_each(|fact| self.waiting.push(fact));
        let mut capture = self.capture.take();
        let taken = capture.as_mut().map_or(Ok(()), |capture| self.packets(capture));
        self.capture = capture;
        taken?;
        self.write_facts(Timestamp::from_nanos(now.nanos().saturating_sub(LATEST)))
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

    fn packets(&mut self, capture: &mut Capture) -> io::Result<()> {
        while let Some(record) = capture.ready() {
            let time = record.time.unwrap_or_default();
            self.write_facts(time)?;
            self.packet(time, record.bytes, record.wire_len)?;
        }
        Ok(())
    }

    fn packet(&mut self, time: Timestamp, bytes: &[u8], wire_len: u32) -> io::Result<()> {
        self.bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let cut = bytes.get(..HEADERS).filter(|_| self.is_cut()).unwrap_or(bytes);
        self.writer.packet(&mut self.buffer, 0, time, cut, wire_len, &PacketNotes::default());
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

    /// Takes the last packets; gives what was written to, and how many packets were lost.
    pub fn finish(mut self, stop: &Bell) -> io::Result<(W, u64)> {
        let mut drops = 0;
        if let Some(mut capture) = self.capture.take() {
            loop {
                match capture.next(stop, Some(Instant::now()))? {
                    Next::Frame(record) => {
                        let time = record.time.unwrap_or_default();
                        let (bytes, wire_len) = (record.bytes.to_vec(), record.wire_len);
                        self.write_facts(time)?;
                        self.packet(time, &bytes, wire_len)?;
                    }
                    Next::Pause => {}
                    Next::End => break,
                }
            }
            drops = capture.drops()?;
        }
        self.write_facts(Timestamp::from_nanos(i64::MAX))?;
        self.write()?;
        Ok((self.out, drops))
    }
}
