//! What packets alone prove of why a segment was sent. Expected causes are reckoned by hand.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod talk;

use enchufe_story::cause::Frames;
use enchufe_story::{Cause, Certainty, Roles, Row, What, Why};
use talk::craft::packets::Tcp;
use talk::{ACK, FIN, PSH, RST, SYN, Talk};

/// In short: `answers 1`, `acknowledges 4 5`, in parentheses what is inferred.
fn said(row: &Row) -> String {
    let Cause { what, why } = &row.cause;
    let sure = |text: String, certainty| match certainty {
        Certainty::Proved => text,
        Certainty::Inferred => format!("({text})"),
    };
    let why = why.iter().map(|(Why::Answers(frame), certainty)| sure(format!("answers {frame}"), *certainty));
    let what = what.iter().map(|claim| {
        let id = claim.what.id();
        let text = match &claim.what {
            What::Acknowledges { frames, part } => format!("{id}{}{}", names(frames), piece(*part)),
            What::Repeats { frames, whole } => {
                format!("{id}{}{}", names(frames), if *whole { "" } else { " +" })
            }
            What::RepeatsAcknowledgement { frame } => format!("{id} {frame}"),
            What::WindowUpdate { from, to } => format!("{id} {from} {to}"),
            _ => id.to_owned(),
        };
        sure(text, claim.certainty)
    });
    why.chain(what).collect::<Vec<_>>().join(", ")
}

fn names(frames: &Frames) -> String {
    frames.numbers.iter().flat_map(|frame| [" ".to_owned(), frame.to_string()]).collect()
}

fn piece(part: Option<u64>) -> String {
    part.map(|frame| format!(" part of {frame}")).unwrap_or_default()
}

#[track_caller]
fn causes(talk: &Talk, expected: &[&str]) {
    let said: Vec<String> = talk.rows().iter().map(said).collect();
    assert_eq!(said, expected);
}

const OPEN: [&str; 3] = ["opens", "answers 1, acknowledges 1", "acknowledges 2"];

#[track_caller]
fn opened(talk: &Talk, rest: &[&str]) {
    causes(talk, &[&OPEN[..], rest].concat());
}

fn window(window: u16) -> impl FnOnce(&mut Tcp) {
    move |tcp| tcp.window = window
}

#[test]
fn an_acknowledgement_names_the_segments_that_it_newly_covers() {
    let talk = Talk::new()
        .open()
        .a(ACK, 1, 1, 10)
        .a(PSH | ACK, 11, 1, 10)
        .b(ACK, 1, 21, 0)
        .b(PSH | ACK, 1, 21, 7)
        .a(PSH | ACK, 21, 8, 5)
        .b(ACK, 8, 24, 0)
        .b(ACK, 8, 26, 0);
    opened(
        &talk,
        &["", "", "acknowledges 4 5", "", "acknowledges 7", "acknowledges part of 8", "acknowledges 8"],
    );
}

#[test]
fn a_fin_ends_and_is_acknowledged() {
    let talk = Talk::new()
        .open()
        .a(FIN | ACK, 1, 1, 4)
        .b(ACK, 1, 6, 0)
        .b(FIN | ACK, 1, 6, 0)
        .b(FIN | ACK, 1, 6, 0)
        .a(ACK, 6, 2, 0);
    opened(&talk, &["ends", "acknowledges 4", "ends", "repeats 6", "acknowledges 6 7"]);
    assert_eq!(talk.rows()[3].range(), Some((1, 5)), "the FIN is no byte");
}

#[test]
fn a_repetition_names_the_segments_that_had_its_bytes() {
    let talk = Talk::new()
        .open()
        .a(ACK, 1, 1, 10)
        .a(PSH | ACK, 11, 1, 10)
        .b(ACK, 1, 11, 0)
        // Cut otherwise, and with more behind it.
        .a(PSH | ACK, 6, 1, 20)
        .b(ACK, 1, 26, 0)
        // Acknowledged, and once more.
        .a(ACK, 1, 1, 10);
    opened(&talk, &["", "", "acknowledges 4", "repeats 4 5 +", "acknowledges 5 7", "repeats 4 7"]);
}

