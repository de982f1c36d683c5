//! What `enchufe trace` costs the programs that it traces, beside strace; how fast a recording is judged; and how much memory a
//! large one takes.
//!
//! Runs go in turn: the program alone, traced by us, traced by strace. A ratio is that of one turn: the time that we added to each
//! call to the time that strace added. Told are the median of all and its 90 % interval by the bootstrap. `just bench-trace`
//! runs it; `--pairs N`, `--rounds N`, `--calls N` and `--megabytes N` change its size.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the table is what it is run for")]

#[path = "../common/arguments.rs"]
mod arguments;
mod judging;
mod programs;
#[path = "../common/ratio.rs"]
mod ratio;

use arguments::number;
use programs::{Program, Took, Tracer};
use ratio::Summary;
use std::io;

/// A program traced by us and by strace.
struct Beside {
    name: &'static str,
    program: Program,
    /// The processors that all of it is held to.
    processors: &'static str,
    /// Whether lines of code are asked for.
    lines: bool,
    /// What ours may take of what strace takes.
    wanted: f64,
}

const BESIDE: [Beside; 4] = [
    Beside { name: "one processor", program: Program::C, processors: "0", lines: false, wanted: 0.8 },
    Beside { name: "two processors", program: Program::C, processors: "0,1", lines: false, wanted: 1.0 },
    Beside { name: "lines of C", program: Program::C, processors: "0", lines: true, wanted: 1.5 },
    Beside { name: "lines of Python", program: Program::Python, processors: "0", lines: true, wanted: 4.0 },
];

fn beside(one: &Beside, bench: &programs::Bench, pairs: u32, rounds: u32) -> io::Result<()> {
    let words = ["pingpong", &rounds.to_string()];
    let (mut added, mut ratios) = ([Vec::new(), Vec::new()], Vec::new());
    for turn in 0..=pairs {
        programs::progress(&format!("{}: {turn} of {pairs}", one.name));
        let run = |tracer| bench.run(one.program, &words, tracer, one.processors).map(Took::nanos_a_call);
        let (alone, ours, theirs) =
            (run(Tracer::None)?, run(Tracer::Ours { lines: one.lines })?, run(Tracer::Strace)?);
        if turn > 0 {
            let [our_times, their_times] = &mut added;
            our_times.push((ours - alone) / 1_000.0);
            their_times.push((theirs - alone) / 1_000.0);
            ratios.push((ours - alone) / (theirs - alone));
        }
    }
    programs::progress("");
    let [ours, theirs] = added.map(Summary::of);
    let ratio = Summary::of(ratios);
    println!(
        "{:<16} {:>7.2} µs {:>8.2} µs {:>7.2} [{:.2}, {:.2}]  wanted: at most {}",
        one.name, ours.median, theirs.median, ratio.median, ratio.low, ratio.high, one.wanted
    );
    Ok(())
}

/// Calls that are not those of sockets: how often they stop the program, and what they cost it.
fn others(bench: &programs::Bench, pairs: u32) -> io::Result<()> {
    const TIMES: [(&str, &str, &str); 3] = [
        ("send", "20000", "a send to a socket"),
        ("read", "20000", "a read of what is no socket"),
        ("getppid", "5000000", "a call that is not traced"),
    ];
    println!("\nper call: stops, and what is added; medians, and the 90 % interval");
    for (what, times, name) in TIMES {
        let (mut stops, mut added) = (Vec::new(), Vec::new());
        for turn in 0..=pairs {
            programs::progress(&format!("{name}: {turn} of {pairs}"));
            let run = |tracer| bench.run(Program::C, &[what, times], tracer, "0");
            let (alone, ours) = (run(Tracer::None)?, run(Tracer::Ours { lines: false })?);
            if turn > 0 {
                stops.push(ours.stops_a_call() - alone.stops_a_call());
                added.push(ours.nanos_a_call() - alone.nanos_a_call());
            }
        }
        programs::progress("");
        let (stops, added) = (Summary::of(stops), Summary::of(added));
        println!(
            "{name:<28} {:>5.2} {:>9.1} ns [{:.1}, {:.1}]",
            stops.median, added.median, added.low, added.high
        );
    }
    println!("wanted: no second stop of what is no socket; under 20 ns of what is not traced");
    Ok(())
}

/// A stream through two traced ends: the most memory that we had, with all that we do afterwards.
fn memory(bench: &programs::Bench, megabytes: u32) -> io::Result<()> {
    println!(
        "\n{megabytes} MB through two traced ends: the most memory of ours, while it ran and afterwards"
    );
    for size in ["65536", "1000"] {
        programs::progress(&format!("{megabytes} MB, {size} bytes in each send"));
        let bytes = (u64::from(megabytes) * 1_000_000).to_string();
        let (took, usage, _) = bench.record(&["bulk", &bytes, size], Program::C)?;
        let shown = judging::peak(bench)?;
        programs::progress("");
        println!(
            "{size:>6} bytes in each send: {:.1} s, {:.1} MB; its ladder: {:.1} MB",
            took.seconds(),
            programs::megabytes(usage.peak_rss),
            programs::megabytes(shown)
        );
    }
    Ok(())
}

fn main() -> io::Result<()> {
    let (pairs, rounds) = (number("--pairs", 11), number("--rounds", 5_000));
    let Some(bench) = programs::Bench::new()? else {
        eprintln!("cc or strace is not installed");
        return Ok(());
    };
    println!("{pairs} pairs of {rounds} rounds, 4 calls each: one byte there and back over TCP");
    println!("added to each call, beside {}", programs::STRACE.join(" "));
    println!("{:<16} {:>10} {:>11} {:>7} 90 % interval of the median", "", "ours", "strace", "ratio");
    for one in &BESIDE {
        if bench.has(one.program) {
            beside(one, &bench, pairs, rounds)?;
        } else {
            println!("{:<16} not installed", one.name);
        }
    }
    others(&bench, pairs)?;
    judging::compare(&bench, number("--calls", 1_000_000))?;
    memory(&bench, number("--megabytes", 1_000))
}
