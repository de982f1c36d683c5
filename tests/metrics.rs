//! `serve --metrics`, asked from outside while the server serves, ends, and is asked badly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Process, Server, connect, enchufe, on_engines, read_all, read_exactly, run};
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::Command;
use std::time::Instant;

/// A server, and where its metrics are.
fn server(words: &[&str]) -> (Server, SocketAddr) {
    let mut server = Server::json(&[words, &["--metrics", "127.0.0.1:0"]].concat());
    let told = server.process.event("metrics_listening");
    assert_eq!(told["reach"], "this_machine");
    (server, told["address"].as_str().unwrap().parse().unwrap())
}

/// What is answered to these bytes.
fn answer(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = connect(address);
    stream.write_all(request).unwrap();
    String::from_utf8(read_all(&stream)).unwrap()
}

fn get(address: SocketAddr, path: &str) -> String {
    answer(address, format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes())
}

fn status(answer: &str) -> u16 {
    answer.strip_prefix("HTTP/1.1 ").unwrap().get(..3).unwrap().parse().unwrap()
}

/// The numbers of a page, `name number` each, without those that are 0.
fn numbers(address: SocketAddr) -> Vec<String> {
    let answer = get(address, "/metrics");
    let (_, page) = answer.split_once("\r\n\r\n").unwrap();
    let samples = page.lines().filter(|line| !line.starts_with('#') && !line.ends_with(" 0"));
    samples.map(|line| line.strip_prefix("enchufe_").unwrap().to_owned()).collect()
}

/// The page of a server that has done nothing, by <https://prometheus.io/docs/instrumenting/exposition_formats/>.
const EMPTY: &str = r#"# HELP enchufe_build_info The version of this program; always 1.
# TYPE enchufe_build_info gauge
enchufe_build_info{version="VERSION"} 1
# HELP enchufe_connections_accepted_total Connections accepted, those that were then refused included.
# TYPE enchufe_connections_accepted_total counter
enchufe_connections_accepted_total 0
# HELP enchufe_connections_open Connections that are not over.
# TYPE enchufe_connections_open gauge
enchufe_connections_open 0
# HELP enchufe_connections_refused_total Connections reset because there was no room for them.
# TYPE enchufe_connections_refused_total counter
enchufe_connections_refused_total 0
# HELP enchufe_connections_empty_total Connections that ended without a byte in either direction, as probes do; refused ones are not among them.
# TYPE enchufe_connections_empty_total counter
enchufe_connections_empty_total 0
# HELP enchufe_received_bytes_total Payload read from connections.
# TYPE enchufe_received_bytes_total counter
enchufe_received_bytes_total 0
# HELP enchufe_sent_bytes_total Payload handed to the kernel for connections.
# TYPE enchufe_sent_bytes_total counter
enchufe_sent_bytes_total 0
# HELP enchufe_connections_handed_over_total Connections handed over to another thread, each time, by the reason.
# TYPE enchufe_connections_handed_over_total counter
enchufe_connections_handed_over_total{reason="packets"} 0
enchufe_connections_handed_over_total{reason="load"} 0
# HELP enchufe_connections_closed_total Connections that are over, by the reason of their end.
# TYPE enchufe_connections_closed_total counter
enchufe_connections_closed_total{reason="peer_finished"} 0
enchufe_connections_closed_total{reason="own_end"} 0
enchufe_connections_closed_total{reason="reset_by_peer"} 0
enchufe_connections_closed_total{reason="idle"} 0
enchufe_connections_closed_total{reason="first_byte"} 0
enchufe_connections_closed_total{reason="deadline"} 0
enchufe_connections_closed_total{reason="interrupted"} 0
enchufe_connections_closed_total{reason="refused"} 0
enchufe_connections_closed_total{reason="limit"} 0
enchufe_connections_closed_total{reason="peer_left"} 0
enchufe_connections_closed_total{reason="failed"} 0
enchufe_connections_closed_total{reason="tls"} 0
enchufe_connections_closed_total{reason="truncated"} 0
"#;

