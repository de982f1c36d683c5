//! The loop: who comes in, whose turn it is, when time passes, and the end.

use super::Random;
use super::connection::Connection;
use super::wire::{MOST_ROOM, Wire};
use enchufe_sys::host::{self, Bell, Interest, Watch};
use enchufe_talk::engine::{Host, Summary};
use enchufe_talk::told::{About, Shortage};
use enchufe_talk::{ConnectionId, End, Reason, Service, Told};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// How long a turn takes, so that what never rests comes to its deadlines too.
const TURN: Duration = Duration::from_micros(1);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Door {
    /// It listens and accepts nobody yet.
    Held,
    Open,
    Closed,
}

#[derive(Clone, Copy)]
enum Stop {
    No,
    /// Until this time, or for ever.
    Draining(Option<Instant>),
    Cut,
}

pub(super) struct Engine<'h, S: Service> {
    host: &'h Host<'h>,
    service: &'h S,
    pub(super) random: Random,
    now: Instant,
    pool: Pool,
    room: usize,
    wires: Vec<Wire>,
    /// Wires that wait to be accepted.
    queue: VecDeque<usize>,
    connections: Vec<Connection<'h, S>>,
    door: Door,
    stop: Stop,
    short: bool,
    accepted: u64,
    summary: Summary,
}

impl<'h, S: Service> Engine<'h, S> {
    pub(super) fn new(host: &'h Host<'h>, service: &'h S, mut random: Random) -> Self {
        let pool = Pool::new(random.one_of([1, 2, 4, 12]), host.limits.read_size);
        let room = random.one_of([64, 1500, MOST_ROOM]);
        Self {
            host,
            service,
            random,
            now: Instant::now(),
            pool,
            room,
            wires: Vec::new(),
            queue: VecDeque::new(),
            connections: Vec::new(),
            door: Door::Held,
            stop: Stop::No,
            short: false,
            accepted: 0,
            summary: Summary::default(),
        }
    }

    pub(super) fn go(&mut self) {
        if self.door == Door::Held {
            self.door = Door::Open;
        }
    }

    /// A new peer's wire.
    pub(super) fn listens(&self) -> bool {
        self.door != Door::Closed
    }

