//! Which operation a completion is of, in the bits that a ring gives back.

/// An operation; of a connection by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// Of no interest.
    Ignored,
    /// The stop has begun, or cuts.
    Begun,
    Cutting,
    Bell,
    /// Somebody waits at a listener.
    Knock(usize),
    /// Somebody was let in at a listener.
    Arrival(usize),
    Receive(usize),
    Send(usize),
    /// There is room to send.
    Room(usize),
    Watch(usize),
    Cancel(usize),
    Close(usize),
    /// FIN was sent where the socket could not be borrowed for it.
    Fin(usize),
    /// Which error is pending.
    Error(usize),
}

const KIND: u32 = 32;

impl Token {
    pub(super) fn word(self) -> u64 {
        let (kind, value) = match self {
            Self::Ignored => (0, 0),
            Self::Begun => (1, 0),
            Self::Cutting => (2, 0),
            Self::Bell => (3, 0),
            Self::Knock(listener) => (4, listener),
            Self::Arrival(listener) => (5, listener),
            Self::Receive(place) => (7, place),
            Self::Send(place) => (8, place),
            Self::Room(place) => (9, place),
            Self::Watch(place) => (10, place),
            Self::Cancel(place) => (11, place),
            Self::Close(place) => (12, place),
            Self::Fin(place) => (13, place),
            Self::Error(place) => (14, place),
        };
        // More than 2³² sockets no process has.
        kind << KIND | value as u64 & u64::from(u32::MAX)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the lower half of a word")]
    pub(super) fn of(word: u64) -> Self {
        let value = word as u32 as usize;
        match word >> KIND {
            1 => Self::Begun,
            2 => Self::Cutting,
            3 => Self::Bell,
            4 => Self::Knock(value),
            5 => Self::Arrival(value),
            7 => Self::Receive(value),
            8 => Self::Send(value),
            9 => Self::Room(value),
            10 => Self::Watch(value),
            11 => Self::Cancel(value),
            12 => Self::Close(value),
            13 => Self::Fin(value),
            14 => Self::Error(value),
            _ => Self::Ignored,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written() {
        let of_places = [Token::Knock, Token::Arrival, Token::Receive, Token::Send];
        let more = [Token::Room, Token::Watch, Token::Cancel, Token::Close, Token::Fin, Token::Error];
        let places = [0, 1, u32::MAX as usize];
        let all = of_places.into_iter().chain(more).flat_map(|token: fn(usize) -> Token| places.map(token));
        for token in all.chain([Token::Ignored, Token::Begun, Token::Cutting, Token::Bell]) {
            assert_eq!(Token::of(token.word()), token);
        }
        assert_eq!(Token::of(u64::MAX), Token::Ignored);
    }
}
