//! The row of service discovery: the first line of an HTTP message, and what its body is.

use super::{Columns, LONGEST_INFO};
use crate::layer::Http;
use crate::text;

pub(super) fn write(columns: &mut Columns, bytes: &[u8]) {
    columns.begin("SSDP");
    let Some(http) = Http::parse(bytes) else {
        return columns.info.push_str("Continuation");
    };
    let head = |bytes: &'_ [u8]| bytes.len().min(LONGEST_INFO);
    text::escaped(http.line.get(..head(http.line)).unwrap_or_default(), &mut columns.info);
    columns.info.push(' ');
    if let Some(media_type) = http.media_type {
        columns.info.push_str(" (");
        let shown = media_type.get(..head(media_type)).unwrap_or_default();
        let from = columns.info.len();
        text::escaped(shown, &mut columns.info);
        if let Some(shown) = columns.info.get_mut(from..) {
            shown.make_ascii_lowercase();
        }
        columns.info.push(')');
    }
}
