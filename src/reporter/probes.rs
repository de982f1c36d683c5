//! Connections that come and go without a byte, as the probes of a load balancer and the scans of ports do: without `-v`
//! they are not told of.
//!
//! That one is such is known when it is over. So what is told first of a connection waits until it has carried a byte, or has
//! been there for a moment; nobody who connects and looks at the server's lines sees the difference.

use crate::events::{Event, Line};
use std::collections::BTreeMap;
use std::time::Duration;

/// A connection that has been there for so long is told of, whatever becomes of it.
pub const PATIENCE: Duration = Duration::from_millis(250);
/// Connections whose lines wait. One more, and those of the oldest are told.
pub const MOST: usize = 1024;

/// The connections that may be probes.
#[derive(Debug, Default)]
pub struct Probes {
    early: BTreeMap<u64, Early>,
}

#[derive(Debug)]
struct Early {
    at: Duration,
    lines: Vec<Line>,
}

/// What an event says of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// It is there.
    Came,
    /// The peer has ended its direction.
    PeerEnded,
    /// It is over without a byte, and the peer wanted it so.
    Empty,
    /// It is none.
    Other,
}

impl Sign {
    pub fn of(event: &Event) -> Self {
        match event {
            Event::Accepted { .. } => Self::Came,
            Event::PeerEnded {} => Self::PeerEnded,
            Event::Closed { reason, received: 0, sent: 0, .. }
                if matches!(reason.as_str(), "peer_finished" | "reset_by_peer") =>
            {
                Self::Empty
            }
            _ => Self::Other,
        }
    }
}

impl Probes {
    /// How many wait.
    pub fn count(&self) -> usize {
        self.early.len()
    }

    /// A line of a connection, at this time; the lines that are to be told now.
    pub fn take(&mut self, at: Duration, line: Line) -> Vec<Line> {
        let Some(id) = line.connection else { return vec![line] };
        let sign = Sign::of(&line.event);
        if sign == Sign::Came {
            self.early.insert(id, Early { at, lines: vec![line] });
            let oldest = if self.early.len() > MOST { self.early.pop_first() } else { None };
            return oldest.map(|(_, early)| early.lines).unwrap_or_default();
        }
        if let (Sign::PeerEnded, Some(early)) = (sign, self.early.get_mut(&id)) {
            early.lines.push(line);
            return Vec::new();
        }
        match self.early.remove(&id) {
            Some(_) if sign == Sign::Empty => Vec::new(),
            Some(mut early) => {
                early.lines.push(line);
                early.lines
            }
            None => vec![line],
        }
    }

    /// An event of a connection that is not told; the lines that are to be told now.
    pub fn pass(&mut self, id: u64, sign: Sign) -> Vec<Line> {
        match sign {
            Sign::Came | Sign::PeerEnded => Vec::new(),
            Sign::Empty => {
                self.early.remove(&id);
                Vec::new()
            }
            Sign::Other => self.early.remove(&id).map(|early| early.lines).unwrap_or_default(),
        }
    }

    /// The lines of connections that have been there for long enough at this time.
    pub fn due(&mut self, at: Duration) -> Vec<Line> {
        let mut lines = Vec::new();
        while let Some(entry) = self.early.first_entry().filter(|entry| entry.get().at + PATIENCE <= at) {
            lines.extend(entry.remove().lines);
        }
        lines
    }

    /// When [`Self::due`] has something to say.
    pub fn next(&self) -> Option<Duration> {
        self.early.first_key_value().map(|(_, early)| early.at + PATIENCE)
    }

    /// All that wait, because this is the end.
    pub fn last(&mut self) -> Vec<Line> {
        std::mem::take(&mut self.early).into_values().flat_map(|early| early.lines).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: u64, event: Event) -> Line {
        Line { time: String::new(), connection: Some(id), peer: None, event }
    }

    fn came(id: u64) -> Line {
        line(id, Event::Accepted { local: String::new() })
    }

    fn ended(id: u64) -> Line {
        line(id, Event::PeerEnded {})
    }

    fn closed(id: u64, reason: &str, sent: u64) -> Line {
        let reason = reason.to_owned();
        let (call, fault, limit_ns) = (None, None, None);
        line(
            id,
            Event::Closed {
                reason,
                received: 0,
                sent,
                unsent: 0,
                lasted_ns: 0,
                limit_ns,
                call,
                fault,
                tls: None,
            },
        )
    }

    const NOW: Duration = Duration::from_secs(3);

    #[test]
    fn a_connection_that_its_peer_ends_without_a_byte_is_not_told() {
        let mut probes = Probes::default();
        for end in [closed(1, "peer_finished", 0), closed(1, "reset_by_peer", 0)] {
            assert_eq!(probes.take(NOW, came(1)), []);
            assert_eq!(probes.take(NOW, ended(1)), []);
            assert_eq!(probes.take(NOW, end), []);
        }
        assert_eq!(probes.count(), 0);
    }

    #[test]
    fn all_others_are_told_in_order_as_soon_as_they_are_known() {
        let mut probes = Probes::default();
        let bytes = || line(1, Event::Returning { bytes: 1 });
        assert_eq!(probes.take(NOW, came(1)), []);
        assert_eq!(probes.take(NOW, bytes()), [came(1), bytes()]);
        assert_eq!(probes.take(NOW, ended(1)), [ended(1)]);
        for end in [closed(2, "limit", 0), closed(2, "interrupted", 0), closed(2, "peer_finished", 1)] {
            assert_eq!(probes.take(NOW, came(2)), []);
            assert_eq!(probes.take(NOW, ended(2)), []);
            assert_eq!(probes.take(NOW, end.clone()), [came(2), ended(2), end]);
        }
    }

    #[test]
    fn one_that_stays_is_told_after_a_moment_and_then_its_end_too() {
        let mut probes = Probes::default();
        probes.take(NOW, came(1));
        probes.take(NOW + Duration::from_millis(1), came(2));
        assert_eq!(probes.next(), Some(NOW + PATIENCE));
        assert_eq!(probes.due(NOW + PATIENCE), [came(1)]);
        assert_eq!(
            probes.take(NOW + PATIENCE, closed(1, "peer_finished", 0)),
            [closed(1, "peer_finished", 0)]
        );
        assert_eq!(probes.last(), [came(2)]);
        assert_eq!(probes.next(), None);
    }

    #[test]
    fn events_that_are_not_told_say_what_becomes_of_those_that_wait() {
        let mut probes = Probes::default();
        probes.take(NOW, came(1));
        assert_eq!(probes.pass(1, Sign::PeerEnded), []);
        assert_eq!(probes.pass(1, Sign::Empty), []);
        probes.take(NOW, came(2));
        assert_eq!(probes.pass(2, Sign::Other), [came(2)]);
        assert_eq!(probes.count(), 0);
    }

    #[test]
    fn past_a_bound_the_oldest_is_told() {
        let mut probes = Probes::default();
        for id in 0..MOST as u64 {
            assert_eq!(probes.take(NOW, came(id)), []);
        }
        assert_eq!(probes.take(NOW, came(5_000)), [came(0)]);
        assert_eq!(probes.count(), MOST);
    }
}
