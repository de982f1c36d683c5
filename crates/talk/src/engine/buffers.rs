//! Receive buffers, lent to sessions by their index.

use std::mem;

/// Buffers of full size that are kept for the next reads when nobody has them.
const KEPT: usize = 16;

/// Grows with what is lent, which each session bounds ([`MOST_BUFFERS`](crate::session::MOST_BUFFERS)).
#[derive(Debug)]
pub(super) struct Buffers {
    all: Vec<Buffer>,
    /// The last that came back is the first that goes out: it is in the processor's cache.
    free: Vec<usize>,
    /// Of the free ones, those that have their full size.
    whole: usize,
    size: usize,
}

#[derive(Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    lent: bool,
}

impl Buffers {
    /// Each of `size` bytes.
    pub(super) const fn new(size: usize) -> Self {
        Self { all: Vec::new(), free: Vec::new(), whole: 0, size }
    }

    /// Of one that is read into.
    pub(super) const fn size(&self) -> usize {
        self.size
    }

    /// One to read into.
    pub(super) fn take(&mut self) -> usize {
        let index = self.free.pop().unwrap_or_else(|| {
            self.all.push(Buffer::default());
            self.all.len() - 1
        });
        if let Some(buffer) = self.all.get_mut(index) {
            if buffer.bytes.len() == self.size {
                self.whole = self.whole.saturating_sub(1);
            } else {
                buffer.bytes = vec![0; self.size];
            }
            buffer.lent = true;
        }
        index
    }

    /// Nobody needs it any more.
    pub(super) fn give(&mut self, index: usize) {
        let Some(buffer) = self.all.get_mut(index).filter(|buffer| buffer.lent) else { return };
        buffer.lent = false;
        if buffer.bytes.len() == self.size && self.whole < KEPT {
            self.whole += 1;
        } else {
            buffer.bytes = Vec::new();
        }
        self.free.push(index);
    }

    /// If it is still lent: it will be for a while, so that what it does not use of itself is given back.
    pub(super) fn shrink(&mut self, index: usize, used: usize) {
        let Some(buffer) = self.all.get_mut(index).filter(|buffer| buffer.lent) else { return };
        if used <= self.size / 2 {
            let copy = buffer.bytes.get(..used).unwrap_or_default().to_vec();
            drop(mem::replace(&mut buffer.bytes, copy));
        }
    }

    pub(super) fn bytes(&self, index: usize) -> &[u8] {
        self.all.get(index).map_or(&[], |buffer| &buffer.bytes)
    }

    pub(super) fn bytes_mut(&mut self, index: usize) -> &mut [u8] {
        self.all.get_mut(index).map_or(&mut [], |buffer| &mut buffer.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_the_last_that_came_goes_out_first() {
        let mut buffers = Buffers::new(8);
        let taken: Vec<usize> = (0..KEPT + 5).map(|_| buffers.take()).collect();
        assert_eq!(taken, (0..KEPT + 5).collect::<Vec<_>>());
        for index in taken {
            buffers.give(index);
            buffers.give(index);
        }
        assert_eq!(buffers.all.iter().filter(|buffer| !buffer.bytes.is_empty()).count(), KEPT);
        let last = buffers.take();
        assert_eq!((last, buffers.bytes_mut(last).len(), buffers.all.len()), (KEPT + 4, 8, KEPT + 5));
    }

    #[test]
    fn one_that_shrank_keeps_its_bytes_and_has_its_size_again_when_it_is_taken() {
        let mut buffers = Buffers::new(8);
        let index = buffers.take();
        buffers.bytes_mut(index)[..4].copy_from_slice(b"hola");
        buffers.shrink(index, 5);
        assert_eq!(buffers.bytes(index).len(), 8, "there is little to give back");
        buffers.shrink(index, 4);
        assert_eq!(buffers.bytes(index), b"hola");
        buffers.give(index);
        buffers.shrink(index, 1);
        assert_eq!(buffers.take(), index);
        assert_eq!(buffers.bytes(index).len(), 8);
    }
}
