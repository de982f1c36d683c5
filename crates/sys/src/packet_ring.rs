//! packet(7): frames as they pass an interface, in a ring of blocks that the kernel and we share
//! (`TPACKET_V3`, <https://docs.kernel.org/networking/packet_mmap.html>). Needs `CAP_NET_RAW` in the user
//! namespace that owns the network namespace.
//!
//! The kernel fills a block, marks it ours, and goes on with the next; [`PacketRing::take`] takes it and
//! [`PacketRing::give_back`] gives it back. Where no block is free, frames are dropped and counted.
//!
//! Facts of `net/packet/af_packet.c`, Linux 6.18, that its manual page does not state:
//! * The length kept of a frame is what the program returned, at most the frame, and what fits into a block.
//! * Stamps are nanoseconds of `CLOCK_REALTIME`, taken before the place in the ring: two CPUs can take them
//!   in one order and their places in the other.
//! * While the block that was filled last is ours, a wait for the ring does not wait.
//! * A block that has frames and is not full becomes ours after the retire time; an empty one never does.
//! * The tag of a VLAN is taken out of the bytes before the ring sees them, and stands beside them.

mod frames;

use crate::errno::check;
use crate::fd::{self, Plain};
pub use frames::{Packet, Packets, Vlan};
use std::ffi::c_int;
use std::io;
use std::mem::{self, offset_of};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How a ring is opened.
#[derive(Clone, Copy, Debug)]
pub struct RingOptions<'a> {
    /// The number of the interface, or every one of the namespace.
    pub interface: Option<u32>,
    /// Where the bytes of a frame begin.
    pub start: Start,
    /// Decides, before a place in the ring is taken, which frames to keep and how much of each. Empty: all
    /// of every frame.
    pub program: &'a [Instruction],
    /// Bytes of a block: a multiple of the page size. No frame is kept beyond its end.
    pub block_size: u32,
    /// How many blocks.
    pub block_count: u32,
    /// After how long a block with frames in it is handed over though it is not full. Whole milliseconds.
    pub retire: Duration,
    /// Leaves out what this machine sends (`PACKET_IGNORE_OUTGOING`, Linux 4.20). On the loopback interface,
    /// where all is sent and received, each frame is then seen once.
    pub ignore_outgoing: bool,
    /// Tells of each frame into what segments it is to be cut ([`Packet::segment_size`], `PACKET_VNET_HDR`). A frame that is to
    /// be cut in a way that cannot be told is dropped and counted: before Linux 6.2 datagrams that are sent many at once.
    pub tells_segments: bool,
    /// Asks the interface for frames to others, too. Ends with the ring. Only for one interface.
    pub promiscuous: bool,
}

/// Where the bytes of a frame begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the link header of the interface.
    LinkHeader,
    /// Behind it, at the network header: for interfaces of several kinds at once.
    NetworkHeader,
}

/// One instruction of a classic BPF program (<https://docs.kernel.org/networking/filter.html>), `struct
/// sock_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    /// What it does.
    pub code: u16,
    /// How many instructions to skip if the comparison holds.
    pub on_true: u8,
    /// How many instructions to skip if it does not.
    pub on_false: u8,
    /// Its number.
    pub value: u32,
}

const _: () = assert!(mem::size_of::<Instruction>() == mem::size_of::<libc::sock_filter>());
const _: () = assert!(offset_of!(Instruction, value) == offset_of!(libc::sock_filter, k));

impl Instruction {
    /// Ends: keeps this many bytes of the frame, 0 for none of it.
    pub const fn keep(bytes: u32) -> Self {
        Self::new(0x06, bytes)
    }

    /// Loads four bytes at this place. Past the end of the frame the program ends there, and nothing is kept;
    /// so with the next two.
    pub const fn load_word(place: u32) -> Self {
        Self::new(0x20, place)
    }

    /// Loads two bytes at this place.
    pub const fn load_half(place: u32) -> Self {
        Self::new(0x28, place)
    }

    /// Loads the byte at this place.
    pub const fn load_byte(place: u32) -> Self {
        Self::new(0x30, place)
    }

    /// Loads how long the frame is.
    pub const fn load_length() -> Self {
        Self::new(0x80, 0)
    }

