use super::*;
use crate::tcp_info::{TcpState, tcp_info};
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;

/// Each case is proved for both ends and both protocols: what the kernel counts differs by end.
fn for_each_end(case: impl Fn(Socket, Socket)) {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let (client, server) = pair(address);
        case(client, server);
        let (client, server) = pair(address);
        case(server, client);
    }
}

#[track_caller]
fn reach(socket: &Socket, state: TcpState) {
    until(&format!("{state:?}"), || (tcp_info(socket).unwrap().state == state).then_some(()));
}

#[track_caller]
fn assert_acknowledged(socket: &Socket) {
    for _ in 0..2 {
        let delivery = delivery(socket).unwrap();
        assert!(matches!(delivery, Delivery::Acknowledged), "{delivery:?}");
    }
}

/// Lost with this cause, and after that was taken still lost.
#[track_caller]
fn assert_lost(socket: &Socket, cause: ErrorKind) {
    for expected in [cause, ErrorKind::NotConnected, ErrorKind::NotConnected] {
        match delivery(socket).unwrap() {
            Delivery::Lost(error) => assert_eq!(error.kind(), expected),
            other => panic!("{other:?}"),
        }
    }
}

/// Writes until nothing fits, then the FIN.
fn fill(mut socket: &Socket) -> u64 {
    socket.set_nonblocking(true).unwrap();
    let mut written = 0;
    loop {
        match socket.write(&[7; 8 << 10]) {
            Ok(count) => written += count as u64,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                break;
            }
        }
    }
    socket.shutdown(Shutdown::Write).unwrap();
    written
}

#[test]
fn a_peer_that_does_not_read_acknowledges_what_fits() {
    for_each_end(|ours, peer| {
        (&ours).write_all(b"some bytes").unwrap();
        until("all but the FIN", || match delivery(&ours).unwrap() {
            Delivery::Waiting { unacknowledged } => (unacknowledged == 0).then_some(()),
            other => panic!("{other:?}"),
        });
        ours.shutdown(Shutdown::Write).unwrap();
        reach(&ours, TcpState::FinWait2);
        assert_acknowledged(&ours);
        drop(peer);
    });
}

#[test]
fn full_buffers_wait_and_their_bytes_are_counted_without_the_fin() {
    for_each_end(|ours, peer| {
        let syn = tcp_info(&ours).unwrap().bytes_acked;
        let written = fill(&ours);
        until("the bytes add up", || match delivery(&ours).unwrap() {
            Delivery::Waiting { unacknowledged } => {
                let acknowledged = tcp_info(&ours).unwrap().bytes_acked - syn;
                (unacknowledged > 0 && acknowledged + unacknowledged == written).then_some(())
            }
            other => panic!("{other:?}"),
        });
        drop(peer);
    });
}

#[test]
fn after_an_end_in_order_where_we_were_first_it_stays_acknowledged() {
    for_each_end(|ours, mut peer| {
        (&ours).write_all(b"some bytes").unwrap();
        ours.shutdown(Shutdown::Write).unwrap();
        peer.read_to_end(&mut Vec::new()).unwrap();
        peer.write_all(b"an answer, which we leave unread").unwrap();
        drop(peer);
        // The kernel has another object for TIME-WAIT.
        reach(&ours, TcpState::Closed);
        assert_acknowledged(&ours);
        let mut answer = Vec::new();
        (&ours).read_to_end(&mut answer).unwrap();
        assert_eq!(answer.len(), 32, "looking took nothing");
        assert_acknowledged(&ours);
    });
}

#[test]
fn after_an_end_in_order_where_the_peer_was_first_it_is_acknowledged() {
    for_each_end(|ours, mut peer| {
        peer.shutdown(Shutdown::Write).unwrap();
        reach(&ours, TcpState::CloseWait);
        (&ours).write_all(b"some bytes").unwrap();
        ours.shutdown(Shutdown::Write).unwrap();
        peer.read_to_end(&mut Vec::new()).unwrap();
        reach(&ours, TcpState::Closed);
        assert_acknowledged(&ours);
    });
}

