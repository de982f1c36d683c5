//! Each row of `docs/exit-codes.md` happens.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Process, Server, connect, enchufe, listener, other, read_exactly, run};
use std::io::Write;

/// Makes a test of each row, and one that holds the table to them.
macro_rules! rows {
    ($($(#[$attribute:meta])* $name:ident: $code:literal $when:literal $body:block)*) => {
        $(
            #[test]
            $(#[$attribute])*
            fn $name() {
                let code: Option<i32> = $body;
                assert_eq!(code, Some($code), $when);
            }
        )*

        #[test]
        fn the_table_has_these_rows_and_no_others() {
            let rows = vec![$(format!("{} | {}", $code, $when)),*];
            assert_eq!(table(), rows);
        }
    };
}

/// `code | when` of each row of the table.
fn table() -> Vec<String> {
    let page = include_str!("../docs/exit-codes.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| "));
    let cells = rows.map(|row| row.split(" | ").take(2).collect::<Vec<_>>().join(" | "));
    cells.filter(|row| row.starts_with(|c: char| c.is_ascii_digit())).collect()
}

rows! {
    a_conversation_that_is_over_is_zero: 0 "the conversation is over and nothing else was asked" {
        let server = Server::json(&["reply", "listo", "--once"]);
        run(&["send", &server.target(), "Hello"]).code
    }
    an_expectation_that_was_met_is_zero: 0 "what was expected came" {
        let server = Server::json(&["echo", "--once"]);
        run(&["send", &server.target(), "Hello", "--expect", "echo"]).code
    }
    an_acknowledgement_is_zero: 0 "the peer's TCP acknowledged everything" {
        let server = Server::json(&["receive", "--once"]);
        run(&["send", &server.target(), "Hello", "--no-reply"]).code
    }
    a_server_that_served_its_number_is_zero: 0 "a server served as many as it was to" {
        let server = Server::json(&["echo", "--once"]);
        drop(server.connect());
        server.finish().code
    }
    a_server_that_was_ended_is_zero: 0 "a server was ended by Ctrl-C or SIGTERM and nothing was cut" {
        Server::json(&["echo"]).stop().code
    }
    #[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
    a_trace_is_zero: 0 "programs were traced, however they ended" {
        run(&["trace", "-q", "false"]).code
    }
    #[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
    a_trace_that_was_interrupted_is_zero: 0 "a trace was ended by Ctrl-C: what was recorded is shown" {
        let server = concat!(env!("CARGO_BIN_EXE_enchufe"), " serve echo --listen 127.0.0.1:4000");
        let mut process = Process::start(enchufe("en", &["trace", server]));
        process.errors_until("listens on 127.0.0.1:4000");
        process.signal("INT");
        let done = process.finish();
        assert!(done.text().contains("listen"), "{}", done.text());
        done.code
    }
    output_that_nobody_reads_is_zero: 0 "nobody reads the output any more" {
        let line = format!("{{ '{}' demo; echo $? >&2; }} | head -1", env!("CARGO_BIN_EXE_enchufe"));
        Process::start(other("sh", &["-c", &line])).finish().errors().trim().parse().ok()
    }
    help_is_zero: 0 "the help or the version was asked for" {
        let version = run(&["--version"]);
        version.is(0, &format!("enchufe {}\n", env!("CARGO_PKG_VERSION")), "");
        let help = run(&["--help"]);
        assert!(help.text().contains("enchufe demo"));
        help.code
    }
    an_expectation_that_was_not_met_is_one: 1 "what was expected did not come, or other than expected" {
        let server = Server::json(&["reply", "Bye", "--once"]);
        run(&["send", &server.target(), "Hello", "--expect", "echo"]).code
    }
    an_arrival_that_is_not_known_is_one: 1 "it is not known that everything arrived" {
        let (listener, address) = listener();
        let mut client = Process::start_with_input(enchufe("en", &["send", &address, "--no-reply"]));
        let peer = client.accepted(&listener);
        client.write(b"part");
        common::reset(peer);
        client.errors_until("not known to have arrived");
        client.finish().code
    }
    nobody_there_is_one: 1 "nobody listens" {
        let (_taken, address) = common::refusing();
        run(&["send", &address, "Hello"]).code
    }
    no_answer_in_time_is_one: 1 "there was no answer to the connection in time" {
        // One is served and two wait, which is all that a queue of one has room for: the kernel drops
        // the attempts of others (listen(2)).
        let mut server = Server::json(&["echo", "--engine", "blocking", "--backlog", "1"]);
        let first = connect(server.address);
        server.process.event("accepted");
        let waiting = [connect(server.address), connect(server.address)];
        let done = run(&["send", &server.target(), "Hello", "--connect-timeout", "200ms", "-q"]);
        let sentence = format!(
            "enchufe: connect {}: no answer in 200 ms; \
             check the address, or whether something on the way drops it\n",
            server.address
        );
        done.is(1, "", &sentence);
        drop((first, waiting));
        done.code
    }
    a_reset_is_one: 1 "the peer reset the connection" {
        let (listener, address) = listener();
        let mut client = Process::start(enchufe("en", &["send", &address, "Hello"]));
        common::reset(client.accepted(&listener));
        client.finish().code
    }
    a_limit_is_one: 1 "a limit of the connection was reached" {
        let (_listener, address) = listener();
        run(&["send", &address, "Hello", "--idle", "100ms"]).code
    }
    a_server_that_is_not_believed_is_one: 1 "TLS failed, or what came was cut short" {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls");
        let (files, other) = (format!("{folder}/server.pem,{folder}/server.key"), format!("{folder}/self.pem"));
        let server = Server::json(&["echo", "--tls", &files]);
        let target = format!("localhost:{}", server.port());
        run(&["send", &target, "Hello", "--tls", "--tls-ca", &other]).code
    }
    a_capture_that_is_cut_is_one: 1 "a capture could not be read to its end" {
        let whole = include_bytes!("../docs/practica/informe.pcap");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &whole[..whole.len() - 1]).unwrap();
        run(&["read", file.path().to_str().unwrap()]).code
    }
    a_capture_of_another_link_type_is_one: 1 "a capture has packets of a link type that is not decoded" {
        // The header of a capture of IEEE 802.11 (105), and a packet of four bytes.
        let head = [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 105, 0, 0, 4, 4, 0];
        let mut process = Process::start_with_input(enchufe("en", &["read", "-"]));
        process.write(&head.map(u32::to_le_bytes).concat());
        process.finish().code
    }
    an_interrupted_reading_is_one: 1 "a reading was interrupted" {
        let head = [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 101, 0, 0, 4, 4, 0];
        let mut process = Process::start_with_input(enchufe("en", &["read", "-"]));
        process.write(&head.map(u32::to_le_bytes).concat());
        process.until("No.");
        process.signal("INT");
        process.errors_until("interrupted");
        process.finish().code
    }
    a_client_that_was_interrupted_is_one: 1 "a client was interrupted" {
        let (listener, address) = listener();
        let mut client = Process::start(enchufe("en", &["send", &address, "Hello"]));
        let peer = client.accepted(&listener);
        assert_eq!(read_exactly(&peer, 5), b"Hello");
        client.signal("INT");
        client.finish().code
    }
    a_server_that_cut_something_is_one: 1 "a server that was ended had to cut something" {
        let mut server = Server::json(&["echo", "--drain", "1h"]);
        let mut client = server.connect();
        client.write_all(b"x").unwrap();
        assert_eq!(read_exactly(&client, 1), b"x");
        server.process.signal("INT");
        server.process.event("draining");
        server.process.signal("INT");
        server.finish().code
    }
    a_line_that_makes_no_sense_is_two: 2 "the line cannot be understood" {
        run(&["serve", "4000"]).code
    }
    an_address_that_is_taken_is_two: 2 "the address cannot be listened on" {
        let server = Server::json(&["echo"]);
        run(&["serve", "echo", "--listen", &server.target()]).code
    }
    a_name_without_an_address_is_two: 2 "the name has no address" {
        run(&["send", "nobody.invalid:4000", "Hello"]).code
    }
    a_file_that_is_missing_is_two: 2 "a file cannot be read or written" {
        let log = run(&["serve", "echo", "--listen", "127.0.0.1:0", "--log", "/missing/folder/log"]);
        assert_eq!(log.code, Some(2));
        run(&["send", "127.0.0.1:4000", "--file", "/missing"]).code
    }
    a_certificate_that_is_over_is_two: 2 "a certificate or a key is no good" {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls");
        let files = format!("{folder}/expired.pem,{folder}/server.key");
        run(&["serve", "echo", "--listen", "127.0.0.1:0", "--tls", &files]).code
    }
    no_terminal_is_two: 2 "there is no terminal where one is needed" {
        run(&["serve", "ask", "--listen", "127.0.0.1:0"]).code
    }
    a_command_that_is_not_there_is_two: 2 "a program cannot be traced, or a recording cannot be shown so" {
        run(&["trace", "no-such-program"]).could_not_run(
            "the command no-such-program is not found: give its path, or look at PATH",
        );
        run(&["trace", "--view", "rows", "true"]).code
    }
    a_full_disk_is_two: 2 "the result cannot be written" {
        let program = env!("CARGO_BIN_EXE_enchufe");
        let line = format!("exec '{program}' --lang en serve echo --listen 127.0.0.1:0 > /dev/full");
        let done = Process::start(other("sh", &["-c", &line])).finish();
        done.could_not_run("the result cannot be written: the disk is full");
        done.code
    }
}
