//! Everything that is not a TCP conversation.

use super::packets::{A, B, Capture, Ip, Tcp, be, ethernet, icmp, icmp6, ip4, ip6, udp, v6};

const RAW: u32 = 101;

pub(crate) fn scenarios() -> Vec<(&'static str, Capture)> {
    vec![
        ("links_null", Capture::of(0, loopback(u32::to_le_bytes))),
        ("links_null_big", Capture::of(0, loopback(u32::to_be_bytes))),
        ("links_loop", Capture::of(108, loopback(u32::to_be_bytes))),
        ("links_sll", Capture::of(113, cooked())),
        ("links_sll2", Capture::of(276, cooked2())),
        ("links_ipv4", Capture::of(228, vec![ip4(17, &udp(1, 2, b"x"))])),
        ("links_ipv6", Capture::of(229, vec![ip6(17, v6(1), v6(2), &udp(1, 2, b"x"))])),
        (
            "links_raw",
            Capture::of(12, vec![ip4(17, &udp(1, 2, b"x")), ip6(17, v6(1), v6(2), &udp(1, 2, b"x"))]),
        ),
        ("ethernet", Capture::of(1, ethernets())),
        (
            "ethernet_cut",
            Capture::cut_everywhere(
                1,
                &ethernet(0x8100, &[&[0x60, 5, 8, 0][..], &ip4(17, &udp(1000, 2000, b"hello"))].concat()),
            ),
        ),
        ("arp", Capture::of(1, arps())),
        ("arp_cut", Capture::cut_everywhere(1, &arp(1, [2, 0, 0, 0, 0, 1], A, [0; 6], B))),
        ("icmp", Capture::of(RAW, icmps())),
        ("icmpv6", Capture::of(RAW, icmpv6s())),
        ("fragments", Capture::of(RAW, fragments())),
        ("fragments6", Capture::of(RAW, fragments6())),
        ("extensions", Capture::of(RAW, extensions())),
        ("udp", Capture::of(RAW, udps())),
        ("udp_cut", Capture::cut_everywhere(1, &ethernet(0x0800, &ip4(17, &udp(1000, 2000, b"hello"))))),
        ("ip_short", Capture::short_everywhere(RAW, &ip4(17, &udp(1, 2, b"xy")))),
        ("ip6_short", Capture::short_everywhere(RAW, &ip6(17, v6(1), v6(2), &udp(1, 2, b"xy")))),
        ("ip6_cut", Capture::cut_everywhere(RAW, &ip6(17, v6(1), v6(2), &udp(1, 2, b"xy")))),
        (
            "ip_protocols",
            Capture::of(RAW, (0..=255).filter(|n| *n != 143).map(|n| ip4(n, &[0; 40])).collect()),
        ),
        (
            "ip6_protocols",
            Capture::of(
                RAW,
                (0..=255).filter(|n| *n != 143).map(|n| ip6(n, v6(1), v6(2), &[0; 40])).collect(),
            ),
        ),
        (
            "ethertypes",
            Capture::of(
                1,
                (0x600..=0xffff)
                    .step_by(1)
                    .filter(|n| interesting(*n))
                    .map(|n| ethernet(n, &[0; 40]))
                    .collect(),
            ),
        ),
        ("trailers_cut", trailers()),
        ("extensions_cut", extensions_cut()),
        ("icmpv6_cut", icmpv6_cut()),
        ("options_cut", options_cut()),
        ("srv6", Capture::of(RAW, srv6())),
        ("dns", Capture::of(RAW, dns())),
        ("ssdp", Capture::of(RAW, ssdps())),
        ("letters", Capture::of(RAW, letters())),
        ("long_rows", Capture::of(RAW, long_rows())),
    ]
}

/// Types that some protocol has taken, and a few that none has.
fn interesting(ethertype: u16) -> bool {
    const OTHERS: [u16; 6] = [0x0600, 0x0601, 0x0842, 0x22f3, 0x9000, 0xffff];
    let bridged = ethertype == 0x6558 || ethertype == 0x88a8;
    !bridged && ((0x8800..0x8950).contains(&ethertype) || OTHERS.contains(&ethertype))
}

