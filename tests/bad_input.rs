//! What cannot be done is said in one sentence that names the way out: nothing on stdout, nothing
//! half done, exit code 2 (1 where it ran and was refused).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Done, Process, Server, enchufe, other, python, read_all, run};
use std::ffi::OsStr;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// The sentence in English and in Spanish.
#[track_caller]
fn both(words: &[&str], english: &str, spanish: &str) {
    run(words).could_not_run(english);
    Process::start(enchufe("es", words)).finish().could_not_run(spanish);
}

/// A server that got no further than its first step, which it tells: which address it is about.
#[track_caller]
fn got_no_further(done: &Done, address: SocketAddr, sentence: &str) {
    let told = format!("Starting up {} port {}\n", address.ip(), address.port());
    done.is(2, &told, &format!("enchufe: {sentence}\n"));
}

#[test]
fn the_program_alone_says_how_to_begin() {
    both(
        &[],
        "say what to do; to begin with: \"enchufe demo\" (all there is: \"enchufe --help\")",
        "dime qué hacer; para empezar: «enchufe demo» (todo lo que hay: «enchufe --help»)",
    );
}

#[test]
fn a_port_after_a_space_is_answered_with_the_line_to_type() {
    both(
        &["send", "localhost", "4000", "hola"],
        "the port follows the name after a colon; write: enchufe send localhost:4000 hola",
        "el puerto va pegado al nombre con dos puntos; escribe: enchufe send localhost:4000 hola",
    );
    let sentence =
        "the port follows the name after a colon; write: enchufe send localhost:4000 'hola a todos'";
    run(&["send", "localhost", "4000", "hola a todos"]).could_not_run(sentence);
}

#[test]
fn a_server_without_a_service_is_answered_with_the_line_to_type() {
    both(
        &["serve", "4000"],
        "the service goes before the port; write: enchufe serve echo --listen 4000",
        "falta el servicio antes del puerto; escribe: enchufe serve echo --listen 4000",
    );
    both(
        &["serve"],
        "which service is missing; for example: \"enchufe serve echo\" \
         (there are: echo, receive, reply, ask, discard, chargen, daytime, exec)",
        "falta qué servicio dar; por ejemplo: «enchufe serve echo» \
         (hay: echo, receive, reply, ask, discard, chargen, daytime, exec)",
    );
}

#[test]
fn a_port_after_the_service_is_answered_with_the_line_to_type() {
    both(
        &["serve", "echo", "4000"],
        "the port goes with --listen; write: enchufe serve echo --listen 4000",
        "el puerto va con --listen; escribe: enchufe serve echo --listen 4000",
    );
}

#[test]
fn an_unknown_service_is_named_with_those_there_are() {
    both(
        &["serve", "eco"],
        "there is no service \"eco\"; there are: echo, receive, reply, ask, discard, chargen, daytime, exec",
        "no hay un servicio «eco»; hay: echo, receive, reply, ask, discard, chargen, daytime, exec",
    );
}

#[test]
fn an_unknown_command_or_flag_is_named_with_what_there_is() {
    both(
        &["srve"],
        "\"srve\" is no command of enchufe; did you mean \"enchufe serve\"?",
        "«srve» no es una orden de enchufe; ¿querías «enchufe serve»?",
    );
    both(
        &["foo"],
        "\"foo\" is no command of enchufe; there are: demo, serve, send, read, watch, trace, doctor, completions, man \
         (\"enchufe --help\" explains them)",
        "«foo» no es una orden de enchufe; hay: demo, serve, send, read, watch, trace, doctor, completions, man \
         («enchufe --help» las explica)",
    );
    both(
        &["serv", "echo"],
        "\"serv\" is no command of enchufe; did you mean \"enchufe serve\"?",
        "«serv» no es una orden de enchufe; ¿querías «enchufe serve»?",
    );
    both(
        &["serve", "echo", "--lisen", "4000"],
        "there is no flag --lisen here; did you mean --listen?",
        "la opción --lisen no existe aquí; ¿querías --listen?",
    );
}

#[test]
fn a_negative_number_is_neither_a_flag_nor_a_value() {
    both(
        &["serve", "echo", "--idle", "-1s"],
        "there is no flag -1 here, and none takes a negative number (if it is a message, put -- before it)",
        "la opción -1 no existe aquí, y ninguna lleva un número negativo (si es un mensaje, pon -- antes)",
    );
}

