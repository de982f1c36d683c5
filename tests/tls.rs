//! TLS from one end of the program to the other, and with peers that nobody here wrote: OpenSSL's `s_client` and `s_server`, and
//! Python's `ssl`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::secured::{file, files, here, pair, send};
use common::{Process, Server, enchufe, json, listener, noise, on_engines, other, python, read_all, run};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::path::PathBuf;
use std::time::Instant;

fn server(words: &[&str]) -> Server {
    Server::json(&[words, &["--tls", &pair()]].concat())
}

/// A file of its own with these bytes.
fn written(name: &str, bytes: &[u8]) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("tls-{}-{name}", std::process::id()));
    std::fs::write(&path, bytes).unwrap();
    path
}

on_engines!(every_service_is_given: blocking threads epoll uring);
fn every_service_is_given(engine: &str) {
    let with = |words: &[&str]| server(&[words, &["--engine", engine, "--once"]].concat());
    let echo = with(&["echo"]);
    send(&here(&echo), &["hola", "--expect", "echo", "-q"]).is(0, "hola", "");
    let told = echo.finish();
    assert_eq!(json::reasons(told.text()), ["peer_finished"]);
    let secured = &json::only(told.text(), "secured")[0];
    assert_eq!((&secured["version"], &secured["server_name"]), (&"1.3".into(), &"localhost".into()));
    assert_eq!(json::payload(told.text(), "received"), b"hola");

    let reply = with(&["reply", "listo"]);
    send(&here(&reply), &["?", "-q"]).is(0, "listo", "");
    assert_eq!(json::payload(reply.finish().text(), "answered"), b"listo");

    let receive = with(&["receive"]);
    assert_eq!(send(&here(&receive), &["hola", "--no-reply", "-q"]).code, Some(0));
    let told = receive.finish();
    assert_eq!(json::payload(told.text(), "received"), b"hola");
    assert_eq!(json::reasons(told.text()), ["peer_finished"]);

    let discard = with(&["discard"]);
    send(&here(&discard), &["hola", "-q"]).is(0, "", "");
    assert_eq!(json::only(discard.finish().text(), "closed")[0]["received"], 4);

    let daytime = with(&["daytime"]);
    let told = send(&here(&daytime), &["", "--expect", "line", "-q"]);
    assert!(told.code == Some(0) && told.text().ends_with("-UTC\r\n"), "{told:?}");
    assert_eq!(json::reasons(daytime.finish().text()), ["own_end"]);

    // RFC 864 has 72 characters and a line end.
    let chargen = with(&["chargen"]);
    let told = send(&here(&chargen), &["", "--expect", "bytes=100000", "-q"]);
    assert!(told.out.len() >= 100_000 && told.out[..74].ends_with(b"\r\n"), "{} bytes", told.out.len());
}

on_engines!(much_goes_through_unchanged_both_ways: blocking threads epoll uring);
fn much_goes_through_unchanged_both_ways(engine: &str) {
    let sent = noise(24 << 20, 7);
    let path = written(&format!("bulk-{engine}"), &sent);
    // As text: JSON would have all of it.
    let echo = Server::text("en", &["echo", "--engine", engine, "--once", "--tls", &pair()]);
    let done = send(&here(&echo), &["--file", &path.display().to_string(), "--expect", "echo", "-q"]);
    assert_eq!((done.code, done.errors()), (Some(0), ""));
    assert!(done.out == sent, "{engine}: {} bytes came back", done.out.len());
    let told = echo.finish();
    let count = sent.len();
    let carried = format!("(received {count}, sent {count} bytes; lasted");
    assert!(told.text().contains(&carried), "{}", told.text());
    std::fs::remove_file(path).unwrap();
}

#[test]
fn an_address_and_no_host_at_all_are_names_too() {
    let echo = server(&["echo"]);
    for target in [echo.target(), format!(":{}", echo.port()), echo.port()] {
        send(&target, &["hola", "--expect", "echo", "-q"]).is(0, "hola", "");
    }
}

