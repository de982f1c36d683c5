//! `TCP_INFO` of tcp(7): what the kernel counts of one TCP socket.
//!
//! The layout is that of `struct tcp_info` in `include/uapi/linux/tcp.h`, which only ever grows at its end;
//! libc's copy stops early. The kernel says how much of it it knows.

use crate::fd::{self, Plain};
use std::io;
use std::mem;
use std::os::fd::AsFd;
use std::time::Duration;

/// The state of a socket: the eleven of RFC 9293, and two that Linux adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TcpState {
    /// Both directions are open.
    Established = 1,
    /// `connect` has sent its SYN.
    SynSent = 2,
    /// The SYN was answered, and that answer is not acknowledged yet.
    SynReceived = 3,
    /// Our FIN is written, but not acknowledged.
    FinWait1 = 4,
    /// Our FIN is acknowledged, the peer's has not come.
    FinWait2 = 5,
    /// Both FINs came and went, and we were first: the address waits for late segments.
    TimeWait = 6,
    /// No connection: before the first, or after the last segment.
    Closed = 7,
    /// The peer's FIN came, ours is not written.
    CloseWait = 8,
    /// The peer's FIN came first, and ours is not acknowledged.
    LastAck = 9,
    /// It accepts connections.
    Listen = 10,
    /// Both FINs crossed, and ours is not acknowledged.
    Closing = 11,
    /// Linux: a handshake in a listener's queue, not a socket yet (seen by `sock_diag` alone).
    NewSynReceived = 12,
    /// Linux 6.8: a filter of `sock_diag` for what is bound and neither listens nor connects.
    BoundInactive = 13,
}

impl TcpState {
    /// Every state, in the order of the kernel's numbers (`include/net/tcp_states.h`).
    pub const ALL: [Self; 13] = [
        Self::Established,
        Self::SynSent,
        Self::SynReceived,
        Self::FinWait1,
        Self::FinWait2,
        Self::TimeWait,
        Self::Closed,
        Self::CloseWait,
        Self::LastAck,
        Self::Listen,
        Self::Closing,
        Self::NewSynReceived,
        Self::BoundInactive,
    ];

    /// The state with the kernel's number, if there is one.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| *state as u8 == number)
    }

    /// Its bit in a mask of states, as `sock_diag` wants them.
    pub fn bit(self) -> u32 {
        1 << (self as u8)
    }
}

/// What the kernel counts of one TCP socket.
///
/// Bytes are of the stream, segments as the kernel counts them (one of several MSS counts as several).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpInfo {
    /// The state.
    pub state: TcpState,
    /// Segments sent and not acknowledged. Of a listener: connections in its accept queue.
    pub unacked: u32,
    /// Segments acknowledged selectively. Of a listener: how long its accept queue may get.
    pub sacked: u32,
    /// Segments believed lost.
    pub lost: u32,
    /// Segments retransmitted and not acknowledged yet.
    pub retrans: u32,
    /// Segments retransmitted since the beginning.
    pub total_retrans: u32,
    /// Timeouts in a row without an acknowledgement.
    pub retransmits: u8,
    /// The time until a retransmission.
    pub retransmission_timeout: Duration,
    /// The smoothed round-trip time; zero before the first measurement.
    pub rtt: Duration,
    /// The mean deviation of [`rtt`](Self::rtt).
    pub rtt_variation: Duration,
    /// The smallest round-trip time seen; `None` before the first.
    pub min_rtt: Option<Duration>,
    /// The largest segment that is sent, in bytes.
    pub send_mss: u32,
    /// The largest segment seen to arrive, in bytes.
    pub receive_mss: u32,
    /// The path's MTU, in bytes.
    pub path_mtu: u32,
    /// The congestion window, in segments.
    pub congestion_window: u32,
    /// What the peer acknowledged. Its SYN-ACK counts one where we connected, and our FIN one.
    pub bytes_acked: u64,
    /// What arrived in order. The peer's FIN counts one.
    pub bytes_received: u64,
    /// Payload put on the wire, retransmissions included.
    pub bytes_sent: u64,
    /// Payload put on the wire again.
    pub bytes_retrans: u64,
    /// Bytes written that were never sent.
    pub notsent_bytes: u32,
    /// Segments sent, with and without payload.
    pub segments_out: u32,
    /// Segments received, with and without payload.
    pub segments_in: u32,
    /// Segments sent that carried payload.
    pub data_segments_out: u32,
    /// Segments received that carried payload.
    pub data_segments_in: u32,
    /// Segments that arrived out of order. Linux 5.4.
    pub out_of_order: Option<u32>,
    /// The window that the peer advertised last, in bytes. Linux 5.4.
    pub send_window: Option<u32>,
    /// The window that we advertised last, in bytes. Linux 6.2.
    pub receive_window: Option<u32>,
}

/// The layout of Linux 6.2; newer kernels append to it.
#[derive(Clone, Copy)]
#[repr(C)]
struct Raw {
    state: u8,
    ca_state: u8,
    retransmits: u8,
    probes: u8,
    backoff: u8,
    options: u8,
    window_scales: u8,
    flags: u8,
    rto: u32,
    ato: u32,
    snd_mss: u32,
    rcv_mss: u32,
    unacked: u32,
    sacked: u32,
    lost: u32,
    retrans: u32,
    fackets: u32,
    last_data_sent: u32,
    last_ack_sent: u32,
    last_data_recv: u32,
    last_ack_recv: u32,
    pmtu: u32,
    rcv_ssthresh: u32,
    rtt: u32,
    rttvar: u32,
    snd_ssthresh: u32,
    snd_cwnd: u32,
    advmss: u32,
    reordering: u32,
    rcv_rtt: u32,
    rcv_space: u32,
    total_retrans: u32,
    pacing_rate: u64,
    max_pacing_rate: u64,
    bytes_acked: u64,
    bytes_received: u64,
    segs_out: u32,
    segs_in: u32,
    notsent_bytes: u32,
    min_rtt: u32,
    data_segs_in: u32,
    data_segs_out: u32,
    delivery_rate: u64,
    busy_time: u64,
    rwnd_limited: u64,
    sndbuf_limited: u64,
    delivered: u32,
    delivered_ce: u32,
    bytes_sent: u64,
    bytes_retrans: u64,
    dsack_dups: u32,
    reord_seen: u32,
    rcv_ooopack: u32,
    snd_wnd: u32,
    rcv_wnd: u32,
    rehash: u32,
}

