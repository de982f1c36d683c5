//! `enchufe watch`

mod down;
mod forgotten;
mod wanted;

use super::read::reading::Seen;
use super::read::table::{Form, Layout, Table};
use super::read::{filter, written};
use super::{resources, show};
use crate::catalogue::Catalogue;
use crate::exit::Code;
use crate::flags;
use crate::plan::{self, Common};
use crate::problem::{Kind, Problem};
use crate::style::complain;
use enchufe_sys::host::{self, Bell, Interest, StopSignals, Watch};
use enchufe_sys::interfaces::interfaces;
use enchufe_watch::capture::LONGEST;
use enchufe_watch::{Capture, CaptureError, Next, Options, Place};
use enchufe_wire::file::{InterfaceInfo, PacketNotes, Record, Writer};
use enchufe_wire::session::Session;
use enchufe_wire::tcp::Limits;
use enchufe_wire::{Filter, Timestamp};
use fluent_bundle::FluentArgs;
use forgotten::Forgotten;
use std::fs::File;
use std::io::{self, BufWriter, StdoutLock, Write};
use std::path::{Path, PathBuf};
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
        return list(catalogue);
    }
    let plan = Plan::new(flags)?;
    let bell = bell_on_signals()?;
    let mut capture =
        Capture::open(plan.place(), &plan.options).map_err(|error| explain(error, plan.interface))?;
    let mut copy = plan.write.map(|path| Copy::create(path, &capture, plan.interface)).transpose()?;
    if !common.quiet {
        let mut args = FluentArgs::new();
        args.set("place", crate::text::escape(plan.interface.as_bytes()));
        say(&catalogue.text("watch-begun", &args));
        if common.verbose && flags.filter.is_some() {
            say(&catalogue.plain(wanted::sentence(&capture)));
        }
    }
    let out = BufWriter::new(io::stdout().lock());
    let mut table = Table::new(out, plan.form, &plan.layout, catalogue);
    let mut forgotten = Forgotten::new(catalogue);
    let shown = rows(&plan, &mut capture, &bell, &mut table, copy.as_mut(), &mut forgotten);
    let flushed = table.finish();
    let copied = copy.map_or(Ok(()), |mut copy| copy.flush());
    forgotten.count().iter().for_each(|sentence| complain(sentence));
    if let (Ok(count), false) = (&shown, common.quiet) {
        let mut args = FluentArgs::new();
        args.set("shown", *count);
        args.set("dropped", capture.drops().map_err(|error| failed(plan.interface, &error))?);
        say(&catalogue.text("watch-ended", &args));
    }
    match shown {
        Err(Stop::Output(error)) => written(&error),
        Err(Stop::Problem(problem)) => Err(problem),
        Ok(_) => {
            copied?;
            flushed.map_or_else(|error| written(&error), |()| Ok(Code::Fine))
        }
    }
}

/// Why rows ended before they were to.
enum Stop {
    Problem(Problem),
    Output(io::Error),
}

/// Shows frames until it is enough, and tells how many were shown.
fn rows(
    plan: &Plan<'_>,
    capture: &mut Capture,
    bell: &Bell,
    table: &mut Table<'_, BufWriter<StdoutLock<'_>>>,
    mut copy: Option<&mut Copy>,
    forgotten: &mut Forgotten<'_>,
) -> Result<u64, Stop> {
    let until = plan.duration.and_then(|time| Instant::now().checked_add(time));
    let (mut session, mut before, mut shown) = (Session::new(Limits::default()), None, 0);
    while plan.count != Some(shown) {
        let record = match capture.next(bell, until) {
            Ok(Next::Frame(record)) => record,
            Ok(Next::Pause) => {
                table.flush().map_err(Stop::Output)?;
                copy.as_deref_mut().map_or(Ok(()), Copy::flush).map_err(Stop::Problem)?;
                continue;
            }
            Ok(Next::End) => break,
            Err(error) => return Err(Stop::Problem(failed(plan.interface, &error))),
        };
        let frame = session.frame(&record);
        let delta = record.time.map(|now: Timestamp| now.since(before.unwrap_or(now)));
        before = record.time.or(before);
        if plan.filter.matches(&frame) {
            let decimals = record.resolution.decimals();
            let seen = Seen { frame: &frame, record: &record, file: 0, decimals, delta };
            table.row(&seen).map_err(Stop::Output)?;
            copy.as_deref_mut().map_or(Ok(()), |copy| copy.packet(&record)).map_err(Stop::Problem)?;
            shown += 1;
        }
        forgotten.look(session.conversations()).iter().for_each(|sentence| complain(sentence));
    }
    Ok(shown)
}

/// A copy of what is shown, as a capture file.
struct Copy {
    path: PathBuf,
    file: BufWriter<File>,
    writer: Writer,
    blocks: Vec<u8>,
}

impl Copy {
    fn create(path: &Path, capture: &Capture, interface: &str) -> Result<Self, Problem> {
        let file = File::create(path)
            .map_err(|error| Problem::new(Kind::WriteFile).with("path", path.display()).cause(&error))?;
        let (mut writer, mut blocks) = (Writer::new(), Vec::new());
        writer.section(&mut blocks, concat!("enchufe ", env!("CARGO_PKG_VERSION")));
        let info = InterfaceInfo { name: interface, snaplen: capture.snaplen() };
        writer.interface(&mut blocks, capture.link(), &info);
        let mut copy = Self { path: path.to_owned(), file: BufWriter::new(file), writer, blocks };
        copy.write()?;
        Ok(copy)
    }

    fn packet(&mut self, record: &Record<'_>) -> Result<(), Problem> {
        let (time, notes) = (record.time.unwrap_or_default(), PacketNotes::default());
        self.writer.packet(&mut self.blocks, 0, time, record.bytes, record.wire_len, &notes);
        self.write()
    }

    fn write(&mut self) -> Result<(), Problem> {
        let result = self.file.write_all(&self.blocks);
        self.blocks.clear();
        result.map_err(|error| self.unwritable(&error))
    }

    fn flush(&mut self) -> Result<(), Problem> {
        let result = self.file.flush();
        result.map_err(|error| self.unwritable(&error))
    }

    fn unwritable(&self, error: &io::Error) -> Problem {
        Problem::new(Kind::WriteFile).with("path", self.path.display()).cause(error)
    }
}

fn list(catalogue: &Catalogue) -> Result<Code, Problem> {
    let all = interfaces().map_err(|error| resources(&error))?;
    let line = |one: &enchufe_sys::interfaces::Interface| {
        let state = catalogue.plain(if one.up { "interface-up" } else { "interface-down" });
        format!("{}\t{}\t{state}\n", one.index, crate::text::escape(one.name.as_bytes()))
    };
    show(&all.iter().map(line).collect::<String>())
}

/// A bell that Ctrl-C and SIGTERM ring.
fn bell_on_signals() -> Result<Arc<Bell>, Problem> {
    let bell = Arc::new(Bell::new().map_err(|error| resources(&error))?);
    let signals = StopSignals::install().map_err(|error| resources(&error))?;
    let rung = Arc::clone(&bell);
    let watcher = move || {
        while host::wait(&mut [Watch::new(&signals, Interest::READ)], None).is_ok() {
            if signals.take() > 0 {
                rung.ring();
            }
        }
    };
    std::thread::Builder::new().spawn(watcher).map_err(|error| resources(&error))?;
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
