//! Who tells the user: takes the libraries' events, makes rows of them and writes them where they
//! belong, in order, from any thread.

use crate::catalogue::Catalogue;
use crate::events::{Decode, Event, Line, Payload};
use crate::problem::{Kind, Problem};
use crate::progress::Progress;
use crate::text::{self, Decoder};
use crate::transcript::{self, Form, Shown, Timestamps};
use enchufe_talk::told::About;
use enchufe_talk::{Reporter, Stop, Told};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Whose events they are, and so where they go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// A server's: they are its result, on stdout.
    Server,
    /// A client's whose stdout is a terminal: the peer's bytes, escaped, on stdout; the rest on stderr.
    ClientOnTerminal,
    /// A client's whose stdout carries the peer's bytes themselves: all on stderr.
    ClientPiped {
        /// So many bytes are expected that the pieces are not told.
        bulk: bool,
    },
}

/// What is told, and how.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    pub audience: Audience,
    pub json: bool,
    pub quiet: bool,
    pub verbose: bool,
    pub form: Form,
}

/// The reporter of the program.
pub struct Teller {
    catalogue: &'static Catalogue,
    manner: Manner,
    /// Nobody wants to know anything: then not even the lock is taken, which threads would wait for.
    silent: bool,
    /// Stopped when nobody reads stdout any more.
    stop: Arc<Stop>,
    state: Mutex<State>,
}

struct State {
    decoders: Decoders,
    log: Option<Log>,
    /// There is a prompt on the last line of the terminal.
    prompt: bool,
    progress: Option<Progress>,
    /// Nobody reads stdout any more.
    deaf: bool,
    problem: Option<Problem>,
}

impl State {
    fn leave_prompt(&mut self) {
        if std::mem::take(&mut self.prompt) {
            clear_line();
        }
    }
}

/// The file of `--log`, added to.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    file: File,
}

impl Log {
    /// Makes the file where there is none.
    pub fn open(path: &Path) -> Result<Self, Problem> {
        let opened = OpenOptions::new().create(true).append(true).open(path);
        let file = opened.map_err(|error| Problem::unwritable("open", path, &error))?;
        Ok(Self { path: path.to_owned(), file })
    }
}

/// A line with its end, to be written in one piece: what several programs write to one file or
/// terminal is not mixed then.
fn whole(text: &str) -> String {
    format!("{text}\n")
}

fn clear_line() {
    let stderr = io::stderr();
    if stderr.is_terminal() {
        // A terminal that is gone shows nothing.
        let _ = stderr.lock().write_all(b"\r\x1b[K");
    }
}

/// One decoder a connection that is open; dropped when it closes.
struct Decoders {
    open: HashMap<u64, Decoder>,
    exact: bool,
    /// No more bytes of a payload than these are shown.
    most: usize,
}

impl Decode for Decoders {
    fn received(&mut self, about: Option<About>, bytes: &[u8]) -> Payload {
        let id = about.map_or(0, |about| about.id.0);
        let decoder = self.open.entry(id).or_default();
        let (shown, rest) = bytes.split_at(bytes.len().min(self.most));
        let text = decoder.piece(shown);
        if !rest.is_empty() {
            decoder.pass(rest);
        }
        Payload::new(bytes, text, self.exact)
    }

    fn whole(&mut self, bytes: &[u8]) -> Payload {
        let shown = bytes.get(..self.most).unwrap_or(bytes);
        Payload::new(bytes, text::escape(shown), self.exact)
    }
}

impl Teller {
    pub fn new(catalogue: &'static Catalogue, manner: Manner, log: Option<Log>, stop: Arc<Stop>) -> Self {
        let exact = manner.json || manner.form.payload == Shown::Hex;
        // Quiet, a client on a terminal shows all that comes.
        let whole = manner.json || manner.quiet && manner.audience == Audience::ClientOnTerminal;
        let most = if whole { usize::MAX } else { manner.form.payload.bytes() };
        let decoders = Decoders { open: HashMap::new(), exact, most };
        let bulk = manner.audience == (Audience::ClientPiped { bulk: true });
        let shown = bulk && io::stderr().is_terminal() && !(manner.quiet || manner.json || manner.verbose);
        let progress = shown.then(Progress::new);
        let silent = manner.quiet && !manner.json && manner.audience == Audience::Server && log.is_none();
        let state = State { decoders, log, prompt: false, progress, deaf: false, problem: None };
        Self { catalogue, manner, silent, stop, state: Mutex::new(state) }
    }

    /// From now on there is a prompt on the last line of the terminal: it is drawn anew below each
    /// line that is written.
    pub fn enter_prompt(&self) {
        self.lock().prompt = true;
    }

    /// The prompt is over: its line is cleared, and lines go straight to the terminal again.
    pub fn leave_prompt(&self) {
        self.lock().leave_prompt();
    }

    /// Goes on in a file of the same name, made anew where whoever keeps logs has moved the old one away: no line is lost or
    /// written twice. Where that cannot be opened the old one is kept, and that is said on stderr.
    #[cfg(have_watch)]
    pub fn reopen_log(&self) {
        let mut state = self.lock();
        let Some(log) = &mut state.log else { return };
        match Log::open(&log.path) {
            Ok(fresh) => *log = fresh,
            Err(problem) => {
                let text = format!("enchufe: {}", problem.text(self.catalogue));
                self.write(&mut state, To::Stderr, &text);
            }
        }
    }

