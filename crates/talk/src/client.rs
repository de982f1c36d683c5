//! The client: sends its input, shows what comes, knows how it ended and whether it arrived.

mod expect;
mod input;
mod run;

pub use expect::{Expect, Unmet};
pub use input::{Input, Pace, Piece};
pub use run::talk;

use crate::reason::End;
use std::time::Duration;

/// After waiting this long, the client says what for.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// When the client sends its FIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HalfClose {
    /// At the end of its input; it then still shows the rest of the answer.
    AtInputEnd,
    /// Not before it closes.
    Never,
}

/// What the client does with what the peer sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Shows it until the peer ends.
    Show,
    /// Throws it away: done as soon as the peer's TCP has acknowledged everything; where the system does not
    /// tell that, as soon as the peer has ended.
    Ignore,
}

/// How the client talks.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// When it sends its FIN.
    pub half_close: HalfClose,
    /// What it does with what comes.
    pub reply: Reply,
    /// What the peer is to send, if that is to be judged.
    pub expect: Option<Expect>,
    /// Bytes asked for in one `recv`.
    pub read_size: usize,
    /// For [`Reply::Ignore`], how long the acknowledgement, or the peer's end, may take; for [`Expect::Nothing`], for
    /// how long nothing may come.
    pub wait: Duration,
    /// Nothing came at all for so long: over.
    pub first_byte: Option<Duration>,
    /// Nothing came or went for so long: over.
    pub idle: Option<Duration>,
    /// The connection has lasted so long: over.
    pub deadline: Option<Duration>,
    /// Having got what was expected, the client waits for the peer's end so long.
    pub linger: Duration,
}

/// Whether what was asked for came true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing was asked for but to talk.
    NotAsked,
    /// It did.
    Met,
    /// It did not.
    Unmet(Unmet),
    /// [`Reply::Ignore`]: the peer's TCP did not acknowledge everything.
    NotAcknowledged,
    /// [`Reply::Ignore`]: the system does not tell what was acknowledged (Windows). How it ended does.
    NotTold,
}

/// How it ended.
#[derive(Debug)]
pub struct Outcome {
    /// The connection.
    pub end: End,
    /// What was asked for.
    pub verdict: Verdict,
    /// Why the input could not be read to its end, if so.
    pub input_error: Option<std::io::Error>,
    /// Why what came could not be handed on, if so.
    pub output_error: Option<std::io::Error>,
}
