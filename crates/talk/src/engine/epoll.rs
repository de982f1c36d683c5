//! A few threads, each with many connections: epoll(7) says which of them can be gone on with.
//!
//! A connection belongs to the thread that accepted it, for its life: nothing of it is shared. A read or a send
//! that would wait is not waited for, and the kernel tells when it would not any more, once a change. What is
//! read is read into a buffer that the thread lends to the session; a peer that does not read its answer keeps
//! what is owed to it in the session's output, which is bounded.

mod connection;
mod worker;

use super::group::Group;
use super::{Host, Tally};
use crate::error::TalkError;
use crate::listen::Listener;
use crate::service::Service;
use crate::told::Told;
use enchufe_sys::host;
use std::panic::resume_unwind;
use std::thread::Builder;
use worker::Worker;

pub(super) fn run<S: Service>(
    listeners: Vec<Listener>,
    service: &S,
    host: &Host<'_>,
    tally: &Tally,
) -> Result<(), TalkError> {
    let threads = host.limits.threads_or_all();
    let group = Group::new(host, tally, listeners, threads)?;
    // All of them before the first one runs: what cannot be had is said before anybody is let in.
    let workers: Result<Vec<_>, _> =
        (0..threads).map(|thread| Worker::new(&group, tally, service, thread)).collect();
    let workers = workers?;
    host.reporter.tell(None, &Told::Waiting);
    std::thread::scope(|scope| {
        let mut running = Vec::new();
        for worker in workers {
            let spawned = host::start_thread(Builder::new(), scope, || worker.run());
            running.push(spawned.map_err(|error| {
                group.close();
                TalkError::Resources { call: "clone", error }
            })?);
        }
        let mut result = Ok(());
        for worker in running {
            result = result.and(worker.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        result
    })
}
