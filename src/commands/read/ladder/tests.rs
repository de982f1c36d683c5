use super::said::remark;
use super::{Pen, Room};
use crate::catalogue::{Catalogue, Language};
use enchufe_story::cause::Frames;
use enchufe_story::{Ladder, Row, What};
use enchufe_wire::file::{Item, Reader};
use enchufe_wire::session::Session;
use enchufe_wire::tcp::{Flag, ResetCause};
use unicode_width::UnicodeWidthStr;

const REPORT: &[u8] = include_bytes!("../../../../docs/practica/informe.pcap");

fn report() -> (Ladder, Vec<Row>) {
    told(REPORT).expect("a conversation")
}

fn told(file: &[u8]) -> Option<(Ladder, Vec<Row>)> {
    let (mut reader, mut session) = (Reader::new(), Session::default());
    let (mut ladder, mut rows): (Option<Ladder>, Vec<Row>) = (None, Vec::new());
    reader.feed(file);
    while let Ok(Some(item)) = reader.next() {
        let Item::Packet(record) = item else { continue };
        let frame = session.frame(&record);
        ladder = ladder.or_else(|| Ladder::new(&frame));
        rows.extend(ladder.as_mut().and_then(|ladder| ladder.frame(&frame)));
    }
    ladder.map(|ladder| (ladder, rows))
}

fn drawn(width: usize, language: Language) -> String {
    drawn_with(width, 6, language)
}

fn drawn_with(width: usize, decimals: usize, language: Language) -> String {
    let (ladder, rows) = report();
    draw(&ladder, &rows, (width, decimals), &Catalogue::new(language))
}

fn draw(ladder: &Ladder, rows: &[Row], (width, decimals): (usize, usize), catalogue: &Catalogue) -> String {
    let mut room = Room::new(width, decimals);
    for row in rows {
        room.fit(row);
    }
    let mut pen = Pen::new(room, ladder.roles());
    let head = pen.head(ladder, catalogue);
    rows.iter().fold(head, |drawn, row| drawn + &pen.row(row, catalogue))
}

#[test]
fn no_line_is_wider_than_the_terminal_or_ends_in_a_space() {
    for language in Language::ALL {
        for width in 40..=200 {
            let whole = drawn(width, language) + &drawn_with(width, 9, language);
            for line in whole.lines() {
                assert!(line.width() <= width, "{width}: {line}");
                assert_eq!(line, line.trim_end());
            }
        }
    }
}

#[test]
fn a_damaged_capture_is_drawn_in_both_languages() {
    let catalogues = Language::ALL.map(Catalogue::new);
    // Numbers that only look random, so that a failure can be repeated.
    let mut dice = 0x5eed_5eed_5eed_5eed_u64;
    let mut roll = |sides: usize| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(dice >> 33).unwrap_or_default() % sides
    };
    let mut drawn = 0;
    for _ in 0..300 {
        let mut file = REPORT.to_vec();
        for _ in 0..=roll(30) {
            let at = 24 + roll(file.len() - 24);
            if let Some(byte) = file.get_mut(at) {
                *byte = u8::try_from(roll(256)).unwrap_or_default();
            }
        }
        let Some((ladder, rows)) = told(&file) else { continue };
        for catalogue in &catalogues {
            for width in [40, 80, 120] {
                let whole = draw(&ladder, &rows, (width, 9), catalogue);
                assert!(whole.lines().all(|line| line == line.trim_end()), "{whole}");
                drawn += 1;
            }
        }
    }
    assert!(drawn > 600, "{drawn}");
}

#[test]
fn on_a_narrower_terminal_causes_stand_below_states() {
    let expected = "\
Conversation 0: 127.0.0.1:63661 is the client, 127.0.0.1:8080 the server
                          client                         server
    1 0.000000        SYN-SENT │── SYN ─────────────────▶│ asks for a connection
                               │                         │ (LISTEN)
    2 0.000084                 │◀──────────── SYN, ACK ──│ SYN-RECEIVED
                               │                         │ answers #1
    3 0.000165     ESTABLISHED │── ACK 1 ───────────────▶│ (ESTABLISHED)
                               │                         │ acknowledges #2
    4 0.000415                 │── PSH, ACK  1..22 ─────▶│
";
    let drawn = drawn(80, Language::English);
    assert!(drawn.starts_with(expected), "{drawn}");
}

#[test]
fn on_a_narrow_terminal_there_are_no_lines() {
    let expected = "\
Conversación 0: 127.0.0.1:63661 es el
  cliente, 127.0.0.1:8080 el servidor
  1 0.000000 ──▶ SYN
    cliente: SYN-SENT
    pide una conexión
  2 0.000084 ◀── SYN, ACK
    servidor: (LISTEN)
    servidor: SYN-RECEIVED
    responde a #1
  3 0.000165 ──▶ ACK 1
    cliente: ESTABLISHED
    servidor: (ESTABLISHED)
    confirma #2
  4 0.000415 ──▶ PSH, ACK  1..22
";
    let drawn = drawn(40, Language::Spanish);
    assert!(drawn.starts_with(expected), "{drawn}");
}

#[test]
fn every_cause_and_remark_has_its_text_in_both_languages() {
    let frames = Frames { numbers: vec![1], count: 1 };
    let causes = [
        What::Opens,
        What::Acknowledges { frames: frames.clone(), part: None },
        What::AcknowledgesUnseen,
        What::RepeatsAcknowledgement { frame: 1 },
        What::Repeats { frames, whole: true },
        What::LeavesGap,
        What::Ends,
        What::KeepAlive,
        What::WindowProbe,
        What::WindowUpdate { from: 0, to: 1 },
        What::Resets(ResetCause::Refused),
        What::Resets(ResetCause::DataAfterClose),
        What::Resets(ResetCause::Unread),
        What::Resets(ResetCause::Abort),
    ];
    for catalogue in Language::ALL.map(Catalogue::new) {
        for cause in &causes {
            assert!(catalogue.has(&format!("cause-{}", cause.id())), "{}", cause.id());
        }
        for id in ["cause-answers", "cause-acknowledges-part", "cause-repeats-part"] {
            assert!(catalogue.has(id), "{id}");
        }
        for flag in Flag::ALL {
            assert!(catalogue.has(&format!("remark-{}", remark(flag))), "{flag:?}");
        }
    }
}
