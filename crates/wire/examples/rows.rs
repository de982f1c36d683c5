//! Prints the packet table of a capture: `rows [-1] FILE`. With `-1` it is read once, otherwise twice.

use std::error::Error;
use std::io::Write;

use enchufe_wire::file::{Item, Reader};
use enchufe_wire::row::Columns;
use enchufe_wire::session::{Frame, Session};
use enchufe_wire::tcp::Limits;

fn each(file: &[u8], session: &mut Session, mut with: impl FnMut(&Frame<'_>)) -> Result<(), Box<dyn Error>> {
    let mut reader = Reader::new();
    for piece in file.chunks(1 << 16) {
        reader.feed(piece);
        while let Some(item) = reader.next()? {
            if let Item::Packet(record) = item {
                with(&session.frame(&record));
            }
        }
    }
    reader.finish()?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments: Vec<_> = std::env::args().skip(1).collect();
    let path = arguments.pop().ok_or("which file?")?;
    let once = arguments.first().is_some_and(|first| first == "-1");
    let file = std::fs::read(path)?;
    let mut session = Session::new(Limits::default());
    if !once {
        // What a first pass cannot read is said by the second one.
        each(&file, &mut session, |_| {}).ok();
        session = session.again(Limits::default());
    }
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let (mut columns, mut line) = (Columns::new(), String::new());
    let end = each(&file, &mut session, |frame| {
        line.clear();
        columns.line(frame, &mut line);
        writeln!(out, "{line}").ok();
    });
    out.flush()?;
    end
}
