//! A few threads, each with many connections: epoll(7) says which of them can be gone on with.
//!
//! A connection belongs to one thread at a time: nothing of it is shared. That is the one that accepted it, until
//! that has too much to do and hands it over to another (`balance.rs`). A read or a send that would wait is not
//! waited for, and the kernel tells when it would not any more, once a change. What is
//! read is read into a buffer that the thread lends to the session; a peer that does not read its answer keeps
//! what is owed to it in the session's output, which is bounded. Of a stream that the kernel carries (`carriage.rs`)
//! nothing is told but a failure: the thread looks at it by itself.

mod connection;
mod token;
mod worker;

use super::exchange::Exchange;
use super::group::{self, Group};
use super::{Host, Tally};
use crate::error::TalkError;
use crate::listen::Listener;
use crate::service::Service;
use worker::Worker;

pub(super) fn run<S: Service>(
    listeners: Vec<Listener>,
    service: &S,
    host: &Host<'_>,
    tally: &Tally,
) -> Result<(), TalkError> {
    let threads = host.limits.threads_or_all();
    let group = Group::new(host, tally, listeners, threads)?;
    let exchange = Exchange::new(threads);
    let workers = (0..threads).map(|thread| Worker::new((&group, &exchange), tally, service, thread));
    group::run(&group, workers, Worker::settle_in, Worker::run)
}
