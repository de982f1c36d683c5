//! Findings, ends and reassembly over crafted captures; expected values reckoned by hand from the scenarios.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what it expects by unwrapping"
)]

mod craft;

use craft::packets::{ACK, Capture, FIN, Ip, PSH, SYN, Tcp};
use enchufe_wire::file::{Item, Reader};
use enchufe_wire::finding::{FindingId, Findings};
use enchufe_wire::follow::{Content, Follow};
use enchufe_wire::outline::Outlines;
use enchufe_wire::session::{Frame, Session};
use enchufe_wire::tcp::{End, Flag, Limits};

fn each(capture: &Capture, session: &mut Session, mut with: impl FnMut(&Frame<'_>)) {
    let mut reader = Reader::new();
    reader.feed(&capture.pcap());
    while let Some(item) = reader.next().unwrap() {
        if let Item::Packet(record) = item {
            with(&session.frame(&record));
        }
    }
}

fn scenario(wanted: &str) -> Capture {
    craft::all().into_iter().find(|(name, _)| *name == wanted).unwrap().1
}

#[test]
fn every_kind_of_end_is_told_apart() {
    let mut session = Session::new(Limits::default());
    let mut findings = Findings::new();
    each(&scenario("endings"), &mut session, |frame| findings.frame(frame));
    let conversations = session.conversations();
    let ends: Vec<_> = conversations.sorted().iter().map(|conversation| conversation.end()).collect();
    let reset = |by_b, frame| End::Reset { by_b, frame };
    assert_eq!(
        ends,
        [
            End::Closed,
            reset(true, 9),
            reset(true, 14),
            reset(false, 21),
            End::Closed,
            reset(false, 33),
            End::Open
        ]
    );
    let found = findings.finish(conversations);
    // Whose port, what it answers, nanoseconds since the packet before it.
    let resets: Vec<_> = found
        .iter()
        .filter_map(|finding| Some((finding.by?.port, finding.reset?.answers, finding.reset?.idle)))
        .collect();
    assert_eq!(
        resets,
        [
            (80, Some(8), 1_000_000),
            (80, None, 1_000_000),
            (1003, Some(20), 1_000_000),
            (1005, None, 300_001_000_000),
        ]
    );
    let ids: Vec<_> = found
        .into_iter()
        .filter(|finding| !matches!(finding.id, FindingId::Flag(_)))
        .map(|finding| (finding.stream, finding.id, finding.packets))
        .collect();
    assert_eq!(
        ids,
        [
            (1, FindingId::Refused, vec![9]),
            (2, FindingId::Unread, vec![14]),
            (3, FindingId::Aborted, vec![21]),
            (5, FindingId::Aborted, vec![33]),
            (6, FindingId::Unanswered, vec![34]),
        ]
    );
}

#[test]
fn a_flag_is_a_finding_with_its_packets() {
    let mut session = Session::new(Limits::default());
    let mut findings = Findings::new();
    each(&scenario("retransmissions"), &mut session, |frame| findings.frame(frame));
    let found = findings.finish(session.conversations());
    let of = |flag: Flag| -> Vec<u64> {
        let found = found.iter().filter(|finding| finding.id == FindingId::Flag(flag));
        found.flat_map(|finding| finding.packets.clone()).collect()
    };
    assert_eq!(of(Flag::FastRetransmission), [16]);
    assert!(found.is_sorted_by_key(|finding| std::cmp::Reverse(finding.id.severity())));
    assert_eq!(FindingId::Flag(Flag::FastRetransmission).rfc().number, 5681);
}

/// Segments in raw IP, a millisecond apart.
fn captured(segments: &[(bool, Tcp)]) -> Capture {
    let frames = segments.iter().map(|(from_b, segment)| {
        let (source, destination) = if *from_b { ([1; 4], [2; 4]) } else { ([2; 4], [1; 4]) };
        Ip { source, destination, ..Ip::new(6) }.with(&segment.bytes())
    });
    Capture::of(101, frames.collect())
}

/// Follows the first conversation; each chunk as its side, offset, and text or the length of the gap.
fn followed(segments: &[(bool, Tcp)]) -> Vec<(bool, u64, Result<String, u64>)> {
    let capture = captured(segments);
    let (mut follow, mut chunks) = (Follow::new(0), Vec::new());
    let mut keep = |chunk: enchufe_wire::follow::Chunk<'_>| {
        let content = match chunk.content {
            Content::Bytes(bytes) => Ok(String::from_utf8(bytes.to_vec()).unwrap()),
            Content::Gap(len) => Err(len),
        };
        chunks.push((chunk.from_b, chunk.offset, content));
    };
    each(&capture, &mut Session::new(Limits::default()), |frame| follow.frame(frame, &mut keep));
    follow.finish(&mut keep);
    chunks
}

fn segment(from_b: bool, flags: u16, seq: u32, ack: u32, payload: usize) -> (bool, Tcp) {
    let ports = if from_b { (80, 1000) } else { (1000, 80) };
    (from_b, Tcp { payload, ..Tcp::new(ports, flags, seq, ack) })
}

