//! Sockets of MPTCP: what can be said of their segments, and what not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::run;
use serde_json::Value;

const TCP: u16 = 0;
const MPTCP: u16 = 262;

/// The events of a pair, of these protocols.
fn pair(server: u16, client: u16) -> Vec<Value> {
    let command = |role: &str, protocol: u16| format!("python3 tests/programs/caminos.py {role} {protocol}");
    let done = run(&["trace", "--json", &command("servidor", server), &command("cliente", client)]);
    assert_eq!((done.code, done.errors()), (Some(0), ""), "{}", done.text());
    let events: Vec<Value> = done.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(events.iter().all(|event| event["event"] != "disagreement"), "{}", done.text());
    events
}

/// What is told of the segments of an end: deeds, certainties and calls; and why nothing more is.
fn told(events: &[Value], end: &str) -> (Vec<String>, Value) {
    let (mut all, mut off) = (Vec::new(), Value::Null);
    for segment in events.iter().filter(|event| event["event"] == "segment") {
        off = segment["ends"][end]["off"].clone();
        for by in segment["by"].as_array().unwrap().iter().filter(|_| segment["from"] == end) {
            let text = format!("{} {} {}", by["deed"], by["certainty"], by["calls"][0]["name"]);
            all.push(text.replace('"', ""));
        }
    }
    (all, off)
}

const CLIENT: [&str; 4] =
    ["opens proved connect", "completes proved connect", "writes proved sendto", "ends proved close"];
const SERVER: [&str; 3] = ["listens proved listen", "writes proved sendto", "ends proved close"];
/// Which call wrote is not said.
const CLIENT_OF_PATHS: [&str; 3] =
    ["opens proved connect", "completes proved connect", "ends inferred close"];

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
#[cfg_attr(
    not(all(have_python3, have_namespaces, have_mptcp)),
    ignore = "needs python3, user and network namespaces, and MPTCP"
)]
fn where_both_ends_agree_on_it_no_bytes_have_a_call_and_that_is_said() {
    let events = pair(MPTCP, MPTCP);
    assert_eq!(told(&events, "a"), (owned(&CLIENT_OF_PATHS), "multipath".into()));
    let server = owned(&["listens proved listen", "ends inferred close"]);
    assert_eq!(told(&events, "b"), (server, "multipath".into()));
    for end in ["a", "b"] {
        let sum = events.iter().find(|event| event["event"] == "connection").unwrap();
        assert_eq!(sum[end]["off"], "multipath");
    }
    let moved = |event: &&Value| event["event"] == "call_left" && event["from"] != serde_json::json!([]);
    assert_eq!(events.iter().filter(moved).count(), 0, "no frame is known to have brought what was read");
}

#[test]
#[cfg_attr(
    not(all(have_python3, have_namespaces, have_mptcp)),
    ignore = "needs python3, user and network namespaces, and MPTCP"
)]
fn a_client_that_has_to_do_with_tcp_alone_is_told_as_far_as_it_is_known() {
    let events = pair(TCP, MPTCP);
    assert_eq!(told(&events, "a"), (owned(&CLIENT_OF_PATHS), "multipath".into()));
    assert_eq!(told(&events, "b"), (owned(&SERVER), Value::Null));
}

#[test]
#[cfg_attr(
    not(all(have_python3, have_namespaces, have_mptcp)),
    ignore = "needs python3, user and network namespaces, and MPTCP"
)]
fn what_a_listener_of_it_accepts_from_tcp_is_told_whole() {
    let events = pair(MPTCP, TCP);
    assert_eq!(told(&events, "a"), (owned(&CLIENT), Value::Null));
    assert_eq!(told(&events, "b"), (owned(&SERVER), Value::Null));
}

#[test]
#[cfg_attr(
    not(all(have_python3, have_namespaces, have_mptcp)),
    ignore = "needs python3, user and network namespaces, and MPTCP"
)]
fn below_the_ladder_each_end_of_it_is_named() {
    let server = "python3 tests/programs/caminos.py servidor 0";
    let done = run(&["trace", server, "python3 tests/programs/caminos.py cliente 262"]);
    let lines: Vec<&str> =
        done.text().lines().filter(|line| line.contains(" uses MPTCP, or a socket of it: ")).collect();
    let [line] = lines.as_slice() else { panic!("{}", done.text()) };
    assert!(line.starts_with("  caminos.py 127.0.0.1:") && !line.contains(":4000"), "{line}");
}
