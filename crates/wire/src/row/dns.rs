//! The row of a DNS, mDNS or LLMNR message.

use super::{Columns, LONGEST_INFO};
use crate::bytes::Bytes;
use crate::layer::{Dns, DnsFlavour, DnsPart, DnsRecord, write_name};
use crate::names;
use crate::text;

pub(super) fn write(columns: &mut Columns, dns: &Dns, message: &[u8]) {
    columns.begin(match dns.flavour {
        DnsFlavour::Dns => "DNS",
        DnsFlavour::Mdns => "MDNS",
        DnsFlavour::Llmnr => "LLMNR",
    });
    if message.len() < HEAD {
        return;
    }
    head(columns, dns);
    let multicast = dns.flavour == DnsFlavour::Mdns;
    let mut walk = dns.walk(message);
    while let Some(part) = walk.part().filter(|_| columns.info.len() < LONGEST_INFO) {
        match part {
            DnsPart::Question(question) => {
                kind(columns, question.kind);
                columns.info.push(' ');
                write_name(message, question.name_at, &mut columns.info);
                if multicast {
                    let unicast = question.class & 0x8000 != 0;
                    columns.info.push_str(if unicast { ", \"QU\" question" } else { ", \"QM\" question" });
                }
            }
            DnsPart::Record(record) => {
                kind(columns, record.kind);
                if multicast && record.class & 0x8000 != 0 {
                    columns.info.push_str(", cache flush");
                }
                let there = record.data(message);
                if there.shown {
                    data(columns, &record, message);
                }
                if !there.whole {
                    return;
                }
            }
            DnsPart::Ends => return,
        }
    }
}

/// Id and flags.
const HEAD: usize = 4;

fn head(columns: &mut Columns, dns: &Dns) {
    match dns.opcode() {
        0 => columns.info.push_str("Standard query"),
        1 => columns.info.push_str("Inverse query"),
        2 => columns.info.push_str("Server status request"),
        4 => columns.info.push_str("Zone change notification"),
        5 => columns.info.push_str("Dynamic update"),
        6 => columns.info.push_str("DNS Stateful operations (DSO)"),
        other => {
            columns.numbered("Unknown operation (", other);
            columns.info.push(')');
        }
    }
    columns.info.push_str(if dns.response() { " response 0x" } else { " 0x" });
    text::hex(u32::from(dns.id), 4, &mut columns.info);
    if dns.response() && dns.rcode() != 0 {
        columns.info.push(' ');
        if let Some(name) = RCODES.get(usize::from(dns.rcode())) {
            columns.info.push_str(name);
        } else {
            columns.numbered("Unknown error (", dns.rcode());
            columns.info.push(')');
        }
    }
}

const RCODES: [&str; 12] = [
    "No error",
    "Format error",
    "Server failure",
    "No such name",
    "Not implemented",
    "Refused",
    "Name exists",
    "RRset exists",
    "RRset does not exist",
    "Not authoritative",
    "Name out of zone",
    "DSO-Type not implemented",
];

fn kind(columns: &mut Columns, kind: u16) {
    columns.info.push(' ');
    if let Some(name) = names::dns_type(kind) {
        columns.info.push_str(name);
    } else {
        columns.numbered("Unknown (", kind);
        columns.info.push(')');
    }
}

fn data(columns: &mut Columns, record: &DnsRecord, message: &[u8]) {
    const A: u16 = 1;
    const NS: u16 = 2;
    const CNAME: u16 = 5;
    const SOA: u16 = 6;
    const PTR: u16 = 12;
    const MX: u16 = 15;
    const AAAA: u16 = 28;
    const WKS: u16 = 11;
    const KX: u16 = 36;
    const NXT: u16 = 30;
    const SRV: u16 = 33;
    const DNAME: u16 = 39;
    const NSEC: u16 = 47;
    const A6: u16 = 38;
    const WINS_R: u16 = 65282;
    let at = record.data_at;
    if record.data_len == 0 {
        return;
    }
    match record.kind {
        A | WKS => {
            if let Some(address) = message.array(at) {
                columns.info.push(' ');
                text::ipv4(address, &mut columns.info);
            }
        }
        AAAA => {
            if let Some(address) = message.array(at) {
                columns.info.push(' ');
                text::ipv6(address, &mut columns.info);
            }
        }
        NS | CNAME | SOA | PTR | NXT | DNAME | NSEC => {
            columns.info.push(' ');
            write_name(message, at, &mut columns.info);
        }
        MX | KX => {
            columns.numbered(" ", message.be16(at).unwrap_or_default());
            columns.info.push(' ');
            write_name(message, at + 2, &mut columns.info);
        }
        SRV => {
            for field in 0..3 {
                columns.numbered(" ", message.be16(at + field * 2).unwrap_or_default());
            }
            columns.info.push(' ');
            write_name(message, at + 6, &mut columns.info);
        }
        HINFO | NAPTR => texts(columns, record, message),
        A6 => suffix(columns, message, at),
        WINS_R => {
            columns.info.push(' ');
            write_name(message, at + 12, &mut columns.info);
        }
        other if NAMED_BY_OWNER.contains(&other) => {
            columns.info.push(' ');
            write_name(message, record.name_at, &mut columns.info);
        }
        _ => {}
    }
}

const HINFO: u16 = 13;
const NAPTR: u16 = 35;

/// Processor and system of a host, or order, preference and flags of a rule (RFC 3403 §4.1).
fn texts(columns: &mut Columns, record: &DnsRecord, message: &[u8]) {
    let (mut at, mut left) = (record.data_at, 2);
    if record.kind == NAPTR {
        for field in 0..2 {
            columns.numbered(" ", message.be16(at + field * 2).unwrap_or_default());
        }
        (at, left) = (at + 4, 1);
    }
    for _ in 0..left {
        let len = usize::from(message.u8_at(at).unwrap_or_default());
        columns.info.push(' ');
        let text = message.get(at + 1..at + 1 + len).unwrap_or_default();
        text::escaped(text.split(|byte| *byte == 0).next().unwrap_or_default(), &mut columns.info);
        at += 1 + len;
    }
}

/// The length of a prefix, the rest of the address, and the name of the prefix (RFC 2874 §3.1).
fn suffix(columns: &mut Columns, message: &[u8], at: usize) {
    let prefix = message.u8_at(at).unwrap_or_default();
    let len = 16usize.saturating_sub(usize::from(prefix / 8));
    let mut address = [0; 16];
    let there = message.get(at + 1..at + 1 + len).zip(address.get_mut(16 - len..));
    if let Some((from, to)) = there {
        to.copy_from_slice(from);
    }
    columns.numbered(" ", prefix);
    columns.info.push(' ');
    text::ipv6(address, &mut columns.info);
    columns.info.push(' ');
    if prefix > 0 {
        write_name(message, at + 1 + len, &mut columns.info);
    }
}

/// Records of which Wireshark shows the owner's name in place of the data: MD, MF, MB, MG, MR, NULL, MINFO, RP, AFSDB,
/// X25, ISDN, RT, NSAP, NSAP-PTR, PX, GPOS, APL, DHCID, NSEC3PARAM, TLSA, HIP.
const NAMED_BY_OWNER: [u16; 21] =
    [3, 4, 7, 8, 9, 10, 14, 17, 18, 19, 20, 21, 22, 23, 26, 27, 42, 49, 51, 52, 55];
