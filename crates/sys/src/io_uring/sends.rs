//! Sends that are not over, and the memory that the kernel reads for them.

use super::{OWN, Piece};
use std::collections::VecDeque;

/// Memory of earlier copies that is kept for the next.
const SPARE: usize = 64;

/// What the kernel reads for a send.
pub(super) enum Outgoing {
    Piece(Piece),
    Copy(Vec<u8>),
}

pub(super) struct Send {
    /// The caller's.
    pub(super) token: u64,
    pub(super) what: Outgoing,
    /// Bytes.
    pub(super) length: i32,
}

struct Begun {
    send: Send,
    /// How many operations of its ring were queued before.
    place: u64,
    /// It has a completion: not all was sent.
    has_failed: bool,
}

/// By their numbers, in the order in which they were queued.
#[derive(Default)]
pub(super) struct Sends {
    /// Those that are not known to be over.
    begun: VecDeque<Begun>,
    /// The number of the first of them.
    first: u64,
    /// So many of them, the first, are over or have a completion.
    landed: usize,
    /// Earlier ones that have a completion, which was not taken yet.
    failed: Vec<(u64, Send)>,
    spare: Vec<Vec<u8>>,
}

impl Sends {
    /// One before which `place` operations were queued: the word that its completion is to have, if it has one.
    pub(super) fn begin(&mut self, token: u64, what: Outgoing, length: i32, place: u64) -> u64 {
        let number = self.first + self.begun.len() as u64;
        self.begun.push_back(Begun { send: Send { token, what, length }, place, has_failed: false });
        OWN | number
    }

    /// The one that has this word is over, if it is of a send. All that [landed](Self::next_landed) are to be asked for before.
    pub(super) fn end(&mut self, word: u64) -> Option<Send> {
        let number = number(word)?;
        let at = self.failed.iter().position(|(failed, _)| *failed == number)?;
        Some(self.failed.swap_remove(at).1)
    }

    /// Whether there is one that is not known to be over.
    pub(super) fn is_any_in_doubt(&self) -> bool {
        self.begun.len() > self.landed
    }

    /// A completion came that has this word.
    pub(super) fn came(&mut self, word: u64) {
        let index = number(word).and_then(|number| usize::try_from(number.checked_sub(self.first)?).ok());
        if let Some(begun) = index.and_then(|index| self.begun.get_mut(index)) {
            begun.has_failed = true;
        }
    }

    /// The kernel has done the first `taken` operations, and all completions of those that had any have [come](Self::came).
    pub(super) fn land(&mut self, taken: u64) {
        let has_all = self.begun.back().is_none_or(|last| last.place < taken);
        self.landed =
            if has_all { self.begun.len() } else { self.begun.partition_point(|begun| begun.place < taken) };
    }

    pub(super) fn has_landed(&self) -> bool {
        self.landed > 0
    }

    /// The next one that is over without a completion.
    pub(super) fn next_landed(&mut self) -> Option<Send> {
        while self.landed > 0 {
            let Begun { send, has_failed, .. } = self.begun.pop_front()?;
            let number = self.first;
            self.first += 1;
            self.landed -= 1;
            if !has_failed {
                return Some(send);
            }
            self.failed.push((number, send));
        }
        None
    }

    /// Sends that are not over.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.begun.len() + self.failed.len()
    }

    /// Memory for a copy.
    pub(super) fn room(&mut self) -> Vec<u8> {
        let mut room = self.spare.pop().unwrap_or_default();
        room.clear();
        room
    }

    /// That is free again.
    pub(super) fn keep(&mut self, room: Vec<u8>) {
        if self.spare.len() < SPARE {
            self.spare.push(room);
        }
    }
}

