//! Each service alone: events in, actions out.

use super::*;
use crate::service::{Action, Actions, Event, Service};
use std::time::{Duration, SystemTime};

/// What a service did about a list of events, in short words.
fn script<S: Service>(service: &S, events: &[Event<'_>]) -> Vec<String> {
    let mut state = S::State::default();
    let mut said = Vec::new();
    for event in events {
        let mut actions = Actions::default();
        service.event(&mut state, *event, &mut actions);
        said.extend(actions.list.iter().map(word));
        said.push("|".to_owned());
    }
    said
}

fn word(action: &Action) -> String {
    match action {
        Action::SendReceived(range) => format!("back {}..{}", range.start, range.end),
        Action::Send { bytes, .. } => format!("send {}", String::from_utf8_lossy(bytes)),
        Action::PauseReading => "pause".into(),
        Action::ResumeReading => "resume".into(),
        Action::HalfClose => "half-close".into(),
        Action::Close => "close".into(),
        Action::Timer(time) => format!("timer {time:?}"),
        Action::CancelTimer => "no timer".into(),
        Action::Ask(question) => format!("ask {}", String::from_utf8_lossy(question)),
    }
}

fn opened() -> Event<'static> {
    Event::Opened(SystemTime::UNIX_EPOCH)
}

#[test]
fn echo_has_all_sent_back_and_ends_with_its_peer() {
    assert!(Echo.returns_all(&()));
    assert_eq!(script(&Echo, &[opened(), Event::PeerEnded]), ["|", "close", "|"]);
}

#[test]
fn receive_only_takes() {
    assert_eq!(
        script(&Receive, &[opened(), Event::Bytes(b"hola"), Event::PeerEnded]),
        ["|", "|", "close", "|"]
    );
}

#[test]
fn reply_waits_for_quiet_answers_once_and_does_not_need_the_peers_end() {
    let reply = Reply { answer: b"si".to_vec(), until: Until::Quiet(Duration::from_millis(50)) };
    let events = [
        opened(),
        Event::Bytes(b"ho"),
        Event::Bytes(b"la"),
        Event::Timer,
        Event::Bytes(b"more"),
        Event::PeerEnded,
    ];
    assert_eq!(
        script(&reply, &events),
        ["|", "timer 50ms", "|", "timer 50ms", "|", "send si", "close", "|", "|", "|"]
    );
}

#[test]
fn reply_answers_at_a_newline_or_at_the_peers_end() {
    let reply = Reply { answer: b"si".to_vec(), until: Until::Line };
    let line = [opened(), Event::Bytes(b"ho"), Event::Bytes(b"la\n")];
    assert_eq!(script(&reply, &line), ["|", "|", "send si", "close", "|"]);
    assert_eq!(
        script(&reply, &[opened(), Event::Bytes(b"ho"), Event::PeerEnded]),
        ["|", "|", "send si", "close", "|"]
    );
    assert_eq!(script(&reply, &[opened(), Event::PeerEnded]), ["|", "send si", "close", "|"]);
}

#[test]
fn ask_puts_one_go_at_a_time_and_answers_before_it_ends() {
    let ask = Ask { until: Until::Quiet(Duration::from_millis(50)), ending: LineEnding::Newline };
    let events = [
        opened(),
        Event::Bytes(b"uno"),
        Event::Timer,
        Event::Bytes(b"dos"),
        Event::Timer,
        Event::PeerEnded,
        Event::Answer(b"1"),
        Event::Answer(b"2"),
    ];
    assert_eq!(
        script(&ask, &events),
        [
            "|",
            "timer 50ms",
            "|",
            "no timer",
            "ask uno",
            "resume",
            "|",
            "timer 50ms",
            "|",
            "|",
            "|",
            "send 1\n",
            "no timer",
            "ask dos",
            "resume",
            "|",
            "send 2\n",
            "close",
            "|"
        ]
    );
}

#[test]
fn ask_puts_each_line_for_itself_however_tcp_joins_and_cuts_them() {
    let ask = Ask { until: Until::Line, ending: LineEnding::None };
    let events = [
        Event::Bytes(b"uno\ndos\ntr"),
        Event::Answer(b"1"),
        Event::Answer(b"2"),
        Event::Bytes(b"es\n"),
        Event::Answer(b"3"),
        Event::Bytes(b"fin"),
        Event::PeerEnded,
        Event::Answer(b"4"),
    ];
    let said = script(&ask, &events).join(" ");
    let lines = ["uno\n", "dos\n", "tres\n", "fin"].map(|line| said.matches(&format!("ask {line}")).count());
    assert_eq!(lines, [1; 4], "{said}");
    assert_eq!(said.matches("ask ").count(), 4, "{said}");
    assert!(said.ends_with("send 4 close |"), "{said}");
}

#[test]
fn ask_does_not_read_on_while_it_has_much_to_ask() {
    let ask = Ask { until: Until::Line, ending: LineEnding::None };
    let lines = "short\n".repeat(64 * 1024);
    let said =
        script(&ask, &[Event::Bytes(lines.as_bytes()), Event::Answer(b"1"), Event::Answer(b"2")]).join(" ");
    assert_eq!(said.matches("ask ").count(), 3);
    assert!(said.contains("pause") && !said.contains("resume"), "it would be sent more for each answer");
}

#[test]
fn ask_holds_back_a_peer_that_asks_without_end() {
    let ask = Ask { until: Until::Line, ending: LineEnding::None };
    let long = vec![b'x'; 64 * 1024];
    let said = script(&ask, &[opened(), Event::Bytes(b"a\n"), Event::Bytes(&long)]);
    assert_eq!(said.last().map(String::as_str), Some("|"));
    assert_eq!(said.iter().rev().nth(1).map(String::as_str), Some("pause"));
}

#[test]
fn chargen_sends_the_pattern_of_rfc_864() {
    let said = script(&Chargen, &[opened()]);
    let text = said[0].strip_prefix("send ").unwrap();
    let lines: Vec<&str> = text.split("\r\n").collect();
    assert_eq!(lines.len(), 96);
    assert_eq!(lines[0], r##" !"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\]^_`abcdefg"##);
    assert_eq!(lines[1], r##"!"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\]^_`abcdefgh"##);
    assert_eq!(lines[94], r##"~ !"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\]^_`abcdef"##);
    assert_eq!(lines[95], "");
}

#[test]
fn daytime_tells_the_time_and_closes() {
    let daytime =
        Daytime { line: |time| format!("{:?}", time.duration_since(SystemTime::UNIX_EPOCH).unwrap()) };
    assert_eq!(script(&daytime, &[opened()]), ["send 0ns", "close", "|"]);
}
