//! The row of a TCP segment.

use super::{Columns, udp};
use crate::bytes::Bytes;
use crate::layer::{ByteCounters, Protocol, Tcp, TcpFlags, TcpOption};
use crate::session::Frame;
use crate::tcp::{Flag, TcpNote};
use crate::text;

pub(super) fn write(columns: &mut Columns, frame: &Frame<'_>, tcp: &Tcp, bytes: &[u8]) {
    columns.begin("TCP");
    let note = frame.tcp.unwrap_or_default();
    let header_fits = usize::from(tcp.header_len) >= Tcp::LEN;
    let stopped = frame.packet.stop().is_some_and(|stop| stop.protocol == Protocol::Tcp);
    if header_fits && !stopped && !note.analysis.is_empty() {
        prefixes(columns, &note);
    }
    udp::ports(columns, tcp.source_port, tcp.destination_port);
    flags(columns, tcp.flags, note.accurate_ecn);
    columns.numbered(" Seq=", tcp.seq.relative(note.base));
    if tcp.flags.any(TcpFlags::ACK) {
        columns.numbered(" Ack=", tcp.ack.relative(note.peer_base));
    }
    columns.numbered(" Win=", note.window);
    if !header_fits {
        columns.numbered(", bogus TCP header length (", tcp.header_len);
        columns.info.push_str(", must be at least 20)");
        return;
    }
    if bytes.len() < Tcp::LEN {
        return;
    }
    if tcp.flags.any(TcpFlags::URG) {
        columns.numbered(" Urg=", tcp.urgent);
    }
    if let Some(len) = tcp.payload_len {
        columns.numbered(" Len=", len);
    }
    let (mut options, mut broken) = (tcp.options(bytes), false);
    while let Some(Ok(option)) = options.next() {
        broken |= option.is_broken();
        write_option(columns, &option, &note);
    }
    if !broken && bytes.len() < usize::from(tcp.header_len) {
        cut_option(columns, bytes.get(options.at()..).unwrap_or_default(), &note);
    }
}

/// What an option says that is cut after its length.
fn cut_option(columns: &mut Columns, rest: &[u8], note: &TcpNote) {
    let [kind, len, data @ ..] = rest else { return };
    let data = data.get(..data.len().min(usize::from(*len).saturating_sub(2))).unwrap_or_default();
    match (*kind, data) {
        (TcpOption::ACCURATE_ECN_0, _) if matches!(len, 5 | 8 | 11) => {
            counted(columns, ByteCounters::Ect0First, data);
        }
        (TcpOption::ACCURATE_ECN_1, _) if matches!(len, 5 | 8 | 11) => {
            counted(columns, ByteCounters::Ect1First, data);
        }
        (TcpOption::EXPERIMENT_1 | TcpOption::EXPERIMENT_2, [0xac, kind @ (0xc0 | 0xc1), rest @ ..])
            if matches!(len, 7 | 10 | 13) =>
        {
            let first = if *kind == 0xc0 { ByteCounters::Ect0First } else { ByteCounters::Ect1First };
            counted(columns, first, rest);
        }
        (TcpOption::SACK, _) => blocks(columns, data, note),
        (TcpOption::SACK_PERMITTED, _) => columns.info.push_str(" SACK_PERM"),
        (TcpOption::SCPS, [flags, ..]) if *len == 4 => scps(columns, *flags),
        (TcpOption::QUICK_START, [rate, ..]) if *len == 8 => quick_start(columns, *rate),
        (MD5, _) => columns.info.push_str(" MD5"),
        (AUTHENTICATION, _) => columns.info.push_str("TCP AO"),
        (TcpOption::MULTIPATH, _) => {
            columns.protocol.clear();
            columns.protocol.push_str("MPTCP");
        }
        _ => {}
    }
}

