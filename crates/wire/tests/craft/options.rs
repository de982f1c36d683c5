//! TCP options of every length, whole and cut, and accurate ECN that is agreed on, shown by an option, or neither.

use super::packets::{A, ACK, B, Capture, Dice, Ip, SYN, Tcp, ip4};

const RAW: u32 = 101;

pub(crate) fn scenarios() -> Vec<(&'static str, Capture)> {
    let all = Capture::of(RAW, segments().iter().map(|segment| ip4(6, segment)).collect());
    // What is said to be as long on the wire, and what really is as short.
    let mut cut = Capture::of(RAW, Vec::new());
    let mut short = Capture::of(RAW, Vec::new());
    for segment in segments() {
        let whole = ip4(6, &segment);
        let lengths = 42..=whole.len();
        cut.frames.extend(lengths.clone().map(|len| (0, whole[..len].to_vec(), whole.len())));
        short.frames.extend(lengths.map(|len| ip4(6, &segment[..len - 20])).map(|frame| {
            let len = frame.len();
            (0, frame, len)
        }));
    }
    vec![
        ("options_lengths", all),
        ("options_lengths_cut", cut),
        ("options_lengths_short", short),
        ("accurate_ecn", Capture::of(RAW, accurate_ecn(false).into_iter().map(|(frame, _)| frame).collect())),
        (
            "accurate_ecn_cut",
            Capture {
                link: RAW,
                frames: (0..)
                    .zip(accurate_ecn(true))
                    .map(|(at, (frame, len))| (at * 1_000_000, frame, len))
                    .collect(),
            },
        ),
    ]
}

/// Segments of which each ends with another option, of the right length and of all those around it.
fn segments() -> Vec<Vec<u8>> {
    let kinds = [2, 3, 4, 5, 6, 8, 11, 13, 19, 20, 21, 22, 27, 28, 29, 34, 77, 172, 174];
    let experiments: [&[u8]; 5] =
        [&[253, 0xac, 0xc0], &[254, 0xac, 0xc1], &[253, 0xf9, 0x89], &[253, 0xac, 0xce], &[254]];
    let kinds = kinds.iter().map(std::slice::from_ref).chain(experiments);
    let mut options: Vec<Vec<u8>> = Vec::new();
    for (kind, id) in kinds.filter_map(<[u8]>::split_first) {
        for len in (2..=14u8).filter(|len| usize::from(*len) >= id.len() + 2) {
            let mut option = [&[*kind, len], id].concat();
            option.extend((1..).take(usize::from(len) - option.len()));
            options.push(option);
        }
    }
    options.extend([
        vec![8, 0],
        vec![8, 1],
        vec![3, 9],
        vec![5, 0],
        vec![5, 26],
        vec![30, 2],
        vec![30, 3, 1],
    ]);
    options.extend((0..16).map(|rate| vec![27, 8, rate, 1, 2, 3, 4, 5]));
    options.extend((0..8).map(|bit| vec![20, 4, 1 << bit, bit]));
    options.push(vec![20, 4, 0xff, 9]);
    let ports = (1000..).zip(options);
    ports
        .map(|(port, option)| {
            // In front of it, so that it ends the header.
            let before = vec![1; option.len().next_multiple_of(4) - option.len()];
            let options = [before, option].concat();
            Tcp { options, payload: 2, ..Tcp::new((port, 2), ACK, 5, 6) }.bytes()
        })
        .collect()
}

/// Short conversations whose SYNs and answers offer and agree on anything, some with an option; and how long each frame is.
fn accurate_ecn(cut: bool) -> Vec<(Vec<u8>, usize)> {
    let mut dice = Dice::new(9);
    let mut out = Vec::new();
    for port in 1..60 {
        for _ in 0..8 {
            let kind = dice.pick(&[SYN, SYN | ACK, ACK, ACK, ACK, ACK]);
            let back = if kind == ACK { dice.one_in(2) } else { kind != SYN };
            let (ports, [seq, ack]) = if back { ((80, port), [500, 100]) } else { ((port, 80), [100, 500]) };
            let (source, destination) = if back { (B, A) } else { (A, B) };
            let ecn = dice.pick(&[0, 7, 7, 2, 3, 4, 6, 1, 5]) << 6;
            let mut segment = Tcp::new(ports, kind | ecn, seq + u32::from(kind == ACK), ack + 1);
            segment.payload = usize::try_from(dice.roll(3)).unwrap();
            if dice.one_in(10) {
                segment.options = option(&mut dice);
            }
            let frame = Ip { source, destination, ..Ip::new(6) }.with(&segment.bytes());
            let kept = if cut && dice.one_in(3) {
                36 + dice.roll(u32::try_from(frame.len()).unwrap() - 36)
            } else {
                999
            };
            let kept = frame.len().min(usize::try_from(kept).unwrap());
            out.push((frame[..kept].to_vec(), frame.len()));
        }
    }
    out
}

/// One of accurate ECN, of some length, behind another one.
fn option(dice: &mut Dice) -> Vec<u8> {
    let before: [&[u8]; 5] = [&[], &[1], &[5, 2], &[3, 3, 2], &[8, 10, 0, 0, 0, 0, 0, 0, 0, 0]];
    let ids: [&[u8]; 4] = [&[172], &[174], &[253, 0xac, 0xc0], &[254, 0xac, 0xc1]];
    let [kind, id @ ..] = dice.pick(&ids) else { unreachable!("each has a kind") };
    let counters = dice.pick(&[0, 3, 6, 9, 9, 4]);
    let len = u8::try_from(2 + id.len() + counters).unwrap();
    [dice.pick(&before), &[*kind, len], id, &vec![7; counters]].concat()
}
