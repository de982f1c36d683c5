//! The row of service discovery: the first line of an HTTP message.

use super::{Columns, LONGEST_INFO};
use crate::text;

/// What a request can begin with (RFC 9110 §9, and those of device discovery), and what a response does.
const STARTS: [&[u8]; 14] = [
    b"M-SEARCH ",
    b"NOTIFY ",
    b"SUBSCRIBE ",
    b"UNSUBSCRIBE ",
    b"GET ",
    b"HEAD ",
    b"POST ",
    b"PUT ",
    b"DELETE ",
    b"CONNECT ",
    b"OPTIONS ",
    b"TRACE ",
    b"PATCH ",
    b"HTTP/",
];

pub(super) fn write(columns: &mut Columns, bytes: &[u8]) {
    columns.begin("SSDP");
    let known = STARTS.iter().any(|start| bytes.starts_with(start));
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let Some(line) = end.filter(|_| known).and_then(|end| bytes.get(..end)) else {
        columns.info.push_str("Continuation");
        return;
    };
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    text::escaped(line.get(..LONGEST_INFO).unwrap_or(line), &mut columns.info);
    columns.info.push(' ');
}
