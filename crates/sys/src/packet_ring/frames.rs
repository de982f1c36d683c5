//! The frames of a block, as the kernel writes them.

use crate::fd::Plain;
use std::mem::{self, offset_of};
use std::ptr;

// SAFETY: integers, in which every bit pattern is a value.
unsafe impl Plain for libc::tpacket3_hdr {}
// SAFETY: as above.
unsafe impl Plain for libc::tpacket_hdr_v1 {}
// SAFETY: as above.
unsafe impl Plain for libc::sockaddr_ll {}

/// Walks the frames of a block. No length that stands in it is trusted: what does not fit ends the walk.
#[derive(Clone, Debug)]
pub struct Packets<'a> {
    block: &'a [u8],
    offset: usize,
    left: u32,
    tells_segments: bool,
}

impl<'a> Packets<'a> {
    pub(super) fn new(block: &'a [u8], tells_segments: bool) -> Self {
        let header: Option<libc::tpacket_hdr_v1> = value(block, offset_of!(libc::tpacket_block_desc, hdr));
        let (offset, left) =
            header.map_or((0, 0), |header| (header.offset_to_first_pkt as usize, header.num_pkts));
        Self { block, offset, left, tells_segments }
    }
}

impl<'a> Iterator for Packets<'a> {
    type Item = Packet<'a>;

    fn next(&mut self) -> Option<Packet<'a>> {
        self.left = self.left.checked_sub(1)?;
        let header: libc::tpacket3_hdr = value(self.block, self.offset)?;
        let address = mem::size_of_val(&header).next_multiple_of(libc::TPACKET_ALIGNMENT);
        let address: libc::sockaddr_ll = value(self.block, self.offset.checked_add(address)?)?;
        let begin = self.offset.checked_add(header.tp_mac.into())?;
        let end = begin.checked_add(header.tp_snaplen as usize)?;
        let bytes = self.block.get(begin..end)?;
        self.offset = self.offset.checked_add(header.tp_next_offset as usize)?;
        Some(Packet {
            seconds: header.tp_sec,
            nanoseconds: header.tp_nsec,
            place: begin,
            bytes,
            wire_len: header.tp_len,
            interface: u32::try_from(address.sll_ifindex).unwrap_or(0),
            hardware: address.sll_hatype,
            direction: address.sll_pkttype,
            protocol: u16::from_be(address.sll_protocol),
            address: address.sll_addr,
            address_len: address.sll_halen,
            vlan: vlan(&header),
            segment_size: self.tells_segments.then(|| segment_size(self.block, begin)).flatten(),
            checksum_missing: header.tp_status & libc::TP_STATUS_CSUMNOTREADY != 0,
        })
    }
}

/// What `struct virtio_net_hdr`, which stands before the frame, says of segments of TCP (`include/uapi/linux/virtio_net.h`).
fn segment_size(block: &[u8], frame: usize) -> Option<u16> {
    const HEADER: usize = 10;
    const TCPV4: u8 = 1;
    const TCPV6: u8 = 4;
    const ECN: u8 = 0x80;
    let header: &[u8; HEADER] = block.get(frame.checked_sub(HEADER)?..)?.first_chunk()?;
    let [_, kind, _, _, low, high, ..] = *header;
    matches!(kind & !ECN, TCPV4 | TCPV6).then(|| u16::from_ne_bytes([low, high])).filter(|size| *size > 0)
}

fn vlan(header: &libc::tpacket3_hdr) -> Option<Vlan> {
    const ETH_P_8021Q: u16 = 0x8100;
    let has = |flag| header.tp_status & flag != 0;
    let protocol = if has(libc::TP_STATUS_VLAN_TPID_VALID) { header.hv1.tp_vlan_tpid } else { ETH_P_8021Q };
    // The kernel's field is wider than the tag.
    let control = u16::try_from(header.hv1.tp_vlan_tci & 0xffff).unwrap_or_default();
    has(libc::TP_STATUS_VLAN_VALID).then_some(Vlan { protocol, control })
}

/// A copy of the value at this place, if it fits.
fn value<T: Plain>(bytes: &[u8], offset: usize) -> Option<T> {
    let bytes = bytes.get(offset..)?.get(..mem::size_of::<T>())?;
    // SAFETY: the bytes are as many as the value has, and `Plain` promises that any are one.
    Some(unsafe { ptr::read_unaligned(bytes.as_ptr().cast()) })
}

/// One frame.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// When, in seconds after 1970-01-01 UTC.
    pub seconds: u32,
    /// And nanoseconds.
    pub nanoseconds: u32,
    /// Where its bytes begin in the block.
    pub place: usize,
    /// What was kept of it, from where [`Start`](super::Start) says, without the VLAN tag.
    pub bytes: &'a [u8],
    /// How many bytes it has from there.
    pub wire_len: u32,
    /// The number of the interface that it passed.
    pub interface: u32,
    /// Its `ARPHRD_` number.
    pub hardware: u16,
    /// Which way it goes: `PACKET_HOST` 0, broadcast 1, multicast 2, to somebody else 3, outgoing 4.
    pub direction: u8,
    /// The `EtherType`, behind the VLAN tag if there was one; below 0x600 a number of `if_ether.h`.
    pub protocol: u16,
    /// The link address of its sender, from the first byte on.
    pub address: [u8; 8],
    /// How long that is, which may be more than there is room for.
    pub address_len: u8,
    /// The VLAN tag that was taken out of the bytes.
    pub vlan: Option<Vlan>,
    /// Whether the checksums of TCP and UDP are not filled in, which the device was to do.
    pub checksum_missing: bool,
    /// How many bytes each segment of TCP has, into which the device is to cut the frame, where that was
    /// [asked for](super::RingOptions::tells_segments) and it is to be cut.
    pub segment_size: Option<u16>,
}

/// The tag of a VLAN (IEEE 802.1Q).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vlan {
    /// The `EtherType` that announces it: 0x8100, 0x88a8.
    pub protocol: u16,
    /// Priority, drop eligibility, and the VLAN's number in the lower 12 bits.
    pub control: u16,
}
