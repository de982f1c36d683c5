//! `enchufe read` beside tcpdump and tshark over the same capture, whole programs that write to a file.
//!
//! Pairs run in turn, A B A B, after one run of each that is not counted. A ratio is that of one pair; told are the median
//! of all and its 90 % interval by the bootstrap. `just bench-read` runs it; `--packets N` and `--pairs N` change its size.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the table is what it is run for")]

#[path = "../common/arguments.rs"]
mod arguments;
mod capture;
#[path = "../common/ratio.rs"]
mod ratio;

use arguments::number;
use enchufe_sys::usage::{self, Usage};
use ratio::Summary;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A program beside another one.
struct Pair {
    name: &'static str,
    ours: &'static [&'static str],
    theirs: &'static [&'static str],
    /// How many times as fast ours is to be.
    wanted: f64,
}

/// `FILE` stands for the capture.
const PAIRS: [Pair; 4] = [
    Pair {
        name: "table, read once",
        ours: &["enchufe", "read", "FILE", "--one-pass"],
        theirs: &["tcpdump", "-nn", "-r", "FILE"],
        wanted: 2.0,
    },
    Pair {
        name: "table, read once",
        ours: &["enchufe", "read", "FILE", "--one-pass"],
        theirs: &["tshark", "-n", "-r", "FILE"],
        wanted: 15.0,
    },
    Pair {
        name: "table, read twice",
        ours: &["enchufe", "read", "FILE"],
        theirs: &["tshark", "-n", "-2", "-r", "FILE"],
        wanted: 20.0,
    },
    Pair {
        name: "conversations",
        ours: &["enchufe", "read", "FILE", "--view", "conversations"],
        theirs: &["tshark", "-n", "-q", "-z", "conv,tcp", "-r", "FILE"],
        wanted: 10.0,
    },
];

/// One run of a program.
struct Run {
    wall: Duration,
    usage: Usage,
}

fn command(words: &[&str], capture: &Path) -> Command {
    let (program, words) = words.split_first().unwrap_or((&"", &[]));
    let mut command =
        Command::new(if *program == "enchufe" { env!("CARGO_BIN_EXE_enchufe") } else { program });
    for word in words {
        if *word == "FILE" {
            command.arg(capture)
        } else {
            command.arg(word)
        };
    }
    command.stdin(Stdio::null()).stderr(Stdio::null());
    command
}

fn run(words: &[&str], capture: &Path, out: &Path) -> io::Result<Run> {
    let mut command = command(words, capture);
    command.stdout(File::create(out)?);
    let begun = Instant::now();
    let (status, usage) = usage::wait(&command.spawn()?)?;
    let wall = begun.elapsed();
    if status.success() {
        Ok(Run { wall, usage })
    } else {
        Err(io::Error::other(format!("{words:?}: {status}")))
    }
}

/// The time until the first row can be read.
fn first_row(words: &[&str], capture: &Path) -> io::Result<f64> {
    let begun = Instant::now();
    let mut child = command(words, capture).stdout(Stdio::piped()).spawn()?;
    let mut out = BufReader::new(child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?);
    let mut line = String::new();
    // A heading stands before the first row.
    out.read_line(&mut line)?;
    out.read_line(&mut line)?;
    let waited = begun.elapsed();
    child.kill()?;
    child.wait()?;
    Ok(waited.as_secs_f64() * 1000.0)
}

fn is_there(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

#[expect(clippy::cast_precision_loss, reason = "megabytes are shown with one decimal")]
fn megabytes(runs: &[Run]) -> f64 {
    runs.iter().map(|run| run.usage.peak_rss).max().unwrap_or_default() as f64 / 1e6
}

fn seconds(runs: &[Run]) -> Summary {
    Summary::of(runs.iter().map(|run| run.wall.as_secs_f64()).collect())
}

/// How far it is, where somebody looks.
fn progress(text: &str) {
    if io::stderr().is_terminal() {
        eprint!("\r{text}\x1b[K");
    }
}

fn compare(pair: &Pair, capture: &Path, out: &Path, pairs: usize) -> io::Result<()> {
    let (theirs_name, ours_name) = (pair.theirs.join(" "), pair.ours.join(" "));
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for turn in 0..=pairs {
        progress(&format!("{ours_name} | {theirs_name}: {turn} of {pairs}"));
        let (one, other) = (run(pair.ours, capture, out)?, run(pair.theirs, capture, out)?);
        if turn > 0 {
            ours.push(one);
            theirs.push(other);
        }
    }
    progress("");
    let ratio = |(one, other): (&Run, &Run)| other.wall.as_secs_f64() / one.wall.as_secs_f64();
    let ratios = Summary::of(ours.iter().zip(&theirs).map(ratio).collect());
    let (memory, their_memory) = (megabytes(&ours), megabytes(&theirs));
    println!(
        "{:<18} {:<28} {:>6.3} s {:>7.3} s {:>6.1}x [{:.1}, {:.1}] wanted {:>4.0}x {:>7.1} MB {:>7.1} MB",
        pair.name,
        theirs_name.replace(" -r FILE", ""),
        seconds(&ours).median,
        seconds(&theirs).median,
        ratios.median,
        ratios.low,
        ratios.high,
        pair.wanted,
        memory,
        their_memory,
    );
    Ok(())
}

fn main() -> io::Result<()> {
    let (packets, pairs) = (number("--packets", 1_000_000), number("--pairs", 11));
    let folder = tempfile::tempdir()?;
    let (capture, out) = (folder.path().join("capture.pcapng"), folder.path().join("out"));
    let conversations = packets / u32::try_from(capture::SEGMENTS).unwrap_or(1);
    capture::write(&capture, conversations)?;
    let size = std::fs::metadata(&capture)?.len();
    println!(
        "{} packets of {conversations} TCP conversations, {size} bytes, {pairs} pairs",
        packets / 100 * 100
    );
    println!(
        "{:<18} {:<28} {:>8} {:>9} {:>7} 90 % interval of the median {:>15} {:>10}",
        "", "beside", "ours", "theirs", "ratio", "memory", "theirs"
    );
    for pair in &PAIRS {
        match pair.theirs.first() {
            Some(program) if is_there(program) => {
                compare(pair, &capture, &out, usize::try_from(pairs).unwrap_or(11))?;
            }
            program => println!("{:<18} {}: not installed", pair.name, program.unwrap_or(&"")),
        }
    }
    let few = folder.path().join("few.pcapng");
    capture::write(&few, 99)?;
    for (name, words, file) in [
        ("first row, once", &["enchufe", "read", "FILE", "--one-pass"][..], &capture),
        ("first row, twice, 9,900 packets", &["enchufe", "read", "FILE"], &few),
    ] {
        let times: Vec<f64> = (0..pairs).map(|_| first_row(words, file)).collect::<Result<_, _>>()?;
        let most = times.iter().copied().fold(0.0, f64::max);
        println!("{name}: {:.1} ms, at most {most:.1} ms (wanted: under 50 ms)", Summary::of(times).median);
    }
    Ok(())
}
