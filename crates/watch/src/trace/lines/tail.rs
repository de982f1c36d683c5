//! Functions that a call left nothing of on the stack: a call was the last that they did, and took their place (a tail
//! call). What a caller calls, and which calls end a function, stands in DWARF 5 (§3.4.1) of optimized C and C++.

use super::elf::Reader;
use gimli::{
    AttributeValue, DW_AT_abstract_origin, DW_AT_call_origin, DW_AT_call_pc, DW_AT_call_return_pc,
    DW_AT_call_tail_call, DW_AT_language, DW_AT_specification, DW_LANG_Go, DW_LANG_Rust, DW_TAG_call_site,
    DW_TAG_subprogram, DebuggingInformationEntry, DwAt, UnitOffset, UnitRef,
};
use std::collections::HashMap;

/// So many functions may have taken each other's place.
const MOST: usize = 64;
/// So often an entry may be a part or a copy of another.
const LONGEST_CHAIN: usize = 8;

/// The function that is called from an address.
#[derive(Debug)]
pub struct Callee {
    /// Where its code is.
    pub ranges: Vec<(u64, u64)>,
    /// Addresses of the calls to elsewhere that end it, or end what ends it.
    pub ends: Vec<u64>,
}

type Offset = UnitOffset<usize>;

/// A function, or one of several copies of it.
#[derive(Debug)]
struct Body {
    root: Offset,
    ranges: Vec<(u64, u64)>,
    /// The calls that end it, each with the function that it calls, if that is known.
    ends: Vec<(u64, Option<Offset>)>,
}

/// What a unit says about its functions.
#[derive(Debug, Default)]
pub struct Functions {
    all: Vec<Body>,
    /// What an entry is a part or a copy of.
    links: HashMap<Offset, Offset>,
    /// What is called, by where the call returns to.
    calls: HashMap<u64, Offset>,
}

impl Functions {
    /// Reads it, where the unit's language has such calls.
    pub fn read(unit: &UnitRef<'_, Reader>) -> Option<Self> {
        let mut functions = Self::default();
        let mut within: Vec<(isize, usize)> = Vec::new();
        let mut entries = unit.entries();
        while let Some(entry) = entries.next_dfs().ok()? {
            // Their compilers say nothing of calls.
            let language = entry.attr_value(DW_AT_language);
            if [DW_LANG_Rust, DW_LANG_Go].iter().any(|one| language == Some(AttributeValue::Language(*one))) {
                return None;
            }
            while within.last().is_some_and(|(depth, _)| *depth >= entry.depth()) {
                within.pop();
            }
            if entry.tag() == DW_TAG_subprogram {
                within.push((entry.depth(), functions.all.len()));
                functions.add(unit, entry);
            } else if entry.tag() == DW_TAG_call_site {
                let function = within.last().map(|(_, place)| *place);
                functions.note(unit, entry, function);
            }
        }
        for body in 0..functions.all.len() {
            let root = functions.all.get(body).map(|body| functions.root(body.root));
            if let (Some(body), Some(root)) = (functions.all.get_mut(body), root) {
                body.root = root;
            }
        }
        Some(functions)
    }

    fn add(&mut self, unit: &UnitRef<'_, Reader>, entry: &DebuggingInformationEntry<Reader>) {
        let link = reference(entry, DW_AT_abstract_origin).or_else(|| reference(entry, DW_AT_specification));
        if let Some(link) = link {
            self.links.insert(entry.offset(), link);
        }
        let mut ranges = Vec::new();
        if let Ok(mut all) = unit.die_ranges(entry) {
            while let Ok(Some(range)) = all.next() {
                ranges.push((range.begin, range.end));
            }
        }
        self.all.push(Body { root: entry.offset(), ranges, ends: Vec::new() });
    }

    /// The function that a call is of which returns to this address, if its code is in this unit, too.
    pub fn callee(&self, returns_to: u64) -> Option<Callee> {
        let called = self.root(*self.calls.get(&returns_to)?);
        let ranges: Vec<_> = self.bodies(called).flat_map(|body| body.ranges.iter().copied()).collect();
        let ends = if ranges.is_empty() { None } else { self.ends(called) }?;
        Some(Callee { ranges, ends })
    }

    /// About how many bytes it takes.
    pub fn size(&self) -> u64 {
        let entries = self.all.len() * 4 + self.links.len() + self.calls.len();
        u64::try_from(entries).unwrap_or(u64::MAX).saturating_mul(32)
    }

    /// A call, and whether it ends its function.
    fn note(
        &mut self,
        unit: &UnitRef<'_, Reader>,
        entry: &DebuggingInformationEntry<Reader>,
        function: Option<usize>,
    ) {
        let address = |name| unit.attr_address(entry.attr_value(name)?).ok()?;
        let (after, at) = (address(DW_AT_call_return_pc), address(DW_AT_call_pc));
        let of = reference(entry, DW_AT_call_origin);
        if !matches!(entry.attr_value(DW_AT_call_tail_call), Some(AttributeValue::Flag(true))) {
            self.calls.extend(after.zip(of));
            return;
        }
        let at = at.or_else(|| after?.checked_sub(1));
        if let (Some(at), Some(body)) = (at, function.and_then(|function| self.all.get_mut(function))) {
            body.ends.push((at, of));
        }
    }

    /// What an entry is at last a part or a copy of.
    fn root(&self, mut entry: Offset) -> Offset {
        for _ in 0..LONGEST_CHAIN {
            let Some(next) = self.links.get(&entry) else { break };
            entry = *next;
        }
        entry
    }

    /// The copies of a function that have code.
    fn bodies(&self, root: Offset) -> impl Iterator<Item = &Body> {
        self.all.iter().filter(move |body| body.root == root && !body.ranges.is_empty())
    }

    /// The calls to elsewhere that end a function, or what ends it; none where these are too many.
    fn ends(&self, root: Offset) -> Option<Vec<u64>> {
        let (mut found, mut roots, mut looked) = (Vec::new(), vec![root], 0);
        while let Some(root) = roots.get(looked).copied() {
            looked += 1;
            for (at, of) in self.bodies(root).flat_map(|body| &body.ends) {
                match of.map(|of| self.root(of)).filter(|of| self.bodies(*of).next().is_some()) {
                    Some(of) if roots.contains(&of) => {}
                    Some(of) => roots.push(of),
                    None => found.push(*at),
                }
            }
            if roots.len() > MOST || found.len() > MOST {
                return None;
            }
        }
        Some(found)
    }
}

fn reference(entry: &DebuggingInformationEntry<Reader>, name: DwAt) -> Option<Offset> {
    match entry.attr_value(name)? {
        AttributeValue::UnitRef(offset) => Some(offset),
        _ => None,
    }
}
