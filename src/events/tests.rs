use super::*;
use crate::catalogue::{Catalogue, Language};
use crate::transcript::{Form, render};
use enchufe_talk::{Call, End, tls};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::SystemTime;

fn payload() -> Payload {
    Payload::new("Aquí va el mensaje".as_bytes(), "Aquí va el mensaje".into(), true)
}

fn fault() -> Fault {
    Fault::from(&std::io::Error::from_raw_os_error(111))
}

fn not_permitted() -> Fault {
    Fault::from(&std::io::Error::from_raw_os_error(1))
}

fn closed(reason: &str) -> Event {
    let limited = matches!(reason, "idle" | "first_byte" | "deadline");
    let failed = reason == "failed";
    let not_tls = || TlsFault { tls: "not_tls".into(), alert: None, names: None, moment: None, detail: None };
    Event::Closed {
        reason: reason.into(),
        received: 19,
        sent: 17,
        unsent: if reason == "reset_by_peer" { 2 } else { 0 },
        lasted_ns: 1_250_000,
        limit_ns: limited.then_some(2_000_000_000),
        call: failed.then(|| "recv".into()),
        fault: failed.then(fault),
        tls: (reason == "tls").then(not_tls),
    }
}

/// An end for each way in which TLS fails.
fn faults() -> Vec<Event> {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_609_459_200);
    let why = || "peer is incompatible: NoCipherSuitesInCommon".to_owned();
    let faults = [
        tls::Fault::HandshakeCut,
        tls::Fault::Alert("unknown_ca".into()),
        tls::Fault::UnknownIssuer,
        tls::Fault::Authority,
        tls::Fault::Expired(time),
        tls::Fault::NotYetValid(time),
        tls::Fault::OtherName("other.example".into()),
        tls::Fault::OtherName(String::new()),
        tls::Fault::Protocol { why: "cannot decrypt peer's message".into(), alert: None },
        tls::Fault::Protocol { why: why(), alert: Some("handshake_failure".into()) },
    ];
    faults.into_iter().map(|fault| Event::closed(&unserved(Reason::Tls(Box::new(fault))))).collect()
}

/// An end for each way in which a program cannot be executed.
fn not_executed() -> Vec<Event> {
    let end = |error| unserved(Reason::Failed(Call::Exec, std::io::Error::from_raw_os_error(error)));
    // ENOENT, ENOEXEC
    [2, 8].into_iter().map(|error| Event::closed(&end(error))).collect()
}

fn unserved(reason: Reason) -> End {
    End { reason, received: 0, sent: 0, unsent: 0, lasted: Duration::from_micros(1250) }
}

