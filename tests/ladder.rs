//! The ladder of a capture: whole outputs, beside what a hand drew from the RFC.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
#[allow(dead_code, reason = "the captures of the library's own tests; these use a part")]
#[path = "../crates/wire/tests/craft/mod.rs"]
mod craft;

use common::{Done, Process, enchufe, run};
use craft::packets::{ACK, Capture, Ip, PSH, SYN, Tcp};
use serde_json::{Value, json};
use std::path::PathBuf;
use tempfile::TempDir;

const REPORT: &str = "docs/practica/informe.pcap";

const ENGLISH: &str = "\
Conversation 0: 127.0.0.1:63661 is the client, 127.0.0.1:8080 the server
                          client                            server
    1 0.000000        SYN-SENT │── SYN ────────────────────▶│                asks for a connection
                               │                            │ (LISTEN)
    2 0.000084                 │◀─────────────── SYN, ACK ──│ SYN-RECEIVED   answers #1
    3 0.000165     ESTABLISHED │── ACK 1 ──────────────────▶│ (ESTABLISHED)  acknowledges #2
    4 0.000415                 │── PSH, ACK  1..22 ────────▶│
    5 0.000438                 │◀───────────────── ACK 22 ──│ ESTABLISHED    acknowledges #4
    6 0.003220                 │◀──────── PSH, ACK  1..23 ──│
    7 0.003245                 │── ACK 23 ─────────────────▶│                acknowledges #6
    8 0.003512      FIN-WAIT-1 │── FIN, ACK 23 ────────────▶│                ends: no more bytes
    9 0.003529    (FIN-WAIT-2) │◀───────────────── ACK 23 ──│ CLOSE-WAIT     acknowledges #8
   10 0.004887                 │◀──────────── FIN, ACK 23 ──│ LAST-ACK       ends: no more bytes
   11 0.004935       TIME-WAIT │── ACK 24 ─────────────────▶│ (CLOSED)       acknowledges #10
In parentheses: inferred. The segments fit it, and do not prove it
10 frames belong to no TCP conversation
";

const SPANISH: &str = "\
Conversación 0: 127.0.0.1:63661 es el cliente, 127.0.0.1:8080 el servidor
                         cliente                            servidor
    1 0.000000        SYN-SENT │── SYN ────────────────────▶│                pide una conexión
                               │                            │ (LISTEN)
    2 0.000084                 │◀─────────────── SYN, ACK ──│ SYN-RECEIVED   responde a #1
    3 0.000165     ESTABLISHED │── ACK 1 ──────────────────▶│ (ESTABLISHED)  confirma #2
    4 0.000415                 │── PSH, ACK  1..22 ────────▶│
    5 0.000438                 │◀───────────────── ACK 22 ──│ ESTABLISHED    confirma #4
    6 0.003220                 │◀──────── PSH, ACK  1..23 ──│
    7 0.003245                 │── ACK 23 ─────────────────▶│                confirma #6
    8 0.003512      FIN-WAIT-1 │── FIN, ACK 23 ────────────▶│                termina: no envía más
    9 0.003529    (FIN-WAIT-2) │◀───────────────── ACK 23 ──│ CLOSE-WAIT     confirma #8
   10 0.004887                 │◀──────────── FIN, ACK 23 ──│ LAST-ACK       termina: no envía más
   11 0.004935       TIME-WAIT │── ACK 24 ─────────────────▶│ (CLOSED)       confirma #10
Entre paréntesis: inferido. Los segmentos concuerdan con ello, pero no lo prueban
10 tramas no son de ninguna conversación TCP
";

fn read_in(language: &str, words: &[&str]) -> Done {
    let mut command = enchufe(language, &[&["read", REPORT], words].concat());
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    Process::start(command).finish()
}

/// A capture in a folder of its own.
struct Captured {
    _folder: TempDir,
    path: PathBuf,
}