#[test]
fn a_port_out_of_range_is_no_port() {
    let english = |port: &str| format!("\"{port}\" is not a port: that is a number from 0 to 65535");
    for port in ["65536", "-1", "http", "99999999999999999999"] {
        run(&["send", &format!("127.0.0.1:{port}"), "x"]).could_not_run(&english(port));
        let listen = run(&["serve", "echo", "--listen", &format!("127.0.0.1:{port}")]);
        listen.could_not_run(&format!("--listen: {}", english(port)));
    }
    let words = ["serve", "echo", "--listen", "65536"];
    both(
        &words,
        &format!("--listen: {}", english("65536")),
        "--listen: «65536» no es un puerto: es un número de 0 a 65535",
    );
}

#[test]
fn an_address_without_a_port_or_without_brackets_is_said_to_be_so() {
    both(
        &["send", "localhost"],
        "\"localhost\" lacks the port: write it after a colon, like 127.0.0.1:4000",
        "a «localhost» le falta el puerto: escríbelo después de dos puntos, como 127.0.0.1:4000",
    );
    let sentence = "an IPv6 address goes in brackets, so that one sees where the port begins: \
                    [::1]:4000, not \"::1:4000\"";
    run(&["send", "::1:4000", "x"]).could_not_run(sentence);
    let sentence = "port 0 is for listening; to connect say on which port the server listens";
    run(&["send", "127.0.0.1:0", "x"]).could_not_run(sentence);
    let sentence = "\"*\" is for listening; to connect say to which machine, like 127.0.0.1:4000";
    run(&["send", "*:4000", "x"]).could_not_run(sentence);
}

#[test]
fn times_and_numbers_say_how_they_are_written() {
    both(
        &["serve", "echo", "--idle", "31d"],
        "--idle needs a time with its unit (us, ms, s, m or h), like 50ms, 2s or 1m, not \"31d\"",
        "--idle necesita un tiempo con su unidad (us, ms, s, m o h), como 50ms, 2s o 1m, y no «31d»",
    );
    both(
        &["serve", "echo", "--idle", "5"],
        "--idle needs a time with its unit (us, ms, s, m or h), like 50ms, 2s or 1m, not \"5\"",
        "--idle necesita un tiempo con su unidad (us, ms, s, m o h), como 50ms, 2s o 1m, y no «5»",
    );
    both(
        &["serve", "echo", "--accept", "0"],
        "--accept needs a number from 1 to 18446744073709551615, not \"0\"",
        "--accept necesita un número de 1 a 18446744073709551615, y no «0»",
    );
    let sentence = "--expect cannot be \"everything\"; it can be: echo, line, bytes=N, nothing";
    run(&["send", "127.0.0.1:4000", "x", "--expect", "everything"]).could_not_run(sentence);
    let sentence = "--no-reply and --expect exclude each other: leave one out";
    let done = run(&["send", "127.0.0.1:4000", "x", "--expect", "echo", "--no-reply"]);
    let turned = "--expect and --no-reply exclude each other: leave one out";
    assert!([sentence, turned].iter().any(|said| done.errors() == format!("enchufe: {said}\n")));
    assert_eq!((done.code, done.text()), (Some(2), ""));
}

#[test]
fn a_word_that_is_no_text_is_told_where_text_is_needed() {
    let said = |language: &str| {
        let mut command = enchufe(language, &["serve", "echo", "--engine"]);
        command.arg(OsStr::from_bytes(b"\xFF"));
        Process::start(command).finish()
    };
    said("en").could_not_run(
        "a word of the line is not UTF-8, and only messages and the names of files and programs may be that; write it again",
    );
    said("es").could_not_run(
        "una palabra de la línea no es UTF-8, y eso solo lo pueden ser los mensajes y los nombres de archivos y programas; \
         escríbela de nuevo",
    );
}

#[test]
fn what_a_peer_could_not_have_said_is_escaped_in_problems_too() {
    let sentence = "there is no service \"\\u{1b}[31m\"; there are: \
                    echo, receive, reply, ask, discard, chargen, daytime, exec";
    run(&["serve", "\u{1b}[31m"]).could_not_run(sentence);
}

