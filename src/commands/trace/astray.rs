//! Programs that try to leave their own network, or look there for what this machine's network has: told while they run.

use super::hints::Names;
use crate::catalogue::Catalogue;
use crate::commands::read::traced::call_name;
use crate::commands::read::words::{endpoint, say};
use enchufe_story::fact::{
    Arguments, CallId, Cookie, Fact, Happened, KernelState, Left, Outcome, Reading, Syscall,
};
use enchufe_sys::host::{self, PortUse};
use enchufe_sys::outside::Outside;
use enchufe_watch::trace::Aside;
use enchufe_wire::tcp::Endpoint;
use std::collections::{HashMap, HashSet};
use std::net::{SocketAddr, UdpSocket};

/// `EADDRNOTAVAIL`, `ENETUNREACH`, `ECONNREFUSED`, `EHOSTUNREACH`, `EINPROGRESS` of Linux.
const NOT_AVAILABLE: i32 = 99;
const NO_NETWORK: i32 = 101;
const REFUSED: i32 = 111;
const NO_HOST: i32 = 113;
const IN_PROGRESS: i32 = 115;
/// States of the kernel (`include/net/tcp_states.h`).
const SYN_SENT: KernelState = KernelState(2);
const CLOSE: KernelState = KernelState(7);
const LISTEN: KernelState = KernelState(10);
/// The most sentences: who is told so often knows it.
const MOST_SAID: usize = 50;
/// The most calls and sockets that are waited for at once; those past it are not told of.
const MOST_OPEN: usize = 4_096;

/// Somebody who stays in this machine's network when the programs' own is entered, to be asked who listens there.
pub fn outside() -> Option<Outside> {
    Outside::new(|question| listener(question).unwrap_or_default().into_bytes()).ok()
}

/// Who listens at an address of this machine: its number and name, `-` where that is not seen; none where nobody does.
fn listener(question: &[u8]) -> Option<String> {
    let address: SocketAddr = std::str::from_utf8(question).ok()?.parse().ok()?;
    // That of another machine cannot be bound.
    UdpSocket::bind((address.ip(), 0)).ok()?;
    match host::port_use(address)? {
        PortUse::Listening { owner: Some(owner) } => Some(format!("{} {}", owner.pid, owner.name)),
        PortUse::Listening { owner: None } => Some("-".to_owned()),
        _ => None,
    }
}

/// A call to an address.
#[derive(Clone, Debug)]
struct To {
    program: u32,
    /// What that is called.
    name: String,
    syscall: Syscall,
    socket: Option<Cookie>,
    address: Endpoint,
}

/// Watches what happens.
pub struct Astray {
    outside: Option<Outside>,
    open: HashMap<CallId, To>,
    /// Sockets that connect, while nothing else is known of them.
    connecting: HashMap<Cookie, To>,
    /// The ports that a program listens on, or has.
    listened: HashSet<u16>,
    said: HashSet<(u32, Endpoint)>,
    catalogue: &'static Catalogue,
}

impl Astray {
    pub fn new(outside: Option<Outside>, catalogue: &'static Catalogue) -> Self {
        Self {
            outside,
            open: HashMap::new(),
            connecting: HashMap::new(),
            listened: HashSet::new(),
            said: HashSet::new(),
            catalogue,
        }
    }

    /// Takes what happens; says what is to be said of it.
    pub fn fact(&mut self, fact: &Fact, names: &Names) {
        match &fact.happened {
            Happened::Entered(entered) => {
                entered.before.iter().for_each(|reading| self.read(reading));
                for socket in &entered.drops {
                    self.connecting.remove(socket);
                }
                if let (Arguments::Address(address), true) = (&entered.arguments, self.open.len() < MOST_OPEN)
                {
                    let (program, syscall, socket) = (entered.program, entered.syscall, entered.socket);
                    let name = names.get(&program).cloned().unwrap_or_default();
                    self.open.insert(entered.id, To { program, name, syscall, socket, address: *address });
                }
            }
            Happened::Left(left) => self.left(left),
            _ => {}
        }
    }

    fn left(&mut self, left: &Left) {
        let to = self.open.remove(&left.id);
        if let (Some(to), Outcome::Failed(errno)) = (to, left.outcome) {
            self.failed(to, errno);
        }
        if let Some(reading) = &left.reading {
            self.read(reading);
        }
    }

    fn failed(&mut self, to: To, errno: i32) {
        match (to.syscall, errno) {
            (Syscall::Bind, NOT_AVAILABLE) => self.say(&to, "note-astray-bind", ""),
            (Syscall::Connect, REFUSED) => self.refused(&to),
            (Syscall::Connect, IN_PROGRESS) if self.connecting.len() < MOST_OPEN => {
                self.connecting.extend(to.socket.map(|socket| (socket, to)));
            }
            (_, NO_NETWORK | NO_HOST) => self.no_way(&to),
            _ => {}
        }
    }

    /// A socket that is not of TCP found no way.
    pub fn aside(&mut self, aside: &Aside, names: &Names) {
        if let Aside::Failed { program, syscall, address, errno } = *aside {
            let name = names.get(&program).cloned().unwrap_or_default();
            self.failed(To { program, name, syscall, socket: None, address }, errno);
        }
    }

    /// What the kernel says of a socket.
    fn read(&mut self, reading: &Reading) {
        match reading.state {
            LISTEN => self.listened.extend(reading.local.map(|local| local.port)),
            SYN_SENT => {}
            // It got no further. Where nobody has listened on that port it was refused.
            CLOSE => {
                if let Some(to) = self.connecting.remove(&reading.socket) {
                    self.refused(&to);
                }
            }
            _ => {
                self.connecting.remove(&reading.socket);
            }
        }
    }

    /// There is nobody at that address in the programs' network. Is there in this machine's?
    fn refused(&mut self, to: &To) {
        if self.listened.contains(&to.address.port) {
            return;
        }
        if let Some(listener) = self.listener(to.address) {
            self.say(to, "note-astray-listener", &listener);
        }
    }

    fn no_way(&mut self, to: &To) {
        match self.listener(to.address) {
            Some(listener) => self.say(to, "note-astray-listener", &listener),
            None => self.say(to, "note-astray-no-way", ""),
        }
    }

    /// Who listens there in this machine's network, as it is said.
    fn listener(&self, address: Endpoint) -> Option<String> {
        let answer = self.outside.as_ref()?.ask(endpoint(&address).as_bytes()).ok()?;
        let answer = String::from_utf8(answer).ok().filter(|answer| !answer.is_empty())?;
        Some(match answer.split_once(' ') {
            Some((pid, name)) => format!("{} ({pid})", crate::text::escape(name.as_bytes())),
            None => self.catalogue.plain("astray-somebody"),
        })
    }

    fn say(&mut self, to: &To, note: &str, listener: &str) {
        if self.said.len() >= MOST_SAID || !self.said.insert((to.program, to.address)) {
            return;
        }
        let call = if to.syscall == Syscall::Sendto { "sendto" } else { call_name(to.syscall) };
        let address = endpoint(&to.address);
        let texts =
            [("program", to.name.as_str()), ("call", call), ("address", &address), ("listener", listener)];
        crate::style::complain(&say(self.catalogue, note, &texts, &[]));
    }
}
