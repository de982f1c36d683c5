//! Packets whose destination is not the one in their header: source routes of IPv4, routing headers of IPv6.

use super::packets::{A, ACK, B, Capture, Ip, SYN, Tcp, be, icmp, ip6, udp, v6};

const RAW: u32 = 101;
const LAST: [u8; 4] = [10, 0, 9, 3];

pub(crate) fn scenarios() -> Vec<(&'static str, Capture)> {
    let route = [&[131, 11, 4, 10, 0, 9, 1][..], &LAST].concat();
    let cut = with_options(Ip::new(17), &route, &udp(1000, 2000, b"x"));
    vec![
        ("source_routes", Capture::of(RAW, source_routes())),
        ("source_routes_short", Capture::of(RAW, source_routes_short())),
        ("source_route_cut", Capture::cut_everywhere(RAW, &cut)),
        ("ip_options_short", Capture::of(RAW, options_short())),
        ("routing_headers", Capture::of(RAW, routing_headers())),
        ("routed", Capture::of(RAW, routed())),
    ]
}

fn with_options(ip: Ip, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let padded = options.len().next_multiple_of(4);
    let mut out = ip.with(&[options, &vec![0; padded - options.len()], payload].concat());
    out[0] += u8::try_from(padded / 4).unwrap();
    out
}

/// Routes of all lengths and pointers, and other options before them.
fn source_routes() -> Vec<Vec<u8>> {
    let hops = [10, 0, 9, 1, 10, 0, 9, 2, 10, 0, 9, 3];
    let mut out = Vec::new();
    let mut put = |options: &[u8]| out.push(with_options(Ip::new(17), options, &udp(1000, 2000, b"x")));
    for kind in [131, 137, 7] {
        for next in 0..=17 {
            put(&[&[kind, 15, next][..], &hops].concat());
        }
    }
    let route = [131, 7, 4, 10, 0, 9, 3];
    let before: [&[u8]; 7] = [&[1], &[0], &[68, 4, 5, 0], &[153, 32], &[153, 1], &[153, 2], &[148, 4, 0, 0]];
    for option in before {
        put(&[option, &route].concat());
    }
    put(&[131]);
    out
}

/// Routes whose length is not that of their addresses, and two of them.
fn source_routes_short() -> Vec<Vec<u8>> {
    let send = |options: &[u8]| with_options(Ip::new(17), options, &udp(1000, 2000, b"x"));
    let hops = [10, 0, 9, 1, 10, 0, 9, 2, 10, 0, 9, 3];
    let lengths = (0..=15).flat_map(|len| [4, 8, 12].map(|next| [131, len, next]));
    let mut out: Vec<_> = lengths.map(|head| send(&[&head[..], &hops].concat())).collect();
    for next in [4, 8] {
        out.push(send(&[130, 2, 131, 7, next, 10, 0, 9, 3]));
        out.push(send(&[131, 7, next, 10, 0, 9, 3, 130, 2]));
        out.push(send(&[137, 7, next, 10, 0, 9, 5, 131, 7, 4, 10, 0, 9, 3]));
    }
    out
}

/// Options of every kind that is known, too short and just long enough.
fn options_short() -> Vec<Vec<u8>> {
    let rest = [4, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99];
    let mut out = Vec::new();
    for kind in [7, 20, 25, 68, 82, 130, 131, 133, 134, 136, 137, 148, 149, 205] {
        for len in (0..=7usize).chain([8, 11, 12]) {
            let options = [&[kind, u8::try_from(len).unwrap()][..], &rest[..len.saturating_sub(2)]].concat();
            out.push(with_options(Ip::new(17), &options, &udp(1000, 2000, b"x")));
        }
    }
    out
}

fn routing(next: u8, kind: u8, left: u8, rest: &[u8]) -> Vec<u8> {
    let units = u8::try_from((4 + rest.len()) / 8 - 1).unwrap();
    [&[next, units, kind, left][..], rest].concat()
}