    /// What could not be written, if anything (a closed pipe is no problem).
    pub fn problem(&self) -> Option<Problem> {
        self.lock().problem.take()
    }

    /// Whether nobody reads stdout any more: that is why all was stopped.
    pub fn is_deaf(&self) -> bool {
        self.lock().deaf
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anybody wants to know.
    fn is_wanted(&self, event: &Event) -> bool {
        let piece = matches!(event, Event::Received { .. } | Event::Sending { .. });
        self.manner.verbose || !(transcript::is_detail(event) || piece && self.passes_over_pieces())
    }

    /// So many bytes are expected that the pieces are not told.
    fn passes_over_pieces(&self) -> bool {
        !self.manner.verbose && self.manner.audience == Audience::ClientPiped { bulk: true }
    }

    fn tell_line(&self, state: &mut State, line: &Line) {
        if state.log.is_some() {
            self.log(state, line);
        }
        if self.manner.json {
            return self.write(state, To::Stdout, &json(line));
        }
        let result = self.manner.audience == Audience::ClientOnTerminal
            && matches!(line.event, Event::Received { .. } | Event::Incomplete { .. });
        if self.manner.quiet {
            if let (true, Event::Received { payload: Payload { text, .. } } | Event::Incomplete { text }) =
                (result, &line.event)
            {
                self.write(state, To::Stdout, text);
            }
            return;
        }
        if !self.is_wanted(&line.event) {
            return;
        }
        let text = transcript::render(line, self.manner.form, self.catalogue);
        let to = if result || self.manner.audience == Audience::Server { To::Stdout } else { To::Stderr };
        self.write(state, to, &text);
    }

    fn log(&self, state: &mut State, line: &Line) {
        let text = if self.manner.json {
            json(line)
        } else {
            let form = Form { timestamps: Timestamps::Full, color: false, ..self.manner.form };
            transcript::render(line, form, self.catalogue)
        };
        let Some(log) = &mut state.log else { return };
        if let Err(error) = log.file.write_all(whole(&text).as_bytes()) {
            let problem = Problem::unwritable("write", &log.path, &error);
            state.log = None;
            state.problem.get_or_insert(problem);
            self.stop.begin();
        }
    }

    fn write(&self, state: &mut State, to: To, text: &str) {
        if let Some(progress) = &mut state.progress {
            progress.clear();
        }
        if state.prompt {
            clear_line();
        }
        let result = match to {
            To::Stdout if state.deaf => return,
            To::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(whole(text).as_bytes()).and_then(|()| stdout.flush())
            }
            // Who closed stderr does not want to know.
            To::Stderr => io::stderr().lock().write_all(whole(text).as_bytes()).or(Ok(())),
        };
        if state.prompt {
            // Without it the prompt comes back at the next key.
            let _ = enchufe_sys::host::redraw();
        }
        if let Err(error) = result {
            state.deaf = true;
            if error.kind() != io::ErrorKind::BrokenPipe {
                state.problem.get_or_insert(Problem::new(Kind::WriteOutput).cause(&error));
            }
            self.stop.begin();
        }
    }
}

#[derive(Clone, Copy)]
enum To {
    Stdout,
    Stderr,
}

fn json(line: &Line) -> String {
    // A row is made of texts, numbers and lists: there is nothing in it that JSON has no form for.
    serde_json::to_string(line).unwrap_or_default()
}

/// One piece of a stream, of which there may be very many.
const fn is_piece(told: &Told<'_>) -> bool {
    matches!(told, Told::Received { .. } | Told::Sending { .. })
}

impl Reporter for Teller {
    fn tell(&self, about: Option<About>, told: &Told<'_>) {
        if self.silent {
            return;
        }
        let Manner { json, quiet, audience, .. } = self.manner;
        let mut state = self.lock();
        if let Some(progress) = &mut state.progress {
            progress.count(told, self.catalogue);
        }
        let silent = quiet && audience != Audience::ClientOnTerminal;
        let untold =
            audience == (Audience::ClientPiped { bulk: true }) && !self.manner.verbose && is_piece(told);
        if !json && (silent || untold) && state.log.is_none() {
            return;
        }
        let state = &mut *state;
        if matches!(told, Told::PeerEnded | Told::Closing) {
            // Whoever draws the prompt will not come to draw this: the program is about to end.
            state.leave_prompt();
        }
        let mut line = Line {
            time: now(),
            connection: about.map(|about| about.id.0),
            peer: about.map(|about| about.peer.to_string()),
            event: Event::Waiting {},
        };
        if let (Told::PeerEnded | Told::Closed { .. }, Some(id)) = (told, line.connection) {
            let text =
                state.decoders.open.remove(&id).map(|mut decoder| decoder.finish()).unwrap_or_default();
            if !text.is_empty() {
                line.event = Event::Incomplete { text };
                self.tell_line(state, &line);
            }
        }
        line.event = Event::of(about, told, &mut state.decoders);
        self.tell_line(state, &line);
    }
}

/// RFC 3339, UTC, nine digits, so that text order is the order in time.
fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%9fZ").to_string()
}
