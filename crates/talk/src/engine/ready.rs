//! An engine before it serves: that it can be had is known before anything is opened for it.

use super::{Host, Kind, Limits, Summary, blocking, threads, watched};
#[cfg(feature = "linux")]
use super::{epoll, uring};
use crate::error::TalkError;
use crate::listen::Listener;
use crate::service::Service;
use crate::told::Told;

/// An engine, and what it has of the kernel before anybody is let in: the rings of each thread of [`Kind::Uring`].
#[derive(Debug)]
pub struct Ready {
    kind: Kind,
    #[cfg(feature = "linux")]
    rings: Vec<uring::Prepared>,
}

impl Ready {
    /// This one, for a server with these limits. Fails where what it needs cannot be had.
    pub fn new(kind: Kind, limits: &Limits) -> Result<Self, TalkError> {
        #[cfg(feature = "linux")]
        let rings = if kind == Kind::Uring { uring::prepare(limits)? } else { Vec::new() };
        #[cfg(not(feature = "linux"))]
        let _ = limits;
        Ok(Self {
            kind,
            #[cfg(feature = "linux")]
            rings,
        })
    }

    /// The one that serves most connections with least, of those that this system has, allows and has room for. For a user the memory of all
    /// rings is bounded (`RLIMIT_MEMLOCK`), so that a small one can be had where those of all threads cannot.
    pub fn best(limits: &Limits) -> Result<Self, TalkError> {
        let has = |kind: &Kind| kind.is_allowed().and_then(|()| Self::new(*kind, limits)).ok();
        Kind::ALL.iter().rev().find_map(has).map_or_else(|| Self::new(Kind::Threads, limits), Ok)
    }

    /// Which one it is.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// As [`serve`](super::serve), with the limits that it was made for.
    pub fn serve<S: Service>(
        self,
        listeners: Vec<Listener>,
        service: &S,
        host: &Host<'_>,
    ) -> Result<Summary, TalkError> {
        let Self { kind, .. } = self;
        let threads = kind.has_few_threads().then(|| host.limits.threads_or_all());
        host.reporter.tell(None, &Told::Engine { name: kind.name(), threads });
        watched(host, |tally| match kind {
            Kind::Blocking => blocking::run(listeners, service, host, tally),
            Kind::Threads => threads::run(listeners, service, host, tally),
            #[cfg(feature = "linux")]
            Kind::Epoll => epoll::run(listeners, service, host, tally),
            #[cfg(feature = "linux")]
            Kind::Uring => uring::run(listeners, self.rings, service, host, tally),
        })
    }
}
