//! Who is measured: how each is built, started and ended.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long a server may take until it listens.
const PATIENCE: Duration = Duration::from_secs(10);

/// An echo server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// In the table, and on the command line.
    pub name: &'static str,
    made: Made,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Made {
    /// `enchufe serve echo -q` with these words; `FILES` stands for a certificate and its key.
    Ours(&'static [&'static str]),
    /// `echo.c`: how it waits, and its buffer.
    C(&'static str, &'static str),
    /// Of the package in `peers/`.
    Rust(&'static str),
    /// Of that package, with TLS.
    RustTls(&'static str),
    Go,
    Asyncio,
    /// The server of the report that this program began with.
    Report,
    Socat,
    SocatTls,
}

const fn peer(name: &'static str, made: Made) -> Peer {
    Peer { name, made }
}

pub const PEERS: &[Peer] = &[
    peer("enchufe", Made::Ours(&[])),
    peer("enchufe --cpus off", Made::Ours(&["--cpus", "off"])),
    peer("enchufe --busy-poll", Made::Ours(&["--busy-poll", "auto"])),
    peer("enchufe --idle", Made::Ours(&["--idle", "600s"])),
    peer("C epoll", Made::C("epoll", "65536")),
    peer("C epoll 256 KiB", Made::C("epoll", "262144")),
    peer("C threads", Made::C("threads", "16384")),
    peer("tokio", Made::Rust("tokio_echo")),
    peer("mio", Made::Rust("mio_echo")),
    peer("Go net", Made::Go),
    peer("asyncio", Made::Asyncio),
    peer("socat", Made::Socat),
    peer("report 1", Made::Report),
    peer("enchufe --tls", Made::Ours(&["--tls", "FILES"])),
    peer("tokio-rustls", Made::RustTls("tokio_rustls_echo")),
    peer("socat OPENSSL", Made::SocatTls),
];

impl Peer {
    pub const fn is_ours(self) -> bool {
        matches!(self.made, Made::Ours(_))
    }
}

/// The one of this name.
pub fn named(name: &str) -> Option<Peer> {
    PEERS.iter().copied().find(|peer| peer.name == name)
}

/// Who can be measured.
pub struct Bench {
    /// The `enchufe` that is measured.
    program: String,
    /// What every server of ours is told besides.
    pub ours: Vec<String>,
    /// `0-1`, for those that want to know.
    pub processors: String,
    absent: Vec<(&'static str, String)>,
}

/// A server that listens. It ends with this value.
pub struct Server {
    child: Child,
    pub port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Memory of its own, in bytes: what is shared with files is not counted.
    pub fn memory(&self) -> io::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let kilobytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.split_whitespace().next().and_then(|word| word.parse::<f64>().ok()).unwrap_or_default()
        };
        Ok((kilobytes("RssAnon:") + kilobytes("RssShmem:")) * 1024.0)
    }
}

/// The programs of the package in `peers/`.
const RUST: [&str; 3] = ["tokio_echo", "mio_echo", "tokio_rustls_echo"];

/// Builds what can be, in a folder that stays: the network is needed for it, and the measuring has another one.
pub fn build() -> io::Result<()> {
    fs::create_dir_all(path(""))?;
    for name in ["load", "echo"] {
        let compile = |more: &[&str]| {
            let mut compiler = Command::new("cc");
            compiler.args(["-O2", "-Wall", "-Wextra", "-pthread", "-o"]).arg(path(name));
            succeeds(compiler.arg(source(&format!("{name}.c"))).args(more))
        };
        // Without OpenSSL's headers it has no TLS, and says so when it is asked for some.
        if !compile(&["-DWITH_TLS", "-lssl", "-lcrypto"]) && !compile(&[]) {
            return Err(io::Error::other(format!("cc cannot build benches/serve/{name}.c")));
        }
    }
    for old in RUST.into_iter().chain(["go"]) {
        // What was built before may be of another version.
        let _ = fs::remove_file(path(old));
    }
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--release", "--locked", "--quiet", "--manifest-path"]);
    cargo.arg(source("peers/Cargo.toml")).env("CARGO_TARGET_DIR", path("cargo"));
    if succeeds(&mut cargo) {
        for name in RUST {
            fs::copy(path("cargo/release").join(name), path(name))?;
        }
    }
    let mut go = Command::new("go");
    go.arg("build").arg("-o").arg(path("go")).arg(source("echo.go")).env("GO111MODULE", "off");
    succeeds(&mut go);
    Ok(())
}

