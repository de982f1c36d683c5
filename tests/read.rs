//! Reading captures: the program beside the rows that tshark wrote, and beside what a hand reckoned.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
#[allow(dead_code, reason = "the captures of the library's own tests; these use a part")]
#[path = "../crates/wire/tests/craft/mod.rs"]
mod craft;

use common::{Done, Process, enchufe, run};
use std::io::Write;
use std::path::PathBuf;
use tempfile::TempDir;

/// A crafted capture in a folder of its own.
struct Captured {
    _folder: TempDir,
    path: PathBuf,
}

impl Captured {
    fn new(name: &str) -> Self {
        let (_, capture) = craft::all().into_iter().find(|(known, _)| *known == name).unwrap();
        Self::of(&capture.pcap())
    }

    fn of(bytes: &[u8]) -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("capture.pcap");
        std::fs::write(&path, bytes).unwrap();
        Self { _folder: folder, path }
    }

    fn words<'a>(&'a self, words: &[&'a str]) -> Vec<&'a str> {
        [&["read", self.path.to_str().unwrap()], words].concat()
    }

    fn read(&self, words: &[&str]) -> Done {
        run(&self.words(words))
    }

    fn read_in(&self, language: &str, words: &[&str]) -> Done {
        Process::start(enchufe(language, &self.words(words))).finish()
    }

    /// The lines of a reading without a complaint.
    #[track_caller]
    fn lines(&self, words: &[&str]) -> Vec<String> {
        let done = self.read(words);
        assert_eq!((done.code, done.errors()), (Some(0), ""));
        done.text().lines().map(str::to_owned).collect()
    }
}

/// The capture with its times in microseconds, as most programs write them.
fn in_microseconds(capture: &craft::packets::Capture) -> Vec<u8> {
    let mut bytes = capture.pcap();
    bytes[..4].copy_from_slice(&0xa1b2_c3d4_u32.to_le_bytes());
    let mut at = 24;
    for (nanos, frame, _) in &capture.frames {
        let micros = u32::try_from(nanos % 1_000_000_000 / 1_000).unwrap();
        bytes[at + 4..at + 8].copy_from_slice(&micros.to_le_bytes());
        at += 16 + frame.len();
    }
    bytes
}

fn report() -> Captured {
    let (_, capture) = craft::all().into_iter().find(|(name, _)| *name == "report").unwrap();
    Captured::of(&in_microseconds(&capture))
}

