use super::*;
use crate::link::LinkType;
use crate::time::Timestamp;

fn pcap_bytes(order: ByteOrder, magic: u32, packets: &[(u32, u32, &[u8])]) -> Vec<u8> {
    let u32_bytes = |value: u32| match order {
        ByteOrder::Little => value.to_le_bytes(),
        ByteOrder::Big => value.to_be_bytes(),
    };
    let version = match order {
        ByteOrder::Little => [2, 0, 4, 0],
        ByteOrder::Big => [0, 2, 0, 4],
    };
    let mut out = [u32_bytes(magic), version, [0; 4], [0; 4], u32_bytes(65535), u32_bytes(101)].concat();
    for (seconds, fraction, bytes) in packets {
        let length = u32_bytes(u32::try_from(bytes.len()).unwrap());
        out.extend([u32_bytes(*seconds), u32_bytes(*fraction), length, u32_bytes(1500)].concat());
        out.extend_from_slice(bytes);
    }
    out
}

type Packets = Vec<(i64, Vec<u8>, Vec<Vec<u8>>)>;

/// Every packet as time, bytes and comments, fed in pieces of `step` bytes, and how it ended.
fn packets(file: &[u8], step: usize) -> (Packets, Result<(), ReadError>) {
    let mut reader = Reader::new();
    let mut found = Vec::new();
    for piece in file.chunks(step) {
        reader.feed(piece);
        loop {
            match reader.next() {
                Ok(Some(Item::Packet(record))) => found.push((
                    record.time.map_or(-1, Timestamp::nanos),
                    record.bytes.to_vec(),
                    record.options.comments().map(<[u8]>::to_vec).collect(),
                )),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => return (found, Err(error)),
            }
        }
    }
    (found, reader.finish())
}

#[test]
fn pcap_is_read_in_both_orders_and_both_units_however_it_is_cut_into_pieces() {
    for order in [ByteOrder::Little, ByteOrder::Big] {
        for (magic, unit) in [(0xa1b2_c3d4, 1000), (0xa1b2_3c4d, 1)] {
            let file = pcap_bytes(order, magic, &[(1, 5, b"abc"), (2, 0, b"")]);
            let expected =
                vec![(1_000_000_000 + 5 * unit, b"abc".to_vec(), vec![]), (2_000_000_000, vec![], vec![])];
            for step in [1, 2, 3, 7, 1000] {
                assert_eq!(packets(&file, step), (expected.clone(), Ok(())));
            }
        }
    }
}

#[test]
fn a_cut_file_gives_what_was_whole_and_where_it_stopped() {
    let file = pcap_bytes(ByteOrder::Little, 0xa1b2_c3d4, &[(1, 5, b"abc"), (2, 0, b"defg")]);
    let (found, end) = packets(&file[..file.len() - 1], 5);
    assert_eq!(found.len(), 1);
    assert_eq!(end, Err(ReadError::Cut { offset: 43, needed: 20, have: 19 }));
    let (_, end) = packets(&file[..50], 50);
    assert_eq!(end, Err(ReadError::Cut { offset: 43, needed: 16, have: 7 }));
    let (_, end) = packets(&file[..10], 50);
    assert_eq!(end, Err(ReadError::Cut { offset: 0, needed: 24, have: 10 }));
    assert_eq!(packets(b"", 1).1, Err(ReadError::Empty));
    assert_eq!(packets(b"ab", 1).1, Err(ReadError::NotACapture { first: [b'a', b'b', 0, 0] }));
    assert_eq!(packets(b"GIF8", 1).1, Err(ReadError::NotACapture { first: *b"GIF8" }));
}

#[test]
fn lengths_that_lie_are_errors_before_anything_is_kept() {
    let mut file = pcap_bytes(ByteOrder::Little, 0xa1b2_c3d4, &[(1, 5, b"abc")]);
    file[32..36].copy_from_slice(&0xffff_ffffu32.to_le_bytes());
    let expected = ReadError::PacketLength { offset: 24, length: u32::MAX, limit: LONGEST_PACKET };
    assert_eq!(packets(&file, 64).1, Err(expected));
    let mut file = written();
    file[4..8].copy_from_slice(&13u32.to_le_bytes());
    assert_eq!(packets(&file, 64).1, Err(ReadError::BlockLength { offset: 0, length: 13 }));
}

