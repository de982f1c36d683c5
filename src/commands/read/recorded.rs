//! What `trace` asks of the recording that it made: to be finished, and to be shown.

use super::reading::{Captures, Stop};
use super::source::Source;
use super::table::Layout;
use super::traced::Facts;
use super::traced::finished::Finished;
use super::waiting::Waiting;
use super::{View, last_of, read, view};
use crate::catalogue::Catalogue;
use crate::exit::Code;
use crate::flags;
use crate::plan::Common;
use crate::problem::{Kind, Problem};
use std::io::{self, BufWriter};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What `trace` asks of its recording.
fn asked(path: &Path, flags: &flags::Trace) -> flags::Read {
    let mut read = flags::Read { words: vec![path.as_os_str().to_owned()], ..flags::Read::default() };
    (read.views.explain, read.views.ladder) = (flags.explain, flags.ladder);
    let is_usual = !flags.explain && !flags.ladder;
    read.views.view = flags.view.clone().or_else(|| is_usual.then(|| "ladder".to_owned()));
    read.one.conversation.clone_from(&flags.conversation);
    read.rows.columns.clone_from(&flags.columns);
    read.rows.json = flags.json;
    read
}

/// Whether a recording that will be made can be shown so.
pub fn can_show(flags: &flags::Trace) -> Result<(), Problem> {
    let asked = asked(Path::new(""), flags);
    Layout::of(&asked.rows)?;
    let flag = match view(&asked, false)? {
        View::Packets => "--view packets",
        View::Conversations => "--view conversations",
        View::Findings => "--view findings",
        View::Explained => "--explain",
        _ => return Ok(()),
    };
    if flags.network.no_packets {
        return Err(Problem::new(Kind::ViewNeedsPackets).with("flag", flag));
    }
    Ok(())
}

/// Shows a recording that was just made.
pub fn recorded(
    path: &Path,
    flags: &flags::Trace,
    common: Common,
    catalogue: &Catalogue,
) -> Result<Code, Problem> {
    let mut asked = asked(path, flags);
    let shown = read(&asked, common, catalogue);
    if shown.as_ref().is_err_and(|problem| problem.kind == Kind::NoConversation) {
        // The run is over, and what it was is not to be lost for a number.
        asked.one.conversation = None;
        read(&asked, common, catalogue)?;
    }
    shown.map_err(|problem| {
        // One that is not kept has no name that says anything.
        if flags.write.is_some() { problem } else { problem.with("path", catalogue.plain("trace-recording")) }
    })
}

/// Shows the ladder of a recording that was just made.
pub fn ladder_of(path: &Path, common: Common, catalogue: &Catalogue) -> Result<Code, Problem> {
    let mut flags = flags::Read { words: vec![path.as_os_str().to_owned()], ..flags::Read::default() };
    flags.views.ladder = true;
    read(&flags, common, catalogue)
}

/// Makes of what was written while programs ran the recording that is kept: the causes are comments of its packets, and of
/// a network that was shared with others it has what is the programs'. Until it is whole nothing else changes.
pub fn finish_recording(
    raw: &Path,
    to: &Path,
    is_shared: bool,
    common: Common,
    catalogue: &Catalogue,
) -> Result<(), Problem> {
    let refused = |error: io::Error| Problem::unwritable("write", to, &error);
    // A link stays: what it points to is replaced.
    let real = std::fs::canonicalize(to);
    let to = real.as_deref().unwrap_or(to);
    let sources = [Source::new(raw)?];
    let captures = Captures { sources: &sources, in_order: false };
    let mut waiting = Waiting::new(&sources, 2, common, catalogue)?;
    let mut facts = Facts::default();
    let _ = captures.look(&mut waiting, &mut |came| facts.take(&came));
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = tempfile::Builder::new().permissions(permissions(to)).tempfile_in(folder).map_err(refused)?;
    let mut finished = Finished::new(BufWriter::new(&file), facts.finish(), is_shared, catalogue);
    match captures.look(&mut waiting, &mut |came| finished.take(&came)) {
        Ok(()) => {}
        Err(Stop::Output(error) | Stop::Threads(error)) => return Err(refused(error)),
        Err(Stop::Interrupted) => return Err(Problem::new(Kind::ReadInterrupted)),
        Err(Stop::Input(problems)) => return Err(last_of(problems, catalogue)),
    }
    finished.finish().map_err(refused)?;
    file.persist(to).map_err(|error| refused(error.error))?;
    Ok(())
}

/// Those of the file that is replaced, else what any new file gets.
fn permissions(path: &Path) -> std::fs::Permissions {
    std::fs::metadata(path).map_or_else(|_| PermissionsExt::from_mode(0o666), |there| there.permissions())
}