#[test]
fn what_fills_a_gap_repeats_nothing() {
    let talk = Talk::new()
        .open()
        .a(ACK, 1, 1, 10)
        .a(ACK, 21, 1, 10)
        .b(ACK, 1, 11, 0)
        .b(ACK, 1, 11, 0)
        .a(ACK, 11, 1, 10)
        .b(ACK, 1, 31, 0);
    opened(&talk, &["", "leaves-gap", "acknowledges 4", "repeats-acknowledgement 6", "", "acknowledges 5 8"]);
}

#[test]
fn what_the_capture_lacks_is_not_named() {
    let talk = Talk::new().open().a(ACK, 21, 1, 10).b(ACK, 1, 31, 0).b(ACK, 1, 41, 0).a(ACK, 41, 1, 5);
    opened(
        &talk,
        &["leaves-gap", "acknowledges 4, acknowledges-unseen", "acknowledges-unseen", "leaves-gap"],
    );
    causes(&Talk::new().a(ACK, 1, 1, 0).b(PSH | ACK, 1, 1, 5).a(ACK, 1, 6, 0), &["", "", "acknowledges 2"]);
}

#[test]
fn which_of_two_syns_is_answered_is_not_proved() {
    let talk = Talk::new().a(SYN, 0, 0, 0).a(SYN, 0, 0, 0).b(SYN | ACK, 0, 1, 0).b(SYN | ACK, 0, 1, 0);
    causes(&talk, &["opens", "opens, repeats 1", "(answers 2), acknowledges 1 2", "repeats 3"]);
}

#[test]
fn of_two_ends_that_open_at_once_each_answers_the_others_syn() {
    let talk = Talk::new().a(SYN, 0, 0, 0).b(SYN, 0, 0, 0).a(SYN | ACK, 0, 1, 0).b(SYN | ACK, 0, 1, 0);
    causes(
        &talk,
        &["opens", "opens", "answers 2, repeats 1, acknowledges 2", "answers 1, repeats 2, acknowledges 1 3"],
    );
}

#[test]
fn a_syn_with_bytes_is_acknowledged_whole() {
    let talk = Talk::new().a(SYN, 0, 0, 10).b(SYN | ACK, 0, 11, 0);
    causes(&talk, &["opens", "answers 1, acknowledges 1"]);
    assert_eq!(talk.rows()[0].range(), Some((1, 11)));
}

#[test]
fn a_keep_alive_and_its_answer() {
    let talk = Talk::new()
        .open()
        .a(PSH | ACK, 1, 1, 10)
        .b(ACK, 1, 11, 0)
        .a(ACK, 10, 1, 0)
        .b(ACK, 1, 11, 0)
        // With a byte it may as well be the last one again.
        .a(ACK, 10, 1, 1)
        .b(ACK, 1, 11, 0);
    opened(
        &talk,
        &[
            "",
            "acknowledges 4",
            "keep-alive",
            "answers 6, repeats-acknowledgement 5",
            "(keep-alive), repeats 4",
            "answers 8, repeats-acknowledgement 5",
        ],
    );
}

#[test]
fn of_two_keep_alives_it_is_not_proved_which_was_answered() {
    let talk = Talk::new().open().b(ACK, 1, 1, 0).a(ACK, 0, 1, 0).a(ACK, 0, 1, 0).b(ACK, 1, 1, 0);
    let said: Vec<String> = talk.rows().iter().map(said).collect();
    assert_eq!(said[6], "(answers 6), repeats-acknowledgement 2", "the SYN, ACK had that number first");
}

