//! `enchufe demo`: the practices, by this same program as server and as client, side by side.

pub(super) mod columns;
#[cfg(have_watch)]
mod traced;

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
    server: Typed,
    client: Typed,
}

/// What stands after `enchufe serve` or `enchufe send`: words, which may begin with a dash, and flags.
#[derive(Clone)]
struct Typed {
    words: Vec<OsString>,
    flags: Vec<OsString>,
}

impl Typed {
    fn new(words: &[OsString], flags: &[&str]) -> Self {
        Self { words: words.to_vec(), flags: flags.iter().map(OsString::from).collect() }
    }

    /// What to type for it, quoted as a shell wants it.
    fn line(&self, command: &str) -> String {
        let mut line = command.to_owned();
        for word in self.all() {
            line.extend([" ", &crate::text::shell_word(word.as_encoded_bytes())]);
        }
        line
    }

    /// All of it, in an order in which no word is taken for a flag.
    fn all(&self) -> Vec<OsString> {
        let dashed = self.words.iter().any(|word| word.as_encoded_bytes().starts_with(b"-"));
        let apart = OsString::from("--");
        if dashed {
            self.flags.iter().chain([&apart]).chain(&self.words).cloned().collect()
        } else {
            self.words.iter().chain(&self.flags).cloned().collect()
        }
    }
}

pub fn demo(flags: &flags::Demo, common: Common, catalogue: &'static Catalogue) -> Result<Code, Problem> {
    let practices = practices(flags.message.as_ref(), catalogue);
    // Before any other thread.
    #[cfg(have_watch)]
    let traced = traced::run(&practices, common, catalogue)?;
    #[cfg(not(have_watch))]
    let traced = None;
    let (end, tries) = if let Some(tries) = traced {
        ("demo-end-traced", tries)
    } else {
        let (screen, stop) = (Columns::for_stdout(), super::stop_on_signals()?);
        let stage = |practice| Stage { practice, common, catalogue, screen: &screen, stop: &stop }.run();
        ("demo-end", practices.iter().map(stage).collect::<Result<Vec<_>, _>>()?)
    };
    let mut end = format!("{}\n", catalogue.plain(end));
    for (server, client) in tries {
        end.extend(["\n    enchufe ", &server, "\n    enchufe ", &client, "\n"]);
    }
    super::show(&end)
}

fn practices(message: Option<&OsString>, catalogue: &Catalogue) -> [Practice; 3] {
    let text = |id: &str| OsString::from(catalogue.plain(id));
    let says = |id: &str| message.cloned().unwrap_or_else(|| text(id));
    [
        Practice {
            title: "demo-title-echo",
            port: 4000,
            server: Typed::new(
                &["echo".into()],
                &["--engine", "blocking", "--backlog", "1", "--read-size", "19", "--once"],
            ),
            client: Typed::new(&[says("demo-message")], &["--expect", "echo", "--read-size", "19"]),
        },
        Practice {
            title: "demo-title-receive",
            port: 8080,
            server: Typed::new(&["receive".into()], &["--engine", "blocking", "--once"]),
            client: Typed::new(&[says("demo-one-way")], &["--no-reply"]),
        },
        Practice {
            title: "demo-title-reply",
            port: 8080,
            server: Typed::new(
                &["reply".into(), text("demo-server-answer")],
                &["--engine", "blocking", "--once"],
            ),
            client: Typed::new(&[says("demo-client-message")], &[]),
        },
    ]
}

/// One practice with what it is shown by.
struct Stage<'a> {
    practice: &'a Practice,
    common: Common,
    catalogue: &'static Catalogue,
    screen: &'a Columns,
    stop: &'a Stop,
}

/// A server that listens.
struct Listening<'a> {
    server: Program,
    address: String,
    show: Show<'a>,
    sender: Sender<Said>,
}

impl<'a> Stage<'a> {
    /// Runs it; the two lines to type for it.
    fn run(&self) -> Result<(String, String), Problem> {
        let Practice { title, port, server: typed, client } = self.practice;
        say(&format!("{}\n", self.catalogue.plain(title)))?;
        // Tried, not looked up before: in between another program may take it.
        let listening = match self.listen(*port) {
            Ok(listening) => listening,
            Err(problem) if problem.kind == Kind::Interrupted => return Err(problem),
            Err(_) => {
                let listening = self.listen(0)?;
                let mut args = FluentArgs::new();
                args.set("port", port.to_string());
                say(&format!("{}\n", self.catalogue.text("demo-port-taken", &args)))?;
                listening
            }
        };
        let Listening { server, address, mut show, sender } = listening;
        let titles = ["demo-client", "demo-server"].map(|id| self.catalogue.plain(id));
        say(&self.screen.heading(&titles[0], &titles[1]))?;

        let mut client = client.clone();
        client.words.insert(0, OsString::from(&address));
        let program = self.start("send", &client, Side::Client, sender)?;
        show.show_all()?;
        program.finish()?;
        server.finish()?;
        say("\n")?;
        let mut typed = typed.clone();
        typed.flags.extend(["--listen".into(), address.into()]);
        Ok((typed.line("serve"), client.line("send")))
    }

