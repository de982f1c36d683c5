//! Items of capture files that own their bytes, so that one thread can read, another analyse and a third print.
//!
//! A batch is filled with [`push`](Batch::push), or by an [`Intake`] without a copy, goes through a [`Session`] with
//! [`analyse`](Batch::analyse), and is walked with [`each`](Batch::each). It keeps what it allocated when it is
//! [cleared](Batch::clear): batches that go round cost no allocation.

use std::ops::Range;

use crate::Timestamp;
use crate::file::{Item, Parser, ReadError, Record};
use crate::layer::{Placed, dissect};
use crate::session::{Frame, Scout, Session};
use crate::tcp::TcpNote;

/// Some items, in the order in which they came.
#[derive(Debug, Default)]
pub struct Batch {
    items: Vec<Stored>,
    bytes: Bytes,
    frames: Vec<Analysed>,
    rare: Vec<Rare>,
    layers: Vec<Placed>,
    reassembled: Vec<u8>,
    /// When the last frame before it came that had a time.
    before: Option<Timestamp>,
}

/// An item without its bytes, and where they are.
#[derive(Debug)]
struct Stored {
    file: usize,
    item: Item<'static>,
    data: Range<usize>,
    options: Range<usize>,
}

/// What was found of a frame. Kept small, for it goes from one processor to another: the layers of a plain frame are found
/// again where they are wanted, which costs less.
#[derive(Debug)]
enum Analysed {
    Plain {
        number: u64,
        relative: Option<i64>,
        tcp: Option<TcpNote>,
        second_pass: bool,
    },
    /// Its place among those.
    Rare(usize),
}

/// A frame without its bytes and layers, and where they are.
#[derive(Debug)]
struct Rare {
    frame: Frame<'static>,
    layers: Range<usize>,
    reassembled: Range<usize>,
}

/// One item of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'b> {
    /// The number that its file was given.
    pub file: usize,
    /// The item.
    pub item: Item<'b>,
    /// Of a packet that was analysed: what was found.
    pub frame: Option<Frame<'b>>,
}

/// Bytes, with room behind them that was made before and need not be made again.
#[derive(Debug, Default)]
struct Bytes {
    room: Vec<u8>,
    used: usize,
}

impl Bytes {
    fn all(&self) -> &[u8] {
        self.room.get(..self.used).unwrap_or_default()
    }

    /// So many bytes behind those in use.
    fn behind(&mut self, len: usize) -> &mut [u8] {
        let end = self.used + len;
        if self.room.len() < end {
            self.room.resize(end, 0);
        }
        self.room.get_mut(self.used..end).unwrap_or_default()
    }

    /// Adds bytes; gives where they are.
    fn append(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.used;
        self.behind(bytes.len()).copy_from_slice(bytes);
        self.used += bytes.len();
        start..self.used
    }

    /// Where a part of them is; an empty one can be anywhere.
    fn place_of(&self, part: &[u8]) -> Range<usize> {
        let start = part.as_ptr().addr().wrapping_sub(self.room.as_ptr().addr());
        start..start.wrapping_add(part.len())
    }
}

/// A capture file that is read straight into batches: the caller puts its next bytes into [`room`](Self::room) and says
/// how many they were with [`take`](Self::take).
#[derive(Debug, Default)]
pub struct Intake {
    parser: Parser,
    /// The beginning of an item that is not whole, while no batch has it.
    rest: Bytes,
    /// Where in the batch's bytes the next item begins.
    at: usize,
}

impl Intake {
    /// The start of a file.
    pub fn new() -> Self {
        Self::default()
    }

