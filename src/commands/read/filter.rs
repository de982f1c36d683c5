//! The display filter, and the sentence where it cannot be read.

use crate::problem::{Kind, Problem};
use enchufe_wire::Filter;
use enchufe_wire::field;
use enchufe_wire::filter::{FilterError, FilterProblem};

/// Reads a filter; none fits every frame.
pub fn parse(text: Option<&str>) -> Result<Filter, Problem> {
    let text = text.unwrap_or_default();
    Filter::parse(text).map_err(|error| explain(&error).in_line(text, error.span.clone()))
}

fn explain(error: &FilterError) -> Problem {
    match &error.problem {
        FilterProblem::UnknownField { name, nearest } => {
            let (kind, near) = match nearest[..] {
                [] => (Kind::FilterField, String::new()),
                _ => (Kind::FilterFieldNear, nearest.join(", ")),
            };
            Problem::new(kind).with("name", crate::text::escape(name.as_bytes())).with("near", near)
        }
        FilterProblem::OperandExpected => Problem::new(Kind::FilterOperand),
        FilterProblem::Unexpected => Problem::new(Kind::FilterUnexpected),
        FilterProblem::NotClosed => Problem::new(Kind::FilterNotClosed),
        FilterProblem::NoField => Problem::new(Kind::FilterNoField),
        FilterProblem::BadValue { kind } => Problem::new(Kind::FilterValue).word("kind", holds(*kind)),
        FilterProblem::TooBig { number, most } => {
            Problem::new(Kind::FilterTooBig).with("number", number).with("most", most)
        }
        FilterProblem::BadOperator { kind } => Problem::new(Kind::FilterOperator).word("kind", holds(*kind)),
        FilterProblem::BadPair { left, right } => {
            Problem::new(Kind::FilterPair).word("left", holds(*left)).word("right", holds(*right))
        }
        FilterProblem::BadSlice => Problem::new(Kind::FilterSlice),
        FilterProblem::BadExpression => Problem::new(Kind::FilterExpression),
        FilterProblem::UnknownFunction => Problem::new(Kind::FilterFunction),
        FilterProblem::TooDeep => Problem::new(Kind::FilterDeep),
    }
}

/// The text for what a field holds.
const fn holds(kind: field::Kind) -> &'static str {
    match kind {
        field::Kind::Protocol => "kind-protocol",
        field::Kind::Number => "kind-number",
        field::Kind::Flag => "kind-flag",
        field::Kind::Ipv4 => "kind-ipv4",
        field::Kind::Ipv6 => "kind-ipv6",
        field::Kind::Ether => "kind-ether",
        field::Kind::Bytes => "kind-bytes",
        field::Kind::Text => "kind-text",
        field::Kind::Seconds => "kind-seconds",
        field::Kind::Label => "kind-label",
    }
}
