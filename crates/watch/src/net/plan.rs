//! What is to become of segments on a link.

use std::collections::HashMap;
use std::time::Duration;

/// The most rules of a plan.
const MOST_RULES: usize = 64;
/// The longest delay.
const LONGEST: Duration = Duration::from_secs(5);
/// The most connections whose segments are counted: past it all are counted anew.
const MOST_FLOWS: usize = 65_536;

/// Rules, such as `lose client data 2, delay 50ms server ack 1-3, double client fin 1`.
///
/// Each names segments of every connection: of the client (who sent the SYN) or the server, of a kind, by their numbers among those of
/// that end and kind, retransmissions among them.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    rules: Vec<Rule>,
    flows: HashMap<[u8; 12], Flow>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rule {
    fate: Fate,
    of_client: bool,
    kind: Kind,
    first: u32,
    last: u32,
}

/// What becomes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Lost,
    Late(Duration),
    Twice,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Any,
    Syn,
    Data,
    /// An acknowledgement alone.
    Ack,
    /// An acknowledgement that only tells a larger window.
    Update,
    Fin,
    Rst,
}

const KINDS: [(&str, Kind); 7] = [
    ("segment", Kind::Any),
    ("syn", Kind::Syn),
    ("data", Kind::Data),
    ("ack", Kind::Ack),
    ("update", Kind::Update),
    ("fin", Kind::Fin),
    ("rst", Kind::Rst),
];

/// A connection: who its client is, and how many segments of each kind its ends sent.
#[derive(Clone, Copy, Debug, Default)]
struct Flow {
    client_is_first: Option<bool>,
    counts: [[u32; KINDS.len()]; 2],
    /// What each end acknowledged last, and its window.
    told: [(u32, u16); 2],
}

/// Why a text is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// This rule is none.
    #[error("{0:?} is no rule of a link")]
    Rule(String),
    /// There are more than sixty-four.
    #[error("more than {MOST_RULES} rules")]
    TooMany,
}

impl Plan {
    /// Reads rules, with commas between them. A time is read by `time`.
    pub fn parse(text: &str, time: impl Fn(&str) -> Option<Duration>) -> Result<Self, PlanError> {
        let mut rules = Vec::new();
        for text in text.split(',').map(str::trim) {
            if rules.len() >= MOST_RULES {
                return Err(PlanError::TooMany);
            }
            rules.push(rule(text, &time).ok_or_else(|| PlanError::Rule(text.to_owned()))?);
        }
        Ok(Self { rules, flows: HashMap::new() })
    }

    /// The longest time that a segment is on its way.
    pub fn longest(&self) -> Duration {
        let late = self.rules.iter().filter_map(|rule| match rule.fate {
            Fate::Late(time) => Some(time),
            Fate::Lost | Fate::Twice => None,
        });
        late.max().unwrap_or_default()
    }

    /// What becomes of this packet of IPv4; nothing where no rule names it.
    pub(super) fn fate(&mut self, packet: &[u8]) -> Option<Fate> {
        const SYN: u8 = 2;
        const ACK: u8 = 16;
        let Segment { key, from_first, flags, mut kinds, told } = Segment::of(packet)?;
        if self.flows.len() >= MOST_FLOWS && !self.flows.contains_key(&key) {
            self.flows.clear();
        }
        let flow = self.flows.entry(key).or_default();
        if flags & SYN != 0 {
            let client_is_first = from_first == (flags & ACK == 0);
            if flow.client_is_first.is_some_and(|known| known != client_is_first) {
                *flow = Flow::default();
            }
            flow.client_is_first = Some(client_is_first);
        }
        let of_client = flow.client_is_first.is_none_or(|client_is_first| client_is_first == from_first);
        let [of_server, of_the_client] = &mut flow.counts;
        let [first, second] = &mut flow.told;
        let (counts, before) = if of_client { (of_the_client, first) } else { (of_server, second) };
        let before = std::mem::replace(before, told);
        if kinds.contains(&Kind::Ack) && told.0 == before.0 && told.1 > before.1 {
            kinds.push(Kind::Update);
        }
        for (count, (_, kind)) in counts.iter_mut().zip(KINDS) {
            *count += u32::from(kinds.contains(&kind));
        }
        let number = |wanted: Kind| {
            let mut all = counts.iter().zip(KINDS);
            all.find(|(_, (_, kind))| *kind == wanted).map_or(0, |(count, _)| *count)
        };
        let fits = |rule: &&Rule| {
            let named = (rule.first..=rule.last).contains(&number(rule.kind));
            rule.of_client == of_client && kinds.contains(&rule.kind) && named
        };
        self.rules.iter().find(fits).map(|rule| rule.fate)
    }
}

fn rule(text: &str, time: &impl Fn(&str) -> Option<Duration>) -> Option<Rule> {
    let mut words = text.split_whitespace();
    let fate = match words.next()? {
        "lose" => Fate::Lost,
        "delay" => Fate::Late(time(words.next()?).filter(|time| *time <= LONGEST)?),
        "double" => Fate::Twice,
        _ => return None,
    };
    let of_client = match words.next()? {
        "client" => true,
        "server" => false,
        _ => return None,
    };
    let word = words.next()?;
    let (_, kind) = KINDS.into_iter().find(|(name, _)| *name == word)?;
    let numbers = words.next()?;
    let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (words.next().is_none() && first > 0 && first <= last).then_some(Rule {
        fate,
        of_client,
        kind,
        first,
        last,
    })
}

