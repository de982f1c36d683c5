//! How `enchufe trace` is told what to run, and how it ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Process, enchufe, run};
use serde_json::Value;

#[test]
fn a_program_that_runs_already_is_refused_in_words() {
    run(&["trace", "--pid", "1"]).could_not_run(
        "--pid is not offered: of a program that runs already, the calls that made its connections are past, and \
         causes would be guessed; start it with enchufe trace, or see its packets with enchufe watch",
    );
    assert!(!run(&["trace", "--help"]).text().contains("--pid"));
}

#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn the_status_of_the_last_program_is_ours_where_that_is_asked_for() {
    let cases: [(&[&str], i32); 5] = [
        (&["--exit-status", "sh -c 'exit 7'"], 7),
        (&["sh -c 'exit 7'"], 0),
        (&["--exit-status", "sh -c 'exit 7'", "true"], 0),
        (&["--exit-status", "true", "sh -c 'exit 255'"], 255),
        (&["--exit-status", "sh -c 'kill -9 $$'"], 128 + 9),
    ];
    for (words, code) in cases {
        let done = run(&[&["trace", "-q"], words].concat());
        assert_eq!((done.code, done.errors()), (Some(code), ""), "{words:?}");
    }
}

/// What a program printed.
fn printed(text: &str, program: u64) -> String {
    let events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let printed = events.filter(|event| event["event"] == "printed" && event["program"] == program);
    printed.map(|event| event["text"].as_str().unwrap().to_owned()).collect()
}

#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn the_program_that_is_named_reads_standard_input() {
    let cases: [(&[&str], u64); 5] = [
        (&["--pipes", "cat", "cat"], 1),
        (&["--pipes", "--stdin", "1", "cat", "cat"], 0),
        (&["--pipes", "--stdin", "2", "cat", "cat"], 1),
        // Who reads its terminal and gets nothing waits.
        (&["--pty", "true", "cat"], 1),
        (&["--pty", "--stdin", "1", "cat", "true"], 0),
    ];
    for (words, reader) in cases {
        let words = [&["trace", "-q", "--json"], words].concat();
        let mut process = Process::start_with_input(enchufe("en", &words));
        process.write(b"hola\n");
        let done = process.finish();
        assert_eq!((done.code, done.errors()), (Some(0), ""), "{words:?}");
        assert!(printed(done.text(), reader).contains("hola"), "{words:?} {}", done.text());
        assert_eq!(printed(done.text(), 1 - reader), "", "{words:?}");
    }
    run(&["trace", "--stdin", "2", "true"]).could_not_run("--stdin needs a number from 1 to 1, not \"2\"");
}

#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn the_next_program_starts_anyway_where_that_is_asked_for() {
    let words =
        ["trace", "-q", "--json", "--start-timeout", "50ms", "--start-anyway", "sleep 600", "echo here"];
    let done = run(&words);
    assert_eq!((done.code, done.errors()), (Some(0), ""));
    assert_eq!(printed(done.text(), 1), "here\\n");
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn packets_past_the_limit_are_recorded_without_their_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.pcapng");
    let path = path.to_str().unwrap();
    let pair = ["python3 tests/programs/vacia.py", "python3 tests/programs/llena.py"];
    for (limit, cut) in [("0", true), ("10kB", true), ("1GiB", false)] {
        let done = run(&[&["trace", "-w", path, "--limit", limit, "--json"], &pair[..]].concat());
        assert_eq!(done.code, Some(0), "{}", done.errors());
        let note = format!(
            "enchufe: more than {limit} of packets: of those after that, only the headers were recorded\n"
        );
        assert_eq!(done.errors(), if cut { note.as_str() } else { "" });
        let lengths = run(&["read", path, "--tsv", "--columns", "frame.cap_len,frame.len"]);
        let lengths: Vec<(u32, u32)> = lengths
            .text()
            .lines()
            .map(|line| line.split_once('\t').unwrap())
            .map(|(kept, sent)| (kept.parse().unwrap(), sent.parse().unwrap()))
            .collect();
        assert_eq!(lengths.iter().any(|(kept, sent)| kept < sent), cut, "{limit} {lengths:?}");
        // What calls did is known all the same.
        let bytes: Vec<Value> = done.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let connection = bytes.iter().find(|event| event["event"] == "connection").unwrap();
        assert_eq!(connection["a"]["bytes"], 50_000);
        assert!(!bytes.iter().any(|event| event["event"] == "disagreement"));
    }
    for word in ["", "x", "3x", "-1", "GiB"] {
        let sentence = format!("--limit needs a size, like 0, 64KiB, 10MB or 1GiB, not \"{word}\"");
        run(&["trace", &format!("--limit={word}"), "true"]).could_not_run(&sentence);
    }
    // More than any number holds is no limit.
    for word in ["99999999999999999999", "99999999999GiB"] {
        let done = run(&["trace", &format!("--limit={word}"), "true"]);
        assert_eq!((done.code, done.errors()), (Some(0), ""), "{word}");
    }
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn the_columns_of_the_table_can_be_chosen() {
    let pair = ["python3 -u tests/programs/servidor.py", "python3 -u tests/programs/cliente.py"];
    let done = run(&[&["trace", "--view", "packets", "--columns", "number,cause"], &pair[..]].concat());
    assert_eq!((done.code, done.errors()), (Some(0), ""));
    assert_eq!(done.text().lines().take(2).collect::<Vec<_>>(), ["  No. Cause", "    1 :6 connect"]);
    run(&["trace", "--columns", "number", "true"])
        .could_not_run("--columns has no effect in --view ladder: leave it out");
    run(&["trace", "--view", "packets", "--columns", "nada", "true"]).could_not_run(
        "there is no column \"nada\"; there are number, time, source, destination, protocol, length, info and every \
         field of the filter language",
    );
}
