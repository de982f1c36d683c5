//! `enchufe demo`: both practices by this same program, as it is started by a beginner.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Done, Process, enchufe};
use std::collections::BTreeSet;

/// What stands in a column, of as many as the rows have. Rows that were wrapped are one text again.
fn column(done: &Done, count: usize, place: usize) -> String {
    let rows = done.text().lines().map(|row| row.split('│').map(str::trim).collect::<Vec<_>>());
    let rows = rows.filter(|row| row.len() == count).map(|row| row[place].to_owned());
    rows.collect::<Vec<_>>().join(" ")
}

/// The left and the right column of every row that has two.
fn columns(done: &Done) -> (String, String) {
    (column(done, 2, 0), column(done, 2, 1))
}

/// Where no programs are traced: where there can be no network for them. Runs this first there, in a shell.
fn untraced(language: &str, first: &str, words: &[&str]) -> Done {
    let program = env!("CARGO_BIN_EXE_enchufe");
    let forbid = if cfg!(have_namespaces) { "echo 0 > /proc/sys/user/max_net_namespaces &&" } else { "" };
    let script = format!("program='{program}'; {first} {forbid} $program --lang {language} demo \"$@\"");
    let mut command = common::other("sh", &["-c", &script, "sh"]);
    command.args(words);
    if cfg!(have_namespaces) {
        enchufe_sys::namespace::isolate(&mut command);
    }
    let done = Process::start(command).finish();
    let note = if language == "es" { "enchufe: sin la red, pues" } else { "enchufe: without the wire, for" };
    assert_eq!((done.code, done.errors().lines().count()), (Some(0), 1), "{}{}", done.text(), done.errors());
    assert!(done.errors().starts_with(note), "{}", done.errors());
    done
}

fn demo(language: &str, message: &str) -> Done {
    untraced(language, "", &[message])
}

#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn between_the_two_programs_stands_the_wire() {
    let noise = common::noise(6, std::process::id().into());
    let message: String = noise.iter().map(|byte| char::from(b'a' + byte % 26)).collect();
    let done = Process::start(enchufe("en", &["demo", &message])).finish();
    assert_eq!((done.code, done.errors()), (Some(0), ""), "{}", done.text());
    let [client, wire, server] = [0, 1, 2].map(|place| column(&done, 3, place));
    let count = |text: &str, part: &str| text.matches(part).count();
    assert_eq!(count(&client, &format!("» Sending (6 bytes): \"{message}\"")), 3, "{client}");
    assert_eq!(count(&server, &format!("» Received (6 bytes): \"{message}\"")), 3, "{server}");
    assert_eq!(count(&client, &format!("» Received (6 bytes): \"{message}\"")), 1, "{client}");
    assert_eq!(count(&client, "» Received (21 bytes): \"Hello from the server\""), 1, "{client}");
    // Handshakes, the message and once its echo, and two ends each.
    let wire = wire.replace("  ", " ");
    for (part, times) in [("─ SYN ─", 3), ("SYN, ACK ─", 3), (" PSH, ACK 1..7 ", 4), (" FIN, ACK ", 6)]
    {
        assert_eq!(count(&wire, part), times, "{part}: {wire}");
    }
    for (side, call, state) in [
        (&client, "connect 127.0.0.1:4000", "SYN-SENT"),
        (&client, "shutdown SHUT_WR", "FIN-WAIT-1"),
        (&server, "bind 127.0.0.1:8080", "LISTEN"),
        (&server, "kernel, for listen", "SYN-RECEIVED"),
    ] {
        assert!(side.contains(call) && count(side, state) == 3, "{call}, {state}: {side}");
    }
    assert_eq!(count(&client, "exits with 0") + count(&server, "exits with 0"), 6);
}

/// The ports after this word, as the transcript names them.
fn ports_after(text: &str, word: &str) -> BTreeSet<u16> {
    let pieces = text.split(word).skip(1);
    pieces.filter_map(|piece| piece.trim_start().strip_prefix("127.0.0.1:")).map(port).collect()
}

fn port(text: &str) -> u16 {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().unwrap()
}

#[test]
fn a_message_that_nobody_could_have_prepared_goes_through_both_programs() {
    let mut clients = BTreeSet::new();
    for round in 0..2_u64 {
        let id = std::process::id();
        let seed = u64::from(id) << 8 | round;
        let noise = common::noise(6, seed);
        let message: String = noise.iter().map(|byte| char::from(b'a' + byte % 26)).collect();
        let done = demo("es", &message);
        let (client, server) = columns(&done);
        assert_eq!(client.matches(&format!("Enviando (6 bytes): \"{message}\"")).count(), 3, "{client}");
        assert_eq!(server.matches(&format!("Recibido (6 bytes): \"{message}\"")).count(), 3, "{server}");
        assert_eq!(client.matches(&format!("Recibido (6 bytes): \"{message}\"")).count(), 1, "{client}");
        assert!(client.contains("Recibido (22 bytes): \"Hola desde el servidor\""), "{client}");
        // What the server saw is where the client said that it came from: two programs, one socket.
        let ports = ports_after(&server, "Conexión desde");
        assert_eq!(ports, ports_after(&client, "desde"));
        assert_eq!(ports.len(), 3, "{ports:?}");
        clients.extend(ports);
        // Without a word that was wrapped away: the whole text has it.
        assert!(done.text().contains("Práctica 1: un servidor de eco y su cliente"), "{}", done.text());
    }
    assert_eq!(clients.len(), 6, "each conversation had a client port of its own: {clients:?}");
}

