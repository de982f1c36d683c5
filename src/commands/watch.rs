//! `enchufe watch`

mod copy;
mod down;
mod forgotten;
mod wanted;

use super::read::reading::Seen;
use super::read::table::{Form, Layout, Table};
use super::read::{filter, written};
use super::show;
use crate::catalogue::Catalogue;
use crate::exit::Code;
use crate::flags;
use crate::plan::{self, Common};
use crate::problem::{Kind, Problem};
use crate::progress::Line;
use crate::style::complain;
use copy::Copy;
use enchufe_sys::host::{self, Bell, Interest, StopSignals, Watch};
use enchufe_sys::interfaces::interfaces;
use enchufe_watch::capture::LONGEST;
use enchufe_watch::{Capture, CaptureError, Copies, Next, Options, Place};
use enchufe_wire::Filter;
use enchufe_wire::file::Record;
use enchufe_wire::session::Session;
use enchufe_wire::tcp::Limits;
use fluent_bundle::FluentArgs;
use forgotten::Forgotten;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What was asked for.
struct Plan<'a> {
    interface: &'a str,
    options: Options,
    filter: Filter,
    form: Form,
    layout: Layout,
    count: Option<u64>,
    duration: Option<Duration>,
    write: Option<&'a Path>,
}

impl<'a> Plan<'a> {
    fn new(flags: &'a flags::Watch) -> Result<Self, Problem> {
        if let Some(word) = flags.extra.first() {
            let word = crate::text::escape(word.as_bytes());
            return Err(Problem::new(Kind::ExtraArgument).with("word", word));
        }
        let form = Form::of(&flags.rows);
        let snaplen = flags.snaplen.as_deref().map(|text| plan::number("--snaplen", text, 1..=LONGEST));
        let count = flags.count.as_deref().map(|text| plan::number("--count", text, 1..=u64::MAX));
        let (filter, layout) = (filter::parse(flags.filter.as_deref())?, Layout::of(&flags.rows)?);
        Ok(Self {
            interface: flags.interface.as_deref().unwrap_or("lo"),
            options: Options {
                copies: Copies::Received,
                snaplen: snaplen.transpose()?.unwrap_or(LONGEST),
                promiscuous: flags.promiscuous,
                prefilter: wanted::prefilter(&filter, &layout),
            },
            filter,
            form,
            layout,
            count: count.transpose()?,
            duration: plan::limit("--duration", flags.duration.as_deref())?,
            write: flags.write.as_deref(),
        })
    }

    const fn place(&self) -> Place<'_> {
        match self.interface.as_bytes() {
            b"any" => Place::Everywhere,
            _ => Place::Interface(self.interface),
        }
    }
}

pub fn watch(flags: &flags::Watch, common: Common, catalogue: &Catalogue) -> Result<Code, Problem> {
    if flags.list {
        return list(flags.rows.json, catalogue);
    }
    let plan = Plan::new(flags)?;
    let bell = bell_on_signals()?;
    let mut capture =
        Capture::open(plan.place(), &plan.options).map_err(|error| explain(error, plan.interface))?;
    let sink = if let Some(path) = plan.write {
        Sink::File(Copy::create(path, &capture, plan.interface)?, Line::new())
    } else {
        Sink::Rows(Box::new(Table::new(
            BufWriter::new(io::stdout().lock()),
            plan.form,
            &plan.layout,
            catalogue,
        )))
    };
    if !common.quiet {
        let mut args = FluentArgs::new();
        args.set("place", crate::text::escape(plan.interface.as_bytes()));
        say(&catalogue.text("watch-begun", &args));
        if common.verbose && flags.filter.is_some() {
            say(&catalogue.plain(wanted::sentence(&capture)));
        }
    }
    let visible = !common.quiet && io::stderr().is_terminal();
    let forgotten = Forgotten::new(catalogue);
    let mut watching = Watching { plan: &plan, sink, forgotten, count: 0, visible, catalogue };
    let ended = watching.run(&mut capture, &bell);
    let dropped = capture.drops();
    let flushed = watching.finish(dropped.as_ref().copied().unwrap_or_default());
    watching.forgotten.count().iter().for_each(|sentence| complain(sentence));
    if ended.is_ok() && !common.quiet {
        let dropped = dropped.map_err(|error| failed(plan.interface, &error))?;
        say(&watching.sum(dropped));
    }
    match ended.and(flushed) {
        Err(Stop::Output(error)) => written(&error),
        Err(Stop::Problem(problem)) => Err(problem),
        Ok(()) => Ok(Code::Fine),
    }
}

/// Why it ended before it was to.
enum Stop {
    Problem(Problem),
    Output(io::Error),
}

/// Where packets go.
enum Sink<'a> {
    Rows(Box<Table<'a, BufWriter<StdoutLock<'static>>>>),
    /// Into a file; how many, on a line of the terminal.
    File(Copy, Line),
}

/// A watch under way.
struct Watching<'a> {
    plan: &'a Plan<'a>,
    sink: Sink<'a>,
    forgotten: Forgotten<'a>,
    /// Packets that fit.
    count: u64,
    /// Whether somebody looks at a line that changes.
    visible: bool,
    catalogue: &'a Catalogue,
}