/// Frames of which the padding after a packet is cut, too; and frames longer than they say.
fn trailers() -> Capture {
    let broken = [
        ethernet(0x0800, &ip4(1, &[8, 0, 0])),
        ethernet(0x0800, &ip4(17, &[0, 1, 0, 2])),
        ethernet(0x0800, &ip4(17, &udp(1, 2, b"x"))),
        ethernet(0x86dd, &ip6(44, v6(1), v6(2), &[])),
        ethernet(0x86dd, &ip6(58, v6(1), v6(2), &[128, 0, 0, 0])),
        ethernet(20, &[0x42; 20]),
        ethernet(0, &[]),
    ];
    let mut frames = Vec::new();
    for frame in broken {
        let padded = [&frame[..], &[0; 30]].concat();
        frames.extend([60, padded.len(), 1500].map(|wire| (0, padded.clone(), wire)));
    }
    let whole = ethernet(0x0800, &ip4(17, &udp(1, 2, b"hello")));
    frames.extend((0..whole.len()).step_by(3).map(|wire| (0, whole.clone(), wire)));
    frames.push((0, ethernet(0x08ff, &[1; 20]), 0));
    Capture { link: 1, frames }
}

/// Extension headers that are cut or not there, and options that reach past the packet.
fn extensions_cut() -> Capture {
    let mut frames = Vec::new();
    let mut put = |packet: &[u8], from: usize| {
        frames.extend((from..=packet.len()).map(|len| (0, packet[..len].to_vec(), packet.len())));
    };
    for next in [0, 43, 60, 51, 135, 50, 6, 58, 59, 4, 41, 140, 253] {
        put(&ip6(next, v6(1), v6(2), &[]), 40);
        put(&ip6(next, v6(1), v6(2), &[17, 0, 1, 4, 0, 0, 0, 0]), 40);
        put(&ip6(60, v6(1), v6(2), &[next, 0, 1, 4, 0, 0, 0, 0]), 48);
        put(&ip6(60, v6(1), v6(2), &[next, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0]), 48);
    }
    let lists: [[u8; 6]; 9] = [
        [1, 9, 0, 0, 0, 0],
        [1, 40, 0, 0, 0, 0],
        [0x1a, 40, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 9],
        [0xc2, 4, 0, 1, 0, 9],
        [0xc2, 3, 0, 1, 0, 9],
        [5, 2, 0, 0, 1, 1],
        [1, 3, 0, 0, 0, 40],
    ];
    for (next, list) in [0, 60].into_iter().flat_map(|next| lists.map(|list| (next, list))) {
        for datagram in [Vec::new(), udp(1, 2, b"x")] {
            let mut packet = ip6(next, v6(1), v6(2), &[&[17, 0][..], &list, &datagram].concat());
            put(&packet.clone(), packet.len());
            (packet[4], packet[5]) = (0, 0);
            put(&packet.clone(), packet.len());
        }
    }
    put(&ip6(43, v6(1), v6(2), &[&[59, 3, 4, 0, 0, 0, 0, 0][..], &v6(9), &[0; 8]].concat()), 40);
    Capture { link: RAW, frames }
}

/// Messages of ICMP for IPv6 cut at each length.
fn icmpv6_cut() -> Capture {
    let mut frames = Vec::new();
    let kinds =
        [0, 1, 2, 3, 4, 100, 128, 129, 130, 131, 133, 134, 135, 136, 137, 139, 141, 144, 147, 157, 160, 255];
    for kind in kinds {
        let packet = ip6(58, v6(1), v6(2), &[&[kind, 0, 0, 0][..], &[0; 40]].concat());
        frames.extend((40..=packet.len()).map(|len| (0, packet[..len].to_vec(), packet.len())));
        // The same, really as short.
        frames.extend([4, 5, 8, 10, 12, 16, 20, 24, 32].map(|len| {
            let packet = ip6(58, v6(1), v6(2), &packet[40..40 + len]);
            (0, packet.clone(), packet.len())
        }));
    }
    for (kind, fixed) in [(133, 4), (134, 12), (135, 20)] {
        let options = [[1, 1, 2, 0, 0, 0, 0, 1], [5, 1, 0, 0, 0, 0, 5, 220]].concat();
        let packet = icmp6(v6(1), v6(2), &[&[kind, 0, 0, 0][..], &vec![0; fixed], &options].concat());
        frames.extend((40..=packet.len()).map(|len| (0, packet[..len].to_vec(), packet.len())));
    }
    Capture { link: RAW, frames }
}