/// Of a word that is of a send, or of nothing that there is.
const fn number(word: u64) -> Option<u64> {
    if word & OWN == 0 { None } else { Some(word & !OWN) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{SIZE, code, connection, next, nothing_comes, ring};
    use super::super::{Class, Completion, Ring, Size, Slot, Until};
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::time::Duration;

    /// A client, the slot of the server's end, and what it received: `hola`.
    fn hola(ring: &mut Ring) -> (TcpStream, Slot, Piece) {
        let (mut client, slot) = connection(ring);
        client.write_all(b"hola").unwrap();
        ring.receive_once(slot, Class::Usual, 1);
        let piece = next(ring, 1).piece.unwrap();
        assert_eq!(ring.bytes(piece), b"hola");
        (client, slot, piece)
    }

    /// What is told once all is handed over, without a wait for more.
    fn told(ring: &mut Ring) -> Completion {
        ring.wait(Some(Duration::ZERO), Until::One).unwrap();
        ring.take().unwrap()
    }

    fn is(completion: &Completion, token: u64, count: u32) {
        assert_eq!((completion.token, completion.result().ok()), (token, Some(count)));
    }

    #[test]
    fn a_send_that_goes_well_ends_no_wait_and_is_told_before_what_comes() {
        let mut ring = ring(SIZE);
        let (mut client, slot, hola) = hola(&mut ring);
        ring.receive(slot, 2);
        ring.send(slot, hola, 0..4, 3);
        ring.give(hola);
        // Whoever answers has the send done before.
        let answers = std::thread::spawn(move || {
            let mut back = [0; 4];
            client.read_exact(&mut back).unwrap();
            client.write_all(&back).unwrap();
            client
        });
        ring.wait(None, Until::One).unwrap();
        is(&ring.take().unwrap(), 3, 4);
        assert!(ring.bytes(hola).is_empty(), "it is over");
        let came = ring.take().unwrap();
        assert_eq!((came.token, ring.bytes(came.piece.unwrap())), (2, b"hola".as_slice()));
        assert!(ring.take().is_none());
        drop(answers.join().unwrap());
    }

    #[test]
    fn a_send_that_was_not_handed_over_is_not_told() {
        let mut ring = ring(SIZE);
        let (_client, slot, hola) = hola(&mut ring);
        ring.send(slot, hola, 0..4, 3);
        assert!(ring.take().is_none());
        assert_eq!(ring.bytes(hola), b"hola");
        is(&told(&mut ring), 3, 4);
        nothing_comes(&mut ring);
        assert_eq!((ring.sends.len(), ring.under_way), (0, 0));
    }

    #[test]
    fn a_send_for_which_there_is_no_room_says_how_much_there_was() {
        let large = 1 << 20;
        let mut ring = ring(Size { large: (2, large), ..SIZE });
        let (mut client, slot) = connection(&mut ring);
        let writer = client.try_clone().unwrap();
        let feeds = std::thread::spawn(move || (&writer).write_all(&vec![7; 64 << 20]));
        // The client does not read: what it has sent is sent back as long as there is room.
        let mut sent = 0;
        loop {
            ring.receive_once(slot, Class::Large, 1);
            let piece = next(&mut ring, 1).piece.unwrap();
            let length = ring.bytes(piece).len();
            ring.send(slot, piece, 0..length, 2);
            ring.give(piece);
            let told = told(&mut ring);
            sent += told.count() as usize;
            if (told.count() as usize) < length {
                assert!(!told.has_failed() || code(&told) == Some(libc::EAGAIN), "{told:?}");
                break;
            }
        }
        nothing_comes(&mut ring);
        assert_eq!((ring.sends.len(), ring.under_way), (0, 0));
        ring.half_close(slot, 3);
        next(&mut ring, 3).result().unwrap();
        let mut back = Vec::new();
        client.read_to_end(&mut back).unwrap();
        assert!(back.len() == sent && back.iter().all(|byte| *byte == 7), "{sent} told, {} sent", back.len());
        drop((client, ring));
        let _ = feeds.join();
    }

    #[test]
    fn sends_that_fail_are_told_once_however_little_room_there_is_for_it() {
        let mut ring = ring(Size { operations: 4, completions: 8, ..SIZE });
        let (mut client, slot, hola) = hola(&mut ring);
        let gone = connection(&mut ring).1;
        ring.half_close(gone, 1);
        assert!(!next(&mut ring, 1).has_failed());
        for token in 0..100 {
            ring.send(if token % 3 == 0 { slot } else { gone }, hola, 0..4, token);
        }
        let mut told = Vec::new();
        while told.len() < 100 {
            ring.wait(Some(Duration::ZERO), Until::One).unwrap();
            told.extend(std::iter::from_fn(|| ring.take()));
        }
        told.sort_by_key(|completion| completion.token);
        for (token, completion) in told.iter().enumerate() {
            let expected = if token % 3 == 0 { None } else { Some(libc::EPIPE) };
            assert_eq!((completion.token, code(completion)), (token as u64, expected));
        }
        nothing_comes(&mut ring);
        let mut all = [0; 4 * 34];
        client.read_exact(&mut all).unwrap();
        assert_eq!((ring.sends.len(), ring.under_way), (0, 0));
    }

    #[test]
    fn what_is_done_at_once_is_found_beside_sends() {
        let mut ring = ring(SIZE);
        let (_client, slot, hola) = hola(&mut ring);
        ring.send(slot, hola, 0..4, 3);
        drop(ring.descriptor(slot).unwrap());
        is(&ring.take().unwrap(), 3, 4);
    }
}
