use super::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown};
use std::process;

use socket2::{Domain, Type};

fn is_ours(owner: Option<&Process>) -> bool {
    owner.is_some_and(|owner| owner.pid == process::id() && !owner.name.is_empty())
}

fn bound(address: &str, only_v6: bool) -> Socket {
    let address: SocketAddr = address.parse().unwrap();
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    if address.is_ipv6() {
        socket.set_only_v6(only_v6).unwrap();
    }
    socket.bind(&address.into()).unwrap();
    socket
}

fn listening(port: u16, address: impl Into<IpAddr>) -> bool {
    matches!(port_use(SocketAddr::new(address.into(), port)), Some(PortUse::Listening { .. }))
}

#[test]
fn a_listener_is_found_with_its_owner() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let Some(PortUse::Listening { owner }) = port_use(at) else { panic!("{:?}", port_use(at)) };
    assert!(is_ours(owner.as_ref()));
    // Connections do not hide it.
    let _client = TcpStream::connect(at).unwrap();
    assert!(listening(at.port(), at.ip()));
    assert!(listening(at.port(), Ipv4Addr::UNSPECIFIED) && listening(at.port(), Ipv6Addr::UNSPECIFIED));
    assert!(!listening(at.port(), Ipv4Addr::new(127, 0, 0, 2)) && !listening(at.port(), Ipv6Addr::LOCALHOST));
}

#[test]
fn unspecified_addresses_are_in_the_way_of_all_others() {
    for (address, only_v6, v4, v6) in
        [("0.0.0.0:0", false, true, false), ("[::]:0", false, true, true), ("[::]:0", true, false, true)]
    {
        let socket = bound(address, only_v6);
        socket.listen(1).unwrap();
        let port = local(&socket).port();
        assert_eq!(listening(port, Ipv4Addr::LOCALHOST), v4, "{address} {only_v6}");
        assert_eq!(listening(port, Ipv4Addr::UNSPECIFIED), v4, "{address} {only_v6}");
        assert_eq!(listening(port, Ipv6Addr::LOCALHOST), v6, "{address} {only_v6}");
    }
}

#[test]
fn nobody_is_in_the_way_of_a_free_port() {
    let at = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // Other tests may be given the port for a moment.
    until("free", || port_use(at).is_none().then_some(()));
    assert_eq!(port_use("127.0.0.1:0".parse().unwrap()), None);
}

#[test]
fn a_socket_that_is_only_bound_is_found_where_the_kernel_tells() {
    let socket = bound("127.0.0.1:0", false);
    match port_use(local(&socket)) {
        Some(PortUse::Bound { owner }) => assert!(is_ours(owner.as_ref())),
        other => assert!(other.is_none() && !kernel_tells_of_bound_sockets(), "{other:?}"),
    }
}

/// Linux 6.8 and later.
fn kernel_tells_of_bound_sockets() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(['.', '-']).map(|number| number.parse().unwrap_or(0));
    (numbers.next(), numbers.next()) >= (Some(6), Some(8))
}

#[test]
fn a_connection_without_its_listener_is_found() {
    let (_client, server) = pair("127.0.0.1:0");
    match port_use(local(&server)) {
        Some(PortUse::Connected { owner }) => assert!(is_ours(owner.as_ref())),
        other => panic!("{other:?}"),
    }
}

#[test]
fn time_wait_is_found_with_the_time_left() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let (client, server) = pair(address);
        let at = local(&server);
        drop(server);
        // A program that another test just starts has both, too, until its `execve`: the server's end goes first all the same.
        until("the server's FIN", || (peer_is_open(local(&client), at) == Some(false)).then_some(()));
        drop(client);
        let left = until("TIME-WAIT", || match port_use(at) {
            Some(PortUse::TimeWait { left }) => Some(left),
            _ => None,
        });
        // TCP_TIMEWAIT_LEN, include/net/tcp.h: 60 s.
        assert!(left > Duration::from_secs(1) && left <= Duration::from_secs(61), "{left:?}");
        assert!(TcpListener::bind(at).is_ok(), "std sets SO_REUSEADDR");
        let plain = Socket::new(Domain::for_address(at), Type::STREAM, None).unwrap();
        assert_eq!(plain.bind(&at.into()).unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
        reuse_address(&plain).unwrap();
        plain.bind(&at.into()).unwrap();
    }
}