/// TCP options cut at each length.
fn options_cut() -> Capture {
    let mut frames = Vec::new();
    for (kind, len) in
        [(2, 4), (3, 3), (4, 2), (5, 10), (6, 6), (8, 10), (19, 18), (28, 4), (29, 16), (34, 10)]
    {
        let options = [&[1, kind, len][..], &vec![0; usize::from(len) - 2]].concat();
        let packet = ip4(6, &Tcp { options, payload: 2, ..Tcp::new((1, 2), 16, 3, 4) }.bytes());
        frames.extend((40..=packet.len()).map(|len| (0, packet[..len].to_vec(), packet.len())));
    }
    let multipath = [30, 12, 0, 0x81, 1, 2, 3, 4, 5, 6, 7, 8].to_vec();
    let packet = ip4(6, &Tcp { options: multipath, ..Tcp::new((1, 2), 16, 3, 4) }.bytes());
    frames.extend((40..=packet.len()).map(|len| (0, packet[..len].to_vec(), packet.len())));
    Capture { link: RAW, frames }
}

/// Ethernet inside IP.
fn srv6() -> Vec<Vec<u8>> {
    let inside = ethernet(0x0800, &ip4(17, &udp(1, 2, b"x")));
    let routed = [&[143, 2, 4, 0, 0, 0, 0, 0][..], &v6(9), &inside].concat();
    vec![
        ip6(143, v6(1), v6(2), &inside),
        ip6(43, v6(1), v6(2), &routed),
        ip4(143, &inside),
        ip4(143, &inside[..10]),
        ip6(143, v6(1), v6(2), &ethernet(0x88cc, &[0; 20])),
        ip6(143, v6(1), v6(2), &ethernet(20, &[0; 40])),
        ip4(143, &[0; 40]),
    ]
}

fn loopback(order: fn(u32) -> [u8; 4]) -> Vec<Vec<u8>> {
    let (four, six) = (ip4(17, &udp(1, 2, b"x")), ip6(17, v6(1), v6(2), &udp(1, 2, b"x")));
    let mut out = Vec::new();
    for family in [0, 2, 7, 24, 28, 30] {
        out.push([&order(family)[..], &four].concat());
        out.push([&order(family)[..], &six].concat());
    }
    out.push(vec![2, 0, 0]);
    out
}

fn cooked() -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    for kind in 0..6 {
        let head = [be(&[kind, 1, 6]), vec![2, 0, 0, 0, 0, 1, 0, 0]].concat();
        for (protocol, payload) in [
            (0x0800u16, ip4(17, &udp(1, 2, b"x"))),
            (0x86dd, ip6(17, v6(1), v6(2), &udp(1, 2, b"x"))),
            (0x88cc, vec![0; 30]),
            (0x1234, vec![0; 9]),
            (0x0004, vec![0; 9]),
        ] {
            out.push([&head[..], &protocol.to_be_bytes(), &payload].concat());
        }
    }
    out.push([be(&[0, 772, 6]), vec![0; 8], be(&[0x0800]), ip4(17, &udp(1, 2, b"x"))].concat());
    out.push([be(&[0, 65534, 0]), vec![0; 8], be(&[0x88cc]), vec![1, 2, 3]].concat());
    out
}

