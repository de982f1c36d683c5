//! What users of nc look for: addresses, retries, counts, line ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Process, Server, enchufe, json, listener, read_all, run};
use serde_json::json;
use std::io::Write;

#[test]
fn retry_waits_until_somebody_listens() {
    let address = common::address_of_its_own();
    let target = address.to_string();
    let words = ["send", &target, "x", "--expect", "echo", "--retry", "1m", "--json"];
    let mut client = Process::start(enchufe("en", &words));
    let retrying = client.event("retrying");
    assert_eq!((&retrying["address"], &retrying["limit_ns"]), (&json!(target), &json!(60_000_000_000_u64)));
    let words = ["serve", "echo", "--once", "--json", "--listen", &target];
    let server = Server::of(Process::start(enchufe("en", &words)));
    let done = client.finish();
    assert_eq!((done.code, done.errors()), (Some(0), ""));
    assert_eq!(json::payload(done.text(), "received"), b"x");
    assert_eq!(json::only(done.text(), "retrying").len(), 1, "it is said once");
    assert_eq!(server.finish().code, Some(0));
}

#[test]
fn retry_gives_up_after_its_time() {
    let (_taken, address) = common::refusing();
    let done = run(&["send", &address, "x", "--retry", "250ms", "-q"]);
    let sentence = format!(
        "enchufe: connect {address}: nobody listened there in 250 ms; \
         start the server or give more time with --retry\n"
    );
    done.is(1, "", &sentence);
}

#[test]
fn accept_ends_after_so_many_connections() {
    // At an address of its own, so that nobody else listens there afterwards.
    let address = common::address_of_its_own().to_string();
    let words = ["serve", "echo", "--accept", "3", "--json", "--listen", &address];
    let server = Server::of(Process::start(enchufe("en", &words)));
    for message in ["a", "b", "c"] {
        run(&["send", &server.target(), message, "--expect", "echo", "-q"]).is(0, message, "");
    }
    let target = server.target();
    let done = server.finish();
    assert_eq!((done.code, done.errors()), (Some(0), ""));
    assert_eq!(json::only(done.text(), "stopped")[0]["served"], 3);
    let refused = run(&["send", &target, "d", "-q"]);
    assert_eq!(refused.code, Some(1));
}

#[test]
fn source_is_the_address_and_port_that_the_peer_sees() {
    let server = Server::json(&["echo", "--accept", "2"]);
    let source = common::address_of_its_own();
    let words = ["send", &server.target(), "x", "--expect", "echo", "-q", "--source"];
    run(&[&words[..], &[&source.to_string()]].concat()).is(0, "x", "");
    run(&[&words[..], &[&source.ip().to_string()]].concat()).is(0, "x", "");
    let done = server.finish();
    let accepted = json::only(done.text(), "accepted");
    assert_eq!(accepted[0]["peer"], source.to_string());
    let second: std::net::SocketAddr = accepted[1]["peer"].as_str().unwrap().parse().unwrap();
    assert_eq!(second.ip(), source.ip());
}

#[test]
fn newline_and_crlf_are_added_to_the_message_and_nothing_else_is() {
    let cases: [(&[&str], &[u8]); 3] =
        [(&[], b"hola"), (&["--newline"], b"hola\n"), (&["--crlf"], b"hola\r\n")];
    for (flag, expected) in cases {
        let (listener, address) = listener();
        let mut client = Process::start(enchufe("en", &[&["send", &address, "hola", "-q"], flag].concat()));
        assert_eq!(read_all(&client.accepted(&listener)), expected);
        client.finish().is(0, "", "");
    }
}

#[test]
fn reply_adds_its_line_end_too() {
    let server = Server::json(&["reply", "hola", "--crlf", "--once"]);
    run(&["send", &server.target(), "x", "-q"]).is(0, "hola\r\n", "");
}

