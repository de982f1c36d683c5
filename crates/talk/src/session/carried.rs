//! What an engine sends back by itself, without telling the service of the bytes.

use super::{Phase, Session};
use crate::engine::Carry;
use crate::service::Service;
use std::time::Instant;

impl<S: Service, B> Session<'_, S, B> {
    /// Whether an engine may send back what comes by itself: it says so with [`Self::carried_in`] and [`Self::carried_out`], and with
    /// [`Self::put_back`] where it stops before all is sent. Only while it [rests](Self::rests).
    pub fn carry(&self) -> Carry {
        let carry = self.host.limits.carry;
        let is_told = || carry != Carry::Always && self.is_told();
        if carry == Carry::Never || is_told() || !self.only_returns() { Carry::Never } else { carry }
    }

    /// Whether that is to be so of little as well as of much.
    pub fn carries_all(&self) -> bool {
        self.host.limits.carry == Carry::Always
    }

    fn is_told(&self) -> bool {
        self.host.reporter.hears_of_connections()
    }

    fn only_returns(&self) -> bool {
        self.tls.is_none() && self.service.returns_all(&self.state)
    }

    /// Whether nobody is told of it, nor counts what it sends, nor how long it sends nothing: for as long as there is a session.
    pub fn is_unwatched(&self) -> bool {
        self.host.counters.is_none() && !self.measures_idleness() && !self.is_told()
    }

    /// Whether, of one that [is unwatched](Self::is_unwatched), all that is queued is with what it sends [next](Self::next), and nothing hangs on when
    /// [`Self::sent`] says so.
    pub fn may_hear_late(&self) -> bool {
        let rests = self.phase == Phase::Open && !self.finishing && !self.peer_ended && !self.paused;
        rests && self.output.is_last() && self.only_returns()
    }

    /// The engine has taken so many bytes that it will send back.
    pub fn carried_in(&mut self, count: usize, now: Instant) {
        if count > 0 {
            self.active = now;
            self.count(count);
            self.host.reporter.carried(self.about, count);
        }
    }

    /// It has sent so many of them.
    pub fn carried_out(&mut self, count: usize, now: Instant) {
        if count > 0 {
            self.active = now;
            self.sent += count as u64;
            if let Some(counters) = self.host.counters {
                counters.sent(count as u64);
            }
        }
    }

    /// The others of them, which are to be sent as all is.
    pub fn put_back(&mut self, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.output.push(bytes.into(), false);
        }
    }

    /// Bytes that came, in all.
    pub const fn came(&self) -> u64 {
        self.received
    }
}
