//! `serve exec`: a program for each connection, with the socket as its standard input and output.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Process, Server, address_of_its_own, enchufe, json, read_all, read_exactly, run, try_connect};
use serde_json::json;
use std::fs::Permissions;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::PermissionsExt;

fn serve(flags: &[&str], command: &[&str]) -> Server {
    let words = [&["serve", "exec", "--json", "--listen", "127.0.0.1:0"], flags, &["--"], command].concat();
    Server::of(common::Process::start(enchufe("en", &words)))
}

#[test]
fn many_connections_at_once_have_a_program_each() {
    let server = serve(&["--accept", "40", "--events", "all"], &["cat"]);
    let clients: Vec<TcpStream> = (0..40).map(|_| server.connect()).collect();
    for (number, mut client) in clients.iter().enumerate() {
        client.write_all(format!("message {number}").as_bytes()).unwrap();
    }
    for (number, client) in clients.iter().enumerate().rev() {
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_all(client), format!("message {number}").as_bytes());
    }
    let done = server.finish();
    assert_eq!((done.code, done.errors()), (Some(0), ""));
    assert_eq!(json::reasons(done.text()), vec!["peer_finished"; 40]);
    let ends = json::only(done.text(), "program_ended");
    assert!(ends.len() == 40 && ends.iter().all(|end| end["how"] == "exit" && end["code"] == 0));
    for closed in json::only(done.text(), "closed") {
        assert_eq!(closed["received"], closed["sent"]);
    }
}

#[test]
fn a_program_that_cannot_be_executed_is_told_with_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script");
    let ended = |language: &str, text: &str| {
        std::fs::write(&script, text).unwrap();
        std::fs::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
        let address = address_of_its_own();
        let words =
            ["serve", "exec", "--once", "--listen", &address.to_string(), "--", script.to_str().unwrap()];
        let mut process = Process::start(enchufe(language, &words));
        process.until(&format!("{address} ("));
        // It may be there before the client is done with connecting.
        let reset = try_connect(address).and_then(|mut client| client.read(&mut [0]));
        assert_eq!(reset.unwrap_err().kind(), ErrorKind::ConnectionReset);
        process.finish().text().to_owned()
    };
    let told = ended("en", "no program\n");
    let foreign =
        "it is a program for another machine, or a script whose first line does not name its interpreter";
    assert!(told.contains(&format!("execve failed: {foreign}, as in #!/bin/sh (received")), "{told}");
    let told = ended("es", "#!/no/such/interpreter\n");
    assert!(
        told.contains("execve falló: ya no está, o falta el intérprete que nombra su primera línea"),
        "{told}"
    );
}

#[test]
fn as_many_as_may_be_have_a_program_at_once_where_the_descriptors_are_said_to_suffice() {
    const CLIENTS: usize = 40;
    let limited = |limit: usize| {
        let script = format!(
            "ulimit -n {limit}; exec \"$@\" serve exec --json --listen 127.0.0.1:0 --max-connections {CLIENTS} -- cat"
        );
        let start = ["-c", &script, "sh", env!("CARGO_BIN_EXE_enchufe"), "--lang", "en"];
        common::Process::start(common::other("sh", &start))
    };
    // Two of each: its socket, and what waits for its program.
    let needed = 32 + 2 + 2 * CLIENTS;
    limited(needed - 1).finish().could_not_run(&format!(
        "--max-connections {CLIENTS} needs {needed} descriptors and this program may have {}; \
         raise the limit of this shell with: sudo prlimit --pid $$ --nofile={needed}",
        needed - 1
    ));
    let server = Server::of(limited(needed));
    let clients: Vec<TcpStream> = (0..CLIENTS).map(|_| server.connect()).collect();
    for mut client in &clients {
        client.write_all(b"hola").unwrap();
    }
    for client in &clients {
        assert_eq!(read_exactly(client, 4), b"hola");
    }
    drop(clients);
    assert_eq!(server.stop().code, Some(0));
}

#[test]
fn a_program_begins_with_the_limit_of_descriptors_that_the_server_was_started_with() {
    // The server raises its own to the hard one.
    let words = "serve exec --json --listen 127.0.0.1:0 --once -- sh -c 'ulimit -Sn; ulimit -Hn; cat /proc/$PPID/limits'";
    let script = format!("ulimit -Sn 300; ulimit -Hn 400; exec \"$1\" --lang en {words}");
    let start = ["-c", &script, "sh", env!("CARGO_BIN_EXE_enchufe")];
    let server = Server::of(common::Process::start(common::other("sh", &start)));
    let answer = String::from_utf8(read_all(&server.connect())).unwrap();
    let ours = answer.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let ours: Vec<&str> = ours.split_whitespace().skip(3).take(2).collect();
    assert_eq!((answer.lines().take(2).collect(), ours), (vec!["300", "400"], vec!["400", "400"]));
    assert_eq!(server.finish().code, Some(0));
}