/// Each rule prepends its text, so that the last one stands first.
fn prefixes(columns: &mut Columns, note: &TcpNote) {
    for flag in Flag::ALL.into_iter().rev().filter(|flag| note.analysis.has(*flag)) {
        let text = match flag {
            Flag::ReusedPorts => "[TCP Port numbers reused] ",
            Flag::Retransmission => "[TCP Retransmission] ",
            Flag::FastRetransmission => "[TCP Fast Retransmission] ",
            Flag::SpuriousRetransmission => "[TCP Spurious Retransmission] ",
            Flag::OutOfOrder => "[TCP Out-Of-Order] ",
            Flag::LostSegment => "[TCP Previous segment not captured] ",
            Flag::AckLostSegment => "[TCP ACKed unseen segment] ",
            Flag::WindowUpdate => "[TCP Window Update] ",
            Flag::WindowFull => "[TCP Window Full] ",
            Flag::KeepAlive => "[TCP Keep-Alive] ",
            Flag::KeepAliveAck => "[TCP Keep-Alive ACK] ",
            Flag::DuplicateAck => {
                columns.numbered("[TCP Dup ACK ", note.duplicate_ack_frame);
                columns.numbered("#", note.duplicate_ack_num);
                "] "
            }
            Flag::ZeroWindowProbe => "[TCP ZeroWindowProbe] ",
            Flag::ZeroWindow => "[TCP ZeroWindow] ",
            Flag::ZeroWindowProbeAck => "[TCP ZeroWindowProbeAck] ",
        };
        columns.info.push_str(text);
    }
}

fn flags(columns: &mut Columns, flags: TcpFlags, accurate_ecn: bool) {
    const PUSH_ACK: u16 = TcpFlags::PSH | TcpFlags::ACK;
    const ECN: u16 = TcpFlags::ECE | TcpFlags::CWR | TcpFlags::AE;
    let counted = accurate_ecn && !flags.any(TcpFlags::SYN);
    // Nearly all segments; the list below gives the same.
    let usual = match flags.0 {
        TcpFlags::ACK => " [ACK]",
        PUSH_ACK => " [PSH, ACK]",
        _ => "",
    };
    if !usual.is_empty() && !counted {
        return columns.info.push_str(usual);
    }
    if flags.0 == 0 {
        columns.info.push_str(" [<None>]");
        return;
    }
    let mut separator = " [";
    for (bit, name) in TcpFlags::NAMES.into_iter().chain([(TcpFlags::RESERVED, "Reserved")]) {
        if counted && bit == TcpFlags::AE {
            columns.info.push_str(separator);
            columns.numbered("ACE=", flags.0 >> 6 & 7);
            separator = ", ";
        } else if flags.any(bit) && !(counted && bit & ECN != 0) {
            columns.info.push_str(separator);
            columns.info.push_str(name);
            separator = ", ";
        }
    }
    columns.info.push(']');
}

fn write_option(columns: &mut Columns, option: &TcpOption<'_>, note: &TcpNote) {
    let data = option.data;
    match (option.kind, data.len()) {
        (TcpOption::MSS, 2) => columns.numbered(" MSS=", data.be16(0).unwrap_or_default()),
        (TcpOption::WINDOW_SCALE, 1) => {
            let shift = data.u8_at(0).unwrap_or_default().min(14);
            columns.numbered(" WS=", 1u32 << shift);
        }
        (TcpOption::MULTIPATH, _) => {
            columns.protocol.clear();
            columns.protocol.push_str("MPTCP");
        }
        (TcpOption::SACK_PERMITTED, _) => columns.info.push_str(" SACK_PERM"),
        (TcpOption::SACK, _) => blocks(columns, data, note),
        (TcpOption::TIMESTAMPS, 8) => {
            columns.numbered(" TSval=", data.be32(0).unwrap_or_default());
            columns.numbered(" TSecr=", data.be32(4).unwrap_or_default());
        }
        _ => rare_option(columns, option),
    }
}

fn blocks(columns: &mut Columns, data: &[u8], note: &TcpNote) {
    for block in data.chunks_exact(8) {
        let (left, right) = block.be32(0).zip(block.be32(4)).unwrap_or_default();
        columns.numbered(" SLE=", left.wrapping_sub(note.sack_base.0));
        columns.numbered(" SRE=", right.wrapping_sub(note.sack_base.0));
    }
}

const MD5: u8 = 19;
const AUTHENTICATION: u8 = 29;