#[test]
fn certificates_signed_by_themselves_and_of_rsa_are_good_where_they_are_trusted() {
    for (certificate, key, trusted) in
        [("self.pem", "self.key", "self.pem"), ("rsa.pem", "rsa.key", "ca.pem")]
    {
        let echo = Server::json(&["echo", "--tls", &files(certificate, key)]);
        let words =
            ["send", &here(&echo), "hola", "--tls", "--tls-ca", &file(trusted), "--expect", "echo", "-q"];
        run(&words).is(0, "hola", "");
    }
}

/// What the client and the server say of a certificate that the client does not take.
#[track_caller]
fn not_believed(certificate: &str, key: &str, trusted: &str, id: &str, why: &str, alert: &str) {
    let server = Server::json(&["echo", "--once", "--tls", &files(certificate, key)]);
    let target = here(&server);
    let words = ["send", &target, "hola", "--tls", "--tls-ca", &file(trusted)];
    let done = run(&[&words[..], &["-q"]].concat());
    let sentence = format!("enchufe: the connection with {} did not end well: {why}\n", server.target());
    done.is(1, "", &sentence);
    let told = server.finish();
    let closed = &json::only(told.text(), "closed")[0];
    assert_eq!(
        (&closed["reason"], &closed["tls"], &closed["alert"]),
        (&"tls".into(), &"alert".into(), &alert.into())
    );

    let server = Server::json(&["echo", "--once", "--tls", &files(certificate, key)]);
    let target = here(&server);
    let words = ["send", &target, "hola", "--tls", "--tls-ca", &file(trusted), "--json"];
    let told = run(&words);
    let closed = &json::only(told.text(), "closed")[0];
    assert_eq!((&closed["reason"], &closed["tls"], &closed["sent"]), (&"tls".into(), &id.into(), &0.into()));
}

#[test]
fn whom_the_client_does_not_believe_it_sends_nothing() {
    not_believed(
        "server.pem",
        "server.key",
        "self.pem",
        "unknown_issuer",
        "nobody who is trusted has signed the peer's certificate (--tls-ca FILE trusts others)",
        "unknown_ca",
    );
    not_believed(
        "self.pem",
        "self.key",
        "ca.pem",
        "authority",
        "the peer's certificate is an authority's own, and that authority is not trusted (if it is the right one, --tls-ca FILE with it \
         trusts it)",
        "certificate_unknown",
    );
    not_believed(
        "other.pem",
        "server.key",
        "ca.pem",
        "other_name",
        "the peer's certificate is not for the name that was called, but for other.example (call it by that)",
        "bad_certificate",
    );
}

#[test]
fn where_the_system_trusts_nobody_the_file_that_is_not_there_is_named_without_a_number() {
    let mut command = enchufe("en", &["send", "localhost:4000", "hola", "--tls"]);
    command.env("SSL_CERT_FILE", "/no/such/file").env_remove("SSL_CERT_DIR");
    let done = common::Process::start(command).finish();
    let start = "enchufe: there is nobody here whom --tls could trust (";
    assert_eq!((done.code, done.text()), (Some(2), ""));
    assert!(done.errors().starts_with(start) && done.errors().contains("/no/such/file"), "{}", done.errors());
    assert!(!done.errors().contains("os error"), "{}", done.errors());
}

#[test]
fn a_server_that_does_not_speak_tls_is_named_so() {
    let server = Server::json(&["daytime", "--once"]);
    let done = send(&here(&server), &["hola", "-q"]);
    let sentence = format!(
        "enchufe: the connection with {} did not end well: what the peer said first is not TLS\n",
        server.target()
    );
    done.is(1, "", &sentence);
}

on_engines!(a_client_that_does_not_speak_tls_is_told_by_an_alert_and_named_so: blocking threads epoll uring);
fn a_client_that_does_not_speak_tls_is_told_by_an_alert_and_named_so(engine: &str) {
    let server = server(&["echo", "--once", "--engine", engine]);
    let mut stream = server.connect();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    // RFC 8446 §6: decode_error.
    assert_eq!(read_all(&stream), [21, 3, 3, 0, 2, 2, 50]);
    drop(stream);
    let told = server.finish();
    let closed = &json::only(told.text(), "closed")[0];
    assert_eq!((&closed["reason"], &closed["tls"]), (&"tls".into(), &"not_tls".into()));
    assert_eq!((&closed["received"], &closed["sent"]), (&0.into(), &0.into()));
}

