//! The first reading: which sockets there are, and which segments are theirs.

use super::call::{GOES_ON, fits, plain};
use crate::Certainty;
use crate::fact::{Arguments, CallId, Cookie, Entered, Fact, Happened, Left, Outcome, Reading, Syscall};
use enchufe_wire::Timestamp;
use enchufe_wire::tcp::Endpoint;
use std::collections::{HashMap, HashSet};

/// The most programs that are listed.
const MOST_PROGRAMS: usize = 4_096;
/// The most threads that are listed.
const MOST_THREADS: usize = 65_536;
/// The most sockets of a recording that are told apart, and the most connections: those that come later have no calls as
/// causes.
pub const MOST_SOCKETS: usize = 262_144;
/// The most calls that are open at once.
pub(super) const MOST_OPEN: usize = 65_536;
/// The most connections on the same two ports, and the most listeners on one.
const MOST_ALIKE: usize = 1_024;

/// What a socket is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Not known, or nothing yet.
    #[default]
    Unknown,
    /// It listens.
    Listens {
        /// Since this call, the first one.
        call: CallId,
        /// When that was entered.
        since: Timestamp,
    },
    /// It connects.
    Connects {
        /// By this call, the last one.
        call: CallId,
    },
    /// It came out of `accept`.
    Accepted {
        /// Of this listening socket.
        listener: Option<Cookie>,
        /// By this call.
        call: CallId,
    },
}

/// A socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// The kernel's cookie.
    pub cookie: Cookie,
    /// The program that made it, or was first seen with it.
    pub program: u32,
    /// What it is for.
    pub role: Role,
    /// Its own address, as far as it became known. IPv4 is IPv4, also of a socket of IPv6.
    pub local: Option<Endpoint>,
    /// The peer's.
    pub peer: Option<Endpoint>,
    /// When it was made, or first seen.
    pub first: Timestamp,
    /// When its last reference was dropped.
    pub last: Option<Timestamp>,
    /// It does not take connections of IPv4.
    is_ipv6_only: bool,
}

/// A connection of a socket. A socket that is refused may connect again.
#[derive(Clone, Copy, Debug)]
struct Link {
    socket: usize,
    local: Option<Endpoint>,
    peer: Endpoint,
    /// When `connect` was entered, or `accept` left.
    from: Timestamp,
    /// When `connect` was left.
    until: Option<Timestamp>,
    call: Option<CallId>,
    accepted: bool,
    failed: bool,
    /// `connect` to no address ended it.
    dissolved: bool,
}

/// A thread that used sockets of TCP, or printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thread {
    /// The place of its program among those that were started.
    pub program: u32,
    /// Its process.
    pub pid: u32,
    /// Itself.
    pub tid: u32,
}

/// The sockets of a recording.
#[derive(Clone, Debug, Default)]
pub struct Sockets {
    programs: Vec<u32>,
    threads: Vec<Thread>,
    list: Vec<Socket>,
    places: HashMap<Cookie, usize>,
    links: Vec<Link>,
    /// By own port (0: not known) and peer's port, in the order in which they began.
    by_ports: HashMap<(u16, u16), Vec<usize>>,
    listeners: HashMap<u16, Vec<usize>>,
    left_out: u64,
}

/// A socket that was found for one end of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) cookie: Cookie,
    pub(super) certainty: Certainty,
    /// The `connect` of this connection.
    pub(super) connect: Option<CallId>,
}

/// Takes the facts of a recording for the first time.
#[derive(Debug, Default)]
pub struct Scout {
    sockets: Sockets,
    open: HashMap<CallId, Open>,
    /// The last connection of each socket.
    links: HashMap<Cookie, usize>,
    /// Programs and threads that are listed.
    threads: HashSet<(u32, u32)>,
}

/// What is remembered of a call until it is left.
#[derive(Clone, Copy, Debug)]
struct Open {
    syscall: Syscall,
    program: u32,
    socket: Option<Cookie>,
    entered: Timestamp,
    link: Option<usize>,
}

impl Scout {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next fact.
    pub fn fact(&mut self, fact: &Fact) {
        match &fact.happened {
            Happened::Entered(entered) => self.entered(entered, fact.time),
            Happened::Left(left) => self.left(left, fact.time),
            Happened::Started(program) if self.sockets.programs.len() < MOST_PROGRAMS => {
                self.sockets.programs.push(program.number);
            }
            _ => {}
        }
    }

