//! The programs, from the first one's start to the last one's end.

use super::aside::Aside;
use super::calls;
use super::join::Door;
use super::programs::{self, CommandError, Console, Outputs};
use super::record::Recorder;
use super::tracer::{Progress, Tracer, now};
use enchufe_story::fact::{Arguments, Fact, Happened, Status};
use enchufe_sys::children::Children;
use enchufe_sys::host::{self, Bell, Interest, Watch};
use enchufe_sys::ptrace::{self, Filter, LaunchError, Launched};
use enchufe_sys::ticks::Ticks;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// With something to be written down soon, waiting is no longer than this.
const TICK: Duration = Duration::from_millis(30);

/// While stops follow each other the next is waited for by `waitpid` alone, which costs the least, and so often everything
/// else is looked after.
const ROUND: Duration = Duration::from_millis(5);

/// Who does not end when asked to is killed after this.
pub(super) const GRACE: Duration = Duration::from_secs(2);

/// What Ctrl-D types.
const END_OF_INPUT: u8 = 4;

/// What to run, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The commands, each with its arguments. One is started as soon as the one before listens, has connected, or has ended.
    pub commands: Vec<Vec<Vec<u8>>>,
    /// The file that all of them are, whatever they call it; none: the one that a shell would find.
    pub file: Option<PathBuf>,
    /// What they print on.
    pub console: Console,
    /// How long the others may go on when the last one has ended.
    pub drain: Duration,
    /// How long a program may take until it listens, connects or ends.
    pub start_timeout: Duration,
    /// Whether the next one is started when it has not.
    pub start_anyway: bool,
    /// The place of the one that reads what the audience gives.
    pub reader: usize,
    /// Whether they may use rings (`io_uring(7)`), whose calls are not seen.
    pub io_uring: bool,
    /// Whether the lines of code that make the calls are looked for.
    pub lines: bool,
}

/// How it went.
#[derive(Debug)]
pub struct Ended {
    /// How the first process of each program of the options that was started ended; none where it is not known.
    pub statuses: Vec<Option<Status>>,
    /// Whether the bell ended it.
    pub stopped: bool,
}

/// Why programs could not be traced.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// A command that cannot be run.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A program neither listened nor connected nor ended.
    #[error("{} neither listens nor connects nor ends", String::from_utf8_lossy(command))]
    NotReady {
        /// Its command.
        command: Vec<u8>,
    },
    /// The recording could not be written.
    #[error("cannot write the recording: {0}")]
    Record(io::Error),
    /// Anything else that the kernel said.
    #[error("cannot trace: {0}")]
    System(#[from] io::Error),
}

/// What an audience is told.
#[derive(Debug)]
pub enum Heard<'f> {
    /// What is recorded.
    Fact(&'f Fact),
    /// What is worth telling besides.
    Aside(Aside),
    /// For how long no program has made a call; again and again, until all are asked to end.
    Idle(Duration),
}

/// What a run has to do with who watches it.
pub struct Audience<'a> {
    /// What one of the programs reads ([`Options::reader`]): itself where it has pipes, what comes from it where it has a terminal of its own.
    pub input: Option<BorrowedFd<'a>>,
    /// Rings when the run is to end.
    pub stop: &'a Bell,
    /// Where other programs may come in, while the run is not about to end.
    pub door: Option<Door>,
    /// Hears everything that happens, as it happens.
    pub told: &'a mut dyn FnMut(Heard<'_>),
}

impl std::fmt::Debug for Audience<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Audience").field("input", &self.input).finish_non_exhaustive()
    }
}

