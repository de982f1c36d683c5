//! Messages of ICMP that are seldom seen, with several options, and of all lengths.

use super::packets::{Capture, icmp, icmp6, ip4, v6};

const RAW: u32 = 101;

pub(crate) fn scenarios() -> Vec<(&'static str, Capture)> {
    let listeners =
        [&[143, 0, 0, 0, 0, 0, 0, 2, 4, 1, 0, 1][..], &[0xff; 32], &[0; 4], &[2, 0, 0, 0], &[0xff; 16]]
            .concat();
    let neighbour =
        [&[136, 0, 0, 0, 96, 0, 0, 0][..], &v6(7), &link(2, 9), &link(1, 8), &link(2, 7)].concat();
    vec![
        ("router_advertisements", Capture::of(RAW, router_advertisements())),
        ("icmp_lengths_short", Capture::of(RAW, lengths())),
        ("neighbour_options", Capture::of(RAW, neighbour_options())),
        ("icmpv6_lengths_short", Capture::of(RAW, lengths6())),
        ("neighbour_cut", Capture::cut_everywhere(RAW, &send6(&neighbour))),
        ("listeners_cut", Capture::cut_everywhere(RAW, &send6(&listeners))),
        (
            "listeners_short",
            Capture::of(RAW, (4..=listeners.len()).map(|len| send6(&listeners[..len])).collect()),
        ),
    ]
}

fn send6(message: &[u8]) -> Vec<u8> {
    icmp6(v6(1), v6(2), message)
}

fn link(kind: u8, last: u8) -> [u8; 8] {
    [kind, 1, 2, 0, 0, 0, 0, last]
}

/// Of routers that are agents of mobile IP, and that could be.
fn router_advertisements() -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    for code in [0, 16, 1] {
        for addresses in [0, 1, 2] {
            let agent = [16, 6, 0, 1, 0, 1, 128, 0];
            let care_of = [16, 10, 0, 1, 0, 1, 128, 0, 10, 0, 0, 9];
            let extensions: [&[u8]; 8] =
                [&[], &[0], &[0, 0], &agent, &care_of, &[19, 1, 32], &agent[..5], &[16]];
            for extension in extensions {
                let head = [9, code, 0, 0, addresses, 2, 7, 8];
                let list = vec![0; usize::from(addresses) * 8];
                out.push(ip4(1, &icmp(&[], [&head[..], &list, extension].concat())));
            }
        }
    }
    out
}

/// Every type, of every length from none to more than a header.
fn lengths() -> Vec<Vec<u8>> {
    let kinds = (0..=46).filter(|kind| *kind != 9);
    kinds
        .flat_map(|kind| (0..=24).map(move |len| ip4(1, &[&[kind, 0][..], &[0; 24]].concat()[..len])))
        .collect()
}

/// Options with hardware addresses, one and several, in every message that has options.
fn neighbour_options() -> Vec<Vec<u8>> {
    let one = [&link(1, 9)[..], &link(2, 8), &link(5, 0), &link(1, 7)].concat();
    let long = [&[1, 2][..], &[3; 14], &[2, 2], &[4; 14], &[2, 3], &[5; 22], &link(2, 8)].concat();
    let padded = |kind: u8| [&[kind, 2][..], &[6; 8], &[0; 6]].concat();
    let padded = [padded(1), padded(2)].concat();
    let ended = [&link(2, 8)[..], &[2, 0, 0, 0, 0, 0, 0, 0], &link(2, 7)].concat();
    let mut out = Vec::new();
    for (kind, fixed) in [
        (133, 8),
        (134, 16),
        (135, 24),
        (136, 24),
        (137, 40),
        (141, 8),
        (142, 8),
        (147, 8),
        (148, 8),
        (149, 12),
    ] {
        for options in [&one, &long, &padded, &ended] {
            out.push(send6(&[&[kind][..], &vec![0; fixed - 1], options].concat()));
        }
    }
    for kind in [150, 154] {
        out.extend((0..=6).map(|subtype| send6(&[&[kind, 0, 0, 0, subtype, 0, 0, 0][..], &one].concat())));
    }
    out
}

/// Messages with fixed parts and options, of every length.
fn lengths6() -> Vec<Vec<u8>> {
    let kinds = [130, 133, 134, 135, 136, 137, 141, 142, 143, 145, 147, 148, 150, 154];
    let message = |kind: u8, fill: u8| [&[kind, 0, 0, 0][..], &[fill; 60]].concat();
    let all = |kind, fill| (4..=64).map(move |len| send6(&message(kind, fill)[..len]));
    kinds.into_iter().flat_map(|kind| all(kind, 0).chain(all(kind, 1))).collect()
}
