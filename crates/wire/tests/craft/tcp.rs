//! Conversations: one for each rule of the analysis, and random ones.

use super::packets::{A, ACK, B, Capture, Dice, FIN, Ip, PSH, RST, SYN, Tcp, ethernet, ip4};

const RAW: u32 = 101;

/// A conversation being written: `c` is the client, `s` the server.
#[derive(Default)]
struct Talk {
    port: u16,
    now: u64,
    frames: Vec<(u64, Vec<u8>, usize)>,
}

impl Talk {
    /// Another conversation, a second later.
    fn next(&mut self) -> &mut Self {
        self.port += 1;
        self.wait(1_000_000_000)
    }

    fn wait(&mut self, nanos: u64) -> &mut Self {
        self.now += nanos;
        self
    }

    fn put(&mut self, from_server: bool, segment: &Tcp) -> &mut Self {
        let (source, destination) = if from_server { (B, A) } else { (A, B) };
        let frame = Ip { source, destination, ..Ip::new(6) }.with(&segment.bytes());
        let len = frame.len();
        self.now += 1_000_000;
        self.frames.push((self.now, frame, len));
        self
    }

    fn c(&mut self, flags: u16, seq: u32, ack: u32) -> &mut Self {
        self.client(flags, seq, ack, |_| {})
    }

    fn s(&mut self, flags: u16, seq: u32, ack: u32) -> &mut Self {
        self.server(flags, seq, ack, |_| {})
    }

    fn client(&mut self, flags: u16, seq: u32, ack: u32, change: impl FnOnce(&mut Tcp)) -> &mut Self {
        let mut segment = Tcp::new((1000 + self.port, 80), flags, seq, ack);
        change(&mut segment);
        self.put(false, &segment)
    }

    fn server(&mut self, flags: u16, seq: u32, ack: u32, change: impl FnOnce(&mut Tcp)) -> &mut Self {
        let mut segment = Tcp::new((80, 1000 + self.port), flags, seq, ack);
        change(&mut segment);
        self.put(true, &segment)
    }

    fn data(&mut self, seq: u32, ack: u32, len: usize) -> &mut Self {
        self.client(PSH | ACK, seq, ack, |segment| segment.payload = len)
    }

    fn open(&mut self) -> &mut Self {
        self.c(SYN, 100, 0).s(SYN | ACK, 500, 101).c(ACK, 101, 501)
    }

    fn done(self) -> Capture {
        Capture { link: RAW, frames: self.frames }
    }
}

fn scale(shift: u8) -> impl Fn(&mut Tcp) {
    move |segment| segment.options.extend([3, 3, shift, 1])
}

fn offered(shift: Option<u8>) -> impl Fn(&mut Tcp) {
    move |segment| {
        if let Some(shift) = shift {
            scale(shift)(segment);
        }
    }
}

fn window(window: u16) -> impl Fn(&mut Tcp) {
    move |segment| segment.window = window
}

pub(super) fn sack(edges: &[(u32, u32)]) -> Vec<u8> {
    let mut out = vec![1, 1, 5, u8::try_from(2 + edges.len() * 8).unwrap()];
    out.extend(edges.iter().flat_map(|(left, right)| [left.to_be_bytes(), right.to_be_bytes()].concat()));
    out
}

pub(crate) fn scenarios() -> Vec<(&'static str, Capture)> {
    vec![
        ("windows", windows()),
        ("keep_alive", keep_alive()),
        ("retransmissions", retransmissions()),
        ("unseen", unseen()),
        ("reused_ports", reused_ports()),
        ("endings", endings()),
        ("scales", scales()),
        ("again", again()),
        ("clocks", clocks()),
        ("headers_short", headers()),
        ("options", options()),
        ("flags", flags()),
        ("tcp_cut", Capture::cut_everywhere(1, &ethernet(0x0800, &whole()))),
        ("tcp_short", tcp_short()),
        ("random_1", random(1)),
        ("random_2", random(2)),
        ("random_3", random(3)),
        ("random_4", super::random::capture(4, 8)),
    ]
}

