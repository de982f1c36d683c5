//! Values written in a filter, read as what the field's kind needs.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::num::IntErrorKind;

use super::error::FilterProblem;
use super::parser::{Operand, OperandKind};
use crate::field::{Kind, Size};

/// A value of a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Literal {
    Number(u64),
    /// A negative number of a field that can be negative.
    Negative(i64),
    /// A negative number of a field that cannot: its bits.
    Below(u32),
    Flag(bool),
    /// An address and how many of its bits count.
    Ipv4(u32, u32),
    Ipv6(u128, u32),
    Bytes(Vec<u8>),
    Text(String),
    Seconds(i64),
}

/// Reads an operand as a value of this kind, a number of this size.
pub(super) fn read(operand: &Operand, kind: Kind, size: Option<Size>) -> Result<Literal, FilterProblem> {
    let bad = || FilterProblem::BadValue { kind };
    if let (Kind::Number, Some(size)) = (kind, size) {
        return sized(word(operand).ok_or_else(bad)?, size).ok_or_else(bad)?;
    }
    value(operand, kind).ok_or_else(bad)
}

/// What is written as a word, or as one in quotes.
fn word(operand: &Operand) -> Option<&str> {
    match &operand.kind {
        OperandKind::Word(word) => Some(word),
        OperandKind::Text(bytes) => std::str::from_utf8(bytes).ok(),
        _ => None,
    }
}

fn value(operand: &Operand, kind: Kind) -> Option<Literal> {
    match (&operand.kind, kind) {
        (OperandKind::Text(bytes), Kind::Text) => {
            Some(Literal::Text(String::from_utf8_lossy(bytes).into_owned()))
        }
        (OperandKind::Raw(raw), Kind::Text) => Some(Literal::Text(raw.clone())),
        (OperandKind::Text(bytes), Kind::Bytes | Kind::Protocol) => Some(Literal::Bytes(bytes.clone())),
        (OperandKind::Raw(raw), Kind::Bytes | Kind::Protocol) => {
            Some(Literal::Bytes(raw.clone().into_bytes()))
        }
        _ => word_value(word(operand)?, kind),
    }
}

fn word_value(word: &str, kind: Kind) -> Option<Literal> {
    match kind {
        Kind::Flag => match word {
            "True" | "TRUE" | "true" => Some(Literal::Flag(true)),
            "False" | "FALSE" | "false" => Some(Literal::Flag(false)),
            _ => {
                let number = number(word.strip_prefix('+').unwrap_or(word))?;
                u64::try_from(number).ok().map(|number| Literal::Flag(number != 0))
            }
        },
        Kind::Ipv4 => {
            let (address, bits) = prefix(word, 32)?;
            Some(Literal::Ipv4(address.parse::<Ipv4Addr>().ok()?.to_bits(), bits))
        }
        Kind::Ipv6 => {
            let (address, bits) = prefix(word, 128)?;
            Some(Literal::Ipv6(address.parse::<Ipv6Addr>().ok()?.to_bits(), bits))
        }
        Kind::Ether => bytes(word).filter(|bytes| bytes.len() == 6).map(Literal::Bytes),
        Kind::Bytes | Kind::Protocol => bytes(word).map(Literal::Bytes),
        Kind::Text => Some(Literal::Text(word.to_owned())),
        Kind::Seconds => seconds(word).map(Literal::Seconds),
        Kind::Number | Kind::Label => None,
    }
}

/// A number of this size, with a sign or without; none where it is no number.
fn sized(word: &str, size: Size) -> Option<Result<Literal, FilterProblem>> {
    let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
    let (number, negative) = (number(digits)?, word.starts_with('-'));
    // What is negative has 32 bits, whatever the field's size.
    let most = if negative { size.most().min(Size::I32.most()) } else { size.most() };
    let Some(number) = u32::try_from(number).ok().filter(|number| *number <= most) else {
        return Some(Err(FilterProblem::TooBig { number: digits.to_owned(), most }));
    };
    Some(Ok(match number {
        1.. if negative && size.is_signed() => Literal::Negative(-i64::from(number)),
        1.. if negative => Literal::Below(number.wrapping_neg()),
        _ => Literal::Number(u64::from(number)),
    }))
}

/// Digits without a sign; past all sizes the largest number that there is.
fn number(word: &str) -> Option<u128> {
    if let Some(digits) = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        return radix(digits, 16);
    }
    if let Some(digits) = word.strip_prefix("0b") {
        return radix(digits, 2);
    }
    match word.strip_prefix('0') {
        Some(digits) if !digits.is_empty() => radix(digits, 8),
        _ => radix(word, 10),
    }
}

/// Digits alone: a sign among them is no number.
fn radix(digits: &str, radix: u32) -> Option<u128> {
    let digits = Some(digits).filter(|digits| digits.starts_with(|first: char| first.is_ascii_hexdigit()))?;
    match u128::from_str_radix(digits, radix) {
        Ok(number) => Some(number),
        Err(error) => (*error.kind() == IntErrorKind::PosOverflow).then_some(u128::MAX),
    }
}

fn prefix(word: &str, most: u32) -> Option<(&str, u32)> {
    match word.split_once('/') {
        None => Some((word, most)),
        Some((address, bits)) => bits.parse().ok().filter(|bits| *bits <= most).map(|bits| (address, bits)),
    }
}

/// Hexadecimal bytes with one kind of separator between them, or a single byte without one.
fn bytes(word: &str) -> Option<Vec<u8>> {
    let separator = word.chars().find(|character| ":-.".contains(*character));
    let word = word.strip_prefix("0x").unwrap_or(word);
    let Some(separator) = separator else {
        let even = word.len().is_multiple_of(2) && !word.is_empty() && word.is_ascii();
        let pairs = even.then(|| (0..word.len()).step_by(2))?;
        return pairs.map(|at| radix(word.get(at..at + 2)?, 16)?.try_into().ok()).collect();
    };
    let mut out = Vec::new();
    for part in word.split(separator) {
        match part.len() {
            1 | 2 => out.push(radix(part, 16)?.try_into().ok()?),
            4 => out.extend(u16::try_from(radix(part, 16)?).ok()?.to_be_bytes()),
            _ => return None,
        }
    }
    Some(out)
}

/// Digits, with a sign before them and up to nine more after a point.
fn seconds(word: &str) -> Option<i64> {
    const DIGITS: usize = 9;
    let negative = word.starts_with('-');
    let word = word.strip_prefix(['-', '+']).unwrap_or(word);
    let (whole, fraction) = word.split_once('.').unwrap_or((word, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > DIGITS {
        return None;
    }
    let scale = 10i64.checked_pow(u32::try_from(DIGITS - fraction.len()).ok()?)?;
    let whole = whole.parse::<i64>().ok()?.checked_mul(1_000_000_000)?;
    let nanos = whole.checked_add(fraction.parse::<i64>().ok()?.checked_mul(scale)?)?;
    Some(if negative { -nanos } else { nanos })
}
