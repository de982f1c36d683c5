//! The walk from the link layer up: each step reads one header and says what comes next.

use super::dns::{Dns, DnsFlavour};
use super::ip::{Ipv4, Ipv6, Ipv6Extension, Ipv6Fragment, jumbo_len, options_end, short_option};
use super::link::{Ethernet, Loopback, Sll, Sll2, Vlan};
use super::plain::Plain;
use super::transport::{CutOptions, Tcp, Udp};
use super::{
    Arp, Http, Icmp, Icmpv6, Layer, MOST_LAYERS, Packet, Placed, Protocol, Source, StopReason, View,
};
use crate::bytes::Bytes;
use crate::link::LinkType;

/// What a stretch of bytes starts with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Start {
    Link(LinkType),
    Ethertype(u16),
    /// IP of the version that its first nibble says.
    Ip,
    /// IP carried by something that announced this version.
    Ipv4,
    Ipv6,
    IpProtocol(u8),
    /// A UDP payload between these ports.
    Udp(u16, u16),
    Done,
}

/// What carries the bytes being read.
#[derive(Clone, Copy, Debug, Default)]
struct Carrier {
    ipv6: bool,
    /// The bytes are the first part of a datagram that is not whole.
    fragmented: bool,
}

/// Reads the layers of one frame into a list that is emptied first. Fragments stay [`Layer::FragmentData`]: putting them
/// together needs memory.
///
/// The packet has no layers yet: it gets them with [`Packet::with_layers`] once the list is whole.
pub(crate) fn dissect<'a>(
    link: LinkType,
    bytes: &'a [u8],
    wire_len: u32,
    layers: &mut Vec<Placed>,
) -> Packet<'a> {
    let wire_len = usize::try_from(wire_len).unwrap_or(usize::MAX);
    layers.clear();
    match Plain::parse(link, bytes, wire_len) {
        Some(plain) => {
            plain.layers(layers);
            Packet::plain(bytes, wire_len)
        }
        None => step_by_step(link, bytes, wire_len, layers),
    }
}

/// The layers of a frame that can be any.
pub(super) fn step_by_step<'a>(
    link: LinkType,
    bytes: &'a [u8],
    wire_len: usize,
    layers: &mut Vec<Placed>,
) -> Packet<'a> {
    let view =
        View { source: Source::Frame, start: 0, captured: bytes.len(), reported: wire_len.max(bytes.len()) };
    let mut packet = Packet::new(bytes, wire_len);
    walk(&mut packet, layers, Start::Link(link), view, Carrier::default());
    if link == LinkType::ETHERNET {
        trailer(&mut packet, layers);
    }
    packet
}

/// The shortest Ethernet frame, without its check sequence.
const SHORTEST_FRAME: usize = 60;

/// What follows the network layer's bytes in an Ethernet frame, padding mostly, is said to be cut where some of it is
/// captured and some is not.
fn trailer(packet: &mut Packet<'_>, layers: &[Placed]) {
    let layers = packet.outer(layers);
    let network = layers.iter().find_map(|placed| match placed.layer {
        Layer::Ipv4(_) | Layer::Ipv6(_) => Some(placed.view.reported),
        Layer::Arp(arp) => Some(placed.view.start + arp.total_len()),
        Layer::Ethernet(ethernet) if ethernet.has_length() => {
            Some(placed.view.start + Ethernet::LEN + usize::from(ethernet.ethertype))
        }
        _ => None,
    });
    let Some(end) = network else { return };
    let (captured, reported) = (packet.bytes().len(), packet.wire_len());
    let tagged = layers.iter().any(|placed| matches!(placed.layer, Layer::Vlan(_)));
    if captured > end && captured < reported && !(tagged && captured >= SHORTEST_FRAME) {
        let view = View { source: Source::Frame, start: end, captured, reported };
        packet.cut_trailer(view);
    }
}

/// Goes on above a datagram that was put together from fragments.
pub(crate) fn continue_with(packet: &mut Packet<'_>, layers: &mut Vec<Placed>, protocol: u8, ipv6: bool) {
    let end = packet.reassembled().len();
    let view = View { source: Source::Reassembled, start: 0, captured: end, reported: end };
    walk(packet, layers, Start::IpProtocol(protocol), view, Carrier { ipv6, fragmented: false });
}

