//! Connections of TLS that do not go as they are to.

use super::SOON;
use crate::recorder::{FOR_EVER, What};
use crate::secured::{client, untrusting};
use crate::world::{Server, Setup, World};
use enchufe_talk::services::{Echo, Reply, Until};
use rustls::{ClientConnection, ProtocolVersion, Stream};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

fn socket(server: &dyn Server) -> TcpStream {
    let stream = TcpStream::connect(server.addresses()[0]).unwrap();
    stream.set_read_timeout(Some(FOR_EVER)).unwrap();
    stream
}

/// The server's FIN, not RST, and what came before it.
fn to_end(mut stream: &TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("the server ends in order");
    bytes
}

/// The first message of a handshake.
fn hello() -> Vec<u8> {
    let mut bytes = Vec::new();
    client(&[&rustls::version::TLS13]).write_tls(&mut bytes).unwrap();
    bytes
}

pub(crate) fn garbage_instead_of_a_handshake_is_answered_with_an_alert<W: World>(world: &W) {
    let report = world.run(&Echo, &Setup::default(), |server| {
        let mut stream = socket(server);
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        // RFC 8446 §6: an alert (21) of two bytes, fatal (2), decode_error (50).
        assert_eq!(to_end(&stream), [21, 3, 3, 0, 2, 2, 50]);
    });
    report.expect(1, "Tls(NotTls)");
    assert_eq!((report.only().received, report.only().sent), (0, 0));
    assert_eq!(report.count(|what| matches!(what, What::Received(_))), 0);
}

pub(crate) fn a_client_that_does_not_end_its_handshake_is_closed_at_the_first_byte_limit<W: World>(
    world: &W,
) {
    let setup = Setup::with(|limits| limits.first_byte = Some(SOON));
    for said in [&[][..], &hello()[..20], &hello()] {
        let report = world.run(&Echo, &setup, |server| {
            let mut stream = socket(server);
            stream.write_all(said).unwrap();
            to_end(&stream);
        });
        report.expect(1, &format!("FirstByte({SOON:?})"));
    }
}

pub(crate) fn an_end_in_the_handshake_is_told_as_one<W: World>(world: &W) {
    for (said, reason) in
        [(&[][..], "PeerFinished"), (&hello()[..20], "Tls(HandshakeCut)"), (&hello(), "Tls(HandshakeCut)")]
    {
        let report = world.run(&Echo, &Setup::default(), |server| {
            let mut stream = socket(server);
            stream.write_all(said).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            to_end(&stream);
        });
        report.expect(1, reason);
        assert_eq!(report.count(|what| matches!(what, What::PeerEnded | What::Received(_))), 0);
    }
}

pub(crate) fn an_end_that_was_not_announced_is_not_told_to_the_service<W: World>(world: &W) {
    let reply = Reply { answer: b"all of it".to_vec(), until: Until::Line };
    let report = world.run(&reply, &Setup::default(), |server| {
        let (mut stream, mut connection) = (socket(server), client(rustls::ALL_VERSIONS));
        let mut line = Stream::new(&mut connection, &mut stream);
        line.write_all(b"not a whole li").unwrap();
        server.wait_received(1, 14);
        line.sock.shutdown(Shutdown::Write).unwrap();
        // The server says that it is done, and has no answer.
        assert_eq!(line.read(&mut [0; 16]).unwrap(), 0);
        to_end(&stream);
    });
    report.expect(1, "Truncated");
    assert_eq!((report.only().received, report.only().sent), (14, 0));
    assert_eq!(report.count(|what| *what == What::PeerEnded), 0);
}

pub(crate) fn a_client_that_does_not_believe_says_why<W: World>(world: &W) {
    let report = world.run(&Echo, &Setup::default(), |server| {
        let (mut stream, mut connection) = (socket(server), untrusting());
        assert!(connection.complete_io(&mut stream).is_err());
        let _ = connection.write_tls(&mut stream);
        to_end(&stream);
    });
    report.expect(1, "Tls(Alert(\"unknown_ca\"))");
}

pub(crate) fn a_record_that_was_changed_ends_the_connection<W: World>(world: &W) {
    let report = world.run(&Echo, &Setup::default(), |server| {
        let (mut stream, mut connection) = (socket(server), client(rustls::ALL_VERSIONS));
        let mut line = Stream::new(&mut connection, &mut stream);
        line.write_all(b"hola").unwrap();
        line.read_exact(&mut [0; 4]).unwrap();
        connection.writer().write_all(b"changed").unwrap();
        let mut bytes = Vec::new();
        connection.write_tls(&mut bytes).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        stream.write_all(&bytes).unwrap();
        // RFC 8446 §5.2.
        let told = connection.complete_io(&mut stream).unwrap_err();
        assert!(told.to_string().contains("BadRecordMac"), "{told}");
        to_end(&stream);
    });
    assert!(report.only().reason.starts_with("Tls(Protocol"), "{:?}", report.only());
    assert_eq!((report.only().received, report.only().sent), (4, 4));
}

pub(crate) fn both_versions_are_spoken<W: World>(world: &W) {
    let versions = [
        (&rustls::version::TLS12, ProtocolVersion::TLSv1_2),
        (&rustls::version::TLS13, ProtocolVersion::TLSv1_3),
    ];
    for (version, spoken) in versions {
        let report = world.run(&Echo, &Setup::default(), |server| {
            let (mut stream, mut connection): (_, ClientConnection) = (socket(server), client(&[version]));
            let mut line = Stream::new(&mut connection, &mut stream);
            line.write_all(b"hola").unwrap();
            let mut back = [0; 4];
            line.read_exact(&mut back).unwrap();
            assert_eq!((&back, line.conn.protocol_version()), (b"hola", Some(spoken)));
            line.conn.send_close_notify();
            line.conn.complete_io(line.sock).unwrap();
            assert_eq!(line.read(&mut [0; 16]).unwrap(), 0);
            to_end(&stream);
        });
        report.expect(1, "PeerFinished");
    }
}