fn cooked2() -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    for kind in 0..6 {
        for (protocol, payload) in
            [(0x0800u16, ip4(17, &udp(1, 2, b"x"))), (0x88cc, vec![0; 30]), (0x1234, vec![0; 9])]
        {
            let head =
                [&protocol.to_be_bytes()[..], &[0, 0, 0, 0, 0, 3, 0, 1, kind, 6, 2, 0, 0, 0, 0, 1, 0, 0]]
                    .concat();
            out.push([head, payload].concat());
        }
    }
    out
}

fn ethernets() -> Vec<Vec<u8>> {
    let inner = ip4(17, &udp(1, 2, b"x"));
    let tagged = |outer: u16, tag: u16, kind: u16, payload: &[u8]| {
        ethernet(outer, &[&be(&[tag, kind])[..], payload].concat())
    };
    vec![
        ethernet(0x0800, &[inner.clone(), vec![0; 20]].concat()),
        ethernet(46, &[0x42; 46]),
        ethernet(46, &[0x42; 20]),
        ethernet(1501, &[0; 20]),
        ethernet(1535, &[0; 20]),
        tagged(0x8100, 0x6005, 0x0800, &inner),
        tagged(0x8100, 0xb005, 0x88cc, &[0; 20]),
        tagged(0x8100, 0x0001, 40, &[0; 40]),
        tagged(0x9100, 0x0001, 0x0800, &inner),
        tagged(0x8100, 1, 0x8100, &[&be(&[7, 0x0800])[..], &inner].concat()),
        ethernet(0x0800, &ip6(17, v6(1), v6(2), &udp(1, 2, b"x"))),
        ethernet(0x86dd, &inner),
        ethernet(0x86dd, &ip6(6, v6(1), v6(2), &Tcp::new((1, 2), 2, 3, 4).bytes())),
    ]
}

fn arp(opcode: u16, sender: [u8; 6], sender_ip: [u8; 4], target: [u8; 6], target_ip: [u8; 4]) -> Vec<u8> {
    let head = [be(&[1, 0x0800]), vec![6, 4], be(&[opcode])].concat();
    ethernet(0x0806, &[&head[..], &sender, &sender_ip, &target, &target_ip].concat())
}

fn arps() -> Vec<Vec<u8>> {
    let (one, two) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
    let mut out: Vec<_> = (0..28).map(|opcode| arp(opcode, one, A, two, B)).collect();
    out.extend([
        arp(1, one, [0; 4], [0; 6], B),
        arp(1, one, A, [0; 6], A),
        arp(1, one, A, [0xff; 6], A),
        arp(2, one, A, one, A),
        arp(1, two, A, [0; 6], B),
        arp(2, two, B, one, A),
    ]);
    let odd = |hardware: u16, protocol: u16, sizes: [u8; 2]| {
        let len = 2 * usize::from(sizes[0] + sizes[1]);
        ethernet(
            0x0806,
            &[be(&[hardware, protocol]), sizes.to_vec(), be(&[1]), (1..).take(len).collect()].concat(),
        )
    };
    out.extend([
        odd(7, 0x0800, [1, 4]),
        odd(1, 0x1234, [6, 4]),
        odd(1, 0x0800, [6, 6]),
        odd(6, 0x0800, [6, 4]),
        odd(19, 0x0800, [6, 4]),
    ]);
    out
}

