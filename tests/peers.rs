//! Both directions against programs that nobody here wrote: Python's sockets in the reports' shape,
//! OpenBSD's nc, ncat and socat.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Process, Server, enchufe, json, noise, other, python};
use std::sync::LazyLock;

const MESSAGE: &str = "Aquí va el mensaje";

/// 64 MB, enough to fill every buffer on the way many times.
static BULK: LazyLock<Vec<u8>> = LazyLock::new(|| noise(64 * 1024 * 1024, 64));

/// A Python server of `tests/peers`, which prints its port first.
fn python_server(script: &str, words: &[&str]) -> (Process, String) {
    let mut process = Process::start(python(script, words));
    let target = format!("127.0.0.1:{}", process.line());
    (process, target)
}

/// Our `send` in English, to its end.
fn send(words: &[&str]) -> common::Done {
    Process::start(enchufe("en", &[&["send"], words].concat())).finish()
}

fn text(done: &common::Done) -> String {
    assert_eq!(done.code, Some(0), "{}", done.errors());
    done.text().to_owned()
}

#[test]
#[cfg_attr(not(have_python3), ignore = "python3 is not installed")]
fn the_first_reports_server_echoes_our_client() {
    let (_server, target) = python_server("echo_server", &[]);
    for message in [MESSAGE, "Un mensaje que no cabe en diecinueve bytes", "x"] {
        send(&[&target, message, "--expect", "echo", "-q"]).is(0, message, "");
    }
}

#[test]
#[cfg_attr(not(have_python3), ignore = "python3 is not installed")]
fn the_first_reports_client_gets_its_echo_from_ours() {
    let server = Server::json(&["echo", "--engine", "blocking", "--read-size", "19", "--once"]);
    let client = Process::start(python("echo_client", &[&server.port(), MESSAGE])).finish();
    assert_eq!(text(&client), "b'Aqu\\xc3\\xad va el mensaje'\n");
    let done = server.finish();
    assert_eq!(json::payload(done.text(), "received"), MESSAGE.as_bytes());
    assert_eq!(json::reasons(done.text()), ["peer_finished"]);
}

#[test]
#[cfg_attr(not(have_python3), ignore = "python3 is not installed")]
fn the_second_reports_server_gets_what_our_client_sends_without_reply() {
    let (server, target) = python_server("one_shot_server", &[]);
    let client = send(&[&target, "Hola, servidor!", "--no-reply", "--json"]);
    assert_eq!((client.code, client.errors()), (Some(0), ""));
    assert_eq!(json::only(client.text(), "acknowledged")[0]["bytes"], 15);
    assert_eq!(text(&server.finish()).lines().last(), Some("b'Hola, servidor!'"));
}

#[test]
#[cfg_attr(not(have_python3), ignore = "python3 is not installed")]
fn the_second_reports_client_is_received_by_our_server() {
    let server = Server::json(&["receive", "--once"]);
    text(&Process::start(python("sending_client", &[&server.port(), "Hola, servidor!"])).finish());
    let done = server.finish();
    assert_eq!(json::payload(done.text(), "received"), b"Hola, servidor!");
    assert_eq!(json::reasons(done.text()), ["peer_finished"]);
}

#[test]
#[cfg_attr(not(have_python3), ignore = "python3 is not installed")]
fn a_server_that_answers_answers_our_client() {
    let (server, target) = python_server("answering_server", &[]);
    send(&[&target, "Hola desde el cliente", "-q"]).is(0, "Hola desde el servidor", "");
    assert_eq!(text(&server.finish()).lines().last(), Some("b'Hola desde el cliente'"));
}

#[test]
#[cfg_attr(not(have_python3), ignore = "python3 is not installed")]
fn a_client_that_keeps_its_end_open_gets_the_answer_of_reply() {
    let server = Server::json(&["reply", "Hola desde el servidor", "--once"]);
    let client = Process::start(python("asking_client", &[&server.port(), "Hola desde el cliente"])).finish();
    assert_eq!(text(&client), "b'Hola desde el servidor'\n");
    let done = server.finish();
    assert_eq!(json::payload(done.text(), "received"), b"Hola desde el cliente");
    assert_eq!(json::reasons(done.text()), ["own_end"]);
}

#[test]
#[cfg_attr(not(have_openbsd_nc), ignore = "OpenBSD's nc is not installed")]
fn nc_that_half_closes_gets_its_echo() {
    let server = Server::json(&["echo", "--once"]);
    let mut nc = Process::start_with_input(other("nc", &["-N", "127.0.0.1", &server.port()]));
    nc.write(b"hola\x00\xFF\n");
    let done = nc.finish();
    assert_eq!((done.code, done.out.as_slice()), (Some(0), &b"hola\x00\xFF\n"[..]));
    assert_eq!(json::reasons(server.finish().text()), ["peer_finished"]);
}

#[test]
#[cfg_attr(not(have_openbsd_nc), ignore = "OpenBSD's nc is not installed")]
fn nc_that_does_not_half_close_gets_its_answer() {
    let server = Server::json(&["reply", "listo", "--newline", "--once"]);
    let mut nc = Process::start_with_input(other("nc", &["127.0.0.1", &server.port()]));
    nc.write(b"hola\n");
    // Without -N its end of input is not sent; it ends when we do.
    nc.finish().is(0, "listo\n", "");
    assert_eq!(json::reasons(server.finish().text()), ["own_end"]);
}

#[test]
#[cfg_attr(not(have_openbsd_nc), ignore = "OpenBSD's nc is not installed")]
fn nc_that_listens_gets_a_message_and_answers_our_client() {
    let address = common::address_of_its_own();
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    let mut nc = Process::start_with_input(other("nc", &["-l", "-N", &ip, &port]));
    nc.write(b"answer\n");
    nc.end_input();
    send(&[&address.to_string(), "question\n", "--retry", "1m", "-q"]).is(0, "answer\n", "");
    nc.finish().is(0, "question\n", "");
}

