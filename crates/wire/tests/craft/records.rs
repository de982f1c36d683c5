//! Records of DNS of every kind that is read, whole and with data that is too short.

use super::packets::{Capture, be, ip4, udp};

const RAW: u32 = 101;

pub(crate) fn scenarios() -> Vec<(&'static str, Capture)> {
    vec![
        (
            "records",
            Capture::of(RAW, samples().iter().map(|(kind, data)| answer(*kind, data, &[])).collect()),
        ),
        ("records_short", Capture::of(RAW, shorter())),
        ("records_filled_short", Capture::of(RAW, filled())),
        ("records_followed_short", Capture::of(RAW, followed())),
        ("records_hashed_short", Capture::of(RAW, hashed())),
        ("records_options_short", Capture::of(RAW, options())),
    ]
}

/// A response with one record of the name that is asked for, and bytes after it.
fn answer(kind: u16, data: &[u8], after: &[u8]) -> Vec<u8> {
    let asked = [b"\x07example\x03com\0", &be(&[kind, 1])[..]].concat();
    let record = [&[0xc0, 12][..], &be(&[kind, 1, 0, 60, u16::try_from(data.len()).unwrap()]), data].concat();
    ip4(17, &udp(40_000, 53, &[&be(&[7, 0x8180, 1, 1, 0, 0])[..], &asked, &record, after].concat()))
}

/// Kinds and the data of one.
fn samples() -> Vec<(u16, Vec<u8>)> {
    let name = &b"\x01a\x01b\0"[..];
    let two = [name, b"\x01c\0"].concat();
    let after = |zeros: usize, rest: &[u8]| [&vec![0; zeros][..], rest].concat();
    vec![
        (1, vec![1, 2, 3, 4]),
        (2, name.into()),
        (6, [&two[..], &[0; 20]].concat()),
        (10, vec![1, 2]),
        (11, vec![1, 2, 3, 4, 6, 17]),
        (13, b"\x03ARM\x05LINUX".into()),
        (13, vec![0, 0]),
        (13, b"\0\x01b".into()),
        (14, two.clone()),
        (15, after(2, name)),
        (16, b"\x02ab\x01c".into()),
        (17, two.clone()),
        (18, after(2, name)),
        (19, b"\x02ab".into()),
        (20, b"\x02ab\x01c".into()),
        (23, name.into()),
        (24, after(18, &two)),
        (25, after(4, b"key")),
        (26, after(2, &two)),
        (27, b"\x01a\x01b\x01c".into()),
        (28, vec![3; 16]),
        (29, vec![0; 16]),
        (29, vec![1]),
        (30, [name, &[0, 1]].concat()),
        (33, [&be(&[1, 2, 3]), name].concat()),
        (35, [&be(&[1, 2]), &b"\x01U\x03sip\x02re"[..], name].concat()),
        (35, after(4, &[0; 4])),
        (36, after(2, name)),
        (37, after(5, b"cert")),
        (38, [&[9][..], &[0x20; 15], name].concat()),
        (38, vec![0; 17]),
        (38, [&[128][..], name].concat()),
        (41, [&be(&[10, 8]), &[7; 8][..]].concat()),
        (42, vec![0, 1, 16, 2, 10, 1, 0, 2, 8, 1, 32]),
        (43, after(4, b"digest")),
        (44, after(2, b"print")),
        (45, [&[1, 3, 1][..], name, b"key"].concat()),
        (45, vec![1, 1, 1, 1, 2, 3, 4]),
        (45, [&[1, 2, 1][..], &[5; 16]].concat()),
        (45, vec![1, 0, 1, 7]),
        (46, after(18, name)),
        (47, [name, &[0, 2, 1, 2]].concat()),
        (48, after(4, b"key")),
        (51, b"\x01\0\0\x05\x02ab".into()),
        (52, after(3, b"hash")),
        (55, [&b"\x02\x01\0\x03abcde"[..], &two].concat()),
        (59, after(4, b"d")),
        (60, after(4, b"k")),
        (62, after(6, &[0, 1, 4])),
        (63, after(6, b"d")),
        (64, [&[0, 1][..], name, &be(&[3, 2, 80])].concat()),
        (
            65,
            [
                &be(&[1]),
                &b"\0"[..],
                &be(&[0, 4, 1, 4, 1, 6]),
                b"\x02h2\x02h3",
                &be(&[4, 8]),
                &[9; 8],
                &be(&[2, 0]),
            ]
            .concat(),
        ),
        (
            65,
            [&be(&[1]), &b"\0"[..], &be(&[5, 2]), b"ec", &be(&[6, 16]), &[9; 16], &be(&[7, 1]), b"x"]
                .concat(),
        ),
        (99, b"\x02ab".into()),
        (104, vec![0; 10]),
        (105, vec![0; 6]),
        (106, vec![0; 10]),
        (107, after(2, name)),
        (108, vec![0; 6]),
        (109, vec![0; 8]),
        (249, [name, &[0; 12], b"\0\x01a\0\x01b"].concat()),
        (250, [name, &[0; 8], b"\0\x02ab", &[0; 4], b"\0\x01x"].concat()),
        (257, b"\0\x05issueca".into()),
        (32769, after(4, b"d")),
        (65281, [&[0; 12][..], &[0, 0, 0, 2], &[5; 8]].concat()),
        (65282, after(12, name)),
        (2, vec![0xc0, 0xff]),
        (2, vec![0xc0, 12]),
        (6, b"\xc0\x0c\xc0\xff".into()),
        (15, vec![0, 1, 0xcf, 0xff]),
    ]
}