#[test]
fn a_closed_window_is_probed_and_opens() {
    let talk = Talk::new()
        .open()
        .a(PSH | ACK, 1, 1, 10)
        .put(true, ACK, 1, 11, window(0))
        // As Linux does: one number back, no byte. As RFC 9293 §3.8.6.1 has it: the next byte.
        .a(ACK, 10, 1, 0)
        .put(true, ACK, 1, 11, window(0))
        .a(ACK, 11, 1, 1)
        .put(true, ACK, 1, 11, window(0))
        .put(true, ACK, 1, 11, window(50))
        .a(ACK, 11, 1, 5);
    opened(
        &talk,
        &[
            "",
            "acknowledges 4",
            "(window-probe)",
            "answers 6, repeats-acknowledgement 5",
            "(window-probe)",
            "answers 8, repeats-acknowledgement 5",
            "window-update 0 50",
            "repeats 8 +",
        ],
    );
}

#[test]
fn a_window_that_opens_after_a_probe_may_have_opened_by_itself() {
    let talk = Talk::new()
        .open()
        .a(PSH | ACK, 1, 1, 10)
        .put(true, ACK, 1, 11, window(0))
        .a(ACK, 10, 1, 0)
        .put(true, ACK, 1, 11, window(9));
    opened(&talk, &["", "acknowledges 4", "(window-probe)", "(answers 6), window-update 0 9"]);
}

#[test]
fn a_reset_says_what_it_answers() {
    let talk = Talk::new().a(SYN, 0, 0, 0).put(true, RST | ACK, 0, 1, |tcp| tcp.seq = 0);
    causes(&talk, &["opens", "answers 1, refuses"]);
    // Two SYNs: which one is answered is not proved.
    let talk = Talk::new().a(SYN, 0, 0, 0).a(SYN, 0, 0, 0).put(true, RST | ACK, 0, 1, |tcp| tcp.seq = 0);
    causes(&talk, &["opens", "opens, repeats 1", "(answers 2), refuses"]);
    opened(&Talk::new().open().a(PSH | ACK, 1, 1, 9).b(RST | ACK, 1, 10, 0), &["", "(resets-unread)"]);
    opened(&Talk::new().open().a(RST | ACK, 1, 1, 0), &["aborts"]);
    let closed = Talk::new()
        .open()
        .a(FIN | ACK, 1, 1, 0)
        .b(ACK, 1, 2, 0)
        .a(ACK, 2, 1, 0)
        .b(PSH | ACK, 1, 2, 3)
        .a(RST, 2, 0, 0);
    opened(
        &closed,
        &["ends", "acknowledges 4", "repeats-acknowledgement 3", "", "answers 7, resets-data-after-close"],
    );
}

#[test]
fn numbers_that_wrap_name_the_same_segments() {
    let mut talk = Talk::new();
    talk.first = (u32::MAX - 5, u32::MAX - 1);
    let talk = talk.open().a(ACK, 1, 1, 10).a(ACK, 11, 1, 10).b(ACK, 1, 21, 0).a(ACK, 1, 1, 20);
    opened(&talk, &["", "", "acknowledges 4 5", "repeats 4 5"]);
}

#[test]
fn who_is_client_is_told_by_the_syn_alone() {
    use enchufe_story::Ladder;
    let roles = |talk: &Talk| {
        let mut ladder: Option<Ladder> = None;
        talk::frames(&talk.file(), |frame| {
            if ladder.is_none() {
                ladder = Ladder::new(frame);
            }
            ladder.as_mut().unwrap().frame(frame);
        });
        ladder.unwrap().roles()
    };
    assert_eq!(roles(&Talk::new().open()), Roles::Client { is_b: false });
    assert_eq!(roles(&Talk::new().a(SYN | ACK, 0, 1, 0)), Roles::Client { is_b: true });
    assert_eq!(roles(&Talk::new().a(SYN, 0, 0, 0).b(SYN, 0, 0, 0)), Roles::Both);
    assert_eq!(roles(&Talk::new().a(ACK, 1, 1, 5).b(ACK, 1, 6, 0)), Roles::Unknown);
}