fn windows() -> Capture {
    let mut talk = Talk::default();
    // Fills the window, scaled and not; updates; closes, is probed, opens.
    talk.client(SYN, 100, 0, scale(3)).server(SYN | ACK, 500, 101, |segment| {
        scale(3)(segment);
        segment.window = 20;
    });
    talk.data(101, 501, 20).server(ACK, 501, 121, window(5)).data(121, 501, 40);
    talk.server(ACK, 501, 161, window(5)).server(ACK, 501, 161, window(7)).server(ACK, 501, 161, window(0));
    talk.data(161, 501, 1).server(ACK, 501, 161, window(0)).data(161, 501, 1);
    talk.server(ACK, 501, 162, window(0)).server(ACK, 501, 162, window(9)).data(162, 501, 5);
    talk.next().open().data(101, 501, 1000).server(FIN | ACK, 501, 1101, window(0)).data(1101, 502, 3);
    talk.done()
}

fn keep_alive() -> Capture {
    let mut talk = Talk::default();
    talk.open().data(101, 501, 10).s(ACK, 501, 111).wait(45_000_000_000);
    talk.c(ACK, 110, 501).s(ACK, 501, 111).wait(45_000_000_000).data(110, 501, 1).s(ACK, 501, 111);
    talk.data(110, 501, 2).s(ACK, 501, 112).c(ACK, 109, 501).c(ACK | FIN, 111, 501);
    talk.done()
}

fn retransmissions() -> Capture {
    let mut talk = Talk::default();
    // After a timeout, after three duplicates, of acknowledged bytes, and merely late.
    talk.open().data(101, 501, 10).wait(200_000_000).data(101, 501, 10).s(ACK, 501, 111);
    talk.next()
        .open()
        .data(101, 501, 10)
        .data(121, 501, 10)
        .s(ACK, 501, 111)
        .s(ACK, 501, 111)
        .s(ACK, 501, 111);
    talk.s(ACK, 501, 111).data(111, 501, 10).s(ACK, 501, 131).data(111, 501, 10).data(101, 501, 30);
    talk.next().open().data(121, 501, 10).wait(0).data(111, 501, 10).data(101, 501, 10).s(ACK, 501, 131);
    talk.next().open().data(101, 501, 10);
    for right in [131, 141] {
        talk.data(right - 10, 501, 10);
        talk.server(ACK, 501, 111, |segment| segment.options = sack(&[(121, right)]));
    }
    talk.wait(30_000_000).data(111, 501, 10).s(ACK, 501, 141);
    talk.next().c(SYN, 100, 0).wait(1_000_000_000).c(SYN, 100, 0).s(SYN | ACK, 500, 101).s(
        SYN | ACK,
        500,
        101,
    );
    talk.next()
        .open()
        .data(101, 501, 10)
        .data(111, 501, 10)
        .s(ACK, 501, 116)
        .s(ACK, 501, 121)
        .data(111, 501, 20);
    talk.next().open().c(FIN | ACK, 101, 501).c(FIN | ACK, 101, 501).s(FIN | ACK, 501, 102);
    talk.done()
}

fn unseen() -> Capture {
    let mut talk = Talk::default();
    talk.c(ACK, 5000, 7000).s(ACK, 7000, 5000).data(5000, 7000, 10).data(5020, 7000, 10).s(ACK, 7000, 5030);
    talk.next().open().data(101, 501, 10).data(121, 501, 10).s(ACK, 501, 121).s(ACK, 501, 131);
    talk.s(ACK, 501, 141).s(ACK, 501, 141).s(ACK, 501, 151).c(ACK, 131, 501).c(ACK, 131, 501);
    talk.next().open().c(ACK, 101, 501).c(ACK, 101, 501).s(ACK, 501, 121).s(ACK, 501, 131).c(ACK, 101, 501);
    talk.s(ACK, 501, 141).c(ACK, 101, 511).s(ACK, 501, 151).data(101, 501, 2).s(ACK, 501, 161);
    talk.next().open().s(ACK, 501, 121).c(ACK, 101, 501).s(ACK, 501, 131).c(ACK, 101, 501).c(ACK, 101, 501);
    talk.s(ACK, 501, 141).data(141, 501, 10).s(ACK, 501, 151).s(ACK, 501, 161).s(ACK, 501, 171);
    // The retransmission that such an acknowledgement makes a fast one.
    talk.data(161, 501, 5);
    // Numbers that wrap.
    talk.next().c(SYN, u32::MAX - 5, 0).s(SYN | ACK, u32::MAX, u32::MAX - 4).c(ACK, u32::MAX - 4, 0);
    talk.data(u32::MAX - 4, 0, 20).s(ACK, 0, 15).data(15, 0, 5).data(u32::MAX - 4, 0, 20).s(ACK, 0, 20);
    talk.done()
}

