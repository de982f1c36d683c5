//! stdin, stdout and stderr: the end of input, the peer's bytes exactly, events as JSON, closed pipes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use base64::prelude::{BASE64_STANDARD, Engine};
use common::{Process, Server, enchufe, json, listener, local_of, named, read_all, read_exactly};
use serde_json::json;
use std::io::Write;
use std::net::Shutdown;

/// Every byte, twice: NUL, 0xFF, line ends, escapes, broken UTF-8.
fn every_byte() -> Vec<u8> {
    (0..=255).chain(0..=255).collect()
}

#[test]
fn the_end_of_the_input_is_sent_and_the_rest_of_the_answer_still_shown() {
    let (listener, address) = listener();
    let mut client = Process::start_with_input(enchufe("en", &["send", &address, "-q"]));
    client.write(b"question");
    client.end_input();
    let peer = client.accepted(&listener);
    // The peer answers only when it has seen our end.
    assert_eq!(read_all(&peer), b"question");
    (&peer).write_all(b"first ").unwrap();
    client.out_has(b"first ");
    (&peer).write_all(b"second").unwrap();
    drop(peer);
    client.finish().is(0, "first second", "");
}

#[test]
fn with_no_half_close_the_end_of_the_input_is_not_sent() {
    let (listener, address) = listener();
    let words = ["send", &address, "--no-half-close", "-q"];
    let mut client = Process::start_with_input(enchufe("en", &words));
    client.write(b"question");
    client.end_input();
    let peer = client.accepted(&listener);
    assert_eq!(read_exactly(&peer, 8), b"question");
    // The whole answer arrives, and only our own end brings the client's.
    (&peer).write_all(b"answer").unwrap();
    client.out_has(b"answer");
    peer.set_nonblocking(true).unwrap();
    let nothing = peer.peek(&mut [0]).unwrap_err();
    assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    peer.set_nonblocking(false).unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    client.finish().is(0, "answer", "");
    assert_eq!(read_all(&peer), b"");
}

#[test]
fn a_peer_that_ends_first_still_gets_the_rest_of_the_input() {
    let (listener, address) = listener();
    let mut client = Process::start_with_input(enchufe("en", &["send", &address, "--json"]));
    let peer = client.accepted(&listener);
    peer.shutdown(Shutdown::Write).unwrap();
    client.event("peer_ended");
    client.write(b"said after the peer's end");
    client.end_input();
    assert_eq!(read_all(&peer), b"said after the peer's end");
    let done = client.finish();
    assert_eq!(done.code, Some(0));
    assert_eq!(json::reasons(done.text()), ["peer_finished"]);
}

#[test]
fn to_a_pipe_stdout_carries_the_peers_bytes_and_nothing_else() {
    for quiet in [false, true] {
        let (listener, address) = listener();
        let mut words = vec!["send", &address, "x"];
        words.extend(quiet.then_some("-q"));
        let mut client = Process::start(enchufe("en", &words));
        let peer = client.accepted(&listener);
        (&peer).write_all(&every_byte()).unwrap();
        assert_eq!(read_all(&peer), b"x");
        drop(peer);
        let done = client.finish();
        assert_eq!((done.code, done.out.as_slice()), (Some(0), every_byte().as_slice()));
        assert_eq!(done.err.is_empty(), quiet);
    }
}

#[test]
fn a_message_is_sent_as_it_is_and_a_file_too() {
    let server = Server::json(&["receive", "--once"]);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), every_byte()).unwrap();
    let path = file.path().to_str().unwrap();
    common::run(&["send", &server.target(), "--file", path, "-q"]).is(0, "", "");
    assert_eq!(json::payload(server.finish().text(), "received"), every_byte());

    let server = Server::json(&["receive", "--once"]);
    common::run(&["send", &server.target(), "-q", "--", "-no flag\\n"]).is(0, "", "");
    assert_eq!(json::payload(server.finish().text(), "received"), b"-no flag\\n");
}

