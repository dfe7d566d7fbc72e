//! What a searcher asks of a payload field, as Qdrant's conditions.

use qdrant_client::qdrant::{Condition, Filter, Range};

use crate::record::RESERVED_FIELD;

/// What a field of the payload must be.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldFilter {
    /// The field; `a.b` is the field `b` of the object `a`.
    pub field: String,
    /// What is asked of it.
    pub test: Test,
}

/// What is asked of a field. One that is a list passes when one of its members does.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// It is this text.
    Text(String),
    /// It is another text, or is not there.
    NotText(String),
    /// It is so.
    Bool(bool),
    /// It compares so with a number.
    Number(Comparison, f64),
}

/// How two numbers compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// They are equal.
    Equal,
    /// They are not, or the field is no number.
    NotEqual,
    /// The field's is less.
    Less,
    /// It is not greater.
    LessOrEqual,
    /// It is greater.
    Greater,
    /// It is not less.
    GreaterOrEqual,
}

/// The points of which all is true, and which are of this topic's table, if one is named.
pub(super) fn of(filters: &[FieldFilter], topic: Option<&str>) -> Filter {
    let mut filter = Filter::default();
    if let Some(topic) = topic {
        let field = format!("{RESERVED_FIELD}.topic");
        filter
            .must
            .push(Condition::matches(field, topic.to_owned()));
    }
    for FieldFilter { field, test } in filters {
        let field = field.as_str();
        match test {
            Test::Text(text) => filter.must.push(Condition::matches(field, text.clone())),
            Test::NotText(text) => filter
                .must_not
                .push(Condition::matches(field, text.clone())),
            Test::Bool(value) => filter.must.push(Condition::matches(field, *value)),
            Test::Number(Comparison::NotEqual, number) => {
                let equal = range(Comparison::Equal, *number);
                filter.must_not.push(Condition::range(field, equal));
            }
            Test::Number(comparison, number) => {
                let range = range(*comparison, *number);
                filter.must.push(Condition::range(field, range));
            }
        }
    }
    filter
}

/// Integers and floating-point numbers alike are compared by ranges.
fn range(comparison: Comparison, number: f64) -> Range {
    let number = Some(number);
    let all = Range::default();
    match comparison {
        Comparison::Equal | Comparison::NotEqual => Range {
            gte: number,
            lte: number,
            ..all
        },
        Comparison::Less => Range { lt: number, ..all },
        Comparison::LessOrEqual => Range { lte: number, ..all },
        Comparison::Greater => Range { gt: number, ..all },
        Comparison::GreaterOrEqual => Range { gte: number, ..all },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_be_and_what_must_not_be_are_told_apart() {
        let filter = |test| FieldFilter {
            field: "a".to_owned(),
            test,
        };
        let filters = [
            filter(Test::Text("x".to_owned())),
            filter(Test::Bool(true)),
            filter(Test::Number(Comparison::Greater, 0.0)),
            filter(Test::NotText("y".to_owned())),
            filter(Test::Number(Comparison::NotEqual, 5.0)),
        ];
        let made = of(&filters, Some("shop.products"));
        assert_eq!((made.must.len(), made.must_not.len()), (4, 2));
        assert_eq!(of(&[], None), Filter::default());
    }
}