fn icmps() -> Vec<Vec<u8>> {
    let ping = |reply: bool, id: u16, number: u16| {
        let (source, destination) = if reply { (B, A) } else { (A, B) };
        let message = [&[if reply { 0 } else { 8 }, 0, 0, 0][..], &be(&[id, number]), b"abcdefgh"].concat();
        Ip { source, destination, ..Ip::new(1) }.with(&icmp(&[], message))
    };
    let mut out =
        vec![ping(false, 7, 1), ping(true, 7, 1), ping(false, 7, 2), ping(false, 7, 3), ping(true, 7, 3)];
    out.extend([ping(true, 9, 1), ping(false, 7, 2), ping(true, 7, 2)]);
    let group = Ip { destination: [224, 0, 0, 1], ..Ip::new(1) };
    out.push(group.with(&icmp(&[], vec![8, 0, 0, 0, 0, 1, 0, 1])));
    // A pair whose checksums are wrong.
    out.push(ip4(1, &[8, 0, 0, 0, 0, 5, 0, 1]));
    out.push(Ip { source: B, destination: A, ..Ip::new(1) }.with(&[0, 0, 0, 0, 0, 5, 0, 1]));
    for (kind, code) in [(3, 3), (3, 1), (3, 99), (11, 0), (11, 1), (12, 0), (4, 0), (5, 1)] {
        let quoted = ip4(17, &udp(1000, 2000, b"hello"));
        out.push(ip4(1, &[&[kind, code, 0, 0, 0, 0, 0, 0][..], &quoted].concat()));
        let quoted = ip4(6, &Tcp::new((1000, 2000), 2, 3, 4).bytes()[..8]);
        out.push(ip4(1, &[&[kind, code, 0, 0, 0, 0, 0, 0][..], &quoted].concat()));
    }
    for kind in (0..=255).filter(|kind| ![7, 9].contains(kind)) {
        out.push(ip4(1, &[&[kind, 0, 0, 0, 0, 0, 0, 0][..], &[0; 20]].concat()));
    }
    out
}

fn icmpv6s() -> Vec<Vec<u8>> {
    let send = |message: &[u8]| icmp6(v6(1), v6(2), message);
    let link = |kind: u8| [kind, 1, 2, 0, 0, 0, 0, 9];
    let target = v6(7);
    let mut out = vec![
        send(&[&[133, 0, 0, 0, 0, 0, 0, 0][..], &link(1)].concat()),
        send(&[133, 0, 0, 0, 0, 0, 0, 0]),
        send(&[&[134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0][..], &link(1)].concat()),
        send(
            &[
                &[134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0][..],
                &[5, 1, 0, 0, 0, 0, 5, 220],
                &link(1),
            ]
            .concat(),
        ),
        send(&[&[135, 0, 0, 0, 0, 0, 0, 0][..], &target, &link(1)].concat()),
        send(&[&[135, 0, 0, 0, 0, 0, 0, 0][..], &target].concat()),
    ];
    for flags in [0u8, 0x20, 0x40, 0x60, 0x80, 0xa0, 0xc0, 0xe0] {
        out.push(send(&[&[136, 0, 0, 0, flags, 0, 0, 0][..], &target, &link(2)].concat()));
    }
    out.push(send(&[&[136, 0, 0, 0, 0, 0, 0, 0][..], &target].concat()));
    out.push(send(&[128, 0, 0, 0, 0, 7, 0, 1, 1, 2, 3]));
    out.push(icmp6(v6(2), v6(1), &[129, 0, 0, 0, 0, 7, 0, 1, 1, 2, 3]));
    out.push(send(&[128, 0, 0, 0, 0, 7, 0, 2]));
    out.push(icmp6(v6(1), [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], &[128, 0, 0, 0, 0, 7, 0, 3]));
    for (kind, code) in [(1, 0), (1, 4), (1, 9), (2, 0), (3, 0), (3, 1), (3, 9), (4, 0), (4, 1), (4, 2)] {
        let quoted = ip6(17, v6(2), v6(1), &udp(1, 2, b"x"));
        out.push(send(&[&[kind, code, 0, 0, 0, 0, 0, 0][..], &quoted].concat()));
    }
    let plain = [0u8, 5, 99, 100, 101, 127, 130, 131, 132, 144, 150, 200, 201, 255];
    out.extend(plain.iter().map(|kind| send(&[&[*kind, 0, 0, 0, 0, 0, 0, 0][..], &[0; 20]].concat())));
    out
}

