//! `enchufe read`

mod archive;
pub(super) mod clock;
pub(super) mod column;
mod conversations;
pub(super) mod copied;
mod explain;
pub(super) mod filter;
mod findings;
mod followed;
mod gathered;
mod grid;
mod ladder;
mod named;
mod packet;
pub(super) mod reading;
#[cfg(have_watch)]
pub(super) mod recorded;
mod remarks;
mod source;
mod supply;
pub(super) mod table;
pub(super) mod target;
mod threads;
pub(super) mod traced;
mod waiting;
pub(super) mod words;

use crate::catalogue::Catalogue;
use crate::exit::Code;
use crate::flags;
use crate::plan::{Common, choice, number};
use crate::problem::{Kind, Problem};
use copied::Copied;
use enchufe_wire::Filter;
use enchufe_wire::session::Session;
use enchufe_wire::tcp::Limits;
use followed::{Followed, Manner};
use gathered::Gathered;
use named::Named;
use reading::{Came, Captures, Stop};
use remarks::Remarks;
use source::Source;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use table::{Form, Layout, Table};
use traced::{Causing, Choosing, Chosen, Facts, Manner as TracedManner, Telling, Traced, What};
use waiting::Waiting;

/// What of the capture is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum View {
    Packets,
    Conversations,
    Findings,
    Explained,
    /// All conversations, or one.
    Ladder(Option<u32>),
    /// The calls of a recording of programs, of all conversations or one.
    Calls(Option<u32>),
    Followed(u32, Manner),
    Packet(u64),
    /// Nothing: the packets go to a file.
    Copied,
}

/// What was asked for.
struct Plan {
    sources: Vec<Source>,
    in_order: bool,
    filter: Filter,
    filtered: bool,
    form: Form,
    view: View,
    /// The only conversation of a view of many; the filter holds it, too.
    only: Option<u32>,
    layout: Layout,
    twice: bool,
    /// Where packets are written to.
    write: Option<PathBuf>,
}

impl Plan {
    fn new(flags: &flags::Read) -> Result<Self, Problem> {
        let Named { sources, filter } = Named::new(&flags.words, flags.filter.as_deref())?;
        let form = Form::of(&flags.rows);
        let layout = Layout::of(&flags.rows)?;
        let view = view(flags, filter.is_some())?;
        let only = conversation(flags)?.filter(|_| !matches!(view, View::Ladder(_)));
        let filtered = only.is_some() || filter.is_some_and(|text| !text.trim().is_empty());
        let mut filter = filter::parse(filter)?;
        if let Some(stream) = only {
            filter = filter.and(filter::parse(Some(&format!("tcp.stream == {stream}")))?);
        }
        // Who sees rows, or chooses by what is in them, wants to know what comes later.
        let by_row = filtered || matches!(view, View::Packets | View::Packet(_));
        let again = sources.iter().all(|source| source.length().is_some());
        let twice = by_row && again && !flags.one_pass;
        let write = flags.write.clone();
        let in_order = flags.in_order;
        Ok(Self { sources, in_order, filter, filtered, form, view, only, layout, twice, write })
    }

    const fn captures(&self) -> Captures<'_> {
        Captures { sources: self.sources.as_slice(), in_order: self.in_order }
    }
}

/// A reading under way.
struct Reading<'a> {
    plan: &'a Plan,
    session: Session,
    waiting: Waiting<'a>,
    remarks: Remarks<'a>,
    /// With details.
    verbose: bool,
    catalogue: &'a Catalogue,
}

/// How a reading ended.
struct Outcome {
    end: Result<(), Stop>,
    /// Whether anything was shown.
    shown: bool,
    written: io::Result<()>,
}