    /// Room in a batch for the next bytes of the file, so many at most.
    pub fn room<'b>(&mut self, batch: &'b mut Batch, len: usize) -> &'b mut [u8] {
        self.at = batch.bytes.used;
        if self.at == 0 {
            // An item of many pieces would be copied with each of them.
            std::mem::swap(&mut batch.bytes, &mut self.rest);
        } else {
            batch.bytes.append(self.rest.all());
        }
        self.rest.used = 0;
        batch.bytes.behind(len)
    }

    /// Takes so many bytes of that room, and adds the items that are whole now, of a file that the caller numbers. What
    /// comes before a fault is in the batch.
    pub fn take(&mut self, batch: &mut Batch, file: usize, filled: usize) -> Result<(), ReadError> {
        let Batch { items, bytes, .. } = batch;
        bytes.used = bytes.room.len().min(bytes.used + filled);
        let fault = loop {
            let ready = bytes.all().get(self.at..).unwrap_or_default();
            match self.parser.item(ready) {
                Ok(Some((item, len))) => {
                    let (data, options) = item.parts();
                    let (data, options) = (bytes.place_of(data), bytes.place_of(options));
                    items.push(Stored { file, item: item.over(&[], &[]), data, options });
                    self.at += len;
                }
                Ok(None) => break None,
                Err(fault) => break Some(fault),
            }
        };
        if self.at == 0 {
            std::mem::swap(bytes, &mut self.rest);
        } else {
            self.rest.append(bytes.all().get(self.at..).unwrap_or_default());
            bytes.used = self.at;
        }
        fault.map_or(Ok(()), Err)
    }

    /// Says whether the file ended between two items, or where it was cut.
    pub fn finish(&self) -> Result<(), ReadError> {
        self.parser.finish(self.rest.all())
    }
}

impl Stored {
    fn item<'b>(&self, bytes: &'b [u8]) -> Item<'b> {
        let slice = |range: &Range<usize>| bytes.get(range.clone()).unwrap_or_default();
        self.item.over(slice(&self.data), slice(&self.options))
    }
}

impl Batch {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing is in it.
    pub const fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether a packet is in it, or statistics, beside which a recording has what programs did.
    pub fn has_content(&self) -> bool {
        self.items.iter().any(|stored| matches!(stored.item, Item::Packet(_) | Item::Statistics(_)))
    }

    /// How many items are in it.
    pub const fn items(&self) -> usize {
        self.items.len()
    }

    /// How many bytes its items have.
    pub const fn bytes(&self) -> usize {
        self.bytes.used
    }

    /// Forgets all, but not the room for it.
    pub fn clear(&mut self) {
        self.items.clear();
        self.bytes.used = 0;
        self.frames.clear();
        self.rare.clear();
        self.layers.clear();
        self.reassembled.clear();
    }

    /// Adds an item of a file that the caller numbers.
    pub fn push(&mut self, file: usize, item: &Item<'_>) {
        let (data, options) = item.parts();
        let (data, options) = (self.bytes.append(data), self.bytes.append(options));
        self.items.push(Stored { file, item: item.over(&[], &[]), data, options });
    }

    /// Gives every packet to a session. To be called once, when all are in.
    pub fn analyse(&mut self, session: &mut Session) {
        let Self { items, bytes, frames, rare, layers, reassembled, before } = self;
        *before = session.last_time;
        for stored in items {
            let Item::Packet(record) = stored.item(bytes.all()) else { continue };
            let frame = session.frame(&record);
            if frame.packet.is_plain() {
                let Frame { number, relative, tcp, second_pass, .. } = frame;
                frames.push(Analysed::Plain { number, relative, tcp, second_pass });
                continue;
            }
            let (above, below) = (layers.len(), reassembled.len());
            layers.extend_from_slice(frame.packet.all_layers());
            reassembled.extend_from_slice(frame.packet.reassembled());
            frames.push(Analysed::Rare(rare.len()));
            rare.push(Rare {
                frame: frame.over(&Record::NONE, &[], &[]),
                layers: above..layers.len(),
                reassembled: below..reassembled.len(),
            });
        }
    }

    /// Gives every packet to the first of two readings: nothing is kept here.
    pub fn scout(&self, scout: &mut Scout) {
        for stored in &self.items {
            if let Item::Packet(record) = stored.item(self.bytes.all()) {
                scout.record(&record);
            }
        }
    }

