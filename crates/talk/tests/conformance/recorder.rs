//! Who is told: keeps what happened, lets a case wait for it, and knows what is true of every server.

use enchufe_talk::engine::Summary;
use enchufe_talk::told::{About, Shortage};
use enchufe_talk::{Reporter, Told};
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A case that takes longer hangs: it is given up with what was told so far.
pub(crate) const FOR_EVER: Duration = Duration::from_secs(90);

/// How often a condition is looked at that nothing is told of.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// One thing that was told.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) id: Option<u64>,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) what: What,
}

/// [`Told`], kept: bytes that are many as their count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Waiting,
    Queued(Vec<SocketAddr>),
    Accepted,
    Received(u64),
    Returning(u64),
    Answered(u64),
    Question(String),
    QuestionWaits(usize),
    QuestionWithdrawn,
    PeerEnded,
    Discarded(u64),
    Closed(Outcome),
    Short(Shortage),
    Draining(usize),
    QueueCut(u64),
    Stopped(Summary),
    Skipped,
    Other,
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// As `Debug` has it.
    pub(crate) reason: String,
    pub(crate) received: u64,
    pub(crate) sent: u64,
    pub(crate) unsent: u64,
}

impl What {
    fn of(told: &Told<'_>) -> Self {
        match told {
            Told::Waiting => Self::Waiting,
            Told::Queued { peers } => Self::Queued(peers.to_vec()),
            Told::Accepted { .. } => Self::Accepted,
            Told::Received { bytes } => Self::Received(bytes.len() as u64),
            Told::Returning { count } => Self::Returning(*count as u64),
            Told::Answered { bytes } => Self::Answered(bytes.len() as u64),
            Told::Question { bytes } => Self::Question(String::from_utf8_lossy(bytes).into_owned()),
            Told::QuestionWaits { ahead } => Self::QuestionWaits(*ahead),
            Told::QuestionWithdrawn => Self::QuestionWithdrawn,
            Told::PeerEnded => Self::PeerEnded,
            Told::Discarded { count } => Self::Discarded(*count),
            Told::Closed { end } => Self::Closed(Outcome {
                reason: format!("{:?}", end.reason),
                received: end.received,
                sent: end.sent,
                unsent: end.unsent,
            }),
            Told::Short { of } => Self::Short(*of),
            Told::Draining { open, .. } => Self::Draining(*open),
            Told::QueueCut { count } => Self::QueueCut(u64::from(*count)),
            &Told::Stopped { served, cut, empty } => Self::Stopped(Summary { served, cut, empty }),
            Told::Skipped { .. } => Self::Skipped,
            _ => Self::Other,
        }
    }
}

