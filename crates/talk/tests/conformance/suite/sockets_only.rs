//! What only a kernel has.

use super::asking::{ASK, asked};
use crate::child::in_a_child;
use crate::recorder::{Seen, What};
use crate::sockets::unconnected;
use crate::world::{Server, Setup, World};
use enchufe_sys::rlimit::{self, DescriptorLimit};
use enchufe_talk::services::{Chargen, Echo};
use enchufe_talk::told::Shortage;
use enchufe_talk::{Actions, Event, Service};
use socket2::{SockRef, Socket};
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, Write};
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// The name of the test that runs this case.
pub(super) fn test_name(world: &impl World, case: &str) -> String {
    format!("{}::{case}", world.name())
}

/// The server has its own descriptors then.
pub(super) fn wait_until_it_waits(server: &dyn Server) {
    server.wait("the start", &|seen| seen.iter().any(|seen| seen.what == What::Waiting));
}

/// Descriptors of this process that are sockets.
fn sockets() -> usize {
    let open = std::fs::read_dir("/proc/self/fd").unwrap();
    let targets = open.filter_map(|entry| entry.unwrap().path().read_link().ok());
    targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
}

/// Takes descriptors until there are no more. The server has its own by then.
fn take_all(server: &dyn Server) -> Vec<File> {
    wait_until_it_waits(server);
    let limit = rlimit::descriptor_limit().unwrap();
    rlimit::set_descriptor_limit(DescriptorLimit { soft: 200, ..limit }).unwrap();
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

fn is_short(seen: &Seen) -> bool {
    seen.what == What::Short(Shortage::Descriptors)
}

fn wait_until_short(server: &dyn Server) {
    server.wait("the shortage", &|seen| seen.iter().any(is_short));
}

/// Sockets made before there are none left, connected after that.
pub(super) fn connect(server: &dyn Server, socket: Socket) -> TcpStream {
    socket.connect(&server.addresses()[0].into()).unwrap();
    socket.into()
}

pub(super) fn echo(mut stream: &TcpStream, message: &[u8]) {
    stream.write_all(message).unwrap();
    let mut back = vec![0; message.len()];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(back, message);
}

pub(crate) fn without_descriptors_who_waits_is_served_when_one_leaves<W: World>(world: &W) {
    in_a_child(&test_name(world, "without_descriptors_who_waits_is_served_when_one_leaves"), || {
        let report = world.run(&Echo, &Setup::default(), |server| {
            let mut stat = File::open("/proc/self/stat").unwrap();
            let make = || unconnected(server.addresses()[0], &[]);
            let (first, waits, waits_too) = (make(), make(), make());
            wait_until_it_waits(server);
            let before = sockets();
            // Served one after another, nobody is being served while descriptors are missing; nor where one on its way would have one
            // that is free again later.
            let is_served = !world.one_at_a_time() && !world.hands_over();
            let leaver = is_served.then(|| connect(server, first));
            if let Some(leaver) = &leaver {
                echo(leaver, b"hola");
                // Where it is no descriptor it is one on its way into a ring, and with that one others would be let in.
                let most = before + usize::from(!world.has_rings());
                server.wait("that nothing else is on its way", &|_| sockets() <= most);
            }
            let mut taken = take_all(server);
            let (waits, waits_too) = (connect(server, waits), connect(server, waits_too));
            wait_until_short(server);
            expect_rest(&mut stat);
            match leaver {
                // Its descriptor and the server's for it.
                Some(leaver) => drop(leaver),
                // For one after the other, or for both.
                None => taken.truncate(taken.len() - if world.one_at_a_time() { 1 } else { 2 }),
            }
            echo(&waits, b"my turn");
            if world.one_at_a_time() {
                waits.shutdown(std::net::Shutdown::Both).unwrap();
                echo(&waits_too, b"mine too");
            } else {
                drop(waits);
                echo(&waits_too, b"mine too");
            }
        });
        // Over all that time, with a look at the queue every second, once for each time it began.
        let most = match (world.one_at_a_time(), world.hands_over()) {
            (true, _) => 1,
            (false, false) => 2,
            // And while one that was served is on its way.
            (false, true) => usize::MAX,
        };
        assert!((1..=most).contains(&report.count(|what| *what == What::Short(Shortage::Descriptors))));
    });
}

/// Fails if this process works while it has nothing to do. (A busy machine only makes it look calmer.)
fn expect_rest(stat: &mut File) {
    let while_short = Duration::from_millis(300);
    let (before, since) = (processor_time(stat), Instant::now());
    std::thread::sleep(while_short);
    let worked = processor_time(stat).saturating_sub(before);
    assert!(worked < while_short / 2, "worked {worked:?} of {:?} for nothing", since.elapsed());
}

/// User and system time, the 14th and 15th field of `proc_pid_stat(5)`, in ticks of 10 ms.
fn processor_time(stat: &mut File) -> Duration {
    let mut text = String::new();
    stat.rewind().unwrap();
    stat.read_to_string(&mut text).unwrap();
    let (_, fields) = text.rsplit_once(')').unwrap();
    let ticks: u32 =
        fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u32>().unwrap()).sum();
    Duration::from_millis(10) * ticks
}

pub(crate) fn without_a_descriptor_for_the_bell_an_asker_waits_outside<W: World>(world: &W) {
    in_a_child(&test_name(world, "without_a_descriptor_for_the_bell_an_asker_waits_outside"), || {
        let report = world.run(&ASK, &Setup::default(), |server| {
            let client = unconnected(server.addresses()[0], &[]);
            let mut taken = take_all(server);
            // One is enough to accept, and not to be told the operator's answer.
            drop(taken.pop());
            let mut client = connect(server, client);
            client.write_all(b"what?\n").unwrap();
            wait_until_short(server);
            drop(taken);
            asked(server, 1, "what?\n");
            assert!(server.operator().answer("that".into()));
            let mut answer = [0; 5];
            client.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, b"that\n");
        });
        report.expect(1, "PeerFinished");
    });
}

