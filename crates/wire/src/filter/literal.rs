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
        return u64::from_str_radix(digits, 16).ok();
    }
    if let Some(digits) = word.strip_prefix("0b") {
        return u64::from_str_radix(digits, 2).ok();
    }
    match word.strip_prefix('0') {
        Some(digits) if !digits.is_empty() => u64::from_str_radix(digits, 8).ok(),
        _ => word.parse().ok(),
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
        return pairs.map(|at| u8::from_str_radix(word.get(at..at + 2)?, 16).ok()).collect();
    };
    let mut out = Vec::new();
    for part in word.split(separator) {
        match part.len() {
            1 | 2 => out.push(u8::from_str_radix(part, 16).ok()?),
            4 => out.extend(u16::from_str_radix(part, 16).ok()?.to_be_bytes()),
            _ => return None,
        }
    }
    Some(out)
}

fn seconds(word: &str) -> Option<i64> {
    let (negative, word) = match word.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, word),
    };
    let (whole, fraction) = word.split_once('.').unwrap_or((word, ""));
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let digits = fraction.get(..fraction.len().min(9))?;
    let scale = 10i64.checked_pow(u32::try_from(9 - digits.len()).ok()?)?;
    let fraction = if digits.is_empty() { 0 } else { digits.parse::<u32>().ok().map(i64::from)? * scale };
    let nanos = whole.checked_mul(1_000_000_000)?.checked_add(fraction)?;
    Some(if negative { -nanos } else { nanos })
}
