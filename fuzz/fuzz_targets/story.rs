//! Arbitrary bytes as a capture file, told as ladders: each change of a state goes on from the one before it, no frame is
//! named before it came, every frame is counted, and a ladder alone tells the same as among the others.
#![no_main]

use enchufe_story::{Change, Ladder, Ladders, Row, State};
use enchufe_wire::file::{Item, Reader};
use enchufe_wire::session::{Frame, Scout, Session};
use enchufe_wire::tcp::Limits;
use libfuzzer_sys::fuzz_target;
use std::collections::HashMap;

/// Few enough that conversations are forgotten.
const LIMITS: Limits = Limits { conversations: 5, unacked: 100 };

fuzz_target!(|data: &[u8]| {
    tell(data, Session::new(Limits::default()));
    tell(data, Session::new(LIMITS));
    let mut scout = Scout::new(Limits::default());
    each(data, |record| scout.record(record));
    tell(data, scout.finish(Limits::default()));
});

fn each(data: &[u8], mut with: impl FnMut(&enchufe_wire::file::Record<'_>)) -> u64 {
    let (mut reader, mut count) = (Reader::new(), 0);
    reader.feed(data);
    while let Ok(Some(item)) = reader.next() {
        if let Item::Packet(record) = item {
            count += 1;
            with(&record);
        }
    }
    count
}

fn tell(data: &[u8], mut session: Session) {
    let mut ladders = Ladders::new();
    let mut alone: HashMap<u32, (Ladder, Vec<Row>)> = HashMap::new();
    let count = each(data, |record| {
        let frame = session.frame(record);
        ladders.frame(&frame);
        one(&mut alone, &frame);
    });
    let told: u64 = ladders.stories().iter().map(|story| story.rows.len() as u64 + story.left_out).sum();
    assert_eq!(told + ladders.others() + ladders.left_out(), count, "every frame is counted");
    for story in ladders.stories() {
        check(&story.rows);
        let (_, rows) = &alone[&story.ladder.stream()];
        let same =
            rows.iter().zip(&story.rows).all(|(one, other)| format!("{one:?}") == format!("{other:?}"));
        assert!(
            same && rows.len() as u64 == story.rows.len() as u64 + story.left_out,
            "a ladder alone tells the same"
        );
    }
}

/// The ladder of one conversation, without the others.
fn one(alone: &mut HashMap<u32, (Ladder, Vec<Row>)>, frame: &Frame<'_>) {
    let (Some(note), Some(ladder)) = (frame.tcp, Ladder::new(frame)) else { return };
    let (ladder, rows) = alone.entry(note.stream).or_insert_with(|| (ladder, Vec::new()));
    rows.extend(ladder.frame(frame));
}

fn check(rows: &[Row]) {
    let mut last: HashMap<bool, Option<State>> = HashMap::new();
    for row in rows {
        for change in &row.changes {
            let Change { of_b, from, to, because, .. } = *change;
            assert_eq!(last.insert(of_b, to).unwrap_or_default(), from, "at frame {}", row.frame);
            assert!(because <= row.frame && because > 0, "at frame {}: because of {because}", row.frame);
        }
    }
}
