//! `enchufe read`

pub(super) mod clock;
pub(super) mod column;
mod conversations;
mod copied;
mod explain;
pub(super) mod filter;
mod findings;
mod followed;
mod gathered;
mod grid;
pub(super) mod input;
mod packet;
mod source;
pub(super) mod table;
mod words;

use crate::catalogue::Catalogue;
use crate::exit::Code;
use crate::flags;
use crate::plan::{choice, number};
use crate::problem::{Kind, Problem};
use copied::Copied;
use enchufe_wire::Filter;
use enchufe_wire::session::Session;
use enchufe_wire::tcp::Limits;
use followed::{Followed, Manner};
use gathered::Gathered;
use input::{Stop, pass};
use source::Source;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use table::{Form, Layout, Table};

/// What of the capture is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum View {
    Packets,
    Conversations,
    Findings,
    Explained,
    Followed(u32, Manner),
    Packet(u64),
    /// Nothing: the packets go to a file.
    Copied,
}

/// What was asked for.
struct Plan {
    source: Source,
    filter: Filter,
    filtered: bool,
    form: Form,
    view: View,
    layout: Layout,
    twice: bool,
    /// What is read, and what is written.
    paths: (PathBuf, Option<PathBuf>),
}

impl Plan {
    fn new(flags: &flags::Read) -> Result<Self, Problem> {
        let Some(path) = &flags.file else { return Err(Problem::new(Kind::NoFile)) };
        if let Some(word) = flags.extra.first() {
            let word = crate::text::escape(word.as_bytes());
            return Err(Problem::new(Kind::ExtraArgument).with("word", word));
        }
        let form = Form::of(&flags.rows);
        let layout = Layout::of(&flags.rows)?;
        let view = view(flags)?;
        let filter = filter::parse(flags.filter.as_deref())?;
        let filtered = flags.filter.as_deref().is_some_and(|text| !text.trim().is_empty());
        let source = Source::new(path)?;
        let twice = source.can_be_read_again() && !flags.one_pass;
        let paths = (path.clone(), flags.write.clone());
        Ok(Self { source, filter, filtered, form, view, layout, twice, paths })
    }

    /// Shows the packets while they are read.
    fn packets(&self, session: &mut Session, out: impl Write, catalogue: &Catalogue) -> Outcome {
        let mut table = Table::new(out, self.form, &self.layout, catalogue);
        let end = pass(&self.source, session, Some(catalogue), &mut |seen| {
            if self.filter.matches(seen.frame) { table.row(seen) } else { Ok(()) }
        });
        Outcome { end, shown: table.is_begun(), written: table.finish() }
    }

    /// Reads to the end, then shows what the whole says.
    fn whole(&self, session: &mut Session, mut out: impl Write, catalogue: &Catalogue) -> Outcome {
        let mut gathered = Gathered::new(self.filtered, self.view == View::Explained);
        let end = pass(&self.source, session, Some(catalogue), &mut |seen| {
            gathered.frame(seen.frame, &self.filter);
            Ok(())
        });
        let shown = gathered.has_frames();
        if end.is_err() && !shown {
            return Outcome { end, shown, written: Ok(()) };
        }
        let written = gathered.write(self.view, self.form, session.conversations(), catalogue, &mut out);
        Outcome { end, shown, written: written.and_then(|()| out.flush()) }
    }

    /// Shows the bytes of one conversation.
    fn followed(
        &self,
        one: (u32, Manner),
        session: &mut Session,
        out: impl Write,
        catalogue: &Catalogue,
    ) -> Outcome {
        let mut followed = Followed::new(out, one.0, one.1, catalogue);
        let end = pass(&self.source, session, Some(catalogue), &mut |seen| followed.frame(seen.frame));
        Outcome { end, shown: followed.is_begun(), written: followed.finish() }
    }

    /// Shows one packet.
    fn packet(
        &self,
        number: u64,
        session: &mut Session,
        mut out: impl Write,
        catalogue: &Catalogue,
    ) -> (Outcome, u64) {
        let (mut shown, mut last) = (false, 0);
        let end = pass(&self.source, session, Some(catalogue), &mut |seen| {
            last = seen.frame.number;
            if last != number {
                return Ok(());
            }
            shown = true;
            packet::write(seen.frame, &mut out)
        });
        (Outcome { end, shown, written: out.flush() }, last)
    }

    /// Writes the packets that fit to a file.
    fn copied(&self, session: &mut Session, catalogue: &Catalogue) -> Result<Outcome, Problem> {
        let (from, to) = &self.paths;
        let mut copied = Copied::new(to.as_deref().unwrap_or(Path::new("")), from)?;
        let end = pass(&self.source, session, Some(catalogue), &mut |seen| {
            if self.filter.matches(seen.frame) { copied.record(seen.record) } else { Ok(()) }
        });
        let (flushed, count, path) = copied.finish();
        let path = path.display().to_string();
        let failed = match &end {
            Err(Stop::Output(error)) => Some(error),
            _ => flushed.as_ref().err(),
        };
        if let Some(error) = failed {
            return Err(Problem::new(Kind::WriteFile).with("path", path).cause(error));
        }
        let told = words::say(catalogue, "note-copied", &[("path", &path)], &[("count", count)]);
        crate::style::complain(&told);
        Ok(Outcome { end, shown: count > 0, written: Ok(()) })
    }

