//! Whom an event is of, in the bits that an epoll gives back.

use crate::engine::crowd::Key;

/// Whom an event is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Begun,
    Cutting,
    Bell,
    Listener(usize),
    Connection(Key),
}

/// Places from here on are no connection's: a process has fewer descriptors.
const FIRST_OTHER: u32 = 0xFFFF_0000;

impl Token {
    pub(super) fn word(self) -> u64 {
        let low = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
        let (low, high) = match self {
            Self::Begun => (FIRST_OTHER, 0),
            Self::Cutting => (FIRST_OTHER + 1, 0),
            Self::Bell => (FIRST_OTHER + 2, 0),
            Self::Listener(index) => (low(index).saturating_add(FIRST_OTHER + 3), 0),
            Self::Connection(Key { place, number }) => (low(place), number),
        };
        u64::from(high) << 32 | u64::from(low)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the halves of a word")]
    pub(super) fn of(word: u64) -> Self {
        match word as u32 {
            place if place < FIRST_OTHER => {
                Self::Connection(Key { place: place as usize, number: (word >> 32) as u32 })
            }
            FIRST_OTHER => Self::Begun,
            other => match other - FIRST_OTHER {
                1 => Self::Cutting,
                2 => Self::Bell,
                index => Self::Listener(index as usize - 3),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written() {
        let connection = |place, number| Token::Connection(Key { place, number });
        let tokens = [
            Token::Begun,
            Token::Cutting,
            Token::Bell,
            Token::Listener(0),
            Token::Listener(999),
            connection(0, 0),
            connection(FIRST_OTHER as usize - 1, u32::MAX),
        ];
        for token in tokens {
            assert_eq!(Token::of(token.word()), token);
        }
    }
}
