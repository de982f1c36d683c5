//! What is hard for a tracer. Programs do the same as without one, and causes stay right.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Process, enchufe, run};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The program of `tests/edges`, compiled once for all tests.
fn edges() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| common::compiled("tests/edges/edges.c"))
}

/// What is told of a program, which must end well and be contradicted by nobody.
fn traced(words: &[&str]) -> Vec<Value> {
    let done = run(&[&["trace", "-q", "--json", "--"], words].concat());
    assert_eq!((done.code, done.errors()), (Some(0), ""), "{}", done.text());
    let events: Vec<Value> = done.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(named(&events, "disagreement").is_empty(), "{}", done.text());
    events
}

fn named<'e>(events: &'e [Value], name: &str) -> Vec<&'e Value> {
    events.iter().filter(|event| event["event"] == name).collect()
}

/// The status of the process that ended last.
fn status(events: &[Value]) -> &Value {
    &named(events, "ended").last().unwrap()["status"]
}

/// Of each segment of the client that is more than an acknowledgement: the calls that it is by, as `name certainty`.
fn causes(events: &[Value]) -> Vec<String> {
    let mut all = Vec::new();
    for segment in named(events, "segment") {
        let flags: Vec<&str> =
            segment["flags"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let is_plain = segment["length"] == 0 && !flags.contains(&"SYN") && !flags.contains(&"FIN");
        if segment["role"] != "client" || is_plain {
            continue;
        }
        let by = segment["by"].as_array().unwrap();
        let calls = by.iter().flat_map(|by| {
            let calls = by["calls"].as_array().unwrap().iter();
            calls.map(move |call| format!("{} {}", call["name"], by["certainty"]).replace('"', ""))
        });
        all.push(calls.collect::<Vec<_>>().join(", "));
    }
    all
}

/// A scenario of `tests/edges`: its SYN is by `connect`, its five bytes by `send`, and its FIN by this.
#[track_caller]
fn sends_five(scenario: &str, ends: &str) -> Vec<Value> {
    let events = traced(&[edges().to_str().unwrap(), scenario]);
    assert_eq!(status(&events), 0);
    let expected = ["connect proved", "sendto proved", &format!("{ends} proved")];
    assert_eq!(causes(&events), expected, "{events:#?}");
    every_call_is_in_its_line(&events);
    events
}

/// Whoever makes a call, and however its process came to be: the line that is told of it has it in the source.
#[track_caller]
fn every_call_is_in_its_line(events: &[Value]) {
    for call in named(events, "call_entered") {
        let written = match call["name"].as_str().unwrap() {
            "exit_group" => continue,
            "sendto" => "send",
            "recvfrom" => "recv",
            "execve" => "exec",
            name => name,
        };
        let line = call["line"]["line"].as_u64().unwrap_or_else(|| panic!("no line: {call}"));
        let source = std::fs::read_to_string(call["line"]["file"].as_str().unwrap()).unwrap();
        let text = source.lines().nth(usize::try_from(line).unwrap() - 1).unwrap();
        assert!(text.contains(written), "{text}: {call}");
    }
}

macro_rules! edges {
    ($($name:ident: $scenario:literal, $ends:literal;)*) => {$(
        #[test]
        #[cfg_attr(not(all(have_cc, have_namespaces)), ignore = "needs a C compiler, user and network namespaces")]
        fn $name() {
            sends_five($scenario, $ends);
        }
    )*};
}

edges! {
    a_thread_that_is_not_the_first_may_execute: "exec-from-a-thread", "close";
    a_process_may_share_the_table_of_descriptors: "shared-table", "close";
    a_thread_may_make_the_table_of_descriptors_its_own: "unshared-table", "close_range";
    a_thread_may_do_so_where_it_closes: "table-unshared-by-closing", "close_range";
    a_process_may_outlive_its_first_thread: "first-thread-gone", "close";
    a_spawned_program_sends_on_what_it_inherits: "spawned", "close";
    a_program_after_vfork_sends_on_what_it_inherits: "vforked", "close";
    a_stopped_process_stops_and_goes_on: "stopped", "exit_group";
    a_program_may_have_a_filter_of_its_own: "own-filter", "close";
    a_program_that_asks_to_be_traced_is_refused_and_goes_on: "asks-to-be-traced", "close";
    a_child_that_asks_for_no_tracer_is_traced: "untraced-clone", "exit_group";
    a_child_of_clone3_that_asks_for_no_tracer_is_traced: "untraced-clone3", "exit_group";
    an_exec_that_fails_closes_nothing: "failed-exec", "shutdown";
    signals_that_come_all_the_time_change_nothing: "preempted", "close";
}

#[test]
#[cfg_attr(not(all(have_cc, have_namespaces)), ignore = "needs a C compiler, user and network namespaces")]
fn a_call_that_goes_on_after_a_signal_is_one_call() {
    for (scenario, first) in [("restarted", Value::from(5)), ("not-restarted", Value::Null)] {
        let events = sends_five(scenario, "exit_group");
        let left: Vec<&Value> =
            named(&events, "call_left").into_iter().filter(|left| left["name"] == "recvfrom").collect();
        // In between the handler writes to a pipe.
        assert_eq!(left[0]["result"], first, "{scenario}");
        assert_eq!(left[0]["error"] == "EINTR", first.is_null(), "{scenario}");
        // It began before the signal, at which the peer sends.
        let at = |wanted: &str| {
            events
                .iter()
                .position(|event| event["event"] == "call_entered" && event["name"] == wanted)
                .unwrap()
        };
        assert!(at("recvfrom") < at("sendto"), "{scenario}");
        let entered = named(&events, "call_entered").into_iter().filter(|call| call["name"] == "recvfrom");
        assert_eq!(entered.count(), left.len(), "{scenario}");
    }
}

#[test]
#[cfg_attr(not(all(have_cc, have_namespaces)), ignore = "needs a C compiler, user and network namespaces")]
fn a_call_that_a_handler_jumps_out_of_is_over() {
    let events = sends_five("jumped-out", "close");
    let (entered, left) = (named(&events, "call_entered"), named(&events, "call_left"));
    let client = named(&events, "segment")[0]["ends"]["a"]["socket"].clone();
    let waits: Vec<&&Value> =
        entered.iter().filter(|call| call["name"] == "recvfrom" && call["socket"] == client).collect();
    assert_eq!(waits.len(), 2, "{events:#?}");
    for wait in waits {
        let over = left.iter().find(|left| left["call"] == wait["call"]);
        assert_eq!(over.map(|left| &left["never"]), Some(&Value::Bool(true)), "{events:#?}");
    }
}

#[test]
#[cfg_attr(
    not(all(have_cc, have_namespaces, have_root)),
    ignore = "needs a C compiler, network namespaces, and root, who chooses numbers of processes"
)]
fn a_process_with_the_number_of_one_that_is_gone_is_another() {
    sends_five("reused-pid", "close");
}

