//! Prints the numbers of the frames that fit a display filter: `filter 'FILTER' FILE`.

use std::error::Error;
use std::io::Write;

use enchufe_wire::Filter;
use enchufe_wire::file::{Item, Reader};
use enchufe_wire::session::Session;
use enchufe_wire::tcp::Limits;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (text, path) = arguments.next().zip(arguments.next()).ok_or("which filter, and which file?")?;
    let mut out = std::io::stdout().lock();
    let filter = match Filter::parse(&text) {
        Ok(filter) => filter,
        Err(error) => {
            let carets = "^".repeat(error.span.len().max(1));
            writeln!(out, "{text}\n{}{carets}", " ".repeat(error.span.start))?;
            return Err(error.into());
        }
    };
    let (mut reader, mut session) = (Reader::new(), Session::new(Limits::default()));
    reader.feed(&std::fs::read(path)?);
    while let Some(item) = reader.next()? {
        if let Item::Packet(record) = item {
            let frame = session.frame(&record);
            if filter.matches(&frame) {
                writeln!(out, "{}", frame.number)?;
            }
        }
    }
    Ok(())
}
