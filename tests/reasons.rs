//! Every connection ends with a stated reason, on both sides; and limits are met in words.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Done, Process, Server, enchufe, json, listener, read_all, read_exactly, run};
use serde_json::{Value, json};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

/// The one end that was told: reason, received, sent, unsent, and the limit.
#[track_caller]
fn end(done: &Done) -> Value {
    let closed = json::only(done.text(), "closed");
    assert_eq!(closed.len(), 1, "{closed:?}");
    let mut end = closed.into_iter().next().unwrap();
    let keys = end.as_object_mut().unwrap();
    for key in ["time", "event", "connection", "peer", "lasted_ns"] {
        assert!(keys.remove(key).is_some());
    }
    end
}

#[test]
fn a_server_whose_peer_ends_first_says_so() {
    let server = Server::json(&["echo", "--once"]);
    let client = server.connect();
    (&client).write_all(b"hola").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&client), b"hola");
    let expected = json!({"reason": "peer_finished", "received": 4, "sent": 4, "unsent": 0});
    assert_eq!(end(&server.finish()), expected);
}

#[test]
fn a_server_that_ends_first_says_so() {
    let server = Server::json(&["reply", "adiós", "--once"]);
    let client = server.connect();
    (&client).write_all(b"hola").unwrap();
    assert_eq!(read_all(&client), "adiós".as_bytes());
    drop(client);
    let expected = json!({"reason": "own_end", "received": 4, "sent": 6, "unsent": 0});
    assert_eq!(end(&server.finish()), expected);
}

#[test]
fn a_server_whose_peer_resets_says_so_and_serves_the_next() {
    let mut server = Server::json(&["echo", "--accept", "2"]);
    let mut client = server.connect();
    client.write_all(b"hola").unwrap();
    common::reset(client);
    assert_eq!(server.process.event("closed")["reason"], "reset_by_peer");
    run(&["send", &server.target(), "x", "--expect", "echo", "-q"]).is(0, "x", "");
    let done = server.finish();
    assert_eq!(done.code, Some(0));
    assert_eq!(json::reasons(done.text()), ["reset_by_peer", "peer_finished"]);
}

#[test]
fn a_server_closes_an_idle_connection_and_says_so() {
    let server = Server::json(&["echo", "--once", "--idle", "2s"]);
    let client = server.connect();
    (&client).write_all(b"hola").unwrap();
    assert_eq!(read_all(&client), b"hola", "and then the server's end");
    let expected =
        json!({"reason": "idle", "received": 4, "sent": 4, "unsent": 0, "limit_ns": 2_000_000_000_u64});
    assert_eq!(end(&server.finish()), expected);
}

#[test]
fn a_server_closes_a_connection_that_never_says_a_word() {
    let server = Server::json(&["echo", "--once", "--first-byte", "150ms"]);
    let client = server.connect();
    assert_eq!(read_all(&client), b"");
    let expected =
        json!({"reason": "first_byte", "received": 0, "sent": 0, "unsent": 0, "limit_ns": 150_000_000});
    assert_eq!(end(&server.finish()), expected);
}

#[test]
fn a_server_closes_a_connection_at_its_deadline_whatever_happens() {
    let server = Server::json(&["echo", "--once", "--deadline", "300ms"]);
    let mut client = server.connect();
    // Never idle: each answer is followed by another question, until the end or a reset.
    let mut answer = [0];
    while client.write_all(b"x").is_ok() && matches!(client.read(&mut answer), Ok(1)) {}
    let done = server.finish();
    assert_eq!(done.code, Some(0));
    let end = end(&done);
    assert_eq!((&end["reason"], &end["limit_ns"]), (&json!("deadline"), &json!(300_000_000)));
}

#[test]
fn a_server_that_is_full_says_so_and_resets_who_comes() {
    let mut server = Server::json(&["echo", "--max-connections", "1", "--accept", "2"]);
    let mut first = server.connect();
    server.process.event("accepted");
    // The reset may be there before the second client is done with connecting.
    let second = TcpStream::connect(server.address).and_then(|mut second| second.read(&mut [0]));
    assert_eq!(second.unwrap_err().kind(), ErrorKind::ConnectionReset);
    let short = server.process.event("short");
    assert_eq!((&short["of"], &short["limit"]), (&json!("connections"), &json!(1)));
    assert_eq!(server.process.event("closed")["reason"], "limit");
    first.write_all(b"still served").unwrap();
    assert_eq!(read_exactly(&first, 12), b"still served");
    drop(first);
    server.process.event("closed");
    run(&["send", &server.target(), "x", "--expect", "echo", "-q"]).is(0, "x", "");
    let done = server.finish();
    assert_eq!(done.code, Some(0));
    assert_eq!(json::reasons(done.text()), ["limit", "peer_finished", "peer_finished"]);
    // Who was reset for want of room was not served, and does not count for --accept.
    assert_eq!(json::only(done.text(), "stopped")[0]["served"], 2);
}

#[test]
fn who_is_reset_is_told_so_whether_or_not_connect_had_returned_by_then() {
    let server = Server::json(&["echo", "--max-connections", "1", "--events", "none"]);
    let first = server.connect();
    (&first).write_all(b"x").unwrap();
    read_exactly(&first, 1);
    let sentence = format!(
        "enchufe: the connection with {} did not end well: the peer reset it (RST)\n",
        server.target()
    );
    for _ in 0..30 {
        run(&["send", &server.target(), "hola", "-q"]).is(1, "", &sentence);
        let done = run(&["send", &server.target(), "hola", "--json"]);
        assert_eq!((done.code, &end(&done)["reason"]), (Some(1), &json!("reset_by_peer")));
    }
}

