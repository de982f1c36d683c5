//! Arbitrary frames of every link type, several in a row, through everything that prints or asks, twice.
//!
//! The input looks like a pcap file, so that captures are seeds: the last word of its 24 bytes of header is the link
//! type; each frame has a header of seconds, nanoseconds, captured and wire length.
#![no_main]

use std::sync::LazyLock;

use enchufe_wire::field::{self, Value};
use enchufe_wire::file::{Options, Record};
use enchufe_wire::finding::Findings;
use enchufe_wire::follow::{Chunk, Content, Follow};
use enchufe_wire::layer::Source;
use enchufe_wire::outline::Outlines;
use enchufe_wire::row::Columns;
use enchufe_wire::tcp::Limits;
use enchufe_wire::time::Resolution;
use enchufe_wire::{Filter, Frame, LinkType, Scout, Session, Timestamp};
use libfuzzer_sys::fuzz_target;

const LINKS: [u32; 11] = [0, 1, 12, 14, 101, 108, 113, 228, 229, 276, 999];

static FILTERS: LazyLock<Vec<Filter>> = LazyLock::new(|| {
    let texts = [
        "tcp.payload[0:4] == 61:62:63:64 or frame[-9:] contains 00",
        "dns.qry.name matches \"a.*\" xor len(dns.resp.name) > 3",
        "ip.addr in {10.0.0.0/8, 1.2.3.4 .. 1.2.3.9} and not ipv6.addr == fe80::/10",
        "all eth.addr != ff:ff:ff:ff:ff:ff",
        "dns.qry.name == dns.resp.name or count(tcp.option_kind) >= 2",
        "frame.time_relative > 1.5 && tcp.flags & 0x12",
    ];
    texts.iter().map(|text| Filter::parse(text).expect(text)).collect()
});

fuzz_target!(|data: &[u8]| {
    let Some((header, frames)) = data.split_at_checked(24) else { return };
    let link = u32::from_le_bytes([header[20], header[21], header[22], header[23]]);
    let known = LINKS.contains(&link);
    let at = usize::try_from(link).unwrap_or_default() % LINKS.len();
    let link = LinkType(if known { link } else { LINKS[at] });
    let small = Limits { conversations: 3, unacked: 9 };
    let limits = if header[16] & 1 == 0 { Limits::default() } else { small };
    pass(&mut Session::new(limits), link, frames);
    let (mut scout, mut rest) = (Scout::new(limits), frames);
    while let Some((record, after)) = record(link, rest) {
        rest = after;
        scout.record(&record);
    }
    pass(&mut scout.finish(limits), link, frames);
});

fn pass(session: &mut Session, link: LinkType, frames: &[u8]) {
    let (mut columns, mut line, mut findings) = (Columns::new(), String::new(), Findings::new());
    let (mut outlines, mut follow) = (Outlines::new(), [Followed::new(0), Followed::new(1)]);
    let mut rest = frames;
    while let Some((record, after)) = record(link, rest) {
        rest = after;
        let frame = session.frame(&record);
        fields(&frame);
        line.clear();
        columns.line(&frame, &mut line);
        assert!(columns.info.len() < 4_096);
        assert!(!columns.info.contains(char::is_control), "{:?}", columns.info);
        assert!(FILTERS.iter().filter(|filter| filter.matches(&frame)).count() <= FILTERS.len());
        findings.frame(&frame);
        outlines.frame(&frame);
        for followed in &mut follow {
            followed.frame(&frame);
        }
    }
    for followed in &mut follow {
        followed.finish();
    }
    for conversation in session.conversations().sorted() {
        let _ = (conversation.end(), outlines.of(conversation.stream).map(|outline| outline.is_in_order()));
    }
    for finding in findings.finish(session.conversations()) {
        assert!(!finding.packets.is_empty() && finding.packets.is_sorted());
        let _ = (finding.id.severity(), finding.id.rfc());
    }
}

/// The next frame; its captured length is at most what is there.
fn record(link: LinkType, data: &[u8]) -> Option<(Record<'_>, &[u8])> {
    let (header, rest) = data.split_at_checked(16)?;
    let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let (seconds, nanos) = (word(0), word(4));
    let time = match seconds {
        u32::MAX => None,
        // Any time at all.
        0x8000_0000.. => Some((u64::from(seconds) << 33 | u64::from(nanos)).cast_signed()),
        _ => Some(i64::from(seconds) * 1_000_000_000 + i64::from(nanos)),
    };
    let len = usize::try_from(word(8)).unwrap_or(usize::MAX).min(rest.len());
    let (bytes, rest) = rest.split_at(len);
    let record = Record {
        interface: 0,
        link,
        time: time.map(Timestamp::from_nanos),
        resolution: Resolution::NANOS,
        bytes,
        wire_len: word(12),
        options: Options::NONE,
    };
    Some((record, rest))
}

/// Every field has a name and lies where it says.
fn fields(frame: &Frame<'_>) {
    field::visit(frame, &mut |found| {
        let source = match found.source {
            Source::Frame => frame.packet.bytes(),
            Source::Reassembled => frame.packet.reassembled(),
        };
        let name = found.id.info().name;
        assert!(!name.is_empty());
        if found.len > 0 {
            let place = source.get(found.start..found.start + found.len);
            assert!(place.is_some(), "{name} lies outside");
            if let Value::Bytes(bytes) = found.value {
                assert_eq!(Some(bytes), place, "{name} lies elsewhere");
            }
        }
    });
}

/// A conversation's bytes, and how far each side got: there is neither a hole nor an overlap that is not said.
struct Followed {
    follow: Follow,
    reached: [u64; 2],
}

impl Followed {
    fn new(stream: u32) -> Self {
        Self { follow: Follow::new(stream), reached: [0, 0] }
    }

    fn frame(&mut self, frame: &Frame<'_>) {
        let reached = &mut self.reached;
        self.follow.frame(frame, &mut |chunk| advance(reached, &chunk));
    }

    fn finish(&mut self) {
        let reached = &mut self.reached;
        self.follow.finish(&mut |chunk| advance(reached, &chunk));
    }
}

fn advance(reached: &mut [u64; 2], chunk: &Chunk<'_>) {
    let side = &mut reached[usize::from(chunk.from_b)];
    assert_eq!(*side, chunk.offset);
    *side += match chunk.content {
        Content::Bytes(bytes) => u64::try_from(bytes.len()).unwrap_or_default(),
        Content::Gap(len) => len,
    };
    assert!(*side > chunk.offset, "nothing is no chunk");
}
