//! Where the system refuses a call to a server, as the filter of a container may.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, and says why"
)]

mod common;

use common::{Process, Server};
use std::io::Write;
use std::net::TcpListener;

/// The program, with this call refused.
fn without(call: &str, error: &str, words: &[&str]) -> Process {
    let start = [call, error, env!("CARGO_BIN_EXE_enchufe"), "--lang", "en", "serve", "echo"];
    Process::start(common::python("forbidding", &[&start[..], words].concat()))
}

const HERE: [&str; 2] = ["--listen", "127.0.0.1:0"];

#[test]
#[cfg_attr(not(have_python3), ignore = "python3 is not installed")]
fn a_server_serves_whose_threads_may_not_have_processors_of_their_own() {
    for engine in ["epoll", "auto"] {
        let words = ["--json", "--once", "--engine", engine, "--listen", "127.0.0.1:0"];
        let server = Server::of(without("sched_setaffinity", "EPERM", &words));
        let mut client = server.connect();
        client.write_all(b"hola").unwrap();
        assert_eq!(common::read_exactly(&client, 4), b"hola");
        drop(client);
        assert_eq!(server.finish().code, Some(0));
    }
    // Who names processors is to have those.
    let done =
        without("sched_setaffinity", "EPERM", &["--cpus", "0", "--threads", "1", "--listen", "127.0.0.1:0"]);
    let done = done.finish();
    let said = "enchufe: sched_setaffinity: permission denied; the system forbids it to this program, as the filter of a \
                container or of a service manager does: have it allowed there\n";
    assert_eq!((done.code, done.errors()), (Some(2), said));
}

#[test]
#[cfg_attr(not(have_python3), ignore = "python3 is not installed")]
fn what_is_said_of_a_call_that_is_forbidden_has_the_way_out() {
    let done = without("bind", "EACCES", &HERE).finish();
    let said = "enchufe: bind 127.0.0.1:0: permission denied; the system forbids it to this program, as the filter of a \
                container or of a service manager does: have it allowed there\n";
    assert_eq!((done.code, done.errors()), (Some(2), said));
    let said = "enchufe: eventfd: this system does not have it; use a newer kernel, or have it allowed where a filter of \
                system calls hides it\n";
    without("eventfd2", "ENOSYS", &HERE).finish().is(2, "", said);
}

/// A server that may lock next to no memory, and have so many descriptors.
fn without_locking(descriptors: u32, words: &str) -> Process {
    let program = env!("CARGO_BIN_EXE_enchufe");
    let line = format!("ulimit -n {descriptors}; exec '{program}' --lang en serve echo {words}");
    Process::start(common::python("without_locking", &["/bin/sh", "-c", &line]))
}

/// For a user, or root without the right to lock memory, the kernel counts that of rings as locked (Linux 6.14).
#[test]
#[cfg_attr(
    not(all(have_python3, have_io_uring)),
    ignore = "python3 is not installed, or io_uring is not there"
)]
fn where_the_rings_of_all_threads_cannot_be_had_the_usual_engine_serves_without_and_uring_says_why() {
    let start = |words: &str| without_locking(200, words);
    let server = Server::of(start("--json --once --listen 127.0.0.1:0"));
    let mut client = server.connect();
    client.write_all(b"hola").unwrap();
    assert_eq!(common::read_exactly(&client, 4), b"hola");
    drop(client);
    assert_eq!(server.finish().code, Some(0));
    // Before anything is opened: a kernel that does not count them comes to an address that somebody has.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let done = start(&format!("--engine uring --listen {}", taken.local_addr().unwrap())).finish();
    let why = "enchufe: io_uring_setup: there is no memory for the rings of so many threads; raise the limit of memory that may be \
               locked (ulimit -l), give fewer --threads, or use --engine epoll\n";
    assert_eq!((done.code, done.text()), (Some(2), ""));
    assert!(done.errors() == why || done.errors().contains(" listens there already; "), "{}", done.errors());
}

#[test]
#[cfg_attr(
    not(all(have_python3, have_io_uring)),
    ignore = "python3 is not installed, or io_uring is not there"
)]
fn where_the_usual_engine_is_epoll_for_want_of_rings_its_connections_are_to_fit_the_descriptors() {
    let start = |words: &str| {
        without_locking(200, &format!("--threads 1 --listen 127.0.0.1:0 --max-connections {words}"))
    };
    // With those of its own, its epoll, its bell, and two sockets that listen.
    let mut few = Server::of(start("164 --json -v"));
    let engine = few.process.event("engine")["name"].clone();
    assert_eq!(few.stop().code, Some(0));
    let many = start("165 --json -v");
    if engine == "uring" {
        // This kernel does not count the memory of rings, and their connections are no descriptors.
        assert_eq!(Server::of(many).stop().code, Some(0));
        return;
    }
    let said = "enchufe: --max-connections 165 needs 201 descriptors and this program may have 200; raise the limit of this \
                shell with: sudo prlimit --pid $$ --nofile=201; or, so that uring has its rings, whose connections are no \
                descriptors, that of memory that may be locked (ulimit -l)\n";
    many.finish().is(2, "", said);
}
