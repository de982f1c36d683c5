//! Calls in a row that each take all of the few bytes that they ask for, while more wait.

use super::{Called, ROW, Remarked, Remarks, Row};
use crate::fact::Syscall;

/// So many bytes are few for a call: to enter the kernel and to leave it takes longer than to copy them.
const FEW: u64 = 256;

pub(super) fn look(called: &mut Called<'_>, remarks: &mut Remarks) {
    let reads = matches!(called.syscall, Syscall::Recv | Syscall::Recvfrom | Syscall::Read);
    let Some(count) = called.count().filter(|_| reads && !called.is_aside) else { return };
    let mut row = std::mem::take(&mut called.account.habits.small_reads);
    let [_, unread] = called.unread;
    if count > 0 && count < FEW && called.wanted == Some(count) && unread > 0 {
        row.add(count, Some(called.id), None);
        let Row { count, bytes, .. } = row;
        remarks.row(&mut row, ROW, called.remark(Remarked::SmallReads { count, bytes }));
    } else {
        row.restart();
    }
    called.account.habits.small_reads = row;
}
