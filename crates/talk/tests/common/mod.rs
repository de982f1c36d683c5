//! What tests of servers share: they end also where a test fails, and what would last for ever is given up.
#![allow(dead_code, reason = "each test file uses a part")]

use enchufe_talk::{Actions, Event, Service, Stop};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// What lasts longer would last for ever.
pub(crate) const FOR_EVER: Duration = Duration::from_secs(90);
/// How often something is looked at that nothing is told of.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Ends a server also where a test fails.
pub(crate) struct Ends<'a>(pub(crate) &'a Stop);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.cut();
    }
}

/// Gives up what would last for ever.
pub(crate) fn try_connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(FOR_EVER))?;
    stream.set_write_timeout(Some(FOR_EVER))?;
    Ok(stream)
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    try_connect(address).unwrap()
}

pub(crate) fn echo(mut client: &TcpStream, message: &[u8]) {
    client.write_all(message).unwrap();
    let mut back = vec![0; message.len()];
    client.read_exact(&mut back).unwrap();
    assert!(back == message);
}

pub(crate) fn wait_until(mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < FOR_EVER, "for ever");
        thread::sleep(LOOK_AGAIN);
    }
}

/// An echo that keeps its thread, once it has said so, until it is let go.
pub(crate) struct Holds(Mutex<(Sender<()>, Receiver<()>)>);

impl Holds {
    /// With where it says so, and what lets it go, also by being dropped.
    pub(crate) fn new() -> (Self, Receiver<()>, Sender<()>) {
        let ((says, holds), (lets, go)) = (mpsc::channel(), mpsc::channel());
        (Self(Mutex::new((says, go))), holds, lets)
    }
}

impl Service for Holds {
    type State = ();

    fn event(&self, (): &mut (), event: Event<'_>, actions: &mut Actions) {
        match event {
            Event::Bytes(bytes) => {
                let (says, go) = &*self.0.lock().unwrap();
                says.send(()).unwrap();
                let _ = go.recv();
                actions.send_received(0..bytes.len());
            }
            Event::PeerEnded => actions.close(),
            _ => {}
        }
    }
}
