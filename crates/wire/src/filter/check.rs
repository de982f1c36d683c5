//! Names and types of a filter: what remains cannot fail on a frame.

use std::ops::Range;

use regex_lite::{Regex, RegexBuilder};

use super::error::{FilterError, FilterProblem};
use super::lexer::Comparison;
use super::literal::{self, Literal};
use super::parser::{Logic, Operand, OperandKind, Quantifier, Tree};
use crate::field::{self, FieldId, FieldInfo, Kind, Size};

/// The most slices of an operand: their bytes are put together, and each may be the whole
/// frame; behind one another they multiply.
const MOST_SLICES: usize = 64;

/// A checked filter.
#[derive(Clone, Debug)]
pub(super) enum Test {
    Logic(Logic, Vec<Test>),
    Not(Box<Test>),
    Exists(Subject),
    /// The subject is compared with a value.
    Value(Subject, Comparison, Literal),
    Matches(Subject, Regex),
    /// Two fields are compared.
    Fields(Subject, Comparison, Subject),
    /// One of these ranges, ends included.
    In(Subject, Vec<(Literal, Literal)>),
}

/// Where values come from: a field, what is cut out of it, and what is made of that.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) field: FieldId,
    /// One after the other, each of what the one before leaves: the parts of it are put together.
    pub(super) slices: Vec<Vec<Slice>>,
    pub(super) function: Option<Function>,
    pub(super) all: bool,
    pub(super) kind: Kind,
    /// Of numbers.
    pub(super) size: Option<Size>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Len,
    Count,
    Lower,
    Upper,
}

/// Bytes from a start, counted from the end where it is negative, for a length or to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slice {
    pub(super) start: i64,
    pub(super) len: Option<i64>,
}

/// The most bytes of all regular expressions of a filter, and of one.
const LARGEST_EXPRESSIONS: usize = 4 << 20;
const LARGEST_EXPRESSION: usize = 1 << 20;

/// Checks a filter that has so many regular expressions.
pub(super) fn check(tree: &Tree, expressions: usize) -> Result<Test, FilterError> {
    match tree {
        Tree::Logic(logic, row) => {
            let row = row.iter().map(|tree| check(tree, expressions));
            row.collect::<Result<_, _>>().map(|row| Test::Logic(*logic, row))
        }
        Tree::Not(inner) => Ok(Test::Not(Box::new(check(inner, expressions)?))),
        Tree::Exists(operand) => subject(operand).map(Test::Exists),
        Tree::Compare(left, Comparison::Matches, span, right) => {
            let size = LARGEST_EXPRESSION.min(LARGEST_EXPRESSIONS / expressions.max(1));
            matches(left, span, right, size)
        }
        Tree::Compare(left, comparison, span, right) => compare(left, *comparison, span, right),
        Tree::In(operand, set) => {
            let subject = subject(operand)?;
            let range = |(low, high): &(Operand, Option<Operand>)| {
                let low_value = value(low, &subject)?;
                let high_value = high.as_ref().map_or(Ok(low_value.clone()), |high| value(high, &subject))?;
                Ok((low_value, high_value))
            };
            let set = set.iter().map(range).collect::<Result<_, FilterError>>()?;
            Ok(Test::In(subject, set))
        }
    }
}

fn matches(left: &Operand, span: &Range<usize>, right: &Operand, size: usize) -> Result<Test, FilterError> {
    let subject = subject(left)?;
    if matches!(subject.kind, Kind::Text | Kind::Bytes | Kind::Protocol) {
        return Ok(Test::Matches(subject, expression(right, size)?));
    }
    Err(FilterProblem::BadOperator { kind: subject.kind }.at(span.clone()))
}

