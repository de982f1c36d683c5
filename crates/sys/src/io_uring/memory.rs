//! The memory that a ring's operations read and write: buffers that the kernel fills as it needs them
//! (`io_uring_register_buf_ring(3)`), and what was copied out of them.

use io_uring::IoUring;
use io_uring::types::BufRingEntry;
use slab::Slab;
use std::io;
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::atomic::{AtomicU16, Ordering};

/// Bytes that came, by their place in the memory of a ring ([`Ring`](super::Ring)): theirs from the completion that brought them until they are given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece(u32);

/// Anonymous memory of this process, at a page's start.
struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the memory belongs to no thread.
unsafe impl Send for Mapping {}

impl Mapping {
    fn new(length: usize) -> io::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: new memory, at an address that the kernel chooses.
        let start = unsafe { libc::mmap(ptr::null_mut(), length, protection, flags, -1, 0) };
        match NonNull::new(start.cast()).filter(|_| start != libc::MAP_FAILED) {
            Some(start) => Ok(Self { start, length }),
            None => Err(io::Error::last_os_error()),
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: it was mapped so, and whoever had a reference into it had it through us.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

/// Buffers start at so many bytes more than their size from each other: else the beginnings of all of them would fall into the same few
/// lines of the processor's cache.
const STAGGER: usize = 3 * 64;

/// Buffers of one size, as a group that the kernel takes from.
struct Pool {
    entries: Mapping,
    buffers: Mapping,
    count: u16,
    size: usize,
    /// Of the ring of buffers.
    tail: u16,
    /// Buffers that the kernel has, and how many it is to have: it takes them one after the other, so that the fewer it has the sooner
    /// each is used again, while it is in the processor's cache.
    given: u16,
    wanted: u16,
    /// The others; the last that came back is the first that goes out.
    spare: Vec<u16>,
}

/// Buffers that the kernel has at first.
const FIRST: u16 = 4;

impl Pool {
    /// `count` buffers, a power of two, of `size` bytes each.
    fn new(ring: &IoUring, group: u16, (count, size): (u16, usize)) -> io::Result<Self> {
        let entries = Mapping::new(usize::from(count) * size_of::<BufRingEntry>())?;
        let length = size.checked_add(STAGGER).and_then(|each| each.checked_mul(count.into()));
        let buffers = Mapping::new(length.ok_or(io::ErrorKind::OutOfMemory)?)?;
        let address = entries.start.as_ptr() as u64;
        inject!(RingRegister);
        // SAFETY: as many entries as are said lie there, and stay until the ring is gone: it goes first, and takes the
        // registration with it.
        unsafe { ring.submitter().register_buf_ring_with_flags(address, count, group, 0) }?;
        let (wanted, spare) = (FIRST.min(count), (0..count).rev().collect());
        let mut pool = Self { entries, buffers, count, size, tail: 0, given: 0, wanted, spare };
        pool.publish();
        Ok(pool)
    }

    /// Buffers that can be filled.
    fn free(&self) -> u16 {
        self.given + u16::try_from(self.spare.len()).unwrap_or(u16::MAX)
    }

    /// Where a buffer begins.
    fn start(&self, buffer: u16) -> *mut u8 {
        let place = usize::from(buffer.min(self.count - 1)) * (self.size + STAGGER);
        // SAFETY: it is one of so many, which lie one behind the other in the mapping.
        unsafe { self.buffers.start.as_ptr().add(place) }
    }

    /// Gives a buffer to the kernel; from [`Self::publish`] on.
    fn put(&mut self, buffer: u16) {
        let index = usize::from(self.tail & (self.count - 1));
        let address = self.start(buffer) as u64;
        // SAFETY: the index is below the count of entries, which lie there as the kernel's type; the kernel does not look at
        // this one before the tail has passed it. The tail itself lies in the last two bytes of the first one, which none of
        // the three setters touches.
        unsafe {
            let entry = &mut *self.entries.start.cast::<BufRingEntry>().as_ptr().add(index);
            entry.set_addr(address);
            entry.set_len(u32::try_from(self.size).unwrap_or(u32::MAX));
            entry.set_bid(buffer);
        }
        self.tail = self.tail.wrapping_add(1);
        self.given += 1;
    }

    /// Has the kernel have as many as it is to have.
    fn publish(&mut self) {
        let before = self.tail;
        while self.given < self.wanted
            && let Some(buffer) = self.spare.pop()
        {
            self.put(buffer);
        }
        if self.tail == before {
            return;
        }
        // SAFETY: the first entry lies at the start of its pages, and its last two bytes are the tail, which the kernel reads as
        // an atomic of this size.
        unsafe {
            let tail = BufRingEntry::tail(self.entries.start.cast::<BufRingEntry>().as_ptr());
            (*tail.cast::<AtomicU16>()).store(self.tail, Ordering::Release);
        }
    }
}

/// The two sizes of buffers that a ring has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// For what usually comes.
    Usual,
    /// For a stream.
    Large,
}

impl Class {
    pub(super) const fn group(self) -> u16 {
        self as u16
    }
}

/// Where the bytes of a piece lie.
enum Place {
    /// In a buffer of the kernel's, from its beginning.
    Buffer(Class, u16),
    /// In memory of their own.
    Own(Box<[u8]>),
}

struct Held {
    place: Place,
    length: usize,
    /// Sends of it that are not over: so often the kernel reads it.
    sends: u32,
    /// It is to go as soon as the kernel does not.
    is_given: bool,
}

/// All of a ring.
pub(super) struct Memory {
    pools: [Pool; 2],
    held: Slab<Held>,
}

impl Memory {
    /// How many buffers of which size, for this ring.
    pub(super) fn new(ring: &IoUring, usual: (u16, usize), large: (u16, usize)) -> io::Result<Self> {
        let pools =
            [Pool::new(ring, Class::Usual.group(), usual)?, Pool::new(ring, Class::Large.group(), large)?];
        Ok(Self { pools, held: Slab::new() })
    }

