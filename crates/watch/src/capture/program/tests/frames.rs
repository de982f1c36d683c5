//! Frames of every kind that matters, as the kernel hands them out and as the program reads them.

use super::super::super::frame;
use enchufe_sys::packet_ring::{Packet, Vlan};
use enchufe_wire::LinkType;
use proptest::prelude::*;
use std::fmt;

/// A frame as the kernel has it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) bytes: Vec<u8>,
    pub(super) protocol: u16,
    pub(super) vlan: Option<Vlan>,
    pub(super) hardware: u16,
    pub(super) direction: u8,
}

impl fmt::Debug for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tag = self.vlan.map_or(0, |tag| tag.protocol);
        write!(f, "{:04x} (tag {tag:04x}) ", self.protocol)?;
        self.bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Taken {
    /// The bytes that are read, and how many there are on the wire.
    pub(super) fn read(&self, link: LinkType, snaplen: u32) -> (Vec<u8>, u32) {
        let kept = usize::try_from(snaplen).unwrap().min(self.bytes.len());
        let packet = Packet {
            seconds: 1,
            nanoseconds: 0,
            place: 0,
            bytes: &self.bytes[..kept],
            wire_len: u32::try_from(self.bytes.len()).unwrap(),
            interface: 2,
            hardware: self.hardware,
            direction: self.direction,
            protocol: self.protocol,
            address: [2, 0, 0, 0, 0, 1, 0, 0],
            address_len: 6,
            vlan: self.vlan,
            checksum_missing: false,
            segment_size: None,
        };
        let mut bytes = Vec::new();
        frame::write(link, snaplen, &packet, &mut bytes);
        (bytes, frame::wire_len(link, &packet))
    }
}

/// Where a datagram comes from and goes to: few, so that they meet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    ipv6: bool,
    hosts: [u8; 2],
    ports: [u16; 2],
}

impl Ends {
    pub(super) const fn reversed(self) -> Self {
        let Self { ipv6, hosts: [a, b], ports: [c, d] } = self;
        Self { ipv6, hosts: [b, a], ports: [d, c] }
    }

    fn address(self, host: u8) -> Vec<u8> {
        if self.ipv6 {
            [&[0x20, 1, 0x0d, 0xb8, 0, host / 2][..], &[0; 9], &[host]].concat()
        } else {
            vec![10, 0, host / 2, host]
        }
    }
}

/// From one to another.
pub(super) const fn two(ipv6: bool) -> Ends {
    Ends { ipv6, hosts: [1, 2], ports: [40000, 80] }
}

pub(super) fn ends() -> impl Strategy<Value = Ends> {
    let port = || prop::sample::select(&[53, 80, 81, 443, 5353, 40000][..]);
    (any::<bool>(), [1..4_u8, 1..4], [port(), port()]).prop_map(|(ipv6, hosts, ports)| Ends {
        ipv6,
        hosts,
        ports,
    })
}

/// What IP carries.
#[derive(Clone, Debug)]
pub(super) enum Body {
    Tcp { numbers: [u8; 2], flags: u8, window: u8, words: u8, payload: u8 },
    Udp { payload: u8 },
}

impl Body {
    pub(super) const fn is_tcp(&self) -> bool {
        matches!(self, Self::Tcp { .. })
    }

    fn protocol(&self) -> u8 {
        if self.is_tcp() { 6 } else { 17 }
    }

    fn bytes(&self, ends: Ends) -> Vec<u8> {
        let [from, to] = ends.ports.map(u16::to_be_bytes);
        match *self {
            Self::Tcp { numbers: [seq, ack], flags, window, words, payload } => [
                &[from, to].concat()[..],
                &[0, 0, 0, seq, 0, 0, 0, ack, words << 4, flags, 0, window, 0, 0, 0, 0],
                &vec![7; payload.into()],
            ]
            .concat(),
            Self::Udp { payload } => {
                let len = (8 + u16::from(payload)).to_be_bytes();
                [&[from, to, len, [0, 1]].concat()[..], &vec![0; payload.into()]].concat()
            }
        }
    }
}

pub(super) fn body() -> impl Strategy<Value = Body> {
    let small = || 0..6_u8;
    let flags = prop::sample::select(&[2, 0x12, 0x10, 0x10, 0x18, 0x11, 4, 0x14][..]);
    let words = prop::sample::select(&[5, 5, 5, 5, 6, 0][..]);
    let payload = prop_oneof![3 => small(), 1 => Just(40)];
    let tcp = ([small(), small()], flags, small(), words, payload).prop_map(
        |(numbers, flags, window, words, payload)| Body::Tcp { numbers, flags, window, words, payload },
    );
    prop_oneof![3 => tcp, 1 => (0..30_u8).prop_map(|payload| Body::Udp { payload })]
}

