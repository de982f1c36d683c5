//! A timer ran out after a time in which the tracer held programs for a part that counts: one remark an end.

use super::{Remarked, Remarks, Row, Sight, Timed};
use crate::Certainty;

/// From this part of the wait on.
const PART: i64 = 10;

pub(super) fn look(sight: &mut Sight<'_>, remarks: &mut Remarks) {
    let Some(Timed { waited, held }) = sight.timed else { return };
    if held <= 0 || held < waited / PART {
        return;
    }
    sight.timers.add(held.min(waited).unsigned_abs(), None, Some(sight.segment.row.frame));
    let Row { count, bytes, .. } = *sight.timers;
    let held = i64::try_from(bytes).unwrap_or(i64::MAX);
    let remark = sight.remark(Remarked::TimerMoved { count, held }, Vec::new(), Certainty::Inferred);
    remarks.row(sight.timers, 1, remark);
}
