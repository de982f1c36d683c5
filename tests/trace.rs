//! Programs traced: which call, on which line, put which segment on the wire.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Done, Process, enchufe, run};

/// The segments of a ladder that are more than an acknowledgement: what stands on the arrow, and why it was sent.
fn segments(done: &Done) -> Vec<(String, String)> {
    let mut rows: Vec<(String, String)> = Vec::new();
    let mut of_left = None;
    for line in done.text().lines() {
        let Some((left, rest)) = line.split_once('│') else { continue };
        let (middle, right) = rest.split_once('│').expect("two lines");
        let left: String = left.chars().skip(4).collect();
        if middle.contains('─') {
            let label: Vec<&str> =
                middle.split(['─', ' ', '▶', '◀']).filter(|word| !word.is_empty()).collect();
            of_left = Some(middle.contains('▶'));
            rows.push((label.join(" "), String::new()));
        } else if !line.starts_with("    ") || left.trim().is_empty() && right.trim().is_empty() {
            of_left = None;
        }
        let (Some(of_left), Some((_, cause))) = (of_left, rows.last_mut()) else { continue };
        let text = if of_left { left.trim() } else { right.trim() };
        let goes_on = middle.contains('─') || left.starts_with("  ") || right.starts_with("   ");
        if goes_on && !text.is_empty() {
            let more = if cause.is_empty() { text.to_owned() } else { format!(" {text}") };
            cause.push_str(&more);
        }
    }
    rows.retain(|(label, _)| label.contains(", ") || label == "SYN");
    rows
}

fn traced(words: &[&str]) -> Done {
    let done = run(&[&["trace"], words].concat());
    assert_eq!((done.code, done.errors()), (Some(0), ""), "{}", done.text());
    done
}

/// Each segment with what its arrow says, and what its cause begins with.
#[track_caller]
fn has(done: &Done, expected: &[(&str, &str)]) {
    let found = segments(done);
    let fits = found.len() == expected.len()
        && found
            .iter()
            .zip(expected)
            .all(|((label, cause), (arrow, begins))| label == arrow && cause.starts_with(begins));
    assert!(fits, "{found:#?}\n{}", done.text());
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn report_1_each_segment_of_the_echo_has_its_call_and_its_line() {
    let done = traced(&["python3 -u tests/programs/servidor.py", "python3 -u tests/programs/cliente.py"]);
    has(
        &done,
        &[
            ("SYN", ":6 connect 127.0.0.1:4000"),
            ("SYN, ACK", "kernel, for :7 listen; answers #1"),
            ("PSH, ACK 1..20", ":10 send"),
            ("PSH, ACK 1..20", ":20 send"),
            ("FIN, ACK 20", ":20 close"),
            ("FIN, ACK 21", ":25 close"),
        ],
    );
    for line in [":9 » <_io.TextIOWrapper", "Esperando", ":15 recv(19) ", "ended by SIGTERM", "exits with 0"]
    {
        assert!(done.text().contains(line), "{line}: {}", done.text());
    }
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn a_recording_gives_the_same_ladder_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.pcapng");
    let path = path.to_str().unwrap();
    let server = "python3 -u tests/programs/servidor.py";
    let done = traced(&["-w", path, server, "python3 -u tests/programs/cliente.py"]);
    run(&["read", "--ladder", path]).is(0, done.text(), "");
}

#[test]
fn what_cannot_be_run_is_said_in_one_sentence() {
    run(&["trace"]).could_not_run(
        "no program to trace: name one, as in: enchufe trace 'python3 servidor.py' 'python3 cliente.py'",
    );
    run(&["trace", ""]).could_not_run("a command is empty: name the program that it runs");
    run(&["trace", "echo 'hola"])
        .could_not_run("a quote in echo 'hola does not close: commands are split into words as a shell does");
    run(&["trace", "no-hay-tal"])
        .could_not_run("the command no-hay-tal is not found: give its path, or look at PATH");
    run(&["trace", "tests/programs/cliente.py"]).could_not_run(
        "tests/programs/cliente.py cannot be executed, it has no permission for that; give it with: chmod +x tests/programs/cliente.py",
    );
}

#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn a_program_that_never_gets_ready_is_ended_and_told() {
    let done = run(&["trace", "--start-timeout", "100ms", "sleep 600", "true"]);
    assert_eq!(done.code, Some(2));
    assert_eq!(
        done.errors(),
        "enchufe: sleep neither listens nor connects nor ends, so the next program was not started; give it more time with --start-timeout\n"
    );
}

