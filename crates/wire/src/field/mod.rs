//! Single fields of a frame: Wireshark's name, the bytes, the value.
//!
//! [`visit()`] names every field of a frame in the order of its bytes; the filter and trees of layers are built on it.

mod size;
mod table;
mod visit;

use std::borrow::Cow;

use crate::layer::{Source, View};

pub use size::Size;
pub use table::{FieldInfo, all, by_name, id};
pub use visit::visit;

/// A field by its place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldId(pub(crate) u16);

impl FieldId {
    /// Its name and kind.
    pub fn info(self) -> &'static FieldInfo {
        table::all().get(usize::from(self.0)).unwrap_or(&table::UNKNOWN)
    }
}

/// What a field's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A protocol: its bytes.
    Protocol,
    /// A number.
    Number,
    /// Yes or no.
    Flag,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// A hardware address of six bytes.
    Ether,
    /// Bytes.
    Bytes,
    /// Text.
    Text,
    /// A time or a duration, in seconds.
    Seconds,
    /// Only whether it is there.
    Label,
}

/// A field's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Nothing but being there.
    Label,
    /// A number.
    Number(u64),
    /// A number of a field that can be negative.
    Signed(i64),
    /// Yes or no.
    Flag(bool),
    /// An IPv4 address.
    Ipv4([u8; 4]),
    /// An IPv6 address.
    Ipv6([u8; 16]),
    /// A hardware address.
    Ether([u8; 6]),
    /// Bytes, of a field or of a protocol.
    Bytes(&'a [u8]),
    /// Text.
    Text(Cow<'a, str>),
    /// Nanoseconds.
    Seconds(i64),
}

/// One field of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// Which one.
    pub id: FieldId,
    /// What its offsets count in.
    pub source: Source,
    /// Its first byte.
    pub start: usize,
    /// How many bytes; 0 for what is concluded and not read.
    pub len: usize,
    /// Its value.
    pub value: Value<'a>,
    /// Where its layer lies, with what that carries.
    pub layer: View,
}