/// What tshark wrote of this capture.
fn golden(name: &str, passes: &str) -> Vec<String> {
    let path = format!("{}/crates/wire/tests/golden/{name}.{passes}.tsv", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap().lines().skip(1).map(str::to_owned).collect()
}

#[test]
fn bare_rows_are_those_of_tshark_in_two_passes_and_in_one() {
    for name in ["report", "icmp", "fragments", "retransmissions", "dns"] {
        let capture = Captured::new(name);
        assert_eq!(capture.lines(&["--tsv"]), golden(name, "two"), "{name}");
        assert_eq!(capture.lines(&["--tsv", "--one-pass"]), golden(name, "one"), "{name}");
    }
}

#[test]
fn standard_input_is_read_once() {
    let mut process = Process::start_with_input(enchufe("en", &["read", "-", "--tsv"]));
    let (_, capture) = craft::all().into_iter().find(|(name, _)| *name == "icmp").unwrap();
    process.write(&capture.pcap());
    let done = process.finish();
    assert_eq!(done.text().lines().collect::<Vec<_>>(), golden("icmp", "one"));
}

#[test]
fn a_compressed_capture_reads_as_the_capture() {
    let (_, capture) = craft::all().into_iter().find(|(name, _)| *name == "report").unwrap();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(&capture.pcap()).unwrap();
    assert_eq!(Captured::of(&packed.finish().unwrap()).lines(&["--tsv"]), golden("report", "two"));
}

#[test]
fn the_time_has_the_digits_of_the_file() {
    let first_two = |capture: &Captured, words: &[&str]| {
        let lines = capture.lines(words);
        lines[1..3]
            .iter()
            .map(|line| line.split(" 127").next().unwrap().trim().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(first_two(&Captured::new("report"), &[]), ["1 0.000000000", "2 0.000084000"]);
    let report = report();
    assert_eq!(first_two(&report, &[]), ["1 0.000000", "2 0.000084"]);
    assert_eq!(first_two(&report, &["--time", "utc"])[1], "2 2023-11-14 22:13:20.000084");
    let lines = report.lines(&["--time", "delta", "--columns", "time"]);
    assert_eq!(lines[1..5], ["0.000000", "0.000084", "0.000081", "0.000250"]);
}

#[test]
fn local_time_is_that_of_the_zone() {
    let report = report();
    let mut command =
        enchufe("en", &report.words(&["--time", "local", "--columns", "time", "tcp.flags.syn"]));
    command.env("TZ", "America/Mexico_City");
    let done = Process::start(command).finish();
    // The time zone's data is the system's; without it the zone is UTC.
    let known = std::path::Path::new("/usr/share/zoneinfo/America/Mexico_City").exists();
    let hour = if known { "16" } else { "22" };
    assert_eq!(done.text().lines().nth(1).unwrap().trim(), format!("2023-11-14 {hour}:13:20.000000"));
}

#[test]
fn a_filter_lets_the_frames_through_that_tshark_does() {
    let text = include_str!("../crates/wire/tests/golden/filters.tsv");
    let cases = text.lines().skip(1).filter(|line| line.starts_with("report\t"));
    let report = report();
    let mut count = 0;
    for line in cases {
        let [_, filter, frames] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let found = report.lines(&[filter, "--tsv", "--one-pass", "--columns", "number"]);
        assert_eq!(found.join(" "), frames.trim_end(), "{filter}");
        count += 1;
    }
    assert!(count > 0, "there are filters for this capture");
}

#[test]
fn a_filter_that_cannot_be_read_is_shown_with_the_spot() {
    let report = report();
    report.read(&["tcp.port == 8080 and tcp.prot == 1"]).could_not_run(
        "the filter names a field that does not exist: tcp.prot; near it are tcp.port, ip.proto\n  \
         tcp.port == 8080 and tcp.prot == 1\n                       ^^^^^^^^",
    );
    report.read(&["tcp.port == abc"]).could_not_run(
        "the filter has something here that cannot be a value of its field, which holds numbers\n  \
         tcp.port == abc\n              ^^^",
    );
    report
        .read_in("es", &["(tcp"])
        .could_not_run("el filtro abre aquí un paréntesis o una comilla que no cierra\n  (tcp\n  ^");
}

#[test]
fn columns_are_wiresharks_and_any_field() {
    let report = report();
    let words = ["tcp.len > 0", "--columns", "number,tcp.len,ip.addr,tcp.flags.syn", "--tsv"];
    assert_eq!(report.lines(&words), ["4\t21\t127.0.0.1,127.0.0.1\t0", "6\t22\t127.0.0.1,127.0.0.1\t0"]);
    let words = ["frame.number == 4", "--columns", "number,info,tcp.len,ip.src,dns", "--json"];
    let line: serde_json::Value = serde_json::from_str(&report.lines(&words)[0]).unwrap();
    let info = "63661 → 8080 [PSH, ACK] Seq=1 Ack=1 Win=2619648 Len=21";
    let expected = serde_json::json!({
        "number": 4, "info": info, "tcp.len": [21], "ip.src": ["127.0.0.1"], "dns": [],
    });
    assert_eq!(line, expected);
    let words = ["frame.number == 4", "--columns", "tcp.len,number"];
    assert_eq!(report.lines(&words), ["tcp.len   No.", "21          4"]);
    report.read(&["--columns", "number,flavour"]).could_not_run(
        "there is no column \"flavour\"; there are number, time, source, destination, protocol, length, info \
         and every field of the filter language",
    );
}

#[test]
fn the_reports_capture_is_told_as_the_report_tells_it() {
    let english = "\
Conversation 0: 127.0.0.1:63661 and 127.0.0.1:8080
  Handshake in 1-3: 127.0.0.1:63661 is the client, 127.0.0.1:8080 the server
  21 bytes from the client in 4, acknowledged by 5
  22 bytes from the server in 6, acknowledged by 7
  Closing: the client first, in 8-9
  Then the server, in 10-11
  Every byte once and in order
Frames 12-21 belong to no TCP conversation
";
    let spanish = "\
Conversación 0: 127.0.0.1:63661 y 127.0.0.1:8080
  Saludo de tres vías en 1-3: 127.0.0.1:63661 es el cliente, 127.0.0.1:8080 el servidor
  21 bytes que envía el cliente en 4, confirmados por 5
  22 bytes que envía el servidor en 6, confirmados por 7
  Cierre: primero el cliente, en 8-9
  Después el servidor, en 10-11
  Cada byte una sola vez y en orden
Las tramas 12-21 no son de ninguna conversación TCP
";
    let report = report();
    report.read(&["--explain"]).is(0, english, "");
    report.read_in("es", &["--explain"]).is(0, spanish, "");
    // A filter chooses conversations, and those of the other frames that fit.
    report.read(&["tcp.len == 22", "--explain"]).is(0, &english[..english.find("Frames").unwrap()], "");
}

#[test]
fn conversations_have_a_row_each() {
    let report = report();
    // Lengths of the report's frames: 1, 3, 4, 7, 8 and 11 from the client, the others from the server.
    let (client, server) = (56 + 44 + 65 + 44 + 44 + 44, 56 + 44 + 66 + 44 + 44);
    let bytes = client + server;
    let row = format!(
        "0\t127.0.0.1:63661\t127.0.0.1:8080\t11\t{bytes}\t{client}\t{server}\t0.004935000\t0.000165000\t0\tclosed"
    );
    assert_eq!(report.lines(&["--view", "conversations", "--tsv"]), [row]);
    assert_eq!(report.lines(&["udp", "--view", "conversations", "--tsv"]), [""; 0]);
    let line: serde_json::Value =
        serde_json::from_str(&report.lines(&["--view", "conversations", "--json"])[0]).unwrap();
    assert_eq!(line["a_payload"], 21);
    assert_eq!(line["b_payload"], 22);
    assert_eq!((&line["first"], &line["last"]), (&1.into(), &11.into()));
    assert_eq!((&line["handshake_ns"], &line["end"]), (&165_000.into(), &"closed".into()));
    let text = report.lines(&["--view", "conversations"]);
    assert_eq!(text.len(), 2);
    assert!(text[1].ends_with("4.93 ms     165 µs              0  both closed"), "{}", text[1]);
}

#[test]
fn findings_are_told_the_most_severe_first() {
    let rows = Captured::new("endings").lines(&["--view", "findings", "--tsv"]);
    let rows: Vec<Vec<&str>> = rows.iter().map(|row| row.split('\t').collect()).collect();
    let severities: Vec<_> = rows.iter().map(|row| row[0]).collect();
    let mut sorted = severities.clone();
    sorted.sort_by_key(|severity| ["warn", "note", "chat"].iter().position(|known| known == severity));
    assert_eq!(severities, sorted);
    // The ends that the library's own test reckons by hand.
    assert!(rows.iter().any(|row| row[1..3] == ["1", "refused"] && row[4] == "RFC 9293 §3.10.7.1"));
    assert_eq!(report().lines(&["--view", "findings"]), ["Nothing that deserves attention."]);
    let text = Captured::new("endings").lines(&["--view", "findings"]);
    let said = "nobody listens there, by 10.0.0.2:80, answering 8 (1 ms after the packet before it)";
    assert!(text[1].contains(said), "{}", text[1]);
    let json = Captured::new("endings").lines(&["--view", "findings", "--json"]);
    let second: serde_json::Value = serde_json::from_str(&json[1]).unwrap();
    let expected = serde_json::json!({
        "severity": "warn", "conversation": 2, "finding": "unread", "count": 1, "packets": [14], "rfc": 9293,
        "section": "3.6.1", "inferred": true, "by": "10.0.0.2:80", "idle_ns": 1_000_000,
    });
    assert_eq!(second, expected);
    let told = Captured::new("endings").read(&["--explain"]);
    let told = told.text();
    assert!(
        told.contains(
            "  Reset by the server in 9, answering 8, 1 ms after the packet before it\n  warning: a reset answered the \
             SYN: nobody listens there (9; RFC 9293 §3.10.7.1)\n"
        ),
        "{told}"
    );
}

#[test]
fn what_only_the_packet_table_knows_is_refused_elsewhere() {
    let report = report();
    report
        .read(&["--view", "findings", "--time", "utc"])
        .could_not_run("--time has no effect in --view findings: leave it out");
    report
        .read(&["--explain", "--json"])
        .could_not_run("--explain and --json exclude each other: leave one out");
    report.read(&["--view", "rows"]).could_not_run(
        "--view cannot be \"rows\"; it can be: packets, conversations, findings, ladder, calls",
    );
}

#[test]
fn a_conversation_is_followed_as_text_hex_and_raw() {
    let report = report();
    let text = "\
Conversation 0: 127.0.0.1:63661 and 127.0.0.1:8080
A → B     4  Hola desde el cliente
B → A     6  Hola desde el servidor
";
    report.read(&["--follow", "0"]).is(0, text, "");
    report.read(&["--follow", "0", "--follow-as", "raw"]).is(
        0,
        "Hola desde el clienteHola desde el servidor",
        "",
    );
    let hex = report.lines(&["--follow", "0", "--follow-as", "hex"]);
    assert_eq!(hex[1], "A → B     4  @0");
    assert_eq!(hex[2], "    0000  48 6f 6c 61 20 64 65 73 64 65 20 65 6c 20 63 6c  Hola desde el cl");
    assert_eq!(hex[3], "    0010  69 65 6e 74 65                                   iente");
}

#[test]
fn what_the_capture_lacks_is_a_gap() {
    let (_, mut capture) = craft::all().into_iter().find(|(name, _)| *name == "report").unwrap();
    // Without frame 4: the client's 21 bytes are acknowledged and never seen; then it says more.
    let mut frames = capture.frames.drain(..11).collect::<Vec<_>>();
    frames.remove(3);
    let mut segment =
        craft::packets::Tcp::new((63_661, 8_080), craft::packets::ACK | craft::packets::PSH, 1_022, 9_023);
    segment.payload = 3;
    let ip = craft::packets::Ip {
        source: [127, 0, 0, 1],
        destination: [127, 0, 0, 1],
        ..craft::packets::Ip::new(6)
    };
    let frame = [&2_u32.to_le_bytes()[..], &ip.with(&segment.bytes())].concat();
    let len = frame.len();
    frames.insert(6, (3_300_000, frame, len));
    capture.frames = frames;
    let capture = Captured::of(&capture.pcap());
    let lines = capture.lines(&["--follow", "0"]);
    assert!(lines.contains(&"A → B [21 bytes are not in the capture]".to_owned()), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("A → B") && line.ends_with("  abc")), "{lines:?}");
    let raw = capture.read(&["--follow", "0", "--follow-as", "raw"]);
    assert_eq!((raw.code, raw.text()), (Some(0), "Hola desde el servidorabc"));
    assert_eq!(raw.errors(), "enchufe: A → B [21 bytes are not in the capture]\n");
}

#[test]
fn a_packet_is_shown_with_the_place_of_every_field() {
    let lines = report().lines(&["--packet", "4"]);
    for expected in [
        "ip                                 4-23",
        "  ip.src                           16-19     127.0.0.1",
        "  tcp.srcport                      24-25     63661",
        "  tcp.analysis.bytes_in_flight     -         21",
        "    0020  00 00 23 29 50 18 27 f9 00 00 00 00 48 6f 6c 61  ..#)P.'.....Hola",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected}\n{}", lines.join("\n"));
    }
}

#[test]
fn numbers_that_do_not_exist_are_said() {
    let report = report();
    let path = report.path.display();
    let sentence = format!("{path} has no conversation 3: it has one, number 0");
    report.read(&["--follow", "3"]).could_not_run(&sentence);
    report
        .read(&["--packet", "22"])
        .could_not_run(&format!("{path} has no packet 22: it has 21, numbered from 1"));
    report
        .read(&["--follow-as", "hex"])
        .could_not_run("--follow-as has an effect only together with --follow N");
    report.read(&["tcp", "--packet", "2"]).could_not_run("FILTER has no effect in --packet: leave it out");
    report
        .read(&["--packet", "0"])
        .could_not_run("--packet needs a number from 1 to 18446744073709551615, not \"0\"");
}

#[test]
fn what_is_no_capture_is_said_in_one_sentence() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().display().to_string();
    run(&["read", &path]).could_not_run(&format!("{path} is a directory: give the name of a file"));
    let empty = Captured::of(b"");
    empty.read(&[]).could_not_run(&format!("{} is empty: it is no capture", empty.path.display()));
    let text = Captured::of(b"Hello, world");
    let sentence = "is no capture: it begins with 48 65 6c 6c, which is neither pcap nor pcapng \
                    (nor one of them in gzip or zstd)";
    text.read(&[]).could_not_run(&format!("{} {sentence}", text.path.display()));
    let missing = folder.path().join("missing").display().to_string();
    run(&["read", &missing]).could_not_run(&format!(
        "open {missing}: it does not exist; look at its name (ls), or name another file"
    ));
}