/// One of each, in the order in which they may be met.
fn samples() -> Vec<Event> {
    let address = || "127.0.0.1:4000".to_owned();
    let listening = |reach: &str| Event::Listening { address: address(), reach: reach.into(), backlog: 4096 };
    let short = |of: &str, limit| Event::Short { of: of.into(), limit, fault: None };
    let secured = |name: Option<&str>, resumed| Event::Secured {
        version: "1.3".into(),
        cipher: "TLS13_AES_256_GCM_SHA384".into(),
        server_name: name.map(str::to_owned),
        resumed,
    };
    let waiting = |awaited: &str, missing| Event::StillWaiting { awaited: awaited.into(), missing };
    let mut all = vec![
        Event::WinsockStarted { version: "2.2".into() },
        Event::Starting { address: address() },
        Event::SocketMade { address: address() },
        Event::Options { options: [("nodelay".into(), "on".into())].into() },
        Event::Bound { address: address() },
        Event::Inherited { address: address(), descriptor: 3, name: None },
        Event::Inherited { address: address(), descriptor: 3, name: Some("echo.socket".into()) },
        listening("this_machine"),
        listening("every_interface"),
        listening("one_address"),
        Event::MetricsListening { address: "127.0.0.1:9100".into(), reach: "this_machine".into() },
        Event::Skipped { address: "[::1]:4000".into(), call: "bind".into(), fault: fault() },
        Event::Engine { name: "blocking".into(), threads: None },
        Event::Engine { name: "threads".into(), threads: None },
        Event::Engine { name: "epoll".into(), threads: Some(1) },
        Event::Engine { name: "epoll".into(), threads: Some(8) },
        Event::Waiting {},
        Event::Queued { peers: vec!["127.0.0.1:52244".into()] },
        Event::Queued { peers: vec!["127.0.0.1:52244".into(), "127.0.0.1:52245".into()] },
        Event::Accepted { local: address() },
        secured(Some("localhost"), false),
        secured(None, true),
        Event::ProgramStarted { pid: 4711 },
        Event::ProgramEnded { how: "exit".into(), code: 1 },
        Event::ProgramEnded { how: "signal".into(), code: 9 },
        Event::Received { payload: payload() },
        Event::Received { payload: Payload::new(b"a", "a".into(), true) },
        Event::Incomplete { text: r"\xC3".into() },
        Event::Returning { bytes: 19 },
        Event::Answered { payload: payload() },
        Event::Question { payload: payload() },
        Event::QuestionWaits { ahead: 1 },
        Event::QuestionWithdrawn {},
        Event::LineIgnored {},
        Event::OperatorLeft {},
        Event::PeerEnded {},
        Event::Discarded { bytes: 3 },
        short("connections", Some(100)),
        short("descriptors", None),
        short("threads", None),
        short("watches", None),
        short("memory", None),
        Event::Short { of: "accept".into(), limit: None, fault: Some(not_permitted()) },
        Event::Short { of: "ring".into(), limit: None, fault: Some(not_permitted()) },
        Event::Folded { count: 1 },
        Event::Folded { count: 2_345 },
        Event::Draining { open: 2, limit_ns: 5_000_000_000 },
        Event::QueueCut { count: 1 },
        Event::Stopped { served: 3, cut: 0, empty: 0 },
        Event::Stopped { served: 3, cut: 2, empty: 1 },
        Event::Resolving { name: "localhost".into() },
        Event::Resolved { name: "localhost".into(), addresses: vec!["[::1]:4000".into(), address()] },
        Event::Connecting { address: address() },
        Event::AttemptFailed { address: "[::1]:4000".into(), fault: fault() },
        Event::Retrying { address: address(), limit_ns: 5_000_000_000 },
        Event::Connected { address: address(), local: "127.0.0.1:52243".into(), took_ns: 53_000 },
        Event::Sending { payload: payload() },
        Event::HalfClosed {},
        Event::Acknowledged { bytes: 19 },
        Event::DeliveryUnknown { bytes: 19 },
        waiting("connection", None),
        waiting("handshake", None),
        waiting("echo", Some(7)),
        waiting("expected", None),
        waiting("peer_end", None),
        waiting("acknowledgement", None),
        waiting("room", None),
        Event::Closing {},
    ];
    all.extend(Reason::IDS.map(closed));
    all.extend(not_executed());
    all.extend(faults());
    all
}

fn id(event: &Event) -> String {
    serde_json::to_value(event).unwrap()["event"].as_str().unwrap().to_owned()
}

/// The ids that the schema knows, as serde lists them when it meets another.
fn known_ids() -> BTreeSet<String> {
    let error = serde_json::from_str::<Event>(r#"{"event":"?"}"#).unwrap_err().to_string();
    let list = error.split("expected one of").nth(1).unwrap();
    list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn line(event: Event) -> Line {
    let time = "2026-11-22T10:20:30.123456789Z".to_owned();
    Line { time, connection: Some(1), peer: Some("127.0.0.1:52243".into()), event }
}

#[test]
fn every_event_has_its_sentence_in_both_languages() {
    let sampled: BTreeSet<String> = samples().iter().map(id).collect();
    assert_eq!(sampled, known_ids(), "the samples are one of each");
    let catalogues = Language::ALL.map(Catalogue::new);
    for event in samples() {
        for catalogue in &catalogues {
            assert!(catalogue.has(&format!("event-{}", id(&event))), "{event:?}");
            let text = render(&line(event.clone()), Form::default(), catalogue);
            assert!(!text.contains('$') && !text.contains("event-") && !text.contains("reason-"), "{text}");
        }
    }
}

#[test]
fn rows_come_back_from_json_as_they_were() {
    for event in samples() {
        let line = line(event);
        let text = serde_json::to_string(&line).unwrap();
        let back: Line = serde_json::from_str(&text).unwrap();
        assert_eq!(back, line);
        assert_eq!(serde_json::to_string(&back).unwrap(), text, "no key is lost or added");
    }
}

#[test]
fn the_table_of_events_in_the_documentation_is_true() {
    let [english, spanish] = Language::ALL.map(Catalogue::new);
    let mut table = "# Events\n\n\
        What `serve` and `send` tell, with the id that `--json` has. Written by `just bless`, checked by a test.\n\n\
        | id | Spanish | English |\n|---|---|---|\n"
        .to_owned();
    for event in samples() {
        let text = |catalogue| render(&line(event.clone()), Form::default(), catalogue).replace('|', "\\|");
        let _ = writeln!(table, "| `{}` | {} | {} |", id(&event), text(&spanish), text(&english));
    }
    crate::tests_support::check_document("docs/events.md", &table);
}
