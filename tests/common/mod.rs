//! Starts the built program and looks at what it does, from outside: what it prints, what it sends,
//! how it ends. Ports are the kernel's choice; waits are for what was printed or received, and only
//! a wait that would last for ever is given up.
#![allow(dead_code, reason = "each test binary uses its part of this")]

pub mod json;
pub mod secured;
pub mod waits;
pub mod watched;

use socket2::{Domain, Socket, Type};
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;
use waits::look_for;

/// A wait that lasts so long would last for ever.
pub const GUARD: Duration = Duration::from_secs(60);

/// The program in a language, so that the machine's locale says nothing.
pub fn enchufe(language: &str, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_enchufe"));
    command.args(["--lang", language]).args(words).env_remove("NO_COLOR");
    command
}

/// A program in C, compiled for this test binary.
pub fn compiled(source: &str) -> PathBuf {
    let name = Path::new(source).file_stem().unwrap().to_string_lossy().into_owned();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    let mut compiler = Command::new("cc");
    compiler.args(["-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pthread", "-o"]).arg(&path);
    assert!(compiler.arg(source).status().unwrap().success());
    path
}

/// Runs the program in English to its end.
pub fn run(words: &[&str]) -> Done {
    Process::start(enchufe("en", words)).finish()
}

/// A program that runs; killed when it goes out of scope.
pub struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    out: Pipe,
    err: Pipe,
    line: String,
}

/// What a program that has ended had printed.
#[derive(Debug)]
pub struct Done {
    pub code: Option<i32>,
    pub out: Vec<u8>,
    pub err: Vec<u8>,
}

impl Done {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.out).unwrap()
    }

    pub fn errors(&self) -> &str {
        std::str::from_utf8(&self.err).unwrap()
    }

    /// Exit code, stdout and stderr at once.
    #[track_caller]
    pub fn is(&self, code: i32, out: &str, err: &str) {
        assert_eq!((self.code, self.text(), self.errors()), (Some(code), out, err));
    }

    /// Could not run: nothing on stdout, one sentence on stderr.
    #[track_caller]
    pub fn could_not_run(&self, sentence: &str) {
        self.is(2, "", &format!("enchufe: {sentence}\n"));
    }
}