#[test]
fn an_empty_message_is_a_connection_without_bytes() {
    let server = Server::json(&["echo", "--once"]);
    common::run(&["send", &server.target(), "", "--expect", "echo", "-q"]).is(0, "", "");
    let done = server.finish();
    assert_eq!(json::payload(done.text(), "received"), b"");
    assert_eq!(json::reasons(done.text()), ["peer_finished"]);
}

#[test]
fn a_servers_events_are_these_objects() {
    let server = Server::json(&["echo", "--once", "-v", "--engine", "epoll", "--threads", "1"]);
    let (target, mut client) = (server.target(), server.connect());
    let peer = client.local_addr().unwrap().to_string();
    client.write_all(b"\x00\xFF\"\n").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&client), b"\x00\xFF\"\n");
    let done = server.finish();
    assert_eq!((done.code, done.errors()), (Some(0), ""));
    let exact = BASE64_STANDARD.encode(b"\x00\xFF\"\n");
    assert_eq!(
        json::stable(done.text()),
        [
            json!({"event": "starting", "address": "127.0.0.1:0"}),
            json!({"event": "socket_made", "address": "127.0.0.1:0"}),
            json!({"event": "bound", "address": target}),
            json!({"event": "listening", "address": target, "reach": "this_machine", "backlog": 4096}),
            json!({"event": "engine", "name": "epoll", "threads": 1}),
            json!({"event": "waiting"}),
            json!({"event": "accepted", "connection": 1, "peer": peer, "local": target}),
            json!({"event": "received", "connection": 1, "peer": peer, "bytes": 4,
                   "text": "\\0\\xFF\\\"\\n", "base64": exact}),
            json!({"event": "returning", "connection": 1, "peer": peer, "bytes": 4}),
            json!({"event": "peer_ended", "connection": 1, "peer": peer}),
            json!({"event": "closed", "connection": 1, "peer": peer, "reason": "peer_finished",
                   "received": 4, "sent": 4, "unsent": 0}),
            json!({"event": "stopped", "served": 1, "cut": 0, "empty": 0}),
        ]
    );
}

#[test]
fn a_clients_events_are_these_objects() {
    let server = Server::json(&["reply", "sí", "--once", "--quiet-time", "1m"]);
    let done = common::run(&["send", &server.target(), "¿?", "--json"]);
    assert_eq!((done.code, done.errors()), (Some(0), ""));
    let target = server.target();
    let local = json::only(done.text(), "connected")[0]["local"].clone();
    let question = BASE64_STANDARD.encode("¿?");
    let answer = BASE64_STANDARD.encode("sí");
    assert_eq!(
        json::stable(done.text()),
        [
            json!({"event": "connecting", "address": target}),
            json!({"event": "socket_made", "address": target}),
            json!({"event": "connected", "address": target, "local": local}),
            json!({"event": "sending", "connection": 1, "peer": target, "bytes": 3, "text": "¿?",
                   "base64": question}),
            json!({"event": "half_closed", "connection": 1, "peer": target}),
            json!({"event": "received", "connection": 1, "peer": target, "bytes": 3, "text": "sí",
                   "base64": answer}),
            json!({"event": "peer_ended", "connection": 1, "peer": target}),
            json!({"event": "closing", "connection": 1, "peer": target}),
            json!({"event": "closed", "connection": 1, "peer": target, "reason": "own_end",
                   "received": 3, "sent": 3, "unsent": 0}),
        ]
    );
}

#[test]
fn json_is_the_same_in_both_languages() {
    let told = ["en", "es"].map(|language| {
        let words = ["serve", "echo", "--once", "--json", "--listen", "127.0.0.1:0"];
        let server = Server::of(Process::start(enchufe(language, &words)));
        let client = server.connect();
        let (here, there) = (client.local_addr().unwrap().to_string(), server.target());
        (&client).write_all(b"hola").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_all(&client), b"hola");
        let text = server.finish().text().replace(&here, "CLIENT").replace(&there, "SERVER");
        json::stable(&text)
    });
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0].last().unwrap()["event"], "stopped");
}

