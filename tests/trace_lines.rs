//! Lines of code of compiled programs: the line that is told of each call is one that says so in its source.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::run;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lines");

/// Compiles a source of `tests/lines`.
fn compiled(folder: &Path, compiler: impl AsRef<Path>, words: &[&str], source: &str) -> PathBuf {
    let path = folder.join(Path::new(source).file_stem().unwrap());
    let mut command = Command::new(compiler.as_ref());
    // What is written beside the program goes there, too.
    command.current_dir(folder).args(words).arg(format!("{SOURCES}/{source}")).arg("-o").arg(&path);
    assert!(command.status().unwrap().success(), "{command:?}");
    path
}

/// What is told of a program, which must end well.
fn traced(words: &[&str]) -> Vec<Value> {
    let done = run(&[&["trace", "-q", "--pipes", "--json", "--"], words].concat());
    assert_eq!((done.code, done.errors()), (Some(0), ""), "{}", done.text());
    let events: Vec<Value> = done.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ended = events.iter().rfind(|event| event["event"] == "ended").unwrap();
    assert_eq!(ended["status"], 0, "{}", done.text());
    events
}

/// The calls of a program, with what it prints, but for its end, and the waits of a language for all its threads.
fn calls(events: &[Value]) -> impl Iterator<Item = &Value> {
    let is_call = |event: &&Value| event["event"] == "call_entered" || event["event"] == "printed";
    events
        .iter()
        .filter(is_call)
        .filter(|event| event["name"] != "exit_group" && event["name"] != "epoll_pwait")
}

fn name(call: &Value) -> &str {
    call["name"].as_str().unwrap_or("write")
}

/// The calls that a line of source says it makes.
fn marked(line: &str) -> Vec<&str> {
    let marks = line.split_once("// line: ").map(|(_, marks)| marks);
    marks.map_or_else(Vec::new, |marks| marks.split(", ").map(str::trim).collect())
}

/// Every call is told with a line that says that it makes it, and every line that says so is told.
#[track_caller]
fn every_line_is_right(events: &[Value], sources: &[&str]) {
    let texts: Vec<(&str, String)> = sources
        .iter()
        .map(|name| (*name, std::fs::read_to_string(format!("{SOURCES}/{name}")).unwrap()))
        .collect();
    let mut told = BTreeSet::new();
    for call in calls(events) {
        let (file, line) =
            (call["line"]["file"].as_str().unwrap_or(""), call["line"]["line"].as_u64().unwrap_or(0));
        let named = |(name, _): &&(&str, String)| Path::new(file).file_name() == Some(name.as_ref());
        let (source, text) = texts.iter().find(named).unwrap_or_else(|| panic!("no line: {call}"));
        let marks = marked(text.lines().nth(usize::try_from(line).unwrap() - 1).unwrap());
        assert!(marks.contains(&name(call)), "{call} is said to be in {source}:{line}, which has {marks:?}");
        told.insert((*source, line));
    }
    let expected = texts.iter().flat_map(|(source, text)| {
        let lines = (1..).zip(text.lines()).filter(|(_, line)| !marked(line).is_empty());
        lines.map(|(number, _)| (*source, number))
    });
    assert_eq!(told, expected.collect());
}

#[track_caller]
fn pair_in_c(words: &[&str]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let path = compiled(folder.path(), "cc", &[words, &["-pthread"]].concat(), "pair.c");
    let events = traced(&[path.to_str().unwrap()]);
    every_line_is_right(&events, &["pair.c"]);
    events
}

macro_rules! pairs {
    ($($name:ident: $($words:literal)*;)*) => {$(
        #[test]
        #[cfg_attr(not(all(have_cc, have_namespaces)), ignore = "needs a C compiler, user and network namespaces")]
        fn $name() {
            pair_in_c(&[$($words),*]);
        }
    )*};
}

pairs! {
    lines_of_c: "-g";
    lines_of_c_where_functions_were_made_one: "-g" "-O3";
    lines_of_c_where_calls_take_the_place_of_functions: "-g" "-O2";
    lines_of_c_without_frame_pointers: "-g" "-O1" "-fomit-frame-pointer" "-no-pie";
    lines_of_c_from_older_debug_information: "-g" "-gdwarf-4" "-O1";
    lines_of_c_from_compressed_debug_information: "-g" "-gz" "-O2";
    lines_of_c_from_debug_information_beside_the_objects: "-g" "-gsplit-dwarf" "-O2";
    lines_of_c_without_an_index_of_frames: "-g" "-O1" "-Wl,--no-eh-frame-hdr";
}

#[test]
#[cfg_attr(
    not(all(have_static_libc, have_namespaces)),
    ignore = "needs a C library to link statically, user and network namespaces"
)]
fn lines_of_c_with_its_library_within() {
    for words in [["-g", "-O1", "-static"], ["-g", "-O1", "-static-pie"]] {
        pair_in_c(&words);
    }
}

