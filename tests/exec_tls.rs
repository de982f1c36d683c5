//! `serve exec --tls`: a program for each connection, behind TLS. As `tests/exec.rs` has it without, from outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::secured::{file, here, pair, send};
use common::{Done, GUARD, Process, Server, enchufe, json, noise, other, python, read_all};
use serde_json::json;
use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::Instant;

fn words<'a>(flags: &[&'a str], files: &'a str, command: &[&'a str]) -> Vec<&'a str> {
    let start = ["serve", "exec", "--json", "--listen", "127.0.0.1:0", "--tls", files];
    [&start, flags, &["--"], command].concat()
}

fn serve(flags: &[&str], command: &[&str]) -> Server {
    Server::of(Process::start(enchufe("en", &words(flags, &pair(), command))))
}

/// How its only connection ended.
fn closed(done: &Done) -> serde_json::Value {
    let mut all = json::only(done.text(), "closed");
    assert_eq!(all.len(), 1, "{}", done.text());
    all.remove(0)
}

fn names(done: &Done) -> Vec<String> {
    let of_the_program = ["secured", "program_started", "program_ended", "peer_ended", "closed"];
    let all = json::all(done.text()).into_iter().map(|event| event["event"].as_str().unwrap().to_owned());
    all.filter(|name| of_the_program.contains(&name.as_str())).collect()
}

#[test]
fn many_connections_at_once_have_a_program_each() {
    let server = serve(&["--accept", "12", "--events", "all"], &["cat"]);
    let target = here(&server);
    thread::scope(|scope| {
        for number in 0..12 {
            let target = &target;
            scope.spawn(move || {
                let message = format!("message {number}");
                send(target, &[&message, "--expect", "echo", "-q"]).is(0, &message, "");
            });
        }
    });
    let done = server.finish();
    assert_eq!((done.code, done.errors()), (Some(0), ""));
    assert_eq!(json::reasons(done.text()), vec!["peer_finished"; 12]);
    let ends = json::only(done.text(), "program_ended");
    assert!(ends.len() == 12 && ends.iter().all(|end| end["how"] == "exit" && end["code"] == 0));
    for closed in json::only(done.text(), "closed") {
        assert_eq!((&closed["received"], &closed["unsent"]), (&closed["sent"], &json!(0)));
    }
}

#[test]
fn much_goes_through_a_program_unchanged_both_ways() {
    let sent = noise(24 << 20, 11);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bulk");
    std::fs::write(&path, &sent).unwrap();
    let server = serve(&["--once", "--events", "none"], &["cat"]);
    let done = send(&here(&server), &["--file", path.to_str().unwrap(), "--expect", "echo", "-q"]);
    assert_eq!((done.code, done.errors()), (Some(0), ""));
    assert!(done.out == sent, "{} bytes came back", done.out.len());
    assert_eq!(server.finish().code, Some(0));
}

#[test]
fn a_program_begins_after_the_handshake_and_has_the_end_of_what_came_behind_it() {
    let server = serve(&["--once", "--events", "all"], &["sh", "-c", "cat; echo end"]);
    send(&here(&server), &["hola ", "-q"]).is(0, "hola end\n", "");
    let done = server.finish();
    let all = ["secured", "program_started", "peer_ended", "program_ended", "closed"];
    assert_eq!(names(&done), all);
    let closed = closed(&done);
    assert_eq!(
        (&closed["reason"], &closed["received"], &closed["sent"]),
        (&json!("peer_finished"), &json!(5), &json!(9))
    );
}

#[test]
fn a_program_that_ends_first_has_its_answer_read_and_its_code_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("unread");
    std::fs::write(&path, vec![b'x'; 3_000_000]).unwrap();
    let server = serve(&["--once", "--events", "none"], &["sh", "-c", "echo hola; exit 3"]);
    send(&here(&server), &["--file", path.to_str().unwrap(), "-q"]).is(0, "hola\n", "");
    assert_eq!(server.finish().code, Some(0));
    let server = serve(&["--once", "--events", "all"], &["sh", "-c", "echo hola; exit 3"]);
    send(&here(&server), &["", "-q"]).is(0, "hola\n", "");
    let done = server.finish();
    let ended = &json::only(done.text(), "program_ended")[0];
    assert_eq!((&ended["how"], &ended["code"]), (&json!("exit"), &json!(3)));
    assert_eq!(closed(&done)["sent"], 5);
}

#[test]
fn all_that_a_program_has_written_arrives_also_where_it_is_over_before_that_is_read() {
    // What it left running has its end of the pair still, and says nothing.
    let line = "head -c 5000000 /dev/zero; sleep 20 2>/dev/null & echo end";
    let server = serve(&["--once", "--events", "none"], &["sh", "-c", line]);
    let done = send(&here(&server), &["", "-q"]);
    assert_eq!((done.code, done.errors(), done.out.len()), (Some(0), "", 5_000_004));
    assert!(done.out.ends_with(b"\0end\n"));
    server.finish();
}

const MUCH: usize = 60_000_000;

