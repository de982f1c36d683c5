//! Everything that happens, as typed values: the conversation that a program tells its user.

use crate::reason::{Call, End};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// Counts the connections of one server or client, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

impl fmt::Display for ConnectionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

/// Who can connect to a listening address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// A loopback address: programs of this machine only.
    ThisMachine,
    /// The unspecified address: whoever reaches any address of this machine.
    EveryInterface,
    /// One address of this machine: whoever reaches that one.
    OneAddress,
}

impl Reach {
    /// The reach of a bound address.
    pub fn of(address: SocketAddr) -> Self {
        let ip = address.ip().to_canonical();
        if ip.is_loopback() {
            Self::ThisMachine
        } else if ip.is_unspecified() {
            Self::EveryInterface
        } else {
            Self::OneAddress
        }
    }
}

/// What ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// `--max-connections`: the new connection was reset.
    Connections(usize),
    /// Descriptors of this process or system (`EMFILE`, `ENFILE`): new connections wait in the queue.
    Descriptors,
    /// Kernel memory for sockets (`ENOBUFS`, `ENOMEM`): new connections wait in the queue.
    Memory,
    /// Threads (`EAGAIN`): the new connection was reset.
    Threads,
    /// What epoll keeps for each connection (`ENOSPC`, `fs.epoll.max_user_watches`; `ENOMEM`): the new one was
    /// reset.
    Watches,
    /// Rings take no more sockets: another one beside those that are full cannot be had, or the kernel puts none into a table, for
    /// this error of the system (`EMFILE`, `ENOMEM`). The one that was let in was reset; others wait in the queue.
    Ring(i32),
    /// `accept` fails again and again with this error of the system, which is of the connection that waits and not of
    /// the listener (accept(2), *Error handling*): new connections wait in the queue.
    Accept(i32),
}

/// What a client has been waiting for longer than [`client::PATIENCE`](crate::client::PATIENCE).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// An answer to SYN.
    Connection,
    /// The handshake of TLS.
    Handshake,
    /// The rest of the echo.
    Echo {
        /// Bytes that have not come back.
        missing: u64,
    },
    /// The expected bytes, a line or a count of them.
    Expected,
    /// The peer's end.
    PeerEnd,
    /// The peer's TCP to acknowledge what was sent.
    Acknowledgement,
    /// Room to send: the peer does not read.
    Room,
}

