//! What each of the two reports does, done by our two commands: the rows of the table of what must
//! behave how. Those with a keyboard are in `terminal.rs`, those with other people's peers in `peers.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Process, Server, accept, connect, enchufe, json, listener, local_of, named, read_all, run};
use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream};

/// What `send` told on stderr, with the addresses and times named.
fn told(done: &common::Done, server: std::net::SocketAddr) -> String {
    named(done.errors(), &[(server, "SERVER"), (local_of(done.errors()), "CLIENT")])
}

#[test]
fn an_echo_server_and_its_client_tell_their_conversation_in_english() {
    let server = Server::text("en", &["echo", "--once"]);
    let client = run(&["send", &server.target(), "Here is the message", "--expect", "echo"]);
    let local = local_of(client.errors());
    assert_eq!((client.code, client.text()), (Some(0), "Here is the message"));
    assert_eq!(
        told(&client, server.address),
        "Connecting to SERVER\n\
         Connected to SERVER from CLIENT (in TIME)\n\
         Sending (19 bytes): \"Here is the message\"\n\
         Received (19 bytes): \"Here is the message\"\n\
         No more data from SERVER\n\
         Closing the socket\n\
         Connection with SERVER closed: this end finished first (received 19, sent 19 bytes; lasted TIME)\n"
    );
    let names = [(server.address, "SERVER"), (local, "CLIENT")];
    let server = server.finish();
    assert_eq!((server.code, server.errors()), (Some(0), ""));
    assert_eq!(
        named(server.text(), &names),
        "Starting up 127.0.0.1 port 0\n\
         Bound to SERVER\n\
         Listening on SERVER (up to 4096 waiting): only this machine can connect\n\
         Waiting for a connection\n\
         #1 Connection from CLIENT\n\
         #1 Received (19 bytes): \"Here is the message\"\n\
         #1 Returning 19 bytes to CLIENT\n\
         #1 No more data from CLIENT\n\
         #1 Connection with CLIENT closed: the peer finished first (received 19, sent 19 bytes; lasted TIME)\n\
         Over: 1 connection served\n"
    );
}

#[test]
fn the_first_report_is_told_in_its_own_words() {
    let server = Server::text("es", &["echo", "--engine", "blocking", "--read-size", "19", "--once"]);
    let words = ["send", &server.target(), "Aquí va el mensaje", "--expect", "echo", "--read-size", "19"];
    let client = Process::start(enchufe("es", &words)).finish();
    let local = local_of(client.errors());
    assert_eq!((client.code, client.text()), (Some(0), "Aquí va el mensaje"));
    assert_eq!(
        told(&client, server.address),
        "Conectando a SERVER\n\
         Conectado a SERVER desde CLIENT (en TIME)\n\
         Enviando (19 bytes): \"Aquí va el mensaje\"\n\
         Recibido (19 bytes): \"Aquí va el mensaje\"\n\
         No hay más datos de SERVER\n\
         Cerrando el socket\n\
         Conexión con SERVER cerrada: este extremo terminó primero (recibidos 19, enviados 19 bytes; duró TIME)\n"
    );
    let names = [(server.address, "SERVER"), (local, "CLIENT")];
    assert_eq!(
        named(server.finish().text(), &names),
        "Empezando a levantar 127.0.0.1 puerto 0\n\
         Enlazado a SERVER\n\
         Escuchando en SERVER (hasta 4096 en espera): solo se puede conectar esta computadora\n\
         Esperando una conexión\n\
         Conexión desde CLIENT\n\
         Recibido (19 bytes): \"Aquí va el mensaje\"\n\
         Devolviendo 19 bytes a CLIENT\n\
         No hay más datos de CLIENT\n\
         Conexión con CLIENT cerrada: el otro extremo terminó primero (recibidos 19, enviados 19 bytes; duró TIME)\n\
         Fin: 1 conexión atendida\n"
    );
}

