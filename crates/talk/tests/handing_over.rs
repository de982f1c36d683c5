//! A thread that has too much to do hands connections over to one that has not. In a file of its own, for the processors must have
//! time left.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails by panicking, and says why")]

use enchufe_sys::{affinity, schedstat};
use enchufe_talk::engine::{self, Host, Kind, Limits};
use enchufe_talk::listen::{self, Plan};
use enchufe_talk::told::{About, Reporter, Told};
use enchufe_talk::{Actions, Counters, Event, Service, Stop};
use std::cell::Cell;
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

const THREADS: usize = 2;
/// What would last for ever is given up.
const FOR_EVER: Duration = Duration::from_secs(90);
/// Of a thread for each message.
const WORK: Duration = Duration::from_millis(1);
/// In which a processor has time left, unless others want it.
const TIME: Duration = Duration::from_secs(10);
/// Messages of each client after its thread is another's.
const AFTERWARDS: u32 = 50;

static THREAD_NUMBERS: AtomicU8 = AtomicU8::new(1);
thread_local! {
    static THREAD_NUMBER: Cell<u8> = Cell::new(THREAD_NUMBERS.fetch_add(1, Ordering::Relaxed));
}

/// Sends back what comes, and before it which thread does so and how many bytes it has had.
struct Slow;

impl Service for Slow {
    type State = u32;

    fn event(&self, count: &mut u32, event: Event<'_>, actions: &mut Actions) {
        match event {
            Event::Bytes(bytes) => {
                let begun = Instant::now();
                while begun.elapsed() < WORK {}
                *count += u32::try_from(bytes.len()).unwrap();
                let number = [THREAD_NUMBER.get()];
                actions.send([&number[..], &count.to_be_bytes(), bytes].concat());
            }
            Event::PeerEnded => actions.close(),
            _ => {}
        }
    }
}

/// A client that has so many messages back.
struct Client {
    stream: TcpStream,
    count: u32,
}

impl Client {
    fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(FOR_EVER)).unwrap();
        Self { stream, count: 0 }
    }

    /// Which thread has it.
    fn ask(&mut self) -> u8 {
        let message = self.count.to_be_bytes();
        self.stream.write_all(&message).unwrap();
        let mut answer = [0; 9];
        self.stream.read_exact(&mut answer).unwrap();
        self.count += 1;
        assert_eq!(answer[1..5], (4 * self.count).to_be_bytes());
        assert_eq!(answer[5..], message);
        answer[0]
    }
}

/// Ends a server also where a test fails.
struct Ends<'a>(&'a Stop);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.begin();
        self.0.cut();
    }
}

/// Says when a server waits for connections: who comes before it does goes to whichever thread listens by then.
struct SaysWhen(Sender<()>);

impl Reporter for SaysWhen {
    fn tell(&self, _about: Option<About>, told: &Told<'_>) {
        if matches!(told, Told::Waiting) {
            let _ = self.0.send(());
        }
    }

    fn hears_of_connections(&self) -> bool {
        false
    }
}

/// One at a time has the processors.
static ONE: Mutex<()> = Mutex::new(());

/// Serves on these processors while `test` goes on with an address.
fn serve(kind: Kind, processors: &[usize], test: impl FnOnce(SocketAddr, &Counters)) {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (stop, counters) = (Stop::new().unwrap(), Counters::default());
    let (says, waits) = channel();
    let reporter = SaysWhen(says);
    let threads = NonZeroUsize::new(THREADS);
    let host = Host {
        limits: Limits { threads, processors: processors.into(), ..Limits::default() },
        counters: Some(&counters),
        ..Host::new(&reporter, &stop)
    };
    let endpoints = ["127.0.0.1:0".parse().unwrap()];
    let listeners = listen::open(&Plan::new(&endpoints), &reporter, &stop).unwrap();
    let address = listeners[0].address();
    thread::scope(|scope| {
        let server = scope.spawn(|| engine::serve(kind, listeners, &Slow, &host).unwrap());
        {
            let _ends = Ends(&stop);
            waits.recv_timeout(FOR_EVER).unwrap();
            test(address, &counters);
        }
        server.join().unwrap();
    });
}

/// How often to the thread of the processor that handles the packets, and how often to one that had time.
fn handed_over(counters: &Counters) -> [u64; 2] {
    let counted = counters.counted();
    [counted.followed, counted.relieved]
}

/// The processors of the threads.
fn processors() -> [usize; THREADS] {
    affinity::allowed().unwrap()[..THREADS].try_into().unwrap()
}

