//! Words, strings and signs of a filter, with their places.

use std::ops::Range;

use super::error::{FilterError, FilterProblem};

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    AnyEqual,
    AllEqual,
    AnyUnequal,
    AllUnequal,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    Contains,
    Matches,
    /// `&`: some bits are set.
    Bits,
}

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A field, a value or a function, without quotes.
    Word(String),
    /// A quoted string, its escapes read.
    Text(Vec<u8>),
    /// A quoted string whose escapes stay: for regular expressions.
    Raw(String),
    Compare(Comparison),
    In,
    And,
    Or,
    Xor,
    Not,
    Open,
    Close,
    /// What stands between square brackets.
    Slice(String),
    SetOpen,
    SetClose,
    Comma,
    Range,
}

pub(super) type Spanned = (Token, Range<usize>);

const SIGNS: [(&str, Token); 23] = [
    ("===", Token::Compare(Comparison::AllEqual)),
    ("!==", Token::Compare(Comparison::AnyUnequal)),
    ("==", Token::Compare(Comparison::AnyEqual)),
    ("!=", Token::Compare(Comparison::AllUnequal)),
    ("~=", Token::Compare(Comparison::AnyUnequal)),
    (">=", Token::Compare(Comparison::GreaterEqual)),
    ("<=", Token::Compare(Comparison::LessEqual)),
    ("&&", Token::And),
    ("||", Token::Or),
    ("^^", Token::Xor),
    ("..", Token::Range),
    (">", Token::Compare(Comparison::Greater)),
    ("<", Token::Compare(Comparison::Less)),
    ("~", Token::Compare(Comparison::Matches)),
    ("&", Token::Compare(Comparison::Bits)),
    ("!", Token::Not),
    ("(", Token::Open),
    (")", Token::Close),
    ("{", Token::SetOpen),
    ("}", Token::SetClose),
    (",", Token::Comma),
    ("=", Token::Compare(Comparison::AnyEqual)),
    (";", Token::Comma),
];

pub(super) fn tokens(text: &str) -> Result<Vec<Spanned>, FilterError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let skipped = rest.len() - rest.trim_start().len();
        if skipped > 0 {
            at += skipped;
            continue;
        }
        let (token, len) = token(rest).map_err(|problem| problem.at(at..text.len()))?;
        if len == 0 {
            let len = rest.chars().next().map_or(1, char::len_utf8);
            return Err(FilterProblem::Unexpected.at(at..at + len));
        }
        tokens.push((token, at..at + len));
        at += len;
    }
    Ok(tokens)
}

fn token(rest: &str) -> Result<(Token, usize), FilterProblem> {
    if let Some(body) = rest.strip_prefix("r\"") {
        let end = body.find('"').ok_or(FilterProblem::NotClosed)?;
        let raw = body.get(..end).unwrap_or_default().to_owned();
        return Ok((Token::Raw(raw), end + 3));
    }
    if let Some(body) = rest.strip_prefix('"') {
        return string(body, b'"').map(|(text, len)| (Token::Text(text), len + 1));
    }
    if let Some(body) = rest.strip_prefix('\'') {
        let (text, len) = string(body, b'\'')?;
        let [byte] = text.as_slice() else { return Err(FilterProblem::Unexpected) };
        return Ok((Token::Word(byte.to_string()), len + 1));
    }
    if let Some(body) = rest.strip_prefix('[') {
        let end = body.find(']').ok_or(FilterProblem::NotClosed)?;
        return Ok((Token::Slice(body.get(..end).unwrap_or_default().to_owned()), end + 2));
    }
    if let Some((sign, token)) = SIGNS.iter().find(|(sign, _)| rest.starts_with(sign)) {
        return Ok((token.clone(), sign.len()));
    }
    let len = word_len(rest);
    let word = rest.get(..len).unwrap_or_default();
    Ok((keyword(word).unwrap_or_else(|| Token::Word(word.to_owned())), len))
}

/// Letters, digits and what stands inside names, addresses and numbers; two dots are a range.
fn word_len(rest: &str) -> usize {
    let part = |character: char| character.is_ascii_alphanumeric() || "_.:/-+".contains(character);
    let len = rest.find(|character| !part(character)).unwrap_or(rest.len());
    rest.get(..len).and_then(|word| word.find("..")).unwrap_or(len)
}

fn keyword(word: &str) -> Option<Token> {
    Some(match word {
        "and" => Token::And,
        "or" => Token::Or,
        "xor" => Token::Xor,
        "not" => Token::Not,
        "in" => Token::In,
        "eq" | "any_eq" => Token::Compare(Comparison::AnyEqual),
        "all_eq" => Token::Compare(Comparison::AllEqual),
        "any_ne" => Token::Compare(Comparison::AnyUnequal),
        "ne" | "all_ne" => Token::Compare(Comparison::AllUnequal),
        "gt" => Token::Compare(Comparison::Greater),
        "lt" => Token::Compare(Comparison::Less),
        "ge" => Token::Compare(Comparison::GreaterEqual),
        "le" => Token::Compare(Comparison::LessEqual),
        "contains" => Token::Compare(Comparison::Contains),
        "matches" => Token::Compare(Comparison::Matches),
        "bitand" | "bitwise_and" => Token::Compare(Comparison::Bits),
        _ => return None,
    })
}

/// A quoted string after its first quote; gives it and its length with the last quote.
fn string(body: &str, quote: u8) -> Result<(Vec<u8>, usize), FilterProblem> {
    let bytes = body.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    loop {
        match (bytes.get(at), bytes.get(at + 1)) {
            (None, _) | (Some(b'\\'), None) => return Err(FilterProblem::NotClosed),
            (Some(byte), _) if *byte == quote => return Ok((out, at + 1)),
            (Some(b'\\'), Some(b'x')) => {
                let digits = body.get(at + 2..at + 4).and_then(|digits| u8::from_str_radix(digits, 16).ok());
                out.push(digits.ok_or(FilterProblem::Unexpected)?);
                at += 4;
            }
            (Some(b'\\'), Some(escaped)) => {
                out.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'0' => 0,
                    other => *other,
                });
                at += 2;
            }
            (Some(byte), _) => {
                out.push(*byte);
                at += 1;
            }
        }
    }
}
