//! A capture being read: each record becomes a [`Frame`], with the memory that rows need of those before.
//!
//! **One pass or two.** Some rows tell what comes later (`(reply in 7)`, `[Reassembled in #9]`). Reading twice shows
//! them: give every record to a [`Scout`], then again to the session that it [becomes](Scout::finish). Reading once
//! leaves them out, as Wireshark does while it captures.

use std::collections::HashMap;
use std::hash::Hash;

use crate::bytes::Bytes;
use crate::datagrams::Datagrams;
use crate::file::{Options, Record};
use crate::fragments::Fragments;
use crate::layer::{
    Arp, Fragment, Http, Icmp, Icmpv6, Ipv6, Layer, Packet, Placed, Plain, Protocol, StopReason,
    continue_with, dissect,
};
use crate::tcp::{Conversations, Endpoint, Limits, Segment, TcpNote};
use crate::time::Timestamp;

/// The most echo requests, addresses, UDP conversations and links to later frames that are remembered; past it new ones
/// are not.
const MOST_REMEMBERED: usize = 1_000_000;

/// A map with a bound: what is past it is counted, not kept.
#[derive(Debug)]
pub(crate) struct Memory<K, V> {
    map: HashMap<K, V>,
    pub(crate) left_out: u64,
}

impl<K, V> Default for Memory<K, V> {
    fn default() -> Self {
        Self { map: HashMap::new(), left_out: 0 }
    }
}

impl<K: Eq + Hash, V> Memory<K, V> {
    fn keep(&mut self, key: K, value: V) {
        if self.map.len() < MOST_REMEMBERED || self.map.contains_key(&key) {
            self.map.insert(key, value);
        } else {
            self.left_out += 1;
        }
    }

    /// What is kept of the key, or this value from now on; none past the bound.
    pub(crate) fn known_or(&mut self, key: K, value: V) -> Option<V>
    where
        V: Copy,
    {
        if let Some(known) = self.map.get(&key) {
            return Some(*known);
        }
        let kept = self.map.len() < MOST_REMEMBERED;
        self.keep(key, value);
        kept.then_some(value)
    }

    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }
}

/// What only a first pass can tell.
#[derive(Debug, Default)]
struct Later {
    /// From a fragment to the frame that completed its datagram.
    reassembled_in: Memory<u64, u64>,
    /// From an echo request to its reply.
    replies: Memory<u64, u64>,
}

/// A capture being read.
#[derive(Debug, Default)]
pub struct Session {
    number: u64,
    first_time: Option<Timestamp>,
    pub(crate) last_time: Option<Timestamp>,
    tcp: Conversations,
    fragments: Fragments,
    reassembled: Vec<u8>,
    layers: Vec<Placed>,
    echoes: Memory<EchoKey, u64>,
    addresses: Memory<[u8; 4], [u8; 6]>,
    datagrams: Datagrams,
    /// Between whom a request of service discovery was seen.
    asked: Memory<[Endpoint; 2], ()>,
    /// Of a first reading: what the second one is told.
    found: Option<Later>,
    told: Option<Later>,
}

/// The first of two readings: it keeps what rows change by later, and no more.
#[derive(Debug, Default)]
pub struct Scout(Session);

impl Scout {
    /// The start of a capture that will be read again, with bounds on memory.
    pub fn new(limits: Limits) -> Self {
        let (tcp, found) = (Conversations::scouting(limits), Some(Later::default()));
        Self(Session { tcp, found, ..Session::default() })
    }

    /// Takes the next record.
    pub fn record(&mut self, record: &Record<'_>) {
        if !self.0.pass_by(record) {
            self.0.frame(record);
        }
    }

    /// The second reading, of the same records from the first one on.
    pub fn finish(self, limits: Limits) -> Session {
        let told = self.0.found.unwrap_or_default();
        let asked = Memory { map: self.0.asked.map, left_out: 0 };
        Session { told: Some(told), tcp: self.0.tcp.again(limits), asked, ..Session::default() }
    }
}

