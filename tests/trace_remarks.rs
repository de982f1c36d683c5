//! What is worth a second look, in the recordings of real programs: each remark where it is so, and none where it is not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Process, enchufe, run};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A program of `tests/scenarios`, compiled once for all tests.
fn scenarios(name: &str) -> &'static Path {
    static PATHS: [OnceLock<PathBuf>; 3] = [OnceLock::new(), OnceLock::new(), OnceLock::new()];
    let place = ["habits", "held", "ended"].iter().position(|known| *known == name).unwrap();
    PATHS[place].get_or_init(|| common::compiled(&format!("tests/scenarios/{name}.c")))
}

/// What is told of a scenario.
fn events(file: &str, scenario: &str) -> Vec<Value> {
    let done = run(&["trace", "-q", "--json", "--", scenarios(file).to_str().unwrap(), scenario]);
    assert_eq!((done.code, done.errors()), (Some(0), ""), "{}", done.text());
    done.text().lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect()
}

/// What is remarked of a scenario; not of timers, which the machine may let run out.
fn remarks(file: &str, scenario: &str) -> Vec<Value> {
    let mut all = events(file, scenario);
    all.retain(|event| event["event"] == "remark" && event["remark"] != "timer-moved");
    all
}

fn ids(remarks: &[Value]) -> Vec<&str> {
    remarks.iter().map(|remark| remark["remark"].as_str().unwrap()).collect()
}

/// The only remark of a scenario.
#[track_caller]
fn only(file: &str, scenario: &str, id: &str) -> Value {
    let all = remarks(file, scenario);
    assert_eq!(ids(&all), [id], "{all:#?}");
    let remark = all.into_iter().next().unwrap();
    assert_eq!(remark["conversation"], 0);
    remark
}

/// The names of the calls that show it.
fn calls(remark: &Value) -> Vec<&str> {
    remark["calls"].as_array().unwrap().iter().map(|call| call["name"].as_str().unwrap()).collect()
}

#[test]
#[cfg_attr(not(all(have_cc, have_namespaces)), ignore = "needs a C compiler, user and network namespaces")]
fn reads_of_nineteen_bytes_make_many_segments() {
    let all = remarks("habits", "echo-in-pieces");
    let mut found = ids(&all);
    found.sort_unstable();
    assert_eq!(found, ["answered-before-all-read", "small-reads", "small-writes"]);
    let of = |id: &str| all.iter().find(|remark| remark["remark"] == id).unwrap();
    let writes = of("small-writes");
    // What the congestion window holds back goes together.
    let count = writes["count"].as_u64().unwrap();
    assert!((8..=84).contains(&count), "{writes}");
    assert_eq!(writes["bytes"], count * 19);
    assert_eq!(writes["certainty"], "proved");
    assert_eq!(calls(writes), vec!["sendto"; usize::try_from(count.min(16)).unwrap()]);
    // The last one left nothing.
    let reads = of("small-reads");
    assert_eq!((&reads["count"], &reads["bytes"]), (&json!(83), &json!(83 * 19)));
    let early = of("answered-before-all-read");
    assert_eq!((&early["unread"], calls(early)), (&json!(83 * 19), vec!["sendto"]));
}

#[test]
#[cfg_attr(not(all(have_cc, have_namespaces)), ignore = "needs a C compiler, user and network namespaces")]
fn who_asks_again_and_again_is_told_what_waits() {
    let remark = only("habits", "asks-again", "nothing-there");
    // One that took long on a busy machine may have waited, by all that is known.
    let count = remark["count"].as_u64().unwrap();
    assert!((8..=20).contains(&count), "{remark}");
    assert_eq!(calls(&remark), vec!["recvfrom"; usize::try_from(count.min(16)).unwrap()]);
}

#[test]
#[cfg_attr(not(all(have_cc, have_namespaces)), ignore = "needs a C compiler, user and network namespaces")]
fn questions_and_answers_in_turn_are_worth_no_second_look() {
    assert_eq!(remarks("habits", "waits"), Vec::<Value>::new());
}

#[test]
#[cfg_attr(not(all(have_cc, have_namespaces)), ignore = "needs a C compiler, user and network namespaces")]
fn nagle_and_a_delayed_acknowledgement_are_told_together() {
    let remark = only("held", "nagle", "nagle-delayed-ack");
    assert!(remark["waited_ns"].as_i64().unwrap() >= 36_000_000, "{remark}");
    assert_eq!((&remark["certainty"], calls(&remark)), (&json!("inferred"), vec!["sendto"]));
    assert_eq!(remark["frames"].as_array().unwrap().len(), 3);
    assert_eq!(remarks("held", "nodelay"), Vec::<Value>::new());
}

