//! While a capture is read: how far it is, and whether the user has had enough.

use super::source::{Meter, Source};
use crate::catalogue::Catalogue;
use crate::plan::Common;
use crate::problem::Problem;
use crate::progress::{Line, human_size};
use enchufe_sys::host::{self, Interest, StopSignals, Watch};
use fluent_bundle::FluentArgs;
use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How far the reading is.
pub struct Waiting<'a> {
    catalogue: &'a Catalogue,
    meter: Meter,
    /// Bytes of all passes, where all captures are regular files.
    total: Option<u64>,
    line: Line,
    visible: bool,
    stopped: Arc<AtomicBool>,
}

impl<'a> Waiting<'a> {
    /// Begins to wait for so many passes over these captures; from now on Ctrl-C ends the reading, not the program.
    pub fn new(
        sources: &[Source],
        passes: u64,
        common: Common,
        catalogue: &'a Catalogue,
    ) -> Result<Self, Problem> {
        let lengths: Option<Vec<u64>> = sources.iter().map(Source::length).collect();
        let total = lengths.map(|lengths| lengths.into_iter().sum::<u64>().saturating_mul(passes));
        let stopped = stop_on_signals().map_err(|error| Problem::resources("socketpair", &error))?;
        // On the terminal rows show that it goes on, and one line would stand in the other's way.
        let visible = !common.quiet && io::stderr().is_terminal() && !io::stdout().is_terminal();
        Ok(Self { catalogue, meter: Meter::default(), total, line: Line::new(), visible, stopped })
    }

    pub const fn meter(&self) -> &Meter {
        &self.meter
    }

    /// How long to wait until the next [`look`](Self::look).
    pub const PAUSE: Duration = Duration::from_millis(100);

    /// Shows how far it is, if it is time to.
    pub fn look(&mut self) {
        if !self.visible || !self.line.is_due() {
            return;
        }
        let read = self.meter.load(Ordering::Relaxed);
        let mut args = FluentArgs::new();
        args.set("read", human_size(read));
        args.set("elapsed", self.line.elapsed());
        let id = match self.total {
            Some(total) => {
                args.set("percent", (read.saturating_mul(100) / total.max(1)).min(100));
                "progress-read"
            }
            None => "progress-read-stream",
        };
        self.line.draw(&self.catalogue.text(id, &args));
    }

    /// What says whether the user wants it to end.
    pub fn stopped(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stopped)
    }

    /// Whether the user wants it to end.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Takes the line away before another one is written.
    pub fn clear(&mut self) {
        self.line.clear();
    }
}

/// What Ctrl-C and SIGTERM set; the second one ends the program, which may be stuck with its output.
fn stop_on_signals() -> io::Result<Arc<AtomicBool>> {
    let stopped = Arc::new(AtomicBool::new(false));
    let (signals, set) = (StopSignals::install()?, Arc::clone(&stopped));
    let watcher = move || {
        let mut count = 0;
        while host::wait(&mut [Watch::new(&signals, Interest::READ)], None).is_ok() {
            count += signals.take();
            set.store(count > 0, Ordering::Relaxed);
            if count > 1 {
                std::process::exit(1);
            }
        }
    };
    std::thread::Builder::new().spawn(watcher)?;
    Ok(stopped)
}
