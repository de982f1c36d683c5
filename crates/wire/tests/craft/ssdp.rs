//! Service discovery: messages with bodies, first lines of all forms, and what only looks like a message.

use super::packets::{Capture, ip4, udp};

const RAW: u32 = 101;

pub(crate) fn scenarios() -> Vec<(&'static str, Capture)> {
    let response =
        b"HTTP/1.1 200 OK\r\nHost: x\r\nContent-Type: Text/xml; a\r\nContent-Length: 5\r\n\r\n<x/>\n";
    let event = b"\r\nNOTIFY * HTTP/1.1\r\nContent-Type: a/b\r\n\r\nhello";
    vec![
        ("ssdp_bodies", Capture::of(RAW, bodies())),
        ("ssdp_lines", Capture::of(RAW, lines())),
        ("ssdp_ends", Capture::of(RAW, ends())),
        ("ssdp_response_cut", Capture::cut_everywhere(RAW, &send(50_000, response))),
        ("ssdp_event_cut", Capture::cut_everywhere(RAW, &send(50_000, event))),
        (
            "ssdp_event_short",
            Capture::of(RAW, (0..=event.len()).map(|len| send(50_000, &event[..len])).collect()),
        ),
    ]
}

fn send(port: u16, message: &[u8]) -> Vec<u8> {
    ip4(17, &udp(port, 1900, message))
}

/// Header lines that say what the body is, or that there is none.
fn bodies() -> Vec<Vec<u8>> {
    let (response, event, ask) = ("HTTP/1.1 200 OK", "NOTIFY * HTTP/1.1", "GET / HTTP/1.1");
    let mut out = Vec::new();
    let mut put = |line: &str, headers: &str| {
        out.push(send(50_000, format!("{line}\r\n{headers}\r\n\r\n4\r\nbody\r\n0\r\n\r\n").as_bytes()));
    };
    for value in [
        "text/html",
        "Text/HTML; charset=x",
        "a/b c",
        "a,b",
        "",
        "  x/y",
        "\tx/y",
        "x/y  ",
        "x\ty",
        "\"Q\"",
        ";x",
        "multipart/mixed; boundary=x",
        "x\u{e9}/Y\u{c9}",
        "a\u{c}b",
        "a\0b",
    ] {
        put(response, &format!("Content-Type: {value}"));
        put(event, &format!("CONTENT-TYPE:{value}"));
    }
    for headers in [
        "Content-Type : a/b",
        " Content-Type: a/b",
        "Content-Type:\r\n a/b",
        "Content-Type: a/b\r\n c/d",
        "Content-Type: a/b\r\nContent-Type: c/d",
        "Content-Type: a/b\r\nfoo bar",
        "foo\r\nContent-Type: a/b",
        "H\u{1}(: y\r\nContent-Type: a/b",
        ": y\r\nContent-Type: a/b",
        "X: y\rContent-Type: a/b\r",
        "NOTIFY x\r\nContent-Type: a/b",
        "Content-Type: a/b\r\nGET / x",
        "HTTP/1.1 304 OK\r\nContent-Type: a/b",
        "ICY\r\nContent-Type: a/b",
    ] {
        put(response, headers);
    }
    for length in [
        "0",
        "00",
        "+0",
        "0 ",
        "0x",
        "3",
        "9",
        "-1",
        "",
        "x",
        "3 4",
        "3,4",
        "3\t",
        "0x3",
        "9223372036854775807",
        "9223372036854775808",
        "3\r\nContent-Length: x",
        "3\r\nContent-Length: 0",
        "0\r\nContent-Length: 3",
    ] {
        for line in [response, event, ask] {
            put(line, &format!("Content-Type: a/b\r\nContent-Length: {length}"));
        }
    }
    for coding in ["identity", "Identity", "x", "", "compress", "gzip, x"] {
        put(response, &format!("Content-Type: a/b\r\nContent-Encoding: {coding}"));
    }
    for coding in
        ["identity", "x", "", "chunked", "Chunked", "x, chunked", "gzip", "gzip, chunked", "x-compress"]
    {
        for line in [response, event, ask] {
            put(line, &format!("Content-Type: a/b\r\nTransfer-Encoding: {coding}"));
        }
    }
    for status in [
        "HTTP/1.1 100 X",
        "HTTP/1.1 199 X",
        "HTTP/1.1 204 X",
        "HTTP/1.1 205 X",
        "HTTP/1.1 304 X",
        "HTTP/1.1  304 X",
        "HTTP/1.1\t304 X",
        "HTTP/1.1 304",
        "HTTP/1.1 3040",
        "HTTP/1.1 30",
        "HTTP/1.1 1x4",
        "HTTP/1.1 0304",
        "HTTP/ 204",
        "HTTP/1.1",
        "ICY 304",
        "ICY 200",
    ] {
        put(status, "Content-Type: a/b");
        put(status, "HTTP/1.1 2\r\nContent-Type: a/b");
    }
    out
}

/// First lines.
fn lines() -> Vec<Vec<u8>> {
    let methods = "M-SEARCH NOTIFY SUBSCRIBE UNSUBSCRIBE GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH MKCOL PROPFIND \
                   PROPPATCH COPY MOVE LOCK UNLOCK SEARCH BMOVE BCOPY BDELETE BPROPFIND BPROPPATCH REPORT MERGE CHECKOUT \
                   CHECKIN UNCHECKOUT MKACTIVITY MKWORKSPACE VERSION-CONTROL LABEL POLL RPC_CONNECT RPC_IN_DATA \
                   RPC_OUT_DATA SSTP_DUPLEX_POST BASELINE-CONTROL UPDATE CCM_POST ICY HTTP/ HTTP ACL LINK QUERY notify";
    let mut out = Vec::new();
    for method in methods.split(' ') {
        for rest in [" * HTTP/1.1\r\n\r\n", "\r\n", "\n", " x", "", "X x\r\n", "\t*\r\n"] {
            out.push(send(50_000, format!("{method}{rest}").as_bytes()));
        }
    }
    for begin in ["\r\n", "\r\n\r\n", "\n", "\r", " ", "\t", "\r\n "] {
        out.push(send(50_000, format!("{begin}M-SEARCH * HTTP/1.1\r\n\r\n").as_bytes()));
        out.push(send(50_000, begin.as_bytes()));
    }
    for end in [
        "",
        "\r",
        "\rX: y\r\n",
        "\r\nHost",
        "\r\nHost: x",
        "\r\nHost: x\r",
        "\r\nHost\r",
        "\r\n\r",
        "\r\nGET",
    ] {
        out.push(send(50_000, format!("M-SEARCH * HTTP/1.1{end}").as_bytes()));
    }
    out
}

/// Between which ends a datagram that is no message counts as part of one, before and after a request.
fn ends() -> Vec<Vec<u8>> {
    let firsts = [
        "M-SEARCH * HTTP/1.1\r\n\r\n",
        "M-SEARCH",
        "M-SEARCH x\r",
        "GET\r\n",
        "\r\nGET",
        "SUBSCRIBE x\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200",
        "HTTP/1.1 200 OK\r\nGET x\r\n\r\n",
        "junk",
        "\r\n",
        "X: y\r\n\r\n",
    ];
    let mut out = Vec::new();
    for (port, first) in (50_000..).zip(firsts) {
        let there = |message: &[u8]| send(port, message);
        let back = |message: &[u8]| ip4(17, &udp(1900, port, message));
        out.extend([
            there(b"junk"),
            there(first.as_bytes()),
            there(b"junk"),
            back(b"junk"),
            there(b"x"),
            there(b""),
        ]);
    }
    out
}