#[test]
fn a_server_that_is_told_to_stop_interrupts_what_does_not_end() {
    let mut server = Server::json(&["echo", "--drain", "0"]);
    let client = server.connect();
    server.process.event("accepted");
    let done = server.stop();
    assert_eq!(end(&done), json!({"reason": "interrupted", "received": 0, "sent": 0, "unsent": 0}));
    drop(client);
}

#[test]
fn a_client_that_ends_first_says_so() {
    let server = Server::json(&["echo", "--once"]);
    let done = run(&["send", &server.target(), "hola", "--json"]);
    assert_eq!(done.code, Some(0));
    assert_eq!(end(&done), json!({"reason": "own_end", "received": 4, "sent": 4, "unsent": 0}));
}

#[test]
fn a_client_whose_peer_ends_first_says_so() {
    let (listener, address) = listener();
    let words = ["send", &address, "hola", "--no-half-close", "--json"];
    let mut client = Process::start(enchufe("en", &words));
    let peer = client.accepted(&listener);
    assert_eq!(read_exactly(&peer, 4), b"hola");
    drop(peer);
    let done = client.finish();
    assert_eq!((done.code, done.errors()), (Some(0), ""));
    assert_eq!(end(&done), json!({"reason": "peer_finished", "received": 0, "sent": 4, "unsent": 0}));
}

#[test]
fn a_client_whose_peer_resets_says_so_in_one_sentence() {
    let (listener, address) = listener();
    let mut client = Process::start(enchufe("en", &["send", &address, "hola", "--json"]));
    common::reset(client.accepted(&listener));
    let done = client.finish();
    let sentence =
        format!("enchufe: the connection with {address} did not end well: the peer reset it (RST)\n");
    assert_eq!((done.code, done.errors()), (Some(1), sentence.as_str()));
    assert_eq!(end(&done), json!({"reason": "reset_by_peer", "received": 0, "sent": 4, "unsent": 0}));
}

#[test]
fn a_client_limits_its_wait_in_three_ways() {
    let cases = [
        (["--idle", "2s"], "idle", "nothing came or went for 2 s"),
        (["--first-byte", "2s"], "first_byte", "not one byte came for 2 s"),
        (["--deadline", "2s"], "deadline", "it reached its limit of 2 s"),
    ];
    for (flag, reason, words) in cases {
        // A peer that accepts and is silent.
        let (_listener, address) = listener();
        let done = run(&[&["send", &address, "hola", "--json"], &flag[..]].concat());
        let sentence = format!("enchufe: the connection with {address} did not end well: {words}\n");
        assert_eq!((done.code, done.errors()), (Some(1), sentence.as_str()));
        let expected =
            json!({"reason": reason, "received": 0, "sent": 4, "unsent": 0, "limit_ns": 2_000_000_000_u64});
        assert_eq!(end(&done), expected);
    }
}

#[test]
fn a_client_that_is_interrupted_says_so() {
    for signal in ["INT", "TERM"] {
        let (listener, address) = listener();
        let mut client = Process::start(enchufe("es", &["send", &address, "hola", "--json"]));
        let peer = client.accepted(&listener);
        assert_eq!(read_exactly(&peer, 4), b"hola");
        client.signal(signal);
        let done = client.finish();
        let sentence =
            format!("enchufe: la conexión con {address} no terminó bien: se interrumpió este programa\n");
        assert_eq!((done.code, done.errors()), (Some(1), sentence.as_str()));
        assert_eq!(end(&done), json!({"reason": "interrupted", "received": 0, "sent": 4, "unsent": 0}));
    }
}

#[test]
fn a_client_that_nobody_listens_to_says_so() {
    let (_taken, address) = common::refusing();
    let done = run(&["send", &address, "hola"]);
    let sentence = format!(
        "enchufe: connect {address}: connection refused, nobody listens there; \
         start the server, or wait for it with --retry 5s\n"
    );
    assert_eq!((done.code, done.text()), (Some(1), ""));
    let port = address.rsplit_once(':').unwrap().1;
    assert_eq!(done.errors(), format!("Connecting to 127.0.0.1 port {port}\n{sentence}"));
}

#[test]
fn a_reader_that_is_slow_gets_everything_and_one_that_never_reads_is_cut_by_its_limit() {
    let server = Server::json(&["chargen", "--accept", "2", "--idle", "2s"]);
    let mut never = server.connect();
    let slow = server.connect();
    let lines = read_exactly(&slow, 74 * 1000);
    assert!(lines.chunks(74).all(|line| line.ends_with(b"\r\n")));
    drop(slow);
    let done = server.finish();
    let mut reasons = json::reasons(done.text());
    reasons.sort();
    assert_eq!(reasons, ["idle", "reset_by_peer"]);
    let told = json::only(done.text(), "closed");
    let idle = told.iter().find(|end| end["reason"] == "idle").unwrap();
    assert!(idle["unsent"].as_u64() > Some(0), "{idle}");
    // What it was sent is still there for it.
    let mut line = [0; 74];
    never.read_exact(&mut line).unwrap();
}