/// Data that ends earlier and earlier, with the message.
fn shorter() -> Vec<Vec<u8>> {
    let samples = samples();
    let cut = |(kind, data): &(u16, Vec<u8>)| {
        (0..data.len()).map(|len| answer(*kind, &data[..len], &[])).collect::<Vec<_>>()
    };
    samples.iter().flat_map(cut).collect()
}

/// Data of zeros and of ones, of kinds known and unknown.
fn filled() -> Vec<Vec<u8>> {
    let kinds = (1..=110).chain([249, 250, 253, 255, 256, 257, 258, 32768, 32769, 65280, 65281, 65282]);
    let ones = |kind| [1, 2, 5, 7, 17, 40].map(|len| answer(kind, &vec![u8::from(kind != 13); len], &[]));
    kinds
        .flat_map(|kind| {
            [1, 4, 6, 9, 16, 40].map(|len| answer(kind, &vec![0; len], &[])).into_iter().chain(ones(kind))
        })
        .collect()
}

/// Data that is too short, and bytes after it.
fn followed() -> Vec<Vec<u8>> {
    let kinds = (1..=110).chain([249, 250, 257, 32769, 65282]);
    kinds
        .flat_map(|kind| [1, 2, 3, 4, 5, 9, 17, 18].map(|len| answer(kind, &vec![0; len], &[0; 60])))
        .collect()
}

/// Hashes of all lengths, before a bitmap and not.
fn hashed() -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    for len in 0..=21u8 {
        for bitmap in [&[][..], &[0, 1, 4], &[0, 1]] {
            for after in [&[][..], &[0]] {
                let hash = vec![7; usize::from(len)];
                out.push(answer(50, &[&[1, 0, 0, 5, 2, 1, 2, len][..], &hash, bitmap].concat(), after));
            }
        }
    }
    out
}

/// Options of EDNS and parameters of services, of all kinds and lengths.
fn options() -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    for code in (0..=16).chain([26_946, 65_001]) {
        for len in (0..=9).chain([15, 16, 17, 32]) {
            let option = [be(&[code, len]), vec![1; usize::from(len)]].concat();
            out.push(answer(41, &option, &[]));
            out.push(answer(65, &[&[0, 1, 0][..], &option].concat(), &[]));
        }
    }
    out
}