    /// Loads the `EtherType` (`SKF_AD_PROTOCOL`), as in [`Packet::protocol`].
    pub const fn load_protocol() -> Self {
        Self::load_word(ANCILLARY)
    }

    /// Loads the `ARPHRD_` number of the interface (`SKF_AD_HATYPE`).
    pub const fn load_hardware() -> Self {
        Self::load_word(ANCILLARY + 28)
    }

    /// Loads which way the frame goes, as in [`Packet::direction`] (`SKF_AD_PKTTYPE`).
    pub const fn load_direction() -> Self {
        Self::load_word(ANCILLARY + 4)
    }

    /// Loads whether the tag of a VLAN was taken out of the bytes (`SKF_AD_VLAN_TAG_PRESENT`): 0 if not.
    pub const fn load_tagged() -> Self {
        Self::load_word(ANCILLARY + 48)
    }

    /// Loads the `EtherType` that announced that tag (`SKF_AD_VLAN_TPID`), as in [`Vlan::protocol`].
    pub const fn load_tag_protocol() -> Self {
        Self::load_word(ANCILLARY + 60)
    }

    /// Leaves of what was loaded only the bits that this number has, too.
    pub const fn and(bits: u32) -> Self {
        Self::new(0x54, bits)
    }

    /// Compares what was loaded with a number, and skips instructions.
    pub const fn skip_if_equal(value: u32, on_true: u8, on_false: u8) -> Self {
        Self { code: 0x15, on_true, on_false, value }
    }

    /// The same, if what was loaded is more than the number.
    pub const fn skip_if_more(value: u32, on_true: u8, on_false: u8) -> Self {
        Self { code: 0x25, on_true, on_false, value }
    }

    /// The same, if it is the number or more.
    pub const fn skip_if_at_least(value: u32, on_true: u8, on_false: u8) -> Self {
        Self { code: 0x35, on_true, on_false, value }
    }

    /// The same, if they have a bit in common.
    pub const fn skip_if_any(bits: u32, on_true: u8, on_false: u8) -> Self {
        Self { code: 0x45, on_true, on_false, value: bits }
    }

    const fn new(code: u16, value: u32) -> Self {
        Self { code, on_true: 0, on_false: 0, value }
    }
}

/// `SKF_AD_OFF`, −4096: loads from there are no bytes of the frame.
const ANCILLARY: u32 = 0xffff_f000;

/// The third of `enum tpacket_versions`, which begins with 0.
const TPACKET_V3: c_int = 2;

/// The ring.
#[derive(Debug)]
pub struct PacketRing {
    socket: OwnedFd,
    map: Map,
    block_size: usize,
    block_count: usize,
    /// The block that the kernel fills next, or has filled; blocks are counted on and on.
    next: u64,
    /// The one that was taken first of those that are ours; `next` where none is.
    oldest: u64,
    tells_segments: bool,
}

// SAFETY: integers, in which every bit pattern is a value.
unsafe impl Plain for libc::tpacket_req3 {}
// SAFETY: as above.
unsafe impl Plain for libc::tpacket_stats_v3 {}
// SAFETY: as above.
unsafe impl Plain for libc::packet_mreq {}

impl PacketRing {
    /// Opens the ring; frames are kept from now on.
    ///
    /// Fails with [`io::ErrorKind::PermissionDenied`] without `CAP_NET_RAW`, with `ENODEV` where there is no
    /// such interface, with `EINVAL` for sizes that the kernel refuses, with `ENOMEM`. On an interface that
    /// is down it opens, and the first wait fails ([`take_error`](Self::take_error)).
    pub fn open(options: &RingOptions<'_>) -> io::Result<Self> {
        let kind = match options.start {
            Start::LinkHeader => libc::SOCK_RAW,
            Start::NetworkHeader => libc::SOCK_DGRAM,
        };
        // With protocol 0 nothing is received until the bind, when all the rest is set (packet(7)).
        // SAFETY: no memory is passed.
        let raw = check(unsafe {
            libc::socket(libc::AF_PACKET, kind | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, 0)
        })?;
        // SAFETY: the kernel has just given us this descriptor, and nobody else has it.
        let socket = unsafe { OwnedFd::from_raw_fd(raw) };
        let fd = socket.as_fd();
        fd::set_option(fd, libc::SOL_PACKET, libc::PACKET_VERSION, TPACKET_V3)?;
        if options.ignore_outgoing {
            fd::set_option(fd, libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, 1)?;
        }
        if options.tells_segments {
            fd::set_option(fd, libc::SOL_PACKET, libc::PACKET_VNET_HDR, 1)?;
        }
        fd::set_value(fd, libc::SOL_PACKET, libc::PACKET_RX_RING, &request(options))?;
        let (block_size, block_count) = (options.block_size as usize, options.block_count as usize);
        let length = block_size.checked_mul(block_count).ok_or(io::ErrorKind::InvalidInput)?;
        let map = Map::new(fd, length)?;
        let tells_segments = options.tells_segments;
        let ring = Self { socket, map, block_size, block_count, next: 0, oldest: 0, tells_segments };
        if !options.program.is_empty() {
            ring.attach(options.program)?;
        }
        if options.promiscuous {
            ring.be_promiscuous(options.interface.ok_or(io::ErrorKind::InvalidInput)?)?;
        }
        ring.bind(options.interface)?;
        Ok(ring)
    }

