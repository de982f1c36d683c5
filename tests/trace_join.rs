//! Programs that join a trace from another terminal.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Done, Process, enchufe};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A place for traces that no other test has.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o700)).unwrap();
        Self(folder)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = enchufe("en", &[&["trace"], words].concat());
        command.env("XDG_RUNTIME_DIR", self.0.path()).env("TMPDIR", self.0.path());
        command
    }

    /// A trace whose first program has begun to wait; what it has said about that.
    fn trace(&self, words: &[&str]) -> Process {
        let mut trace = Process::start(self.command(words));
        trace.errors_until("in a network of its own");
        trace
    }

    fn join(&self, words: &[&str]) -> Process {
        Process::start(self.command(&[&["--join"], words].concat()))
    }

    fn sockets(&self) -> Vec<PathBuf> {
        let folder = std::fs::read_dir(self.0.path().join("enchufe")).unwrap();
        folder.map(|entry| entry.unwrap().path()).collect()
    }

    fn knock(&self) -> UnixStream {
        let socket = UnixStream::connect(&self.sockets()[0]).unwrap();
        socket.set_read_timeout(Some(common::GUARD)).unwrap();
        socket
    }
}

const SERVER: &str = "python3 -u tests/programs/servidor.py";
/// Says its number, and never ends by itself.
const STAYS: [&str; 4] = ["--", "sh", "-c", "echo $$; exec sleep 600"];

fn interrupted(trace: Process) -> Done {
    trace.signal("INT");
    let done = trace.finish();
    assert_eq!(done.code, Some(0), "{}", done.errors());
    done
}