#[test]
fn each_expectation_has_its_verdict() {
    let cases: [(&str, &[u8], i32, &str); 7] = [
        ("line", b"una\n", 0, ""),
        ("line", b"una", 1, "a line was expected and no end of line came"),
        ("bytes=3", b"abc", 0, ""),
        ("bytes=3", b"ab", 1, "not all that was expected came: bytes expected 3, bytes that came 2"),
        ("bytes=3", b"abcde", 1, "more came than was expected: 2 bytes too many"),
        ("nothing", b"", 0, ""),
        ("nothing", b"x", 1, "more came than was expected: 1 byte too many"),
    ];
    for (expect, answer, code, sentence) in cases {
        let (listener, address) = listener();
        let words = ["send", &address, "x", "-q", "--expect", expect];
        let mut client = Process::start(enchufe("en", &words));
        let peer = client.accepted(&listener);
        assert_eq!(common::read_exactly(&peer, 1), b"x");
        (&peer).write_all(answer).unwrap();
        drop(peer);
        let sentence = if sentence.is_empty() { String::new() } else { format!("enchufe: {sentence}\n") };
        client.finish().is(code, std::str::from_utf8(answer).unwrap(), &sentence);
    }
}

#[test]
fn a_name_is_looked_up_and_four_keeps_to_ipv4() {
    let server = Server::json(&["echo", "--once"]);
    let target = format!("localhost:{}", server.port());
    let done = run(&["send", &target, "x", "--expect", "echo", "-4", "--json"]);
    assert_eq!((done.code, done.errors()), (Some(0), ""));
    let connecting = json::only(done.text(), "connecting");
    assert_eq!(connecting.len(), 1);
    assert_eq!(connecting[0]["address"], server.target());
    assert_eq!(json::only(done.text(), "resolving")[0]["name"], "localhost");
}

#[test]
fn four_and_an_ipv6_address_do_not_go_together() {
    let sentence = "[::1]:4000 has no IPv4 address; leave -4 out";
    run(&["send", "[::1]:4000", "x", "-4", "-q"]).could_not_run(sentence);
    let sentence = "127.0.0.1:4000 has no IPv6 address; leave -6 out";
    run(&["serve", "echo", "--listen", "127.0.0.1:4000", "-6", "-q"]).could_not_run(sentence);
    let sentence = "[::1]:0 has no IPv4 address; leave -4 out";
    run(&["serve", "echo", "--listen", "127.0.0.1:0", "--metrics", "[::1]:0", "-4"]).could_not_run(sentence);
}

#[test]
#[cfg_attr(not(have_ipv6), ignore = "this machine has no ::1")]
fn a_port_alone_is_this_machine_in_both_families() {
    let mut process = Process::start(enchufe("en", &["serve", "echo", "--listen", "0", "--json"]));
    let first = process.event("listening");
    let second = process.event("listening");
    assert_eq!((&first["reach"], &second["reach"]), (&json!("this_machine"), &json!("this_machine")));
    let port = first["address"].as_str().unwrap().strip_prefix("127.0.0.1:").unwrap();
    assert_eq!(second["address"], format!("[::1]:{port}"), "the same port in both");
    for family in ["-4", "-6"] {
        let words = ["send", &format!("localhost:{port}"), "x", "--expect", "echo", "-q", family];
        // Whether the name has both addresses is the machine's affair; the number is ours.
        let named = run(&words);
        assert!(named.code == Some(0) || named.errors().contains("has no IPv"), "{}", named.errors());
        run(&["send", port, "x", "--expect", "echo", "-q", family]).is(0, "x", "");
    }
    process.signal("TERM");
    let done = process.finish();
    assert_eq!(done.code, Some(0));
    let local = json::only(done.text(), "accepted");
    assert!(local.iter().any(|accepted| accepted["peer"].as_str().unwrap().starts_with("[::1]:")));
    assert!(local.iter().any(|accepted| accepted["peer"].as_str().unwrap().starts_with("127.0.0.1:")));
}

