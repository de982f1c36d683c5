use super::*;
use std::io::Write;
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::low_level;

const READ: Ready = Ready { read: true, write: false, failed: false };

fn look(handle: &impl AsHandle, interest: Interest) -> Ready {
    let mut watches = [Watch::new(handle, interest)];
    wait(&mut watches, Some(Duration::ZERO)).unwrap();
    watches[0].ready()
}

#[test]
fn a_bell_rung_by_another_thread_stays_ready_until_it_is_silenced() {
    let bell = Bell::new().unwrap();
    assert_eq!(look(&bell, Interest::READ), Ready::default());
    thread::scope(|scope| {
        scope.spawn(|| bell.ring());
        let mut watches = [Watch::new(&bell, Interest::READ)];
        assert_eq!(wait(&mut watches, None).unwrap(), 1);
        assert_eq!(watches[0].ready(), READ);
    });
    bell.ring();
    assert_eq!(look(&bell, Interest::READ), READ);
    bell.silence();
    assert_eq!(look(&bell, Interest::READ), Ready::default());
    bell.silence();
    bell.ring();
    assert_eq!(look(&bell, Interest::READ), READ);
}

#[test]
fn stop_signals_are_counted_and_can_be_installed_again() {
    for _ in 0..3 {
        let stop = StopSignals::install().unwrap();
        assert_eq!((look(&stop, Interest::READ), stop.take()), (Ready::default(), 0));
        low_level::raise(libc::SIGTERM).unwrap();
        low_level::raise(libc::SIGINT).unwrap();
        assert_eq!(look(&stop, Interest::READ), READ);
        assert_eq!((stop.take(), stop.take()), (2, 0));
        assert_eq!(look(&stop, Interest::READ), Ready::default());
    }
}

#[test]
fn a_signal_ends_a_wait_with_nothing_ready() {
    // SAFETY: the action does nothing.
    let id = unsafe { low_level::register(libc::SIGUSR2, || {}) }.unwrap();
    let over = AtomicBool::new(false);
    // SAFETY: it only asks for the name of this thread.
    let waiting = unsafe { libc::pthread_self() };
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                // SAFETY: the thread lives until this scope ends.
                unsafe { libc::pthread_kill(waiting, libc::SIGUSR2) };
                thread::yield_now();
            }
        });
        let bell = Bell::new().unwrap();
        let mut watches = [Watch::new(&bell, Interest::READ)];
        let result = wait(&mut watches, None);
        over.store(true, Ordering::SeqCst);
        assert_eq!((result.unwrap(), watches[0].ready()), (0, Ready::default()));
    });
    low_level::unregister(id);
}

#[test]
fn a_wait_is_no_shorter_than_asked() {
    let started = Instant::now();
    let time = Duration::from_nanos(1_000_001);
    assert_eq!(wait(&mut [], Some(time)).unwrap(), 0);
    assert!(started.elapsed() >= time, "never rounded down");
}

#[test]
fn a_connection_tells_what_was_asked_for() {
    let (client, server) = pair("127.0.0.1:0");
    assert_eq!(look(&client, Interest::NONE), Ready::default());
    assert_eq!(look(&client, Interest::READ), Ready::default());
    assert_eq!(look(&client, Interest::BOTH), Ready { write: true, ..Ready::default() });
    (&server).write_all(b"x").unwrap();
    let both = Ready { read: true, write: true, failed: false };
    until("the byte", || (look(&client, Interest::BOTH) == both).then_some(()));
    assert_eq!(look(&client, Interest::WRITE), Ready { read: false, ..both });
}

#[test]
fn the_end_of_the_stream_is_something_to_read() {
    let (client, server) = pair("127.0.0.1:0");
    server.shutdown(Shutdown::Write).unwrap();
    until("the end", || (look(&client, Interest::READ) == READ).then_some(()));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(writer);
    assert_eq!(look(&reader, Interest::READ), Ready { failed: true, ..READ });
}

#[test]
fn failure_is_told_also_when_nothing_was_asked_for() {
    let (client, server) = pair("127.0.0.1:0");
    reset(server);
    let mut watches = [Watch::new(&client, Interest::NONE)];
    assert_eq!(wait(&mut watches, None).unwrap(), 1);
    let ready = watches[0].ready();
    assert!(ready.failed && !ready.read && !ready.write && ready.any());
}