    /// What was found.
    pub fn finish(mut self) -> Sockets {
        let sockets = &mut self.sockets;
        for (place, link) in sockets.links.iter().enumerate() {
            let key = (link.local.map_or(0, |local| local.port), link.peer.port);
            let alike = sockets.by_ports.entry(key).or_default();
            if alike.len() < MOST_ALIKE {
                alike.push(place);
            } else {
                sockets.left_out += 1;
            }
        }
        for (place, socket) in sockets.list.iter().enumerate() {
            let (Role::Listens { .. }, Some(local)) = (socket.role, socket.local) else { continue };
            let alike = sockets.listeners.entry(local.port).or_default();
            if alike.len() < MOST_ALIKE {
                alike.push(place);
            }
        }
        for alike in sockets.by_ports.values_mut() {
            alike.sort_by_key(|place| sockets.links.get(*place).map(|link| link.from));
        }
        self.sockets
    }

    fn thread(&mut self, entered: &Entered) {
        let Entered { program, pid, tid, .. } = *entered;
        let is_active = entered.socket.is_some() || matches!(entered.arguments, Arguments::Printed { .. });
        if is_active && self.threads.len() < MOST_THREADS && self.threads.insert((program, tid)) {
            self.sockets.threads.push(Thread { program, pid, tid });
        }
    }

    fn entered(&mut self, entered: &Entered, time: Timestamp) {
        self.thread(entered);
        if let Some(cookie) = entered.socket {
            self.sockets.know(cookie, entered.program, time);
            if let Some(socket) = self.sockets.at(cookie).filter(|_| entered.syscall == Syscall::Setsockopt) {
                socket.is_ipv6_only |= entered.arguments.is_ipv6_only();
            }
        }
        for reading in &entered.before {
            self.reads(Some(reading), entered.program, None, time);
        }
        for cookie in &entered.drops {
            if let Some(socket) = self.sockets.at(*cookie) {
                socket.last = Some(time);
            }
        }
        if let (Arguments::Address(local), Some(cookie), Syscall::Bind) =
            (&entered.arguments, entered.socket, entered.syscall)
        {
            // Until the kernel says what became of it.
            let local = Some(plain(*local)).filter(|local| local.port != 0);
            if let Some(socket) = self.sockets.at(cookie) {
                socket.local = socket.local.or(local);
            }
        }
        let link = match (&entered.arguments, entered.socket) {
            (Arguments::Address(peer), Some(cookie)) if entered.syscall == Syscall::Connect => {
                self.connects(cookie, plain(*peer), entered.id, time)
            }
            (arguments, Some(cookie)) if entered.syscall == Syscall::Connect && arguments.is_no_address() => {
                let place = self.links.get(&cookie);
                if let Some(link) = place.and_then(|place| self.sockets.links.get_mut(*place)) {
                    link.dissolved = true;
                }
                None
            }
            _ => None,
        };
        if self.open.len() < MOST_OPEN {
            let Entered { syscall, program, socket, .. } = *entered;
            self.open.insert(entered.id, Open { syscall, program, socket, entered: time, link });
        }
    }

    fn connects(&mut self, cookie: Cookie, peer: Endpoint, call: CallId, time: Timestamp) -> Option<usize> {
        let known = self.links.get(&cookie).copied();
        let goes_on = known.filter(|place| {
            let link = self.sockets.links.get(*place);
            link.is_some_and(|link| !link.failed && !link.dissolved && link.peer == peer)
        });
        if goes_on.is_some() {
            return goes_on;
        }
        let socket = self.sockets.place(cookie)?;
        let (from, call) = (time, Some(call));
        let link = Link {
            socket,
            local: None,
            peer,
            from,
            until: None,
            call,
            accepted: false,
            failed: false,
            dissolved: false,
        };
        self.sockets.at(cookie)?.role = Role::Connects { call: call? };
        self.add(cookie, link)
    }

    fn add(&mut self, cookie: Cookie, link: Link) -> Option<usize> {
        if self.sockets.links.len() >= MOST_SOCKETS {
            self.sockets.left_out += 1;
            return None;
        }
        self.sockets.links.push(link);
        let place = self.sockets.links.len() - 1;
        self.links.insert(cookie, place);
        Some(place)
    }

