//! Where a service runs and who connects to it: real sockets, or none.

use crate::pattern::Pattern;
use crate::recorder::{Report, Seen, What};
use enchufe_talk::engine::Limits;
use enchufe_talk::options::SocketOption;
use enchufe_talk::session::MOST_BUFFERS;
use enchufe_talk::{Operator, Service, Stop};
use std::io;
use std::net::SocketAddr;

/// An engine with what is around it.
pub(crate) trait World {
    /// How many bytes are a long stream here.
    fn long(&self) -> usize;

    /// Whether connections are served one after another.
    fn one_at_a_time(&self) -> bool;

    /// Whether connections go from thread to thread, and some engines take a descriptor for each that is on its way.
    fn hands_over(&self) -> bool {
        false
    }

    /// The most that a service is told of at once, where as much is read at once: more where it comes in records.
    fn largest_piece(&self, read: usize) -> usize {
        read
    }

    /// Bytes of what is lent that may be owed, with reads of this size.
    fn most_lent(&self, read: usize) -> usize {
        MOST_BUFFERS * read
    }

    /// Whether connections are no descriptors, and share buffers: what comes where there is none waits then, and nothing ends.
    fn has_rings(&self) -> bool {
        false
    }

    /// The module of its tests.
    fn name(&self) -> &'static str;

    /// Serves while `case` goes on; stops the server then, if it has not ended by itself.
    fn run<S: Service>(&self, service: &S, setup: &Setup, case: impl FnOnce(&dyn Server)) -> Report;
}

/// How a server is started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Setup {
    pub(crate) limits: Limits,
    /// Of the connections.
    pub(crate) options: Vec<SocketOption>,
    /// Of the peers' sockets, set before they connect.
    pub(crate) peers_options: Vec<SocketOption>,
    /// It listens, and accepts nobody before [`Server::go`].
    pub(crate) held: bool,
    /// On every address of this machine, not on one.
    pub(crate) every_address: bool,
}

impl Setup {
    pub(crate) fn with(limits: impl FnOnce(&mut Limits)) -> Self {
        let mut setup = Self::default();
        limits(&mut setup.limits);
        setup
    }

    /// Keeps little in the kernel, so that a peer that does not read is soon felt.
    pub(crate) fn narrow(mut self) -> Self {
        let narrow = vec![SocketOption::SendBuffer(16 * 1024), SocketOption::ReceiveBuffer(16 * 1024)];
        self.options.clone_from(&narrow);
        self.peers_options = narrow;
        self
    }
}

/// A server that runs.
pub(crate) trait Server {
    /// A new peer, or why there is none. It may wait to be accepted.
    fn try_connect(&self) -> io::Result<Box<dyn Peer + '_>>;
    /// Found without connecting: who connects may be let in still.
    fn wait_until_nobody_listens(&self);
    /// Until `condition` holds of what was told.
    fn wait(&self, what: &str, condition: &dyn Fn(&[Seen]) -> bool);
    fn seen(&self) -> Vec<Seen>;
    fn stop(&self) -> &Stop;
    fn operator(&self) -> &Operator;
    /// Lets a server go that was [`Setup::held`].
    fn go(&self);
    /// Until it has ended by itself.
    fn wait_until_over(&self);
    /// Where it listens.
    fn addresses(&self) -> Vec<SocketAddr>;
}

impl dyn Server + '_ {
    pub(crate) fn connect(&self) -> Box<dyn Peer + '_> {
        self.try_connect().expect("the server listens")
    }

    /// Until `what` was told of connection `id`.
    pub(crate) fn wait_of(&self, id: u64, what: &What) {
        self.wait(&format!("{what:?} of {id}"), &|seen| {
            seen.iter().any(|seen| seen.id == Some(id) && seen.what == *what)
        });
    }

    pub(crate) fn wait_closed(&self, id: u64) {
        self.wait(&format!("the end of {id}"), &|seen| {
            seen.iter().any(|seen| seen.id == Some(id) && matches!(seen.what, What::Closed(_)))
        });
    }

    /// Until connection `id` has brought so many bytes.
    pub(crate) fn wait_received(&self, id: u64, bytes: u64) {
        self.wait(&format!("{bytes} bytes of {id}"), &|seen| {
            let of = seen.iter().filter(|seen| seen.id == Some(id));
            let count = of.map(|seen| if let What::Received(count) = seen.what { count } else { 0 });
            count.sum::<u64>() >= bytes
        });
    }

    /// The number of this peer's connection, once it is accepted.
    pub(crate) fn accepted(&self, peer: &dyn Peer) -> u64 {
        let address = peer.address();
        let is_it = |seen: &Seen| seen.peer == Some(address) && seen.what == What::Accepted;
        self.wait(&format!("{address} is accepted"), &|seen| seen.iter().any(is_it));
        self.seen().iter().find(|seen| is_it(seen)).and_then(|seen| seen.id).expect("it was just seen")
    }

    /// Until nobody listens any more.
    pub(crate) fn wait_until_refused(&self) {
        self.wait_until_nobody_listens();
        assert!(self.try_connect().is_err());
    }
}

/// The other end of a connection. To drop it is to close it.
pub(crate) trait Peer {
    /// As the server sees it.
    fn address(&self) -> SocketAddr;
    /// All of them.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// As many as are taken until nothing moves any more; how many those were.
    fn send_until_stuck(&mut self, bytes: &[u8]) -> usize;
    /// What there is; 0 at the server's end.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;
    /// Sends so much of the pattern and reads as much of it back, both at once.
    fn exchange(&mut self, pattern: &Pattern, count: usize);
    /// FIN.
    fn half_close(&mut self);
    /// Closes once the connection is made. (With TLS it takes longer than to connect.)
    fn close(self: Box<Self>);
    /// RST.
    fn reset(self: Box<Self>);
}

impl dyn Peer + '_ {
    /// Exactly so many.
    pub(crate) fn read_exact(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        let mut have = 0;
        while have < count {
            let more = self.read(&mut bytes[have..]).expect("the server goes on");
            assert!(more > 0, "ended after {have} of {count} bytes");
            have += more;
        }
        bytes
    }

    pub(crate) fn try_read_to_end(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut buffer = [0; 16 * 1024];
        loop {
            match self.read(&mut buffer)? {
                0 => return Ok(bytes),
                count => bytes.extend_from_slice(&buffer[..count]),
            }
        }
    }

    /// All that comes until the server's FIN.
    pub(crate) fn read_to_end(&mut self) -> Vec<u8> {
        self.try_read_to_end().expect("the server ends in order")
    }

    /// Fails unless these bytes come back.
    pub(crate) fn expect_echo(&mut self, bytes: &[u8]) {
        self.exchange(&Pattern::of(bytes), bytes.len());
    }
}
