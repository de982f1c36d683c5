//! A thread that has too much to do hands connections over to one that has not. In a file of its own, for the processors must have
//! time left.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails by panicking, and says why")]

mod common;

use common::{Ends, FOR_EVER, connect};
use enchufe_sys::{affinity, schedstat};
use enchufe_talk::engine::{self, Host, Kind, Limits};
use enchufe_talk::listen::{self, Plan};
use enchufe_talk::told::{About, Reporter, Told};
use enchufe_talk::{Actions, Counters, Event, Service, Stop};
use std::cell::Cell;
use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

const THREADS: usize = 2;
/// Of a thread for each message.
const WORK: Duration = Duration::from_millis(1);
/// In which a processor has time left, unless others want it.
const TIME: Duration = Duration::from_secs(10);
/// What goes needs three quarters of another processor: of two equal connections one goes where so much is left, and what is at home
/// there and takes all of a processor elsewhere takes 0.63 of it, beside 0.1 that is to be left (`engine/balance.rs`, `engine/moves.rs`).
/// Where others had less of all the time than the rest of that and a bit for the ticks of the counts, there was a window in which it
/// was to go.
const MOST_OF_OTHERS: f64 = 0.2;
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
        let stream = connect(address);
        stream.set_nodelay(true).unwrap();
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

/// What a processor did until then.
struct Done {
    processor: usize,
    at: Instant,
    idle: Duration,
    /// For threads of this process that have it and no other: the server's, and a client's.
    own: Duration,
}

impl Done {
    fn by(processor: usize) -> Self {
        let idle = schedstat::idle().unwrap()[&processor];
        Self { processor, at: Instant::now(), idle, own: own(processor) }
    }

    /// What did not come since then may not be missing: others had the processor.
    fn expect_others(&self) {
        let now = Self::by(self.processor);
        let known = now.idle.saturating_sub(self.idle) + now.own.saturating_sub(self.own);
        let others = 1.0 - known.as_secs_f64() / (now.at - self.at).as_secs_f64();
        assert!(others > MOST_OF_OTHERS, "others had processor {} for {others} of the time", self.processor);
        eprintln!("others had processor {} for {others} of the time", self.processor);
    }
}

/// For how long the threads of this process ran that may run there alone. One that ends meanwhile is not counted, and
/// what gives way to others counts as idle already (`schedstat::idle`).
fn own(processor: usize) -> Duration {
    let alone = format!("Cpus_allowed_list:\t{processor}");
    let ran = |task: PathBuf| {
        let status = fs::read_to_string(task.join("status")).ok()?;
        let times = fs::read_to_string(task.join("schedstat")).ok()?;
        let nanos = times.split_whitespace().next()?.parse().ok()?;
        let stat = fs::read_to_string(task.join("stat")).ok()?;
        // The 19th field of proc_pid_stat(5), where the name in brackets is the second.
        let nice: i32 = stat.rsplit_once(')')?.1.split_whitespace().nth(16)?.parse().ok()?;
        (nice <= 0 && status.lines().any(|line| line == alone)).then(|| Duration::from_nanos(nanos))
    };
    fs::read_dir("/proc/self/task").unwrap().filter_map(|task| ran(task.unwrap().path())).sum()
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
        let before = Done::by(second);
        if !part(clients, TIME) {
            return before.expect_others();
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
            let before = Done::by(second);
            while client.ask() == thread {
                if before.at.elapsed() > TIME {
                    return before.expect_others();
                }
            }
            // Beside others, its thread may have been too full before it saw that.
            assert!(handed_over(counters).iter().sum::<u64>() > 0, "{:?}", counters.counted());
        };
        thread::scope(|scope| scope.spawn(go).join().unwrap());
    });
}
