//! The example of a service of one's own, on every engine.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and says why")]

mod common;

use common::{Ends, connect};
use enchufe_talk::Stop;
use enchufe_talk::engine::{self, Host, Kind, Summary};
use enchufe_talk::listen::{self, Plan};
use enchufe_talk::told::Silent;
use std::io::{Read, Write};
use std::net::Shutdown;

#[expect(dead_code, unreachable_pub, reason = "its main is for people")]
#[path = "../examples/own_service.rs"]
mod example;

fn count_on(engine: Kind) {
    let stop = Stop::new().unwrap();
    let listeners = listen::open(&Plan::new(&["127.0.0.1:0".parse().unwrap()]), &Silent, &stop).unwrap();
    let address = listeners[0].address();
    let summary = std::thread::scope(|scope| {
        let host = Host::new(&Silent, &stop);
        let server = scope.spawn(move || engine::serve(engine, listeners, &example::Count, &host).unwrap());
        let _ends = Ends(&stop);
        let mut client = connect(address);
        client.write_all(b"hola").unwrap();
        let mut four = [0; 2];
        client.read_exact(&mut four).unwrap();
        client.write_all(b" mundo").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut rest = String::new();
        client.read_to_string(&mut rest).unwrap();
        assert_eq!((&four, rest.as_str()), (b"4\n", "10\n"), "{engine:?}");
        stop.begin();
        server.join().unwrap()
    });
    assert_eq!(summary, Summary { served: 1, cut: 0, empty: 0 });
}

#[test]
fn the_example_counts_on_every_engine_without_rings() {
    for engine in Kind::ALL.iter().filter(|engine| engine.name() != "uring") {
        count_on(*engine);
    }
}

#[test]
#[cfg_attr(not(have_io_uring), ignore = "needs io_uring")]
fn the_example_counts_on_uring() {
    count_on(Kind::named("uring").unwrap());
}
