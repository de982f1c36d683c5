//! The fields that are decoded, by their names.

use super::{FieldId, Kind, Size};

/// A field's name and kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldInfo {
    /// Wireshark's name.
    pub name: &'static str,
    /// What its values are.
    pub kind: Kind,
    /// Of a number: how large it can be.
    pub size: Option<Size>,
}

pub(super) const UNKNOWN: FieldInfo = FieldInfo { name: "", kind: Kind::Label, size: None };

macro_rules! size {
    () => {
        None
    };
    ($size:ident) => {
        Some(Size::$size)
    };
}

macro_rules! fields {
    ($($constant:ident = $name:literal $kind:ident $($size:ident)?;)*) => {
        /// Each field by a constant.
        #[allow(missing_docs, reason = "the names are the fields' own")]
        pub mod id {
            use super::super::FieldId;
            #[repr(u16)]
            #[allow(non_camel_case_types, clippy::upper_case_acronyms, reason = "only numbers the constants")]
            enum Order { $($constant),* }
            $(pub const $constant: FieldId = FieldId(Order::$constant as u16);)*
        }

        const ALL: &[FieldInfo] =
            &[$(FieldInfo { name: $name, kind: Kind::$kind, size: size!($($size)?) }),*];
    };
}

fields! {
    FRAME = "frame" Protocol;
    FRAME_NUMBER = "frame.number" Number U32;
    FRAME_LEN = "frame.len" Number U32;
    FRAME_CAP_LEN = "frame.cap_len" Number U32;
    FRAME_TIME_EPOCH = "frame.time_epoch" Seconds;
    FRAME_TIME_RELATIVE = "frame.time_relative" Seconds;
    FRAME_TIME_DELTA = "frame.time_delta" Seconds;
    FRAME_COMMENT = "frame.comment" Text;
    ETH = "eth" Protocol;
    ETH_DST = "eth.dst" Ether;
    ETH_SRC = "eth.src" Ether;
    ETH_ADDR = "eth.addr" Ether;
    ETH_TYPE = "eth.type" Number U16;
    ETH_LEN = "eth.len" Number U16;
    VLAN = "vlan" Protocol;
    VLAN_PRIORITY = "vlan.priority" Number U16;
    VLAN_DEI = "vlan.dei" Flag;
    VLAN_ID = "vlan.id" Number U16;
    VLAN_ETYPE = "vlan.etype" Number U16;
    SLL = "sll" Protocol;
    SLL_PKTTYPE = "sll.pkttype" Number U16;
    SLL_HATYPE = "sll.hatype" Number U16;
    SLL_HALEN = "sll.halen" Number U16;
    SLL_SRC_ETH = "sll.src.eth" Ether;
    SLL_IFINDEX = "sll.ifindex" Number U32;
    SLL_ETYPE = "sll.etype" Number U16;
    NULL = "null" Protocol;
    NULL_FAMILY = "null.family" Number U32;
    ARP = "arp" Protocol;
    ARP_HW_TYPE = "arp.hw.type" Number U16;
    ARP_PROTO_TYPE = "arp.proto.type" Number U16;
    ARP_HW_SIZE = "arp.hw.size" Number U8;
    ARP_PROTO_SIZE = "arp.proto.size" Number U8;
    ARP_OPCODE = "arp.opcode" Number U16;
    ARP_SRC_HW_MAC = "arp.src.hw_mac" Ether;
    ARP_SRC_PROTO_IPV4 = "arp.src.proto_ipv4" Ipv4;
    ARP_DST_HW_MAC = "arp.dst.hw_mac" Ether;
    ARP_DST_PROTO_IPV4 = "arp.dst.proto_ipv4" Ipv4;
    IP = "ip" Protocol;
    IP_VERSION = "ip.version" Number U8;
    IP_HDR_LEN = "ip.hdr_len" Number U8;
    IP_DSFIELD = "ip.dsfield" Number U8;
    IP_DSFIELD_DSCP = "ip.dsfield.dscp" Number U8;
    IP_DSFIELD_ECN = "ip.dsfield.ecn" Number U8;
    IP_LEN = "ip.len" Number U16;
    IP_ID = "ip.id" Number U16;
    IP_FLAGS = "ip.flags" Number U8;
    IP_FLAGS_DF = "ip.flags.df" Flag;
    IP_FLAGS_MF = "ip.flags.mf" Flag;
    IP_FRAG_OFFSET = "ip.frag_offset" Number U16;
    IP_TTL = "ip.ttl" Number U8;
    IP_PROTO = "ip.proto" Number U8;
    IP_CHECKSUM = "ip.checksum" Number U16;
    IP_SRC = "ip.src" Ipv4;
    IP_DST = "ip.dst" Ipv4;
    IP_ADDR = "ip.addr" Ipv4;
    IP_REASSEMBLED_IN = "ip.reassembled_in" Number U32;
    IPV6 = "ipv6" Protocol;
    IPV6_VERSION = "ipv6.version" Number U8;
    IPV6_TCLASS = "ipv6.tclass" Number U32;
    IPV6_FLOW = "ipv6.flow" Number U24;
    IPV6_PLEN = "ipv6.plen" Number U16;
    IPV6_NXT = "ipv6.nxt" Number U8;
    IPV6_HLIM = "ipv6.hlim" Number U8;
    IPV6_SRC = "ipv6.src" Ipv6;
    IPV6_DST = "ipv6.dst" Ipv6;
    IPV6_ADDR = "ipv6.addr" Ipv6;
    IPV6_HOPOPTS = "ipv6.hopopts" Protocol;
    IPV6_ROUTING = "ipv6.routing" Protocol;
    IPV6_DSTOPTS = "ipv6.dstopts" Protocol;
    IPV6_FRAGHDR = "ipv6.fraghdr" Protocol;
    IPV6_FRAGHDR_OFFSET = "ipv6.fraghdr.offset" Number U16;
    IPV6_FRAGHDR_MORE = "ipv6.fraghdr.more" Flag;
    IPV6_FRAGHDR_IDENT = "ipv6.fraghdr.ident" Number U32;
    ICMP = "icmp" Protocol;
    ICMP_TYPE = "icmp.type" Number U8;
    ICMP_CODE = "icmp.code" Number U8;
    ICMP_CHECKSUM = "icmp.checksum" Number U16;
    ICMP_IDENT = "icmp.ident" Number U16;
    ICMP_SEQ = "icmp.seq" Number U16;
    ICMP_RESP_IN = "icmp.resp_in" Number U32;
    ICMP_RESP_TO = "icmp.resp_to" Number U32;
    ICMPV6 = "icmpv6" Protocol;
    ICMPV6_TYPE = "icmpv6.type" Number U8;
    ICMPV6_CODE = "icmpv6.code" Number U8;
    ICMPV6_CHECKSUM = "icmpv6.checksum" Number U16;
    UDP = "udp" Protocol;
    UDP_SRCPORT = "udp.srcport" Number U16;
    UDP_DSTPORT = "udp.dstport" Number U16;
    UDP_PORT = "udp.port" Number U16;
    UDP_STREAM = "udp.stream" Number U32;
    UDP_LENGTH = "udp.length" Number U16;
    UDP_CHECKSUM = "udp.checksum" Number U16;
    UDP_PAYLOAD = "udp.payload" Bytes;
    TCP = "tcp" Protocol;
    TCP_SRCPORT = "tcp.srcport" Number U16;
    TCP_DSTPORT = "tcp.dstport" Number U16;
    TCP_PORT = "tcp.port" Number U16;
    TCP_STREAM = "tcp.stream" Number U32;
    TCP_COMPLETENESS = "tcp.completeness" Number U8;
    TCP_LEN = "tcp.len" Number U32;
    TCP_SEQ = "tcp.seq" Number U32;
    TCP_SEQ_RAW = "tcp.seq_raw" Number U32;
    TCP_NXTSEQ = "tcp.nxtseq" Number U32;
    TCP_ACK = "tcp.ack" Number U32;
    TCP_ACK_RAW = "tcp.ack_raw" Number U32;
    TCP_HDR_LEN = "tcp.hdr_len" Number U8;
    TCP_FLAGS = "tcp.flags" Number U16;
    TCP_FLAGS_RES = "tcp.flags.res" Flag;
    TCP_FLAGS_AE = "tcp.flags.ae" Flag;
    TCP_FLAGS_CWR = "tcp.flags.cwr" Flag;
    TCP_FLAGS_ECE = "tcp.flags.ece" Flag;
    TCP_FLAGS_URG = "tcp.flags.urg" Flag;
    TCP_FLAGS_ACK = "tcp.flags.ack" Flag;
    TCP_FLAGS_PUSH = "tcp.flags.push" Flag;
    TCP_FLAGS_RESET = "tcp.flags.reset" Flag;
    TCP_FLAGS_SYN = "tcp.flags.syn" Flag;
    TCP_FLAGS_FIN = "tcp.flags.fin" Flag;
    TCP_WINDOW_SIZE_VALUE = "tcp.window_size_value" Number U16;
    TCP_WINDOW_SIZE = "tcp.window_size" Number U32;
    TCP_WINDOW_SIZE_SCALEFACTOR = "tcp.window_size_scalefactor" Number I32;
    TCP_CHECKSUM = "tcp.checksum" Number U16;
    TCP_URGENT_POINTER = "tcp.urgent_pointer" Number U16;
    TCP_OPTIONS = "tcp.options" Bytes;
    TCP_OPTION_KIND = "tcp.option_kind" Number U8;
    TCP_OPTIONS_MSS_VAL = "tcp.options.mss_val" Number U16;
    TCP_OPTIONS_WSCALE_SHIFT = "tcp.options.wscale.shift" Number U8;
    TCP_OPTIONS_SACK_LE = "tcp.options.sack_le" Number U32;
    TCP_OPTIONS_SACK_RE = "tcp.options.sack_re" Number U32;
    TCP_OPTIONS_TIMESTAMP_TSVAL = "tcp.options.timestamp.tsval" Number U32;
    TCP_OPTIONS_TIMESTAMP_TSECR = "tcp.options.timestamp.tsecr" Number U32;
    TCP_PAYLOAD = "tcp.payload" Bytes;
    TCP_ANALYSIS = "tcp.analysis" Label;
    TCP_ANALYSIS_FLAGS = "tcp.analysis.flags" Label;
    TCP_ANALYSIS_REUSED_PORTS = "tcp.analysis.reused_ports" Label;
    TCP_ANALYSIS_RETRANSMISSION = "tcp.analysis.retransmission" Label;
    TCP_ANALYSIS_FAST_RETRANSMISSION = "tcp.analysis.fast_retransmission" Label;
    TCP_ANALYSIS_SPURIOUS_RETRANSMISSION = "tcp.analysis.spurious_retransmission" Label;
    TCP_ANALYSIS_OUT_OF_ORDER = "tcp.analysis.out_of_order" Label;
    TCP_ANALYSIS_LOST_SEGMENT = "tcp.analysis.lost_segment" Label;
    TCP_ANALYSIS_ACK_LOST_SEGMENT = "tcp.analysis.ack_lost_segment" Label;
    TCP_ANALYSIS_WINDOW_UPDATE = "tcp.analysis.window_update" Label;
    TCP_ANALYSIS_WINDOW_FULL = "tcp.analysis.window_full" Label;
    TCP_ANALYSIS_KEEP_ALIVE = "tcp.analysis.keep_alive" Label;
    TCP_ANALYSIS_KEEP_ALIVE_ACK = "tcp.analysis.keep_alive_ack" Label;
    TCP_ANALYSIS_DUPLICATE_ACK = "tcp.analysis.duplicate_ack" Label;
    TCP_ANALYSIS_ZERO_WINDOW_PROBE = "tcp.analysis.zero_window_probe" Label;
    TCP_ANALYSIS_ZERO_WINDOW = "tcp.analysis.zero_window" Label;
    TCP_ANALYSIS_ZERO_WINDOW_PROBE_ACK = "tcp.analysis.zero_window_probe_ack" Label;
    TCP_ANALYSIS_DUPLICATE_ACK_NUM = "tcp.analysis.duplicate_ack_num" Number U32;
    TCP_ANALYSIS_DUPLICATE_ACK_FRAME = "tcp.analysis.duplicate_ack_frame" Number U32;
    TCP_ANALYSIS_ACKS_FRAME = "tcp.analysis.acks_frame" Number U32;
    TCP_ANALYSIS_ACK_RTT = "tcp.analysis.ack_rtt" Seconds;
    TCP_ANALYSIS_INITIAL_RTT = "tcp.analysis.initial_rtt" Seconds;
    TCP_ANALYSIS_RTO = "tcp.analysis.rto" Seconds;
    TCP_ANALYSIS_RTO_FRAME = "tcp.analysis.rto_frame" Number U32;
    TCP_ANALYSIS_BYTES_IN_FLIGHT = "tcp.analysis.bytes_in_flight" Number U32;
    TCP_ANALYSIS_PUSH_BYTES_SENT = "tcp.analysis.push_bytes_sent" Number U32;
    DNS = "dns" Protocol;
    MDNS = "mdns" Protocol;
    LLMNR = "llmnr" Protocol;
    DNS_ID = "dns.id" Number U16;
    DNS_FLAGS = "dns.flags" Number U16;
    DNS_FLAGS_RESPONSE = "dns.flags.response" Flag;
    DNS_FLAGS_OPCODE = "dns.flags.opcode" Number U16;
    DNS_FLAGS_RCODE = "dns.flags.rcode" Number U16;
    DNS_COUNT_QUERIES = "dns.count.queries" Number U16;
    DNS_COUNT_ANSWERS = "dns.count.answers" Number U16;
    DNS_COUNT_AUTH_RR = "dns.count.auth_rr" Number U16;
    DNS_COUNT_ADD_RR = "dns.count.add_rr" Number U16;
    DNS_QRY_NAME = "dns.qry.name" Text;
    DNS_QRY_TYPE = "dns.qry.type" Number U16;
    DNS_QRY_CLASS = "dns.qry.class" Number U16;
    DNS_RESP_NAME = "dns.resp.name" Text;
    DNS_RESP_TYPE = "dns.resp.type" Number U16;
    DNS_RESP_TTL = "dns.resp.ttl" Number U32;
    DNS_RESP_LEN = "dns.resp.len" Number U16;
    DNS_A = "dns.a" Ipv4;
    DNS_AAAA = "dns.aaaa" Ipv6;
    SSDP = "ssdp" Protocol;
    DATA = "data" Protocol;
    DATA_LEN = "data.len" Number I32;
}

/// All fields, in the order of the layers.
pub const fn all() -> &'static [FieldInfo] {
    ALL
}

/// The field of this name.
pub fn by_name(name: &str) -> Option<FieldId> {
    let at = ALL.iter().position(|info| info.name == name)?;
    u16::try_from(at).ok().map(FieldId)
}