#[test]
fn an_echo_server_serves_many_clients_at_once_and_goes_on() {
    let server = Server::json(&["echo", "--events", "all"]);
    let clients: Vec<TcpStream> = (0..40).map(|_| server.connect()).collect();
    // All are connected before any is done: each has its answer while the others are open.
    for (number, mut client) in clients.iter().enumerate() {
        client.write_all(format!("mensaje {number}").as_bytes()).unwrap();
    }
    for (number, client) in clients.iter().enumerate().rev() {
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_all(client), format!("mensaje {number}").as_bytes());
    }
    let late = run(&["send", &server.target(), "otro", "--expect", "echo", "-q"]);
    late.is(0, "otro", "");
    let done = server.stop();
    assert_eq!(done.code, Some(0));
    assert_eq!(json::reasons(done.text()), vec!["peer_finished"; 41]);
    assert_eq!(json::only(done.text(), "stopped")[0]["served"], 41);
}

#[test]
fn the_blocking_engine_serves_one_at_a_time_and_names_who_waits() {
    let words = ["echo", "--engine", "blocking", "--backlog", "1", "--read-size", "19", "--accept", "2"];
    let mut server = Server::text("en", &words);
    let first = server.connect();
    server.process.until("Connection from");
    let second = server.connect();
    server.process.until("Waiting for its turn");
    (&second).write_all(b"second").unwrap();
    second.shutdown(Shutdown::Write).unwrap();
    (&first).write_all("Aquí va el mensaje, y algo más".as_bytes()).unwrap();
    first.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&first), "Aquí va el mensaje, y algo más".as_bytes());
    assert_eq!(read_all(&second), b"second");
    let names = [
        (server.address, "SERVER"),
        (first.local_addr().unwrap(), "FIRST"),
        (second.local_addr().unwrap(), "SECOND"),
    ];
    let done = server.finish();
    assert_eq!((done.code, done.errors()), (Some(0), ""));
    assert_eq!(
        named(done.text(), &names),
        "Starting up 127.0.0.1 port 0\n\
         Bound to SERVER\n\
         Listening on SERVER (up to 1 waiting): only this machine can connect\n\
         Waiting for a connection\n\
         Connection from FIRST\n\
         Waiting for its turn, already connected: SECOND\n\
         Received (19 bytes): \"Aquí va el mensaje\"\n\
         Returning 19 bytes to FIRST\n\
         Received (13 bytes): \", y algo más\"\n\
         Returning 13 bytes to FIRST\n\
         No more data from FIRST\n\
         Connection with FIRST closed: the peer finished first (received 32, sent 32 bytes; lasted TIME)\n\
         Waiting for a connection\n\
         Connection from SECOND\n\
         Received (6 bytes): \"second\"\n\
         Returning 6 bytes to SECOND\n\
         No more data from SECOND\n\
         Connection with SECOND closed: the peer finished first (received 6, sent 6 bytes; lasted TIME)\n\
         Over: 2 connections served\n"
    );
}

#[test]
fn a_client_that_expects_an_echo_shows_each_piece_that_it_reads() {
    let server = Server::json(&["echo"]);
    let text = "Aquí va el mensaje: cuarenta y dos bytes.";
    assert_eq!(text.len(), 42);
    let client = run(&["send", &server.target(), text, "--expect", "echo", "--read-size", "19", "--json"]);
    assert_eq!((client.code, client.errors()), (Some(0), ""));
    let pieces: Vec<_> = json::only(client.text(), "received").iter().map(|e| e["bytes"].clone()).collect();
    assert_eq!(pieces.iter().map(|bytes| bytes.as_u64().unwrap()).sum::<u64>(), 42);
    // TCP may cut it into more pieces, but never gives more than was asked for.
    assert!(pieces.iter().all(|bytes| bytes.as_u64().unwrap() <= 19), "{pieces:?}");
    assert_eq!(json::payload(client.text(), "received"), text.as_bytes());
    assert_eq!(json::reasons(client.text()), ["own_end"]);
}

