//! Takes each packet out of the link and puts it in again, as the plan has it.

use super::plan::{Fate, Plan};
use enchufe_sys::host::{self, Bell, Interest, Watch};
use enchufe_sys::tun::Tun;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::time::{Duration, Instant};

/// The longest packet of IPv4.
const LONGEST: usize = 65_535;
/// The most packets that are late at once: more are not delayed.
const MOST_LATE: usize = 4_096;

#[derive(Debug)]
pub(super) struct Relay {
    tun: Tun,
    plan: Plan,
    /// By when they are due, then as they came.
    late: BinaryHeap<Reverse<(Instant, u64, Vec<u8>)>>,
    taken: u64,
}

impl Relay {
    pub(super) const fn new(tun: Tun, plan: Plan) -> Self {
        Self { tun, plan, late: BinaryHeap::new(), taken: 0 }
    }

    /// Works until the bell rings or the interface is gone.
    pub(super) fn run(&mut self, stop: &Bell) {
        let mut buffer = vec![0; LONGEST];
        loop {
            self.put_in();
            match self.tun.take(&mut buffer) {
                Ok(length) => self.came(buffer.get(..length).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let due = self.late.peek().map(|Reverse((due, ..))| *due);
                    // A wait is not shorter than a millisecond, or it would not wait.
                    let left = due.map(|due| due.saturating_duration_since(Instant::now()));
                    let left = left.map(|left| left.max(Duration::from_millis(1)));
                    let mut watches =
                        [Watch::new(&self.tun, Interest::READ), Watch::new(stop, Interest::READ)];
                    let failed = host::wait(&mut watches, left).is_err();
                    if failed || watches.last().is_some_and(|stop| stop.ready().read) {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    fn came(&mut self, packet: &[u8]) {
        match self.plan.fate(packet) {
            Some(Fate::Lost) => {}
            Some(Fate::Late(time)) if self.late.len() < MOST_LATE => {
                self.taken += 1;
                self.late.push(Reverse((Instant::now() + time, self.taken, packet.to_vec())));
            }
            Some(Fate::Twice) => {
                self.give(packet);
                self.give(packet);
            }
            Some(Fate::Late(_)) | None => self.give(packet),
        }
    }

    /// Puts in what is due.
    fn put_in(&mut self) {
        while self.late.peek().is_some_and(|Reverse((due, ..))| *due <= Instant::now()) {
            if let Some(Reverse((.., packet))) = self.late.pop() {
                self.give(&packet);
            }
        }
    }

    /// What the kernel does not take is lost, as on any link.
    fn give(&self, packet: &[u8]) {
        let _ = self.tun.give(packet);
    }
}