fn written() -> Vec<u8> {
    let mut file = Vec::new();
    let mut writer = Writer::new();
    writer.section(&mut file, "a test");
    let interface = writer.interface(&mut file, LinkType::NULL, &InterfaceInfo { name: "lo0", snaplen: 0 });
    let notes =
        PacketNotes { comments: &[b"first", b"second"], process: None, process_block: None, beside: None };
    writer.packet(
        &mut file,
        interface,
        Timestamp::from_nanos(1_700_000_000_123_456_789),
        b"abcde",
        5,
        &notes,
    );
    writer.custom(&mut file, 32_473, false, b"calls");
    let process = Some(PacketProcess { pid: 7, tid: 8 });
    let notes = PacketNotes { comments: &[], process, process_block: None, beside: None };
    writer.packet(&mut file, interface, Timestamp::from_nanos(2), b"", 99, &notes);
    file
}

#[test]
fn what_is_written_is_read_back() {
    let expected = vec![
        (1_700_000_000_123_456_789, b"abcde".to_vec(), vec![b"first".to_vec(), b"second".to_vec()]),
        (2, vec![], vec![]),
    ];
    assert_eq!(packets(&written(), 1), (expected, Ok(())));
    let mut reader = Reader::new();
    reader.feed(&written());
    let mut seen = Vec::new();
    while let Some(item) = reader.next().unwrap() {
        seen.push(match item {
            Item::Section(section) => format!("{:?}", section.options.find(code::APPLICATION).unwrap()),
            Item::Interface(found) => format!("{} {:?}", found.link.0, found.options.find(code::NAME)),
            Item::Packet(record) => format!("{} {:?}", record.wire_len, record.process()),
            Item::Custom(custom) => {
                format!("{} {} {:?}", custom.enterprise, custom.copied, &custom.data[..5])
            }
            other => format!("{other:?}"),
        });
    }
    let bytes = |text: &[u8]| format!("{text:?}");
    assert_eq!(seen[0], bytes(b"a test"));
    assert_eq!(seen[1], format!("0 Some({})", bytes(b"lo0")));
    assert_eq!(seen[2], "5 None");
    assert_eq!(seen[3], format!("32473 false {}", bytes(b"calls")));
    assert_eq!(seen[4], "99 Some(PacketProcess { pid: 7, tid: 8 })");
}

/// A block in a given order: the body is already in it.
fn block(order: ByteOrder, block_type: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 12).unwrap();
    let [block_type, length] = [block_type, length].map(|value| match order {
        ByteOrder::Little => value.to_le_bytes(),
        ByteOrder::Big => value.to_be_bytes(),
    });
    [&block_type, &length, body, &length].concat()
}

#[test]
fn a_big_endian_section_after_a_little_one_forgets_its_interfaces() {
    let big = ByteOrder::Big;
    let mut file = written();
    let mut section = 0x1a2b_3c4du32.to_be_bytes().to_vec();
    section.extend([0, 1, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255]);
    file.extend(block(big, 0x0a0d_0d0a, &section));
    let resolution = [0, 9, 0, 1, 3, 0, 0, 0, 0, 14, 0, 8, 0, 0, 0, 0, 0, 0, 0, 10];
    file.extend(block(big, 1, &[&[0, 1, 0, 0, 0, 0, 0, 2][..], &resolution].concat()));
    file.extend(block(big, 3, &[0, 0, 0, 9, b'x', b'y', 0, 0]));
    let packet = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, 1, b'z', 0, 0, 0];
    file.extend(block(big, 6, &packet));
    file.extend(block(big, 0x0bad, &[0, 0, 0, 1]));
    file.extend(block(big, 77, &[]));
    let (found, end) = packets(&file, 11);
    assert_eq!(end, Ok(()));
    assert_eq!(found[2..], [(-1, b"xy".to_vec(), vec![]), (10_005_000_000, b"z".to_vec(), vec![])]);
    file.extend(block(big, 6, &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 1]));
    let offset = u64::try_from(file.len() - 32).unwrap();
    assert_eq!(packets(&file, 4096).1, Err(ReadError::Interface { offset, interface: 1 }));
}