#[test]
#[cfg_attr(not(all(have_cc, have_namespaces)), ignore = "needs a C compiler, user and network namespaces")]
fn a_socket_that_connects_again_has_the_calls_of_each_connection() {
    let events = traced(&[edges().to_str().unwrap(), "connected-again"]);
    assert_eq!(status(&events), 0);
    let expected = ["connect proved", "connect proved", "sendto proved", "close proved"];
    assert_eq!(causes(&events), expected, "{events:#?}");
    let connects = named(&events, "call_left").into_iter().filter(|left| left["name"] == "connect");
    let of: Vec<&Value> = connects.map(|left| &left["conversation"]).collect();
    assert_eq!(of, [&Value::from(0), &Value::from(0), &Value::from(1)], "{events:#?}");
}

/// Of each end of the only connection, why calls are not named as causes of what it sends last.
fn off(events: &[Value]) -> [&Value; 2] {
    let last = named(events, "segment").pop().unwrap();
    ["a", "b"].map(|end| &last["ends"][end]["off"])
}

#[test]
#[cfg_attr(
    not(all(have_cc, have_namespaces, have_root)),
    ignore = "needs a C compiler, network namespaces, and root, who may repair sockets"
)]
fn of_a_socket_that_was_repaired_no_bytes_have_a_call_from_then_on() {
    let events = traced(&[edges().to_str().unwrap(), "repaired"]);
    assert_eq!(off(&events), [&Value::from("other-bytes"), &Value::Null], "{events:#?}");
    assert_eq!(causes(&events)[..2], ["connect proved", "sendto proved"]);
    assert_eq!(causes(&events)[2], "");
}

#[test]
#[cfg_attr(
    not(all(have_cc, have_namespaces, have_mptcp)),
    ignore = "needs a C compiler, user and network namespaces, and MPTCP"
)]
fn of_a_socket_of_several_paths_no_bytes_have_a_call() {
    let events = traced(&[edges().to_str().unwrap(), "several-paths"]);
    assert_eq!(status(&events), 0);
    assert!(causes(&events).iter().all(|cause| !cause.contains("sendto proved")), "{events:#?}");
}

#[test]
#[cfg_attr(not(all(have_cc, have_namespaces)), ignore = "needs a C compiler, user and network namespaces")]
fn there_is_no_io_uring_where_its_bytes_would_be_seen_by_nobody() {
    assert_eq!(status(&traced(&[edges().to_str().unwrap(), "no-uring"])), 0);
}