    /// From now on this program decides (`SO_ATTACH_FILTER`). Fails with `EINVAL` where it is none: too long
    /// (4,096), without an end on each way, with a jump behind it.
    pub fn attach(&self, program: &[Instruction]) -> io::Result<()> {
        let len = u16::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let program = libc::sock_fprog { len, filter: program.as_ptr().cast_mut().cast() };
        let length = libc::socklen_t::try_from(mem::size_of_val(&program)).unwrap_or(0);
        // SAFETY: an `Instruction` has the layout of `sock_filter`, as proved above; the kernel only reads
        // `len` of them, which are live.
        check(unsafe {
            libc::setsockopt(
                self.socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_ATTACH_FILTER,
                (&raw const program).cast(),
                length,
            )
        })?;
        Ok(())
    }

    fn be_promiscuous(&self, interface: u32) -> io::Result<()> {
        let membership = libc::packet_mreq {
            mr_ifindex: number(interface)?,
            // It is 1: it fits.
            mr_type: u16::try_from(libc::PACKET_MR_PROMISC).unwrap_or_default(),
            mr_alen: 0,
            mr_address: [0; 8],
        };
        fd::set_value(self.socket.as_fd(), libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &membership)
    }

    fn bind(&self, interface: Option<u32>) -> io::Result<()> {
        // SAFETY: all zeros are a `sockaddr_ll`: integers.
        let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
        // Both are small constants: they fit.
        address.sll_family = u16::try_from(libc::AF_PACKET).unwrap_or_default();
        address.sll_protocol = u16::try_from(libc::ETH_P_ALL).unwrap_or_default().to_be();
        address.sll_ifindex = number(interface.unwrap_or(0))?;
        let length = libc::socklen_t::try_from(mem::size_of_val(&address)).unwrap_or(0);
        // SAFETY: the pointer is to a live address of that length, which the kernel only reads.
        check(unsafe { libc::bind(self.socket.as_raw_fd(), (&raw const address).cast(), length) })?;
        Ok(())
    }

    /// Takes the next block that the kernel has filled, which is then ours until it is [given back](Self::give_back);
    /// gives its number, counted from 0. `None` while there is none: then give back those that are ours, and wait until
    /// the ring can be read.
    pub fn take(&mut self) -> Option<u64> {
        // Where all are ours the next one is one of them.
        let some_left = self.next - self.oldest < self.block_count as u64;
        // Acquire: what the kernel wrote before it marked the block ours is seen behind this.
        let filled = self.status(self.next).load(Ordering::Acquire) & libc::TP_STATUS_USER != 0;
        let number = self.next;
        (some_left && filled).then(|| {
            self.next += 1;
            number
        })
    }

