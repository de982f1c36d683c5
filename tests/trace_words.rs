//! What `enchufe trace` says where something is not as it was meant, and rows that are easily said wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Done, Process, enchufe, run};
use serde_json::Value;
use tempfile::TempDir;

const PAIR: [&str; 2] = ["python3 -u tests/programs/servidor.py", "python3 -u tests/programs/cliente.py"];

/// A program of Python, traced.
fn python(flags: &[&str], program: &str) -> Done {
    let done = run(&[&["trace", "-q"], flags, &["--", "python3", "-c", program]].concat());
    assert_eq!((done.code, done.errors()), (Some(0), ""), "{}", done.text());
    done
}

#[test]
fn commands_that_cannot_be_run_say_what_they_are() {
    run(&["trace", "echo \"hola"]).could_not_run(
        "a quote in echo \"hola does not close: commands are split into words as a shell does",
    );
    run(&["trace", "/"]).could_not_run("the command / is a directory: name the program in it");
    run(&["trace", "--", "./tests"])
        .could_not_run("the command ./tests is a directory: name the program in it");
}

#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn who_writes_for_a_shell_is_told_that_there_is_none() {
    let done = run(&["trace", "echo a | cat"]);
    assert_eq!(done.code, Some(0));
    assert_eq!(
        done.errors(),
        "enchufe: no shell is run, so | means nothing special in echo a | cat; with a shell the command is: sh -c 'echo a | cat'\n"
    );
    for words in
        [&["trace", "-q", "echo $HOME"][..], &["trace", "sh -c 'echo $HOME'"], &["trace", "--", "echo", "*"]]
    {
        assert_eq!(run(words).errors(), "", "{words:?}");
    }
}