/// A segment of TCP over IPv4.
struct Segment {
    /// Both ends, the lower one first.
    key: [u8; 12],
    from_first: bool,
    flags: u8,
    kinds: Vec<Kind>,
    /// What it acknowledges, and its window.
    told: (u32, u16),
}

impl Segment {
    /// None where the packet is none, or a later part of one.
    fn of(packet: &[u8]) -> Option<Self> {
        const TCP: u8 = 6;
        let header = usize::from(packet.first()? & 15) * 4;
        let is_later = u16::from_be_bytes(*packet.get(6..)?.first_chunk()?) & 0x1fff != 0;
        if packet.first()? >> 4 != 4 || *packet.get(9)? != TCP || is_later {
            return None;
        }
        let total = usize::from(u16::from_be_bytes(*packet.get(2..)?.first_chunk()?));
        let tcp = packet.get(header..total)?;
        let (ports, addresses) = (tcp.get(..4)?, packet.get(12..20)?);
        let end =
            |at: usize| Some([addresses.get(at * 4..at * 4 + 4)?, ports.get(at * 2..at * 2 + 2)?].concat());
        let (source, destination) = (end(0)?, end(1)?);
        let from_first = source <= destination;
        let both = if from_first { [source, destination] } else { [destination, source] };
        let key = both.concat().try_into().ok()?;
        let payload = tcp.len().saturating_sub(usize::from(tcp.get(12)? >> 4) * 4);
        let flags = *tcp.get(13)?;
        let [is_fin, is_syn, is_rst] = [1, 2, 4].map(|bit| flags & bit != 0);
        let is = [
            (Kind::Any, true),
            (Kind::Syn, is_syn),
            (Kind::Data, payload > 0),
            (Kind::Ack, payload == 0 && !is_fin && !is_syn && !is_rst),
            (Kind::Fin, is_fin),
            (Kind::Rst, is_rst),
        ];
        let kinds = is.into_iter().filter(|(_, is)| *is).map(|(kind, _)| kind).collect();
        let acknowledges = u32::from_be_bytes(*tcp.get(8..)?.first_chunk()?);
        let window = u16::from_be_bytes(*tcp.get(14..)?.first_chunk()?);
        Some(Self { key, from_first, flags, kinds, told: (acknowledges, window) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Option<Duration> {
        text.strip_suffix("ms")?.parse().ok().map(Duration::from_millis)
    }

    fn packet(from: u16, to: u16, flags: u8, payload: usize) -> Vec<u8> {
        let total = u16::try_from(40 + payload).unwrap();
        let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 6, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1];
        packet.splice(2..4, total.to_be_bytes());
        packet.extend(from.to_be_bytes());
        packet.extend(to.to_be_bytes());
        packet.extend([0, 0, 0, 0, 0, 0, 0, 0, 0x50, flags, 0, 0, 0, 0, 0, 0]);
        packet.resize(40 + payload, 0);
        packet
    }

    #[test]
    fn a_rule_names_segments_by_their_end_kind_and_number() {
        let mut plan =
            Plan::parse("lose client data 2, delay 7ms server ack 1-2, double client syn 1", time).unwrap();
        let (syn, ack, psh) = (2, 16, 24);
        for (client, server) in [(5, 9), (9, 5)] {
            assert_eq!(plan.fate(&packet(client, server, syn, 0)), Some(Fate::Twice));
            assert_eq!(plan.fate(&packet(server, client, syn | ack, 0)), None);
            assert_eq!(plan.fate(&packet(client, server, ack, 0)), None);
            assert_eq!(plan.fate(&packet(client, server, psh, 3)), None);
            assert_eq!(plan.fate(&packet(client, server, psh, 3)), Some(Fate::Lost));
            for late in [true, true, false] {
                let fate = late.then_some(Fate::Late(Duration::from_millis(7)));
                assert_eq!(plan.fate(&packet(server, client, ack, 0)), fate);
            }
            assert_eq!(plan.fate(&packet(client, server, psh, 3)), None);
            // The next connection of other ends.
            plan.flows.clear();
        }
        assert_eq!(plan.longest(), Duration::from_millis(7));
    }

    #[test]
    fn what_is_no_rule_is_named() {
        for text in [
            "",
            "lose",
            "lose me data 1",
            "lose client data",
            "lose client data 0",
            "lose client data 3-2",
            "delay client data 1",
            "delay 9999ms client data 1",
            "lose client data 1 2",
            "lose client word 1",
        ] {
            assert_eq!(Plan::parse(text, time).unwrap_err(), PlanError::Rule(text.to_owned()));
        }
        assert_eq!(Plan::parse(&["lose client fin 1"; 65].join(","), time).unwrap_err(), PlanError::TooMany);
    }

    #[test]
    fn what_is_no_segment_is_left_alone() {
        let mut plan = Plan::parse("lose client segment 1-9", time).unwrap();
        let whole = packet(1, 2, 16, 0);
        for len in 0..whole.len() {
            assert_eq!(plan.fate(&whole[..len]), None);
        }
        assert_eq!(plan.fate(&whole), Some(Fate::Lost));
    }
}