/// How it is carried.
#[derive(Clone, Debug)]
pub(super) enum Form {
    Plain,
    /// IPv4 options, or a hop-by-hop header.
    Extended,
    /// Two frames, of which one may be lost, parted behind so many bytes.
    Fragments([bool; 2], u8),
    /// The tag of a VLAN, in the bytes or taken out of them.
    Tagged {
        protocol: u16,
        taken: bool,
    },
    /// An ICMP error with so much of it.
    Quoted(u8),
    /// In another datagram; those in it speak only so, or also without.
    Tunnel {
        apart: bool,
    },
    /// Its length is said to be another.
    Length(u8),
    Cut(u8),
    /// It is announced as something else.
    Announced(u16),
    /// Its first byte.
    First(u8),
    Echo {
        reply: bool,
        number: u8,
    },
    Arp {
        reply: bool,
    },
    Garbage(Vec<u8>),
}

fn form(apart: bool) -> impl Strategy<Value = Form> {
    let protocol = prop::sample::select(&[0x8100, 0x88a8, 0x9100][..]);
    let split = prop::sample::select(&[8, 16, 24][..]);
    prop_oneof![
        8 => Just(Form::Plain),
        1 => Just(Form::Extended),
        2 => (prop::sample::select(&[[true; 2], [true; 2], [true, false], [false, true]][..]), split).prop_map(|(kept, split)| Form::Fragments(kept, split)),
        1 => (protocol, any::<bool>()).prop_map(|(protocol, taken)| Form::Tagged { protocol, taken }),
        1 => (0..60_u8).prop_map(Form::Quoted),
        1 => Just(Form::Tunnel { apart }),
        1 => (0..80_u8).prop_map(Form::Length),
        1 => (0..80_u8).prop_map(Form::Cut),
        1 => prop::sample::select(&[0x0800, 0x86dd, 0x0806, 0x88b5, 4][..]).prop_map(Form::Announced),
        1 => prop::sample::select(&[0x40, 0x44, 0x4f, 0x50, 0x55, 0x65][..]).prop_map(Form::First),
        1 => (any::<bool>(), 0..3_u8).prop_map(|(reply, number)| Form::Echo { reply, number }),
        1 => any::<bool>().prop_map(|reply| Form::Arp { reply }),
        1 => prop::collection::vec(any::<u8>(), 0..90).prop_map(Form::Garbage),
    ]
}

fn ip(ends: Ends, protocol: u8, body: &[u8]) -> Vec<u8> {
    let [source, destination] = ends.hosts.map(|host| ends.address(host));
    let len = |more: usize| u16::try_from(body.len() + more).unwrap().to_be_bytes();
    let start = if ends.ipv6 {
        [&[0x60, 0, 0, 0][..], &len(0), &[protocol, 64]].concat()
    } else {
        [&[0x45, 0][..], &len(20), &[0, ends.hosts[0], 0x40, 0, 64, protocol, 0, 0]].concat()
    };
    [&start[..], &source, &destination, body].concat()
}

fn number(ends: Ends) -> u16 {
    if ends.ipv6 { 0x86dd } else { 0x0800 }
}

fn extended(ends: Ends, body: &Body) -> Vec<u8> {
    if ends.ipv6 {
        let inner = [&[body.protocol(), 0, 1, 4, 0, 0, 0, 0][..], &body.bytes(ends)].concat();
        return ip(ends, 0, &inner);
    }
    let mut bytes = ip(ends, body.protocol(), &[&[1, 1, 1, 0][..], &body.bytes(ends)].concat());
    bytes[0] = 0x46;
    bytes
}

/// The datagram in two parts, the first of which has the ports.
fn fragments(ends: Ends, body: &Body, split: u8) -> [Vec<u8>; 2] {
    let whole = body.bytes(ends);
    let split = if whole.len() > usize::from(split) { split } else { 8 };
    let (first, last) = whole.split_at(split.into());
    if ends.ipv6 {
        let part = |offset: u8, more: u8, bytes: &[u8]| {
            let header = [body.protocol(), 0, 0, offset | more, 0, 0, 0, ends.hosts[0]];
            ip(ends, 44, &[&header[..], bytes].concat())
        };
        return [part(0, 1, first), part(split, 0, last)];
    }
    let part = |flags: u8, offset: u8, bytes: &[u8]| {
        let mut frame = ip(ends, body.protocol(), bytes);
        (frame[6], frame[7]) = (flags, offset);
        frame
    };
    [part(0x20, 0, first), part(0, split / 8, last)]
}

fn quoted(ends: Ends, whole: &[u8], len: u8) -> Vec<u8> {
    let quote = &whole[..whole.len().min(usize::from(len))];
    let (protocol, kind) = if ends.ipv6 { (58, 1) } else { (1, 3) };
    ip(ends.reversed(), protocol, &[&[kind, 1, 0, 0, 0, 0, 0, 0][..], quote].concat())
}