/// One thing that happened. The first word of each doc line is who is speaking.
#[derive(Debug)]
#[expect(missing_docs, reason = "the line of each variant says what its fields are")]
pub enum Told<'a> {
    /// Both: Winsock is there, which on Windows has to be started before there is a socket.
    WinsockStarted { version: &'a str },
    /// Server: begins to open this address.
    Starting { address: SocketAddr },
    /// Both: a socket was made (`socket(2)`).
    SocketMade { address: SocketAddr },
    /// Both: socket options as the kernel reports them back, `name=value`.
    Options { list: &'a [(&'static str, String)] },
    /// Server: the socket has its address.
    Bound { address: SocketAddr },
    /// Server: was given this descriptor, of a socket that listens already.
    Inherited { address: SocketAddr, number: i32, name: &'a str },
    /// Server: connections are accepted from here on.
    Listening { address: SocketAddr, reach: Reach, backlog: u32 },
    /// Server: what it has done can be asked for here, by HTTP.
    MetricsListening { address: SocketAddr, reach: Reach },
    /// Server: an address that could not be opened and is not needed (no IPv6 here).
    Skipped { address: SocketAddr, call: Call, error: &'a io::Error },
    /// Server: which engine serves, and on how many threads where it has a few.
    Engine { name: &'static str, threads: Option<usize> },
    /// Server: nobody is being served.
    Waiting,
    /// Server: these peers' handshakes are done and they wait for their turn.
    Queued { peers: &'a [SocketAddr] },
    /// Server: a connection.
    Accepted { peer: SocketAddr, local: SocketAddr },
    /// Both: the handshake of TLS is done. `name`: what the client asked a server for. `resumed`: they knew each other from before.
    Secured { version: &'a str, cipher: &'a str, name: Option<&'a str>, resumed: bool },
    /// Server: a program serves the connection.
    ProgramStarted { pid: u32 },
    /// Server: it ended, with this code, or by this signal.
    ProgramEnded { code: Option<i32>, signal: Option<i32> },
    /// Both: payload came.
    Received { bytes: &'a [u8] },
    /// Server: these many received bytes are on their way back.
    Returning { count: usize },
    /// Server: the answer is with the kernel.
    Answered { bytes: &'a [u8] },
    /// Server: the operator is to answer this.
    Question { bytes: &'a [u8] },
    /// Server: a question waits behind others.
    QuestionWaits { ahead: usize },
    /// Server: a client that left took its question back.
    QuestionWithdrawn,
    /// Server: the operator's line answers no question and is dropped.
    LineIgnored,
    /// Server: the operator will answer no more.
    OperatorLeft,
    /// Both: the peer's FIN.
    PeerEnded,
    /// Both: payload that came after this end was done and was thrown away.
    Discarded { count: u64 },
    /// Both: over.
    Closed { end: &'a End },
    /// Server: a bound was met; it goes on.
    Short { of: Shortage },
    /// Server: no longer accepts; `open` connections may end within `limit`.
    Draining { open: usize, limit: Duration },
    /// Server: connections that waited in the queue were reset when listening ended.
    QueueCut { count: u32 },
    /// Server: all over. Of those served, so many were cut, and so many ended without a byte.
    Stopped { served: u64, cut: u64, empty: u64 },
    /// Client: asks for the addresses of a name.
    Resolving { name: &'a str },
    /// Client: the addresses of the name, in the order they are tried.
    Resolved { name: &'a str, addresses: &'a [SocketAddr] },
    /// Client: sends SYN.
    Connecting { address: SocketAddr },
    /// Client: one address did not work; there are others, or there will be another try.
    AttemptFailed { address: SocketAddr, error: &'a io::Error },
    /// Client: nobody listens yet; tries again for this long.
    Retrying { address: SocketAddr, limit: Duration },
    /// Client: the handshake is done.
    Connected { peer: SocketAddr, local: SocketAddr, took: Duration },
    /// Client: these bytes go to the kernel.
    Sending { bytes: &'a [u8] },
    /// Client: sent its FIN; still reads.
    HalfClosed,
    /// Client: the peer's TCP has acknowledged all bytes and the FIN.
    Acknowledged { bytes: u64 },
    /// Client: these bytes and the FIN are sent and the peer has ended; this system does not tell whether its TCP has
    /// acknowledged them.
    DeliveryUnknown { bytes: u64 },
    /// Client: has waited long.
    StillWaiting { awaited: Awaited },
    /// Client: closes the socket.
    Closing,
}

/// Which connection an event belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// Its number.
    pub id: ConnectionId,
    /// The other end.
    pub peer: SocketAddr,
}

/// Who is told. Called in the order of events of a connection, from any thread; it stamps the time.
pub trait Reporter: Sync {
    /// `about` is `None` for what belongs to no connection.
    fn tell(&self, about: Option<About>, told: &Told<'_>);

    /// Whether what belongs to a connection is of any use to it. If not, it may be told all the same, and what an engine
    /// would have to find out only to tell it may be left out: an address of the event may be the unspecified one.
    fn hears_of_connections(&self) -> bool {
        true
    }

    /// Instead of [`Told::Received`] and [`Told::Returning`], where what belongs to a connection is of no use to it: so many bytes came that
    /// the kernel sends back, and that nobody has seen.
    fn carried(&self, _about: About, _count: usize) {}
}

/// Tells nobody.
#[derive(Debug, Default, Clone, Copy)]
pub struct Silent;

impl Reporter for Silent {
    fn tell(&self, _about: Option<About>, _told: &Told<'_>) {}

    fn hears_of_connections(&self) -> bool {
        false
    }
}
