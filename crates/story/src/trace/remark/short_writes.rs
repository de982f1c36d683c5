//! Calls that took fewer bytes than they were given.

use super::{Called, Remarked, Remarks, Row};
use crate::fact::Syscall;

pub(super) fn look(called: &mut Called<'_>, remarks: &mut Remarks) {
    let writes = matches!(called.syscall, Syscall::Send | Syscall::Sendto | Syscall::Write);
    let (Some(count), Some(wanted)) = (called.count().filter(|_| writes), called.wanted) else { return };
    if count >= wanted {
        return;
    }
    let mut row = std::mem::take(&mut called.account.habits.short_writes);
    row.add(wanted - count, Some(called.id), None);
    let Row { count, bytes: missing, .. } = row;
    remarks.row(&mut row, 1, called.remark(Remarked::ShortWrites { count, missing }));
    called.account.habits.short_writes = row;
}