fn compare(
    left: &Operand,
    comparison: Comparison,
    span: &Range<usize>,
    right: &Operand,
) -> Result<Test, FilterError> {
    let comparison = quantified(comparison, left.quantifier);
    match (subject(left), is_field(right)) {
        (Ok(left), true) => {
            let right = subject(right)?;
            allowed(comparison, left.kind, span)?;
            let bytes = |kind| matches!(kind, Kind::Bytes | Kind::Protocol);
            if left.kind != right.kind && !(bytes(left.kind) && bytes(right.kind)) {
                let pair = FilterProblem::BadPair { left: left.kind, right: right.kind };
                return Err(pair.at(span.clone()));
            }
            Ok(Test::Fields(left, comparison, right))
        }
        (Ok(left), false) => {
            allowed(comparison, left.kind, span)?;
            let value = value(right, &left)?;
            Ok(Test::Value(left, comparison, value))
        }
        (Err(_), true) => {
            let right = subject(right)?;
            allowed(comparison, right.kind, span)?;
            let value = value(left, &right)?;
            Ok(Test::Value(right, mirrored(comparison), value))
        }
        (Err(error), false) => Err(error),
    }
}

/// The comparison of any occurrence where that is asked for.
fn quantified(comparison: Comparison, quantifier: Option<Quantifier>) -> Comparison {
    match (comparison, quantifier) {
        (Comparison::AllEqual, Some(Quantifier::Any)) => Comparison::AnyEqual,
        (Comparison::AllUnequal, Some(Quantifier::Any)) => Comparison::AnyUnequal,
        _ => comparison,
    }
}

/// The same comparison with its sides exchanged.
const fn mirrored(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Greater => Comparison::Less,
        Comparison::Less => Comparison::Greater,
        Comparison::GreaterEqual => Comparison::LessEqual,
        Comparison::LessEqual => Comparison::GreaterEqual,
        other => other,
    }
}

fn allowed(comparison: Comparison, kind: Kind, span: &Range<usize>) -> Result<(), FilterError> {
    let fits = match comparison {
        Comparison::Contains => matches!(kind, Kind::Text | Kind::Bytes | Kind::Protocol | Kind::Ether),
        Comparison::Bits => matches!(kind, Kind::Number),
        Comparison::Greater | Comparison::Less | Comparison::GreaterEqual | Comparison::LessEqual => {
            !matches!(kind, Kind::Label)
        }
        _ => kind != Kind::Label,
    };
    if fits { Ok(()) } else { Err(FilterProblem::BadOperator { kind }.at(span.clone())) }
}

fn is_field(operand: &Operand) -> bool {
    match &operand.kind {
        OperandKind::Word(word) => field::by_name(word).is_some(),
        OperandKind::Call(..) => true,
        OperandKind::Text(_) | OperandKind::Raw(_) => false,
    }
}

fn value(operand: &Operand, subject: &Subject) -> Result<Literal, FilterError> {
    literal::read(operand, subject.kind, subject.size).map_err(|problem| {
        let Range { mut start, end } = operand.span;
        if let (FilterProblem::TooBig { number, .. }, OperandKind::Word(_)) = (&problem, &operand.kind) {
            start = end.saturating_sub(number.len());
        }
        problem.at(start..end)
    })
}

/// Wireshark's expressions ignore case unless told otherwise.
fn expression(operand: &Operand, size: usize) -> Result<Regex, FilterError> {
    // A search takes memory for each group in each state of the expression, the whole being a group, too.
    const MOST_GROUPS: usize = 50 + 1;
    let bad = || FilterProblem::BadExpression.at(operand.span.clone());
    let text = match &operand.kind {
        OperandKind::Word(word) | OperandKind::Raw(word) => word.clone(),
        OperandKind::Text(bytes) => String::from_utf8(bytes.clone()).map_err(|_| bad())?,
        OperandKind::Call(..) => return Err(bad()),
    };
    let built = RegexBuilder::new(&text).case_insensitive(true).size_limit(size).build();
    built.ok().filter(|regex| regex.captures_len() <= MOST_GROUPS).ok_or_else(bad)
}

fn subject(operand: &Operand) -> Result<Subject, FilterError> {
    let mut subject = match &operand.kind {
        OperandKind::Word(word) => named(word, &operand.span)?,
        OperandKind::Call(name, inner) => call(name, &operand.span, inner)?,
        OperandKind::Text(_) | OperandKind::Raw(_) => {
            return Err(FilterProblem::NoField.at(operand.span.clone()));
        }
    };
    subject.all |= operand.quantifier == Some(Quantifier::All);
    let mut count = 1usize;
    for (text, span) in &operand.slices {
        let sliceable = matches!(subject.kind, Kind::Bytes | Kind::Protocol | Kind::Ether | Kind::Text)
            || matches!(subject.kind, Kind::Ipv4 | Kind::Ipv6);
        if !sliceable || subject.function.is_some() {
            return Err(FilterProblem::BadOperator { kind: subject.kind }.at(span.clone()));
        }
        count = count.saturating_mul(text.split(',').count());
        let room = count <= MOST_SLICES && subject.slices.len() < MOST_SLICES;
        let parts = text.split(',').map(slice).collect::<Option<Vec<_>>>().filter(|_| room);
        subject.slices.push(parts.ok_or_else(|| FilterProblem::BadSlice.at(span.clone()))?);
        subject.kind = Kind::Bytes;
    }
    Ok(subject)
}