on_engines!(a_client_that_does_not_go_on_with_its_handshake_is_closed_at_a_limit: blocking threads epoll uring);
fn a_client_that_does_not_go_on_with_its_handshake_is_closed_at_a_limit(engine: &str) {
    for (flag, reason) in [("--first-byte", "first_byte"), ("--idle", "idle"), ("--deadline", "deadline")] {
        let server = server(&["echo", "--once", "--engine", engine, flag, "50ms"]);
        let mut stream = server.connect();
        // The beginning of a record of a handshake.
        stream.write_all(&[22, 3, 1, 2, 0, 1]).unwrap();
        assert_eq!(read_all(&stream), b"");
        assert_eq!(json::reasons(server.finish().text()), [reason]);
    }
}

#[test]
fn a_server_that_never_answers_the_handshake_is_given_up_at_a_limit() {
    let (listener, target) = listener();
    let mut client = Process::start(enchufe(
        "en",
        &["send", &target, "hola", "--tls", "--tls-ca", &file("ca.pem"), "--idle", "50ms", "--json"],
    ));
    let peer = client.accepted(&listener);
    let told = client.finish();
    assert_eq!((told.code, json::reasons(told.text())), (Some(1), vec!["idle".to_owned()]));
    drop(peer);
}

#[test]
fn a_server_that_leaves_in_the_handshake_is_told_so() {
    // The beginning of a record, or nothing at all: the message was not sent.
    for said in [&[22, 3, 3][..], &[]] {
        let (listener, target) = listener();
        let words = ["send", &target, "hola", "--tls", "--tls-ca", &file("ca.pem"), "--json"];
        let mut client = Process::start(enchufe("en", &words));
        let mut peer = client.accepted(&listener);
        peer.read_exact(&mut [0; 5]).unwrap();
        peer.write_all(said).unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        let told = client.finish();
        let closed = &json::only(told.text(), "closed")[0];
        assert_eq!((told.code, &closed["tls"]), (Some(1), &"handshake_cut".into()), "{said:?}");
    }
}

on_engines!(a_stop_gives_connections_of_tls_their_time_and_cuts_them_then: blocking threads epoll uring);
fn a_stop_gives_connections_of_tls_their_time_and_cuts_them_then(engine: &str) {
    let server = server(&["echo", "--engine", engine, "--drain", "1h"]);
    let target = here(&server);
    let words = ["send", &target, "--tls", "--tls-ca", &file("ca.pem"), "--json"];
    let mut client = Process::start_with_input(enchufe("en", &words));
    client.write(b"hola");
    client.event("received");
    server.process.signal("TERM");
    let mut server = server;
    server.process.event("draining");
    client.write(b"more");
    client.event("received");
    server.process.signal("TERM");
    // It was not told that this was all.
    assert_eq!(client.event("closed")["reason"], "truncated");
    assert_eq!(client.finish().code, Some(1));
    let told = server.finish();
    assert_eq!((told.code, json::reasons(told.text())), (Some(1), vec!["interrupted".to_owned()]));
}

on_engines!(
    #[cfg_attr(not(have_openssl), ignore = "openssl is not installed")]
    the_client_of_openssl_gets_its_echo_in_both_versions: blocking threads epoll uring
);
fn the_client_of_openssl_gets_its_echo_in_both_versions(engine: &str) {
    for (flag, version) in [("-tls1_2", "1.2"), ("-tls1_3", "1.3")] {
        let server = server(&["echo", "--once", "--engine", engine]);
        let target = here(&server);
        let ca = file("ca.pem");
        let words = [
            "s_client",
            flag,
            "-quiet",
            "-no_ign_eof",
            "-verify_return_error",
            "-CAfile",
            &ca,
            "-connect",
            &target,
        ];
        let mut client = Process::start_with_input(other("openssl", &words));
        client.write(b"hola\n");
        client.out_has(b"hola\n");
        client.end_input();
        let told = server.finish();
        assert_eq!(json::only(told.text(), "secured")[0]["version"], version);
        assert_eq!(json::payload(told.text(), "received"), b"hola\n");
        assert_eq!(json::reasons(told.text()), ["peer_finished"]);
        assert_eq!(client.finish().code, Some(0));
    }
}

