//! Errors that a kernel gives when it is in want, or hardly ever: by a plan (`enchufe_sys::faults`). A case is in a process of its own,
//! for a plan is the process's, and has its descriptors and threads back afterwards.

use super::SOON;
use super::sockets_only::{
    connect, echo, test_name, wait_until_it_waits, what_was_sent_and_not_read_is_known_to_be_lost,
};
use crate::child::in_a_child;
use crate::pattern::Pattern;
use crate::recorder::{FOR_EVER, Report, Seen, What};
use crate::sockets::unconnected;
use crate::world::{Peer, Server, Setup, World};
use enchufe_sys::faults::{self, Call};
use enchufe_talk::options::SocketOption;
use enchufe_talk::services::{Chargen, Daytime, Echo};
use enchufe_talk::told::Shortage;
use std::fs;
use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// How often something is looked at that nothing is told of.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// Threads that accept, at most.
const MOST_THREADS: u64 = 3;
/// Errors of a socket, and the reason that they are.
const ENDS: [(&str, &str); 9] = [
    ("ECONNRESET", "Reset"),
    ("EPIPE", "Reset"),
    ("ECONNABORTED", "Reset"),
    ("ETIMEDOUT", "code: 110,"),
    ("EHOSTUNREACH", "code: 113,"),
    ("ENETUNREACH", "code: 101,"),
    ("ENOBUFS", "code: 105,"),
    ("ENOMEM", "code: 12,"),
    ("EIO", "code: 5,"),
];

fn alone(world: &impl World, case: &str, run: impl FnOnce()) {
    in_a_child(&test_name(world, &format!("faults::{case}")), || {
        let held = || ["fd", "task"].map(|name| fs::read_dir(format!("/proc/self/{name}")).unwrap().count());
        // What is made once in a process.
        plan("");
        let before = held();
        run();
        // A thread that was waited for may be on its way out still.
        let since = Instant::now();
        while held() != before {
            assert!(since.elapsed() < FOR_EVER, "{:?} descriptors and threads, not {before:?}", held());
            std::thread::sleep(LOOK_AGAIN);
        }
    });
}

/// From now on.
fn plan(text: &str) {
    faults::set(text).unwrap();
}

fn shortages(seen: &[Seen]) -> Vec<Shortage> {
    seen.iter().filter_map(|seen| if let What::Short(of) = seen.what { Some(of) } else { None }).collect()
}

/// Until this call was made so often.
fn wait_made(server: &dyn Server, call: Call, count: u64) {
    server.wait(&format!("{count} of {call:?}"), &|_| faults::made(call) >= count);
}

/// Connected, whether it is let in or not.
fn outside(server: &dyn Server) -> TcpStream {
    connect(server, unconnected(server.addresses()[0], &[]))
}

/// How connection `id` ended.
#[track_caller]
fn expect(report: &Report, id: u64, call: &str, reason: &str) {
    let told = &report.outcome(id).reason;
    let is_it = if reason.starts_with("code") {
        told.starts_with(&format!("Failed({call}, Os {{ {reason}"))
    } else {
        told == reason
    };
    assert!(is_it, "{told} is not {call}'s {reason}");
}

pub(crate) fn who_cannot_be_let_in_for_want_of_room_waits_and_nothing_spins<W: World>(world: &W) {
    let errors = [
        ("EMFILE", Shortage::Descriptors),
        ("ENFILE", Shortage::Descriptors),
        ("ENOBUFS", Shortage::Memory),
        ("ENOMEM", Shortage::Memory),
    ];
    alone(world, "who_cannot_be_let_in_for_want_of_room_waits_and_nothing_spins", || {
        for (error, shortage) in errors {
            let report = world.run(&Echo, &Setup::default(), |server| {
                wait_until_it_waits(server);
                plan(&format!("accept4:{error}"));
                let since = Instant::now();
                let waiting: Vec<_> = (0..20).map(|_| outside(server)).collect();
                server.wait("the shortage", &|seen| !shortages(seen).is_empty());
                // Until it has been looked at again.
                let before = faults::made(Call::Accept);
                wait_made(server, Call::Accept, before + 1);
                let (looks, seconds) = (faults::made(Call::Accept), since.elapsed().as_secs());
                assert!(looks <= MOST_THREADS * (seconds + 2), "{looks} calls in {seconds} s for nothing");
                plan("");
                for client in waiting {
                    echo(&client, b"my turn");
                }
            });
            // Once for all of them.
            assert_eq!(shortages(&report.seen), [shortage]);
            assert_eq!(report.summary.served, 20);
        }
    });
}

