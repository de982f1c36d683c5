//! What of a filter can be told from addresses and ports alone, so that a kernel can leave out the other frames.
//!
//! It is told of *plain* frames: IPv4 without options that is no fragment, or IPv6 without extension headers, that
//! carries TCP or UDP, with the tag of a VLAN or without. All others are for the filter itself.
//!
//! A test that addresses and ports do not answer may hold or not. So each part of a filter is bounded from both sides:
//! whoever fits it fits `may`, and whoever fits `must` fits it; `not` exchanges the two.
//!
//! **Rows stay what they are.** What a TCP segment means depends on the others of its conversation, in both directions
//! and shown or not. So nothing is concluded here that would not be true of every frame of the same conversation, be
//! it plain, a fragment or tagged, and a conversation is left out whole or not at all. (One that passes in a tunnel,
//! or behind a routing header, *and* plain is told from the addresses of the plain frames.) What counts frames would
//! change, and is not bounded.

use super::check::{Subject, Test};
use super::condition::{Condition, Side};
use super::lexer::Comparison;
use super::literal::Literal;
use super::parser::Logic;
use crate::field::{FieldId, id};

/// What of a plain frame must hold for a filter to fit it, or in TCP another frame of its conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefilter {
    /// TCP over IPv4.
    pub tcp_ipv4: Condition,
    /// UDP over IPv4.
    pub udp_ipv4: Condition,
    /// TCP over IPv6.
    pub tcp_ipv6: Condition,
    /// UDP over IPv6.
    pub udp_ipv6: Condition,
}

impl Prefilter {
    /// Leaves out nothing.
    pub const EVERYTHING: Self = Self {
        tcp_ipv4: Condition::Always,
        udp_ipv4: Condition::Always,
        tcp_ipv6: Condition::Always,
        udp_ipv6: Condition::Always,
    };

    pub(super) fn new(test: &Test) -> Self {
        if counts(test) {
            return Self::EVERYTHING;
        }
        let tcp = |ipv6| {
            let sent = bounds(test, Carried { ipv6, tcp: true }).may;
            let answered = sent.reversed();
            Condition::any([sent, answered])
        };
        // Of UDP no frame says anything about another.
        let udp = |ipv6| bounds(test, Carried { ipv6, tcp: false }).may;
        Self { tcp_ipv4: tcp(false), udp_ipv4: udp(false), tcp_ipv6: tcp(true), udp_ipv6: udp(true) }
    }
}

impl Default for Prefilter {
    fn default() -> Self {
        Self::EVERYTHING
    }
}

/// Whether the field's value counts frames, conversations, or the time since another frame: it would be another one
/// if frames were left out.
pub fn counts_frames(field: FieldId) -> bool {
    matches!(
        field,
        id::FRAME_NUMBER
            | id::FRAME_TIME_RELATIVE
            | id::FRAME_TIME_DELTA
            | id::IP_REASSEMBLED_IN
            | id::ICMP_RESP_IN
            | id::ICMP_RESP_TO
            | id::UDP_STREAM
            | id::TCP_STREAM
            | id::TCP_ANALYSIS_DUPLICATE_ACK_FRAME
            | id::TCP_ANALYSIS_ACKS_FRAME
            | id::TCP_ANALYSIS_RTO_FRAME
    )
}

fn counts(test: &Test) -> bool {
    match test {
        Test::Logic(_, row) => row.iter().any(counts),
        Test::Not(inner) => counts(inner),
        Test::Exists(subject)
        | Test::Value(subject, ..)
        | Test::Matches(subject, _)
        | Test::In(subject, _) => counts_frames(subject.field),
        Test::Fields(left, _, right) => counts_frames(left.field) || counts_frames(right.field),
    }
}

/// What a plain frame carries.
#[derive(Clone, Copy, Debug)]
struct Carried {
    ipv6: bool,
    tcp: bool,
}

/// What must hold for a test to be able to hold, and what makes it hold for sure.
struct Bounds {
    may: Condition,
    must: Condition,
}

impl Bounds {
    fn exactly(condition: Condition) -> Self {
        Self { may: condition.clone(), must: condition }
    }

    const fn at_most(may: Condition) -> Self {
        Self { may, must: Condition::Never }
    }
}

