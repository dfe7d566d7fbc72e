//! Which fields differ between what the table says and what a point holds.

use std::collections::BTreeSet;

use crate::{
    config::DocumentConfig,
    index::as_stored,
    record::{Payload, Value},
};

/// A field of which table and index say different things.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Difference {
    pub(super) field: String,
    /// What the index says; `None` if it has no such field.
    pub(super) index: Option<Value>,
    /// What the table says; `None` if it has none.
    pub(super) table: Option<Value>,
    /// Whether the configuration has it that changes of this field alone change nothing.
    pub(super) is_ignored: bool,
}

/// Compares field by field, whatever the hashes say.
pub(super) fn differences(table: &Payload, index: &Payload, ignored: &Ignored) -> Vec<Difference> {
    let fields = table.fields().iter().chain(index.fields());
    let names: BTreeSet<&str> = fields.map(|(name, _)| &**name).collect();
    let mut differences = Vec::new();
    for name in names {
        let (said, held) = (table.get(name).map(as_stored), index.get(name).cloned());
        if said != held {
            differences.push(Difference {
                field: name.to_owned(),
                index: held,
                table: said,
                is_ignored: ignored.contains(name),
            });
        }
    }
    differences
}

/// The fields that columns of `document.ignore` are in.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct Ignored(BTreeSet<String>);

impl Ignored {
    pub(in crate::cli) fn of(document: &DocumentConfig) -> Self {
        let field = |column: &String| {
            document
                .payload
                .rename
                .get(column)
                .unwrap_or(column)
                .clone()
        };
        Self(document.ignore.iter().map(field).collect())
    }

    pub(in crate::cli) fn contains(&self, field: &str) -> bool {
        self.0.contains(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(fields: &[(&str, Value)]) -> Payload {
        fields
            .iter()
            .map(|(name, value)| ((*name).into(), value.clone()))
            .collect::<Vec<_>>()
            .into()
    }

    fn names(table: &Payload, index: &Payload) -> Vec<String> {
        let differences = differences(table, index, &Ignored::default());
        differences.into_iter().map(|it| it.field).collect()
    }

    #[test]
    fn a_field_differs_by_value_or_because_one_side_lacks_it() {
        let table = payload(&[
            ("id", Value::Int(1)),
            ("stock", Value::Int(0)),
            ("new", Value::Null),
        ]);
        let index = payload(&[
            ("id", Value::Int(1)),
            ("old", Value::Bool(true)),
            ("stock", Value::Int(3)),
        ]);
        let found = differences(&table, &index, &Ignored::default());
        assert_eq!(
            found.iter().map(|it| it.field.as_str()).collect::<Vec<_>>(),
            ["new", "old", "stock"]
        );
        let stock = Difference {
            field: "stock".to_owned(),
            index: Some(Value::Int(3)),
            table: Some(Value::Int(0)),
            is_ignored: false,
        };
        assert_eq!(found.last(), Some(&stock));
    }

    #[test]
    fn a_decimal_is_the_number_or_the_text_that_it_is_stored_as() {
        let table = payload(&[
            ("price", Value::Decimal("19.90".into())),
            ("exact", Value::Decimal("12345678901234567.89".into())),
        ]);
        let index = payload(&[
            ("exact", Value::String("12345678901234567.89".into())),
            ("price", Value::Float(19.9)),
        ]);
        assert_eq!(names(&table, &index), Vec::<String>::new());
    }

    #[test]
    fn json_is_the_same_in_any_order_of_its_fields() {
        let json = |text: &str| serde_json::from_str(text).map(Value::from_json).ok();
        let (one, other) = (json(r#"{"b":1,"a":[2.5]}"#), json(r#"{"a":[2.5],"b":1}"#));
        let of = |value: Option<Value>| payload(&[("json", value.unwrap_or(Value::Null))]);
        assert_eq!(names(&of(one), &of(other)), Vec::<String>::new());
    }

    #[test]
    fn columns_that_are_ignored_are_known_by_the_fields_they_are_in() {
        let mut document = DocumentConfig {
            ignore: vec!["updated_at".into(), "seen".into()],
            ..DocumentConfig::default()
        };
        let rename = ("updated_at".to_owned(), "changed".to_owned());
        document.payload.rename.extend([rename]);
        let table = payload(&[
            ("changed", Value::Int(1)),
            ("seen", Value::Int(1)),
            ("x", Value::Int(1)),
        ]);
        let found = differences(&table, &Payload::default(), &Ignored::of(&document));
        let ignored: Vec<bool> = found.iter().map(|it| it.is_ignored).collect();
        assert_eq!(ignored, [true, true, false]);
    }
}
