//! The engine `uring`: what its connections are not, and where it is refused.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, and says why"
)]

mod common;

use common::{Process, connect};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// The server's own, and not twenty connections more.
const LIMIT: usize = 64;
const CLIENTS: usize = 500;

/// Tells nothing, so that the kernel lets in by itself where it may.
fn quiet(address: SocketAddr, words: &str) -> Process {
    limited(LIMIT, address, words)
}

fn limited(limit: usize, address: SocketAddr, words: &str) -> Process {
    let program = env!("CARGO_BIN_EXE_enchufe");
    let line = format!(
        "ulimit -n {limit}; exec '{program}' serve echo -q --engine uring --threads 1 --listen {address} {words}"
    );
    Process::start(common::other("sh", &["-c", &line]))
}

fn echo(mut client: &TcpStream, message: &[u8]) {
    client.write_all(message).unwrap();
    let mut back = vec![0; message.len()];
    client.read_exact(&mut back).unwrap();
    assert_eq!(back, message);
}

#[test]
#[cfg_attr(not(have_io_uring), ignore = "needs io_uring")]
fn there_may_be_more_connections_than_descriptors() {
    let address = common::address_of_its_own();
    let mut server = quiet(address, "");
    let first = server.first(address);
    let others = (1..CLIENTS).map(|_| connect(address));
    let clients: Vec<TcpStream> = std::iter::once(first).chain(others).collect();
    for (number, client) in clients.iter().enumerate() {
        echo(client, &number.to_be_bytes());
    }
    // Those of one table between those of the others.
    for number in (0..CLIENTS).map(|number| number * 211 % CLIENTS) {
        echo(&clients[number], &[7; 5000]);
    }
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", server.id())).unwrap().count();
    assert!(descriptors < LIMIT, "{descriptors}");
    drop(clients);
    echo(&connect(address), b"and there is room for more");
    server.signal("TERM");
    server.finish().is(0, "", "");
}

/// Who is let in takes the descriptors that another table needs, too: where they come together, a few at a time have to be put into tables.
#[test]
#[cfg_attr(not(have_io_uring), ignore = "needs io_uring")]
fn who_comes_when_the_tables_are_full_and_descriptors_are_few_waits_and_is_not_reset() {
    // As many descriptors as the server has of its own and a few, and as many places in a table: among those who come together the last of
    // a table is now the first, now the last.
    for limit in 38..66 {
        let address = common::address_of_its_own();
        let mut server = limited(limit, address, "");
        let first = server.first(address);
        echo(&first, b"it serves");
        server.signal("STOP");
        let clients: Vec<TcpStream> = (0..200).map(|_| connect(address)).collect();
        server.signal("CONT");
        for client in &clients {
            echo(client, b"hola");
        }
        drop((first, clients));
        server.signal("TERM");
        server.finish().is(0, "", "");
    }
}

#[test]
#[cfg_attr(not(have_io_uring), ignore = "needs io_uring")]
fn more_connections_than_all_tables_have_room_for_are_refused_at_the_start() {
    // A thread has 64 tables of as many places as there may be descriptors.
    quiet(common::address_of_its_own(), "--max-connections 10000").finish().could_not_run(
        "--max-connections 10000 needs 157 descriptors and this program may have 64; raise the limit of this shell with: \
         sudo prlimit --pid $$ --nofile=157",
    );
    // And each but the first is a descriptor: 39, beside the 36 of the server.
    quiet(common::address_of_its_own(), "--max-connections 3000").finish().could_not_run(
        "--max-connections 3000 needs 75 descriptors and this program may have 64; raise the limit of this shell with: \
         sudo prlimit --pid $$ --nofile=75",
    );
    // No limit makes a table larger than 32,768.
    quiet(common::address_of_its_own(), "--max-connections 2097153").finish().could_not_run(
        "--max-connections 2097153 is more than --engine uring has room for on one thread (2097152); give at most that many, \
         or use --engine epoll",
    );
}

#[test]
#[cfg_attr(not(have_io_uring), ignore = "needs io_uring")]
fn whom_the_kernel_lets_in_past_the_limit_is_reset() {
    let address = common::address_of_its_own();
    let mut server = quiet(address, "--max-connections 2 --drain 1m");
    let clients = [server.first(address), connect(address)];
    for client in &clients {
        echo(client, b"hola");
    }
    // The reset may be there before it is done with connecting.
    let refused = common::try_connect(address).and_then(|mut refused| refused.read(&mut [0]));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionReset);
    server.signal("TERM");
    for client in &clients {
        echo(client, b"who is there may end in order");
    }
    drop(clients);
    server.finish().is(0, "", "");
}

/// The tracer answers as a kernel that has none.
#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn where_there_is_no_ring_that_is_said_with_what_works() {
    let server = format!("'{}' --lang en serve echo --engine uring", env!("CARGO_BIN_EXE_enchufe"));
    let done = common::run(&["trace", &server]);
    let said = "enchufe: --engine uring cannot serve here: io_uring_setup: ";
    let way = "; it needs the io_uring of Linux 6.8 or later: use a newer kernel, or use --engine epoll";
    // In its column of the ladder.
    let words =
        done.text().split(|sign: char| sign.is_whitespace() || sign == '│').filter(|word| !word.is_empty());
    let told = words.collect::<Vec<_>>().join(" ");
    assert!(told.contains(said) && told.contains(way), "{told}");
}