#[test]
fn a_cut_capture_is_shown_up_to_the_cut() {
    let (_, capture) = craft::all().into_iter().find(|(name, _)| *name == "report").unwrap();
    let whole = capture.pcap();
    // The file's header has 24 bytes, a packet's 16; the first frame has 56.
    let cut = Captured::of(&whole[..24 + 16 + 56 + 20]);
    let path = cut.path.display().to_string();
    let done = cut.read(&["--tsv"]);
    assert_eq!((done.code, done.text().lines().count()), (Some(1), 1));
    let sentence = format!(
        "enchufe: {path} is cut: what begins at byte 96 needs 72 bytes and 20 are there; what is before was shown\n"
    );
    assert_eq!(done.errors(), sentence);
    // The same where no frame fits a filter: they were read.
    assert_eq!(cut.read(&["udp"]).code, Some(1));
    let header = Captured::of(&whole[..24 + 10]);
    let path = header.path.display();
    header.read(&[]).could_not_run(&format!(
        "{path} is cut before its first packet: what begins at byte 24 needs 16 bytes and 10 are there"
    ));
}

#[test]
fn times_that_run_backwards_are_shown_and_said_once() {
    let (_, mut capture) = craft::all().into_iter().find(|(name, _)| *name == "report").unwrap();
    capture.frames.swap(1, 2);
    capture.frames.swap(5, 6);
    let capture = Captured::of(&capture.pcap());
    let done = capture.read(&["--columns", "time", "--tsv"]);
    assert_eq!(done.code, Some(0));
    assert_eq!(
        done.text().lines().take(3).collect::<Vec<_>>(),
        ["0.000000000", "0.000165000", "0.000084000"]
    );
    assert_eq!(done.errors(), "enchufe: times run backwards at packet 3: they are shown as they are\n");
}

