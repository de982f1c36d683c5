//! What `enchufe trace` cannot do is said in one sentence, with exit code 2, and nothing is left running.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Done, Process, other, run};
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_enchufe");

/// A file that may be executed.
fn executable(folder: &TempDir, name: &str, content: &[u8]) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The end of a run that could not be: one sentence, whatever the ladder shows of what ran before.
#[track_caller]
fn ended(done: &Done, sentence: &str) {
    assert_eq!(
        (done.code, done.errors()),
        (Some(2), format!("enchufe: {sentence}\n").as_str()),
        "{}",
        done.text()
    );
}

/// Whether a process with this word runs.
fn runs(word: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let commands = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    commands.into_iter().any(|command| command.split(|byte| *byte == 0).any(|part| part == word.as_bytes()))
}

#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn files_that_are_no_programs_of_this_machine_say_why() {
    let folder = TempDir::new().unwrap();
    // The header of a program for another machine: class and byte order are right, the machine is none.
    let mut header = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xff\xff\x01\0\0\0".to_vec();
    header.resize(200, 0);
    for (name, content) in [("foreign", header.as_slice()), ("no-first-line", b"echo hola\n")] {
        let path = executable(&folder, name, content);
        let sentence = format!(
            "{path} cannot be executed: it is a program for another machine, or a script whose first line does not name \
             its interpreter, as in #!/bin/sh"
        );
        ended(&run(&["trace", &path]), &sentence);
    }
    let path = executable(&folder, "no-interpreter", b"#!/no/such/interpreter\n");
    let sentence = format!(
        "{path} cannot be executed: the interpreter that its first line names, or the loader that it needs, is not there"
    );
    ended(&run(&["trace", &path]), &sentence);
}

#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn nothing_is_left_running_where_a_program_cannot_be_started() {
    let folder = TempDir::new().unwrap();
    let bad = executable(&folder, "bad", b"echo hola\n");
    // Numbers by which only these are found.
    let done = run(&["trace", "--start-timeout", "50ms", "sleep 60001.5", "true"]);
    ended(
        &done,
        "sleep neither listens nor connects nor ends, so the next program was not started; give it more time with --start-timeout",
    );
    assert!(!runs("60001.5"));
    let done = run(&["trace", "--start-timeout", "50ms", "--start-anyway", "sleep 60002.5", &bad]);
    assert_eq!((done.code, done.errors().lines().count()), (Some(2), 1), "{}", done.errors());
    assert!(!runs("60002.5"));
}

#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn a_first_program_that_dies_at_once_shows_its_own_message_and_its_status() {
    let done = run(&["trace", "-q", "sh -c 'echo no such luck >&2; exit 3'", "echo second"]);
    assert_eq!((done.code, done.errors()), (Some(0), ""));
    for row in ["» no such luck", "exits with 3", "» second"] {
        assert!(done.text().contains(row), "{row} {}", done.text());
    }
}

#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn who_is_traced_itself_cannot_trace() {
    let done = run(&[
        "trace",
        "-q",
        "--exit-status",
        "--view",
        "calls",
        "--",
        PROGRAM,
        "--lang",
        "en",
        "trace",
        "true",
    ]);
    assert_eq!(done.code, Some(2), "{}", done.text());
    assert!(
        done.text().contains(
            "programs cannot be traced here: enchufe is traced itself, and a program has one tracer; run it without \
             strace, gdb or another enchufe trace around it"
        ),
        "{}",
        done.text()
    );
}

#[test]
#[cfg_attr(not(all(have_cc, have_namespaces)), ignore = "needs a C compiler, user and network namespaces")]
fn what_a_container_forbids_is_told_apart() {
    let refuses = common::compiled("tests/edges/refuses.c");
    let cases = [
        (
            libc_number("ptrace"),
            "programs cannot be traced here: ptrace is refused (permission denied), as by the filter of system calls of a \
             container; in Docker allow it with --cap-add SYS_PTRACE",
        ),
        (
            libc_number("seccomp"),
            "programs cannot be traced here: seccomp is refused (permission denied), which stops them at their calls; a \
             container's filter may forbid it, and the kernel needs CONFIG_SECCOMP_FILTER",
        ),
    ];
    for (number, sentence) in cases {
        let words = [number.as_str(), PROGRAM, "--lang", "en", "trace", "sleep 60003.5"];
        ended(&Process::start(other(refuses.to_str().unwrap(), &words)).finish(), sentence);
        assert!(!runs("60003.5"));
    }
}

/// The number of a call on this machine.
fn libc_number(call: &str) -> String {
    let (ptrace, seccomp) = if cfg!(target_arch = "x86_64") { (101, 317) } else { (117, 277) };
    if call == "ptrace" { ptrace.to_string() } else { seccomp.to_string() }
}

#[test]
#[cfg_attr(not(have_setpriv), ignore = "needs setpriv")]
fn the_hosts_packets_need_a_capability_and_can_be_left_out() {
    let without =
        ["--bounding-set=-all", "--inh-caps=-all", PROGRAM, "--lang", "en", "trace", "--net", "host"];
    let done = Process::start(other("setpriv", &[&without[..], &["true"]].concat())).finish();
    let sentence = format!(
        "seeing the packets of this machine's network needs the capability CAP_NET_RAW; give it once: sudo setcap \
         cap_net_raw+ep {PROGRAM}, or leave them out with --no-packets"
    );
    ended(&done, &sentence);
    let done = Process::start(other("setpriv", &[&without[..], &["--no-packets", "true"]].concat())).finish();
    assert_eq!((done.code, done.errors()), (Some(0), ""));
}

#[test]
fn a_recording_that_cannot_be_made_is_said_before_anything_runs() {
    run(&["trace", "-w", "/no/such/folder/run.pcapng", "true"]).could_not_run(
        "open /no/such/folder/run.pcapng: its directory does not exist; make it first (mkdir -p), or name another file",
    );
    run(&["trace", "-w", "/", "true"]).could_not_run(
        "/ is no regular file, and a recording is read again and replaced: name another file with -w",
    );
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn what_was_recorded_before_there_was_no_room_stays_readable() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("run.pcapng");
    let path = path.to_str().unwrap();
    let server = "python3 tests/programs/vacia.py";
    let client = "python3 tests/programs/llena.py";
    // No file may have more than 64 blocks of 512 bytes: where the disk is full, it is the same to us.
    let script = "ulimit -f 64; exec \"$@\"";
    let words = ["-c", script, "sh", PROGRAM, "--lang", "en", "trace", "-w", path, server, client];
    let done = Process::start(other("sh", &words)).finish();
    assert_eq!(done.code, Some(2));
    let sentence = format!(
        "enchufe: write {path}: the file is larger than this process may make it (ulimit -f); name another file, in a \
         directory that is yours\n"
    );
    assert_eq!(done.errors(), sentence);
    assert!(!runs("tests/programs/vacia.py"), "nothing is left running");
    let done = run(&["read", "--view", "calls", path]);
    assert!(done.text().contains("vacia.py"), "{} {}", done.text(), done.errors());
    // Without a file of its own, the folder of files without a name is told.
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_str().unwrap();
    let script = format!("TMPDIR={place}; export TMPDIR; {script}");
    let words = ["-c", &script, "sh", PROGRAM, "--lang", "en", "trace", server, client];
    let done = Process::start(other("sh", &words)).finish();
    assert_eq!(done.code, Some(2));
    assert!(
        done.errors().starts_with(&format!("enchufe: write {place}: the file is larger")),
        "{}",
        done.errors()
    );
}