pub(crate) fn an_accept_that_finds_nobody_is_tried_again<W: World>(world: &W) {
    let errors = [
        "EAGAIN",
        "EINTR",
        "ECONNABORTED",
        "EPERM",
        "EPROTO",
        "ENETDOWN",
        "ENOPROTOOPT",
        "EHOSTDOWN",
        "ENONET",
        "EHOSTUNREACH",
        "EOPNOTSUPP",
        "ENETUNREACH",
    ];
    alone(world, "an_accept_that_finds_nobody_is_tried_again", || {
        let report = world.run(&Echo, &Setup::default(), |server| {
            wait_until_it_waits(server);
            for error in errors {
                plan(&format!("accept4:{error}:1..11"));
                server.connect().expect_echo(b"hola");
            }
        });
        assert_eq!(shortages(&report.seen), []);
        assert_eq!(report.summary.served, errors.len() as u64);
    });
}

pub(crate) fn an_accept_that_fails_on_and_on_is_let_rest<W: World>(world: &W) {
    alone(world, "an_accept_that_fails_on_and_on_is_let_rest", || {
        let report = world.run(&Echo, &Setup::default(), |server| {
            wait_until_it_waits(server);
            plan("accept4:EPERM");
            let client = outside(server);
            server.wait("that it is told", &|seen| !shortages(seen).is_empty());
            let (before, since) = (faults::made(Call::Accept), Instant::now());
            assert!((64..64 + 2 * MOST_THREADS).contains(&before), "{before} calls");
            wait_made(server, Call::Accept, before + 1);
            let (looks, seconds) = (faults::made(Call::Accept) - before, since.elapsed().as_secs());
            assert!(looks <= MOST_THREADS * (seconds + 1), "{looks} calls in {seconds} s for nothing");
            plan("");
            echo(&client, b"after all");
        });
        assert_eq!(shortages(&report.seen), [Shortage::Accept(1)]);
    });
}

/// Each error once, at this call of a connection that speaks; another one goes on.
fn each_error(world: &impl World, call: &str, name: &str, unsent: u64) {
    let ends: Vec<_> = ENDS
        .into_iter()
        .filter(|(error, _)| call != "recv" || *error != "ENOBUFS" || !world.has_rings())
        .collect();
    let mut ids = Vec::new();
    let report = world.run(&Echo, &Setup::default(), |server| {
        let at_once = !world.one_at_a_time();
        let mut other = at_once.then(|| server.connect());
        for (error, _) in &ends {
            let mut peer = server.connect();
            peer.expect_echo(b"hola");
            ids.push(server.accepted(&*peer));
            plan(&format!("{call}:{error}:1"));
            peer.send(b"x").unwrap();
            // It learns of its end, in whichever way.
            let _ = peer.try_read_to_end();
            plan("");
            let goes_on = |other: &mut Box<dyn Peer + '_>| other.expect_echo(b"still here");
            other.as_mut().map_or_else(|| goes_on(&mut server.connect()), goes_on);
        }
    });
    for (id, (_, reason)) in ids.into_iter().zip(ends) {
        expect(&report, id, name, reason);
        assert_eq!(report.outcome(id).unsent, unsent);
    }
    assert!(report.outcomes().iter().filter(|(_, end)| end.reason == "PeerFinished").count() >= 1);
}

pub(crate) fn an_error_of_recv_ends_its_connection_and_no_other<W: World>(world: &W) {
    let name = "an_error_of_recv_ends_its_connection_and_no_other";
    alone(world, name, || each_error(world, "recv", "Recv", 0));
}

pub(crate) fn an_error_of_send_ends_its_connection_and_no_other<W: World>(world: &W) {
    let name = "an_error_of_send_ends_its_connection_and_no_other";
    alone(world, name, || each_error(world, "send", "Send", 1));
}

pub(crate) fn a_fin_that_cannot_be_sent_goes_with_the_close<W: World>(world: &W) {
    alone(world, "a_fin_that_cannot_be_sent_goes_with_the_close", || {
        plan("shutdown:ENOTCONN");
        let report = world.run(&Echo, &Setup::default(), |server| {
            let mut peer = server.connect();
            peer.send(b"hola").unwrap();
            peer.half_close();
            assert_eq!(peer.read_to_end(), b"hola");
        });
        report.expect(1, "PeerFinished");
        // Where it is the server's that comes first, its peer gets it when the server has waited long enough.
        let setup = Setup::with(|limits| limits.linger = SOON);
        let report = world.run(&Daytime { line: |_| "now\r\n".into() }, &setup, |server| {
            assert!(!server.connect().read_to_end().is_empty());
        });
        report.expect(1, "OwnEnd");
    });
}

