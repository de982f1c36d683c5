//! What the peer is to send, and whether it did.

use std::collections::VecDeque;
use std::str::FromStr;

/// What the peer is to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Every byte that was sent, in order, and no others.
    Echo,
    /// A line.
    Line,
    /// So many bytes.
    Bytes(u64),
    /// Nothing.
    Nothing,
}

impl FromStr for Expect {
    type Err = ();

    /// `echo`, `line`, `bytes=N`, `nothing`.
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "echo" => Ok(Self::Echo),
            "line" => Ok(Self::Line),
            "nothing" => Ok(Self::Nothing),
            _ => text.strip_prefix("bytes=").and_then(|n| n.parse().ok()).map(Self::Bytes).ok_or(()),
        }
    }
}

/// In what the peer failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmet {
    /// So many bytes of the echo did not come.
    EchoMissing {
        /// How many.
        missing: u64,
    },
    /// The echo differs.
    EchoDiffers {
        /// Where, counted from 0.
        offset: u64,
        /// The byte that was sent.
        sent: u8,
        /// The byte that came.
        came: u8,
    },
    /// No newline came.
    NoLine,
    /// Fewer bytes came.
    TooFew {
        /// How many came.
        came: u64,
        /// How many were to come.
        wanted: u64,
    },
    /// More came than was to come.
    TooMany {
        /// How many more.
        extra: u64,
    },
}

/// Judges the peer's bytes as they come.
#[derive(Debug)]
pub(super) struct Judge {
    expect: Expect,
    /// Sent and not come back yet.
    echo: VecDeque<u8>,
    input_over: bool,
    came: u64,
    line: bool,
    unmet: Option<Unmet>,
}

impl Judge {
    pub(super) fn new(expect: Expect) -> Self {
        Self { expect, echo: VecDeque::new(), input_over: false, came: 0, line: false, unmet: None }
    }

    pub(super) fn sent(&mut self, bytes: &[u8]) {
        if self.expect == Expect::Echo {
            self.echo.extend(bytes);
        }
    }

    pub(super) fn input_over(&mut self) {
        self.input_over = true;
    }

    pub(super) fn received(&mut self, bytes: &[u8]) {
        let before = self.came;
        self.came += bytes.len() as u64;
        self.line |= bytes.contains(&b'\n');
        if self.unmet.is_some() {
            if let Some(Unmet::TooMany { extra }) = &mut self.unmet {
                *extra += bytes.len() as u64;
            }
            return;
        }
        self.unmet = match self.expect {
            Expect::Echo => self.compare(bytes, before),
            Expect::Line => None,
            Expect::Bytes(wanted) => self.came.checked_sub(wanted).and_then(too_many),
            Expect::Nothing => too_many(self.came),
        };
    }

    fn compare(&mut self, bytes: &[u8], before: u64) -> Option<Unmet> {
        for (index, came) in bytes.iter().copied().enumerate() {
            match self.echo.pop_front() {
                Some(sent) if sent == came => {}
                Some(sent) => return Some(Unmet::EchoDiffers { offset: before + index as u64, sent, came }),
                None => return too_many((bytes.len() - index) as u64),
            }
        }
        None
    }

    /// Bytes of the echo that are still to come.
    pub(super) fn missing(&self) -> u64 {
        self.echo.len() as u64
    }

    /// Whether what came is already wrong.
    pub(super) fn has_failed(&self) -> bool {
        self.unmet.is_some()
    }

    /// Whether all that was to come has come.
    pub(super) fn is_met(&self) -> bool {
        match self.expect {
            Expect::Echo => self.input_over && self.echo.is_empty(),
            Expect::Line => self.line,
            Expect::Bytes(wanted) => self.came >= wanted,
            Expect::Nothing => false,
        }
    }

    /// The verdict when no more comes.
    pub(super) fn verdict(&self) -> Option<Unmet> {
        self.unmet.or(match self.expect {
            Expect::Echo if !self.echo.is_empty() => Some(Unmet::EchoMissing { missing: self.missing() }),
            Expect::Line if !self.line => Some(Unmet::NoLine),
            Expect::Bytes(wanted) if self.came < wanted => Some(Unmet::TooFew { came: self.came, wanted }),
            _ => None,
        })
    }
}

fn too_many(extra: u64) -> Option<Unmet> {
    (extra > 0).then_some(Unmet::TooMany { extra })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(expect: Expect, sent: &[u8], pieces: &[&[u8]]) -> Judge {
        let mut judge = Judge::new(expect);
        judge.sent(sent);
        judge.input_over();
        for piece in pieces {
            judge.received(piece);
        }
        judge
    }

    #[test]
    fn an_echo_may_come_in_any_pieces() {
        let whole = judge(Expect::Echo, b"hola", &[b"h", b"ol", b"a"]);
        assert!(whole.is_met());
        assert_eq!(whole.verdict(), None);
    }

    #[test]
    fn a_bad_echo_is_named() {
        let verdict = |sent: &[u8], pieces: &[&[u8]]| judge(Expect::Echo, sent, pieces).verdict();
        assert_eq!(verdict(b"hola", &[b"ho"]), Some(Unmet::EchoMissing { missing: 2 }));
        assert_eq!(
            verdict(b"hola", &[b"ho", b"ka"]),
            Some(Unmet::EchoDiffers { offset: 2, sent: b'l', came: b'k' })
        );
        assert_eq!(verdict(b"hola", &[b"hola", b"!", b"!!"]), Some(Unmet::TooMany { extra: 3 }));
    }

    #[test]
    fn counts_lines_and_nothing() {
        assert_eq!(
            judge(Expect::Bytes(3), b"", &[b"ab"]).verdict(),
            Some(Unmet::TooFew { came: 2, wanted: 3 })
        );
        assert_eq!(judge(Expect::Bytes(3), b"", &[b"abc"]).verdict(), None);
        assert_eq!(judge(Expect::Bytes(3), b"", &[b"abcd"]).verdict(), Some(Unmet::TooMany { extra: 1 }));
        assert_eq!(judge(Expect::Line, b"", &[b"ab"]).verdict(), Some(Unmet::NoLine));
        assert!(judge(Expect::Line, b"", &[b"ab", b"c\nd"]).is_met());
        assert_eq!(judge(Expect::Nothing, b"", &[]).verdict(), None);
        assert_eq!(judge(Expect::Nothing, b"", &[b"x"]).verdict(), Some(Unmet::TooMany { extra: 1 }));
    }
}
