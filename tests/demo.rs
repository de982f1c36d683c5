//! `enchufe demo`: both practices by this same program, as it is started by a beginner.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Done, Process, enchufe};
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::time::Duration;

/// The left and the right column of every row that has two.
fn columns(done: &Done) -> (String, String) {
    let rows = done.text().lines().filter_map(|row| row.split_once('│'));
    let (left, right): (Vec<&str>, Vec<&str>) = rows.map(|(left, right)| (left.trim(), right.trim())).unzip();
    // Rows that were wrapped are one text again.
    (left.join(" "), right.join(" "))
}

fn demo(language: &str, message: &str) -> Done {
    let done = Process::start(enchufe(language, &["demo", message])).finish();
    assert_eq!((done.code, done.errors()), (Some(0), ""), "{}", done.text());
    done
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

/// Takes a port. Another demonstration gives it back soon; a program that keeps it has it taken, which
/// is all that is wanted here.
fn take(port: u16) -> Option<TcpListener> {
    (0..2000).find_map(|_| {
        let taken = TcpListener::bind(("127.0.0.1", port)).ok();
        if taken.is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        taken
    })
}

#[test]
fn the_usual_ports_being_taken_it_uses_others_and_says_so() {
    let _taken = [take(4000), take(8080)];
    let done = demo("en", "hola");
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
    let done = Process::start(enchufe("en", &["demo", "--", "--once"])).finish();
    assert_eq!((done.code, done.errors()), (Some(0), ""));
    let (client, _) = columns(&done);
    assert_eq!(client.matches("Sending (6 bytes): \"--once\"").count(), 3, "{client}");
}

#[test]
fn nobody_reading_it_any_more_is_no_error() {
    let program = env!("CARGO_BIN_EXE_enchufe");
    let line = format!("{{ '{program}' --lang en demo; echo $? >&2; }} | head -1");
    let done = Process::start(common::other("sh", &["-c", &line])).finish();
    done.is(0, "Practice 1: an echo server and its client\n", "0\n");
}
