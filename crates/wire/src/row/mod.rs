//! Rows of the packet table, letter for letter those of Wireshark 4.0 without name resolution.
//!
//! [`Columns`] is the caller's: its texts are cleared and filled again for each frame, so that a row costs no
//! allocation once they have grown.

mod address;
mod arp;
mod dns;
mod icmp;
mod icmpv6;
mod ssdp;
mod stop;
mod tcp;
mod udp;

use crate::layer::{Ethernet, Ipv6, Ipv6Extension, Layer, Placed, View};
use crate::names;
use crate::session::Frame;
use crate::text;

/// The most bytes of Info, as in Wireshark; a letter that has no room for all its bytes is left out.
const LONGEST_INFO: usize = 4_095;

/// The texts of one row; number, time and length are in the [`Frame`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// Source
    pub source: String,
    /// Destination
    pub destination: String,
    /// Protocol
    pub protocol: String,
    /// Info, of at most 4,095 bytes
    pub info: String,
}

impl Columns {
    /// Empty columns.
    pub fn new() -> Self {
        Self::default()
    }

    /// Fills the columns with a frame's row.
    pub fn fill(&mut self, frame: &Frame<'_>) {
        for column in [&mut self.source, &mut self.destination, &mut self.protocol, &mut self.info] {
            column.clear();
        }
        let packet = &frame.packet;
        address::write(self, packet);
        // TCP and UDP begin the row anew: what those below would write is not seen.
        let begins = |placed: &Placed| matches!(placed.layer, Layer::Tcp(_) | Layer::Udp(_));
        let layers = packet.layers();
        let from = layers.iter().rposition(begins).unwrap_or_default();
        for placed in layers.get(from..).unwrap_or_default() {
            self.layer(frame, placed);
        }
        if let Some(stop) = packet.stop() {
            stop::write(self, packet, stop);
        }
        if packet.trailer_cut() {
            self.info.push_str("[Packet size limited during capture]");
        }
        if self.info.len() > LONGEST_INFO {
            let end = (0..=LONGEST_INFO).rev().find(|at| self.info.is_char_boundary(*at));
            self.info.truncate(end.unwrap_or_default());
        }
    }

    /// Appends the whole row, its fields separated by tabs: number, seconds since the first frame, source,
    /// destination, protocol, length, info.
    pub fn line(&mut self, frame: &Frame<'_>, out: &mut String) {
        self.fill(frame);
        text::decimal(frame.number, out);
        out.push('\t');
        if let Some(relative) = frame.relative {
            text::seconds(relative, out);
        }
        out.push('\t');
        for column in [&self.source, &self.destination, &self.protocol] {
            out.push_str(column);
            out.push('\t');
        }
        text::decimal(u64::try_from(frame.packet.wire_len()).unwrap_or(u64::MAX), out);
        out.push('\t');
        out.push_str(&self.info);
    }

    fn begin(&mut self, protocol: &str) {
        self.protocol.clear();
        self.protocol.push_str(protocol);
        self.info.clear();
    }

    /// Extension headers and what follows them in IPv6 share the column.
    fn append(&mut self, text: &str) {
        if !self.info.is_empty() {
            self.info.push_str(" , ");
        }
        self.info.push_str(text);
    }

    fn layer(&mut self, frame: &Frame<'_>, placed: &Placed) {
        let bytes = frame.packet.slice(placed.view);
        match &placed.layer {
            Layer::Ethernet(ethernet) => {
                self.begin("Ethernet");
                self.ethernet(ethernet.ethertype);
            }
            Layer::Vlan(vlan) => {
                self.begin("VLAN");
                self.tag(*vlan);
            }
            Layer::Sll(sll) => self.cooked(sll.packet_type),
            // Wireshark reads the address length as the lower half of the packet type here.
            Layer::Sll2(sll) => self.cooked(u16::from_be_bytes([sll.packet_type, sll.address_len])),
            Layer::Loopback(_) => {
                self.begin("N/A");
                self.info.push_str("Null/Loopback");
            }
            Layer::Arp(arp) => arp::write(self, *arp, bytes, frame.duplicate_address),
            Layer::Ipv4(_) => self.begin("IPv4"),
            Layer::Ipv6(ip) => self.ipv6(ip, placed.view),
            Layer::Ipv6Extension(extension) => self.extension(extension.kind),
            Layer::Ipv6Fragment(header) => self.ipv6_fragment(*header),
            Layer::Icmp(header) => icmp::write(self, frame, *header, bytes),
            Layer::Icmpv6(header) => icmpv6::write(self, frame, *header, bytes),
            Layer::Udp(header) => udp::write(self, frame, header, placed.view),
            Layer::Tcp(header) => tcp::write(self, frame, header, bytes),
            Layer::Dns(header) => dns::write(self, header, bytes),
            Layer::Ssdp => ssdp::write(self, bytes),
            Layer::UnknownEthertype(ethertype) => self.ethertype(*ethertype),
            Layer::UnknownIpProtocol(protocol) => self.ip_protocol(*protocol),
            Layer::FragmentData(protocol) => self.fragment(frame, *protocol),
            Layer::Data => {
                if frame.packet.layers().len() == 1 {
                    self.begin("N/A");
                    self.info.push_str("Raw packet data");
                }
            }
        }
    }

