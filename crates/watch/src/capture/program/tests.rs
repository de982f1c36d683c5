mod frames;
mod machine;

use super::*;
use enchufe_sys::packet_ring::Instruction;
use enchufe_wire::field::{self, id};
use enchufe_wire::file::{self, Record};
use enchufe_wire::row::Columns;
use enchufe_wire::time::Resolution;
use enchufe_wire::{Filter, Session, Timestamp};
use frames::{Body, Form, Taken, body, ends, formed, frames, plain, two};
use machine::run;
use proptest::prelude::*;
use socket2::{SockFilter, SockRef};
use std::os::unix::net::UnixDatagram;

const LINKS: [LinkType; 3] = [LinkType::ETHERNET, LinkType::RAW, LinkType::LINUX_SLL2];
const LONGEST: u32 = 262_144;

/// One of these words.
fn one(words: &'static [&'static str]) -> impl Strategy<Value = &'static str> + Clone {
    prop::sample::select(words)
}

/// Tests that the kernel can answer of plain frames.
fn answered() -> impl Strategy<Value = String> {
    const SIGNS: &[&str] = &["==", "!=", "===", "!==", "<", "<=", ">", ">="];
    const PORTS: &[&str] = &["53", "80", "443", "5353", "40000", "0", "65535", "-80"];
    const PROTOCOLS: &[&str] = &["6", "17", "0", "255", "-6"];
    let ports = one(&["tcp.port", "tcp.srcport", "tcp.dstport", "udp.port", "udp.srcport", "udp.dstport"]);
    let ipv4 = one(&["ip.addr", "ip.src", "ip.dst"]);
    let ipv6 = one(&["ipv6.addr", "ipv6.src", "ipv6.dst"]);
    let four = one(&["10.0.0.1", "10.0.1.2", "10.0.1.3", "10.0.1.0/24", "10.0.0.0/23", "0.0.0.0/0"]);
    let six =
        one(&["2001:db8::1", "2001:db8:1::2", "2001:db8:1::/48", "2001:db8::/31", "2001:db8::/127", "::/0"]);
    let all = || one(&["", "any ", "all "]);
    let there = one(&[
        "ip",
        "ipv6",
        "tcp",
        "udp",
        "tcp.port",
        "ip.addr",
        "ipv6.src",
        "icmp",
        "arp",
        "ip.proto == 6",
        "17 == ip.proto",
    ]);
    let said = |(all, field, sign, value)| format!("{all}{field} {sign} {value}");
    let set = (all(), one(&["", "not "]), ports.clone(), one(PORTS), one(PORTS), one(PORTS))
        .prop_map(|(all, not, field, a, b, c)| format!("{all}{field} {not}in {{{a}, {b}..{c}}}"));
    prop_oneof![
        2 => there.prop_map(str::to_owned),
        4 => (all(), ports, one(SIGNS), one(PORTS)).prop_map(said),
        1 => (all(), one(&["ip.proto"]), one(SIGNS), one(PROTOCOLS)).prop_map(said),
        3 => (all(), ipv4, one(SIGNS), four).prop_map(said),
        3 => (all(), ipv6, one(&["==", "!=", "===", "!=="]), six).prop_map(said),
        1 => set,
    ]
}

/// Tests that need more than addresses and ports.
fn unanswered() -> impl Strategy<Value = String> {
    one(&[
        "frame.len > 70",
        "frame",
        "eth",
        "vlan",
        "vlan.id == 5",
        "sll.pkttype == 0",
        "arp.opcode == 2",
        "icmp.type == 3",
        "icmpv6",
        "ip.ttl < 100",
        "ip.flags.mf == 1",
        "ip.hdr_len > 20",
        "ipv6.nxt == 6",
        "ipv6.hopopts",
        "ipv6.fraghdr",
        "ipv6.src > 2001:db8::1",
        "ip.src[3] == 01",
        "count(ip.addr) == 2",
        "count(tcp.port) == 2",
        "tcp.port & 1",
        "udp.port bitand 1",
        "tcp.srcport == tcp.dstport",
        "ip.src > ip.dst",
        "tcp.flags.syn == 1",
        "tcp.flags.reset == 1",
        "tcp.len > 0",
        "tcp.analysis",
        "tcp.analysis.flags",
        "tcp.analysis.retransmission",
        "tcp.analysis.duplicate_ack",
        "tcp.analysis.lost_segment",
        "tcp.completeness > 3",
        "tcp.window_size == 0",
        "tcp.payload matches \"x\"",
        "udp.length > 20",
        "udp.payload contains 00:00",
        "dns",
        "dns.id == 0",
        "mdns",
        "llmnr",
        "ssdp",
        "data.len > 2",
    ])
    .prop_map(str::to_owned)
}

fn filter(
    leaf: impl Strategy<Value = String> + 'static,
    words: &'static [&'static str],
) -> impl Strategy<Value = String> {
    leaf.prop_recursive(3, 6, 2, move |inner| {
        let two = (inner.clone(), prop::sample::select(words), inner.clone());
        prop_oneof![
            3 => two.prop_map(|(left, word, right)| format!("({left}) {word} ({right})")),
            1 => inner.prop_map(|inner| format!("not ({inner})")),
        ]
    })
}

