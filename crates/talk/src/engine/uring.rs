//! A few threads, each with many connections: calls on them are handed to the kernel together, and it tells when they are done
//! (`io_uring(7)`).
//!
//! A connection belongs to one thread at a time. It is received from by one operation that goes on, into buffers
//! that all connections of the thread share and that the kernel takes as bytes come: an idle connection has none. Sends are done
//! or refused when they are handed over, and never wait in the kernel with a buffer: a peer that does not read its answer keeps
//! what is owed to it in the session's output, which is bounded, in memory of its own where buffers run short.
//!
//! Sockets are no descriptors of the process but lie in tables of the thread's rings. A table has as many places as the process may have
//! descriptors; a thread whose table is nearly full goes on in another ring.

mod batch;
mod connection;
mod door;
mod rings;
mod token;
mod worker;

use super::exchange::Exchange;
use super::group::{self, Group};
use super::{Host, Limits, Tally};
use crate::error::TalkError;
use crate::listen::Listener;
use crate::service::Service;
use worker::Worker;

pub(super) use rings::Prepared;
pub use rings::{MOST_RINGS, MOST_SOCKETS};

/// The first ring of each thread.
pub(super) fn prepare(limits: &Limits) -> Result<Vec<Prepared>, TalkError> {
    let rings: Result<_, _> = (0..limits.threads_or_all()).map(|_| Prepared::new(limits)).collect();
    rings.map_err(TalkError::resources("io_uring_setup"))
}

/// With the rings of each thread.
pub(super) fn run<S: Service>(
    listeners: Vec<Listener>,
    rings: Vec<Prepared>,
    service: &S,
    host: &Host<'_>,
    tally: &Tally,
) -> Result<(), TalkError> {
    let threads = rings.len();
    let group = Group::new(host, tally, listeners, threads)?;
    let exchange = Exchange::new(threads);
    let workers = rings.into_iter().enumerate();
    let workers =
        workers.map(|(thread, first)| Worker::new((&group, &exchange), tally, service, thread, first));
    group::run(&group, workers, Worker::settle_in, Worker::run)
}
