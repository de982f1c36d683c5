//! What TCP does between a peer and the engine, as far as a program sees of it.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

pub(crate) const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7);

/// Bytes that a direction holds at most, of the widest wire.
pub(super) const MOST_ROOM: usize = 65_536;

/// A connection. Each direction holds `room` bytes at most.
pub(super) struct Wire {
    pub(super) peer: SocketAddr,
    room: usize,
    to_server: VecDeque<u8>,
    to_peer: VecDeque<u8>,
    at_peer: Ends,
    at_server: Ends,
    /// Bytes that the server has read and sent.
    pub(super) taken: u64,
    pub(super) given: u64,
}

/// What one side has done to the connection.
#[derive(Default)]
struct Ends {
    /// Sent FIN.
    fin: bool,
    /// Closed its socket.
    gone: bool,
    /// Sent RST.
    rst: bool,
}

/// What a read found.
pub(super) enum Arrived {
    Nothing,
    Bytes(usize),
    End,
    Reset,
}

impl Wire {
    pub(super) fn new(number: usize, room: usize) -> Self {
        let port = 10_000 + u16::try_from(number).expect("a case has few peers");
        Self {
            peer: SocketAddr::new(SERVER.ip(), port),
            room,
            to_server: VecDeque::new(),
            to_peer: VecDeque::new(),
            at_peer: Ends::default(),
            at_server: Ends::default(),
            taken: 0,
            given: 0,
        }
    }

    /// `None` while there is no room.
    pub(super) fn peer_sends(&mut self, bytes: &[u8]) -> Option<io::Result<usize>> {
        if self.at_server.gone && !self.at_server.rst {
            // Nobody is there to read: RST, and what was on its way to the peer is lost.
            self.server_resets();
        }
        if self.at_server.rst {
            return Some(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let count = bytes.len().min(self.room - self.to_server.len());
        self.to_server.extend(&bytes[..count]);
        (count > 0).then_some(Ok(count))
    }

    /// `None` while there is nothing.
    pub(super) fn peer_reads(&mut self, buffer: &mut [u8]) -> Option<io::Result<usize>> {
        if self.at_server.rst {
            return Some(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let count = buffer.len().min(self.to_peer.len());
        for (place, byte) in buffer.iter_mut().zip(self.to_peer.drain(..count)) {
            *place = byte;
        }
        (count > 0 || self.at_server.fin).then_some(Ok(count))
    }

    pub(super) fn peer_ends(&mut self) {
        self.at_peer.fin = true;
    }

    pub(super) fn peer_resets(&mut self) {
        self.at_peer.rst = true;
        self.at_peer.gone = true;
    }

    /// Closing with unread bytes is RST (RFC 2525 §2.17).
    pub(super) fn peer_closes(&mut self) {
        self.at_peer.fin = true;
        self.at_peer.gone = true;
        self.at_peer.rst |= !self.to_peer.is_empty();
    }

    pub(super) fn is_reset(&self) -> bool {
        self.at_peer.rst
    }

    /// What a read would find. After RST the bytes that came before are still there, as on Linux.
    pub(super) fn arrived(&self) -> Arrived {
        match self.to_server.len() {
            0 if self.at_peer.rst => Arrived::Reset,
            0 if self.at_peer.fin => Arrived::End,
            0 => Arrived::Nothing,
            count => Arrived::Bytes(count),
        }
    }

    pub(super) fn server_reads(&mut self, buffer: &mut [u8]) {
        let count = buffer.len();
        for (place, byte) in buffer.iter_mut().zip(self.to_server.drain(..count)) {
            *place = byte;
        }
        self.taken += count as u64;
    }

    /// How many bytes the server can send now.
    pub(super) fn room(&self) -> usize {
        self.room - self.to_peer.len()
    }

    pub(super) fn server_sends(&mut self, bytes: &[u8]) {
        assert!(!self.at_server.fin, "nothing is sent after FIN");
        self.given += bytes.len() as u64;
        if self.at_peer.gone {
            self.at_peer.rst = true;
        } else {
            self.to_peer.extend(bytes);
        }
    }

    pub(super) fn server_ends(&mut self) {
        self.at_server.fin = true;
    }

    pub(super) fn server_closes(&mut self) {
        self.at_server.fin = true;
        self.at_server.gone = true;
        if !self.to_server.is_empty() {
            self.server_resets();
        }
    }

    pub(super) fn server_resets(&mut self) {
        self.at_server.gone = true;
        self.at_server.rst = true;
        self.to_peer.clear();
    }
}
