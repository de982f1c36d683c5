//! What an engine with rings does when the kernel, which lets in by itself where nobody hears of connections, ends that, or cannot begin
//! it again; when completions find no room, and when a ring breaks: by a plan (`enchufe_sys::faults`), in a build for it.
#![cfg(enchufe_faults)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Ends, connect, echo, wait_until};
use enchufe_sys::faults::{self, Call};
use enchufe_sys::host;
use enchufe_sys::rlimit::{self, DescriptorLimit};
use enchufe_talk::engine::{self, Host, Kind, Limits, Summary};
use enchufe_talk::listen::{self, Plan};
use enchufe_talk::services::Echo;
use enchufe_talk::told::{About, Reporter, Shortage, Silent, Told};
use enchufe_talk::{Stop, TalkError};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

/// Who waits, so that a table has places for all.
const BACKLOG: u32 = 64;

/// Hears of shortages, and of no connection.
#[derive(Default)]
struct Listener(Mutex<Vec<Shortage>>);

impl Listener {
    fn shortages(&self) -> Vec<Shortage> {
        self.0.lock().unwrap().clone()
    }
}

impl Reporter for Listener {
    fn tell(&self, _about: Option<About>, told: &Told<'_>) {
        if let Told::Short { of } = told {
            self.0.lock().unwrap().push(*of);
        }
    }

    fn hears_of_connections(&self) -> bool {
        false
    }
}

/// A plan is the process's: one test at a time.
fn one_at_a_time() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on.
fn plan(text: &str) {
    faults::set(text).unwrap();
}

/// Serves an echo, with this plan from the start, while `test` goes on.
fn serve(faults: &str, test: impl FnOnce(SocketAddr, &Listener, &Stop)) -> Result<Summary, TalkError> {
    let _one = one_at_a_time();
    host::raise_descriptor_limit();
    serve_here(faults, test)
}

/// The same, with tables of so many places.
fn serve_within(
    places: u64,
    faults: &str,
    test: impl FnOnce(SocketAddr, &Listener, &Stop),
) -> Result<Summary, TalkError> {
    let _one = one_at_a_time();
    let limit = rlimit::descriptor_limit().unwrap();
    rlimit::set_descriptor_limit(DescriptorLimit { soft: places, ..limit }).unwrap();
    let served = serve_here(faults, test);
    rlimit::set_descriptor_limit(limit).unwrap();
    served
}

fn serve_here(faults: &str, test: impl FnOnce(SocketAddr, &Listener, &Stop)) -> Result<Summary, TalkError> {
    plan(faults);
    let (stop, reporter) = (Stop::new().unwrap(), Listener::default());
    let limits = Limits { threads: Some(NonZeroUsize::MIN), ..Limits::default() };
    let host = Host { limits, reporter: &reporter, ..Host::new(&Silent, &stop) };
    let endpoints = ["127.0.0.1:0".parse().unwrap()];
    let listeners =
        listen::open(&Plan { backlog: BACKLOG, ..Plan::new(&endpoints) }, &Silent, &stop).unwrap();
    let address = listeners[0].address();
    thread::scope(|scope| {
        let server = scope.spawn(|| engine::serve(Kind::Uring, listeners, &Echo, &host));
        {
            let _ends = Ends(&stop);
            test(address, &reporter, &stop);
        }
        server.join().unwrap()
    })
}

/// In order.
fn end(mut client: &TcpStream) {
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
}

#[test]
fn who_waits_when_the_kernel_has_no_room_waits_on_and_nothing_spins() {
    let errors = [
        ("EMFILE", Shortage::Descriptors),
        ("ENFILE", Shortage::Descriptors),
        ("ENOBUFS", Shortage::Memory),
        ("ENOMEM", Shortage::Memory),
    ];
    for (error, shortage) in errors {
        let served = serve("", |address, reporter, _| {
            let first = connect(address);
            echo(&first, b"hola");
            assert_eq!(faults::made(Call::FilesUpdate), 0, "the kernel lets in by itself");
            // The one that waits for somebody goes on; the next fails, and so does each that is begun then.
            plan(&format!("accept4:{error}"));
            let second = connect(address);
            echo(&second, b"the last that is let in");
            let waiting: Vec<_> = (0..20).map(|_| connect(address)).collect();
            wait_until(|| !reporter.shortages().is_empty());
            let (before, since) = (faults::made(Call::Accept), Instant::now());
            wait_until(|| faults::made(Call::Accept) > before);
            let (looks, seconds) = (faults::made(Call::Accept) - before, since.elapsed().as_secs());
            assert!(looks <= seconds + 2, "{looks} calls in {seconds} s for nothing");
            echo(&first, b"still here");
            plan("");
            // It is looked at again when somebody ends.
            end(&first);
            for client in &waiting {
                echo(client, b"my turn");
            }
            assert_eq!(reporter.shortages(), [shortage]);
        });
        assert_eq!(served.unwrap().served, 22);
    }
}

