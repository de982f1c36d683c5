//! Ctrl-C and SIGTERM: a server stops accepting, lets what runs end, says what was cut, and can be
//! started again at once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Process, Server, enchufe, json, on_engines, read_all, read_exactly};
use serde_json::json;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// Who finds nothing for so long is taken to find nothing more. Were it wrong, the test would see less.
const NOTHING: Duration = Duration::from_millis(100);

/// A client that has had an answer: its connection is being served.
fn served(server: &Server) -> TcpStream {
    let mut client = server.connect();
    client.write_all(b"x").unwrap();
    assert_eq!(read_exactly(&client, 1), b"x");
    client
}

on_engines!(a_server_at_rest_ends_well_at_the_first_signal: blocking threads epoll uring);
fn a_server_at_rest_ends_well_at_the_first_signal(engine: &str) {
    for signal in ["INT", "TERM"] {
        let server = Server::json(&["echo", "--engine", engine]);
        server.process.signal(signal);
        let done = server.finish();
        assert_eq!((done.code, done.errors()), (Some(0), ""), "{engine} {signal}");
        let last = json::stable(done.text()).pop().unwrap();
        assert_eq!(last, json!({"event": "stopped", "served": 0, "cut": 0, "empty": 0}));
    }
}

on_engines!(what_runs_is_let_end_and_nobody_new_is_let_in: blocking threads epoll uring);
fn what_runs_is_let_end_and_nobody_new_is_let_in(engine: &str) {
    let mut server = Server::json(&["echo", "--engine", engine, "--drain", "1m"]);
    let mut client = server.connect();
    client.write_all(b"before").unwrap();
    assert_eq!(read_exactly(&client, 6), b"before");
    server.process.signal("TERM");
    let draining = server.process.event("draining");
    assert_eq!((&draining["open"], &draining["limit_ns"]), (&json!(1), &json!(60_000_000_000_u64)));
    client.write_all(b"after").unwrap();
    assert_eq!(read_exactly(&client, 5), b"after", "{engine}");
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&client), b"");
    let done = server.finish();
    assert_eq!((done.code, done.errors()), (Some(0), ""), "{engine}");
    assert_eq!(json::reasons(done.text()), ["peer_finished"]);
    let last = json::stable(done.text()).pop().unwrap();
    assert_eq!(last, json!({"event": "stopped", "served": 1, "cut": 0, "empty": 0}));
}

on_engines!(a_second_signal_cuts_what_still_runs: blocking threads epoll uring);
fn a_second_signal_cuts_what_still_runs(engine: &str) {
    let mut server = Server::json(&["echo", "--engine", engine, "--drain", "1h"]);
    let client = served(&server);
    server.process.signal("INT");
    server.process.event("draining");
    server.process.signal("INT");
    let done = server.finish();
    let sentence = "enchufe: 1 connection was cut at the end; --drain gives more time\n";
    assert_eq!((done.code, done.errors()), (Some(1), sentence), "{engine}");
    assert_eq!(json::reasons(done.text()), ["interrupted"]);
    let last = json::stable(done.text()).pop().unwrap();
    assert_eq!(last, json!({"event": "stopped", "served": 1, "cut": 1, "empty": 0}));
    drop(client);
}

#[test]
fn when_the_drain_is_over_what_still_runs_is_cut() {
    let mut server = Server::text("es", &["echo", "--drain", "100ms"]);
    let clients = [served(&server), served(&server)];
    server.process.signal("TERM");
    let line = server.process.until("Terminando");
    let words = "Terminando: quedan 2 conexiones, que tienen 100 ms para acabar (otro Ctrl-C las corta)";
    assert_eq!(line, words);
    let done = server.finish();
    let sentence = "enchufe: se cortaron 2 conexiones al terminar; --drain da más tiempo\n";
    assert_eq!((done.code, done.errors()), (Some(1), sentence));
    assert_eq!(done.text().lines().last(), Some("Fin: 2 conexiones atendidas, 2 cortadas"));
    drop(clients);
}

#[test]
fn who_waits_in_the_queue_is_counted_among_the_cut() {
    let words = ["echo", "--engine", "blocking", "--drain", "0"];
    let mut server = Server::json(&words);
    let first = server.connect();
    server.process.event("accepted");
    let second = server.connect();
    server.process.event("queued");
    server.process.signal("TERM");
    let done = server.finish();
    assert_eq!(done.code, Some(1));
    assert_eq!(json::only(done.text(), "queue_cut")[0]["count"], 1);
    assert_eq!(json::only(done.text(), "stopped")[0]["cut"], 2);
    drop((first, second));
}

#[test]
fn a_server_can_be_started_again_at_once_on_the_same_port() {
    let address = common::address_of_its_own().to_string();
    for round in 0..3 {
        let words = ["serve", "reply", "listo", "--once", "--json", "--listen", &address];
        let server = Server::of(Process::start(enchufe("en", &words)));
        let client = server.connect();
        (&client).write_all(b"x").unwrap();
        // The server ends first, so that its side of the connection stays in TIME_WAIT.
        assert_eq!(read_all(&client), b"listo");
        drop(client);
        let done = server.finish();
        assert_eq!((done.code, done.errors()), (Some(0), ""), "round {round}");
        assert_eq!(json::reasons(done.text()), ["own_end"]);
    }
}

on_engines!(who_took_what_was_sent_was_not_silent_while_the_server_was_stopped: blocking threads epoll uring);
fn who_took_what_was_sent_was_not_silent_while_the_server_was_stopped(engine: &str) {
    const IDLE: Duration = Duration::from_secs(3);
    const MORE: usize = 1 << 20;
    let take = |mut client: &TcpStream| {
        let mut buffer = vec![0; 64 * 1024];
        client.set_read_timeout(Some(NOTHING)).unwrap();
        loop {
            match client.read(&mut buffer) {
                Ok(count @ 1..) => _ = count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                end => panic!("{end:?}"),
            }
        }
    };
    let server = Server::quiet(&["chargen", "--engine", engine, "--idle", "3s"]);
    let client = server.connect();
    read_exactly(&client, 1);
    // Nothing more fits then, so that the server waits for room.
    std::thread::sleep(NOTHING);
    server.process.signal("STOP");
    take(&client);
    // No clock may say that the limit is not over.
    std::thread::sleep(IDLE);
    server.process.signal("CONT");
    client.set_read_timeout(Some(common::GUARD)).unwrap();
    read_exactly(&client, MORE);
    common::reset(client);
    assert_eq!(server.stop().code, Some(0), "{engine}");
}