// SAFETY: every field is an integer.
unsafe impl Plain for Raw {}

/// Linux 4.19 knows it up to here; older kernels cannot answer what this crate asks.
const OLDEST: usize = mem::offset_of!(Raw, bytes_retrans) + size_of::<u64>();

// The kernel's own offsets, by its header: a field too many or too few above would move them.
const _: () = assert!(mem::offset_of!(Raw, bytes_acked) == 120);
const _: () = assert!(mem::offset_of!(Raw, bytes_sent) == 200);
const _: () = assert!(mem::offset_of!(Raw, rcv_wnd) == 232);

/// Reads the kernel's counters of a TCP socket.
///
/// Fails with `ENOPROTOOPT` or `EOPNOTSUPP` where the socket is not of TCP, and with
/// [`io::ErrorKind::Unsupported`] on Linux before 4.19.
pub fn tcp_info(socket: &impl AsFd) -> io::Result<TcpInfo> {
    let (raw, length) = fd::option::<Raw>(socket.as_fd(), libc::IPPROTO_TCP, libc::TCP_INFO)?;
    let state = TcpState::from_number(raw.state).filter(|_| length >= OLDEST);
    Ok(typed(&raw, length, state.ok_or(io::ErrorKind::Unsupported)?))
}

fn typed(raw: &Raw, length: usize, state: TcpState) -> TcpInfo {
    let known = |value: u32, offset: usize| (length >= offset + size_of::<u32>()).then_some(value);
    TcpInfo {
        state,
        unacked: raw.unacked,
        sacked: raw.sacked,
        lost: raw.lost,
        retrans: raw.retrans,
        total_retrans: raw.total_retrans,
        retransmits: raw.retransmits,
        retransmission_timeout: microseconds(raw.rto),
        rtt: microseconds(raw.rtt),
        rtt_variation: microseconds(raw.rttvar),
        // The kernel starts with ~0 (tcp_min_rtt, include/net/tcp.h).
        min_rtt: (raw.min_rtt != u32::MAX).then(|| microseconds(raw.min_rtt)),
        send_mss: raw.snd_mss,
        receive_mss: raw.rcv_mss,
        path_mtu: raw.pmtu,
        congestion_window: raw.snd_cwnd,
        bytes_acked: raw.bytes_acked,
        bytes_received: raw.bytes_received,
        bytes_sent: raw.bytes_sent,
        bytes_retrans: raw.bytes_retrans,
        notsent_bytes: raw.notsent_bytes,
        segments_out: raw.segs_out,
        segments_in: raw.segs_in,
        data_segments_out: raw.data_segs_out,
        data_segments_in: raw.data_segs_in,
        out_of_order: known(raw.rcv_ooopack, mem::offset_of!(Raw, rcv_ooopack)),
        send_window: known(raw.snd_wnd, mem::offset_of!(Raw, snd_wnd)),
        receive_window: known(raw.rcv_wnd, mem::offset_of!(Raw, rcv_wnd)),
    }
}

fn microseconds(number: u32) -> Duration {
    Duration::from_micros(number.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::thread;

    #[test]
    fn the_counters_count_what_went_over_a_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(tcp_info(&listener).unwrap().state, TcpState::Listen);
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        // The SYN counts where it was sent by `connect`.
        assert_eq!([&client, &server].map(|end| tcp_info(end).unwrap().bytes_acked), [1, 0]);
        client.write_all(b"seven B").unwrap();
        server.read_exact(&mut [0; 7]).unwrap();
        while tcp_info(&client).unwrap().bytes_acked < 8 {
            thread::yield_now();
        }
        let (sent, received) = (tcp_info(&client).unwrap(), tcp_info(&server).unwrap());
        assert_eq!((sent.state, sent.bytes_sent - sent.bytes_retrans), (TcpState::Established, 7));
        assert_eq!((received.bytes_received, received.data_segments_in), (7, 1));
        assert!(sent.rtt > Duration::ZERO && sent.min_rtt.is_some());
    }

    #[test]
    fn the_fins_count_one_each() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        while tcp_info(&client).unwrap().state != TcpState::FinWait2 {
            thread::yield_now();
        }
        assert_eq!(tcp_info(&client).unwrap().bytes_acked, 2);
        assert_eq!(tcp_info(&server).unwrap().bytes_received, 1);
    }

    #[test]
    fn what_is_not_tcp_has_none() {
        assert!(tcp_info(&UdpSocket::bind("127.0.0.1:0").unwrap()).is_err());
    }

    #[test]
    fn states_keep_the_numbers_of_the_kernel() {
        for (number, state) in (1..).zip(TcpState::ALL) {
            assert_eq!((state as u8, TcpState::from_number(number)), (number, Some(state)));
        }
        assert_eq!([0, 14, 255].map(TcpState::from_number), [None; 3]);
    }
}