impl Bench {
    /// Of what [`build`] made. `ours`: what every server of ours is told besides.
    pub fn new(program: String, ours: Vec<String>, processors: &[usize]) -> Self {
        let numbers: Vec<String> = processors.iter().map(ToString::to_string).collect();
        let mut bench = Self { program, ours, processors: numbers.join(","), absent: Vec::new() };
        for peer in PEERS {
            let missing = match peer.made {
                Made::Ours(words) => lacks(&bench.program, words),
                Made::C(..) => None,
                Made::Rust(name) | Made::RustTls(name) => {
                    (!path(name).exists()).then(|| "cargo cannot build it".into())
                }
                Made::Go => (!path("go").exists()).then(|| "go is missing, or cannot build it".into()),
                Made::Asyncio | Made::Report => is_missing("python3", "--version"),
                Made::Socat | Made::SocatTls => is_missing("socat", "-V"),
            };
            bench.absent.extend(missing.map(|why| (peer.name, why)));
        }
        bench
    }

    /// Why a server cannot be measured here.
    pub fn absent(&self, peer: Peer) -> Option<&str> {
        self.absent.iter().find(|(name, _)| *name == peer.name).map(|(_, why)| why.as_str())
    }

    fn words(&self, made: Made, port: u16) -> io::Result<Vec<String>> {
        let own = |name: &str| path(name).display().to_string();
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let [certificate, key] = ["server.pem", "server.key"]
            .map(|name| root().join("tests/tls").join(name).display().to_string());
        Ok(match made {
            Made::Ours(flags) => {
                let mut all = words(&[&self.program, "serve", "echo", "-q", "--listen"]);
                all.push(format!("127.0.0.1:{port}"));
                all.extend(self.ours.iter().cloned());
                all.extend(flags.iter().map(|word| {
                    let files = format!("{certificate},{key}");
                    word.replace("FILES", &files)
                }));
                all
            }
            Made::C(how, size) => words(&[&own("echo"), how, &port.to_string(), size]),
            Made::Rust(name) => words(&[&own(name), &port.to_string()]),
            Made::RustTls(name) => words(&[&own(name), &port.to_string(), &certificate, &key]),
            Made::Go => words(&[&own("go"), &port.to_string()]),
            Made::Asyncio => words(&["python3", &source("echo.py").display().to_string(), &port.to_string()]),
            Made::Report => {
                let text = fs::read_to_string(root().join("tests/programs/servidor.py"))?;
                fs::write(path("report.py"), text.replace("4000", &port.to_string()))?;
                words(&["python3", &own("report.py")])
            }
            Made::Socat => {
                let listen = format!("TCP4-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr,backlog=512,nodelay");
                words(&["socat", &listen, "EXEC:cat"])
            }
            Made::SocatTls => {
                let listen = format!(
                    "OPENSSL-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr,backlog=512,nodelay,verify=0,cert={certificate},key={key}"
                );
                words(&["socat", &listen, "EXEC:cat"])
            }
        })
    }

    /// Starts a server, held to some processors, and waits until it listens.
    pub fn start(&self, peer: Peer, port: u16, processors: &str) -> io::Result<Server> {
        let mut command = Command::new("taskset");
        command.args(["-c", processors]).args(self.words(peer.made, port)?);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut server = Server { child: command.spawn()?, port };
        let begun = Instant::now();
        while !listens(port)? {
            if let Some(status) = server.child.try_wait()? {
                return Err(io::Error::other(format!("{}: {status}", peer.name)));
            }
            if begun.elapsed() > PATIENCE {
                return Err(io::Error::other(format!("{} does not listen", peer.name)));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(server)
    }
}

/// Whether somebody listens at this port of this machine (`proc_net_tcp`: `0A` is LISTEN).
fn listens(port: u16) -> io::Result<bool> {
    let wanted = format!(":{port:04X}");
    let listens = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        words.next().is_some_and(|local| local.ends_with(&wanted)) && words.nth(1) == Some("0A")
    };
    Ok(fs::read_to_string("/proc/net/tcp")?.lines().any(listens))
}

/// A flag that this version does not have.
fn lacks(program: &str, words: &[&str]) -> Option<String> {
    let help = Command::new(program).args(["--lang", "en", "serve", "--help"]).output();
    let help = help.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let flag = words.iter().find(|word| word.starts_with("--") && !help.contains(**word))?;
    Some(format!("it has no {flag}"))
}

/// Of what is built.
pub fn path(name: &str) -> PathBuf {
    root().join("target/peers").join(name)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn source(name: &str) -> PathBuf {
    root().join("benches/serve").join(name)
}

fn succeeds(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn is_missing(program: &str, word: &str) -> Option<String> {
    let found = Command::new(program).arg(word).stdout(Stdio::null()).stderr(Stdio::null()).status();
    found.is_err().then(|| format!("{program} is not installed"))
}