/// Options that are hardly ever seen (<https://www.iana.org/assignments/tcp-parameters>).
fn rare_option(columns: &mut Columns, option: &TcpOption<'_>) {
    const ECHO: u8 = 6;
    const ECHO_REPLY: u8 = 7;
    const CC: u8 = 11;
    const CC_NEW: u8 = 12;
    const CC_ECHO: u8 = 13;
    const USER_TIMEOUT: u8 = 28;
    const FAST_OPEN: u8 = 34;
    let data = option.data;
    if let Some((first, counters)) = option.byte_counters() {
        return byte_counters(columns, first, counters);
    }
    match (option.kind, data.len()) {
        (TcpOption::EXPERIMENT_1 | TcpOption::EXPERIMENT_2, _) => experiment(columns, data),
        (ECHO | ECHO_REPLY, 4) => columns.numbered(" ECHO=", data.be32(0).unwrap_or_default()),
        (CC | CC_NEW | CC_ECHO, 4) => columns.numbered(" CC=", data.be32(0).unwrap_or_default()),
        (TcpOption::SCPS, 2) => {
            let [flags, connection] = data.array(0).unwrap_or_default();
            scps(columns, flags);
            if connection > 0 {
                columns.numbered(" Connection ID=", connection);
            }
        }
        (TcpOption::QUICK_START, 6) => quick_start(columns, data.u8_at(0).unwrap_or_default()),
        (MD5, _) => columns.info.push_str(" MD5"),
        (USER_TIMEOUT, 2) => columns.numbered(" USER_TO=", data.be16(0).unwrap_or_default() & 0x7fff),
        // Without a space before it, as Wireshark prints it.
        (AUTHENTICATION, _) => columns.info.push_str("TCP AO"),
        (FAST_OPEN, 0) => columns.info.push_str(" TFO=R"),
        (FAST_OPEN, _) => columns.info.push_str(" TFO=C"),
        _ => {}
    }
}

/// The capabilities of SCPS-TP (CCSDS 714.0-B-2 §3.2.2).
fn scps(columns: &mut Columns, flags: u8) {
    const NAMES: [(u8, &str); 6] = [
        (0x80, "BETS"),
        (0x40, "SNACK1"),
        (0x20, "SNACK2"),
        (0x10, "COMP"),
        (0x08, "NLTS"),
        (0x07, "RESERVED"),
    ];
    let mut separator = " SCPS[";
    for (_, name) in NAMES.into_iter().filter(|(bits, _)| flags & bits != 0) {
        columns.info.extend([separator, name]);
        separator = ", ";
    }
    if flags != 0 {
        columns.info.push(']');
    }
}

/// The rate that a peer may start with: 40 kbit/s doubled so often (RFC 4782 §3.1).
fn quick_start(columns: &mut Columns, rate: u8) {
    const RATES: [&str; 16] = [
        "0 bit/s",
        "80 Kbit/s",
        "160 Kbit/s",
        "320 Kbit/s",
        "640 Kbit/s",
        "1.28 Mbit/s",
        "2.56 Mbit/s",
        "5.12 Mbit/s",
        "10.24 Mbit/s",
        "20.48 Mbit/s",
        "40.96 Mbit/s",
        "81.92 Mbit/s",
        "163.84 Mbit/s",
        "327.68 Mbit/s",
        "655.36 Mbit/s",
        "1.31072 Gbit/s",
    ];
    let rate = RATES.get(usize::from(rate & 15)).copied().unwrap_or_default();
    columns.info.extend([" QSresp=", rate]);
}

fn byte_counters(columns: &mut Columns, first: ByteCounters, counters: &[u8]) {
    if counters.is_empty() {
        columns.info.push_str(" AccECN");
    }
    counted(columns, first, counters);
}

fn counted(columns: &mut Columns, first: ByteCounters, counters: &[u8]) {
    let names = match first {
        ByteCounters::Ect0First => ["EE0B", "ECEB", "EE1B"],
        ByteCounters::Ect1First => ["EE1B", "ECEB", "EE0B"],
    };
    for (counter, name) in counters.chunks_exact(3).zip(names) {
        columns.info.extend([" ", name]);
        let value = counter.iter().fold(0u32, |sum, byte| sum << 8 | u32::from(*byte));
        columns.numbered("=", value);
    }
}

/// Options with an experiment identifier (RFC 6994).
fn experiment(columns: &mut Columns, data: &[u8]) {
    let rest = data.get(2..).unwrap_or_default();
    match data.be16(0) {
        Some(0xf989) => columns.info.push_str(if rest.is_empty() { " TFO=R" } else { " TFO=C" }),
        Some(0xacc0 | 0xacc1) | None => {}
        Some(other) => {
            columns.info.push_str(" ExID=");
            text::upper_hex(u32::from(other), 1, &mut columns.info);
        }
    }
}
