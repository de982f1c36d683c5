//! The items of all captures that were named, in the order of their times or one capture after the other.

use super::source::{Meter, Opened, Source};
use crate::problem::Problem;
use enchufe_wire::Timestamp;
use enchufe_wire::batch::Batch;
use enchufe_wire::file::Item;

/// A batch is full with so many bytes, or so many items.
const FULL: usize = 256 * 1024;
const MANY: usize = 4096;

/// The captures, opened.
pub struct Supply {
    inputs: Vec<Input>,
    in_order: bool,
    /// What could not be read to its end.
    pub faults: Vec<Problem>,
}

/// One of them, and what was read ahead of it.
struct Input {
    opened: Opened,
    ahead: Batch,
    /// The next item of those.
    at: usize,
    /// When its last packet was; a packet without a time comes right after it.
    time: Option<Timestamp>,
    more: bool,
}

impl Supply {
    /// Opens all, and reads the beginning of each: what is no capture is known before anything is shown.
    pub fn open(sources: &[Source], in_order: bool, meter: &Meter) -> Result<Self, Problem> {
        let mut supply = Self { inputs: Vec::new(), in_order, faults: Vec::new() };
        for (file, source) in sources.iter().enumerate() {
            let (opened, ahead) = (source.open(meter, sources.len())?, Batch::new());
            let mut input = Input { opened, ahead, at: 0, time: None, more: true };
            while input.more && input.ahead.is_empty() {
                match input.opened.fill(file, &mut input.ahead) {
                    Ok(more) => input.more = more,
                    Err(problem) if input.ahead.is_empty() => return Err(problem),
                    Err(problem) => input.end(problem, &mut supply.faults),
                }
            }
            supply.inputs.push(input);
        }
        Ok(supply)
    }

    /// Whether nothing has to be waited for, or unpacked.
    pub fn is_near(&self) -> bool {
        self.inputs.iter().all(|input| input.opened.is_near)
    }

    /// Fills a batch; whether there may be more.
    pub fn fill(&mut self, batch: &mut Batch) -> bool {
        let alone = self.in_order || self.inputs.len() == 1;
        let next = if alone {
            let waits = |input: &Input| input.more || !input.ahead.is_empty();
            self.inputs.iter().position(waits)
        } else {
            None
        };
        match (alone, next) {
            (true, None) => false,
            (true, Some(file)) => {
                self.fill_from(file, batch);
                true
            }
            (false, _) => self.merge(batch),
        }
    }

    /// What one capture has, as much as comes at once.
    fn fill_from(&mut self, file: usize, batch: &mut Batch) {
        let Some(input) = self.inputs.get_mut(file) else { return };
        if !input.ahead.is_empty() {
            return std::mem::swap(&mut input.ahead, batch);
        }
        match input.opened.fill(file, batch) {
            Ok(more) => input.more = more,
            Err(problem) => input.end(problem, &mut self.faults),
        }
    }

    /// Of all captures the earliest packet, until the batch is full.
    fn merge(&mut self, batch: &mut Batch) -> bool {
        while batch.bytes() < FULL && batch.items() < MANY {
            let faults = &mut self.faults;
            let times = self.inputs.iter_mut().enumerate().filter_map(|(file, input)| {
                input.read_ahead(file, faults);
                // What is no packet comes at once, and so does a packet before any time.
                input.ahead.item(input.at).map(|(_, item)| (input.time_of(&item), file))
            });
            let Some((time, file)) = times.min() else { return false };
            let Some(input) = self.inputs.get_mut(file) else { return false };
            if let Some((_, item)) = input.ahead.item(input.at) {
                if matches!(item, Item::Packet(_)) {
                    input.time = time;
                }
                batch.push(file, &item);
            }
            input.at += 1;
        }
        true
    }
}

impl Input {
    fn end(&mut self, problem: Problem, faults: &mut Vec<Problem>) {
        self.more = false;
        faults.push(problem);
    }

    /// Reads until there is an item, or no more.
    fn read_ahead(&mut self, file: usize, faults: &mut Vec<Problem>) {
        while self.more && self.ahead.item(self.at).is_none() {
            self.ahead.clear();
            self.at = 0;
            match self.opened.fill(file, &mut self.ahead) {
                Ok(more) => self.more = more,
                Err(problem) => self.end(problem, faults),
            }
        }
    }

    fn time_of(&self, item: &Item<'_>) -> Option<Timestamp> {
        match item {
            Item::Packet(record) => record.time.or(self.time),
            _ => None,
        }
    }
}