impl Watching<'_> {
    /// Takes frames until it is enough.
    fn run(&mut self, capture: &mut Capture, bell: &Bell) -> Result<(), Stop> {
        let until = self.plan.duration.and_then(|time| Instant::now().checked_add(time));
        let mut session = Session::new(Limits::default());
        while self.plan.count != Some(self.count) {
            let record = match capture.next(bell, until) {
                Ok(Next::Frame(captured)) => captured.record,
                Ok(Next::Pause) => {
                    self.flush()?;
                    self.look(capture);
                    continue;
                }
                Ok(Next::End) => break,
                Err(error) => return Err(Stop::Problem(failed(self.plan.interface, &error))),
            };
            if let (Sink::File(copy, _), true) = (&mut self.sink, self.plan.filter.is_empty()) {
                copy.packet(&record)?;
                self.count += 1;
            } else {
                self.frame(&mut session, &record)?;
            }
            if self.count.is_multiple_of(1024) {
                self.look(capture);
            }
        }
        Ok(())
    }

    fn frame(&mut self, session: &mut Session, record: &Record<'_>) -> Result<(), Stop> {
        let frame = session.frame(record);
        if self.plan.filter.matches(&frame) {
            let decimals = record.resolution.decimals();
            match &mut self.sink {
                Sink::File(copy, _) => copy.packet(record)?,
                Sink::Rows(table) => {
                    let seen = Seen { frame: &frame, record, file: 0, decimals };
                    table.row(&seen).map_err(Stop::Output)?;
                }
            }
            self.count += 1;
        }
        self.forgotten.look(session.conversations()).iter().for_each(|sentence| complain(sentence));
        Ok(())
    }

    /// How many were written so far, where rows do not show it.
    fn look(&mut self, capture: &mut Capture) {
        let due = matches!(&self.sink, Sink::File(_, line) if line.is_due());
        if let (true, true, Ok(dropped)) = (self.visible, due, capture.drops()) {
            let sum = self.sum(dropped);
            if let Sink::File(_, line) = &mut self.sink {
                line.draw(&sum);
            }
        }
    }

    fn sum(&self, dropped: u64) -> String {
        let id = if matches!(self.sink, Sink::Rows(_)) { "watch-ended" } else { "watch-written" };
        let mut args = FluentArgs::new();
        args.set("shown", self.count);
        args.set("dropped", dropped);
        self.catalogue.text(id, &args)
    }

    fn flush(&mut self) -> Result<(), Stop> {
        match &mut self.sink {
            Sink::Rows(table) => table.flush().map_err(Stop::Output),
            Sink::File(copy, _) => copy.flush(),
        }
    }

    /// Writes what is held back, and of a file how many frames are missing from it.
    fn finish(&mut self, dropped: u64) -> Result<(), Stop> {
        if let Sink::File(copy, line) = &mut self.sink {
            line.clear();
            copy.counters(self.count, dropped)?;
        }
        self.flush()
    }
}

fn list(json: bool, catalogue: &Catalogue) -> Result<Code, Problem> {
    let all = interfaces().map_err(|error| Problem::resources("if_nameindex", &error))?;
    let line = |one: &enchufe_sys::interfaces::Interface| {
        let state = catalogue.plain(if one.up { "interface-up" } else { "interface-down" });
        format!("{}\t{}\t{state}\n", one.index, crate::text::escape(one.name.as_bytes()))
    };
    let object = |one: &enchufe_sys::interfaces::Interface| {
        format!("{}\n", serde_json::json!({ "index": one.index, "name": one.name, "up": one.up }))
    };
    show(&if json { all.iter().map(object).collect::<String>() } else { all.iter().map(line).collect() })
}

/// A bell that Ctrl-C and SIGTERM ring.
pub fn bell_on_signals() -> Result<Arc<Bell>, Problem> {
    let bell = Arc::new(Bell::new().map_err(|error| Problem::resources("eventfd", &error))?);
    let signals = StopSignals::install().map_err(|error| Problem::resources("socketpair", &error))?;
    let rung = Arc::clone(&bell);
    let watcher = move || {
        while host::wait(&mut [Watch::new(&signals, Interest::READ)], None).is_ok() {
            if signals.take() > 0 {
                rung.ring();
            }
        }
    };
    std::thread::Builder::new().spawn(watcher).map_err(|error| Problem::resources("clone", &error))?;
    Ok(bell)
}

fn explain(error: CaptureError, place: &str) -> Problem {
    match error {
        CaptureError::NoInterface { name, others } => Problem::new(Kind::NoInterface)
            .with("name", crate::text::escape(name.as_bytes()))
            .with("others", crate::text::escape(others.join(", ").as_bytes())),
        CaptureError::Permission(_) => {
            let program = std::env::current_exe().unwrap_or_else(|_| "enchufe".into());
            Problem::new(Kind::CaptureForbidden)
                .with("program", crate::text::shell_quoted(&program.to_string_lossy()))
        }
        CaptureError::PromiscuousEverywhere => Problem::new(Kind::PromiscuousEverywhere),
        CaptureError::System(error) => failed(place, &error),
    }
}

fn failed(place: &str, error: &io::Error) -> Problem {
    if error.kind() == io::ErrorKind::NetworkDown
        && let Ok(all) = interfaces()
    {
        return down::problem(place, &all);
    }
    Problem::new(Kind::CaptureFailed).with("place", crate::text::escape(place.as_bytes())).cause(error)
}

fn say(sentence: &str) {
    // Who closed stderr does not want to know.
    let _ = writeln!(io::stderr().lock(), "{sentence}");
}
