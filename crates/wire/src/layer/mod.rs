//! Dissection: the bytes of one frame as a list of layers, never an error.
//!
//! What cannot be decoded ends the list with a [`Stop`]: everything before it stays true. A layer holds the values
//! of its header; names and byte ranges of single fields come from [`crate::field`].

mod arp;
mod dissect;
mod dns;
mod icmp;
mod ip;
mod link;
mod plain;
mod rdata;
mod ssdp;
mod transport;

pub use arp::Arp;
pub(crate) use dissect::{continue_with, dissect};
pub use dns::{Dns, DnsFlavour, DnsRecord, Question, Walk as DnsWalk};
pub(crate) use dns::{DnsPart, write_name};
pub use icmp::{Icmp, Icmpv6};
pub use ip::{Fragment, Ipv4, Ipv6, Ipv6Extension, Ipv6Fragment};
pub use link::{Ethernet, Loopback, Sll, Sll2, Vlan};
pub(crate) use plain::Plain;
pub(crate) use rdata::Data;
pub(crate) use ssdp::Http;
pub(crate) use transport::ByteCounters;
pub use transport::{Tcp, TcpFlags, TcpOption, TcpOptionError, TcpOptions, Udp};

/// The most layers of one frame: deeper nesting ends as [`StopReason::TooDeep`].
pub const MOST_LAYERS: usize = 20;

/// Where bytes lie: in the frame, or in a datagram put together from fragments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// The frame itself.
    #[default]
    Frame,
    /// The reassembled datagram.
    Reassembled,
}

/// A stretch of bytes that a layer may use. Offsets count from the start of its source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// What the offsets count in.
    pub source: Source,
    /// Its first byte.
    pub start: usize,
    /// The end of what was captured.
    pub captured: usize,
    /// The end of what was on the wire: past `captured` where the capture was cut.
    pub reported: usize,
}

impl View {
    /// Bytes on the wire from its start.
    pub const fn reported_len(&self) -> usize {
        self.reported.saturating_sub(self.start)
    }

    /// Captured bytes from its start.
    pub const fn captured_len(&self) -> usize {
        self.captured.saturating_sub(self.start)
    }

    /// What follows after `len` bytes.
    pub(crate) fn after(&self, len: usize) -> Self {
        let start = self.start + len;
        Self { start, captured: self.captured.max(start), reported: self.reported.max(start), ..*self }
    }

    /// The same start, at most `len` bytes on the wire.
    pub(crate) fn limited(&self, len: usize) -> Self {
        let end = self.start.saturating_add(len);
        Self { captured: self.captured.min(end), reported: self.reported.min(end), ..*self }
    }

    /// Why `len` bytes from its start are not there, if they are not.
    pub(crate) const fn lacks(&self, len: usize) -> Option<StopReason> {
        if len <= self.captured_len() {
            None
        } else if self.captured < self.reported {
            Some(StopReason::CutShort)
        } else {
            Some(StopReason::Malformed)
        }
    }
}

/// Why a dissection ended before its bytes did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The capture kept fewer bytes than the header needs.
    CutShort,
    /// The frame itself is shorter than the header needs.
    Malformed,
    /// An option is shorter than its kind needs.
    MalformedOption,
    /// The version field says neither what the carrier announced nor anything known.
    Version(u8),
    /// A header length below the smallest possible one.
    HeaderLength(u8),
    /// A total length below the header length.
    TotalLength {
        /// What the total length field says.
        total: u16,
        /// How long the header is.
        header: u8,
    },
    /// A UDP length below the header's eight bytes.
    UdpLength(u16),
    /// An IPv6 frame shorter than its header.
    ShortIpv6(usize),
    /// More layers than [`MOST_LAYERS`].
    TooDeep,
    /// The link type is not decoded.
    LinkType(u32),
}

/// Which protocol a dissection was in, as columns name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the protocols' own")]
pub enum Protocol {
    Frame,
    Raw,
    Loopback,
    Ethernet,
    Vlan,
    Sll,
    Sll2,
    Arp,
    Ip,
    Ipv4,
    Ipv6,
    Ipv6Extension,
    Icmp,
    Icmpv6,
    Udp,
    Tcp,
    Dns,
    Ssdp,
}

/// Where and why a dissection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// What was being read.
    pub protocol: Protocol,
    /// The bytes that it had.
    pub view: View,
    /// Why it ended.
    pub reason: StopReason,
}

/// What a layer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the protocols' own")]
pub enum Layer {
    Ethernet(Ethernet),
    Vlan(Vlan),
    Sll(Sll),
    Sll2(Sll2),
    /// BSD loopback, of either byte order.
    Loopback(Loopback),
    Arp(Arp),
    Ipv4(Ipv4),
    Ipv6(Ipv6),
    Ipv6Extension(Ipv6Extension),
    Ipv6Fragment(Ipv6Fragment),
    Icmp(Icmp),
    Icmpv6(Icmpv6),
    Udp(Udp),
    Tcp(Tcp),
    Dns(Dns),
    /// Simple service discovery: HTTP over UDP, of a conversation in which a request was seen where it is none itself.
    Ssdp,
    /// A link-layer payload of a type that is not decoded.
    UnknownEthertype(u16),
    /// An IP payload of a protocol that is not decoded.
    UnknownIpProtocol(u8),
    /// A fragment whose datagram is not (yet) whole: its protocol.
    FragmentData(u8),
    /// Bytes without further meaning here.
    Data,
}