fn bounds(test: &Test, carried: Carried) -> Bounds {
    let row = |row: &[Test]| -> (Vec<_>, Vec<_>) {
        row.iter().map(|test| bounds(test, carried)).map(|bounds| (bounds.may, bounds.must)).unzip()
    };
    match test {
        Test::Logic(Logic::And, tests) => {
            let (may, must) = row(tests);
            Bounds { may: Condition::all(may), must: Condition::all(must) }
        }
        Test::Logic(Logic::Or, tests) => {
            let (may, must) = row(tests);
            Bounds { may: Condition::any(may), must: Condition::any(must) }
        }
        Test::Logic(Logic::Xor, _) => Bounds::at_most(Condition::Always),
        Test::Not(inner) => {
            let Bounds { may, must } = bounds(inner, carried);
            Bounds { may: must.not(), must: may.not() }
        }
        Test::Exists(subject) if is_whole(subject) && is_sure(subject.field) => {
            Bounds::exactly(presence(subject.field, carried))
        }
        Test::Exists(subject) | Test::Matches(subject, _) => {
            Bounds::at_most(presence(subject.field, carried))
        }
        Test::Value(subject, comparison, literal) => {
            let all = matches!(comparison, Comparison::AllEqual | Comparison::AllUnequal);
            told(subject, all, carried, |place| match literal {
                Literal::Below(_) if *comparison != Comparison::Bits => Some(below(all || subject.all)),
                _ => compared(place, *comparison, literal),
            })
        }
        Test::Fields(left, _, right) => {
            let both = [left, right].map(|subject| presence(subject.field, carried));
            Bounds::at_most(Condition::all(both))
        }
        Test::In(subject, set) => {
            let ranges = set
                .iter()
                .map(|range| told(subject, false, carried, |place| between(place, range, subject.all)));
            let (may, must): (Vec<_>, Vec<_>) = ranges.map(|bounds| (bounds.may, bounds.must)).unzip();
            Bounds { may: Condition::any(may), must: Condition::any(must) }
        }
    }
}

/// What a test says of a field whose occurrences stand at known places, if `fits` can tell it of each.
fn told(subject: &Subject, all: bool, carried: Carried, fits: impl Fn(Place) -> Option<Condition>) -> Bounds {
    let presence = presence(subject.field, carried);
    if presence == Condition::Never || !is_whole(subject) {
        return Bounds::at_most(presence);
    }
    let found: Option<Vec<_>> = places(subject.field, carried).iter().map(|place| fits(*place)).collect();
    match found {
        Some(found) if found.is_empty() => Bounds::at_most(presence),
        None => Bounds::at_most(presence),
        Some(found) if all || subject.all => Bounds::exactly(Condition::all(found)),
        Some(found) => Bounds::exactly(Condition::any(found)),
    }
}

/// Whether it is the field itself, not a part of it or what is made of it.
const fn is_whole(subject: &Subject) -> bool {
    subject.slices.is_empty() && subject.function.is_none()
}

/// What must hold for the field to be there: of any frame of a TCP conversation, of a plain one in UDP.
fn presence(field: FieldId, carried: Carried) -> Condition {
    let there = match field.info().name.split('.').next().unwrap_or_default() {
        "ip" => !carried.ipv6,
        "ipv6" => carried.ipv6,
        "tcp" => carried.tcp,
        "udp" => !carried.tcp,
        // What an ICMP error quotes is not a conversation's.
        "arp" | "icmp" | "icmpv6" => false,
        "dns" | "mdns" | "llmnr" | "ssdp" => return known_ports(field, carried),
        _ => true,
    };
    if there { Condition::Always } else { Condition::Never }
}

/// The ports that what runs over UDP is known by.
fn known_ports(field: FieldId, carried: Carried) -> Condition {
    let ports: &[u16] = match field {
        _ if carried.tcp => &[],
        id::DNS => &[53],
        id::MDNS => &[5353],
        id::LLMNR => &[5355],
        id::SSDP => &[1900],
        // Its two relatives have the fields of DNS.
        _ => &[53, 5353, 5355],
    };
    let either = |port| [Side::Source, Side::Destination].map(|side| Condition::Port(side, port, port));
    Condition::any(ports.iter().flat_map(|port| either(*port)))
}

/// Whether the field is there wherever its [`presence`] holds.
const fn is_sure(field: FieldId) -> bool {
    matches!(
        field,
        id::IP
            | id::IP_SRC
            | id::IP_DST
            | id::IP_ADDR
            | id::IP_PROTO
            | id::IPV6
            | id::IPV6_SRC
            | id::IPV6_DST
            | id::IPV6_ADDR
            | id::TCP
            | id::TCP_SRCPORT
            | id::TCP_DSTPORT
            | id::TCP_PORT
            | id::UDP
            | id::UDP_SRCPORT
            | id::UDP_DSTPORT
            | id::UDP_PORT
    )
}

/// Where a field's value stands.
#[derive(Clone, Copy, Debug)]
enum Place {
    Port(Side),
    Ipv4(Side),
    Ipv6(Side),
    /// It is this number.
    Number(u64),
}

