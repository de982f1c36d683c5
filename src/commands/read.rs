//! `enchufe read`

mod clock;
mod column;
mod conversations;
mod explain;
mod filter;
mod findings;
mod gathered;
mod grid;
mod input;
mod source;
mod table;
mod words;

use crate::catalogue::Catalogue;
use crate::exit::Code;
use crate::flags;
use crate::plan::choice;
use crate::problem::{Kind, Problem};
use clock::Clock;
use column::Column;
use enchufe_wire::Filter;
use enchufe_wire::session::Session;
use enchufe_wire::tcp::Limits;
use gathered::Gathered;
use input::{Stop, pass};
use source::Source;
use std::io::{self, BufWriter, Write};
use table::{Form, Layout, Table};

/// What of the capture is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum View {
    Packets,
    Conversations,
    Findings,
    Explained,
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
}

impl Plan {
    fn new(flags: &flags::Read) -> Result<Self, Problem> {
        let Some(path) = &flags.file else { return Err(Problem::new(Kind::NoFile)) };
        if let Some(word) = flags.extra.first() {
            let word = crate::text::escape(word.as_bytes());
            return Err(Problem::new(Kind::ExtraArgument).with("word", word));
        }
        let form = match (flags.rows.tsv, flags.rows.json) {
            (true, _) => Form::Tsv,
            (_, true) => Form::Json,
            _ => Form::Text,
        };
        let chosen = flags.rows.columns.iter().map(|name| Column::new(name)).collect::<Result<_, _>>()?;
        let layout = Layout { chosen, clock: Clock::new(flags.rows.time.as_deref())? };
        let view = view(flags)?;
        let filter = filter::parse(flags.filter.as_deref())?;
        let filtered = flags.filter.as_deref().is_some_and(|text| !text.trim().is_empty());
        let source = Source::new(path)?;
        let twice = source.can_be_read_again() && !flags.one_pass;
        Ok(Self { source, filter, filtered, form, view, layout, twice })
    }

    /// Shows the packets while they are read.
    fn packets(&self, session: &mut Session, out: impl Write, catalogue: &Catalogue) -> Outcome {
        let mut table = Table::new(out, self.form, &self.layout, catalogue);
        let end = pass(&self.source, session, &mut |seen| {
            if self.filter.matches(seen.frame) { table.row(seen) } else { Ok(()) }
        });
        Outcome { end, shown: table.is_begun(), written: table.finish() }
    }

    /// Reads to the end, then shows what the whole says.
    fn whole(&self, session: &mut Session, mut out: impl Write, catalogue: &Catalogue) -> Outcome {
        let mut gathered = Gathered::new(self.filtered, self.view == View::Explained);
        let end = pass(&self.source, session, &mut |seen| {
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
}

fn view(flags: &flags::Read) -> Result<View, Problem> {
    let view = chosen_view(flags)?;
    let only_packets = [("--columns", !flags.rows.columns.is_empty()), ("--time", flags.rows.time.is_some())];
    match only_packets.into_iter().find(|(_, given)| *given && view != View::Packets) {
        Some((flag, _)) => {
            let service = if flags.explain { "--explain" } else { "--view" };
            Err(Problem::new(Kind::FlagNotUsed).with("flag", flag).with("service", service))
        }
        None => Ok(view),
    }
}

fn chosen_view(flags: &flags::Read) -> Result<View, Problem> {
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
        let _ = pass(&plan.source, &mut session, &mut |_| Ok(()));
        session = session.again(Limits::default());
    }
    let out = BufWriter::new(io::stdout().lock());
    let outcome = match plan.view {
        View::Packets => plan.packets(&mut session, out, catalogue),
        _ => plan.whole(&mut session, out, catalogue),
    };
    match (outcome.end, outcome.written) {
        (Err(Stop::Output(error)), _) | (Ok(()), Err(error)) => written(&error),
        (Err(Stop::Input(problem)), _) => Err(problem),
        (Err(Stop::Capture(error)), _) => Err(plan.source.explain(&error, outcome.shown)),
        (Ok(()), Ok(())) => Ok(Code::Fine),
    }
}

/// A closed pipe is no error: who read it had enough.
fn written(error: &io::Error) -> Result<Code, Problem> {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(Code::Fine),
        _ => Err(Problem::new(Kind::WriteOutput).cause(error)),
    }
}
