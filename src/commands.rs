//! One file a command: from its flags to a plan, from the plan to the libraries, from what they say
//! to an exit code.

mod demo;
#[cfg(have_watch)]
mod doctor;
mod prompt;
mod read;
mod send;
mod serve;
mod shell;
mod tls;
#[cfg(have_watch)]
mod trace;
#[cfg(have_watch)]
mod watch;

pub use demo::demo;
#[cfg(have_watch)]
pub use doctor::doctor;
pub use read::read;
pub use send::send;
pub use serve::serve;
pub use shell::{completions, man};
#[cfg(have_watch)]
pub use trace::trace;
#[cfg(have_watch)]
pub use watch::watch;

use crate::catalogue::Catalogue;
use crate::exit::Code;
use crate::flags::Telling;
use crate::plan::Common;
use crate::problem::{Kind, Problem};
use crate::reporter::{Audience, Events, Log, Manner, Teller};
use crate::style;
use crate::transcript::{Form, Shown, Timestamps};
use enchufe_sys::host::{self, Interest, StopSignals, Watch};
use enchufe_talk::Stop;
use std::io::{self, Write};
use std::sync::Arc;

/// Prints a text that was asked for.
pub fn show(text: &str) -> Result<Code, Problem> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Problem::new(Kind::WriteOutput).cause(&error))
        }
        _ => Ok(Code::Fine),
    }
}

/// A stop that the first Ctrl-C (or SIGTERM) begins and the second makes a cut; the third ends the
/// program on the spot.
fn stop_on_signals() -> Result<Arc<Stop>, Problem> {
    let stop = Arc::new(Stop::new().map_err(|error| Problem::resources("eventfd", &error))?);
    let signals = StopSignals::install().map_err(|error| Problem::resources("socketpair", &error))?;
    let stopped = Arc::clone(&stop);
    let watcher = move || {
        let mut count = 0;
        while host::wait(&mut [Watch::new(&signals, Interest::READ)], None).is_ok() {
            count += signals.take();
            if count > 0 {
                stopped.begin();
            }
            if count > 1 {
                stopped.cut();
            }
            if count > 2 {
                // Whoever reads our output may not be reading: then nothing else would end it.
                std::process::exit(1);
            }
        }
    };
    std::thread::Builder::new().spawn(watcher).map_err(|error| Problem::resources("clone", &error))?;
    Ok(stop)
}

/// What a command has to tell.
struct Tale {
    audience: Audience,
    events: Events,
    shown: Shown,
    numbered: bool,
}

/// What `--json`, `--hex` and the like make of the telling.
fn teller(
    telling: &Telling,
    common: Common,
    tale: &Tale,
    stop: &Arc<Stop>,
    catalogue: &'static Catalogue,
) -> Result<Arc<Teller>, Problem> {
    let Tale { audience, events, shown, numbered } = *tale;
    let payload = match (telling.hex, common.verbose) {
        (true, _) => Shown::Hex,
        (_, true) => Shown::Whole,
        _ => shown,
    };
    let color = match audience {
        Audience::ClientPiped { .. } => style::wanted(&io::stderr()),
        Audience::Server | Audience::ClientOnTerminal => style::wanted(&io::stdout()),
    };
    let timestamps = if telling.timestamps { Timestamps::Clock } else { Timestamps::None };
    let form = Form { payload, timestamps, numbered, color };
    let Common { quiet, verbose } = common;
    let manner = Manner { audience, events, json: telling.json, quiet, verbose, form };
    let log = telling.log.as_deref().map(Log::open).transpose()?;
    Ok(Arc::new(Teller::new(catalogue, manner, log, Arc::clone(stop))))
}