/// Keeps everything.
pub(crate) struct Recorder {
    seen: Mutex<Vec<Seen>>,
    more: Condvar,
    give_up: Instant,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        Self { seen: Mutex::default(), more: Condvar::new(), give_up: Instant::now() + FOR_EVER }
    }

    fn keep(&self, seen: Seen) {
        self.lock().push(seen);
        self.more.notify_all();
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.lock().clone()
    }

    pub(crate) fn holds(&self, condition: &dyn Fn(&[Seen]) -> bool) -> bool {
        condition(&self.lock())
    }

    /// Until `condition` holds of what was told, or of what the case knows otherwise.
    pub(crate) fn wait(&self, what: &str, condition: &dyn Fn(&[Seen]) -> bool) {
        let mut seen = self.lock();
        while !condition(&seen) {
            let left = self.give_up.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "never came: {what}; {}", story(&seen));
            seen = self.more.wait_timeout(seen, LOOK_AGAIN).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Whether the case has lasted too long.
    pub(crate) fn is_given_up(&self) -> bool {
        Instant::now() >= self.give_up
    }

    /// What was told, for a message.
    pub(crate) fn story(&self) -> String {
        story(&self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reporter for Recorder {
    fn tell(&self, about: Option<About>, told: &Told<'_>) {
        let seen = Seen {
            id: about.map(|about| about.id.0),
            peer: about.map(|about| about.peer),
            what: What::of(told),
        };
        self.keep(seen);
    }

    fn carried(&self, about: About, count: usize) {
        let (id, peer) = (Some(about.id.0), Some(about.peer));
        for what in [What::Received(count as u64), What::Returning(count as u64)] {
            self.keep(Seen { id, peer, what });
        }
    }
}

/// As one that does not hear of connections; what is told all the same is kept.
pub(crate) struct Unheard<'a>(pub(crate) &'a Recorder);

impl Reporter for Unheard<'_> {
    fn tell(&self, about: Option<About>, told: &Told<'_>) {
        self.0.tell(about, told);
    }

    fn hears_of_connections(&self) -> bool {
        false
    }
}

fn story(seen: &[Seen]) -> String {
    const LAST: usize = 60;
    let mut text = format!("told so far ({}, the last of them):", seen.len());
    for one in seen.iter().skip(seen.len().saturating_sub(LAST)) {
        let _ = write!(text, "\n  {:?} {:?}", one.id, one.what);
    }
    text
}

/// A server that has ended.
pub(crate) struct Report {
    pub(crate) seen: Vec<Seen>,
    pub(crate) summary: Summary,
}

impl Report {
    /// Fails where something is not as it is for every server.
    pub(crate) fn new(seen: Vec<Seen>, summary: Summary) -> Self {
        let report = Self { seen, summary };
        let of_server = report.seen.last().map(|last| &last.what);
        assert_eq!(of_server, Some(&What::Stopped(summary)), "the last word; {}", story(&report.seen));
        assert_eq!(report.count(|what| matches!(what, What::Stopped(_))), 1);
        let accepted = report.count(|what| matches!(what, What::Accepted));
        for id in 1..=accepted as u64 {
            report.check_connection(id);
        }
        let unserved = |reason: &str| reason == "Limit" || reason.starts_with("Failed(SetOption,");
        let refused = report.outcomes().iter().filter(|(_, outcome)| unserved(&outcome.reason)).count();
        assert_eq!((accepted - refused) as u64, summary.served, "{}", story(&report.seen));
        let is_empty = |outcome: &Outcome| !unserved(&outcome.reason) && outcome.received + outcome.sent == 0;
        let empty = report.outcomes().iter().filter(|(_, outcome)| is_empty(outcome)).count();
        assert_eq!(empty as u64, summary.empty, "{}", story(&report.seen));
        assert_eq!(report.outcomes().len(), accepted, "one end for each; {}", story(&report.seen));
        report
    }

    fn check_connection(&self, id: u64) {
        let events: Vec<&What> = self.of(id);
        let at = |fits: fn(&What) -> bool| {
            let found = events.iter().enumerate().filter(|(_, what)| fits(what));
            found.map(|(at, _)| at).collect::<Vec<_>>()
        };
        let story = || format!("connection {id}: {events:?}");
        assert_eq!(at(|what| matches!(what, What::Accepted)), [0], "{}", story());
        assert_eq!(at(|what| matches!(what, What::Closed(_))), [events.len() - 1], "{}", story());
        let ended = at(|what| matches!(what, What::PeerEnded));
        let received = at(|what| matches!(what, What::Received(_)));
        assert!(ended.len() <= 1, "{}", story());
        assert!(ended.first() > received.last() || ended.is_empty(), "bytes after the end; {}", story());
        let count = |what: &&What| match what {
            What::Received(count) | What::Discarded(count) => *count,
            _ => 0,
        };
        let told: u64 = events.iter().map(count).sum();
        assert_eq!(told, self.outcome(id).received, "{}", story());
    }

    /// What was told of one connection.
    pub(crate) fn of(&self, id: u64) -> Vec<&What> {
        self.seen.iter().filter(|seen| seen.id == Some(id)).map(|seen| &seen.what).collect()
    }

    pub(crate) fn count(&self, fits: impl Fn(&What) -> bool) -> usize {
        self.seen.iter().filter(|seen| fits(&seen.what)).count()
    }

    /// Which ended how.
    pub(crate) fn outcomes(&self) -> Vec<(u64, &Outcome)> {
        let ends = self.seen.iter().filter_map(|seen| match &seen.what {
            What::Closed(outcome) => seen.id.zip(Some(outcome)),
            _ => None,
        });
        ends.collect()
    }

    pub(crate) fn outcome(&self, id: u64) -> &Outcome {
        self.outcomes().into_iter().find(|(one, _)| *one == id).expect("this connection has an end").1
    }

    /// The one connection that there was.
    pub(crate) fn only(&self) -> &Outcome {
        assert_eq!(self.summary.served, 1, "{}", story(&self.seen));
        self.outcome(1)
    }

    /// Fails unless connection `id` ended for `reason`.
    pub(crate) fn expect(&self, id: u64, reason: &str) {
        assert_eq!(self.outcome(id).reason, reason, "connection {id}; {}", story(&self.seen));
    }
}