fn walk(packet: &mut Packet<'_>, layers: &mut Vec<Placed>, start: Start, view: View, carrier: Carrier) {
    let mut walk = Walk { packet, layers, carrier };
    let (mut start, mut view) = (start, view);
    while !matches!(start, Start::Done) {
        (start, view) = walk.step(start, view);
    }
}

struct Walk<'p, 'a> {
    packet: &'p mut Packet<'a>,
    layers: &'p mut Vec<Placed>,
    carrier: Carrier,
}

type Next = (Start, View);

impl Walk<'_, '_> {
    fn step(&mut self, start: Start, view: View) -> Next {
        match start {
            Start::Link(link) => self.link(link, view),
            Start::Ethertype(ethertype) => self.ethertype(ethertype, view),
            Start::Ip => match self.packet.slice(view).first().map(|first| first >> 4) {
                Some(4) => self.ipv4(view),
                Some(6) => self.ipv6(view),
                Some(version) => self.stop(Protocol::Ip, view, StopReason::Version(version)),
                None => self.lack(Protocol::Ip, view, 1),
            },
            Start::Ipv4 => match self.packet.slice(view).first().map(|first| first >> 4) {
                Some(4) => self.ipv4(view),
                Some(6) => self.ipv6(view),
                Some(version) => self.stop(Protocol::Ipv4, view, StopReason::Version(version)),
                None => self.lack(Protocol::Ipv4, view, 1),
            },
            Start::Ipv6 => match self.packet.slice(view).first().map(|first| first >> 4) {
                Some(6) => self.ipv6(view),
                Some(version) => self.stop(Protocol::Ipv6, view, StopReason::Version(version)),
                None => self.lack(Protocol::Ipv6, view, 1),
            },
            Start::IpProtocol(protocol) => self.ip_protocol(protocol, view),
            Start::Udp(source, destination) => self.udp_payload(source, destination, view),
            Start::Done => (Start::Done, view),
        }
    }

    fn stop(&mut self, protocol: Protocol, view: View, reason: StopReason) -> Next {
        self.packet.stop_at(protocol, view, reason);
        (Start::Done, view)
    }

    /// Stops because `len` bytes are not there.
    fn lack(&mut self, protocol: Protocol, view: View, len: usize) -> Next {
        let reason = view.lacks(len).unwrap_or(StopReason::Malformed);
        self.stop(protocol, view, reason)
    }

    fn push(&mut self, layer: Layer, view: View, next: Next) -> Next {
        if self.layers.len() == MOST_LAYERS {
            return self.stop(Protocol::Frame, view, StopReason::TooDeep);
        }
        self.layers.push(Placed { layer, view });
        next
    }

    fn leaf(&mut self, layer: Layer, view: View) -> Next {
        self.push(layer, view, (Start::Done, view))
    }

    /// Bytes that nothing here decodes; none of them captured is worth saying.
    fn undecoded(&mut self, layer: Layer, view: View) -> Next {
        let next = self.leaf(layer, view);
        if view.reported_len() > 0 && view.captured_len() == 0 {
            return self.lack(Protocol::Frame, view, 1);
        }
        next
    }

    fn link(&mut self, link: LinkType, view: View) -> Next {
        match link {
            LinkType::ETHERNET => self.ethernet(view),
            LinkType::LINUX_SLL => match Sll::parse(self.packet.slice(view)) {
                Some(sll) => {
                    let next = (Start::Ethertype(sll.protocol), view.after(Sll::LEN));
                    self.cooked(Layer::Sll(sll), view, next, sll.protocol)
                }
                None => self.lack(Protocol::Sll, view, Sll::LEN),
            },
            LinkType::LINUX_SLL2 => match Sll2::parse(self.packet.slice(view)) {
                Some(sll) => {
                    let next = (Start::Ethertype(sll.protocol), view.after(Sll2::LEN));
                    self.cooked(Layer::Sll2(sll), view, next, sll.protocol)
                }
                None => self.lack(Protocol::Sll2, view, Sll2::LEN),
            },
            LinkType::NULL | LinkType::LOOP => self.loopback(view),
            LinkType::RAW | LinkType::RAW_BSD | LinkType::RAW_OPENBSD => self.raw(view),
            LinkType::IPV4 => (Start::Ipv4, view),
            LinkType::IPV6 => (Start::Ipv6, view),
            LinkType(number) => self.stop(Protocol::Frame, view, StopReason::LinkType(number)),
        }
    }

