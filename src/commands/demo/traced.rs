//! The practices with the wire between the two programs: traced, in a network of their own.

use super::{Practice, Typed, say};
use crate::catalogue::{Catalogue, Language};
use crate::commands::read::recorded::ladder_of;
use crate::commands::read::words::say as text;
use crate::commands::trace::network::Network;
use crate::commands::trace::obstacle::Obstacle;
use crate::commands::trace::{cannot_run, failed, not_recorded, recording};
use crate::plan::Common;
use crate::problem::{Kind, Problem};
use enchufe_story::fact::Status;
use enchufe_sys::children::Children;
use enchufe_sys::host::Bell;
use enchufe_sys::namespace;
use enchufe_watch::trace::{Audience, CommandError, Console, Options, Recorder, TraceError, run as trace};
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

/// Far more than any of the two needs, on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(30);
/// As wide and high as nothing that they print.
const SIZE: Console = Console::Terminal { columns: 200, rows: 50 };

/// What is the same for all practices.
struct Stage<'a> {
    children: Children,
    bell: &'a Bell,
    common: Common,
    catalogue: &'static Catalogue,
}

/// Runs all of them; the two lines to type for each. None where programs cannot be traced, which is told.
///
/// To be called before there is a second thread.
pub fn run(
    practices: &[Practice],
    common: Common,
    catalogue: &'static Catalogue,
) -> Result<Option<Vec<(String, String)>>, Problem> {
    let missing = |note: &str, cause: &str, command: &str| {
        if !common.quiet {
            crate::style::complain(&text(catalogue, note, &[("cause", cause), ("command", command)], &[]));
        }
        Ok(None)
    };
    let children = Children::new().map_err(|error| Problem::resources("signalfd", &error))?;
    if let Err(refused) = namespace::enter() {
        let obstacle = Obstacle::of(&refused);
        return missing("note-demo-no-network", &obstacle.cause(catalogue), &obstacle.command());
    }
    let bell = crate::commands::watch::bell_on_signals()?;
    let stage = Stage { children, bell: &bell, common, catalogue };
    let mut tries = Vec::new();
    for practice in practices {
        match stage.run(practice, tries.is_empty()) {
            Ok(lines) => tries.push(lines),
            Err(Stop::Forbidden(error)) if tries.is_empty() => {
                let cause = cause(&error, catalogue);
                return missing("note-demo-no-trace", &cause, "");
            }
            Err(Stop::Forbidden(error)) => return Err(cannot_run(error)),
            Err(Stop::Problem(problem)) => return Err(problem),
        }
    }
    Ok(Some(tries))
}

/// Why a practice was not shown.
enum Stop {
    /// Programs may not be traced.
    Forbidden(CommandError),
    Problem(Problem),
}

impl Stop {
    fn of(error: TraceError) -> Self {
        match error {
            TraceError::Command(forbidden @ (CommandError::Untraced(_) | CommandError::Unfiltered(_))) => {
                Self::Forbidden(forbidden)
            }
            error => Self::Problem(failed(error)),
        }
    }
}

/// What the system said.
fn cause(error: &CommandError, catalogue: &Catalogue) -> String {
    match error {
        CommandError::Untraced(error) | CommandError::Unfiltered(error) => {
            crate::problem::cause_text(error.kind(), &error.to_string(), catalogue)
        }
        error => error.to_string(),
    }
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl Stage<'_> {
    fn run(&self, practice: &Practice, is_first: bool) -> Result<(String, String), Stop> {
        let address = format!("127.0.0.1:{}", practice.port);
        let (mut server, mut client) = (practice.server.clone(), practice.client.clone());
        server.flags.extend(["--listen".into(), OsString::from(&address)]);
        client.words.insert(0, address.into());
        let (file, path) = recording(None)?;
        let cannot_write = |error: &io::Error| not_recorded(None, error);
        let Network { capture, interface, carries, .. } = Network::private(false, None)?;
        let recorder = Recorder::new(&file, capture, interface, carries);
        let mut recorder = recorder.map_err(|error| cannot_write(&error))?;
        let audience = Audience { input: None, stop: self.bell, door: None, told: &mut |_| {} };
        let options = self.options(&server, &client)?;
        let ran = trace(&options, &self.children, &mut recorder, audience);
        recorder.finish(self.bell).map_err(|error| cannot_write(&error))?;
        let ended = ran.map_err(Stop::of)?;
        say(&format!("{}\n", self.catalogue.plain(practice.title)))?;
        if is_first {
            say(&format!("{}\n", self.catalogue.plain("demo-lanes")))?;
        }
        ladder_of(&path, self.common, self.catalogue)?;
        say("\n")?;
        if ended.stopped {
            return Err(Problem::new(Kind::Interrupted).into());
        }
        let well = |status: &Option<Status>| *status == Some(Status::Exited(0));
        match [&server, &client].into_iter().zip(&ended.statuses).find(|(_, status)| !well(status)) {
            Some((typed, _)) => Err(super::stopped(typed.line("enchufe")).into()),
            None => Ok((server.line("serve"), client.line("send"))),
        }
    }

    fn options(&self, server: &Typed, client: &Typed) -> Result<Options, Problem> {
        let file = std::env::current_exe().map_err(|error| Problem::resources("readlink", &error))?;
        let command = |verb: &str, typed: &Typed| {
            // What is shown is what is to be typed, so what goes without saying is not said.
            let language = self.catalogue.language();
            let spoken = (language != Language::of_locale()).then(|| ["--lang", language.code()]);
            let verbose = self.common.verbose.then_some("--verbose");
            let words = ["enchufe", verb].into_iter().chain(spoken.into_iter().flatten()).chain(verbose);
            let words = words.map(OsString::from).chain(typed.all());
            words.map(OsString::into_vec).collect::<Vec<_>>()
        };
        Ok(Options {
            commands: vec![command("serve", server), command("send", client)],
            file: Some(file),
            console: SIZE,
            drain: PATIENCE,
            start_timeout: PATIENCE,
            start_anyway: false,
            reader: 1,
            io_uring: false,
            lines: false,
        })
    }
}
