//! The walk over a frame's fields.

use std::borrow::Cow;

use super::{Field, FieldId, Value, by_name, id};
use crate::bytes::Bytes;
use crate::layer::{
    Arp, Dns, DnsFlavour, DnsPart, Ethernet, Ipv4, Ipv6, Ipv6Extension, Ipv6Fragment, Layer, Placed,
    Protocol, Sll, Sll2, Source, Tcp, TcpFlags, TcpOption, Udp, View, Vlan, write_name,
};
use crate::session::{Echo, Frame};
use crate::tcp::{Flag, TcpNote};

/// Gives every field of a frame to `sink`, those of a quoted packet last.
pub fn visit<'a>(frame: &Frame<'a>, sink: &mut dyn FnMut(Field<'a>)) {
    let packet = &frame.packet;
    let whole =
        View { source: Source::Frame, start: 0, captured: packet.bytes().len(), reported: packet.wire_len() };
    let mut walk = Walk { frame, view: whole, bytes: packet.bytes(), sink };
    walk.frame();
    for placed in packet.layers() {
        walk.layer(placed, true);
    }
    for placed in packet.quoted() {
        walk.layer(placed, false);
    }
}

struct Walk<'f, 'a> {
    frame: &'f Frame<'a>,
    view: View,
    bytes: &'a [u8],
    sink: &'f mut dyn FnMut(Field<'a>),
}