    fn cooked(&mut self, layer: Layer, view: View, next: Next, protocol: u16) -> Next {
        // Below it the number is not an `EtherType` but a kernel's own.
        if protocol < Ethernet::FIRST_TYPE { self.leaf(layer, view) } else { self.push(layer, view, next) }
    }

    fn raw(&mut self, view: View) -> Next {
        // Eight bytes, because what starts a PPP frame on such links is looked for first.
        if view.lacks(8).is_some() {
            return self.lack(Protocol::Raw, view, 8);
        }
        match self.packet.slice(view).first().map(|first| first >> 4) {
            Some(4) => (Start::Ipv4, view),
            Some(6) => (Start::Ipv6, view),
            _ => self.leaf(Layer::Data, view),
        }
    }

    fn ethernet(&mut self, view: View) -> Next {
        let Some(ethernet) = Ethernet::parse(self.packet.slice(view)) else {
            return self.lack(Protocol::Ethernet, view, Ethernet::LEN);
        };
        let payload = view.after(Ethernet::LEN);
        if ethernet.has_length() {
            // IEEE 802.3: logical link control follows, which is not decoded here.
            let payload = payload.limited(usize::from(ethernet.ethertype));
            let next = self.leaf(Layer::Ethernet(ethernet), view);
            return match payload.lacks(payload.reported_len()) {
                Some(reason) => self.stop(Protocol::Frame, payload, reason),
                None => next,
            };
        }
        if ethernet.ethertype != 0 && ethernet.ethertype < Ethernet::FIRST_TYPE {
            return self.leaf(Layer::Ethernet(ethernet), view);
        }
        self.push(Layer::Ethernet(ethernet), view, (Start::Ethertype(ethernet.ethertype), payload))
    }

    fn loopback(&mut self, view: View) -> Next {
        let Some(loopback) = Loopback::parse(self.packet.slice(view)) else {
            return self.lack(Protocol::Loopback, view, Loopback::LEN);
        };
        let start = match loopback.family {
            Loopback::INET => Start::Ip,
            family if Loopback::INET6.contains(&family) => Start::Ipv6,
            _ => Start::Done,
        };
        self.push(Layer::Loopback(loopback), view, (start, view.after(Loopback::LEN)))
    }

    fn ethertype(&mut self, ethertype: u16, view: View) -> Next {
        match ethertype {
            0x0800 => (Start::Ipv4, view),
            0x86dd if self.packet.slice(view).first().is_none_or(|first| first >> 4 == 6) => {
                (Start::Ipv6, view)
            }
            0x0806 | 0x8035 => self.arp(view),
            0x8100 | 0x9100 => self.vlan(view),
            _ => self.leaf(Layer::UnknownEthertype(ethertype), view),
        }
    }

    fn vlan(&mut self, view: View) -> Next {
        let Some(vlan) = Vlan::parse(self.packet.slice(view)) else {
            return self.lack(Protocol::Vlan, view, Vlan::LEN);
        };
        let payload = view.after(Vlan::LEN);
        let start = match vlan.ethertype {
            0..=Ethernet::LARGEST_LENGTH => Start::Done,
            ethertype => Start::Ethertype(ethertype),
        };
        self.push(Layer::Vlan(vlan), view, (start, payload))
    }

    fn arp(&mut self, view: View) -> Next {
        let Some(arp) = Arp::parse(self.packet.slice(view)) else {
            return self.lack(Protocol::Arp, view, Arp::LEN);
        };
        if view.lacks(arp.total_len()).is_some() {
            return self.lack(Protocol::Arp, view, arp.total_len());
        }
        self.leaf(Layer::Arp(arp), view)
    }

