//! Watching an interface, in a network where nobody else speaks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Process, enchufe, run};
use enchufe_sys::namespace::{isolate, set_loopback};
use std::env;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
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

/// Datagrams of this size, one after the other, until the test ends.
fn traffic(size: usize) {
    let (sender, receiver, _) = pair();
    std::thread::spawn(move || {
        loop {
            sender.send(&vec![0; size]).unwrap();
            receiver.recv(&mut vec![0; size]).unwrap();
        }
    });
}

/// A watch that has begun.
fn begin(words: &[&str]) -> Process {
    begun(Process::start(enchufe("en", &[&["watch"], words].concat())))
}

fn begun(mut watch: Process) -> Process {
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
    // The length of the frame counts Ethernet, IPv4 and UDP.
    let said = format!("{BEGUN}2 packets shown, 0 lost for want of room\n");
    watch.finish().is(0, &(row(1, 3) + &row(2, 1472)), &said);
}

#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn what_cannot_fit_does_not_reach_the_program_unless_it_counts() {
    if !inside("what_cannot_fit_does_not_reach_the_program_unless_it_counts") {
        return;
    }
    let (sender, _receiver, [from, to]) = pair();
    let (other, _sink, _) = pair();
    let fits = format!("udp.port == {to}");
    let (counts, knows) = (format!("{fits} and frame.number > 0"), format!("{fits} and frame.len > 0"));
    // Which numbers the packets of that port have where each one comes after one of another.
    let (left_out, all) = (["1", "2"], ["2", "4"]);
    let usual = ["--columns", "number"];
    let cases: [(&str, &[&str], _); 5] = [
        (&fits, &usual, left_out),
        (&knows, &usual, left_out),
        (&counts, &usual, all),
        (&fits, &["--columns", "frame.number"], all),
        (&fits, &["--columns", "number", "--time", "delta"], all),
    ];
    for interface in ["lo", "any"] {
        for (filter, words, numbers) in cases {
            let words = [&["-v", "-i", interface, filter, "--tsv", "--count", "2"], words].concat();
            let mut watch = begin(&words);
            watch.errors_until(if numbers == all {
                "Every packet is looked at"
            } else {
                "The kernel leaves out"
            });
            for _ in 0..2 {
                other.send(b"not to be shown").unwrap();
                sender.send(&[0; 7]).unwrap();
            }
            assert_eq!(watch.finish().text().lines().collect::<Vec<_>>(), numbers, "{words:?} {from}");
        }
    }
}

#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn what_is_left_out_changes_nothing_of_what_is_shown() {
    if !inside("what_is_left_out_changes_nothing_of_what_is_shown") {
        return;
    }
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let listener = TcpListener::bind(address).unwrap();
        let port = listener.local_addr().unwrap().port();
        // One direction, of which the other one tells what is on its way, what the window is, and what came before.
        let filter = format!("tcp.dstport == {port} and tcp.len > 0");
        let columns = "source,destination,protocol,length,info,tcp.analysis.bytes_in_flight,tcp.window_size,\
                       tcp.completeness,tcp.analysis.flags";
        let words = ["-i", "any", &filter, "--tsv", "--columns", columns, "--count", "20"];
        // With differences of times nothing can be left out; that column is not shown.
        let watches = [&[][..], &["--time", "delta"]].map(|more| begin(&[&words[..], more].concat()));
        let (other, sink, _) = pair();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.set_nodelay(true).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        for _ in 0..20 {
            other.send(&[0; 1400]).unwrap();
            sink.recv(&mut [0; 1400]).unwrap();
            client.write_all(b"0123456789").unwrap();
            server.read_exact(&mut [0; 10]).unwrap();
            server.write_all(b"!").unwrap();
            client.read_exact(&mut [0]).unwrap();
        }
        let [left_out, all] = watches.map(Process::finish);
        assert_eq!((left_out.text(), all.text().lines().count()), (all.text(), 20));
    }
}