#[test]
fn an_end_in_order_without_any_byte_is_acknowledged() {
    for_each_end(|ours, peer| {
        drop(peer);
        reach(&ours, TcpState::CloseWait);
        ours.shutdown(Shutdown::Write).unwrap();
        reach(&ours, TcpState::Closed);
        assert_acknowledged(&ours);
    });
}

#[test]
fn a_reset_with_bytes_on_their_way_is_lost() {
    for_each_end(|ours, peer| {
        fill(&ours);
        reset(peer);
        reach(&ours, TcpState::Closed);
        assert_lost(&ours, ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_reset_after_all_bytes_and_before_our_fin_is_lost() {
    for_each_end(|ours, mut peer| {
        (&ours).write_all(b"some bytes").unwrap();
        peer.read_exact(&mut [0; 10]).unwrap();
        until("all acknowledged", || match delivery(&ours).unwrap() {
            Delivery::Waiting { unacknowledged } => (unacknowledged == 0).then_some(()),
            other => panic!("{other:?}"),
        });
        reset(peer);
        reach(&ours, TcpState::Closed);
        assert!(ours.shutdown(Shutdown::Write).is_err());
        assert_lost(&ours, ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_reset_after_our_fin_was_acknowledged_is_lost() {
    for_each_end(|ours, peer| {
        (&ours).write_all(b"some bytes").unwrap();
        ours.shutdown(Shutdown::Write).unwrap();
        reach(&ours, TcpState::FinWait2);
        assert_acknowledged(&ours);
        // What a server does that closes without having read.
        drop(peer);
        reach(&ours, TcpState::Closed);
        assert_lost(&ours, ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_reset_after_the_peers_fin_and_before_ours_is_lost() {
    for_each_end(|ours, mut peer| {
        (&ours).write_all(b"some bytes").unwrap();
        peer.read_exact(&mut [0; 10]).unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        reach(&ours, TcpState::CloseWait);
        until("all acknowledged", || match delivery(&ours).unwrap() {
            Delivery::Waiting { unacknowledged } => (unacknowledged == 0).then_some(()),
            other => panic!("{other:?}"),
        });
        reset(peer);
        reach(&ours, TcpState::Closed);
        assert_lost(&ours, ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_reset_in_last_ack_is_lost() {
    for_each_end(|ours, peer| {
        peer.shutdown(Shutdown::Write).unwrap();
        reach(&ours, TcpState::CloseWait);
        fill(&ours);
        reset(peer);
        reach(&ours, TcpState::Closed);
        assert_lost(&ours, ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_reset_stays_lost_after_a_read_took_its_error() {
    for_each_end(|ours, peer| {
        (&ours).write_all(b"some bytes").unwrap();
        ours.shutdown(Shutdown::Write).unwrap();
        reach(&ours, TcpState::FinWait2);
        reset(peer);
        assert_eq!((&ours).read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!((&ours).read(&mut [0]).unwrap(), 0, "as after an end in order");
        assert_lost(&ours, ErrorKind::NotConnected);
    });
}

#[test]
fn bytes_left_unread_do_not_make_a_reset_an_end() {
    for_each_end(|ours, mut peer| {
        peer.write_all(b"never read").unwrap();
        ours.shutdown(Shutdown::Write).unwrap();
        reach(&ours, TcpState::FinWait2);
        until("the bytes", || (crate::queues::unread(&ours).unwrap() == 10).then_some(()));
        reset(peer);
        reach(&ours, TcpState::Closed);
        assert_lost(&ours, ErrorKind::ConnectionReset);
    });
}

#[test]
fn what_is_no_connection_is_an_error_or_lost() {
    let listener = Socket::from(TcpListener::bind("127.0.0.1:0").unwrap());
    assert!(delivery(&listener).is_err());
    let fresh = Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    assert_lost(&fresh, ErrorKind::NotConnected);
}
