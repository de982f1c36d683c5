//! A socket that was inherited goes on listening after a server has ended: who comes then is the next one's.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and says why")]

use enchufe_talk::engine::{self, Host, Kind, Limits};
use enchufe_talk::listen::{self, Inherited};
use enchufe_talk::told::Silent;
use enchufe_talk::{Actions, Event, Service, Stop};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::sync::Barrier;

/// Meets the test twice while it has what came in hand, and sends it back.
struct Held(Barrier);

impl Service for Held {
    type State = ();

    fn event(&self, _state: &mut (), event: Event<'_>, actions: &mut Actions) {
        match event {
            Event::Bytes(bytes) => {
                self.0.wait();
                self.0.wait();
                actions.send(bytes.to_vec());
            }
            Event::PeerEnded => actions.close(),
            _ => {}
        }
    }
}

/// Nothing is told, so that a kernel may let in by itself; and its thread hears of the stop before it hears of who came after it.
fn come_after_the_stop(kind: Kind) {
    let next = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = next.local_addr().unwrap();
    let socket = Some(next.try_clone().unwrap());
    let inherited = vec![Inherited { number: 3, name: String::new(), socket }];
    let listeners = listen::inherit(inherited, None, &[], &Silent).unwrap();
    let (stop, service) = (Stop::new().unwrap(), Held(Barrier::new(2)));
    let limits = Limits { threads: NonZeroUsize::new(1), ..Limits::default() };
    let host = Host { limits, ..Host::new(&Silent, &stop) };
    std::thread::scope(|scope| {
        let server = scope.spawn(|| engine::serve(kind, listeners, &service, &host).unwrap());
        let mut first = TcpStream::connect(address).unwrap();
        first.write_all(b"hola").unwrap();
        service.0.wait();
        stop.begin();
        let second = TcpStream::connect(address).unwrap();
        service.0.wait();
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
