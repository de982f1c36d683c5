use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::net::{TcpListener, TcpStream};

const LISTEN: u8 = 10;

/// One message as the kernel makes it.
fn wrap(kind: u16, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEADER + body.len()).unwrap();
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend([0; 10]);
    bytes.extend(body);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// A listener at 127.0.0.1:4000 with inode 77, IPv6 only if the attribute says so.
fn listener(attributes: &[u8]) -> Vec<u8> {
    let mut body = vec![0; ENTRY];
    body[..2].copy_from_slice(&[2, LISTEN]);
    body[4..6].copy_from_slice(&4000_u16.to_be_bytes());
    body[8..12].copy_from_slice(&[127, 0, 0, 1]);
    body[52..56].copy_from_slice(&1500_u32.to_ne_bytes());
    body[68..72].copy_from_slice(&77_u32.to_ne_bytes());
    body.extend(attributes);
    body
}

fn parsed(datagram: &[u8]) -> (Vec<Entry>, Option<End>) {
    let mut entries = Vec::new();
    let end = parse(datagram, &mut entries);
    (entries, end)
}

#[test]
fn a_message_is_read_field_by_field() {
    let other_attribute = [6, 0, 8, 0, 1, 1, 0, 0];
    let v6only = [5, 0, 11, 0, 1, 0, 0, 0];
    let datagram = wrap(SOCK_DIAG_BY_FAMILY, &listener(&[other_attribute, v6only].concat()));
    let expected = Entry {
        state: LISTEN,
        local: "127.0.0.1:4000".parse().unwrap(),
        remote: "0.0.0.0:0".parse().unwrap(),
        expires: Duration::from_millis(1500),
        inode: 77,
        only_v6: true,
    };
    assert_eq!(parsed(&datagram), (vec![expected], None));
}

#[test]
fn the_end_and_a_refusal_are_told_and_stop_the_reading() {
    let entry = wrap(SOCK_DIAG_BY_FAMILY, &listener(&[]));
    let done = [entry.clone(), wrap(NLMSG_DONE, &[0; 4]), entry.clone()].concat();
    assert_eq!((parsed(&done).0.len(), parsed(&done).1), (1, Some(End::Done)));
    let refused = [entry, wrap(NLMSG_ERROR, &(-libc::ENOENT).to_ne_bytes())].concat();
    assert_eq!((parsed(&refused).0.len(), parsed(&refused).1), (1, Some(End::Refused(libc::ENOENT))));
}

#[test]
fn what_is_cut_or_lies_about_its_length_is_left_out() {
    let whole = wrap(SOCK_DIAG_BY_FAMILY, &listener(&[]));
    for length in 0..whole.len() {
        assert_eq!(parsed(&whole[..length]), (Vec::new(), None), "cut to {length}");
    }
    for lie in [0, 1, 15, 16, 40, u32::try_from(whole.len()).unwrap() + 1, u32::MAX - 1, u32::MAX] {
        let mut lying = whole.clone();
        lying[..4].copy_from_slice(&lie.to_ne_bytes());
        assert_eq!(parsed(&lying), (Vec::new(), None), "says {lie}");
    }
    for attribute in [[0, 0, 11, 0], [3, 0, 11, 0], [255, 255, 11, 0], [4, 0, 11, 0], [4, 0, 0, 0]] {
        let lying = wrap(SOCK_DIAG_BY_FAMILY, &listener(&attribute));
        assert!(parsed(&lying).0.iter().all(|entry| !entry.only_v6), "{attribute:?}");
    }
}

#[test]
fn other_families_are_skipped() {
    let mut foreign = listener(&[]);
    foreign[0] = 1;
    let both = [wrap(SOCK_DIAG_BY_FAMILY, &foreign), wrap(SOCK_DIAG_BY_FAMILY, &listener(&[]))].concat();
    assert_eq!(parsed(&both).0.len(), 1);
}

#[test]
fn the_kernel_tells_of_our_own_sockets() {
    let listener = TcpListener::bind("[::1]:0").unwrap();
    let at = listener.local_addr().unwrap();
    let client = TcpStream::connect(at).unwrap();
    let ours =
        |local_port, remote_port| sockets(Question { states: u32::MAX, local_port, remote_port }).unwrap();
    assert!(ours(at.port(), 0).iter().any(|entry| entry.state == LISTEN && entry.local == at));
    let from = client.local_addr().unwrap();
    let connection = ours(from.port(), at.port());
    assert!(connection.iter().any(|entry| (entry.local, entry.remote) == (from, at) && entry.inode != 0));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..512)) {
        parsed(&bytes);
    }

    #[test]
    fn arbitrary_bodies_never_panic(kind in 0_u16..24, body in vec(any::<u8>(), 0..256)) {
        parsed(&wrap(kind, &body));
    }

    #[test]
    fn arbitrary_attributes_never_panic(attributes in vec(any::<u8>(), 0..64)) {
        prop_assert_eq!(parsed(&wrap(SOCK_DIAG_BY_FAMILY, &listener(&attributes))).0.len(), 1);
    }
}
