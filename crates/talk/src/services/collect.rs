//! What counts as one message where TCP has none.

use crate::service::Actions;
use std::time::Duration;

/// When enough has come to be answered. The peer's end always is enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// After the first bytes, when none more come for this long.
    Quiet(Duration),
    /// At a newline.
    Line,
}

impl Until {
    /// Takes off what does not belong to the one message at the beginning: TCP may have joined it to
    /// the next.
    pub(super) fn rest(self, bytes: &mut Vec<u8>) -> Vec<u8> {
        let newline = bytes.iter().position(|byte| *byte == b'\n').filter(|_| self == Self::Line);
        newline.map(|newline| bytes.split_off(newline + 1)).unwrap_or_default()
    }

    /// Whether bytes hold a whole message, with no more coming.
    pub(super) fn is_whole(self, bytes: &[u8]) -> bool {
        self == Self::Line && bytes.contains(&b'\n')
    }

    /// Looks at bytes that came: `true` if they are enough; else sets the timer that may say so.
    pub(super) fn enough(self, bytes: &[u8], actions: &mut Actions) -> bool {
        match self {
            Self::Line => bytes.contains(&b'\n'),
            Self::Quiet(time) => {
                actions.timer(time);
                false
            }
        }
    }
}

/// What is added to a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LineEnding {
    /// Nothing: the bytes as given.
    #[default]
    None,
    /// LF.
    Newline,
    /// CR LF.
    CrLf,
}

impl LineEnding {
    /// The bytes themselves.
    pub const fn bytes(self) -> &'static [u8] {
        match self {
            Self::None => b"",
            Self::Newline => b"\n",
            Self::CrLf => b"\r\n",
        }
    }

    /// `text` as it is sent.
    pub fn add_to(self, text: impl Into<Vec<u8>>) -> Vec<u8> {
        let mut bytes = text.into();
        bytes.extend_from_slice(self.bytes());
        bytes
    }
}
