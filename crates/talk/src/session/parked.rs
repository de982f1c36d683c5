//! A connection on which nothing is under way, in as little memory as it takes: there may be very many.

use super::{Phase, Secured, Session};
use crate::engine::Host;
use crate::service::Service;
use crate::told::{About, ConnectionId};
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::time::{Duration, Instant};

/// What is left to know of a [`Session`] that waits for its peer, from [`Session::park`] to [`Session::unpark`].
#[derive(Debug)]
pub struct Parked<S: Service> {
    id: ConnectionId,
    peer: Peer,
    /// In nanoseconds since the time that both were told.
    opened: u64,
    active: u64,
    received: u64,
    sent: u64,
    state: S::State,
}

/// An address of IPv4, which most are, is not to take the room of one of IPv6; nor one without TLS that of what TLS keeps, where the
/// address is, too.
#[derive(Debug)]
enum Peer {
    V4(SocketAddrV4),
    V6(Box<SocketAddrV6>),
    Secured(Box<Secured>),
}

impl<S: Service> Parked<S> {
    /// Which connection it is.
    pub const fn id(&self) -> ConnectionId {
        self.id
    }
}

impl<'h, S: Service, B> Session<'h, S, B> {
    /// Whether nothing is under way but that the peer may send or end.
    pub fn rests(&self) -> bool {
        let speaks = self.phase == Phase::Open && !self.finishing && !self.peer_ended && !self.paused;
        let waits = self.timer.is_some() || self.is_asking() || self.bell.is_some();
        let agreed = self.tls.as_ref().is_none_or(|tls| tls.rests());
        speaks && !waits && agreed && self.output.is_empty()
    }

    /// If it [rests](Self::rests), what is to be kept of it: the session itself is of no use then.
    /// [`Self::deadline`] holds as it was. `since`: a time before it was opened, the same for [`Self::unpark`].
    pub fn park(&mut self, since: Instant) -> Option<Parked<S>> {
        if !self.rests() {
            return None;
        }
        let nanos =
            |at: Instant| u64::try_from(at.saturating_duration_since(since).as_nanos()).unwrap_or(u64::MAX);
        let About { id, peer } = self.about;
        Some(Parked {
            id,
            peer: match (self.tls.take(), peer) {
                (Some(tls), _) => Peer::Secured(tls),
                (None, SocketAddr::V4(peer)) => Peer::V4(peer),
                (None, SocketAddr::V6(peer)) => Peer::V6(Box::new(peer)),
            },
            opened: nanos(self.opened),
            active: nanos(self.active),
            received: self.received,
            sent: self.sent,
            state: std::mem::take(&mut self.state),
        })
    }

    /// The session that was parked, with the same service and host.
    pub fn unpark(parked: Parked<S>, host: &'h Host<'h>, service: &'h S, since: Instant) -> Self {
        // What was counted from a time can be counted from it again.
        let at = |nanos| since.checked_add(Duration::from_nanos(nanos)).unwrap_or(since);
        let (peer, tls) = match parked.peer {
            Peer::V4(peer) => (SocketAddr::V4(peer), None),
            Peer::V6(peer) => (SocketAddr::V6(*peer), None),
            Peer::Secured(tls) => (tls.peer(), Some(tls)),
        };
        Self {
            tls,
            state: parked.state,
            active: at(parked.active),
            received: parked.received,
            sent: parked.sent,
            ..Self::quiet(host, service, About { id: parked.id, peer }, at(parked.opened))
        }
    }
}