fn reused_ports() -> Capture {
    let mut talk = Talk::default();
    talk.open()
        .data(101, 501, 10)
        .s(ACK, 501, 111)
        .c(SYN, 9000, 0)
        .s(SYN | ACK, 8000, 9001)
        .c(ACK, 9001, 8001);
    talk.data(9001, 8001, 3).s(ACK, 501, 111);
    talk.next()
        .c(SYN, 100, 0)
        .s(SYN | ACK, 500, 101)
        .s(SYN | ACK, 700, 101)
        .c(ACK, 101, 501)
        .c(ACK, 101, 701);
    talk.done()
}

fn endings() -> Capture {
    let mut talk = Talk::default();
    talk.open().c(FIN | ACK, 101, 501).s(ACK, 501, 102).s(FIN | ACK, 501, 102).c(ACK, 102, 502);
    talk.next().c(SYN, 100, 0).s(RST | ACK, 0, 101);
    talk.next().open().data(101, 501, 10).s(RST | ACK, 501, 111);
    talk.next().open().c(FIN | ACK, 101, 501).s(ACK, 501, 102).s(PSH | ACK, 501, 102).c(RST, 102, 0);
    talk.next().open().c(FIN | ACK, 101, 501).s(FIN | ACK, 501, 101).c(ACK, 102, 502).s(ACK, 502, 102);
    talk.next().open().data(101, 501, 5).wait(300_000_000_000).c(RST, 106, 0);
    talk.next().c(SYN, 100, 0).wait(1_000_000_000).c(SYN, 100, 0).wait(2_000_000_000).c(SYN, 100, 0);
    talk.done()
}

fn scales() -> Capture {
    let mut talk = Talk::default();
    let offers = [(None, None), (Some(7), None), (None, Some(7)), (Some(7), Some(2)), (Some(15), Some(0))];
    for (client, server) in offers {
        talk.next().client(SYN, 100, 0, offered(client)).server(SYN | ACK, 500, 101, offered(server));
        talk.c(ACK, 101, 501)
            .s(ACK, 501, 101)
            .server(ACK, 501, 101, scale(1))
            .s(ACK, 501, 101)
            .c(ACK, 101, 501);
    }
    talk.next().client(ACK, 100, 501, scale(3)).c(ACK, 100, 501).s(ACK, 501, 100).s(SYN | ACK, 501, 100);
    talk.c(ACK, 100, 501);
    talk.done()
}