fn fragments() -> Vec<Vec<u8>> {
    let datagram = udp(1000, 2000, b"0123456789abcdefghijklmnopqrstuvwxyz");
    let part = |id: u16, from: usize, to: usize| {
        let more = if to < datagram.len() { 0x2000 } else { 0 };
        let flags_offset = more | u16::try_from(from / 8).unwrap();
        Ip { id, flags_offset, ..Ip::new(17) }.with(&datagram[from..to.min(datagram.len())])
    };
    let mut out = vec![part(1, 0, 16), part(1, 16, 32), part(1, 32, 99)];
    out.extend([part(2, 32, 99), part(2, 0, 16), part(2, 16, 32)]);
    out.extend([part(3, 0, 16), part(4, 0, 16), part(3, 16, 99), part(4, 24, 99)]);
    out.extend([0u8, 1, 4, 6, 17, 43, 44, 58, 60, 144, 230].map(|protocol| {
        Ip { id: 100 + u16::from(protocol), flags_offset: 0x2000, ..Ip::new(protocol) }.with(&[0; 16])
    }));
    let segment = Tcp { payload: 30, ..Tcp::new((1, 2), 16, 3, 4) }.bytes();
    out.push(Ip { id: 50, flags_offset: 0x2000, ..Ip::new(6) }.with(&segment[..24]));
    out.push(Ip { id: 50, flags_offset: 3, ..Ip::new(6) }.with(&segment[24..]));
    out
}

fn fragments6() -> Vec<Vec<u8>> {
    let datagram = udp(1000, 2000, b"0123456789abcdefghijklmnopqrstuvwxyz");
    let part = |id: u32, from: usize, to: usize| {
        let more = u16::from(to < datagram.len());
        let offset = u16::try_from(from).unwrap() | more;
        let head = [&[17, 0][..], &offset.to_be_bytes(), &id.to_be_bytes()].concat();
        ip6(44, v6(1), v6(2), &[&head[..], &datagram[from..to.min(datagram.len())]].concat())
    };
    vec![
        part(1, 0, 16),
        part(1, 16, 32),
        part(1, 32, 99),
        part(2, 32, 99),
        part(2, 0, 32),
        part(3, 0, 16),
        part(4, 0, 99),
    ]
}

fn extensions() -> Vec<Vec<u8>> {
    let (datagram, pad) = (udp(1, 2, b"x"), [1, 4, 0, 0, 0, 0]);
    let with = |next: u8, kinds: &[(u8, &[u8])]| {
        let mut payload = Vec::new();
        for (follows, rest) in kinds {
            payload.extend([&[*follows, 0][..], rest].concat());
        }
        payload.extend(&datagram);
        ip6(next, v6(1), v6(2), &payload)
    };
    let routed: Vec<u8> = [&[17, 2, 0, 1, 0, 0, 0, 0][..], &v6(9), &datagram].concat();
    let arrived: Vec<u8> = [&[17, 2, 0, 0, 0, 0, 0, 0][..], &v6(9), &datagram].concat();
    let jumbo = [&[17, 0, 0xc2, 4, 0, 0, 0, 17][..], &datagram].concat();
    let mut huge = ip6(0, v6(1), v6(2), &jumbo);
    (huge[4], huge[5]) = (0, 0);
    vec![
        with(0, &[(17, &pad)]),
        with(0, &[(60, &pad), (17, &pad)]),
        with(60, &[(59, &pad)]),
        with(0, &[(103, &pad)]),
        with(60, &[(50, &pad)]),
        ip6(59, v6(1), v6(2), &[]),
        ip6(59, v6(1), v6(2), b"x"),
        ip6(43, v6(1), v6(2), &routed),
        ip6(43, v6(1), v6(2), &arrived),
        huge,
        ip6(0, v6(1), v6(2), &[17]),
        ip6(0, v6(1), v6(2), &[17, 5, 0, 0]),
        ip6(44, v6(1), v6(2), &[17, 0, 0]),
    ]
}

