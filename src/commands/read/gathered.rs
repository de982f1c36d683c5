//! What a whole reading says: conversations, findings, courses.

use super::table::Form;
use super::traced::Telling;
use super::words::say;
use super::{View, conversations, explain, findings};
use crate::catalogue::Catalogue;
use enchufe_wire::Filter;
use enchufe_wire::finding::{Finding, Findings};
use enchufe_wire::outline::Outlines;
use enchufe_wire::session::Frame;
use enchufe_wire::tcp::{Conversation, Conversations};
use std::collections::HashSet;
use std::io::{self, Write};

/// Gathers while frames come.
pub struct Gathered {
    /// The conversations that the filter chose, if there is one: those with a frame that fits.
    chosen: Option<HashSet<u32>>,
    view: View,
    findings: Findings,
    outlines: Option<Outlines>,
    frames: u64,
}

impl Gathered {
    pub fn new(filtered: bool, view: View) -> Self {
        let outlines = (view == View::Explained).then(Outlines::new);
        Self { chosen: filtered.then(HashSet::new), view, findings: Findings::new(), outlines, frames: 0 }
    }

    pub const fn has_frames(&self) -> bool {
        self.frames > 0
    }

    /// Takes the next frame.
    pub fn frame(&mut self, frame: &Frame<'_>, filter: &Filter) {
        self.frames += 1;
        if self.view != View::Conversations {
            self.findings.frame(frame);
        }
        let fits = self.chosen.is_none() || filter.matches(frame);
        if let Some(outlines) = &mut self.outlines
            && (fits || frame.tcp.is_some())
        {
            outlines.frame(frame);
        }
        if let (true, Some(chosen), Some(note)) = (fits, &mut self.chosen, frame.tcp) {
            chosen.insert(note.stream);
        }
    }

    /// Writes the view.
    pub fn write(
        self,
        form: Form,
        all: &Conversations,
        calls: Option<&Telling<'_>>,
        catalogue: &Catalogue,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let is_chosen = |stream: u32| self.chosen.as_ref().is_none_or(|chosen| chosen.contains(&stream));
        let mut shown: Vec<&Conversation> = all.sorted();
        shown.retain(|conversation| is_chosen(conversation.stream));
        if all.forgotten() > 0 {
            crate::style::complain(&say(catalogue, "note-forgotten", &[], &[("count", all.forgotten())]));
        }
        if self.view == View::Conversations {
            return conversations::write(&shown, form, catalogue, out);
        }
        let left_out = self.findings.left_out();
        let mut found: Vec<Finding> = self.findings.finish(all);
        found.retain(|finding| is_chosen(finding.stream));
        match &self.outlines {
            Some(outlines) => explain::write(&shown, outlines, &found, calls, catalogue, out)?,
            None => findings::write(&found, form, catalogue, out)?,
        }
        let untold = self.outlines.as_ref().map_or(0, Outlines::left_out);
        if untold > 0 {
            crate::style::complain(&say(catalogue, "note-untold", &[], &[("count", untold)]));
        }
        if left_out > 0 {
            crate::style::complain(&say(catalogue, "findings-left-out", &[], &[("count", left_out)]));
        }
        Ok(())
    }
}