#[test]
fn the_page_shows_what_the_program_prints() {
    let page = include_str!("../docs/read.md");
    let folder = TempDir::new().unwrap();
    let capture = folder.path().join("docs/practica/informe.pcap");
    std::fs::create_dir_all(capture.parent().unwrap()).unwrap();
    std::fs::write(capture, include_bytes!("../docs/practica/informe.pcap")).unwrap();
    let count = common::transcripts_hold(page, folder.path());
    assert!(count > 5, "the page has examples");
}

#[test]
fn what_is_written_reads_as_what_was_read() {
    let capture = Captured::new("links_null");
    let out = capture.path.with_extension("pcapng");
    let written = out.to_str().unwrap();
    let rows = capture.lines(&["--tsv"]);
    let done = capture.read(&["-w", written]);
    done.is(0, "", &format!("enchufe: {} packets written to {written}\n", rows.len()));
    let again = run(&["read", written, "--tsv"]);
    assert_eq!(again.text().lines().collect::<Vec<_>>(), rows);
    let report = report();
    let out = report.path.with_extension("pcapng");
    let written = out.to_str().unwrap();
    report.read(&["tcp.len > 0", "-w", written]).is(
        0,
        "",
        &format!("enchufe: 2 packets written to {written}\n"),
    );
    let again = run(&["read", written, "--tsv", "--columns", "time,length,frame.time_epoch"]);
    // The report's packets 4 and 6.
    assert_eq!(
        again.text(),
        "0.000000000\t65\t1700000000.000415000\n0.002805000\t66\t1700000000.003220000\n"
    );
    let own = report.path.to_str().unwrap();
    report
        .read(&["-w", own])
        .could_not_run(&format!("{own} is a capture that is being read: write to another file"));
    assert_eq!(report.lines(&["--tsv"]).len(), 21, "it is still there");
    let full = report.read(&["-w", "/dev/full"]);
    assert_eq!((full.code, full.text()), (Some(2), ""));
}

