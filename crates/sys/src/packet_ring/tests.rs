use super::*;
use crate::interfaces::{self, hardware};
use crate::namespace::isolate;
use crate::poll::{PollFd, ppoll};
use proptest::prelude::*;
use socket2::SockRef;
use std::env;
use std::net::UdpSocket;
use std::process::Command;

const CHILD: &str = "ENCHUFE_SYS_TEST_RING";

/// Runs the test of this name again in a network of its own; there, tells so.
fn inside(name: &str) -> bool {
    if env::var_os(CHILD).is_some() {
        return true;
    }
    let (_, module) = module_path!().split_once("::").unwrap();
    let name = format!("{module}::{name}");
    let mut command = Command::new(env::current_exe().unwrap());
    let output = isolate(command.args(["--exact", &name]).env(CHILD, "1")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    false
}

fn loopback() -> RingOptions<'static> {
    RingOptions {
        interface: Some(interfaces::index("lo").unwrap()),
        start: Start::LinkHeader,
        program: &[],
        block_size: 1 << 18,
        block_count: 8,
        retire: Duration::from_millis(5),
        ignore_outgoing: true,
        tells_segments: false,
        promiscuous: false,
    }
}

/// Sends these over UDP on the loopback interface; each is there when this returns.
fn send(payloads: impl Iterator<Item = Vec<u8>>) {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    sender.connect(receiver.local_addr().unwrap()).unwrap();
    let mut buffer = vec![0; 1 << 16];
    for payload in payloads {
        sender.send(&payload).unwrap();
        assert_eq!(receiver.recv(&mut buffer).unwrap(), payload.len());
    }
}

/// Waits for a block and gives each of its frames to `look`.
fn next_block(ring: &mut PacketRing, mut look: impl FnMut(&Packet<'_>)) {
    loop {
        if let Some(block) = ring.take() {
            ring.packets(block).for_each(|packet| look(&packet));
            return ring.give_back();
        }
        ppoll(&mut [PollFd::new(ring.as_fd(), libc::POLLIN)], None).unwrap();
    }
}

/// The payloads of the next `count` frames, behind Ethernet, IPv4 and UDP.
fn payloads(ring: &mut PacketRing, count: usize) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while found.len() < count {
        next_block(ring, |packet| found.push(packet.bytes.get(42..).unwrap_or_default().to_vec()));
    }
    found
}

#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn every_frame_on_loopback_is_seen_once_and_whole() {
    if !inside("every_frame_on_loopback_is_seen_once_and_whole") {
        return;
    }
    let mut ring = PacketRing::open(&loopback()).unwrap();
    // Together twice as much as the ring holds, in the order of one sender.
    let sizes: Vec<usize> = (0..200).map(|n| n * 7919 % 40_000).collect();
    for some in sizes.chunks(20) {
        let sent: Vec<Vec<u8>> =
            some.iter().map(|&size| size.to_be_bytes().into_iter().cycle().take(size).collect()).collect();
        send(sent.iter().cloned());
        assert_eq!(payloads(&mut ring, sent.len()), sent);
    }
    let statistics = Statistics { packets: 200, drops: 0, freezes: 0 };
    assert_eq!(ring.statistics().unwrap(), statistics);
    assert_eq!(ring.statistics().unwrap(), Statistics::default(), "the kernel counts anew");
    assert!(ring.take().is_none());
}

#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn with_what_is_sent_each_frame_on_loopback_is_seen_twice() {
    if !inside("with_what_is_sent_each_frame_on_loopback_is_seen_twice") {
        return;
    }
    let mut ring = PacketRing::open(&RingOptions { ignore_outgoing: false, ..loopback() }).unwrap();
    send([b"one".to_vec()].into_iter());
    let mut seen = Vec::new();
    while seen.len() < 2 {
        next_block(&mut ring, |packet| {
            assert_eq!((packet.hardware, packet.protocol, packet.vlan), (hardware::LOOPBACK, 0x0800, None));
            assert_eq!((packet.bytes.len(), packet.wire_len, packet.address_len), (45, 45, 6));
            assert!(packet.checksum_missing, "nothing on loopback computes it");
            seen.push((packet.direction, packet.interface));
        });
    }
    let index = interfaces::index("lo").unwrap();
    assert_eq!(seen, [(libc::PACKET_OUTGOING, index), (libc::PACKET_HOST, index)]);
}