#[test]
fn the_page_is_in_the_text_format_of_prometheus() {
    let (server, metrics) = server(&["echo"]);
    let whole = get(metrics, "/metrics");
    let (head, page) = whole.split_once("\r\n\r\n").unwrap();
    assert_eq!(page, EMPTY.replace("VERSION", env!("CARGO_PKG_VERSION")));
    assert_eq!(status(head), 200);
    for field in [
        "Content-Type: text/plain; version=0.0.4; charset=utf-8",
        &format!("Content-Length: {}", page.len()),
        "Connection: close",
    ] {
        assert!(head.lines().any(|line| line == field), "{field}: {head}");
    }
    let only_head = answer(metrics, b"HEAD /metrics HTTP/1.0\r\n\r\n");
    let without_date =
        |head: &str| head.lines().filter(|line| !line.starts_with("Date: ")).collect::<Vec<_>>().join("\n");
    assert_eq!(without_date(only_head.trim_end()), without_date(head));
    server.stop();
}

on_engines!(what_was_served_is_counted_exactly: blocking threads epoll uring);
fn what_was_served_is_counted_exactly(engine: &str) {
    let (mut server, metrics) = server(&["echo", "--engine", engine]);
    let mut whole = server.connect();
    whole.write_all(b"hello").unwrap();
    whole.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&whole), b"hello");
    server.process.event("closed");
    drop(server.connect());
    server.process.event("closed");
    let mut open = server.connect();
    open.write_all(b"abc").unwrap();
    assert_eq!(read_exactly(&open, 3), b"abc");
    // It is counted when the kernel has it, and then the peer has it too, maybe before.
    let begun = Instant::now();
    while !numbers(metrics).contains(&"sent_bytes_total 8".to_owned()) {
        assert!(begun.elapsed() < common::GUARD, "{engine}: it is never counted");
    }
    let expected = [
        &format!("build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")),
        "connections_accepted_total 3",
        "connections_open 1",
        "connections_empty_total 1",
        "received_bytes_total 8",
        "sent_bytes_total 8",
        "connections_closed_total{reason=\"peer_finished\"} 2",
    ];
    assert_eq!(numbers(metrics), expected, "{engine}");
    drop(open);
    server.process.event("closed");
    let now = numbers(metrics);
    assert!(now.contains(&"connections_closed_total{reason=\"peer_finished\"} 3".to_owned()), "{now:?}");
    assert!(!now.iter().any(|line| line.starts_with("connections_open")), "{now:?}");
    server.stop();
}

on_engines!(who_has_no_room_is_counted_as_refused_and_not_as_a_probe: threads epoll uring);
fn who_has_no_room_is_counted_as_refused_and_not_as_a_probe(engine: &str) {
    let (mut server, metrics) = server(&["discard", "--engine", engine, "--max-connections", "1"]);
    let first = server.connect();
    server.process.event("accepted");
    // The reset may be there before it is done with connecting.
    let _second = TcpStream::connect(server.address);
    assert_eq!(server.process.event("closed")["reason"], "limit");
    let now = &numbers(metrics)[1..];
    let expected = [
        "connections_accepted_total 2",
        "connections_open 1",
        "connections_refused_total 1",
        "connections_closed_total{reason=\"limit\"} 1",
    ];
    assert_eq!(now, expected, "{engine}");
    drop(first);
    server.stop();
}

