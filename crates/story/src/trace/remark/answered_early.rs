//! A socket that was accepted is written to while bytes of the peer wait to be read, of whom some were read: once a socket.

use super::{Called, Remarked, Remarks};
use crate::trace::sockets::Role;

pub(super) fn look(called: &mut Called<'_>, remarks: &mut Remarks) {
    let [unread, _] = called.unread;
    if !called.has_written || !called.had_read || unread == 0 {
        return;
    }
    let said = std::mem::replace(&mut called.account.habits.has_answered_early, true);
    if !said && matches!(called.role, Some(Role::Accepted { .. })) {
        remarks.add(called.remark(Remarked::AnsweredBeforeAllRead { unread }));
    }
}
