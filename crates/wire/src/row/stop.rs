//! What a dissection that ended early still shows.

use super::{Columns, icmpv6, udp};
use crate::layer::{Icmpv6, Layer, Packet, Protocol, Stop, StopReason, Vlan};

pub(super) fn write(columns: &mut Columns, packet: &Packet<'_>, stop: &Stop) {
    // What an ICMP error quotes changes no column, and that it is not whole is no fault.
    if packet.in_quote() {
        if stop.reason != StopReason::CutShort {
            return;
        }
    } else {
        begin(columns, packet, stop);
        partial_header(columns, packet, stop);
        fault(columns, packet, stop);
    }
    columns.info.push_str(match stop.reason {
        StopReason::CutShort => "[Packet size limited during capture]",
        StopReason::Malformed | StopReason::ShortIpv6(_) => "[Malformed Packet]",
        StopReason::MalformedOption => {
            "[Malformed Packet: length of contained item exceeds length of containing item]"
        }
        _ => "",
    });
}

/// The protocol, where its layer was not reached.
fn begin(columns: &mut Columns, packet: &Packet<'_>, stop: &Stop) {
    let ipv4 = packet.layers().iter().any(|placed| matches!(placed.layer, Layer::Ipv4(_)));
    let named = match stop.protocol {
        Protocol::Ethernet => "Ethernet",
        Protocol::Vlan => "VLAN",
        Protocol::Sll | Protocol::Sll2 => "SLL",
        Protocol::Arp => "ARP",
        // Nothing of a packet inside another says nothing of it.
        Protocol::Ip if stop.view.captured_len() == 0 && inside_ip(packet) => return,
        Protocol::Ip => "IP",
        Protocol::Ipv4 if !ipv4 => "IPv4",
        Protocol::Ipv6 => "IPv6",
        Protocol::Icmp if columns.protocol != "ICMP" => "ICMP",
        Protocol::Icmpv6 if columns.protocol != "ICMPv6" => "ICMPv6",
        // Without both ports the columns stay as IP left them.
        Protocol::Udp | Protocol::Tcp if stop.view.captured_len() < 4 => return,
        Protocol::Udp if columns.protocol != "UDP" => "UDP",
        Protocol::Tcp if !columns.protocol.ends_with("TCP") => "TCP",
        Protocol::Raw | Protocol::Loopback => "N/A",
        _ => return,
    };
    columns.begin(named);
}

fn inside_ip(packet: &Packet<'_>) -> bool {
    packet.layers().iter().any(|placed| matches!(placed.layer, Layer::Ipv4(_) | Layer::Ipv6(_)))
}

/// What can be said of a header that is not whole.
fn partial_header(columns: &mut Columns, packet: &Packet<'_>, stop: &Stop) {
    let bytes = packet.slice(stop.view);
    match (stop.protocol, bytes) {
        (Protocol::Raw, _) => columns.info.push_str("Raw packet data"),
        (Protocol::Loopback, _) => columns.info.push_str("Null/Loopback"),
        (Protocol::Vlan, [first, second, ..]) => {
            columns.tag(Vlan { control: u16::from_be_bytes([*first, *second]), ethertype: 0 });
        }
        (Protocol::Icmpv6, [kind, rest @ ..]) if bytes.len() < Icmpv6::LEN => {
            columns.info.clear();
            let code = rest.first().copied().filter(|_| !icmpv6::HANDOVER.contains(kind));
            icmpv6::type_and_code(columns, *kind, code);
        }
        (Protocol::Ipv6Extension, [] | [_]) => match packet.layers().last().map(|placed| placed.layer) {
            Some(Layer::Ipv6(ip)) => columns.extension(ip.next_header),
            Some(Layer::Ipv6Extension(extension)) => columns.extension(extension.next_header),
            Some(Layer::Ipv6Fragment(header)) => columns.extension(header.next_header),
            _ => {}
        },
        _ => {}
    }
}

/// What is wrong with the header.
fn fault(columns: &mut Columns, packet: &Packet<'_>, stop: &Stop) {
    match stop.reason {
        StopReason::Version(version) if stop.protocol == Protocol::Ip => {
            columns.numbered("Bogus IP version (", version);
            columns.info.push(')');
        }
        StopReason::Version(version) => {
            let (name, must) = if stop.protocol == Protocol::Ipv6 { ("IPv6", "6") } else { ("IPv4", "4") };
            columns.info.extend(["Bogus ", name]);
            columns.numbered(" version (", version);
            columns.info.extend([", must be ", must, ")"]);
        }
        StopReason::HeaderLength(len) if stop.protocol == Protocol::Ipv4 => {
            columns.numbered("Bogus IP header length (", len);
            columns.info.push_str(", must be at least 20)");
        }
        StopReason::TotalLength { total, header } => {
            columns.numbered("Bogus IP length (", total);
            columns.numbered(", less than header length ", header);
            columns.info.push(')');
        }
        StopReason::ShortIpv6(len) => {
            columns.numbered("Invalid IPv6 header (", u64::try_from(len).unwrap_or(u64::MAX));
            columns.info.push_str(" bytes, need exactly 40)");
        }
        StopReason::CutShort | StopReason::Malformed => udp::ports_alone(columns, packet, stop),
        _ => {}
    }
}
