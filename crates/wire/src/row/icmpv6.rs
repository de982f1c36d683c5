//! The row of a message of ICMP for IPv6.

use super::{Columns, icmp};
use crate::bytes::Bytes;
use crate::layer::{Icmpv6, Layer};
use crate::session::Frame;
use crate::text;

pub(super) fn write(columns: &mut Columns, frame: &Frame<'_>, header: Icmpv6, bytes: &[u8]) {
    columns.begin("ICMPv6");
    let code = if HANDOVER.contains(&header.kind) { bytes.u8_at(4) } else { Some(header.code) };
    type_and_code(columns, header.kind, code);
    match header.kind {
        Icmpv6::ECHO | Icmpv6::ECHO_REPLY => echo(columns, frame, bytes),
        135 => address(columns, " for ", bytes),
        136 => advertisement(columns, bytes),
        _ => {}
    }
    if let Some(at) = header.options() {
        link_addresses(columns, bytes, at);
    }
}

/// Types whose kind stands behind the checksum (RFC 4065 §4, RFC 5568 §6.1.1).
pub(super) const HANDOVER: [u8; 2] = [150, 154];

/// What the type is called and, where it is there, the code.
pub(super) fn type_and_code(columns: &mut Columns, kind: u8, code: Option<u8>) {
    if let Some(name) = type_name(kind) {
        columns.info.push_str(name);
    } else {
        columns.numbered("Unknown (", kind);
        columns.info.push(')');
    }
    if let Some(code) = code {
        self::code(columns, kind, code);
    }
}

fn echo(columns: &mut Columns, frame: &Frame<'_>, bytes: &[u8]) {
    let Some((id, sequence)) = bytes.be16(4).zip(bytes.be16(6)) else { return };
    columns.info.push_str(" id=0x");
    text::hex(u32::from(id), 4, &mut columns.info);
    columns.numbered(", seq=", sequence);
    let hops = frame.packet.layers().iter().rev().find_map(|placed| match placed.layer {
        Layer::Ipv6(ip) => Some(ip.hop_limit),
        _ => None,
    });
    if let Some(hops) = hops {
        columns.numbered(", hop limit=", hops);
    }
    icmp::partner(columns, frame);
}

/// The target of neighbour discovery (RFC 4861 §4.3).
fn address(columns: &mut Columns, label: &str, bytes: &[u8]) {
    if let Some(target) = bytes.array(8) {
        columns.info.push_str(label);
        text::ipv6(target, &mut columns.info);
    }
}

/// Solicited, override and router flags of an advertisement (RFC 4861 §4.4).
fn advertisement(columns: &mut Columns, bytes: &[u8]) {
    if bytes.len() < 24 {
        return;
    }
    address(columns, " ", bytes);
    let flags = bytes.u8_at(4).unwrap_or_default();
    columns.info.push_str(match flags >> 5 {
        0 => " (none)",
        1 => " (ovr)",
        2 => " (sol)",
        3 => " (sol, ovr)",
        4 => " (rtr)",
        5 => " (rtr, ovr)",
        6 => " (rtr, sol)",
        _ => " (rtr, sol, ovr)",
    });
}

/// What options say of hardware addresses (RFC 4861 §4.6.1); one of two units that ends in zeros holds an EUI-64 (RFC 4944
/// §8).
fn link_addresses(columns: &mut Columns, bytes: &[u8], mut at: usize) {
    const SOURCE: u8 = 1;
    const TARGET: u8 = 2;
    while let Some((kind, units)) = bytes.u8_at(at).zip(bytes.u8_at(at + 1)).filter(|(_, units)| *units > 0) {
        let (label, len) = match (kind, units) {
            (SOURCE, 1) => (" from ", 6),
            (TARGET, 1) => (" is at ", 6),
            (SOURCE | TARGET, 2) if bytes.get(at + 10..at + 16) == Some(&[0; 6]) => (" from ", 8),
            _ => ("", 0),
        };
        if let Some(link) = bytes.get(at + 2..at + 2 + len).filter(|link| !link.is_empty()) {
            columns.info.push_str(label);
            text::mac(link, &mut columns.info);
        }
        at += usize::from(units) * 8;
    }
}

