//! Receive buffers, lent to sessions by their index.

use std::mem;

/// Buffers that are kept for the next reads when nobody has them: usual ones, and large ones.
const KEPT: [usize; 2] = [16, 4];

/// Grows with what is lent, which each session bounds ([`MOST_BUFFERS`](crate::session::MOST_BUFFERS)).
#[derive(Debug)]
pub(super) struct Buffers {
    all: Vec<Buffer>,
    /// Those that are kept, of each size. The last that came back is the first that goes out: it is in the processor's cache.
    whole: [Vec<usize>; 2],
    /// Those that have given back their memory.
    empty: Vec<usize>,
    sizes: [usize; 2],
    /// Bytes that were read into them.
    received: u64,
}

/// Whether much comes at once on a connection: then it is read in large pieces.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flow(u8);

impl Flow {
    /// So many reads in a row that find less are not the end of it: who has just waited for the peer finds what it has sent so far. (The first
    /// packet of loopback is a little less than a usual buffer.)
    const PATIENCE: u8 = 32;

    /// Much was there to be read, or less.
    pub(super) const fn learn(&mut self, is_much: bool) {
        self.0 = if is_much { Self::PATIENCE } else { self.0.saturating_sub(1) };
    }

    pub(super) const fn is_large(self) -> bool {
        self.0 > 0
    }
}

#[derive(Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    lent: bool,
}

impl Buffers {
    /// Each of `size` bytes.
    pub(super) const fn new(size: usize) -> Self {
        Self::with_large(size, size)
    }

    /// Each of `size` bytes, or of `large` ones.
    pub(super) const fn with_large(size: usize, large: usize) -> Self {
        Self {
            all: Vec::new(),
            whole: [const { Vec::new() }; 2],
            empty: Vec::new(),
            sizes: [size, large],
            received: 0,
        }
    }

    /// Of a usual one.
    pub(super) const fn size(&self) -> usize {
        self.sizes[0]
    }

    /// One to read into; a large one, if there are such.
    pub(super) fn take(&mut self, large: bool) -> usize {
        let class = usize::from(large && self.sizes[1] > self.sizes[0]);
        let index = self.whole[class].pop().unwrap_or_else(|| {
            let index = self.empty.pop().unwrap_or_else(|| {
                self.all.push(Buffer::default());
                self.all.len() - 1
            });
            if let Some(buffer) = self.all.get_mut(index) {
                buffer.bytes = vec![0; self.sizes[class]];
            }
            index
        });
        if let Some(buffer) = self.all.get_mut(index) {
            buffer.lent = true;
        }
        index
    }

    /// So many bytes more were read.
    pub(super) fn count(&mut self, bytes: usize) {
        self.received += bytes as u64;
    }

    /// Bytes that were read in all.
    #[cfg(feature = "linux")]
    pub(super) const fn received(&self) -> u64 {
        self.received
    }

    /// Nobody needs it any more.
    pub(super) fn give(&mut self, index: usize) {
        let Some(buffer) = self.all.get_mut(index).filter(|buffer| buffer.lent) else { return };
        buffer.lent = false;
        match self.sizes.iter().position(|size| *size == buffer.bytes.len()) {
            Some(class) if self.whole[class].len() < KEPT[class] => self.whole[class].push(index),
            _ => {
                buffer.bytes = Vec::new();
                self.empty.push(index);
            }
        }
    }

    /// If it is still lent: it will be for a while, so that what it does not use of itself is given back.
    pub(super) fn shrink(&mut self, index: usize, used: usize) {
        let Some(buffer) = self.all.get_mut(index).filter(|buffer| buffer.lent) else { return };
        if used <= buffer.bytes.len() / 2 {
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
    fn a_stream_that_pauses_is_one_still_and_one_that_trickles_is_not() {
        let mut flow = Flow::default();
        flow.learn(false);
        assert!(!flow.is_large());
        flow.learn(true);
        for _ in 1..Flow::PATIENCE {
            flow.learn(false);
            assert!(flow.is_large());
        }
        flow.learn(false);
        assert!(!flow.is_large());
    }

    #[test]
    fn what_is_kept_is_bounded_and_the_last_that_came_goes_out_first() {
        let mut buffers = Buffers::new(8);
        let all = KEPT[0] + 5;
        let taken: Vec<usize> = (0..all).map(|_| buffers.take(false)).collect();
        assert_eq!(taken, (0..all).collect::<Vec<_>>());
        for index in taken {
            buffers.give(index);
            buffers.give(index);
        }
        assert_eq!(buffers.all.iter().filter(|buffer| !buffer.bytes.is_empty()).count(), KEPT[0]);
        let last = buffers.take(false);
        assert_eq!((last, buffers.bytes_mut(last).len(), buffers.all.len()), (KEPT[0] - 1, 8, all));
    }

    #[test]
    fn one_that_shrank_keeps_its_bytes_and_has_its_size_again_when_it_is_taken() {
        let mut buffers = Buffers::new(8);
        let index = buffers.take(false);
        buffers.bytes_mut(index)[..4].copy_from_slice(b"hola");
        buffers.shrink(index, 5);
        assert_eq!(buffers.bytes(index).len(), 8, "there is little to give back");
        buffers.shrink(index, 4);
        assert_eq!(buffers.bytes(index), b"hola");
        buffers.give(index);
        buffers.shrink(index, 1);
        assert_eq!(buffers.take(false), index);
        assert_eq!(buffers.bytes(index).len(), 8);
    }

    #[test]
    fn large_ones_are_kept_apart_and_indices_are_used_again() {
        let mut buffers = Buffers::with_large(8, 32);
        for _ in 0..100 {
            let (usual, large) = (buffers.take(false), buffers.take(true));
            assert_eq!((buffers.bytes(usual).len(), buffers.bytes(large).len()), (8, 32));
            buffers.shrink(large, 16);
            assert_eq!(buffers.bytes(large).len(), 16);
            buffers.give(usual);
            buffers.give(large);
        }
        assert_eq!(buffers.all.len(), 2);
        let taken: Vec<usize> = (0..9).map(|_| buffers.take(true)).collect();
        for index in taken {
            buffers.give(index);
        }
        assert_eq!((buffers.whole[0].len(), buffers.whole[1].len()), (1, KEPT[1]));
        let alike = Buffers::new(8).take(true);
        assert_eq!(alike, 0);
    }
}