impl Process {
    /// With nothing to read.
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null());
        Self::spawn(command)
    }

    /// In English, with this socket as descriptor 3, as a service manager hands it on: it is the input of a shell, which
    /// knows the number of the process that is to be told.
    pub fn handed(variables: &str, words: &[&str], socket: impl Into<Stdio>) -> Self {
        let mut command = Command::new("sh");
        let line = format!("exec 3<&0 </dev/null; export LISTEN_PID=$$ {variables}; exec \"$@\"");
        command.args(["-c", &line, "sh", env!("CARGO_BIN_EXE_enchufe"), "--lang", "en"]).args(words);
        command.stdin(socket);
        Self::spawn(command)
    }

    /// With an input that the test writes.
    pub fn start_with_input(mut command: Command) -> Self {
        command.stdin(Stdio::piped());
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Self {
        let line = format!("{command:?}");
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect(&line);
        let out = Pipe::new(child.stdout.take().unwrap());
        let err = Pipe::new(child.stderr.take().unwrap());
        Self { stdin: child.stdin.take(), child, out, err, line }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line of stdout.
    #[track_caller]
    pub fn line(&mut self) -> String {
        match self.out.line() {
            Ok(line) => line,
            Err(problem) => self.give_up(problem),
        }
    }

    /// The next line of stdout that has this in it; those before are passed over.
    #[track_caller]
    pub fn until(&mut self, part: &str) -> String {
        loop {
            let line = self.line();
            if line.contains(part) {
                return line;
            }
        }
    }

    /// The next line of stderr that has this in it.
    #[track_caller]
    pub fn errors_until(&mut self, part: &str) -> String {
        loop {
            match self.err.line() {
                Ok(line) if line.contains(part) => return line,
                Ok(_) => {}
                Err(problem) => self.give_up(problem),
            }
        }
    }

    /// The next event of this name.
    #[track_caller]
    pub fn event(&mut self, name: &str) -> serde_json::Value {
        loop {
            let event = json::parse(&self.line());
            if event["event"] == name {
                return event;
            }
        }
    }

    /// Waits for bytes of stdout, not a line's: all from the beginning.
    #[track_caller]
    pub fn out_has(&mut self, bytes: &[u8]) {
        while !self.out.seen.ends_with(bytes) {
            if let Err(problem) = self.out.more() {
                self.give_up(problem);
            }
        }
    }

    pub fn write(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(bytes).unwrap();
        stdin.flush().unwrap();
    }

    pub fn end_input(&mut self) {
        self.stdin = None;
    }

    /// Writes all of it in a thread of its own, then ends the input.
    pub fn write_all_beside(&mut self, bytes: &'static [u8]) {
        let mut stdin = self.stdin.take().unwrap();
        std::thread::spawn(move || {
            // A program that ends before it has read all of it is judged by what it did.
            let _ = stdin.write_all(bytes);
        });
    }

    /// `TERM`, `INT`
    pub fn signal(&self, name: &str) {
        let status = Command::new("sh").arg("-c").arg(format!("kill -s {name} {}", self.id())).status();
        assert!(status.unwrap().success());
    }

    /// Looks until this is there, which this program is to bring.
    #[track_caller]
    pub fn wait_for<T>(&mut self, look: impl FnMut() -> Option<T>) -> T {
        let child = &mut self.child;
        match look_for(|| child.try_wait().unwrap().is_some(), look) {
            Ok(found) => found,
            Err(problem) => self.give_up(problem),
        }
    }

    /// The first who connects to this server, which does not say when it listens.
    #[track_caller]
    pub fn first(&mut self, address: SocketAddr) -> TcpStream {
        self.wait_for(|| match try_connect(address) {
            Ok(stream) => Some(stream),
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused, "{error}");
                None
            }
        })
    }

    /// The next one who comes, where that is this program.
    #[track_caller]
    pub fn accepted(&mut self, listener: &TcpListener) -> TcpStream {
        guarded(self.wait_for(|| waits::arrival(listener)))
    }

    /// Ends it with SIGKILL and waits for it.
    pub fn kill(&mut self) {
        // One that has ended already cannot be killed, and that is well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits for its end. What it printed is all of it, what was looked at before included.
    #[track_caller]
    pub fn finish(mut self) -> Done {
        self.stdin = None;
        if let Err(problem) = self.out.all().and_then(|()| self.err.all()) {
            self.give_up(problem);
        }
        Done {
            code: waits::end_of(&mut self.child).code(),
            out: std::mem::take(&mut self.out.seen),
            err: std::mem::take(&mut self.err.seen),
        }
    }

    #[track_caller]
    fn give_up(&mut self, problem: &str) -> ! {
        let (out, err) = (self.out.shown(), self.err.shown());
        panic!("{problem}: {}\nstdout: {out}\nstderr: {err}", self.line);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// One output of a program, read by a thread so that the program never waits for the test.
struct Pipe {
    chunks: Receiver<Vec<u8>>,
    seen: Vec<u8>,
    /// So much of what was seen was given out as lines.
    taken: usize,
}

impl Pipe {
    fn new(mut pipe: impl Read + Send + 'static) -> Self {
        let (sender, chunks) = mpsc::channel();
        std::thread::spawn(move || {
            let mut chunk = vec![0; 64 * 1024];
            while let Ok(count) = pipe.read(&mut chunk) {
                if count == 0 || sender.send(chunk[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { chunks, seen: Vec::new(), taken: 0 }
    }

    /// Waits for more of it.
    fn more(&mut self) -> Result<(), &'static str> {
        match self.chunks.recv_timeout(GUARD) {
            Ok(chunk) => {
                self.seen.extend(chunk);
                Ok(())
            }
            Err(RecvTimeoutError::Timeout) => Err("nothing more is printed"),
            Err(RecvTimeoutError::Disconnected) => Err("the output has ended"),
        }
    }

    fn all(&mut self) -> Result<(), &'static str> {
        loop {
            match self.more() {
                Ok(()) => {}
                Err("the output has ended") => return Ok(()),
                Err(problem) => return Err(problem),
            }
        }
    }

    fn line(&mut self) -> Result<String, &'static str> {
        loop {
            let rest = &self.seen[self.taken..];
            if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line = String::from_utf8_lossy(&rest[..end]).into_owned();
                self.taken += end + 1;
                return Ok(line);
            }
            self.more()?;
        }
    }

    /// What there is of it, if not much more comes: the thread that reads may be behind.
    fn shown(&mut self) -> String {
        const MOST: usize = 4000;
        while self.seen.len() < MOST
            && let Ok(chunk) = self.chunks.recv_timeout(Duration::from_millis(100))
        {
            self.seen.extend(chunk);
        }
        let end = self.seen.len().min(MOST);
        String::from_utf8_lossy(&self.seen[..end]).into_owned()
    }
}

/// Makes a test of a function for each of these engines; one says *ignored* where this machine has no such engine.
#[allow(unused_macros, reason = "each test binary uses its part of this")]
macro_rules! on_engines {
    ($(#[$attribute:meta])? $test:ident: $($engine:ident)*) => {
        mod $test {
            use super::on_engines;

            on_engines! { @each [$(#[$attribute])?] $test $($engine)* }
        }
    };
    (@each $attributes:tt $test:ident $($engine:ident)*) => {
        $(on_engines! { @one $attributes $test $engine })*
    };
    (@one [$(#[$attribute:meta])?] $test:ident uring) => {
        #[test]
        $(#[$attribute])?
        #[cfg_attr(not(have_io_uring), ignore = "needs io_uring")]
        fn uring() {
            super::$test("uring");
        }
    };
    (@one [$(#[$attribute:meta])?] $test:ident $engine:ident) => {
        #[test]
        $(#[$attribute])?
        fn $engine() {
            super::$test(stringify!($engine));
        }
    };
}

#[allow(unused_imports, reason = "each test binary uses its part of this")]
pub(crate) use on_engines;

/// A server of ours that listens.
pub struct Server {
    pub process: Process,
    pub address: SocketAddr,
}

impl Server {
    /// `serve WORDS`, telling JSON, on a port of the kernel's choice.
    #[track_caller]
    pub fn json(words: &[&str]) -> Self {
        let words = [&["serve"], words, &["--listen", "127.0.0.1:0", "--json"]].concat();
        Self::of(Process::start(enchufe("en", &words)))
    }

    /// Any `serve` with `--json`, until it listens.
    #[track_caller]
    pub fn of(mut process: Process) -> Self {
        let address = process.event("listening")["address"].as_str().unwrap().parse().unwrap();
        Self { process, address }
    }

    /// `serve WORDS`, telling people, on a port of the kernel's choice.
    #[track_caller]
    pub fn text(language: &str, words: &[&str]) -> Self {
        let words = [&["serve"], words, &["--listen", "127.0.0.1:0"]].concat();
        let mut process = Process::start(enchufe(language, &words));
        let opening = if language == "es" { "Escuchando en " } else { "Listening on " };
        let line = process.until(opening);
        let address = line.strip_prefix(opening).unwrap().split(' ').next().unwrap();
        Self { address: address.parse().unwrap(), process }
    }

    /// `serve WORDS` that tells nothing, on an address of its own.
    #[track_caller]
    pub fn quiet(words: &[&str]) -> Self {
        let address = address_of_its_own();
        let listen = address.to_string();
        let words = [&["serve"], words, &["--listen", &listen, "-q"]].concat();
        let mut process = Process::start(enchufe("en", &words));
        drop(process.first(address));
        Self { process, address }
    }

    pub fn port(&self) -> String {
        self.address.port().to_string()
    }

    pub fn target(&self) -> String {
        self.address.to_string()
    }

    pub fn connect(&self) -> TcpStream {
        connect(self.address)
    }

    /// Ends it with SIGTERM and waits for it.
    #[track_caller]
    pub fn stop(self) -> Done {
        self.process.signal("TERM");
        self.process.finish()
    }

    #[track_caller]
    pub fn finish(self) -> Done {
        self.process.finish()
    }
}

/// A connection of the test's own.
pub fn connect(address: SocketAddr) -> TcpStream {
    try_connect(address).unwrap()
}

/// The same, or why there is none.
pub fn try_connect(address: SocketAddr) -> io::Result<TcpStream> {
    TcpStream::connect_timeout(&address, GUARD).map(guarded)
}

/// Until a stop of this process has not ended it: one with a time limit ends then, without a handler too (signal(7)).
pub fn again<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// The next one who comes, where nobody is asked whether it still may ([`Process::accepted`] does).
#[track_caller]
pub fn accept(listener: &TcpListener) -> TcpStream {
    guarded(look_for(|| false, || waits::arrival(listener)).unwrap())
}

fn guarded(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(GUARD)).unwrap();
    stream.set_write_timeout(Some(GUARD)).unwrap();
    stream
}

/// A listener of the test's own.
pub fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// Reads exactly so much.
pub fn read_exactly(mut stream: &TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

/// Reads to the end.
pub fn read_all(mut stream: &TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Resets a connection: the kernel answers so to a close with bytes unread (RFC 9293 §3.10.4), which
/// are waited for here.
pub fn reset(stream: TcpStream) {
    assert_eq!(again(|| stream.peek(&mut [0])).unwrap(), 1, "there is something unread");
    drop(stream);
}

/// An address of this machine that no other test binds anything to, and a port that is free there:
/// all of 127.0.0.0/8 is loopback on Linux.
///
/// The socket that finds it is only bound. One that listened would go on where another test is just starting a program: until its
/// `execve` that has all descriptors of this process, and whoever connected meanwhile would be reset then.
pub fn address_of_its_own() -> SocketAddr {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    let [_, _, b, c] = std::process::id().to_be_bytes();
    let number = u8::try_from(COUNT.fetch_add(1, Ordering::Relaxed)).unwrap();
    let ip = IpAddr::V4(Ipv4Addr::new(127, 64 + number, b, c));
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    // Then it is in nobody's way either.
    socket.set_reuse_address(true).unwrap();
    socket.bind(&SocketAddr::new(ip, 0).into()).unwrap();
    socket.local_addr().unwrap().as_socket().unwrap()
}

/// An address that refuses connections for as long as the guard lives: its port is taken, by a
/// connection.
pub fn refusing() -> ((TcpListener, TcpStream), String) {
    let (listener, address) = listener();
    let stream = TcpStream::connect(address).unwrap();
    let refusing = stream.local_addr().unwrap().to_string();
    ((listener, stream), refusing)
}

/// A text with what differs from run to run replaced by names: addresses that the test knows, and
/// times that it measures.
pub fn named(text: &str, names: &[(SocketAddr, &str)]) -> String {
    let mut text = text.to_owned();
    for (address, name) in names {
        text = text.replace(&address.to_string(), name);
        let words = [" puerto ", " port "].map(|word| format!("{}{word}{}", address.ip(), address.port()));
        for words in words {
            text = text.replace(&words, name);
        }
    }
    for (before, after) in [("lasted ", ")"), ("duró ", ")"), ("(in ", ")"), ("(en ", ")")] {
        text = masked(&text, before, after);
    }
    text
}

fn masked(text: &str, before: &str, after: &str) -> String {
    let mut pieces = text.split(before);
    let mut out = pieces.next().unwrap().to_owned();
    for piece in pieces {
        let (time, rest) = piece.split_once(after).unwrap();
        let (number, unit) = time.split_once(' ').unwrap_or_else(|| panic!("{time} is no time"));
        let _: f64 = number.parse().unwrap();
        assert!(["ns", "µs", "ms", "s"].contains(&unit), "{time}");
        out.extend([before, "TIME", after, rest]);
    }
    out
}

/// The local address that a client told on stderr or stdout.
#[track_caller]
pub fn local_of(told: &str) -> SocketAddr {
    let (_, rest) = told.split_once(" from ").or_else(|| told.split_once(" desde ")).unwrap();
    rest.split(' ').next().unwrap().parse().unwrap()
}

/// The interpreter itself: the `python3` of the search path may be a script that starts it, with calls of its own.
pub fn interpreter() -> String {
    let asked = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().unwrap();
    String::from_utf8(asked.stdout).unwrap().trim_end().to_owned()
}

/// A Python peer of `tests/peers`, unbuffered, in UTF-8.
pub fn python<S: AsRef<OsStr>>(script: &str, words: &[S]) -> Command {
    let mut command = Command::new("python3");
    command.env("PYTHONUTF8", "1").arg("-u");
    command.arg(format!("{}/tests/peers/{script}.py", env!("CARGO_MANIFEST_DIR"))).args(words);
    command
}

/// Any other program.
pub fn other(program: &str, words: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(words);
    command
}

/// Bytes without a pattern that a mistake could repeat: `SplitMix64` of `seed`.
pub fn noise(count: usize, mut seed: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(count + 8);
    while bytes.len() < count {
        seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = seed;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bytes.extend((word ^ (word >> 31)).to_le_bytes());
    }
    bytes.truncate(count);
    bytes
}

/// Every transcript of a page is what the program prints in this folder; gives how many there are.
pub fn transcripts_hold(page: &str, folder: &std::path::Path) -> usize {
    let mut count = 0;
    for block in page.split("```console\n").skip(1).map(|rest| rest.split("```").next().unwrap()) {
        for example in block.strip_prefix("$ ").unwrap().split("\n$ ") {
            let (line, output) = example.split_once('\n').unwrap();
            let program = format!("'{}' --lang en read", env!("CARGO_BIN_EXE_enchufe"));
            let line = line.replacen("enchufe read", &program, 1) + " 2>&1";
            let mut command = other("sh", &["-c", &line]);
            command.current_dir(folder);
            let done = Process::start(command).finish();
            assert_eq!(done.text().trim_end(), output.trim_end(), "{line}");
            count += 1;
        }
    }
    count
}
