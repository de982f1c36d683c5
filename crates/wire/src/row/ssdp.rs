//! The row of service discovery: the first line of an HTTP message.

use super::Columns;
use crate::text;

pub(super) fn write(columns: &mut Columns, bytes: &[u8]) {
    columns.begin("SSDP");
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let line = bytes.get(..end).unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    text::escaped(line, &mut columns.info);
    columns.info.push(' ');
}