    /// The frames of a block that is ours, in the order of their places, which is not always that of their times.
    pub fn packets(&self, block: u64) -> Packets<'_> {
        Packets::new(self.block(block), self.tells_segments)
    }

    /// So many bytes of a frame of a block that is ours, from where [`Packet::place`] says.
    pub fn bytes(&self, block: u64, place: usize, len: usize) -> &[u8] {
        let end = place.saturating_add(len);
        self.block(block).get(place..end).unwrap_or_default()
    }

    /// A block; nothing of one that is not ours.
    fn block(&self, number: u64) -> &[u8] {
        if !(self.oldest..self.next).contains(&number) {
            return &[];
        }
        // SAFETY: the block is mapped, and it is ours: the kernel does not write to it before it is given back, which
        // needs this ring for itself and so ends this borrow.
        unsafe { slice::from_raw_parts(self.start(number), self.block_size) }
    }

    /// Gives back the block that was taken first of those that are ours, if any is.
    pub fn give_back(&mut self) {
        if self.oldest < self.next {
            // Release: what we read of the block was read before the kernel may write to it.
            self.status(self.oldest).store(libc::TP_STATUS_KERNEL, Ordering::Release);
            self.oldest += 1;
        }
    }

    fn start(&self, number: u64) -> *mut u8 {
        // What a count of blocks leaves over is less than it: it fits.
        let place = usize::try_from(number % self.block_count.max(1) as u64).unwrap_or_default();
        // SAFETY: `place` is less than `block_count`, and so many blocks are mapped.
        unsafe { self.map.start.as_ptr().add(place * self.block_size) }
    }

    fn status(&self, number: u64) -> &AtomicU32 {
        let offset =
            offset_of!(libc::tpacket_block_desc, hdr) + offset_of!(libc::tpacket_hdr_v1, block_status);
        // SAFETY: the word is inside of the block, which is mapped as long as `self` lives and aligned to a
        // page; it is the one that the kernel and we hand the block over with, each by whole words.
        unsafe { AtomicU32::from_ptr(self.start(number).add(offset).cast()) }
    }

    /// What was counted since the last call (`PACKET_STATISTICS` starts anew each time).
    pub fn statistics(&self) -> io::Result<Statistics> {
        let (told, _): (libc::tpacket_stats_v3, _) =
            fd::option(self.socket.as_fd(), libc::SOL_PACKET, libc::PACKET_STATISTICS)?;
        Ok(Statistics { packets: told.tp_packets, drops: told.tp_drops, freezes: told.tp_freeze_q_cnt })
    }

    /// The error that made the socket ready, if any: `ENETDOWN` when the interface went down or away. Taking
    /// it lets the next wait wait.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        let (error, _): (c_int, _) = fd::option(self.socket.as_fd(), libc::SOL_SOCKET, libc::SO_ERROR)?;
        Ok((error != 0).then(|| io::Error::from_raw_os_error(error)))
    }
}

impl AsFd for PacketRing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// An interface as the kernel numbers it in addresses.
fn number(interface: u32) -> io::Result<c_int> {
    c_int::try_from(interface).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))
}

fn request(options: &RingOptions<'_>) -> libc::tpacket_req3 {
    libc::tpacket_req3 {
        tp_block_size: options.block_size,
        tp_block_nr: options.block_count,
        // In this version frames are as long as they are; these two must only fit the blocks.
        tp_frame_size: options.block_size,
        tp_frame_nr: options.block_count,
        // 0 would let the kernel choose.
        tp_retire_blk_tov: u32::try_from(options.retire.as_millis()).unwrap_or(u32::MAX).max(1),
        tp_sizeof_priv: 0,
        tp_feature_req_word: 0,
    }
}

/// What a ring counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Frames that the program let through, dropped ones among them.
    pub packets: u32,
    /// Frames for which there was no room.
    pub drops: u32,
    /// How often the kernel found no free block.
    pub freezes: u32,
}

/// Memory shared with the kernel.
#[derive(Debug)]
struct Map {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: it is memory like any other: owned here, and freed once, by whichever thread.
unsafe impl Send for Map {}
// SAFETY: through a shared borrow nothing is written: the status of a block is looked at, which is atomic, and blocks that are ours are read.
unsafe impl Sync for Map {}

impl Map {
    fn new(socket: BorrowedFd<'_>, length: usize) -> io::Result<Self> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at a place that the kernel chooses, over nothing that there is.
        let start =
            unsafe { libc::mmap(ptr::null_mut(), length, access, libc::MAP_SHARED, socket.as_raw_fd(), 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, length })
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and nothing borrows from it any more. It cannot fail for one that is.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

#[cfg(test)]
mod tests;
