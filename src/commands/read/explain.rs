//! A capture in sentences: the course of each conversation, and what was found in it.

use super::findings;
use super::traced::Telling;
use super::words::{duration, endpoint, finding, numbers, say, severity, side, span};
use crate::catalogue::Catalogue;
use enchufe_wire::finding::Finding;
use enchufe_wire::outline::{Close, Outline, Outlines, Turn};
use enchufe_wire::tcp::{Conversation, End};
use std::io::{self, Write};

/// Writes all conversations, then which frames belong to none.
pub fn write(
    conversations: &[&Conversation],
    outlines: &Outlines,
    found: &[Finding],
    calls: Option<&Telling<'_>>,
    catalogue: &Catalogue,
    out: &mut dyn Write,
) -> io::Result<()> {
    for conversation in conversations {
        let (a, b) = (endpoint(&conversation.a), endpoint(&conversation.b));
        let stream = conversation.stream.to_string();
        let head = [("stream", stream.as_str()), ("a", &a), ("b", &b)];
        writeln!(out, "{}", say(catalogue, "story-head", &head, &[]))?;
        if let Some(outline) = outlines.of(conversation.stream) {
            let teller = Teller { conversation, outline, catalogue };
            for line in teller.lines() {
                writeln!(out, "  {line}")?;
            }
        }
        for line in calls.map(|calls| calls.lines(conversation.stream)).unwrap_or_default() {
            writeln!(out, "  {line}")?;
        }
        let is_told = |found: &Finding| calls.is_some_and(|calls| calls.explains(found));
        for found in found.iter().filter(|found| found.stream == conversation.stream && !is_told(found)) {
            writeln!(out, "  {}", sentence(found, catalogue))?;
            writeln!(out, "    {}", catalogue.plain(&format!("why-{}", finding(found.id))))?;
        }
    }
    if outlines.others().is_empty() {
        return Ok(());
    }
    let frames: Vec<String> = outlines.others().iter().map(|stretch| span(*stretch)).collect();
    let count = outlines.others().iter().map(|(first, last)| last - first + 1).sum();
    let frames = [("frames", frames.join(", "))];
    let frames = frames.each_ref().map(|(name, text)| (*name, text.as_str()));
    writeln!(out, "{}", say(catalogue, "story-others", &frames, &[("count", count)]))
}

fn sentence(found: &Finding, catalogue: &Catalogue) -> String {
    let severity = catalogue.plain(&format!("severity-{}", severity(found.id.severity())));
    let said = catalogue.plain(&format!("finding-{}", finding(found.id)));
    let (frames, rfc) = (findings::packets(found), found.id.rfc());
    let number = rfc.number.to_string();
    let texts = [
        ("severity", severity.as_str()),
        ("finding", &said),
        ("frames", &frames),
        ("rfc", &number),
        ("section", rfc.section),
    ];
    say(catalogue, "story-finding", &texts, &[])
}

/// Tells one conversation.
struct Teller<'a> {
    conversation: &'a Conversation,
    outline: &'a Outline,
    catalogue: &'a Catalogue,
}

impl Teller<'_> {
    fn lines(&self) -> Vec<String> {
        let outline = self.outline;
        let mut lines = vec![self.handshake()];
        lines.extend(outline.turns.iter().map(|turn| self.turn(turn)));
        if outline.turns_left_out > 0 {
            lines.push(say(
                self.catalogue,
                "story-turns-left-out",
                &[],
                &[("count", outline.turns_left_out)],
            ));
        }
        if outline.turns.is_empty() {
            lines.push(self.catalogue.plain("story-no-data"));
        }
        let ids = ["story-close-first", "story-close-then"];
        lines.extend(outline.closes.iter().zip(ids).map(|(close, id)| self.close(close, id)));
        lines.extend(self.end());
        lines.extend(self.order());
        lines
    }

    /// Client or server, where the SYN told; else its address.
    fn who(&self, is_b: bool) -> String {
        match self.outline.syn {
            Some((_, opener)) if opener == is_b => self.catalogue.plain("role-client"),
            Some(_) => self.catalogue.plain("role-server"),
            None => side(self.conversation, is_b),
        }
    }

    fn handshake(&self) -> String {
        let Outline { syn, syn_ack, opened, .. } = *self.outline;
        let Some((frame, by_b)) = syn else { return self.catalogue.plain("story-no-handshake") };
        let frames: Vec<u64> = [Some(frame), syn_ack, opened].into_iter().flatten().collect();
        let id = if frames.len() == 3 { "story-handshake" } else { "story-handshake-part" };
        let (client, server) = (side(self.conversation, by_b), side(self.conversation, !by_b));
        let frames = numbers(&frames);
        say(self.catalogue, id, &[("frames", &frames), ("client", &client), ("server", &server)], &[])
    }

    fn turn(&self, turn: &Turn) -> String {
        let by = turn.acknowledged_by.map(|frame| frame.to_string());
        let (who, frames) = (self.who(turn.from_b), span(turn.frames));
        let texts = [
            ("who", who.as_str()),
            ("frames", &frames),
            ("again", yes(turn.repeated > 0)),
            ("acked", yes(by.is_some())),
            ("by", by.as_deref().unwrap_or_default()),
        ];
        say(self.catalogue, "story-turn", &texts, &[("bytes", turn.bytes), ("segments", turn.segments)])
    }

    fn close(&self, close: &Close, id: &str) -> String {
        let frames: Vec<u64> = [Some(close.fin), close.acknowledged_by].into_iter().flatten().collect();
        let (who, frames) = (self.who(close.by_b), numbers(&frames));
        let acked = yes(close.acknowledged_by.is_some());
        say(self.catalogue, id, &[("who", &who), ("frames", &frames), ("acked", acked)], &[])
    }

    fn end(&self) -> Option<String> {
        match self.conversation.end() {
            End::Reset { by_b, frame } => {
                let (who, frame) = (self.who(by_b), frame.to_string());
                let reset = self.conversation.reset.filter(|reset| reset.frame.to_string() == frame)?;
                let idle = duration(reset.idle);
                let texts = [("who", who.as_str()), ("frame", &frame), ("idle", &idle)];
                let answers = reset.answers.unwrap_or_default();
                Some(say(self.catalogue, "story-reset", &texts, &[("answers", answers)]))
            }
            End::Open => Some(self.catalogue.plain("story-open")),
            End::Closed | End::HalfClosed { .. } => None,
        }
    }

    fn order(&self) -> Option<String> {
        let Outline { repeated, early, unseen, .. } = *self.outline;
        let mut turns = self.outline.turns.iter();
        let whole = self.outline.turns_left_out == 0 && turns.all(|turn| turn.acknowledged_by.is_some());
        if whole && self.outline.is_in_order() && !self.outline.turns.is_empty() {
            return Some(self.catalogue.plain("story-in-order"));
        }
        let counts = [("repeated", repeated), ("early", early), ("unseen", unseen)];
        (repeated + early + unseen > 0).then(|| say(self.catalogue, "story-disorder", &[], &counts))
    }
}

const fn yes(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}