/// SYNs that are sent again, and what then counts: the scale, and what lies beyond a gap.
fn again() -> Capture {
    let mut talk = Talk::default();
    talk.client(SYN, 100, 0, scale(4)).s(SYN | ACK, 500, 101).client(SYN, 100, 0, scale(4)).s(
        SYN | ACK,
        500,
        101,
    );
    talk.c(ACK, 101, 501).s(ACK, 501, 101);
    talk.next().server(SYN | ACK, 500, 101, scale(4)).c(SYN, 100, 0).c(ACK, 101, 501).s(ACK, 501, 101);
    talk.next().open().data(110, 501, 3).c(SYN, 100, 0).data(101, 501, 3).data(113, 501, 3);
    talk.next()
        .open()
        .data(101, 501, 10)
        .data(120, 501, 3)
        .c(SYN, 100, 0)
        .data(110, 501, 3)
        .data(123, 501, 3);
    talk.next().open().server(ACK, 510, 101, |segment| segment.payload = 3).s(SYN, 500, 101);
    talk.server(ACK, 501, 101, |segment| segment.payload = 3);
    // A window that acknowledges nothing is still that of the SYN.
    for (flags, len) in [(PSH, 10), (PSH, 160), (PSH | ACK, 10), (PSH | ACK, 160)] {
        talk.next().client(SYN, 100, 0, scale(4)).server(SYN | ACK, 500, 101, |segment| {
            scale(4)(segment);
            segment.window = 10;
        });
        talk.server(flags, 501, 101, window(10)).data(101, 501, len);
    }
    talk.done()
}

/// Handshakes of which one header says an impossible length, or has a broken option: what still counts of it.
fn headers() -> Capture {
    let mut talk = Talk::default();
    let parts =
        [(SYN, false, 100, 0), (SYN | ACK, true, 500, 101), (ACK, false, 101, 501), (ACK, true, 501, 101)];
    let lists: [&[u8]; 2] = [&[], &[5, 3, 1, 3, 3, 4]];
    for (words, list, at) in [0, 2, 5, 15].into_iter().flat_map(|words| {
        lists.into_iter().flat_map(move |list| (0..parts.len()).map(move |at| (words, list, at)))
    }) {
        talk.next();
        for (turn, (flags, from_server, seq, ack)) in parts.into_iter().enumerate() {
            let change = |segment: &mut Tcp| {
                if flags & SYN != 0 {
                    scale(4)(segment);
                }
                if turn == at {
                    segment.options.extend(list);
                    segment.words = (words != 5).then_some(words);
                }
            };
            if from_server {
                talk.server(flags, seq, ack, change)
            } else {
                talk.client(flags, seq, ack, change)
            };
        }
        talk.data(101, 501, 10).data(121, 501, 10).wait(1_000_000).data(111, 501, 10);
        talk.server(ACK, 501, 111, |segment| {
            segment.options = sack(&[(121, 131)]);
            segment.words = Some(15);
        });
    }
    talk.done()
}

/// Clocks that run backwards, and that are too coarse for a handshake.
fn clocks() -> Capture {
    let mut talk = Talk::default();
    let gap = |talk: &mut Talk, shift: i64| {
        talk.data(101, 501, 10).data(121, 501, 10);
        let (now, before) = (talk.now, i64::try_from(talk.now).unwrap());
        talk.now = u64::try_from(before + shift).unwrap();
        talk.data(111, 501, 10).now = now;
    };
    for shift in [-2_000_000, 1_000_000, 5_000_000] {
        gap(talk.next().open(), shift);
        gap(talk.next(), shift);
        // The whole handshake, and the segment after it, in one tick; then backwards.
        for tick in [0, 1_100_000] {
            let mut now = talk.next().now;
            for (flags, seq, ack) in [(SYN, 100, 0), (SYN | ACK, 500, 101), (ACK, 101, 501)] {
                talk.now = now;
                if seq == 500 {
                    talk.s(flags, seq, ack)
                } else {
                    talk.c(flags, seq, ack)
                };
                now -= tick;
            }
            gap(talk.wait(1_000_000_000), shift);
        }
    }
    talk.next()
        .open()
        .data(101, 501, 10)
        .data(111, 501, 10)
        .s(ACK, 501, 101)
        .s(ACK, 501, 101)
        .s(ACK, 501, 101);
    talk.now -= 3_000_000;
    talk.data(101, 501, 10);
    talk.done()
}

