//! What the program says of errors that only a plan brings about (`crates/sys/src/faults.rs`), and that it ends, or goes on, as it says.
//! What engines do then is in the conformance suite.
#![cfg(enchufe_faults)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Process, Server, enchufe, json, read_all, read_exactly};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

const ENGINES: [&str; 4] = ["blocking", "threads", "epoll", "uring"];

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
            // Those of its threads are closed one after the other.
            while TcpStream::connect(address).is_ok() {}
            echo(&guest);
            guest.shutdown(Shutdown::Write).unwrap();
            assert_eq!(read_all(&guest), b"");
        }
        let done = server.finish();
        assert_eq!(done.code, Some(2), "{engine}");
        // And the way out, in the same line.
        let cause = format!("enchufe: accept {address}: permission denied; ");
        assert!(done.errors().starts_with(&cause), "{engine}: {}", done.errors());
        assert_eq!(done.errors().lines().count(), 1, "{engine}");
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
        // The first ring is one that is tried.
        ("io_uring_setup:EMFILE:2", "uring", "io_uring_setup"),
        ("io_uring_register:ENOMEM:5", "uring", "io_uring_setup"),
        ("io_uring_register:ENOMEM:8", "uring", "io_uring_register"),
        ("clone:EAGAIN:2", "uring", "clone"),
        ("eventfd:EMFILE:4", "uring", "eventfd"),
    ] {
        let one = if engine == "threads" { &[][..] } else { &["--threads", "1"] };
        let done = start(plan, &[&["--engine", engine], one].concat()).finish();
        assert_eq!(done.code, Some(2), "{plan}");
        assert!(done.errors().starts_with(&format!("enchufe: {call}: ")), "{plan}: {}", done.errors());
        assert_eq!(done.errors().lines().count(), 1, "{plan}");
        assert_eq!(json::only(done.text(), "accepted").len(), 0, "{plan}");
    }
}

#[test]
fn a_thread_that_cannot_wait_any_more_says_how_its_connections_ended() {
    for (engine, call, error) in [
        ("epoll", "epoll_wait", "ENOMEM"),
        ("uring", "io_uring_enter", "ENOMEM"),
        ("uring", "io_uring_enter", "EBADR"),
    ] {
        let server = serve(&format!("{call}:{error}:40"), &["--engine", engine, "--threads", "1"]);
        let client = server.connect();
        // Each time it has waited.
        while (&client).write_all(b"hola").is_ok() && (&client).read_exact(&mut [0; 4]).is_ok() {}
        let done = server.finish();
        assert_eq!(done.code, Some(2));
        assert!(done.errors().starts_with(&format!("enchufe: {call}: ")), "{}", done.errors());
        let closed = json::only(done.text(), "closed");
        assert_eq!((closed.len(), &closed[0]["call"]), (1, &call.into()));
    }
}

/// Where a table is full, a thread goes on in another ring.
#[test]
fn who_comes_when_no_other_ring_can_be_had_waits_until_somebody_has_left() {
    // The first two are one that is tried, and the thread's own, each with four calls; of another, the fifth is the last.
    for plan in ["io_uring_setup:ENOMEM:3..", "io_uring_register:ENOMEM:9..", "io_uring_register:ENOMEM:13.."]
    {
        waits_for_a_place(plan);
    }
}

fn waits_for_a_place(plan: &str) {
    let address = common::address_of_its_own();
    let line = format!(
        "ulimit -n 64; exec '{}' serve echo --engine uring --threads 1 --json --listen {address}",
        env!("CARGO_BIN_EXE_enchufe")
    );
    let mut command = common::other("sh", &["-c", &line]);
    command.env("ENCHUFE_FAULTS", plan);
    let mut server = Server::of(Process::start(command));
    let mut clients: Vec<TcpStream> = (0..64).map(|_| server.connect()).collect();
    for client in &clients {
        echo(client);
    }
    assert!(is_turned_away(address), "it has been let in when that is found");
    assert_eq!(server.process.event("short")["of"], "ring");
    let waits = server.connect();
    (&waits).write_all(b"hola").unwrap();
    for client in clients.drain(..) {
        echo(&client);
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_all(&client), b"");
    }
    assert_eq!(read_exactly(&waits, 4), b"hola");
    drop(waits);
    assert_eq!(server.stop().code, Some(0));
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
    start("recv:EWHAT", &[]).finish().is(2, "", "ENCHUFE_FAULTS: `recv:EWHAT` is no CALL:FAULT[:WHEN]\n");
}