/// A TCP conversation: a question, an answer, and the ends.
fn conversation() {
    let (listener, address) = common::listener();
    let client = std::net::TcpStream::connect(&address).unwrap();
    let server = common::accept(&listener);
    for (from, to) in [(&client, &server), (&server, &client)] {
        (&mut &*from).write_all(b"hola").unwrap();
        assert_eq!(common::read_exactly(to, 4), b"hola");
    }
    drop(client);
    assert_eq!(common::read_all(&server), b"");
}

#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn rows_of_a_watch_are_those_of_its_file_read_once() {
    if !inside("rows_of_a_watch_are_those_of_its_file_read_once") {
        return;
    }
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("watched.pcapng");
    let file = file.to_str().unwrap();
    for interface in ["lo", "any"] {
        // Each socket has its own stamps.
        let bare = [&["-i", interface], &BARE[..]].concat();
        let (rows, copy) = (begin(&bare), begin(&["-i", interface, "-w", file]));
        conversation();
        let [rows, _] = [rows, copy].map(|watch| {
            watch.signal("INT");
            watch.finish()
        });
        let read = run(&[&["read", file, "--one-pass"], &BARE[..]].concat());
        assert_eq!((read.code, read.errors()), (Some(0), ""));
        assert_eq!(rows.text(), read.text());
        assert!(read.text().contains("[SYN, ACK]") && read.text().contains("Len=4"), "{}", read.text());
    }
}

/// A hundred datagrams of a byte each, one after the other.
fn hundred() {
    let (sender, receiver, _) = pair();
    for number in 0..100_u8 {
        sender.send(&[number]).unwrap();
        receiver.recv(&mut [0; 2]).unwrap();
    }
}

#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn an_interrupted_watch_has_shown_all_that_came() {
    if !inside("an_interrupted_watch_has_shown_all_that_came") {
        return;
    }
    for interface in ["lo", "any"] {
        let watch =
            Process::start(enchufe("en", &["watch", "-i", interface, "--tsv", "--columns", "number"]));
        let watch = begun(watch);
        hundred();
        watch.signal("INT");
        let numbers: Vec<String> = (1..=100).map(|number| format!("{number}\n")).collect();
        let said = format!("Watching {interface}; Ctrl-C ends\n100 packets shown, 0 lost for want of room\n");
        watch.finish().is(0, &numbers.concat(), &said);
    }
}

#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn an_interrupted_watch_has_written_all_that_came() {
    if !inside("an_interrupted_watch_has_written_all_that_came") {
        return;
    }
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("watched.pcapng");
    let file = file.to_str().unwrap();
    for (interface, filter, written) in [("lo", "", 100), ("any", "", 100), ("lo", "udp.payload[0] < 0a", 10)]
    {
        let watch = begun(Process::start(enchufe("en", &["watch", "-i", interface, "-w", file, filter])));
        hundred();
        watch.signal("INT");
        let said = format!(
            "Watching {interface}; Ctrl-C ends\n{written} packets written, 0 lost for want of room\n"
        );
        watch.finish().is(0, "", &said);
        let numbers: Vec<String> = (1..=written).map(|number| format!("{number}\tUDP\n")).collect();
        run(&["read", file, "--tsv", "--columns", "number,protocol"]).is(0, &numbers.concat(), "");
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
    run(&["watch", "--list", "--count", "3"])
        .could_not_run("--list and --count exclude each other: leave one out");
    run(&["watch", "--list", "--json"]).is(0, "{\"index\":1,\"name\":\"lo\",\"up\":true}\n", "");
    let sentences = [
        (vec!["-i", "eth7"], "there is no interface eth7; there are: lo (and any, for all of them)"),
        (vec!["-i", "any", "--promiscuous"], "--promiscuous is a mode of one interface: name it with -i"),
        (vec!["--snaplen", "0"], "--snaplen needs a number from 1 to 262144, not \"0\""),
        (vec!["--duration", "0"], "--duration has to be more than zero"),
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
         give it once: sudo setcap cap_net_raw+ep {program}; enchufe trace shows without it what the programs that it \
         runs send and get\n"
    );
    Process::start(command).finish().is(2, "", &sentence);
}