fn options() -> Capture {
    let lists: [&[u8]; 37] = [
        &[2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 3, 3, 7],
        &[2, 4, 5, 0xb4, 0, 3, 3, 7],
        &[1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 9],
        &[1, 1, 5, 18, 0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0, 20, 0, 0, 0, 30],
        &[34, 2],
        &[34, 10, 1, 2, 3, 4, 5, 6, 7, 8],
        &[254, 4, 0xf9, 0x89],
        &[254, 8, 0xf9, 0x89, 1, 2, 3, 4],
        &[254, 4, 1, 2],
        &[253, 4, 1, 2],
        &[253, 2],
        &[19, 18, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
        &[29, 16, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14],
        &[28, 4, 0x80, 10],
        &[6, 6, 0, 0, 0, 5],
        &[7, 6, 0, 0, 0, 6],
        &[11, 6, 0, 0, 0, 7],
        &[12, 6, 0, 0, 0, 8],
        &[13, 6, 0, 0, 0, 9],
        &[172, 11, 0, 0, 1, 0, 0, 2, 0, 0, 3],
        &[172, 5, 0, 0, 1],
        &[172, 8, 0, 0, 1, 0, 0, 9],
        &[174, 11, 0, 0, 1, 0, 0, 2, 0, 0, 3],
        &[174, 2],
        &[9, 2, 10, 3, 1, 99, 4, 1, 2],
        &[2, 3, 5],
        &[2, 0],
        &[2, 1],
        &[2, 200, 1, 2],
        &[3, 2],
        &[3, 4, 1, 2],
        &[8, 6, 1, 2, 3, 4],
        &[5, 2],
        &[5, 5, 1, 2, 3],
        &[4, 3, 1],
        &[1, 1, 1, 2],
        &[30, 12, 0x00, 0x81, 1, 2, 3, 4, 5, 6, 7, 8],
    ];
    let mut talk = Talk::default();
    for list in lists {
        talk.next().client(SYN, 100, 0, |segment| segment.options = list.to_vec());
        talk.server(ACK, 500, 101, |segment| segment.options = list.to_vec());
    }
    talk.done()
}

fn flags() -> Capture {
    let mut talk = Talk::default();
    for flags in [0, 0x29, 0x3f, 0xfff, 0x40, 0x80, 0x100, 0x200, 0xe00, 0x30] {
        talk.next().client(flags, 1000, 2000, |segment| segment.urgent = 7);
    }
    // Accurate ECN, agreed on and not.
    for answer in [0x80, 0xc0, 0x100, 0x180, 0x40, 0x1c0, 0] {
        talk.next().c(SYN | 0x1c0, 100, 0).s(SYN | ACK | answer, 500, 101).c(ACK | 0x140, 101, 501);
        talk.s(ACK | 0x80, 501, 101);
    }
    for words in 0..16 {
        talk.next().client(ACK, 100, 200, |segment| (segment.words, segment.payload) = (Some(words), 24));
    }
    talk.done()
}

fn whole() -> Vec<u8> {
    let mut segment = Tcp::new((1000, 2000), PSH | ACK, 5, 6);
    segment.options = vec![2, 4, 5, 0xb4, 3, 3, 7, 1, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2];
    segment.payload = 5;
    ip4(6, &segment.bytes())
}

fn tcp_short() -> Capture {
    let segment = whole().split_off(20);
    Capture::of(RAW, (0..=segment.len()).map(|len| ip4(6, &segment[..len])).collect())
}

/// Two ends that talk over a network that loses, repeats and delays, seen by a capture that misses some.
fn random(seed: u64) -> Capture {
    let mut dice = Dice::new(seed);
    let mut talk = Talk::default();
    for _ in 0..12 {
        talk.next();
        one_life(&mut dice, &mut talk);
    }
    let mut capture = talk.done();
    capture.frames.sort_by_key(|(time, ..)| *time);
    capture
}

fn one_life(dice: &mut Dice, talk: &mut Talk) {
    let offers = [dice.pick(&[None, Some(2), Some(7)]), dice.pick(&[None, Some(2), Some(7)])];
    let mut next = [dice.roll(u32::MAX), dice.roll(u32::MAX)];
    let trip = u64::from(dice.pick(&[20u32, 300, 5_000, 60_000])) * 1000;
    let opening = [(SYN, 0), (SYN | ACK, 1), (ACK, 0)];
    for (flags, side) in opening {
        let ack = if flags & ACK == 0 { 0 } else { next[1 - side] };
        emit(dice, talk, side, &|segment| {
            (segment.flags, segment.seq, segment.ack, segment.window) = (flags, next[side], ack, 65_535);
            if flags & SYN != 0 {
                offered(offers[side])(segment);
            }
        });
        next[side] = next[side].wrapping_add(u32::from(flags & SYN != 0));
        talk.wait(trip);
    }
    for _ in 0..dice.roll(30) {
        let side = usize::try_from(dice.roll(2)).unwrap();
        burst(dice, talk, side, &mut next, trip);
    }
    let last = dice.pick(&[FIN | ACK, FIN | ACK, RST | ACK, ACK]);
    for side in [0, 1] {
        emit(dice, talk, side, &|segment| {
            (segment.flags, segment.seq, segment.ack) = (last, next[side], next[1 - side]);
        });
        next[side] = next[side].wrapping_add(u32::from(last & FIN != 0));
    }
}

/// Some segments, some of them lost and sent again, and their acknowledgements; or a keep-alive; or a closed window.
fn burst(dice: &mut Dice, talk: &mut Talk, side: usize, next: &mut [u32; 2], trip: u64) {
    let peer = 1 - side;
    match dice.roll(10) {
        0 => {
            emit(dice, talk, side, &|segment| {
                (segment.seq, segment.ack) = (next[side].wrapping_sub(1), next[peer]);
            });
            emit(dice, talk, peer, &|segment| (segment.seq, segment.ack) = (next[peer], next[side]));
        }
        1 => {
            for (from, window, payload) in [(peer, 0, 0), (side, 2000, 1), (peer, 0, 0), (peer, 2000, 0)] {
                emit(dice, talk, from, &|segment| {
                    (segment.seq, segment.ack) = (next[from], next[1 - from]);
                    (segment.window, segment.payload) = (window, payload);
                });
            }
        }
        _ => {
            let mut lost = Vec::new();
            let mut reached = next[side];
            for _ in 0..=dice.roll(6) {
                let len = dice.pick(&[1, 5, 100, 536]);
                let seq = next[side];
                next[side] = seq.wrapping_add(len);
                let missing = dice.roll(8) == 0;
                if missing {
                    lost.push((seq, len));
                }
                if !missing || dice.roll(2) == 0 {
                    send(dice, talk, side, (seq, len), next[peer]);
                }
                if lost.is_empty() {
                    reached = next[side];
                }
                let blocks = if lost.is_empty() { Vec::new() } else { sack(&[(seq, next[side])]) };
                emit(dice, talk, peer, &|segment| {
                    (segment.seq, segment.ack) = (next[peer], reached);
                    segment.options.clone_from(&blocks);
                });
            }
            for segment in lost {
                talk.wait(u64::from(dice.pick(&[1u32, 3_000, 10_000, 250_000])) * 1000);
                send(dice, talk, side, segment, next[peer]);
            }
            talk.wait(trip);
            emit(dice, talk, peer, &|segment| (segment.seq, segment.ack) = (next[peer], next[side]));
        }
    }
}

fn send(dice: &mut Dice, talk: &mut Talk, side: usize, (seq, len): (u32, u32), ack: u32) {
    emit(dice, talk, side, &|segment| {
        (segment.seq, segment.ack) = (seq, ack);
        segment.payload = usize::try_from(len).unwrap();
    });
}

/// A segment as the capture sees it: not at all, once, or twice.
fn emit(dice: &mut Dice, talk: &mut Talk, side: usize, change: &dyn Fn(&mut Tcp)) {
    let copies = match dice.roll(40) {
        0 => 0,
        1 => 2,
        _ => 1,
    };
    for _ in 0..copies {
        if side == 0 {
            talk.client(ACK, 0, 0, |segment| {
                segment.window = 2000;
                change(segment);
            });
        } else {
            talk.server(ACK, 0, 0, |segment| {
                segment.window = 2000;
                change(segment);
            });
        }
    }
}