#[test]
fn events_come_in_the_order_of_their_times() {
    let server = Server::json(&["echo"]);
    for _ in 0..5 {
        common::run(&["send", &server.target(), "x", "--expect", "echo", "-q"]).is(0, "x", "");
    }
    let done = server.stop();
    let times: Vec<String> =
        json::all(done.text()).iter().map(|event| event["time"].as_str().unwrap().to_owned()).collect();
    assert!(times.is_sorted(), "{times:?}");
}

#[test]
fn bytes_of_a_peer_that_are_no_text_are_shown_escaped_and_are_no_error() {
    let server = Server::text("en", &["receive", "--once"]);
    let client = server.connect();
    let local = client.local_addr().unwrap();
    // A colour, a forged line, a lone byte of Latin-1, and an end inside a character.
    (&client).write_all(b"\x1b[31m\r\n#9 Over\0 \xED\"\\ \xF0\x9F\x94").unwrap();
    drop(client);
    let names = [(server.address, "SERVER"), (local, "CLIENT")];
    let done = server.finish();
    assert_eq!((done.code, done.errors()), (Some(0), ""));
    let text = named(done.text(), &names);
    let lines: Vec<&str> = text.lines().skip(4).collect();
    assert_eq!(
        lines,
        [
            "#1 Connection from CLIENT",
            r#"#1 Received (23 bytes): "\u{1b}[31m\r\n#9 Over\0 \xED\"\\ ""#,
            r"#1 The connection ended in the middle of a character: \xF0\x9F\x94",
            "#1 No more data from CLIENT",
            "#1 Connection with CLIENT closed: the peer finished first (received 23, sent 0 bytes; lasted TIME)",
            "Over: 1 connection served",
        ]
    );
}

#[test]
fn a_long_payload_is_shown_by_its_first_two_thousand_characters() {
    // Of four bytes, of one and, escaped, of more than one.
    for (character, shown) in [("🙂", "🙂"), ("x", "x"), ("\n", "\\n")] {
        for count in [1, 1000, 3000] {
            let server = Server::text("en", &["echo", "--once", "--idle", "1m"]);
            let message = character.repeat(count);
            let client = common::run(&["send", &server.target(), &message, "--read-size", "100000"]);
            assert_eq!((client.code, client.text()), (Some(0), message.as_str()));
            let (bytes, unit) = (message.len(), if message.len() == 1 { "byte" } else { "bytes" });
            let whole = shown.repeat(count);
            let first: String = whole.chars().take(2000).collect();
            let end = if first == whole { "" } else { "…" };
            let line = client.errors().lines().nth(2).unwrap();
            assert!(line == format!("Sending ({bytes} {unit}): \"{first}\"{end}"), "{count}: {line}");
        }
    }
}

#[test]
fn hex_shows_the_payload_as_a_dump() {
    let server = Server::text("en", &["receive", "--once", "--hex"]);
    let client = common::run(&["send", &server.target(), "Aquí va el mensaje", "--hex"]);
    assert_eq!(client.code, Some(0));
    let dump = "    0000  41 71 75 c3 ad 20 76 61 20 65 6c 20 6d 65 6e 73  Aqu.. va el mens\n    \
                    0010  61 6a 65                                         aje\n";
    let names = [(server.address, "SERVER"), (local_of(client.errors()), "CLIENT")];
    assert_eq!(
        named(client.errors(), &names),
        format!(
            "Connecting to SERVER\n\
             Connected to SERVER from CLIENT (in TIME)\n\
             Sending (19 bytes)\n{dump}\
             No more data from SERVER\n\
             Closing the socket\n\
             Connection with SERVER closed: this end finished first (received 0, sent 19 bytes; lasted TIME)\n"
        )
    );
    let told = named(server.finish().text(), &names);
    let told: Vec<&str> = told.split("#1 Connection from CLIENT\n").collect();
    assert_eq!(
        told[1],
        format!(
            "#1 Received (19 bytes)\n{dump}\
             #1 No more data from CLIENT\n\
             #1 Connection with CLIENT closed: the peer finished first (received 19, sent 0 bytes; lasted TIME)\n\
             Over: 1 connection served\n"
        )
    );
}

