//! Writes what fuzzing starts from into the folder of its argument: the crafted captures, as pcap and as pcapng, the
//! filters that tshark judged, and a dictionary of the filter's words.

#[allow(dead_code)]
#[path = "../../crates/wire/tests/craft/mod.rs"]
mod craft;

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use enchufe_wire::field;
use enchufe_wire::file::{InterfaceInfo, PacketNotes, PacketProcess, Writer};
use enchufe_wire::{LinkType, Timestamp};

/// Longer captures are cut: what is small is tried more often.
const MOST_FRAMES: usize = 40;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("into which folder?")?;
    let folder = Path::new(&folder);
    for target in ["readers", "dissector", "filter", "story"] {
        fs::create_dir_all(folder.join(target))?;
    }
    for (name, mut capture) in craft::all() {
        capture.frames.truncate(MOST_FRAMES);
        fs::write(folder.join("readers").join(format!("{name}.pcap")), capture.pcap())?;
        fs::write(folder.join("readers").join(format!("{name}.pcapng")), pcapng(&capture)?)?;
        for target in ["dissector", "story"] {
            fs::write(folder.join(target).join(format!("{name}.pcap")), capture.pcap())?;
        }
    }
    let filters = include_str!("../../crates/wire/tests/golden/filters.tsv");
    let filters = filters.lines().filter_map(|line| line.split('\t').nth(1));
    for (number, filter) in filters.enumerate() {
        fs::write(folder.join("filter").join(number.to_string()), filter)?;
    }
    fs::write(folder.join("filter.dict"), dictionary())?;
    Ok(())
}

/// Packets with everything that can be said beside them, then the blocks that the writer does not know.
fn pcapng(capture: &craft::packets::Capture) -> Result<Vec<u8>, Box<dyn Error>> {
    let (mut writer, mut out) = (Writer::new(), Vec::new());
    writer.section(&mut out, "seed");
    let interface =
        writer.interface(&mut out, LinkType(capture.link), &InterfaceInfo { name: "lo", snaplen: 99 });
    for (time, bytes, wire_len) in capture.frames.iter().take(4) {
        let notes = PacketNotes {
            comments: &[b"a comment"],
            process: Some(PacketProcess { pid: 1, tid: 2 }),
            process_block: None,
            beside: None,
        };
        let time = Timestamp::from_nanos(i64::try_from(*time)?);
        writer.packet(&mut out, interface, time, bytes, u32::try_from(*wire_len)?, &notes);
    }
    let process = [&[3, 0, 0, 0, 12, 0, 0, 0, 42, 0, 0, 0][..], &[2, 0, 2, 0, b'n', b'c', 0, 0]].concat();
    writer.custom(&mut out, 32_622, true, &process);
    let simple = [5, 0, 0, 0, b'h', b'e', b'l', b'l', b'o', 0, 0, 0];
    let names = [1, 0, 8, 0, 127, 0, 0, 1, b'l', b'o', 0, 0, 0, 0, 0, 0];
    let statistics = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 8, 0, 3, 0, 0, 0, 0, 0, 0, 0];
    for (kind, body) in [(3u32, &simple[..]), (4, &names), (5, &statistics), (77, &[])] {
        let len = u32::try_from(body.len() + 12)?.to_le_bytes();
        out.extend([&kind.to_le_bytes()[..], &len, body, &len].concat());
    }
    Ok(out)
}

fn dictionary() -> String {
    let words = [
        "==",
        "!=",
        "===",
        "!==",
        "~=",
        ">=",
        "<=",
        "&&",
        "||",
        "^^",
        "..",
        "&",
        "!",
        "(",
        ")",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "-",
        "and ",
        "or ",
        "xor ",
        "not ",
        "in ",
        "any ",
        "all ",
        "contains ",
        "matches ",
        "len(",
        "count(",
        "lower(",
        "upper(",
        "[0:2]",
        "[-1:]",
        "10.0.0.0/8",
        "fe80::1",
        "61:62",
        "0x",
        "True",
        "1.5",
    ];
    let mut out = String::new();
    for word in words.into_iter().chain(field::all().iter().map(|info| info.name)) {
        let _ = writeln!(out, "\"{word}\"");
    }
    out.push_str("\"\\\"a\\\"\"\n\"r\\\"a*\\\"\"\n\"\\\\x41\"\n");
    out
}