/// Source, destination, id and number of an echo request.
type EchoKey = ([u8; 16], [u8; 16], u16, u16);

/// What an echo's partner is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Echo {
    /// A request whose reply is not known (in one pass: not yet).
    Unanswered,
    /// A request answered in that frame.
    ReplyIn(u64),
    /// A reply to the request in that frame.
    RequestIn(u64),
}

/// One frame, with what it means beside those before it.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// `frame.number`, from 1.
    pub number: u64,
    /// `frame.time_epoch`; a simple packet block has none.
    pub time: Option<Timestamp>,
    /// `frame.time_relative`, in nanoseconds since the first frame; since 1970 where the first frame has no time.
    pub relative: Option<i64>,
    /// `frame.time_delta`, in nanoseconds since the frame before it that has a time.
    pub delta: Option<i64>,
    /// Its layers.
    pub packet: Packet<'a>,
    /// Options of its block in the file: comments, flags, process.
    pub options: Options<'a>,
    /// What its TCP segment means.
    pub tcp: Option<TcpNote>,
    /// `udp.stream` of its datagram, or of the one that it quotes.
    pub udp_stream: Option<u32>,
    /// The frame that completes the datagram that this one is a fragment of.
    pub reassembled_in: Option<u64>,
    /// Its echo partner.
    pub echo: Option<Echo>,
    /// An address in ARP that another hardware address had used: that address.
    pub duplicate_address: Option<[u8; 4]>,
    /// Whether it was read with the knowledge of a first pass.
    pub second_pass: bool,
}

impl Frame<'_> {
    /// Who sent its TCP segment, and to whom; none where it has no segment.
    pub fn ends(&self) -> Option<[Endpoint; 2]> {
        let (header, _) = self.packet.tcp()?;
        let [mut source, mut destination] = addresses(&self.packet)?;
        (source.port, destination.port) = (header.source_port, header.destination_port);
        Some([source, destination])
    }

    /// The same, its bytes and layers at another place.
    pub(crate) const fn over<'b>(
        &self,
        record: &Record<'b>,
        reassembled: &'b [u8],
        layers: &'b [Placed],
    ) -> Frame<'b> {
        let packet = self.packet.over(record.bytes, reassembled, layers);
        Frame { packet, options: record.options, ..*self }
    }
}

impl Session {
    /// The start of a capture, with bounds on memory.
    pub fn new(limits: Limits) -> Self {
        Self { tcp: Conversations::new(limits), ..Self::default() }
    }

    /// The TCP conversations so far.
    pub const fn conversations(&self) -> &Conversations {
        &self.tcp
    }

    /// How many fragments, echo requests, addresses and UDP conversations were not remembered to keep memory bounded: rows
    /// that would name their partners or numbers do not.
    pub fn not_remembered(&self) -> u64 {
        let told = self.told.as_ref().map_or(0, |told| told.reassembled_in.left_out + told.replies.left_out);
        told + self.echoes.left_out
            + self.addresses.left_out
            + self.datagrams.left_out()
            + self.asked.left_out
    }

    /// Takes the next record of a first reading the short way: a TCP segment of a known conversation of which the
    /// second one is told nothing but what [`Conversations::pass_by`] keeps.
    fn pass_by(&mut self, record: &Record<'_>) -> bool {
        let wire_len = usize::try_from(record.wire_len).unwrap_or(usize::MAX);
        let plain = Plain::parse(record.link, record.bytes, wire_len);
        let Some(Plain { ip, tcp, .. }) = plain.filter(Plain::says_nothing_lasting) else { return false };
        let end = |address, port| Endpoint { address: widened(address), ipv6: false, port };
        let ends = [end(ip.source, tcp.source_port), end(ip.destination, tcp.destination_port)];
        let known = self.tcp.pass_by(ends, &tcp, record.time.unwrap_or_default());
        self.number += u64::from(known);
        known
    }