    fn pool(&self, class: Class) -> &Pool {
        &self.pools[class as usize]
    }

    pub(super) fn publish(&mut self) {
        for pool in &mut self.pools {
            pool.publish();
        }
    }

    /// The kernel has filled this buffer so far.
    pub(super) fn filled(&mut self, class: Class, buffer: u16, length: usize) -> Piece {
        let pool = &mut self.pools[class as usize];
        pool.given = pool.given.saturating_sub(1);
        let (place, length) = (Place::Buffer(class, buffer), length.min(pool.size));
        let held = Held { place, length, sends: 0, is_given: false };
        Piece(u32::try_from(self.held.insert(held)).unwrap_or(u32::MAX))
    }

    /// Bytes of a piece; none if it was given back.
    pub(super) fn bytes(&self, piece: Piece) -> &[u8] {
        match self.held.get(piece.0 as usize) {
            Some(Held { place: Place::Buffer(class, buffer), length, .. }) => {
                // SAFETY: the buffer is inside of the mapping, was written by the kernel (and before that was zero), and is
                // not the kernel's again before it is given back, which takes all of `self`.
                unsafe { slice::from_raw_parts(self.pool(*class).start(*buffer), *length) }
            }
            Some(Held { place: Place::Own(bytes), .. }) => bytes,
            None => &[],
        }
    }

    /// Nobody needs it any more. While it is sent it stays until that is over.
    pub(super) fn give(&mut self, piece: Piece) {
        let Some(held) = self.held.get_mut(piece.0 as usize) else { return };
        if held.sends > 0 {
            held.is_given = true;
            return;
        }
        if let Place::Buffer(class, buffer) = self.held.remove(piece.0 as usize).place {
            self.pools[class as usize].spare.push(buffer);
        }
    }

    /// The kernel reads it from now on.
    pub(super) fn begin(&mut self, piece: Piece) {
        if let Some(held) = self.held.get_mut(piece.0 as usize) {
            held.sends += 1;
        }
    }

    /// And, if nothing else of it is sent, no longer.
    pub(super) fn end(&mut self, piece: Piece) {
        let Some(held) = self.held.get_mut(piece.0 as usize) else { return };
        held.sends = held.sends.saturating_sub(1);
        if held.sends == 0 && held.is_given {
            self.give(piece);
        }
    }

    /// If it lies in a buffer of the kernel's, it gets memory of its own. Not while it is sent.
    pub(super) fn detach(&mut self, piece: Piece) {
        let Some(Held { place: Place::Buffer(class, buffer), sends: 0, .. }) =
            self.held.get(piece.0 as usize)
        else {
            return;
        };
        let (class, buffer, copy) = (*class, *buffer, self.bytes(piece).into());
        if let Some(held) = self.held.get_mut(piece.0 as usize) {
            held.place = Place::Own(copy);
            self.pools[class as usize].spare.push(buffer);
        }
    }

    /// The kernel had none of a class when it needed one.
    pub(super) fn ran_out(&mut self, class: Class) {
        let pool = &mut self.pools[class as usize];
        pool.wanted = pool.wanted.saturating_mul(2).min(pool.count);
    }

    /// Of a buffer, in bytes.
    pub(super) fn size(&self, class: Class) -> usize {
        self.pool(class).size
    }

    /// Buffers that can be filled, of how many.
    pub(super) fn free(&self, class: Class) -> (u16, u16) {
        (self.pool(class).free(), self.pool(class).count)
    }

    /// Of a piece that lies in a buffer: of which.
    pub(super) fn class(&self, piece: Piece) -> Option<Class> {
        match self.held.get(piece.0 as usize)?.place {
            Place::Buffer(class, _) => Some(class),
            Place::Own(_) => None,
        }
    }

    /// Pieces that were not given back.
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }
}