#[test]
#[cfg_attr(not(all(have_cc, have_namespaces)), ignore = "needs a C compiler, user and network namespaces")]
fn two_threads_in_calls_at_once_have_each_its_line() {
    let events = pair_in_c(&["-g", "-O1"]);
    let peeks: Vec<&Value> =
        calls(&events).filter(|call| call["arguments"]["flags"].to_string().contains("MSG_PEEK")).collect();
    let [one, other] = &peeks[..] else { panic!("{peeks:?}") };
    assert_ne!(one["tid"], other["tid"]);
    let functions = [one, other].map(|call| call["line"]["function"].as_str().unwrap());
    assert_eq!(BTreeSet::from(functions), BTreeSet::from(["first", "second"]));
    // Neither was over when the other began.
    let left = events.iter().position(|event| {
        event["event"] == "call_left" && [one["call"].clone(), other["call"].clone()].contains(&event["call"])
    });
    let entered =
        events.iter().rposition(|event| event["call"] == other["call"] && event["event"] == "call_entered");
    assert!(entered < left);
}

#[test]
#[cfg_attr(not(all(have_cc, have_namespaces)), ignore = "needs a C compiler, user and network namespaces")]
fn a_program_that_is_deleted_while_it_runs_has_lines() {
    let folder = tempfile::tempdir().unwrap();
    let path = compiled(folder.path(), "cc", &["-g", "-pthread"], "pair.c");
    let events = traced(&[path.to_str().unwrap(), "deleted"]);
    every_line_is_right(&events, &["pair.c"]);
    assert!(!path.exists());
}

#[test]
#[cfg_attr(not(all(have_cc, have_namespaces)), ignore = "needs a C compiler, user and network namespaces")]
fn lines_of_c_stand_in_every_view_and_in_the_recording() {
    let folder = tempfile::tempdir().unwrap();
    let path = compiled(folder.path(), "cc", &["-g", "-O1", "-pthread"], "pair.c");
    let recording = folder.path().join("run.pcapng");
    let (path, recording) = (path.to_str().unwrap(), recording.to_str().unwrap());
    let ladder = run(&["trace", "-q", "--pipes", "-w", recording, "--", path]);
    let text = std::fs::read_to_string(format!("{SOURCES}/pair.c")).unwrap();
    let line = |mark: &str| text.lines().position(|line| marked(line) == [mark]).unwrap() + 1;
    let (connect, close) = (line("connect"), line("close"));
    // `pair` is made of `pair.c` alone.
    for part in [format!(":{connect} connect"), format!(":{close} close")] {
        assert!(ladder.text().contains(&part), "{part}: {}", ladder.text());
    }
    run(&["read", "--ladder", recording]).is(0, ladder.text(), "");
    let calls = run(&["read", "--view", "calls", recording]);
    assert!(calls.text().contains(&format!(" :{connect} ")), "{}", calls.text());
    let sentences = run(&["read", "--explain", recording]);
    assert!(sentences.text().contains(&format!("with connect at pair.c:{connect}")), "{}", sentences.text());
    let (bytes, comment) = (std::fs::read(recording).unwrap(), format!("pair.c:{connect} connect"));
    assert!(bytes.windows(comment.len()).any(|window| window == comment.as_bytes()));
}

#[test]
#[cfg_attr(not(all(have_cc, have_namespaces)), ignore = "needs a C compiler, user and network namespaces")]
fn without_debug_information_the_function_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = compiled(folder.path(), "cc", &["-O0", "-pthread"], "pair.c");
    let events = traced(&[path.to_str().unwrap()]);
    let functions = |wanted: &str| -> BTreeSet<&str> {
        let named = calls(&events).filter(|call| name(call) == wanted);
        named.map(|call| call["line"]["function"].as_str().unwrap()).collect()
    };
    assert!(calls(&events).all(|call| call["line"]["line"].is_null()), "{events:?}");
    assert_eq!(functions("connect"), BTreeSet::from(["client"]));
    assert_eq!(functions("sendto"), BTreeSet::from(["client", "handle", "last", "threads"]));
    assert_eq!(functions("recvfrom"), BTreeSet::from(["first", "second", "main"]));
    assert_eq!(functions("accept"), BTreeSet::from(["main"]));
}

#[test]
#[cfg_attr(not(all(have_cc, have_namespaces)), ignore = "needs a C compiler, user and network namespaces")]
fn of_a_stripped_program_nothing_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = compiled(folder.path(), "cc", &["-O1", "-s", "-pthread"], "pair.c");
    let events = traced(&[path.to_str().unwrap()]);
    assert!(calls(&events).all(|call| call["line"].is_null()), "{events:?}");
}

