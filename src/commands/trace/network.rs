//! Where programs run, and whether their packets are seen: in a network of their own, else on this machine's.

use super::obstacle::Obstacle;
use crate::catalogue::Catalogue;
use crate::commands::read::words::say;
use crate::flags;
use crate::plan::{self, Common};
use crate::problem::{Kind, Problem};
use enchufe_sys::namespace;
use enchufe_sys::outside::Outside;
use enchufe_watch::net::{self, Link, Plan, PlanError};
use enchufe_watch::{Capture, CaptureError, Copies, Options, Place};
use enchufe_wire::Filter;
use std::io;
use std::time::Duration;

const LOOPBACK: &str = "lo";

/// What was found.
#[derive(Debug)]
pub struct Network {
    /// Sees the packets, if that is possible and wanted.
    pub capture: Option<Capture>,
    /// Others are in it, too: only what belongs to the programs is kept.
    pub is_shared: bool,
    /// Of a network of their own: who stays in this machine's.
    pub outside: Option<Outside>,
    /// The name of the interface that is seen.
    pub interface: &'static str,
    /// How long a packet may be on its way.
    pub carries: Duration,
    /// What makes it a link.
    pub link: Option<Link>,
}

impl Network {
    /// Enters the network that was asked for, or the best that there is, and says which where it is not the whole picture.
    ///
    /// To be called before there is a second thread.
    pub fn enter(flags: &flags::Network, common: Common, catalogue: &Catalogue) -> Result<Self, Problem> {
        let wanted = flags.net.as_deref().map(|word| plan::choice("--net", word, &["private", "host"]));
        let plan = flags.link.as_deref().map(plan_of).transpose()?;
        let detail = |id: &str| {
            if common.verbose && !common.quiet && !flags.no_packets {
                crate::style::complain(&catalogue.plain(id));
            }
        };
        if wanted.transpose()? == Some("host") {
            if plan.is_some() {
                return Err(Problem::new(Kind::LinkOnHost));
            }
            let network = Self::host(flags.no_packets)?;
            detail("note-trace-host");
            return Ok(network);
        }
        let outside = super::astray::outside();
        let refused = match (namespace::enter(), plan) {
            (Ok(()), plan) => {
                let network = Self { outside, ..Self::private(flags.no_packets, plan)? };
                detail("note-trace-private");
                return Ok(network);
            }
            (Err(error), Some(_)) => return Err(Problem::new(Kind::LinkRefused).cause(&error)),
            (Err(error), None) => error,
        };
        let capture = if flags.no_packets { None } else { loopback() };
        if !common.quiet {
            tell_obstacle(&refused, capture.is_some(), catalogue);
        }
        Ok(Self::shared(capture))
    }

    const fn shared(capture: Option<Capture>) -> Self {
        Self {
            capture,
            is_shared: true,
            interface: LOOPBACK,
            carries: Duration::ZERO,
            link: None,
            outside: None,
        }
    }

    pub fn private(no_packets: bool, plan: Option<Plan>) -> Result<Self, Problem> {
        let carries = plan.as_ref().map(Plan::longest).unwrap_or_default();
        let interface = if plan.is_some() { net::NAME } else { LOOPBACK };
        let link = plan.map(Link::open).transpose();
        let link = link.map_err(|error| Problem::new(Kind::LinkRefused).cause(&error))?;
        let options = Options { copies: Copies::Both, ..Options::default() };
        let place = Place::Interface(interface);
        let capture = if no_packets { None } else { Some(Capture::open(place, &options)) };
        let capture = capture.transpose().map_err(|error| failed(&error))?;
        Ok(Self { capture, is_shared: false, interface, carries, link, outside: None })
    }

    fn host(no_packets: bool) -> Result<Self, Problem> {
        if no_packets {
            return Ok(Self::shared(None));
        }
        let capture = Capture::open(Place::Everywhere, &only_tcp()).map_err(|error| match error {
            CaptureError::Permission(_) => {
                let program = std::env::current_exe().unwrap_or_else(|_| "enchufe".into());
                Problem::new(Kind::HostForbidden)
                    .with("program", crate::text::shell_quoted(&program.to_string_lossy()))
            }
            other => failed(&other),
        })?;
        Ok(Self::shared(Some(capture)))
    }
}

/// Why the programs have no network of their own, and what is seen then.
fn tell_obstacle(refused: &io::Error, sees: bool, catalogue: &Catalogue) {
    let note = if sees { "note-trace-loopback" } else { "note-trace-no-wire" };
    let obstacle = Obstacle::of(refused);
    let (cause, command) = (obstacle.cause(catalogue), obstacle.command());
    let note = say(catalogue, note, &[("cause", &cause), ("command", &command)], &[]);
    crate::style::complain(&note);
}

/// The rules of `--link`.
fn plan_of(text: &std::ffi::OsStr) -> Result<Plan, Problem> {
    let text = text.to_string_lossy();
    Plan::parse(&text, plan::parse_time).map_err(|error| match error {
        PlanError::Rule(rule) => {
            Problem::new(Kind::BadRule).with("word", crate::text::escape(rule.as_bytes()))
        }
        PlanError::TooMany => Problem::new(Kind::TooManyRules),
    })
}

fn loopback() -> Option<Capture> {
    Capture::open(Place::Interface(LOOPBACK), &Options { copies: Copies::Both, ..only_tcp() }).ok()
}

/// What others send with other protocols is of no use.
fn only_tcp() -> Options {
    let prefilter = Filter::parse("tcp").map(|filter| filter.prefilter()).unwrap_or_default();
    Options { prefilter, ..Options::default() }
}

fn failed(error: &CaptureError) -> Problem {
    Problem::new(Kind::TraceFailed).cause(&io::Error::other(error.to_string()))
}