impl Captured {
    fn new(capture: &Capture) -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("capture.pcap");
        std::fs::write(&path, capture.pcap()).unwrap();
        Self { _folder: folder, path }
    }

    fn named(name: &str) -> Self {
        let (_, capture) = craft::all().into_iter().find(|(known, _)| *known == name).unwrap();
        Self::new(&capture)
    }

    fn read(&self, words: &[&str]) -> Done {
        run(&[&["read", self.path.to_str().unwrap()], words].concat())
    }

    fn objects(&self, words: &[&str]) -> Vec<Value> {
        let done = self.read(&[words, &["--json"]].concat());
        assert_eq!((done.code, done.errors()), (Some(0), ""));
        done.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[test]
fn the_reports_table_is_a_picture_in_both_languages() {
    read_in("en", &["--ladder"]).is(0, ENGLISH, "");
    read_in("es", &["--ladder"]).is(0, SPANISH, "");
    read_in("en", &["--view", "ladder"]).is(0, ENGLISH, "");
    let readme = include_str!("../README.md");
    assert!(readme.contains(&format!("$ enchufe read --ladder {REPORT}\n{ENGLISH}```")));
    assert!(include_str!("../LEEME.md").contains(&format!("$ enchufe read --ladder {REPORT}\n{SPANISH}```")));
}

#[test]
fn one_conversation_is_the_same_without_what_is_not_of_it() {
    let ladder = ENGLISH.strip_suffix("10 frames belong to no TCP conversation\n").unwrap();
    read_in("en", &["--ladder", "--conversation", "0"]).is(0, ladder, "");
    read_in("en", &["--ladder", "--conversation", "1"])
        .could_not_run(&format!("{REPORT} has no conversation 1: it has one, number 0"));
}

#[test]
fn a_filter_chooses_conversations_whole() {
    let ladder = ENGLISH.strip_suffix("10 frames belong to no TCP conversation\n").unwrap();
    read_in("en", &["tcp.len == 22", "--ladder"]).is(0, ladder, "");
    read_in("en", &["ssdp", "--ladder"]).is(0, "4 frames belong to no TCP conversation\n", "");
}

#[test]
fn what_does_not_go_together_is_refused_in_one_sentence() {
    let refused = |words: &[&str], sentence: &str| read_in("en", words).could_not_run(sentence);
    refused(&["--ladder", "--tsv"], "--ladder and --tsv exclude each other: leave one out");
    refused(&["--view", "ladder", "--tsv"], "--tsv has no effect in --view ladder: leave it out");
    refused(&["--ladder", "--explain"], "--ladder and --explain exclude each other: leave one out");
    refused(&["--ladder", "--time", "utc"], "--time has no effect in --ladder: leave it out");
    refused(
        &["tcp", "--ladder", "--conversation", "0"],
        "FILTER has no effect in --conversation: leave it out",
    );
    let bad = read_in("en", &["--ladder", "--conversation", "x"]);
    assert_eq!((bad.code, bad.text()), (Some(2), ""));
}

#[test]
fn a_row_of_json_says_what_the_picture_says() {
    let report = Captured::named("report");
    let rows = report.objects(&["--ladder"]);
    assert_eq!(rows.len(), 11);
    let second = json!({
        "conversation": 0, "number": 2, "time_relative": "0.000084000", "time_epoch_ns": 1_700_000_000_000_084_000_u64,
        "a": "127.0.0.1:63661", "b": "127.0.0.1:8080", "role": "server", "from": "b", "flags": ["SYN", "ACK"],
        "seq": 0, "ack": 1, "length": 0, "window": 65535, "remarks": [],
        "what": [{"what": "acknowledges", "certainty": "proved", "frames": [1]}],
        "why": {"why": "answers", "frame": 1, "certainty": "proved"},
        "states": [
            {"end": "b", "from": null, "to": "LISTEN", "certainty": "inferred", "because": 1, "rfc": 9293, "section": "3.10.1"},
            {"end": "b", "from": "LISTEN", "to": "SYN-RECEIVED", "certainty": "proved", "because": 1, "rfc": 9293, "section": "3.10.7.2"},
        ],
    });
    assert_eq!(rows[1], second);
    assert_eq!(rows[3]["range"], json!([1, 22]));
    assert_eq!(rows, report.objects(&["--view", "ladder", "--conversation", "0"]));
}

#[test]
fn conversations_stand_one_after_the_other_and_ports_that_are_used_again_are_two() {
    let done = Captured::named("reused_ports").read(&["--ladder"]);
    let text = done.text();
    let heads: Vec<&str> = text.lines().filter(|line| line.starts_with("Conversation")).collect();
    assert_eq!(
        heads,
        [
            "Conversation 0: 10.0.0.1:1000 is the client, 10.0.0.2:80 the server",
            "Conversation 1: 10.0.0.1:1000 is the client, 10.0.0.2:80 the server",
            "Conversation 2: 10.0.0.1:1001 is the client, 10.0.0.2:80 the server",
        ]
    );
    assert_eq!(text.matches("\n\nConversation").count(), 2, "a line between");
    assert!(text.lines().all(|line| line == line.trim_end()), "no spaces at the end of a line");
}

/// Segments of `a` (true) or `b`, relative to 1000 and 5000.
fn capture(segments: &[(bool, u16, u32, u32, usize)]) -> Capture {
    let frames = (0..).zip(segments).map(|(at, (from_a, flags, seq, ack, len))| {
        let (own, peer) = if *from_a { (1_000, 5_000) } else { (5_000, 1_000) };
        let ports = if *from_a { (1234, 80) } else { (80, 1234) };
        let ack = if flags & ACK == 0 { 0 } else { peer + ack };
        let mut tcp = Tcp::new(ports, *flags, own + seq, ack);
        tcp.payload = *len;
        let (source, destination) =
            if *from_a { ([10, 0, 0, 1], [10, 0, 0, 2]) } else { ([10, 0, 0, 2], [10, 0, 0, 1]) };
        let frame = Ip { source, destination, ..Ip::new(6) }.with(&tcp.bytes());
        let len = frame.len();
        (at * 1_000_000, frame, len)
    });
    Capture { link: 101, frames: frames.collect() }
}

#[test]
fn the_client_stands_on_the_left_also_where_the_server_is_seen_first() {
    let capture = capture(&[(false, SYN | ACK, 0, 1, 0), (true, ACK, 1, 1, 0), (true, PSH | ACK, 1, 1, 5)]);
    let expected = "\
Conversation 0: 10.0.0.1:1234 is the client, 10.0.0.2:80 the server
                             client                          server
                                  │                          │ (LISTEN)
    1 0.000000000                 │◀───────────── SYN, ACK ──│ SYN-RECEIVED
    2 0.001000000     ESTABLISHED │── ACK 1 ────────────────▶│ (ESTABLISHED)  acknowledges #1
    3 0.002000000                 │── PSH, ACK  1..6 ───────▶│
In parentheses: inferred. The segments fit it, and do not prove it
";
    Captured::new(&capture).read(&["--ladder"]).is(0, expected, "");
}

#[test]
fn where_the_beginning_is_missing_it_is_said_and_nothing_is_guessed() {
    let capture = capture(&[(true, PSH | ACK, 1, 1, 5), (false, ACK, 1, 6, 0)]);
    let expected = "\
Conversation 0: A is 10.0.0.1:1234, B is 10.0.0.2:80; its beginning is not in the capture
                                  A                          B
    1 0.000000000                 │── PSH, ACK  1..6 ───────▶│
    2 0.001000000                 │◀──────────────── ACK 6 ──│                acknowledges #1
";
    Captured::new(&capture).read(&["--ladder"]).is(0, expected, "");
    Captured::new(&capture).read(&["--ladder", "--conversation", "0"]).is(0, expected, "");
}

#[test]
fn who_opened_is_said_when_both_did_also_of_one_that_is_written_as_it_comes() {
    let capture = capture(&[
        (true, SYN, 0, 0, 0),
        (false, SYN, 0, 0, 0),
        (true, SYN | ACK, 0, 1, 0),
        (false, SYN | ACK, 0, 1, 0),
    ]);
    let expected = "\
Conversation 0: 10.0.0.1:1234 and 10.0.0.2:80; each opened it, at the same time
                                  A                          B
    1 0.000000000        SYN-SENT │── SYN ──────────────────▶│                asks for a connection
    2 0.001000000                 │◀────────────────── SYN ──│ SYN-SENT       asks for a connection
    3 0.002000000    SYN-RECEIVED │── SYN, ACK ─────────────▶│                answers #2; repeats
                                  │                          │                  #1; [retransmission]
                                  │                          │ SYN-RECEIVED
    4 0.003000000   (ESTABLISHED) │◀───────────── SYN, ACK ──│ (ESTABLISHED)  answers #1; repeats
                                  │                          │                  #2; acknowledges #1,
                                  │                          │                  #3; [retransmission]
In parentheses: inferred. The segments fit it, and do not prove it
";
    let captured = Captured::new(&capture);
    captured.read(&["--ladder"]).is(0, expected, "");
    captured.read(&["--ladder", "--conversation", "0"]).is(0, expected, "");
}

#[test]
fn of_a_socket_connected_with_itself_no_side_is_guessed() {
    let mut capture = capture(&[(true, SYN, 0, 0, 0), (true, SYN | ACK, 0, 1, 0)]);
    for (_, frame, _) in &mut capture.frames {
        // The destination's address and port become the source's.
        frame.copy_within(12..16, 16);
        frame.copy_within(20..22, 22);
    }
    let expected = "\
Conversation 0: 10.0.0.1:1234 is connected with itself: which side sent a segment cannot be told
                                  A                          B
    1 0.000000000                 │── SYN ──────────────────▶│
    2 0.001000000                 │── SYN, ACK ─────────────▶│                [retransmission]
";
    Captured::new(&capture).read(&["--ladder"]).is(0, expected, "");
}

#[test]
fn a_long_conversation_is_cut_and_said_and_shown_whole_alone() {
    let segments: Vec<_> = (0..1_200).map(|at| (true, ACK, at, 1, 1)).collect();
    let captured = Captured::new(&capture(&segments));
    let done = captured.read(&["--ladder"]);
    assert_eq!((done.code, done.text().lines().count()), (Some(0), 2 + 1_000));
    assert_eq!(
        done.errors(),
        "enchufe: conversation 0 goes on for 200 more segments, which are not shown to keep memory bounded; \
         --conversation 0 shows all\n"
    );
    let done = captured.read(&["--ladder", "--conversation", "0"]);
    assert_eq!((done.errors(), done.text().lines().count()), ("", 2 + 1_200));
}

#[test]
fn a_capture_that_is_cut_is_shown_as_far_as_it_goes() {
    let (_, capture) = craft::all().into_iter().find(|(name, _)| *name == "report").unwrap();
    let captured = Captured::new(&capture);
    let bytes = std::fs::read(&captured.path).unwrap();
    std::fs::write(&captured.path, &bytes[..400]).unwrap();
    for words in [&["--ladder"][..], &["--ladder", "--conversation", "0"]] {
        let done = captured.read(words);
        assert_eq!(done.code, Some(1));
        assert!(done.text().contains("SYN-RECEIVED") && !done.text().contains("CLOSED"), "{}", done.text());
        assert!(done.errors().ends_with("; what is before was shown\n"), "{}", done.errors());
    }
}

#[test]
fn one_conversation_is_shown_in_every_view_with_its_numbers() {
    let endings = Captured::named("endings");
    let numbers = |words: &[&str]| {
        let done = endings.read(&[&["--conversation", "2", "--tsv", "--columns", "number"], words].concat());
        assert_eq!((done.errors(), done.text().split_whitespace().next()), ("", Some("10")));
        done.text().split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&[]), ["10", "11", "12", "13", "14"]);
    assert_eq!(numbers(&["--one-pass"]), ["10", "11", "12", "13", "14"]);
    assert_eq!(numbers(&["--filter", "tcp.flags.syn == 1"]), ["10", "11"]);
    for view in ["conversations", "findings"] {
        let objects = endings.objects(&["--view", view, "--conversation", "2"]);
        assert_eq!(objects.len(), 1, "{view}");
        let all = endings.objects(&["--view", view]);
        let of_it: Vec<_> = all.into_iter().filter(|object| object["conversation"] == 2).collect();
        assert_eq!(objects, of_it, "{view}");
    }
    let told = endings.read(&["--explain", "--conversation", "2"]);
    assert!(told.text().starts_with("Conversation 2: "), "{}", told.text());
    assert!(!told.text().contains("Conversation 3"), "{}", told.text());
    let path = endings.path.display();
    let none = "has no conversation 7: it has 7, numbered from 0; --view conversations lists them";
    endings.read(&["--conversation", "7"]).could_not_run(&format!("{path} {none}"));
}
