//! One packet: its layers and fields with their bytes, then all of them in hexadecimal.

use super::clock::seconds;
use super::column::write_value;
use crate::text::hex_dump;
use enchufe_story::fact::{Arrival, Passage};
use enchufe_wire::field::{Field, Kind, id, visit};
use enchufe_wire::layer::Source;
use enchufe_wire::session::Frame;
use std::io::{self, Write};

/// Fields that only say another one again, so that a filter finds either end.
const AGAIN: [enchufe_wire::field::FieldId; 5] =
    [id::ETH_ADDR, id::IP_ADDR, id::IPV6_ADDR, id::TCP_PORT, id::UDP_PORT];

/// Writes the tree of a frame, what a recording says of its way, and its bytes.
pub fn write(frame: &Frame<'_>, passage: Passage, out: &mut dyn Write) -> io::Result<()> {
    let mut written = Ok(());
    visit(frame, &mut |field| {
        if written.is_ok() && !AGAIN.contains(&field.id) {
            written = line(&field, out);
        }
    });
    written?;
    way(frame, passage, out)?;
    writeln!(out)?;
    write!(out, "{}", hex_dump(frame.packet.bytes()))
}

/// No field of the frame: the keys are those of `trace --json`, the time that of its way, in seconds.
fn way(frame: &Frame<'_>, passage: Passage, out: &mut dyn Write) -> io::Result<()> {
    if passage == Passage::default() {
        return Ok(());
    }
    writeln!(out, "{:<34} -", "enchufe")?;
    let mut key = |name: &str, value: &str| writeln!(out, "  {name:<32} -         {value}");
    match (passage.arrival, frame.time) {
        (Arrival::At(time), Some(sent)) => {
            let mut value = String::new();
            seconds(Some(time.since(sent)), 9, &mut value);
            key("received", &value)?;
        }
        (Arrival::Never, _) => key("lost", "true")?,
        _ => {}
    }
    passage.segment_size.map_or(Ok(()), |size| key("segment_size", &size.to_string()))
}

fn line(field: &Field<'_>, out: &mut dyn Write) -> io::Result<()> {
    let info = field.id.info();
    let place = match (field.len, field.source) {
        (0, _) => "-".to_owned(),
        (1, Source::Frame) => field.start.to_string(),
        (len, Source::Frame) => format!("{}-{}", field.start, field.start + len - 1),
        (len, Source::Reassembled) => format!("[{}-{}]", field.start, field.start + len - 1),
    };
    if info.kind == Kind::Protocol {
        return writeln!(out, "{:<34} {place}", info.name);
    }
    let mut value = String::new();
    match &field.value {
        enchufe_wire::field::Value::Seconds(nanos) => seconds(Some(*nanos), 9, &mut value),
        enchufe_wire::field::Value::Label => {}
        _ => write_value(field, &mut value),
    }
    let text = format!("  {:<32} {place:<9} {value}", info.name);
    writeln!(out, "{}", text.trim_end())
}
