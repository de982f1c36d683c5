use super::*;
use enchufe_sys::namespace::{isolate, set_loopback};
use enchufe_wire::{Session, Timestamp};
use std::env;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::thread;

const CHILD: &str = "ENCHUFE_WATCH_TEST_CAPTURE";

/// Runs the test of this name again in a network of its own; there, tells so.
fn inside(name: &str) -> bool {
    if env::var_os(CHILD).is_some() {
        return true;
    }
    let name = format!("capture::tests::{name}");
    let mut command = Command::new(env::current_exe().unwrap());
    let output = isolate(command.args(["--exact", &name]).env(CHILD, "1")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    false
}

/// How many frames the loopback interface received: the kernel's own count.
fn received() -> usize {
    let text = std::fs::read_to_string("/proc/self/net/dev").unwrap();
    let line = text.lines().find_map(|line| line.trim().strip_prefix("lo:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// One end over UDP sends so many; each is there when this returns.
fn datagrams(count: u32) {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    sender.connect(receiver.local_addr().unwrap()).unwrap();
    let mut buffer = [0; 16];
    for number in 0..count {
        sender.send(&number.to_be_bytes()).unwrap();
        receiver.recv(&mut buffer).unwrap();
    }
}

/// The client sends `message`, and both ends are through with each other when this returns.
fn conversation(message: &[u8]) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || std::io::copy(&mut server, &mut std::io::sink()).unwrap());
        client.write_all(message).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    });
}

#[derive(Debug)]
struct Seen {
    time: Timestamp,
    wire_len: u32,
    bytes: Vec<u8>,
}

/// All that was captured, the capture being told to end.
fn all(capture: &mut Capture) -> Vec<Seen> {
    let bell = Bell::new().unwrap();
    bell.ring();
    let mut seen = Vec::new();
    loop {
        match capture.next(&bell, None).unwrap() {
            Next::Frame(Captured { record, .. }) => seen.push(Seen {
                time: record.time.unwrap(),
                wire_len: record.wire_len,
                bytes: record.bytes.to_vec(),
            }),
            Next::Pause => {}
            Next::End => return seen,
        }
    }
}

fn open(place: Place<'_>) -> Capture {
    Capture::open(place, &Options::default()).unwrap()
}

#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn every_frame_is_seen_once_in_the_order_of_time() {
    if !inside("every_frame_is_seen_once_in_the_order_of_time") {
        return;
    }
    for place in [Place::Interface("lo"), Place::Everywhere] {
        let mut capture = open(place);
        let before = received();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| datagrams(2000));
            }
        });
        let seen = all(&mut capture);
        assert_eq!((seen.len(), received() - before), (8000, 8000), "{place:?}");
        assert!(seen.is_sorted_by_key(|frame| frame.time), "{place:?}");
        assert_eq!(capture.drops().unwrap(), 0);
    }
}

#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn every_byte_of_a_conversation_is_seen() {
    if !inside("every_byte_of_a_conversation_is_seen") {
        return;
    }
    let message: Vec<u8> = (0..300_000_u32).flat_map(u32::to_be_bytes).collect();
    for (place, link) in
        [(Place::Interface("lo"), LinkType::ETHERNET), (Place::Everywhere, LinkType::LINUX_SLL2)]
    {
        let mut capture = open(place);
        let before = received();
        conversation(&message);
        let seen = all(&mut capture);
        // The kernel's count says that no copy is among them and none is missing, whatever was sent twice.
        assert_eq!(seen.len(), received() - before, "{place:?}");
        assert_eq!(capture.link(), link);
        let mut whole: Vec<u8> = message.iter().map(|byte| !byte).collect();
        let (mut session, mut first) = (Session::default(), None);
        for frame in &seen {
            let frame = session.frame(&Record {
                interface: 0,
                link,
                time: Some(frame.time),
                resolution: Resolution::NANOS,
                bytes: &frame.bytes,
                wire_len: frame.wire_len,
                options: file::Options::NONE,
            });
            let (header, view) = frame.packet.tcp().unwrap();
            let (sender, start) = *first.get_or_insert((header.source_port, header.seq));
            let payload = frame.packet.slice(view).get(usize::from(header.header_len)..).unwrap();
            if header.source_port == sender && !payload.is_empty() {
                // The SYN counts one.
                let offset = header.seq.relative(start) as usize - 1;
                whole.get_mut(offset..offset + payload.len()).unwrap().copy_from_slice(payload);
            }
        }
        assert!(whole == message, "{place:?}: every byte at its place");
    }
}

