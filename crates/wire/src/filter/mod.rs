//! Wireshark's display filter language over the decoded fields.
//!
//! [`Filter::parse`] checks names and types and points at the place of an error; [`Filter::matches`] asks a frame.
//! A comparison holds if *any* occurrence of the field fits, but `!=` (`all_ne`) and `===` (`all_eq`) ask *all*;
//! a field that is not there fits nothing. See <https://www.wireshark.org/docs/man-pages/wireshark-filter.html>.
//! [`Filter::prefilter`] is what of it a kernel can tell, for live captures.

mod check;
mod condition;
mod error;
mod evaluate;
mod lexer;
mod literal;
mod parser;
mod prefilter;

pub use condition::{Condition, Side};
pub use error::{FilterError, FilterProblem};
pub use prefilter::{Prefilter, counts_frames};

use crate::session::Frame;
use check::Test;
use lexer::{Comparison, Token};
use parser::Logic;

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

    /// Whether it fits every frame, whatever that is.
    pub const fn is_empty(&self) -> bool {
        self.test.is_none()
    }

    /// What fits both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let tests: Vec<_> = [self.test, other.test].into_iter().flatten().collect();
        Self { test: (!tests.is_empty()).then(|| Test::Logic(Logic::And, tests)) }
    }

    /// Whether the frame fits.
    pub fn matches(&self, frame: &Frame<'_>) -> bool {
        self.test.as_ref().is_none_or(|test| evaluate::holds(test, frame))
    }

    /// Which frames may be left out before they are looked at, without a change to what is shown.
    pub fn prefilter(&self) -> Prefilter {
        self.test.as_ref().map_or(Prefilter::EVERYTHING, Prefilter::new)
    }
}

#[cfg(test)]
mod tests;