#[test]
fn a_program_that_ends_first_has_its_answer_read_and_its_code_told() {
    let server = serve(&["--once"], &["sh", "-c", "echo hola; exit 3"]);
    let mut client = server.connect();
    // Nobody reads this: to close with it unread would send RST, which may destroy the answer.
    client.write_all(&vec![b'x'; 100_000]).unwrap();
    assert_eq!(read_all(&client), b"hola\n");
    drop(client);
    let done = server.finish();
    assert_eq!((done.code, done.errors()), (Some(0), ""));
    let ended = &json::only(done.text(), "program_ended")[0];
    assert_eq!((&ended["how"], &ended["code"]), (&json!("exit"), &json!(3)));
    let closed = &json::only(done.text(), "closed")[0];
    assert_eq!((&closed["reason"], &closed["sent"]), (&json!("own_end"), &json!(5)));
    assert_eq!(closed["received"], 100_000);
    assert_eq!(json::only(done.text(), "discarded")[0]["bytes"], 100_000);
}

#[test]
fn who_goes_on_sending_after_the_program_has_ended_is_ended_in_time() {
    // As long as it is read from there is always more.
    let flood = |mut client: TcpStream| while client.write_all(&[b'x'; 8192]).is_ok() {};
    let server = serve(&["--once"], &["true"]);
    flood(server.connect());
    let closed = json::only(server.finish().text(), "closed");
    assert_eq!(closed[0]["reason"], "own_end");
    let server = serve(&["--drain", "0"], &["true"]);
    let client = server.connect();
    let sender = std::thread::spawn(move || flood(client));
    let mut process = server.process;
    process.event("program_ended");
    process.signal("TERM");
    sender.join().unwrap();
    process.finish();
}

#[test]
fn a_program_knows_both_addresses() {
    let line = "echo $PROTO $TCPLOCALIP:$TCPLOCALPORT $TCPREMOTEIP:$TCPREMOTEPORT";
    let server = serve(&["--once"], &["sh", "-c", line]);
    let client = server.connect();
    let expected = format!("TCP {} {}\n", client.peer_addr().unwrap(), client.local_addr().unwrap());
    assert_eq!(read_all(&client), expected.as_bytes());
}

#[test]
fn a_reset_is_said_to_be_one() {
    let server = serve(&["--once"], &["cat"]);
    let mut client = server.connect();
    client.write_all(b"a").unwrap();
    common::reset(client);
    assert_eq!(json::reasons(server.finish().text()), ["reset_by_peer"]);
}

#[test]
fn what_does_not_end_in_time_is_cut_with_all_that_it_started() {
    // The second process has the socket too: only with both gone does the client see the end.
    let server = serve(&["--drain", "0"], &["sh", "-c", "sleep 1000 & echo started; wait"]);
    let client = server.connect();
    assert_eq!(read_exactly(&client, 8), b"started\n");
    let done = server.stop();
    assert_eq!(done.code, Some(1));
    assert_eq!(read_all(&client), b"");
    assert_eq!(json::reasons(done.text()), ["interrupted"]);
    let ended = &json::only(done.text(), "program_ended")[0];
    assert_eq!((&ended["how"], &ended["code"]), (&json!("signal"), &json!(9)));
}

#[test]
fn a_program_is_ended_at_the_deadline() {
    let server = serve(&["--once", "--deadline", "100ms"], &["sleep", "1000"]);
    assert_eq!(read_all(&server.connect()), b"");
    let done = server.finish();
    let closed = &json::only(done.text(), "closed")[0];
    assert_eq!((&closed["reason"], &closed["limit_ns"]), (&json!("deadline"), &json!(100_000_000)));
}

#[test]
fn what_cannot_be_run_is_said_before_anybody_is_let_in() {
    let exec = |words: &[&str]| run(&[&["serve", "exec", "--listen", "127.0.0.1:0"], words].concat());
    for nothing in [&[][..], &["--", ""]] {
        exec(nothing).could_not_run(
            "what to run for each connection is missing; write for example: enchufe serve exec -- cat",
        );
    }
    let done = exec(&["--", "no-such-program"]);
    assert!(done.code == Some(2) && done.out.is_empty(), "{done:?}");
    assert!(done.errors().contains("no-such-program"), "{done:?}");
    exec(&["--idle", "1s", "--", "cat"]).could_not_run("--idle has no effect in exec: leave it out");
}
