//! One connection at a time: the textbook's server, and the reports'. The kernel keeps the others in
//! the listener's queue; who waits there is told.

use super::accept::Door;
use super::{Host, Tally, connection};
use crate::error::TalkError;
use crate::listen::Listener;
use crate::service::Service;
use crate::told::Told;
use enchufe_sys::host::Bell;

pub(super) fn run<S: Service>(
    listeners: Vec<Listener>,
    service: &S,
    host: &Host<'_>,
    tally: &Tally,
) -> Result<(), TalkError> {
    let freed = Bell::new().map_err(TalkError::resources("eventfd"))?;
    let mut door = Door::new(host, tally, listeners, S::ASKS);
    loop {
        if door.is_open() && !host.stop.has_begun() {
            host.reporter.tell(None, &Told::Waiting);
        }
        let Some(arrival) = door.next(&freed)? else { return Ok(()) };
        tally.ended(connection::serve(host, service, arrival, Some(&mut door)));
    }
}
