//! Watching an interface, in a network where nobody else speaks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Process, enchufe, run};
use enchufe_sys::namespace::isolate;
use std::env;
use std::net::UdpSocket;
use std::process::Command;
use tempfile::TempDir;

const CHILD: &str = "ENCHUFE_TEST_WATCH";
const BEGUN: &str = "Watching lo; Ctrl-C ends\n";

/// Runs the test of this name again in a network of its own; there, tells so.
fn inside(name: &str) -> bool {
    if env::var_os(CHILD).is_some() {
        return true;
    }
    let mut command = Command::new(env::current_exe().unwrap());
    let output = isolate(command.args(["--exact", name]).env(CHILD, "1")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    false
}

/// Two sockets, the first of which sends to the second, with their ports.
fn pair() -> (UdpSocket, UdpSocket, [u16; 2]) {
    let sockets = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    let ports = sockets.each_ref().map(|socket| socket.local_addr().unwrap().port());
    let [sender, receiver] = sockets;
    sender.connect(receiver.local_addr().unwrap()).unwrap();
    (sender, receiver, ports)
}

/// A watch that has begun.
fn begin(words: &[&str]) -> Process {
    let mut watch = Process::start(enchufe("en", &[&["watch"], words].concat()));
    watch.errors_until("ends");
    watch
}

const BARE: [&str; 3] = ["--tsv", "--columns", "number,source,destination,protocol,length,info"];

#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn a_watch_shows_what_fits_and_ends_after_so_many() {
    if !inside("a_watch_shows_what_fits_and_ends_after_so_many") {
        return;
    }
    let (sender, _receiver, [from, to]) = pair();
    let (other, _sink, _) = pair();
    let filter = format!("udp.dstport == {to}");
    let watch = begin(&[&[filter.as_str(), "--count", "2"], &BARE[..]].concat());
    for size in [3, 1472] {
        other.send(b"not to be shown").unwrap();
        sender.send(&vec![0; size]).unwrap();
    }
    let row = |number: u32, size: u32| {
        format!("{number}\t127.0.0.1\t127.0.0.1\tUDP\t{}\t{from} → {to} Len={size}\n", size + 42)
    };
    // The length of the frame counts Ethernet, IPv4 and UDP; numbers count also what is not shown.
    let said = format!("{BEGUN}2 packets shown, 0 lost for want of room\n");
    watch.finish().is(0, &(row(2, 3) + &row(4, 1472)), &said);
}

#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn an_interrupted_watch_has_shown_and_written_all_that_came() {
    if !inside("an_interrupted_watch_has_shown_and_written_all_that_came") {
        return;
    }
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("watched.pcapng");
    let file = file.to_str().unwrap();
    for interface in ["lo", "any"] {
        let words = ["-i", interface, "-q", "-w", file, "--tsv", "--columns", "number,time,length,info"];
        // Quiet, it does not say when it has begun: the file does, which is made after the socket.
        std::fs::remove_file(file).unwrap_or_default();
        let watch = Process::start(enchufe("en", &[&["watch"], &words[..]].concat()));
        while !std::path::Path::new(file).exists() {
            std::thread::yield_now();
        }
        let (sender, receiver, _) = pair();
        for number in 0..100_u8 {
            sender.send(&[number]).unwrap();
            receiver.recv(&mut [0; 2]).unwrap();
        }
        watch.signal("INT");
        let watched = watch.finish();
        assert_eq!((watched.code, watched.errors(), watched.text().lines().count()), (Some(0), "", 100));
        let read = ["read", file, "--tsv", "--columns", "number,time,length,info"];
        run(&read).is(0, watched.text(), "");
    }
}

#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn a_watch_ends_after_its_time() {
    if !inside("a_watch_ends_after_its_time") {
        return;
    }
    let said = format!("{BEGUN}0 packets shown, 0 lost for want of room\n");
    run(&["watch", "--duration", "1ms"]).is(0, "", &said);
}

#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn what_cannot_be_watched_is_said_in_a_sentence() {
    if !inside("what_cannot_be_watched_is_said_in_a_sentence") {
        return;
    }
    run(&["watch", "--list"]).is(0, "1\tlo\tup\n", "");
    let sentences = [
        (vec!["-i", "eth7"], "there is no interface eth7; there are: lo (and any, for all of them)"),
        (vec!["-i", "any", "--promiscuous"], "--promiscuous is a mode of one interface: name it with -i"),
        (vec!["--count", "0"], "--count needs a number from 1 to 18446744073709551615, not \"0\""),
    ];
    for (words, sentence) in sentences {
        let done = run(&[&["watch"], &words[..]].concat());
        done.is(2, "", &format!("enchufe: {sentence}\n"));
    }
}

#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
#[cfg_attr(not(have_setpriv), ignore = "setpriv is missing")]
fn without_the_capability_it_says_how_to_give_it() {
    if !inside("without_the_capability_it_says_how_to_give_it") {
        return;
    }
    let program = env!("CARGO_BIN_EXE_enchufe");
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-net_raw", program, "watch", "--lang", "en"]);
    let sentence = format!(
        "enchufe: capturing packets needs the capability CAP_NET_RAW, which this program does not have; \
         give it once: sudo setcap cap_net_raw+ep {program}\n"
    );
    Process::start(command).finish().is(2, "", &sentence);
}