/// Types of routing headers, with lists of all lengths.
fn routing_headers() -> Vec<Vec<u8>> {
    let list = [&[0; 4][..], &v6(9), &v6(8), &[0; 8]].concat();
    let payload = udp(1, 2, b"abcdefghijklmnopqrst");
    let part = [&[17, 0, 0, 1, 0, 0, 0, 7][..], &[0; 16]].concat();
    let options = [44, 0, 1, 4, 0, 0, 0, 0];
    let mut out = Vec::new();
    let mut put = |next: u8, header: &[u8], payload: &[u8]| {
        out.push(ip6(next, v6(1), v6(2), &[header, payload].concat()));
    };
    for kind in [0, 1, 2, 3, 4, 253] {
        for len in (4..=list.len()).step_by(8) {
            for left in 0..=3 {
                for flags in [0, 1, 0x21] {
                    let rest = [&[flags][..], &list[1..len]].concat();
                    put(43, &routing(17, kind, left, &rest), &payload);
                }
            }
        }
        for left in 0..=1 {
            put(43, &routing(44, kind, left, &list[..20]), &part);
            put(43, &routing(60, kind, left, &list[..20]), &[&options[..], &part].concat());
            put(60, &[43, 0, 1, 4, 0, 0, 0, 0], &[&routing(44, kind, left, &list[..20])[..], &part].concat());
        }
    }
    for (elided, padding, addresses) in
        [(0x08, 0, 8), (0x88, 0, 16), (0x8c, 4, 16), (0x0f, 7, 8), (0xff, 6, 8), (0, 3, 16)]
    {
        let addresses: Vec<u8> = (1..=addresses).collect();
        put(43, &routing(17, 3, 1, &[&[elided, padding << 4, 0, 0][..], &addresses].concat()), &payload);
    }
    out
}

/// Conversations, echoes and fragments between the ends of a route.
fn routed() -> Vec<Vec<u8>> {
    let to = |source, destination, protocol| Ip { source, destination, ..Ip::new(protocol) };
    let route = [&[131, 7, 4][..], &LAST].concat();
    let segment =
        |ports, flags, seq, ack, payload| Tcp { payload, ..Tcp::new(ports, flags, seq, ack) }.bytes();
    let mut out = vec![
        with_options(to(A, B, 6), &route, &segment((1, 2), SYN, 10, 0, 0)),
        to(LAST, A, 6).with(&segment((2, 1), SYN | ACK, 50, 11, 0)),
        with_options(to(A, B, 6), &route, &segment((1, 2), ACK, 11, 51, 3)),
        to(B, A, 6).with(&segment((2, 1), ACK, 51, 14, 0)),
        to(LAST, A, 6).with(&segment((2, 1), ACK, 51, 14, 0)),
        with_options(to(A, B, 1), &route, &icmp(&[], vec![8, 0, 0, 0, 0, 1, 0, 1])),
        to(LAST, A, 1).with(&icmp(&[], vec![0, 0, 0, 0, 0, 1, 0, 1])),
    ];
    let datagram = udp(1000, 2000, b"0123456789abcdefghijklmn");
    let part =
        |id, offset, more: u16, destination| Ip { id, flags_offset: more | offset, ..to(A, destination, 17) };
    for (id, destination) in [(7, LAST), (8, B)] {
        out.push(with_options(part(id, 0, 0x2000, B), &route, &datagram[..16]));
        out.push(part(id, 2, 0, destination).with(&datagram[16..]));
    }
    for (ports, kind) in [((1, 2), 0), ((3, 2), 2), ((5, 2), 4)] {
        let header = routing(6, kind, 1, &[&[0; 4][..], &v6(9)].concat());
        let ask = segment(ports, SYN, 10, 0, 0);
        let back = segment((ports.1, ports.0), SYN | ACK, 50, 11, 0);
        out.push(ip6(43, v6(1), v6(2), &[header.clone(), ask].concat()));
        out.extend([v6(9), v6(2)].map(|source| ip6(6, source, v6(1), &back)));
        out.push(ip6(43, v6(1), v6(2), &[header, segment(ports, ACK, 11, 51, 3)].concat()));
        out.push(ip6(6, v6(1), v6(2), &segment(ports, ACK, 11, 51, 3)));
        let rest = |offset: u16| [&[17, 0][..], &be(&[offset]), &[0, 0, 0, kind]].concat();
        let first = routing(44, kind, 1, &[&[0; 4][..], &v6(9)].concat());
        out.push(ip6(43, v6(1), v6(2), &[&first[..], &rest(1), &datagram[..16]].concat()));
        out.push(ip6(44, v6(1), v6(9), &[&rest(16)[..], &datagram[16..]].concat()));
    }
    out
}