#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn a_program_decides_what_is_kept_and_how_much() {
    if !inside("a_program_decides_what_is_kept_and_how_much") {
        return;
    }
    let program = [
        Instruction::load_direction(),
        Instruction::skip_if_equal(libc::PACKET_OUTGOING.into(), 0, 1),
        Instruction::keep(0),
        Instruction::keep(20),
    ];
    let options = RingOptions { ignore_outgoing: false, interface: None, program: &program, ..loopback() };
    let mut ring = PacketRing::open(&options).unwrap();
    send([b"one".to_vec(), b"three".to_vec()].into_iter());
    let mut seen = Vec::new();
    while seen.len() < 2 {
        next_block(&mut ring, |packet| seen.push((packet.bytes.len(), packet.wire_len)));
    }
    assert_eq!(seen, [(20, 45), (20, 47)]);
    ring.attach(&[Instruction::keep(0)]).unwrap();
    send([b"unseen".to_vec()].into_iter());
    assert_eq!(ring.statistics().unwrap().packets, 2);
    assert_eq!(ring.attach(&[Instruction::load_direction()]).unwrap_err().raw_os_error(), Some(libc::EINVAL));
}

#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn what_finds_no_room_is_counted() {
    if !inside("what_finds_no_room_is_counted") {
        return;
    }
    let mut ring = PacketRing::open(&RingOptions { block_size: 4096, block_count: 2, ..loopback() }).unwrap();
    send((0..50_u8).map(|n| vec![n; 1000]));
    let counted = ring.statistics().unwrap();
    assert_eq!(counted.packets, 50, "dropped ones are among them");
    assert!(counted.drops > 0 && counted.freezes > 0, "{counted:?}");
    let kept = usize::try_from(counted.packets - counted.drops).unwrap();
    let found = payloads(&mut ring, kept);
    assert_eq!(found, (0..50_u8).take(kept).map(|n| vec![n; 1000]).collect::<Vec<_>>(), "the first ones");
}

#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn the_tag_of_a_vlan_stands_beside_the_bytes() {
    if !inside("the_tag_of_a_vlan_stands_beside_the_bytes") {
        return;
    }
    let mut ring = PacketRing::open(&loopback()).unwrap();
    // Two addresses, tag of VLAN 5 with priority 3, then an EtherType for experiments (IEEE 802).
    let mut frame = vec![0; 12];
    frame.extend([0x81, 0x00, 0x60, 0x05, 0x88, 0xb5]);
    frame.extend(b"payload of a frame with a tag, to reach the least length");
    assert_eq!(SockRef::from(&ring).send(&frame).unwrap(), frame.len());
    let mut seen = Vec::new();
    next_block(&mut ring, |packet| seen.push((packet.vlan, packet.protocol, packet.bytes.to_vec())));
    frame.drain(12..16);
    assert_eq!(seen, [(Some(Vlan { protocol: 0x8100, control: 0x6005 }), 0x88b5, frame)]);
}

#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn what_cannot_be_opened_says_why() {
    if !inside("what_cannot_be_opened_says_why") {
        return;
    }
    let refused = |options: RingOptions<'_>| PacketRing::open(&options).unwrap_err().raw_os_error();
    assert_eq!(refused(RingOptions { interface: Some(4711), ..loopback() }), Some(libc::ENODEV));
    assert_eq!(refused(RingOptions { interface: Some(u32::MAX), ..loopback() }), Some(libc::ENODEV));
    assert_eq!(refused(RingOptions { block_size: 4097, ..loopback() }), Some(libc::EINVAL));
    assert_eq!(refused(RingOptions { block_count: 0, ..loopback() }), Some(libc::EINVAL));
    let promiscuous = RingOptions { promiscuous: true, ..loopback() };
    assert!(PacketRing::open(&promiscuous).is_ok());
    let everywhere = PacketRing::open(&RingOptions { interface: None, ..promiscuous });
    assert_eq!(everywhere.unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

proptest! {
    #[test]
    fn no_block_makes_the_walk_fail(mut block in proptest::collection::vec(any::<u8>(), 0..400), first in 0_u32..200) {
        if let Some(place) = block.get_mut(16..20) {
            place.copy_from_slice(&first.to_ne_bytes());
        }
        prop_assert!(Packets::new(&block, true).all(|packet| packet.bytes.len() <= block.len()));
    }
}
