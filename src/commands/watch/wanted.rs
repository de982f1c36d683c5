//! What the kernel may leave out.

use crate::commands::read::clock::Clock;
use crate::commands::read::column::Column;
use crate::commands::read::table::Layout;
use enchufe_watch::Capture;
use enchufe_wire::Filter;
use enchufe_wire::filter::{Prefilter, counts_frames};

/// What the filter lets it leave out; nothing where a column was asked for that would be another one then. The usual
/// columns number what is captured and count time from its first packet.
pub fn prefilter(filter: &Filter, layout: &Layout) -> Prefilter {
    let counted = |column: &Column| matches!(column, Column::Field(field) if counts_frames(*field));
    // Since the packet before, shown or not.
    let delta = matches!(layout.clock, Clock::Delta);
    if delta || layout.chosen.iter().any(counted) { Prefilter::EVERYTHING } else { filter.prefilter() }
}

/// The text that says whether it does.
pub const fn sentence(capture: &Capture) -> &'static str {
    if capture.prefilters() { "watch-prefilters" } else { "watch-takes-all" }
}
