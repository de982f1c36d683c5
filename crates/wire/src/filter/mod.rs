//! Wireshark's display filter language over the decoded fields.
//!
//! [`Filter::parse`] checks names and types and points at the place of an error; [`Filter::matches`] asks a frame.
//! A comparison holds if *any* occurrence of the field fits, but `!=` (`all_ne`) and `===` (`all_eq`) ask *all*;
//! a field that is not there fits nothing. See <https://www.wireshark.org/docs/man-pages/wireshark-filter.html>.

mod check;
mod error;
mod evaluate;
mod lexer;
mod literal;
mod parser;

pub use error::{FilterError, FilterProblem};

use crate::session::Frame;
use check::Test;
use lexer::{Comparison, Token};

/// A filter that was read and checked.
#[derive(Clone, Debug)]
pub struct Filter {
    test: Option<Test>,
}

impl Filter {
    /// Reads a filter; an empty one fits every frame.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        if text.trim().is_empty() {
            return Ok(Self { test: None });
        }
        let tokens = lexer::tokens(text)?;
        let tree = parser::parse(text, &tokens)?;
        let matching = Token::Compare(Comparison::Matches);
        let expressions = tokens.iter().filter(|(token, _)| *token == matching).count();
        Ok(Self { test: Some(check::check(&tree, expressions)?) })
    }

    /// Whether the frame fits.
    pub fn matches(&self, frame: &Frame<'_>) -> bool {
        self.test.as_ref().is_none_or(|test| evaluate::holds(test, frame))
    }
}

#[cfg(test)]
mod tests;