#[test]
#[cfg_attr(not(all(have_cc, have_namespaces)), ignore = "needs a C compiler, user and network namespaces")]
fn each_bad_end_has_its_remark() {
    let unread = only("ended", "unread", "left-unread");
    assert_eq!((&unread["certainty"], calls(&unread)), (&json!("proved"), vec!["close"]));
    assert!(unread["unread"].as_u64().unwrap() > 0);
    let gone = only("ended", "gone", "sent-to-gone");
    assert_eq!(calls(&gone), ["close"]);
    let left = only("ended", "by-exit", "left-to-exit");
    assert_eq!(calls(&left), ["exit_group"]);
    for good in ["by-close", "by-shutdown", "by-kill"] {
        assert_eq!(remarks("ended", good), Vec::<Value>::new(), "{good}");
    }
}

#[test]
#[cfg_attr(not(all(have_cc, have_namespaces)), ignore = "needs a C compiler, user and network namespaces")]
fn a_write_that_took_a_part_says_how_much_it_left() {
    let all = remarks("held", "partial-write");
    let short = all.iter().find(|remark| remark["remark"] == "short-writes").unwrap();
    assert!(short["missing"].as_u64().unwrap() > 0);
}

#[test]
#[cfg_attr(not(all(have_cc, have_namespaces)), ignore = "needs a C compiler, user and network namespaces")]
fn what_tracing_added_is_told_of_each_call_and_of_all() {
    let all = events("habits", "waits");
    let number = |event: &Value, key: &str| event[key].as_i64().unwrap();
    let of_all = all.iter().find(|event| event["event"] == "tracing").unwrap();
    assert!(number(of_all, "held_ns") > 0);
    let left: Vec<&Value> = all.iter().filter(|event| event["event"] == "call_left").collect();
    for call in &left {
        assert!((0..=number(call, "duration_ns")).contains(&number(call, "held_ns")), "{call}");
    }
    let within: i64 = left.iter().map(|call| number(call, "held_ns")).sum();
    // One thread: between two of its calls it is held, too.
    assert!(within < number(of_all, "held_ns"), "{within} of {of_all}");
}

#[test]
#[cfg_attr(not(all(have_cc, have_namespaces)), ignore = "needs a C compiler, user and network namespaces")]
fn remarks_stand_below_the_ladder_and_in_the_sentences_in_both_languages() {
    let english =
        ["Worth a second look:", "segments in a row that are shorter than their headers, with send"];
    let spanish = ["Merece una segunda mirada:", "segmentos seguidos más cortos que sus cabeceras, con send"];
    let program = scenarios("habits").to_str().unwrap();
    for (language, texts) in [("en", english), ("es", spanish)] {
        for view in [&["--view", "ladder"][..], &["--explain"]] {
            let words = [&["trace", "-q"], view, &["--", program, "echo-in-pieces"]].concat();
            let done = Process::start(enchufe(language, &words)).finish();
            assert_eq!((done.code, done.errors()), (Some(0), ""));
            for text in texts {
                assert!(done.text().contains(text), "{text}\n{}", done.text());
            }
        }
    }
}

/// From packets alone a reset after data looks as if its sender had left bytes unread. Its calls tell better.
#[test]
#[cfg_attr(not(all(have_cc, have_namespaces)), ignore = "needs a C compiler, user and network namespaces")]
fn why_a_connection_was_reset_is_told_by_its_calls_and_not_guessed_beside_them() {
    for (scenario, told) in [("linger-zero", "its SO_LINGER is 0"), ("unread", "bytes that nobody had read")]
    {
        let path = scenarios("ended").to_str().unwrap();
        let done = run(&["trace", "-q", "--explain", "--", path, scenario]);
        assert_eq!((done.code, done.errors()), (Some(0), ""), "{}", done.text());
        assert!(done.text().contains(told), "{}", done.text());
        assert!(!done.text().contains("inferred: closed with bytes unread"), "{}", done.text());
    }
}

/// Where one program has both ends, its name does not tell which one is meant.
#[test]
#[cfg_attr(not(all(have_cc, have_namespaces)), ignore = "needs a C compiler, user and network namespaces")]
fn which_end_is_meant_is_said_where_both_are_of_one_program() {
    let done = run(&["trace", "-q", "--", scenarios("ended").to_str().unwrap(), "by-exit"]);
    let mut lines = done.text().lines();
    let line = lines.find(|line| line.contains("ends without closing the connection")).unwrap();
    assert!(line.contains(" 127.0.0.1:"), "{line}");
}
