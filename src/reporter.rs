//! Who tells the user: takes the libraries' events, makes rows of them and writes them where they
//! belong, in order, from any thread.

mod alarm;
mod decoders;
mod fold;
mod probes;

use self::alarm::Alarm;
use self::decoders::Decoders;
use self::fold::{Fold, Place};
use self::probes::{Probes, Sign};
use crate::catalogue::Catalogue;
use crate::events::{Event, Line, Payload};
use crate::problem::{Kind, Problem};
use crate::progress::{Progress, draw};
use crate::transcript::{self, Form, Shown, Timestamps};
use enchufe_talk::told::About;
use enchufe_talk::{Reporter, Stop, Told};
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

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

/// Which events of connections are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Events {
    All,
    /// [`fold::MOST`] in a second; the others of that second by one line.
    Fold,
    None,
}

/// What is told, and how.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    pub audience: Audience,
    pub events: Events,
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
    begun: Instant,
    alarm: Alarm,
    fold: Fold,
    decoders: Decoders,
    /// How many connections wait in [`State::probes`], for those who tell nothing and would rather not lock.
    early: AtomicUsize,
    state: Mutex<State>,
}

struct State {
    log: Option<Log>,
    /// Connections that may go without a byte, where those are not told.
    probes: Option<Probes>,
    /// The last line says that the server waits.
    waiting: bool,
    /// There is a prompt on the last line of the terminal.
    prompt: bool,
    progress: Option<Progress>,
    status: Status,
    /// Nobody reads stdout any more.
    deaf: bool,
    problem: Option<Problem>,
}

/// How the server is doing, on the last line of the terminal.
enum Status {
    Absent,
    /// It is drawn anew below each line that is written.
    Shown(String),
    /// The server is over, and has none any more.
    Over,
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

impl Teller {
    pub fn new(catalogue: &'static Catalogue, manner: Manner, log: Option<Log>, stop: Arc<Stop>) -> Self {
        let exact = manner.json || manner.form.payload == Shown::Hex;
        // Quiet, a client on a terminal shows all that comes.
        let whole = manner.json || manner.quiet && manner.audience == Audience::ClientOnTerminal;
        let most = if whole { usize::MAX } else { manner.form.payload.bytes() };
        let decoders = Decoders::new(decoders::Manner { exact, most });
        let bulk = manner.audience == (Audience::ClientPiped { bulk: true });
        let shown = bulk && io::stderr().is_terminal() && !(manner.quiet || manner.json || manner.verbose);
        let progress = shown.then(Progress::new);
        let silent = manner.quiet && !manner.json && manner.audience == Audience::Server && log.is_none();
        let lines = manner.audience == Audience::Server && !(manner.json || manner.quiet);
        let probes = (lines && !manner.verbose).then(Probes::default);
        let waiting = false;
        let state = State {
            log,
            probes,
            waiting,
            prompt: false,
            progress,
            status: Status::Absent,
            deaf: false,
            problem: None,
        };
        Self {
            catalogue,
            manner,
            silent,
            stop,
            begun: Instant::now(),
            alarm: Alarm::default(),
            fold: Fold::default(),
            decoders,
            early: AtomicUsize::new(0),
            state: Mutex::new(state),
        }
    }

    /// Tells in a thread of its own, which ends with the program, what is to be told when its time has come: what was folded
    /// in a second, and of connections that have been there for a moment.
    pub fn keep_time(self: &Arc<Self>) -> Result<(), Problem> {
        if self.silent || self.manner.events != Events::Fold && self.lock().probes.is_none() {
            return Ok(());
        }
        let teller = Arc::clone(self);
        let keeper = move || loop {
            teller.alarm.wait(teller.begun);
            teller.tick(teller.begun.elapsed());
        };
        std::thread::Builder::new().spawn(keeper).map_err(|error| Problem::resources("clone", &error))?;
        Ok(())
    }

