//! What is wrong with a filter, and where.

use std::ops::Range;

use thiserror::Error;

use crate::field::Kind;

/// An error in a filter: the bytes of its text that are wrong, and how.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{problem}")]
pub struct FilterError {
    /// Where, in bytes of the filter's text: put carets under it.
    pub span: Range<usize>,
    /// What.
    #[source]
    pub problem: FilterProblem,
}

/// What can be wrong with a filter.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FilterProblem {
    /// A name that is no field.
    #[error("there is no field «{name}»")]
    UnknownField {
        /// The name.
        name: String,
        /// The fields whose names are nearest.
        nearest: Vec<&'static str>,
    },
    /// Something else was to come here.
    #[error("a field or value was expected here")]
    OperandExpected,
    /// Something that fits nowhere here.
    #[error("this does not fit here")]
    Unexpected,
    /// A bracket or quote that is not closed.
    #[error("this is not closed")]
    NotClosed,
    /// A comparison needs a field on one side.
    #[error("a comparison needs a field")]
    NoField,
    /// A value that the field's kind cannot have.
    #[error("this is no value for a field of kind {kind:?}")]
    BadValue {
        /// The kind.
        kind: Kind,
    },
    /// A number that is too big for its field.
    #[error("\"{number}\" is too big for this field: at most {most}")]
    TooBig {
        /// The number as it is written, without its sign.
        number: String,
        /// The largest one that can stand here.
        most: u32,
    },
    /// An operator that does not work on this kind.
    #[error("this operator does not work on a field of kind {kind:?}")]
    BadOperator {
        /// The kind.
        kind: Kind,
    },
    /// Two fields that cannot be compared.
    #[error("a field of kind {left:?} cannot be compared with one of kind {right:?}")]
    BadPair {
        /// The kind of the left one.
        left: Kind,
        /// The kind of the right one.
        right: Kind,
    },
    /// A slice that cannot be read, or one too many.
    #[error("this is no slice")]
    BadSlice,
    /// A regular expression that cannot be read, or is too large.
    #[error("this is no regular expression")]
    BadExpression,
    /// A function that does not exist.
    #[error("there is no such function")]
    UnknownFunction,
    /// More brackets inside each other than are read.
    #[error("this is nested too deeply")]
    TooDeep,
}

impl FilterProblem {
    pub(super) fn at(self, span: Range<usize>) -> FilterError {
        FilterError { span, problem: self }
    }
}
