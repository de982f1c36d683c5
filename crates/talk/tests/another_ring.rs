//! A server of rings whose sockets fill a table, and that is given no other. In a file of its own, for its limit of descriptors is the
//! process's.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and says why")]

mod common;

use common::{Ends, FOR_EVER, connect, echo};
use enchufe_sys::rlimit::{self, DescriptorLimit};
use enchufe_talk::Stop;
use enchufe_talk::engine::{self, Host, Kind, Limits};
use enchufe_talk::listen::{self, Plan};
use enchufe_talk::services::Echo;
use enchufe_talk::told::{About, Reporter, Shortage, Told};
use std::fs::File;
use std::net::TcpStream;
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::mpsc::{self, Sender};

/// Places of a table.
const PLACES: u64 = 64;

/// Hears that somebody is waited for, and of what is short.
struct Hears(Mutex<Sender<Option<Shortage>>>);

impl Reporter for Hears {
    fn tell(&self, _about: Option<About>, told: &Told<'_>) {
        let said = match told {
            Told::Waiting => None,
            Told::Short { of } => Some(*of),
            _ => return,
        };
        self.0.lock().unwrap().send(said).unwrap();
    }
}

fn limit_descriptors(soft: u64) {
    let limit = rlimit::descriptor_limit().unwrap();
    rlimit::set_descriptor_limit(DescriptorLimit { soft, ..limit }).unwrap();
}

#[test]
#[cfg_attr(not(have_io_uring), ignore = "needs io_uring")]
fn whom_no_ring_has_a_place_for_waits_until_there_can_be_another_one() {
    let (says, heard) = mpsc::channel();
    let (reporter, stop) = (Hears(Mutex::new(says)), Stop::new().unwrap());
    let limits = Limits { threads: NonZeroUsize::new(1), ..Limits::default() };
    let host = Host { limits, ..Host::new(&reporter, &stop) };
    let listeners = listen::open(&Plan::new(&["127.0.0.1:0".parse().unwrap()]), &reporter, &stop).unwrap();
    let address = listeners[0].address();
    limit_descriptors(PLACES);
    std::thread::scope(|scope| {
        let server = scope.spawn(|| engine::serve(Kind::Uring, listeners, &Echo, &host).unwrap());
        let ends = Ends(&stop);
        assert_eq!(heard.recv_timeout(FOR_EVER).unwrap(), None);
        limit_descriptors(10 * PLACES);
        let clients: Vec<TcpStream> = (0..PLACES).map(|_| connect(address)).collect();
        for client in &clients {
            echo(client, b"hola");
        }
        let mut taken: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        // For the client. With none left there can be no ring, and nobody is accepted who would have no place.
        taken.pop();
        let waits = connect(address);
        assert_eq!(heard.recv_timeout(FOR_EVER).unwrap(), Some(Shortage::Descriptors));
        for client in &clients {
            echo(client, b"hola");
        }
        drop(taken);
        echo(&waits, b"hola");
        drop(ends);
        assert_eq!(server.join().unwrap().served, PLACES + 1);
    });
}