/// What did not come within `TIME` may not be missing: others had this processor.
fn had_others(processor: usize, before: Duration) {
    let idle = idle(processor).saturating_sub(before).as_secs_f64() / TIME.as_secs_f64();
    // It may have been idle now and then.
    assert!(idle < 0.35, "processor {processor} was idle for {idle} of the time");
    eprintln!("others had processor {processor}");
}

fn idle(processor: usize) -> Duration {
    schedstat::idle().unwrap()[&processor]
}

/// Two clients of one thread.
fn two_of_one_thread(address: SocketAddr) -> [Client; 2] {
    let mut alone = HashMap::new();
    loop {
        let mut client = Client::new(address);
        let thread = client.ask();
        if let Some(before) = alone.remove(&thread) {
            return [before, client];
        }
        alone.insert(thread, client);
    }
}

/// Both go on until different threads have them, and a while longer. Whether that came, before `time` was over.
fn part(clients: [Client; 2], time: Duration) -> bool {
    let threads = [const { AtomicU8::new(0) }; 2];
    let parted = AtomicBool::new(false);
    let begun = Instant::now();
    thread::scope(|scope| {
        for (mut client, thread) in clients.into_iter().zip(&threads) {
            let (threads, parted) = (&threads, &parted);
            scope.spawn(move || {
                while !parted.load(Ordering::Relaxed) && begun.elapsed() < time {
                    thread.store(client.ask(), Ordering::Relaxed);
                    let [one, other] = [0, 1].map(|each: usize| threads[each].load(Ordering::Relaxed));
                    if one != other && one > 0 && other > 0 {
                        parted.store(true, Ordering::Relaxed);
                    }
                }
                for _ in 0..AFTERWARDS {
                    client.ask();
                }
            });
        }
    });
    parted.into_inner()
}

/// Makes a test of each function for each engine that hands over.
macro_rules! each {
    ($($(#[$attribute:meta])? $test:ident)*) => {
        mod epoll {
            use super::Kind;
            $(#[test] $(#[$attribute])? fn $test() { super::$test(Kind::Epoll); })*
        }

        mod uring {
            use super::Kind;
            $(
                #[test]
                $(#[$attribute])?
                #[cfg_attr(not(have_io_uring), ignore = "needs io_uring")]
                fn $test() { super::$test(Kind::Uring); }
            )*
        }
    };
}

each! {
    two_clients_of_one_thread_part_and_lose_nothing
    #[cfg_attr(not(have_two_processors), ignore = "needs two processors")]
    two_clients_of_one_processor_part_where_another_has_time_left
    #[cfg_attr(not(have_two_processors), ignore = "needs two processors")]
    a_client_that_changes_its_processor_changes_its_thread
}

fn two_clients_of_one_thread_part_and_lose_nothing(kind: Kind) {
    serve(kind, &[], |address, counters| {
        assert_eq!(handed_over(counters), [0, 0]);
        assert!(part(two_of_one_thread(address), FOR_EVER));
        // Without a processor for itself a thread has packets of nobody.
        assert!(matches!(handed_over(counters), [0, 1..=u64::MAX]), "{:?}", counters.counted());
    });
}

fn two_clients_of_one_processor_part_where_another_has_time_left(kind: Kind) {
    let own @ [first, second] = processors();
    serve(kind, &own, |address, counters| {
        // Whoever connects from one has the thread of that one.
        let connect = move || {
            affinity::run_on(first).unwrap();
            two_of_one_thread(address)
        };
        let clients = thread::spawn(connect).join().unwrap();
        let before = idle(second);
        if !part(clients, TIME) {
            return had_others(second, before);
        }
        assert!(handed_over(counters).iter().sum::<u64>() > 0, "{:?}", counters.counted());
    });
}

fn a_client_that_changes_its_processor_changes_its_thread(kind: Kind) {
    let own @ [first, second] = processors();
    serve(kind, &own, |address, counters| {
        let go = move || {
            affinity::run_on(first).unwrap();
            let mut client = Client::new(address);
            let thread = client.ask();
            affinity::run_on(second).unwrap();
            let (before, begun) = (idle(second), Instant::now());
            while client.ask() == thread {
                if begun.elapsed() > TIME {
                    return had_others(second, before);
                }
            }
            // Beside others, its thread may have been too full before it saw that.
            assert!(handed_over(counters).iter().sum::<u64>() > 0, "{:?}", counters.counted());
        };
        thread::scope(|scope| scope.spawn(go).join().unwrap());
    });
}