    /// Tells what is due at this time.
    fn tick(&self, at: Duration) {
        let mut state = self.lock();
        self.tell_folded(&mut state, self.fold.over(at), at);
        let due = state.probes.as_mut().map(|probes| probes.due(at)).unwrap_or_default();
        self.tell_early(&mut state, &due);
        let next = state.probes.as_ref().and_then(Probes::next);
        drop(state);
        [next, self.fold.next()].into_iter().flatten().for_each(|next| self.alarm.set(next));
    }

    /// One line for so many events.
    fn tell_folded(&self, state: &mut State, count: u32, at: Duration) {
        if count > 0 {
            let line = Line { time: now(), connection: None, peer: None, event: Event::Folded { count } };
            self.tell_line(state, line, at);
        }
    }

    /// Lines of connections that turned out to be no probes.
    fn tell_early(&self, state: &mut State, lines: &[Line]) {
        self.early.store(state.probes.as_ref().map_or(0, Probes::count), Ordering::Relaxed);
        for line in lines {
            self.show(state, line);
        }
    }

    /// An event that is folded.
    fn pass_over(&self, about: Option<About>, told: &Told<'_>) {
        match told {
            Told::Received { bytes } => self.decoders.pass(about, bytes),
            Told::PeerEnded | Told::Closed { .. } => drop(self.decoders.finish(about)),
            _ => {}
        }
        let Some(about) = about.filter(|_| self.early.load(Ordering::Relaxed) > 0) else { return };
        let sign = match told {
            Told::Accepted { .. } => Sign::Came,
            Told::PeerEnded => Sign::PeerEnded,
            Told::Closed { end } => Sign::of(&Event::closed(end)),
            _ => Sign::Other,
        };
        let mut state = self.lock();
        let lines = state.probes.as_mut().map(|probes| probes.pass(about.id.0, sign)).unwrap_or_default();
        self.tell_early(&mut state, &lines);
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
            Err(problem) => self.complain_in(&mut state, &problem.way("way-put-right")),
        }
    }

    /// Says on stderr why something is not renewed, and that the old one stays.
    #[cfg(have_watch)]
    pub fn complain(&self, problem: &Problem) {
        self.complain_in(&mut self.lock(), problem);
    }

    #[cfg(have_watch)]
    fn complain_in(&self, state: &mut State, problem: &Problem) {
        let mut args = fluent_bundle::FluentArgs::new();
        args.set("problem", problem.text(self.catalogue));
        self.write(
            state,
            To::Stderr,
            &format!("enchufe: {}", self.catalogue.text("note-not-renewed", &args)),
        );
    }

