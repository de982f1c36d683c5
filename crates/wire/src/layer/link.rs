//! Link layers: Ethernet, VLAN tags, Linux cooked captures, BSD loopback.

use crate::bytes::{ByteOrder, Bytes};

/// Ethernet II or IEEE 802.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ethernet {
    /// `eth.dst`
    pub destination: [u8; 6],
    /// `eth.src`
    pub source: [u8; 6],
    /// `eth.type`, or `eth.len` where it is at most 1500.
    pub ethertype: u16,
}

impl Ethernet {
    pub(crate) const LEN: usize = 14;
    /// The largest value that is a length and not a type (IEEE 802.3 §3.2.6).
    pub(crate) const LARGEST_LENGTH: u16 = 1500;
    /// The smallest value that is a type (IEEE 802.3 §3.2.6).
    pub(crate) const FIRST_TYPE: u16 = 0x600;

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        Some(Self { destination: bytes.array(0)?, source: bytes.array(6)?, ethertype: bytes.be16(12)? })
    }

    /// Whether the type is a length (IEEE 802.3 §3.2.6); zero is neither, and shown as a type.
    pub(crate) fn has_length(&self) -> bool {
        (1..=Self::LARGEST_LENGTH).contains(&self.ethertype)
    }
}

/// An IEEE 802.1Q tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vlan {
    /// Priority (3 bits), drop eligibility (1 bit), VLAN id (12 bits).
    pub control: u16,
    /// `vlan.etype`
    pub ethertype: u16,
}

impl Vlan {
    pub(crate) const LEN: usize = 4;

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        Some(Self { control: bytes.be16(0)?, ethertype: bytes.be16(2)? })
    }

    /// `vlan.priority`
    pub const fn priority(self) -> u16 {
        self.control >> 13
    }

    /// `vlan.dei`
    pub const fn drop_eligible(self) -> u16 {
        self.control >> 12 & 1
    }

    /// `vlan.id`
    pub const fn id(self) -> u16 {
        self.control & 0x0fff
    }
}

/// Linux cooked capture, version 1 (<https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sll {
    /// `sll.pkttype`: to us, broadcast, multicast, to somebody else, from us.
    pub packet_type: u16,
    /// `sll.hatype`: the ARPHRD type of the device.
    pub hardware_type: u16,
    /// `sll.halen`
    pub address_len: u16,
    /// The link-layer address of the sender, zeros after `address_len`.
    pub address: [u8; 8],
    /// `sll.etype`
    pub protocol: u16,
}

impl Sll {
    pub(crate) const LEN: usize = 16;

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            packet_type: bytes.be16(0)?,
            hardware_type: bytes.be16(2)?,
            address_len: bytes.be16(4)?,
            address: bytes.array(6)?,
            protocol: bytes.be16(14)?,
        })
    }
}

/// Linux cooked capture, version 2 (<https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL2.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sll2 {
    /// `sll.etype`
    pub protocol: u16,
    /// `sll.ifindex`
    pub interface: u32,
    /// `sll.hatype`
    pub hardware_type: u16,
    /// `sll.pkttype`
    pub packet_type: u8,
    /// `sll.halen`
    pub address_len: u8,
    /// The link-layer address of the sender, zeros after `address_len`.
    pub address: [u8; 8],
}

impl Sll2 {
    pub(crate) const LEN: usize = 20;

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            protocol: bytes.be16(0)?,
            interface: bytes.be32(4)?,
            hardware_type: bytes.be16(8)?,
            packet_type: bytes.u8_at(10)?,
            address_len: bytes.u8_at(11)?,
            address: bytes.array(12)?,
        })
    }
}

/// BSD loopback (`null.family`): the protocol family, in the order of the capturing host or of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loopback {
    /// `null.family`
    pub family: u32,
    /// The byte order in which the family made sense.
    pub order: ByteOrder,
}

impl Loopback {
    pub(crate) const LEN: usize = 4;
    /// `AF_INET`, everywhere.
    pub(crate) const INET: u32 = 2;
    /// `AF_INET6` of the BSDs and of Darwin.
    pub(crate) const INET6: [u32; 3] = [24, 28, 30];

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let family = bytes.be32(0)?;
        // A family fits in 16 bits: where the upper half is used, the other order was meant.
        Some(if family & 0xffff_0000 == 0 {
            Self { family, order: ByteOrder::Big }
        } else {
            Self { family: family.swap_bytes(), order: ByteOrder::Little }
        })
    }
}