/// Waits until a process is in a call that lasts: looked at so often in a row, it is the same one.
fn rests(id: u64) {
    const LOOKS: u32 = 300;
    let begun = Instant::now();
    let (mut before, mut same) = (String::new(), 0);
    while same < LOOKS {
        assert!(begun.elapsed() < GUARD, "it never rests");
        let call = std::fs::read_to_string(format!("/proc/{id}/syscall")).expect("it runs");
        let written = std::fs::read_to_string(format!("/proc/{id}/io")).expect("it runs");
        let now = call + &written;
        same = if now == before && !now.starts_with("running") { same + 1 } else { 0 };
        before = now;
    }
}

/// The most memory that the server ever had.
fn most_held(server: &Server) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

#[test]
#[cfg_attr(not(have_python3), ignore = "python3 is not installed")]
fn a_program_is_held_back_by_a_client_that_does_not_read() {
    let mut server = serve(&[], &["head", "-c", &MUCH.to_string(), "/dev/zero"]);
    let late = python("tls_late", &[server.port(), file("ca.pem"), "read".to_owned()]);
    let mut client = Process::start_with_input(late);
    client.until("agreed");
    rests(server.process.event("program_started")["pid"].as_u64().unwrap());
    client.write(b"go\n");
    let done = client.finish();
    assert_eq!((done.code, done.errors()), (Some(0), ""));
    assert_eq!(done.text().lines().last().unwrap(), format!("{MUCH} 1"));
    assert!(most_held(&server) < MUCH / 2, "{}", most_held(&server));
    server.stop();
}

#[test]
fn a_client_is_held_back_by_a_program_that_does_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let (gate, path) = (folder.path().join("gate"), folder.path().join("much"));
    std::fs::write(&path, vec![b'x'; MUCH]).unwrap();
    assert!(other("mkfifo", &[gate.to_str().unwrap()]).status().unwrap().success());
    let line = format!("cat {} >&2; wc -c", gate.display());
    let server = serve(&["--events", "none"], &["sh", "-c", &line]);
    let (target, authority) = (here(&server), file("ca.pem"));
    let words = ["send", &target, "--tls", "--tls-ca", &authority, "--file", path.to_str().unwrap(), "-q"];
    let client = Process::start(enchufe("en", &words));
    rests(client.id().into());
    std::fs::write(&gate, "").unwrap();
    client.finish().is(0, &format!("{MUCH}\n"), "");
    assert!(most_held(&server) < MUCH / 2, "{}", most_held(&server));
    server.stop();
}

#[test]
#[cfg_attr(not(have_python3), ignore = "python3 is not installed")]
fn a_program_may_end_one_direction_and_go_on_with_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let said = folder.path().join("said");
    let script = format!(
        "import socket; s = socket.socket(fileno=0); s.sendall(b'first'); s.shutdown(socket.SHUT_WR)\n\
         f = open({said:?}, 'wb')\n\
         while piece := s.recv(4096): f.write(piece)"
    );
    let server = serve(&["--once", "--events", "all"], &["python3", "-c", &script]);
    let mut client = Process::start_with_input(enchufe(
        "en",
        &["send", &here(&server), "--tls", "--tls-ca", &file("ca.pem"), "--json"],
    ));
    // It has the end of the answer before it has said anything.
    client.event("peer_ended");
    client.write(b"later");
    client.end_input();
    let told = client.finish();
    assert_eq!((told.code, json::payload(told.text(), "received")), (Some(0), b"first".to_vec()));
    let done = server.finish();
    assert_eq!((done.code, std::fs::read(&said).unwrap()), (Some(0), b"later".to_vec()));
    assert_eq!(closed(&done)["reason"], "own_end");
}

#[test]
fn a_connection_ends_with_its_program_and_not_when_that_closes_what_it_has_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("gate");
    assert!(other("mkfifo", &[gate.to_str().unwrap()]).status().unwrap().success());
    let line = format!("echo hola; exec <&- >&-; read line < {}", gate.display());
    let mut server = serve(&["--once", "--events", "all"], &["sh", "-c", &line]);
    let (target, authority) = (here(&server), file("ca.pem"));
    let words = ["send", &target, "much of it", "--tls", "--tls-ca", &authority];
    let mut client = Process::start(enchufe("en", &words));
    client.out_has(b"hola\n");
    server.process.event("program_started");
    std::fs::write(&gate, "\n").unwrap();
    assert_eq!(server.process.event("program_ended")["code"], 0);
    assert_eq!(client.finish().code, Some(0));
    assert_eq!(closed(&server.finish())["sent"], 5);
}

#[test]
fn a_program_that_cannot_be_executed_gives_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script");
    std::fs::write(&script, "no program\n").unwrap();
    std::fs::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
    let server = serve(&["--once", "--events", "all"], &[script.to_str().unwrap()]);
    let done = send(&here(&server), &["hola", "-q"]);
    assert_eq!((done.code, done.text()), (Some(1), ""), "{}", done.errors());
    let told = server.finish();
    assert_eq!(names(&told), ["secured", "closed"]);
    let closed = closed(&told);
    assert_eq!((&closed["reason"], &closed["call"]), (&json!("failed"), &json!("execve")));
}