#[test]
fn a_log_gets_what_happens_with_its_date_and_is_added_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.log");
    for message in ["uno", "dos"] {
        let words = ["receive", "--once", "--quiet", "--log", path.to_str().unwrap()];
        let address = common::address_of_its_own().to_string();
        let words = [&["serve"], &words[..], &["--listen", &address]].concat();
        let server = Process::start(enchufe("en", &words));
        common::run(&["send", &address, message, "-q", "--retry", "1m"]).is(0, "", "");
        server.finish().is(0, "", "");
    }
    let log = std::fs::read_to_string(&path).unwrap();
    let mut told = Vec::new();
    for line in log.lines() {
        // 2026-11-22T01:10:28.657090+00:00 and the line as it would have been told.
        let (time, line) = line.split_once(' ').unwrap();
        let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
        let shape = shape.replace("-99:99", "+99:99");
        assert_eq!(shape.replace("9999+99:99T", "9999-99-99T").len(), 32, "{time}");
        told.push(line.to_owned());
    }
    let received: Vec<&String> = told.iter().filter(|line| line.contains("Received")).collect();
    assert_eq!(received, ["#1 Received (3 bytes): \"uno\"", "#1 Received (3 bytes): \"dos\""]);
    assert_eq!(told.iter().filter(|line| *line == "Over: 1 connection served").count(), 2);
}

#[test]
fn a_log_that_is_moved_away_goes_on_in_a_new_file_after_sighup() {
    let folder = tempfile::tempdir().unwrap();
    let [path, old] = ["events.log", "events.log.1"].map(|name| folder.path().join(name));
    let mut server = Server::json(&["echo", "--log", path.to_str().unwrap()]);
    common::run(&["send", &server.target(), "uno", "-q"]).is(0, "uno", "");
    std::fs::rename(&path, &old).unwrap();
    server.process.signal("HUP");
    server.process.wait_for(|| path.exists().then_some(()));
    common::run(&["send", &server.target(), "dos", "-q"]).is(0, "dos", "");
    let done = server.stop();
    assert_eq!((done.code, done.errors()), (Some(0), ""));
    let [old, new] = [old, path].map(|path| std::fs::read_to_string(path).unwrap());
    assert_eq!(format!("{old}{new}"), done.text());
    assert!(old.contains("\"uno\"") && new.contains("\"dos\""), "{old}---{new}");
}

#[test]
fn a_log_that_cannot_be_opened_again_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.log");
    let server = Server::json(&["echo", "--log", path.to_str().unwrap()]);
    let kept = std::fs::File::open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let mut server = server;
    server.process.signal("HUP");
    server.process.errors_until(
        "it is a directory; put that right, and send SIGHUP again (until then the old one stays in use)",
    );
    common::run(&["send", &server.target(), "uno", "-q"]).is(0, "uno", "");
    let done = server.stop();
    assert_eq!((done.code, std::io::read_to_string(kept).unwrap().as_str()), (Some(0), done.text()));
}

#[test]
fn a_server_whose_log_finds_no_room_ends_as_at_a_signal_and_says_why() {
    let server = Process::start(enchufe(
        "en",
        &["serve", "echo", "-q", "--listen", "127.0.0.1:0", "--log", "/dev/full"],
    ));
    server.finish().is(
        2,
        "",
        "enchufe: write /dev/full: the disk is full; make room, or write to another disk\n",
    );
}

#[test]
fn a_log_that_may_not_become_so_large_ends_a_server_with_a_sentence_and_not_with_a_signal() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    // 512 bytes, or 1,024.
    let script = "ulimit -f 1; exec \"$@\" serve echo --json -v --listen 127.0.0.1:0 --listen 127.0.0.1:0 --log \"$0\" >/dev/null";
    let server = common::other("sh", &["-c", script, path, env!("CARGO_BIN_EXE_enchufe"), "--lang", "en"]);
    let sentence = format!(
        "enchufe: write {path}: the file is larger than this process may make it (ulimit -f); name another file, in a \
         directory that is yours\n"
    );
    Process::start(server).finish().is(2, "", &sentence);
    let kept = std::fs::read(path).unwrap();
    assert!(kept.len() == 512 || kept.len() == 1024, "{}", kept.len());
}