#[test]
fn packets_name_the_block_that_describes_their_process_and_copies_of_them_do_not() {
    let (mut file, mut writer) = (Vec::new(), Writer::new());
    writer.section(&mut file, "a test");
    let interface = writer.interface(&mut file, LinkType::RAW, &InterfaceInfo::default());
    let blocks = [(7, "one"), (8, "other")].map(|(pid, name)| writer.process(&mut file, pid, name));
    assert_eq!(blocks, [0, 1]);
    let notes = PacketNotes { process_block: Some(1), ..PacketNotes::default() };
    writer.packet(&mut file, interface, Timestamp::from_nanos(1), b"abc", 3, &notes);
    let mut reader = Reader::new();
    reader.feed(&file);
    let (mut copy, mut described) = (Vec::new(), 0);
    while let Some(item) = reader.next().unwrap() {
        match item {
            Item::Other { block_type: 0x8000_0001 } => described += 1,
            Item::Packet(record) => {
                let number = record.options.find(code::PACKET_PROCESS_BLOCK);
                assert_eq!((described, number), (2, Some(&1u32.to_le_bytes()[..])));
                writer.record(&mut copy, interface, &record);
            }
            _ => {}
        }
    }
    let plain = {
        let mut plain = Vec::new();
        writer.packet(&mut plain, interface, Timestamp::from_nanos(1), b"abc", 3, &PacketNotes::default());
        plain
    };
    assert_eq!(copy, plain);
}

#[test]
fn names_statistics_and_processes_are_read() {
    let little = ByteOrder::Little;
    let mut reader = Reader::new();
    reader.feed(&written());
    let names = [&[1u8, 0, 8, 0, 127, 0, 0, 1][..], b"lo\0\0", &[0, 0, 0, 0]].concat();
    reader.feed(&block(little, 4, &names));
    let statistics = [&[0u8; 12][..], &[5, 0, 8, 0, 3, 0, 0, 0, 0, 0, 0, 0]].concat();
    reader.feed(&block(little, 5, &statistics));
    let process = [
        &32_622u32.to_le_bytes()[..],
        &[3, 0, 0, 0, 12, 0, 0, 0, 42, 0, 0, 0],
        &[2, 0, 2, 0, b'n', b'c', 0, 0],
    ]
    .concat();
    reader.feed(&block(little, 0x0bad, &process));
    let mut seen = Vec::new();
    while let Some(item) = reader.next().unwrap() {
        match item {
            Item::Names(names) => {
                seen.extend(
                    names.records().map(|(kind, address, names)| format!("{kind} {address:?} {names:?}")),
                );
            }
            Item::Statistics(statistics) => {
                seen.push(format!("{:?}", statistics.counter(code::DROPPED)));
            }
            Item::Custom(custom) => seen.extend(
                custom.process().map(|process| format!("{} {:?}", process.pid, process.options.find(2))),
            ),
            _ => {}
        }
    }
    assert_eq!(seen, ["1 [127, 0, 0, 1] [108, 111, 0, 0]", "Some(3)", "42 Some([110, 99])"]);
}

#[test]
fn a_packet_written_around_its_bytes_is_the_packet_written_whole() {
    let mut reader = Reader::new();
    reader.feed(&written());
    let (writer, mut count) = (Writer::new(), 0);
    while let Some(item) = reader.next().unwrap() {
        let Item::Packet(record) = item else { continue };
        for len in 0..=record.bytes.len() {
            let record = Record { bytes: &record.bytes[..len], ..record };
            let (mut whole, mut around) = (b"before".to_vec(), b"before".to_vec());
            writer.record(&mut whole, 3, &record);
            let place = writer.record_around(&mut around, 3, &record);
            around.splice(place..place, record.bytes.iter().copied());
            assert_eq!(around, whole);
            count += 1;
        }
    }
    assert!(count > 4, "{count}");
}
