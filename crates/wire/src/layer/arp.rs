//! ARP and its relatives (RFC 826, RFC 903, RFC 2390).

use crate::bytes::Bytes;

/// An ARP header: the addresses follow, with the lengths that it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// `arp.hw.type`
    pub hardware_type: u16,
    /// `arp.proto.type`
    pub protocol_type: u16,
    /// `arp.hw.size`
    pub hardware_len: u8,
    /// `arp.proto.size`
    pub protocol_len: u8,
    /// `arp.opcode`
    pub opcode: u16,
}

impl Arp {
    pub(crate) const LEN: usize = 8;
    pub(crate) const REQUEST: u16 = 1;
    pub(crate) const REPLY: u16 = 2;
    /// A hardware type whose header is another one (RFC 2225 §6), which is not decoded here.
    pub(crate) const ATM: u16 = 19;

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            hardware_type: bytes.be16(0)?,
            protocol_type: bytes.be16(2)?,
            hardware_len: bytes.u8_at(4)?,
            protocol_len: bytes.u8_at(5)?,
            opcode: bytes.be16(6)?,
        })
    }

    /// Header and addresses.
    pub const fn total_len(&self) -> usize {
        Self::LEN + 2 * (self.hardware_len as usize + self.protocol_len as usize)
    }

    /// The four addresses in `bytes` (from the header's start): sender hardware and protocol, target hardware and
    /// protocol.
    pub fn addresses<'a>(&self, bytes: &'a [u8]) -> Option<[&'a [u8]; 4]> {
        let (hardware, protocol) = (usize::from(self.hardware_len), usize::from(self.protocol_len));
        let rest = bytes.get(Self::LEN..self.total_len())?;
        let (sender_hardware, rest) = rest.split_at_checked(hardware)?;
        let (sender_protocol, rest) = rest.split_at_checked(protocol)?;
        let (target_hardware, target_protocol) = rest.split_at_checked(hardware)?;
        Some([sender_hardware, sender_protocol, target_hardware, target_protocol])
    }
}