#[test]
#[cfg_attr(not(have_ncat), ignore = "ncat is not installed")]
fn ncat_gets_its_echo_and_its_answer() {
    let server = Server::json(&["echo", "--once"]);
    let mut ncat = Process::start_with_input(other("ncat", &["127.0.0.1", &server.port()]));
    ncat.write(b"hola\n");
    ncat.finish().is(0, "hola\n", "");
    assert_eq!(json::reasons(server.finish().text()), ["peer_finished"]);

    let server = Server::json(&["reply", "listo", "--once"]);
    let words = ["--no-shutdown", "127.0.0.1", &server.port()];
    let mut ncat = Process::start_with_input(other("ncat", &words));
    ncat.write(b"hola\n");
    ncat.out_has(b"listo");
    ncat.finish().is(0, "listo", "");
    assert_eq!(json::reasons(server.finish().text()), ["own_end"]);
}

#[test]
#[cfg_attr(not(have_ncat), ignore = "ncat is not installed")]
fn ncat_that_listens_echoes_our_client() {
    let address = common::address_of_its_own();
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    let ncat = Process::start(other("ncat", &["-l", &ip, &port, "--exec", "/bin/cat"]));
    let words = [&address.to_string(), MESSAGE, "--expect", "echo", "--retry", "1m", "-q"];
    send(&words).is(0, MESSAGE, "");
    ncat.finish().is(0, "", "");
}

#[test]
#[cfg_attr(not(have_socat), ignore = "socat is not installed")]
fn socat_gets_its_echo_and_is_received() {
    let server = Server::json(&["echo", "--once"]);
    let mut socat = Process::start_with_input(other("socat", &["-", &format!("TCP:{}", server.target())]));
    socat.write(b"hola\n");
    socat.out_has(b"hola\n");
    socat.finish().is(0, "hola\n", "");
    assert_eq!(json::reasons(server.finish().text()), ["peer_finished"]);

    let server = Server::json(&["receive", "--once"]);
    let words = ["-u", "-", &format!("TCP:{}", server.target())];
    let mut socat = Process::start_with_input(other("socat", &words));
    socat.write(b"uno");
    socat.write(b"dos");
    socat.finish().is(0, "", "");
    assert_eq!(json::payload(server.finish().text(), "received"), b"unodos");
}

#[test]
#[cfg_attr(not(have_socat), ignore = "socat is not installed")]
fn sixty_four_megabytes_come_back_through_socat() {
    let address = common::address_of_its_own();
    let listen = format!("TCP-LISTEN:{},bind={},reuseaddr", address.port(), address.ip());
    // It reads its own pipe, so it must never wait for room in it: what it asks poll(2) for is room for
    // 4096 bytes (PIPE_BUF, pipe(7)).
    let socat = Process::start(other("socat", &["-b", "4096", &listen, "PIPE"]));
    bulk_through_send(&["--retry", "1m", "-q", &address.to_string()]);
    socat.finish().is(0, "", "");
}

#[test]
#[cfg_attr(not(have_python3), ignore = "python3 is not installed")]
fn sixty_four_megabytes_come_back_through_a_python_server() {
    let (_server, target) = python_server("echo_server", &["65536"]);
    bulk_through_send(&["-q", &target, "--expect", "echo"]);
}

#[test]
fn sixty_four_megabytes_come_back_through_our_own_pair() {
    let server = Server::text("en", &["echo", "--once"]);
    let mut client = Process::start_with_input(enchufe("en", &["send", &server.target()]));
    client.write_all_beside(&BULK);
    let done = client.finish();
    assert_eq!(done.code, Some(0), "{}", done.errors());
    assert!(done.out == *BULK, "{} bytes came", done.out.len());
    // Its pieces are not told one by one.
    let counted =
        format!("closed: this end finished first (received {0}, sent {0} bytes; lasted", BULK.len());
    assert!(done.errors().contains(&counted), "{}", done.errors());
    assert!(!done.errors().contains("Received"), "{}", done.errors());
    let done = server.finish();
    assert_eq!((done.code, done.errors()), (Some(0), ""));
    let counted =
        format!("closed: the peer finished first (received {0}, sent {0} bytes; lasted", BULK.len());
    assert!(done.text().contains(&counted));
}

/// Sends the bulk by stdin and compares what comes out of stdout.
fn bulk_through_send(words: &[&str]) {
    let mut client = Process::start_with_input(enchufe("en", &[&["send"], words].concat()));
    client.write_all_beside(&BULK);
    let done = client.finish();
    assert_eq!((done.code, done.errors()), (Some(0), ""));
    assert_eq!(done.out.len(), BULK.len());
    assert!(done.out == *BULK, "as many bytes, but others");
}

#[test]
#[cfg_attr(not(have_python3), ignore = "python3 is not installed")]
fn sixty_four_megabytes_of_a_python_client_come_back_from_our_server() {
    let server = Server::text("en", &["echo", "--once"]);
    let mut client = Process::start_with_input(python("bulk_client", &[&server.port()]));
    client.write_all_beside(&BULK);
    let done = client.finish();
    assert_eq!(done.code, Some(0), "{}", done.errors());
    assert!(done.out == *BULK, "{} bytes came", done.out.len());
    let done = server.finish();
    assert_eq!((done.code, done.errors()), (Some(0), ""));
    let counted = format!("(received {0}, sent {0} bytes; lasted", BULK.len());
    assert!(done.text().contains(&counted));
}