    /// Takes the next record.
    pub fn frame<'s>(&'s mut self, record: &Record<'s>) -> Frame<'s> {
        self.number += 1;
        let first = *self.first_time.get_or_insert(record.time.unwrap_or_default());
        let mut layers = std::mem::take(&mut self.layers);
        let mut packet = dissect(record.link, record.bytes, record.wire_len, &mut layers);
        let part = fragment_of(&packet, &layers);
        let told = self.told.as_ref().filter(|_| part.is_some());
        let mut reassembled_in = told.and_then(|told| told.reassembled_in.map.get(&self.number)).copied();
        let whole = part.and_then(|part| Some((part, self.fragment(&part, &packet)?)));
        if let Some((part, whole)) = whole {
            reassembled_in = None;
            self.reassembled = whole;
            layers.pop();
            self.layers = layers;
            packet.with_reassembled(&self.reassembled);
            continue_with(&mut packet, &mut self.layers, part.protocol, part.ipv6);
        } else {
            self.layers = layers;
        }
        discovery(&mut packet, &mut self.layers, &mut self.asked);
        packet.with_layers(&self.layers);
        let mut frame = Frame {
            number: self.number,
            time: record.time,
            relative: record.time.map(|now| now.since(first)),
            delta: record.time.map(|now| now.since(self.last_time.unwrap_or(now))),
            packet,
            options: record.options,
            tcp: None,
            udp_stream: None,
            reassembled_in,
            echo: None,
            duplicate_address: None,
            second_pass: self.told.is_some(),
        };
        let Self { tcp, echoes, addresses, found, told, .. } = self;
        self.last_time = record.time.or(self.last_time);
        frame.tcp = note(tcp, &frame);
        frame.udp_stream = if found.is_none() { self.datagrams.stream(&frame.packet) } else { None };
        frame.echo = echo(&frame.packet, frame.number, echoes, (found.as_mut(), told.as_ref()));
        frame.duplicate_address = duplicate_address(&frame.packet, addresses);
        frame
    }

    /// Keeps a fragment; gives the datagram that it completes.
    fn fragment(&mut self, part: &Part, packet: &Packet<'_>) -> Option<Vec<u8>> {
        let done = self.fragments.add(&part.fragment, packet.slice(part.placed.view), self.number)?;
        for frame in done.frames {
            if let (Some(found), true) = (&mut self.found, frame != self.number) {
                found.reassembled_in.keep(frame, self.number);
            }
        }
        Some(done.bytes)
    }
}

/// A fragment, and where its bytes are.
#[derive(Clone, Copy, Debug)]
struct Part {
    fragment: Fragment,
    placed: Placed,
    /// What it says that the datagram carries.
    protocol: u8,
    ipv6: bool,
}

/// The fragment that ends the layers of a packet.
fn fragment_of(packet: &Packet<'_>, layers: &[Placed]) -> Option<Part> {
    let layers = packet.outer(layers);
    let [.., carrier, last] = layers else { return None };
    // Where the part has to reach to be here whole.
    let mut end = last.view.start;
    if !matches!(last.layer, Layer::FragmentData(_)) {
        return None;
    }
    let (mut source, mut destination) = ([0; 16], [0; 16]);
    for placed in layers {
        match placed.layer {
            Layer::Ipv4(ip) => {
                (source, destination) = (widened(ip.source), widened(ip.destination));
                end = placed.view.start + usize::from(ip.total_len);
            }
            Layer::Ipv6(ip) => {
                (source, destination) = (ip.source, ip.destination);
                end = placed.view.start + Ipv6::LEN + usize::from(ip.payload_len);
            }
            Layer::Ipv6Extension(routed) => destination = routed.leads_to(destination).unwrap_or(destination),
            _ => {}
        }
    }
    let (id, protocol, offset, more, ipv6) = match carrier.layer {
        Layer::Ipv4(ip) => (u32::from(ip.id), ip.protocol, ip.offset(), ip.more_fragments(), false),
        Layer::Ipv6Fragment(header) => {
            (header.id, header.next_header, header.offset(), header.more_fragments(), true)
        }
        _ => return None,
    };
    if last.view.captured < end {
        return None;
    }
    let fragment = Fragment { source, destination, id, protocol: (!ipv6).then_some(protocol), offset, more };
    Some(Part { fragment, placed: *last, protocol, ipv6 })
}

