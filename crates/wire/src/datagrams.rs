//! The numbers of UDP's conversations.

use crate::layer::{Layer, Packet, Placed, Udp};
use crate::session::{Memory, addresses_in};
use crate::tcp::Endpoint;

/// The two ends of each conversation, the smaller one first, and its number.
#[derive(Debug, Default)]
pub(crate) struct Datagrams {
    streams: Memory<(Endpoint, Endpoint), u32>,
}

impl Datagrams {
    /// `udp.stream` of the datagram in this packet, or of the one that an ICMP error in it quotes.
    pub(crate) fn stream(&mut self, packet: &Packet<'_>) -> Option<u32> {
        let (layers, udp) = [packet.layers(), packet.quoted()]
            .into_iter()
            .find_map(|layers| Some((layers, datagram(layers)?)))?;
        let [mut source, mut destination] = addresses_in(layers)?;
        // A length that cannot be ends what is read of it, but for that of a jumbogram (RFC 2675 §4).
        let jumbo = udp.len == 0 && source.ipv6;
        if usize::from(udp.len) < Udp::LEN && !jumbo {
            return None;
        }
        (source.port, destination.port) = (udp.source_port, udp.destination_port);
        let key = if source <= destination { (source, destination) } else { (destination, source) };
        let next = u32::try_from(self.streams.len()).ok()?;
        self.streams.known_or(key, next)
    }

    /// How many datagrams have no number because there are too many conversations.
    pub(crate) const fn left_out(&self) -> u64 {
        self.streams.left_out
    }
}

fn datagram(layers: &[Placed]) -> Option<Udp> {
    layers.iter().rev().find_map(|placed| match placed.layer {
        Layer::Udp(udp) => Some(udp),
        _ => None,
    })
}
