//! A connection of TLS: what comes is opened before the service is told, what it sends is sealed, and whether it ended as it
//! was to is known.
//!
//! A service hears nothing before the handshake is done: its [`Event::Opened`] comes then. The peer's `close_notify` is the end of
//! what it says, not its FIN; a FIN without it may have been anybody's, so that the service does not hear of an end that may be none.
//! What is queued, and so what its bounds are of, is ciphertext; what is told and counted is payload.

use super::{Phase, Session};
use crate::reason::Reason;
use crate::service::{Event, Service};
use crate::tls::{Agreed, Fault, Identity, Layer, RECORD, Sealed};
use crate::told::Told;
use std::borrow::Cow;
use std::cell::Cell;
use std::net::SocketAddr;
use std::time::{Instant, SystemTime};

/// Room for opened payload that a thread keeps: what one read brings at most, as usual, and what of a record came before it.
const KEPT: usize = 512 * 1024 + RECORD;

thread_local! {
    /// The payload of one read: each session keeping its own would cost memory.
    #[allow(clippy::missing_const_for_thread_local, reason = "as ACTIONS")]
    static PAYLOAD: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// What a connection of TLS has beside what every one has.
#[derive(Debug)]
pub(super) struct Secured {
    /// Whose it is, where the rest of the session is parked.
    peer: SocketAddr,
    layer: Layer,
    /// The time of day when it was accepted, until the handshake is done.
    accepted: Option<SystemTime>,
    /// The peer's `close_notify` came, and the service has what came before.
    closed: bool,
    /// The FIN of the peer was read.
    fin: bool,
    /// `close_notify` is queued or sent, or cannot be.
    ended: bool,
}

impl Secured {
    /// The other end.
    pub(super) const fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Whether both ends have agreed, and neither has said anything of an end.
    pub(super) const fn rests(&self) -> bool {
        self.accepted.is_none() && !self.closed && !self.fin && !self.ended
    }
}

impl<S: Service, B> Session<'_, S, B> {
    /// Begins with the handshake.
    pub(super) fn open_secured(&mut self, identity: &Identity, accepted: SystemTime, now: Instant) {
        match Layer::server(identity) {
            Ok(layer) => {
                let (peer, accepted) = (self.about.peer, Some(accepted));
                let (closed, fin, ended) = (false, false, false);
                self.tls = Some(Box::new(Secured { peer, layer, accepted, closed, fin, ended }));
            }
            Err(fault) => self.tls_failed(fault, now),
        }
    }

    /// Whether the handshake is not done yet.
    pub(super) fn shakes_hands(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.accepted.is_some())
    }

    /// Whether nothing more can come, whatever the peer has said of an end.
    pub(super) fn has_seen_fin(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.fin)
    }

    /// Ciphertext came.
    pub(super) fn received_sealed(&mut self, bytes: &[u8], now: Instant) {
        let Some(tls) = &mut self.tls else { return };
        let mut payload = PAYLOAD.take();
        payload.clear();
        // Were it to grow by itself it would be larger than what is kept, and begin anew each time.
        payload.reserve_exact(bytes.len() + RECORD);
        let result = tls.layer.take_in(bytes, &mut payload);
        let opened = if tls.layer.is_established() { tls.accepted.take() } else { None };
        self.push_out();
        if let Some(accepted) = opened {
            self.handshake_done(accepted, now);
        }
        if !payload.is_empty() {
            self.payload(&payload, now);
        }
        payload.shrink_to(KEPT);
        PAYLOAD.set(payload);
        if let Some(tls) = &mut self.tls {
            tls.closed = tls.layer.peer_closed();
        }
        match result {
            Ok(()) => self.settle(now),
            Err(fault) => self.tls_failed(fault, now),
        }
    }

    fn handshake_done(&mut self, accepted: SystemTime, now: Instant) {
        let Some(tls) = &self.tls else { return };
        let Agreed { version, cipher, name, resumed } = tls.layer.agreed();
        self.tell(&Told::Secured { version, cipher, name: name.as_deref(), resumed });
        let took = now.saturating_duration_since(self.opened);
        self.event(Event::Opened(accepted.checked_add(took).unwrap_or(accepted)), now);
    }

    /// Queues what TLS itself has to say.
    fn push_out(&mut self) {
        let Some(tls) = &mut self.tls else { return };
        let bytes = tls.layer.take_out();
        if !bytes.is_empty() {
            self.output.push_sealed(Sealed::own(bytes), None);
        }
    }

    /// The peer's FIN was read.
    pub(super) fn fin_came(&mut self, now: Instant) {
        let Some(tls) = &mut self.tls else { return };
        if std::mem::replace(&mut tls.fin, true) {
            return;
        }
        let (began, closed) = (tls.layer.began(), tls.closed);
        if self.phase != Phase::Open {
            // What it was to say is of no interest any more.
            return self.payload_ended(now);
        }
        if closed {
            return self.settle(now);
        }
        self.active = now;
        self.peer_ended = true;
        if began {
            let cut = self.shakes_hands();
            self.reason =
                Some(if cut { Reason::Tls(Box::new(Fault::HandshakeCut)) } else { Reason::Truncated });
        }
        self.close();
        self.settle(now);
    }

    /// Whether the peer's `close_notify` is to be told now: what is behind a pause waits for its end.
    pub(super) fn owes_end(&self) -> bool {
        let closed = self.tls.as_ref().is_some_and(|tls| tls.closed);
        closed && self.phase == Phase::Open && !self.peer_ended && !self.paused
    }

    /// Whether a reset takes nothing from anybody: the peer has said all that it had to say, and nothing was to be said to it. It
    /// comes where the peer closes without having read the ticket of TLS 1.3.
    pub(super) fn owes_nothing(&self) -> bool {
        let closed = self.tls.as_ref().is_some_and(|tls| tls.closed);
        closed && self.sent == 0 && self.output.sealed_payload() == 0
    }

    /// Sends payload that lies elsewhere.
    pub(super) fn seal(&mut self, bytes: &[u8]) {
        if let Some(tls) = &mut self.tls {
            self.output.push_sealed(tls.layer.seal(bytes), None);
        }
    }

    /// Sends the service's own.
    pub(super) fn seal_own(&mut self, bytes: Cow<'static, [u8]>, told: bool) {
        if let Some(tls) = &mut self.tls {
            self.output.push_sealed(tls.layer.seal(&bytes), told.then_some(bytes));
        }
    }

    /// Says `close_notify`, once.
    pub(super) fn seal_end(&mut self) {
        let Some(tls) = &mut self.tls else { return };
        if !std::mem::replace(&mut tls.ended, true) {
            let bytes = tls.layer.close();
            if !bytes.is_empty() {
                self.output.push_sealed(Sealed::own(bytes), None);
            }
            if !self.peer_ended {
                // Whose close_notify came first: the FIN is behind it, and the peer's may be faster than ours.
                self.reason.get_or_insert(Reason::OwnEnd);
            }
        }
    }

    /// TLS cannot go on: what is queued, with the alert behind it, and our FIN are still sent.
    fn tls_failed(&mut self, fault: Fault, now: Instant) {
        if let Some(tls) = &mut self.tls {
            tls.ended = true;
        }
        match self.phase {
            Phase::Open => {
                self.reason = Some(Reason::Tls(Box::new(fault)));
                self.close();
            }
            Phase::Flushing => {
                self.reason.get_or_insert_with(|| Reason::Tls(Box::new(fault)));
            }
            Phase::Lingering(_) | Phase::Over => {}
        }
        self.settle(now);
    }
}