    fn ipv4(&mut self, view: View) -> Next {
        let bytes = self.packet.slice(view);
        let header_len = bytes.first().map_or(0, |first| first & 0x0f) * 4;
        if usize::from(header_len) < Ipv4::LEN {
            return self.stop(Protocol::Ipv4, view, StopReason::HeaderLength(header_len));
        }
        if let Some(total) = bytes.be16(2).filter(|total| *total != 0 && *total < u16::from(header_len)) {
            return self.stop(Protocol::Ipv4, view, StopReason::TotalLength { total, header: header_len });
        }
        let Some(ip) = Ipv4::parse(bytes) else { return self.lack(Protocol::Ipv4, view, Ipv4::LEN) };
        // A length of zero is what a frame has that the network card was to cut up.
        let view = if ip.total_len == 0 { view } else { view.limited(usize::from(ip.total_len)) };
        let header = usize::from(header_len);
        let payload = view.after(header);
        let part = ip.offset() > 0 || ip.more_fragments();
        let empty = payload.reported_len() == 0 && !part;
        let start = if empty { Start::Done } else { Start::IpProtocol(ip.protocol) };
        let next = (start, payload);
        let next = self.push(Layer::Ipv4(ip), view, next);
        if view.lacks(header).is_some() {
            return self.lack(Protocol::Ipv4, view, header);
        }
        if header > Ipv4::LEN && short_option(bytes.get(..header).unwrap_or_default()) {
            return self.stop(Protocol::Ipv4, view, StopReason::Malformed);
        }
        if next.0.is_done() {
            return next;
        }
        self.carrier = Carrier { ipv6: false, fragmented: ip.more_fragments() };
        if part {
            let len = usize::from(ip.total_len).saturating_sub(header);
            return self.fragment(ip.protocol, ip.offset(), next.1, len);
        }
        next
    }

    /// A fragment of `len` bytes that is here whole waits for the others; the first part of one that never can is
    /// read as it is.
    fn fragment(&mut self, protocol: u8, offset: u32, payload: View, len: usize) -> Next {
        if offset == 0 && payload.captured_len() < len && !self.packet.in_quote() {
            self.carrier.fragmented = true;
            return (Start::IpProtocol(protocol), payload);
        }
        self.leaf(Layer::FragmentData(protocol), payload)
    }

    fn ipv6(&mut self, view: View) -> Next {
        if view.reported_len() < Ipv6::LEN {
            return self.stop(Protocol::Ipv6, view, StopReason::ShortIpv6(view.reported_len()));
        }
        let Some(ip) = Ipv6::parse(self.packet.slice(view)) else {
            return self.lack(Protocol::Ipv6, view, Ipv6::LEN);
        };
        let payload_len = match ip.payload_len {
            0 if ip.next_header == Ipv6Extension::HOP_BY_HOP => {
                jumbo_len(self.packet.slice(view.after(Ipv6::LEN))).unwrap_or(0)
            }
            len => usize::from(len),
        };
        let view = view.limited(Ipv6::LEN + payload_len);
        self.carrier = Carrier { ipv6: true, fragmented: false };
        let next = (Start::IpProtocol(ip.next_header), view.after(Ipv6::LEN));
        self.push(Layer::Ipv6(ip), view, next)
    }

    fn ip_protocol(&mut self, protocol: u8, view: View) -> Next {
        match protocol {
            1 => self.icmp(view),
            // RFC 8986 §4.9: what SRv6 carries of Ethernet.
            143 => self.ethernet(view),
            4 => (Start::Ip, view),
            6 => self.tcp(view),
            17 => self.udp(view),
            41 if self.packet.slice(view).first().is_none_or(|first| first >> 4 == 6) => (Start::Ipv6, view),
            Ipv6Extension::HOP_BY_HOP | Ipv6Extension::ROUTING | Ipv6Extension::DESTINATION => {
                self.extension(protocol, view)
            }
            Ipv6Extension::FRAGMENT => self.ipv6_fragment(view),
            58 => self.icmpv6(view),
            _ => self.leaf(Layer::UnknownIpProtocol(protocol), view),
        }
    }