    /// The item at a place, from 0.
    pub fn item(&self, place: usize) -> Option<(usize, Item<'_>)> {
        self.items.get(place).map(|stored| (stored.file, stored.item(self.bytes.all())))
    }

    /// Gives all items to `with`, up to the first failure.
    pub fn each<E>(&self, mut with: impl FnMut(&Entry<'_>) -> Result<(), E>) -> Result<(), E> {
        let (mut frames, mut layers, mut before) = (self.frames.iter(), Vec::new(), self.before);
        for stored in &self.items {
            let item = stored.item(self.bytes.all());
            let analysed =
                if let Item::Packet(record) = &item { frames.next().zip(Some(record)) } else { None };
            let frame =
                analysed.and_then(|(analysed, record)| self.frame(analysed, record, before, &mut layers));
            before = frame.as_ref().and_then(|frame| frame.time).or(before);
            with(&Entry { file: stored.file, item, frame })?;
        }
        Ok(())
    }

    /// A frame as it was when it was analysed; the list is for its layers.
    fn frame<'b>(
        &'b self,
        analysed: &Analysed,
        record: &Record<'b>,
        before: Option<Timestamp>,
        layers: &'b mut Vec<Placed>,
    ) -> Option<Frame<'b>> {
        match *analysed {
            Analysed::Plain { number, relative, tcp, second_pass } => {
                let mut packet = dissect(record.link, record.bytes, record.wire_len, layers);
                packet.with_layers(layers);
                let (time, options) = (record.time, record.options);
                let delta = time.map(|now| now.since(before.unwrap_or(now)));
                let (reassembled_in, echo, duplicate_address) = (None, None, None);
                Some(Frame {
                    number,
                    time,
                    relative,
                    delta,
                    packet,
                    options,
                    tcp,
                    udp_stream: None,
                    reassembled_in,
                    echo,
                    duplicate_address,
                    second_pass,
                })
            }
            Analysed::Rare(place) => {
                let rare = self.rare.get(place)?;
                let reassembled = self.reassembled.get(rare.reassembled.clone()).unwrap_or_default();
                let layers = self.layers.get(rare.layers.clone()).unwrap_or_default();
                Some(rare.frame.over(record, reassembled, layers))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::{InterfaceInfo, PacketNotes, Reader, Writer};
    use crate::row::Columns;
    use crate::{LinkType, Timestamp};

    /// An IPv4 packet of a datagram of 16 bytes, its parts as in UDP of eight bytes.
    fn part(offset: u16, more: bool, payload: &[u8]) -> Vec<u8> {
        let total = u16::try_from(20 + payload.len()).unwrap().to_be_bytes();
        let place = (offset | if more { 0x2000 } else { 0 }).to_be_bytes();
        let head = [0x45, 0, total[0], total[1], 0, 7, place[0], place[1], 64, 17, 0, 0];
        [&head, &[10, 0, 0, 1, 10, 0, 0, 2][..], payload].concat()
    }

    #[test]
    fn a_batch_holds_what_its_items_and_frames_were() {
        let mut file = Vec::new();
        let mut writer = Writer::new();
        writer.section(&mut file, "a test");
        let interface = writer.interface(&mut file, LinkType::RAW, &InterfaceInfo::default());
        let whole = part(0, false, &[0, 7, 0, 8, 0, 8, 0, 0]);
        let parts = [part(0, true, &[0, 1, 0, 2, 0, 16, 0, 0]), part(1, false, b"12345678"), whole];
        for (at, bytes) in (0..).zip(&parts) {
            let notes =
                PacketNotes { comments: &[b"said"], process: None, process_block: None, beside: None };
            let length = u32::try_from(bytes.len()).unwrap();
            writer.packet(&mut file, interface, Timestamp::from_nanos(at), bytes, length, &notes);
        }
        let (mut reader, mut batch, mut expected) = (Reader::new(), Batch::new(), Vec::new());
        let (mut session, mut columns) = (Session::default(), Columns::new());
        reader.feed(&file);
        while let Some(item) = reader.next().unwrap() {
            batch.push(3, &item);
            if let Item::Packet(record) = item {
                let mut row = String::new();
                columns.line(&session.frame(&record), &mut row);
                expected.push(row);
            }
        }
        assert_eq!(expected[1], "2\t0.000000001\t10.0.0.1\t10.0.0.2\tUDP\t28\t1 → 2 Len=8");
        batch.analyse(&mut Session::default());
        let mut rows = Vec::new();
        let mut count = 0;
        let seen = batch.each(|entry| {
            count += 1;
            assert_eq!(entry.file, 3);
            let (Some(frame), Item::Packet(record)) = (entry.frame, entry.item) else { return Ok(()) };
            assert_eq!(record.options.comments().next(), Some(&b"said"[..]));
            assert_eq!(frame.options.comments().next(), Some(&b"said"[..]));
            let mut row = String::new();
            columns.line(&frame, &mut row);
            rows.push(row);
            Ok::<(), ()>(())
        });
        assert_eq!((seen, count, rows), (Ok(()), 5, expected));
        batch.clear();
        assert!(batch.is_empty() && batch.bytes() == 0 && batch.each(|_| Err(())).is_ok());
    }

    /// Every item as text, and how the file ended.
    type Found = (Vec<String>, Result<(), ReadError>);

    fn by_reader(file: &[u8]) -> Found {
        let (mut reader, mut found) = (Reader::new(), Vec::new());
        reader.feed(file);
        loop {
            match reader.next() {
                Ok(Some(item)) => found.push(format!("{item:?}")),
                Ok(None) => return (found, reader.finish()),
                Err(fault) => return (found, Err(fault)),
            }
        }
    }

    fn by_intake(file: &[u8], piece: usize, several: bool) -> Found {
        let (mut intake, mut batch, mut found) = (Intake::new(), Batch::new(), Vec::new());
        let show = |batch: &Batch, found: &mut Vec<String>| {
            let seen = batch.each(|entry| {
                found.push(format!("{:?}", entry.item));
                Ok::<(), ()>(())
            });
            assert!(seen.is_ok());
        };
        for bytes in file.chunks(piece) {
            if !several {
                batch.clear();
            }
            let room = intake.room(&mut batch, piece + 3);
            room.get_mut(..bytes.len()).unwrap().copy_from_slice(bytes);
            let taken = intake.take(&mut batch, 0, bytes.len());
            if !several || taken.is_err() {
                show(&batch, &mut found);
            }
            if taken.is_err() {
                return (found, taken);
            }
        }
        if several {
            show(&batch, &mut found);
        }
        (found, intake.finish())
    }

    #[test]
    fn an_intake_finds_what_a_reader_does_in_whatever_pieces_it_comes() {
        let mut file = Vec::new();
        let mut writer = Writer::new();
        writer.section(&mut file, "a test");
        let interface = writer.interface(&mut file, LinkType::ETHERNET, &InterfaceInfo::default());
        for (at, length) in [(1, 60), (2, 5_000), (3, 0), (4, 61), (5, 20_000), (6, 1)] {
            let bytes: Vec<u8> = (0..length).map(|byte: u32| u8::try_from(byte % 251).unwrap()).collect();
            let notes =
                PacketNotes { comments: &[b"said"], process: None, process_block: None, beside: None };
            writer.packet(&mut file, interface, Timestamp::from_nanos(at), &bytes, length, &notes);
        }
        let mut damaged = file.clone();
        let near_end = damaged.len() - 3;
        damaged[near_end] ^= 0x40;
        let cut = &file[..file.len() - 9];
        for file in [&file[..], cut, &damaged, &file[..3], &file[..0], b"no capture"] {
            let expected = by_reader(file);
            for piece in [1, 3, 64, 1_000, 7_777, 100_000] {
                for several in [true, false] {
                    assert_eq!(by_intake(file, piece, several), expected, "{piece} {several}");
                }
            }
        }
    }
}
