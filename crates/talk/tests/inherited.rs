//! A socket that was inherited goes on listening after a server has ended: who comes then is the next one's.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and says why")]

mod common;

use common::{Ends, FOR_EVER, Holds, connect};
use enchufe_talk::Stop;
use enchufe_talk::engine::{self, Host, Kind, Limits};
use enchufe_talk::listen::{self, Inherited};
use enchufe_talk::told::Silent;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::num::NonZeroUsize;

/// Nothing is told, so that a kernel may let in by itself; and its thread hears of the stop before it hears of who came after it.
fn come_after_the_stop(kind: Kind) {
    let next = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = next.local_addr().unwrap();
    let socket = Some(next.try_clone().unwrap());
    let inherited = vec![Inherited { number: 3, name: String::new(), socket }];
    let listeners = listen::inherit(inherited, None, &[], &Silent).unwrap();
    let (stop, (service, holds, lets)) = (Stop::new().unwrap(), Holds::new());
    let limits = Limits { threads: NonZeroUsize::new(1), ..Limits::default() };
    let host = Host { limits, ..Host::new(&Silent, &stop) };
    let (service, host) = (&service, &host);
    std::thread::scope(|scope| {
        // A failure lets it go.
        let lets = lets;
        let server = scope.spawn(move || engine::serve(kind, listeners, service, host).unwrap());
        let _ends = Ends(&stop);
        let mut first = connect(address);
        first.write_all(b"hola").unwrap();
        holds.recv_timeout(FOR_EVER).unwrap();
        stop.begin();
        let second = connect(address);
        lets.send(()).unwrap();
        let mut back = [0; 4];
        first.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"hola");
        drop(first);
        let summary = server.join().unwrap();
        assert_eq!((summary.served, summary.cut), (1, 0), "{}", kind.name());
        let (_, peer) = next.accept().unwrap();
        assert_eq!(peer, second.local_addr().unwrap(), "{}", kind.name());
    });
}

#[test]
fn who_comes_after_the_stop_is_left_to_the_next_server() {
    for kind in Kind::ALL.iter().filter(|kind| **kind != Kind::Uring) {
        come_after_the_stop(*kind);
    }
}

#[test]
#[cfg_attr(not(have_io_uring), ignore = "needs io_uring")]
fn who_comes_after_the_stop_of_uring_is_left_to_the_next_server() {
    come_after_the_stop(Kind::Uring);
}
