//! Asks a frame.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::check::{Function, Slice, Subject, Test};
use super::lexer::Comparison;
use super::literal::Literal;
use super::parser::Logic;
use crate::field::{self, Kind, Value};
use crate::session::Frame;

/// The most occurrences that are compared with each one of another field: a message can be made of thousands of names.
const MOST_COMPARED: usize = 1_000;

pub(super) fn holds(test: &Test, frame: &Frame<'_>) -> bool {
    match test {
        Test::Logic(Logic::And, row) => row.iter().all(|test| holds(test, frame)),
        Test::Logic(Logic::Or, row) => row.iter().any(|test| holds(test, frame)),
        Test::Logic(Logic::Xor, row) => row.iter().filter(|test| holds(test, frame)).count() % 2 == 1,
        Test::Not(inner) => !holds(inner, frame),
        Test::Exists(subject) => !occurrences(subject, frame).is_empty(),
        Test::Value(subject, comparison, literal) => {
            let all = subject.all || matches!(comparison, Comparison::AllEqual | Comparison::AllUnequal);
            let searched = *comparison == Comparison::Contains;
            let occurrences =
                if searched { searched_ones(subject, frame) } else { occurrences(subject, frame) };
            // No protocol has nothing in it.
            let nothing = *literal == Literal::Bytes(Vec::new());
            let holds = |found: &Found<'_>| match literal {
                // As in Wireshark, where nothing compares with it: no occurrence fits, and none does not fit.
                Literal::Below(_) if *comparison != Comparison::Bits => all,
                _ => fits(found, *comparison, literal),
            };
            !(searched && nothing && subject.kind == Kind::Protocol) && quantified(&occurrences, all, holds)
        }
        Test::Matches(subject, expression) => {
            quantified(&searched_ones(subject, frame), subject.all, |found| match found {
                Found::Text(found) => expression.is_match(found),
                // Each byte is the character of its number, so that any byte can be asked for.
                Found::Bytes(bytes) => {
                    expression.is_match(&bytes.iter().map(|byte| char::from(*byte)).collect::<String>())
                }
                Found::Number(_) | Found::Label => false,
            })
        }
        Test::Fields(left, comparison, right) => {
            // Beside bytes a protocol is but its header.
            let protocols = left.kind == Kind::Protocol && right.kind == Kind::Protocol;
            let searched = *comparison == Comparison::Contains && protocols;
            let ones = if searched { searched_ones } else { occurrences };
            let (mut lefts, mut rights) = (ones(left, frame), ones(right, frame));
            lefts.truncate(MOST_COMPARED);
            rights.truncate(MOST_COMPARED);
            let all = left.all || matches!(comparison, Comparison::AllEqual | Comparison::AllUnequal);
            !rights.is_empty()
                && quantified(&lefts, all, |found| {
                    quantified(&rights, all, |other| compared(found, *comparison, other))
                })
        }
        Test::In(subject, set) => {
            let occurrences = occurrences(subject, frame);
            // Of all occurrences each must be in the same range.
            set.iter()
                .any(|range| quantified(&occurrences, subject.all, |found| lies(found, range, subject.all)))
        }
    }
}

fn lies(found: &Found<'_>, (low, high): &(Literal, Literal), all: bool) -> bool {
    match low {
        Literal::Below(_) if low == high => all,
        _ if low == high => fits(found, Comparison::AnyEqual, low),
        _ => fits(found, Comparison::GreaterEqual, low) && fits(found, Comparison::LessEqual, high),
    }
}

/// An occurrence of a field, in the form that comparisons need.
#[derive(Clone, Debug)]
enum Found<'a> {
    Label,
    Number(i128),
    Bytes(Cow<'a, [u8]>),
    Text(Cow<'a, str>),
}

fn quantified<'a>(found: &[Found<'a>], all: bool, holds: impl Fn(&Found<'a>) -> bool) -> bool {
    !found.is_empty() && if all { found.iter().all(holds) } else { found.iter().any(holds) }
}

fn occurrences<'a>(subject: &Subject, frame: &Frame<'a>) -> Vec<Found<'a>> {
    let mut found = Vec::new();
    field::visit(frame, &mut |field| {
        if field.id == subject.field {
            found.extend(made(field.value, subject));
        }
    });
    if subject.function == Some(Function::Count) && !found.is_empty() {
        let count = i128::try_from(found.len()).unwrap_or(i128::MAX);
        return vec![Found::Number(count)];
    }
    found
}

/// Those that are searched for something: of a protocol with what it carries, where it is its header otherwise.
fn searched_ones<'a>(subject: &Subject, frame: &Frame<'a>) -> Vec<Found<'a>> {
    if subject.kind != Kind::Protocol {
        return occurrences(subject, frame);
    }
    let mut found = Vec::new();
    field::visit(frame, &mut |field| {
        if field.id == subject.field {
            found.push(Found::Bytes(Cow::Borrowed(frame.packet.slice(field.layer))));
        }
    });
    found
}