#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn when_the_interface_goes_down_all_before_it_was_shown_and_it_is_said() {
    if !inside("when_the_interface_goes_down_all_before_it_was_shown_and_it_is_said") {
        return;
    }
    let (sender, _receiver, [_, to]) = pair();
    let filter = format!("udp.dstport == {to}");
    let watch = begin(&[&filter, "--tsv", "--columns", "number,data.len"]);
    for size in 1..=3 {
        sender.send(&vec![0; size]).unwrap();
    }
    set_loopback(false).unwrap();
    let down = "the interface lo is down: nothing passes it; bring it up with: sudo ip link set lo up\n";
    watch.finish().is(2, "1\t1\n2\t2\n3\t3\n", &format!("{BEGUN}enchufe: {down}"));
    // One that is down from the beginning.
    run(&["watch", "-q"]).could_not_run(down.trim_end());
    set_loopback(true).unwrap();
}

/// The kernel takes tags out of frames before programs see them, and tells them beside (packet(7), `tp_vlan_tci`).
#[test]
#[cfg_attr(
    not(all(have_python3, have_namespaces, have_tun)),
    ignore = "needs python3, network namespaces and /dev/net/tun"
)]
fn tags_of_virtual_networks_are_put_back() {
    if !inside("tags_of_virtual_networks_are_put_back") {
        return;
    }
    let nothing: [&str; 0] = [];
    let mut wire = Process::start_with_input(common::python("tagged", &nothing));
    assert_eq!(wire.line(), "ready");
    let columns = "vlan.id,vlan.priority,frame.len,info";
    let watch = begin(&["-i", "tap9", "udp", "--count", "2", "--tsv", "--columns", columns]);
    wire.write(b"now\n");
    let done = watch.finish();
    // A tag has four bytes: 14 of Ethernet, 20 of IP and 8 of UDP are 48 with the first payload, and 47 with the other.
    assert_eq!(
        (done.code, done.text()),
        (Some(0), "123\t3\t52\t1000 → 2000 Len=6\n\t\t47\t1000 → 2000 Len=5\n")
    );
}

#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn a_disk_that_fills_is_said_and_what_was_written_stays_readable() {
    if !inside("a_disk_that_fills_is_said_and_what_was_written_stays_readable") {
        return;
    }
    let folder = TempDir::new().unwrap();
    let folder = folder.path().to_str().unwrap();
    // A disk of 64 KiB, which only these two programs see.
    let script = "mount -t tmpfs -o size=64k none \"$1\" || exit 99
        \"$2\" --lang en watch -q -w \"$1/full\"; echo \"= $?\"
        \"$2\" --lang en read --one-pass \"$1/full\" --tsv --columns length; echo \"= $?\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, "sh", folder, env!("CARGO_BIN_EXE_enchufe")]);
    let both = Process::start(command);
    traffic(1000);
    let done = both.finish();
    let full =
        format!("enchufe: write {folder}/full: the disk is full; make room, or write to another disk\n");
    let text = done.text();
    let (shown, read) = text.split_once("= 2\n").expect(text);
    assert!(done.errors().starts_with(&full), "{}", done.errors());
    let rows = read.lines().filter(|line| *line == "1042").count();
    assert!((40..=64).contains(&rows), "{read}");
    assert_eq!(shown, "");
}

#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn a_watch_whose_reader_leaves_ends() {
    if !inside("a_watch_whose_reader_leaves_ends") {
        return;
    }
    let words = ["--tsv", "--columns", "length", "-q"];
    let mut command = Command::new("sh");
    let script = "\"$0\" watch \"$@\" | head -n 1";
    command.args(["-c", script, env!("CARGO_BIN_EXE_enchufe")]).args(words);
    let watch = Process::start(command);
    traffic(3);
    watch.finish().is(0, "45\n", "");
}
