//! What is worth a second look in a recording: in sentences, and as objects of JSON.

use super::super::ladder::object as plain;
use super::super::words::{duration, endpoint, numbers, say};
use super::book::Book;
use super::object;
use crate::catalogue::Catalogue;
use enchufe_story::Certainty;
use enchufe_story::trace::{Judge, Remark, Remarked, Socket};
use serde_json::{Value, json};
use std::io::{self, Write};

/// The most that are written as text.
const MOST_WRITTEN: usize = 20;

/// Says remarks.
#[derive(Clone, Copy)]
pub struct Remarking<'a> {
    pub judge: &'a Judge,
    pub book: &'a Book,
}

impl Remarking<'_> {
    /// Those of which this holds, and how many more were not kept.
    fn those(&self, is_chosen: &dyn Fn(&Remark) -> bool) -> (Vec<&Remark>, u64) {
        let (all, left_out) = self.judge.remarks();
        (all.iter().filter(|remark| is_chosen(remark)).collect(), left_out)
    }

    fn program(&self, remark: &Remark) -> Option<u32> {
        let socket = self.judge.sockets().get(remark.socket?)?;
        Some(socket.program)
    }

    /// The address of its end, where the program has the other one as well.
    fn of_both_ends(&self, remark: &Remark) -> Option<String> {
        let sockets = self.judge.sockets();
        let own = sockets.get(remark.socket?)?;
        let (local, peer) = own.local.zip(own.peer)?;
        let is_other = |other: &Socket| {
            (other.program, other.local, other.peer) == (own.program, Some(peer), Some(local))
        };
        sockets.all().iter().any(is_other).then(|| endpoint(&local))
    }

    /// What is remarked, and why that is worth a second look.
    pub fn sentences(&self, remark: &Remark, catalogue: &Catalogue) -> [String; 2] {
        let id = remark.what.id();
        let name = self.program(remark).map_or("", |program| self.book.name(program));
        let who = if name.is_empty() { catalogue.plain("trace-a-program") } else { name.to_owned() };
        let who = self.of_both_ends(remark).map_or_else(|| who.clone(), |own| format!("{who} {own}"));
        let calls = self.book.placed(&remark.calls, catalogue);
        let frame = |at: usize| remark.frames.get(at).map_or_else(String::new, u64::to_string);
        let (first, second, third) = (frame(0), frame(1), frame(2));
        let frames = numbers(&remark.frames);
        let Numbers { count, bytes, nanos } = remark.what.into();
        let time = duration(nanos);
        let texts = [
            ("who", who.as_str()),
            ("calls", &calls),
            ("first", &first),
            ("second", &second),
            ("third", &third),
            ("frames", &frames),
            ("time", &time),
        ];
        let counts = [("count", count), ("bytes", bytes)];
        let said = say(catalogue, &format!("remarked-{id}"), &texts, &counts);
        let said = match remark.certainty {
            Certainty::Proved => said,
            Certainty::Inferred => say(catalogue, "told-inferred", &[("text", &said)], &[]),
        };
        [said, catalogue.plain(&format!("remarked-why-{id}"))]
    }

    /// Writes them below a ladder.
    pub fn write(
        &self,
        is_chosen: &dyn Fn(&Remark) -> bool,
        catalogue: &Catalogue,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let (remarks, left_out) = self.those(is_chosen);
        if remarks.is_empty() {
            return Ok(());
        }
        writeln!(out, "{}", catalogue.plain("remarks-head"))?;
        for remark in remarks.iter().take(MOST_WRITTEN) {
            let [said, why] = self.sentences(remark, catalogue);
            let of = remark.stream.map(|stream| stream.to_string());
            let of = of.map(|stream| say(catalogue, "remarks-of", &[("stream", &stream)], &[]));
            writeln!(out, "  {}{said}\n    {why}", of.unwrap_or_default())?;
        }
        let more = remarks.len().saturating_sub(MOST_WRITTEN);
        let more = u64::try_from(more).unwrap_or(u64::MAX).saturating_add(left_out);
        if more > 0 {
            writeln!(out, "  {}", say(catalogue, "remarks-more", &[], &[("count", more)]))?;
        }
        Ok(())
    }

    /// Writes an object of each.
    pub fn objects(&self, is_chosen: &dyn Fn(&Remark) -> bool, out: &mut impl Write) -> io::Result<()> {
        for remark in self.those(is_chosen).0 {
            serde_json::to_writer(&mut *out, &self.object(remark))?;
            writeln!(out)?;
        }
        Ok(())
    }

    fn object(&self, remark: &Remark) -> Value {
        let calls: Vec<Value> = remark.calls.iter().map(|call| object::named(*call, self.book)).collect();
        let mut keys = json!({
            "event": "remark", "remark": remark.what.id(),
            "conversation": remark.stream, "socket": remark.socket.map(|socket| socket.0),
            "program": self.program(remark), "calls": calls, "frames": remark.frames,
            "certainty": plain::certainty(remark.certainty),
        });
        let numbers = match remark.what {
            Remarked::SmallWrites { count, bytes } | Remarked::SmallReads { count, bytes } => {
                json!({"count": count, "bytes": bytes})
            }
            Remarked::NagleDelayedAck { waited } => json!({ "waited_ns": waited }),
            Remarked::LeftUnread { bytes } => json!({ "unread": bytes }),
            Remarked::AnsweredBeforeAllRead { unread } => json!({ "unread": unread }),
            Remarked::NothingThere { count, over } => json!({"count": count, "over_ns": over}),
            Remarked::ShortWrites { count, missing } => json!({"count": count, "missing": missing}),
            Remarked::TimerMoved { count, held } => json!({"count": count, "held_ns": held}),
            Remarked::SentToGone | Remarked::LeftToExit => json!({}),
        };
        object::merge(&mut keys, &numbers);
        object::without_null(keys)
    }
}

/// The numbers that a sentence speaks of.
#[derive(Clone, Copy, Debug, Default)]
struct Numbers {
    count: u64,
    bytes: u64,
    nanos: i64,
}

impl From<Remarked> for Numbers {
    fn from(what: Remarked) -> Self {
        let none = Self::default();
        match what {
            Remarked::SmallWrites { count, bytes } | Remarked::SmallReads { count, bytes } => {
                Self { count, bytes, ..none }
            }
            Remarked::NagleDelayedAck { waited } => Self { nanos: waited, ..none },
            Remarked::LeftUnread { bytes } | Remarked::AnsweredBeforeAllRead { unread: bytes } => {
                Self { bytes, ..none }
            }
            Remarked::NothingThere { count, over } => Self { count, nanos: over, ..none },
            Remarked::ShortWrites { count, missing } => Self { count, bytes: missing, ..none },
            Remarked::TimerMoved { count, held } => Self { count, nanos: held, ..none },
            Remarked::SentToGone | Remarked::LeftToExit => none,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Language;

    #[test]
    fn every_remark_has_its_texts_in_both_languages() {
        for catalogue in Language::ALL.map(Catalogue::new) {
            for id in Remarked::IDS {
                assert!(catalogue.has(&format!("remarked-{id}")), "{id}");
                assert!(catalogue.has(&format!("remarked-why-{id}")), "{id}");
            }
        }
    }
}