/// A layer and where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// What it says.
    pub layer: Layer,
    /// Its bytes, to the end of what it could use (not only its header).
    pub view: View,
}

/// One dissected frame.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    bytes: &'a [u8],
    reassembled: &'a [u8],
    wire_len: usize,
    layers: &'a [Placed],
    /// Where the layers quoted by an ICMP error begin, if there are any.
    quoted_from: Option<usize>,
    stop: Option<Stop>,
    /// What follows the network layer's bytes is cut, too.
    trailer_cut: bool,
    /// Its layers are those of a [`Plain`] frame.
    plain: bool,
}

impl<'a> Packet<'a> {
    pub(crate) const fn new(bytes: &'a [u8], wire_len: usize) -> Self {
        let (quoted_from, stop, trailer_cut, plain) = (None, None, false, false);
        Self { bytes, reassembled: &[], wire_len, layers: &[], quoted_from, stop, trailer_cut, plain }
    }

    /// Says that its layers are those of a [`Plain`] frame.
    pub(crate) const fn plain(bytes: &'a [u8], wire_len: usize) -> Self {
        Self { plain: true, ..Self::new(bytes, wire_len) }
    }

    /// Whether [`Plain`] has all of its layers.
    pub(crate) const fn is_plain(&self) -> bool {
        self.plain
    }

    /// The captured bytes of the frame.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The datagram that this frame's fragment completed, or nothing.
    pub const fn reassembled(&self) -> &'a [u8] {
        self.reassembled
    }

    /// How long the frame was on the wire.
    pub const fn wire_len(&self) -> usize {
        self.wire_len
    }

    /// The layers from the link up, without those that an ICMP error quotes.
    pub fn layers(&self) -> &'a [Placed] {
        self.outer(self.layers)
    }

    /// Those of the layers that no ICMP error quotes.
    pub(crate) fn outer<'l>(&self, layers: &'l [Placed]) -> &'l [Placed] {
        layers.get(..self.quoted_from.unwrap_or(layers.len())).unwrap_or_default()
    }

    /// The layers of the packet that an ICMP error quotes.
    pub fn quoted(&self) -> &'a [Placed] {
        let from = self.quoted_from.unwrap_or(self.layers.len());
        self.layers.get(from..).unwrap_or_default()
    }

    /// Where and why the dissection ended early.
    pub const fn stop(&self) -> Option<&Stop> {
        self.stop.as_ref()
    }

    /// Whether an ICMP error quotes a packet here, whole or not.
    pub(crate) const fn in_quote(&self) -> bool {
        self.quoted_from.is_some()
    }

    /// The captured bytes of a view.
    pub fn slice(&self, view: View) -> &'a [u8] {
        let source = match view.source {
            Source::Frame => self.bytes,
            Source::Reassembled => self.reassembled,
        };
        source.get(view.start..view.captured).unwrap_or_default()
    }

    /// The TCP header and its view, if the frame carries one (not a quoted one).
    pub fn tcp(&self) -> Option<(&'a Tcp, View)> {
        self.layers().iter().find_map(|placed| match &placed.layer {
            Layer::Tcp(tcp) => Some((tcp, placed.view)),
            _ => None,
        })
    }

    pub(crate) const fn with_reassembled(&mut self, reassembled: &'a [u8]) {
        self.reassembled = reassembled;
    }

    /// Those of the frame and those of a quote.
    pub(crate) const fn all_layers(&self) -> &'a [Placed] {
        self.layers
    }

    /// The same, its bytes and layers at another place.
    pub(crate) const fn over<'b>(
        &self,
        bytes: &'b [u8],
        reassembled: &'b [u8],
        layers: &'b [Placed],
    ) -> Packet<'b> {
        let Self { wire_len, quoted_from, stop, trailer_cut, plain, .. } = *self;
        Packet { bytes, reassembled, wire_len, layers, quoted_from, stop, trailer_cut, plain }
    }

    pub(crate) const fn with_layers(&mut self, layers: &'a [Placed]) {
        self.layers = layers;
    }

    /// Whether there was a reason to stop, and then also the padding after the network layer's bytes is cut.
    pub(crate) const fn trailer_cut(&self) -> bool {
        self.trailer_cut
    }

    /// Says that the padding from `view` on is cut.
    pub(crate) const fn cut_trailer(&mut self, view: View) {
        self.trailer_cut = self.stop.is_some();
        self.stop_at(Protocol::Frame, view, StopReason::CutShort);
    }

    /// What follows behind so many layers is a quote.
    pub(crate) const fn begin_quote(&mut self, layers: usize) {
        if self.quoted_from.is_none() {
            self.quoted_from = Some(layers);
        }
    }

    pub(crate) const fn stop_at(&mut self, protocol: Protocol, view: View, reason: StopReason) {
        if self.stop.is_none() {
            self.stop = Some(Stop { protocol, view, reason });
        }
    }
}