/// Runs the program where no more networks can be made, with these words before it.
fn without_namespaces(before: &str, words: &[&str]) -> Done {
    limited("max_net_namespaces", before, words)
}

/// Runs the program where none of these can be made.
fn limited(limit: &str, before: &str, words: &[&str]) -> Done {
    let program = env!("CARGO_BIN_EXE_enchufe");
    let script = format!("echo 0 > /proc/sys/user/{limit} && exec {before} {program} --lang en \"$@\"");
    let mut command = std::process::Command::new("sh");
    enchufe_sys::namespace::isolate(command.args(["-c", &script, "sh"]).args(words));
    common::Process::start(command).finish()
}

const PAIR: [&str; 3] =
    ["trace", "python3 -u tests/programs/servidor.py", "python3 -u tests/programs/cliente.py"];

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn without_a_network_of_their_own_the_programs_connections_are_shown_on_the_loopback() {
    let done = without_namespaces("", &PAIR);
    assert_eq!(
        done.errors(),
        "enchufe: the programs have no network of their own (no more of them may be made): of this machine's loopback, their own connections are shown; for the whole picture: sudo sysctl user.max_net_namespaces=15000\n"
    );
    assert_eq!(segments(&done).len(), 6, "{}", done.text());
}

#[test]
#[cfg_attr(
    not(all(have_python3, have_namespaces, have_setpriv)),
    ignore = "needs python3, setpriv, user and network namespaces"
)]
fn without_the_right_to_see_packets_calls_and_states_are_shown() {
    let done = without_namespaces(BARE, &PAIR);
    assert_eq!(
        done.errors(),
        "enchufe: the programs have no network of their own (no more of them may be made), and packets may not be seen: calls, states and output without the wire; for the whole picture: sudo sysctl user.max_net_namespaces=15000\n"
    );
    assert_eq!(segments(&done), []);
    for line in [":6 connect 127.0.0.1:4000", ":10 send(19)", "= 19 B", ":15 recv", "ESTABLISHED"] {
        assert!(done.text().contains(line), "{line}: {}", done.text());
    }
}

/// May nothing that root may.
const BARE: &str = "setpriv --bounding-set=-all --inh-caps=-all";

#[test]
#[cfg_attr(not(all(have_namespaces, have_setpriv)), ignore = "needs setpriv, user and network namespaces")]
fn where_no_user_namespaces_may_be_made_that_is_the_setting_that_is_named() {
    for words in [["trace", "true"], ["doctor", "--lang=en"]] {
        let done = limited("max_user_namespaces", BARE, &words);
        let said = format!("{}{}", done.errors(), done.text());
        let (cause, way) = ("no more of them may be made", "sudo sysctl user.max_user_namespaces=15000\n");
        assert!(done.code == Some(0) && said.contains(cause) && said.contains(way), "{said}");
    }
}

