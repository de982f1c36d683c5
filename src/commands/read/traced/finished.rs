//! A recording as it is kept: each packet with its cause as a comment, which any Wireshark shows, and with the process and
//! thread whose call made it.

use super::book::Book;
use super::{each_fact, segments};
use crate::catalogue::Catalogue;
use crate::commands::read::reading::Came;
use enchufe_story::fact::{APPLICATION, ENTERPRISE, passage, passage_bytes};
use enchufe_story::trace::{Event, Judge, Side, Sockets, Told};
use enchufe_wire::file::{InterfaceInfo, Item, PacketNotes, PacketProcess, Writer, code};
use std::collections::HashMap;
use std::io::{self, Write};

/// The most processes that are described.
const MOST_PROCESSES: usize = 65_536;

/// What is said of a segment: its cause, and the program and process whose call made it.
type Said = (Option<String>, Option<(u32, PacketProcess)>);

/// Writes it while the first one is read again.
pub struct Finished<'a, W> {
    judge: Judge,
    events: Vec<Event>,
    book: Book,
    /// Only what belongs to the programs is kept.
    only_own: bool,
    writer: Writer,
    buffer: Vec<u8>,
    /// The blocks that describe processes.
    processes: HashMap<(u32, u32), u32>,
    out: W,
    catalogue: &'a Catalogue,
}

impl<'a, W: Write> Finished<'a, W> {
    pub fn new(out: W, sockets: Sockets, only_own: bool, catalogue: &'a Catalogue) -> Self {
        Self {
            judge: Judge::new(sockets),
            events: Vec::new(),
            book: Book::apart(),
            only_own,
            writer: Writer::new(),
            buffer: Vec::new(),
            processes: HashMap::new(),
            out,
            catalogue,
        }
    }

    pub fn take(&mut self, came: &Came<'_, '_>) -> io::Result<()> {
        match came {
            Came::Frame(seen) => {
                let passage = passage(seen.record);
                self.judge.frame(seen.frame, passage, &mut self.events);
                let Some((comment, process)) = self.learn().or((!self.only_own).then_some((None, None)))
                else {
                    return Ok(());
                };
                let comments = comment.as_ref().map(String::as_bytes);
                let process_block =
                    process.and_then(|(program, process)| self.block_of(program, process.pid));
                let process = process.map(|(_, process)| process);
                let beside = passage_bytes(&passage);
                let beside = (!beside.is_empty()).then_some((ENTERPRISE, beside.as_slice()));
                let notes = PacketNotes { comments: comments.as_slice(), process, process_block, beside };
                let record = seen.record;
                let time = record.time.unwrap_or_default();
                self.writer.packet(&mut self.buffer, 0, time, record.bytes, record.wire_len, &notes);
            }
            Came::Aside(_, Item::Section(_)) => self.writer.section(&mut self.buffer, APPLICATION),
            Came::Aside(_, Item::Interface(interface)) => {
                let name = interface.options.find(code::NAME).unwrap_or_default();
                let name = String::from_utf8_lossy(name);
                let info = InterfaceInfo { name: &name, snaplen: interface.snaplen };
                self.writer.interface(&mut self.buffer, interface.link, &info);
            }
            Came::Aside(..) => {
                let Self { judge, events, writer, buffer, .. } = self;
                let mut bytes = Vec::new();
                each_fact(came, |fact| {
                    judge.fact(fact, events);
                    bytes.clear();
                    fact.encode(&mut bytes);
                    writer.beside(buffer, 0, fact.time, ENTERPRISE, &bytes);
                });
                self.learn();
            }
            Came::Pause => {}
        }
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    /// The block that describes a process of a program; written before its first packet.
    fn block_of(&mut self, program: u32, pid: u32) -> Option<u32> {
        if let Some(number) = self.processes.get(&(program, pid)) {
            return Some(*number);
        }
        if self.processes.len() >= MOST_PROCESSES {
            return None;
        }
        let number = self.writer.process(&mut self.buffer, pid, self.book.name(program));
        self.processes.insert((program, pid), number);
        Some(number)
    }

    /// Learns what calls and programs are called; gives what is said of a segment, if there was one that an end of is the programs'.
    fn learn(&mut self) -> Option<Said> {
        let mut said = None;
        for event in std::mem::take(&mut self.events) {
            self.book.see(&event);
            if let Told::Segment(segment) = &event.told
                && segment.ends.iter().any(is_known)
            {
                let cause = segments::cause(segment, &self.book, self.catalogue);
                let call = segment.by.first().and_then(|by| by.calls.first());
                let process =
                    call.and_then(|id| self.book.call(*id)).map(|named| (named.program, named.process));
                said = Some(((!cause.is_empty()).then_some(cause), process));
            }
        }
        said
    }

    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}

/// Whether the end is one of the programs'.
const fn is_known(end: &Side) -> bool {
    end.socket.is_some() || end.listener.is_some() || end.program.is_some()
}
