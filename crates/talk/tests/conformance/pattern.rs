//! Bytes by the million that are told apart when they are lost, doubled or swapped.

use crate::scripted::Random;

/// A prime, so that no buffer size fits into it.
const PERIOD: usize = 65_521;

/// An endless stream without structure up to its period.
pub(crate) struct Pattern(Vec<u8>);

impl Pattern {
    pub(crate) fn new() -> Self {
        let mut random = Random::new(0x00AB_1DE5);
        Self((0..PERIOD).map(|_| random.byte()).collect())
    }

    /// Over and over the same.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// The stream from `offset` on, as far as it lies in one piece, `most` bytes of it at most.
    pub(crate) fn at(&self, offset: usize, most: usize) -> &[u8] {
        let from = offset % self.0.len();
        &self.0[from..self.0.len().min(from.saturating_add(most))]
    }

    pub(crate) fn bytes(&self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count);
        while bytes.len() < count {
            bytes.extend_from_slice(self.at(bytes.len(), count - bytes.len()));
        }
        bytes
    }

    /// Panics at the first byte that is not the stream's at `offset`.
    pub(crate) fn expect(&self, mut offset: usize, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let expected = self.at(offset, bytes.len());
            let (piece, rest) = bytes.split_at(expected.len());
            if piece != expected {
                let first = piece.iter().zip(expected).position(|(left, right)| left != right);
                panic!("byte {} of the stream is wrong", offset + first.unwrap_or_default());
            }
            offset += piece.len();
            bytes = rest;
        }
    }
}
