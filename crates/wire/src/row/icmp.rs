//! The row of an ICMP message.

use super::Columns;
use crate::bytes::Bytes;
use crate::layer::{Icmp, Layer};
use crate::session::{Echo, Frame};
use crate::text;

/// Type names are padded to this width.
const WIDTH: usize = 20;

pub(super) fn write(columns: &mut Columns, frame: &Frame<'_>, icmp: Icmp, bytes: &[u8]) {
    columns.begin("ICMP");
    let name = type_name(icmp);
    columns.info.push_str(name);
    columns.info.extend(std::iter::repeat_n(' ', WIDTH.saturating_sub(name.len())));
    if let Some(codes) = code_names(icmp.kind) {
        if let Some((_, name)) = codes.iter().find(|(code, _)| *code == icmp.code) {
            columns.info.extend([" (", name, ")"]);
        } else {
            columns.numbered(" (Unknown code: ", icmp.code);
            columns.info.push(')');
        }
    }
    let queries = matches!(icmp.kind, Icmp::ECHO | Icmp::ECHO_REPLY | 13..=18);
    let (true, Some((id, sequence))) = (queries, bytes.be16(4).zip(bytes.be16(6))) else { return };
    columns.info.push_str(" id=0x");
    text::hex(u32::from(id), 4, &mut columns.info);
    columns.numbered(", seq=", sequence);
    columns.numbered("/", sequence.swap_bytes());
    let ttl = frame.packet.layers().iter().rev().find_map(|placed| match placed.layer {
        Layer::Ipv4(ip) => Some(ip.ttl),
        _ => None,
    });
    if let Some(ttl) = ttl {
        columns.numbered(", ttl=", ttl);
    }
    partner(columns, frame);
}

/// Where the other half of an echo is.
pub(super) fn partner(columns: &mut Columns, frame: &Frame<'_>) {
    let multicast = frame.packet.layers().iter().rev().find_map(|placed| match placed.layer {
        Layer::Ipv4(ip) => Some(matches!(ip.destination, [224..=239, ..])),
        Layer::Ipv6(ip) => Some(ip.destination.first() == Some(&0xff)),
        _ => None,
    });
    match frame.echo {
        Some(Echo::RequestIn(number)) => {
            columns.numbered(" (request in ", number);
            columns.info.push(')');
        }
        Some(Echo::ReplyIn(number)) => {
            columns.numbered(" (reply in ", number);
            columns.info.push(')');
        }
        Some(Echo::Unanswered) if frame.second_pass && multicast == Some(true) => {
            columns.info.push_str(" (multicast)");
        }
        Some(Echo::Unanswered) if frame.second_pass => columns.info.push_str(" (no response found!)"),
        _ => {}
    }
}

fn type_name(icmp: Icmp) -> &'static str {
    match icmp.kind {
        0 => "Echo (ping) reply",
        1 | 2 => "Reserved",
        3 => "Destination unreachable",
        4 => "Source quench (flow control)",
        5 => "Redirect",
        6 => "Alternate host address",
        8 => "Echo (ping) request",
        9 if icmp.mobile() => "Mobile IP Advertisement",
        9 => "Router advertisement",
        10 => "Router solicitation",
        11 => "Time-to-live exceeded",
        12 => "Parameter problem",
        13 => "Timestamp request",
        14 => "Timestamp reply",
        15 => "Information request",
        16 => "Information reply",
        17 => "Address mask request",
        18 => "Address mask reply",
        19 => "Reserved (for security)",
        30 => "Traceroute",
        31 => "Datagram Conversion Error",
        32 => "Mobile Host Redirect",
        33 => "IPv6 Where-Are-You",
        34 => "IPv6 I-Am-Here",
        35 => "Mobile Registration Request",
        36 => "Mobile Registration Reply",
        37 => "Domain Name Request",
        38 => "Domain Name Reply",
        39 => "SKIP",
        40 => "Photuris",
        41 => "Experimental mobility protocols",
        42 => "Extended Echo request",
        43 => "Extended Echo reply",
        _ => "Unknown ICMP (obsolete or malformed?)",
    }
}

type Codes = &'static [(u8, &'static str)];

fn code_names(kind: u8) -> Option<Codes> {
    Some(match kind {
        3 => &[
            (0, "Network unreachable"),
            (1, "Host unreachable"),
            (2, "Protocol unreachable"),
            (3, "Port unreachable"),
            (4, "Fragmentation needed"),
            (5, "Source route failed"),
            (6, "Destination network unknown"),
            (7, "Destination host unknown"),
            (8, "Source host isolated"),
            (9, "Network administratively prohibited"),
            (10, "Host administratively prohibited"),
            (11, "Network unreachable for TOS"),
            (12, "Host unreachable for TOS"),
            (13, "Communication administratively filtered"),
            (14, "Host precedence violation"),
            (15, "Precedence cutoff in effect"),
        ],
        5 => &[
            (0, "Redirect for network"),
            (1, "Redirect for host"),
            (2, "Redirect for TOS and network"),
            (3, "Redirect for TOS and host"),
        ],
        6 => &[(0, "Alternate address for host")],
        9 => &[(0, "Normal router advertisement"), (16, "Does not route common traffic")],
        11 => &[(0, "Time to live exceeded in transit"), (1, "Fragment reassembly time exceeded")],
        12 => &[(0, "Pointer indicates the error"), (1, "Required option missing"), (2, "Bad length")],
        40 => &[
            (0, "Bad SPI"),
            (1, "Authentication Failed"),
            (2, "Decompression Failed"),
            (3, "Decryption Failed"),
            (4, "Need Authentication"),
            (5, "Need Authorization"),
        ],
        42 => &[(0, "No error")],
        43 => &[
            (0, "No error"),
            (1, "Malformed Query"),
            (2, "No Such Interface"),
            (3, "No Such Table Entry"),
            (4, "Multiple Interfaces Satisfy Query"),
        ],
        _ => return None,
    })
}
