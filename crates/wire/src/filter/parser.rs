//! From tokens to a tree: a Pratt parser of `or`, `xor`, `and`, `not` and comparisons.

use std::ops::Range;

use super::error::{FilterError, FilterProblem};
use super::lexer::{Comparison, Spanned, Token};

/// How deep brackets may be nested: enough for people, too little to exhaust the stack.
const DEEPEST: usize = 100;

/// What a filter says, its names and values still unchecked.
#[derive(Clone, Debug)]
pub(super) enum Tree {
    /// All in a row that are joined by the same word: a long row is not deep.
    Logic(Logic, Vec<Tree>),
    Not(Box<Tree>),
    Exists(Operand),
    Compare(Operand, Comparison, Range<usize>, Operand),
    In(Operand, Vec<(Operand, Option<Operand>)>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Logic {
    Or,
    Xor,
    And,
}

/// One side of a comparison.
#[derive(Clone, Debug)]
pub(super) struct Operand {
    pub(super) kind: OperandKind,
    pub(super) span: Range<usize>,
    /// Slices, each what stood between the brackets.
    pub(super) slices: Vec<(String, Range<usize>)>,
    pub(super) quantifier: Option<Quantifier>,
}

/// Which occurrences must fit; where it is not written the comparison says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quantifier {
    Any,
    All,
}

#[derive(Clone, Debug)]
pub(super) enum OperandKind {
    Word(String),
    Text(Vec<u8>),
    Raw(String),
    Call(String, Box<Operand>),
}

pub(super) fn parse(text: &str, tokens: &[Spanned]) -> Result<Tree, FilterError> {
    let mut parser = Parser { tokens, at: 0, end: text.len(), depth: 0 };
    let tree = parser.expression(0)?;
    match parser.tokens.get(parser.at) {
        None => Ok(tree),
        Some((_, span)) => Err(FilterProblem::Unexpected.at(span.clone())),
    }
}

struct Parser<'t> {
    tokens: &'t [Spanned],
    at: usize,
    end: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    /// Where the next token is, or the end of the text.
    fn span(&self) -> Range<usize> {
        self.tokens.get(self.at).map_or(self.end..self.end, |(_, span)| span.clone())
    }

    fn eat(&mut self, wanted: &Token) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn close(&mut self, wanted: &Token, opened: Range<usize>) -> Result<(), FilterError> {
        if self.eat(wanted) {
            return Ok(());
        }
        Err(match self.peek() {
            None => FilterProblem::NotClosed.at(opened),
            Some(_) => FilterProblem::Unexpected.at(self.span()),
        })
    }

    /// One level deeper, for which whoever goes there comes back with `depth -= 1`.
    fn deeper(&mut self, span: Range<usize>) -> Result<(), FilterError> {
        self.depth += 1;
        if self.depth > DEEPEST { Err(FilterProblem::TooDeep.at(span)) } else { Ok(()) }
    }

    fn expression(&mut self, power: u8) -> Result<Tree, FilterError> {
        self.deeper(self.span())?;
        let mut left = self.prefix()?;
        while let Some((logic, binding)) = self.peek().and_then(binding) {
            if binding <= power {
                break;
            }
            self.at += 1;
            let right = self.expression(binding)?;
            left = joined(logic, left, right);
        }
        self.depth -= 1;
        Ok(left)
    }

    fn prefix(&mut self) -> Result<Tree, FilterError> {
        const NOT_POWER: u8 = 4;
        let span = self.span();
        if self.eat(&Token::Not) {
            return Ok(Tree::Not(Box::new(self.expression(NOT_POWER)?)));
        }
        if self.eat(&Token::Open) {
            let inner = self.expression(0)?;
            self.close(&Token::Close, span)?;
            return Ok(inner);
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Tree, FilterError> {
        let left = self.operand()?;
        let span = self.span();
        match self.peek() {
            Some(Token::Compare(comparison)) => {
                let comparison = *comparison;
                self.at += 1;
                let right = self.operand()?;
                Ok(Tree::Compare(left, comparison, span, right))
            }
            Some(Token::In) => {
                self.at += 1;
                self.set().map(|set| Tree::In(left, set))
            }
            Some(Token::Not) if matches!(self.tokens.get(self.at + 1), Some((Token::In, _))) => {
                self.at += 2;
                // No occurrence is in it, be it asked of all or of any.
                let left = Operand { quantifier: None, ..left };
                self.set().map(|set| Tree::Not(Box::new(Tree::In(left, set))))
            }
            _ => Ok(Tree::Exists(left)),
        }
    }

    fn set(&mut self) -> Result<Vec<(Operand, Option<Operand>)>, FilterError> {
        let opened = self.span();
        if !self.eat(&Token::SetOpen) {
            return Err(FilterProblem::Unexpected.at(opened));
        }
        let mut set = Vec::new();
        loop {
            let low = self.operand()?;
            let high = if self.eat(&Token::Range) { Some(self.operand()?) } else { None };
            set.push((low, high));
            let comma = self.eat(&Token::Comma);
            if !comma || self.peek() == Some(&Token::SetClose) {
                // Commas may be left out, as in older versions.
                if matches!(self.peek(), Some(Token::Word(_) | Token::Text(_))) {
                    continue;
                }
                break;
            }
        }
        self.close(&Token::SetClose, opened)?;
        Ok(set)
    }

    fn operand(&mut self) -> Result<Operand, FilterError> {
        let span = self.span();
        let Some((token, _)) = self.tokens.get(self.at) else {
            return Err(FilterProblem::OperandExpected.at(span));
        };
        self.at += 1;
        let kind = match token {
            Token::Word(word) if matches!(word.as_str(), "any" | "all") && self.names_follow() => {
                self.deeper(span)?;
                let operand = self.operand()?;
                self.depth -= 1;
                let quantifier = Some(if word == "all" { Quantifier::All } else { Quantifier::Any });
                return Ok(Operand { quantifier, ..operand });
            }
            Token::Word(word) if self.peek() == Some(&Token::Open) => {
                let opened = self.span();
                self.at += 1;
                self.deeper(span.clone())?;
                let inner = self.operand()?;
                self.depth -= 1;
                self.close(&Token::Close, opened)?;
                OperandKind::Call(word.clone(), Box::new(inner))
            }
            Token::Word(word) => OperandKind::Word(word.clone()),
            Token::Text(text) => OperandKind::Text(text.clone()),
            Token::Raw(raw) => OperandKind::Raw(raw.clone()),
            _ => return Err(FilterProblem::OperandExpected.at(span)),
        };
        let mut slices = Vec::new();
        while let Some((Token::Slice(slice), span)) = self.tokens.get(self.at) {
            slices.push((slice.clone(), span.clone()));
            self.at += 1;
        }
        Ok(Operand { kind, span, slices, quantifier: None })
    }

    fn names_follow(&self) -> bool {
        matches!(self.peek(), Some(Token::Word(_)))
    }
}

fn joined(logic: Logic, left: Tree, right: Tree) -> Tree {
    match left {
        Tree::Logic(same, mut row) if same == logic => {
            row.push(right);
            Tree::Logic(logic, row)
        }
        left => Tree::Logic(logic, vec![left, right]),
    }
}

fn binding(token: &Token) -> Option<(Logic, u8)> {
    match token {
        Token::Or => Some((Logic::Or, 1)),
        Token::Xor => Some((Logic::Xor, 2)),
        Token::And => Some((Logic::And, 3)),
        _ => None,
    }
}
