//! The memory that a ring's operations read and write: buffers that the kernel fills as it needs them
//! (`io_uring_register_buf_ring(3)`), and what was copied out of them.

use io_uring::types::BufRingEntry;
use io_uring::{IoUring, squeue};
use slab::Slab;
use std::io;
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::atomic::{AtomicU16, Ordering};

/// The only group of buffers of a ring.
pub(super) const GROUP: u16 = 0;

/// Bytes that came, by their place in [`Memory`]: theirs from the completion that brought them until they are given back.
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

/// Where the bytes of a piece lie.
enum Place {
    /// In a buffer of the kernel's, from its beginning.
    Buffer(u16),
    /// In memory of their own.
    Own(Box<[u8]>),
}

struct Held {
    place: Place,
    length: usize,
    /// The kernel reads it.
    is_sent: bool,
    /// It is to go as soon as the kernel does not.
    is_given: bool,
}

/// All of a ring.
pub(super) struct Memory {
    entries: Mapping,
    buffers: Mapping,
    count: u16,
    size: usize,
    /// Of the ring of buffers; the kernel sees what was published.
    tail: u16,
    published: u16,
    /// Buffers that the kernel has.
    free: u16,
    held: Slab<Held>,
}

impl Memory {
    /// `count` buffers, a power of two, of `size` bytes each, for this ring.
    pub(super) fn new<C: io_uring::cqueue::EntryMarker>(
        ring: &IoUring<squeue::Entry, C>,
        count: u16,
        size: usize,
    ) -> io::Result<Self> {
        let entries = Mapping::new(usize::from(count) * size_of::<BufRingEntry>())?;
        let buffers = Mapping::new(usize::from(count) * size)?;
        let address = entries.start.as_ptr() as u64;
        // SAFETY: as many entries as are said lie there, and stay until the ring is gone: it goes first, and takes the
        // registration with it.
        unsafe { ring.submitter().register_buf_ring_with_flags(address, count, GROUP, 0) }?;
        let mut memory =
            Self { entries, buffers, count, size, tail: 0, published: 0, free: 0, held: Slab::new() };
        for buffer in 0..count {
            memory.offer(buffer);
        }
        memory.publish();
        Ok(memory)
    }

    /// Gives a buffer to the kernel; from [`Self::publish`] on.
    fn offer(&mut self, buffer: u16) {
        let index = usize::from(self.tail & (self.count - 1));
        let address = self.buffers.start.as_ptr() as usize + usize::from(buffer) * self.size;
        // SAFETY: the index is below the count of entries, which lie there as the kernel's type; the kernel does not look at
        // this one before the tail has passed it. The tail itself lies in the last two bytes of the first one, which none of
        // the three setters touches.
        unsafe {
            let entry = &mut *self.entries.start.cast::<BufRingEntry>().as_ptr().add(index);
            entry.set_addr(address as u64);
            entry.set_len(u32::try_from(self.size).unwrap_or(u32::MAX));
            entry.set_bid(buffer);
        }
        self.tail = self.tail.wrapping_add(1);
        self.free += 1;
    }

    /// Shows the kernel what was given to it.
    pub(super) fn publish(&mut self) {
        if self.tail == self.published {
            return;
        }
        self.published = self.tail;
        // SAFETY: the first entry lies at the start of its pages, and its last two bytes are the tail, which the kernel reads as
        // an atomic of this size.
        unsafe {
            let tail = BufRingEntry::tail(self.entries.start.cast::<BufRingEntry>().as_ptr());
            (*tail.cast::<AtomicU16>()).store(self.tail, Ordering::Release);
        }
    }

    /// The kernel has filled this buffer so far.
    pub(super) fn filled(&mut self, buffer: u16, length: usize) -> Piece {
        self.free = self.free.saturating_sub(1);
        let place = Place::Buffer(buffer.min(self.count - 1));
        let held = Held { place, length: length.min(self.size), is_sent: false, is_given: false };
        Piece(u32::try_from(self.held.insert(held)).unwrap_or(u32::MAX))
    }

    /// Bytes of a piece; none if it was given back.
    pub(super) fn bytes(&self, piece: Piece) -> &[u8] {
        match self.held.get(piece.0 as usize) {
            Some(Held { place: Place::Buffer(buffer), length, .. }) => {
                // SAFETY: the buffer is inside of the mapping, was written by the kernel (and before that was zero), and is
                // not the kernel's again before it is given back, which takes all of `self`.
                unsafe {
                    let start = self.buffers.start.as_ptr().add(usize::from(*buffer) * self.size);
                    slice::from_raw_parts(start, *length)
                }
            }
            Some(Held { place: Place::Own(bytes), .. }) => bytes,
            None => &[],
        }
    }

    /// Nobody needs it any more. While it is sent it stays until that is over.
    pub(super) fn give(&mut self, piece: Piece) {
        let Some(held) = self.held.get_mut(piece.0 as usize) else { return };
        if held.is_sent {
            held.is_given = true;
            return;
        }
        if let Place::Buffer(buffer) = self.held.remove(piece.0 as usize).place {
            self.offer(buffer);
        }
    }

    /// The kernel reads it from now on.
    pub(super) fn begin(&mut self, piece: Piece) {
        if let Some(held) = self.held.get_mut(piece.0 as usize) {
            held.is_sent = true;
        }
    }

    /// And no longer.
    pub(super) fn end(&mut self, piece: Piece) {
        let Some(held) = self.held.get_mut(piece.0 as usize) else { return };
        held.is_sent = false;
        if held.is_given {
            self.give(piece);
        }
    }

    /// If it lies in a buffer of the kernel's, it gets memory of its own. Not while it is sent.
    pub(super) fn detach(&mut self, piece: Piece) {
        let copy: Box<[u8]> = self.bytes(piece).into();
        let Some(held) = self.held.get_mut(piece.0 as usize).filter(|held| !held.is_sent) else { return };
        if let Place::Buffer(buffer) = held.place {
            held.place = Place::Own(copy);
            self.offer(buffer);
        }
    }

    /// Of a buffer, in bytes.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Buffers that the kernel has, of how many.
    pub(super) fn free(&self) -> (u16, u16) {
        (self.free, self.count)
    }

    /// Pieces that were not given back.
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }
}