#[test]
#[cfg_attr(not(have_ipv6), ignore = "this machine has no ::1")]
fn a_client_goes_on_to_the_next_address_of_this_machine() {
    let words = ["serve", "echo", "--once", "--json", "--listen", "[::1]:0"];
    let mut server = Process::start(enchufe("en", &words));
    let listening = server.event("listening");
    let address = listening["address"].as_str().unwrap().to_owned();
    let port = address.strip_prefix("[::1]:").unwrap();
    let done = run(&["send", port, "x", "--expect", "echo", "--json"]);
    assert_eq!((done.code, done.errors()), (Some(0), ""));
    let failed = json::only(done.text(), "attempt_failed");
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["address"], format!("127.0.0.1:{port}"));
    assert_eq!(failed[0]["error_kind"], "ConnectionRefused");
    assert_eq!(json::only(done.text(), "connected")[0]["address"], address);
    assert_eq!(server.finish().code, Some(0));
}

#[test]
fn several_addresses_can_be_listened_on() {
    let other = common::address_of_its_own().to_string();
    let words = ["serve", "echo", "--json", "--accept", "2", "--listen", "127.0.0.1:0", "--listen", &other];
    let mut process = Process::start(enchufe("en", &words));
    let first = process.event("listening")["address"].as_str().unwrap().to_owned();
    assert_eq!(process.event("listening")["address"], other);
    for target in [&first, &other] {
        run(&["send", target, "x", "--expect", "echo", "-q"]).is(0, "x", "");
    }
    let done = process.finish();
    let local: Vec<_> = json::only(done.text(), "accepted").iter().map(|e| e["local"].clone()).collect();
    assert_eq!(local, [json!(first), json!(other)]);
}

#[test]
fn socket_options_are_read_back_from_the_kernel() {
    let words = ["echo", "--once", "-v", "--socket", "nodelay,keepalive=30s"];
    let server = Server::json(&words);
    let done = run(&["send", &server.target(), "x", "--json", "-v", "--socket", "nodelay,linger=1s"]);
    let expected = json!({"nodelay": "on", "linger": "1s"});
    assert_eq!(json::only(done.text(), "options")[0]["options"], expected);
    let expected = json!({"nodelay": "on", "keepalive": "30s"});
    assert_eq!(json::only(server.finish().text(), "options")[0]["options"], expected);
}

#[test]
fn a_server_that_runs_out_of_descriptors_says_so_and_goes_on() {
    // Three standard streams, the program's own, the listener; not twenty connections more.
    let program = env!("CARGO_BIN_EXE_enchufe");
    // One thread, so that they get in in the order in which they came.
    let words = "--lang en serve echo --engine epoll --threads 1 --listen 127.0.0.1:0 --json --drain 1m";
    let line = format!("ulimit -n 24; exec '{program}' {words}");
    let mut server = Server::of(Process::start(common::other("sh", &["-c", &line])));
    let clients: Vec<_> = (0..24).map(|_| server.connect()).collect();
    assert_eq!(server.process.event("short")["of"], "descriptors");
    // Those who got in leave, and those who waited are served.
    for (number, client) in clients.into_iter().enumerate() {
        (&client).write_all(&[u8::try_from(number).unwrap()]).unwrap();
        assert_eq!(common::read_exactly(&client, 1), [u8::try_from(number).unwrap()]);
    }
    let done = server.stop();
    assert_eq!((done.code, done.errors()), (Some(0), ""));
    assert_eq!(json::only(done.text(), "stopped")[0]["served"], 24);
}

/// The greeting is there before the client's first read, and does not make its message needless.
#[test]
fn a_message_is_sent_whole_to_a_peer_that_speaks_first() {
    for expect in ["line", "bytes=7", "nothing", "echo"] {
        let (listener, address) = listener();
        let mut client = Process::start(enchufe("en", &["send", &address, "QUIT", "-q", "--expect", expect]));
        let peer = client.accepted(&listener);
        (&peer).write_all(b"220 hi\n").unwrap();
        assert_eq!(common::read_exactly(&peer, 4), b"QUIT", "--expect {expect}");
        drop(peer);
        let done = client.finish();
        assert_eq!(done.text(), "220 hi\n");
        assert_eq!(done.code, Some(i32::from(matches!(expect, "nothing" | "echo"))), "--expect {expect}");
    }
}

