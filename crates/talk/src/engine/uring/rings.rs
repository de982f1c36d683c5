//! The rings of one thread: one at first, and another whenever the tables of those that there are are nearly full.

use crate::engine::Limits;
use enchufe_sys::host::Bell;
use enchufe_sys::io_uring::{Class, Ring, Size, Slot, Until};
use enchufe_sys::rlimit;
use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

/// Places of a ring's table at most: what the kernel takes for it is taken at once. They are as many as the process may have descriptors.
pub const MOST_SOCKETS: u32 = 32 * 1024;
/// Queues' worth of places that are free where the kernel lets in by itself: whom it lets in without a place it closes. It takes a whole
/// queue before it is told not to, and may take another before it hears of that.
const QUEUES: u32 = 2;
/// And those who come meanwhile.
const MORE: u32 = 1024;
/// Rings of one thread at most.
pub const MOST_RINGS: usize = 64;
/// Memory for what comes, of one ring, in usual buffers and in large ones. It is taken as it is used, and given back with the ring.
const MEMORY: [usize; 2] = [16 << 20, 8 << 20];
/// Buffers of a size, the least and the most that are of use.
const BUFFERS: [usize; 2] = [16, 256];

pub(super) struct Rings {
    size: Size,
    list: Vec<Used>,
    /// Rings when one of those that are not waited for has something to tell.
    bell: Arc<Bell>,
}

/// A ring, and how many of its places are taken.
struct Used {
    ring: Ring,
    taken: u32,
}

/// The first ring of a thread that is still to begin.
#[derive(Debug)]
pub(in crate::engine) struct Prepared {
    size: Size,
    ring: Ring,
}

impl Prepared {
    pub(super) fn new(limits: &Limits) -> io::Result<Self> {
        // Where it cannot be asked for, as many as are usual.
        let descriptors = rlimit::descriptor_limit().map_or(1024, |limit| limit.soft);
        let sockets = u32::try_from(descriptors).unwrap_or(u32::MAX).clamp(1, MOST_SOCKETS);
        let usual = limits.read_size.max(1);
        let large = limits.stream_size.max(usual);
        let buffers = |memory: usize, size: usize| {
            // The largest power of two that is not above.
            (1_u16 << (memory / size).clamp(BUFFERS[0], BUFFERS[1]).ilog2(), size)
        };
        let size = Size {
            operations: 1024,
            completions: 8192,
            sockets,
            usual: buffers(MEMORY[0], usual),
            large: buffers(MEMORY[1], large),
        };
        Ok(Self { ring: Ring::new(&size)?, size })
    }
}

impl Rings {
    pub(super) fn new(Prepared { size, ring }: Prepared, bell: Arc<Bell>) -> Self {
        Self { list: vec![Used { ring, taken: 0 }], size, bell }
    }

    /// From now on they are of this thread.
    pub(super) fn enable(&mut self) -> io::Result<()> {
        self.list.iter_mut().try_for_each(|used| used.ring.enable())
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn get(&mut self, index: usize) -> Option<&mut Ring> {
        self.list.get_mut(index).map(|used| &mut used.ring)
    }

    /// The one that is waited for.
    pub(super) fn first(&mut self) -> &mut Ring {
        &mut self.list[0].ring
    }

    /// Has the next wait tell what is sent.
    pub(super) fn hurry(&mut self) {
        self.list.iter_mut().for_each(|used| used.ring.hurry());
    }

    /// Hands over what is queued in all of them and waits for the first.
    pub(super) fn wait(&mut self, timeout: Option<Duration>, until: Until) -> io::Result<()> {
        let mut timeout = timeout;
        for used in self.list.iter_mut().skip(1) {
            if used.ring.has_queued() || used.ring.has_news() {
                used.ring.wait(Some(Duration::ZERO), Until::One)?;
            }
            if used.ring.has_news() {
                timeout = Some(Duration::ZERO);
            }
        }
        self.first().wait(timeout, until)
    }

    /// Whether a [`Self::wait`] that does not wait would be of any use.
    pub(super) fn is_worth_a_look(&mut self) -> bool {
        self.list.iter_mut().any(|used| used.ring.has_queued() || used.ring.has_news())
    }

    pub(super) fn has_news(&mut self) -> bool {
        self.list.iter_mut().any(|used| used.ring.has_news())
    }

    /// Whether one of them has buffers again for who found none.
    pub(super) fn feed(&self) -> bool {
        self.list.iter().any(|used| feeds(&used.ring))
    }

    /// One with places for whoever is let in by the kernel itself, from a queue of this length; `None` where there is none, and cannot be.
    pub(super) fn roomy(&mut self, queue: u32) -> io::Result<Option<usize>> {
        if let Some(index) = (0..self.list.len()).find(|index| self.is_roomy(*index, queue)) {
            return Ok(Some(index));
        }
        if self.size.sockets < wanted(queue) { Ok(None) } else { self.grow() }
    }

    /// Whether a ring has places for whoever is let in by the kernel itself.
    pub(super) fn is_roomy(&self, index: usize, queue: u32) -> bool {
        let free = |used: &Used| self.size.sockets.saturating_sub(used.taken);
        self.list.get(index).is_some_and(|used| free(used) >= wanted(queue))
    }

    fn grow(&mut self) -> io::Result<Option<usize>> {
        if self.list.len() >= MOST_RINGS {
            return Ok(None);
        }
        let mut ring = Ring::new(&self.size)?;
        ring.enable()?;
        ring.tell(&*self.bell)?;
        self.list.push(Used { ring, taken: 0 });
        Ok(Some(self.list.len() - 1))
    }

    /// How many places its tables have free, those of a new one where there are none; 0: there can be no other. To be asked before anybody is
    /// accepted: whoever is takes a descriptor, which a new ring needs, too.
    pub(super) fn room(&mut self) -> io::Result<usize> {
        let free = |list: &[Used]| list.iter().map(|used| self.size.sockets.saturating_sub(used.taken)).sum();
        match free(&self.list) {
            0_u32 => self.grow().map(|grown| grown.map_or(0, |_| self.size.sockets as usize)),
            free => Ok(free as usize),
        }
    }

    /// Takes a socket into a table; `None` where all are full.
    pub(super) fn adopt(&mut self, socket: &TcpStream) -> io::Result<Option<(usize, Slot)>> {
        let free = self.list.iter().position(|used| used.taken < self.size.sockets);
        let Some(index) = free.map_or_else(|| self.grow(), |index| Ok(Some(index)))? else { return Ok(None) };
        let Some(used) = self.list.get_mut(index) else { return Ok(None) };
        let slot = used.ring.adopt(socket)?;
        used.taken += 1;
        Ok(Some((index, slot)))
    }

    /// Of all its tables.
    pub(super) fn places(&self) -> usize {
        self.list.len() * self.size.sockets as usize
    }

    /// The kernel took a place by itself.
    pub(super) fn taken(&mut self, index: usize) {
        if let Some(used) = self.list.get_mut(index) {
            used.taken += 1;
        }
    }

    /// A place is free again.
    pub(super) fn freed(&mut self, index: usize) {
        if let Some(used) = self.list.get_mut(index) {
            used.taken = used.taken.saturating_sub(1);
        }
    }
}

/// Whether so many buffers of a ring are free that who found none may receive again: a quarter, for with fewer most would find none again.
pub(super) fn feeds(ring: &Ring) -> bool {
    let (free, all) = ring.free_buffers(Class::Usual);
    free >= all / 4
}

/// Places for a queue of this length.
const fn wanted(queue: u32) -> u32 {
    queue.saturating_mul(QUEUES).saturating_add(MORE)
}