#[test]
fn a_name_that_does_not_resolve_is_not_the_same_as_nobody_listening() {
    // `.invalid` never resolves (RFC 6761 §6.4). The cause is the C library's to word.
    let done = run(&["send", "nobody.invalid:4000", "x"]);
    assert_eq!((done.code, done.text()), (Some(2), ""));
    let said = done.errors();
    assert!(said.starts_with("enchufe: getaddrinfo nobody.invalid: that name has no address ("), "{said}");
    assert!(said.ends_with("); check how it is written or give the address in numbers\n"), "{said}");
    assert_eq!(said.lines().count(), 1);

    let (_taken, address) = common::refusing();
    let sentence = format!(
        "enchufe: connect {address}: conexión rechazada, nadie escucha ahí; \
         levanta el servidor, o espéralo con --retry 5s\n"
    );
    Process::start(enchufe("es", &["send", &address, "x", "-q"])).finish().is(1, "", &sentence);
}

#[test]
fn an_address_in_use_names_the_program_that_listens_and_its_process() {
    let server = Server::json(&["echo"]);
    let done = run(&["serve", "echo", "--listen", &server.target()]);
    let sentence = format!(
        "bind {}: enchufe (process {}) listens there already; end it or choose another port with --listen",
        server.address,
        server.process.id()
    );
    got_no_further(&done, server.address, &sentence);
    let words = ["serve", "echo", "--listen", &server.target(), "-q"];
    let sentence = format!(
        "bind {}: ahí ya escucha enchufe (proceso {}); termínalo o elige otro puerto con --listen",
        server.address,
        server.process.id()
    );
    Process::start(enchufe("es", &words)).finish().could_not_run(&sentence);
    // The one that was there goes on.
    run(&["send", &server.target(), "x", "--expect", "echo", "-q"]).is(0, "x", "");
}

#[test]
fn when_one_of_several_addresses_is_in_use_none_is_opened() {
    let free = common::address_of_its_own().to_string();
    let server = Server::json(&["echo"]);
    let words = ["serve", "echo", "--json", "--listen", &free, "--listen", &server.target()];
    let done = run(&words);
    assert_eq!(done.code, Some(2));
    assert!(!common::json::names(done.text()).contains(&"listening".to_owned()), "{}", done.text());
}

#[test]
#[cfg_attr(not(have_python3), ignore = "python3 is not installed")]
fn an_address_that_is_bound_but_not_listened_on_names_who_has_it() {
    let ip = common::address_of_its_own().ip();
    let mut holder = Process::start_with_input(python("holder", &["bound", &ip.to_string()]));
    let address = SocketAddr::new(ip, holder.line().parse().unwrap());
    let done = run(&["serve", "echo", "--listen", &address.to_string()]);
    let program = std::fs::read_to_string(format!("/proc/{}/comm", holder.id())).unwrap();
    let sentence = format!(
        "bind {address}: {} (process {}) has taken that address, though it does not listen; \
         end it or choose another port with --listen",
        program.trim(),
        holder.id()
    );
    got_no_further(&done, address, &sentence);
}

#[test]
#[cfg_attr(not(have_python3), ignore = "python3 is not installed")]
fn an_address_in_time_wait_says_when_it_will_be_free() {
    let ip = common::address_of_its_own().ip();
    let mut holder = Process::start(python("holder", &["closing", &ip.to_string()]));
    let address = SocketAddr::new(ip, holder.line().parse().unwrap());
    let client = common::connect(address);
    // It ends first: the kernel keeps its side of the connection for a minute (tcp(7)).
    assert_eq!(common::read_all(&client), b"");
    drop(client);
    assert_eq!(holder.finish().code, Some(0));
    let done = run(&["serve", "echo", "--listen", &address.to_string(), "-q"]);
    assert_eq!((done.code, done.text()), (Some(2), ""));
    let opening =
        format!("enchufe: bind {address}: a connection that has ended holds it in TIME_WAIT; it is free in ");
    let rest = done.errors().strip_prefix(&opening).unwrap_or_else(|| panic!("{}", done.errors()));
    let (seconds, rest) = rest.split_once(' ').unwrap();
    assert_eq!(rest, "seconds, or choose another port with --listen\n");
    assert!((1..=60).contains(&seconds.parse::<u32>().unwrap()), "{seconds}");
}

