//! Who comes to a server in the moment of its stop: served to the end, or reset, so that nobody takes an end for an answer.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, and says why")]

mod common;

use common::{Ends, FOR_EVER, Holds, connect, try_connect, wait_until};
use enchufe_talk::Stop;
use enchufe_talk::engine::{self, Host, Kind, Limits, Summary};
use enchufe_talk::listen::{self, Plan};
use enchufe_talk::services::Echo;
use enchufe_talk::told::Silent;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

#[test]
#[cfg_attr(not(have_io_uring), ignore = "needs io_uring")]
fn who_comes_when_the_stop_has_begun_is_reset_and_counted() {
    let (stop, (service, holds, lets)) = (Stop::new().unwrap(), Holds::new());
    let limits = Limits { threads: Some(NonZeroUsize::MIN), ..Limits::default() };
    let host = Host { limits, ..Host::new(&Silent, &stop) };
    let listeners = listen::open(&Plan::new(&["127.0.0.1:0".parse().unwrap()]), &Silent, &stop).unwrap();
    let address = listeners[0].address();
    let (service, host) = (&service, &host);
    std::thread::scope(|scope| {
        // A failure lets it go.
        let lets = lets;
        let server = scope.spawn(move || engine::serve(Kind::Uring, listeners, service, host).unwrap());
        let _ends = Ends(&stop);
        let mut client = connect(address);
        client.write_all(b"hola").unwrap();
        holds.recv_timeout(FOR_EVER).unwrap();
        stop.begin();
        // The thread looks at the stop first, and the kernel has let this one in by then.
        let mut late = connect(address);
        lets.send(()).unwrap();
        assert_eq!(late.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
        client.read_exact(&mut [0; 4]).unwrap();
        drop(client);
        assert_eq!(server.join().unwrap(), Summary { served: 1, cut: 1, empty: 0 });
    });
}

/// Servers of each engine that are stopped while clients come and go.
const STOPS: usize = 5;
const CLIENTS: usize = 6;
/// Connections of a server before it is stopped.
const LOAD: usize = 200;

/// Comes again and again until nobody listens any more. Each time it is answered, or reset.
fn come(address: SocketAddr, answered: &AtomicUsize) {
    loop {
        let talked = try_connect(address).and_then(|mut stream| {
            stream.write_all(b"hola")?;
            let mut back = [0; 4];
            stream.read_exact(&mut back)?;
            assert_eq!(&back, b"hola");
            stream.shutdown(Shutdown::Write)?;
            assert_eq!(stream.read(&mut [0])?, 0);
            Ok(())
        });
        match talked.map_err(|error| error.kind()) {
            Ok(()) => _ = answered.fetch_add(1, Ordering::Relaxed),
            Err(ErrorKind::ConnectionRefused) => return,
            Err(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
}

/// Whoever comes at a stop is answered or reset.
fn come_at_a_stop(kind: Kind) {
    for _ in 0..STOPS {
        let stop = Stop::new().unwrap();
        // What runs has all the time it wants.
        let (threads, drain) = (NonZeroUsize::new(2), Duration::MAX);
        let host =
            Host { limits: Limits { threads, drain, ..Limits::default() }, ..Host::new(&Silent, &stop) };
        let endpoints = ["127.0.0.1:0".parse().unwrap()];
        let listeners = listen::open(&Plan::new(&endpoints), &Silent, &stop).unwrap();
        let (address, answered) = (listeners[0].address(), AtomicUsize::new(0));
        let summary = std::thread::scope(|scope| {
            let server = scope.spawn(|| engine::serve(kind, listeners, &Echo, &host).unwrap());
            let _ends = Ends(&stop);
            for _ in 0..CLIENTS {
                scope.spawn(|| come(address, &answered));
            }
            wait_until(|| answered.load(Ordering::Relaxed) >= LOAD || server.is_finished());
            stop.begin();
            server.join().unwrap()
        });
        // One whose client has given up after a reset was counted, too.
        assert!(summary.served >= answered.into_inner() as u64, "{}: {summary:?}", kind.name());
    }
}

#[test]
fn whoever_comes_at_a_stop_is_answered_or_reset() {
    for kind in Kind::ALL.iter().filter(|kind| **kind != Kind::Uring) {
        come_at_a_stop(*kind);
    }
}

#[test]
#[cfg_attr(not(have_io_uring), ignore = "needs io_uring")]
fn whoever_comes_at_a_stop_of_uring_is_answered_or_reset() {
    come_at_a_stop(Kind::Uring);
}
