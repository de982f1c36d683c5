//! Programs that nobody here wrote, traced with their clients: every segment has its calls, or its cause, and why it was
//! sent now.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::run;
use serde_json::Value;

/// Gives how many segments with bytes there were.
#[track_caller]
fn every_segment_has_a_cause(server: &str, client: &str) -> usize {
    let done = run(&["trace", "--pipes", "--json", server, client]);
    assert_eq!((done.code, done.errors()), (Some(0), ""), "{}", done.text());
    let events: Vec<Value> = done.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut with_bytes = 0;
    for event in &events {
        assert_ne!(event["event"], "disagreement", "{event}");
        if event["event"] != "segment" {
            continue;
        }
        let by = event["by"].as_array().unwrap();
        if event["length"].as_u64().unwrap() > 0 {
            with_bytes += 1;
            let writes = by.iter().filter(|by| by["deed"] == "writes" && by["certainty"] == "proved");
            assert!(writes.count() > 0, "{event}");
        }
        assert!(!by.is_empty() || !event["what"].as_array().unwrap().is_empty(), "{event}");
        assert!(event["why"]["why"].is_string(), "{event}");
    }
    with_bytes
}

/// Our own server with the engine that it has where none is asked for.
#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn of_our_own_server_and_client() {
    let program = env!("CARGO_BIN_EXE_enchufe");
    let server = format!("'{program}' serve echo --accept 3 --listen 127.0.0.1:4000");
    let send = format!("'{program}' send 127.0.0.1:4000 hola --expect echo");
    assert_eq!(every_segment_has_a_cause(&server, &format!("sh -c \"{send} && {send} && {send}\"")), 6);
}

#[test]
#[cfg_attr(
    not(all(have_openbsd_nc, have_namespaces)),
    ignore = "needs OpenBSD nc, user and network namespaces"
)]
fn of_nc() {
    assert_eq!(
        every_segment_has_a_cause("nc -l 127.0.0.1 4000", "sh -c 'echo hola | nc -N 127.0.0.1 4000'"),
        1
    );
}

#[test]
#[cfg_attr(not(all(have_ncat, have_namespaces)), ignore = "needs ncat, user and network namespaces")]
fn of_ncat() {
    assert_eq!(
        every_segment_has_a_cause("ncat -l 127.0.0.1 4000", "sh -c 'echo hola | ncat 127.0.0.1 4000'"),
        1
    );
}

#[test]
#[cfg_attr(not(all(have_socat, have_namespaces)), ignore = "needs socat, user and network namespaces")]
fn of_socat() {
    let server = "socat TCP-LISTEN:4000,bind=127.0.0.1,reuseaddr EXEC:cat";
    assert_eq!(every_segment_has_a_cause(server, "sh -c 'echo hola | socat -t 5 - TCP:127.0.0.1:4000'"), 2);
}

#[test]
#[cfg_attr(
    not(all(have_python3, have_curl, have_namespaces)),
    ignore = "needs python3, curl, user and network namespaces"
)]
fn of_an_http_server_and_curl() {
    let server = "python3 -m http.server 8000 --bind 127.0.0.1 --directory docs";
    let client =
        "curl -s http://127.0.0.1:8000/json.md -o /dev/null http://127.0.0.1:8000/nothing -o /dev/null";
    // Two requests and two answers, however they are cut.
    assert!(every_segment_has_a_cause(server, client) >= 4);
}
