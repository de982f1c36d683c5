//! With a person at the keyboard: `serve ask`, and `send` that asks for its messages. The terminal
//! is a pseudo-terminal, the person is the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Server, accept, connect, enchufe, json, listener, named, read_all, read_exactly};
use rexpect::process::WaitStatus;
use rexpect::reader::Options;
use rexpect::session::{PtySession, spawn_with_options};
use std::fs::OpenOptions;
use std::io::Write;
use std::net::{Shutdown, SocketAddr};
use std::process::Command;

/// A program on a terminal of its own.
struct Terminal {
    session: PtySession,
    seen: String,
}

impl Terminal {
    fn start(language: &str, words: &[&str]) -> Self {
        Self::of(enchufe(language, words))
    }

    fn of(mut command: Command) -> Self {
        command.env("TERM", "xterm").env("NO_COLOR", "1");
        let timeout = u64::try_from(common::GUARD.as_millis()).unwrap();
        let options = Options::new().timeout_ms(Some(timeout)).strip_ansi_escape_codes(true);
        Self { session: spawn_with_options(command, options).unwrap(), seen: String::new() }
    }

    /// `serve ask` until it listens.
    fn ask(words: &[&str]) -> (Self, SocketAddr) {
        let words = [&["serve", "ask", "--listen", "127.0.0.1:0"], words].concat();
        let mut terminal = Self::start("en", &words);
        let line = terminal.until(r"Listening on \S+ ");
        let address = line.split(' ').nth(2).unwrap().parse().unwrap();
        (terminal, address)
    }

    /// Waits until this is shown.
    #[track_caller]
    fn until(&mut self, pattern: &str) -> String {
        // What is read comes as one character for each byte.
        let pattern: String = pattern.bytes().map(char::from).collect();
        match self.session.exp_regex(&pattern) {
            Ok((before, found)) => {
                self.seen += &text_of(&before);
                self.seen += &text_of(&found);
                text_of(&found)
            }
            Err(error) => panic!("{error}\nseen before: {}", self.seen),
        }
    }

    fn types(&mut self, keys: &str) {
        self.session.send(keys).unwrap();
        self.session.flush().unwrap();
    }

    /// Waits for its end: the exit code, and all that was shown.
    #[track_caller]
    fn finish(mut self) -> (i32, String) {
        self.seen += &text_of(&self.session.exp_eof().unwrap());
        match self.session.process().wait().unwrap() {
            WaitStatus::Exited(_, code) => (code, self.seen.replace('\r', "")),
            other => panic!("{other:?}\n{}", self.seen),
        }
    }
}

/// The text whose bytes were read as characters.
fn text_of(read: &str) -> String {
    let bytes: Vec<u8> = read.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn on_a_terminal_the_status_stays_on_the_last_line() {
    let mut terminal = Terminal::start("es", &["serve", "echo", "--listen", "127.0.0.1:0", "--status"]);
    let line = terminal.until(r"Escuchando en \S+ ");
    let address: SocketAddr = line.split(' ').nth(2).unwrap().parse().unwrap();
    let mut client = connect(address);
    terminal.until("1 abierta, ");
    client.write_all(b"x").unwrap();
    // The line is taken away for what is told, and stands below it again.
    terminal.until(r"Devolviendo 1 byte a \S+\r\n\r1 abierta, ");
    drop(client);
    terminal.until("0 abiertas, ");
    terminal.session.send_control('c').unwrap();
    terminal.until("Fin: 1 conexión atendida\r\n");
    let rest = terminal.session.exp_eof().unwrap();
    assert_eq!(rest, "", "nothing stays there");
}

#[test]
fn the_operator_types_each_answer() {
    let (mut operator, address) = Terminal::ask(&["--accept", "1"]);
    let client = connect(address);
    let local = client.local_addr().unwrap();
    (&client).write_all("¿Qué hora es?".as_bytes()).unwrap();
    // The client keeps its end open: it is asked all the same.
    operator.until("Type the answer and Enter");
    operator.types("Las dos\n");
    assert_eq!(read_exactly(&client, 7), b"Las dos");
    (&client).write_all("¿Y ahora?".as_bytes()).unwrap();
    operator.until("Type the answer and Enter");
    operator.types("También\n");
    assert_eq!(read_exactly(&client, 8), "También".as_bytes());
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&client), b"");
    let (code, text) = operator.finish();
    assert_eq!(code, 0);
    assert_eq!(
        named(&text, &[(address, "SERVER"), (local, "CLIENT")]),
        "Starting up 127.0.0.1 port 0\n\
         Bound to SERVER\n\
         Listening on SERVER (up to 4096 waiting): only this machine can connect\n\
         Waiting for a connection\n\
         #1 Connection from CLIENT\n\
         #1 Received (15 bytes): \"¿Qué hora es?\"\n\
         #1 CLIENT asks: \"¿Qué hora es?\". Type the answer and Enter\n\
         #1 Answered CLIENT (7 bytes): \"Las dos\"\n\
         #1 Received (10 bytes): \"¿Y ahora?\"\n\
         #1 CLIENT asks: \"¿Y ahora?\". Type the answer and Enter\n\
         #1 Answered CLIENT (8 bytes): \"También\"\n\
         #1 No more data from CLIENT\n\
         #1 Connection with CLIENT closed: the peer finished first (received 25, sent 15 bytes; lasted TIME)\n\
         Over: 1 connection served\n"
    );
}

