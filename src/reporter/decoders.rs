//! The text of what comes on connections: of a character that a read has cut in two, the beginning is kept until the rest
//! comes, also where one of the two is not told.

use crate::events::{Decode, Payload};
use crate::text::{self, Decoder};
use enchufe_talk::told::About;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So many locks: threads that serve other connections seldom wait for each other.
const PLACES: usize = 64;

/// How a payload is shown.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Its bytes are kept beside the text.
    pub exact: bool,
    /// No more of its bytes than these are shown.
    pub most: usize,
}

/// The connections that are inside a character: three bytes of each. The others have nothing to keep.
#[derive(Debug)]
pub struct Decoders {
    manner: Manner,
    cut: Box<[Mutex<HashMap<u64, Decoder>>]>,
    count: AtomicUsize,
}

impl Decoders {
    pub fn new(manner: Manner) -> Self {
        Self {
            manner,
            cut: std::iter::repeat_with(Mutex::default).take(PLACES).collect(),
            count: AtomicUsize::new(0),
        }
    }

    /// These bytes of a connection are not told.
    pub fn pass(&self, about: Option<About>, bytes: &[u8]) {
        let ends_whole = bytes.last().is_none_or(u8::is_ascii);
        // Its own, if there is one, is counted since an earlier event of the same connection.
        if ends_whole && self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        self.with(about, |decoder| decoder.pass(bytes));
    }

    /// The connection ends: what is left of a character that never became whole.
    pub fn finish(&self, about: Option<About>) -> String {
        if self.count.load(Ordering::Relaxed) == 0 {
            return String::new();
        }
        self.with(about, Decoder::finish)
    }

    fn with<T>(&self, about: Option<About>, act: impl FnOnce(&mut Decoder) -> T) -> T {
        let id = about.map_or(0, |about| about.id.0);
        let mut cut = self.place(id);
        let known = cut.remove(&id);
        if known.is_some() {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
        let mut decoder = known.unwrap_or_default();
        let result = act(&mut decoder);
        if decoder.is_inside() {
            self.count.fetch_add(1, Ordering::Relaxed);
            cut.insert(id, decoder);
        }
        result
    }

    #[expect(clippy::cast_possible_truncation, reason = "of the number only the rest of a division counts")]
    fn place(&self, id: u64) -> MutexGuard<'_, HashMap<u64, Decoder>> {
        self.cut[id as usize % PLACES].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Decode for &Decoders {
    fn received(&mut self, about: Option<About>, bytes: &[u8]) -> Payload {
        let (shown, rest) = bytes.split_at(bytes.len().min(self.manner.most));
        let text = self.with(about, |decoder| {
            let text = decoder.piece(shown);
            if !rest.is_empty() {
                decoder.pass(rest);
            }
            text
        });
        Payload::new(bytes, text, self.manner.exact)
    }

    fn whole(&mut self, bytes: &[u8]) -> Payload {
        let shown = bytes.get(..self.manner.most).unwrap_or(bytes);
        Payload::new(bytes, text::escape(shown), self.manner.exact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use enchufe_talk::ConnectionId;

    fn about(id: u64) -> About {
        About { id: ConnectionId(id), peer: "127.0.0.1:1".parse().unwrap() }
    }

    fn decoders() -> Decoders {
        Decoders::new(Manner { exact: false, most: usize::MAX })
    }

    fn received(decoders: &Decoders, id: u64, bytes: &[u8]) -> String {
        let mut decode = decoders;
        decode.received(Some(about(id)), bytes).text
    }

    #[test]
    fn a_character_is_whole_also_where_the_piece_before_was_not_told() {
        // ñ is C3 B1, € is E2 82 AC.
        let decoders = decoders();
        decoders.pass(Some(about(1)), b"se\xC3");
        assert_eq!(received(&decoders, 2, b"abc"), "abc");
        assert_eq!(received(&decoders, 1, b"\xB1or\xE2"), "ñor");
        decoders.pass(Some(about(1)), b"\x82");
        assert_eq!(received(&decoders, 1, b"\xAC!"), "€!");
    }

    #[test]
    fn what_is_told_has_nothing_of_a_character_that_was_not() {
        let decoders = decoders();
        assert_eq!(received(&decoders, 1, b"se\xC3"), "se");
        decoders.pass(Some(about(1)), b"\xB1or");
        assert_eq!(received(&decoders, 1, b"ita"), "ita");
    }

    #[test]
    fn only_connections_inside_a_character_take_memory_and_none_does_after_its_end() {
        let decoders = decoders();
        let kept = || decoders.cut.iter().map(|place| place.lock().unwrap().len()).sum::<usize>();
        for id in 0..1_000 {
            received(&decoders, id, b"whole");
            decoders.pass(Some(about(id)), b"whole");
        }
        assert_eq!(kept(), 0);
        for id in 0..1_000 {
            decoders.pass(Some(about(id)), b"\xC3");
        }
        assert_eq!((kept(), decoders.count.load(Ordering::Relaxed)), (1_000, 1_000));
        for id in 0..1_000 {
            assert_eq!(decoders.finish(Some(about(id))), r"\xC3");
            assert_eq!(decoders.finish(Some(about(id))), "");
        }
        assert_eq!((kept(), decoders.count.load(Ordering::Relaxed)), (0, 0));
    }
}
