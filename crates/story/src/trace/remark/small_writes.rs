//! Segments of few bytes in a row, each of one call that wrote no more.

use super::{ROW, Remarked, Remarks, Row, Sight};
use crate::Certainty;
use crate::trace::event::{By, Deed};

/// So many bytes are few for a segment: a header of IPv4 and one of TCP with time stamps already take 52.
const FEW: u64 = 52;

pub(super) fn look(sight: &mut Sight<'_>, remarks: &mut Remarks) {
    let Some(bytes) = sight.segment.bytes else { return };
    sight.rows[1].restart();
    let writes = |by: &&By| matches!(by.deed, Deed::Writes(_));
    let call = match sight.segment.by.iter().filter(writes).collect::<Vec<_>>()[..] {
        [by] if by.certainty == Certainty::Proved => by.calls.first().copied(),
        _ => None,
    };
    let Some(call) = call.filter(|_| bytes.len() < FEW) else {
        sight.rows[0].restart();
        return;
    };
    let frame = sight.segment.row.frame;
    sight.rows[0].add(bytes.len(), Some(call), Some(frame));
    let Row { count, bytes, .. } = *sight.rows[0];
    let remark = sight.remark(Remarked::SmallWrites { count, bytes }, Vec::new(), Certainty::Proved);
    remarks.row(sight.rows[0], ROW, remark);
}
