//! The operator, who answers one question at a time whatever the engine.

use crate::recorder::What;
use crate::world::{Server, Setup, World};
use enchufe_talk::services::{Ask, LineEnding, Until};

pub(super) const ASK: Ask = Ask { until: Until::Line, ending: LineEnding::Newline };

/// Until this question of connection `id` is shown.
pub(super) fn asked(server: &dyn Server, id: u64, question: &str) {
    server.wait_of(id, &What::Question(question.to_owned()));
}

fn answer(server: &dyn Server, line: &str) {
    assert!(server.operator().answer(line.as_bytes().to_vec()), "a question is shown");
}

pub(crate) fn an_asker_gets_the_operators_line<W: World>(world: &W) {
    let report = world.run(&ASK, &Setup::default(), |server| {
        let mut peer = server.connect();
        assert!(!server.operator().answer("nobody asked".into()));
        peer.send(b"what?\n").unwrap();
        asked(server, 1, "what?\n");
        answer(server, "that");
        assert_eq!(peer.read_exact(5), b"that\n");
        // A line is a question, also where two come together, or a part of one.
        peer.send(b"and\nnow?\nor nev").unwrap();
        for line in ["and\n", "now?\n", "or nev"] {
            asked(server, 1, line);
            answer(server, "this");
            assert_eq!(peer.read_exact(5), b"this\n");
            if line == "now?\n" {
                peer.half_close();
            }
        }
        assert_eq!(peer.read_to_end(), b"");
    });
    report.expect(1, "PeerFinished");
}

pub(crate) fn questions_are_put_one_at_a_time_and_answers_go_home<W: World>(world: &W) {
    const NAMES: [&str; 3] = ["ana", "bea", "cai"];
    let at_once = !world.one_at_a_time();
    let report = world.run(&ASK, &Setup::default(), |server| {
        let mut peers = Vec::new();
        for (ahead, name) in NAMES.iter().enumerate() {
            let mut peer = server.connect();
            peer.send(format!("{name}?\n").as_bytes()).unwrap();
            let id = ahead as u64 + 1;
            if ahead == 0 {
                asked(server, id, "ana?\n");
            } else if at_once {
                server.wait_of(id, &What::QuestionWaits(ahead));
            }
            peers.push(peer);
        }
        for (id, (name, mut peer)) in (1..).zip(NAMES.iter().zip(peers)) {
            asked(server, id, &format!("{name}?\n"));
            answer(server, name);
            assert_eq!(peer.read_exact(4), format!("{name}\n").as_bytes());
        }
    });
    let waited = report.count(|what| matches!(what, What::QuestionWaits(_)));
    assert_eq!(waited, if at_once { 2 } else { 0 });
    // One question, its answer, the next question.
    let order: Vec<_> = report
        .seen
        .iter()
        .filter(|seen| matches!(seen.what, What::Question(_) | What::Answered(_)))
        .map(|seen| (seen.id, matches!(seen.what, What::Question(_))))
        .collect();
    let questions: Vec<_> = order.iter().filter(|(_, question)| *question).map(|(id, _)| *id).collect();
    assert_eq!(questions, [Some(1), Some(2), Some(3)]);
    for id in 1..=3 {
        report.expect(id, "PeerFinished");
    }
}

pub(crate) fn a_client_that_resets_takes_its_question_back<W: World>(world: &W) {
    let report = world.run(&ASK, &Setup::default(), |server| {
        let (mut first, mut second) = (server.connect(), server.connect());
        first.send(b"first?\n").unwrap();
        asked(server, 1, "first?\n");
        second.send(b"second?\n").unwrap();
        if !world.one_at_a_time() {
            server.wait_of(2, &What::QuestionWaits(1));
        }
        first.reset();
        asked(server, 2, "second?\n");
        answer(server, "yours");
        assert_eq!(second.read_exact(6), b"yours\n");
        assert!(!server.operator().answer("for nobody".into()));
    });
    report.expect(1, "Reset");
    report.expect(2, "PeerFinished");
    assert_eq!(report.of(1).iter().filter(|what| ***what == What::QuestionWithdrawn).count(), 1);
    assert_eq!(report.outcome(1).sent, 0);
}

pub(crate) fn a_half_closed_asker_still_gets_its_answer<W: World>(world: &W) {
    let report = world.run(&ASK, &Setup::default(), |server| {
        let mut peer = server.connect();
        peer.send(b"what").unwrap();
        peer.half_close();
        asked(server, 1, "what");
        answer(server, "that");
        assert_eq!(peer.read_to_end(), b"that\n");
    });
    report.expect(1, "PeerFinished");
}

pub(crate) fn an_answer_given_before_the_operator_left_still_arrives<W: World>(world: &W) {
    let report = world.run(&ASK, &Setup::default(), |server| {
        let mut peer = server.connect();
        peer.send(b"one?\n").unwrap();
        asked(server, 1, "one?\n");
        // The next question is there when the answer comes, and nobody is there for it.
        peer.send(b"two?\n").unwrap();
        server.wait_received(1, 10);
        answer(server, "one");
        server.operator().leave();
        assert_eq!(peer.read_to_end(), b"one\n");
    });
    report.expect(1, "OwnEnd");
    assert_eq!(report.only().unsent, 0);
}

pub(crate) fn an_operator_that_leaves_ends_whoever_asks<W: World>(world: &W) {
    let report = world.run(&ASK, &Setup::default(), |server| {
        let (mut first, mut second) = (server.connect(), server.connect());
        first.send(b"first?\n").unwrap();
        asked(server, 1, "first?\n");
        second.send(b"second?\n").unwrap();
        server.operator().leave();
        assert_eq!(first.read_to_end(), b"");
        // Where one is served after another, the first is to make room.
        drop(first);
        assert_eq!(second.read_to_end(), b"");
    });
    for id in [1, 2] {
        report.expect(id, "OwnEnd");
    }
    // Nobody who asked took it back.
    assert_eq!(report.count(|what| *what == What::QuestionWithdrawn), 0);
}
