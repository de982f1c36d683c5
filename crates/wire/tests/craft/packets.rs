//! Headers as bytes, and captures of them.

/// A capture: its link type and its frames, each with its time in nanoseconds and its length on the wire.
pub(crate) struct Capture {
    pub(crate) link: u32,
    pub(crate) frames: Vec<(u64, Vec<u8>, usize)>,
}

impl Capture {
    /// Frames a millisecond apart, whole.
    pub(crate) fn of(link: u32, frames: Vec<Vec<u8>>) -> Self {
        let frames = (0..).zip(frames).map(|(at, frame)| {
            let len = frame.len();
            (at * 1_000_000, frame, len)
        });
        Self { link, frames: frames.collect() }
    }

    /// A frame cut at every length.
    pub(crate) fn cut_everywhere(link: u32, frame: &[u8]) -> Self {
        let frames = (0..=frame.len()).map(|len| (1_000_000, frame[..len].to_vec(), frame.len()));
        Self { link, frames: frames.collect() }
    }

    /// A frame that really is as short, for every length.
    pub(crate) fn short_everywhere(link: u32, frame: &[u8]) -> Self {
        Self::of(link, (0..=frame.len()).map(|len| frame[..len].to_vec()).collect())
    }

    /// As a pcap file in nanoseconds.
    pub(crate) fn pcap(&self) -> Vec<u8> {
        let head = [0xa1b2_3c4du32, 0x0004_0002, 0, 0, 262_144, self.link];
        let mut out: Vec<u8> = head.iter().flat_map(|word| word.to_le_bytes()).collect();
        for (time, frame, wire) in &self.frames {
            let seconds = 1_700_000_000 + u32::try_from(time / 1_000_000_000).unwrap();
            let nanos = u32::try_from(time % 1_000_000_000).unwrap();
            let (captured, wire) = (u32::try_from(frame.len()).unwrap(), u32::try_from(*wire).unwrap());
            out.extend([seconds, nanos, captured, wire].iter().flat_map(|word| word.to_le_bytes()));
            out.extend(frame);
        }
        out
    }
}

pub(crate) const A: [u8; 4] = [10, 0, 0, 1];
pub(crate) const B: [u8; 4] = [10, 0, 0, 2];

pub(crate) fn v6(last: u8) -> [u8; 16] {
    let mut address = [0; 16];
    (address[0], address[1], address[15]) = (0xfe, 0x80, last);
    address
}

pub(crate) fn be(words: &[u16]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// What an IPv4 header can say beside its addresses.
#[derive(Clone, Copy)]
pub(crate) struct Ip {
    pub(crate) source: [u8; 4],
    pub(crate) destination: [u8; 4],
    pub(crate) protocol: u8,
    pub(crate) id: u16,
    pub(crate) flags_offset: u16,
    pub(crate) ttl: u8,
}

impl Ip {
    pub(crate) fn new(protocol: u8) -> Self {
        Self { source: A, destination: B, protocol, id: 1, flags_offset: 0, ttl: 64 }
    }

    pub(crate) fn with(self, payload: &[u8]) -> Vec<u8> {
        let len = u16::try_from(20 + payload.len()).unwrap();
        let mut out = vec![0x45, 0];
        out.extend(be(&[len, self.id, self.flags_offset]));
        out.extend([self.ttl, self.protocol, 0, 0]);
        out.extend(self.source);
        out.extend(self.destination);
        out.extend(payload);
        out
    }
}

pub(crate) fn ip4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    Ip::new(protocol).with(payload)
}

pub(crate) fn ip6(next: u8, source: [u8; 16], destination: [u8; 16], payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x60, 0, 0, 0];
    out.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    out.extend([next, 64]);
    out.extend(source);
    out.extend(destination);
    out.extend(payload);
    out
}

pub(crate) fn ethernet(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    out.extend(ethertype.to_be_bytes());
    out.extend(payload);
    out
}

pub(crate) fn udp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(8 + payload.len()).unwrap();
    [be(&[source, destination, len, 1]), payload.to_vec()].concat()
}

/// A TCP segment.
#[derive(Clone)]
pub(crate) struct Tcp {
    pub(crate) ports: (u16, u16),
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) flags: u16,
    pub(crate) window: u16,
    pub(crate) options: Vec<u8>,
    pub(crate) payload: usize,
    pub(crate) urgent: u16,
    /// Header length in words, where it is not the true one.
    pub(crate) words: Option<u16>,
}

pub(crate) const FIN: u16 = 1;
pub(crate) const SYN: u16 = 2;
pub(crate) const RST: u16 = 4;
pub(crate) const PSH: u16 = 8;
pub(crate) const ACK: u16 = 16;

impl Tcp {
    pub(crate) fn new(ports: (u16, u16), flags: u16, seq: u32, ack: u32) -> Self {
        let options = Vec::new();
        Self { ports, seq, ack, flags, window: 1000, options, payload: 0, urgent: 0, words: None }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut options = self.options.clone();
        options.resize(options.len().next_multiple_of(4), 0);
        let words = self.words.unwrap_or(u16::try_from(5 + options.len() / 4).unwrap());
        let mut out = be(&[self.ports.0, self.ports.1]);
        out.extend(self.seq.to_be_bytes());
        out.extend(self.ack.to_be_bytes());
        out.extend(be(&[words << 12 | self.flags, self.window, 0, self.urgent]));
        out.extend(options);
        out.extend((0..self.payload).map(|at| b'a' + u8::try_from(at % 26).unwrap()));
        out
    }
}

/// Puts the checksum of an ICMP message into it; `pseudo` is what of its carrier counts with IPv6.
pub(crate) fn icmp(pseudo: &[u8], mut message: Vec<u8>) -> Vec<u8> {
    let sum: u32 = [pseudo, &message]
        .iter()
        .flat_map(|bytes| bytes.chunks(2))
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or_default()))
        .sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = !u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

/// A message of ICMP for IPv6 in its carrier, its checksum right.
pub(crate) fn icmp6(source: [u8; 16], destination: [u8; 16], message: &[u8]) -> Vec<u8> {
    let len = u32::try_from(message.len()).unwrap().to_be_bytes();
    let pseudo = [&source[..], &destination, &len, &[0, 0, 0, 58]].concat();
    ip6(58, source, destination, &icmp(&pseudo, message.to_vec()))
}

/// Numbers that only look random: the golden rows are of exactly these.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn roll(&mut self, sides: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from(self.0 >> 33).unwrap() % sides
    }

    pub(crate) fn one_in(&mut self, sides: u32) -> bool {
        self.roll(sides) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.roll(u32::try_from(from.len()).unwrap())).unwrap()]
    }
}
