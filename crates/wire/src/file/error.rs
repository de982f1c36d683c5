//! Why a capture cannot be read (further), with the place in the file.

use thiserror::Error;

/// Why reading stopped. Everything given before stays good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    /// The input ended before its first byte.
    #[error("the capture is empty")]
    Empty,
    /// The first bytes are neither pcap's nor pcapng's magic number.
    #[error("not a capture: it starts with {first:02x?}, which is neither pcap nor pcapng")]
    NotACapture {
        /// The first four bytes.
        first: [u8; 4],
    },
    /// A version of the format that is not known.
    #[error("version {major}.{minor} of the capture format at byte {offset} is not known")]
    Version {
        /// Where the header starts.
        offset: u64,
        /// Its major version.
        major: u16,
        /// Its minor version.
        minor: u16,
    },
    /// The file ends inside a packet or block.
    #[error("the capture is cut: byte {offset} starts something of {needed} bytes, but {have} are there")]
    Cut {
        /// Where the incomplete part starts.
        offset: u64,
        /// How many bytes it needs.
        needed: u64,
        /// How many are there.
        have: u64,
    },
    /// A packet claims more bytes than any capture program writes.
    #[error("the packet at byte {offset} claims {length} bytes; no packet is longer than {limit}")]
    PacketLength {
        /// Where its header starts.
        offset: u64,
        /// The length that it claims.
        length: u32,
        /// The longest that is read.
        limit: u32,
    },
    /// A block's length is impossible: too short for its fields, not a multiple of four, or too long.
    #[error("the block at byte {offset} claims an impossible length of {length} bytes")]
    BlockLength {
        /// Where it starts.
        offset: u64,
        /// The length that it claims.
        length: u32,
    },
    /// The two lengths of a block differ.
    #[error("the block at byte {offset} says {head} bytes at its start and {tail} at its end")]
    Trailer {
        /// Where it starts.
        offset: u64,
        /// The length before its body.
        head: u32,
        /// The length after its body.
        tail: u32,
    },
    /// A section's byte-order magic is none of the two.
    #[error("the section at byte {offset} has an unknown byte-order magic")]
    SectionOrder {
        /// Where it starts.
        offset: u64,
    },
    /// A packet of an interface that no block described.
    #[error("the packet at byte {offset} names interface {interface}, which the section does not describe")]
    Interface {
        /// Where its block starts.
        offset: u64,
        /// The interface that it names.
        interface: u32,
    },
    /// More interfaces than are kept.
    #[error("the section has more than {limit} interfaces at byte {offset}")]
    Interfaces {
        /// Where the one too many starts.
        offset: u64,
        /// How many are kept.
        limit: u32,
    },
}