/// The program in a folder where every user may go. Another process copies it: a file that this one
/// has open for writing while it starts programs elsewhere could not be started (ETXTBSY).
fn copy_for_everybody() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let copy = folder.path().join("enchufe");
    let words = [env!("CARGO_BIN_EXE_enchufe"), copy.to_str().unwrap()];
    Process::start(other("cp", &words)).finish().is(0, "", "");
    (folder, copy)
}

#[test]
#[cfg_attr(
    not(all(have_reserved_ports, have_setpriv)),
    ignore = "needs root, setpriv, and a port 80 that not every user may take"
)]
fn a_reserved_port_is_not_for_every_user() {
    let (_folder, copy) = copy_for_everybody();
    let ip = common::address_of_its_own().ip();
    let words = ["serve", "echo", "--lang", "en", "--listen", &format!("{ip}:80")];
    let start = ["--reuid", "65534", "--regid", "65534", "--clear-groups", copy.to_str().unwrap()];
    let done = Process::start(other("setpriv", &[&start[..], &words].concat())).finish();
    let address = SocketAddr::new(ip, 80);
    let sentence = format!(
        "bind {address}: port 80 is one of the reserved ones (below 1024) and your user may not take it; \
         choose a higher one"
    );
    got_no_further(&done, address, &sentence);
}

#[test]
fn an_address_of_another_machine_cannot_be_listened_on() {
    // TEST-NET-3 (RFC 5737) is nobody's.
    let address: SocketAddr = "203.0.113.1:4000".parse().unwrap();
    let done = run(&["serve", "echo", "--listen", "203.0.113.1:4000"]);
    let sentence = "bind 203.0.113.1:4000: that is no address of this machine; \
                    use one of its own, or 0.0.0.0 for all";
    got_no_further(&done, address, sentence);
    let sentence = "bind 203.0.113.1:0: --source tiene que ser una dirección de esta computadora";
    let words = ["send", "127.0.0.1:4000", "x", "--source", "203.0.113.1", "-q"];
    Process::start(enchufe("es", &words)).finish().could_not_run(sentence);
}

#[test]
fn a_file_that_cannot_be_read_is_named_before_anything_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let (listener, address) = common::listener();
    let missing = folder.path().join("missing");
    both(
        &["send", &address, "--file", missing.to_str().unwrap()],
        &format!(
            "open {}: it does not exist; look at its name (ls), or name another file",
            missing.display()
        ),
        &format!("open {}: no existe; revisa su nombre (ls) o da otro archivo", missing.display()),
    );
    both(
        &["send", &address, "--file", folder.path().to_str().unwrap()],
        &format!("{} is a directory: give the name of a file", folder.path().display()),
        &format!("{} es un directorio: da el nombre de un archivo", folder.path().display()),
    );
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "nobody connected");
}

#[test]
#[cfg_attr(
    not(all(have_reserved_ports, have_setpriv)),
    ignore = "needs root and setpriv: root may read everything"
)]
fn a_file_that_this_user_may_not_read_is_said_to_be_so() {
    let (folder, copy) = copy_for_everybody();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "x").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let words = ["send", "127.0.0.1:4000", "--lang", "en", "--file", secret.to_str().unwrap()];
    let start = ["--reuid", "65534", "--regid", "65534", "--clear-groups", copy.to_str().unwrap()];
    let done = Process::start(other("setpriv", &[&start[..], &words].concat())).finish();
    let way = "run this as a user who may read it, give this user the right to (chown, setfacl), or name another file";
    done.could_not_run(&format!("open {}: permission denied; {way}", secret.display()));
}

#[test]
fn a_log_that_cannot_be_written_stops_the_server_before_it_begins() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("no/such/folder.log");
    let words = ["serve", "echo", "--listen", "127.0.0.1:0", "--log", path.to_str().unwrap()];
    let way = "make it first (mkdir -p), or name another file";
    run(&words).could_not_run(&format!("open {}: its directory does not exist; {way}", path.display()));
}