#[test]
#[cfg_attr(
    not(all(have_cc, have_io_uring, have_namespaces)),
    ignore = "needs a C compiler, io_uring, user and network namespaces"
)]
fn what_goes_through_a_ring_that_is_allowed_is_said_to_be_unseen_and_nothing_is_proved() {
    let words =
        ["trace", "-q", "--json", "--io-uring", "allow", "--", edges().to_str().unwrap(), "ring-used"];
    let done = run(&words);
    assert_eq!((done.code, done.errors()), (Some(0), ""), "{}", done.text());
    let events: Vec<Value> = done.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(named(&events, "disagreement").is_empty(), "{}", done.text());
    assert_eq!(status(&events), 0);
    let setup = named(&events, "call_entered").into_iter().find(|call| call["name"] == "io_uring_setup");
    assert!(setup.is_some());
    // Whose bytes they are may still be told, as inferred; what the ring did has no call.
    assert_eq!(causes(&events), ["connect inferred", "sendto inferred", "", ""]);
    // Before the first segment nothing is known of what a segment's socket did.
    for segment in named(&events, "segment").iter().skip(1) {
        assert_eq!(segment["ends"]["a"]["off"], "unseen-calls", "{segment}");
    }
    let client = named(&events, "segment")[0]["ends"]["a"]["socket"].clone();
    let on_client = named(&events, "call_entered").into_iter().filter(|call| call["socket"] == client);
    let names: Vec<&str> = on_client.map(|call| call["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["connect", "sendto"], "what is written to the pipe is not the socket's");
}

/// What a command prints and how it ends, without a tracer.
fn untraced(words: &[&str]) -> (String, Option<i32>) {
    let output = Command::new(words[0]).args(&words[1..]).stdin(Stdio::null()).output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status.code())
}

/// What is told that it printed, and how it ended.
fn told(words: &[&str]) -> (String, Option<i32>) {
    let done =
        Process::start(enchufe("en", &[&["trace", "--pipes", "--json", "--"], words].concat())).finish();
    let events: Vec<Value> = done.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let printed = named(&events, "printed").into_iter().filter(|printed| printed["stream"] == "stdout");
    let text = printed.map(|printed| printed["text"].as_str().unwrap()).collect::<String>();
    (text.replace("\\n", "\n"), status(&events).as_i64().and_then(|status| i32::try_from(status).ok()))
}

#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn programs_print_the_same_and_end_the_same_as_without_a_tracer() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("made");
    let owner = format!("rm -f {0}; touch {0}; stat -c '%u %g %a' {0}", file.to_str().unwrap());
    let commands: [&[&str]; 6] = [
        &["id", "-u"],
        &["id", "-g"],
        &["sh", "-c", "echo one; (exit 3); echo $?; exit 7"],
        &["sh", "-c", "kill -9 $$; echo never"],
        &["sh", "-c", &owner],
        &["sh", "-c", "ulimit -n; umask; pwd"],
    ];
    for words in commands {
        assert_eq!(told(words), untraced(words), "{words:?}");
    }
}

/// A program of 32 bits, by hand: `_exit(7)`, as the calls of i386 are made.
const ELF32: &[u8] = &[
    0x7f, b'E', b'L', b'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, // 32 bits, little-endian
    2, 0, 3, 0, 1, 0, 0, 0, 0x54, 0x80, 0x04, 0x08, 52, 0, 0, 0, 0, 0, 0,
    0, // i386; it begins at 0x08048054
    0, 0, 0, 0, 52, 0, 32, 0, 1, 0, 0, 0, 0, 0, 0, 0, // one program header
    1, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x04, 0x08, 0, 0x80, 0x04, 0x08, // load all of it at 0x08048000
    0x60, 0, 0, 0, 0x60, 0, 0, 0, 5, 0, 0, 0, 0, 0x10, 0, 0, // to be read and executed
    0xb8, 1, 0, 0, 0, 0xbb, 7, 0, 0, 0, 0xcd, 0x80, // mov eax, 1; mov ebx, 7; int 0x80
];

#[test]
#[cfg_attr(
    not(all(target_arch = "x86_64", have_namespaces)),
    ignore = "needs x86-64, user and network namespaces"
)]
fn a_program_of_32_bits_runs_to_its_end() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small");
    std::fs::write(&path, ELF32).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = path.to_str().unwrap();
    let script = format!("{path}; echo $?");
    assert_eq!(told(&["sh", "-c", &script]), untraced(&["sh", "-c", &script]));
    let done = run(&["trace", "-q", "--json", "--", path]);
    let sentence = "is a program of 32 bits: its calls are not seen, so what it sends has none";
    assert_eq!((done.code, done.errors()), (Some(0), format!("enchufe: {path} {sentence}\n").as_str()));
}