#[test]
#[cfg_attr(
    not(all(have_cc, have_setpriv, have_namespaces)),
    ignore = "needs a C compiler, setpriv, user and network namespaces"
)]
fn where_a_filter_of_calls_forbids_them_it_is_named() {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("forbids");
    let mut compiler = std::process::Command::new("cc");
    compiler.args(["-Wall", "-Wextra", "-Werror", "-o"]).arg(&path);
    assert!(compiler.arg("tests/edges/forbids.c").status().unwrap().success());
    let before = format!("{BARE} {}", path.display());
    let cause = "a filter of system calls is in force (seccomp), as containers have it";
    let done = limited("max_ipc_namespaces", &before, &["trace", "true"]);
    assert_eq!(
        done.errors(),
        format!(
            "enchufe: the programs have no network of their own ({cause}), and packets may not be seen: calls, \
             states and output without the wire; for the whole picture: docker run --security-opt seccomp=unconfined ...\n"
        )
    );
    let done = limited("max_ipc_namespaces", &before, &["doctor", "--json"]);
    assert!(
        done.text().contains("\"works\":false,\"because\":\"seccomp\",\"command\":\"docker run "),
        "{}",
        done.text()
    );
    let done = limited("max_ipc_namespaces", &before, &["demo"]);
    assert!(done.code == Some(0) && done.errors().contains(cause), "{}", done.errors());
}

#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn with_details_the_first_line_says_that_the_network_is_their_own() {
    let done = run(&["trace", "-v", "true"]);
    assert_eq!(
        (done.code, done.errors()),
        (
            Some(0),
            "enchufe: the programs have a network of their own: calls, states and packets, and nobody else's traffic\n"
        )
    );
    assert_eq!(run(&["trace", "-v", "-q", "true"]).errors(), "");
}

#[test]
#[cfg_attr(not(all(have_root, have_namespaces)), ignore = "needs root, user and network namespaces")]
fn a_setuid_program_runs_without_its_privilege_and_that_is_said() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("id");
    std::fs::copy("/usr/bin/id", &path).unwrap();
    std::os::unix::fs::chown(&path, Some(65_534), None).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o4755)).unwrap();
    let path = path.to_str().unwrap();
    let done = run(&["trace", &format!("sh -c '{path} -u; {path} -u'")]);
    assert_eq!(done.text().matches("» 0 ").count(), 2, "{}", done.text());
    assert_eq!(
        done.errors(),
        format!(
            "enchufe: sh executes {path} without the privilege that this file gives (setuid, setgid or capabilities): programs that are traced get none\n"
        )
    );
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn a_recording_has_the_cause_of_each_packet_as_its_comment() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.pcapng");
    traced(&["-w", path.to_str().unwrap(), PAIR[1], PAIR[2]]);
    let bytes = std::fs::read(path).unwrap();
    let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    for comment in
        ["cliente.py:6 connect", "kernel, for servidor.py:7 listen; answers #1", "servidor.py:20 send"]
    {
        assert!(has(comment), "{comment}");
    }
}

#[test]
fn a_recording_that_cannot_be_written_is_said_before_anything_runs() {
    run(&["trace", "-w", "-", "true"])
        .could_not_run("standard output has the ladder: name a file for the recording, as in -w run.pcapng");
    for net in ["private", "host"] {
        run(&["trace", "--net", net, "-w", "/dev/null", "true"]).could_not_run(
            "/dev/null is no regular file, and a recording is read again and replaced: name another file with -w",
        );
    }
    assert!(!std::fs::metadata("/dev/null").unwrap().is_file());
}

#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn what_was_recorded_can_be_read_when_the_tracer_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.pcapng");
    let path = path.to_str().unwrap();
    let server = format!("{} serve echo --listen 127.0.0.1:4000", env!("CARGO_BIN_EXE_enchufe"));
    let mut tracer = Process::start(enchufe("en", &["trace", "-w", path, &server]));
    let calls = || run(&["read", "--view", "calls", path]);
    // It is written without anything more that happens.
    tracer.wait_for(|| calls().text().contains("listen(").then_some(()));
    tracer.signal("KILL");
    assert_eq!(tracer.finish().code, None);
    let read = calls();
    assert_eq!(read.code, Some(0), "{}", read.errors());
    for call in ["socket ", "bind 127.0.0.1:4000 = 0", "listen("] {
        assert!(read.text().contains(call), "{}", read.text());
    }
}
