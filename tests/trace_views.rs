//! What a recording of programs shows besides its ladder. Lanes race, so each call and each segment is asked for by what it
//! is, never by the row in which it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use base64::prelude::{BASE64_STANDARD, Engine};
use common::{Done, Process, enchufe, interpreter, run};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::OnceLock;
use tempfile::TempDir;

const SERVER: &str = "python3 -u tests/programs/servidor.py";
const CLIENT: &str = "python3 -u tests/programs/cliente.py";

/// A recording of the report's echo, made once.
fn report() -> &'static str {
    static RECORDING: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = RECORDING.get_or_init(|| {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("run.pcapng");
        let done = run(&["trace", "-w", path.to_str().unwrap(), SERVER, CLIENT]);
        assert_eq!((done.code, done.errors()), (Some(0), ""), "{}", done.text());
        (folder, path)
    });
    path.to_str().unwrap()
}

fn read(words: &[&str]) -> Done {
    let done = run(&[&["read", report()], words].concat());
    assert_eq!((done.code, done.errors()), (Some(0), ""), "{words:?} {}", done.text());
    done
}

fn events(words: &[&str]) -> Vec<Value> {
    read(words).text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The events of a name.
fn only<'e>(events: &'e [Value], name: &str) -> Vec<&'e Value> {
    events.iter().filter(|event| event["event"] == name).collect()
}

/// The segments with these flags, in order.
fn segments<'e>(events: &'e [Value], flags: &str) -> Vec<&'e Value> {
    let flags: Vec<&str> = flags.split(' ').collect();
    only(events, "segment").into_iter().filter(|event| event["flags"] == json!(flags)).collect()
}

/// What calls did, as `deed name line certainty`.
fn deeds(segment: &Value) -> Vec<String> {
    let told = segment["by"].as_array().unwrap().iter();
    let said = told.map(|by| {
        let calls = by["calls"].as_array().unwrap();
        assert_eq!(calls.len(), 1, "{by}");
        let call = &calls[0];
        format!("{} {} {} {}", by["deed"], call["name"], call["line"], by["certainty"]).replace('"', "")
    });
    said.collect()
}

/// What was left, by the number of what was entered.
fn left<'e>(events: &'e [Value], call: &Value) -> &'e Value {
    events.iter().find(|event| event["event"] == "call_left" && event["call"] == *call).unwrap()
}

