//! A client of TLS: the handshake before anything is sent, what is sent sealed, what comes opened, and whether the peer has said
//! that it was all.

use super::Talk;
use crate::client::Reply;
use crate::reason::Reason;
use crate::tls::{Agreed, Checked, Fault, Layer, Sealed};
use crate::told::Told;
use std::io::Write;

/// What a connection of TLS has beside what every one has.
pub(super) struct Secured {
    layer: Layer,
    shakes_hands: bool,
    /// `close_notify` is on its way, or cannot be.
    ended: bool,
}

impl Talk<'_> {
    pub(super) fn begin_handshake(&mut self, checked: &Checked) {
        match Layer::client(checked) {
            Ok(mut layer) => {
                self.pending = Sealed::own(layer.take_out());
                self.secured = Some(Box::new(Secured { layer, shakes_hands: true, ended: false }));
                self.write();
            }
            Err(fault) => self.reason = Some(Reason::Tls(Box::new(fault))),
        }
    }

    /// Whether the handshake is not done yet.
    pub(super) fn shakes_hands(&self) -> bool {
        self.secured.as_ref().is_some_and(|secured| secured.shakes_hands)
    }

    /// The next piece of the input is to be sent.
    pub(super) fn put(&mut self, bytes: Vec<u8>) {
        let sealed = match &mut self.secured {
            Some(secured) => secured.layer.seal(&bytes),
            None => Sealed::plain(bytes),
        };
        if self.is_written() {
            (self.pending, self.written) = (sealed, 0);
        } else {
            // The last of the handshake, which carries nothing: they go together.
            self.pending = sealed.behind(self.pending.bytes.get(self.written..).unwrap_or_default());
            self.written = 0;
        }
    }

    /// Puts what TLS has to say behind what is on its way.
    fn say(&mut self, bytes: &[u8]) {
        if self.is_written() {
            (self.pending, self.written) = (Sealed::own(bytes.to_vec()), 0);
        } else {
            self.pending.extend(bytes);
        }
    }

    /// Ciphertext came.
    pub(super) fn read_sealed(&mut self, bytes: &[u8]) {
        let Some(secured) = &mut self.secured else { return };
        let mut payload = Vec::new();
        let result = secured.layer.take_in(bytes, &mut payload);
        let (says, ended) = (secured.layer.take_out(), secured.layer.peer_closed());
        let established = secured.layer.is_established();
        let first = established && std::mem::take(&mut secured.shakes_hands);
        self.say(&says);
        if let Err(fault) = result {
            return self.tls_failed(fault);
        }
        if first {
            self.handshake_done();
        }
        self.write();
        if !payload.is_empty() {
            self.show(&payload);
        }
        if ended {
            self.peer_is_done();
        }
    }

    fn handshake_done(&mut self) {
        let Some(secured) = &self.secured else { return };
        let Agreed { version, cipher, name, resumed } = secured.layer.agreed();
        self.tell(&Told::Secured { version, cipher, name: name.as_deref(), resumed });
        // A message is there already: it goes with the last of the handshake.
        self.take_input();
    }

    /// The peer's FIN was read.
    pub(super) fn fin_came(&mut self) {
        let Some(secured) = &self.secured else { return self.peer_is_done() };
        if self.peer_ended.is_some() {
            return;
        }
        if secured.shakes_hands {
            // Also without a byte: nothing of what was to be said to it was.
            self.reason = Some(Reason::Tls(Box::new(Fault::HandshakeCut)));
        } else if self.settled.is_some() || self.plan.reply == Reply::Ignore {
            // What it would still have said is not waited for.
            self.peer_is_done();
        } else {
            self.reason = Some(Reason::Truncated);
        }
    }

    /// TLS cannot go on: the alert goes out, if there is room for it.
    fn tls_failed(&mut self, fault: Fault) {
        if let Some(secured) = &mut self.secured {
            secured.ended = true;
        }
        self.flush_at_last();
        self.reason.get_or_insert(Reason::Tls(Box::new(fault)));
    }

    /// Says `close_notify`, which is to go before our FIN; whether it and all before it is with the kernel.
    pub(super) fn says_end(&mut self) -> bool {
        if let Some(secured) = &mut self.secured
            && !std::mem::replace(&mut secured.ended, true)
        {
            let bytes = secured.layer.close();
            self.say(&bytes);
            self.write();
        }
        self.is_written()
    }

    /// Where the connection ends in order and our FIN was not sent apart: the descriptor is about to be closed.
    pub(super) fn say_end_at_last(&mut self) {
        let in_order = matches!(self.reason, Some(Reason::OwnEnd | Reason::PeerFinished));
        if self.secured.is_some() && in_order && self.is_written() {
            self.says_end();
        }
    }

    /// Hands the kernel what it takes; what it does not, or the connection, is of no interest any more.
    fn flush_at_last(&mut self) {
        let rest = self.pending.bytes.get(self.written..).unwrap_or_default();
        let _ = self.stream.write(rest);
    }
}
