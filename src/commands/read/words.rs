//! Addresses, frame numbers and names as they are said.

use crate::catalogue::{Catalogue, human_time};
use enchufe_wire::finding::{Finding, FindingId, Severity};
use enchufe_wire::tcp::{Conversation, Endpoint};
use fluent_bundle::{FluentArgs, FluentValue};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// An end of a conversation.
pub fn endpoint(end: &Endpoint) -> String {
    let [a, b, c, d, ..] = end.address;
    let ip: IpAddr = if end.ipv6 { end.address.into() } else { Ipv4Addr::from([a, b, c, d]).into() };
    SocketAddr::new(ip, end.port).to_string()
}

/// One of a conversation's ends.
pub fn side(conversation: &Conversation, is_b: bool) -> String {
    endpoint(if is_b { &conversation.b } else { &conversation.a })
}

/// Numbers in order, stretches of them as `8-9`.
pub fn numbers(numbers: &[u64]) -> String {
    let mut stretches: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match stretches.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => stretches.push((*number, *number)),
        }
    }
    let said: Vec<String> = stretches.iter().map(|stretch| span(*stretch)).collect();
    said.join(", ")
}

/// One stretch of numbers.
pub fn span((first, last): (u64, u64)) -> String {
    if first == last { first.to_string() } else { format!("{first}-{last}") }
}

/// Nanoseconds as people say them; nothing where times run backwards.
pub fn duration(nanos: i64) -> String {
    u64::try_from(nanos).map_or_else(|_| String::new(), |nanos| human_time(Duration::from_nanos(nanos)))
}

/// The id of a finding, in JSON and in the names of its texts.
pub fn finding(id: FindingId) -> String {
    match id {
        FindingId::Unanswered => "unanswered".to_owned(),
        FindingId::Refused => "refused".to_owned(),
        FindingId::DataAfterClose => "data-after-close".to_owned(),
        FindingId::Unread => "unread".to_owned(),
        FindingId::Aborted => "aborted".to_owned(),
        FindingId::HalfClosed => "half-closed".to_owned(),
        FindingId::WindowProbe => "window-probe".to_owned(),
        FindingId::Flag(flag) => flag.field().trim_start_matches("tcp.analysis.").replace('_', "-"),
    }
}

/// A finding in words: what it is and, of an end, whose it was, what it answered and after how long.
pub fn described(found: &Finding, catalogue: &Catalogue) -> String {
    let said = catalogue.plain(&format!("finding-{}", finding(found.id)));
    let Some(by) = &found.by else { return said };
    let who = endpoint(by);
    let Some(reset) = &found.reset else {
        return say(catalogue, "finding-by", &[("finding", &said), ("who", &who)], &[]);
    };
    let idle = duration(reset.idle);
    let texts = [("finding", said.as_str()), ("who", &who), ("idle", &idle)];
    say(catalogue, "finding-reset", &texts, &[("answers", reset.answers.unwrap_or_default())])
}

pub const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Chat => "chat",
        Severity::Note => "note",
        Severity::Warn => "warn",
    }
}

/// A text with texts in it.
pub fn say(
    catalogue: &Catalogue,
    id: &str,
    texts: &[(&'static str, &str)],
    counts: &[(&'static str, u64)],
) -> String {
    let mut args = FluentArgs::new();
    for (name, text) in texts {
        args.set(*name, crate::text::printable(text));
    }
    for (name, count) in counts {
        args.set(*name, FluentValue::from(*count));
    }
    catalogue.text(id, &args)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Language;
    use enchufe_wire::tcp::Flag;

    #[test]
    fn every_finding_has_its_texts_in_both_languages() {
        let ends = [
            FindingId::Unanswered,
            FindingId::Refused,
            FindingId::DataAfterClose,
            FindingId::Unread,
            FindingId::Aborted,
            FindingId::HalfClosed,
            FindingId::WindowProbe,
        ];
        for id in ends.into_iter().chain(Flag::ALL.map(FindingId::Flag)) {
            for catalogue in Language::ALL.map(Catalogue::new) {
                for text in ["finding", "why"] {
                    assert!(catalogue.has(&format!("{text}-{}", finding(id))), "{text} of {id:?}");
                }
                assert!(catalogue.has(&format!("severity-{}", severity(id.severity()))));
            }
        }
    }

    #[test]
    fn numbers_that_follow_each_other_are_one_stretch() {
        assert_eq!(numbers(&[1, 2, 3, 5, 8, 9]), "1-3, 5, 8-9");
        assert_eq!(numbers(&[]), "");
    }
}