    fn extension(&mut self, kind: u8, view: View) -> Next {
        let bytes = self.packet.slice(view);
        let Some(extension) = Ipv6Extension::parse(kind, bytes) else {
            return self.lack(Protocol::Ipv6Extension, view, 2);
        };
        let len = usize::from(extension.len);
        let next = (Start::IpProtocol(extension.next_header), view.after(len));
        let next = self.push(Layer::Ipv6Extension(extension), view, next);
        match view.lacks(len) {
            Some(StopReason::Malformed) if extension.cut_inside_list(bytes) => {
                self.stop(Protocol::Ipv6Extension, view, StopReason::MalformedOption)
            }
            Some(_) => self.lack(Protocol::Ipv6Extension, view, len),
            None if extension.broken => self.stop(Protocol::Ipv6Extension, view, StopReason::Malformed),
            None => match view.lacks(options_end(&extension, bytes)) {
                Some(reason) => self.stop(Protocol::Ipv6Extension, view, reason),
                None => next,
            },
        }
    }

    fn ipv6_fragment(&mut self, view: View) -> Next {
        let Some(header) = Ipv6Fragment::parse(self.packet.slice(view)) else {
            return self.lack(Protocol::Ipv6Extension, view, Ipv6Fragment::LEN);
        };
        let next = (Start::IpProtocol(header.next_header), view.after(Ipv6Fragment::LEN));
        let next = self.push(Layer::Ipv6Fragment(header), view, next);
        if next.0.is_done() || (header.offset() == 0 && !header.more_fragments()) {
            return next;
        }
        self.fragment(header.next_header, header.offset(), next.1, next.1.reported_len())
    }

    fn icmp(&mut self, view: View) -> Next {
        let Some(icmp) = Icmp::parse(self.packet.slice(view)) else {
            return self.lack(Protocol::Icmp, view, Icmp::LEN);
        };
        // Type, code, checksum and four bytes whose meaning the type says.
        let next = (Start::Ip, view.after(8));
        let next = self.push(Layer::Icmp(icmp), view, next);
        let needed = icmp.needed(self.packet.slice(view), view.reported_len());
        if view.lacks(needed).is_some() {
            return self.lack(Protocol::Icmp, view, needed);
        }
        if icmp.quotes() { self.quote(next) } else { (Start::Done, view) }
    }

    fn icmpv6(&mut self, view: View) -> Next {
        let Some(icmp) = Icmpv6::parse(self.packet.slice(view)) else {
            return self.lack(Protocol::Icmpv6, view, Icmpv6::LEN);
        };
        let next = (Start::Ipv6, view.after(8));
        let next = self.push(Layer::Icmpv6(icmp), view, next);
        let needed = icmp.needed(self.packet.slice(view), view.reported_len());
        if view.lacks(needed).is_some() && !self.packet.in_quote() {
            // A report's piece, or an option, that is longer than the message, cut or not.
            let past = needed > view.reported_len();
            if past && icmp.kind == Icmpv6::LISTENERS {
                return self.stop(Protocol::Icmpv6, view, StopReason::Malformed);
            }
            if icmp.options().is_some_and(|at| at < view.captured_len()) && past {
                return self.stop(Protocol::Icmpv6, view, StopReason::Malformed);
            }
            return self.lack(Protocol::Icmpv6, view, needed);
        }
        // Unlike that of IPv4, an error that quotes nothing at all is not whole.
        if icmp.quotes() && next.1.reported_len() == 0 && !self.packet.in_quote() {
            return self.lack(Protocol::Icmpv6, view, 9);
        }
        if icmp.quotes() { self.quote(next) } else { (Start::Done, view) }
    }

    fn quote(&mut self, next: Next) -> Next {
        if self.packet.in_quote() || next.0.is_done() {
            return (Start::Done, next.1);
        }
        self.packet.begin_quote(self.layers.len());
        next
    }

    fn udp(&mut self, view: View) -> Next {
        let Some(mut udp) = Udp::parse(self.packet.slice(view)) else {
            return self.lack(Protocol::Udp, view, Udp::LEN);
        };
        let jumbo = udp.len == 0 && self.carrier.ipv6;
        if usize::from(udp.len) < Udp::LEN && !jumbo {
            self.push(Layer::Udp(udp), view, (Start::Done, view));
            return self.stop(Protocol::Udp, view, StopReason::UdpLength(udp.len));
        }
        let view = if jumbo { view } else { view.limited(usize::from(udp.len)) };
        let next = (Start::Udp(udp.source_port, udp.destination_port), view.after(Udp::LEN));
        udp.fragmented = self.carrier.fragmented;
        let next = self.push(Layer::Udp(udp), view, next);
        // Where the header promises more than IP carries, having none of it is an error and having some is not.
        if usize::from(udp.len) > view.reported_len() && next.1.reported_len() == 0 && !udp.fragmented {
            return self.stop(Protocol::Frame, next.1, StopReason::Malformed);
        }
        next
    }

