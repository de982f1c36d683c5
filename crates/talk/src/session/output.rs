//! What is to be sent, in order: ranges of lent buffers, bytes of the service, and the FIN.

use super::queue::Queue;
use crate::tls::Sealed;
use std::borrow::Cow;
use std::cell::Cell;
use std::ops::Range;

#[derive(Debug)]
enum Segment<B> {
    /// Of a lent buffer, which the last segment of it has.
    Received {
        range: Range<usize>,
        buffer: Option<B>,
    },
    Bytes {
        bytes: Cow<'static, [u8]>,
        from: usize,
        told: bool,
    },
    /// Of TLS; apart, for a segment of others is moved with each message.
    Sealed(Box<Record>),
    HalfClose,
}

/// What was sealed, how much of it is with the kernel, and the answer in it, if that is to be told.
#[derive(Debug)]
struct Record {
    sealed: Sealed,
    from: usize,
    answer: Option<Cow<'static, [u8]>>,
}

/// What to do next for the output.
#[derive(Debug)]
pub enum Next<'a, B> {
    /// Send this range of a buffer of the engine.
    Lent(&'a B, Range<usize>),
    /// Send these bytes.
    Bytes(&'a [u8]),
    /// Send FIN.
    HalfClose,
}

/// What a completed send gave back.
#[derive(Debug)]
pub(super) enum Done<B> {
    Nothing,
    /// A buffer that no segment refers to any more.
    Buffer(B),
    /// An answer that is to be told.
    Answer(Cow<'static, [u8]>),
}

/// The queue. Its bound is the session's: nothing is read while it is long.
#[derive(Debug)]
pub(super) struct Output<B> {
    segments: Queue<Segment<B>>,
    /// Buffers that they have.
    lent: usize,
    queued: usize,
    /// The first segment was asked for since it is the first: it may be on its way, and is not to be touched.
    asked: Cell<bool>,
}

impl<B> Output<B> {
    pub(super) fn new() -> Self {
        Self { segments: Queue::new(), lent: 0, queued: 0, asked: Cell::new(false) }
    }

    pub(super) fn push_received(&mut self, range: Range<usize>) {
        self.queued += range.len();
        self.segments.push(Segment::Received { range, buffer: None });
    }

    /// The buffer that the calls of [`Self::push_received`] spoke of, since the last of these.
    pub(super) fn lend(&mut self, lent: B) {
        let last = self.segments.iter_mut().rev().find_map(|segment| match segment {
            Segment::Received { buffer, .. } => Some(buffer),
            _ => None,
        });
        if let Some(buffer) = last {
            *buffer = Some(lent);
            self.lent += 1;
        }
    }

    pub(super) fn push(&mut self, bytes: Cow<'static, [u8]>, told: bool) {
        self.queued += bytes.len();
        self.segments.push(Segment::Bytes { bytes, from: 0, told });
    }

    /// What TLS itself has to say goes with what is before or behind it, in one segment of TCP if it can be: Nagle's algorithm would
    /// have the other wait.
    pub(super) fn push_sealed(&mut self, sealed: Sealed, answer: Option<Cow<'static, [u8]>>) {
        self.queued += sealed.bytes.len();
        let may_be_away = self.asked.get() && self.segments.len() == 1;
        match self.segments.back_mut().filter(|_| !may_be_away) {
            Some(Segment::Sealed(before)) if sealed.payload == 0 => before.sealed.extend(&sealed.bytes),
            Some(Segment::Sealed(own)) if own.sealed.payload == 0 && own.from == 0 => {
                let sealed = sealed.behind(&own.sealed.bytes);
                **own = Record { sealed, from: 0, answer };
            }
            _ => self.segments.push(Segment::Sealed(Box::new(Record { sealed, from: 0, answer }))),
        }
    }

    pub(super) fn push_half_close(&mut self) {
        self.segments.push(Segment::HalfClose);
    }

    pub(super) fn queued(&self) -> usize {
        self.queued
    }

    pub(super) fn buffers(&self) -> usize {
        self.lent
    }

    pub(super) fn lent(&self) -> impl Iterator<Item = &B> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Received { buffer, .. } => buffer.as_ref(),
            _ => None,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Whether there is nothing to do but to send a range of a lent buffer, which is sent at once or fails.
    pub(super) fn is_last(&self) -> bool {
        self.segments.len() == 1 && matches!(self.segments.front(), Some(Segment::Received { .. }))
    }

    pub(super) fn next(&self) -> Option<Next<'_, B>> {
        let first = self.segments.front()?;
        self.asked.set(true);
        Some(match first {
            Segment::Received { range, buffer } => {
                Next::Lent(buffer.as_ref().or_else(|| self.lent().next())?, range.clone())
            }
            Segment::Bytes { bytes, from, .. } => {
                Next::Bytes(bytes.as_ref().get(*from..).unwrap_or_default())
            }
            Segment::Sealed(record) => {
                Next::Bytes(record.sealed.bytes.get(record.from..).unwrap_or_default())
            }
            Segment::HalfClose => Next::HalfClose,
        })
    }

    /// `count` bytes of [`Self::next`] are with the kernel (or its FIN is): what that gives back, and how much payload was in
    /// them.
    pub(super) fn advance(&mut self, count: usize) -> (Done<B>, usize) {
        self.queued = self.queued.saturating_sub(count);
        self.asked.set(false);
        match self.segments.front_mut() {
            Some(Segment::Sealed(record)) => {
                let before = record.sealed.carried(record.from);
                record.from += count;
                let payload = record.sealed.carried(record.from) - before;
                (
                    if record.from < record.sealed.bytes.len() {
                        Done::Nothing
                    } else {
                        self.finish_sealed()
                    },
                    payload,
                )
            }
            _ => (self.advance_plain(count), count),
        }
    }

    fn finish_sealed(&mut self) -> Done<B> {
        match self.segments.pop() {
            Some(Segment::Sealed(record)) => record.answer.map_or(Done::Nothing, Done::Answer),
            _ => Done::Nothing,
        }
    }

    fn advance_plain(&mut self, count: usize) -> Done<B> {
        match self.segments.front_mut() {
            Some(Segment::Received { range, .. }) => {
                range.start = (range.start + count).min(range.end);
                if range.start >= range.end { self.finish_received() } else { Done::Nothing }
            }
            Some(Segment::Bytes { bytes, from, .. }) => {
                *from += count;
                if *from < bytes.len() {
                    return Done::Nothing;
                }
                match self.segments.pop() {
                    Some(Segment::Bytes { bytes, told: true, .. }) => Done::Answer(bytes),
                    _ => Done::Nothing,
                }
            }
            Some(Segment::HalfClose) => {
                self.segments.pop();
                Done::Nothing
            }
            Some(Segment::Sealed(_)) | None => Done::Nothing,
        }
    }

    /// Payload that was to be sent with the ciphertext that is still here.
    pub(super) fn sealed_payload(&self) -> u64 {
        let left = self.segments.iter().map(|segment| match segment {
            Segment::Sealed(record) => record.sealed.payload - record.sealed.carried(record.from),
            _ => 0,
        });
        left.sum::<usize>() as u64
    }

    pub(super) fn take_back(&mut self) -> Option<B> {
        let taken = self.segments.iter_mut().find_map(|segment| match segment {
            Segment::Received { buffer, .. } => buffer.take(),
            _ => None,
        });
        self.lent -= usize::from(taken.is_some());
        taken
    }

    fn finish_received(&mut self) -> Done<B> {
        match self.segments.pop() {
            Some(Segment::Received { buffer: Some(buffer), .. }) => {
                self.lent -= 1;
                Done::Buffer(buffer)
            }
            _ => Done::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is next, which may be on its way from then on.
    fn next<B: std::fmt::Debug>(output: &Output<B>) -> Vec<u8> {
        match output.next() {
            Some(Next::Bytes(bytes)) => bytes.to_vec(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_may_be_on_its_way_is_not_touched() {
        let mut output: Output<()> = Output::new();
        output.push_sealed(Sealed::plain(b"hola".to_vec()), None);
        let first = next(&output);
        output.push_sealed(Sealed::own(b"end".to_vec()), None);
        assert_eq!((next(&output), first.as_slice()), (b"hola".to_vec(), &b"hola"[..]));
        // Behind it there is no such thing.
        output.push_sealed(Sealed::plain(b"more".to_vec()), None);
        output.advance(4);
        assert_eq!((next(&output), output.queued()), (b"endmore".to_vec(), 7));
    }

    #[test]
    fn a_buffer_is_given_back_with_the_last_segment_of_it() {
        let mut output: Output<char> = Output::new();
        let lent = |output: &Output<char>| match output.next() {
            Some(Next::Lent(buffer, range)) => (*buffer, range),
            other => panic!("{other:?}"),
        };
        output.push_received(0..4);
        output.push_received(2..3);
        output.push(b"between".into(), false);
        output.lend('a');
        output.push_received(1..2);
        output.lend('b');
        assert_eq!((output.buffers(), lent(&output)), (2, ('a', 0..4)));
        assert!(matches!(output.advance(3), (Done::Nothing, 3)));
        assert_eq!(lent(&output), ('a', 3..4));
        assert!(matches!(output.advance(1), (Done::Nothing, 1)));
        assert_eq!(lent(&output), ('a', 2..3));
        assert!(matches!(output.advance(1), (Done::Buffer('a'), 1)));
        assert_eq!((next(&output), output.buffers()), (b"between".to_vec(), 1));
        assert!(output.lent().eq(&['b']));
        assert_eq!(output.take_back(), Some('b'));
        assert_eq!((output.take_back(), output.buffers(), output.queued()), (None, 0, 8));
    }

    #[test]
    fn to_have_been_asked_while_there_was_nothing_keeps_nothing_apart() {
        let mut output: Output<()> = Output::new();
        assert!(output.next().is_none());
        output.push_sealed(Sealed::own(b"ticket".to_vec()), None);
        output.push_sealed(Sealed::plain(b"hola".to_vec()), None);
        assert_eq!(next(&output), b"tickethola");
    }

    #[test]
    fn what_tls_itself_says_goes_with_what_is_beside_it() {
        let mut output: Output<()> = Output::new();
        let own = |bytes: &[u8]| Sealed::own(bytes.to_vec());
        output.push_sealed(own(b"ticket"), None);
        output.push_sealed(Sealed::plain(b"hola".to_vec()), Some(b"hola".into()));
        output.push_sealed(own(b"end"), None);
        assert_eq!(
            (next(&output), output.queued(), output.sealed_payload()),
            (b"ticketholaend".to_vec(), 13, 4)
        );
        // Payload counts when it is through, and is told when its segment is.
        assert!(matches!(output.advance(6), (Done::Nothing, 0)));
        assert_eq!(output.sealed_payload(), 4);
        assert!(matches!(output.advance(4), (Done::Nothing, 4)));
        output.push_sealed(own(b"."), None);
        assert_eq!(next(&output), b"end.");
        assert!(matches!(output.advance(4), (Done::Answer(answer), 0) if *answer == *b"hola"));
        assert!(output.is_empty() && output.queued() == 0);
        // What is partly on its way is not touched.
        output.push_sealed(own(b"ticket"), None);
        output.advance(2);
        output.push_sealed(Sealed::plain(b"hola".to_vec()), None);
        assert_eq!((next(&output), output.queued()), (b"cket".to_vec(), 8));
        output.advance(4);
        output.push_half_close();
        output.push_sealed(own(b"!"), None);
        assert_eq!(next(&output), b"hola");
    }
}