/// Runs programs, and records what they do, until the last has ended or the audience stops it. None is left running.
///
/// `children` must have been made before any other thread, and the thread that calls is the only one that may wait for
/// children.
pub fn run<'r, W: Write>(
    options: &'r Options,
    children: &Children,
    recorder: &mut Recorder<W>,
    audience: Audience<'r>,
) -> Result<Ended, TraceError> {
    let filter = calls::filter(options.io_uring);
    let mut running = Running {
        options,
        ticks: Ticks::new()?,
        filter,
        audience,
        tracer: Tracer::new(options.lines),
        launched: Vec::new(),
        own: Vec::new(),
        leaving: Vec::new(),
        outputs: Vec::new(),
        phase: Phase::Starting,
        since: Instant::now(),
        active: Instant::now(),
        acts: false,
        stopped: false,
        prints: false,
    };
    let ran = running.go(children, recorder);
    if ran.is_err() {
        running.kill_all(children);
    }
    ran?;
    let statuses = running.own().map(|program| program.status).collect();
    Ok(Ended { statuses, stopped: running.stopped })
}

/// Where the run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Programs are still to be started.
    Starting,
    /// All were started.
    Running,
    /// The last one has ended; the others have until the drain is over.
    Draining,
    /// All were asked to end.
    Ending,
    /// All were killed.
    Killing,
}

pub(super) struct Running<'r> {
    options: &'r Options,
    pub(super) filter: Filter,
    pub(super) audience: Audience<'r>,
    pub(super) tracer: Tracer,
    /// As many as the tracer has programs.
    pub(super) launched: Vec<Option<Launched>>,
    /// The numbers of the programs of the options; the others have joined.
    own: Vec<usize>,
    /// Programs whose guests are gone, and since when.
    pub(super) leaving: Vec<(u32, Instant)>,
    /// Of the programs of the options.
    outputs: Vec<Outputs>,
    pub(super) phase: Phase,
    /// When the phase began, or the last program was started.
    since: Instant,
    /// When programs had stopped the last time that all was looked after, and whether one has since.
    active: Instant,
    acts: bool,
    stopped: bool,
    /// Runs while stops follow each other.
    ticks: Ticks,
    /// A program is about to print: what it prints on is to have room for more.
    prints: bool,
}