#[test]
fn a_server_that_has_used_up_its_descriptors_still_says_how_it_is() {
    for engine in ["threads", "epoll"] {
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "ulimit -n 40; exec \"$@\"",
            "sh",
            env!("CARGO_BIN_EXE_enchufe"),
            "--lang",
            "en",
            "serve",
        ]);
        command.args([
            "echo",
            "--engine",
            engine,
            "--listen",
            "127.0.0.1:0",
            "--metrics",
            "127.0.0.1:0",
            "--json",
        ]);
        let mut server = Server::of(Process::start(command));
        let metrics = server.process.event("metrics_listening")["address"].as_str().unwrap().parse().unwrap();
        let clients: Vec<_> = (0..40).map(|_| server.connect()).collect();
        assert_eq!(server.process.event("short")["of"], "descriptors");
        for _ in 0..50 {
            assert_eq!(status(&get(metrics, "/healthz")), 200);
            assert!(numbers(metrics).iter().any(|line| line.starts_with("connections_open ")));
        }
        // Two at once: one after the other.
        let (first, second) = (connect(metrics), connect(metrics));
        for mut stream in [first, second] {
            stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            assert!(read_all(&stream).starts_with(b"HTTP/1.1 200 "));
        }
        // Who waited is served when others leave.
        let mut waiting = clients;
        drop(waiting.drain(..20));
        for mut client in waiting {
            client.write_all(b"hola").unwrap();
            assert_eq!(read_exactly(&client, 4), b"hola");
        }
        server.stop();
    }
}

#[test]
fn what_a_program_carried_is_counted_when_its_connection_ends() {
    let words =
        ["serve", "exec", "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--json", "--", "cat"];
    let mut server = Server::of(Process::start(enchufe("en", &words)));
    let metrics = server.process.event("metrics_listening")["address"].as_str().unwrap().parse().unwrap();
    let mut client = server.connect();
    client.write_all(b"meow").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&client), b"meow");
    server.process.event("closed");
    let now = numbers(metrics);
    for line in ["received_bytes_total 4", "sent_bytes_total 4", "connections_accepted_total 1"] {
        assert!(now.contains(&line.to_owned()), "{now:?}");
    }
    server.stop();
}

on_engines!(a_server_that_drains_lives_and_is_not_ready: blocking threads epoll uring);
fn a_server_that_drains_lives_and_is_not_ready(engine: &str) {
    let (mut server, metrics) = server(&["echo", "--engine", engine, "--drain", "1h"]);
    assert!(get(metrics, "/readyz").ends_with("\r\n\r\nready\n"));
    assert!(get(metrics, "/healthz").ends_with("\r\n\r\nok\n"));
    let mut client = server.connect();
    client.write_all(b"a").unwrap();
    assert_eq!(read_exactly(&client, 1), b"a");
    server.process.signal("TERM");
    server.process.event("draining");
    let [ready, healthy] = ["/readyz", "/healthz"].map(|path| get(metrics, path));
    assert_eq!((status(&ready), status(&healthy)), (503, 200), "{engine}");
    assert!(ready.ends_with("\r\n\r\nnot ready\n"), "{ready}");
    assert!(numbers(metrics).contains(&"connections_open 1".to_owned()));
    client.write_all(b"b").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&client), b"b");
    assert_eq!(server.finish().code, Some(0));
}

on_engines!(a_server_that_has_had_as_many_as_it_may_is_not_ready: blocking threads epoll uring);
fn a_server_that_has_had_as_many_as_it_may_is_not_ready(engine: &str) {
    let (server, metrics) = server(&["echo", "--engine", engine, "--once"]);
    assert_eq!(status(&get(metrics, "/readyz")), 200);
    let mut client = server.connect();
    client.write_all(b"a").unwrap();
    assert_eq!(read_exactly(&client, 1), b"a");
    assert_eq!(status(&get(metrics, "/readyz")), 503, "{engine}");
    drop(client);
    assert_eq!(server.finish().code, Some(0));
}

