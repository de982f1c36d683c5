//! Which events a server tells: all, a hundred in a second and how many more, or none; and connections without a byte.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Server, json, on_engines, read_all, run, try_connect};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Barrier;

const CLIENTS: usize = 300;
/// Of these, at a time.
const AT_ONCE: usize = 30;
/// Of each: it is accepted, a piece comes and goes back, the peer ends, it is closed. (Of an engine that serves one at a time, others wait for
/// their turn, and are told: how many cannot be counted beforehand.)
const EVENTS: u64 = 5 * CLIENTS as u64;

/// A message there and back, then both ends.
fn echo(mut client: TcpStream) -> io::Result<()> {
    client.write_all("ñandú".as_bytes())?;
    client.shutdown(Shutdown::Write)?;
    let mut back = Vec::new();
    client.read_to_end(&mut back)?;
    let is_whole = back == "ñandú".as_bytes();
    is_whole.then_some(()).ok_or_else(|| io::Error::other(format!("another echo: {back:?}")))
}

/// So many echo clients, some at once, each with one message in one segment; the text that the server printed.
fn told(words: &[&str]) -> String {
    let server = Server::json(&[&["echo", "--accept", &CLIENTS.to_string()], words].concat());
    let (address, barrier) = (server.address, Barrier::new(AT_ONCE));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                let mut so_far = Ok(());
                for _ in 0..CLIENTS / AT_ONCE {
                    let client = so_far.and_then(|()| try_connect(address));
                    // Also one that has failed comes here: the others wait for it.
                    barrier.wait();
                    so_far = client.and_then(echo);
                }
                so_far.unwrap();
            });
        }
    });
    let done = server.finish();
    assert_eq!((done.code, done.errors()), (Some(0), ""));
    done.text().to_owned()
}

/// How many events of connections are there, and how many were folded.
fn counts(told: &str) -> (u64, u64) {
    let of_connections = json::all(told).iter().filter(|event| event["connection"].is_u64()).count();
    let folded = json::only(told, "folded").iter().map(|event| event["count"].as_u64().unwrap()).sum();
    (of_connections as u64, folded)
}

on_engines!(what_is_told_and_what_is_folded_are_all_that_happened: threads epoll uring);
fn what_is_told_and_what_is_folded_are_all_that_happened(engine: &str) {
    let told = told(&["--engine", engine]);
    let (one_by_one, folded) = counts(&told);
    assert_eq!(one_by_one + folded, EVENTS, "{engine}");
    // The first second has its hundred at least: "Waiting" is one of them.
    assert!(one_by_one >= 99, "{engine}: {one_by_one}");
    let names = json::names(&told);
    assert_eq!(names.last().map(String::as_str), Some("stopped"));
    // Nothing is folded where a hundred in a second are not reached.
    let lines = json::only(&told, "folded");
    assert!(lines.iter().all(|event| event["count"].as_u64() > Some(0)), "{engine}");
    assert!(json::only(&told, "received").iter().all(|event| event["text"] == "ñandú"), "{engine}");
}

on_engines!(with_all_every_event_is_told: threads epoll uring);
fn with_all_every_event_is_told(engine: &str) {
    assert_eq!(counts(&told(&["--engine", engine, "--events", "all"])), (EVENTS, 0), "{engine}");
}

on_engines!(with_none_only_the_server_is_told_of: threads epoll uring);
fn with_none_only_the_server_is_told_of(engine: &str) {
    let told = told(&["--engine", engine, "--events", "none"]);
    let names = json::names(&told);
    assert_eq!(names, ["starting", "socket_made", "bound", "listening", "engine", "stopped"], "{engine}");
    assert_eq!(json::all(&told).last().unwrap()["served"], CLIENTS);
}

#[test]
fn what_a_server_shows_that_is_there_to_show_it_is_not_folded() {
    const PIECES: usize = 150;
    let mut server = Server::json(&["receive", "--once", "--read-size", "10"]);
    let mut client = server.connect();
    let sent = "0123456789".repeat(PIECES);
    client.write_all(sent.as_bytes()).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    server.process.event("peer_ended");
    let done = server.finish();
    assert_eq!(json::payload(done.text(), "received"), sent.as_bytes());
    assert_eq!(json::only(done.text(), "folded").len(), 0);
}

on_engines!(connections_without_a_byte_are_counted_and_seldom_told: blocking threads epoll uring);
fn connections_without_a_byte_are_counted_and_seldom_told(engine: &str) {
    const PROBES: usize = 20;
    let accept = (PROBES + 1).to_string();
    let words = ["echo", "--engine", engine, "--accept", &accept];
    let visit = |server: &Server| {
        (0..PROBES).for_each(|_| drop(server.connect()));
        let mut client = server.connect();
        client.write_all(b"x").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_all(&client), b"x");
    };
    let server = Server::text("en", &words);
    visit(&server);
    let done = server.finish();
    let count = |part: &str| done.text().lines().filter(|line| line.contains(part)).count();
    // On a machine that is busy a probe may be there for long enough to be told; then all of it is.
    assert!((1..=PROBES).contains(&count("Connection from ")), "{engine}: {}", done.text());
    assert_eq!(count("Connection from "), count(" closed: "), "{engine}: {}", done.text());
    assert_eq!(count("Received (1 byte): \"x\""), 1, "{engine}: {}", done.text());
    let last = done.text().lines().last();
    assert_eq!(last, Some("Over: 21 connections served, 20 without a byte"), "{engine}");

    let server = Server::text("en", &[&words[..], &["--verbose"]].concat());
    visit(&server);
    let done = server.finish();
    assert_eq!(done.text().lines().filter(|line| line.contains("Connection from ")).count(), PROBES + 1);
}

#[test]
fn who_connects_and_says_nothing_is_told_of_while_it_is_there() {
    let mut server = Server::text("es", &["echo"]);
    let silent = server.connect();
    server.process.until("Conexión desde");
    drop(silent);
    server.process.until("cerrada: el otro extremo terminó primero");
    let done = server.stop();
    assert_eq!(done.text().lines().last(), Some("Fin: 1 conexión atendida, 1 sin un solo byte"));
}

on_engines!(the_status_is_a_line_on_standard_error_where_something_changes: blocking threads epoll uring);
fn the_status_is_a_line_on_standard_error_where_something_changes(engine: &str) {
    let mut server = Server::json(&["echo", "--engine", engine, "--status"]);
    let mut client = server.connect();
    client.write_all(&[b'x'; 3000]).unwrap();
    assert_eq!(common::read_exactly(&client, 3000).len(), 3000);
    let line = server.process.errors_until("1 open, ");
    assert!(line.ends_with("/s out"), "{line}");
    drop(client);
    let line = server.process.errors_until("0 open, ");
    assert!(line.contains(" 0 refused/s, "), "{line}");
    let done = server.stop();
    let lines: Vec<&str> = done.errors().lines().collect();
    assert!(lines.windows(2).all(|pair| pair[0] != pair[1]), "{lines:?}");
    assert!(json::names(done.text()).contains(&"closed".to_owned()));
}

#[test]
fn other_words_than_the_three_are_refused() {
    run(&["serve", "echo", "--events", "some"])
        .could_not_run("--events cannot be \"some\"; it can be: all, fold, none");
}
