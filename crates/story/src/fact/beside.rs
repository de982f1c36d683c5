//! Where facts stand in a recording: beside its packets.

use super::{DecodeError, Fact, Passage};
use enchufe_wire::file::{Record, Statistics};

/// The number under which facts stand in a recording: the one that is reserved for documentation (RFC 5612).
pub const ENTERPRISE: u32 = 32_473;

/// What a recording says wrote it, by which it is known.
pub const APPLICATION: &str = concat!("enchufe ", env!("CARGO_PKG_VERSION"), " trace");

/// The facts that stand in statistics of a recording.
pub fn facts(statistics: &Statistics<'_>) -> impl Iterator<Item = Result<Fact, DecodeError>> {
    statistics.beside(ENTERPRISE).map(|mut bytes| Fact::decode(&mut bytes))
}

/// What is said of a frame's way beside it in a recording.
pub fn passage(record: &Record<'_>) -> Passage {
    record.beside(ENTERPRISE).next().map(Passage::decode).unwrap_or_default()
}

/// The same, to be written.
pub fn passage_bytes(passage: &Passage) -> Vec<u8> {
    let mut bytes = Vec::new();
    passage.encode(&mut bytes);
    bytes
}