fn any_filter() -> impl Strategy<Value = String> {
    filter(prop_oneof![2 => answered(), 1 => unanswered()], &["and", "or", "xor"])
}

fn program(link: LinkType, snaplen: u32, filter: &str) -> Program {
    let prefilter = Filter::parse(filter).unwrap().prefilter();
    Program::new(Place::Interface("eth0"), link, snaplen, &Options { prefilter, ..Options::default() })
}

/// From now on the kernel runs it on what this socket receives.
fn attach(receiver: &UnixDatagram, program: &Program) {
    let native = |one: &Instruction| SockFilter::new(one.code, one.on_true, one.on_false, one.value);
    let native: Vec<SockFilter> = program.instructions.iter().map(native).collect();
    SockRef::from(receiver).attach_filter(&native).unwrap();
}

/// What a frame shows, in whole: its row, and every field. Streams are numbered by what was read.
fn shown<'a>(
    session: &'a mut Session,
    filter: &Filter,
    record: &Record<'a>,
) -> Option<(String, Vec<String>)> {
    let frame = session.frame(record);
    if !filter.matches(&frame) {
        return None;
    }
    let (mut line, mut fields) = (String::new(), Vec::new());
    Columns::new().line(&frame, &mut line);
    field::visit(&frame, &mut |one| {
        if !matches!(one.id, id::TCP_STREAM | id::UDP_STREAM) {
            fields.push(format!("{} {:?}", one.id.info().name, one.value));
        }
    });
    Some((line, fields))
}

fn record(link: LinkType, number: usize, bytes: &[u8], wire_len: u32) -> Record<'_> {
    // Near each other, so that what is sent again is sent again soon and late.
    let time = Timestamp::from_nanos(i64::try_from(number * number).unwrap() * 1_000_000);
    Record {
        interface: 0,
        link,
        time: Some(time),
        resolution: Resolution::NANOS,
        bytes,
        wire_len,
        options: file::Options::NONE,
    }
}

/// Every row that is shown with all frames is shown with those that the program keeps, and is the same. In the place
/// of each other one stands nothing, so that frames have the same numbers.
fn rows_are_the_same(link: LinkType, snaplen: u32, text: &str, frames: &[Taken]) {
    let (filter, program) = (Filter::parse(text).unwrap(), program(link, snaplen, text));
    let (mut all, mut some) = (Session::default(), Session::default());
    for (number, frame) in frames.iter().enumerate() {
        let kept = run(&program.instructions, frame);
        assert!(kept == 0 || kept == snaplen);
        let (bytes, wire_len) = frame.read(link, snaplen);
        let whole = record(link, number, &bytes, wire_len);
        let nothing = record(link, number, &[], 0);
        let expected = shown(&mut all, &filter, &whole);
        if kept == 0 {
            assert_eq!(expected, None, "{text}: this one was left out: {frame:?}");
            some.frame(&nothing);
        } else {
            assert_eq!(shown(&mut some, &filter, &whole), expected, "{text}: {frame:?}");
        }
    }
}