/// A connection that is never made has its reason in JSON too.
#[test]
fn a_refusal_is_an_event() {
    let (_taken, address) = common::refusing();
    let done = run(&["send", &address, "x", "--json"]);
    assert_eq!(done.code, Some(1));
    let closed = json::only(done.text(), "closed");
    assert_eq!(
        (closed.len(), &closed[0]["reason"], &closed[0]["peer"]),
        (1, &json!("refused"), &json!(address))
    );
}

/// What `send` says when it has waited long, for each thing that it may wait for. All wait at once.
#[test]
fn a_long_wait_is_explained() {
    let big = vec![b'x'; 32 << 20];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("big");
    std::fs::write(&file, big).unwrap();
    let file = file.to_str().unwrap();
    // The first word of a case is what is awaited.
    let cases: [(&str, &[&str], &str); 5] = [
        ("peer_end", &["x"], "Waiting for the peer to end (--idle 5s limits the wait; Ctrl-C ends it now)"),
        ("echo", &["x", "--expect", "echo"], "Still to come back: 1 byte (--idle 5s limits the wait)"),
        (
            "expected",
            &["x", "--expect", "line"],
            "What is expected has not come yet (--idle 5s limits the wait)",
        ),
        (
            "room",
            &["--file", file],
            "The peer does not read: there is no room for more just now (--idle 5s limits the wait)",
        ),
        (
            "room",
            &["--file", file, "--no-reply", "--wait", "1m"],
            "The peer does not read: there is no room for more just now (--idle 5s limits the wait)",
        ),
    ];
    let mut held = Vec::new();
    for (awaited, words, sentence) in cases {
        let (listener, address) = listener();
        let mut told = Process::start(enchufe("en", &[&["send", &address, "--json"], words].concat()));
        let mut said = Process::start(enchufe("en", &[&["send", &address], words].concat()));
        let peers = [told.accepted(&listener), said.accepted(&listener)];
        held.push((awaited, sentence, told, said, peers));
    }
    for (awaited, sentence, mut told, mut said, peers) in held {
        assert_eq!(told.event("still_waiting")["awaited"], awaited);
        said.errors_until(sentence);
        drop(peers);
    }
}

#[test]
fn as_many_may_wait_as_is_said_whatever_was_asked_for() {
    let allowed: u32 =
        std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap().trim().parse().unwrap();
    for (asked, told) in [("1", 1), ("1000000", allowed)] {
        let words = ["serve", "echo", "--listen", "127.0.0.1:0", "--json", "--backlog", asked];
        let mut server = Process::start(enchufe("en", &words));
        assert_eq!(server.event("listening")["backlog"], told);
    }
}

#[test]
fn a_long_wait_for_a_connection_is_explained() {
    // One is served and two wait: the kernel drops the attempts of others (listen(2)).
    let mut server = Server::json(&["echo", "--engine", "blocking", "--backlog", "1"]);
    let first = common::connect(server.address);
    server.process.event("accepted");
    let waiting = [common::connect(server.address), common::connect(server.address)];
    let mut told = Process::start(enchufe("en", &["send", &server.target(), "x", "--json"]));
    assert_eq!(told.event("still_waiting")["awaited"], "connection");
    drop((first, waiting));
}

/// The peer's small window takes a part; the rest and the end are with our kernel, unacknowledged.
#[test]
fn a_long_wait_for_an_acknowledgement_is_explained() {
    let mut server = Server::json(&["receive", "--engine", "blocking", "--socket", "rcvbuf=4096"]);
    let first = common::connect(server.address);
    server.process.event("accepted");
    let message = "x".repeat(100_000);
    let words = [
        "send",
        &server.target(),
        &message,
        "--no-reply",
        "--wait",
        "1m",
        "--socket",
        "sndbuf=1048576",
        "--json",
    ];
    let mut told = Process::start(enchufe("en", &words));
    assert_eq!(told.event("still_waiting")["awaited"], "acknowledgement");
    // Once it is read, it is acknowledged.
    drop(first);
    let done = told.finish();
    assert_eq!(done.code, Some(0));
    assert_eq!(json::only(done.text(), "acknowledged")[0]["bytes"], 100_000);
}