    fn left(&mut self, left: &Left, time: Timestamp) {
        let Some(open) = self.open.remove(&left.id) else {
            self.reads(left.reading.as_ref(), 0, None, time);
            return;
        };
        let succeeded = matches!(left.outcome, Outcome::Returned(at) if at >= 0);
        if open.syscall == Syscall::Execve && !succeeded {
            // What would have been closed on exec is still there.
            let closed = |socket: &&mut Socket| socket.last == Some(open.entered);
            self.sockets.list.iter_mut().filter(closed).for_each(|socket| socket.last = None);
        }
        let accepts = matches!(open.syscall, Syscall::Accept | Syscall::Accept4);
        if let Some((_, made)) = left.made {
            self.sockets.know(made, open.program, open.entered);
            if let (true, Some(socket)) = (accepts, self.sockets.at(made)) {
                socket.role = Role::Accepted { listener: open.socket, call: left.id };
            }
        }
        let listens = open.socket.filter(|_| open.syscall == Syscall::Listen && succeeded);
        let socket = listens.and_then(|cookie| self.sockets.at(cookie));
        if let Some(socket) = socket.filter(|socket| !matches!(socket.role, Role::Listens { .. })) {
            socket.role = Role::Listens { call: left.id, since: open.entered };
        }
        if let Some(link) = open.link.and_then(|place| self.sockets.links.get_mut(place)) {
            link.failed |= matches!(left.outcome, Outcome::Failed(errno) if !GOES_ON.contains(&errno));
            link.until.get_or_insert(time);
        }
        let accept = (accepts && left.made.is_some()).then_some(left.id);
        self.reads(left.reading.as_ref(), open.program, accept, time);
    }

    /// Takes the addresses that the kernel says.
    fn reads(&mut self, reading: Option<&Reading>, program: u32, accept: Option<CallId>, time: Timestamp) {
        let Some(reading) = reading else { return };
        let (local, peer) = (reading.local.map(plain), reading.peer.map(plain));
        self.sockets.know(reading.socket, program, time);
        let Some(socket) = self.sockets.at(reading.socket) else { return };
        let listens = matches!(socket.role, Role::Listens { .. });
        (socket.local, socket.peer) = (local.or(socket.local), peer.or(socket.peer));
        let known = self.links.get(&reading.socket).copied();
        if let Some(link) = known.and_then(|place| self.sockets.links.get_mut(place)) {
            // After a refusal the address is gone, the port stays.
            let is_better = link.local.is_none_or(|known| known.address == [0; 16]);
            if let Some(local) = local.filter(|local| is_better && local.port != 0) {
                link.local = Some(local);
            }
            return;
        }
        let (Some(place), Some(peer), false) = (self.sockets.place(reading.socket), peer, listens) else {
            return;
        };
        // Not by `connect`: accepted, made before the recording, or opened by its first bytes.
        let from = if accept.is_some() { time } else { Timestamp::from_nanos(i64::MIN) };
        let link = Link {
            socket: place,
            local,
            peer,
            from,
            until: None,
            call: None,
            accepted: accept.is_some(),
            failed: false,
            dissolved: false,
        };
        self.add(reading.socket, link);
    }
}

impl Sockets {
    /// The sockets, in the order in which they were first seen.
    pub fn all(&self) -> &[Socket] {
        &self.list
    }

    /// One of them.
    pub fn get(&self, cookie: Cookie) -> Option<&Socket> {
        self.list.get(self.place(cookie)?)
    }

    /// The programs that were started, by their places.
    pub fn programs(&self) -> &[u32] {
        &self.programs
    }

    /// The threads that did something, in the order in which they began to.
    pub fn threads(&self) -> &[Thread] {
        &self.threads
    }

    /// How many connections there were at most: where both ends are known they are counted once.
    pub fn connections(&self) -> usize {
        let accepted = self.links.iter().filter(|link| link.accepted).count();
        let made = self.links.iter().filter(|link| !link.accepted && !link.failed).count();
        accepted.max(made)
    }