    /// Shows what was asked for.
    fn show(&self, session: &mut Session, catalogue: &Catalogue) -> Result<Outcome, Problem> {
        let out = BufWriter::new(io::stdout().lock());
        let missing =
            |kind, number: u64| Problem::new(kind).with("path", self.source.name()).with("number", number);
        match self.view {
            View::Packets => Ok(self.packets(session, out, catalogue)),
            View::Followed(stream, manner) => {
                let outcome = self.followed((stream, manner), session, out, catalogue);
                if outcome.end.is_err() || outcome.shown {
                    return Ok(outcome);
                }
                let count = session.conversations().sorted().len();
                let count = u64::try_from(count).unwrap_or(u64::MAX);
                Err(missing(Kind::NoConversation, stream.into()).count("count", count))
            }
            View::Packet(number) => match self.packet(number, session, out, catalogue) {
                (outcome, last) if outcome.end.is_ok() && !outcome.shown => {
                    Err(missing(Kind::NoPacket, number).count("count", last))
                }
                (outcome, _) => Ok(outcome),
            },
            View::Copied => self.copied(session, catalogue),
            _ => Ok(self.whole(session, out, catalogue)),
        }
    }
}

fn view(flags: &flags::Read) -> Result<View, Problem> {
    let view = chosen_view(flags)?;
    let is_one = matches!(view, View::Followed(..) | View::Packet(_));
    let only = [
        ("--columns", !flags.rows.columns.is_empty() && view != View::Packets),
        ("--time", flags.rows.time.is_some() && view != View::Packets),
        ("FILTER", flags.filter.is_some() && is_one),
    ];
    match only.into_iter().find(|(_, refused)| *refused) {
        Some((flag, _)) => {
            let service = match view {
                View::Explained => "--explain",
                View::Followed(..) => "--follow",
                View::Packet(_) => "--packet",
                View::Copied => "-w",
                _ => "--view",
            };
            Err(Problem::new(Kind::FlagNotUsed).with("flag", flag).with("service", service))
        }
        None => Ok(view),
    }
}

fn chosen_view(flags: &flags::Read) -> Result<View, Problem> {
    let manner = Manner::new(flags.one.follow_as.as_deref())?;
    if let Some(stream) = &flags.one.follow {
        return Ok(View::Followed(number("--follow", stream, 0..=u32::MAX)?, manner));
    }
    if flags.one.follow_as.is_some() {
        return Err(Problem::new(Kind::FlagNeeds).with("flag", "--follow-as").with("other", "--follow N"));
    }
    if let Some(packet) = &flags.one.packet {
        return Ok(View::Packet(number("--packet", packet, 1..=u64::MAX)?));
    }
    if flags.write.is_some() {
        return Ok(View::Copied);
    }
    let word = flags.view.as_deref().unwrap_or("packets");
    Ok(match choice("--view", word, &["packets", "conversations", "findings"])? {
        _ if flags.explain => View::Explained,
        "conversations" => View::Conversations,
        "findings" => View::Findings,
        _ => View::Packets,
    })
}

/// How a reading ended.
struct Outcome {
    end: Result<(), Stop>,
    /// Whether anything was shown.
    shown: bool,
    written: io::Result<()>,
}

pub fn read(flags: &flags::Read, catalogue: &Catalogue) -> Result<Code, Problem> {
    let plan = Plan::new(flags)?;
    let mut session = Session::new(Limits::default());
    if plan.twice {
        // What the first pass cannot read is said by the second.
        let _ = pass(&plan.source, &mut session, None, &mut |_| Ok(()));
        session = session.again(Limits::default());
    }
    let outcome = plan.show(&mut session, catalogue)?;
    match (outcome.end, outcome.written) {
        (Err(Stop::Output(error)), _) | (Ok(()), Err(error)) => written(&error),
        (Err(Stop::Input(problem)), _) => Err(problem),
        (Err(Stop::Unreadable(error, shown)), _) => Err(plan.source.unreadable(&error, shown)),
        (Err(Stop::Capture(error, shown)), _) => Err(plan.source.explain(&error, shown)),
        (Ok(()), Ok(())) => Ok(Code::Fine),
    }
}

/// A closed pipe is no error: who read it had enough.
pub(super) fn written(error: &io::Error) -> Result<Code, Problem> {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(Code::Fine),
        _ => Err(Problem::new(Kind::WriteOutput).cause(error)),
    }
}
