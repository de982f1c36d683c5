//! One connection and its socket: the calls that carry bytes, for the engines that learn that a socket is
//! ready and then call.

use super::buffers::{Buffers, Flow};
use super::presence::Presence;
use crate::reason::Call;
use crate::service::Service;
use crate::session::{Next, Session};
use enchufe_sys::host;
use socket2::SockRef;
use std::io;
use std::net::TcpStream;
use std::time::Instant;

pub(super) struct Line<'h, S: Service> {
    pub(super) session: Session<'h, S, usize>,
    pub(super) stream: TcpStream,
    presence: Presence,
    /// The last read filled its buffer: there may be more.
    pub(super) filled: bool,
    pub(super) flow: Flow,
}

/// What came of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// So many bytes; the buffer, if the session keeps it.
    Bytes(usize, Option<usize>),
    /// The peer's end, or the connection's.
    End,
    /// Nothing is there.
    Nothing,
}

/// What came of sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// Nothing is left to be sent, or the connection is over.
    All,
    /// A turn's worth; there is more.
    Turn,
    /// The kernel takes no more now.
    Full,
}

impl<'h, S: Service> Line<'h, S> {
    pub(super) fn new(session: Session<'h, S, usize>, stream: TcpStream) -> Self {
        Self { session, stream, presence: Presence::default(), filled: false, flow: Flow::default() }
    }

    pub(super) fn read(&mut self, buffers: &mut Buffers, now: Instant) -> Read {
        let index = buffers.take(self.flow.is_large());
        let result = host::receive(&self.stream, buffers.bytes_mut(index));
        let (freed, read) = match result {
            Ok(0) => {
                self.session.peer_ended(now);
                (Some(index), Read::End)
            }
            Ok(count) => {
                buffers.count(count);
                let room = buffers.bytes(index);
                let bytes = room.get(..count).unwrap_or_default();
                self.filled = count == room.len();
                self.flow.learn(self.filled || count > buffers.size());
                let freed = self.session.received(bytes, index, now);
                (freed, Read::Bytes(count, freed.xor(Some(index))))
            }
            Err(error) => (Some(index), if self.fail(Call::Recv, error) { Read::End } else { Read::Nothing }),
        };
        if let Some(index) = freed {
            buffers.give(index);
        }
        read
    }

    /// Hands the kernel what it takes. One turn of a service that never ends is one buffer of its:
    /// the peer's bytes and the stop are looked at between two of them.
    pub(super) fn flush(&mut self, buffers: &mut Buffers, now: Instant) -> Sent {
        let now = if self.session.measures_idleness() { Instant::now() } else { now };
        let mut turn = self.session.queued();
        while turn > 0 || matches!(self.session.next(), Some(Next::HalfClose)) {
            let result = match self.session.next() {
                None => return Sent::All,
                Some(Next::HalfClose) => {
                    // ENOTCONN: the peer's RST was faster; the next read says so.
                    let _ = host::half_close(&self.stream);
                    self.session.half_closed(now);
                    continue;
                }
                Some(Next::Lent(index, range)) => {
                    host::send(&self.stream, buffers.bytes(*index).get(range).unwrap_or_default())
                }
                Some(Next::Bytes(bytes)) => host::send(&self.stream, bytes),
            };
            match result {
                Ok(count) => {
                    turn = turn.saturating_sub(count.max(1));
                    if let Some(freed) = self.session.sent(count, now) {
                        buffers.give(freed);
                    }
                }
                Err(error) => return if self.fail(Call::Send, error) { Sent::All } else { Sent::Full },
            }
        }
        if self.session.next().is_some() { Sent::Turn } else { Sent::All }
    }

    /// Whether the error ends the connection.
    fn fail(&mut self, call: Call, error: io::Error) -> bool {
        let failed = error.kind() != io::ErrorKind::WouldBlock;
        if failed {
            self.session.failed(call, error);
        }
        failed
    }

    /// An error is pending or both directions are over, and nothing is to be read: whether it is the
    /// latter, of which the kernel may go on telling.
    pub(super) fn look_for_error(&mut self) -> bool {
        match host::take_error(&SockRef::from(&self.stream)) {
            Ok(Some(error)) => {
                self.session.failed(Call::Recv, error);
                false
            }
            _ => true,
        }
    }

    /// When [`Self::expire`] is to be called, if nothing happens before.
    pub(super) fn deadline(&mut self, now: Instant) -> Option<Instant> {
        self.presence.deadline(&self.session, now)
    }

    pub(super) fn expire(&mut self, now: Instant) {
        let Self { session, stream, presence, .. } = self;
        presence.expire(session, || stream.local_addr().ok(), now);
    }

    /// Closes the descriptor; the session's end is still to be told. It keeps no buffer.
    pub(super) fn close(self, buffers: &mut Buffers) -> Session<'h, S, usize> {
        let Self { mut session, stream, .. } = self;
        drop(stream);
        while let Some(index) = session.take_back() {
            buffers.give(index);
        }
        session
    }
}
