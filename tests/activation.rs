//! A server that a service manager starts: with sockets that listen already, and with somebody to tell how it is doing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Process, Server, accept, connect, json, on_engines, read_all};
use serde_json::json;
use std::fs::File;
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener};

/// `serve WORDS` with this as descriptor 3.
fn handed(variables: &str, words: &[&str], descriptor: impl Into<OwnedFd>) -> Process {
    Process::handed(variables, &[&["serve"], words].concat(), descriptor.into())
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// One message there and back.
fn echo(address: SocketAddr) {
    let mut client = connect(address);
    client.write_all(b"hola").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&client), b"hola");
}

on_engines!(a_socket_that_is_handed_on_is_served: blocking threads epoll uring);
fn a_socket_that_is_handed_on_is_served(engine: &str) {
    // More threads than processors are refused.
    let several = std::thread::available_parallelism().unwrap().get() > 1;
    let has_few = several && !["blocking", "threads"].contains(&engine);
    let threads: &[&str] = if has_few { &["--threads", "2"] } else { &[] };
    let (listener, address) = listener();
    // Whoever came before the server was there is served by it.
    let mut early = connect(address);
    early.write_all(b"early").unwrap();
    early.shutdown(Shutdown::Write).unwrap();
    let words = [&["echo", "--json", "--events", "all", "--engine", engine], threads].concat();
    let names = "LISTEN_FDS=1 LISTEN_FDNAMES=echo.socket";
    let mut process = handed(names, &words, listener.try_clone().unwrap());
    let given = process.event("inherited");
    assert_eq!(given["address"], address.to_string());
    assert_eq!((&given["descriptor"], &given["name"]), (&json!(3), &json!("echo.socket")));
    let listening = process.event("listening");
    // std listens with 128 at the time of writing, or what the system allows.
    assert!(listening["backlog"].as_u64() > Some(0), "{listening}");
    assert_eq!(read_all(&early), b"early");
    (0..20).for_each(|_| echo(address));
    process.signal("TERM");
    let done = process.finish();
    assert_eq!((done.code, done.errors()), (Some(0), ""), "{engine}");
    assert_eq!(json::only(done.text(), "stopped")[0]["served"], 21, "{engine}");
    assert_eq!(json::only(done.text(), "bound").len(), 0, "it opens nothing itself");
    // The socket outlives the server: who comes now waits for the next one.
    let waiting = connect(address);
    drop(accept(&listener));
    drop(waiting);
}

#[test]
fn who_waits_in_the_queue_of_a_socket_that_was_handed_on_is_not_cut() {
    let (listener, address) = listener();
    let words = ["echo", "--json", "--engine", "blocking", "--drain", "0"];
    let mut process = handed("LISTEN_FDS=1", &words, listener.try_clone().unwrap());
    process.event("waiting");
    let mut first = connect(address);
    first.write_all(b"x").unwrap();
    process.event("returning");
    let second = connect(address);
    process.event("queued");
    process.signal("TERM");
    let done = process.finish();
    assert_eq!(json::only(done.text(), "queue_cut").len(), 0);
    assert_eq!(json::only(done.text(), "stopped")[0]["cut"], 1, "the one that was served");
    assert_eq!(accept(&listener).peer_addr().unwrap(), second.local_addr().unwrap());
}

on_engines!(who_comes_while_a_server_ends_waits_for_the_next_one: blocking threads epoll uring);
fn who_comes_while_a_server_ends_waits_for_the_next_one(engine: &str) {
    let (listener, address) = listener();
    let words = ["echo", "--json", "--drain", "1h", "--engine", engine];
    let mut process = handed("LISTEN_FDS=1", &words, listener.try_clone().unwrap());
    let mut first = connect(address);
    first.write_all(b"x").unwrap();
    process.event("returning");
    process.signal("TERM");
    process.event("draining");
    assert_eq!(common::read_exactly(&first, 1), b"x");
    first.write_all(b"y").unwrap();
    // Who is there is served on, and by who knows by now that it ends.
    assert_eq!(common::read_exactly(&first, 1), b"y", "{engine}");
    let second = connect(address);
    drop(first);
    let done = process.finish();
    assert_eq!((done.code, done.errors()), (Some(0), ""), "{engine}");
    assert_eq!(accept(&listener).peer_addr().unwrap(), second.local_addr().unwrap());
}

#[test]
fn no_more_are_let_in_than_may_be_by_threads_that_share_a_socket() {
    let (listener, address) = listener();
    let process = handed("LISTEN_FDS=1", &["echo", "--json", "--events", "all", "--accept", "5"], listener);
    (0..5).for_each(|_| echo(address));
    let done = process.finish();
    assert_eq!((done.code, json::only(done.text(), "accepted").len()), (Some(0), 5));
}

on_engines!(that_there_is_no_room_is_told_once_to_all_who_come_together: threads epoll uring);
fn that_there_is_no_room_is_told_once_to_all_who_come_together(engine: &str) {
    let (listener, address) = listener();
    let clients: Vec<_> = (0..20).map(|_| connect(address)).collect();
    let words = ["echo", "--json", "--events", "all", "--engine", engine, "--max-connections", "5"];
    let mut process = handed("LISTEN_FDS=1", &words, listener);
    for _ in 5..20 {
        assert_eq!(process.event("closed")["reason"], "limit", "{engine}");
    }
    drop(clients);
    process.signal("TERM");
    let done = process.finish();
    assert_eq!(json::only(done.text(), "short").len(), 1, "{engine}");
}