#[test]
fn views_of_packets_without_packets_are_refused() {
    for flags in
        [&["--view", "packets"][..], &["--view", "conversations"], &["--view", "findings"], &["--explain"]]
    {
        let sentence = format!(
            "{} shows packets, and --no-packets leaves them out: leave out one of both (--view calls and --view ladder show calls)",
            flags.join(" ")
        );
        run(&[&["trace", "--no-packets"], flags, &["true"]].concat()).could_not_run(&sentence);
    }
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn a_run_is_not_lost_for_a_conversation_that_is_not_there() {
    let done = run(&["trace", "--conversation", "5", PAIR[0], PAIR[1]]);
    assert_eq!(done.code, Some(2));
    assert_eq!(done.errors(), "enchufe: the recording has no conversation 5: it has one, number 0\n");
    assert!(done.text().contains("connect 127.0.0.1:4000"), "{}", done.text());
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn ladder_is_the_short_form_of_its_view_here_too() {
    let done = run(&["trace", "--ladder", PAIR[0], PAIR[1]]);
    assert_eq!((done.code, done.errors()), (Some(0), ""));
    assert!(done.text().contains("─ SYN ─"), "{}", done.text());
    run(&["trace", "--ladder", "--view", "calls", "true"])
        .could_not_run("--ladder and --view exclude each other: leave one out");
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn flags_of_calls_are_shown_and_an_exit_that_sends_nothing_is_not() {
    let program = "
import os, socket
listener = socket.create_server(('127.0.0.1', 0))
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
client.send(b'hola', socket.MSG_NOSIGNAL)
server.recv(2, socket.MSG_PEEK | socket.MSG_WAITALL)
client.close()
server.close()
os._exit(0)
";
    let calls = python(&["--view", "calls"], program);
    for row in ["send(4, MSG_NOSIGNAL) = 4 B", "recv(2, MSG_PEEK|MSG_WAITALL) = 2 B"] {
        assert!(calls.text().contains(row), "{row} {}", calls.text());
    }
    for done in [calls, python(&[], program)] {
        assert!(!done.text().contains("exit 0"), "{}", done.text());
        assert!(done.text().contains("exits with 0"), "{}", done.text());
    }
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn who_waits_for_ever_is_told_what_ends_it() {
    // The client is gone before the server is there.
    let words = ["trace", "python3 -c 'raise SystemExit(1)'", PAIR[0]];
    let mut process = Process::start(enchufe("en", &words));
    let line = process.errors_until("no call has come");
    assert_eq!(
        line,
        "enchufe: no call has come for 5 s, and these go on: servidor.py; Ctrl-C ends them and shows what was recorded"
    );
    process.signal("INT");
    let done = process.finish();
    assert_eq!(done.code, Some(0));
    assert!(done.text().contains("ended by SIGINT") || done.text().contains("exits with"), "{}", done.text());
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn who_connects_to_itself_is_not_told_that_nobody_reaches_it() {
    let program = "import socket; s = socket.create_server(('127.0.0.1', 0)); c = socket.create_connection(s.getsockname())";
    let done = run(&["trace", "--", "python3", "-c", program]);
    assert_eq!((done.code, done.errors()), (Some(0), ""));
}

/// A recording of the echo, and its bytes.
fn recording(folder: &TempDir) -> (String, Vec<u8>) {
    let path = folder.path().join("run.pcapng").to_str().unwrap().to_owned();
    let done = run(&["trace", "-q", "-w", &path, PAIR[0], PAIR[1]]);
    assert_eq!((done.code, done.errors()), (Some(0), ""), "{}", done.text());
    let bytes = std::fs::read(&path).unwrap();
    (path, bytes)
}

/// The places of the first bytes of facts: in custom options (0x4bad) of the number for documentation (32473), which are the
/// first of interface statistics blocks (5).
fn facts(bytes: &[u8]) -> Vec<usize> {
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let (mut at, mut places) = (0, Vec::new());
    while at < bytes.len() {
        let is_fact = word(at) == 5 && word(at + 20) & 0xffff == 0x4bad && word(at + 24) == 32473;
        places.extend(is_fact.then_some(at + 28));
        at += usize::try_from(word(at + 4)).unwrap();
    }
    places
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn a_recording_of_a_newer_version_and_a_damaged_one_say_so_in_a_sentence() {
    let folder = TempDir::new().unwrap();
    let (path, whole) = recording(&folder);
    let places = facts(&whole);
    assert!(places.len() > 10);
    let mut newer = whole.clone();
    for at in &places {
        newer[*at] = 9;
    }
    std::fs::write(&path, &newer).unwrap();
    let done = run(&["read", "--ladder", &path]);
    let sentence = format!(
        "enchufe: the recording has facts of version 9, which only a newer enchufe can read: {} of them are not shown\n",
        places.len()
    );
    assert_eq!((done.code, done.errors()), (Some(0), sentence.as_str()));
    assert!(done.text().contains("─ SYN ─"), "{}", done.text());
    let mut damaged = whole;
    damaged[places[3]] = 0;
    std::fs::write(&path, &damaged).unwrap();
    let done = run(&["read", "--view", "calls", &path]);
    assert_eq!(done.errors(), "enchufe: one fact of the recording could not be read: it is damaged\n");
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn a_recording_that_is_cut_shows_what_is_there_and_says_where() {
    let folder = TempDir::new().unwrap();
    let (path, whole) = recording(&folder);
    // In the middle of a fact that stands before the first packet.
    let at = facts(&whole)[5] + 1;
    std::fs::write(&path, &whole[..at]).unwrap();
    let done = run(&["read", "--view", "calls", &path]);
    assert_eq!(done.code, Some(1));
    assert!(done.errors().contains(" is cut: what begins at byte "), "{}", done.errors());
    assert!(done.errors().ends_with("; what is before was shown\n"), "{}", done.errors());
    assert!(done.text().contains("$ python3 -u tests/programs/servidor.py"), "{}", done.text());
    for cut in [0, 1, 17, 100, whole.len() - 1] {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let done = run(&["read", "--ladder", &path]);
        assert!(
            matches!(done.code, Some(1 | 2)) && done.errors().lines().count() == 1,
            "{cut} {}",
            done.errors()
        );
    }
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn a_state_has_no_key_for_what_is_not_known() {
    let done = python(
        &["--json"],
        "import socket; s = socket.create_server(('127.0.0.1', 0)); c = socket.create_connection(s.getsockname()); s.accept()",
    );
    let events = done.text().lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let calls = events.filter(|event| event["event"] == "call_left");
    let states: Vec<Value> =
        calls.flat_map(|event| event["states"].as_array().cloned().unwrap_or_default()).collect();
    assert!(!states.is_empty());
    assert!(
        states.iter().all(|state| state.as_object().unwrap().values().all(|value| !value.is_null())),
        "{states:?}"
    );
}