/// A ping whose checksum is right in IPv4.
fn echo(ends: Ends, reply: bool, number: u8) -> Vec<u8> {
    let ends = Ends { ipv6: false, ..ends };
    let kind = if reply { 0_u8 } else { 8 };
    let sum = !(u16::from(kind) << 8) - u16::from(number) - 1;
    let sum = sum.to_be_bytes();
    ip(ends, 1, &[kind, 0, sum[0], sum[1], 0, 1, 0, number])
}

fn arp(ends: Ends, reply: bool) -> Vec<u8> {
    let ends = Ends { ipv6: false, ..ends };
    let [source, target] = ends.hosts.map(|host| ends.address(host));
    let operation = if reply { 2 } else { 1 };
    let hardware = u8::try_from(ends.ports[0] % 3).unwrap();
    [&[0, 1, 8, 0, 6, 4, 0, operation, 2, 0, 0, 0, 0, hardware][..], &source, &[2, 0, 0, 0, 0, 9], &target]
        .concat()
}

/// What stands behind the link header, and what that announces.
type Announced = (u16, Vec<u8>, Option<Vlan>);

fn carried(ends: Ends, body: &Body, form: &Form) -> Vec<Announced> {
    let whole = ip(ends, body.protocol(), &body.bytes(ends));
    let one = |bytes| vec![(number(ends), bytes, None)];
    match form {
        Form::Plain => one(whole),
        Form::Extended => one(extended(ends, body)),
        Form::Fragments(kept, split) => {
            let parts = fragments(ends, body, *split).into_iter().zip(kept);
            parts.filter(|(_, kept)| **kept).map(|(part, _)| (number(ends), part, None)).collect()
        }
        Form::Tagged { protocol, taken: true } => {
            vec![(number(ends), whole, Some(Vlan { protocol: *protocol, control: 5 }))]
        }
        Form::Tagged { protocol, taken: false } => {
            let inner = [&[0, 5][..], &number(ends).to_be_bytes(), &whole].concat();
            vec![(*protocol, inner, None)]
        }
        Form::Quoted(len) => one(quoted(ends, &whole, *len)),
        Form::Tunnel { apart } => {
            let away = Ends { hosts: ends.hosts.map(|host| host + 100), ..ends };
            let [inner, outer] = if *apart { [away, ends] } else { [ends, away] };
            let whole = ip(inner, body.protocol(), &body.bytes(inner));
            one(ip(outer, if ends.ipv6 { 41 } else { 4 }, &whole))
        }
        Form::Length(len) => {
            let mut bytes = whole;
            let place = if ends.ipv6 { 4 } else { 2 };
            (bytes[place], bytes[place + 1]) = (0, *len);
            one(bytes)
        }
        Form::Cut(len) => {
            let mut bytes = whole;
            bytes.truncate(usize::from(*len));
            one(bytes)
        }
        Form::First(first) => {
            let mut bytes = whole;
            bytes[0] = *first;
            one(bytes)
        }
        Form::Announced(protocol) => vec![(*protocol, whole, None)],
        Form::Echo { reply, number } => vec![(0x0800, echo(ends, *reply, *number), None)],
        Form::Arp { reply } => vec![(0x0806, arp(ends, *reply), None)],
        Form::Garbage(bytes) => one(bytes.clone()),
    }
}

fn taken(link: LinkType, (protocol, network, vlan): Announced) -> Taken {
    let header = [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2][..], &protocol.to_be_bytes()].concat();
    let header = if link == LinkType::ETHERNET { &header[..] } else { &[] };
    Taken { bytes: [header, &network].concat(), protocol, vlan, hardware: 1, direction: 0 }
}

/// The frames that carry it so.
pub(super) fn formed(link: LinkType, ends: Ends, body: &Body, form: &Form) -> Vec<Taken> {
    carried(ends, body, form).into_iter().map(|one| taken(link, one)).collect()
}

/// A plain frame, with the tag of a VLAN or without.
pub(super) fn plain(link: LinkType, ends: Ends, body: &Body, tagged: bool) -> Taken {
    let form = if tagged { Form::Tagged { protocol: 0x8100, taken: true } } else { Form::Plain };
    formed(link, ends, body, &form).remove(0)
}

/// A row of frames of any kind, between few ends: so conversations have many of them, in both directions. Those in
/// tunnels may be `apart`, of conversations that have no others.
pub(super) fn frames(link: LinkType, most: usize, apart: bool) -> impl Strategy<Value = Vec<Taken>> {
    let some = (any::<prop::sample::Index>(), any::<bool>(), body(), form(apart));
    (prop::collection::vec(ends(), 1..4), prop::collection::vec(some, 1..most)).prop_map(
        move |(pool, rows)| {
            let carried = rows.into_iter().flat_map(|(which, answers, body, form)| {
                let ends = *which.get(&pool);
                carried(if answers { ends.reversed() } else { ends }, &body, &form)
            });
            carried.map(|one| taken(link, one)).collect()
        },
    )
}
