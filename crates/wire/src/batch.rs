//! Items of capture files that own their bytes, so that one thread can read, another analyse and a third print.
//!
//! A batch is filled with [`push`](Batch::push), goes through a [`Session`] with [`analyse`](Batch::analyse), and is
//! walked with [`entries`](Batch::entries). It keeps what it allocated when it is [cleared](Batch::clear): batches that
//! go round cost no allocation.

use std::ops::Range;

use crate::file::{Item, Record};
use crate::layer::Placed;
use crate::session::{Frame, Scout, Session};

/// Some items, in the order in which they came.
#[derive(Debug, Default)]
pub struct Batch {
    items: Vec<Stored>,
    bytes: Vec<u8>,
    frames: Vec<Analysed>,
    layers: Vec<Placed>,
    reassembled: Vec<u8>,
}

/// An item without its bytes, and where they are.
#[derive(Debug)]
struct Stored {
    file: usize,
    item: Item<'static>,
    data: Range<usize>,
    options: Range<usize>,
}

/// A frame without its bytes and layers, and where they are.
#[derive(Debug)]
struct Analysed {
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

    /// How many items are in it.
    pub const fn items(&self) -> usize {
        self.items.len()
    }

    /// How many bytes its items have.
    pub const fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets all, but not the room for it.
    pub fn clear(&mut self) {
        self.items.clear();
        self.bytes.clear();
        self.frames.clear();
        self.layers.clear();
        self.reassembled.clear();
    }

    /// Adds an item of a file that the caller numbers.
    pub fn push(&mut self, file: usize, item: &Item<'_>) {
        let (data, options) = item.parts();
        let start = self.bytes.len();
        self.bytes.extend_from_slice(data);
        let middle = self.bytes.len();
        self.bytes.extend_from_slice(options);
        let (data, options) = (start..middle, middle..self.bytes.len());
        self.items.push(Stored { file, item: item.over(&[], &[]), data, options });
    }

    /// Gives every packet to a session. To be called once, when all are in.
    pub fn analyse(&mut self, session: &mut Session) {
        let Self { items, bytes, frames, layers, reassembled } = self;
        for stored in items {
            let Item::Packet(record) = stored.item(bytes) else { continue };
            let frame = session.frame(&record);
            let (above, below) = (layers.len(), reassembled.len());
            layers.extend_from_slice(frame.packet.all_layers());
            reassembled.extend_from_slice(frame.packet.reassembled());
            frames.push(Analysed {
                frame: frame.over(&Record::NONE, &[], &[]),
                layers: above..layers.len(),
                reassembled: below..reassembled.len(),
            });
        }
    }

    /// Gives every packet to the first of two readings: nothing is kept here.
    pub fn scout(&self, scout: &mut Scout) {
        for stored in &self.items {
            if let Item::Packet(record) = stored.item(&self.bytes) {
                scout.record(&record);
            }
        }
    }

    /// The item at a place, from 0.
    pub fn item(&self, place: usize) -> Option<(usize, Item<'_>)> {
        self.items.get(place).map(|stored| (stored.file, stored.item(&self.bytes)))
    }

    /// All items.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let mut frames = self.frames.iter();
        self.items.iter().map(move |stored| {
            let item = stored.item(&self.bytes);
            let frame = match &item {
                Item::Packet(record) => frames.next().map(|analysed| self.frame(analysed, record)),
                _ => None,
            };
            Entry { file: stored.file, item, frame }
        })
    }

    fn frame<'b>(&'b self, analysed: &Analysed, record: &Record<'b>) -> Frame<'b> {
        let reassembled = self.reassembled.get(analysed.reassembled.clone()).unwrap_or_default();
        let layers = self.layers.get(analysed.layers.clone()).unwrap_or_default();
        analysed.frame.over(record, reassembled, layers)
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
            let notes = PacketNotes { comments: &[b"said"], process: None };
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
        for entry in batch.entries() {
            assert_eq!(entry.file, 3);
            let (Some(frame), Item::Packet(record)) = (entry.frame, entry.item) else { continue };
            assert_eq!(record.options.comments().next(), Some(&b"said"[..]));
            assert_eq!(frame.options.comments().next(), Some(&b"said"[..]));
            let mut row = String::new();
            columns.line(&frame, &mut row);
            rows.push(row);
        }
        assert_eq!(rows, expected);
        assert_eq!(batch.entries().count(), 5);
        batch.clear();
        assert!(batch.is_empty() && batch.bytes() == 0 && batch.entries().next().is_none());
    }
}
