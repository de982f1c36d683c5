//! Source and destination of a row.

use super::Columns;
use crate::bytes::Bytes;
use crate::layer::{Ipv4, Ipv6Extension, Layer, Packet, Placed, Protocol, Sll, Stop, StopReason};
use crate::text;

/// What stands where no layer has addresses.
const NONE: &str = "N/A";

/// The addresses of the innermost layer that has some.
pub(super) fn write(columns: &mut Columns, packet: &Packet<'_>) {
    let (source, destination) = (&mut columns.source, &mut columns.destination);
    if packet.stop().is_some_and(|stop| partial_addresses(packet, stop, source, destination)) {
        return;
    }
    let mut routed = None;
    let mut layers = packet.layers().iter().rev();
    let found = layers.any(|placed| of_layer(packet, placed, &mut routed, source, destination));
    if !found && packet.layers().is_empty() && packet.stop().is_none_or(says_none) {
        source.push_str(NONE);
        destination.push_str(NONE);
    }
}

/// Writes a layer's addresses, if it has some.
fn of_layer(
    packet: &Packet<'_>,
    placed: &Placed,
    routed: &mut Option<Ipv6Extension>,
    source: &mut String,
    destination: &mut String,
) -> bool {
    match &placed.layer {
        Layer::Ipv6Extension(extension) => {
            *routed = routed.or(extension.final_destination.map(|_| *extension));
            return false;
        }
        Layer::Ipv4(ip) => {
            text::ipv4(ip.source, source);
            text::ipv4(ip.destination, destination);
        }
        Layer::Ipv6(ip) => {
            text::ipv6(ip.source, source);
            let end = routed.and_then(|routed| routed.leads_to(ip.destination));
            text::ipv6(end.unwrap_or(ip.destination), destination);
        }
        Layer::Ethernet(ethernet) => {
            text::mac(&ethernet.source, source);
            text::mac(&ethernet.destination, destination);
        }
        Layer::Sll(Sll { address_len: 6, address: [address @ .., _, _], .. }) => text::mac(address, source),
        Layer::Sll2(sll) if sll.address_len == 6 => {
            text::mac(sll.address.get(..6).unwrap_or_default(), source);
        }
        Layer::Loopback(_) => {
            source.push_str(NONE);
            destination.push_str(NONE);
        }
        Layer::Data if packet.layers().len() == 1 => {
            source.push_str(NONE);
            destination.push_str(NONE);
        }
        _ => return false,
    }
    true
}

/// Whether a dissection that ended at its first layer says that it has no addresses, rather than nothing.
fn says_none(stop: &Stop) -> bool {
    let link = matches!(stop.protocol, Protocol::Ethernet | Protocol::Sll | Protocol::Sll2 | Protocol::Frame);
    !link && !matches!(stop.reason, StopReason::Version(_))
}

/// The addresses that a header cut in its middle still has.
fn partial_addresses(
    packet: &Packet<'_>,
    stop: &Stop,
    source: &mut String,
    destination: &mut String,
) -> bool {
    if packet.in_quote() {
        return false;
    }
    let bytes = packet.slice(stop.view);
    match stop.protocol {
        Protocol::Ethernet => {
            if let Some(address) = bytes.array::<6>(0) {
                text::mac(&address, destination);
            }
            if let Some(address) = bytes.array::<6>(6) {
                text::mac(&address, source);
            } else {
                // Inside IP what carries it still shows.
                let mut layers = packet.layers().iter().rev();
                layers.any(|placed| of_layer(packet, placed, &mut None, source, &mut String::new()));
            }
            true
        }
        Protocol::Ipv4 if matches!(stop.reason, StopReason::CutShort | StopReason::Malformed) => {
            let header = bytes.first().map_or(0, |first| usize::from(first & 0x0f) * 4);
            let cut = |_: &[u8; 4]| bytes.len() < header && !Ipv4::has_route(bytes);
            let Some(address) = bytes.array::<4>(12).filter(cut) else { return false };
            text::ipv4(address, source);
            outer(packet, stop, destination);
            true
        }
        Protocol::Ipv6 if !matches!(stop.reason, StopReason::Version(_)) => {
            let Some(address) = bytes.array::<16>(8).filter(|_| bytes.len() < 40) else { return false };
            text::ipv6(address, source);
            outer(packet, stop, destination);
            true
        }
        _ => false,
    }
}

/// The destination column as the layers below left it.
fn outer(packet: &Packet<'_>, stop: &Stop, destination: &mut String) {
    let below = packet.layers().iter().filter(|placed| placed.view.start < stop.view.start);
    let mut below = below.rev();
    let (mut source, mut routed) = (String::new(), None);
    if !below.any(|placed| of_layer(packet, placed, &mut routed, &mut source, destination))
        && packet.layers().len() < 2
    {
        destination.clear();
        destination.push_str(NONE);
    }
}