fn widened(address: [u8; 4]) -> [u8; 16] {
    let mut wide = [0; 16];
    wide.iter_mut().zip(address).for_each(|(to, from)| *to = from);
    wide
}

/// The ends of the innermost IP header before the transport.
pub(crate) fn addresses(packet: &Packet<'_>) -> Option<[Endpoint; 2]> {
    addresses_in(packet.layers())
}

/// The same of these layers.
pub(crate) fn addresses_in(layers: &[Placed]) -> Option<[Endpoint; 2]> {
    let mut routed = None;
    layers.iter().rev().find_map(|placed| match placed.layer {
        Layer::Ipv6Extension(extension) => {
            routed = routed.or(extension.final_destination.map(|_| extension));
            None
        }
        Layer::Ipv4(ip) => {
            let ends = [ip.source, ip.destination];
            Some(ends.map(|address| Endpoint { address: widened(address), ipv6: false, port: 0 }))
        }
        Layer::Ipv6(ip) => {
            let end = routed.and_then(|routed| routed.leads_to(ip.destination));
            let ends = [ip.source, end.unwrap_or(ip.destination)];
            Some(ends.map(|address| Endpoint { address, ipv6: true, port: 0 }))
        }
        _ => None,
    })
}

/// What goes to the port of service discovery and begins no message is one only between ends that have asked before.
fn discovery(packet: &mut Packet<'_>, layers: &mut [Placed], asked: &mut Memory<[Endpoint; 2], ()>) {
    let Some(Placed { layer: Layer::Ssdp, view }) = layers.last().copied() else { return };
    let ports = layers.iter().rev().find_map(|placed| match placed.layer {
        Layer::Udp(udp) => Some([udp.source_port, udp.destination_port]),
        _ => None,
    });
    let (Some(mut ends), Some(ports)) = (addresses_in(layers), ports) else { return };
    ends.iter_mut().zip(ports).for_each(|(end, port)| end.port = port);
    ends.sort_unstable();
    let bytes = packet.slice(view);
    // An empty line is stepped over.
    let first = if bytes == b"\r\n" { 3 } else { 2 };
    let starts = bytes.len() >= view.reported_len().min(first);
    let known = starts && asked.map.contains_key(&ends);
    if Http::asks(bytes) {
        asked.keep(ends, ());
    }
    if known || Http::parse(bytes).is_some() {
        return;
    }
    if let Some(last) = layers.last_mut() {
        last.layer = Layer::Data;
    }
    if !starts {
        packet.stop_at(Protocol::Frame, view, StopReason::CutShort);
    }
}

fn note(tcp: &mut Conversations, frame: &Frame<'_>) -> Option<TcpNote> {
    let (header, view) = frame.packet.tcp()?;
    let ends = frame.ends()?;
    let bytes = frame.packet.slice(view);
    let time = frame.time.unwrap_or_default();
    let mut segment = Segment::new(frame.number, time, ends, *header, bytes);
    segment.frame_len = u32::try_from(frame.packet.wire_len()).unwrap_or(u32::MAX);
    Some(tcp.segment(&segment))
}

