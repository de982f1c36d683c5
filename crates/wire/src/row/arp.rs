//! The row of ARP and its relatives.

use super::Columns;
use crate::bytes::Bytes;
use crate::layer::Arp;
use crate::text;

pub(super) fn write(columns: &mut Columns, arp: Arp, bytes: &[u8], duplicate: Option<[u8; 4]>) {
    columns.begin(match arp.opcode {
        3 | 4 => "RARP",
        5..=7 => "DRARP",
        8 | 9 => "Inverse ARP",
        11..=22 => "MARS",
        23 => "MAPOS",
        _ => "ARP",
    });
    if arp.hardware_type == Arp::ATM {
        return columns.begin("ARP");
    }
    let Some(parts) = arp.addresses(bytes) else { return };
    match arp.opcode {
        Arp::REQUEST => request(columns, arp, parts),
        Arp::REPLY => reply(columns, arp, parts),
        _ => other(columns, arp, parts),
    }
    if let Some(address) = duplicate {
        columns.info.push_str(" (duplicate use of ");
        text::ipv4(address, &mut columns.info);
        columns.info.push_str(" detected!)");
    }
}

fn request(columns: &mut Columns, arp: Arp, [_, sender, target_hardware, target]: [&[u8]; 4]) {
    let zero = target_hardware.iter().all(|byte| *byte == 0);
    let info = &mut columns.info;
    if sender == target {
        info.push_str(if zero { "ARP Announcement for " } else { "Gratuitous ARP for " });
        protocol_address(arp, target, info);
        info.push_str(if zero { "" } else { " (Request)" });
    } else if sender.iter().all(|byte| *byte == 0) && zero {
        info.push_str("Who has ");
        protocol_address(arp, target, info);
        info.push_str("? (ARP Probe)");
    } else {
        info.push_str("Who has ");
        protocol_address(arp, target, info);
        info.push_str("? Tell ");
        protocol_address(arp, sender, info);
    }
}

fn reply(columns: &mut Columns, arp: Arp, [hardware, sender, _, target]: [&[u8]; 4]) {
    let info = &mut columns.info;
    if sender == target {
        info.push_str("Gratuitous ARP for ");
        protocol_address(arp, sender, info);
        info.push_str(" (Reply)");
    } else {
        protocol_address(arp, sender, info);
        info.push_str(" is at ");
        hardware_address(arp, hardware, info);
    }
}

fn other(columns: &mut Columns, arp: Arp, parts: [&[u8]; 4]) {
    let [hardware, sender, target_hardware, target] = parts;
    let info = &mut columns.info;
    match arp.opcode {
        3 | 5 | 8 => {
            info.push_str("Who is ");
            hardware_address(arp, target_hardware, info);
            info.push_str("? Tell ");
            hardware_address(arp, hardware, info);
        }
        4 | 6 => {
            hardware_address(arp, target_hardware, info);
            info.push_str(" is at ");
            protocol_address(arp, target, info);
        }
        7 => info.push_str("DRARP Error"),
        9 => {
            hardware_address(arp, hardware, info);
            info.push_str(" is at ");
            protocol_address(arp, sender, info);
        }
        10 => info.push_str("ARP NAK"),
        0 => info.push_str("Reserved opcode 0"),
        24 => info.push_str("Experimental 1 ( opcode 24 )"),
        25 => info.push_str("Experimental 2 ( opcode 25 )"),
        11..=23 => {
            info.push_str(multicast_server(arp.opcode));
            info.push_str(" from ");
            hardware_address(arp, hardware, info);
            info.push_str(" at ");
            protocol_address(arp, sender, info);
        }
        _ => {
            info.push_str("Unknown ARP opcode 0x");
            text::hex(u32::from(arp.opcode), 4, info);
        }
    }
}

/// Messages of multicast address resolution (RFC 2022) and of MAPOS (RFC 2176).
fn multicast_server(opcode: u16) -> &'static str {
    match opcode {
        11 => "MARS request",
        12 => "MARS MULTI request",
        13 => "MARS MSERV request",
        14 => "MARS JOIN request",
        15 => "MARS LEAVE",
        16 => "MARS NAK",
        17 => "MARS UNSERV request",
        18 => "MARS SJOIN request",
        19 => "MARS SLEAVE",
        20 => "MARS grouplist request",
        21 => "MARS grouplist reply",
        22 => "MARS redirect map",
        _ => "MAPOS UNARP request",
    }
}

fn protocol_address(arp: Arp, bytes: &[u8], out: &mut String) {
    match bytes.array::<4>(0) {
        _ if bytes.is_empty() => out.push_str("<No address>"),
        Some(address) if arp.protocol_type == 0x0800 && bytes.len() == 4 => text::ipv4(address, out),
        _ => text::hex_bytes(bytes, "", out),
    }
}

fn hardware_address(arp: Arp, bytes: &[u8], out: &mut String) {
    // Ethernet, and IEEE 802 networks.
    let ethernet = matches!(arp.hardware_type, 1 | 6) && bytes.len() == 6;
    match bytes {
        [] => out.push_str("<No address>"),
        _ if ethernet => text::mac(bytes, out),
        _ => text::hex_bytes(bytes, "", out),
    }
}