#[test]
fn letting_in_is_begun_again_whatever_was_wrong_with_who_came() {
    let plans = ["accept4:ECONNABORTED", "accept4:EPERM", "accept4:EINTR", "accept4:EAGAIN"];
    for text in plans {
        let served = serve(&format!("{text}:1/2"), |address, reporter, _| {
            for number in 0..50_u8 {
                let client = connect(address);
                echo(&client, &[number; 100]);
                end(&client);
            }
            assert_eq!(reporter.shortages(), []);
        });
        assert_eq!(served.unwrap().served, 50, "{text}");
    }
}

#[test]
fn letting_in_that_fails_on_and_on_rests() {
    let served = serve("accept4:EPERM", |address, reporter, _| {
        let client = connect(address);
        wait_until(|| !reporter.shortages().is_empty());
        let (before, since) = (faults::made(Call::Accept), Instant::now());
        assert!((64..70).contains(&before), "{before} calls");
        wait_until(|| faults::made(Call::Accept) > before);
        let (looks, seconds) = (faults::made(Call::Accept) - before, since.elapsed().as_secs());
        assert!(looks <= seconds + 1, "{looks} calls in {seconds} s for nothing");
        plan("");
        echo(&client, b"after all");
        assert_eq!(reporter.shortages(), [Shortage::Accept(1)]);
    });
    assert_eq!(served.unwrap().served, 1);
}

#[test]
fn a_listener_of_no_use_ends_the_server_when_those_who_are_there_have_finished() {
    let served = serve("accept4:EBADF:2", |address, _, _| {
        let guest = connect(address);
        echo(&guest, b"hola");
        wait_until(|| TcpStream::connect(address).is_err());
        echo(&guest, b"still here");
        end(&guest);
    });
    let Err(TalkError::Call { call, error, .. }) = served else { panic!("{served:?}") };
    assert_eq!((call.to_string(), error.raw_os_error()), ("accept".to_owned(), Some(9)));
}

/// More come at once, and more of them speak, than completions have room for: what would go on ends, for those who come and for each
/// connection, and is begun again.
#[test]
fn completions_that_find_no_room_are_late_and_lose_nobody() {
    for text in ["io_uring_setup:short", "io_uring_setup:short io_uring_register:short"] {
        let served = serve(text, |address, _, _| {
            for round in 0..20_u8 {
                let clients: Vec<_> = (0..40).map(|_| connect(address)).collect();
                for client in &clients {
                    // More than a buffer holds.
                    let mut client = client;
                    client.write_all(&vec![round; 20_000]).unwrap();
                }
                for mut client in &clients {
                    let mut back = vec![0; 20_000];
                    client.read_exact(&mut back).unwrap();
                    assert!(back.iter().all(|byte| *byte == round));
                    end(client);
                }
            }
        });
        assert_eq!(served.unwrap().served, 800);
    }
}

#[test]
fn the_kernel_that_lost_completions_ends_the_server_and_nobody_waits_for_it() {
    for error in ["EBADR", "ENOMEM"] {
        let served = serve("", |address, _, _| {
            let clients: Vec<_> = (0..10).map(|_| connect(address)).collect();
            for client in &clients {
                echo(client, b"hola");
            }
            plan(&format!("io_uring_enter:{error}:1"));
            let _ = (&clients[0]).write_all(b"x");
            for mut client in &clients {
                // An end, in whichever way.
                while client.read(&mut [0]).is_ok_and(|count| count > 0) {}
            }
            wait_until(|| TcpStream::connect(address).is_err());
        });
        let Err(TalkError::Resources { call, .. }) = served else { panic!("{served:?}") };
        assert_eq!(call, "io_uring_enter");
    }
}

/// Both are watched by operations, which the kernel may have no memory for.
#[test]
fn a_stop_that_could_not_be_watched_is_no_stop_and_is_heard_of_later() {
    let served = serve("poll_add:ENOMEM:1..4", |address, _, stop| {
        let client = connect(address);
        echo(&client, b"hola");
        stop.begin();
        wait_until(|| TcpStream::connect(address).is_err());
        echo(&client, b"it may end in order");
        end(&client);
    });
    served.unwrap();
}

/// Where its places are not enough for all who may come at once.
#[test]
fn letting_in_goes_on_in_another_ring_or_by_calls_where_there_is_none() {
    // Those who may wait twice, a thousand more, and a hundred.
    const PLACES: u64 = 2 * BACKLOG as u64 + 1024 + 100;
    for (plan, by_calls) in
        [("", false), ("io_uring_setup:ENOMEM:2..", true), ("io_uring_register:ENOMEM:5..", true)]
    {
        let served = serve_within(PLACES, plan, |address, reporter, _| {
            let come = |_| {
                let client = connect(address);
                echo(&client, b"hola");
                client
            };
            let clients: Vec<_> = (0..250).map(come).collect();
            assert_eq!(faults::made(Call::FilesUpdate) > 0, by_calls);
            assert_eq!(reporter.shortages(), []);
            // There is room again in the first.
            for client in clients {
                end(&client);
            }
            for _ in 0..250 {
                end(&connect(address));
            }
        });
        assert_eq!(served.unwrap().served, 500, "{plan}");
    }
}