pub(crate) fn an_option_that_is_refused_ends_its_connection_and_no_other<W: World>(world: &W) {
    alone(world, "an_option_that_is_refused_ends_its_connection_and_no_other", || {
        let setup = Setup { options: vec![SocketOption::NoDelay(true)], ..Setup::default() };
        let report = world.run(&Echo, &setup, |server| {
            wait_until_it_waits(server);
            plan("setsockopt:ENOBUFS:1");
            let _ = server.connect().try_read_to_end();
            server.wait_closed(1);
            server.connect().expect_echo(b"hola");
        });
        expect(&report, 1, "SetOption", "code: 105,");
        report.expect(2, "PeerFinished");
    });
}

pub(crate) fn without_memory_to_wait_a_connection_ends<W: World>(world: &W) {
    alone(world, "without_memory_to_wait_a_connection_ends", || {
        let report = world.run(&Echo, &Setup::default(), |server| {
            wait_until_it_waits(server);
            // Not as others connect here, who look by the same call whether they are let in: so many times as it takes.
            let mut peer = outside(server);
            echo(&peer, b"hola");
            // All others are in the kernel then: who waits for the stop, and where there is a thread for each, who waits for the next one;
            // before it was somebody waited for, and twice for what this one sends.
            let others = if world.one_at_a_time() { 1 } else { 2 };
            wait_made(server, Call::Poll, others + 3);
            plan("poll:ENOMEM:1");
            std::io::Write::write_all(&mut peer, b"x").unwrap();
            let _ = std::io::Read::read_to_end(&mut peer, &mut Vec::new());
            server.wait_closed(1);
            server.connect().expect_echo(b"hola");
        });
        expect(&report, 1, "Poll", "code: 12,");
        report.expect(2, "PeerFinished");
    });
}

/// Somebody whom this call refuses is reset; those before and after are served.
fn reset_for_want(world: &impl World, faults: &[&str], shortage: Shortage) {
    for fault in faults {
        let report = world.run(&Echo, &Setup::default(), |server| {
            let mut before = server.connect();
            before.expect_echo(b"hola");
            plan(fault);
            let (address, socket) = (server.addresses()[0], unconnected(server.addresses()[0], &[]));
            // The reset may be there before the call returns, which then tells of it (connect(2) waits until it has a processor).
            let connected = socket.connect(&address.into());
            let refused = connected.and_then(|()| TcpStream::from(socket).read(&mut [0])).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ConnectionReset);
            server.wait_closed(2);
            before.expect_echo(b"still here");
            server.connect().expect_echo(b"hola");
        });
        report.expect(2, "Limit");
        assert_eq!((shortages(&report.seen), report.summary.served), (vec![shortage], 2));
    }
}

pub(crate) fn whoever_no_thread_can_be_had_for_is_reset<W: World>(world: &W) {
    alone(world, "whoever_no_thread_can_be_had_for_is_reset", || {
        reset_for_want(world, &["clone:EAGAIN:1", "clone:ENOMEM:1"], Shortage::Threads);
    });
}

pub(crate) fn whoever_epoll_cannot_watch_is_reset<W: World>(world: &W) {
    alone(world, "whoever_epoll_cannot_watch_is_reset", || {
        reset_for_want(world, &["epoll_ctl:ENOSPC:1", "epoll_ctl:ENOMEM:1"], Shortage::Watches);
    });
}

pub(crate) fn a_queue_that_cannot_be_watched_again_is_tried_again<W: World>(world: &W) {
    alone(world, "a_queue_that_cannot_be_watched_again_is_tried_again", || {
        let report = world.run(&Echo, &Setup::default(), |server| {
            wait_until_it_waits(server);
            // The first is that it is left alone.
            plan("accept4:EMFILE:1 epoll_ctl:ENOMEM:2..4");
            echo(&outside(server), b"my turn");
        });
        assert_eq!(shortages(&report.seen), [Shortage::Descriptors]);
    });
}

pub(crate) fn a_connection_whose_room_cannot_be_watched_ends<W: World>(world: &W) {
    alone(world, "a_connection_whose_room_cannot_be_watched_ends", || {
        let report = world.run(&Chargen, &Setup::default().narrow(), |server| {
            wait_until_it_waits(server);
            // The first is that it is watched at all.
            plan("epoll_ctl:ENOMEM:2");
            let peer = server.connect();
            server.wait_closed(1);
            drop(peer);
        });
        expect(&report, 1, "EpollCtl", "code: 12,");
    });
}

