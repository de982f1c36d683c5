//! One end of TLS on one connection, without I/O: ciphertext goes in and payload comes out, payload goes in and
//! ciphertext comes out.

use super::{Checked, Fault, Identity};
use rustls::{ClientConnection, Connection, Error, HandshakeKind, ProtocolVersion, ServerConnection};
use std::io::{self, BufRead, IoSlice, Write};
use std::sync::Arc;

/// Payload of a full record (RFC 8446 §5.1).
pub(crate) const RECORD: usize = 16 * 1024;

/// What both ends agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Agreed {
    pub(crate) version: &'static str,
    pub(crate) cipher: &'static str,
    /// A server's: the name that the client asked for.
    pub(crate) name: Option<String>,
    /// They knew each other from before.
    pub(crate) resumed: bool,
}

/// Ciphertext on its way, and the payload that it carries.
#[derive(Debug, Default)]
pub(crate) struct Sealed {
    pub(crate) bytes: Vec<u8>,
    pub(crate) payload: usize,
    /// Where in the bytes the records of the payload are.
    start: usize,
    end: usize,
    /// The length of a full record; 0 where there are none.
    record: usize,
}

impl Sealed {
    /// What TLS itself has to say.
    pub(crate) fn own(bytes: Vec<u8>) -> Self {
        Self { bytes, ..Self::default() }
    }

    /// Payload that goes as it is.
    pub(crate) fn plain(bytes: Vec<u8>) -> Self {
        Self { payload: bytes.len(), end: bytes.len(), bytes, ..Self::default() }
    }

    /// How much of the payload is in the first `count` bytes: what is in whole records, for no other end can open a part.
    pub(crate) fn carried(&self, count: usize) -> usize {
        if count >= self.end {
            return self.payload;
        }
        let count = count.saturating_sub(self.start);
        match count.checked_div(self.record) {
            Some(whole) => whole.saturating_mul(RECORD).min(self.payload),
            None => count,
        }
    }

    /// With these bytes before, which carry nothing.
    pub(crate) fn behind(mut self, before: &[u8]) -> Self {
        self.bytes.splice(..0, before.iter().copied());
        self.start += before.len();
        self.end += before.len();
        self
    }

    /// Puts what carries nothing behind.
    pub(crate) fn extend(&mut self, more: &[u8]) {
        self.bytes.extend_from_slice(more);
    }
}

/// rustls's connection and what is to be known of it. It keeps of what came at most one record that is not whole, and of what is to
/// be sent nothing.
#[derive(Debug)]
pub(crate) struct Layer {
    connection: Connection,
    /// Something of TLS has come.
    began: bool,
    peer_closed: bool,
    /// Nothing that comes can be opened any more.
    failed: bool,
    /// What was to be sent when it failed: the alert.
    last: Vec<u8>,
}

impl Layer {
    /// The server's end.
    pub(crate) fn server(identity: &Identity) -> Result<Self, Fault> {
        ServerConnection::new(identity.config()).map(Self::new).map_err(|error| fault(&error))
    }

    /// The client's end. What it says first is there at once.
    pub(crate) fn client(checked: &Checked) -> Result<Self, Fault> {
        ClientConnection::new(Arc::clone(&checked.config), checked.name.clone())
            .map(Self::new)
            .map_err(|error| fault(&error))
    }

    fn new(connection: impl Into<Connection>) -> Self {
        let mut connection = connection.into();
        // What there is of it is taken at once.
        connection.set_buffer_limit(None);
        Self { connection, began: false, peer_closed: false, failed: false, last: Vec::new() }
    }

    /// `bytes` came; adds their payload to `payload`. What came before something that is wrong is added, too.
    /// [`Self::take_out`] has something to say after it.
    pub(crate) fn take_in(&mut self, mut bytes: &[u8], payload: &mut Vec<u8>) -> Result<(), Fault> {
        while !bytes.is_empty() && !self.peer_closed && !self.failed {
            let read = self.connection.read_tls(&mut bytes);
            let state = match read {
                Ok(_) => self.connection.process_new_packets(),
                Err(error) => Err(Error::General(error.to_string())),
            };
            self.open(payload);
            match state {
                Ok(state) => self.peer_closed = state.peer_has_closed(),
                Err(error) => {
                    self.failed = true;
                    self.last = self.take_out();
                    return Err(Fault::of(&error, self.began, &self.last));
                }
            }
            self.began = true;
        }
        Ok(())
    }

    /// Takes what was opened.
    fn open(&mut self, payload: &mut Vec<u8>) {
        let mut reader = self.connection.reader();
        // An error: there is no more now.
        while let Ok(chunk) = reader.fill_buf() {
            let count = chunk.len();
            if count == 0 {
                return;
            }
            payload.extend_from_slice(chunk);
            reader.consume(count);
        }
    }

    /// What is to be sent of TLS's own.
    pub(crate) fn take_out(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.last);
        self.collect(&mut bytes);
        bytes
    }

    /// These bytes for the peer. To be called between the end of the handshake and [`Self::close`].
    pub(crate) fn seal(&mut self, payload: &[u8]) -> Sealed {
        let mut bytes = Vec::with_capacity(payload.len() + 64 * (payload.len() / RECORD + 1));
        // It has room for all, and who comes too late or too early has nothing to lose.
        let _ = self.connection.writer().write_all(payload);
        self.collect(&mut bytes);
        let record = match bytes.as_slice() {
            [_, _, _, high, low, ..] => 5 + usize::from(u16::from_be_bytes([*high, *low])),
            _ => 0,
        };
        Sealed { payload: payload.len(), start: 0, end: bytes.len(), record, bytes }
    }

    /// `close_notify`: no more payload will come. Nothing before the handshake is done.
    pub(crate) fn close(&mut self) -> Vec<u8> {
        if self.is_established() && !self.failed {
            self.connection.send_close_notify();
        }
        self.take_out()
    }

    fn collect(&mut self, bytes: &mut Vec<u8>) {
        while self.connection.wants_write() {
            // A Vec takes all.
            let _ = self.connection.write_tls(&mut Collector(bytes));
        }
    }

    /// Whether the handshake is done.
    pub(crate) fn is_established(&self) -> bool {
        !self.connection.is_handshaking()
    }

    /// Whether the peer has said `close_notify`.
    pub(crate) const fn peer_closed(&self) -> bool {
        self.peer_closed
    }

    /// Whether anything has come.
    pub(crate) const fn began(&self) -> bool {
        self.began || self.failed
    }

    /// What both ends agreed on, once the handshake is done.
    pub(crate) fn agreed(&self) -> Agreed {
        let version = match self.connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "1.2",
            _ => "1.3",
        };
        let cipher = self.connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
        let name = match &self.connection {
            Connection::Server(server) => server.server_name().map(str::to_owned),
            Connection::Client(_) => None,
        };
        let resumed = self.connection.handshake_kind() == Some(HandshakeKind::Resumed);
        Agreed { version, cipher: cipher.unwrap_or("?"), name, resumed }
    }
}

/// What rustls says when it cannot even begin.
fn fault(error: &Error) -> Fault {
    Fault::Protocol { why: error.to_string(), alert: None }
}

/// Takes all that is written.
struct Collector<'a>(&'a mut Vec<u8>);

impl Write for Collector<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_vectored(pieces)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests;
