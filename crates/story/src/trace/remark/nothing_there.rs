//! Calls in a row that found nothing to take and did not wait.

use super::{Called, ROW, Remarked, Remarks, Row};
use crate::fact::{Outcome, Syscall};

/// `EAGAIN` of Linux.
const EAGAIN: i32 = 11;
/// One that took longer, in nanoseconds, may have waited (`SO_RCVTIMEO`).
const AT_ONCE: i64 = 1_000_000;

pub(super) fn look(called: &mut Called<'_>, remarks: &mut Remarks) {
    let accepts = matches!(called.syscall, Syscall::Accept | Syscall::Accept4);
    let [entered, left] = called.times;
    let is_again = called.outcome == Outcome::Failed(EAGAIN);
    let may_have_waited = left.since(entered) >= AT_ONCE;
    if !accepts && !called.syscall.reads() || is_again && may_have_waited {
        return;
    }
    let mut row = std::mem::take(&mut called.account.habits.nothing_there);
    if is_again {
        if row.count == 0 {
            row.since = entered;
        }
        row.add(0, Some(called.id), None);
        let Row { count, since, .. } = row;
        let over = left.since(since);
        remarks.row(&mut row, ROW, called.remark(Remarked::NothingThere { count, over }));
    } else {
        row.restart();
    }
    called.account.habits.nothing_there = row;
}