pub(crate) fn whoever_finds_no_place_in_a_ring_is_reset<W: World>(world: &W) {
    // By their numbers in errno(3).
    let faults =
        [("files_update:ENOMEM:1", Shortage::Ring(12)), ("files_update:ENFILE:1", Shortage::Ring(23))];
    alone(world, "whoever_finds_no_place_in_a_ring_is_reset", || {
        for (fault, shortage) in faults {
            reset_for_want(world, &[fault], shortage);
        }
    });
}

pub(crate) fn while_a_listener_cannot_be_watched_who_waits_goes_on_waiting<W: World>(world: &W) {
    alone(world, "while_a_listener_cannot_be_watched_who_waits_goes_on_waiting", || {
        let report = world.run(&Echo, &Setup::default(), |server| {
            wait_until_it_waits(server);
            // Those that are watched already tell of the first ones.
            plan("poll_add:ENOMEM");
            let waiting: Vec<_> = (0..20).map(|_| outside(server)).collect();
            server.wait("the shortage", &|seen| !shortages(seen).is_empty());
            let (before, since) = (faults::made(Call::PollAdd), Instant::now());
            wait_made(server, Call::PollAdd, before + 1);
            let (looks, seconds) = (faults::made(Call::PollAdd) - before, since.elapsed().as_secs());
            assert!(looks <= MOST_THREADS * (seconds + 1), "{looks} calls in {seconds} s for nothing");
            plan("");
            for client in waiting {
                echo(&client, b"my turn");
            }
        });
        assert!(shortages(&report.seen).iter().all(|of| *of == Shortage::Memory));
        assert_eq!(report.summary.served, 20);
    });
}

pub(crate) fn a_connection_that_a_ring_cannot_watch_ends<W: World>(world: &W) {
    alone(world, "a_connection_that_a_ring_cannot_watch_ends", || {
        let report = world.run(&Chargen, &Setup::default().narrow(), |server| {
            let peer = server.connect();
            let id = server.accepted(&*peer);
            // That there is room for more, or that a listener has somebody; those are tried again.
            plan("poll_add:ENOMEM:1..9");
            server.wait_closed(id);
            drop(peer);
        });
        expect(&report, 1, "Poll", "code: 12,");
    });
}

pub(crate) fn a_socket_that_cannot_be_borrowed_ends_in_order<W: World>(world: &W) {
    alone(world, "a_socket_that_cannot_be_borrowed_ends_in_order", || {
        for also in ["", " shutdown:ENOTCONN"] {
            plan(&format!("fixed_fd_install:EMFILE{also}"));
            let report = world.run(&Echo, &Setup::default(), |server| {
                for _ in 0..10 {
                    let mut peer = server.connect();
                    peer.send(b"hola").unwrap();
                    peer.half_close();
                    assert_eq!(peer.read_to_end(), b"hola");
                }
            });
            assert!(report.outcomes().iter().all(|(_, end)| end.reason == "PeerFinished"));
            let setup = Setup::with(|limits| limits.linger = SOON);
            let report = world.run(&Daytime { line: |_| "now\r\n".into() }, &setup, |server| {
                assert!(!server.connect().read_to_end().is_empty());
            });
            report.expect(1, "OwnEnd");
        }
    });
}

pub(crate) fn a_socket_that_cannot_be_borrowed_is_reset_where_it_was_not_read<W: World>(world: &W) {
    alone(world, "a_socket_that_cannot_be_borrowed_is_reset_where_it_was_not_read", || {
        plan("fixed_fd_install:EMFILE");
        what_was_sent_and_not_read_is_known_to_be_lost(world);
    });
}

pub(crate) fn a_socket_of_which_it_is_said_that_it_cannot_be_closed_is<W: World>(world: &W) {
    alone(world, "a_socket_of_which_it_is_said_that_it_cannot_be_closed_is", || {
        plan("close:EIO");
        let report = world.run(&Echo, &Setup::default(), |server| {
            for _ in 0..10 {
                server.connect().expect_echo(b"hola");
            }
        });
        assert_eq!((report.summary.served, report.outcomes().len()), (10, 10));
    });
}

/// A receive that goes on ends where there is no buffer or something interrupts it, or after its every second piece; a cancel comes
/// too late.
pub(crate) fn operations_that_have_to_be_begun_again_lose_nothing<W: World>(world: &W) {
    let plans = [
        "recv:ENOBUFS:1/2",
        "recv:EINTR:1/2 send:EINTR:1/3 send:short:1/2",
        "recv:ENOBUFS:1/2 send:EAGAIN:1/2 async_cancel:EALREADY:1/2",
        "io_uring_enter:EINTR:1/2",
        "io_uring_enter:EAGAIN:1/10 io_uring_enter:EBUSY:1/3",
    ];
    alone(world, "operations_that_have_to_be_begun_again_lose_nothing", || {
        for (seed, text) in plans.into_iter().enumerate() {
            plan(&format!("seed={seed} {text}"));
            carry(world);
        }
    });
}

