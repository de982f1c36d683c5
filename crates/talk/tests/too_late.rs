//! Who comes to a server of rings in the moment of its stop, where the kernel lets in by itself.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and says why")]

use enchufe_talk::engine::{self, Host, Kind, Limits, Summary};
use enchufe_talk::listen::{self, Plan};
use enchufe_talk::told::Silent;
use enchufe_talk::{Actions, Event, Service, Stop};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender};

/// Keeps its thread, once it has said so, until it is let go.
struct Holds(Mutex<(Sender<()>, Receiver<()>)>);

impl Service for Holds {
    type State = ();

    fn event(&self, (): &mut (), event: Event<'_>, actions: &mut Actions) {
        match event {
            Event::Bytes(bytes) => {
                let (says, go) = &*self.0.lock().unwrap();
                says.send(()).unwrap();
                go.recv().unwrap();
                actions.send_received(0..bytes.len());
            }
            Event::PeerEnded => actions.close(),
            _ => {}
        }
    }
}

/// Ends a server also where a test fails.
struct Ends<'a>(&'a Stop);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.cut();
    }
}

#[test]
fn who_comes_when_the_stop_has_begun_is_reset_and_counted() {
    if Kind::Uring.is_allowed().is_err() {
        return;
    }
    let ((says, holds), (lets, go)) = (mpsc::channel(), mpsc::channel());
    let (service, stop) = (Holds(Mutex::new((says, go))), Stop::new().unwrap());
    let limits = Limits { threads: Some(NonZeroUsize::MIN), ..Limits::default() };
    let host = Host { limits, ..Host::new(&Silent, &stop) };
    let listeners = listen::open(&Plan::new(&["127.0.0.1:0".parse().unwrap()]), &Silent, &stop).unwrap();
    let address = listeners[0].address();
    std::thread::scope(|scope| {
        let server = scope.spawn(|| engine::serve(Kind::Uring, listeners, &service, &host).unwrap());
        let _ends = Ends(&stop);
        let mut client = TcpStream::connect(address).unwrap();
        client.write_all(b"hola").unwrap();
        holds.recv().unwrap();
        stop.begin();
        // The thread looks at the stop first, and the kernel has let this one in by then.
        let mut late = TcpStream::connect(address).unwrap();
        lets.send(()).unwrap();
        assert_eq!(late.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
        client.read_exact(&mut [0; 4]).unwrap();
        drop(client);
        assert_eq!(server.join().unwrap(), Summary { served: 1, cut: 1, empty: 0 });
    });
}