impl Reading<'_> {
    fn pass(&mut self, with: &mut dyn FnMut(Came<'_, '_>) -> io::Result<()>) -> Result<(), Stop> {
        let Self { plan, session, waiting, remarks, .. } = self;
        plan.captures().pass(session, waiting, remarks, with)
    }

    /// Shows the packets while they are read.
    fn packets(&mut self, out: impl Write) -> Outcome {
        let plan = self.plan;
        let mut table = Table::new(out, plan.form, &plan.layout, self.catalogue);
        if let Some(facts) = self.facts() {
            table = table.with_causes();
            let mut causing = Causing::new(facts.finish(), self.catalogue);
            let end = self.pass(&mut |came| {
                let cause = causing.take(&came);
                match came {
                    Came::Frame(seen) if plan.filter.matches(seen.frame) => table.row_with(seen, cause),
                    Came::Pause => table.flush(),
                    _ => Ok(()),
                }
            });
            return Outcome { end, shown: table.is_begun(), written: table.finish() };
        }
        let end = self.pass(&mut |came| match came {
            Came::Frame(seen) if plan.filter.matches(seen.frame) => table.row(seen),
            Came::Pause => table.flush(),
            _ => Ok(()),
        });
        Outcome { end, shown: table.is_begun(), written: table.finish() }
    }

    /// Reads to the end, then shows what the whole says.
    fn whole(&mut self, mut out: impl Write) -> Outcome {
        let plan = self.plan;
        let mut gathered = Gathered::new(plan.filtered, plan.view);
        let facts = if plan.view == View::Explained { self.facts() } else { None };
        let mut calls = facts.map(|facts| Telling::new(facts.finish(), self.catalogue));
        let end = self.pass(&mut |came| {
            if let Some(calls) = &mut calls {
                calls.take(&came);
            }
            if let Came::Frame(seen) = came {
                gathered.frame(seen.frame, &plan.filter);
            }
            Ok(())
        });
        let shown = gathered.has_frames();
        if end.is_err() && !shown {
            return Outcome { end, shown, written: Ok(()) };
        }
        let all = self.session.conversations();
        let written = gathered.write(plan.form, all, calls.as_ref(), self.catalogue, &mut out);
        Outcome { end, shown, written: written.and_then(|()| out.flush()) }
    }

    /// Shows the bytes of one conversation.
    fn followed(&mut self, stream: u32, manner: Manner, out: impl Write) -> Outcome {
        let mut followed = Followed::new(out, stream, manner, self.catalogue);
        let end = self.pass(&mut |came| match came {
            Came::Frame(seen) => followed.frame(seen.frame),
            _ => Ok(()),
        });
        Outcome { end, shown: followed.is_begun(), written: followed.finish() }
    }

    /// Shows all conversations as ladders, or one of them while it is read.
    fn ladder(&mut self, chosen: Option<u32>, out: impl Write) -> Outcome {
        let (plan, catalogue) = (self.plan, self.catalogue);
        if let Some(facts) = self.facts() {
            return self.traced(facts, What::Ladder, chosen, out);
        }
        if let Some(stream) = chosen {
            let mut one = ladder::One::new(out, plan.form, stream, catalogue);
            let end = self.pass(&mut |came| match came {
                Came::Frame(seen) => one.frame(seen),
                Came::Pause => one.flush(),
                Came::Aside(..) => Ok(()),
            });
            return Outcome { end, shown: one.is_begun(), written: one.finish() };
        }
        let mut all = ladder::All::new(plan.filtered);
        let end = self.pass(&mut |came| {
            if let Came::Frame(seen) = came {
                all.frame(seen, &plan.filter);
            }
            Ok(())
        });
        let shown = all.has_frames();
        let written = if end.is_err() && !shown { Ok(()) } else { all.write(out, plan.form, catalogue) };
        Outcome { end, shown, written }
    }

    /// Shows the calls of a recording.
    fn calls(&mut self, one: Option<u32>, out: impl Write) -> Result<Outcome, Problem> {
        if let Some(facts) = self.facts() {
            return Ok(self.traced(facts, What::Calls, one, out));
        }
        let names: Vec<String> = self.plan.sources.iter().map(Source::name).collect();
        Err(Problem::new(Kind::NoRecording).with("path", names.join(", ")))
    }

    /// Shows a recording: all, or what belongs to one conversation, or to those that the filter chose.
    fn traced(&mut self, facts: Facts, what: What, one: Option<u32>, out: impl Write) -> Outcome {
        let (plan, catalogue) = (self.plan, self.catalogue);
        let sockets = facts.finish();
        let chosen = (one.is_some() || plan.filtered).then(|| {
            let mut choosing = Choosing::new(sockets.clone(), one);
            // What cannot be read, the next pass says.
            let _ = plan.captures().look(&mut self.waiting, &mut |came| {
                choosing.take(&came, &plan.filter);
                Ok(())
            });
            choosing.finish()
        });
        let shown = chosen.as_ref().is_none_or(Chosen::any);
        let manner = TracedManner { what, form: plan.form, verbose: self.verbose };
        let mut traced = Traced::new(out, sockets, chosen, manner, catalogue);
        let end = self.pass(&mut |came| traced.take(&came));
        Outcome { end, shown, written: traced.finish() }
    }

    /// What a recording of programs says beside its packets, if it is one and can be read twice.
    fn facts(&mut self) -> Option<Facts> {
        if !self.plan.sources.iter().all(|source| source.length().is_some()) {
            return None;
        }
        let mut facts = Facts::default();
        // What cannot be read, the next pass says; of what is no recording it is not read on.
        let _ = self.plan.captures().look(&mut self.waiting, &mut |came| facts.take(&came));
        facts.any().then_some(facts)
    }

    /// Shows one packet; how many there are.
    fn packet(&mut self, number: u64, mut out: impl Write) -> (Outcome, u64) {
        let (mut shown, mut last) = (false, 0);
        let end = self.pass(&mut |came| {
            let Came::Frame(seen) = came else { return Ok(()) };
            last = seen.frame.number;
            if last != number {
                return Ok(());
            }
            shown = true;
            packet::write(seen.frame, enchufe_story::fact::passage(seen.record), &mut out)
        });
        (Outcome { end, shown, written: out.flush() }, last)
    }

    /// Writes the packets that fit to a file.
    fn copied(&mut self, path: &Path) -> Result<Outcome, Problem> {
        let plan = self.plan;
        let mut copied = Copied::new(path, &plan.sources)?;
        let end = self.pass(&mut |came| match came {
            Came::Frame(seen) if plan.filter.matches(seen.frame) => copied.packet(seen),
            Came::Aside(file, item) => copied.aside(file, item),
            _ => Ok(()),
        });
        let flushed = copied.flush();
        let failed = match &end {
            Err(Stop::Output(error)) => Some(error),
            _ => flushed.as_ref().err(),
        };
        match failed {
            // Who reads it had enough.
            Some(error) if copied.target().has_left(error) => {
                return Ok(Outcome { end: Ok(()), shown: true, written: Ok(()) });
            }
            Some(error) => return Err(copied.target().refused(error)),
            None => {}
        }
        let say = |id, count| {
            words::say(self.catalogue, id, &[("path", &copied.target().name())], &[("count", count)])
        };
        crate::style::complain(&say("note-copied", copied.count()));
        if copied.left_out() > 0 {
            crate::style::complain(&say("note-not-copied", copied.left_out()));
        }
        Ok(Outcome { end, shown: copied.count() > 0, written: Ok(()) })
    }

    /// Shows what was asked for.
    fn show(&mut self) -> Result<Outcome, Problem> {
        let out = BufWriter::new(io::stdout().lock());
        let name: Vec<String> = self.plan.sources.iter().map(Source::name).collect();
        let missing = |kind, number: u64, count: u64| {
            Problem::new(kind).with("path", name.join(", ")).with("number", number).count("count", count)
        };
        let outcome = match self.plan.view {
            View::Packets => Ok(self.packets(out)),
            View::Ladder(None) => Ok(self.ladder(None, out)),
            View::Calls(None) => self.calls(None, out),
            View::Followed(stream, _) | View::Ladder(Some(stream)) | View::Calls(Some(stream)) => {
                let outcome = match self.plan.view {
                    View::Followed(_, manner) => self.followed(stream, manner, out),
                    View::Calls(_) => self.calls(Some(stream), out)?,
                    _ => self.ladder(Some(stream), out),
                };
                if outcome.end.is_err() || outcome.shown {
                    return Ok(outcome);
                }
                return Err(missing(Kind::NoConversation, stream.into(), self.count()));
            }
            View::Packet(number) => match self.packet(number, out) {
                (outcome, last) if outcome.end.is_ok() && !outcome.shown => {
                    Err(missing(Kind::NoPacket, number, last))
                }
                (outcome, _) => Ok(outcome),
            },
            View::Copied => self.copied(self.plan.write.as_deref().unwrap_or(Path::new(""))),
            View::Conversations | View::Findings | View::Explained => Ok(self.whole(out)),
        }?;
        match self.plan.only.map(u64::from) {
            Some(stream) if outcome.end.is_ok() && stream >= self.count() => {
                Err(missing(Kind::NoConversation, stream, self.count()))
            }
            _ => Ok(outcome),
        }
    }

    /// How many conversations there are.
    fn count(&self) -> u64 {
        let conversations = self.session.conversations();
        u64::try_from(conversations.sorted().len())
            .unwrap_or(u64::MAX)
            .saturating_add(conversations.forgotten())
    }
}

