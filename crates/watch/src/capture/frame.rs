//! From what the kernel gives to what a capture file holds.

use super::{Beside, Way};
use enchufe_sys::packet_ring::Packet;
use enchufe_wire::{LinkType, Timestamp};

/// Two Ethernet addresses; the tag of a VLAN stands behind them.
const ADDRESSES: usize = 12;
const TAG: u32 = 4;
/// The header of a Linux cooked capture, version 2
/// (<https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL2.html>).
const COOKED: u32 = 20;

pub(super) fn time(packet: &Packet<'_>) -> Timestamp {
    Timestamp::from_nanos(i64::from(packet.seconds) * 1_000_000_000 + i64::from(packet.nanoseconds))
}

/// `PACKET_OUTGOING`
const OUTGOING: u8 = 4;

/// What is known beside the bytes.
pub(super) fn beside(packet: &Packet<'_>) -> Beside {
    let way = if packet.direction == OUTGOING { Way::Sent } else { Way::Received };
    Beside { way, segment_size: packet.segment_size }
}

/// How long the frame was on the wire, with what [`write()`] adds.
pub(super) fn wire_len(link: LinkType, packet: &Packet<'_>) -> u32 {
    let header = if link == LinkType::LINUX_SLL2 { COOKED } else { 0 };
    let tag = if packet.vlan.is_some() && link != LinkType::RAW { TAG } else { 0 };
    packet.wire_len.saturating_add(header + tag)
}

/// How many of the frame's bytes [`write()`] would write, if it would write them as they are.
pub(super) fn as_it_is(link: LinkType, snaplen: u32, packet: &Packet<'_>) -> Option<usize> {
    let stays = match link {
        LinkType::LINUX_SLL2 => false,
        LinkType::ETHERNET => packet.vlan.is_none(),
        _ => true,
    };
    stays.then(|| packet.bytes.len().min(usize::try_from(snaplen).unwrap_or(usize::MAX)))
}

/// Writes at most `snaplen` bytes of the frame, with the VLAN tag that the kernel took out of it.
pub(super) fn write(link: LinkType, snaplen: u32, packet: &Packet<'_>, out: &mut Vec<u8>) {
    match (link, packet.vlan, packet.bytes.split_at_checked(ADDRESSES)) {
        (LinkType::LINUX_SLL2, ..) => cooked(packet, out),
        (LinkType::ETHERNET, Some(tag), Some((addresses, rest))) => {
            out.extend_from_slice(addresses);
            out.extend_from_slice(&tag.protocol.to_be_bytes());
            out.extend_from_slice(&tag.control.to_be_bytes());
            out.extend_from_slice(rest);
        }
        _ => out.extend_from_slice(packet.bytes),
    }
    out.truncate(usize::try_from(snaplen).unwrap_or(usize::MAX));
}

fn cooked(packet: &Packet<'_>, out: &mut Vec<u8>) {
    let protocol = packet.vlan.map_or(packet.protocol, |tag| tag.protocol);
    out.extend_from_slice(&protocol.to_be_bytes());
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&packet.interface.to_be_bytes());
    out.extend_from_slice(&packet.hardware.to_be_bytes());
    out.extend_from_slice(&[packet.direction, packet.address_len]);
    out.extend_from_slice(&packet.address);
    if let Some(tag) = packet.vlan {
        out.extend_from_slice(&tag.control.to_be_bytes());
        out.extend_from_slice(&packet.protocol.to_be_bytes());
    }
    out.extend_from_slice(packet.bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use enchufe_sys::packet_ring::Vlan;

    const BYTES: [u8; 18] = [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 0x08, 0x00, 0x45, 0, 0, 20];
    const TAGGED: Option<Vlan> = Some(Vlan { protocol: 0x88a8, control: 0x6005 });

    fn packet(bytes: &[u8], vlan: Option<Vlan>) -> Packet<'_> {
        Packet {
            seconds: 3,
            nanoseconds: 7,
            place: 0,
            bytes,
            wire_len: 100,
            interface: 2,
            hardware: 1,
            direction: 4,
            protocol: 0x0800,
            address: [9, 8, 7, 6, 5, 4, 0, 0],
            address_len: 6,
            vlan,
            checksum_missing: false,
            segment_size: None,
        }
    }

    fn written(link: LinkType, snaplen: u32, packet: &Packet<'_>) -> (Vec<u8>, u32) {
        let mut out = Vec::new();
        write(link, snaplen, packet, &mut out);
        if let Some(len) = as_it_is(link, snaplen, packet) {
            assert_eq!(packet.bytes.get(..len), Some(&out[..]));
        }
        (out, wire_len(link, packet))
    }

    #[test]
    fn a_frame_without_a_tag_stays_as_it_is() {
        let plain = packet(&BYTES, None);
        assert_eq!(written(LinkType::ETHERNET, 99, &plain), (BYTES.to_vec(), 100));
        assert_eq!(written(LinkType::RAW, 99, &plain), (BYTES.to_vec(), 100));
        assert_eq!(time(&plain).nanos(), 3_000_000_007);
    }

    #[test]
    fn a_tag_is_put_back_behind_the_addresses() {
        let whole = [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 0x88, 0xa8, 0x60, 5, 8, 0, 0x45, 0, 0, 20];
        let tagged = packet(&BYTES, TAGGED);
        assert_eq!(written(LinkType::ETHERNET, 99, &tagged), (whole.to_vec(), 104));
        let cut = whole.iter().copied().take(15).collect();
        assert_eq!(written(LinkType::ETHERNET, 15, &tagged), (cut, 104));
        assert_eq!(written(LinkType::ETHERNET, 99, &packet(&[1, 2], TAGGED)), (vec![1, 2], 104));
    }

    #[test]
    fn a_cooked_frame_says_where_it_passed() {
        let header = [8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 4, 6, 9, 8, 7, 6, 5, 4, 0, 0];
        assert_eq!(written(LinkType::LINUX_SLL2, 99, &packet(&[0x45], None)), {
            ([header.as_slice(), &[0x45]].concat(), 120)
        });
        let (bytes, wire_len) = written(LinkType::LINUX_SLL2, 99, &packet(&[0x45], TAGGED));
        assert_eq!((bytes.get(..2), bytes.get(20..), wire_len), {
            (Some([0x88, 0xa8].as_slice()), Some([0x60, 5, 8, 0, 0x45].as_slice()), 124)
        });
    }
}