#[test]
fn a_log_of_json_is_what_stdout_would_say() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let server = Server::json(&["echo", "--once", "--log", file.path().to_str().unwrap()]);
    common::run(&["send", &server.target(), "x", "-q"]).is(0, "x", "");
    let done = server.finish();
    assert_eq!(std::fs::read_to_string(file.path()).unwrap(), done.text());
}

#[test]
fn timestamps_stand_before_each_line() {
    let server = Server::json(&["echo", "--once"]);
    let done = common::run(&["send", &server.target(), "x", "--timestamps"]);
    assert_eq!(done.code, Some(0));
    for line in done.errors().lines() {
        let (time, _) = line.split_once(' ').unwrap();
        let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
        assert_eq!(shape, "99:99:99.999999", "{line}");
    }
    assert_eq!(done.errors().lines().count(), 7);
}

#[test]
fn what_goes_to_a_pipe_has_no_colour_unless_it_is_asked_for() {
    let lines = [&["serve", "nope"][..], &["--color", "always", "serve", "nope"]].map(|words| {
        let done = common::run(words);
        assert_eq!(done.code, Some(2));
        done.errors().to_owned()
    });
    let sentence = " there is no service \"nope\"; there are: \
                    echo, receive, reply, ask, discard, chargen, daytime, exec\n";
    assert_eq!(lines[0], format!("enchufe:{sentence}"));
    assert_eq!(lines[1], format!("\u{1b}[1;31menchufe:\u{1b}[0m{sentence}"));
}

#[test]
fn a_server_whose_stdout_nobody_reads_any_more_ends_well() {
    // A named pipe, so that nothing that another test starts just now has a part in it.
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let pipe = pipe.to_str().unwrap();
    Process::start(common::other("mkfifo", &[pipe])).finish().is(0, "", "");
    let program = env!("CARGO_BIN_EXE_enchufe");
    let line = format!("exec '{program}' --lang en serve echo --listen 127.0.0.1:0 > '{pipe}'");
    let server = Process::start(common::other("sh", &["-c", &line]));
    let head = Process::start(common::other("head", &["-n", "4", pipe])).finish();
    let opening: Vec<&str> = head.text().lines().collect();
    assert_eq!(opening[3], "Waiting for a connection");
    let listening = opening[2].strip_prefix("Listening on ").unwrap();
    // It learns that its reader has gone when it has something to tell.
    let mut client = common::connect(listening.split(' ').next().unwrap().parse().unwrap());
    client.write_all(b"x").unwrap();
    drop(client);
    server.finish().is(0, "", "");
}

#[test]
fn a_client_whose_stdout_nobody_reads_any_more_ends_well() {
    let server = Server::json(&["chargen", "--once"]);
    let program = env!("CARGO_BIN_EXE_enchufe");
    let line =
        format!("{{ '{program}' --lang en send {} x -q; echo \"$?\" >&2; }} | head -1", server.target());
    let first: String = (b' '..b' ' + 72).map(char::from).collect();
    let done = Process::start(common::other("sh", &["-c", &line])).finish();
    done.is(0, &format!("{first}\r\n"), "0\n");
    assert_eq!(json::reasons(server.finish().text()), ["reset_by_peer"]);
}

#[test]
fn waiting_for_more_than_two_seconds_is_said_with_the_way_to_limit_it() {
    let (listener, address) = listener();
    let words = ["send", &address, "hola", "--expect", "echo"];
    let mut client = Process::start(enchufe("en", &words));
    let peer = client.accepted(&listener);
    assert_eq!(read_exactly(&peer, 4), b"hola");
    (&peer).write_all(b"ho").unwrap();
    let line = client.errors_until("Still");
    assert_eq!(line, "Still to come back: 2 bytes (--idle 5s limits the wait)");
    (&peer).write_all(b"la").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    let done = client.finish();
    assert_eq!((done.code, done.text()), (Some(0), "hola"));
}