#[test]
fn a_program_of_a_connection_has_neither_the_socket_nor_the_variables() {
    let (listener, address) = listener();
    let socket = std::fs::read_link(format!("/proc/self/fd/{}", listener.as_raw_fd())).unwrap();
    let line = "env | grep -c -e ^LISTEN_ -e ^NOTIFY_; ls -l /proc/$$/fd";
    let words = ["exec", "--once", "--json", "--", "sh", "-c", line];
    let process = handed("LISTEN_FDS=1 NOTIFY_SOCKET=", &words, listener);
    let answer = String::from_utf8(read_all(&connect(address))).unwrap();
    let (variables, descriptors) = answer.split_once('\n').unwrap();
    assert_eq!(variables, "0");
    assert!(descriptors.contains(" 0 -> socket:[") && !descriptors.contains(socket.to_str().unwrap()));
    assert_eq!(process.finish().code, Some(0));
}

#[test]
fn what_is_no_listening_socket_of_tcp_is_refused_in_one_sentence() {
    let way = "what starts this program has to hand on a socket that listens (systemd: ListenStream= with a port, without Accept=yes)";
    let refused = |variables: &str, descriptor: OwnedFd, what: &str| {
        let done = handed(variables, &["echo"], descriptor).finish();
        done.could_not_run(&format!("descriptor {what}; {way}"));
    };
    let one = "LISTEN_FDS=1";
    let null = || File::open("/dev/null").unwrap();
    refused(one, null().into(), "3 of LISTEN_FDS is no socket");
    refused("LISTEN_FDS=1 LISTEN_FDNAMES=a.b", null().into(), "3 (a.b) of LISTEN_FDS is no socket");
    refused(one, UdpSocket::bind("127.0.0.1:0").unwrap().into(), "3 of LISTEN_FDS is no socket of TCP");
    let folder = tempfile::tempdir().unwrap();
    let unix = UnixListener::bind(folder.path().join("socket")).unwrap();
    refused(one, unix.into(), "3 of LISTEN_FDS is no socket of TCP");
    let (listener, address) = listener();
    refused(one, connect(address).into(), "3 of LISTEN_FDS is a socket that does not listen");
    // The one that can be served is not told of before the other is looked at.
    let done = handed("LISTEN_FDS=2", &["echo"], listener).finish();
    assert_eq!(done.code, Some(2));
    assert_eq!(done.errors(), format!("enchufe: descriptor 4 of LISTEN_FDS is not open; {way}\n"));
}

#[test]
fn variables_that_say_nothing_or_are_for_another_process() {
    let (listener, address) = listener();
    for word in ["many", "-1", "1025"] {
        let done = handed(&format!("LISTEN_FDS={word}"), &["echo"], listener.try_clone().unwrap()).finish();
        done.could_not_run(&format!(
            "LISTEN_FDS has to say how many descriptors are handed on (no more than 1024), not \"{word}\""
        ));
    }
    let words = ["echo", "--listen", "127.0.0.1:0"];
    let leave_out = "what started this program has handed on a socket that listens (LISTEN_FDS): leave";
    let refused = handed("LISTEN_FDS=1", &words, listener.try_clone().unwrap()).finish();
    refused.could_not_run(&format!("{leave_out} --listen out"));
    for flag in ["-4", "-6"] {
        let refused = handed("LISTEN_FDS=1", &["echo", flag], listener.try_clone().unwrap()).finish();
        refused.could_not_run(&format!("{leave_out} {flag} out"));
    }
    // They are somebody else's.
    let words = ["echo", "--json", "--listen", "127.0.0.1:0"];
    let server = Server::of(handed("LISTEN_FDS=1 LISTEN_PID=1", &words, listener));
    assert_ne!(server.address, address);
    echo(server.address);
    assert_eq!(server.stop().code, Some(0));
}

#[test]
fn whoever_started_it_is_told_that_it_is_ready_and_that_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(common::GUARD)).unwrap();
    let heard = || {
        let mut buffer = [0; 100];
        let count = manager.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..count].to_vec()).unwrap()
    };
    let mut command = common::enchufe("en", &["serve", "echo", "--listen", "127.0.0.1:0", "--json"]);
    command.env("NOTIFY_SOCKET", &path);
    let mut server = Process::start(command);
    assert_eq!(heard(), "READY=1");
    let address = server.event("listening")["address"].as_str().unwrap().parse().unwrap();
    echo(address);
    server.signal("TERM");
    assert_eq!(heard(), "STOPPING=1");
    assert_eq!(server.finish().code, Some(0));

    let gone = folder.path().join("gone");
    let mut command = common::enchufe("en", &["serve", "echo", "--listen", "127.0.0.1:0", "--quiet"]);
    command.env("NOTIFY_SOCKET", &gone);
    Process::start(command)
        .finish()
        .could_not_run(&format!("sendto {}: it does not exist; what started this program cannot be told there (NOTIFY_SOCKET) that it listens: \
         correct that or unset it", gone.display()));
}
