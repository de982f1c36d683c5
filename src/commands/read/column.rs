//! The columns of the packet table: those of Wireshark, and any field of the filter language.

use super::clock::seconds;
use crate::problem::{Kind, Problem};
use enchufe_wire::field::{self, Field, FieldId, Value};
use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    Number,
    Time,
    Source,
    Destination,
    Protocol,
    Length,
    Info,
    /// Of a recording of programs: why the segment was sent.
    Cause,
    Field(FieldId),
}

impl Column {
    /// Wireshark's own, in its order.
    pub const USUAL: [Self; 7] =
        [Self::Number, Self::Time, Self::Source, Self::Destination, Self::Protocol, Self::Length, Self::Info];

    /// The column of a name.
    pub fn new(name: &str) -> Result<Self, Problem> {
        let usual = Self::USUAL.into_iter().chain([Self::Cause]).find(|column| column.name() == name);
        usual
            .or_else(|| field::by_name(name).map(Self::Field))
            .ok_or_else(|| Problem::new(Kind::BadColumn).with("word", crate::text::escape(name.as_bytes())))
    }

    /// What it is called in `--columns` and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Time => "time",
            Self::Source => "source",
            Self::Destination => "destination",
            Self::Protocol => "protocol",
            Self::Length => "length",
            Self::Info => "info",
            Self::Cause => "cause",
            Self::Field(id) => id.info().name,
        }
    }

    /// How wide it begins in text, and whether it stands on the right.
    pub const fn layout(self) -> (usize, bool) {
        match self {
            Self::Number => (5, true),
            Self::Time => (8, true),
            Self::Source | Self::Destination => (15, false),
            Self::Protocol => (8, false),
            Self::Length => (6, true),
            Self::Info | Self::Cause | Self::Field(_) => (1, false),
        }
    }
}

/// Appends a field's value, after a comma where others of the frame are before it.
pub fn write_value(field: &Field<'_>, out: &mut String) {
    if !out.is_empty() {
        out.push(',');
    }
    // Writing into a text cannot fail.
    let _ = match &field.value {
        Value::Number(number) => write!(out, "{number}"),
        Value::Signed(number) => write!(out, "{number}"),
        Value::Flag(flag) => write!(out, "{}", u8::from(*flag)),
        Value::Ipv4(address) => write!(out, "{}", Ipv4Addr::from(*address)),
        Value::Ipv6(address) => write!(out, "{}", Ipv6Addr::from(*address)),
        Value::Ether(address) => write!(out, "{}", address.map(|byte| format!("{byte:02x}")).join(":")),
        Value::Text(text) => write!(out, "{}", crate::text::escape(text.as_bytes())),
        Value::Bytes(_) if field.id.info().kind == field::Kind::Protocol => {
            write!(out, "{}", field.id.info().name)
        }
        Value::Bytes(bytes) => bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}")),
        Value::Label => write!(out, "1"),
        Value::Seconds(nanos) => {
            seconds(Some(*nanos), 9, out);
            Ok(())
        }
    };
}

/// A field's value in JSON.
pub fn json_value(field: &Field<'_>) -> serde_json::Value {
    match &field.value {
        Value::Number(number) => (*number).into(),
        Value::Signed(number) => (*number).into(),
        Value::Flag(flag) => (*flag).into(),
        Value::Label => true.into(),
        _ => {
            let mut text = String::new();
            write_value(field, &mut text);
            text.into()
        }
    }
}
