//! What is seldom seen, and what is shorter than it should be.

use super::packets::{ACK, Capture, SYN, Tcp, icmp6, ip4, ip6, udp, v6};

const RAW: u32 = 101;

pub(crate) fn scenarios() -> Vec<(&'static str, Capture)> {
    vec![
        ("quotes_short", Capture::of(RAW, quotes())),
        ("icmp_short", Capture { link: RAW, frames: icmp_short() }),
        ("records_rare", Capture::of(RAW, records())),
        ("options_rare", Capture::of(RAW, options())),
    ]
}

/// ICMP errors that quote less and less of a packet.
fn quotes() -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    let datagram = udp(1000, 2000, b"hello");
    let segment = Tcp { options: vec![2, 4, 5, 180], ..Tcp::new((1000, 2000), 2, 3, 4) }.bytes();
    for (protocol, payload) in [(17, &datagram), (6, &segment), (1, &datagram)] {
        let quoted = ip4(protocol, payload);
        let message = |len: usize| [&[3, 3, 0, 0, 0, 0, 0, 0][..], &quoted[..len]].concat();
        out.extend((0..=quoted.len()).map(|len| ip4(1, &message(len))));
    }
    for (next, payload) in [(17, &datagram), (6, &segment), (58, &datagram), (0, &datagram)] {
        let quoted = ip6(next, v6(2), v6(1), payload);
        let message = |len: usize| [&[1, 4, 0, 0, 0, 0, 0, 0][..], &quoted[..len]].concat();
        out.extend((0..=quoted.len()).map(|len| icmp6(v6(1), v6(2), &message(len))));
    }
    out
}

/// Options of experiments, and reserved bits beside counted congestion.
fn options() -> Vec<Vec<u8>> {
    let send = |ports, flags, seq, ack, options: &[u8]| {
        let options = options.to_vec();
        ip4(6, &Tcp { options, ..Tcp::new(ports, flags, seq, ack) }.bytes())
    };
    let mut out = vec![
        send((1, 2), ACK, 1, 1, &[253, 6, 0xab, 0xcd, 1, 2]),
        send((1, 2), ACK, 1, 1, &[254, 4, 0xe2, 0xd4]),
        send((1, 2), ACK, 1, 1, &[254, 4, 0x00, 0x0a]),
        send((3, 4), SYN | 0x1c0, 100, 0, &[]),
        send((4, 3), SYN | ACK | 0xc0, 500, 101, &[]),
    ];
    out.extend([0, 0x200, 0xe00, 0x3c0, 0xfc0].map(|bits| send((3, 4), ACK | bits, 101, 501, &[])));
    out
}

/// Requests and replies that are too short for their kind, and cut ones.
fn icmp_short() -> Vec<(u64, Vec<u8>, usize)> {
    let mut out = Vec::new();
    for kind in [3, 4, 5, 11, 12] {
        let message = ip4(1, &[kind, 0, 0, 0, 0, 0, 0, 0]);
        out.push((0, message.clone(), message.len()));
        out.push((0, message.clone(), message.len() + 5));
    }
    for kind in 13..=18 {
        let message = |len: usize| ip4(1, &[&[kind, 0, 0, 0, 0, 1, 0, 1][..], &vec![0; len - 8]].concat());
        out.extend((8..=24).map(|len| (0, message(len), 20 + len)));
        let whole = message(24);
        out.extend((28..whole.len()).step_by(2).map(|len| (0, whole[..len].to_vec(), whole.len())));
    }
    out
}

/// Records of DNS that are seldom asked for, and one of EDNS whose size looks like a bit of multicast DNS.
fn records() -> Vec<Vec<u8>> {
    let named = b"\x03dat\0\x03two\0";
    let valued = b"\0\x01\x03dat\0\x03two\0";
    let mut out = Vec::new();
    let mut put = |port: u16, owner: &[u8], kind: u8, class: [u8; 2], data: &[u8]| {
        let len = u8::try_from(data.len()).unwrap();
        let head = [0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        let record = [owner, &[0, kind], &class, &[0, 0, 0, 60, 0, len], data].concat();
        out.push(ip4(17, &udp(port, port, &[&head[..], &record].concat())));
    };
    for owner in [&b"\x03own\0"[..], b"\0"] {
        for kind in [3, 4, 7, 8, 9, 14, 17, 30] {
            put(53, owner, kind, [0, 1], named);
        }
        for kind in [18, 21, 26, 36] {
            put(53, owner, kind, [0, 1], valued);
        }
        put(53, owner, 11, [0, 1], &[10, 0, 0, 1, 6, 64]);
        put(53, owner, 52, [0, 1], &[3; 35]);
        put(53, owner, 22, [0, 1], &[0; 4]);
        put(53, owner, 49, [0, 1], &[0; 9]);
    }
    for port in [53, 5353] {
        put(port, b"\0", 41, [0x80, 1], &[]);
        put(port, b"\0", 41, [0x05, 0xac], &[]);
    }
    out
}