#[test]
#[cfg_attr(not(have_openssl), ignore = "openssl is not installed")]
fn our_client_talks_with_the_server_of_openssl() {
    for flag in ["-tls1_2", "-tls1_3"] {
        let (certificate, key) = (file("server.pem"), file("server.key"));
        let words = [
            "s_server",
            "-accept",
            "127.0.0.1:0",
            "-naccept",
            "1",
            "-rev",
            flag,
            "-cert",
            &certificate,
            "-key",
            &key,
        ];
        let mut server = Process::start(other("openssl", &words));
        let line = server.until("ACCEPT ");
        let port = line.rsplit(':').next().unwrap().trim();
        // It sends each line backwards.
        send(&format!("localhost:{port}"), &["hola", "--newline", "--expect", "bytes=5", "-q"])
            .is(0, "aloh\n", "");
    }
}

on_engines!(
    #[cfg_attr(not(have_python3), ignore = "python3 is not installed")]
    a_client_of_python_gets_its_echo_and_its_end_is_told_as_it_was: blocking threads epoll uring
);
fn a_client_of_python_gets_its_echo_and_its_end_is_told_as_it_was(engine: &str) {
    for (how, reason) in [("announced", "peer_finished"), ("cut", "truncated")] {
        let server = server(&["echo", "--once", "--engine", engine]);
        let client = python("tls_client", &[server.port(), file("ca.pem"), how.to_owned()]);
        let done = Process::start(client).finish();
        assert_eq!((done.code, done.text()), (Some(0), "b'hola' b''\n"), "{}", done.errors());
        assert_eq!(json::reasons(server.finish().text()), [reason]);
    }
}

#[test]
#[cfg_attr(not(have_python3), ignore = "python3 is not installed")]
fn what_a_server_did_not_end_is_shown_and_told_as_cut() {
    for (how, code) in [("announced", 0), ("cut", 1)] {
        let words = [file("server.pem"), file("server.key"), how.to_owned()];
        let mut server = Process::start(python("tls_server", &words));
        let target = format!("localhost:{}", server.line());
        let done = send(&target, &["hola", "-q"]);
        assert_eq!((done.code, done.text()), (Some(code), "half of it"), "{}", done.errors());
        let cut = done
            .errors()
            .contains("the peer closed without TLS's close_notify: what came may not be all that it said");
        assert_eq!(cut, code == 1, "{}", done.errors());
        assert_eq!(server.finish().text().lines().last(), Some("b'hola'"));
    }
}

on_engines!(a_new_pair_is_taken_at_a_hang_up_and_one_that_is_no_good_is_not: blocking threads epoll uring);
fn a_new_pair_is_taken_at_a_hang_up_and_one_that_is_no_good_is_not(engine: &str) {
    let (certificate, key) =
        (written(&format!("renewed-{engine}.pem"), b""), written(&format!("renewed-{engine}.key"), b""));
    let put = |pem: &str, private: &str| {
        std::fs::copy(file(pem), &certificate).unwrap();
        std::fs::copy(file(private), &key).unwrap();
    };
    let pair = format!("{},{}", certificate.display(), key.display());
    put("server.pem", "server.key");
    let mut server = Server::json(&["echo", "--engine", engine, "--tls", &pair]);
    let send = |authority: &str| {
        let words =
            ["send", &here(&server), "--tls", "--tls-ca", &file(authority), "hola", "--expect", "echo"];
        run(&words).code == Some(0)
    };
    assert!(send("ca.pem") && !send("self.pem"));
    put("self.pem", "self.key");
    assert!(send("ca.pem"), "not before it is told");
    server.process.signal("HUP");
    // Nothing says when that is done.
    let begun = Instant::now();
    while !send("self.pem") {
        assert!(begun.elapsed() < common::GUARD, "{engine}");
    }
    assert!(!send("ca.pem"));
    put("self.pem", "server.key");
    server.process.signal("HUP");
    let line = server.process.errors_until("is not the key of the certificate");
    assert!(
        line.starts_with("enchufe: ") && line.ends_with(" (until then the old one stays in use)"),
        "{line}"
    );
    let told = server.stop();
    assert_eq!(told.code, Some(0), "{engine}");
}