#[test]
fn an_echo_that_does_not_come_back_whole_is_said() {
    let (listener, address) = listener();
    let mut client = Process::start(enchufe("en", &["send", &address, "hola", "--expect", "echo", "-q"]));
    let peer = client.accepted(&listener);
    assert_eq!(common::read_exactly(&peer, 4), b"hola");
    (&peer).write_all(b"ho").unwrap();
    drop(peer);
    client.finish().is(1, "ho", "enchufe: the echo is not complete: 2 bytes did not come back\n");
}

#[test]
fn an_echo_that_differs_is_said_with_its_place() {
    let (listener, address) = listener();
    let mut client = Process::start(enchufe("es", &["send", &address, "hola", "--expect", "echo", "-q"]));
    let peer = client.accepted(&listener);
    assert_eq!(common::read_exactly(&peer, 4), b"hola");
    (&peer).write_all(b"hoka").unwrap();
    drop(peer);
    let sentence = "enchufe: el eco es distinto: en la posición 2 se envió 0x6c (l) y volvió 0x6b (k)\n";
    client.finish().is(1, "hoka", sentence);
}

#[test]
fn receive_once_shows_a_message_that_its_peer_cut_in_two() {
    let mut server = Server::text("en", &["receive", "--once"]);
    let client = server.connect();
    let local = client.local_addr().unwrap();
    // The cut is inside the letter í, C3 AD: no fault, it is shown when it is whole.
    (&client).write_all(b"Aqu\xC3").unwrap();
    server.process.until("Received");
    (&client).write_all(b"\xAD va").unwrap();
    server.process.until("Received");
    drop(client);
    let names = [(server.address, "SERVER"), (local, "CLIENT")];
    let done = server.finish();
    assert_eq!((done.code, done.errors()), (Some(0), ""));
    assert_eq!(
        named(done.text(), &names),
        "Starting up 127.0.0.1 port 0\n\
         Bound to SERVER\n\
         Listening on SERVER (up to 4096 waiting): only this machine can connect\n\
         Waiting for a connection\n\
         #1 Connection from CLIENT\n\
         #1 Received (4 bytes): \"Aqu\"\n\
         #1 Received (4 bytes): \"í va\"\n\
         #1 No more data from CLIENT\n\
         #1 Connection with CLIENT closed: the peer finished first (received 8, sent 0 bytes; lasted TIME)\n\
         Over: 1 connection served\n"
    );
}

#[test]
fn a_message_of_more_than_one_read_is_received_whole() {
    let server = Server::json(&["receive", "--once", "--read-size", "1024"]);
    let message = common::noise(100_000, 1);
    let client = server.connect();
    (&client).write_all(&message).unwrap();
    drop(client);
    let done = server.finish();
    assert_eq!(done.code, Some(0));
    assert_eq!(json::payload(done.text(), "received"), message);
}

#[test]
fn receive_without_once_serves_one_after_the_other_for_ever() {
    let mut server = Server::json(&["receive"]);
    for message in ["uno", "dos", "tres"] {
        let mut client = server.connect();
        client.write_all(message.as_bytes()).unwrap();
        drop(client);
        assert_eq!(server.process.event("received")["text"], message);
        assert_eq!(server.process.event("closed")["reason"], "peer_finished");
    }
    assert_eq!(server.stop().code, Some(0));
}

