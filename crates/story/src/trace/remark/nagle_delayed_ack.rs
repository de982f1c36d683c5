//! A short segment that waited for an acknowledgement which the peer delayed.

use super::{Held, MOST_NAMED, Remark, Remarked, Remarks, Sight};
use crate::Certainty;
use crate::trace::event::Deed;

pub(super) fn look(sight: &mut Sight<'_>, remarks: &mut Remarks) {
    let Some(Held { frames: [sent, by], waited }) = sight.held else { return };
    let writes = sight.segment.by.iter().filter(|by| matches!(by.deed, Deed::Writes(_)));
    let calls = writes.flat_map(|by| by.calls.iter().copied()).take(MOST_NAMED).collect();
    let remark = sight.remark(Remarked::NagleDelayedAck { waited }, calls, Certainty::Inferred);
    remarks.add(Remark { frames: vec![sent, by, sight.segment.row.frame], ..remark });
}