fn view(flags: &flags::Read, has_filter: bool) -> Result<View, Problem> {
    let view = chosen_view(flags)?;
    let is_one =
        matches!(view, View::Followed(..) | View::Packet(_) | View::Ladder(Some(_)) | View::Calls(Some(_)));
    let is_ladder = matches!(view, View::Ladder(_) | View::Calls(_));
    let only = [
        ("--columns", !flags.rows.columns.is_empty() && view != View::Packets),
        ("--time", flags.rows.time.is_some() && view != View::Packets),
        ("--tsv", flags.rows.tsv && is_ladder),
        ("FILTER", has_filter && is_one),
    ];
    match only.into_iter().find(|(_, refused)| *refused) {
        Some((flag, _)) => {
            let service = match view {
                View::Explained => "--explain",
                View::Followed(..) => "--follow",
                View::Packet(_) => "--packet",
                View::Copied => "-w",
                View::Ladder(Some(_)) | View::Calls(Some(_)) => "--conversation",
                View::Ladder(None) if flags.views.ladder => "--ladder",
                View::Ladder(None) => "--view ladder",
                View::Calls(None) => "--view calls",
                View::Conversations => "--view conversations",
                View::Findings => "--view findings",
                View::Packets => "--view packets",
            };
            Err(Problem::new(Kind::FlagNotUsed).with("flag", flag).with("service", service))
        }
        None => Ok(view),
    }
}