fn named(word: &str, span: &Range<usize>) -> Result<Subject, FilterError> {
    let Some(field) = field::by_name(word) else {
        let looks_like_value = word.starts_with(|first: char| first.is_ascii_digit());
        return Err(if looks_like_value {
            FilterProblem::NoField.at(span.clone())
        } else {
            FilterProblem::UnknownField { name: word.to_owned(), nearest: nearest(word) }.at(span.clone())
        });
    };
    let FieldInfo { kind, size, .. } = *field.info();
    Ok(Subject { field, slices: Vec::new(), function: None, all: false, kind, size })
}

fn call(name: &str, span: &Range<usize>, inner: &Operand) -> Result<Subject, FilterError> {
    let function = match name {
        "len" => Function::Len,
        "count" => Function::Count,
        "lower" => Function::Lower,
        "upper" => Function::Upper,
        _ => return Err(FilterProblem::UnknownFunction.at(span.clone())),
    };
    let mut subject = subject(inner)?;
    let fits = match function {
        Function::Len => matches!(subject.kind, Kind::Text | Kind::Bytes | Kind::Protocol | Kind::Ether),
        Function::Count => true,
        Function::Lower | Function::Upper => subject.kind == Kind::Text,
    };
    if !fits || subject.function.is_some() {
        return Err(FilterProblem::BadOperator { kind: subject.kind }.at(inner.span.clone()));
    }
    subject.function = Some(function);
    if matches!(function, Function::Len | Function::Count) {
        (subject.kind, subject.size) = (Kind::Number, Some(Size::U32));
    }
    Ok(subject)
}

/// `start:length`, `first-last`, `start:`, `:length` or a single byte.
fn slice(text: &str) -> Option<Slice> {
    let text = text.trim();
    let number = |text: &str| text.trim().parse::<i64>().ok();
    if let Some((start, len)) = text.split_once(':') {
        let start = if start.is_empty() { 0 } else { number(start)? };
        let len = if len.is_empty() { None } else { Some(number(len).filter(|len| *len > 0)?) };
        return Some(Slice { start, len });
    }
    // A hyphen first is a sign.
    if let Some(hyphen) = text.get(1..).and_then(|rest| rest.find('-')) {
        let (first, last) = (number(text.get(..=hyphen)?)?, number(text.get(hyphen + 2..)?)?);
        let len = last.checked_sub(first)?.checked_add(1).filter(|len| *len > 0)?;
        return Some(Slice { start: first, len: Some(len) });
    }
    number(text).map(|start| Slice { start, len: Some(1) })
}

/// The fields whose names are nearest to a mistyped one: the same beginning, or few changes away.
fn nearest(word: &str) -> Vec<&'static str> {
    const MOST: usize = 3;
    const LONGEST: usize = 64;
    let word = word.get(..word.len().min(LONGEST)).unwrap_or_default().to_lowercase();
    let mut found: Vec<(usize, &'static str)> = field::all()
        .iter()
        .map(|info| (distance(&word, info.name), info.name))
        .filter(|(distance, name)| *distance <= 2 + name.len() / 6)
        .collect();
    found.sort_unstable();
    found.truncate(MOST);
    found.into_iter().map(|(_, name)| name).collect()
}

/// How many letters must be put in, taken out or changed.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (above, one) in from.bytes().enumerate() {
        let mut diagonal = above;
        let mut left = above + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, other) in row.iter_mut().skip(1).zip(to.bytes()) {
            let change = diagonal + usize::from(one != other);
            diagonal = *cell;
            left = change.min(left + 1).min(diagonal + 1);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or_default()
}