#[test]
fn what_asks_a_closed_window_is_no_keep_alive() {
    let closed = |(from_b, tcp): (bool, Tcp)| (from_b, Tcp { window: 0, ..tcp });
    let segments = [
        segment(false, SYN, 100, 0, 0),
        segment(true, SYN | ACK, 500, 101, 0),
        segment(false, ACK, 101, 501, 0),
        segment(false, ACK, 100, 501, 0),
        segment(true, ACK, 501, 101, 0),
        closed(segment(true, ACK, 501, 101, 0)),
        segment(false, ACK, 100, 501, 0),
    ];
    let (mut session, mut findings) = (Session::new(Limits::default()), Findings::new());
    each(&captured(&segments), &mut session, |frame| findings.frame(frame));
    let found: Vec<_> =
        findings.finish(session.conversations()).into_iter().map(|one| (one.id, one.packets)).collect();
    assert!(found.contains(&(FindingId::Flag(Flag::KeepAlive), vec![4])), "{found:?}");
    assert!(found.contains(&(FindingId::WindowProbe, vec![7])), "{found:?}");
}

#[test]
fn bytes_come_out_once_and_in_order_across_the_wrap() {
    let base = u32::MAX - 3;
    let chunks = followed(&[
        segment(false, SYN, base, 0, 0),
        segment(true, SYN | ACK, 500, base + 1, 0),
        segment(false, PSH | ACK, base + 1, 501, 3),
        segment(false, PSH | ACK, 2, 501, 3),
        segment(false, PSH | ACK, base + 1, 501, 6),
        segment(true, PSH | ACK, 501, 5, 2),
        segment(false, FIN | ACK, 5, 503, 0),
    ]);
    let text = |text: &str| Ok(text.to_owned());
    // The third segment repeats three bytes, brings three new ones, and lets the second one's wait end.
    assert_eq!(
        chunks,
        [(false, 0, text("abc")), (false, 3, text("def")), (false, 6, text("bc")), (true, 0, text("ab"))]
    );
}

#[test]
fn what_is_not_in_the_capture_is_a_gap() {
    let chunks = followed(&[
        segment(false, SYN, 100, 0, 0),
        segment(false, ACK, 101, 501, 2),
        segment(false, ACK, 113, 501, 2),
        segment(true, ACK, 501, 115, 0),
        segment(false, ACK, 125, 501, 1),
    ]);
    let text = |text: &str| Ok(text.to_owned());
    assert_eq!(
        chunks,
        [
            (false, 0, text("ab")),
            (false, 2, Err(10)),
            (false, 12, text("ab")),
            (false, 14, Err(10)),
            (false, 24, text("a")),
        ]
    );
}

#[test]
fn a_shorter_piece_that_waits_does_not_take_the_place_of_a_longer_one() {
    let chunks = followed(&[
        segment(false, SYN, 100, 0, 0),
        segment(false, ACK, 103, 501, 4),
        segment(false, ACK, 103, 501, 2),
        segment(false, ACK, 101, 501, 2),
    ]);
    let text = |text: &str| Ok(text.to_owned());
    assert_eq!(chunks, [(false, 0, text("ab")), (false, 2, text("abcd"))]);
}

#[test]
fn the_longest_idle_conversation_is_forgotten_first() {
    let mut session = Session::new(Limits { conversations: 2, unacked: 100 });
    let mut frames = Vec::new();
    for port in [1, 2, 1, 3, 1, 2] {
        let segment = Tcp::new((port, 80), ACK, 100, 200);
        frames.push(Ip::new(6).with(&segment.bytes()));
    }
    let mut streams = Vec::new();
    each(&Capture::of(101, frames), &mut session, |frame| streams.push(frame.tcp.unwrap().stream));
    // Port 2 is the longest idle when port 3 comes, and a stranger when it comes back.
    assert_eq!(streams, [0, 1, 0, 2, 0, 3]);
    assert_eq!(session.conversations().forgotten(), 2);
    let kept: Vec<u16> = session.conversations().sorted().iter().map(|kept| kept.a.port).collect();
    assert_eq!(kept, [1, 2]);
}

#[test]
fn a_course_tells_repeated_bytes_from_late_ones() {
    let mut session = Session::new(Limits::default());
    let mut outlines = Outlines::new();
    each(&scenario("retransmissions"), &mut session, |frame| outlines.frame(frame));
    // Conversation 0: ten bytes twice. 2: bytes 21 to 30, 11 to 20, 1 to 10, each once.
    let told =
        |stream| outlines.of(stream).map(|outline| (outline.early, outline.repeated, outline.is_in_order()));
    assert_eq!(told(0), Some((0, 1, false)));
    assert_eq!(told(2), Some((1, 0, false)));
    assert!(outlines.others().is_empty());
}

#[test]
fn the_reports_course_is_whole() {
    let mut session = Session::new(Limits::default());
    let mut outlines = Outlines::new();
    each(&scenario("report"), &mut session, |frame| outlines.frame(frame));
    let outline = outlines.of(0).unwrap();
    assert_eq!((outline.syn, outline.syn_ack, outline.opened), (Some((1, false)), Some(2), Some(3)));
    let turns: Vec<_> = outline
        .turns
        .iter()
        .map(|turn| (turn.from_b, turn.bytes, turn.frames, turn.acknowledged_by))
        .collect();
    assert_eq!(turns, [(false, 21, (4, 4), Some(5)), (true, 22, (6, 6), Some(7))]);
    let closes: Vec<_> =
        outline.closes.iter().map(|close| (close.by_b, close.fin, close.acknowledged_by)).collect();
    assert_eq!(closes, [(false, 8, Some(9)), (true, 10, Some(11))]);
    assert!(outline.is_in_order());
    assert_eq!(outlines.others(), [(12, 21)]);
}