#[test]
fn too_many_open_files_are_said_with_the_limit_that_can_be_raised() {
    let capture = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/practica/informe.pcap");
    let limited = |limit: u32, words: &str| {
        let script = format!("ulimit -n {limit}; exec \"$@\" {words}");
        let start = ["-c", &script, "sh", env!("CARGO_BIN_EXE_enchufe"), "--lang", "en"];
        Process::start(other("sh", &start)).finish()
    };
    let many = vec![capture; 20].join(" ");
    let way = "too many files are open; name fewer files, or raise the limit (ulimit -n)";
    limited(16, &format!("read {many}")).could_not_run(&format!("open {capture}: {way}"));
    let sentence = "eventfd: too many files are open; raise the limit (ulimit -n)";
    limited(4, "serve echo --listen 127.0.0.1:0").could_not_run(sentence);
}

#[test]
fn an_engine_has_no_more_threads_than_processors_and_only_those_that_it_may_use() {
    let serve = |words: &[&str]| run(&[&["serve", "echo", "--listen", "127.0.0.1:0"], words].concat());
    let done = serve(&["--threads", "4000"]);
    let most = std::thread::available_parallelism().unwrap();
    done.could_not_run(&format!(
        "--threads 4000 is more than the processors that this program may use ({most}): \
         more would only take turns on them; give at most {most}"
    ));
    for word in ["abc", "0"] {
        serve(&["--threads", word]).could_not_run(&format!(
            "--threads needs auto, or a number from 1 to {most}, the processors that it may use; not \"{word}\""
        ));
    }
    serve(&["--threads", "2", "--cpus", "0"]).could_not_run(
        "--threads 2 is more than the processors that --cpus names (1): \
         more would only take turns on them; give at most 1, or name more",
    );
    serve(&["--cpus", "0-"])
        .could_not_run("--cpus needs numbers of processors, as in 0-3,6, or auto, or off, not \"0-\"");
    let done = serve(&["--cpus", "9999"]);
    assert_eq!(done.code, Some(2));
    assert!(done.errors().starts_with("enchufe: --cpus 9999: this program may run only on 0"));
    for word in ["on", "5"] {
        serve(&["--busy-poll", word]).could_not_run(&format!(
            "--busy-poll needs off, auto, or a time with its unit (us, ms, s, m or h), like 100us, not \"{word}\""
        ));
    }
    serve(&["--busy-poll", "0s"]).could_not_run("--busy-poll has to be more than zero");
    serve(&["--engine", "blocking", "--threads", "1"])
        .could_not_run("--threads has an effect only with: --engine epoll, --engine uring");
    serve(&["--engine", "blocking", "--max-connections", "5"]).could_not_run(
        "--max-connections has an effect only with: --engine threads, --engine epoll, --engine uring",
    );
}

#[test]
fn a_limit_that_would_never_come_is_refused() {
    let ends = |limit: &str, shorter: &str, time: &str| {
        let (other, _) = shorter.split_once(' ').unwrap();
        format!(
            "{limit} {time} would never come: {shorter} ends the connection before; leave one out, or make {other} longer than \
             {time}"
        )
    };
    let cases: [(&[&str], [&str; 3]); 3] = [
        (&["--idle", "5s", "--deadline", "5s"], ["--idle", "--deadline 5 s", "5 s"]),
        (&["--first-byte", "6s", "--deadline", "5s"], ["--first-byte", "--deadline 5 s", "6 s"]),
        (&["--first-byte", "6s", "--idle", "5s"], ["--first-byte", "--idle 5 s", "6 s"]),
    ];
    for (words, [limit, shorter, time]) in cases {
        let done = run(&[&["serve", "echo", "--listen", "127.0.0.1:0"], words].concat());
        done.could_not_run(&ends(limit, shorter, time));
    }
    for (words, [shorter, time]) in [
        (["--idle", "20ms"], ["--idle 20 ms", "50 ms"]),
        (["--quiet-time=2s", "--deadline=1s"], ["--deadline 1 s", "2 s"]),
    ] {
        let done = run(&[&["serve", "reply", "hi", "--listen", "127.0.0.1:0"], &words[..]].concat());
        done.could_not_run(&ends("--quiet-time", shorter, time));
    }
    // A line completes it.
    let server = Server::json(&["reply", "hi", "--once", "--idle", "20s", "--until", "line"]);
    let mut client = server.connect();
    client.write_all(b"x\n").unwrap();
    assert_eq!(read_all(&client), b"hi");
    drop(client);
    assert_eq!(server.finish().code, Some(0));
}

