use super::*;
use crate::catalogue::Language;
use enchufe_talk::told::{Reach, Shortage};
use enchufe_talk::{ConnectionId, End, Reason};
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

/// A server's teller whose rows go to a log, as JSON; what it prints is nothing.
struct Recorded {
    teller: Teller,
    log: PathBuf,
}

fn teller(name: &str, events: Events) -> Recorded {
    let log = std::env::temp_dir().join(format!("enchufe-reporter-{name}-{}", std::process::id()));
    let _ = std::fs::remove_file(&log);
    let catalogue = Box::leak(Box::new(Catalogue::new(Language::ALL[0])));
    let audience = Audience::Server;
    let manner = Manner { audience, events, json: true, quiet: true, verbose: false, form: Form::default() };
    let teller =
        Teller::new(catalogue, manner, Some(Log::open(&log).unwrap()), Arc::new(Stop::new().unwrap()));
    // Nobody reads what it would print.
    teller.lock().deaf = true;
    Recorded { teller, log }
}

impl Recorded {
    fn tell(&self, at: u64, id: u64, told: &Told<'_>) {
        let about = About { id: ConnectionId(id), peer: "127.0.0.1:9".parse().unwrap() };
        self.teller.tell_at(Duration::from_millis(at), Some(about), told);
    }

    fn rows(self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.log).unwrap();
        std::fs::remove_file(&self.log).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// The names of rows, each with its count where it has one.
fn names(rows: &[Value]) -> Vec<String> {
    let name = |row: &Value| match &row["count"] {
        Value::Null => row["event"].as_str().unwrap().to_owned(),
        count => format!("{} {count}", row["event"].as_str().unwrap()),
    };
    rows.iter().map(name).collect()
}

const CAME: Told<'_> = Told::Accepted {
    peer: SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9)),
    local: SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 4000)),
};

#[test]
fn past_a_hundred_in_a_second_events_of_connections_are_one_line_and_those_of_the_server_stay() {
    let told = teller("fold", Events::Fold);
    (0..130).for_each(|id| told.tell(0, id, &CAME));
    told.teller.tell_at(Duration::ZERO, None, &Told::Short { of: Shortage::Descriptors });
    told.tell(0, 1, &Told::Question { bytes: b"?" });
    told.teller.tick(Duration::from_millis(999));
    told.teller.tick(Duration::from_secs(1));
    told.tell(1_000, 1, &Told::Returning { count: 1 });
    (0..102).for_each(|id| told.tell(5_000, id, &CAME));
    told.teller.tell_at(Duration::from_millis(5_001), None, &Told::Stopped { served: 3, cut: 0, empty: 0 });
    let mut expected = vec!["accepted"; 100];
    expected.extend(["short", "question", "folded 30", "returning"]);
    expected.extend(["accepted"; 100]);
    expected.extend(["folded 2", "stopped"]);
    assert_eq!(names(&told.rows()), expected);
}

#[test]
fn the_first_event_of_a_later_second_comes_after_the_line_of_the_one_before() {
    let told = teller("roll", Events::Fold);
    (0..101).for_each(|id| told.tell(0, id, &CAME));
    told.tell(3_000, 1, &Told::PeerEnded);
    assert_eq!(names(&told.rows())[100..], ["folded 1", "peer_ended"]);
}

#[test]
fn text_is_right_after_pieces_that_were_folded() {
    let told = teller("text", Events::Fold);
    (0..100).for_each(|id| told.tell(0, id, &CAME));
    told.tell(0, 7, &Told::Received { bytes: b"se\xC3" });
    told.tell(0, 8, &Told::Received { bytes: b"\xC3" });
    let end = |reason| End { reason, received: 1, sent: 0, unsent: 0, lasted: Duration::ZERO };
    told.tell(0, 8, &Told::Closed { end: &end(Reason::Reset) });
    told.tell(2_000, 7, &Told::Received { bytes: b"\xB1or\xC3" });
    told.tell(2_000, 8, &Told::Received { bytes: b"new" });
    told.tell(2_000, 7, &Told::PeerEnded);
    let rows = told.rows();
    assert_eq!(names(&rows)[100..], ["folded 3", "received", "received", "incomplete", "peer_ended"]);
    let texts: Vec<&str> = rows[101..104].iter().map(|row| row["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["ñor", "new", r"\xC3"]);
}

#[test]
fn with_all_of_them_none_is_folded_and_with_none_only_the_server_speaks() {
    for (events, expected) in [(Events::All, 300), (Events::None, 0)] {
        let told = teller(if expected == 0 { "none" } else { "all" }, events);
        let about = |id| About { id: ConnectionId(id), peer: "127.0.0.1:9".parse().unwrap() };
        (0..300).for_each(|id| told.teller.tell(Some(about(id)), &CAME));
        let address = "127.0.0.1:4000".parse().unwrap();
        told.teller.tell(None, &Told::MetricsListening { address, reach: Reach::of(address) });
        assert_eq!(told.teller.hears_of_connections(), expected > 0);
        let mut names = names(&told.rows());
        assert_eq!(names.pop().as_deref(), Some("metrics_listening"));
        assert_eq!(names, vec!["accepted"; expected]);
    }
}
