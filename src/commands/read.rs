//! `enchufe read`

mod source;
mod table;

use crate::catalogue::Catalogue;
use crate::exit::Code;
use crate::flags;
use crate::problem::{Kind, Problem};
use enchufe_wire::file::{Item, ReadError, Reader};
use enchufe_wire::session::{Frame, Session};
use enchufe_wire::tcp::Limits;
use source::Source;
use std::io::{self, BufWriter, Read};
use table::{Form, Table};

/// Bytes read at a time.
const CHUNK: usize = 256 * 1024;

pub fn read(flags: &flags::Read, catalogue: &Catalogue) -> Result<Code, Problem> {
    let Some(path) = &flags.file else { return Err(Problem::new(Kind::NoFile)) };
    let source = Source::new(path)?;
    let form = match (flags.tsv, flags.json) {
        (true, _) => Form::Tsv,
        (_, true) => Form::Json,
        _ => Form::Text,
    };
    let mut session = Session::new(Limits::default());
    if source.can_be_read_again() && !flags.one_pass {
        // What the first pass cannot read is said by the second.
        let _ = pass(&source, &mut session, &mut |_| Ok(()));
        session = session.again(Limits::default());
    }
    let mut table = Table::new(BufWriter::new(io::stdout().lock()), form, catalogue);
    let end = pass(&source, &mut session, &mut |frame| table.row(frame));
    let shown = table.is_begun();
    let flushed = table.finish();
    match end {
        Err(Stop::Output(error)) => written(&error),
        Err(Stop::Input(problem)) => Err(problem),
        Err(Stop::Capture(error)) => Err(source.explain(&error, shown)),
        Ok(()) => flushed.map_or_else(|error| written(&error), |()| Ok(Code::Fine)),
    }
}

/// A closed pipe is no error: who read it had enough.
fn written(error: &io::Error) -> Result<Code, Problem> {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(Code::Fine),
        _ => Err(Problem::new(Kind::WriteOutput).cause(error)),
    }
}

/// Why a pass did not reach the end.
enum Stop {
    Input(Problem),
    Capture(ReadError),
    Output(io::Error),
}

/// Reads the capture once, each frame given to `with`.
fn pass(
    source: &Source,
    session: &mut Session,
    with: &mut dyn FnMut(&Frame<'_>) -> io::Result<()>,
) -> Result<(), Stop> {
    let mut input = source.open().map_err(Stop::Input)?;
    let mut reader = Reader::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        let count = match input.read(&mut chunk) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Stop::Input(source.unreadable(&error))),
        };
        reader.feed(chunk.get(..count).unwrap_or_default());
        while let Some(item) = reader.next().map_err(Stop::Capture)? {
            if let Item::Packet(record) = item {
                with(&session.frame(&record)).map_err(Stop::Output)?;
            }
        }
        if count == 0 {
            return reader.finish().map_err(Stop::Capture);
        }
    }
}
