//! What the program says of errors that only a plan brings about (`crates/sys/src/faults.rs`), and that it ends, or goes on, as it says.
//! What engines do then is in the conformance suite.
#![cfg(enchufe_faults)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Process, Server, enchufe, json, read_all, read_exactly};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

const ENGINES: [&str; 3] = ["blocking", "threads", "epoll"];

/// `serve echo`, whose calls fail by a plan.
fn start(plan: &str, words: &[&str]) -> Process {
    let words = [&["serve", "echo", "--listen", "127.0.0.1:0", "--json", "--events", "all"], words].concat();
    let mut command = enchufe("en", &words);
    command.env("ENCHUFE_FAULTS", plan);
    Process::start(command)
}

fn serve(plan: &str, words: &[&str]) -> Server {
    Server::of(start(plan, words))
}

fn echo(mut client: &TcpStream) {
    client.write_all(b"hola").unwrap();
    assert_eq!(read_exactly(client, 4), b"hola");
}

#[test]
fn a_listener_of_no_use_ends_the_server_when_those_who_are_there_have_finished() {
    for engine in ENGINES {
        let server = serve("accept4:EACCES:2..", &["--engine", engine, "-v"]);
        let (address, guest) = (server.address, server.connect());
        echo(&guest);
        if engine == "blocking" {
            // Nobody else is looked at before.
            drop(guest);
            assert!(is_turned_away(address));
        } else {
            // Nobody is to wait for an end that may be far.
            assert!(is_turned_away(address), "{engine}");
            assert!(TcpStream::connect(address).is_err(), "{engine}");
            echo(&guest);
            guest.shutdown(Shutdown::Write).unwrap();
            assert_eq!(read_all(&guest), b"");
        }
        let done = server.finish();
        assert_eq!(done.code, Some(2), "{engine}");
        assert_eq!(done.errors(), format!("enchufe: accept {address}: permission denied\n"), "{engine}");
        assert_eq!(json::reasons(done.text()), ["peer_finished"], "{engine}");
    }
}

/// Whether whoever comes is reset, which it may learn while it connects.
fn is_turned_away(address: SocketAddr) -> bool {
    TcpStream::connect(address).and_then(|mut client| client.read(&mut [0])).is_err()
}

#[test]
fn what_an_engine_cannot_begin_without_is_named_before_anybody_is_let_in() {
    for (plan, engine, call) in [
        ("epoll_create1:EMFILE", "epoll", "epoll_create1"),
        ("epoll_ctl:ENOSPC", "epoll", "epoll_ctl"),
        ("clone:EAGAIN:1", "threads", "clone"),
        ("clone:EAGAIN:2", "epoll", "clone"),
        ("poll:ENOMEM", "threads", "poll"),
        ("epoll_wait:ENOMEM", "epoll", "epoll_wait"),
    ] {
        let done = start(plan, &["--engine", engine]).finish();
        assert_eq!(done.code, Some(2), "{plan}");
        assert!(done.errors().starts_with(&format!("enchufe: {call}: ")), "{plan}: {}", done.errors());
        assert_eq!(done.errors().lines().count(), 1, "{plan}");
        assert_eq!(json::only(done.text(), "accepted").len(), 0, "{plan}");
    }
}

#[test]
fn a_thread_that_cannot_wait_any_more_says_how_its_connections_ended() {
    let server = serve("epoll_wait:ENOMEM:20", &["--engine", "epoll", "--threads", "1"]);
    let client = server.connect();
    // Each time it has waited.
    while (&client).write_all(b"hola").is_ok() && (&client).read_exact(&mut [0; 4]).is_ok() {}
    let done = server.finish();
    assert_eq!(done.code, Some(2));
    assert!(done.errors().starts_with("enchufe: epoll_wait: "), "{}", done.errors());
    let closed = json::only(done.text(), "closed");
    assert_eq!((closed.len(), &closed[0]["call"]), (1, &"epoll_wait".into()));
}

#[test]
fn an_accept_that_fails_on_and_on_is_told_with_its_cause() {
    let mut server = serve("accept4:EPERM:1..70", &["--engine", "threads"]);
    let client = server.connect();
    let short = server.process.event("short");
    assert_eq!((&short["of"], &short["error_kind"]), (&"accept".into(), &"PermissionDenied".into()));
    // After its rests it has tried often enough.
    echo(&client);
    drop(client);
    assert_eq!(json::reasons(server.stop().text()), ["peer_finished"]);
}

#[test]
fn a_plan_that_is_none_is_no_plan_without_faults() {
    let done = start("recv:EWHAT", &[]).finish();
    assert_ne!(done.code, Some(0));
    assert!(done.errors().contains("`recv:EWHAT` is no CALL:FAULT[:WHEN]"), "{}", done.errors());
}