fn udps() -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    for len in 0..16u16 {
        let mut datagram = udp(1000, 2000, b"xyz");
        datagram[4..6].copy_from_slice(&len.to_be_bytes());
        out.push(ip4(17, &datagram));
        out.push(ip6(17, v6(1), v6(2), &datagram));
    }
    let mut unchecked = udp(1000, 2000, b"xyz");
    unchecked[6..8].copy_from_slice(&[0, 0]);
    out.extend([ip4(17, &unchecked), ip6(17, v6(1), v6(2), &unchecked)]);
    out.extend([
        ip4(17, &udp(53, 1000, b"")),
        ip4(17, &udp(1900, 1000, b"")),
        ip4(17, &udp(5353, 5353, b"abc")),
    ]);
    for (byte, value) in [(0, 0x44), (0, 0x4f), (0, 0x35), (3, 19), (3, 25), (3, 99), (3, 0)] {
        let mut packet = ip4(17, &udp(1, 2, b"xyz"));
        packet[byte] = value;
        out.push(packet);
    }
    out
}

fn name(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in text.split('.').filter(|label| !label.is_empty()) {
        out.push(u8::try_from(label.len()).unwrap());
        out.extend(label.as_bytes());
    }
    out.push(0);
    out
}

fn question(text: &str, kind: u16, class: u16) -> Vec<u8> {
    [name(text), be(&[kind, class])].concat()
}

fn record(owner: &[u8], kind: u16, class: u16, data: &[u8]) -> Vec<u8> {
    [owner, &be(&[kind, class, 0, 60, u16::try_from(data.len()).unwrap()]), data].concat()
}

fn message(id: u16, flags: u16, counts: [u16; 4], parts: &[Vec<u8>]) -> Vec<u8> {
    [be(&[id, flags]), be(&counts), parts.concat()].concat()
}

fn dns() -> Vec<Vec<u8>> {
    let pointer = [0xc0, 12];
    let ask = |text: &str, kind: u16| message(0x1234, 0x0100, [1, 0, 0, 0], &[question(text, kind, 1)]);
    let query = |message: &[u8]| ip4(17, &udp(40000, 53, message));
    let mut out = vec![query(&ask("example.com", 1)), query(&ask("", 2)), query(&ask("a\tb\u{e9}.com", 28))];
    for flags in (0..16).map(|opcode| opcode << 11).filter(|flags| flags >> 11 != 6) {
        out.push(query(&message(1, flags, [0; 4], &[])));
    }
    out.extend((0..16).map(|code| query(&message(1, 0x8180 | code, [0; 4], &[]))));
    let datas: [(u16, Vec<u8>); 16] = [
        (1, vec![93, 184, 216, 34]),
        (28, v6(5).to_vec()),
        (2, name("ns.example.com")),
        (5, name("www.example.com")),
        (6, [name("ns"), name("mail"), vec![0; 20]].concat()),
        (12, name("host.local")),
        (15, [be(&[10]), name("mx.example.com")].concat()),
        (16, b"\x05hello".to_vec()),
        (33, [be(&[0, 5, 8080]), name("srv.local")].concat()),
        (39, name("dname")),
        (41, vec![]),
        (47, [name("next.local"), vec![0, 4, 0x40, 0, 0, 8]].concat()),
        (65, vec![0, 1, 0]),
        (99, vec![1, 2]),
        (250, vec![0; 20]),
        (65280, vec![1]),
    ];
    for (kind, data) in &datas {
        if *kind != 250 && *kind != 65 {
            let answer = record(&pointer, *kind, 1, data);
            let asked = question("example.com", *kind, 1);
            out.push(query(&message(7, 0x8180, [1, 1, 0, 0], &[asked, answer])));
        }
    }
    let all: Vec<Vec<u8>> =
        [1usize, 2, 6].iter().map(|at| record(&pointer, datas[*at].0, 1, &datas[*at].1)).collect();
    out.push(query(&message(7, 0x8583, [1, 1, 1, 1], &[vec![question("example.com", 1, 1)], all].concat())));
    let multicast = |message: &[u8]| ip4(17, &udp(5353, 5353, message));
    let pair = [question("_x._tcp.local", 12, 1), question("_y._tcp.local", 12, 0x8001)];
    out.push(multicast(&message(0, 0, [2, 0, 0, 0], &pair)));
    let flush =
        [record(&name("host.local"), 1, 0x8001, &[10, 0, 0, 9]), record(&name("host.local"), 28, 1, &v6(9))];
    out.push(multicast(&message(0, 0x8400, [0, 2, 0, 0], &flush)));
    out.push(ip4(17, &udp(50000, 5355, &message(0xe02a, 0, [1, 0, 0, 0], &[question("DESKTOP", 255, 1)]))));
    // Names that point at themselves, promise more than there is, or end in the middle.
    out.push(query(&message(1, 0x0100, [1, 0, 0, 0], &[vec![0xc0, 12], be(&[1, 1])])));
    out.push(query(&message(1, 0x0100, [3, 0, 0, 0], &[question("a.b", 1, 1)])));
    out.push(query(&ask("example.com", 1)[..20]));
    out.push(query(&ask("example.com", 1)[..11]));
    out
}

