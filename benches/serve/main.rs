//! `enchufe serve echo` beside other echo servers: the processor time of a round trip, how many there are in a second, how long they
//! take, what a connection costs, and how much memory it holds.
//!
//! Runs go in turn, A B C A B C, each with a fresh server; a ratio is that of one turn. Told are medians and their 90 % interval by
//! the bootstrap. Runs during which others used the processors are left out, counted, and made up for by more turns, at most as many
//! again; where others were never quiet they are told, as what they are. All is in a network of its own where the system allows it.
//!
//! `just bench-serve` runs it. `--quick`: three short turns; `--turns N`, `--millis N` (of a run), `--cases a,b`, `--peers "C epoll,mio"`
//! (ours are always measured), `--engine NAME` (ours),
//! `--program FILE` (another build of ours), `--others PERCENT` of one processor that others may use.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the table is what it is run for")]

#[path = "../common/arguments.rs"]
mod arguments;
mod cases;
mod idle;
mod load;
mod measured;
mod peers;
#[path = "../common/ratio.rs"]
mod ratio;

use arguments::number;
use cases::{CASES, Case, Place};
use enchufe_sys::affinity;
use load::{Load, Run};
use measured::Series;
use peers::{Bench, Peer};
use std::io::{self, IsTerminal};
use std::process::Command;
use std::{env, fs};

/// Said by the process inside of the network.
const INSIDE: &str = "ENCHUFE_BENCH_SERVE";
const CONGESTION: &str = "/proc/sys/net/ipv4/tcp_congestion_control";
/// Below those that the system gives to whoever connects. Each server has one of its own: the last one's may be in TIME-WAIT.
const FIRST_PORT: u16 = 20_000;

struct Sizes {
    turns: usize,
    millis: u32,
    /// What others may use of one processor.
    others: f64,
    peers: Vec<String>,
}

/// The processors, and the network.
struct Machine {
    server: String,
    load: String,
    /// The system's way to find how fast to send.
    congestion: String,
    own_network: bool,
    next_port: u16,
}

impl Machine {
    fn new(own_network: bool) -> io::Result<Self> {
        let allowed = affinity::allowed()?;
        let &[server, load, ..] = allowed.as_slice() else {
            return Err(io::Error::other("two processors are needed"));
        };
        let congestion = fs::read_to_string(CONGESTION)?.trim().to_owned();
        let (server, load) = (server.to_string(), load.to_string());
        Ok(Self { server, load, congestion, own_network, next_port: FIRST_PORT })
    }

    fn port(&mut self) -> u16 {
        self.next_port = if self.next_port > 32_000 { FIRST_PORT } else { self.next_port + 1 };
        self.next_port
    }

    /// Only in a network of our own: the system's is not ours to change. The route says it, for a program may be refused what is not
    /// on the system's list of those that all may use.
    fn set_up(&self, case: &Case) -> io::Result<()> {
        if !self.own_network {
            let why = || io::Error::other("the system gives us no network of our own");
            return case.congestion.map_or(Ok(()), |_| Err(why()));
        }
        let words = "dev lo proto kernel scope host src 127.0.0.1 table local";
        for route in ["127.0.0.0/8", "127.0.0.1"] {
            let mut ip = Command::new("ip");
            ip.args(["route", "replace", "local", route]).args(words.split(' '));
            ip.args(case.congestion.iter().flat_map(|name| ["congctl", *name]));
            let output = ip.output()?;
            if !output.status.success() {
                return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
            }
        }
        Ok(())
    }
}

/// The words after a name on the command line, between commas.
fn list(name: &str) -> Vec<String> {
    let words: Vec<String> = env::args().collect();
    let after = words.iter().position(|word| word == name).and_then(|at| words.get(at + 1));
    after.map(|word| word.split(',').map(str::to_owned).collect()).unwrap_or_default()
}

fn one_run(bench: &Bench, machine: &mut Machine, case: &Case, peer: Peer, millis: u32) -> io::Result<Run> {
    let (server_on, load_on) = match case.place {
        Place::Apart => (machine.server.clone(), machine.load.clone()),
        Place::Free => (bench.processors.clone(), bench.processors.clone()),
        Place::LoadStays => (bench.processors.clone(), machine.load.clone()),
    };
    let server = bench.start(peer, machine.port(), &server_on)?;
    let mut words: Vec<String> = case.load.iter().map(|word| (*word).to_owned()).collect();
    // What the case says comes last, and holds.
    words.splice(1..1, [format!("millis={millis}"), format!("warm={}", millis / 3)]);
    let start = |number| Load::start(&server, (number, &words), &load_on);
    load::run((0..case.loads).map(start).collect::<Result<_, _>>()?)
}

