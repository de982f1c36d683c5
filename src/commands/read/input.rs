//! The capture, read once from its beginning to its end.

use super::source::Source;
use crate::problem::Problem;
use enchufe_wire::Timestamp;
use enchufe_wire::file::{Item, ReadError, Reader};
use enchufe_wire::session::{Frame, Session};
use std::io;

/// Bytes read at a time.
const CHUNK: usize = 256 * 1024;

/// A frame with what of the file is said beside it.
#[derive(Debug)]
pub struct Seen<'s, 'f> {
    pub frame: &'s Frame<'f>,
    /// How many decimals of a second the file's times have.
    pub decimals: usize,
    /// Nanoseconds since the frame before it.
    pub delta: Option<i64>,
}

/// Why a pass did not reach the end.
pub enum Stop {
    Input(Problem),
    Capture(ReadError),
    Output(io::Error),
}

/// Reads the capture once, each frame given to `with`.
pub fn pass(
    source: &Source,
    session: &mut Session,
    with: &mut dyn FnMut(&Seen<'_, '_>) -> io::Result<()>,
) -> Result<(), Stop> {
    let mut input = source.open().map_err(Stop::Input)?;
    let (mut reader, mut chunk, mut before) = (Reader::new(), vec![0; CHUNK], None);
    loop {
        let count = match input.read(&mut chunk) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Stop::Input(source.unreadable(&error))),
        };
        reader.feed(chunk.get(..count).unwrap_or_default());
        while let Some(item) = reader.next().map_err(Stop::Capture)? {
            if let Item::Packet(record) = item {
                let frame = session.frame(&record);
                let since = |now: Timestamp| now.since(before.unwrap_or(now));
                let (decimals, delta) = (record.resolution.decimals(), record.time.map(since));
                before = record.time.or(before);
                with(&Seen { frame: &frame, decimals, delta }).map_err(Stop::Output)?;
            }
        }
        if count == 0 {
            return reader.finish().map_err(Stop::Capture);
        }
    }
}