    fn udp_payload(&mut self, source: u16, destination: u16, view: View) -> Next {
        let known = |port: u16| match port {
            53 => Some(Some(DnsFlavour::Dns)),
            5353 => Some(Some(DnsFlavour::Mdns)),
            5355 => Some(Some(DnsFlavour::Llmnr)),
            1900 => Some(None),
            _ => None,
        };
        if self.packet.in_quote() || view.reported_len() == 0 {
            return self.leaf(Layer::Data, view);
        }
        match known(source.min(destination)).or_else(|| known(source.max(destination))) {
            None => self.undecoded(Layer::Data, view),
            Some(_) if view.captured_len() == 0 => self.undecoded(Layer::Data, view),
            Some(None) => self.ssdp(view),
            Some(Some(flavour)) => {
                let dns = Dns::parse(flavour, self.packet.slice(view));
                let whole = dns.is_whole(self.packet.slice(view));
                let next = self.leaf(Layer::Dns(dns), view);
                // Of the header two bytes at a time are read: where one of them was never there, that is the fault.
                let (captured, reported) = (view.captured_len(), view.reported_len());
                if captured < Dns::LEN && captured / 2 * 2 + 2 > reported {
                    return self.stop(Protocol::Dns, view, StopReason::Malformed);
                }
                if whole { next } else { self.lack(Protocol::Dns, view, captured + 1) }
            }
        }
    }

    fn ssdp(&mut self, view: View) -> Next {
        let missing = view.reported_len() - view.captured_len();
        let lacks = Http::parse(self.packet.slice(view)).is_some_and(|http| http.lacks(missing));
        let next = self.leaf(Layer::Ssdp, view);
        if lacks { self.lack(Protocol::Ssdp, view, view.captured_len() + 1) } else { next }
    }

    fn tcp(&mut self, view: View) -> Next {
        if self.packet.in_quote()
            && view.lacks(Tcp::LEN).is_some()
            && let Some(tcp) = Tcp::quoted(self.packet.slice(view))
        {
            return self.leaf(Layer::Tcp(tcp), view);
        }
        let Some(mut tcp) = Tcp::parse(self.packet.slice(view)) else {
            return self.lack(Protocol::Tcp, view, Tcp::LEN);
        };
        let header = usize::from(tcp.header_len);
        let whole = !self.carrier.fragmented && !self.packet.in_quote();
        if whole && header <= view.reported_len() {
            tcp.payload_len = u32::try_from(view.reported_len() - header).ok();
        }
        let next = self.push(Layer::Tcp(tcp), view, (Start::Done, view));
        if view.lacks(Tcp::LEN).is_some() {
            return self.lack(Protocol::Tcp, view, Tcp::LEN);
        }
        if header < Tcp::LEN {
            let len = u8::try_from(header).unwrap_or_default();
            return self.stop(Protocol::Tcp, view, StopReason::HeaderLength(len));
        }
        if let Some(lacks) = view.lacks(header) {
            match (lacks, tcp.cut_options(self.packet.slice(view))) {
                (_, CutOptions::Read) => {}
                (_, CutOptions::Broken) => return self.stop(Protocol::Tcp, view, StopReason::Malformed),
                (StopReason::Malformed, CutOptions::Inside) => {
                    return self.stop(Protocol::Tcp, view, StopReason::MalformedOption);
                }
                _ => return self.lack(Protocol::Tcp, view, header),
            }
        }
        if tcp.has_broken_option(self.packet.slice(view)) {
            return self.stop(Protocol::Tcp, view, StopReason::Malformed);
        }
        let payload = view.after(header);
        if payload.reported_len() > 0 {
            return self.leaf(Layer::Data, payload);
        }
        next
    }
}

impl Start {
    const fn is_done(self) -> bool {
        matches!(self, Self::Done)
    }
}
