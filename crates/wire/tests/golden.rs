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

use enchufe_wire::file::{Item, Reader};
use enchufe_wire::row::Columns;
use enchufe_wire::session::Session;
use enchufe_wire::tcp::Limits;

fn rows(pcap: &[u8], session: &mut Session) -> Vec<String> {
    let (mut reader, mut columns, mut rows) = (Reader::new(), Columns::new(), Vec::new());
    reader.feed(pcap);
    while let Some(item) = reader.next().unwrap() {
        if let Item::Packet(record) = item {
            let mut row = String::new();
            columns.line(&session.frame(&record), &mut row);
            rows.push(row);
        }
    }
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
        let mut session = session.again(Limits::default());
        report += &differences(name, "two", &rows(&pcap, &mut session));
    }
    assert!(report.is_empty(), "{report}");
}

#[test]
#[ignore = "writes the captures into $CAPTURES, for tshark to read"]
fn write_the_captures() {
    let directory = std::env::var_os("CAPTURES").expect("CAPTURES names a directory");
    for (name, capture) in craft::all() {
        std::fs::write(Path::new(&directory).join(format!("{name}.pcap")), capture.pcap()).unwrap();
    }
}
