//! What this machine allows, and what it does not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Done, run};
use serde_json::Value;
use std::process::Command;

const NAMES: [&str; 8] =
    ["namespaces", "ptrace", "seccomp", "capture", "link", "tracefs", "io-uring", "descriptors"];

fn found(done: &Done) -> Vec<(String, bool)> {
    let lines = done.text().lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.map(|line| (line["name"].as_str().unwrap().to_owned(), line["works"].as_bool().unwrap())).collect()
}

#[test]
fn every_line_says_yes_or_no_and_no_says_what_changes_it() {
    let (text, json) = (run(&["doctor"]), run(&["doctor", "--json"]));
    assert_eq!((text.code, json.code), (Some(0), Some(0)));
    let found = found(&json);
    assert_eq!(found.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), NAMES);
    for ((name, works), line) in found.iter().zip(text.text().lines()) {
        assert!(line.starts_with(name.as_str()), "{line}");
        assert!(line.contains(if *works { " yes " } else { " no " }), "{line}");
        assert_eq!(line.contains("; change it: "), !works, "{line}");
    }
}

#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn where_no_more_networks_can_be_made_it_says_so() {
    let program = env!("CARGO_BIN_EXE_enchufe");
    let script = format!("echo 0 > /proc/sys/user/max_net_namespaces && exec {program} --lang en doctor");
    let mut command = Command::new("sh");
    enchufe_sys::namespace::isolate(command.args(["-c", &script]));
    let done = common::Process::start(command).finish();
    assert_eq!(
        done.text().lines().next(),
        Some(
            "namespaces   no   a network of their own for traced programs (no more of them may be made); change it: sudo sysctl user.max_net_namespaces=15000"
        )
    );
}

/// Where one call is refused to it.
fn without(call: &str) -> Done {
    let start = [call, "EPERM", env!("CARGO_BIN_EXE_enchufe"), "--lang", "en", "doctor"];
    common::Process::start(common::python("forbidding", &start)).finish()
}

#[test]
#[cfg_attr(not(have_python3), ignore = "python3 is not installed")]
fn what_forbids_tracing_is_told_and_no_cure_for_something_else() {
    let done = without("ptrace");
    let lines: Vec<&str> = done.text().lines().skip(1).take(2).collect();
    let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    if !matches!(scope.trim(), "2" | "3") {
        assert_eq!(
            lines[0],
            "ptrace       no   the calls of traced programs; programs cannot be traced here: ptrace is refused (permission \
             denied), as by the filter of system calls of a container; in Docker allow it with --cap-add SYS_PTRACE"
        );
    }
    assert_eq!(lines[1], "seccomp      yes  traced programs stop at the calls that matter only");
    let done = without("seccomp");
    let lines: Vec<&str> = done.text().lines().skip(1).take(2).collect();
    assert_eq!(lines[0], "ptrace       yes  the calls of traced programs");
    assert_eq!(
        lines[1],
        "seccomp      no   traced programs stop at the calls that matter only; programs cannot be traced here: seccomp is \
         refused (permission denied), which stops them at their calls; a container's filter may forbid it, and the kernel \
         needs CONFIG_SECCOMP_FILTER"
    );
}
