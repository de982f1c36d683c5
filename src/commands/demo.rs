//! `enchufe demo`: the practices, by this same program as server and as client, side by side.

mod columns;

use crate::catalogue::Catalogue;
use crate::events::{Event, Line};
use crate::exit::Code;
use crate::flags;
use crate::plan::Common;
use crate::problem::{Kind, Problem};
use crate::transcript::{self, Form, Timestamps};
use columns::{Columns, Side};
use enchufe_sys::host::{self, Interest, Watch};
use enchufe_talk::Stop;
use fluent_bundle::FluentArgs;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

/// A line is shown this much later than it came, so that lines of the two programs that were written
/// in one order and read in the other stand in the order of their times.
const HOLD: Duration = Duration::from_millis(30);

/// One practice: what the server is started with and what the client.
struct Practice {
    title: &'static str,
    port: u16,
    server: Vec<OsString>,
    client: Vec<OsString>,
}

pub fn demo(flags: flags::Demo, common: Common, catalogue: &'static Catalogue) -> Result<Code, Problem> {
    let screen = Columns::for_stdout();
    let stop = super::stop_on_signals()?;
    let mut tries = Vec::new();
    for practice in practices(flags.message, catalogue) {
        tries.push(run(&practice, common, catalogue, &screen, &stop)?);
    }
    let mut end = format!("{}\n", catalogue.plain("demo-end"));
    for (server, client) in tries {
        end.extend(["\n    enchufe ", &server, "\n    enchufe ", &client, "\n"]);
    }
    super::show(&end)
}

fn practices(message: Option<OsString>, catalogue: &Catalogue) -> [Practice; 3] {
    let words = |list: &[&str]| list.iter().map(OsString::from).collect::<Vec<_>>();
    let text = |id: &str| OsString::from(catalogue.plain(id));
    let mut echo = vec![message.clone().unwrap_or_else(|| text("demo-message"))];
    echo.extend(words(&["--expect", "echo", "--read-size", "19"]));
    let mut one_way = vec![message.clone().unwrap_or_else(|| text("demo-one-way"))];
    one_way.extend(words(&["--no-reply"]));
    let asks = vec![message.unwrap_or_else(|| text("demo-client-message"))];
    let mut answers = vec![OsString::from("reply"), text("demo-server-answer")];
    answers.extend(words(&["--once"]));
    [
        Practice {
            title: "demo-title-echo",
            port: 4000,
            server: words(&["echo", "--engine", "blocking", "--backlog", "1", "--read-size", "19", "--once"]),
            client: echo,
        },
        Practice {
            title: "demo-title-receive",
            port: 8080,
            server: words(&["receive", "--once"]),
            client: one_way,
        },
        Practice { title: "demo-title-reply", port: 8080, server: answers, client: asks },
    ]
}

/// Runs one practice; the two lines to type for it.
fn run(
    practice: &Practice,
    common: Common,
    catalogue: &'static Catalogue,
    screen: &Columns,
    stop: &Stop,
) -> Result<(String, String), Problem> {
    say(&format!("{}\n", catalogue.plain(practice.title)))?;
    let port = if is_free(practice.port) {
        practice.port
    } else {
        let mut args = FluentArgs::new();
        args.set("port", practice.port.to_string());
        say(&format!("{}\n", catalogue.text("demo-port-taken", &args)))?;
        0
    };
    say(&screen.heading(&catalogue.plain("demo-client"), &catalogue.plain("demo-server")))?;

    let (sender, lines) = mpsc::channel();
    let mut server_words = practice.server.clone();
    server_words.extend([OsString::from("--listen"), format!("127.0.0.1:{port}").into()]);
    let server = Program::start("serve", &server_words, Side::Server, common, catalogue, &sender)?;
    let mut show = Show { stop, lines, held: VecDeque::new(), screen, common, catalogue };
    let Some(address) = show.until_listening() else {
        return Err(server.finish().err().unwrap_or_else(|| stopped("serve")));
    };

    let mut client_words = vec![OsString::from(&address)];
    client_words.extend(practice.client.iter().cloned());
    let client = Program::start("send", &client_words, Side::Client, common, catalogue, &sender)?;
    drop(sender);
    show.show_all()?;
    client.finish()?;
    server.finish()?;
    say("\n")?;
    Ok((typed("serve", &server_words, &address), typed("send", &client_words, &address)))
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

/// What to type for it, quoted as a shell wants it.
fn typed(command: &str, words: &[OsString], address: &str) -> String {
    let mut line = command.to_owned();
    for word in words {
        let word = word.to_string_lossy();
        let word = if word == "127.0.0.1:0" { address.into() } else { word };
        let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':' | '_'));
        line.push(' ');
        if plain {
            line.push_str(&word);
        } else {
            line.extend(["'", &word.replace('\'', "'\\''"), "'"]);
        }
    }
    line
}

