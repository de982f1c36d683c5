//! What is strange in a capture, and what it lost: said on standard error, each thing once.

use super::reading::{Came, Seen};
use super::source::Source;
use super::words::say;
use crate::catalogue::Catalogue;
use enchufe_wire::LinkType;
use enchufe_wire::file::{Item, Statistics, code};
use std::collections::BTreeMap;

/// The most interfaces whose losses are kept apart.
const MOST_INTERFACES: usize = 1_000;

/// Looks at all that comes.
pub struct Remarks<'a> {
    catalogue: &'a Catalogue,
    backwards: bool,
    undecoded: Vec<LinkType>,
    /// By file and interface, the packets that the capturing program lost: its counters only grow.
    lost: BTreeMap<(usize, u32), u64>,
}

impl<'a> Remarks<'a> {
    pub const fn new(catalogue: &'a Catalogue) -> Self {
        Self { catalogue, backwards: false, undecoded: Vec::new(), lost: BTreeMap::new() }
    }

    /// Whether there were frames of which nothing could be decoded.
    pub const fn has_undecoded(&self) -> bool {
        !self.undecoded.is_empty()
    }

    /// What this gives to say.
    pub fn look(&mut self, came: &Came<'_, '_>) -> Option<String> {
        match came {
            Came::Frame(seen) => self.frame(seen),
            Came::Aside(file, item) => {
                self.aside(*file, item);
                None
            }
            Came::Pause => None,
        }
    }

    fn frame(&mut self, seen: &Seen<'_, '_>) -> Option<String> {
        let number = seen.frame.number;
        if seen.frame.delta.is_some_and(|delta| delta < 0) && !self.backwards {
            self.backwards = true;
            return Some(say(self.catalogue, "note-backwards", &[("frame", &number.to_string())], &[]));
        }
        let link = seen.record.link;
        (!link.is_decoded() && !self.undecoded.contains(&link)).then(|| {
            self.undecoded.push(link);
            let name = link.name().map(|name| format!("{} ({name})", link.0));
            let link = name.unwrap_or_else(|| link.0.to_string());
            let texts = [("frame", number.to_string()), ("link", link)];
            say(
                self.catalogue,
                "note-unknown-link",
                &texts.each_ref().map(|(id, text)| (*id, text.as_str())),
                &[],
            )
        })
    }

    fn aside(&mut self, file: usize, item: &Item<'_>) {
        let Item::Statistics(statistics) = item else { return };
        let key = (file, statistics.interface);
        let room = self.lost.len() < MOST_INTERFACES || self.lost.contains_key(&key);
        if let (true, Some(lost)) = (room, lost(statistics)) {
            self.lost.insert(key, lost);
        }
    }

    /// What is to be said at the end.
    pub fn finish(&self, sources: &[Source]) -> Vec<String> {
        let said = |(file, source): (usize, &Source)| {
            let of_file = self.lost.iter().filter(|((of, _), _)| *of == file);
            let count: u64 = of_file.map(|(_, count)| count).sum();
            (count > 0)
                .then(|| say(self.catalogue, "note-lost", &[("path", &source.name())], &[("count", count)]))
        };
        sources.iter().enumerate().filter_map(said).collect()
    }
}

/// What the interface and the system dropped.
fn lost(statistics: &Statistics<'_>) -> Option<u64> {
    let counters = [code::DROPPED, code::SYSTEM_DROPPED].map(|code| statistics.counter(code));
    counters.into_iter().flatten().reduce(u64::saturating_add)
}