    fn numbered(&mut self, label: &str, value: impl Into<u64>) {
        self.info.push_str(label);
        text::decimal(value.into(), &mut self.info);
    }

    fn ethernet(&mut self, ethertype: u16) {
        match ethertype {
            1..=Ethernet::LARGEST_LENGTH => self.info.push_str("IEEE 802.3 Ethernet "),
            0 | Ethernet::FIRST_TYPE.. => self.info.push_str("Ethernet II"),
            neither => {
                self.info.push_str("Ethernet Unknown: Invalid length/type: 0x");
                text::hex(u32::from(neither), 4, &mut self.info);
                self.numbered(" (", neither);
                self.info.push(')');
            }
        }
    }

    fn ethertype(&mut self, ethertype: u16) {
        self.protocol.clear();
        self.protocol.push_str("0x");
        text::hex(u32::from(ethertype), 4, &mut self.protocol);
        if let Some(name) = names::ethertype(ethertype) {
            self.info.clear();
            self.info.push_str(name);
        }
    }

    fn ipv6(&mut self, ip: &Ipv6, view: View) {
        self.begin("IPv6");
        let promised = ip.payload_len > 0 || ip.next_header != Ipv6Extension::HOP_BY_HOP;
        if !promised && view.reported_len() == Ipv6::LEN {
            self.info.push_str("Invalid IPv6 payload length");
        }
    }

    fn tag(&mut self, vlan: crate::layer::Vlan) {
        self.numbered("PRI: ", vlan.priority());
        self.numbered("  DEI: ", vlan.drop_eligible());
        self.numbered("  ID: ", vlan.id());
    }

    fn cooked(&mut self, packet_type: u16) {
        self.begin("SLL");
        let text = match packet_type {
            0 => "Unicast to us",
            1 => "Broadcast",
            2 => "Multicast",
            3 => "Unicast to another host",
            4 => "Sent by us",
            other => {
                self.numbered("Unknown (", other);
                ")"
            }
        };
        self.info.push_str(text);
    }

    fn extension(&mut self, kind: u8) {
        self.append(match kind {
            Ipv6Extension::HOP_BY_HOP => "IPv6 hop-by-hop options",
            Ipv6Extension::ROUTING => "IPv6 routing",
            Ipv6Extension::DESTINATION => "IPv6 destination options",
            _ => return,
        });
    }

    fn ip_protocol(&mut self, protocol: u8) {
        const NO_NEXT_HEADER: u8 = 59;
        const AUTHENTICATION: u8 = 51;
        const MOBILITY: u8 = 135;
        const SHIM6: u8 = 140;
        let ipv6 = self.protocol == "IPv6";
        match protocol {
            NO_NEXT_HEADER if ipv6 => {
                self.info.clear();
                return self.info.push_str("IPv6 no next header");
            }
            AUTHENTICATION | MOBILITY | SHIM6 if ipv6 => return,
            _ if ipv6 => {
                self.info.clear();
                self.info.push_str("Unknown IP Protocol: ");
            }
            _ => {}
        }
        self.info.push_str(names::ip_protocol(protocol));
        self.numbered(" (", protocol);
        self.info.push(')');
        // IPv6 of another version inside says its name before it gives up.
        if protocol == 41 {
            self.protocol.clear();
            self.protocol.push_str("IPv6");
        }
    }

    fn fragment(&mut self, frame: &Frame<'_>, protocol: u8) {
        let carrier = frame.packet.layers().iter().rev().find_map(|placed| match placed.layer {
            Layer::Ipv4(ip) => Some(Some(ip)),
            Layer::Ipv6Fragment(_) => Some(None),
            _ => None,
        });
        if let Some(Some(ip)) = carrier {
            self.info.push_str("Fragmented IP protocol (proto=");
            self.info.push_str(match protocol {
                0 => "IPv6 Hop-by-Hop Option",
                43 => "Routing Header for IPv6",
                44 => "Fragment Header for IPv6",
                60 => "Destination Options for IPv6",
                _ => names::ip_protocol(protocol),
            });
            self.numbered(" ", protocol);
            self.numbered(", off=", ip.offset());
            self.info.push_str(", ID=");
            text::hex(u32::from(ip.id), 4, &mut self.info);
            self.info.push(')');
        }
        let ipv4 = matches!(carrier, Some(Some(_)));
        if let Some(number) = frame.reassembled_in.filter(|_| ipv4) {
            self.numbered(" [Reassembled in #", number);
            self.info.push(']');
        }
    }

    fn ipv6_fragment(&mut self, header: crate::layer::Ipv6Fragment) {
        self.info.clear();
        self.numbered("IPv6 fragment (off=", header.offset());
        self.info.push_str(if header.more_fragments() { " more=y" } else { " more=n" });
        self.info.push_str(" ident=0x");
        text::hex(header.id, 8, &mut self.info);
        self.numbered(" nxt=", header.next_header);
        self.info.push(')');
    }
}