fn say(text: &str) -> Result<(), Problem> {
    super::show(text).map(|_| ())
}

fn stopped(what: impl std::fmt::Display) -> Problem {
    Problem::new(Kind::Demo).with("what", what)
}

/// This program, started again, ended with us whatever happens.
struct Program(Child);

impl Program {
    fn start(
        command: &str,
        words: &[OsString],
        side: Side,
        common: Common,
        catalogue: &Catalogue,
        lines: &Sender<(Side, Line)>,
    ) -> Result<Self, Problem> {
        let program = std::env::current_exe().map_err(|error| super::resources(&error))?;
        let mut child = Command::new(program);
        child.args([command, "--json", "--lang", catalogue.language().code()]);
        if common.verbose {
            child.arg("--verbose");
        }
        // A message may begin with a dash.
        let (flags, words) = split(words);
        child.args(flags).arg("--").args(words);
        child.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().map_err(|error| super::resources(&error))?;
        if let Some(stdout) = child.stdout.take() {
            let lines = lines.clone();
            std::thread::spawn(move || forward(stdout, side, &lines));
        }
        Ok(Self(child))
    }

    /// Waits for its end; what it said on stderr if that was not a good one.
    fn finish(mut self) -> Result<(), Problem> {
        let mut said = String::new();
        if let Some(mut stderr) = self.0.stderr.take() {
            stderr.read_to_string(&mut said).map_err(|error| super::resources(&error))?;
        }
        let status = self.0.wait().map_err(|error| super::resources(&error))?;
        if status.success() { Ok(()) } else { Err(stopped(said.trim())) }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // One that has ended already cannot be killed, and that is well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Flags with their values, and the words that are none.
fn split(words: &[OsString]) -> (Vec<&OsString>, Vec<&OsString>) {
    let is_flag = |word: &OsString| word.to_str().is_some_and(|word| word.starts_with("--"));
    let first = words.iter().skip(1).position(is_flag).map_or(words.len(), |index| index + 1);
    let (plain, flags) = words.split_at(first);
    (flags.iter().collect(), plain.iter().collect())
}

fn forward(stdout: ChildStdout, side: Side, lines: &Sender<(Side, Line)>) {
    for text in BufReader::new(stdout).lines() {
        let Ok(text) = text else { return };
        let Ok(line) = serde_json::from_str(&text) else { continue };
        if lines.send((side, line)).is_err() {
            return;
        }
    }
}

struct Held {
    side: Side,
    line: Line,
    since: Instant,
}

/// Shows the lines of both in the order of their times.
struct Show<'a> {
    stop: &'a Stop,
    lines: Receiver<(Side, Line)>,
    held: VecDeque<Held>,
    screen: &'a Columns,
    common: Common,
    catalogue: &'a Catalogue,
}

impl Show<'_> {
    /// Shows what the server tells until it listens; where. `None` when it ended before.
    fn until_listening(&mut self) -> Option<String> {
        while let Ok((side, line)) = self.lines.recv() {
            let address = match &line.event {
                Event::Listening { address, .. } => Some(address.clone()),
                Event::Stopped { .. } => return None,
                _ => None,
            };
            self.hold(side, line);
            if address.is_some() {
                return address;
            }
        }
        None
    }

    fn show_all(&mut self) -> Result<(), Problem> {
        loop {
            let mut stopped = [Watch::new(self.stop.begun(), Interest::READ)];
            if host::wait(&mut stopped, Some(Duration::ZERO)).is_ok_and(|ready| ready > 0) {
                // The two programs end as they go out of scope.
                return Err(Problem::new(Kind::Interrupted));
            }
            match self.lines.recv_timeout(HOLD) {
                Ok((side, line)) => self.hold(side, line),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.release(Duration::ZERO),
            }
            self.release(HOLD)?;
        }
    }

    fn hold(&mut self, side: Side, line: Line) {
        let later = self.held.partition_point(|held| held.line.time <= line.time);
        self.held.insert(later, Held { side, line, since: Instant::now() });
    }

    /// Shows those that have been held so long.
    fn release(&mut self, hold: Duration) -> Result<(), Problem> {
        while let Some(held) = self.held.pop_front() {
            if held.since.elapsed() < hold {
                self.held.push_front(held);
                break;
            }
            if transcript::is_detail(&held.line.event) && !self.common.verbose {
                continue;
            }
            let form = Form { timestamps: Timestamps::None, ..Form::default() };
            let text = transcript::render(&held.line, form, self.catalogue);
            say(&self.screen.cell(held.side, &text))?;
        }
        io::stdout().flush().map_err(|error| super::resources(&error))
    }
}
