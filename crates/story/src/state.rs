//! The states of RFC 9293 §3.3.2 (figure 5), as far as segments prove them.
//!
//! **A segment proves what its sender had done when it sent it**, and nothing about its receiver: it may be lost. So a state
//! is given from the segment on that proves it, never from the one that should lead to it:
//!
//! | state | proved by | |
//! |---|---|---|
//! | SYN-SENT | its SYN | |
//! | LISTEN | | inferred from its SYN, ACK, if no SYN without one came from it: it was there when the peer's SYN came. From a reset to an end in SYN-RECEIVED that had listened |
//! | SYN-RECEIVED | its SYN, ACK | |
//! | ESTABLISHED | of an end in SYN-SENT: its first segment without SYN that acknowledges, for nothing else lets it send one. Of an end in SYN-RECEIVED: bytes that it sends (a SEND waits for ESTABLISHED, §3.10.2), or an acknowledgement of bytes that were only in segments that had the ACK of its SYN | inferred from that ACK, which may be lost |
//! | FIN-WAIT-1 | its FIN, where this does not acknowledge the peer's | |
//! | FIN-WAIT-2 | its acknowledgement of something that was only in segments that had the ACK of its FIN | inferred from the ACK of its FIN, if no FIN of the peer came before it or with it |
//! | CLOSE-WAIT | its acknowledgement of the peer's FIN | |
//! | LAST-ACK | its FIN, where this acknowledges the peer's | |
//! | CLOSING | its acknowledgement of the peer's FIN, after its own FIN, which was not acknowledged | |
//! | TIME-WAIT | its acknowledgement of the peer's FIN, where the ACK of its own had to come with it | inferred where that ACK came by itself; where it was under way, CLOSING is inferred before |
//! | CLOSED | its reset | inferred from the ACK of its FIN in LAST-ACK, and from a reset that it could accept |
//!
//! A segment counts as sent by the end whose addresses it has: that something on the way forged it, no segment tells. Only where
//! an end goes on after its own reset is its state no longer known.
//!
//! What can be acknowledged (a SYN, a FIN) is given when it is acknowledged, and then proved. What cannot (the ACK of a SYN
//! or FIN, a reset) is given when it is seen, as inferred, and again when a later segment proves that it arrived
//! ([`Change::is_confirmation`]). A FIN does not prove ESTABLISHED: it may be sent in SYN-RECEIVED (§3.10.4). After a
//! Fast Open (bytes in the SYN, RFC 7413) bytes do not either.
//!
//! A repeated SYN, ACK takes back an ESTABLISHED that was inferred: the ACK seems not to have arrived.
//!
//! **Where the handshake is not in the capture** both states are unknown until both ends are known not to have sent a FIN
//! before: an end is, when it sends bytes or a FIN at or after the number of an empty segment of its own (which has
//! SND.NXT, §3.10.7.4). From there on the two are ESTABLISHED, and go on as above.
//!
//! **Where bytes are acknowledged that the capture lacks**, there may have been a FIN among them: ESTABLISHED is then
//! inferred, and after a FIN of its own an end's state is unknown, until the missing numbers turn out to be bytes.
//!
//! What no segment can show: the opening of a listening socket (CLOSED to LISTEN), a LISTEN that became SYN-SENT (what was
//! before a SYN is not known), a SYN-SENT that was given up, and the end of TIME-WAIT, for nothing is proved by time alone.

use crate::Certainty;

/// A state of RFC 9293 §3.3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are the states' own")]
pub enum State {
    Listen,
    SynSent,
    SynReceived,
    Established,
    FinWait1,
    FinWait2,
    CloseWait,
    Closing,
    LastAck,
    TimeWait,
    Closed,
}

impl State {
    /// All eleven.
    pub const ALL: [Self; 11] = [
        Self::Listen,
        Self::SynSent,
        Self::SynReceived,
        Self::Established,
        Self::FinWait1,
        Self::FinWait2,
        Self::CloseWait,
        Self::Closing,
        Self::LastAck,
        Self::TimeWait,
        Self::Closed,
    ];

    /// The name in RFC 9293.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Listen => "LISTEN",
            Self::SynSent => "SYN-SENT",
            Self::SynReceived => "SYN-RECEIVED",
            Self::Established => "ESTABLISHED",
            Self::FinWait1 => "FIN-WAIT-1",
            Self::FinWait2 => "FIN-WAIT-2",
            Self::CloseWait => "CLOSE-WAIT",
            Self::Closing => "CLOSING",
            Self::LastAck => "LAST-ACK",
            Self::TimeWait => "TIME-WAIT",
            Self::Closed => "CLOSED",
        }
    }
}

/// A state that is known from here on, or no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Whether it is of the end that the conversation calls `b`.
    pub of_b: bool,
    /// What was given before; none: it was unknown.
    pub from: Option<State>,
    /// None: it is no longer known.
    pub to: Option<State>,
    /// Whether the segment of this row proves it.
    pub certainty: Certainty,
    /// The frame that made the change: by being sent where it is of this end, else by arriving.
    pub because: u64,
    /// Where RFC 9293 has it.
    pub section: &'static str,
}

impl Change {
    /// Whether the state is the one that was given before, and only how sure it is changed.
    pub fn is_confirmation(&self) -> bool {
        self.from == self.to
    }
}
