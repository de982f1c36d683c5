//! What most captures are full of, a TCP segment in IPv4 in Ethernet without anything rare, read in one step. The walk gives
//! the same, step by step.

use super::ip::Ipv4;
use super::link::Ethernet;
use super::transport::{Tcp, TcpFlags};
use super::{Layer, Placed, Source, View};
use crate::link::LinkType;

/// Such a frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plain {
    ethernet: Ethernet,
    pub(crate) ip: Ipv4,
    pub(crate) tcp: Tcp,
    usual_options: bool,
    /// The ends of what was captured, of the frame and of the IP packet in it, and those of what was on the wire.
    captured: [usize; 2],
    reported: [usize; 2],
}

impl Plain {
    /// Where the IP packet and the segment start: no tag is before them, and no option of IP between.
    const IP: usize = Ethernet::LEN;
    const TCP: usize = Self::IP + Ipv4::LEN;
    const HEADERS: usize = Self::TCP + Tcp::LEN;

    /// The frame, if it is such a one: all headers are captured, the packet is whole on the wire and no fragment.
    pub(crate) fn parse(link: LinkType, bytes: &[u8], wire_len: usize) -> Option<Self> {
        if link != LinkType::ETHERNET {
            return None;
        }
        let head: &[u8; Self::HEADERS] = bytes.first_chunk()?;
        let (ethernet, ip) = (Ethernet::parse(head)?, Ipv4::parse(head.get(Self::IP..)?)?);
        let version = head.get(Self::IP)? >> 4;
        let usual = (ethernet.ethertype, version, ip.header_len, ip.protocol) == (0x0800, 4, 20, 6);
        if !usual || ip.more_fragments() || ip.offset() > 0 {
            return None;
        }
        let mut tcp = Tcp::parse(head.get(Self::TCP..)?)?;
        let end = Self::IP + usize::from(ip.total_len);
        let options_end = Self::TCP + usize::from(tcp.header_len);
        let (captured, reported) = (bytes.len(), wire_len.max(bytes.len()));
        let whole = usize::from(tcp.header_len) >= Tcp::LEN
            && options_end <= end.min(captured)
            && end <= reported
            && (captured <= end || captured == reported);
        if !whole {
            return None;
        }
        tcp.payload_len = u32::try_from(end - options_end).ok();
        let segment = bytes.get(Self::TCP..)?;
        let usual_options = tcp.has_usual_options(segment);
        if !usual_options && tcp.has_broken_option(segment) {
            return None;
        }
        let (captured, reported) = ([captured, captured.min(end)], [reported, end]);
        Some(Self { ethernet, ip, tcp, usual_options, captured, reported })
    }

    /// Adds its layers.
    pub(crate) fn layers(&self, layers: &mut Vec<Placed>) {
        let [frame, captured] = self.captured;
        let [reported, end] = self.reported;
        let view = |start| View { source: Source::Frame, start, captured, reported: end };
        let whole = View { source: Source::Frame, start: 0, captured: frame, reported };
        layers.reserve(4);
        layers.push(Placed { layer: Layer::Ethernet(self.ethernet), view: whole });
        layers.push(Placed { layer: Layer::Ipv4(self.ip), view: view(Self::IP) });
        layers.push(Placed { layer: Layer::Tcp(self.tcp), view: view(Self::TCP) });
        if self.tcp.payload_len != Some(0) {
            let start = Self::TCP + usize::from(self.tcp.header_len);
            layers.push(Placed { layer: Layer::Data, view: view(start) });
        }
    }

    /// Whether its segment asks for no connection, and has no options whose meaning outlives it.
    pub(crate) const fn says_nothing_lasting(&self) -> bool {
        self.usual_options && !self.tcp.flags.any(TcpFlags::SYN)
    }
}

#[cfg(test)]
mod tests {
    use super::super::dissect::step_by_step;
    use super::*;
    use crate::session::tests::{craft::packets::Dice, ethernet_captures};

    #[test]
    fn a_plain_frame_has_the_layers_that_the_walk_finds() {
        let mut dice = Dice::new(7);
        let mut place = |len: usize| usize::try_from(dice.roll(u32::try_from(len).unwrap() + 1)).unwrap();
        let (mut plain_ones, mut layers, mut walked) = (0, Vec::new(), Vec::new());
        for (_, frame, wire_len) in ethernet_captures().into_iter().flat_map(|capture| capture.frames) {
            for turn in 0..28 {
                let (mut frame, mut wire_len) = (frame.clone(), wire_len);
                for _ in 0..turn % 4 {
                    // Of the headers, where it matters.
                    let at = place(79).min(frame.len().saturating_sub(1));
                    let value = [place(255), 0, 5, 0x45, 0x50, 0x80][place(5)];
                    let value = u8::try_from(value).unwrap();
                    frame.get_mut(at).into_iter().for_each(|byte| *byte = value);
                }
                match turn % 7 {
                    5 => frame.truncate(place(frame.len())),
                    6 => wire_len = place(wire_len + 9),
                    _ => {}
                }
                let Some(plain) = Plain::parse(LinkType::ETHERNET, &frame, wire_len) else { continue };
                layers.clear();
                walked.clear();
                plain.layers(&mut layers);
                let packet = step_by_step(LinkType::ETHERNET, &frame, wire_len, &mut walked);
                assert_eq!((&layers, packet.stop(), packet.in_quote()), (&walked, None, false), "{frame:x?}");
                assert!(!packet.trailer_cut());
                plain_ones += 1;
            }
        }
        assert!(plain_ones > 10_000, "{plain_ones}");
    }
}