fn measure(bench: &Bench, machine: &mut Machine, case: &Case, sizes: &Sizes) -> Vec<Series> {
    let chosen = |peer: &Peer| {
        peer.is_ours() || sizes.peers.is_empty() || sizes.peers.iter().any(|name| name == peer.name)
    };
    let peers = case.peers.iter().filter_map(|name| peers::named(name)).filter(chosen);
    let mut all: Vec<Series> = peers.filter(|peer| bench.absent(*peer).is_none()).map(Series::new).collect();
    for turn in 0..2 * sizes.turns {
        if all.iter().all(|series| series.quiet() >= sizes.turns || series.failures.len() > 2) {
            break;
        }
        for series in &mut all {
            progress(&format!("{}, turn {} of {}: {}", case.name, turn + 1, sizes.turns, series.peer.name));
            let run = one_run(bench, machine, case, series.peer, sizes.millis);
            let (quiet, run) = match run {
                Ok(run) => (run.others <= sizes.others, Some(run)),
                Err(error) => {
                    series.failures.push(error.to_string());
                    (true, None)
                }
            };
            series.push(run, quiet);
        }
    }
    progress("");
    all
}

/// How far it is, where somebody looks.
fn progress(text: &str) {
    if io::stderr().is_terminal() {
        eprint!("\r{text}\x1b[K");
    }
}

fn heading(bench: &Bench, machine: &Machine, sizes: &Sizes) -> io::Result<()> {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let network = if machine.own_network { "a network of its own" } else { "the system's network" };
    println!(
        "Linux {}, processors {}, {network}, congestion control {}; {} turns of {} ms",
        kernel.trim(),
        bench.processors,
        machine.congestion,
        sizes.turns,
        sizes.millis
    );
    for peer in peers::PEERS {
        if let Some(why) = bench.absent(*peer) {
            println!("not measured: {}: {why}", peer.name);
        }
    }
    Ok(())
}

fn inside(own_network: bool) -> io::Result<()> {
    let mut machine = Machine::new(own_network)?;
    let quick = env::args().any(|word| word == "--quick");
    let (turns, millis) = if quick { (3, 300) } else { (9, 500) };
    let sizes = Sizes {
        turns: usize::try_from(number("--turns", turns)).unwrap_or(9),
        millis: number("--millis", millis),
        others: f64::from(number("--others", 25)) / 100.0,
        peers: list("--peers"),
    };
    let engine = list("--engine").into_iter().flat_map(|name| ["--engine".to_owned(), name]).collect();
    let program = list("--program").pop().unwrap_or_else(|| env!("CARGO_BIN_EXE_enchufe").to_owned());
    let bench = Bench::new(program, engine, &affinity::allowed()?);
    heading(&bench, &machine, &sizes)?;
    let (chosen, mut rows) = (list("--cases"), String::new());
    let is_chosen = |name: &str| chosen.is_empty() || chosen.iter().any(|one| one == name);
    for case in CASES.iter().filter(|case| is_chosen(case.name)) {
        if let Err(error) = machine.set_up(case) {
            println!("\n{}: not measured: {error}", case.title);
            continue;
        }
        let all = measure(&bench, &mut machine, case, &sizes);
        print!("{}", measured::table(case, &all));
        rows.extend(case.goals.iter().map(|goal| measured::goal_row(case, goal, &all)));
    }
    if is_chosen("idle") {
        print!("{}", idle::table(&bench, &sizes.peers, &mut || machine.port()));
    }
    println!(
        "\n| load | figure | ours | beside | ours | theirs | ratio | wanted | held |\n|---|---|---|---|---|---|---|---|---|"
    );
    print!("{rows}");
    Ok(())
}

fn main() -> io::Result<()> {
    match env::var(INSIDE).as_deref() {
        Ok("own") => return inside(true),
        Ok(_) => return inside(false),
        Err(_) => peers::build()?,
    }
    // A network of its own keeps others' traffic and settings away. Root makes one; others first become root of their own.
    let script = "ip link set lo up && exec \"$0\" \"$@\"";
    let ways: [&[&str]; 2] = [&["--net"], &["--user", "--map-root-user", "--net"]];
    let works = |way: &&&[&str]| {
        let tried = Command::new("unshare").args(**way).args(["sh", "-c", "ip link set lo up"]).output();
        tried.is_ok_and(|output| output.status.success())
    };
    let (mut command, told) = match ways.iter().find(works) {
        Some(way) => {
            let mut command = Command::new("unshare");
            command.args(*way).args(["sh", "-c", script]).arg(env::current_exe()?);
            (command, "own")
        }
        None => (Command::new(env::current_exe()?), "system"),
    };
    let status = command.args(env::args_os().skip(1)).env(INSIDE, told).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(status.to_string())) }
}