#[test]
fn a_link_type_that_is_not_decoded_is_said_once() {
    // 105 is IEEE 802.11.
    let capture = craft::packets::Capture::of(105, vec![vec![0; 30], vec![0; 31]]);
    let done = Captured::of(&capture.pcap()).read(&["--tsv", "--columns", "number,length"]);
    let sentence = "enchufe: packet 1 has the link type 105 (IEEE802_11), which is not decoded: the rows of such \
                    packets show their time and length, no more; other programs decode more of \
                    https://www.tcpdump.org/linktypes.html\n";
    done.is(1, "1\t30\n2\t31\n", sentence);
}

#[test]
fn an_archive_that_is_cut_is_shown_as_far_as_it_goes() {
    let (_, capture) = craft::all().into_iter().find(|(name, _)| *name == "report").unwrap();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(&capture.pcap()).unwrap();
    let packed = packed.finish().unwrap();
    let done = Captured::of(&packed[..packed.len() * 3 / 4]).read(&["--tsv"]);
    let rows: Vec<_> = done.text().lines().map(str::to_owned).collect();
    assert_eq!(done.code, Some(1));
    assert!(!rows.is_empty() && golden("report", "two").starts_with(&rows), "{rows:?}");
    assert!(done.errors().ends_with("; what is before was shown\n"), "{}", done.errors());
}