    /// Starts the server on this port, until it listens.
    fn listen(&self, port: u16) -> Result<Listening<'a>, Problem> {
        let (sender, lines) = mpsc::channel();
        let mut typed = self.practice.server.clone();
        typed.flags.extend(["--listen".into(), format!("127.0.0.1:{port}").into()]);
        let server = self.start("serve", &typed, Side::Server, sender.clone())?;
        let Self { stop, screen, common, catalogue, .. } = *self;
        let mut show = Show { stop, lines, held: VecDeque::new(), screen, common, catalogue };
        match show.until_listening() {
            Some(address) => Ok(Listening { server, address, show, sender }),
            None if show.is_stopped() => Err(Problem::new(Kind::Interrupted)),
            None => Err(server.finish().err().unwrap_or_else(|| stopped("serve"))),
        }
    }

    fn start(
        &self,
        command: &str,
        typed: &Typed,
        side: Side,
        sender: Sender<Said>,
    ) -> Result<Program, Problem> {
        let program = std::env::current_exe().map_err(|error| Problem::resources("readlink", &error))?;
        let mut child = Command::new(program);
        child.args([command, "--json", "--lang", self.catalogue.language().code()]);
        if self.common.verbose {
            child.arg("--verbose");
        }
        child.args(&typed.flags).arg("--").args(&typed.words);
        child.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        host::end_with_us(&mut child);
        let mut child = child.spawn().map_err(|error| Problem::resources("clone", &error))?;
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || forward(stdout, side, &sender));
        }
        Ok(Program(child))
    }
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
    /// Waits for its end; what it said on stderr if that was not a good one.
    fn finish(mut self) -> Result<(), Problem> {
        let mut said = String::new();
        if let Some(mut stderr) = self.0.stderr.take() {
            stderr.read_to_string(&mut said).map_err(|error| Problem::resources("read", &error))?;
        }
        let status = self.0.wait().map_err(|error| Problem::resources("waitpid", &error))?;
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

/// What one of the two told; `None` when it tells no more.
type Said = (Side, Option<Line>);

fn forward(stdout: ChildStdout, side: Side, lines: &Sender<Said>) {
    for text in BufReader::new(stdout).lines() {
        let Ok(text) = text else { break };
        let Ok(line) = serde_json::from_str(&text) else { continue };
        if lines.send((side, Some(line))).is_err() {
            return;
        }
    }
    // Nobody waits for it any more where the demonstration is over.
    let _ = lines.send((side, None));
}

struct Held {
    side: Side,
    line: Line,
    since: Instant,
}

/// Shows the lines of both in the order of their times.
struct Show<'a> {
    stop: &'a Stop,
    lines: Receiver<Said>,
    held: VecDeque<Held>,
    screen: &'a Columns,
    common: Common,
    catalogue: &'a Catalogue,
}

impl Show<'_> {
    /// Shows what the server tells until it listens; where. `None` when it ended before.
    fn until_listening(&mut self) -> Option<String> {
        loop {
            let (side, line) = match self.lines.recv_timeout(HOLD) {
                Ok((side, Some(line))) => (side, line),
                Err(RecvTimeoutError::Timeout) if !self.is_stopped() => continue,
                _ => return None,
            };
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
    }

    fn is_stopped(&self) -> bool {
        let mut stopped = [Watch::new(self.stop.begun(), Interest::READ)];
        host::wait(&mut stopped, Some(Duration::ZERO)).is_ok_and(|ready| ready > 0)
    }

    fn show_all(&mut self) -> Result<(), Problem> {
        loop {
            if self.is_stopped() {
                // The two programs end as they go out of scope.
                return Err(Problem::new(Kind::Interrupted));
            }
            match self.lines.recv_timeout(HOLD) {
                Ok((side, Some(line))) => self.hold(side, line),
                Ok((_, None)) | Err(RecvTimeoutError::Timeout) => {}
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
        io::stdout().flush().map_err(|error| Problem::resources("write", &error))
    }
}
