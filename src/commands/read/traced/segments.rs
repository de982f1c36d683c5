//! Segments as they are said: what they are for, by which call, and why now.

use super::super::ladder::said as plain;
use super::super::words::say;
use super::book::Book;
use crate::catalogue::Catalogue;
use enchufe_story::fact::CallId;
use enchufe_story::trace::{By, Deed, Now, Segment, Timer};
use enchufe_story::{Certainty, What};

fn sure(text: String, certainty: Certainty) -> String {
    if certainty == Certainty::Proved { text } else { format!("({text})") }
}

/// Whether the segment was sent inside this call, which made it.
pub fn is_of(segment: &Segment, id: CallId) -> bool {
    let inside = segment.why.as_ref().is_some_and(|why| why.now == Now::Inside(id));
    inside && segment.by.iter().any(|by| by.calls == [id])
}

/// Why the segment was sent: by which call, and when; what packets tell where no call has to do with it.
pub fn cause(segment: &Segment, book: &Book, catalogue: &Catalogue) -> String {
    let mut parts: Vec<(String, u64)> = Vec::new();
    for By { deed, calls, certainty } in &segment.by {
        let all: Vec<String> = calls.iter().map(|id| book.said(*id, catalogue)).collect();
        let all = all.join(" / ");
        let said = match deed {
            // What these make is told by the arrow.
            Deed::Opens | Deed::Writes(_) | Deed::Ends => all,
            _ => say(catalogue, &format!("trace-by-{}", deed.id()), &[("calls", &all)], &[]),
        };
        match parts.last_mut() {
            // One line of source may have written it in many calls.
            Some((known, count)) if *known == sure(said.clone(), *certainty) => *count += 1,
            _ => parts.push((sure(said, *certainty), 1)),
        }
    }
    let times = |(said, count): (String, u64)| if count == 1 { said } else { format!("{said} ×{count}") };
    let mut parts: Vec<String> = parts.into_iter().map(times).collect();
    if let Some(why) = &segment.why
        && !matches!(why.now, Now::Inside(_))
    {
        let probe = Now::Timer(Timer::TailLossProbe);
        let either = why.now == Now::Timer(Timer::Retransmission) && why.or.contains(&probe);
        let said = now(&why.now, book, catalogue);
        let said = if either { format!("{said} / {}", now(&probe, book, catalogue)) } else { said };
        parts.push(sure(said, why.certainty));
    }
    let answered = segment.why.as_ref().and_then(|why| match why.now {
        Now::Answers(frame) => Some(frame),
        _ => None,
    });
    for claim in &segment.row.cause.what {
        let told_by_call = !segment.by.is_empty()
            && matches!(claim.what, What::Opens | What::Ends | What::Resets(_) | What::Repeats { .. });
        let told_by_answer = matches!(&claim.what, What::Acknowledges { frames, part: None }
            if answered.is_some_and(|frame| frames.is_only(frame)));
        if !told_by_call && !told_by_answer {
            parts.push(sure(plain::what(&claim.what, catalogue), claim.certainty));
        }
    }
    parts.join("; ")
}

fn now(now: &Now, book: &Book, catalogue: &Catalogue) -> String {
    let id = format!("trace-now-{}", now.id());
    match now {
        Now::Inside(id_of) | Now::Uncorked(id_of) => {
            say(catalogue, &id, &[("call", &book.said(*id_of, catalogue))], &[])
        }
        Now::Answers(frame) | Now::Released { by: frame, .. } => {
            say(catalogue, &id, &[("frame", &frame.to_string())], &[])
        }
        Now::Timer(_) => catalogue.plain(&id),
    }
}

/// Whether something that is said of it is inferred.
pub fn is_inferred(segment: &Segment) -> bool {
    let mut all = segment.by.iter().map(|by| by.certainty);
    let mut states = segment.row.changes.iter().map(|change| change.certainty);
    let mut what = segment.row.cause.what.iter().map(|claim| claim.certainty);
    let why = segment.why.as_ref().filter(|why| !matches!(why.now, Now::Inside(_)));
    all.any(|sure| sure == Certainty::Inferred)
        || states.any(|sure| sure == Certainty::Inferred)
        || what.any(|sure| sure == Certainty::Inferred)
        || why.is_some_and(|why| why.certainty == Certainty::Inferred)
}
