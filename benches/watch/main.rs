//! `enchufe watch -w` beside `tcpdump -w` on the loopback of a network of its own (made by root), under the heaviest load that this machine
//! gives: what each captured and what it lost.
//!
//! Runs go in turn, A B A B, each with the same load for the same time. `just bench-watch` runs it; `--pairs N` and
//! `--seconds N` change its size.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the table is what it is run for")]

#[path = "../common/arguments.rs"]
mod arguments;
#[path = "../common/ratio.rs"]
mod ratio;

use arguments::number;
use ratio::Summary;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Said by the process inside of the network.
const INSIDE: &str = "ENCHUFE_BENCH_WATCH";

/// What crosses the loopback interface.
#[derive(Clone, Copy)]
enum Load {
    /// As many small datagrams as two threads can send.
    Datagrams,
    /// As many bytes as one TCP connection carries.
    Stream,
}

/// What one run captured and lost.
#[derive(Clone, Copy, Default)]
struct Count {
    captured: f64,
    lost: f64,
}

fn datagrams(stop: &AtomicBool) -> io::Result<()> {
    let sink = UdpSocket::bind("127.0.0.1:0")?;
    let sender = UdpSocket::bind("127.0.0.1:0")?;
    sender.connect(sink.local_addr()?)?;
    while !stop.load(Ordering::Relaxed) {
        // The sink's buffer is full soon: what it drops has crossed the interface.
        sender.send(&[0; 64])?;
    }
    Ok(())
}

fn stream(stop: &AtomicBool) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut sender = TcpStream::connect(listener.local_addr()?)?;
    let (mut receiver, _) = listener.accept()?;
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut buffer = vec![0; 1 << 18];
            while receiver.read(&mut buffer).is_ok_and(|count| count > 0) {}
        });
        let buffer = vec![0; 1 << 18];
        while !stop.load(Ordering::Relaxed) {
            sender.write_all(&buffer)?;
        }
        drop(sender);
        Ok(())
    })
}

/// Runs the load for a time.
fn run_load(load: Load, time: Duration) -> io::Result<()> {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let threads: Vec<_> = match load {
            Load::Datagrams => (0..2).map(|_| scope.spawn(|| datagrams(&stop))).collect(),
            Load::Stream => vec![scope.spawn(|| stream(&stop))],
        };
        thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
        threads
            .into_iter()
            .try_for_each(|one| one.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into())))
    })
}

/// The first number before a word.
fn number_before(text: &str, word: &str) -> f64 {
    let before = text.split(word).next().unwrap_or_default();
    before.split_whitespace().next_back().and_then(|number| number.parse().ok()).unwrap_or(f64::NAN)
}

/// Starts a capture, runs the load, ends the capture.
fn capture(mut command: Command, begun: &str, load: Load, time: Duration) -> io::Result<String> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let mut told = BufReader::new(child.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?);
    let mut line = String::new();
    while !line.contains(begun) {
        line.clear();
        if told.read_line(&mut line)? == 0 {
            return Err(io::Error::other(format!("{command:?} did not begin")));
        }
    }
    run_load(load, time)?;
    Command::new("kill").args(["-INT", &child.id().to_string()]).status()?;
    let mut rest = String::new();
    told.read_to_string(&mut rest)?;
    child.wait()?;
    Ok(rest)
}

fn ours(file: &Path, snaplen: &str, load: Load, time: Duration) -> io::Result<Count> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_enchufe"));
    command.args(["--lang", "en", "watch", "-i", "lo", "--snaplen", snaplen, "-w"]).arg(file);
    let told = capture(command, "ends", load, time)?;
    Ok(Count { captured: number_before(&told, " packets written"), lost: number_before(&told, " lost") })
}

fn theirs(file: &Path, snaplen: &str, load: Load, time: Duration) -> io::Result<Count> {
    let mut command = Command::new("tcpdump");
    command.args(["-Z", "root", "-i", "lo", "-s", snaplen, "-w"]).arg(file);
    let told = capture(command, "listening on", load, time)?;
    let lost = number_before(&told, " packets dropped by kernel");
    Ok(Count { captured: number_before(&told, " packets captured"), lost })
}

fn compare(name: &str, snaplen: &str, load: Load, (pairs, time): (u32, Duration)) -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("captured");
    let mut counts = [Vec::new(), Vec::new()];
    let [our_counts, their_counts] = &mut counts;
    for _ in 0..pairs {
        our_counts.push(ours(&file, snaplen, load, time)?);
        their_counts.push(theirs(&file, snaplen, load, time)?);
    }
    for (program, counts) in ["enchufe watch -w", "tcpdump -w"].iter().zip(&counts) {
        let of = |value: fn(&Count) -> f64| Summary::of(counts.iter().map(value).collect());
        let (captured, lost) = (of(|count| count.captured), of(|count| count.lost));
        let share = of(|count| 100.0 * count.lost / (count.captured + count.lost));
        println!(
            "{name:<22} {program:<17} {:>9.0} captured, {:>9.0} lost, {:>5.1} % [{:.1}, {:.1}]",
            captured.median, lost.median, share.median, share.low, share.high
        );
    }
    Ok(())
}

fn main() -> io::Result<()> {
    if std::env::var_os(INSIDE).is_none() {
        // tcpdump gives up root where it is root, which it cannot in a user namespace: so this one needs root.
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", "ip link set lo up && exec \"$0\" \"$@\""]);
        command.arg(std::env::current_exe()?).args(std::env::args_os().skip(1)).env(INSIDE, "1");
        let status = command.status()?;
        return if status.success() { Ok(()) } else { Err(io::Error::other(status.to_string())) };
    }
    if Command::new("tcpdump").arg("--version").output().is_err() {
        eprintln!("tcpdump is not installed");
        return Ok(());
    }
    let (pairs, seconds) = (number("--pairs", 11), number("--seconds", 2));
    let size = (pairs, Duration::from_secs(seconds.into()));
    println!(
        "{pairs} pairs of {seconds} s each; lost: of all that crossed; medians, and the 90 % interval of the share"
    );
    compare("datagrams, whole", "262144", Load::Datagrams, size)?;
    compare("TCP stream, whole", "262144", Load::Stream, size)?;
    compare("TCP stream, 128 bytes", "128", Load::Stream, size)
}