fn echo(
    packet: &Packet<'_>,
    number: u64,
    echoes: &mut Memory<EchoKey, u64>,
    (found, told): (Option<&mut Later>, Option<&Later>),
) -> Option<Echo> {
    let last = packet.layers().last()?;
    let request = match last.layer {
        Layer::Icmp(Icmp { kind: Icmp::ECHO, .. }) | Layer::Icmpv6(Icmpv6 { kind: Icmpv6::ECHO, .. }) => true,
        Layer::Icmp(Icmp { kind: Icmp::ECHO_REPLY, .. })
        | Layer::Icmpv6(Icmpv6 { kind: Icmpv6::ECHO_REPLY, .. }) => false,
        _ => return None,
    };
    // Requests and replies with a wrong checksum are no pair.
    if last.view.captured == last.view.reported && !checksum_holds(packet, last) {
        return if request { Some(Echo::Unanswered) } else { None };
    }
    let bytes = packet.slice(last.view);
    let (id, sequence) = (bytes.be16(4)?, bytes.be16(6)?);
    let [source, destination] = addresses(packet)?.map(|end| end.address);
    if request {
        echoes.keep((source, destination, id, sequence), number);
        let reply = told.and_then(|told| told.replies.map.get(&number));
        return Some(reply.map_or(Echo::Unanswered, |reply| Echo::ReplyIn(*reply)));
    }
    let asked = echoes.map.remove(&(destination, source, id, sequence))?;
    if let Some(found) = found {
        found.replies.keep(asked, number);
    }
    Some(Echo::RequestIn(asked))
}

/// The Internet checksum (RFC 1071) of an ICMP message, with the pseudo-header of IPv6 (RFC 8200 §8.1).
fn checksum_holds(packet: &Packet<'_>, message: &Placed) -> bool {
    let bytes = packet.slice(message.view);
    let mut sum: u32 = 0;
    let mut add = |bytes: &[u8]| {
        for pair in bytes.chunks(2) {
            let low = pair.get(1).copied().unwrap_or_default();
            sum += u32::from(pair.first().copied().unwrap_or_default()) << 8 | u32::from(low);
            sum = (sum & 0xffff) + (sum >> 16);
        }
    };
    add(bytes);
    if matches!(message.layer, Layer::Icmpv6(_)) {
        const NEXT_HEADER: [u8; 2] = [0, 58];
        let Some(ends) = addresses(packet) else { return false };
        // An IPv4 address in its wide form ends in zeros, which count nothing.
        for end in ends {
            add(&end.address);
        }
        add(&u32::try_from(bytes.len()).unwrap_or_default().to_be_bytes());
        add(&NEXT_HEADER);
    }
    sum == 0xffff
}

/// An IPv4 address in ARP whose hardware address is not the one that it had before.
fn duplicate_address(packet: &Packet<'_>, known: &mut Memory<[u8; 4], [u8; 6]>) -> Option<[u8; 4]> {
    let last = packet.layers().last()?;
    let Layer::Arp(
        arp @ Arp {
            protocol_type: 0x0800,
            hardware_len: 6,
            protocol_len: 4,
            opcode: 1 | 2,
            hardware_type: 1 | 6,
            ..
        },
    ) = last.layer
    else {
        return None;
    };
    let bytes = packet.slice(last.view);
    let [sender_hardware, sender, target_hardware, target] = arp.addresses(bytes)?;
    let mut duplicate = None;
    let reply = (arp.opcode == Arp::REPLY).then_some((target_hardware, target));
    for (hardware, protocol) in [Some((sender_hardware, sender)), reply].into_iter().flatten() {
        let (hardware, protocol) = (hardware.array::<6>(0)?, protocol.array::<4>(0)?);
        let [first, ..] = hardware;
        // A group's address belongs to nobody.
        if protocol == [0; 4] || hardware == [0; 6] || first & 1 == 1 {
            continue;
        }
        // The first one that used an address keeps it.
        match known.map.get(&protocol) {
            Some(holder) if *holder != hardware => duplicate = duplicate.or(Some(protocol)),
            Some(_) => {}
            None => known.keep(protocol, hardware),
        }
    }
    duplicate
}

#[cfg(test)]
pub(crate) mod tests;