/// Calls of a name on a line of a program.
fn entered<'e>(events: &'e [Value], name: &str, line: u32) -> Vec<&'e Value> {
    let all = only(events, "call_entered").into_iter();
    all.filter(|call| call["name"] == name && call["line"]["line"] == line).collect()
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn json_names_the_call_and_the_line_of_each_segment() {
    let all = events(&["--ladder", "--json"]);
    let expected = [("SYN", "opens connect 6 proved"), ("SYN ACK", "listens listen 7 proved")];
    for (flags, deed) in expected {
        let found = segments(&all, flags);
        assert_eq!(found.len(), 1, "{flags}");
        assert_eq!(deeds(found[0]), [deed], "{flags}");
    }
    let data = segments(&all, "PSH ACK");
    assert_eq!(data.len(), 2);
    assert_eq!(deeds(data[0]), ["writes sendto 10 proved"]);
    assert_eq!(deeds(data[1]), ["writes sendto 20 proved"]);
    for (segment, role) in data.iter().zip(["client", "server"]) {
        assert_eq!((&segment["role"], &segment["range"]), (&json!(role), &json!([1, 20])));
        assert_eq!(segment["by"][0]["range"], json!([1, 20]));
        assert_eq!(segment["why"]["why"], "inside");
        assert_eq!(segment["why"]["call"], segment["by"][0]["calls"][0]["call"]);
    }
    let fins = segments(&all, "FIN ACK");
    assert_eq!(deeds(fins[0]), ["ends close 20 proved"]);
    assert_eq!(deeds(fins[1]), ["ends close 25 proved"]);
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn json_tells_calls_with_their_arguments_and_results() {
    let all = events(&["--ladder", "--json"]);
    let started = only(&all, "program_started");
    let commands: Vec<&Value> = started.iter().map(|event| &event["command"]).collect();
    let words = |text: &str| json!(text.split(' ').collect::<Vec<_>>());
    assert_eq!(commands, [&words(SERVER), &words(CLIENT)]);
    let listen = entered(&all, "listen", 7);
    assert_eq!((&listen[0]["arguments"], &listen[0]["program"]), (&json!({"backlog": 1}), &json!(0)));
    let states = &left(&all, &listen[0]["call"])["states"];
    assert_eq!((&states[0]["to"], &states[0]["certainty"]), (&json!("LISTEN"), &json!("proved")));
    let connect = entered(&all, "connect", 6);
    assert_eq!(connect[0]["arguments"], json!({"address": "127.0.0.1:4000"}));
    let connected = left(&all, &connect[0]["call"]);
    assert_eq!((&connected["result"], &connected["conversation"]), (&json!(0), &json!(0)));
    assert!(connected["duration_ns"].as_i64().unwrap() > 0);
    let read = entered(&all, "recvfrom", 15);
    let first = left(&all, &read[0]["call"]);
    assert_eq!((&first["result"], &first["read"][0]["range"]), (&json!(19), &json!([1, 20])));
    assert_eq!(first["from"], json!([segments(&all, "PSH ACK")[0]["number"]]));
    let close = entered(&all, "close", 20);
    assert_eq!(close[0]["drops"], json!([close[0]["socket"]]));
    let last = |pid: &Value| {
        let ended = only(&all, "ended").into_iter().find(|event| event["pid"] == *pid).unwrap();
        (ended["status"].clone(), ended["signal"].clone())
    };
    assert_eq!(last(&started[0]["pid"]), (Value::Null, json!("SIGTERM")));
    assert_eq!(last(&started[1]["pid"]), (json!(0), Value::Null));
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn json_has_what_was_printed_byte_for_byte() {
    let all = events(&["--ladder", "--json"]);
    let printed = only(&all, "printed");
    let mut text = Vec::new();
    for event in printed.iter().filter(|event| event["program"] == 1) {
        assert_eq!((&event["stream"], &event["bytes"]), (&json!("stdout"), &event["length"]));
        text.extend(BASE64_STANDARD.decode(event["base64"].as_str().unwrap()).unwrap());
    }
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("enviando \"Aquí va el mensaje\"\n"), "{text}");
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn one_conversation_has_its_calls_and_those_of_its_listener() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("run.pcapng");
    let path = path.to_str().unwrap();
    // The server takes one client after the other.
    let done = run(&["trace", "-w", path, SERVER, CLIENT, CLIENT]);
    assert_eq!((done.code, done.errors()), (Some(0), ""), "{}", done.text());
    for (stream, program) in [("0", 1), ("1", 2)] {
        let done = run(&["read", "--ladder", "--json", "--conversation", stream, path]);
        let all: Vec<Value> = done.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let number: u32 = stream.parse().unwrap();
        assert!(only(&all, "segment").iter().all(|segment| segment["conversation"] == number));
        assert_eq!(segments(&all, "SYN").len(), 1);
        let calls = only(&all, "call_entered");
        let of_client = calls.iter().filter(|call| call["program"] != 0);
        let names: Vec<&str> = of_client.clone().map(|call| call["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["socket", "connect", "sendto", "recvfrom", "close"]);
        assert!(of_client.clone().all(|call| call["program"] == program));
        // The accept that gave it, not the one that gave the other; the last one gave none.
        let accepts = entered(&all, "accept4", 10);
        let gave = accepts.iter().filter(|call| !left(&all, &call["call"])["made"].is_null());
        assert_eq!(gave.count(), 1);
        assert!(only(&all, "printed").is_empty());
    }
    run(&["read", "--ladder", "--conversation", "2", path]).could_not_run(&format!(
        "{path} has no conversation 2: it has 2, numbered from 0; --view conversations lists them"
    ));
    let chosen = run(&["read", "--ladder", "--json", path, "tcp.stream == 1"]);
    let by_number = run(&["read", "--ladder", "--json", "--conversation", "1", path]);
    assert_eq!(chosen.text(), by_number.text(), "a filter chooses as a number does");
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn details_are_shown_to_who_asks() {
    let short = read(&["--ladder"]);
    let long = read(&["--ladder", "-v"]);
    assert!(!short.text().contains("SIGCHLD") && !short.text().contains("getsockname"));
    assert!(long.text().contains("getpeername") || long.text().contains("getsockname"), "{}", long.text());
}

/// The rows of `--view calls` that hold these words, each with what stands below it.
fn listed(text: &str, words: &[&str]) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for line in text.lines() {
        match rows.last_mut() {
            Some(row) if line.starts_with("            ") => row.push(line.trim().to_owned()),
            _ => rows.push(vec![line.to_owned()]),
        }
    }
    rows.retain(|row| words.iter().all(|word| row[0].contains(word)));
    rows
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn the_list_of_calls_has_below_each_what_it_caused() {
    let done = read(&["--view", "calls"]);
    let cases = [
        ("cliente.py", ":6", "connect 127.0.0.1:4000 = 0 (", "→ #1 SYN"),
        ("cliente.py", ":10", "send(19) = 19 B (", "→ #4 PSH, ACK  1..20"),
        ("servidor.py", ":7", "listen(1) = 0 (", "→ #2 SYN, ACK, by the kernel, for that call"),
        ("cliente.py", ":20", "close(3) = 0 (", "FIN, ACK 20"),
    ];
    for (program, line, call, caused) in cases {
        let rows = listed(done.text(), &[program, &format!(" {line} "), call]);
        assert_eq!(rows.len(), 1, "{call}\n{}", done.text());
        assert!(rows[0][1].contains(caused), "{rows:?}");
    }
    let reads = listed(done.text(), &["servidor.py", " :15 ", "recv(19) = 19 B ← #4 ("]);
    assert_eq!(reads.iter().map(Vec::len).collect::<Vec<_>>(), [1], "who reads causes nothing here");
    let prints = listed(done.text(), &["cliente.py", " :9 ", "write(1) » <_io.TextIOWrapper"]);
    assert!(prints[0][0].ends_with("enviando \"Aquí va el mensaje\""), "one line in one row: {prints:?}");
    let one = read(&["--view", "calls", "--conversation", "0"]);
    assert_eq!(listed(one.text(), &["write(1)"]).len(), 0);
    assert_eq!(listed(one.text(), &["connect"]).len(), 1);
    let objects = events(&["--view", "calls", "--json"]);
    assert!(only(&objects, "segment").is_empty() && !only(&objects, "call_left").is_empty());
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn the_table_of_a_recording_says_why_each_packet_was_sent() {
    let rows = read(&["--tsv", "--columns", "tcp.flags,cause"]);
    let causes: Vec<(&str, &str)> = rows.text().lines().map(|row| row.split_once('\t').unwrap()).collect();
    let has =
        |row: (&str, &str)| assert_eq!(causes.iter().filter(|cause| **cause == row).count(), 1, "{row:?}");
    has(("2", ":6 connect"));
    has(("18", "kernel, for :7 listen; answers #1"));
    has(("24", ":10 send"));
    has(("24", ":20 send"));
    let table = read(&[]);
    assert!(table.text().lines().next().unwrap().ends_with("Cause"), "{}", table.text());
    assert_eq!(table.text(), read(&["--view", "packets"]).text());
    let objects: Vec<Value> =
        read(&["--json"]).text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects[0]["by"][0]["calls"][0]["name"], "connect");
    assert_eq!(objects[0]["info"].as_str().unwrap().matches("[SYN]").count(), 1);
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn trace_shows_what_read_shows_of_its_recording() {
    let done = run(&["trace", "--view", "conversations", SERVER, CLIENT]);
    assert_eq!((done.code, done.errors()), (Some(0), ""));
    assert_eq!(done.text().lines().count(), 2, "{}", done.text());
    let done = run(&["trace", "--view", "calls", SERVER, CLIENT]);
    assert_eq!(listed(done.text(), &["cliente.py", "connect 127.0.0.1:4000 = 0"]).len(), 1);
}

#[test]
fn what_cannot_be_shown_is_said_before_anything_runs() {
    run(&["trace", "--view", "rows", "true"]).could_not_run(
        "--view cannot be \"rows\"; it can be: packets, conversations, findings, ladder, calls",
    );
    run(&["read", "--view", "calls", "docs/practica/informe.pcap"]).could_not_run(
        "docs/practica/informe.pcap is no recording of programs, or cannot be read twice: --view calls shows what enchufe trace -w FILE wrote",
    );
    run(&["read", "--view", "calls", "--tsv", "docs/practica/informe.pcap"])
        .could_not_run("--tsv has no effect in --view calls: leave it out");
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn a_summary_of_each_connection_stands_below_the_ladder() {
    let all = events(&["--ladder", "--json"]);
    let connections = only(&all, "connection");
    assert_eq!(connections.len(), 1);
    let connection = connections[0];
    assert_eq!(connection["opened_by"], json!(["a"]));
    assert_eq!(
        (&connection["ended_first"]["by"], &connection["ended_first"]["flag"]),
        (&json!("a"), &json!("FIN"))
    );
    for (end, program) in [("a", 1), ("b", 0)] {
        let side = &connection[end];
        assert_eq!((&side["program"], &side["bytes"]), (&json!(program), &json!(19)));
        let sent = only(&all, "segment").iter().filter(|segment| segment["from"] == end).count();
        assert_eq!(side["segments"], sent);
    }
    // socket, connect, send, recv, close
    assert_eq!(connection["a"]["calls"], 5);
    // accept, two recv, send, close
    assert_eq!(connection["b"]["calls"], 5);
    let statements = |segment: &&Value| {
        let list = |key: &str| segment[key].as_array().unwrap().len();
        list("by") + list("what") + usize::from(segment["why"].is_object())
    };
    let count: usize = only(&all, "segment").iter().map(statements).sum();
    let told = ["proved", "inferred"].map(|key| usize::try_from(connection[key].as_u64().unwrap()).unwrap());
    assert_eq!(told.iter().sum::<usize>(), count);
    let text = read(&["--ladder"]);
    let lines: Vec<&str> = text.text().lines().collect();
    let head = lines.iter().position(|line| line.starts_with("Conversation 0: ")).unwrap();
    let end: Vec<&str> = lines[head..head + 4].iter().rev().copied().collect();
    assert!(end[3].starts_with("Conversation 0: cliente.py 127.0.0.1:"), "{end:?}");
    assert!(end[3].contains(" sent the first FIN (#"), "{end:?}");
    assert!(end[1].starts_with("  servidor.py 127.0.0.1:4000: 19 bytes in "), "{end:?}");
    assert!(end[1].contains("; time in accept "), "{end:?}");
    assert!(end[0].ends_with(" inferred"), "{end:?}");
    assert!(
        text.text().lines().next_back().unwrap().starts_with("Tracing held the programs for "),
        "{end:?}"
    );
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn many_segments_and_equal_calls_are_one_row() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("run.pcapng");
    let path = path.to_str().unwrap();
    let words = ["trace", "-w", path, SERVER, "python3 tests/programs/impaciente.py"];
    let done = run(&words);
    assert_eq!((done.code, done.errors()), (Some(0), ""), "{}", done.text());
    let counts = |text: &str| -> Vec<usize> {
        let pieces = text.split("EAGAIN ×").skip(1);
        pieces.map(|rest| rest.split([' ', '\n']).next().unwrap().parse().unwrap()).collect()
    };
    // What the server does meanwhile can part them, but not into so many pieces that none is many.
    let together = counts(done.text());
    assert!(!together.is_empty(), "{}", done.text());
    let singles = done.text().matches("= EAGAIN").count();
    assert_eq!(together.iter().sum::<usize>() + singles, 50, "{}", done.text());
    let all = run(&["read", "--ladder", "-v", path]);
    assert_eq!((counts(all.text()), all.text().matches("= EAGAIN").count()), (vec![], 50));
    let objects = run(&["read", "--ladder", "--json", path]);
    let objects: Vec<Value> =
        objects.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let failed = only(&objects, "call_left").into_iter().filter(|call| call["error"] == "EAGAIN");
    assert_eq!(failed.count(), 50);
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn a_recording_is_told_in_sentences_in_both_languages() {
    let english = [
        "  cliente.py opens it with connect at cliente.py:6 (1)",
        "  The kernel answers for servidor.py, which listens since listen at servidor.py:7 (2)",
        "  cliente.py sends 19 bytes with send at cliente.py:10 in 1 segment (4)",
        "  servidor.py reads 19 bytes with recv at servidor.py:15 in 1 call (they came with 4)",
        "  cliente.py ends its stream with close at cliente.py:20 (",
        "  servidor.py ends its stream with close at servidor.py:25 (",
    ];
    let spanish = [
        "  cliente.py la abre con connect en cliente.py:6 (1)",
        "  El núcleo responde por servidor.py, que escucha desde listen en servidor.py:7 (2)",
        "  cliente.py envía 19 bytes con send en cliente.py:10 en 1 segmento (4)",
        "  servidor.py lee 19 bytes con recv en servidor.py:15 en 1 llamada (llegaron con 4)",
        "  cliente.py termina su flujo de bytes con close en cliente.py:20 (",
        "  servidor.py termina su flujo de bytes con close en servidor.py:25 (",
    ];
    for (language, sentences) in [("en", english), ("es", spanish)] {
        let done = Process::start(enchufe(language, &["read", "--explain", report()])).finish();
        assert_eq!((done.code, done.errors()), (Some(0), ""));
        let mut lines = done.text().lines();
        for sentence in sentences {
            assert!(lines.any(|line| line.starts_with(sentence)), "{sentence}\n{}", done.text());
        }
    }
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn the_only_program_is_told_that_nobody_reaches_it() {
    let listens = "import socket; s = socket.socket(); s.bind(('127.0.0.1', 4000)); s.listen(); s.listen()";
    let done = run(&["trace", "--", "python3", "-c", listens]);
    assert_eq!(done.code, Some(0));
    assert_eq!(
        done.errors(),
        "enchufe: python3 listens on 127.0.0.1:4000, in a network of its own: only programs that are traced with it \
         can reach it. Start one from another terminal: enchufe trace --join -- COMMAND; or let it listen in this machine's \
         network: --net host\n"
    );
    let done = run(&["trace", "--", "python3", "-c", "import socket; socket.socket()"]);
    assert_eq!((done.code, done.errors()), (Some(0), ""));
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn waits_and_other_sockets_are_recorded_and_shown_to_who_asks() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("run.pcapng");
    let path = path.to_str().unwrap();
    let command = format!("{} tests/programs/espera.py", interpreter());
    let mut traced = enchufe("en", &["trace", "-q", "-w", path, &command]);
    // Without a home, the interpreter asks the name service for it, through sockets.
    traced.env("HOME", folder.path());
    let done = Process::start(traced).finish();
    assert_eq!((done.code, done.errors()), (Some(0), ""));
    assert!(!done.text().contains("poll") && !done.text().contains("SOCK_DGRAM"), "{}", done.text());
    assert!(
        done.text().contains("Other sockets, whose calls are not followed: UDP 1, Unix 2\n"),
        "{}",
        done.text()
    );
    let calls = run(&["read", path, "-v", "--view", "calls"]);
    for row in [
        "socket AF_INET SOCK_DGRAM = fd ",
        "socketpair AF_UNIX SOCK_STREAM = 0",
        ", 1 ms) = 0",
        ", 0 ns) = 1",
    ] {
        assert!(calls.text().contains(row), "{row} {}", calls.text());
    }
    let all = run(&["read", path, "--ladder", "--json"]);
    let all: Vec<Value> = all.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sockets: Vec<&Value> = entered_named(&all, "socket").into_iter().map(|call| &call["call"]).collect();
    let [listener, client] = [0, 1].map(|at| &left(&all, sockets[at])["made"]["fd"]);
    let selects: Vec<&Value> = only(&all, "call_entered")
        .into_iter()
        .filter(|call| call["name"].as_str().unwrap().contains("select"))
        .collect();
    let asked: Vec<&Value> = selects.iter().map(|call| &call["arguments"]).collect();
    assert_eq!(
        asked,
        [
            &json!({"fds": [listener], "timeout_ns": 30_000_000_000_u64}),
            &json!({"fds": [client], "timeout_ns": 1_000_000})
        ]
    );
    assert_eq!(selects[1]["conversation"], 0);
    assert_eq!(
        only(&all, "other_sockets")[0],
        &json!({"event": "other_sockets", "udp": 1, "unix": 2, "others": 0})
    );
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn several_conversations_and_threads_are_told_apart() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("run.pcapng");
    let path = path.to_str().unwrap();
    let done = run(&["trace", "-q", "-w", path, "python3 tests/scenarios/snakes.py python-threads"]);
    assert_eq!((done.code, done.errors()), (Some(0), ""));
    for tagged in ["─ c0 SYN ─", "─ c3 SYN ─", "t1 :26 listen(5)", "c0, c1, …: ", "t1, t2, …: "] {
        assert!(done.text().contains(tagged), "{tagged} {}", done.text());
    }
    let one = run(&["read", "--ladder", "--conversation", "2", path]);
    assert!(one.text().contains("─ SYN ─") && !one.text().contains("c2 "), "{}", one.text());
    let alone = read(&["--ladder"]);
    assert!(!alone.text().contains("c0 ") && !alone.text().contains("t1 "), "{}", alone.text());
}

/// Calls of a name.
fn entered_named<'e>(events: &'e [Value], name: &str) -> Vec<&'e Value> {
    only(events, "call_entered").into_iter().filter(|call| call["name"] == name).collect()
}

#[test]
fn the_page_shows_what_the_program_prints() {
    let page = include_str!("../docs/trace.md");
    let count = common::transcripts_hold(page, std::path::Path::new(env!("CARGO_MANIFEST_DIR")));
    assert!(count > 3, "the page has examples");
}