#[test]
fn what_is_no_request_for_a_page_is_told_so() {
    let (server, metrics) = server(&["echo"]);
    let most = "a".repeat(8 * 1024);
    let cases = [
        ("GET / HTTP/1.0\r\n\r\n".to_owned(), 404),
        ("POST /metrics HTTP/1.0\r\n\r\n".to_owned(), 405),
        ("hello\n".to_owned(), 400),
        ("\x16\x03\x01".to_owned(), 400),
        ("GET /metrics HTTP/1.1\r\n\r\n".to_owned(), 400),
        (format!("{most}a"), 400),
        (format!("GET /metrics HTTP/1.0\r\nX: {most}"), 431),
        ("GET /metrics HTTP/3.0\r\n\r\n".to_owned(), 505),
    ];
    for (request, expected) in cases {
        let said = answer(metrics, request.as_bytes());
        assert_eq!(status(&said), expected, "{request}: {said}");
        assert_eq!(said.contains("\r\nAllow: GET, HEAD\r\n"), expected == 405);
    }
    // One that ends before its request does.
    let mut stream = connect(metrics);
    stream.write_all(b"GET /met").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(status(&String::from_utf8(read_all(&stream)).unwrap()), 400);
    assert_eq!(numbers(metrics).len(), 1, "none of this is among the connections of the service");
    server.stop();
}

#[test]
fn who_sends_without_end_is_cut_and_who_says_nothing_keeps_nobody_from_asking() {
    let (server, metrics) = server(&["echo"]);
    let mut endless = connect(metrics);
    let piece = vec![b'a'; 64 * 1024];
    while endless.write_all(&piece).is_ok() {}
    let silent: Vec<_> = (0..50).map(|_| connect(metrics)).collect();
    assert_eq!(status(&get(metrics, "/healthz")), 200);
    // The first of them made room, with a FIN.
    assert_eq!(read_all(&silent[0]), b"");
    server.stop();
}

#[test]
#[cfg_attr(not(have_curl), ignore = "curl is not installed")]
fn curl_takes_it_for_what_it_is() {
    let (server, metrics) = server(&["echo"]);
    let form = "%{http_code} %{http_version} %{content_type} %{exitcode}";
    let output = std::process::Command::new("curl")
        .args(["--silent", "--noproxy", "*", "--output", "/dev/null", "--write-out", form])
        .arg(format!("http://{metrics}/metrics"))
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said, "200 1.1 text/plain; version=0.0.4; charset=utf-8 0");
    server.stop();
}

#[test]
fn an_address_that_cannot_be_had_is_said_before_anybody_is_let_in() {
    let (other, metrics) = server(&["echo"]);
    let serve = |listen: &str, at: &str| run(&["serve", "echo", "-q", "--listen", listen, "--metrics", at]);
    for taken in [other.address, metrics] {
        serve("127.0.0.1:0", &taken.to_string()).could_not_run(&format!(
            "bind {taken}: enchufe (process {}) listens there already; end it or choose another port with --metrics",
            other.process.id()
        ));
    }
    let own = common::address_of_its_own();
    let twice = format!("bind {own}: --metrics has that address, too; give one of the two another port");
    serve(&own.to_string(), &own.to_string()).could_not_run(&twice);
    serve(&own.to_string(), &format!("0.0.0.0:{}", own.port())).could_not_run(&twice);
    serve("127.0.0.1:0", "127.0.0.1:9x")
        .could_not_run("--metrics: \"9x\" is not a port: that is a number from 0 to 65535");
    let words = ["serve", "echo", "-q", "--listen", &own.to_string(), "--metrics", &own.to_string()];
    Process::start(enchufe("es", &words)).finish().could_not_run(&format!(
        "bind {own}: esa dirección la tiene también --metrics; dale otro puerto a uno de los dos"
    ));
    other.stop();
}

#[test]
fn where_it_listens_is_told_in_both_languages() {
    for (language, opening, reach) in [
        ("en", "Metrics at http://127.0.0.1:", "/metrics: only this machine can connect"),
        ("es", "Métricas en http://127.0.0.1:", "/metrics: solo se puede conectar esta computadora"),
    ] {
        let mut server = Server::text(language, &["echo", "--metrics", "127.0.0.1:0"]);
        let line = server.process.until(opening);
        assert!(line.ends_with(reach), "{line}");
        server.stop();
    }
}
