//! The capture, read once from its beginning to its end.

use super::source::Source;
use super::words::say;
use crate::catalogue::Catalogue;
use crate::problem::Problem;
use enchufe_wire::file::{Item, ReadError, Reader, Record};
use enchufe_wire::session::{Frame, Session};
use enchufe_wire::{LinkType, Timestamp};
use std::io;

/// Bytes read at a time.
const CHUNK: usize = 256 * 1024;

/// A frame with what of the file is said beside it.
#[derive(Debug)]
pub struct Seen<'s, 'f> {
    pub frame: &'s Frame<'f>,
    /// The frame as it stands in the file.
    pub record: &'s Record<'f>,
    /// How many decimals of a second the file's times have.
    pub decimals: usize,
    /// Nanoseconds since the frame before it.
    pub delta: Option<i64>,
}

/// Why a pass did not reach the end.
pub enum Stop {
    /// It could not be opened.
    Input(Problem),
    /// Its bytes cannot be read, or not further; whether frames came before.
    Unreadable(io::Error, bool),
    /// It is no capture, or not further; whether frames came before.
    Capture(ReadError, bool),
    Output(io::Error),
}

/// Says what is strange in a capture, each thing once.
struct Strange<'a> {
    catalogue: Option<&'a Catalogue>,
    backwards: bool,
    unknown_link: bool,
}

impl Strange<'_> {
    fn look(&mut self, frame: u64, link: LinkType, delta: Option<i64>) {
        let Some(catalogue) = self.catalogue else { return };
        let frame = frame.to_string();
        if delta.is_some_and(|delta| delta < 0) && !self.backwards {
            self.backwards = true;
            crate::style::complain(&say(catalogue, "note-backwards", &[("frame", &frame)], &[]));
        }
        if link.name().is_none() && !self.unknown_link {
            self.unknown_link = true;
            let texts = [("frame", frame.as_str()), ("link", &link.0.to_string())];
            crate::style::complain(&say(catalogue, "note-unknown-link", &texts, &[]));
        }
    }
}

/// Reads the capture once, each frame given to `with`; what is strange is said if there is a catalogue.
pub fn pass(
    source: &Source,
    session: &mut Session,
    catalogue: Option<&Catalogue>,
    with: &mut dyn FnMut(&Seen<'_, '_>) -> io::Result<()>,
) -> Result<(), Stop> {
    let mut input = source.open().map_err(Stop::Input)?;
    let (mut reader, mut chunk, mut before, mut shown) = (Reader::new(), vec![0; CHUNK], None, false);
    let mut strange = Strange { catalogue, backwards: false, unknown_link: false };
    loop {
        let count = match input.read(&mut chunk) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Stop::Unreadable(error, shown)),
        };
        reader.feed(chunk.get(..count).unwrap_or_default());
        while let Some(item) = reader.next().map_err(|error| Stop::Capture(error, shown))? {
            if let Item::Packet(record) = item {
                let frame = session.frame(&record);
                let since = |now: Timestamp| now.since(before.unwrap_or(now));
                let (decimals, delta) = (record.resolution.decimals(), record.time.map(since));
                before = record.time.or(before);
                shown = true;
                strange.look(frame.number, record.link, delta);
                with(&Seen { frame: &frame, record: &record, decimals, delta }).map_err(Stop::Output)?;
            }
        }
        if count == 0 {
            return reader.finish().map_err(|error| Stop::Capture(error, shown));
        }
    }
}