fn code(columns: &mut Columns, kind: u8, code: u8) {
    let Some(names) = code_names(kind) else { return };
    match names.get(usize::from(code)).filter(|name| !name.is_empty()) {
        Some(name) => columns.info.extend([" (", name, ")"]),
        None if kind == 1 => columns.info.push_str(" (Unknown)"),
        None => {
            columns.numbered(" (Unknown (", code);
            columns.info.push_str("))");
        }
    }
}

fn code_names(kind: u8) -> Option<&'static [&'static str]> {
    Some(match kind {
        1 => &[
            "no route to destination",
            "Administratively prohibited",
            "Beyond scope of source address",
            "Address unreachable",
            "Port unreachable",
            "Source address failed ingress/egress policy",
            "Reject route to destination",
            "Error in Source Routing Header",
        ],
        3 => &["hop limit exceeded in transit", "fragment reassembly time exceeded"],
        4 => &[
            "erroneous header field encountered",
            "unrecognized Next Header type encountered",
            "unrecognized IPv6 option encountered",
            "IPv6 First Fragment has incomplete IPv6 Header Chain",
        ],
        138 => &["Command", "Result"],
        139 => &[
            "Query subject = IPv6 addresses",
            "Query subject = DNS name or empty",
            "Query subject = IPv4 addresses",
        ],
        140 => &["Successful", "Refused", "Unknown query type"],
        150 | 154 => &[
            "",
            "",
            "Router Solicitation for Proxy Advertisement",
            "Proxy Router Advertisement",
            "Handover Initiate",
            "Handover Acknowledge",
        ],
        155 => &[
            "DODAG Information Solicitation",
            "DODAG Information Object",
            "Destination Advertisement Object",
            "Destination Advertisement Object Acknowledgment",
            "P2P Discovery Reply Object",
            "P2P Discovery Reply Object Acknowledgement",
        ],
        160 => &["No error"],
        161 => &[
            "No error",
            "Malformed Query",
            "No Such Interface",
            "No Such Table Entry",
            "Multiple Interfaces Satisfy Query",
        ],
        _ => return None,
    })
}

fn type_name(kind: u8) -> Option<&'static str> {
    Some(match kind {
        1 => "Destination Unreachable",
        2 => "Packet Too Big",
        3 => "Time Exceeded",
        4 => "Parameter Problem",
        100 | 101 | 200 | 201 => "Private experimentation",
        127 => "Reserved for expansion of ICMPv6 error messages",
        128 => "Echo (ping) request",
        129 => "Echo (ping) reply",
        130 => "Multicast Listener Query",
        131 => "Multicast Listener Report",
        132 => "Multicast Listener Done",
        133 => "Router Solicitation",
        134 => "Router Advertisement",
        135 => "Neighbor Solicitation",
        136 => "Neighbor Advertisement",
        137 => "Redirect",
        138 => "Router Renumbering",
        139 => "Node Information Query",
        140 => "Node Information Reply",
        141 => "Inverse Neighbor Discovery Solicitation",
        142 => "Inverse Neighbor Discovery Advertisement",
        143 => "Multicast Listener Report Message v2",
        144 => "Home Agent Address Discovery Request",
        145 => "Home Agent Address Discovery Reply",
        146 => "Mobile Prefix Solicitation",
        147 => "Mobile Prefix Advertisement",
        148 => "Certification Path Solicitation",
        149 => "Certification Path Advertisement",
        150 => "Experimental Mobility",
        151 => "Multicast Router Advertisement",
        152 => "Multicast Router Solicitation",
        153 => "Multicast Router Termination",
        154 => "FMIPv6",
        155 => "RPL Control",
        156 => "Locator Update",
        157 => "Duplicate Address Request",
        158 => "Duplicate Address Confirmation",
        159 => "MPL Control Message",
        160 => "Extended Echo request",
        161 => "Extended Echo reply",
        255 => "Reserved for expansion of ICMPv6 informational messages",
        _ => return None,
    })
}
