//! Programs that try to leave their own network are told so while they run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Done, Process, enchufe, listener, run};
use std::net::{SocketAddr, TcpListener, TcpStream};

/// What is said of a program of Python, besides what it says itself.
fn said(program: &str) -> String {
    let done = run(&["trace", "--", "python3", "-c", program]);
    assert_eq!(done.code, Some(0), "{}", done.errors());
    done.errors().to_owned()
}

fn no_way(call: &str, address: &str) -> String {
    format!(
        "enchufe: python3 calls {call} {address}, and from a network of its own there is no way there; \
         let it run in this machine's network: --net host\n"
    )
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn an_address_without_a_way_is_named_with_the_call() {
    // An address for documentation (RFC 5737, RFC 3849).
    for (program, call, address) in [
        ("import socket; socket.socket().connect(('192.0.2.7', 80))", "connect", "192.0.2.7:80"),
        (
            "import socket; s = socket.socket(); s.setblocking(False); s.connect(('192.0.2.7', 80))",
            "connect",
            "192.0.2.7:80",
        ),
        (
            "import socket; s = socket.socket(type=socket.SOCK_DGRAM)\nfor _ in range(9):\n try: s.sendto(b'x', ('192.0.2.7', 53))\n except OSError: pass",
            "sendto",
            "192.0.2.7:53",
        ),
        (
            "import socket; socket.socket(type=socket.SOCK_DGRAM).connect(('192.0.2.7', 53))",
            "connect",
            "192.0.2.7:53",
        ),
        (
            "import socket; socket.socket(socket.AF_INET6).connect(('2001:db8::7', 80))",
            "connect",
            "[2001:db8::7]:80",
        ),
    ] {
        assert_eq!(said(program), no_way(call, address), "{program}");
    }
    let here = "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.sendto(b'x', ('127.0.0.1', 53)); s.connect(('127.0.0.1', 53))";
    assert_eq!(said(here), "");
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn an_address_of_this_machine_is_none_of_their_network() {
    assert_eq!(
        said("import socket; socket.socket().bind(('192.0.2.7', 80))"),
        "enchufe: python3 calls bind 192.0.2.7:80, and a network of its own has only loopback addresses (127.0.0.1, ::1); let it run in this machine's network: --net host\n"
    );
}

/// What is said of a client that finds nobody at this address.
fn finds(address: SocketAddr, listens: &str) -> String {
    format!(
        "enchufe: python3 calls connect {address}, and in its own network nobody listens there; \
         in this machine's network {listens} does: --net host, or trace that program, too\n"
    )
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn a_listener_of_this_machine_is_named_to_who_is_refused() {
    let (listener, _) = listener();
    let address = listener.local_addr().unwrap();
    let name = std::fs::read_to_string("/proc/self/comm").unwrap();
    let listens = format!("{} ({})", name.trim_end(), std::process::id());
    let port = address.port();
    let blocks = format!("import socket; socket.socket().connect(('127.0.0.1', {port}))");
    assert_eq!(said(&blocks), finds(address, &listens));
    // As programs with a loop of events connect.
    let polls = format!(
        "import socket, select; s = socket.socket(); s.setblocking(False); s.connect_ex(('127.0.0.1', {port})); \
         select.select([], [s], []); s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR); s.close()"
    );
    assert_eq!(said(&polls), finds(address, &listens));
    drop(listener);
    // A program that another test just starts has it, too, until its `execve`.
    while TcpStream::connect(address).is_ok() {}
    assert_eq!(said(&blocks), "", "nobody has it anywhere");
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn who_finds_a_listener_in_its_own_network_is_told_nothing() {
    // On all addresses of this machine, and there is a program of the same port in the trace.
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = elsewhere.local_addr().unwrap().port();
    let server = format!(
        "python3 -c \"import socket; s = socket.socket(); s.bind(('127.0.0.1', {port})); s.listen(); s.accept()\""
    );
    let client = format!("python3 -c \"import socket; socket.socket().connect(('127.0.0.1', {port}))\"");
    let done: Done = Process::start(enchufe("en", &["trace", &server, &client])).finish();
    assert_eq!((done.code, done.errors()), (Some(0), ""));
}
