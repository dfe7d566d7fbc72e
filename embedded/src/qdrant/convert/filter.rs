//! Filters: conditions on payload, id and vectors.

use qdrant_client::qdrant::{self as proto, condition::ConditionOneOf, r#match::MatchValue};
use qdrant_edge::{
    Condition, DateTimeWrapper, FieldCondition, Filter, HasIdCondition, HasVectorCondition,
    IsEmptyCondition, IsNullCondition, Match, MatchExcept, MatchPhrase, MatchText, MatchTextAny,
    MinShould, Nested, NestedCondition, Range, RangeInterface, ValuesCount,
    external::ordered_float::OrderedFloat,
};
use tonic::Status;

use super::{id, payload};
use crate::qdrant::error::{invalid_field, unimplemented};

/// The engine's form of a filter. An empty one matches every point, as on the server.
pub(in crate::qdrant) fn from_proto(filter: proto::Filter) -> Result<Filter, Status> {
    Ok(Filter {
        should: clause(filter.should)?,
        must: clause(filter.must)?,
        must_not: clause(filter.must_not)?,
        min_should: filter
            .min_should
            .map(|clause| {
                Ok::<_, Status>(MinShould {
                    conditions: conditions(clause.conditions)?,
                    min_count: usize_from(clause.min_count),
                })
            })
            .transpose()?,
    })
}

/// The filter, or none.
pub(in crate::qdrant) fn optional(filter: Option<proto::Filter>) -> Result<Option<Filter>, Status> {
    filter.map(from_proto).transpose()
}

/// A clause without conditions is no clause: an empty `should` would match nothing.
fn clause(clause: Vec<proto::Condition>) -> Result<Option<Vec<Condition>>, Status> {
    let conditions = conditions(clause)?;
    Ok((!conditions.is_empty()).then_some(conditions))
}

fn conditions(conditions: Vec<proto::Condition>) -> Result<Vec<Condition>, Status> {
    conditions
        .into_iter()
        .filter_map(|condition| condition.condition_one_of)
        .map(condition)
        .collect()
}

fn condition(condition: ConditionOneOf) -> Result<Condition, Status> {
    Ok(match condition {
        ConditionOneOf::Field(condition) => Condition::Field(field(condition)?),
        ConditionOneOf::Filter(filter) => Condition::Filter(from_proto(filter)?),
        ConditionOneOf::IsEmpty(condition) => {
            Condition::IsEmpty(IsEmptyCondition::from(payload::path(&condition.key)?))
        }
        ConditionOneOf::IsNull(condition) => {
            Condition::IsNull(IsNullCondition::from(payload::path(&condition.key)?))
        }
        ConditionOneOf::HasId(condition) => {
            let ids = id::all_from_proto(condition.has_id)?;
            Condition::HasId(ids.into_iter().collect::<HasIdCondition>())
        }
        ConditionOneOf::HasVector(condition) => {
            Condition::HasVector(HasVectorCondition::from(condition.has_vector))
        }
        ConditionOneOf::Nested(condition) => {
            let filter = condition
                .filter
                .ok_or_else(|| Status::invalid_argument("Nested condition must have a filter"))?;
            Condition::Nested(NestedCondition::new(Nested {
                key: payload::path(&condition.key)?,
                filter: from_proto(filter)?,
            }))
        }
        ConditionOneOf::Slice(_) => return Err(unimplemented("`slice` condition")),
    })
}

fn field(condition: proto::FieldCondition) -> Result<FieldCondition, Status> {
    let proto::FieldCondition {
        key,
        r#match,
        range,
        geo_bounding_box,
        geo_radius,
        values_count,
        geo_polygon,
        datetime_range,
        is_empty,
        is_null,
    } = condition;
    if geo_bounding_box.is_some() || geo_radius.is_some() || geo_polygon.is_some() {
        return Err(unimplemented(format!("geo condition (on `{key}`)")));
    }
    let range = match (range, datetime_range) {
        (Some(_), Some(_)) => {
            return Err(unimplemented(format!(
                "`range` together with `datetime_range` (on `{key}`)"
            )));
        }
        (Some(range), None) => Some(RangeInterface::Float(numbers(range))),
        (None, Some(range)) => Some(RangeInterface::DateTime(times(&range)?)),
        (None, None) => None,
    };
    let field = FieldCondition {
        r#match: r#match.map(|value| matches(value, &key)).transpose()?,
        range,
        values_count: values_count.map(counts),
        is_empty,
        is_null,
        geo_bounding_box: None,
        geo_radius: None,
        geo_polygon: None,
        key: payload::path(&key)?,
    };
    if field.r#match.is_none()
        && field.range.is_none()
        && field.values_count.is_none()
        && field.is_empty.is_none()
        && field.is_null.is_none()
    {
        return Err(invalid_field(
            "filter",
            "At least one field condition must be specified",
        ));
    }
    Ok(field)
}

fn matches(value: proto::Match, key: &str) -> Result<Match, Status> {
    let value = value
        .match_value
        .ok_or_else(|| Status::invalid_argument("Malformed Match condition"))?;
    Ok(match value {
        MatchValue::Keyword(value) => Match::from(value),
        MatchValue::Integer(value) => Match::from(value),
        MatchValue::Boolean(value) => Match::from(value),
        MatchValue::Keywords(values) => Match::from(values.strings),
        MatchValue::Integers(values) => Match::from(values.integers),
        MatchValue::ExceptKeywords(values) => Match::Except(MatchExcept::from(values.strings)),
        MatchValue::ExceptIntegers(values) => Match::Except(MatchExcept::from(values.integers)),
        MatchValue::Text(text) => Match::Text(MatchText::from(text)),
        MatchValue::Phrase(phrase) => Match::Phrase(MatchPhrase::from(phrase)),
        MatchValue::TextAny(text_any) => Match::TextAny(MatchTextAny { text_any }),
        MatchValue::Prefix(_) => {
            return Err(unimplemented(format!("`prefix` match (on `{key}`)")));
        }
        MatchValue::Substring(_) => {
            return Err(unimplemented(format!("`substring` match (on `{key}`)")));
        }
    })
}

fn numbers(range: proto::Range) -> Range<OrderedFloat<f64>> {
    Range {
        lt: range.lt.map(OrderedFloat),
        gt: range.gt.map(OrderedFloat),
        gte: range.gte.map(OrderedFloat),
        lte: range.lte.map(OrderedFloat),
    }
}

fn times(range: &proto::DatetimeRange) -> Result<Range<DateTimeWrapper>, Status> {
    Ok(Range {
        lt: range.lt.as_ref().map(time).transpose()?,
        gt: range.gt.as_ref().map(time).transpose()?,
        gte: range.gte.as_ref().map(time).transpose()?,
        lte: range.lte.as_ref().map(time).transpose()?,
    })
}

/// A protobuf timestamp, whose text form is RFC 3339.
pub(super) fn time(timestamp: &impl ToString) -> Result<DateTimeWrapper, Status> {
    let text = timestamp.to_string();
    text.parse()
        .map_err(|_| Status::invalid_argument(format!("Unable to parse timestamp: {text}")))
}

fn counts(count: proto::ValuesCount) -> ValuesCount {
    ValuesCount {
        lt: count.lt.map(usize_from),
        gt: count.gt.map(usize_from),
        gte: count.gte.map(usize_from),
        lte: count.lte.map(usize_from),
    }
}

/// Saturating: nothing here has more than `usize::MAX` of anything.
pub(super) fn usize_from(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