#[test]
fn who_does_not_speak_tls_has_no_program() {
    let server = serve(&["--once", "--events", "all"], &["cat"]);
    let mut plain = server.connect();
    plain.write_all(b"hola\n").unwrap();
    // The alert alone.
    assert!(read_all(&plain).starts_with(&[21, 3]));
    drop(plain);
    let done = server.finish();
    assert_eq!(names(&done), ["closed"]);
    assert_eq!((&closed(&done)["reason"], &closed(&done)["tls"]), (&json!("tls"), &json!("not_tls")));
}

#[test]
#[cfg_attr(not(have_python3), ignore = "python3 is not installed")]
fn a_reset_is_said_to_be_one_and_its_program_finds_that_nobody_is_there() {
    let mut server = serve(&["--once", "--events", "all"], &["cat"]);
    let reset = python("tls_late", &[server.port(), file("ca.pem"), "reset".to_owned()]);
    let mut client = Process::start_with_input(reset);
    client.until("agreed");
    server.process.event("program_started");
    client.write(b"go\n");
    client.finish();
    assert_eq!(server.process.event("program_ended")["code"], 0);
    assert_eq!(closed(&server.finish())["reason"], "reset_by_peer");
}

#[test]
fn what_does_not_end_in_time_is_cut_with_all_that_it_started_and_its_client_knows() {
    let mut server =
        serve(&["--drain", "0", "--events", "all"], &["sh", "-c", "sleep 1000 & echo started; wait"]);
    let (target, authority) = (here(&server), file("ca.pem"));
    let mut client = Process::start(enchufe("en", &["send", &target, "", "--tls", "--tls-ca", &authority]));
    client.out_has(b"started\n");
    let done = server.stop();
    assert_eq!(done.code, Some(1));
    assert_eq!(closed(&done)["reason"], "interrupted");
    let ended = &json::only(done.text(), "program_ended")[0];
    assert_eq!((&ended["how"], &ended["code"]), (&json!("signal"), &json!(9)));
    let cut = client.finish();
    assert_eq!(cut.code, Some(1), "{}", cut.errors());

    server = serve(&["--once", "--deadline", "100ms", "--events", "all"], &["sleep", "1000"]);
    assert_eq!(send(&here(&server), &["", "-q"]).code, Some(1));
    let done = server.finish();
    assert_eq!(
        (&closed(&done)["reason"], &closed(&done)["limit_ns"]),
        (&json!("deadline"), &json!(100_000_000))
    );
}

#[test]
#[cfg_attr(not(have_python3), ignore = "python3 is not installed")]
fn a_client_that_falls_silent_or_never_agrees_is_closed_at_a_limit_and_its_program_finds_that() {
    let server = serve(&["--once", "--idle", "100ms", "--events", "all"], &["cat"]);
    let late = python("tls_late", &[server.port(), file("ca.pem"), "read".to_owned()]);
    let client = Process::start_with_input(late);
    let done = server.finish();
    assert_eq!(names(&done), ["secured", "program_started", "program_ended", "closed"]);
    assert_eq!(json::only(done.text(), "program_ended")[0]["code"], 0);
    assert_eq!(closed(&done)["reason"], "idle");
    drop(client);
    let server = serve(&["--once", "--first-byte", "100ms", "--events", "all"], &["cat"]);
    let silent = server.connect();
    let done = server.finish();
    assert_eq!((names(&done), &closed(&done)["reason"]), (vec!["closed".to_owned()], &json!("first_byte")));
    drop(silent);
}

#[test]
fn as_many_as_may_be_have_a_program_at_once_where_the_descriptors_are_said_to_suffice() {
    const CLIENTS: usize = 10;
    // Three of each: its socket, what waits for its program, and the server's end of what that has.
    let needed = 32 + 2 + 3 * CLIENTS;
    let limited = |limit: usize| {
        let script = format!(
            "ulimit -n {limit}; exec \"$@\" serve exec --json --listen 127.0.0.1:0 --max-connections {CLIENTS} --tls {} -- cat",
            pair()
        );
        Process::start(other("sh", &["-c", &script, "sh", env!("CARGO_BIN_EXE_enchufe"), "--lang", "en"]))
    };
    let refused = limited(needed - 1).finish();
    assert!(refused.errors().contains(&format!("needs {needed} descriptors")), "{}", refused.errors());
    let server = Server::of(limited(needed));
    let (target, authority) = (here(&server), file("ca.pem"));
    let words = ["send", &target, "--tls", "--tls-ca", &authority, "-q"];
    let mut clients: Vec<Process> =
        (0..CLIENTS).map(|_| Process::start_with_input(enchufe("en", &words))).collect();
    for client in &mut clients {
        client.write(b"hola");
    }
    for client in &mut clients {
        client.out_has(b"hola");
    }
    for mut client in clients {
        client.end_input();
        assert_eq!(client.finish().code, Some(0));
    }
    assert_eq!(server.stop().code, Some(0));
}
