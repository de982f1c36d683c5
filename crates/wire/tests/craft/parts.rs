//! Parts of datagrams that repeat, overlap, contradict each other and are missing; messages that are short and cut, too.

use super::packets::{Capture, Dice, Ip, icmp6, ip4, ip6, udp, v6};

const RAW: u32 = 101;

pub(crate) fn scenarios() -> Vec<(&'static str, Capture)> {
    vec![
        ("fragments_any", Capture::of(RAW, fragments(false))),
        ("fragments6_any", Capture::of(RAW, fragments(true))),
        ("listeners_records_cut", Capture { link: RAW, frames: listeners() }),
        ("dns_header_cut", Capture { link: RAW, frames: headers() }),
        ("servers_short", Capture::of(RAW, servers())),
        ("nul", Capture::of(RAW, nul())),
    ]
}

/// Datagrams of few ids, their parts mixed, and some of their fields changed.
fn fragments(ipv6: bool) -> Vec<Vec<u8>> {
    let mut dice = Dice::new(if ipv6 { 6 } else { 4 });
    let mut out = Vec::new();
    for _ in 0..80 {
        let id = 1 + u16::try_from(dice.roll(4)).unwrap();
        let datagram = udp(1000, 2000, &vec![0; dice.pick(&[16, 32, 56, 92])]);
        let mut parts = Vec::new();
        let mut at = 0;
        while at < datagram.len() {
            let end = datagram.len().min(at + dice.pick(&[8, 16, 24]));
            let (offset, more) = (u16::try_from(at / 8).unwrap(), end < datagram.len());
            let part = &datagram[at..end];
            parts.push(if ipv6 {
                let head =
                    [&[17, 0][..], &(offset << 3 | u16::from(more)).to_be_bytes(), &[0, 0, 0, 0]].concat();
                let mut header = head;
                header[6..8].copy_from_slice(&id.to_be_bytes());
                ip6(44, v6(1), v6(2), &[&header, part].concat())
            } else {
                Ip { id, flags_offset: offset | u16::from(more) << 13, ..Ip::new(17) }.with(part)
            });
            at = end;
        }
        mix(&mut dice, &mut parts, if ipv6 { &[42, 43, 44, 47, 40, 4, 5] } else { &[4, 5, 6, 7] });
        out.extend(parts);
    }
    out
}

/// Repeats a part, leaves one out, swaps two, turns a bit at one of these places.
fn mix(dice: &mut Dice, parts: &mut Vec<Vec<u8>>, places: &[usize]) {
    let place = |dice: &mut Dice, parts: &Vec<Vec<u8>>| {
        usize::try_from(dice.roll(u32::try_from(parts.len()).unwrap())).unwrap()
    };
    if dice.one_in(3) {
        let (one, other) = (place(dice, parts), place(dice, parts));
        parts.swap(one, other);
    }
    if dice.one_in(3) {
        let (from, to) = (place(dice, parts), place(dice, parts));
        let part = parts[from].clone();
        parts.insert(to, part);
    }
    if dice.one_in(3) {
        let (at, byte, bit) = (place(dice, parts), dice.pick(places), dice.roll(8));
        parts[at][byte] ^= 1 << bit;
    }
    if dice.one_in(4) {
        parts.remove(place(dice, parts));
    }
}

/// Reports of listeners with records that reach past the message, at every length and cut at every length.
fn listeners() -> Vec<(u64, Vec<u8>, usize)> {
    let group = |kind: u8, auxiliary: u8, sources: u8, promised: u8| {
        let mut record = vec![kind, auxiliary, 0, promised];
        record.extend([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 22]);
        record.extend(vec![7; usize::from(sources) * 16 + usize::from(auxiliary) * 4]);
        record
    };
    let mut out = Vec::new();
    for records in [[group(2, 1, 2, 2), group(4, 0, 0, 0)], [group(1, 0, 1, 2), Vec::new()]] {
        let message = [&[143, 0, 0, 0, 0, 0, 0, 2][..], &records.concat()].concat();
        for len in (5..=message.len()).step_by(3).chain([message.len()]) {
            let frame = icmp6(v6(1), v6(2), &message[..len]);
            out.extend((44..=frame.len()).step_by(2).map(|cut| (0, frame[..cut].to_vec(), frame.len())));
        }
    }
    out
}

/// Headers of DNS, whole and not, and cut.
fn headers() -> Vec<(u64, Vec<u8>, usize)> {
    let message = [&[0x12, 0x34, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], b"\x03www\0\0\x01\0\x01"].concat();
    let mut out = Vec::new();
    for (port, len) in [53, 5353, 5355].into_iter().flat_map(|port| (0..=14).map(move |len| (port, len))) {
        let frame = ip4(17, &udp(port, port, &message[..len]));
        out.extend((28..=frame.len()).map(|cut| (0, frame[..cut].to_vec(), frame.len())));
    }
    out
}

fn record(kind: u16, data: &[u8]) -> Vec<u8> {
    let len = u16::try_from(data.len()).unwrap();
    [&[0][..], &kind.to_be_bytes(), &[0, 1, 0, 0, 0, 60], &len.to_be_bytes(), data].concat()
}

/// Lists of WINS servers of every length, and another record after them or nothing.
fn servers() -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    for servers in [0, 1, 3, 9] {
        let data = [&[0; 15][..], &[servers], &[10, 0, 0, 1].repeat(4)].concat();
        for (len, after) in (0..=data.len()).flat_map(|len| [(len, 0), (len, 1), (len, 4)]) {
            let head = [0, 1, 0x84, 0, 0, 0, 0, 1 + u8::from(after > 0), 0, 0, 0, 0];
            let message =
                [&head[..], &record(65281, &data[..len]), &record(1, &[1, 2, 3, 4]).repeat(after)].concat();
            out.push(ip4(17, &udp(53, 53, &message)));
        }
    }
    out
}

/// Names and texts that hold a zero byte.
fn nul() -> Vec<Vec<u8>> {
    let (name, text) = (b"\x03a\0b\x02\0c\0", b"\x03a\0b\x02cd");
    let named = [5, 12, 39].map(|kind| record(kind, name));
    let texts = [(13, &text[..]), (35, &[&[0, 1, 0, 2][..], text, text, b"\0"].concat()), (16, text)]
        .map(|(kind, data)| record(kind, data));
    let answers = named.into_iter().chain(texts).map(|record| {
        let head = [0, 1, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        ip4(17, &udp(53, 53, &[&head[..], &record].concat()))
    });
    answers.collect()
}