pub(crate) fn a_client_that_closed_altogether_takes_its_question_back<W: World>(world: &W) {
    let report = world.run(&ASK, &Setup::default(), |server| {
        let mut first = server.connect();
        first.send(b"first?\n").unwrap();
        asked(server, 1, "first?\n");
        drop(first);
        let mut second = server.connect();
        second.send(b"second?\n").unwrap();
        server.wait_of(1, &What::QuestionWithdrawn);
        asked(server, 2, "second?\n");
        assert!(server.operator().answer("yours".into()));
        assert_eq!(second.read_exact(6), b"yours\n");
    });
    report.expect(1, "PeerLeft");
    report.expect(2, "PeerFinished");
}

pub(crate) fn every_address_of_a_server_is_served<W: World>(world: &W) {
    let setup = Setup { every_address: true, ..Setup::default() };
    let mut addresses = 0;
    let report = world.run(&Echo, &setup, |server| {
        addresses = server.addresses().len();
        for _ in 0..2 * addresses {
            server.connect().expect_echo(b"hola");
        }
    });
    // Where the machine has no IPv6 that is said.
    let skipped = report.count(|what| *what == What::Skipped);
    assert_eq!(addresses + skipped, 2);
    assert_eq!(report.summary.served, 2 * addresses as u64);
}

/// A read stops where TCP's urgent pointer stood, with more behind it.
pub(crate) fn what_comes_behind_urgent_data_is_read_too<W: World>(world: &W) {
    let setup = Setup { held: true, ..Setup::default() };
    world.run(&Echo, &setup, |server| {
        let mut client = connect(server, unconnected(server.addresses()[0], &[]));
        SockRef::from(&client).send_out_of_band(b"1!").unwrap();
        client.write_all(b"23").unwrap();
        server.go();
        let mut back = [0; 3];
        client.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"123", "the urgent byte itself is not in the stream");
    });
}

/// Has enough after one read.
struct ReadsOnce;

impl Service for ReadsOnce {
    type State = ();

    fn event(&self, (): &mut (), event: Event<'_>, actions: &mut Actions) {
        if let Event::Bytes(_) = event {
            actions.pause_reading();
        }
    }
}

/// RFC 1122, 4.2.2.13: whoever closes with data that was not read resets. It does not matter whether it is still the kernel's, or the
/// engine has it already.
pub(crate) fn what_was_sent_and_not_read_is_known_to_be_lost<W: World>(world: &W) {
    const READ: usize = 16;
    let setup = Setup::with(|limits| limits.read_size = READ);
    let report = world.run(&ReadsOnce, &setup, |server| {
        let mut peer = server.connect();
        peer.send(&[b'x'; 4 * READ]).unwrap();
        server.wait_received(1, 1);
        server.stop().cut();
        assert_eq!(peer.try_read_to_end().unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
    report.expect(1, "Interrupted");
    assert_eq!(report.only().received, READ as u64);
}

/// Ends its direction and reads nothing.
struct EndsAndPauses;

impl Service for EndsAndPauses {
    type State = ();

    fn event(&self, (): &mut (), event: Event<'_>, actions: &mut Actions) {
        if let Event::Opened(_) = event {
            actions.half_close();
            actions.pause_reading();
        }
    }
}

pub(crate) fn a_connection_that_waits_takes_no_time<W: World>(world: &W) {
    in_a_child(&test_name(world, "a_connection_that_waits_takes_no_time"), || {
        let mut stat = File::open("/proc/self/stat").unwrap();
        let setup = Setup::with(|limits| limits.drain = Duration::ZERO);
        // Both directions are over, which the kernel would tell again and again.
        world.run(&EndsAndPauses, &setup, |server| {
            let mut peer = server.connect();
            assert_eq!(peer.read_to_end(), b"");
            peer.half_close();
            expect_rest(&mut stat);
        });
        // The peer has ended, and the operator thinks.
        world.run(&ASK, &setup, |server| {
            let mut peer = server.connect();
            peer.send(b"what?\n").unwrap();
            peer.half_close();
            server.wait_of(1, &What::PeerEnded);
            expect_rest(&mut stat);
        });
        // The peer does not read.
        world.run(&Chargen, &setup, |server| {
            let mut peer = server.connect();
            peer.read_exact(1);
            expect_rest(&mut stat);
        });
    });
}

/// What it panics with.
const BROKEN: &str = "this service is broken";

/// A service with a mistake.
struct Broken;

impl Service for Broken {
    type State = ();

    fn event(&self, (): &mut (), event: Event<'_>, _actions: &mut Actions) {
        if let Event::Bytes(_) = event {
            std::panic::panic_any(BROKEN);
        }
    }
}

pub(crate) fn a_panic_of_a_service_does_not_hang_the_server<W: World>(world: &W) {
    let run = || {
        // The stop that ends every case does not help it out.
        let setup = Setup::with(|limits| limits.drain = Duration::MAX);
        world.run(&Broken, &setup, |server| {
            let mut peer = server.connect();
            peer.send(b"hola").unwrap();
            // Its connection is gone, with or without order.
            let _ = peer.try_read_to_end();
        })
    };
    let Err(panic) = catch_unwind(AssertUnwindSafe(run)) else { panic!("the panic is hidden") };
    // The service's, or of the scope of its thread; not of a case that misses something.
    let said = panic.downcast_ref::<&str>().copied().unwrap_or("something else");
    assert!([BROKEN, "a scoped thread panicked"].contains(&said), "{said}");
}
