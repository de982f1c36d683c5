//! Every row of every crafted capture, beside the row that tshark wrote.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what it expects by unwrapping"
)]

mod craft;

use std::fmt::Write as _;
use std::path::Path;

use enchufe_wire::field::{FieldId, Kind, Value, all, by_name, visit};
use enchufe_wire::file::{Item, Reader, Record};
use enchufe_wire::filter::{Filter, FilterProblem};
use enchufe_wire::row::Columns;
use enchufe_wire::session::{Scout, Session};
use enchufe_wire::tcp::Limits;

fn each(pcap: &[u8], mut with: impl FnMut(&Record<'_>)) {
    let mut reader = Reader::new();
    reader.feed(pcap);
    while let Some(item) = reader.next().unwrap() {
        if let Item::Packet(record) = item {
            with(&record);
        }
    }
}

fn rows(pcap: &[u8], session: &mut Session) -> Vec<String> {
    let (mut columns, mut rows) = (Columns::new(), Vec::new());
    each(pcap, |record| {
        let mut row = String::new();
        columns.line(&session.frame(record), &mut row);
        rows.push(row);
    });
    rows
}

fn golden(name: &str, passes: &str) -> Vec<String> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.{passes}.tsv"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut lines = text.lines().map(str::to_owned);
    let version = lines.next().unwrap();
    assert!(version.starts_with("# TShark (Wireshark) 4.0.17"), "{name}: {version}");
    lines.collect()
}

fn differences(name: &str, passes: &str, rows: &[String]) -> String {
    let golden = golden(name, passes);
    let mut report = String::new();
    if golden.len() != rows.len() {
        writeln!(report, "{name} {passes}: {} rows, not {}", rows.len(), golden.len()).unwrap();
    }
    for (expected, row) in golden.iter().zip(rows).filter(|(expected, row)| expected != row) {
        writeln!(report, "{name} {passes}\n  tshark {expected}\n  here   {row}").unwrap();
    }
    report
}

#[test]
fn every_row_is_the_one_that_tshark_writes() {
    let mut report = String::new();
    for (name, capture) in craft::all() {
        let pcap = capture.pcap();
        let mut session = Session::new(Limits::default());
        report += &differences(name, "one", &rows(&pcap, &mut session));
        report += &differences(name, "two", &rows(&pcap, &mut twice(&pcap)));
    }
    assert!(report.is_empty(), "{report}");
}

/// A value as tshark prints it.
fn shown(value: &Value<'_>) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        Value::Signed(number) => number.to_string(),
        Value::Flag(flag) => u8::from(*flag).to_string(),
        Value::Seconds(nanos) => {
            let (sign, size) = (if *nanos < 0 { "-" } else { "" }, nanos.unsigned_abs());
            format!("{sign}{}.{:09}", size / 1_000_000_000, size % 1_000_000_000)
        }
        Value::Ipv4(address) => std::net::Ipv4Addr::from(*address).to_string(),
        Value::Ipv6(address) => std::net::Ipv6Addr::from(*address).to_string(),
        Value::Ether(address) => address.map(|byte| format!("{byte:02x}")).join(":"),
        Value::Text(text) => text.clone().into_owned(),
        Value::Bytes(_) | Value::Label => String::new(),
    }
}

/// Each of these fields, a line for each frame.
fn values(pcap: &[u8], names: &str, session: &mut Session) -> Vec<String> {
    let ids: Vec<FieldId> = names.lines().map(|name| by_name(name).unwrap()).collect();
    let mut lines = Vec::new();
    each(pcap, |record| {
        let mut columns = vec![String::new(); ids.len()];
        visit(&session.frame(record), &mut |field| {
            if let Some(at) = ids.iter().position(|id| *id == field.id) {
                let separator = if columns[at].is_empty() { "" } else { "," };
                write!(columns[at], "{separator}{}", shown(&field.value)).unwrap();
            }
        });
        lines.push(columns.join("\t"));
    });
    lines
}

fn twice(pcap: &[u8]) -> Session {
    let mut scout = Scout::new(Limits::default());
    each(pcap, |record| scout.record(record));
    scout.finish(Limits::default())
}

/// Of a header that is cut or contradicts itself, Wireshark gives the fields before the fault; here it has none, or those
/// that an impossible length leads to. The rows of these captures are compared all the same.
fn damaged(name: &str) -> bool {
    let ends = ["_cut", "_short", "_protocols"];
    ends.into_iter().any(|end| name.ends_with(end)) || name == "flags" || name == "udp"
}

