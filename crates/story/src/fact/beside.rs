//! Where facts stand in a recording: beside its packets.

use super::{DecodeError, Fact};
use enchufe_wire::file::Statistics;

/// The number under which facts stand in a recording: the one that is reserved for documentation (RFC 5612).
pub const ENTERPRISE: u32 = 32_473;

/// What a recording says wrote it, by which it is known.
pub const APPLICATION: &str = concat!("enchufe ", env!("CARGO_PKG_VERSION"), " trace");

/// The facts that stand in statistics of a recording.
pub fn facts(statistics: &Statistics<'_>) -> impl Iterator<Item = Result<Fact, DecodeError>> {
    statistics.beside(ENTERPRISE).map(|mut bytes| Fact::decode(&mut bytes))
}
