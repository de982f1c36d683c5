//! How fast a recording is judged.

use crate::programs::{Bench, Program, as_number, command, progress};
use crate::ratio::Summary;
use enchufe_story::trace::{Judge, Scout, Told};
use enchufe_sys::usage;
use enchufe_wire::file::{Item, Reader};
use enchufe_wire::session::Session;
use enchufe_wire::tcp::Limits;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// How often each is measured: nobody is beside it.
const TIMES: u32 = 3;

/// What shows a recording, to a file.
const VIEWS: [(&str, &[&str]); 4] = [
    ("read --ladder", &["--ladder"]),
    ("read --view calls", &["--view", "calls"]),
    ("read --ladder --json", &["--ladder", "--json"]),
    ("read, packets with causes", &["--view", "packets"]),
];

/// Records so many calls, and measures what is done with the recording.
pub fn compare(bench: &Bench, calls: u32) -> io::Result<()> {
    println!("\ncalls judged in a second, of a recording of {calls} calls; medians, and the 90 % interval");
    let rounds = (calls / 4).to_string();
    let mut finished = Vec::new();
    for turn in 0..TIMES {
        progress(&format!("{calls} calls: {turn} of {TIMES}"));
        let (_, _, after) = bench.record(&["pingpong", &rounds], Program::C)?;
        finished.push(after.as_secs_f64());
    }
    let recording = bench.recording();
    let (mut judged, mut count) = (Vec::new(), 0);
    for _ in 0..TIMES {
        let begun = Instant::now();
        count = judge(&recording)?;
        judged.push(begun.elapsed().as_secs_f64());
    }
    tell("judged alone", count, judged);
    tell("trace -w, at the end", count, finished);
    for (name, words) in VIEWS {
        let mut seconds = Vec::new();
        for turn in 0..TIMES {
            progress(&format!("{name}: {turn} of {TIMES}"));
            let begun = Instant::now();
            show(bench, words)?;
            seconds.push(begun.elapsed().as_secs_f64());
        }
        tell(name, count, seconds);
    }
    println!("wanted: at least 200,000");
    Ok(())
}

fn tell(name: &str, count: u64, seconds: Vec<f64>) {
    progress("");
    let rate = Summary::of(seconds.into_iter().map(|seconds| as_number(count) / seconds).collect());
    println!("{name:<28} {:>9.0} [{:.0}, {:.0}]", rate.median, rate.low, rate.high);
}

fn show(bench: &Bench, words: &[&str]) -> io::Result<usage::Usage> {
    let mut all: Vec<OsString> = [env!("CARGO_BIN_EXE_enchufe"), "-q", "read"].map(OsString::from).into();
    all.extend(words.iter().map(OsString::from));
    all.push(bench.recording().into());
    let mut shows: Command = command(&all);
    // It says what it leaves out to keep memory bounded.
    shows.stdout(File::create(bench.out())?).stderr(Stdio::null());
    let (status, usage) = usage::wait(&shows.spawn()?)?;
    if status.success() { Ok(usage) } else { Err(io::Error::other(format!("{all:?}: {status}"))) }
}

/// The most memory that a ladder of the recording takes.
pub fn peak(bench: &Bench) -> io::Result<u64> {
    show(bench, &["--ladder"]).map(|usage| usage.peak_rss)
}

/// Judges the recording, and shows nothing; gives how many calls it has.
fn judge(path: &Path) -> io::Result<u64> {
    let mut scout = Scout::default();
    each(path, |item| {
        if let Item::Statistics(statistics) = item {
            enchufe_story::fact::facts(&statistics).flatten().for_each(|fact| scout.fact(&fact));
        }
    })?;
    let (mut judge, mut session) = (Judge::new(scout.finish()), Session::new(Limits::default()));
    let (mut events, mut calls) = (Vec::new(), 0);
    each(path, |item| {
        match item {
            Item::Statistics(statistics) => {
                let facts = enchufe_story::fact::facts(&statistics).flatten();
                facts.for_each(|fact| judge.fact(&fact, &mut events));
            }
            Item::Packet(record) => {
                judge.frame(&session.frame(&record), enchufe_story::fact::passage(&record), &mut events);
            }
            _ => {}
        }
        calls += events.drain(..).map(|event| u64::from(matches!(event.told, Told::Left(_)))).sum::<u64>();
    })?;
    Ok(calls)
}

fn each(path: &Path, mut with: impl FnMut(Item<'_>)) -> io::Result<()> {
    let (mut file, mut reader, mut piece) = (File::open(path)?, Reader::new(), vec![0; 1 << 18]);
    loop {
        let count = file.read(&mut piece)?;
        if count == 0 {
            return Ok(());
        }
        reader.feed(piece.get(..count).unwrap_or_default());
        while let Some(item) = reader.next().map_err(io::Error::other)? {
            with(item);
        }
    }
}