/// What the kernel carries stays where it is for a while, or a pipe or a descriptor for it cannot be had.
pub(crate) fn what_cannot_be_carried_now_is_not_lost<W: World>(world: &W) {
    // Who is told that there is no room and is told of each change once waits for one: where there is room, none comes.
    let sends = if world.has_rings() {
        "splice:EAGAIN:1/3 fixed_fd_install:EMFILE:1/2 send:EAGAIN:1/3 send:short:1/2"
    } else {
        "splice:EAGAIN:1/3 pipe2:EMFILE:1/2 send:EINTR:1/3 send:short:1/2"
    };
    let plans = ["splice:EAGAIN:1/2", "splice:EINTR:1/3 pipe2:EMFILE:1/3", sends];
    alone(world, "what_cannot_be_carried_now_is_not_lost", || {
        for (seed, text) in plans.into_iter().enumerate() {
            plan(&format!("seed={seed} {text}"));
            carry(world);
        }
        assert!(faults::made(Call::Splice) > 0);
    });
}

/// It is reset, or the system gives it up.
pub(crate) fn what_is_carried_when_a_connection_fails_is_told<W: World>(world: &W) {
    alone(world, "what_is_carried_when_a_connection_fails_is_told", || {
        for (error, reason) in [("EPIPE", "Reset"), ("ETIMEDOUT", "Splice")] {
            // The first fills the pipe, the second would empty it.
            plan(&format!("splice:{error}:2"));
            let report = world.run(&Echo, &Setup::default(), |server| {
                let mut peer = server.connect();
                let id = server.accepted(&*peer);
                peer.send(b"hola").unwrap();
                server.wait_closed(id);
            });
            let outcome = report.only();
            assert!(outcome.reason.contains(reason), "{outcome:?}");
            assert_eq!(outcome.received, outcome.sent + outcome.unsent, "{outcome:?}");
        }
    });
}

/// The second call is that it is carried, the third that it is not any more; the first was that it came.
pub(crate) fn a_stream_that_cannot_be_left_unwatched_or_watched_again_ends<W: World>(world: &W) {
    alone(world, "a_stream_that_cannot_be_left_unwatched_or_watched_again_ends", || {
        for number in [2, 3] {
            let report = world.run(&Echo, &Setup::default(), |server| {
                wait_until_it_waits(server);
                plan(&format!("epoll_ctl:ENOMEM:{number}"));
                let peer = server.connect();
                server.wait_closed(1);
                drop(peer);
            });
            expect(&report, 1, "EpollCtl", "code: 12,");
        }
    });
}

/// Completions do not fit into their queue, and what would go on ends; buffers run out at once.
pub(crate) fn small_rings_lose_nothing<W: World>(world: &W) {
    let plans = [
        "io_uring_setup:short",
        "io_uring_register:short",
        "io_uring_setup:short io_uring_register:short",
        "io_uring_setup:short io_uring_register:short recv:ENOBUFS:1/3 send:EAGAIN:1/3",
    ];
    alone(world, "small_rings_lose_nothing", || {
        for text in plans {
            plan(text);
            carry(world);
        }
    });
}

/// Many at once, what comes in small pieces and in large ones, and one whose peer does not read for long.
fn carry(world: &impl World) {
    let pattern = Pattern::new();
    let setup = Setup::with(|limits| limits.read_size = 4096).narrow();
    let report = world.run(&Echo, &setup, |server| {
        let mut late = server.connect();
        let sent = late.send_until_stuck(&pattern.bytes(1 << 20));
        let mut peers: Vec<_> = (0..20).map(|_| server.connect()).collect();
        for size in [1, 19, 900, 1] {
            for peer in &mut peers {
                peer.send(&pattern.bytes(size)).unwrap();
            }
            for peer in &mut peers {
                let back = peer.read_exact(size);
                pattern.expect(0, &back);
            }
        }
        for peer in &mut peers[..5] {
            peer.exchange(&pattern, 300_000);
        }
        for peer in &mut peers[5..10] {
            peer.send(b"the last").unwrap();
            peer.half_close();
            assert_eq!(peer.read_to_end(), b"the last");
        }
        let back = late.read_exact(sent);
        pattern.expect(0, &back);
    });
    assert!(report.outcomes().iter().all(|(_, end)| end.reason == "PeerFinished"));
    assert_eq!(report.outcomes().len(), 21);
}
