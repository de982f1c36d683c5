//! Rows of the packet table, letter for letter those of Wireshark 4.0 without name resolution.
//!
//! [`Columns`] is the caller's: its texts are cleared and filled again for each frame, so that a row costs no
//! allocation once they have grown.

mod arp;
mod dns;
mod icmp;
mod icmpv6;
mod ssdp;
mod tcp;
mod udp;

use crate::layer::{Ethernet, Ipv6Extension, Layer, Packet, Placed, Protocol, Sll, Stop, StopReason};
use crate::names;
use crate::session::Frame;
use crate::text;

/// The texts of one row; number, time and length are in the [`Frame`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// Source
    pub source: String,
    /// Destination
    pub destination: String,
    /// Protocol
    pub protocol: String,
    /// Info
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
        self.addresses(packet);
        for placed in packet.layers() {
            self.layer(frame, placed);
        }
        if let Some(stop) = packet.stop() {
            self.stop(packet, stop);
        }
    }

    /// Appends the whole row, its fields separated by tabs: number, seconds since the first frame, source,
    /// destination, protocol, length, info.
    pub fn line(&mut self, frame: &Frame<'_>, out: &mut String) {
        self.fill(frame);
        text::decimal(frame.number, out);
        out.push('\t');
        text::seconds(frame.relative, out);
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

    /// The addresses of the innermost layer that has some.
    fn addresses(&mut self, packet: &Packet<'_>) {
        let (source, destination) = (&mut self.source, &mut self.destination);
        if packet.stop().is_some_and(|stop| partial_addresses(packet, stop, source, destination)) {
            return;
        }
        let mut routed = None;
        for placed in packet.layers().iter().rev() {
            match &placed.layer {
                Layer::Ipv6Extension(extension) => {
                    routed = routed.or(extension.final_destination);
                    continue;
                }
                Layer::Ipv4(ip) => {
                    text::ipv4(ip.source, source);
                    text::ipv4(ip.destination, destination);
                }
                Layer::Ipv6(ip) => {
                    text::ipv6(ip.source, source);
                    text::ipv6(routed.unwrap_or(ip.destination), destination);
                }
                Layer::Ethernet(ethernet) => {
                    text::mac(&ethernet.source, source);
                    text::mac(&ethernet.destination, destination);
                }
                Layer::Sll(Sll { address_len: 6, address: [address @ .., _, _], .. }) => {
                    text::mac(address, source);
                }
                Layer::Sll2(sll) if sll.address_len == 6 => {
                    text::mac(sll.address.get(..6).unwrap_or_default(), source);
                }
                Layer::Loopback(_) => {
                    source.push_str("N/A");
                    destination.push_str("N/A");
                }
                Layer::Data if packet.layers().len() == 1 => {
                    source.push_str("N/A");
                    destination.push_str("N/A");
                }
                _ => continue,
            }
            return;
        }
        if packet.layers().is_empty() {
            let stopped = packet.stop().map(|stop| stop.protocol);
            let version = packet.stop().is_some_and(|stop| matches!(stop.reason, StopReason::Version(_)));
            if !version
                && !matches!(
                    stopped,
                    Some(Protocol::Ethernet | Protocol::Sll | Protocol::Sll2 | Protocol::Frame)
                )
            {
                source.push_str("N/A");
                destination.push_str("N/A");
            }
        }
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
            Layer::Ipv6(ip) => {
                self.begin("IPv6");
                if ip.payload_len == 0
                    && ip.next_header == Ipv6Extension::HOP_BY_HOP
                    && placed.view.reported_len() == 40
                {
                    self.info.push_str("Invalid IPv6 payload length");
                }
            }
            Layer::Ipv6Extension(extension) => {
                if extension.routing_type != Some(Ipv6Extension::SEGMENT_ROUTING) {
                    self.extension(extension.kind);
                }
            }
            Layer::Ipv6Fragment(header) => self.ipv6_fragment(*header),
            Layer::Icmp(header) => icmp::write(self, frame, *header, bytes),
            Layer::Icmpv6(header) => icmpv6::write(self, frame, *header, bytes),
            Layer::Udp(header) => udp::write(self, frame, header, placed.view),
            Layer::Tcp(header) => tcp::write(self, frame, header, bytes),
            Layer::Dns(header) => dns::write(self, header, bytes),
            Layer::Ssdp => ssdp::write(self, bytes),
            Layer::UnknownEthertype(ethertype) => {
                self.protocol.clear();
                self.protocol.push_str("0x");
                text::hex(u32::from(*ethertype), 4, &mut self.protocol);
                if let Some(name) = names::ethertype(*ethertype) {
                    self.info.clear();
                    self.info.push_str(name);
                }
            }
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
            0..=Ethernet::LARGEST_LENGTH => self.info.push_str("IEEE 802.3 Ethernet "),
            Ethernet::FIRST_TYPE.. => self.info.push_str("Ethernet II"),
            neither => {
                self.info.push_str("Ethernet Unknown: Invalid length/type: 0x");
                text::hex(u32::from(neither), 4, &mut self.info);
                self.numbered(" (", neither);
                self.info.push(')');
            }
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
        self.append("IPv6 fragment (");
        self.numbered("off=", header.offset());
        self.info.push_str(if header.more_fragments() { " more=y" } else { " more=n" });
        self.info.push_str(" ident=0x");
        text::hex(header.id, 8, &mut self.info);
        self.numbered(" nxt=", header.next_header);
        self.info.push(')');
    }

    /// What a dissection that ended early still shows.
    fn stop(&mut self, packet: &Packet<'_>, stop: &Stop) {
        // What an ICMP error quotes changes no column.
        let quoted = packet.in_quote();
        if !quoted {
            self.stopped_in(packet, stop);
        }
        match stop.reason {
            StopReason::CutShort => self.info.push_str("[Packet size limited during capture]"),
            StopReason::Malformed | StopReason::ShortIpv6(_) => self.info.push_str("[Malformed Packet]"),
            StopReason::MalformedOption => self
                .info
                .push_str("[Malformed Packet: length of contained item exceeds length of containing item]"),
            _ => {}
        }
    }

    fn stopped_in(&mut self, packet: &Packet<'_>, stop: &Stop) {
        let named = match stop.protocol {
            Protocol::Ethernet => "Ethernet",
            Protocol::Vlan => "VLAN",
            Protocol::Sll | Protocol::Sll2 => "SLL",
            Protocol::Arp => "ARP",
            Protocol::Ip => "IP",
            Protocol::Ipv4
                if !packet.layers().iter().any(|placed| matches!(placed.layer, Layer::Ipv4(_))) =>
            {
                "IPv4"
            }
            Protocol::Ipv6 => "IPv6",
            Protocol::Icmp if self.protocol != "ICMP" => "ICMP",
            Protocol::Icmpv6 => "ICMPv6",
            Protocol::Udp if self.protocol != "UDP" => "UDP",
            Protocol::Tcp if self.protocol != "TCP" => "TCP",
            Protocol::Raw | Protocol::Loopback => "N/A",
            _ => "",
        };
        if !named.is_empty() {
            self.begin(named);
        }
        match stop.protocol {
            Protocol::Raw => self.info.push_str("Raw packet data"),
            Protocol::Loopback => self.info.push_str("Null/Loopback"),
            _ => {}
        }
        let left = packet.slice(stop.view).len();
        if stop.protocol == Protocol::Vlan
            && let [first, second, ..] = packet.slice(stop.view)
        {
            let vlan = crate::layer::Vlan { control: u16::from_be_bytes([*first, *second]), ethertype: 0 };
            self.tag(vlan);
        }
        if stop.protocol == Protocol::Ipv6Extension
            && (left == 1 || (left == 0 && self.info.starts_with("Invalid")))
        {
            let carrier = packet.layers().last().map(|placed| placed.layer);
            match carrier {
                Some(Layer::Ipv6(ip)) => self.extension(ip.next_header),
                Some(Layer::Ipv6Extension(extension)) => self.extension(extension.next_header),
                _ => {}
            }
        }
        match stop.reason {
            StopReason::Version(version) if stop.protocol == Protocol::Ip => {
                self.numbered("Bogus IP version (", version);
                self.info.push(')');
            }
            StopReason::Version(version) => {
                let (name, must) =
                    if stop.protocol == Protocol::Ipv6 { ("IPv6", "6") } else { ("IPv4", "4") };
                self.info.extend(["Bogus ", name]);
                self.numbered(" version (", version);
                self.info.extend([", must be ", must, ")"]);
            }
            StopReason::HeaderLength(len) if stop.protocol == Protocol::Ipv4 => {
                self.numbered("Bogus IP header length (", len);
                self.info.push_str(", must be at least 20)");
            }
            StopReason::TotalLength { total, header } => {
                self.numbered("Bogus IP length (", total);
                self.numbered(", less than header length ", header);
                self.info.push(')');
            }
            StopReason::ShortIpv6(len) => {
                self.numbered("Invalid IPv6 header (", u64::try_from(len).unwrap_or(u64::MAX));
                self.info.push_str(" bytes, need exactly 40)");
            }
            StopReason::CutShort | StopReason::Malformed => udp::ports_alone(self, packet, stop),
            _ => {}
        }
    }
}

/// The addresses that a header cut in its middle still has.
fn partial_addresses(
    packet: &Packet<'_>,
    stop: &Stop,
    source: &mut String,
    destination: &mut String,
) -> bool {
    use crate::bytes::Bytes;
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
            }
            true
        }
        Protocol::Ipv4 if matches!(stop.reason, StopReason::CutShort | StopReason::Malformed) => {
            let Some(address) = bytes.array::<4>(12).filter(|_| bytes.len() < 20) else { return false };
            text::ipv4(address, source);
            outer(packet, destination);
            true
        }
        Protocol::Ipv6 if !matches!(stop.reason, StopReason::Version(_)) => {
            let Some(address) = bytes.array::<16>(8).filter(|_| bytes.len() < 40) else { return false };
            text::ipv6(address, source);
            outer(packet, destination);
            true
        }
        _ => false,
    }
}

/// The destination column as the layers below left it.
fn outer(packet: &Packet<'_>, destination: &mut String) {
    for placed in packet.layers().iter().rev() {
        if let Layer::Ethernet(ethernet) = &placed.layer {
            return text::mac(&ethernet.destination, destination);
        }
    }
    if packet.layers().is_empty() {
        destination.push_str("N/A");
    }
}
