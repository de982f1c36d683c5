//! One run of a load against one server.

use crate::peers::{self, Server};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

/// What one run found. Times are seconds, latencies microseconds.
#[derive(Clone, Copy, Default)]
pub struct Run {
    /// Round trips, connections or bytes.
    pub rounds: f64,
    pub wall: f64,
    /// Processor time of the server, and of whoever is neither it nor the load.
    pub server: f64,
    pub others: f64,
    pub p50: f64,
    pub p99: f64,
}

/// A load that waits for the word to begin.
pub struct Load {
    child: Child,
    /// It says when it is warm, and waits for a word again.
    warms: bool,
    out: BufReader<ChildStdout>,
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Load {
    /// Starts it; one of connections that do nothing has them then. `number`: which of several it is.
    pub fn start(server: &Server, (number, words): (usize, &[String]), processors: &str) -> io::Result<Self> {
        let mut command = Command::new("taskset");
        command.args(["-c", processors]).arg(peers::path("load")).args(words);
        command.arg(format!("port={}", server.port)).arg(format!("server={}", server.id()));
        // Eight addresses each.
        command.arg(format!("host={}", 2 + 8 * number));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let out = BufReader::new(child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?);
        let warms = words.first().is_some_and(|mode| mode == "rounds" || mode == "churn");
        let mut load = Self { child, warms, out };
        load.says("ready")?;
        Ok(load)
    }

    fn says(&mut self, word: &str) -> io::Result<()> {
        if self.line()? == word { Ok(()) } else { Err(self.failure()) }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.out.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    /// What it said of why it ended.
    fn failure(&mut self) -> io::Error {
        let mut text = String::new();
        if let Some(stderr) = &mut self.child.stderr {
            let _ = stderr.read_to_string(&mut text);
        }
        io::Error::other(text.trim_end().to_owned())
    }

    fn go(&mut self) -> io::Result<()> {
        self.child.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?.write_all(b"\n")
    }

    /// Its line, as a run; when that began; and the processor time of its own and of all.
    fn finish(&mut self) -> io::Result<(Run, f64, f64, f64)> {
        let line = self.line()?;
        if line.is_empty() {
            return Err(self.failure());
        }
        let value = |name: &str| {
            let word = line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
            word.and_then(|word| word.parse().ok()).unwrap_or(f64::NAN)
        };
        let run = Run {
            rounds: value("rounds"),
            wall: value("wall"),
            server: value("server"),
            others: 0.0,
            p50: value("p50"),
            p99: value("p99"),
        };
        Ok((run, value("began"), value("own"), value("busy")))
    }
}

/// Lets all of them begin, and adds up what they found: rounds of all in the time from the first's beginning to the last's end, latencies of
/// the worst, the server's time as the first saw it.
pub fn run(mut loads: Vec<Load>) -> io::Result<Run> {
    for load in &mut loads {
        load.go()?;
    }
    for load in loads.iter_mut().filter(|load| load.warms) {
        load.says("warm")?;
    }
    for load in loads.iter_mut().filter(|load| load.warms) {
        load.go()?;
    }
    let (mut sum, mut own_of_all, mut busy_of_all) = (Run::default(), 0.0, 0.0);
    let (mut first, mut last) = (f64::INFINITY, 0.0_f64);
    for (at, load) in loads.iter_mut().enumerate() {
        let (run, began, own, busy) = load.finish()?;
        own_of_all += own;
        sum.rounds += run.rounds;
        sum.p50 = sum.p50.max(run.p50);
        sum.p99 = sum.p99.max(run.p99);
        (first, last) = (first.min(began), last.max(began + run.wall));
        if at == 0 {
            (sum.server, busy_of_all) = (run.server, busy);
        }
    }
    sum.wall = last - first;
    sum.others = (busy_of_all - sum.server - own_of_all) / sum.wall;
    Ok(sum)
}
