//! The row of a UDP datagram.

use super::Columns;
use crate::bytes::Bytes;
use crate::layer::{Layer, Packet, Protocol, Stop, Udp, View};
use crate::session::Frame;
use crate::text;

pub(super) fn write(columns: &mut Columns, frame: &Frame<'_>, udp: &Udp, view: View) {
    columns.begin("UDP");
    ports(columns, udp.source_port, udp.destination_port);
    let ipv6 = frame.packet.layers().iter().rev().find_map(|placed| match placed.layer {
        Layer::Ipv4(_) => Some(false),
        Layer::Ipv6(_) => Some(true),
        _ => None,
    });
    let ipv6 = ipv6.unwrap_or(false);
    let header = u16::try_from(Udp::LEN).unwrap_or_default();
    if udp.len < header && !(ipv6 && udp.len == 0) {
        columns.numbered(" [BAD UDP LENGTH ", udp.len);
        columns.info.push_str(" < 8]");
        return;
    }
    let reported = view.reported_len();
    let len = if udp.len == 0 {
        u64::try_from(reported.saturating_sub(Udp::LEN)).unwrap_or_default()
    } else {
        u64::from(udp.len - header)
    };
    if usize::from(udp.len) > reported && !udp.fragmented {
        columns.numbered(" [BAD UDP LENGTH ", udp.len);
        columns.info.push_str(" > IP PAYLOAD LENGTH]");
    }
    columns.numbered(" Len=", len);
    if udp.len == 0 {
        columns.info.push_str(" [Jumbogram]");
    }
    if ipv6 && udp.checksum == 0 {
        columns.info.push_str(" [ILLEGAL CHECKSUM (0)]");
    }
}

pub(super) fn ports(columns: &mut Columns, source: u16, destination: u16) {
    text::decimal(u64::from(source), &mut columns.info);
    columns.info.push_str(" → ");
    text::decimal(u64::from(destination), &mut columns.info);
}

/// The ports, where a transport header is cut after them.
pub(super) fn ports_alone(columns: &mut Columns, packet: &Packet<'_>, stop: &Stop) {
    let bytes = packet.slice(stop.view);
    let (protocol, header) = match stop.protocol {
        Protocol::Tcp => ("TCP", 16),
        Protocol::Udp => ("UDP", Udp::LEN),
        _ => return,
    };
    if bytes.len() >= header {
        return;
    }
    let Some((source, destination)) = bytes.be16(0).zip(bytes.be16(2)) else { return };
    columns.begin(protocol);
    ports(columns, source, destination);
    if protocol == "UDP"
        && let Some(len) = bytes.be16(4)
    {
        let fragmented = packet.layers().iter().any(|placed| match placed.layer {
            Layer::Ipv4(ip) => ip.more_fragments(),
            _ => false,
        });
        if usize::from(len) > stop.view.reported_len() && !fragmented {
            columns.numbered(" [BAD UDP LENGTH ", len);
            columns.info.push_str(" > IP PAYLOAD LENGTH]");
        }
        columns.numbered(" Len=", u64::from(len).saturating_sub(8));
    }
}
