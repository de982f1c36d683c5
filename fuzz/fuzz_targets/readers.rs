//! Arbitrary bytes as a capture file: every item walked, however the bytes are cut into pieces; and what the writer makes
//! of the packets is read back equal.
#![no_main]

use enchufe_wire::LinkType;
use enchufe_wire::file::{
    InterfaceInfo, Item, Options, PacketNotes, PacketProcess, ReadError, Reader, Record,
};
use enchufe_wire::file::{Writer, code};
use enchufe_wire::time::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (whole, end) = read(std::iter::once(data));
    let (cut, end_of_cut) = read(pieces(data));
    assert_eq!((&whole, end), (&cut, end_of_cut), "the pieces change what is read");
    written_and_read_back(&whole);
});

/// A packet, as it must come out again.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Packet {
    link: LinkType,
    time: Option<Timestamp>,
    bytes: Vec<u8>,
    wire_len: u32,
    comments: Vec<Vec<u8>>,
    process: Option<PacketProcess>,
}

/// The bytes in pieces whose sizes are those of the bytes themselves.
fn pieces(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut rest, mut sizes) = (data, data.iter().cycle());
    std::iter::from_fn(move || {
        let size = usize::from(*sizes.next()?) + 1;
        let (piece, after) = rest.split_at(size.min(rest.len()));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

fn read<'d>(pieces: impl Iterator<Item = &'d [u8]>) -> (Vec<Packet>, Result<(), ReadError>) {
    let (mut reader, mut packets) = (Reader::new(), Vec::new());
    for piece in pieces {
        reader.feed(piece);
        loop {
            let before = reader.offset();
            match reader.next() {
                Ok(Some(item)) => packets.extend(walk(&item)),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(reader.next().err(), Some(error), "the same error comes again");
                    return (packets, Err(error));
                }
            }
            assert!(reader.offset() > before, "an item has bytes");
        }
    }
    let end = reader.finish();
    (packets, end)
}

/// Asks an item everything; gives the packet that it is.
fn walk(item: &Item<'_>) -> Option<Packet> {
    match item {
        Item::Section(section) => options(section.options),
        Item::Interface(interface) => options(interface.options),
        Item::Packet(record) => return Some(packet(record)),
        Item::Names(names) => {
            for (kind, address, _) in names.records() {
                assert_eq!(address.len(), if kind == 1 { 4 } else { 16 });
            }
        }
        Item::Statistics(statistics) => {
            options(statistics.options);
            let _ = (statistics.counter(code::RECEIVED), statistics.counter(code::DROPPED));
        }
        Item::Custom(custom) => {
            if let Some(process) = custom.process() {
                options(process.options);
            }
        }
        Item::Other { .. } => {}
    }
    None
}

fn options(options: Options<'_>) {
    for option in options {
        assert!(option.code != 0 && options.find(option.code).is_some());
    }
    let _ = options.comments().count();
}

fn packet(record: &Record<'_>) -> Packet {
    options(record.options);
    Packet {
        link: record.link,
        time: record.time,
        bytes: record.bytes.to_vec(),
        wire_len: record.wire_len,
        comments: record.options.comments().map(<[u8]>::to_vec).collect(),
        process: record.process(),
    }
}

fn written_and_read_back(packets: &[Packet]) {
    let (mut writer, mut file, mut links) = (Writer::new(), Vec::new(), Vec::new());
    writer.section(&mut file, "fuzz");
    for packet in packets {
        let interface = links.iter().position(|link| *link == packet.link).unwrap_or_else(|| {
            writer.interface(&mut file, packet.link, &InterfaceInfo::default());
            links.push(packet.link);
            links.len() - 1
        });
        let comments: Vec<&[u8]> = packet.comments.iter().map(Vec::as_slice).collect();
        let notes =
            PacketNotes { comments: &comments, process: packet.process, process_block: None, beside: None };
        let interface = u32::try_from(interface).expect("few interfaces");
        let time = packet.time.unwrap_or_default();
        writer.packet(&mut file, interface, time, &packet.bytes, packet.wire_len, &notes);
    }
    let (again, end) = read(std::iter::once(file.as_slice()));
    assert_eq!(end, Ok(()));
    // The format has no times before 1970, and 16 bits for a link type.
    let expected = packets.iter().cloned().map(|mut packet| {
        packet.time = Some(packet.time.unwrap_or_default().max(Timestamp::default()));
        packet.link = LinkType(packet.link.0.min(u32::from(u16::MAX)));
        packet
    });
    assert!(again.into_iter().eq(expected), "what is written is read back");
}