#[track_caller]
fn is_gone(pid: &str) {
    let path = Path::new("/proc").join(pid.trim());
    for _ in 0..60_000 {
        if !path.exists() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    panic!("{pid} still runs");
}

fn begun(program: &str, trace: u32) -> String {
    format!("enchufe: {program} joins the trace {trace}: it runs in that network, and is on that ladder\n")
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn a_client_from_another_terminal_is_on_the_ladder_of_its_server() {
    let place = Place::new();
    let mut trace = Process::start(place.command(&["--json", SERVER]));
    let said = trace.errors_until("servidor.py listens on 127.0.0.1:4000, in a network of its own");
    assert!(said.contains("enchufe trace --join -- COMMAND; ") && said.contains("--net host"), "{said}");
    let id = trace.id();
    let done = place.join(&["--", "python3", "-u", "tests/programs/cliente.py"]).finish();
    assert_eq!((done.code, done.errors()), (Some(0), &*begun("cliente.py", id)));
    assert!(done.text().contains("recibiendo \"Aquí va el mensaje\""), "{}", done.text());
    let done = interrupted(trace);
    let events: Vec<Value> = done.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let named = |name: &str| events.iter().filter(|event| event["event"] == name).collect::<Vec<&Value>>();
    let programs: Vec<&Value> = named("program_started").iter().map(|event| &event["name"]).collect();
    assert_eq!(programs, ["servidor.py", "cliente.py"]);
    let mut causes = Vec::new();
    for segment in named("segment").into_iter().filter(|segment| segment["flags"] != json!(["ACK"])) {
        let call = &segment["by"][0]["calls"][0];
        let (_, file) = call["file"].as_str().unwrap().rsplit_once('/').unwrap();
        causes.push(format!("{file}:{} {}", call["line"], call["name"].as_str().unwrap()));
    }
    let expected = [
        "cliente.py:6 connect",
        "servidor.py:7 listen",
        "cliente.py:10 sendto",
        "servidor.py:20 sendto",
        "cliente.py:20 close",
        "servidor.py:25 close",
    ];
    assert_eq!(causes, expected);
    assert!(named("disagreement").is_empty());
    assert_eq!(place.sockets(), [] as [PathBuf; 0], "the socket goes with its trace");
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn it_reads_and_prints_where_it_was_started_and_says_how_it_ended() {
    let place = Place::new();
    let trace = place.trace(&[SERVER]);
    let begins = begun("sh", trace.id());
    let mut command = place.command(&["--join", "sh -c 'cat; pwd; echo $SEEN; id -u; exit 3'"]);
    command.env("SEEN", "by the guest").current_dir(place.0.path());
    let mut guest = Process::start_with_input(command);
    guest.write(b"hola\n");
    guest.end_input();
    let id = Command::new("id").arg("-u").output().unwrap().stdout;
    let folder = place.0.path().display();
    let printed = format!("hola\n{folder}\nby the guest\n{}", String::from_utf8(id).unwrap());
    guest.finish().is(0, &printed, &format!("{begins}enchufe: sh exits with 3\n"));
    let done = place.join(&["-q", "--exit-status", "--", "sh", "-c", "kill -9 $$"]).finish();
    done.is(128 + 9, "", "");
    let text = interrupted(trace).text().to_owned();
    assert!(text.contains("» by the guest") && text.contains("exits with 3"), "{text}");
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn its_interruption_is_handed_on() {
    let place = Place::new();
    let trace = place.trace(&[SERVER]);
    let mut guest =
        place.join(&["--", "sh", "-c", "trap 'echo got; exit 5' INT; echo ready; while :; do sleep 1; done"]);
    guest.until("ready");
    guest.signal("INT");
    let done = guest.finish();
    let said = format!("{}enchufe: sh exits with 5\n", begun("sh", trace.id()));
    done.is(0, "ready\ngot\n", &said);
    interrupted(trace);
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn when_the_guest_is_killed_its_program_ends_and_the_others_go_on() {
    let place = Place::new();
    let trace = place.trace(&[SERVER]);
    let mut guest = place.join(&STAYS);
    let pid = guest.line();
    guest.signal("KILL");
    is_gone(&pid);
    // One that does not want to end.
    let stubborn = "trap '' TERM; echo $$; while :; do sleep 1; done";
    let mut guest = place.join(&["--", "sh", "-c", stubborn]);
    let pid = guest.line();
    guest.signal("KILL");
    is_gone(&pid);
    assert_eq!(place.join(&["--", "true"]).finish().code, Some(0));
    interrupted(trace);
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn when_the_trace_ends_or_is_killed_so_does_the_program_and_its_guest_says_so() {
    let place = Place::new();
    for signal in ["INT", "KILL"] {
        let trace = place.trace(&[SERVER]);
        let mut guest = place.join(&STAYS);
        let pid = guest.line();
        let begins = begun("sh", trace.id());
        trace.signal(signal);
        is_gone(&pid);
        let (code, said) = match signal {
            "INT" => (0, "the trace has ended, and sh with it: it ended by SIGINT"),
            _ => (2, "the trace that sh had joined was killed, and sh with it"),
        };
        guest.finish().is(code, &pid_line(&pid), &format!("{begins}enchufe: {said}\n"));
        let code = trace.finish().code;
        assert_eq!(code, if signal == "INT" { Some(0) } else { None });
    }
    // What the killed one left behind is nobody, and goes.
    assert_eq!(place.sockets().len(), 1);
    nobody(&place);
    assert_eq!(place.sockets(), [] as [PathBuf; 0]);
}

fn pid_line(pid: &str) -> String {
    format!("{}\n", pid.trim())
}

#[track_caller]
fn nobody(place: &Place) {
    place.join(&["--", "true"]).finish().could_not_run(
        "no running trace of yours is found; start one in another terminal, as in: enchufe trace 'python3 servidor.py'",
    );
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn of_several_traces_one_is_named() {
    let place = Place::new();
    nobody(&place);
    let traces = [place.trace(&[SERVER]), place.trace(&[SERVER])];
    let mut ids = traces.each_ref().map(Process::id);
    ids.sort_unstable();
    let all = ids.map(|id| format!("{id} (--lang en trace {SERVER})")).join(", ");
    place.join(&["--", "true"]).finish().could_not_run(&format!(
        "several traces of yours are running: {all}; name one, as in: --join {}",
        ids[0]
    ));
    let other = u32::MAX.to_string();
    place
        .join(&[&other, "--", "true"])
        .finish()
        .could_not_run(&format!("no trace of yours has the number {other}; these are running: {all}"));
    let second = ids[1].to_string();
    place.join(&[&second, "--", "true"]).finish().is(0, "", &begun("true", ids[1]));
    for trace in traces {
        interrupted(trace);
    }
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn what_cannot_be_run_is_said_and_the_trace_goes_on() {
    let place = Place::new();
    let trace = place.trace(&[SERVER]);
    let one = "--join runs one program: enchufe trace --join -- python3 cliente.py";
    place.join(&[]).finish().could_not_run(one);
    place.join(&["true", "true"]).finish().could_not_run(one);
    place
        .join(&["--", "no-hay-tal"])
        .finish()
        .could_not_run("the command no-hay-tal is not found: give its path, or look at PATH");
    let path = place.0.path().join("nothing");
    std::fs::write(&path, [0x7f, b'E', b'L', b'F']).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    let done = place.join(&["--", path.to_str().unwrap()]).finish();
    let said = "enchufe: nothing cannot be executed: ";
    assert!(done.code == Some(2) && done.errors().contains(said), "{}", done.errors());
    place
        .join(&["-w", "x", "--", "true"])
        .finish()
        .could_not_run("--join and --write exclude each other: leave one out");
    let done = interrupted(trace);
    assert!(!done.text().contains("nothing"), "what never ran is on no ladder: {}", done.text());
}

/// What the trace answers, until it hangs up.
fn answer(mut socket: UnixStream) -> Vec<u8> {
    let mut answer = Vec::new();
    // It may hang up on what it has not read.
    let _ = socket.read_to_end(&mut answer);
    answer
}

#[test]
#[cfg_attr(not(all(have_python3, have_namespaces)), ignore = "needs python3, user and network namespaces")]
fn nothing_that_comes_through_the_socket_disturbs_the_trace() {
    let place = Place::new();
    let mut trace = place.trace(&[SERVER]);
    let send = |bytes: &[u8]| {
        let mut socket = place.knock();
        socket.write_all(bytes).unwrap();
        answer(socket)
    };
    assert_eq!(send(b"GET / HTTP/1.1\r\n\r\n"), b"R\0\0\0\0\0", "another version");
    assert_eq!(send(&common::noise(100_000, 7)), b"R\0\0\0\0\0");
    // A length that is no length, words that end before they do, and a whole request without descriptors.
    let begins = b"enchufe join 1\n";
    assert_eq!(send(&[&begins[..], &[0xff; 8]].concat()), b"");
    assert_eq!(send(&[&begins[..], &[8, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4]].concat()), b"");
    let words = [&[9, 0, 0, 0], &b"/bin/true"[..], &[1, 0, 0, 0], &[0; 8]].concat();
    let length = u32::try_from(words.len()).unwrap().to_le_bytes();
    assert_eq!(send(&[&begins[..], &length, &words].concat()), b"");
    // Half a request, and gone.
    place.knock().write_all(&begins[..5]).unwrap();
    // Which is seen by the time that another has come and gone.
    place.join(&["-q", "--", "true"]).finish().is(0, "", "");
    // Those who only stay are sixteen at most.
    let idle: Vec<UnixStream> = (0..16).map(|_| place.knock()).collect();
    assert_eq!(answer(place.knock()), b"R\x01\0\0\0\0");
    let done = place.join(&["-q", "--", "true"]).finish();
    done.could_not_run(
        "sixteen programs have joined that trace already: true was not started; wait until one of them ends",
    );
    drop(idle);
    // They are gone once the trace has looked.
    let done = trace.wait_for(|| {
        let done = place.join(&["-q", "--", "true"]).finish();
        (!done.errors().contains("sixteen")).then_some(done)
    });
    done.is(0, "", "");
    interrupted(trace);
}

#[test]
#[cfg_attr(
    not(all(have_python3, have_namespaces, have_setpriv, have_root)),
    ignore = "needs root, python3, setpriv, user and network namespaces"
)]
fn another_user_does_not_come_in() {
    let place = Place::new();
    let trace = place.trace(&[SERVER]);
    // Even where the folder is open by mistake.
    let socket = place.sockets().remove(0);
    for path in [place.0.path(), socket.parent().unwrap()] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }
    std::fs::set_permissions(&socket, PermissionsExt::from_mode(0o777)).unwrap();
    let knocks = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.sendall(b'GET'); print(s.recv(9))";
    let stranger = common::other(
        "setpriv",
        &["--reuid=65534", "--clear-groups", "python3", "-c", knocks, socket.to_str().unwrap()],
    );
    let done = Process::start(stranger).finish();
    assert!(!done.text().contains("R\\x00"), "no answer: {} {}", done.text(), done.errors());
    nobody(&place);
    interrupted(trace);
}
