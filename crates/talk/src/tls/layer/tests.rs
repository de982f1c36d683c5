use super::*;
use crate::tls::{Name, Trust};
use std::time::SystemTime;

macro_rules! file {
    ($name:literal) => {
        include_bytes!(concat!("../../../../../tests/tls/", $name))
    };
}

pub(crate) const AUTHORITY: &[u8] = file!("ca.pem");
pub(crate) const SERVER: &[u8] = file!("server.pem");
pub(crate) const SERVER_KEY: &[u8] = file!("server.key");
pub(crate) const SECRET: &[u8] = file!("secret.key");
pub(crate) const SECRET_SEC1: &[u8] = file!("secret-sec1.key");
pub(crate) const RSA: &[u8] = file!("rsa.pem");
pub(crate) const RSA_KEY: &[u8] = file!("rsa.key");
pub(crate) const SELF: &[u8] = file!("self.pem");
pub(crate) const SELF_KEY: &[u8] = file!("self.key");
pub(crate) const EXPIRED: &[u8] = file!("expired.pem");
pub(crate) const EARLY: &[u8] = file!("early.pem");
pub(crate) const OTHER: &[u8] = file!("other.pem");

pub(crate) fn identity(certificates: &[u8], key: &[u8], now: SystemTime) -> Identity {
    Identity::from_pem(certificates, key, now).unwrap()
}

fn local() -> Name {
    Name::Dns("localhost".into())
}

pub(crate) fn client(trusted: &[u8]) -> Layer {
    Layer::client(&Trust::from_pem(trusted).unwrap().check(&local()).unwrap()).unwrap()
}

/// Hands what each end has to say to the other until both are silent; what came of it at the client and at the server.
fn meet(client: &mut Layer, server: &mut Layer) -> (Result<(), Fault>, Result<(), Fault>) {
    let (mut of_client, mut of_server, mut payload) = (Ok(()), Ok(()), Vec::new());
    loop {
        let (asks, says) = (client.take_out(), server.take_out());
        if asks.is_empty() && says.is_empty() {
            assert_eq!(payload, b"");
            return (of_client, of_server);
        }
        of_server = of_server.and(server.take_in(&asks, &mut payload));
        of_client = of_client.and(client.take_in(&says, &mut payload));
    }
}

fn pair() -> (Layer, Layer) {
    let server = Layer::server(&identity(SERVER, SERVER_KEY, SystemTime::now())).unwrap();
    let mut both = (client(AUTHORITY), server);
    assert_eq!(meet(&mut both.0, &mut both.1), (Ok(()), Ok(())));
    both
}

#[test]
fn both_ends_agree_and_carry_what_they_are_given() {
    let (mut client, mut server) = pair();
    assert!(client.is_established() && server.is_established());
    let agreed = server.agreed();
    assert_eq!((agreed.version, agreed.name.as_deref(), agreed.resumed), ("1.3", Some("localhost"), false));
    assert_eq!(client.agreed().cipher, agreed.cipher);
    let long: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    for payload in [&b"hola"[..], &long] {
        let sealed = client.seal(payload);
        let mut came = Vec::new();
        // In pieces of any size.
        for piece in sealed.bytes.chunks(1000) {
            server.take_in(piece, &mut came).unwrap();
        }
        assert!(came == payload, "{} bytes came", came.len());
    }
}

#[test]
fn payload_counts_when_its_record_is_whole() {
    let (mut client, _) = pair();
    let sealed = client.seal(&vec![7; 2 * RECORD + 5]);
    // A record of TLS 1.3 has 5 bytes before, and behind the type in one and a tag of 16.
    let full = RECORD + 22;
    assert_eq!(sealed.bytes.len(), 2 * full + 5 + 22);
    let at = |count| sealed.carried(count);
    assert_eq!((at(0), at(full - 1), at(full)), (0, 0, RECORD));
    assert_eq!((at(2 * full - 1), at(2 * full)), (RECORD, 2 * RECORD));
    assert_eq!((at(sealed.bytes.len() - 1), at(sealed.bytes.len())), (2 * RECORD, 2 * RECORD + 5));
    let mut small = client.seal(b"hola");
    let whole = small.bytes.len();
    small.extend(b"more");
    assert_eq!((small.carried(whole - 1), small.carried(whole)), (0, 4));
    assert_eq!(Sealed::own(vec![1, 2]).carried(1), 0);
}