#[test]
fn more_at_a_time_than_are_ever_let_in_are_refused() {
    both(
        &["serve", "echo", "--accept", "5", "--max-connections", "6"],
        "--max-connections 6 would never be reached: --accept 5 lets in no more than 5; leave one of the two out",
        "--max-connections 6 nunca se alcanzaría: --accept 5 no deja entrar a más de 5; quita una de las dos",
    );
    run(&["serve", "exec", "--once", "--max-connections", "2", "--", "cat"]).could_not_run(
        "--max-connections 2 would never be reached: --once lets in no more than 1; leave one of the two out",
    );
    let server = Server::json(&["echo", "--accept", "1", "--max-connections", "1"]);
    drop(server.connect());
    assert_eq!(server.finish().code, Some(0));
}

#[test]
fn sizes_and_counts_of_nothing_are_refused() {
    for (flag, most) in [
        ("--read-size", 16_777_216),
        ("--max-connections", 10_000_000),
        ("--accept", u64::MAX),
        ("--backlog", 1_000_000),
    ] {
        run(&["serve", "echo", flag, "0"])
            .could_not_run(&format!("{flag} needs a number from 1 to {most}, not \"0\""));
    }
}

#[test]
fn more_connections_than_descriptors_are_refused_with_the_line_that_raises_the_limit() {
    let limited = |words: &str| {
        let script = format!("ulimit -n 100; exec \"$@\" serve echo --listen 127.0.0.1:0 {words}");
        let start = ["-c", &script, "sh", env!("CARGO_BIN_EXE_enchufe"), "--lang", "en"];
        Process::start(other("sh", &start)).finish()
    };
    limited("--max-connections 100 --engine epoll --threads 1").could_not_run(
        "--max-connections 100 needs 136 descriptors and this program may have 100; \
         raise the limit of this shell with: sudo prlimit --pid $$ --nofile=136",
    );
    let most: u64 = std::fs::read_to_string("/proc/sys/fs/nr_open").unwrap().trim().parse().unwrap();
    if most < 10_000_036 {
        // No limit can be above that.
        limited("--max-connections 10000000 --engine epoll --threads 1").could_not_run(&format!(
            "--max-connections 10000000 needs 10000036 descriptors, and this system gives no program more than {most}; \
             raise that with: sudo sysctl fs.nr_open=10000036, and then the limit of this shell with: \
             sudo prlimit --pid $$ --nofile=10000036",
        ));
    }
    limited("--max-connections 100 --engine threads").could_not_run(
        "--max-connections 100 needs 134 descriptors and this program may have 100; \
         raise the limit of this shell with: sudo prlimit --pid $$ --nofile=134",
    );
}

#[test]
fn a_socket_that_cannot_be_had_for_want_of_descriptors_is_told_with_the_way_out() {
    let script = "ulimit -n 10; exec \"$@\" serve echo --engine epoll --metrics 0 --listen 127.0.0.1:0";
    let start = ["-c", script, "sh", env!("CARGO_BIN_EXE_enchufe"), "--lang", "en"];
    let done = Process::start(other("sh", &start)).finish();
    assert_eq!(done.code, Some(2));
    assert!(done.errors().starts_with("enchufe: socket "), "{}", done.errors());
    let way = ": too many files are open; raise the limit (ulimit -n)\n";
    assert!(done.errors().ends_with(way), "{}", done.errors());
}

