//! `enchufe read`

pub(super) mod clock;
pub(super) mod column;
pub(super) mod filter;
pub(super) mod input;
mod source;
pub(super) mod table;

use crate::catalogue::Catalogue;
use crate::exit::Code;
use crate::flags;
use crate::problem::{Kind, Problem};
use clock::Clock;
use column::Column;
use enchufe_wire::Filter;
use enchufe_wire::session::Session;
use enchufe_wire::tcp::Limits;
use input::{Stop, pass};
use source::Source;
use std::io::{self, BufWriter};
use table::{Form, Layout, Table};

/// What was asked for.
struct Plan {
    source: Source,
    filter: Filter,
    form: Form,
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
        let form = match (flags.tsv, flags.json) {
            (true, _) => Form::Tsv,
            (_, true) => Form::Json,
            _ => Form::Text,
        };
        let chosen = flags.columns.iter().map(|name| Column::new(name)).collect::<Result<_, _>>()?;
        let layout = Layout { chosen, clock: Clock::new(flags.time.as_deref())? };
        let filter = filter::parse(flags.filter.as_deref())?;
        let source = Source::new(path)?;
        let twice = source.can_be_read_again() && !flags.one_pass;
        Ok(Self { source, filter, form, layout, twice })
    }
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
    let mut table = Table::new(out, plan.form, &plan.layout, catalogue);
    let end = pass(&plan.source, &mut session, &mut |seen| {
        if plan.filter.matches(seen.frame) { table.row(seen) } else { Ok(()) }
    });
    let shown = table.is_begun();
    let flushed = table.finish();
    match end {
        Err(Stop::Output(error)) => written(&error),
        Err(Stop::Input(problem)) => Err(problem),
        Err(Stop::Capture(error)) => Err(plan.source.explain(&error, shown)),
        Ok(()) => flushed.map_or_else(|error| written(&error), |()| Ok(Code::Fine)),
    }
}

/// A closed pipe is no error: who read it had enough.
pub(super) fn written(error: &io::Error) -> Result<Code, Problem> {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(Code::Fine),
        _ => Err(Problem::new(Kind::WriteOutput).cause(error)),
    }
}