#[test]
fn the_end_is_said_once_everything_is() {
    let (mut client, mut server) = pair();
    let mut came = Vec::new();
    let bytes = [client.seal(b"adios").bytes, client.close()].concat();
    server.take_in(&bytes, &mut came).unwrap();
    assert_eq!((came.as_slice(), server.peer_closed()), (&b"adios"[..], true));
    // The other direction stays.
    came.clear();
    client.take_in(&server.seal(b"bueno").bytes, &mut came).unwrap();
    assert_eq!((came.as_slice(), client.peer_closed()), (&b"bueno"[..], false));
    // What comes behind the end is nothing.
    server.take_in(b"anything", &mut came).unwrap();
    assert_eq!(came, b"bueno");
}

#[test]
fn what_is_not_tls_is_named_so_and_answered_with_an_alert() {
    let mut server = Layer::server(&identity(SERVER, SERVER_KEY, SystemTime::now())).unwrap();
    let mut came = Vec::new();
    let fault = server.take_in(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", &mut came);
    assert_eq!((fault, came.len()), (Err(Fault::NotTls), 0));
    // decode_error is 50.
    assert_eq!(server.take_out(), [21, 3, 3, 0, 2, 2, 50]);
    assert_eq!(server.take_in(b"more", &mut came), Ok(()));
    assert_eq!(server.take_out(), b"");
}

#[test]
fn a_record_that_was_changed_on_its_way_ends_it() {
    let (mut client, mut server) = pair();
    let good = client.seal(b"good").bytes;
    let mut bad = client.seal(b"bad").bytes;
    bad[10] ^= 1;
    let mut came = Vec::new();
    let fault = server.take_in(&[good, bad].concat(), &mut came);
    assert!(matches!(fault, Err(Fault::Protocol { .. })), "{fault:?}");
    assert_eq!(came, b"good");
    assert_ne!(server.take_out(), b"", "an alert");
}

#[test]
fn a_client_believes_only_whom_it_may() {
    let now = SystemTime::now();
    let (last, first) = (super::super::fault::time(1_609_459_200), super::super::fault::time(16_725_225_600));
    let cases = [
        (SERVER, SERVER_KEY, now, AUTHORITY, Ok(())),
        (RSA, RSA_KEY, now, AUTHORITY, Ok(())),
        // As `openssl req -x509` makes it, and one that is not of an authority.
        (SELF, SELF_KEY, now, SELF, Ok(())),
        (OTHER, SERVER_KEY, now, OTHER, Err(Fault::OtherName("other.example".into()))),
        (SELF, SELF_KEY, now, AUTHORITY, Err(Fault::Authority)),
        (SERVER, SERVER_KEY, now, SELF, Err(Fault::UnknownIssuer)),
        (OTHER, SERVER_KEY, now, AUTHORITY, Err(Fault::OtherName("other.example".into()))),
        (EXPIRED, SERVER_KEY, last, AUTHORITY, Err(Fault::Expired(last))),
        (EXPIRED, SERVER_KEY, last, EXPIRED, Err(Fault::Expired(last))),
        (EARLY, SERVER_KEY, first, AUTHORITY, Err(Fault::NotYetValid(first))),
    ];
    for (certificates, key, then, trusted, expected) in cases {
        let mut server = Layer::server(&identity(certificates, key, then)).unwrap();
        let (of_client, of_server) = meet(&mut client(trusted), &mut server);
        let alert = match &expected {
            Ok(()) => Ok(()),
            // RFC 8446 §6.2.
            Err(Fault::UnknownIssuer) => Err(Fault::Alert("unknown_ca".into())),
            Err(Fault::Authority) => Err(Fault::Alert("certificate_unknown".into())),
            Err(Fault::OtherName(_)) => Err(Fault::Alert("bad_certificate".into())),
            Err(_) => Err(Fault::Alert("certificate_expired".into())),
        };
        assert_eq!((of_client, of_server), (expected, alert));
    }
}

#[test]
fn a_name_that_no_certificate_can_have_is_refused() {
    let trust = Trust::from_pem(AUTHORITY).unwrap();
    let name = Name::Dns("a name".into());
    assert_eq!(trust.check(&name).unwrap_err(), crate::tls::TrustError::BadName("a name".into()));
    assert_eq!(Trust::from_pem(b"none").unwrap_err(), crate::tls::TrustError::NoCertificate);
}
