//! One connection at a time: the textbook's server, and the reports'. The kernel keeps the others in
//! the listener's queue; who waits there is told.

use super::accept::Door;
use super::{Host, Tally, connection};
use crate::error::TalkError;
use crate::listen::Listener;
use crate::reason::Reason;
use crate::service::Service;
use crate::told::Told;
use enchufe_sys::host::Bell;
use std::sync::atomic::Ordering;

pub(super) fn run<S: Service>(
    listeners: Vec<Listener>,
    service: &S,
    host: &Host<'_>,
    tally: &Tally,
) -> Result<(), TalkError> {
    let freed = Bell::new().map_err(TalkError::resources)?;
    let mut door = Door::new(host, tally, listeners);
    loop {
        if door.is_open() {
            host.reporter.tell(None, &Told::Waiting);
        }
        let Some((stream, about)) = door.next(&freed)? else { return Ok(()) };
        tally.open.store(1, Ordering::Relaxed);
        let end = connection::serve(host, service, about, stream, Some(&mut door));
        tally.open.store(0, Ordering::Relaxed);
        tally.count(&end.reason);
        if matches!(end.reason, Reason::Interrupted) {
            return Ok(());
        }
    }
}