/// A filter, and frames to ask. Only filters that name no address are told of every conversation in a tunnel.
fn filter_and_frames(most: usize) -> impl Strategy<Value = (String, LinkType, Vec<Taken>)> {
    (any_filter(), prop::sample::select(&LINKS[..])).prop_flat_map(move |(text, link)| {
        let apart = text.contains("ip");
        (Just(text), Just(link), frames(link, most, apart))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rows_are_those_of_all_frames(
        (text, link, frames) in filter_and_frames(40),
        snaplen in prop::sample::select(&[10, 60, FEWEST - 1, FEWEST, 100, LONGEST][..]),
    ) {
        rows_are_the_same(link, snaplen, &text, &frames);
    }

    #[test]
    fn of_a_filter_that_the_kernel_can_answer_it_keeps_nothing_else(
        text in filter(answered(), &["and", "or"]),
        link in prop::sample::select(&LINKS[..]),
        sent in prop::collection::vec((ends(), body(), any::<bool>()), 1..20),
    ) {
        let (filter, program) = (Filter::parse(&text).unwrap(), program(link, LONGEST, &text));
        prop_assume!(program.prefilters || filter.prefilter() == Prefilter::EVERYTHING);
        for (ends, body, tagged) in sent {
            let fits = |ends| {
                let (bytes, wire_len) = plain(link, ends, &body, tagged).read(link, LONGEST);
                filter.matches(&Session::default().frame(&record(link, 0, &bytes, wire_len)))
            };
            let wanted = fits(ends) || (body.is_tcp() && fits(ends.reversed()));
            let kept = run(&program.instructions, &plain(link, ends, &body, tagged)) > 0;
            prop_assert_eq!(kept, wanted, "{}: {:?} {:?}", text, ends, body);
        }
    }

    #[test]
    fn the_kernel_runs_the_program_as_it_is_run_here(
        (text, link, frames) in filter_and_frames(20),
    ) {
        // A program that asks what is beside the bytes needs an interface.
        let link = if link == LinkType::LINUX_SLL2 { LinkType::RAW } else { link };
        let program = program(link, 50, &text);
        let program = if program.prefilters { program } else { self::program(link, FEWEST, &text) };
        let (sender, receiver) = UnixDatagram::pair().unwrap();
        receiver.set_nonblocking(true).unwrap();
        attach(&receiver, &program);
        for frame in frames.iter().filter(|frame| frame.vlan.is_none() && !frame.bytes.is_empty()) {
            sender.send(&frame.bytes).unwrap();
            let most = usize::try_from(run(&program.instructions, frame)).unwrap();
            let mut buffer = [0; 300];
            let received = receiver.recv(&mut buffer).unwrap_or_default();
            prop_assert_eq!(received, most.min(frame.bytes.len()), "{}: {:?}", text, frame);
        }
    }
}

#[test]
fn only_a_plain_frame_that_has_its_headers_is_left_out() {
    let tcp = Body::Tcp { numbers: [1, 1], flags: 0x10, window: 9, words: 5, payload: 40 };
    let forms = [
        Form::Extended,
        Form::Fragments([true; 2], 24),
        Form::Tagged { protocol: 0x8100, taken: false },
        Form::Tagged { protocol: 0x88a8, taken: true },
        Form::Quoted(60),
        Form::Tunnel { apart: true },
        Form::First(0x50),
        Form::Arp { reply: false },
    ];
    for (link, ipv6) in LINKS.into_iter().flat_map(|link| [(link, false), (link, true)]) {
        // Which no plain frame can be.
        let program = program(link, LONGEST, "icmp").instructions;
        for (body, transport) in [(&tcp, 20), (&Body::Udp { payload: 40 }, 8)] {
            let whole = |tagged| plain(link, two(ipv6), body, tagged);
            assert_eq!([false, true].map(|tagged| run(&program, &whole(tagged))), [0, 0]);
            for frame in forms.iter().flat_map(|form| formed(link, two(ipv6), body, form)) {
                assert_eq!(run(&program, &frame), LONGEST, "{frame:?}");
            }
            let network = if link == LinkType::ETHERNET { 14 } else { 0 };
            let internet = if ipv6 { 40 } else { 20 };
            let headers = network + internet + transport;
            for len in 0..whole(false).bytes.len() {
                let mut cut = whole(false);
                cut.bytes.truncate(len);
                assert_eq!(run(&program, &cut) == 0, len >= headers, "{cut:?}");
            }
            // What IP says of its length counts likewise: in version 4 with its header.
            for len in 0..80 {
                let said = usize::from(len) + if ipv6 { internet } else { 0 };
                let frame = formed(link, two(ipv6), body, &Form::Length(len)).remove(0);
                assert_eq!(run(&program, &frame) == 0, said >= internet + transport, "{frame:?}");
            }
        }
    }
}

#[test]
fn a_filter_too_long_for_a_program_leaves_out_nothing() {
    let hosts = |count: u32| (0..count).map(|host| format!("ip.addr == 10.1.{}.{}", host / 200, host % 200));
    let text = |count| hosts(count).collect::<Vec<_>>().join(" or ");
    for count in 1..400 {
        let program = program(LinkType::ETHERNET, LONGEST, &text(count));
        attach(&UnixDatagram::unbound().unwrap(), &program);
        assert!(program.instructions.len() <= MOST && program.prefilters == (count < 39), "{count}");
        if !program.prefilters {
            assert_eq!(program.instructions, [Instruction::keep(LONGEST)]);
        }
    }
}

#[test]
fn what_counts_frames_leaves_out_none() {
    for text in
        ["tcp.stream == 0", "udp and frame.number > 1", "not frame.time_relative < 1", "", "frame or tcp"]
    {
        assert!(!program(LinkType::ETHERNET, LONGEST, text).prefilters, "{text}");
    }
    assert!(program(LinkType::ETHERNET, LONGEST, "tcp").prefilters);
    assert!(!program(LinkType::ETHERNET, FEWEST - 1, "tcp").prefilters);
}

#[test]
fn of_all_interfaces_the_copy_that_leaves_on_loopback_is_left_out() {
    let prefilter = Filter::parse("udp.port == 80").unwrap().prefilter();
    for prefilter in [Prefilter::EVERYTHING, prefilter] {
        let options = Options { prefilter, ..Options::default() };
        let program = Program::new(Place::Everywhere, LinkType::LINUX_SLL2, 99, &options);
        let frame =
            |hardware, direction| Taken { bytes: vec![1], protocol: 3, vlan: None, hardware, direction };
        let kept = [(772, 4), (772, 0), (1, 4), (1, 0)]
            .map(|(hardware, direction)| run(&program.instructions, &frame(hardware, direction)));
        assert_eq!(kept, [0, 99, 99, 99]);
    }
}