#[test]
fn no_reply_is_over_when_the_peers_tcp_has_acknowledged_everything() {
    let server = Server::json(&["receive", "--once"]);
    let client = run(&["send", &server.target(), "Hola, servidor!", "--no-reply", "-v"]);
    assert_eq!((client.code, client.text()), (Some(0), ""));
    let said = told(&client, server.address);
    // The server's own end may come before or after.
    let said = said.replace("No more data from SERVER\n", "");
    assert_eq!(
        said,
        "Connecting to SERVER\n\
         Socket made for SERVER\n\
         Connected to SERVER from CLIENT (in TIME)\n\
         Sending (15 bytes): \"Hola, servidor!\"\n\
         Half-closed: nothing more is sent, what comes is still received\n\
         Acknowledged by the peer's TCP: 15 bytes and the end (this does not prove that its program read them)\n\
         Closing the socket\n\
         Connection with SERVER closed: this end finished first (received 0, sent 15 bytes; lasted TIME)\n"
    );
    assert_eq!(json::payload(server.finish().text(), "received"), b"Hola, servidor!");
}

#[test]
fn no_reply_does_not_wait_for_a_program_that_never_reads() {
    let (listener, address) = listener();
    let client = run(&["send", &address, "Hola, servidor!", "--no-reply", "-q"]);
    client.is(0, "", "");
    // Its TCP had taken it: it can still be read.
    assert_eq!(read_all(&accept(&listener)), b"Hola, servidor!");
}

#[test]
fn no_reply_with_a_reset_before_everything_arrived_is_not_known_to_have_arrived() {
    let (listener, address) = listener();
    let words = ["send", &address, "--no-reply", "-q"];
    let mut client = Process::start_with_input(enchufe("en", &words));
    let peer = client.accepted(&listener);
    client.write(b"part");
    // Closed with that part unread: reset, while the input goes on.
    common::reset(peer);
    let sentence = format!(
        "enchufe: not known to have arrived: the peer reset it (RST) before {address} had acknowledged everything\n"
    );
    // Its input is still open: that it ends is because of the reset.
    let guard = client.errors_until("not known to have arrived");
    assert_eq!(guard + "\n", sentence);
    client.finish().is(1, "", &sentence);
}

#[test]
fn a_pair_on_every_interface_asks_and_answers() {
    let words =
        ["serve", "reply", "Hola desde el servidor", "--once", "--quiet-time", "1m", "--listen", "0.0.0.0:0"];
    let mut process = Process::start(enchufe("en", &words));
    let line = process.until("Listening on ");
    let port: u16 = line.split([':', ' ']).find_map(|word| word.parse().ok()).unwrap();
    let client = run(&["send", &format!("127.0.0.1:{port}"), "Hola desde el cliente"]);
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    assert_eq!((client.code, client.text()), (Some(0), "Hola desde el servidor"));
    assert_eq!(
        told(&client, address),
        "Connecting to SERVER\n\
         Connected to SERVER from CLIENT (in TIME)\n\
         Sending (21 bytes): \"Hola desde el cliente\"\n\
         Received (22 bytes): \"Hola desde el servidor\"\n\
         No more data from SERVER\n\
         Closing the socket\n\
         Connection with SERVER closed: this end finished first (received 22, sent 21 bytes; lasted TIME)\n"
    );
    let every = std::net::SocketAddr::from(([0, 0, 0, 0], port));
    let names = [(every, "EVERYWHERE"), (local_of(client.errors()), "CLIENT")];
    let done = process.finish();
    assert_eq!((done.code, done.errors()), (Some(0), ""));
    assert_eq!(
        named(done.text(), &names),
        "Starting up 0.0.0.0 port 0\n\
         Bound to EVERYWHERE\n\
         Listening on EVERYWHERE (up to 4096 waiting): whoever reaches this machine over the network can connect\n\
         Waiting for a connection\n\
         #1 Connection from CLIENT\n\
         #1 Received (21 bytes): \"Hola desde el cliente\"\n\
         #1 No more data from CLIENT\n\
         #1 Answered CLIENT (22 bytes): \"Hola desde el servidor\"\n\
         #1 Connection with CLIENT closed: the peer finished first (received 21, sent 22 bytes; lasted TIME)\n\
         Over: 1 connection served\n"
    );
}

