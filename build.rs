//! Finds out what this machine has of what the tests talk with, so that a test whose peer is missing
//! is ignored and says why. The program itself needs none of it, but wants to know whether it has the crate that
//! watches, which the manifest says: by that it has the commands that do.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Programs that tests start.
const TOOLS: [&str; 8] = ["python3", "openssl", "ncat", "socat", "setpriv", "curl", "cc", "go"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=PATH");
    say("watch", env::var_os("DEP_ENCHUFE_WATCH_HERE").is_some());
    let path = env::var_os("PATH").unwrap_or_default();
    let places: BTreeSet<PathBuf> = env::split_paths(&path).filter(|place| place.is_absolute()).collect();

    let mut all_there = true;
    for tool in TOOLS {
        let found = find(tool, &places);
        all_there &= found.is_some();
        say(tool, found.is_some());
    }
    let netcat = find("nc", &places).filter(|path| is_openbsd(path));
    all_there &= netcat.is_some();
    say("openbsd_nc", netcat.is_some());
    let cpp = find("c++", &places).is_some();
    all_there &= cpp;
    say("cxx", cpp);
    say("static_libc", links_statically());
    say("ipv6", TcpListener::bind("[::1]:0").is_ok());
    say("namespaces", succeeds("unshare", &["--user", "--map-root-user", "--net", "true"]));
    say("io_uring", env::var_os("DEP_ENCHUFE_TALK_IO_URING").is_some());
    say("root", is_root());
    // What links are made with (tun, docs/trace.md).
    say("tun", fs::OpenOptions::new().read(true).write(true).open("/dev/net/tun").is_ok());
    say("mptcp", fs::read_to_string("/proc/sys/net/mptcp/enabled").is_ok_and(|text| text.trim() == "1"));
    say("reserved_ports", is_root() && first_free_port() > 80);

    // Installing what is missing changes one of these folders.
    if !all_there {
        for place in places.iter().filter(|place| place.is_dir()) {
            println!("cargo::rerun-if-changed={}", place.display());
        }
    }
}

/// Declares `have_NAME` and sets it if the machine has it.
fn say(name: &str, there: bool) {
    println!("cargo::rustc-check-cfg=cfg(have_{name})");
    if there {
        println!("cargo::rustc-cfg=have_{name}");
    }
}

/// The tool's path; watched, so that its removal is noticed.
fn find(tool: &str, places: &BTreeSet<PathBuf>) -> Option<PathBuf> {
    let found = places.iter().map(|place| place.join(tool)).find(|path| path.is_file())?;
    println!("cargo::rerun-if-changed={}", found.display());
    Some(found)
}

/// Several programs are called `nc`; their flags differ.
fn is_openbsd(path: &Path) -> bool {
    Command::new(path).arg("-h").output().is_ok_and(|output| {
        [output.stdout, output.stderr].iter().any(|said| String::from_utf8_lossy(said).contains("OpenBSD"))
    })
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}

/// Whether the C library can be put into a program.
fn links_statically() -> bool {
    let (folder, source) = (env::var("OUT_DIR").unwrap_or_default(), "int main(void) { return 0; }");
    let [from, to] = ["static.c", "static"].map(|name| format!("{folder}/{name}"));
    fs::write(&from, source).is_ok() && succeeds("cc", &["-static", "-o", &to, &from])
}

/// Whether tests can start the program as a user that may less.
fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// The first port that every user may take (Linux, ip(7)).
fn first_free_port() -> u16 {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}
