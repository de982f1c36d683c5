//! When a connection is to be looked at: at its session's times, and, while a question is out for a peer that has sent FIN, every
//! second, for nothing would come to say that it has left.

use crate::service::Service;
use crate::session::Session;
use enchufe_sys::host;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How often a peer that may have left is looked for.
const PEER_CHECK: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Presence(Option<Instant>);

impl Presence {
    /// When [`Self::expire`] is to be called, if nothing happens before.
    pub(super) fn deadline<S: Service, B>(
        &mut self,
        session: &Session<'_, S, B>,
        now: Instant,
    ) -> Option<Instant> {
        if !S::ASKS {
            return session.deadline();
        }
        if session.may_have_been_left() {
            self.0.get_or_insert(now + PEER_CHECK);
        } else {
            self.0 = None;
        }
        [session.deadline(), self.0].into_iter().flatten().min()
    }

    /// `local`: this end's address.
    pub(super) fn expire<S: Service, B>(
        &mut self,
        session: &mut Session<'_, S, B>,
        local: impl FnOnce() -> Option<SocketAddr>,
        now: Instant,
    ) {
        if self.0.is_some_and(|at| now >= at) {
            self.0 = None;
            let peer = session.about().peer;
            if local().is_some_and(|local| host::peer_is_open(local, peer) == Some(false)) {
                session.peer_left();
            }
        }
        if session.deadline().is_some_and(|at| now >= at) {
            session.expired(now);
        }
    }
}