/// Every place of a field that is there; none where they are not known.
fn places(field: FieldId, carried: Carried) -> Vec<Place> {
    use Side::{Destination, Source};
    let (make, sides): (fn(Side) -> Place, &[Side]) = match field {
        id::IP_SRC => (Place::Ipv4, &[Source]),
        id::IP_DST => (Place::Ipv4, &[Destination]),
        id::IP_ADDR => (Place::Ipv4, &[Source, Destination]),
        id::IPV6_SRC => (Place::Ipv6, &[Source]),
        id::IPV6_DST => (Place::Ipv6, &[Destination]),
        id::IPV6_ADDR => (Place::Ipv6, &[Source, Destination]),
        id::TCP_SRCPORT | id::UDP_SRCPORT => (Place::Port, &[Source]),
        id::TCP_DSTPORT | id::UDP_DSTPORT => (Place::Port, &[Destination]),
        id::TCP_PORT | id::UDP_PORT => (Place::Port, &[Source, Destination]),
        id::IP_PROTO => return vec![Place::Number(if carried.tcp { 6 } else { 17 })],
        _ => return Vec::new(),
    };
    sides.iter().map(|side| make(*side)).collect()
}

/// What nothing compares with: no occurrence fits, and none does not fit.
const fn below(all: bool) -> Condition {
    if all { Condition::Always } else { Condition::Never }
}

fn between(place: Place, (low, high): &(Literal, Literal), all: bool) -> Option<Condition> {
    if let (Literal::Below(_), _) | (_, Literal::Below(_)) = (low, high) {
        return Some(below(all && low == high));
    }
    if low == high {
        return compared(place, Comparison::AnyEqual, low);
    }
    let from = compared(place, Comparison::GreaterEqual, low)?;
    Some(Condition::all([from, compared(place, Comparison::LessEqual, high)?]))
}

/// When the value at this place fits; nothing where that cannot be said.
fn compared(place: Place, comparison: Comparison, literal: &Literal) -> Option<Condition> {
    match (place, literal) {
        (Place::Port(side), Literal::Number(number)) => {
            let make = |low, high| Some(Condition::Port(side, low?, high?));
            let make = |low: u64, high: u64| make(u16::try_from(low).ok(), u16::try_from(high).ok());
            within(comparison, [*number; 2], u16::MAX.into(), make)
        }
        (Place::Number(own), Literal::Number(number)) => {
            let make = |low, high| {
                Some(if (low..=high).contains(&own) { Condition::Always } else { Condition::Never })
            };
            within(comparison, [*number; 2], u64::MAX, make)
        }
        (Place::Ipv4(side), Literal::Ipv4(address, bits)) => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            let make = |low: u64, high: u64| {
                Some(Condition::Ipv4(side, u32::try_from(low).ok()?, u32::try_from(high).ok()?))
            };
            within(comparison, [address & mask, address | !mask].map(u64::from), u32::MAX.into(), make)
        }
        (Place::Ipv6(side), Literal::Ipv6(address, bits)) => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            let same = match bits {
                0 => Condition::Always,
                _ => Condition::Ipv6(side, address & mask, *bits),
            };
            match comparison {
                Comparison::AnyEqual | Comparison::AllEqual => Some(same),
                Comparison::AnyUnequal | Comparison::AllUnequal => Some(same.not()),
                _ => None,
            }
        }
        _ => None,
    }
}

/// A comparison of a number of at most `most` with what lies from `low` to `high`, as a range of that number.
fn within(
    comparison: Comparison,
    [low, high]: [u64; 2],
    most: u64,
    make: impl Fn(u64, u64) -> Option<Condition>,
) -> Option<Condition> {
    let range = |low: Option<u64>, high: Option<u64>| {
        let (Some(low), Some(high)) = (low, high.map(|high| high.min(most))) else {
            return Some(Condition::Never);
        };
        match low {
            0 if high == most => Some(Condition::Always),
            low if low > high => Some(Condition::Never),
            low => make(low, high),
        }
    };
    match comparison {
        Comparison::AnyEqual | Comparison::AllEqual => range(Some(low), Some(high)),
        Comparison::AnyUnequal | Comparison::AllUnequal => range(Some(low), Some(high)).map(Condition::not),
        Comparison::Greater => range(high.checked_add(1), Some(most)),
        Comparison::Less => range(Some(0), low.checked_sub(1)),
        Comparison::GreaterEqual => range(Some(low), Some(most)),
        Comparison::LessEqual => range(Some(0), Some(high)),
        Comparison::Contains | Comparison::Matches | Comparison::Bits => None,
    }
}