#[test]
fn reused_addresses_do_not_let_two_listeners_share_a_port() {
    let first = bound("127.0.0.1:0", false);
    reuse_address(&first).unwrap();
    first.listen(1).unwrap();
    let second = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    reuse_address(&second).unwrap();
    assert!(second.bind(&local(&first).into()).is_err());
}

#[test]
fn who_waits_to_be_accepted_is_told() {
    for (address, connect) in [
        ("127.0.0.1:0", "127.0.0.1"),
        ("[::1]:0", "::1"),
        ("0.0.0.0:0", "127.0.0.1"),
        ("[::]:0", "127.0.0.1"),
    ] {
        let listener = bound(address, false);
        listener.listen(8).unwrap();
        let at = local(&listener);
        assert_eq!((queued_peers(at), queue_length(&listener)), (Some(Vec::new()), Some(0)));
        let connected = |_| TcpStream::connect((connect, at.port())).unwrap();
        let clients: Vec<TcpStream> = (0..2).map(connected).collect();
        // One that has sent its FIN waits too.
        clients[0].shutdown(Shutdown::Write).unwrap();
        let mut expected: Vec<SocketAddr> =
            clients.iter().map(|client| client.local_addr().unwrap()).collect();
        expected.sort();
        until("both in the queue", || {
            let mut peers = queued_peers(at).unwrap();
            peers.sort();
            (peers == expected && queue_length(&listener) == Some(2)).then_some(())
        });
        let (_accepted, _) = listener.accept().unwrap();
        assert_eq!((queued_peers(at).unwrap().len(), queue_length(&listener)), (1, Some(1)));
    }
    assert_eq!(queue_length(&pair("127.0.0.1:0").0), None);
}

#[test]
fn a_peer_is_open_until_it_closes() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let (client, server) = pair(address);
        let (from, at) = (local(&client), local(&server));
        let both = || (peer_is_open(from, at), peer_is_open(at, from));
        assert_eq!(both(), (Some(true), Some(true)));
        server.shutdown(Shutdown::Write).unwrap();
        assert_eq!(both(), (Some(true), Some(true)), "half an end is none");
        // A program that another test just starts has them, too, until its `execve`.
        drop(server);
        until("closed", || (both() == (Some(false), Some(true))).then_some(()));
        drop(client);
        until("both closed", || (both() == (Some(false), Some(false))).then_some(()));
    }
}

#[test]
fn a_peer_is_open_while_it_waits_to_be_accepted() {
    let listener = bound("[::]:0", false);
    listener.listen(1).unwrap();
    let client = TcpStream::connect(("127.0.0.1", local(&listener).port())).unwrap();
    let (from, at) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
    until("the end of the handshake", || (queue_length(&listener) == Some(1)).then_some(()));
    assert_eq!(peer_is_open(from, at), Some(true));
    // A program that another test just starts has it, too, until its `execve`.
    drop(listener);
    until("closed", || (peer_is_open(from, at) == Some(false)).then_some(()));
}

#[test]
fn a_peer_elsewhere_is_not_known() {
    let ours = "192.0.2.1:1000".parse().unwrap();
    let peer = "198.51.100.1:2000".parse().unwrap();
    assert_eq!(peer_is_open(ours, peer), None);
}

#[test]
fn the_descriptor_limit_is_raised_as_far_as_it_goes() {
    let before = descriptor_limit().unwrap();
    let raised = raise_descriptor_limit().unwrap();
    assert!(
        raised >= before && descriptor_limit() == Some(raised) && raise_descriptor_limit() == Some(raised)
    );
}
