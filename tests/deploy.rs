//! What `deploy` has runs: its command lines are given to the program, which serves with them and answers its probes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Process, connect, enchufe, json, read_all};
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::path::Path;
use std::time::Instant;

fn text(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path)).unwrap()
}

const MANIFEST: &str = "kubernetes/enchufe-echo.yaml";

/// The value of a key that stands once in the manifest.
fn value(manifest: &str, key: &str) -> String {
    let key = format!("{key}: ");
    let mut found = manifest.lines().filter_map(|line| line.trim().strip_prefix(&key));
    let value = found.next().unwrap_or_else(|| panic!("no {key}"));
    assert_eq!(found.next(), None, "{key}");
    value.trim_matches('"').to_owned()
}

/// The words below `args:`.
fn words(manifest: &str) -> Vec<String> {
    let after = manifest.lines().skip_while(|line| line.trim() != "args:").skip(1);
    after.map_while(|line| line.trim().strip_prefix("- ")).map(str::to_owned).collect()
}

/// On ports of the kernel's choice and this machine only.
fn at_home(words: impl IntoIterator<Item = String>) -> Vec<String> {
    words
        .into_iter()
        .map(|word| word.replace("*:4000", "127.0.0.1:0").replace("*:9100", "127.0.0.1:0"))
        .collect()
}

fn start(words: &[String]) -> Process {
    Process::start(enchufe("en", &words.iter().map(String::as_str).collect::<Vec<_>>()))
}

fn address(event: &serde_json::Value) -> SocketAddr {
    event["address"].as_str().unwrap().parse().unwrap()
}

fn echo(address: SocketAddr) {
    let mut client = connect(address);
    client.write_all(b"hola").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&client), b"hola");
}

/// The status of a page.
fn status(address: SocketAddr, path: &str) -> String {
    let mut client = connect(address);
    client.write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes()).unwrap();
    String::from_utf8(read_all(&client)).unwrap().split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn a_cluster_starts_it_with_flags_that_it_has_and_asks_pages_that_it_answers() {
    let manifest = text(MANIFEST);
    assert_eq!(value(&manifest, "command"), "[\"/usr/local/bin/enchufe\"]");
    let mut server = start(&at_home(words(&manifest)));
    let echoes = address(&server.event("listening"));
    let asks = address(&server.event("metrics_listening"));
    echo(echoes);
    // What is told of the next one is behind it.
    server.event("closed");
    let paths: Vec<&str> = manifest.lines().filter_map(|line| line.trim().strip_prefix("path: ")).collect();
    assert_eq!(paths, ["/readyz", "/healthz"]);
    for path in paths.into_iter().chain([value(&manifest, "prometheus.io/path").as_str()]) {
        assert_eq!(status(asks, path), "200", "{path}");
    }
    // Who is connected has the time of --drain, and meanwhile no new ones are to come.
    let open = connect(echoes);
    server.event("accepted");
    server.signal("TERM");
    server.event("draining");
    assert_eq!((status(asks, "/readyz"), status(asks, "/healthz")), ("503".to_owned(), "200".to_owned()));
    drop(open);
    let done = server.finish();
    assert_eq!((done.code, json::only(done.text(), "stopped")[0]["cut"].as_u64()), (Some(0), Some(0)));
}

#[test]
fn a_cluster_gives_it_the_time_that_it_wants_and_no_right_that_it_does_not() {
    let manifest = text(MANIFEST);
    let seconds = |key: &str| value(&manifest, key).parse::<u64>().unwrap();
    let words = words(&manifest);
    let drain = words.iter().find_map(|word| word.strip_prefix("--drain=")?.strip_suffix('s')).unwrap();
    let (drain, pause) = (drain.parse::<u64>().unwrap(), seconds("seconds"));
    assert!(seconds("terminationGracePeriodSeconds") > drain + pause);
    for (key, expected) in [
        ("runAsNonRoot", "true"),
        ("readOnlyRootFilesystem", "true"),
        ("allowPrivilegeEscalation", "false"),
        ("automountServiceAccountToken", "false"),
        ("drop", "[\"ALL"),
        ("type", "RuntimeDefault"),
    ] {
        assert!(value(&manifest, key).starts_with(expected), "{key}");
    }
    // The ports of the container are those of the flags, and the service leads to one of them.
    for (flag, port) in [("--listen=*:", "4000"), ("--metrics=*:", "9100")] {
        assert!(
            words.contains(&format!("{flag}{port}")) && manifest.contains(&format!("containerPort: {port}"))
        );
    }
    assert_eq!(value(&manifest, "targetPort"), "echo");
}

/// The words of the command line of a unit, its log somewhere else.
fn line_of(unit: &str, log: &Path) -> Vec<String> {
    let unit = text(unit);
    let line =
        unit.lines().filter_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/enchufe ")).next_back();
    let log = log.to_str().unwrap();
    line.unwrap().split(' ').map(|word| word.replace("/var/log/enchufe/echo.log", log)).collect()
}

#[test]
fn systemd_starts_it_with_flags_that_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let words = at_home(line_of("systemd/enchufe-echo.service", &log));
    let server = start(&words);
    // It is quiet: the log is all that it says.
    let begun = Instant::now();
    let listening = loop {
        assert!(begun.elapsed() < common::GUARD, "it never listens");
        let told = std::fs::read_to_string(&log).unwrap_or_default();
        if let Some((_, rest)) = told.split_once("Listening on ") {
            break rest.split(' ').next().map(str::to_owned).unwrap();
        }
        std::thread::yield_now();
    };
    echo(listening.parse().unwrap());
    server.signal("TERM");
    server.finish().is(0, "", "");
}

#[test]
fn systemd_hands_it_the_socket_of_the_unit() {
    let folder = tempfile::tempdir().unwrap();
    let words = line_of("systemd/enchufe-echo.service.d/socket.conf", &folder.path().join("log"));
    assert!(!words.contains(&"--listen".to_owned()));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let server = Process::handed("LISTEN_FDS=1", &words, std::os::fd::OwnedFd::from(listener));
    echo(address);
    server.signal("TERM");
    server.finish().is(0, "", "");
}
