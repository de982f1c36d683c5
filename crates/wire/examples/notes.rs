//! Prints what each TCP segment of a capture means in its conversation, one line a segment: `notes FILE`.

use std::error::Error;
use std::io::Write;

use enchufe_wire::file::{Item, Reader};
use enchufe_wire::session::Session;
use enchufe_wire::tcp::Limits;

fn seconds(nanos: i64) -> String {
    format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000)
}

fn text<T>(value: Option<T>, with: impl Fn(T) -> String) -> String {
    value.map(with).unwrap_or_default()
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("which file?")?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let (mut reader, mut session) = (Reader::new(), Session::new(Limits::default()));
    reader.feed(&std::fs::read(path)?);
    while let Some(item) = reader.next()? {
        let Item::Packet(record) = item else { continue };
        let frame = session.frame(&record);
        let Some(note) = frame.tcp else { continue };
        let columns = [
            frame.number.to_string(),
            note.stream.to_string(),
            note.completeness.0.to_string(),
            text(note.initial_rtt, seconds),
            text(note.acks, |(frame, _)| frame.to_string()),
            text(note.acks, |(_, nanos)| seconds(nanos)),
            text(note.bytes_in_flight, |bytes| bytes.to_string()),
            text(note.push_bytes_sent, |bytes| bytes.to_string()),
            text(note.rto, |(_, nanos)| seconds(nanos)),
            text(note.rto, |(frame, _)| frame.to_string()),
            note.window.to_string(),
        ];
        writeln!(out, "{}", columns.join("\t"))?;
    }
    Ok(out.flush()?)
}