#[test]
fn reply_answers_a_peer_that_does_not_end_before_it_has_its_answer() {
    let server = Server::json(&["reply", "Hola desde el servidor", "--once"]);
    let client = server.connect();
    (&client).write_all(b"Hola desde el cliente").unwrap();
    // Nothing more comes, and no end: the answer comes all the same, and then the server's end.
    assert_eq!(read_all(&client), b"Hola desde el servidor");
    drop(client);
    let done = server.finish();
    assert_eq!(done.code, Some(0));
    let names = json::names(done.text());
    let last: Vec<&str> = names.iter().skip_while(|name| *name != "accepted").map(String::as_str).collect();
    assert_eq!(last, ["accepted", "received", "answered", "closed", "stopped"]);
    assert_eq!(json::reasons(done.text()), ["own_end"]);
}

#[test]
fn reply_until_line_waits_for_the_end_of_the_line_however_it_is_cut() {
    let mut server = Server::json(&["reply", "listo", "--until", "line", "--newline", "--once"]);
    let mut client = server.connect();
    client.write_all(b"first half, ").unwrap();
    server.process.event("received");
    client.write_all(b"second half\r\n").unwrap();
    assert_eq!(read_all(&client), b"listo\n");
    drop(client);
    let done = server.finish();
    assert_eq!(json::payload(done.text(), "received"), b"first half, second half\r\n");
    assert_eq!(json::payload(done.text(), "answered"), b"listo\n");
}

#[test]
fn a_client_is_answered_by_a_server_that_does_not_wait_for_its_end() {
    let (listener, address): (TcpListener, String) = listener();
    let mut client = Process::start(enchufe("en", &["send", &address, "Hola", "--no-half-close", "-q"]));
    let peer = client.accepted(&listener);
    assert_eq!(common::read_exactly(&peer, 4), b"Hola");
    (&peer).write_all(b"Hola desde el servidor").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    client.finish().is(0, "Hola desde el servidor", "");
    assert_eq!(read_all(&peer), b"", "its end came after ours");
}

#[test]
fn discard_reads_to_the_end_and_answers_nothing() {
    let server = Server::json(&["discard", "--once"]);
    let client = server.connect();
    (&client).write_all(&common::noise(50_000, 2)).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&client), b"");
    let done = server.finish();
    let closed = &json::only(done.text(), "closed")[0];
    assert_eq!((&closed["received"], &closed["sent"]), (&50_000.into(), &0.into()));
}

#[test]
fn chargen_sends_the_lines_of_rfc_864() {
    let server = Server::json(&["chargen", "--once"]);
    let client = connect(server.address);
    let text = common::read_exactly(&client, 95 * 74);
    // RFC 864: 72 of the 95 printing characters, CR LF; each line begins one character further.
    let characters: Vec<u8> = (b' '..=b'~').collect();
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    assert_eq!(lines.len(), 95);
    for (number, line) in lines.iter().enumerate() {
        let ring = characters.iter().cycle().skip(number).take(72).copied();
        assert_eq!(line, &ring.chain(*b"\r\n").collect::<Vec<u8>>(), "line {number}");
    }
    drop(client);
    assert_eq!(json::reasons(server.finish().text()), ["reset_by_peer"]);
}

#[test]
fn daytime_sends_one_line_and_ends() {
    let server = Server::json(&["daytime", "--once"]);
    let line = read_all(&server.connect());
    let line = String::from_utf8(line).unwrap();
    let time = line.strip_suffix("-UTC\r\n").unwrap();
    let words: Vec<&str> = time.split(' ').collect();
    assert_eq!(words.len(), 5, "{line:?}");
    let days = ["Monday,", "Tuesday,", "Wednesday,", "Thursday,", "Friday,", "Saturday,", "Sunday,"];
    assert!(days.contains(&words[0]), "{line:?}");
    assert_eq!(json::reasons(server.finish().text()), ["own_end"]);
}