#[test]
fn every_field_has_the_value_that_tshark_gives_it() {
    // Of a dynamic update Wireshark counts other sections, as golden/README.md tells.
    let excused = [("dns", 9)];
    let mut report = String::new();
    for (name, capture) in craft::all().into_iter().filter(|(name, _)| !damaged(name)) {
        let mut lines =
            values(&capture.pcap(), include_str!("golden/fields"), &mut Session::new(Limits::default()));
        for (_, frame) in excused.iter().filter(|(excused, _)| *excused == name) {
            lines[frame - 1].clone_from(&golden(name, "fields")[frame - 1]);
        }
        report += &differences(name, "fields", &lines);
    }
    assert!(report.is_empty(), "{report}");
}

#[test]
fn the_time_of_the_handshake_is_known_as_early_as_to_tshark() {
    let text = include_str!("golden/initial_rtt.tsv");
    assert!(text.starts_with("# TShark (Wireshark) 4.0.17"));
    let mut found = String::new();
    for (name, capture) in craft::all() {
        let (pcap, names) = (capture.pcap(), "frame.number\ntcp.analysis.initial_rtt");
        let once = values(&pcap, names, &mut Session::new(Limits::default()));
        let both = once.into_iter().zip(values(&pcap, names, &mut twice(&pcap)));
        for (_, row) in both.filter(|(before, row)| before != row) {
            writeln!(found, "{name}\t{row}").unwrap();
        }
    }
    let whole = |line: &&str| !damaged(line.split('\t').next().unwrap());
    let sorted = |text: &str, head: usize| {
        let mut lines: Vec<_> = text.lines().skip(head).filter(whole).map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    assert_eq!(sorted(&found, 0), sorted(text, 1));
}

#[test]
fn every_filter_lets_the_frames_through_that_tshark_does() {
    let text = include_str!("golden/filters.tsv");
    assert!(text.starts_with("# TShark (Wireshark) 4.0.17"));
    let captures = craft::all();
    let mut report = String::new();
    for line in text.lines().skip(1) {
        let [name, filter, frames] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let (_, capture) = captures.iter().find(|(other, _)| *other == name).unwrap();
        let (mut reader, mut session) = (Reader::new(), Session::new(Limits::default()));
        let checked = Filter::parse(filter).unwrap();
        let mut found = String::new();
        reader.feed(&capture.pcap());
        while let Some(item) = reader.next().unwrap() {
            let Item::Packet(record) = item else { continue };
            let frame = session.frame(&record);
            if checked.matches(&frame) {
                write!(found, "{} ", frame.number).unwrap();
            }
        }
        if found != frames {
            writeln!(report, "{name}: {filter}\n  tshark {frames}\n  here   {found}").unwrap();
        }
    }
    assert!(report.is_empty(), "{report}");
}

#[test]
fn every_number_that_is_too_big_for_tshark_is_too_big_at_the_same_place() {
    let text = include_str!("golden/refused.tsv");
    assert!(text.starts_with("# TShark (Wireshark) 4.0.17"));
    for line in text.lines().skip(1) {
        let [filter, start, len] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let (start, len) = (start.parse::<usize>().unwrap(), len.parse::<usize>().unwrap());
        let error = Filter::parse(filter).expect_err(filter);
        assert!(matches!(error.problem, FilterProblem::TooBig { .. }), "{filter}: {error:?}");
        assert_eq!(error.span, start..start + len, "{filter}");
        // The one that is said to fit does.
        if let FilterProblem::TooBig { most, .. } = error.problem {
            let [before, after] = [filter.get(..start), filter.get(start + len..)].map(Option::unwrap);
            Filter::parse(&format!("{before}{most}{after}")).expect(filter);
        }
    }
    let listed: Vec<_> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    for info in all().iter().filter(|info| info.size.is_some()) {
        assert!(listed.contains(&info.name), "{}", info.name);
    }
    assert!(all().iter().all(|info| info.size.is_some() == (info.kind == Kind::Number)));
}

#[test]
#[ignore = "writes the captures into $CAPTURES, for tshark to read"]
fn write_the_captures() {
    let directory = std::env::var_os("CAPTURES").expect("CAPTURES names a directory");
    // With a seed, other ones: random conversations that have no golden rows.
    let captures: Vec<(String, _)> = match std::env::var("SEED") {
        Ok(seed) => {
            let seed: u64 = seed.parse().expect("SEED is a number");
            (0..50)
                .map(|n| (format!("random_{seed}_{n:02}"), craft::random::capture(seed * 100 + n, 40)))
                .collect()
        }
        Err(_) => craft::all().into_iter().map(|(name, capture)| (name.to_owned(), capture)).collect(),
    };
    for (name, capture) in captures {
        std::fs::write(Path::new(&directory).join(format!("{name}.pcap")), capture.pcap()).unwrap();
    }
}