    /// How many sockets and connections are not told apart, to keep memory bounded.
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }

    fn place(&self, cookie: Cookie) -> Option<usize> {
        self.places.get(&cookie).copied()
    }

    fn at(&mut self, cookie: Cookie) -> Option<&mut Socket> {
        let place = self.place(cookie)?;
        self.list.get_mut(place)
    }

    fn know(&mut self, cookie: Cookie, program: u32, first: Timestamp) {
        if self.places.contains_key(&cookie) {
            return;
        }
        if self.list.len() >= MOST_SOCKETS {
            self.left_out += 1;
            return;
        }
        self.places.insert(cookie, self.list.len());
        let (role, local, peer, last) = (Role::Unknown, None, None, None);
        self.list.push(Socket { cookie, program, role, local, peer, first, last, is_ipv6_only: false });
    }

    /// The connections between these two addresses, in the order in which they began.
    fn between(&self, local: Endpoint, peer: Endpoint, accepted: bool) -> Vec<&Link> {
        let places = self.by_ports.get(&(local.port, peer.port)).map(Vec::as_slice).unwrap_or_default();
        let links = places.iter().filter_map(|place| self.links.get(*place));
        let both = |link: &&Link| {
            link.accepted == accepted
                && fits(link.peer, peer)
                && link.local.is_some_and(|known| fits(known, local))
        };
        links.filter(both).collect()
    }

    fn found(&self, link: &Link, certainty: Certainty) -> Option<Found> {
        let cookie = self.list.get(link.socket)?.cookie;
        Some(Found { cookie, certainty, connect: link.call })
    }

    /// The socket at `local` that is connected with `peer`, in a conversation that was first seen at this time.
    pub(super) fn find(&self, local: Endpoint, peer: Endpoint, time: Timestamp) -> Option<Found> {
        let own = self.between(local, peer, false);
        if let Some(link) = own.iter().rev().find(|link| link.from <= time) {
            return self.found(link, Certainty::Proved);
        }
        if let Some(found) = self.accepted(local, peer, time) {
            return Some(found);
        }
        // A `connect` that was never left tells no address of its own.
        let places = self.by_ports.get(&(0, peer.port)).map(Vec::as_slice).unwrap_or_default();
        let links = places.iter().filter_map(|place| self.links.get(*place));
        let mut open = links.filter(|link| {
            let is_open = link.from <= time && link.until.is_none_or(|until| time <= until);
            is_open && !link.accepted && link.local.is_none() && fits(link.peer, peer)
        });
        let link = open.next()?;
        if open.next().is_some() { None } else { self.found(link, Certainty::Inferred) }
    }

    /// The queue of a listening socket hands connections out in the order in which they came.
    fn accepted(&self, local: Endpoint, peer: Endpoint, time: Timestamp) -> Option<Found> {
        let accepted = self.between(local, peer, true);
        let asked = self.between(peer, local, false);
        if asked.iter().rev().find(|link| link.from <= time).is_some_and(|link| link.failed) {
            return None;
        }
        let asked: Vec<&Link> = asked.into_iter().filter(|link| !link.failed).collect();
        let number = asked.iter().rposition(|link| link.from <= time);
        let Some(number) = number else {
            // Who asked is not seen.
            let only = accepted.len() == 1;
            let after = accepted.iter().find(|link| link.from >= time);
            let link = after.or_else(|| accepted.last())?;
            return self.found(link, if only { Certainty::Proved } else { Certainty::Inferred });
        };
        if accepted.len() == asked.len() {
            return self.found(accepted.get(number)?, Certainty::Proved);
        }
        let begun = asked.get(number)?.from;
        let before = accepted.iter().filter(|link| link.from < begun).count();
        if before != number {
            return None;
        }
        let link = accepted.get(number)?;
        let in_turn = asked.get(number + 1).is_none_or(|next| link.from < next.from);
        self.found(link, if in_turn { Certainty::Proved } else { Certainty::Inferred })
    }

    /// The listening sockets that a SYN to this address could have come to at this time: those that are bound the
    /// closest to it.
    pub(super) fn listening(&self, local: Endpoint, time: Timestamp) -> Vec<&Socket> {
        let places = self.listeners.get(&local.port).map(Vec::as_slice).unwrap_or_default();
        let sockets = places.iter().filter_map(|place| self.list.get(*place));
        let closeness = |socket: &Socket| {
            let said = socket.local?;
            let Role::Listens { since, .. } = socket.role else { return None };
            let is_there = since <= time && socket.last.is_none_or(|last| time <= last);
            let closeness = match () {
                () if said.address == local.address && said.ipv6 == local.ipv6 => 3,
                () if said.address == [0; 16] && said.ipv6 == local.ipv6 => 2,
                () if said.address == [0; 16] && said.ipv6 && !socket.is_ipv6_only => 1,
                () => return None,
            };
            is_there.then_some(closeness)
        };
        let mut near: Vec<(u8, &Socket)> =
            sockets.filter_map(|socket| Some((closeness(socket)?, socket))).collect();
        let closest = near.iter().map(|(closeness, _)| *closeness).max();
        near.retain(|(closeness, _)| Some(*closeness) == closest);
        near.into_iter().map(|(_, socket)| socket).collect()
    }
}
