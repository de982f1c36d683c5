//! What a server has done so far, in numbers that only grow, for whoever looks from outside while it serves.
//!
//! Each thread counts in a place of its own, and who looks adds them up: threads that serve do not wait for each other,
//! nor for the one that looks.

#[cfg(feature = "linux")]
use crate::engine::Why;
use crate::reason::{End, Reason};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// Places to count in. More threads than these share them, which is slower and as exact.
const PLACES: usize = 64;

/// Of the next thread that counts.
static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static OWN: usize = NEXT.fetch_add(1, Ordering::Relaxed) % PLACES;
}

/// What one thread has counted. Two lines of 64 bytes: processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Place {
    accepted: AtomicU64,
    refused: AtomicU64,
    empty: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
    followed: AtomicU64,
    relieved: AtomicU64,
    closed: [AtomicU64; Reason::IDS.len()],
}

/// Counts for [`Host::counters`](crate::engine::Host::counters).
#[derive(Debug)]
pub struct Counters {
    places: Box<[Place]>,
    no_more: AtomicBool,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            places: std::iter::repeat_with(Place::default).take(PLACES).collect(),
            no_more: AtomicBool::new(false),
        }
    }
}

/// What was counted up to a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Connections that were accepted, those that were refused included.
    pub accepted: u64,
    /// Of those, reset at once because there was no room for them.
    pub refused: u64,
    /// Of those that were not refused, over without a byte of payload in either direction.
    pub empty: u64,
    /// Payload bytes read, those thrown away after our end included.
    pub received: u64,
    /// Payload bytes handed to the kernel.
    pub sent: u64,
    /// Connections handed over to the thread of the processor that handles their packets, each time.
    pub followed: u64,
    /// And those that another had time for, each time.
    pub relieved: u64,
    /// Connections that are over, by the reason of the same place in [`Reason::IDS`].
    pub closed: [u64; Reason::IDS.len()],
}

impl Counted {
    /// Connections that were not over.
    pub fn open(&self) -> u64 {
        self.accepted.saturating_sub(self.closed.iter().sum())
    }
}

impl Counters {
    /// What was counted so far. Threads go on counting meanwhile: numbers of one connection may be a moment apart, but
    /// one that is over was accepted.
    pub fn counted(&self) -> Counted {
        let sum = |of: &dyn Fn(&Place) -> &AtomicU64, order| {
            self.places.iter().map(|place| of(place).load(order)).sum::<u64>()
        };
        // The ends first, and with what came before them.
        let closed = std::array::from_fn(|at| sum(&|place: &Place| &place.closed[at], Ordering::Acquire));
        let refused = sum(&|place| &place.refused, Ordering::Acquire);
        let empty = sum(&|place| &place.empty, Ordering::Acquire);
        Counted {
            closed,
            refused,
            empty,
            accepted: sum(&|place| &place.accepted, Ordering::Relaxed),
            received: sum(&|place| &place.received, Ordering::Relaxed),
            sent: sum(&|place| &place.sent, Ordering::Relaxed),
            followed: sum(&|place| &place.followed, Ordering::Relaxed),
            relieved: sum(&|place| &place.relieved, Ordering::Relaxed),
        }
    }

    /// Whether connections are accepted: not any more once the server was stopped or has had as many as it may.
    pub fn takes_more(&self) -> bool {
        !self.no_more.load(Ordering::Relaxed)
    }

    pub(crate) fn takes_no_more(&self) {
        self.no_more.store(true, Ordering::Relaxed);
    }

    pub(crate) fn accepted(&self) {
        self.add(|place| &place.accepted, 1);
    }

    pub(crate) fn received(&self, bytes: u64) {
        self.add(|place| &place.received, bytes);
    }

    pub(crate) fn sent(&self, bytes: u64) {
        self.add(|place| &place.sent, bytes);
    }

    /// A connection went to another thread.
    #[cfg(feature = "linux")]
    pub(crate) fn handed_over(&self, why: Why) {
        match why {
            Why::Packets => self.add(|place| &place.followed, 1),
            Why::Load => self.add(|place| &place.relieved, 1),
        }
    }

    /// A connection is over. Its bytes were counted when they came and went.
    pub(crate) fn closed(&self, end: &End) {
        if matches!(end.reason, Reason::Limit) {
            self.add(|place| &place.refused, 1);
        } else if end.received == 0 && end.sent == 0 {
            self.add(|place| &place.empty, 1);
        }
        self.add(|place| &place.closed[end.reason.number()], 1);
    }

    fn add(&self, of: impl Fn(&Place) -> &AtomicU64, count: u64) {
        // A thread that is ending has no place of its own any more.
        let own = OWN.try_with(|own| *own).unwrap_or(0);
        if let Some(place) = self.places.get(own) {
            // What happened before is seen by who sees this: for one that is over, that it was accepted.
            of(place).fetch_add(count, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn end(reason: Reason, received: u64, sent: u64) -> End {
        End { reason, received, sent, unsent: 0, lasted: Duration::ZERO }
    }

    #[test]
    fn what_more_threads_than_places_count_is_all_there() {
        const THREADS: u64 = PLACES as u64 + 5;
        const TIMES: u64 = 1000;
        let counters = Counters::default();
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    for _ in 0..TIMES {
                        counters.accepted();
                        counters.received(3);
                        counters.closed(&end(Reason::PeerFinished, 3, 0));
                    }
                });
            }
            // While they count, none is over that was not accepted.
            for _ in 0..100 {
                let counted = counters.counted();
                assert!(counted.closed.iter().sum::<u64>() <= counted.accepted, "{counted:?}");
            }
        });
        let counted = counters.counted();
        assert_eq!((counted.accepted, counted.received), (THREADS * TIMES, 3 * THREADS * TIMES));
        assert_eq!((counted.open(), counted.empty, counted.refused), (0, 0, 0));
    }

    #[cfg(feature = "linux")]
    #[test]
    fn connections_that_are_handed_over_are_counted_by_why() {
        let counters = Counters::default();
        for why in [Why::Packets, Why::Load, Why::Packets] {
            counters.handed_over(why);
        }
        let counted = counters.counted();
        assert_eq!((counted.followed, counted.relieved), (2, 1));
    }

    #[test]
    fn each_end_is_counted_by_its_reason() {
        let counters = Counters::default();
        for _ in 0..4 {
            counters.accepted();
        }
        counters.closed(&end(Reason::Reset, 0, 0));
        counters.closed(&end(Reason::Reset, 0, 1));
        counters.closed(&end(Reason::Limit, 0, 0));
        let counted = counters.counted();
        let of = |id: &str| counted.closed[Reason::IDS.iter().position(|known| *known == id).unwrap()];
        assert_eq!((of("reset_by_peer"), of("limit"), of("idle")), (2, 1, 0));
        assert_eq!((counted.open(), counted.empty, counted.refused), (1, 1, 1));
    }
}