impl<'a> Walk<'_, 'a> {
    /// A field at an offset in the current layer, if all its bytes are there.
    fn put(&mut self, id: FieldId, at: usize, len: usize, value: Value<'a>) {
        if self.bytes.len() < at.saturating_add(len) {
            return;
        }
        let (source, start) = (self.view.source, self.view.start + at);
        (self.sink)(Field { id, source, start, len, value, layer: self.view });
    }

    fn number(&mut self, id: FieldId, at: usize, len: usize, value: impl Into<u64>) {
        self.put(id, at, len, Value::Number(value.into()));
    }

    /// Something concluded, not read.
    fn concluded(&mut self, id: FieldId, value: Value<'a>) {
        self.put(id, 0, 0, value);
    }

    fn protocol(&mut self, id: FieldId, len: usize) {
        let bytes = self.bytes.get(..len).unwrap_or(self.bytes);
        self.put(id, 0, bytes.len(), Value::Bytes(bytes));
    }

    fn frame(&mut self) {
        self.protocol(id::FRAME, usize::MAX);
        self.concluded(id::FRAME_NUMBER, Value::Number(self.frame.number));
        let lens = [(id::FRAME_LEN, self.view.reported), (id::FRAME_CAP_LEN, self.view.captured)];
        for (id, len) in lens {
            self.concluded(id, Value::Number(u64::try_from(len).unwrap_or(u64::MAX)));
        }
        if let Some(time) = self.frame.time {
            self.concluded(id::FRAME_TIME_EPOCH, Value::Seconds(time.nanos()));
        }
        if let Some(relative) = self.frame.relative {
            self.concluded(id::FRAME_TIME_RELATIVE, Value::Seconds(relative));
        }
        if let Some(delta) = self.frame.delta {
            self.concluded(id::FRAME_TIME_DELTA, Value::Seconds(delta));
        }
        for comment in self.frame.options.comments() {
            self.concluded(id::FRAME_COMMENT, Value::Text(String::from_utf8_lossy(comment)));
        }
    }

    fn layer(&mut self, placed: &Placed, own: bool) {
        self.view = placed.view;
        self.bytes = self.frame.packet.slice(placed.view);
        match &placed.layer {
            Layer::Ethernet(header) => self.ethernet(header),
            Layer::Vlan(header) => self.vlan(*header),
            Layer::Sll(header) => self.sll(header),
            Layer::Sll2(header) => self.sll2(header),
            Layer::Loopback(header) => {
                self.protocol(id::NULL, 4);
                self.number(id::NULL_FAMILY, 0, 4, header.family);
            }
            Layer::Arp(header) => self.arp(*header),
            Layer::Ipv4(header) => self.ipv4(header),
            Layer::Ipv6(header) => self.ipv6(header),
            Layer::Ipv6Extension(header) => self.extension(header),
            Layer::Ipv6Fragment(header) => self.ipv6_fragment(*header),
            Layer::Icmp(header) => self.icmp(header.kind, header.code, header.checksum),
            Layer::Icmpv6(header) => {
                self.protocol(id::ICMPV6, usize::MAX);
                self.number(id::ICMPV6_TYPE, 0, 1, header.kind);
                self.number(id::ICMPV6_CODE, 1, 1, header.code);
                self.number(id::ICMPV6_CHECKSUM, 2, 2, header.checksum);
            }
            Layer::Udp(header) => self.udp(header),
            Layer::Tcp(header) => self.tcp(header, own),
            Layer::Dns(header) => self.dns(header),
            Layer::Ssdp => self.protocol(id::SSDP, usize::MAX),
            Layer::UnknownEthertype(_)
            | Layer::UnknownIpProtocol(_)
            | Layer::FragmentData(_)
            | Layer::Data => {
                self.protocol(id::DATA, usize::MAX);
                self.number(id::DATA_LEN, 0, 0, u64::try_from(self.bytes.len()).unwrap_or(u64::MAX));
            }
        }
    }

    fn ethernet(&mut self, header: &Ethernet) {
        self.protocol(id::ETH, Ethernet::LEN);
        for (id, at, address) in [(id::ETH_DST, 0, header.destination), (id::ETH_SRC, 6, header.source)] {
            self.put(id, at, 6, Value::Ether(address));
            self.put(id::ETH_ADDR, at, 6, Value::Ether(address));
        }
        let id = if header.has_length() { id::ETH_LEN } else { id::ETH_TYPE };
        self.number(id, 12, 2, header.ethertype);
    }

    fn vlan(&mut self, header: Vlan) {
        self.protocol(id::VLAN, Vlan::LEN);
        self.number(id::VLAN_PRIORITY, 0, 2, header.priority());
        self.put(id::VLAN_DEI, 0, 2, Value::Flag(header.drop_eligible() != 0));
        self.number(id::VLAN_ID, 0, 2, header.id());
        self.number(id::VLAN_ETYPE, 2, 2, header.ethertype);
    }

    fn sll(&mut self, header: &Sll) {
        self.protocol(id::SLL, Sll::LEN);
        self.number(id::SLL_PKTTYPE, 0, 2, header.packet_type);
        self.number(id::SLL_HATYPE, 2, 2, header.hardware_type);
        self.number(id::SLL_HALEN, 4, 2, header.address_len);
        self.link_address(6, header.address_len, header.address);
        self.number(id::SLL_ETYPE, 14, 2, header.protocol);
    }

    fn sll2(&mut self, header: &Sll2) {
        self.protocol(id::SLL, Sll2::LEN);
        self.number(id::SLL_ETYPE, 0, 2, header.protocol);
        self.number(id::SLL_IFINDEX, 4, 4, header.interface);
        self.number(id::SLL_HATYPE, 8, 2, header.hardware_type);
        self.number(id::SLL_PKTTYPE, 10, 1, header.packet_type);
        self.number(id::SLL_HALEN, 11, 1, header.address_len);
        self.link_address(12, u16::from(header.address_len), header.address);
    }

    fn link_address(&mut self, at: usize, len: u16, address: [u8; 8]) {
        if let (6, Some(address)) = (len, address.first_chunk()) {
            self.put(id::SLL_SRC_ETH, at, 6, Value::Ether(*address));
        }
    }

    fn arp(&mut self, header: Arp) {
        if header.hardware_type == Arp::ATM {
            return;
        }
        self.protocol(id::ARP, header.total_len());
        self.number(id::ARP_HW_TYPE, 0, 2, header.hardware_type);
        self.number(id::ARP_PROTO_TYPE, 2, 2, header.protocol_type);
        self.number(id::ARP_HW_SIZE, 4, 1, header.hardware_len);
        self.number(id::ARP_PROTO_SIZE, 5, 1, header.protocol_len);
        self.number(id::ARP_OPCODE, 6, 2, header.opcode);
        let (hardware, protocol) = (usize::from(header.hardware_len), usize::from(header.protocol_len));
        let (sender, target) = (Arp::LEN, Arp::LEN + hardware + protocol);
        for (id, at) in [(id::ARP_SRC_HW_MAC, sender), (id::ARP_DST_HW_MAC, target)] {
            if let Some(address) =
                self.bytes.array(at).filter(|_| hardware == 6 && matches!(header.hardware_type, 1 | 6))
            {
                self.put(id, at, 6, Value::Ether(address));
            }
        }
        let internet = protocol == 4 && header.protocol_type == 0x0800;
        for (id, at) in [(id::ARP_SRC_PROTO_IPV4, sender), (id::ARP_DST_PROTO_IPV4, target)] {
            if let Some(address) = self.bytes.array(at + hardware).filter(|_| internet) {
                self.put(id, at + hardware, 4, Value::Ipv4(address));
            }
        }
    }

    fn ipv4(&mut self, header: &Ipv4) {
        self.protocol(id::IP, usize::from(header.header_len));
        self.number(id::IP_VERSION, 0, 1, 4u8);
        self.number(id::IP_HDR_LEN, 0, 1, header.header_len);
        self.number(id::IP_DSFIELD, 1, 1, header.service);
        self.number(id::IP_DSFIELD_DSCP, 1, 1, header.service >> 2);
        self.number(id::IP_DSFIELD_ECN, 1, 1, header.service & 3);
        self.number(id::IP_LEN, 2, 2, header.total_len);
        self.number(id::IP_ID, 4, 2, header.id);
        self.number(id::IP_FLAGS, 6, 1, header.flags_offset >> 13);
        self.put(id::IP_FLAGS_DF, 6, 1, Value::Flag(header.dont_fragment()));
        self.put(id::IP_FLAGS_MF, 6, 1, Value::Flag(header.more_fragments()));
        self.number(id::IP_FRAG_OFFSET, 6, 2, header.offset());
        self.number(id::IP_TTL, 8, 1, header.ttl);
        self.number(id::IP_PROTO, 9, 1, header.protocol);
        self.number(id::IP_CHECKSUM, 10, 2, header.checksum);
        let destination_at = usize::from(header.destination_at);
        for (id, at, address) in
            [(id::IP_SRC, 12, header.source), (id::IP_DST, destination_at, header.destination)]
        {
            self.put(id, at, 4, Value::Ipv4(address));
            self.put(id::IP_ADDR, at, 4, Value::Ipv4(address));
        }
        if let Some(frame) = self.frame.reassembled_in {
            self.concluded(id::IP_REASSEMBLED_IN, Value::Number(frame));
        }
    }

    fn ipv6(&mut self, header: &Ipv6) {
        self.protocol(id::IPV6, Ipv6::LEN);
        self.number(id::IPV6_VERSION, 0, 1, 6u8);
        self.number(id::IPV6_TCLASS, 0, 4, header.traffic_class());
        self.number(id::IPV6_FLOW, 0, 4, header.flow());
        self.number(id::IPV6_PLEN, 4, 2, header.payload_len);
        self.number(id::IPV6_NXT, 6, 1, header.next_header);
        self.number(id::IPV6_HLIM, 7, 1, header.hop_limit);
        for (id, at, address) in [(id::IPV6_SRC, 8, header.source), (id::IPV6_DST, 24, header.destination)] {
            self.put(id, at, 16, Value::Ipv6(address));
            self.put(id::IPV6_ADDR, at, 16, Value::Ipv6(address));
        }
    }

    fn extension(&mut self, header: &Ipv6Extension) {
        let id = match header.kind {
            Ipv6Extension::HOP_BY_HOP => id::IPV6_HOPOPTS,
            Ipv6Extension::ROUTING => id::IPV6_ROUTING,
            _ => id::IPV6_DSTOPTS,
        };
        self.protocol(id, usize::from(header.len));
    }

    fn ipv6_fragment(&mut self, header: Ipv6Fragment) {
        self.protocol(id::IPV6_FRAGHDR, Ipv6Fragment::LEN);
        // In units of eight bytes, as it stands in the header.
        self.number(id::IPV6_FRAGHDR_OFFSET, 2, 2, header.offset() / 8);
        self.put(id::IPV6_FRAGHDR_MORE, 2, 2, Value::Flag(header.more_fragments()));
        self.number(id::IPV6_FRAGHDR_IDENT, 4, 4, header.id);
    }

    fn icmp(&mut self, kind: u8, code: u8, checksum: u16) {
        self.protocol(id::ICMP, usize::MAX);
        self.number(id::ICMP_TYPE, 0, 1, kind);
        self.number(id::ICMP_CODE, 1, 1, code);
        self.number(id::ICMP_CHECKSUM, 2, 2, checksum);
        if matches!(kind, 0 | 8 | 13..=18) {
            for (id, at) in [(id::ICMP_IDENT, 4), (id::ICMP_SEQ, 6)] {
                if let Some(value) = self.bytes.be16(at) {
                    self.number(id, at, 2, value);
                }
            }
        }
        match self.frame.echo {
            Some(Echo::ReplyIn(frame)) => self.concluded(id::ICMP_RESP_IN, Value::Number(frame)),
            Some(Echo::RequestIn(frame)) => self.concluded(id::ICMP_RESP_TO, Value::Number(frame)),
            Some(Echo::Unanswered) | None => {}
        }
    }

    fn udp(&mut self, header: &Udp) {
        self.protocol(id::UDP, Udp::LEN);
        self.ports(
            [id::UDP_SRCPORT, id::UDP_DSTPORT, id::UDP_PORT],
            header.source_port,
            header.destination_port,
        );
        if let Some(stream) = self.frame.udp_stream {
            self.concluded(id::UDP_STREAM, Value::Number(u64::from(stream)));
        }
        self.number(id::UDP_LENGTH, 4, 2, header.len);
        self.number(id::UDP_CHECKSUM, 6, 2, header.checksum);
        self.payload(id::UDP_PAYLOAD, Udp::LEN);
    }

    fn ports(&mut self, [source_id, destination_id, either]: [FieldId; 3], source: u16, destination: u16) {
        for (id, at, port) in [(source_id, 0, source), (destination_id, 2, destination)] {
            self.number(id, at, 2, port);
            self.number(either, at, 2, port);
        }
    }

    fn payload(&mut self, id: FieldId, header: usize) {
        if let Some(payload) = self.bytes.get(header..).filter(|payload| !payload.is_empty()) {
            self.put(id, header, payload.len(), Value::Bytes(payload));
        }
    }

    fn tcp(&mut self, header: &Tcp, own: bool) {
        let note = self.frame.tcp.filter(|_| own).unwrap_or_default();
        let header_len = usize::from(header.header_len);
        self.protocol(id::TCP, header_len);
        self.ports(
            [id::TCP_SRCPORT, id::TCP_DSTPORT, id::TCP_PORT],
            header.source_port,
            header.destination_port,
        );
        if own {
            self.concluded(id::TCP_STREAM, Value::Number(u64::from(note.stream)));
            self.concluded(id::TCP_COMPLETENESS, Value::Number(u64::from(note.completeness.0)));
        }
        let seq = header.seq.relative(note.base);
        if let Some(len) = header.payload_len {
            self.concluded(id::TCP_LEN, Value::Number(u64::from(len)));
            let ends = header.flags.any(TcpFlags::SYN | TcpFlags::FIN);
            let next = seq.wrapping_add(len).wrapping_add(u32::from(ends));
            self.concluded(id::TCP_NXTSEQ, Value::Number(u64::from(next)));
        }
        self.number(id::TCP_SEQ, 4, 4, seq);
        // Of a quoted segment only the first eight bytes need to be there.
        if self.bytes.len() < Tcp::LEN {
            return;
        }
        self.number(id::TCP_SEQ_RAW, 4, 4, header.seq.0);
        self.number(id::TCP_ACK, 8, 4, self.acknowledged(header, &note));
        self.number(id::TCP_ACK_RAW, 8, 4, header.ack.0);
        self.number(id::TCP_HDR_LEN, 12, 1, header.header_len);
        self.tcp_flags(header.flags);
        self.number(id::TCP_WINDOW_SIZE_VALUE, 14, 2, header.window);
        self.concluded(id::TCP_WINDOW_SIZE, Value::Number(u64::from(note.window)));
        if let Some(factor) = note.window_factor.filter(|_| header_len >= Tcp::LEN) {
            self.concluded(id::TCP_WINDOW_SIZE_SCALEFACTOR, Value::Signed(i64::from(factor)));
        }
        self.number(id::TCP_CHECKSUM, 16, 2, header.checksum);
        self.number(id::TCP_URGENT_POINTER, 18, 2, header.urgent);
        self.tcp_options(header, &note);
        let read = self.frame.packet.stop().is_none_or(|stop| stop.protocol != Protocol::Tcp);
        if own && read {
            self.analysis(&note);
        }
        self.payload(id::TCP_PAYLOAD, header_len.max(Tcp::LEN));
    }

    #[allow(clippy::unused_self, reason = "reads beside its siblings")]
    fn acknowledged(&self, header: &Tcp, note: &TcpNote) -> u32 {
        if header.flags.any(TcpFlags::ACK) { header.ack.relative(note.peer_base) } else { header.ack.0 }
    }

    fn tcp_flags(&mut self, flags: TcpFlags) {
        self.number(id::TCP_FLAGS, 12, 2, flags.0);
        for (id, bit) in [
            (id::TCP_FLAGS_RES, TcpFlags::RESERVED),
            (id::TCP_FLAGS_AE, TcpFlags::AE),
            (id::TCP_FLAGS_CWR, TcpFlags::CWR),
            (id::TCP_FLAGS_ECE, TcpFlags::ECE),
            (id::TCP_FLAGS_URG, TcpFlags::URG),
            (id::TCP_FLAGS_ACK, TcpFlags::ACK),
            (id::TCP_FLAGS_PUSH, TcpFlags::PSH),
            (id::TCP_FLAGS_RESET, TcpFlags::RST),
            (id::TCP_FLAGS_SYN, TcpFlags::SYN),
            (id::TCP_FLAGS_FIN, TcpFlags::FIN),
        ] {
            self.put(id, 12, 2, Value::Flag(flags.any(bit)));
        }
    }

    fn tcp_options(&mut self, header: &Tcp, note: &TcpNote) {
        let end = usize::from(header.header_len);
        if let Some(options) = self.bytes.get(Tcp::LEN..end).filter(|options| !options.is_empty()) {
            self.put(id::TCP_OPTIONS, Tcp::LEN, options.len(), Value::Bytes(options));
        }
        for option in header.options(self.bytes).map_while(Result::ok) {
            let at = option.at;
            self.number(id::TCP_OPTION_KIND, at, 1, option.kind);
            match (option.kind, option.data) {
                (TcpOption::MSS, data @ [_, _]) => {
                    self.number(id::TCP_OPTIONS_MSS_VAL, at + 2, 2, data.be16(0).unwrap_or_default());
                }
                (TcpOption::WINDOW_SCALE, [shift]) => {
                    self.number(id::TCP_OPTIONS_WSCALE_SHIFT, at + 2, 1, *shift);
                }
                (TcpOption::TIMESTAMPS, data) if data.len() == 8 => {
                    let ids = [id::TCP_OPTIONS_TIMESTAMP_TSVAL, id::TCP_OPTIONS_TIMESTAMP_TSECR];
                    for (id, offset) in ids.into_iter().zip([0, 4]) {
                        self.number(id, at + 2 + offset, 4, data.be32(offset).unwrap_or_default());
                    }
                }
                (TcpOption::SACK, data) => {
                    let ids = [id::TCP_OPTIONS_SACK_LE, id::TCP_OPTIONS_SACK_RE].into_iter().cycle();
                    for ((offset, edge), id) in (0..).step_by(4).zip(data.chunks_exact(4)).zip(ids) {
                        let edge = edge.be32(0).unwrap_or_default().wrapping_sub(note.sack_base.0);
                        self.number(id, at + 2 + offset, 4, edge);
                    }
                }
                _ => {}
            }
        }
    }

    fn analysis(&mut self, note: &TcpNote) {
        if !note.analysed {
            return;
        }
        self.concluded(id::TCP_ANALYSIS, Value::Label);
        if !note.analysis.is_empty() {
            self.concluded(id::TCP_ANALYSIS_FLAGS, Value::Label);
        }
        for flag in note.analysis.iter() {
            if let Some(id) = by_name(flag.field()) {
                self.concluded(id, Value::Label);
            }
        }
        // The kinds of retransmission are retransmissions too.
        let kinds = [Flag::FastRetransmission, Flag::SpuriousRetransmission];
        if kinds.into_iter().any(|kind| note.analysis.has(kind)) {
            self.concluded(id::TCP_ANALYSIS_RETRANSMISSION, Value::Label);
        }
        let duplicate = note.analysis.has(Flag::DuplicateAck);
        // No time at all is as good as not known.
        let rto = note.rto.filter(|(_, nanos)| *nanos != 0);
        let numbers = [
            (id::TCP_ANALYSIS_DUPLICATE_ACK_NUM, duplicate.then_some(u64::from(note.duplicate_ack_num))),
            (id::TCP_ANALYSIS_DUPLICATE_ACK_FRAME, duplicate.then_some(note.duplicate_ack_frame)),
            (id::TCP_ANALYSIS_ACKS_FRAME, note.acks.map(|(frame, _)| frame)),
            (id::TCP_ANALYSIS_RTO_FRAME, rto.map(|(frame, _)| frame)),
            (id::TCP_ANALYSIS_BYTES_IN_FLIGHT, note.bytes_in_flight.map(u64::from)),
            (id::TCP_ANALYSIS_PUSH_BYTES_SENT, note.push_bytes_sent.map(u64::from)),
        ];
        for (id, number) in numbers {
            if let Some(number) = number {
                self.concluded(id, Value::Number(number));
            }
        }
        let times = [
            (id::TCP_ANALYSIS_ACK_RTT, note.acks.map(|(_, nanos)| nanos).filter(|nanos| *nanos != 0)),
            (id::TCP_ANALYSIS_INITIAL_RTT, note.initial_rtt),
            (id::TCP_ANALYSIS_RTO, rto.map(|(_, nanos)| nanos)),
        ];
        for (id, nanos) in times {
            if let Some(nanos) = nanos {
                self.concluded(id, Value::Seconds(nanos));
            }
        }
    }

    fn dns(&mut self, header: &Dns) {
        let protocol = match header.flavour {
            DnsFlavour::Dns => id::DNS,
            DnsFlavour::Mdns => id::MDNS,
            DnsFlavour::Llmnr => id::LLMNR,
        };
        self.protocol(protocol, usize::MAX);
        self.number(id::DNS_ID, 0, 2, header.id);
        self.number(id::DNS_FLAGS, 2, 2, header.flags);
        self.put(id::DNS_FLAGS_RESPONSE, 2, 2, Value::Flag(header.response()));
        self.number(id::DNS_FLAGS_OPCODE, 2, 2, header.opcode());
        if header.response() {
            self.number(id::DNS_FLAGS_RCODE, 2, 2, header.rcode());
        }
        let ids = [id::DNS_COUNT_QUERIES, id::DNS_COUNT_ANSWERS, id::DNS_COUNT_AUTH_RR, id::DNS_COUNT_ADD_RR];
        for ((id, count), at) in ids.into_iter().zip(header.counts).zip([4, 6, 8, 10]) {
            self.number(id, at, 2, count);
        }
        let mut walk = header.walk(self.bytes);
        while let Some(part) = walk.part() {
            self.dns_part(part);
        }
    }

    fn dns_part(&mut self, part: DnsPart) {
        match part {
            DnsPart::Question(question) => {
                self.name(id::DNS_QRY_NAME, question.name_at);
                self.number(id::DNS_QRY_TYPE, question.name_at, 0, question.kind);
                self.number(id::DNS_QRY_CLASS, question.name_at, 0, question.class);
            }
            DnsPart::Record(record) => {
                self.name(id::DNS_RESP_NAME, record.name_at);
                self.number(id::DNS_RESP_TYPE, record.data_at.saturating_sub(10), 2, record.kind);
                // Of EDNS the field holds flags (RFC 6891 §6.1.3).
                if record.kind != 41 {
                    self.number(id::DNS_RESP_TTL, record.data_at.saturating_sub(6), 4, record.ttl);
                }
                let len = u64::try_from(record.data_len).unwrap_or(u64::MAX);
                self.number(id::DNS_RESP_LEN, record.data_at.saturating_sub(2), 2, len);
                if let (1, Some(address)) = (record.kind, self.bytes.array(record.data_at)) {
                    self.put(id::DNS_A, record.data_at, 4, Value::Ipv4(address));
                }
                if let (28, Some(address)) = (record.kind, self.bytes.array(record.data_at)) {
                    self.put(id::DNS_AAAA, record.data_at, 16, Value::Ipv6(address));
                }
            }
            DnsPart::Ends => {}
        }
    }

    fn name(&mut self, id: FieldId, at: usize) {
        let mut name = String::new();
        write_name(self.bytes, at, &mut name);
        self.put(id, at, 0, Value::Text(Cow::Owned(name)));
    }
}