#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn where_it_is_not_traced_and_the_usual_ports_are_taken_it_uses_others_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let said = folder.path().join("said").display().to_string();
    let first = format!(
        ": > {said}; $program serve discard --listen 127.0.0.1:4000 --listen 127.0.0.1:8080 > {said} 2>&1 & \
         until grep -q 'on 127.0.0.1:8080' {said}; do kill -0 $! || exit 1; done; trap 'kill $!' EXIT;"
    );
    let done = untraced("en", &first, &["hola"]);
    assert!(done.text().contains("(port 4000 is taken: a free one is used)\n"), "{}", done.text());
    assert_eq!(done.text().matches("(port 8080 is taken: a free one is used)\n").count(), 2);
    let (_, server) = columns(&done);
    let listened = ports_after(&server, "Listening on");
    assert_eq!(listened.len(), 3, "{listened:?}");
    assert!(!listened.contains(&4000) && !listened.contains(&8080), "{listened:?}");
}

#[test]
fn it_ends_with_the_lines_that_do_the_same() {
    let done = demo("en", "it's a 'message'");
    let lines: Vec<&str> = done.text().lines().filter(|line| line.starts_with("    enchufe ")).collect();
    assert_eq!(lines.len(), 6);
    for pair in lines.chunks(2) {
        // A shell runs each as it stands, this program under its name.
        let program = env!("CARGO_BIN_EXE_enchufe");
        let line = |typed: &str| {
            let words = typed.trim().strip_prefix("enchufe ").unwrap();
            // The port may be taken again since: another loopback address has it free.
            let words = words.replace("127.0.0.1:", &format!("{}:", common::address_of_its_own().ip()));
            format!("'{program}' --lang en {words}")
        };
        let [server, client] = [line(pair[0]), line(pair[1])];
        let ip = |line: &str| line.split("127.").nth(1).unwrap().split(':').next().unwrap().to_owned();
        let client = client.replace(&ip(&client), &ip(&server));
        let mut listening = Process::start(common::other("sh", &["-c", &format!("exec {server}")]));
        listening.until("Listening on");
        let client = Process::start(common::other("sh", &["-c", &format!("exec {client}")])).finish();
        assert_eq!(client.code, Some(0), "{}", client.errors());
        assert!(client.errors().contains("Sending (16 bytes): \"it's a 'message'\""), "{}", client.errors());
        let done = listening.finish();
        assert_eq!(done.code, Some(0), "{}", done.errors());
    }
}

#[test]
fn a_message_that_looks_like_a_flag_is_a_message() {
    let done = untraced("en", "", &["--", "--once"]);
    let (client, _) = columns(&done);
    assert_eq!(client.matches("Sending (6 bytes): \"--once\"").count(), 3, "{client}");
    if cfg!(have_namespaces) {
        let done = Process::start(enchufe("en", &["demo", "--", "--once"])).finish();
        assert_eq!((done.code, done.errors()), (Some(0), ""));
        let client = column(&done, 3, 0);
        assert_eq!(client.matches("» Sending (6 bytes): \"--once\"").count(), 3, "{client}");
    }
}

#[test]
fn nobody_reading_it_any_more_is_no_error() {
    let program = env!("CARGO_BIN_EXE_enchufe");
    let line = format!("{{ '{program}' --lang en demo; echo $? >&2; }} | head -1");
    let done = Process::start(common::other("sh", &["-c", &line])).finish();
    done.is(0, "Practice 1: an echo server and its client\n", "0\n");
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn where_a_container_forbids_tracing_the_programs_stand_side_by_side() {
    for call in ["ptrace", "seccomp"] {
        let start = [call, "EPERM", env!("CARGO_BIN_EXE_enchufe"), "--lang", "en", "demo", "hola"];
        let done = Process::start(common::python("forbidding", &start)).finish();
        assert_eq!(
            (done.code, done.errors()),
            (
                Some(0),
                "enchufe: without the wire, for programs may not be traced here (permission denied); what is missing: \
                 enchufe doctor\n"
            ),
            "{call}: {}",
            done.text()
        );
        let (client, server) = columns(&done);
        assert_eq!(client.matches("Sending (4 bytes): \"hola\"").count(), 3, "{client}");
        assert_eq!(server.matches("Received (4 bytes): \"hola\"").count(), 3, "{server}");
    }
}