fn made<'a>(value: Value<'a>, subject: &Subject) -> Option<Found<'a>> {
    let found = match value {
        Value::Label => Found::Label,
        Value::Number(number) => Found::Number(i128::from(number)),
        Value::Signed(number) => Found::Number(i128::from(number)),
        Value::Flag(flag) => Found::Number(i128::from(flag)),
        Value::Seconds(nanos) => Found::Number(i128::from(nanos)),
        Value::Ipv4(address) => Found::Bytes(Cow::Owned(address.to_vec())),
        Value::Ipv6(address) => Found::Bytes(Cow::Owned(address.to_vec())),
        Value::Ether(address) => Found::Bytes(Cow::Owned(address.to_vec())),
        Value::Bytes(bytes) => Found::Bytes(Cow::Borrowed(bytes)),
        Value::Text(text) => Found::Text(text),
    };
    let found = subject.slices.iter().try_fold(found, |found, slices| cut(&found, slices))?;
    Some(match (subject.function, found) {
        (Some(Function::Len), Found::Bytes(bytes)) => length(bytes.len()),
        (Some(Function::Len), Found::Text(text)) => length(text.len()),
        (Some(Function::Lower), Found::Text(text)) => Found::Text(Cow::Owned(text.to_lowercase())),
        (Some(Function::Upper), Found::Text(text)) => Found::Text(Cow::Owned(text.to_uppercase())),
        (_, found) => found,
    })
}

fn length(len: usize) -> Found<'static> {
    Found::Number(i128::try_from(len).unwrap_or(i128::MAX))
}

/// The bytes of all slices, one after the other; nothing where one is not there.
fn cut<'a>(found: &Found<'a>, slices: &[Slice]) -> Option<Found<'a>> {
    let bytes: &[u8] = match found {
        Found::Bytes(bytes) => bytes,
        Found::Text(text) => text.as_bytes(),
        Found::Number(_) | Found::Label => return None,
    };
    let total = i64::try_from(bytes.len()).ok()?;
    let mut out = Vec::new();
    for slice in slices {
        let start = if slice.start < 0 { total + slice.start } else { slice.start };
        let end = slice.len.map_or(total, |len| start.saturating_add(len));
        out.extend_from_slice(bytes.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)?);
    }
    Some(Found::Bytes(Cow::Owned(out)))
}

fn ordered(ordering: Ordering, comparison: Comparison) -> bool {
    match comparison {
        Comparison::AnyEqual | Comparison::AllEqual => ordering == Ordering::Equal,
        Comparison::AnyUnequal | Comparison::AllUnequal => ordering != Ordering::Equal,
        Comparison::Greater => ordering == Ordering::Greater,
        Comparison::Less => ordering == Ordering::Less,
        Comparison::GreaterEqual => ordering != Ordering::Less,
        Comparison::LessEqual => ordering != Ordering::Greater,
        Comparison::Contains | Comparison::Matches | Comparison::Bits => false,
    }
}

fn fits(found: &Found<'_>, comparison: Comparison, literal: &Literal) -> bool {
    match (found, literal) {
        (Found::Number(number), Literal::Number(other)) if comparison == Comparison::Bits => {
            number & i128::from(*other) != 0
        }
        (Found::Number(number), Literal::Number(other)) => {
            ordered(number.cmp(&i128::from(*other)), comparison)
        }
        (Found::Number(number), Literal::Negative(other)) if comparison == Comparison::Bits => {
            number & i128::from(*other) != 0
        }
        (Found::Number(number), Literal::Negative(other)) => {
            ordered(number.cmp(&i128::from(*other)), comparison)
        }
        (Found::Number(number), Literal::Below(bits)) if comparison == Comparison::Bits => {
            number & i128::from(*bits) != 0
        }
        (Found::Number(number), Literal::Flag(flag)) => {
            // Any number but zero is «yes».
            ordered((*number != 0).cmp(flag), comparison)
        }
        (Found::Number(number), Literal::Seconds(nanos)) => {
            ordered(number.cmp(&i128::from(*nanos)), comparison)
        }
        (Found::Bytes(bytes), Literal::Ipv4(address, bits)) => {
            let Ok(own) = <[u8; 4]>::try_from(bytes.as_ref()) else { return false };
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            ordered((u32::from_be_bytes(own) & mask).cmp(&(address & mask)), comparison)
        }
        (Found::Bytes(bytes), Literal::Ipv6(address, bits)) => {
            let Ok(own) = <[u8; 16]>::try_from(bytes.as_ref()) else { return false };
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            ordered((u128::from_be_bytes(own) & mask).cmp(&(address & mask)), comparison)
        }
        (Found::Bytes(bytes), Literal::Bytes(other)) => bytes_fit(bytes, comparison, other),
        (Found::Text(text), Literal::Text(other)) => text_fits(text, comparison, other),
        _ => false,
    }
}

fn compared(found: &Found<'_>, comparison: Comparison, other: &Found<'_>) -> bool {
    match (found, other) {
        (Found::Number(one), Found::Number(two)) if comparison == Comparison::Bits => one & two != 0,
        (Found::Number(one), Found::Number(two)) => ordered(one.cmp(two), comparison),
        (Found::Bytes(one), Found::Bytes(two)) => bytes_fit(one, comparison, two),
        (Found::Text(one), Found::Text(two)) => text_fits(one, comparison, two),
        _ => false,
    }
}

fn text_fits(text: &str, comparison: Comparison, other: &str) -> bool {
    if comparison == Comparison::Contains {
        return text.contains(other);
    }
    ordered(text.cmp(other), comparison)
}

fn bytes_fit(bytes: &[u8], comparison: Comparison, other: &[u8]) -> bool {
    if comparison == Comparison::Contains {
        return other.is_empty() || bytes.windows(other.len()).any(|window| window == other);
    }
    // The longer ones are greater, as in Wireshark.
    ordered(bytes.len().cmp(&other.len()).then_with(|| bytes.cmp(other)), comparison)
}
