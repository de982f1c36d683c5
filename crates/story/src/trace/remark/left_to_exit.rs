//! A connection whose stream nothing ended before the end of its process.

use super::{Remark, Remarked, Remarks};
use crate::Certainty;
use crate::fact::{CallId, Cookie, Syscall};
use crate::trace::account::Account;

/// A call drops the last reference to a socket.
pub(in crate::trace) fn look(
    syscall: Syscall,
    call: CallId,
    socket: Cookie,
    account: &Account,
    remarks: &mut Remarks,
) {
    // Who is ended by a signal had no chance to close anything.
    let is_left = syscall == Syscall::ExitGroup && account.enders.is_empty();
    let Some((stream, _)) = account.of.filter(|_| is_left) else { return };
    let (what, stream, socket) = (Remarked::LeftToExit, Some(stream), Some(socket));
    let (calls, frames, certainty) = (vec![call], Vec::new(), Certainty::Proved);
    remarks.add(Remark { what, stream, socket, calls, frames, certainty });
}