    /// How the server is doing, on stderr: on a terminal always on the last line.
    pub fn show_status(&self, text: &str) {
        let mut state = self.lock();
        if matches!(state.status, Status::Over) {
            return;
        }
        if io::stderr().is_terminal() {
            // One that is wider would not be cleared whole.
            let width = terminal_size::terminal_size_of(io::stderr()).map_or(80, |(width, _)| width.0);
            let text: String = text.chars().take(usize::from(width).saturating_sub(1)).collect();
            draw(&text);
            state.status = Status::Shown(text);
        } else {
            self.write(&mut state, To::Stderr, text);
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

    fn tell_line(&self, state: &mut State, line: Line, at: Duration) {
        if state.log.is_some() {
            self.log(state, &line);
        }
        let Some(probes) = &mut state.probes else { return self.show(state, &line) };
        let lines = probes.take(at, line);
        if let Some(next) = probes.next() {
            self.alarm.set(next);
        }
        self.tell_early(state, &lines);
    }

    /// Writes it, for whoever reads what this program prints.
    fn show(&self, state: &mut State, line: &Line) {
        if self.manner.json {
            return self.write(state, To::Stdout, &json(line));
        }
        let result = self.is_result(&line.event);
        if self.manner.quiet {
            if let (true, Event::Received { payload: Payload { text, .. } } | Event::Incomplete { text }) =
                (result, &line.event)
            {
                self.write(state, To::Stdout, text);
            }
            return;
        }
        let waits = matches!(line.event, Event::Waiting {});
        // Between two lines that say so only probes came.
        if !self.is_wanted(&line.event) || waits && state.waiting && !self.manner.verbose {
            return;
        }
        state.waiting = waits;
        let text = transcript::render(line, self.manner.form, self.catalogue);
        let to = if result || self.manner.audience == Audience::Server { To::Stdout } else { To::Stderr };
        self.write(state, to, &text);
    }

    /// Whether it is what a client was started for.
    fn is_result(&self, event: &Event) -> bool {
        self.manner.audience == Audience::ClientOnTerminal
            && matches!(event, Event::Received { .. } | Event::Incomplete { .. })
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
        if state.prompt || matches!(state.status, Status::Shown(_)) {
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
        if let Status::Shown(status) = &state.status {
            draw(status);
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

/// Whether bytes came or went.
const fn carries(told: &Told<'_>) -> bool {
    matches!(told, Told::Received { .. } | Told::Returning { .. } | Told::Answered { .. })
}

/// Whether it is one of the events of which there are as many as clients like. What an operator is to answer is none, nor is
/// what is said of the server itself.
const fn is_of_connections(about: Option<About>, told: &Told<'_>) -> bool {
    match told {
        Told::Question { .. } | Told::QuestionWithdrawn => false,
        // Of these there is one for each connection, too.
        Told::Waiting | Told::Queued { .. } => true,
        _ => about.is_some(),
    }
}

impl Reporter for Teller {
    fn tell(&self, about: Option<About>, told: &Told<'_>) {
        if self.silent || self.manner.events == Events::None && is_of_connections(about, told) {
            return;
        }
        self.tell_at(self.begun.elapsed(), about, told);
    }

    fn hears_of_connections(&self) -> bool {
        !self.silent && self.manner.events != Events::None
    }
}

impl Teller {
    /// Tells what happened at this time.
    fn tell_at(&self, at: Duration, about: Option<About>, told: &Told<'_>) {
        if self.manner.events == Events::Fold && is_of_connections(about, told) {
            let taken = self.fold.take(at, carries(told));
            if taken.over > 0 {
                self.tell_folded(&mut self.lock(), taken.over, at);
            }
            if taken.place == Place::First {
                self.alarm.set(Duration::from_secs(at.as_secs() + 1));
            }
            if taken.place != Place::Told {
                return self.pass_over(about, told);
            }
        }
        let mut state = self.lock();
        if let Some(progress) = &mut state.progress {
            progress.count(told, self.catalogue);
        }
        if self.is_for_nobody(&state, told) {
            return;
        }
        self.tell_in_order(&mut state, at, about, told);
    }

    /// Whether the event is shown nowhere.
    fn is_for_nobody(&self, state: &State, told: &Told<'_>) -> bool {
        let Manner { json, quiet, audience, .. } = self.manner;
        let silent = quiet && audience != Audience::ClientOnTerminal;
        !json && state.log.is_none() && (silent || is_piece(told) && self.passes_over_pieces())
    }

    fn tell_in_order(&self, state: &mut State, at: Duration, about: Option<About>, told: &Told<'_>) {
        if matches!(told, Told::PeerEnded | Told::Closing) {
            // Whoever draws the prompt will not come to draw this: the program is about to end.
            state.leave_prompt();
        }
        if matches!(told, Told::Stopped { .. }) {
            let early = state.probes.as_mut().map(Probes::last).unwrap_or_default();
            self.tell_early(state, &early);
            self.tell_folded(state, self.fold.last(), at);
            if let Status::Shown(_) = std::mem::replace(&mut state.status, Status::Over) {
                clear_line();
            }
        }
        let line = |event| Line {
            time: now(),
            connection: about.map(|about| about.id.0),
            peer: about.map(|about| about.peer.to_string()),
            event,
        };
        if let (Told::PeerEnded | Told::Closed { .. }, Some(_)) = (told, about) {
            let text = self.decoders.finish(about);
            if !text.is_empty() {
                self.tell_line(state, line(Event::Incomplete { text }), at);
            }
        }
        self.tell_line(state, line(Event::of(about, told, &mut &self.decoders)), at);
    }
}

/// RFC 3339, UTC, nine digits, so that text order is the order in time.
fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%9fZ").to_string()
}

#[cfg(test)]
mod tests;
