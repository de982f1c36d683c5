//! The row of a TCP segment.

use super::{Columns, udp};
use crate::bytes::Bytes;
use crate::layer::{Protocol, StopReason, Tcp, TcpFlags, TcpOption};
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
    let mut options = tcp.options(bytes);
    while let Some(Ok(option)) = options.next() {
        write_option(columns, &option, &note);
    }
    if frame.packet.stop().is_some_and(|stop| stop.reason == StopReason::CutShort) {
        let header = bytes.get(..usize::from(tcp.header_len)).unwrap_or(bytes);
        cut_option(columns, header.get(options.at()..).unwrap_or_default());
    }
}

/// What an option says that is cut after its length.
fn cut_option(columns: &mut Columns, rest: &[u8]) {
    let [kind, len, data @ ..] = rest else { return };
    let counters = usize::from(*len).checked_sub(2).filter(|len| len.is_multiple_of(3));
    match *kind {
        TcpOption::ACCURATE_ECN_0 if counters.is_some() => counted(columns, data, COUNTERS_0),
        TcpOption::ACCURATE_ECN_1 if counters.is_some() => counted(columns, data, COUNTERS_1),
        MD5 => columns.info.push_str(" MD5"),
        AUTHENTICATION => columns.info.push_str("TCP AO"),
        TcpOption::MULTIPATH => {
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
        (TcpOption::MULTIPATH, 1..) => {
            columns.protocol.clear();
            columns.protocol.push_str("MPTCP");
        }
        (TcpOption::SACK_PERMITTED, _) => columns.info.push_str(" SACK_PERM"),
        (TcpOption::SACK, _) => {
            for block in data.chunks_exact(8) {
                let edges = block.be32(0).zip(block.be32(4));
                let (left, right) = edges.unwrap_or_default();
                columns.numbered(" SLE=", left.wrapping_sub(note.sack_base.0));
                columns.numbered(" SRE=", right.wrapping_sub(note.sack_base.0));
            }
        }
        (TcpOption::TIMESTAMPS, 8) => {
            columns.numbered(" TSval=", data.be32(0).unwrap_or_default());
            columns.numbered(" TSecr=", data.be32(4).unwrap_or_default());
        }
        _ => rare_option(columns, option),
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
    const EXPERIMENT_1: u8 = 253;
    const EXPERIMENT_2: u8 = 254;
    let data = option.data;
    match (option.kind, data.len()) {
        (TcpOption::ACCURATE_ECN_0, _) => accurate_ecn(columns, data, COUNTERS_0),
        (TcpOption::ACCURATE_ECN_1, _) => accurate_ecn(columns, data, COUNTERS_1),
        (EXPERIMENT_1 | EXPERIMENT_2, _) => experiment(columns, data),
        (ECHO | ECHO_REPLY, 4) => columns.numbered(" ECHO=", data.be32(0).unwrap_or_default()),
        (CC | CC_NEW | CC_ECHO, 4) => columns.numbered(" CC=", data.be32(0).unwrap_or_default()),
        (MD5, 16) => columns.info.push_str(" MD5"),
        (USER_TIMEOUT, 2) => columns.numbered(" USER_TO=", data.be16(0).unwrap_or_default() & 0x7fff),
        // Without a space before it, as Wireshark prints it.
        (AUTHENTICATION, _) => columns.info.push_str("TCP AO"),
        (FAST_OPEN, 0) => columns.info.push_str(" TFO=R"),
        (FAST_OPEN, _) => columns.info.push_str(" TFO=C"),
        _ => {}
    }
}

const COUNTERS_0: [&str; 3] = ["EE0B", "ECEB", "EE1B"];
const COUNTERS_1: [&str; 3] = ["EE1B", "ECEB", "EE0B"];

/// Byte counters of accurate ECN, of which a sender may leave out the last ones (RFC 9768 §3.2.3).
fn accurate_ecn(columns: &mut Columns, data: &[u8], names: [&str; 3]) {
    if data.is_empty() {
        columns.info.push_str(" AccECN");
    }
    if data.len().is_multiple_of(3) {
        counted(columns, data, names);
    }
}

fn counted(columns: &mut Columns, data: &[u8], names: [&str; 3]) {
    for (counter, name) in data.chunks_exact(3).zip(names) {
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
        Some(0xacc0 | 0xacce) => accurate_ecn(columns, rest, COUNTERS_0),
        Some(0xacc1) => accurate_ecn(columns, rest, COUNTERS_1),
        Some(other) => {
            columns.info.push_str(" ExID=");
            text::upper_hex(u32::from(other), 1, &mut columns.info);
        }
        None => {}
    }
}
