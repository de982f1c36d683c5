//! The exchange of a student's report: a blocking client and server on loopback, and what else was on the air.
//!
//! 21 rows: the handshake, 21 bytes of request in frame 4, 22 bytes of answer in frame 6, the client closing first,
//! then discovery over IPv4 and IPv6. Times, ports, lengths and addresses are the report's.

use super::packets::{ACK, Capture, FIN, Ip, PSH, SYN, Tcp, be, ip6, udp};

const CLIENT: u16 = 63_661;
const SERVER: u16 = 8_080;
const LOCAL: [u8; 4] = [127, 0, 0, 1];
const HOST: [u8; 4] = [172, 100, 75, 102];
const HOST6: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0x5e, 0xf9, 0x68, 0xfa, 0x02, 0x99, 0x12, 0x34];

pub(crate) fn capture() -> Capture {
    let mut frames = conversation();
    frames.extend(discovery());
    // BSD loopback: the family first, as a little-endian host writes it.
    let frames = frames.into_iter().map(|(micros, ip)| {
        let family: u32 = if ip[0] >> 4 == 4 { 2 } else { 24 };
        let frame = [&family.to_le_bytes()[..], &ip].concat();
        let len = frame.len();
        (micros * 1000, frame, len)
    });
    Capture { link: 0, frames: frames.collect() }
}

fn conversation() -> Vec<(u64, Vec<u8>)> {
    const SHIFT: u8 = 8;
    let opening = [&[2, 4][..], &65_495u16.to_be_bytes(), &[1, 3, 3, SHIFT, 1, 1, 4, 2]].concat();
    let segment = |from_client: bool, flags: u16, seq: u32, ack: u32, payload: &[u8]| {
        let ports = if from_client { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
        let (own, peer) = if from_client { (1_000, 9_000) } else { (9_000, 1_000) };
        let ack = if flags & ACK == 0 { 0 } else { peer + ack };
        let mut tcp = Tcp::new(ports, flags, own + seq, ack);
        tcp.window = if flags & SYN == 0 { 10_233 } else { 65_535 };
        if flags & SYN != 0 {
            tcp.options.clone_from(&opening);
        }
        let bytes = [tcp.bytes(), payload.to_vec()].concat();
        Ip { source: LOCAL, destination: LOCAL, ttl: 128, ..Ip::new(6) }.with(&bytes)
    };
    vec![
        (0, segment(true, SYN, 0, 0, b"")),
        (84, segment(false, SYN | ACK, 0, 1, b"")),
        (165, segment(true, ACK, 1, 1, b"")),
        (415, segment(true, PSH | ACK, 1, 1, b"Hola desde el cliente")),
        (438, segment(false, ACK, 1, 22, b"")),
        (3_220, segment(false, PSH | ACK, 1, 22, b"Hola desde el servidor")),
        (3_245, segment(true, ACK, 22, 23, b"")),
        (3_512, segment(true, FIN | ACK, 22, 23, b"")),
        (3_529, segment(false, ACK, 23, 23, b"")),
        (4_887, segment(false, FIN | ACK, 23, 23, b"")),
        (4_935, segment(true, ACK, 23, 24, b"")),
    ]
}

fn name(labels: &[&[u8]]) -> Vec<u8> {
    let mut out: Vec<u8> =
        labels.iter().flat_map(|label| [&[u8::try_from(label.len()).unwrap()][..], label].concat()).collect();
    out.push(0);
    out
}

fn discovery() -> Vec<(u64, Vec<u8>)> {
    const ANY: u16 = 255;
    let own = name(&[b"DESKTOP-9E2E9G9", b"local"]);
    let ask = [be(&[0, 0, 1, 0, 0, 0]), own.clone(), be(&[ANY, 1])].concat();
    let aaaa = [&own[..], &be(&[28, 1, 0, 60, 16]), &HOST6].concat();
    let a = [&[0xc0, 12][..], &be(&[1, 1, 0, 60, 4]), &HOST].concat();
    let answer = [be(&[0, 0x8400, 0, 2, 0, 0]), aaaa, a].concat();
    let llmnr = [be(&[0xe02a, 0, 1, 0, 0, 0]), name(&[b"DESKTOP-9E2E9G9"]), be(&[ANY, 1])].concat();
    let (mdns4, mdns6) = ([224, 0, 0, 251], group(0xfb));
    let four = |destination: [u8; 4], payload: &[u8], port: u16| {
        Ip { source: HOST, destination, ttl: 1, ..Ip::new(17) }.with(&udp(port, port, payload))
    };
    let six = |destination: [u8; 16], payload: &[u8], port: u16| {
        ip6(17, HOST6, destination, &udp(port, port, payload))
    };
    let mut llmnr_group = group(0x03);
    llmnr_group[13] = 1;
    let mut llmnr_six = llmnr_group;
    (llmnr_six[13], llmnr_six[14], llmnr_six[15]) = (1, 0, 3);
    vec![
        (6_227_523, search(LOCAL, 169)),
        (6_231_769, four(mdns4, &ask, 5353)),
        (6_232_730, six(mdns6, &ask, 5353)),
        (6_233_453, four(mdns4, &answer, 5353)),
        (6_234_009, six(mdns6, &answer, 5353)),
        (6_234_343, ip6(17, HOST6, llmnr_six, &udp(60_123, 5355, &llmnr))),
        (
            6_234_557,
            Ip { source: HOST, destination: [224, 0, 0, 252], ..Ip::new(17) }
                .with(&udp(60_123, 5355, &llmnr)),
        ),
        (8_593_344, search(HOST, 202)),
        (9_235_778, search(LOCAL, 169)),
        (9_597_622, search(HOST, 202)),
    ]
}

/// The link-local group of this number.
fn group(last: u8) -> [u8; 16] {
    let mut address = [0; 16];
    (address[0], address[1], address[15]) = (0xff, 2, last);
    address
}

/// A search whose frame is this long.
fn search(source: [u8; 4], frame_len: usize) -> Vec<u8> {
    let mut text = String::from(
        "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\n",
    );
    let target = frame_len - 4 - 28 - text.len() - "ST: \r\n\r\n".len();
    text.push_str("ST: ");
    text.extend(
        "urn:dial-multiscreen-org:service:dial:1/and/more/words/to/fill".chars().cycle().take(target),
    );
    text.push_str("\r\n\r\n");
    Ip { source, destination: [239, 255, 255, 250], ttl: 1, ..Ip::new(17) }.with(&udp(
        53_000,
        1900,
        text.as_bytes(),
    ))
}
