//! A reset because bytes came for a socket that was closed.

use super::{Remarked, Remarks, Sight};
use crate::trace::event::Deed;

pub(super) fn look(sight: &mut Sight<'_>, remarks: &mut Remarks) {
    for by in sight.segment.by.iter().filter(|by| by.deed == Deed::WasGone) {
        remarks.add(sight.remark(Remarked::SentToGone, by.calls.clone(), by.certainty));
    }
}
