//! A thread for each connection.

use super::accept::{Arrival, Door};
use super::{Host, Tally, connection};
use crate::error::TalkError;
use crate::listen::Listener;
use crate::service::Service;
use crate::told::{Shortage, Told};
use enchufe_sys::host::{self, Bell};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;

/// A connection's thread calls a service and `poll`; this is several times what that was seen to use.
const STACK: usize = 256 * 1024;

pub(super) fn run<S: Service>(
    listeners: Vec<Listener>,
    service: &S,
    host: &Host<'_>,
    tally: &Tally,
) -> Result<(), TalkError> {
    each(listeners, host, tally, S::ASKS, |arrival| {
        tally.ended(connection::serve(host, service, arrival, &mut ()));
    })
}

/// Serves each connection in a thread of its own; who `asks` has a bell.
pub(super) fn each(
    listeners: Vec<Listener>,
    host: &Host<'_>,
    tally: &Tally,
    asks: bool,
    serve: impl Fn(Arrival) + Sync,
) -> Result<(), TalkError> {
    let freed = Bell::new().map_err(TalkError::resources("eventfd"))?;
    let mut door = Door::new(host, tally, listeners, asks);
    host.reporter.tell(None, &Told::Waiting);
    std::thread::scope(|scope| {
        while let Some(arrival) = door.next(&freed)? {
            // The thread takes it from here; if none can be had, it is still there to be reset.
            let handover = Arc::new(Mutex::new(Some(arrival)));
            let taken = Arc::clone(&handover);
            let (freed, serve) = (&freed, &serve);
            let spawned = host::start_thread(Builder::new().stack_size(STACK), scope, move || {
                if let Some(arrival) = take(&taken) {
                    serve(arrival);
                    freed.ring();
                }
            });
            if spawned.is_err()
                && let Some(Arrival { stream, about, .. }) = take(&handover)
            {
                door.refuse(stream, about, Shortage::Threads);
            }
        }
        Ok(())
    })
}

fn take(handover: &Mutex<Option<Arrival>>) -> Option<Arrival> {
    handover.lock().unwrap_or_else(PoisonError::into_inner).take()
}
