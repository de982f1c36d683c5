//! One connection at a time: the textbook's server, and the reports'. The kernel keeps the others in
//! the listener's queue; who waits there is told.

use super::accept::Door;
use super::connection::{self, Beside};
use super::{Host, Tally};
use crate::error::TalkError;
use crate::listen::Listener;
use crate::service::Service;
use crate::session::Session;
use crate::told::Told;
use enchufe_sys::host::{Bell, Ready, Watch};
use std::time::Instant;

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
        tally.ended(connection::serve(host, service, arrival, &mut door));
    }
}

/// Others wait meanwhile.
impl<S: Service> Beside<S> for Door<'_> {
    fn watches<'w>(&'w self, _: &'w Session<'_, S, usize>) -> Vec<Watch<'w>> {
        Self::watches(self).collect()
    }

    fn until(&self, _: &Session<'_, S, usize>) -> Option<Instant> {
        self.next_look()
    }

    fn look(&mut self, found: &[Ready], _: &mut Session<'_, S, usize>, _: Instant) {
        match found {
            [stopped, ..] if stopped.read => self.stop(),
            [_, knocks @ ..] if knocks.iter().any(|knock| knock.read) => self.look_who_waits(),
            _ => {}
        }
    }
}