/// The conversation of `--conversation`.
fn conversation(flags: &flags::Read) -> Result<Option<u32>, Problem> {
    let chosen = flags.one.conversation.as_deref();
    chosen.map(|word| number("--conversation", word, 0..=u32::MAX)).transpose()
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
    let word = flags.views.view.as_deref().unwrap_or("packets");
    let word = choice("--view", word, &["packets", "conversations", "findings", "ladder", "calls"])?;
    if word == "ladder" || flags.views.ladder {
        return Ok(View::Ladder(conversation(flags)?));
    }
    if word == "calls" {
        return Ok(View::Calls(conversation(flags)?));
    }
    Ok(match word {
        _ if flags.views.explain => View::Explained,
        "conversations" => View::Conversations,
        "findings" => View::Findings,
        _ => View::Packets,
    })
}

pub fn read(flags: &flags::Read, common: Common, catalogue: &Catalogue) -> Result<Code, Problem> {
    let plan = Plan::new(flags)?;
    let waiting = Waiting::new(&plan.sources, if plan.twice { 2 } else { 1 }, common, catalogue)?;
    let (session, remarks) = (Session::new(Limits::default()), Remarks::new(catalogue));
    let mut reading = Reading { plan: &plan, session, waiting, remarks, verbose: common.verbose, catalogue };
    if plan.twice {
        reading.session = plan.captures().scout(Limits::default(), &mut reading.waiting);
    }
    let outcome = reading.show()?;
    let untold = reading.session.not_remembered();
    if untold > 0 && plan.view == View::Packets {
        crate::style::complain(&words::say(catalogue, "note-not-remembered", &[], &[("count", untold)]));
    }
    let undecoded = reading.remarks.has_undecoded();
    match (outcome.end, outcome.written) {
        (Err(Stop::Output(error)), _) | (Ok(()), Err(error)) => written(&error),
        (Err(Stop::Threads(error)), _) => Err(Problem::resources("clone", &error)),
        (Err(Stop::Interrupted), _) if outcome.shown => Err(Problem::new(Kind::ReadInterrupted)),
        (Err(Stop::Interrupted), _) => Err(Problem::new(Kind::ReadInterruptedAtOnce)),
        (Err(Stop::Input(problems)), _) => Err(last_of(problems, catalogue)),
        (Ok(()), Ok(())) => Ok(if undecoded { Code::Bad } else { Code::Fine }),
    }
}

/// Says all problems but the last, which is the caller's.
fn last_of(mut problems: Vec<Problem>, catalogue: &Catalogue) -> Problem {
    let last = problems.pop().unwrap_or(Problem::new(Kind::NoFile));
    for problem in problems {
        crate::style::complain(&problem.text(catalogue));
    }
    last
}

/// A closed pipe is no error: who read it had enough.
pub(super) fn written(error: &io::Error) -> Result<Code, Problem> {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(Code::Fine),
        _ => Err(Problem::new(Kind::WriteOutput).cause(error)),
    }
}