fn ssdps() -> Vec<Vec<u8>> {
    let lines: [&[u8]; 9] = [
        b"M-SEARCH * HTTP/1.1\r\nHost: 239.255.255.250:1900\r\nST: ssdp:all\r\n\r\n",
        b"NOTIFY * HTTP/1.1\r\nHost: 239.255.255.250:1900\r\nNTS: ssdp:alive\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nST: upnp:rootdevice\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\n\r\n",
        b"M-SEARCH * HTTP/1.1",
        b"M-SEARCH * HTTP/1.1\nST: x\n\n",
        b"M-SEARCH * HTTP/1.1\r\n",
        b"not http at all\r\n",
        b"\x00\x01\x02binary",
    ];
    let destination = [239, 255, 255, 250];
    lines.iter().map(|line| Ip { destination, ..Ip::new(17) }.with(&udp(50000, 1900, line))).collect()
}

/// Rows around the length at which Wireshark cuts them.
fn long_rows() -> Vec<Vec<u8>> {
    let labels = [60, 60, 60, 50].map(|len| "x".repeat(len)).join(".");
    let again = [&[0xc0, 12][..], &be(&[1, 1])].concat();
    let ask = |count: u16| {
        let mut parts = vec![again.clone(); usize::from(count)];
        parts[0] = question(&labels, 1, 1);
        message(1, 0x0100, [count, 0, 0, 0], &parts)
    };
    let mut out: Vec<Vec<u8>> = [1, 17, 18, 30].map(|count| ip4(17, &udp(1000, 53, &ask(count)))).into();
    let cut = |count: u16| ip4(17, &udp(1000, 53, &ask(count)[..usize::from(count) * 6 + 230]));
    out.extend([17, 18].map(cut));
    let line = |len: usize| ip4(17, &udp(1900, 1900, &[b"NOTIFY ", &vec![b'y'; len][..], b"\r\n"].concat()));
    out.extend([4_086, 4_087, 4_088, 5_000].map(line));
    out
}

/// Letters that show, and characters that do not.
fn letters() -> Vec<Vec<u8>> {
    let letters = [
        "\u{80}",
        "\u{85}",
        "\u{9b}31m",
        "\u{a0}",
        "\u{ad}",
        "e\u{301}",
        "\u{378}",
        "\u{600}",
        "\u{61c}",
        "\u{1680}",
        "\u{200b}",
        "\u{200e}",
        "\u{2028}",
        "\u{2029}",
        "\u{202e}",
        "\u{2060}",
        "\u{2066}",
        "\u{3000}",
        "\u{d55c}",
        "\u{e000}",
        "\u{fe0f}",
        "\u{feff}",
        "\u{fffd}",
        "\u{ffff}",
        "\u{1f600}",
        "\u{e0001}",
        "\u{f0000}",
        "\u{10fffd}",
        "\u{10ffff}",
    ];
    let named = letters.iter().map(|letter| {
        let text = format!("a{letter}b");
        ip4(17, &udp(1000, 53, &message(1, 0x0100, [1, 0, 0, 0], &[question(&text, 1, 1)])))
    });
    let lines =
        letters.iter().map(|letter| ip4(17, &udp(1900, 1900, format!("NOTIFY {letter}x\r\n").as_bytes())));
    named.chain(lines).collect()
}
