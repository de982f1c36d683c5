//! A reset because a socket was closed with bytes unread.

use super::{Remarked, Remarks, Sight};
use crate::trace::event::Deed;

pub(super) fn look(sight: &mut Sight<'_>, remarks: &mut Remarks) {
    for by in &sight.segment.by {
        if let Deed::LeavesUnread(bytes) = by.deed {
            remarks.add(sight.remark(Remarked::LeftUnread { bytes }, by.calls.clone(), by.certainty));
        }
    }
}
