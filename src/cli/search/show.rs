//! A search's results, for people and for programs.

use std::fmt;

use serde_json::{Value as Json, json};

use crate::{
    config::{ColumnNames, DocumentConfig},
    index::{FieldFilter, Hit},
    record::{Payload, Value},
};

use super::super::{
    inspect::{Length, payload_json},
    layout::{self, Side},
};

/// Fields that people know a row by, where the configuration does not say which it is.
const TITLES: [&str; 6] = ["title", "name", "product", "label", "heading", "subject"];

/// A line for each result: score, key, what people know the row by, and the fields filtered by.
pub(super) fn to_text(
    hits: &[Hit],
    document: &DocumentConfig,
    filters: &[FieldFilter],
    length: Length,
) -> Result<String, fmt::Error> {
    let rows: Vec<Vec<String>> = hits
        .iter()
        .map(|hit| {
            let mut row = vec![
                format!("{:.4}", hit.score),
                length.line(hit.key.as_deref().unwrap_or(&hit.id)),
                title(&hit.payload, document).map_or_else(String::new, |it| length.line(it)),
            ];
            row.extend(filters.iter().map(|filter| {
                let value = hit.payload.get(&filter.field);
                value.map_or_else(String::new, |value| {
                    format!("{} {}", filter.field, length.value(value))
                })
            }));
            row
        })
        .collect();
    let mut text = String::new();
    layout::table(&mut text, "", &[Side::Right, Side::Left], &rows)?;
    Ok(text)
}

/// All of it: a list of results.
pub(super) fn to_json(hits: &[Hit]) -> Json {
    hits.iter()
        .map(|hit| {
            json!({
                "score": hit.score,
                "point": hit.id,
                "key": hit.key,
                "payload": payload_json(&hit.payload),
            })
        })
        .collect()
}

/// What people know a row by: the column of the text's first line, a field that is called so, or
/// the first text.
fn title<'a>(payload: &'a Payload, document: &DocumentConfig) -> Option<&'a str> {
    let configured = document.columns.product.iter();
    let configured = configured.flat_map(ColumnNames::names).map(|column| {
        let renamed = document.payload.rename.get(column);
        renamed.unwrap_or(column).as_str()
    });
    configured
        .chain(TITLES)
        .find_map(|name| text(payload.get(name)?))
        .or_else(|| payload.fields().iter().find_map(|(_, value)| text(value)))
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text),
        _ => None,
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

    fn string(text: &str) -> Value {
        Value::String(text.into())
    }

    #[test]
    fn a_row_is_known_by_its_title_however_that_is_called() {
        let mut document = DocumentConfig::default();
        let title = |payload: &Payload, document: &DocumentConfig| {
            title(payload, document).map(str::to_owned)
        };
        let row = payload(&[
            ("brand", string("Acme")),
            ("id", Value::Int(1)),
            ("name", string("Tent")),
        ]);
        assert_eq!(title(&row, &document).as_deref(), Some("Tent"));
        document.columns.product = Some(["designation", "brand"].into());
        assert_eq!(title(&row, &document).as_deref(), Some("Acme"));
        let other = payload(&[("id", Value::Int(1)), ("sku", string("B-204"))]);
        assert_eq!(title(&other, &document).as_deref(), Some("B-204"));
        let none = payload(&[("id", Value::Int(1)), ("title", string(" "))]);
        assert_eq!(title(&none, &document), None);
    }

    #[test]
    fn a_result_is_one_line_whatever_it_holds() {
        let hit = Hit {
            score: 0.5,
            id: "7".to_owned(),
            key: Some("[17]".to_owned()),
            payload: payload(&[
                ("stock", Value::Int(3)),
                ("title", string("Tent\n\u{1b}[2J")),
            ]),
        };
        let filters = super::super::filter::parse("stock > 0").into_iter();
        let text = to_text(
            &[hit],
            &DocumentConfig::default(),
            &filters.collect::<Vec<_>>(),
            Length::Cut,
        );
        assert_eq!(
            text.as_deref(),
            Ok("0.5000  [17]  Tent\\n\\u{1b}[2J  stock 3\n")
        );
    }
}
