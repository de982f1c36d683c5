//! Values written in a filter, read as what the field's kind needs.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::parser::{Operand, OperandKind};
use crate::field::Kind;

/// A value of a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Literal {
    Number(u64),
    Flag(bool),
    /// An address and how many of its bits count.
    Ipv4(u32, u32),
    Ipv6(u128, u32),
    Bytes(Vec<u8>),
    Text(String),
    Seconds(i64),
}

/// Reads an operand as a value of this kind.
pub(super) fn read(operand: &Operand, kind: Kind) -> Option<Literal> {
    match (&operand.kind, kind) {
        (OperandKind::Word(word), _) => word_value(word, kind),
        (OperandKind::Text(bytes), Kind::Text) => {
            Some(Literal::Text(String::from_utf8_lossy(bytes).into_owned()))
        }
        (OperandKind::Raw(raw), Kind::Text) => Some(Literal::Text(raw.clone())),
        (OperandKind::Text(bytes), Kind::Bytes | Kind::Protocol) => Some(Literal::Bytes(bytes.clone())),
        (OperandKind::Raw(raw), Kind::Bytes | Kind::Protocol) => {
            Some(Literal::Bytes(raw.clone().into_bytes()))
        }
        (OperandKind::Text(bytes), _) => word_value(std::str::from_utf8(bytes).ok()?, kind),
        _ => None,
    }
}

fn word_value(word: &str, kind: Kind) -> Option<Literal> {
    match kind {
        Kind::Number => number(word).map(Literal::Number),
        Kind::Flag => match word {
            "True" | "TRUE" | "true" => Some(Literal::Flag(true)),
            "False" | "FALSE" | "false" => Some(Literal::Flag(false)),
            _ => number(word).map(|number| Literal::Flag(number != 0)),
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
        Kind::Label => None,
    }
}

fn number(word: &str) -> Option<u64> {
    if let Some(digits) = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        return radix(digits, 16);
    }
    if let Some(digits) = word.strip_prefix("0b") {
        return radix(digits, 2);
    }
    match word.strip_prefix('0') {
        Some(digits) if !digits.is_empty() => radix(digits, 8),
        _ => word.parse().ok(),
    }
}

/// Digits alone: a sign among them is no number.
fn radix(digits: &str, radix: u32) -> Option<u64> {
    let digits = Some(digits).filter(|digits| digits.starts_with(|first: char| first.is_ascii_hexdigit()))?;
    u64::from_str_radix(digits, radix).ok()
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