/// A file of `tests/tls`.
fn tls_file(name: &str) -> String {
    format!("{}/tests/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// What a server says of its certificate and key before it listens.
#[track_caller]
fn identity(certificate: &str, key: &str, english: &str, spanish: &str) {
    let files = format!("{certificate},{key}");
    both(&["serve", "echo", "--listen", "127.0.0.1:0", "--tls", &files], english, spanish);
}

#[test]
fn a_certificate_and_its_key_are_looked_at_before_anybody_is_let_in() {
    let (certificate, key) = (tls_file("server.pem"), tls_file("server.key"));
    let missing = tls_file("missing.pem");
    identity(
        &missing,
        &key,
        &format!("open {missing}: it does not exist; look at its name (ls), or name another file"),
        &format!("open {missing}: no existe; revisa su nombre (ls) o da otro archivo"),
    );
    identity(
        &certificate,
        &missing,
        &format!("open {missing}: it does not exist; look at its name (ls), or name another file"),
        &format!("open {missing}: no existe; revisa su nombre (ls) o da otro archivo"),
    );
    identity(
        &key,
        &certificate,
        &format!(
            "{key}: there is no certificate in it; --tls wants one in PEM first, which begins with \
             \"-----BEGIN CERTIFICATE-----\""
        ),
        &format!(
            "{key}: no contiene un certificado; --tls pide primero uno en PEM, que empieza con \
             «-----BEGIN CERTIFICATE-----»"
        ),
    );
    identity(
        &certificate,
        &certificate,
        &format!(
            "{certificate}: there is no private key in it; the second file of --tls is the key in PEM, which begins with \
             \"-----BEGIN PRIVATE KEY-----\""
        ),
        &format!(
            "{certificate}: no contiene una llave privada; el segundo archivo de --tls es la llave en PEM, que empieza con \
             «-----BEGIN PRIVATE KEY-----»"
        ),
    );
    for secret in ["secret.key", "secret-sec1.key"].map(tls_file) {
        identity(
            &certificate,
            &secret,
            &format!(
                "{secret}: the key is encrypted, and nobody is asked for its password; write it without one: \
                 openssl pkey -in FILE -out KEY"
            ),
            &format!(
                "{secret}: la llave está cifrada y a nadie se le pregunta su contraseña; escríbela sin ella: \
                 openssl pkey -in ARCHIVO -out LLAVE"
            ),
        );
    }
    for other in ["self.key", "rsa.key"].map(tls_file) {
        identity(
            &certificate,
            &other,
            &format!(
                "{other} is not the key of the certificate in {certificate}; give the one that the certificate was made with"
            ),
            &format!(
                "{other} no es la llave del certificado de {certificate}; da aquella con la que se hizo el certificado"
            ),
        );
    }
}

#[test]
fn a_certificate_that_is_over_or_has_not_begun_is_refused() {
    let (expired, early, key) = (tls_file("expired.pem"), tls_file("early.pem"), tls_file("server.key"));
    identity(
        &expired,
        &key,
        &format!("{expired}: the certificate was valid until 2021-01-01T00:00:00Z; put a new one there"),
        &format!("{expired}: el certificado venció el 2021-01-01T00:00:00Z; pon ahí uno nuevo"),
    );
    identity(
        &early,
        &key,
        &format!(
            "{early}: the certificate is valid from 2500-01-01T00:00:00Z on; wait until then, or set the clock of this \
             machine right"
        ),
        &format!(
            "{early}: el certificado vale a partir del 2500-01-01T00:00:00Z; espera hasta entonces o corrige el reloj de \
             esta computadora"
        ),
    );
    // Behind a good one it is over as well.
    let chain = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("chain-{}.pem", std::process::id()));
    let texts = [tls_file("server.pem"), tls_file("expired.pem")].map(|path| std::fs::read(path).unwrap());
    std::fs::write(&chain, texts.concat()).unwrap();
    let shown = chain.display().to_string();
    identity(
        &shown,
        &key,
        &format!(
            "{shown}: certificate 3 of those in it was valid until 2021-01-01T00:00:00Z; put a new one there"
        ),
        &format!(
            "{shown}: el certificado 3 de los que contiene venció el 2021-01-01T00:00:00Z; pon ahí uno nuevo"
        ),
    );
    std::fs::remove_file(chain).unwrap();
}

#[test]
fn a_certificate_or_a_key_that_does_not_parse_is_refused() {
    let (certificate, key) = (tls_file("server.pem"), tls_file("server.key"));
    // Each without its second line.
    let cut = |path: &str| {
        let text = std::fs::read_to_string(path).unwrap();
        let lines: Vec<&str> =
            text.lines().enumerate().filter(|(at, _)| *at != 1).map(|(_, line)| line).collect();
        let name = format!("cut-{}-{}", std::process::id(), path.rsplit('/').next().unwrap());
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&path, lines.join("\n")).unwrap();
        path.display().to_string()
    };
    let serve = |files: String| run(&["serve", "echo", "--listen", "127.0.0.1:0", "--tls", &files]);
    let (bad_certificate, bad_key) = (cut(&certificate), cut(&key));
    let done = serve(format!("{bad_certificate},{key}"));
    assert_eq!((done.code, done.text()), (Some(2), ""));
    let start = format!("enchufe: {bad_certificate}: a certificate in it cannot be read (");
    assert!(done.errors().starts_with(&start), "{}", done.errors());
    let done = serve(format!("{certificate},{bad_key}"));
    assert_eq!((done.code, done.text()), (Some(2), ""));
    assert!(
        done.errors().starts_with(&format!("enchufe: {bad_key}: the key cannot be used (")),
        "{}",
        done.errors()
    );
    for path in [bad_certificate, bad_key] {
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn a_file_without_an_end_is_no_certificate() {
    identity(
        "/dev/zero",
        &tls_file("server.key"),
        "/dev/zero has more than 4.0 MiB: name a file with certificates or a key in PEM",
        "/dev/zero tiene más de 4.0 MiB: da un archivo con certificados o una llave en PEM",
    );
}

#[test]
fn tls_has_two_files_at_a_server_and_whom_to_trust_at_a_client() {
    let files = "--tls of a server has two files, its certificate and its key; \
                 write for example: --tls server.pem,server.key";
    for words in [&["server.pem"][..], &["server.pem,"], &[","], &["a,b,c"], &["a,b", "--tls", "c,d"]] {
        run(&[&["serve", "echo", "--tls"], words].concat()).could_not_run(files);
    }
    both(
        &["send", "localhost:4000", "hola", "--tls=a,b"],
        "--tls takes no value: write it alone",
        "--tls no lleva valor: escríbela sola",
    );
    run(&["serve", "echo", "--tls"]).could_not_run(files);
    let certificate = tls_file("server.pem");
    run(&["serve", "exec", "--tls", &certificate, "--", "cat"]).could_not_run(files);
    both(
        &["send", "localhost:4000", "hola", "--tls-ca", &certificate],
        "--tls-ca has an effect only with: --tls",
        "--tls-ca solo tiene efecto con: --tls",
    );
    let key = tls_file("server.key");
    run(&["send", "localhost:4000", "hola", "--tls", "--tls-ca", &key]).could_not_run(&format!(
        "{key}: there is no certificate in it; --tls-ca wants one in PEM first, which begins with \
         \"-----BEGIN CERTIFICATE-----\""
    ));
    // A system without authorities.
    let mut client = enchufe("en", &["send", "localhost:4000", "hola", "--tls"]);
    client.env("SSL_CERT_FILE", "/nowhere").env("SSL_CERT_DIR", "/nowhere");
    let done = Process::start(client).finish();
    assert_eq!((done.code, done.text()), (Some(2), ""));
    let start = "enchufe: there is nobody here whom --tls could trust (";
    assert!(done.errors().starts_with(start), "{}", done.errors());
}

#[test]
fn ask_needs_a_terminal() {
    both(
        &["serve", "ask", "--listen", "127.0.0.1:0"],
        "\"serve ask\" needs a keyboard and the input is not a terminal; \
         to always answer the same: enchufe serve reply 'Hello'",
        "«serve ask» necesita un teclado y la entrada no es una terminal; \
         para responder siempre lo mismo: enchufe serve reply 'Hola'",
    );
}

#[test]
fn reply_needs_its_answer_and_the_others_take_none() {
    both(
        &["serve", "reply"],
        "what to answer is missing; write: enchufe serve reply 'Hello from the server'",
        "falta qué responder; escribe: enchufe serve reply 'Hola desde el servidor'",
    );
    let sentence = "echo takes no text: \"hola\" is one word too many \
                    (with a text it is: enchufe serve reply hola)";
    run(&["serve", "echo", "hola"]).could_not_run(sentence);
    run(&["serve", "echo", "--until", "line"]).could_not_run("--until has no effect in echo: leave it out");
}

#[test]
fn the_way_out_of_a_file_that_nobody_named_is_where_it_comes_from() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let missing = missing.to_str().unwrap();
    run(&["man", missing]).could_not_run(&format!(
        "write {missing}/enchufe.1: its directory does not exist; name a directory that exists and is yours"
    ));
}