#[test]
fn the_operator_is_asked_one_question_at_a_time() {
    let (mut operator, address) = Terminal::ask(&["--accept", "2", "--newline"]);
    let first = connect(address);
    (&first).write_all(b"one?").unwrap();
    operator.until(r#"asks: "one\?". Type the answer and Enter"#);
    let second = connect(address);
    (&second).write_all(b"two?").unwrap();
    operator.until(r"waits for its turn \(1 is before it\)");
    operator.types("first answer\n");
    assert_eq!(read_exactly(&first, 13), b"first answer\n");
    operator.until(r#"asks: "two\?". Type the answer and Enter"#);
    operator.types("second answer\n");
    assert_eq!(read_exactly(&second, 14), b"second answer\n");
    drop((first, second));
    let (code, text) = operator.finish();
    assert_eq!(code, 0);
    assert!(text.ends_with("Over: 2 connections served\n"), "{text}");
}

#[test]
fn with_the_blocking_engine_too_the_others_wait_and_this_is_said() {
    let (mut operator, address) = Terminal::ask(&["--engine", "blocking", "--accept", "2"]);
    let first = connect(address);
    (&first).write_all(b"one?").unwrap();
    operator.until("Type the answer and Enter");
    let second = connect(address);
    let waits = format!("Waiting for its turn, already connected: {}", second.local_addr().unwrap());
    operator.until(&waits.replace('.', r"\."));
    (&second).write_all(b"two?").unwrap();
    operator.types("1\n");
    assert_eq!(read_exactly(&first, 1), b"1");
    drop(first);
    operator.until(r#"asks: "two\?"."#);
    operator.types("2\n");
    assert_eq!(read_exactly(&second, 1), b"2");
    drop(second);
    assert_eq!(operator.finish().0, 0);
}

#[test]
fn a_client_that_leaves_takes_its_question_back() {
    let (mut operator, address) = Terminal::ask(&["--accept", "3"]);
    let mut first = connect(address);
    first.write_all(b"one?").unwrap();
    operator.until(r#"asks: "one\?"."#);
    let mut second = connect(address);
    second.write_all(b"two?").unwrap();
    operator.until("waits for its turn");
    // It goes away for good: nobody is left to answer to.
    drop(first);
    operator.until(r#"asks: "two\?"."#);
    operator.types("2\n");
    assert_eq!(read_exactly(&second, 1), b"2", "the line answers the second, not the first");
    drop(second);
    // Nobody asks now: a line goes to no one, and is not kept for the next.
    operator.until("#2 Connection with");
    operator.types("too early\n");
    operator.until("Nobody has asked: that line went to no one");
    let mut third = connect(address);
    third.write_all(b"three?").unwrap();
    operator.until(r#"asks: "three\?"."#);
    operator.types("3\n");
    assert_eq!(read_exactly(&third, 1), b"3");
    drop(third);
    let (code, text) = operator.finish();
    assert_eq!(code, 0);
    assert!(
        text.contains("closed: the peer closed without waiting for the answer (received 4, sent 0 bytes"),
        "{text}"
    );
}

#[test]
fn an_operator_that_closes_the_keyboard_ends_the_server() {
    let (mut operator, address) = Terminal::ask(&[]);
    let client = connect(address);
    (&client).write_all(b"anyone?").unwrap();
    operator.until("Type the answer and Enter");
    operator.types("\u{4}");
    assert_eq!(read_all(&client), b"");
    drop(client);
    let (code, text) = operator.finish();
    assert_eq!(code, 0);
    assert!(text.contains("There will be no more answers: the keyboard was closed\n"), "{text}");
}

#[test]
fn ctrl_c_ends_a_server_on_a_terminal_well() {
    let mut server = Terminal::start("es", &["serve", "echo", "--listen", "127.0.0.1:0"]);
    server.until("Esperando una conexión");
    server.types("\u{3}");
    let (code, text) = server.finish();
    assert_eq!(code, 0);
    assert!(text.ends_with("Fin: 0 conexiones atendidas\n"), "{text}");
}

#[test]
fn send_asks_for_message_after_message_until_ctrl_d() {
    let server = Server::json(&["echo", "--once"]);
    let mut client = Terminal::start("en", &["send", &server.target()]);
    for message in ["YSYA", "Aquí va otro", "x"] {
        client.until("Give me a message: ");
        client.types(&format!("{message}\r"));
        client.until(&format!("Received \\(\\d+ bytes?\\): \"{message}\""));
    }
    client.until("Give me a message: ");
    client.types("\u{4}");
    let (code, text) = client.finish();
    assert_eq!(code, 0);
    assert!(text.contains("closed: this end finished first"), "{text}");
    let done = server.finish();
    // Each line is one message, without an end of line.
    let received: Vec<_> = json::only(done.text(), "received").iter().map(|e| e["text"].clone()).collect();
    assert_eq!(received, ["YSYA", "Aquí va otro", "x"]);
    assert_eq!(json::reasons(done.text()), ["peer_finished"]);
}

#[test]
fn send_once_asks_once_as_the_report_does_and_in_its_language() {
    let server = Server::json(&["echo", "--once"]);
    let words = ["send", &server.target(), "--once", "--expect", "echo"];
    let mut client = Terminal::start("es", &words);
    client.until("Dame un mensaje: ");
    client.types("YSYA\r");
    let (code, text) = client.finish();
    assert_eq!(code, 0);
    assert!(text.contains("Enviando (4 bytes): \"YSYA\"\n"), "{text}");
    assert!(text.contains("Recibido (4 bytes): \"YSYA\"\n"), "{text}");
    assert_eq!(text.matches("Cerrando el socket").count(), 1);
    assert_eq!(json::payload(server.finish().text(), "received"), b"YSYA");
}

#[test]
fn what_is_typed_can_be_edited_and_a_line_typed_before_called_back() {
    let server = Server::json(&["echo", "--once"]);
    let mut client = Terminal::start("en", &["send", &server.target(), "--newline"]);
    client.until("Give me a message: ");
    // A wrong letter taken back, then the line's beginning (Ctrl-A) and one more in front.
    client.types("stá aquu\u{7f}í\u{1}e\r");
    client.until("Received");
    client.until("Give me a message: ");
    client.types("\u{1b}[A!\r");
    client.until("Received");
    client.until("Give me a message: ");
    client.types("\u{4}");
    assert_eq!(client.finish().0, 0);
    let received = json::payload(server.finish().text(), "received");
    assert_eq!(String::from_utf8(received).unwrap(), "está aquí\nestá aquí!\n");
}

#[test]
fn ctrl_c_at_the_prompt_interrupts() {
    let server = Server::json(&["echo", "--once"]);
    let mut client = Terminal::start("en", &["send", &server.target()]);
    client.until("Give me a message: ");
    client.types("half a mess\u{3}");
    let (code, text) = client.finish();
    assert_eq!(code, 1);
    let sentence =
        format!("the connection with {} did not end well: this program was interrupted\n", server.address);
    assert!(text.ends_with(&sentence), "{text}");
    assert_eq!(json::payload(server.finish().text(), "received"), b"");
}

#[test]
fn a_peer_that_ends_while_a_message_is_typed_ends_the_client() {
    let (listener, address) = listener();
    let mut client = Terminal::start("en", &["send", &address]);
    let peer = accept(&listener);
    client.until("Give me a message: ");
    client.types("half a mess");
    drop(peer);
    client.until("No more data from");
    let (code, text) = client.finish();
    assert_eq!(code, 0);
    assert!(text.contains("closed: the peer finished first"), "{text}");
}

#[test]
fn on_a_terminal_the_peers_bytes_are_shown_escaped_also_when_quiet() {
    let (listener, address) = listener();
    let client = Terminal::start("en", &["send", &address, "x", "-q"]);
    let peer = accept(&listener);
    (&peer).write_all(b"\x1b[2J\x00\xFF").unwrap();
    assert_eq!(read_all(&peer), b"x");
    drop(peer);
    let (code, text) = client.finish();
    assert_eq!((code, text.as_str()), (0, "\\u{1b}[2J\\0\\xFF\n"));
}

#[test]
fn a_long_reading_shows_how_far_it_is_where_rows_go_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let name = pipe.to_str().unwrap();
    common::Process::start(common::other("mkfifo", &[name])).finish().is(0, "", "");
    let script = "exec \"$0\" --lang es read \"$1\" > \"$1.rows\"";
    let command = common::other("sh", &["-c", script, env!("CARGO_BIN_EXE_enchufe"), name]);
    let mut terminal = Terminal::of(command);
    // Also for reading: that waits for nobody (fifo(7)).
    let mut writer = OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    writer.write_all(include_bytes!("../docs/practica/informe.pcap")).unwrap();
    // While the pipe is open the reading goes on.
    terminal.until(r"leídos 2\.1 KiB \(\d");
    drop(writer);
    let (code, _) = terminal.finish();
    assert_eq!(code, 0);
    assert_eq!(std::fs::read_to_string(folder.path().join("pipe.rows")).unwrap().lines().count(), 22);
}