impl Running<'_> {
    fn go<W: Write>(&mut self, children: &Children, recorder: &mut Recorder<W>) -> Result<(), TraceError> {
        self.start()?;
        loop {
            let busy = self.take_news(children)?;
            // What costs a call of ours is not asked at each stop.
            let is_round = !busy || self.ticks.take();
            let prints = self.take_facts(recorder, is_round)?;
            if is_round || prints {
                self.outputs.iter_mut().for_each(Outputs::drain);
            }
            self.failed_start()?;
            if is_round {
                self.receive_guests();
            }
            self.advance(is_round && is_ready(self.audience.stop)?)?;
            if self.tracer.processes.is_empty() {
                // Also of what ended last.
                self.tell_guests();
                return Ok(());
            }
            self.acts |= busy;
            if is_round {
                if std::mem::take(&mut self.acts) {
                    self.active = Instant::now();
                }
                if self.phase <= Phase::Running {
                    (self.audience.told)(Heard::Idle(self.active.elapsed()));
                }
                self.type_in()?;
                recorder.keep(!busy).map_err(TraceError::Record)?;
            }
            if !busy && !self.ticks.runs() {
                self.wait(children, recorder)?;
            }
        }
    }

    /// Answers stops; tells whether there was one. While they follow each other it waits for the next until the clock ticks.
    fn take_news(&mut self, children: &Children) -> io::Result<bool> {
        if self.ticks.runs() {
            if let Some((tid, news)) = ptrace::next_news()? {
                self.tracer.take(tid, news);
                return Ok(true);
            }
            self.ticks.stop()?;
        }
        children.clear();
        let mut busy = false;
        while !self.tracer.processes.is_empty() {
            let Some((tid, news)) = ptrace::news()? else { break };
            self.tracer.take(tid, news);
            busy = true;
        }
        if busy {
            self.ticks.start(ROUND)?;
        }
        Ok(busy)
    }

    /// Tells what happened, and writes it down; tells whether something was printed.
    fn take_facts<W: Write>(
        &mut self,
        recorder: &mut Recorder<W>,
        is_round: bool,
    ) -> Result<bool, TraceError> {
        let is_printed = |fact: &Fact| match &fact.happened {
            Happened::Entered(entered) => matches!(entered.arguments, Arguments::Printed { .. }),
            _ => false,
        };
        let is_left = std::mem::take(&mut self.prints);
        for fact in &self.tracer.facts {
            (self.audience.told)(Heard::Fact(fact));
            self.prints |= is_printed(fact);
        }
        self.tracer.asides.drain(..).for_each(|aside| (self.audience.told)(Heard::Aside(aside)));
        let time = if is_round { now() } else { self.tracer.time };
        recorder.take(&self.tracer.facts, time).map_err(TraceError::Record)?;
        self.tracer.facts.clear();
        Ok(is_left)
    }

    /// Starts the next program.
    fn start(&mut self) -> Result<(), TraceError> {
        let place = self.own.len();
        let Some(command) = self.options.commands.get(place) else { return Ok(()) };
        let is_last = place + 1 == self.options.commands.len();
        let Options { console, file, reader, .. } = self.options;
        let input = self.audience.input.filter(|_| place == *reader);
        let (launched, outputs) = programs::start(command, file.as_deref(), *console, input, &self.filter)?;
        self.tracer.launched(launched.pid, command.clone())?;
        self.own.push(self.launched.len());
        self.launched.push(Some(launched));
        self.outputs.push(outputs);
        self.since = Instant::now();
        if is_last {
            self.phase = Phase::Running;
        }
        Ok(())
    }

    /// Why a program that was launched could not be executed, if one could not.
    fn failed_start(&mut self) -> Result<(), TraceError> {
        let failed = self.own.iter().copied().find(|place| self.has_failed(*place));
        let Some(place) = failed else { return Ok(()) };
        let command = self.tracer.programs.get(place).map(Progress::name).unwrap_or_default();
        Err(CommandError::of(command, self.failure(place)).into())
    }

    /// Whether a program has ended without having run.
    pub(super) fn has_failed(&self, place: usize) -> bool {
        self.tracer.programs.get(place).is_some_and(|program| program.status.is_some() && !program.runs)
    }

    /// Why a program did not run.
    pub(super) fn failure(&mut self, place: usize) -> LaunchError {
        let failure = self.launched.get_mut(place).and_then(Option::take).and_then(Launched::failure);
        failure.unwrap_or_else(|| LaunchError::Execute(io::ErrorKind::Interrupted.into()))
    }

    fn own(&self) -> impl DoubleEndedIterator<Item = &Progress> {
        self.own.iter().filter_map(|place| self.tracer.programs.get(*place))
    }

    /// Goes on to what comes next.
    fn advance(&mut self, rings: bool) -> Result<(), TraceError> {
        if rings && self.phase < Phase::Ending {
            self.stopped = true;
            self.ask_to_end();
        }
        let last = self.own().next_back();
        match self.phase {
            Phase::Starting => {
                if last.is_some_and(|program| program.is_ready || program.status.is_some()) {
                    self.start()?;
                } else if self.since.elapsed() >= self.options.start_timeout {
                    if self.options.start_anyway {
                        return self.start();
                    }
                    let command = last.map(Progress::name).unwrap_or_default();
                    return Err(TraceError::NotReady { command });
                }
            }
            Phase::Running => {
                if last.is_some_and(|program| program.status.is_some()) {
                    (self.phase, self.since) = (Phase::Draining, Instant::now());
                }
            }
            Phase::Draining if self.since.elapsed() >= self.options.drain => self.ask_to_end(),
            Phase::Ending if self.since.elapsed() >= GRACE => {
                self.phase = Phase::Killing;
                self.signal_all(libc::SIGKILL);
            }
            Phase::Draining | Phase::Ending | Phase::Killing => {}
        }
        Ok(())
    }

    /// Ctrl-C is what the programs would get in a terminal, too.
    fn ask_to_end(&mut self) {
        (self.phase, self.since) = (Phase::Ending, Instant::now());
        self.audience.door.iter_mut().for_each(Door::ends);
        self.signal_all(if self.stopped { libc::SIGINT } else { libc::SIGTERM });
    }

    fn signal_all(&self, signal: i32) {
        for pid in self.tracer.processes.keys() {
            // Who is gone already needs none.
            let _ = ptrace::signal(*pid, signal);
        }
    }

    /// Leaves nobody running.
    fn kill_all(&mut self, children: &Children) {
        self.signal_all(libc::SIGKILL);
        while !self.tracer.processes.is_empty() {
            children.clear();
            match ptrace::news() {
                Ok(Some((tid, news))) => self.tracer.take(tid, news),
                Ok(None) => {
                    let _ = host::wait(&mut [Watch::new(children, Interest::READ)], Some(TICK));
                }
                Err(_) => return,
            }
        }
    }

    /// Whether what comes from the audience is typed to a program.
    fn types(&self) -> bool {
        let terminal = matches!(self.options.console, Console::Terminal { .. });
        terminal && self.phase <= Phase::Running && self.outputs.len() > self.options.reader
    }

    /// Types what has come to the program that reads.
    fn type_in(&mut self) -> io::Result<()> {
        let Some(input) = self.audience.input.filter(|_| self.types()) else { return Ok(()) };
        if !is_ready(&input)? {
            return Ok(());
        }
        let mut bytes = [0; 1_024];
        let count = File::from(input.try_clone_to_owned()?).read(&mut bytes)?;
        let typed = bytes.get(..count).unwrap_or_default();
        if typed.is_empty() {
            self.audience.input = None;
        }
        // At the beginning of a line it is the end of the input (termios(3), VEOF).
        let typed = if typed.is_empty() { &[END_OF_INPUT][..] } else { typed };
        // A program that is gone reads nothing.
        self.outputs.get_mut(self.options.reader).map_or(Ok(()), |reader| reader.type_in(typed).or(Ok(())))
    }

    fn wait<W: Write>(&mut self, children: &Children, recorder: &Recorder<W>) -> io::Result<()> {
        let mut watches = vec![Watch::new(children, Interest::READ)];
        if self.phase < Phase::Ending {
            watches.push(Watch::new(self.audience.stop, Interest::READ));
        }
        watches.extend(recorder.capture().map(|capture| Watch::new(capture, Interest::READ)));
        let input = self.audience.input.filter(|_| self.types());
        watches.extend(input.iter().map(|input| Watch::new(input, Interest::READ)));
        let outputs = self.outputs.iter().flat_map(Outputs::handles);
        let handles: Vec<BorrowedFd<'_>> =
            outputs.chain(self.audience.door.iter().flat_map(Door::handles)).collect();
        watches.extend(handles.iter().map(|handle| Watch::new(handle, Interest::READ)));
        match host::wait(&mut watches, Some(TICK)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }
}