    pub(super) fn knock(&mut self) -> io::Result<usize> {
        if !self.listens() {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        self.wires.push(Wire::new(self.wires.len(), self.room));
        self.queue.push_back(self.wires.len() - 1);
        Ok(self.wires.len() - 1)
    }

    pub(super) fn wire(&mut self, index: usize) -> &mut Wire {
        &mut self.wires[index]
    }

    pub(super) fn is_over(&self) -> bool {
        self.door == Door::Closed && self.connections.is_empty()
    }

    pub(super) fn end(&mut self) -> Summary {
        self.pool.expect_whole();
        self.summary
    }

    /// One turn of everybody; `false` when nothing will happen before time passes.
    pub(super) fn turn(&mut self) -> bool {
        self.now += TURN;
        let mut moved = self.look_at_stop();
        if self.door == Door::Open {
            moved |= !self.queue.is_empty();
            if self.random.chance(2) {
                self.accept();
            }
        }
        // In another order each time.
        let first = self.random.below(self.connections.len().max(1));
        self.connections.rotate_left(first);
        for connection in &mut self.connections {
            let wire = &mut self.wires[connection.wire];
            moved |= connection.turn(wire, &mut self.pool, &mut self.random, self.now);
        }
        moved | self.bury()
    }

    /// To the next deadline; `false` if there is none.
    pub(super) fn pass_time(&mut self) -> bool {
        let deadlines = self.connections.iter().filter_map(Connection::deadline);
        let drained = if let Stop::Draining(until) = self.stop { until } else { None };
        let Some(next) = deadlines.chain(drained).min() else { return false };
        assert!(next > self.now, "a deadline that has passed was not looked at");
        self.now = next;
        true
    }

    fn look_at_stop(&mut self) -> bool {
        match self.stop {
            Stop::No if self.door != Door::Held && is_ringing(self.host.stop.begun()) => {
                let limit = self.host.limits.drain;
                self.stop = Stop::Draining(self.now.checked_add(limit));
                let open = self.connections.len();
                if open > 0 {
                    self.host.reporter.tell(None, &Told::Draining { open, limit });
                }
                let count = self.close();
                self.summary.cut += u64::from(count);
            }
            Stop::Draining(until)
                if until.is_some_and(|until| self.now >= until) || is_ringing(self.host.stop.cutting()) =>
            {
                self.stop = Stop::Cut;
                for connection in &mut self.connections {
                    connection.session.interrupted();
                }
            }
            _ => return false,
        }
        true
    }

    fn close(&mut self) -> u32 {
        self.door = Door::Closed;
        let count = u32::try_from(self.queue.len()).unwrap();
        for wire in self.queue.drain(..) {
            self.wires[wire].server_resets();
        }
        if count > 0 {
            self.host.reporter.tell(None, &Told::QueueCut { count });
        }
        count
    }

    fn accept(&mut self) {
        let Some(index) = self.queue.pop_front() else { return };
        self.accepted += 1;
        let wire = &mut self.wires[index];
        let about = About { id: ConnectionId(self.accepted), peer: wire.peer };
        self.host.reporter.tell(Some(about), &Told::Accepted { peer: wire.peer, local: super::wire::SERVER });
        let limit = self.host.limits.connections;
        if self.connections.len() >= limit {
            wire.server_resets();
            if !self.short {
                self.host.reporter.tell(None, &Told::Short { of: Shortage::Connections(limit) });
            }
            self.short = true;
            let end = End { reason: Reason::Limit, received: 0, sent: 0, unsent: 0, lasted: Duration::ZERO };
            self.host.reporter.tell(Some(about), &Told::Closed { end: &end });
        } else {
            self.short = false;
            self.summary.served += 1;
            let bell = S::ASKS.then(|| Arc::new(Bell::new().unwrap()));
            let times = (self.now, SystemTime::now());
            self.connections.push(Connection::open(self.host, self.service, about, bell, times, index));
        }
        if self.host.limits.accept.is_some_and(|most| self.summary.served >= most) {
            self.close();
        }
    }

    /// Takes away whoever is over.
    fn bury(&mut self) -> bool {
        let over = self.connections.iter().position(|connection| connection.session.is_over());
        let Some(at) = over else { return false };
        let connection = self.connections.swap_remove(at);
        let wire = &mut self.wires[connection.wire];
        let how = (self.now, self.host.tls.is_some());
        let end = connection.close(wire, &mut self.pool, &mut self.random, how);
        self.summary.cut += u64::from(matches!(end.reason, Reason::Interrupted));
        self.summary.empty += u64::from(end.received == 0 && end.sent == 0);
        true
    }
}

pub(super) fn is_ringing(bell: &Bell) -> bool {
    host::wait(&mut [Watch::new(bell, Interest::READ)], Some(Duration::ZERO)).unwrap() > 0
}

/// Receive buffers, lent by their number.
pub(super) struct Pool {
    buffers: Vec<Vec<u8>>,
    free: Vec<usize>,
}

impl Pool {
    fn new(count: usize, size: usize) -> Self {
        Self { buffers: vec![vec![0; size]; count], free: (0..count).collect() }
    }

    pub(super) fn take(&mut self) -> Option<usize> {
        self.free.pop()
    }

    pub(super) fn buffer(&mut self, index: usize) -> &mut Vec<u8> {
        &mut self.buffers[index]
    }

    /// The buffer is the pool's again: what was in it is not to be seen.
    pub(super) fn give_back(&mut self, index: usize) {
        assert!(!self.free.contains(&index), "buffer {index} was given back twice");
        self.buffers[index].fill(b'#');
        self.free.push(index);
    }

    fn expect_whole(&self) {
        assert_eq!(self.free.len(), self.buffers.len(), "every buffer was given back");
    }
}