#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn a_capture_pauses_goes_on_and_ends_by_bell_or_time() {
    if !inside("a_capture_pauses_goes_on_and_ends_by_bell_or_time") {
        return;
    }
    let bell = Bell::new().unwrap();
    let mut capture = open(Place::Interface("lo"));
    for _ in 0..2 {
        datagrams(1);
        assert!(matches!(capture.next(&bell, None).unwrap(), Next::Frame(_)));
        assert!(matches!(capture.next(&bell, None).unwrap(), Next::Pause));
    }
    thread::scope(|scope| {
        scope.spawn(|| bell.ring());
        assert!(matches!(capture.next(&bell, None).unwrap(), Next::End));
    });
    datagrams(1);
    assert!(matches!(capture.next(&bell, None).unwrap(), Next::End), "it stays so");
    bell.silence();
    let mut capture = open(Place::Interface("lo"));
    datagrams(1);
    let now = Some(Instant::now());
    assert!(matches!(capture.next(&bell, now).unwrap(), Next::Frame(_)));
    assert!(matches!(capture.next(&bell, now).unwrap(), Next::End));
}

#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn an_interface_that_goes_down_has_handed_out_what_came_before() {
    if !inside("an_interface_that_goes_down_has_handed_out_what_came_before") {
        return;
    }
    let bell = Bell::new().unwrap();
    let mut capture = open(Place::Interface("lo"));
    for _ in 0..2 {
        datagrams(100);
        set_loopback(false).unwrap();
        let mut count = 0;
        let error = loop {
            match capture.next(&bell, None) {
                Ok(Next::Frame(_)) => count += 1,
                Ok(Next::Pause) => {}
                Ok(Next::End) => panic!("nobody ended it"),
                Err(error) => break error,
            }
        };
        assert_eq!((count, error.kind()), (100, io::ErrorKind::NetworkDown));
        set_loopback(true).unwrap();
    }
    datagrams(3);
    set_loopback(false).unwrap();
    assert_eq!(all(&mut capture).len(), 3, "who ends it is not told of the interface");
}

#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn no_more_of_a_frame_is_kept_than_asked_for() {
    if !inside("no_more_of_a_frame_is_kept_than_asked_for") {
        return;
    }
    for (place, wire_len) in [(Place::Interface("lo"), 46), (Place::Everywhere, 52)] {
        let mut capture = Capture::open(place, &Options { snaplen: 21, ..Options::default() }).unwrap();
        datagrams(1);
        let seen = all(&mut capture);
        assert_eq!(seen.iter().map(|one| (one.bytes.len(), one.wire_len)).collect::<Vec<_>>(), {
            [(21, wire_len)]
        });
    }
}

#[test]
#[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
fn what_cannot_be_captured_says_why() {
    if !inside("what_cannot_be_captured_says_why") {
        return;
    }
    let there_is_none = Capture::open(Place::Interface("eth7"), &Options::default());
    let Err(CaptureError::NoInterface { name, others }) = there_is_none else { panic!("it opened") };
    assert_eq!((name.as_str(), others), ("eth7", vec!["lo".to_owned()]));
    let promiscuous = Options { promiscuous: true, ..Options::default() };
    assert!(Capture::open(Place::Interface("lo"), &promiscuous).is_ok());
    let everywhere = Capture::open(Place::Everywhere, &promiscuous);
    assert!(matches!(everywhere, Err(CaptureError::PromiscuousEverywhere)));
}

#[test]
fn each_kind_of_interface_has_its_link_type() {
    assert_eq!(link(Some(1)), (LinkType::ETHERNET, Start::LinkHeader));
    assert_eq!(link(Some(772)), (LinkType::ETHERNET, Start::LinkHeader));
    assert_eq!(link(Some(0xfffe)), (LinkType::RAW, Start::LinkHeader));
    for other in [None, Some(801), Some(512)] {
        assert_eq!(link(other), (LinkType::LINUX_SLL2, Start::NetworkHeader));
    }
}