#[test]
#[cfg_attr(not(all(have_cc, have_namespaces)), ignore = "needs a C compiler, user and network namespaces")]
fn what_stands_where_another_library_stood_has_its_own_lines() {
    let folder = tempfile::tempdir().unwrap();
    let library = |source| compiled(folder.path(), "cc", &["-g", "-shared", "-fPIC"], source);
    let [one, other] = [library("one.c"), library("other.c")];
    let path = compiled(folder.path(), "cc", &["-g"], "plugged.c");
    let [path, one, other] = [&path, &one, &other].map(|path| path.to_str().unwrap());
    let events = traced(&[path, one, other, one]);
    every_line_is_right(&events, &["plugged.c", "one.c", "other.c"]);
    let sends = calls(&events).filter(|call| name(call) == "sendto");
    let files = sends.map(|call| call["line"]["file"].as_str().unwrap().rsplit('/').next().unwrap());
    assert_eq!(files.collect::<Vec<_>>(), ["one.c", "other.c", "one.c"]);
}

#[test]
#[cfg_attr(not(all(have_cxx, have_namespaces)), ignore = "needs a C++ compiler, user and network namespaces")]
fn lines_of_cpp_are_not_those_of_its_library() {
    for level in ["-O0", "-O2"] {
        let folder = tempfile::tempdir().unwrap();
        let path = compiled(folder.path(), "c++", &["-g", level, "-std=c++17", "-pthread"], "pair.cpp");
        every_line_is_right(&traced(&[path.to_str().unwrap()]), &["pair.cpp"]);
    }
}

#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn lines_of_rust_are_not_those_of_its_library() {
    let rustc = Path::new(env!("CARGO")).with_file_name("rustc");
    for level in ["0", "3"] {
        let folder = tempfile::tempdir().unwrap();
        let words = ["-g", "--edition=2024", "-C", &format!("opt-level={level}")];
        let path = compiled(folder.path(), &rustc, &words, "pair.rs");
        every_line_is_right(&traced(&[path.to_str().unwrap()]), &["pair.rs"]);
    }
}

/// Builds the program in Go; what the compiler keeps goes where this build keeps its own.
fn go(folder: &Path, flags: &[&str]) -> PathBuf {
    let path = folder.join("main");
    let mut command = Command::new("go");
    command.arg("build").args(flags).arg("-o").arg(&path).arg(format!("{SOURCES}/main.go"));
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR"));
    command.env("GOCACHE", kept.join("go")).env("GOPATH", kept.join("gopath"));
    command.env("CGO_ENABLED", "0").env("GOTOOLCHAIN", "local").env_remove("GOFLAGS");
    assert!(command.status().unwrap().success(), "{command:?}");
    path
}

/// What Go's runtime sends a thread that goes on for too long, by its number (signal(7)).
const SIGURG: i64 = 23;

#[test]
#[cfg_attr(not(all(have_go, have_namespaces)), ignore = "needs Go, user and network namespaces")]
fn a_program_in_go_goes_on_under_its_own_signals_and_has_lines() {
    let stripped = "-ldflags=-s -w";
    for flags in [&[][..], &["-gcflags=-N -l"], &[stripped], &["-trimpath"], &["-trimpath", stripped]] {
        let folder = tempfile::tempdir().unwrap();
        let path = go(folder.path(), flags);
        let events = traced(&[path.to_str().unwrap()]);
        every_line_is_right(&events, &["main.go"]);
        let printed: Vec<&Value> = events.iter().filter(|event| event["event"] == "printed").collect();
        assert_eq!(
            printed.iter().map(|event| event["text"].as_str().unwrap()).collect::<String>(),
            "hola\\n"
        );
        assert!(events.iter().any(|event| event["number"] == SIGURG), "the runtime interrupts who spins");
    }
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn lines_of_python_are_right_wherever_a_program_was_before() {
    let events = traced(&["python3", &format!("{SOURCES}/places.py")]);
    let mut files = BTreeSet::new();
    let mut count = 0;
    for send in calls(&events).filter(|call| name(call) == "sendto") {
        assert_eq!(send["line"]["line"], send["arguments"]["length"], "{send}");
        let file = send["line"]["file"].as_str().unwrap();
        files.insert(file.rsplit('/').next().unwrap().to_owned());
        count += 1;
    }
    let made = ["dos.py", "made.py", "one.py", "places.py", "two.py", "uno.py", "één.py"];
    assert_eq!((count, files), (65, made.map(str::to_owned).into()));
}

/// `python3 -c`: what has no file is the program's own, too, and the library that it calls is not.
#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn a_program_without_a_file_has_lines() {
    let program = "import socket\n\
                   server = socket.create_server(('127.0.0.1', 0))\n\
                   client = socket.create_connection(server.getsockname())\n\
                   client.close()\n";
    let events = traced(&["python3", "-c", program]);
    for (name, expected) in [("listen", 2), ("connect", 3)] {
        let call = calls(&events).find(|call| self::name(call) == name).unwrap();
        let line = &call["line"];
        assert_eq!((&line["file"], &line["line"]), (&"<string>".into(), &expected.into()), "{call}");
    }
}