fn is_ready(handle: &impl AsFd) -> io::Result<bool> {
    match host::wait(&mut [Watch::new(handle, Interest::READ)], Some(Duration::ZERO)) {
        // A tick: the next look is soon.
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
        found => Ok(found? > 0),
    }
}

/// Whether programs can be traced here: runs `command` to its end, and tells whether its filter stopped it.
///
/// Fails as [`run`] does where no program may be traced.
pub fn probe(command: &[Vec<u8>]) -> Result<bool, TraceError> {
    let filter = calls::filter(false);
    let (launched, mut outputs) = programs::start(command, None, Console::Pipes, None, &filter)?;
    let (mut stopped, mut running) = (false, true);
    while running {
        // A stop is answered within microseconds: there is nothing to wait on for longer.
        let Some((tid, news)) = ptrace::news()? else {
            host::wait(&mut [], Some(Duration::from_millis(1)))?;
            continue;
        };
        stopped |= matches!(news, ptrace::News::Entering(_));
        running = !(tid == launched.pid && matches!(news, ptrace::News::Ended(_)));
        let _ = ptrace::resume(tid, ptrace::How::On, 0);
        outputs.drain();
    }
    match launched.failure() {
        Some(failure) => Err(CommandError::of(command.first().cloned().unwrap_or_default(), failure).into()),
        None => Ok(stopped),
    }
}
