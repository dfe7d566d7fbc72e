//! How a connector writes what happens to a table: JSON, or Avro as a schema registry's converter writes it. Pure.

use serde_json::{Value as Json, json};

use crate::workload::Row;

/// Positions in the database's log after which the connector writes with the next schema.
const STRETCH: i64 = 800;

/// How many schemas of values there are, which say the same.
pub(crate) const VERSIONS: usize = 4;

/// No schema has this id.
const UNKNOWN: u32 = 4_711;

/// How records are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Avro(Ids),
}

/// The ids of a table's schemas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ids {
    pub(crate) key: u32,
    /// One after the other comes into use, so that members meet one that they don't know again and again.
    pub(crate) values: Vec<u32>,
}

/// An event of Debezium.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change<'a> {
    pub(crate) operation: &'a str,
    /// The row after it, with its key.
    pub(crate) after: Option<(i64, &'a Row)>,
    /// Where the database's log has it.
    pub(crate) position: i64,
    pub(crate) commit_ms: i64,
}

impl Format {
    pub(crate) fn key(&self, id: i64) -> Vec<u8> {
        match self {
            Self::Json => json!({ "id": id }).to_string().into_bytes(),
            Self::Avro(ids) => [framed(ids.key), long(id)].concat(),
        }
    }

    pub(crate) fn value(&self, change: Change<'_>) -> Vec<u8> {
        match self {
            Self::Json => json_value(change).to_string().into_bytes(),
            Self::Avro(ids) => avro_value(ids.of_value(change.position), change),
        }
    }

    /// Values that nobody can read.
    pub(crate) fn poison(&self) -> [Vec<u8>; 3] {
        match self {
            Self::Json => [
                b"{\"after\": {\"id\": 1,".into(),
                b"\xff\xfe no text".into(),
                b"[1, 2, 3]".into(),
            ],
            Self::Avro(ids) => [
                [framed(UNKNOWN), long(0), long(0)].concat(),
                [framed(ids.of_value(0)), long(0), long(1), long(7)].concat(),
                b"\xff\xfe no text".into(),
            ],
        }
    }
}

impl Ids {
    /// The schema that is in use at a position.
    fn of_value(&self, position: i64) -> u32 {
        let stretch = usize::try_from(position / STRETCH).unwrap_or(0);
        self.values[stretch % self.values.len()]
    }
}

/// The schema of a table's keys.
pub(crate) fn key_schema(topic: &str) -> Json {
    json!({"type": "record", "name": "Key", "namespace": topic, "fields": [
        {"name": "id", "type": "long"},
    ]})
}

/// A schema of a table's values.
pub(crate) fn value_schema(topic: &str, version: usize) -> Json {
    json!({"type": "record", "name": "Envelope", "namespace": topic, "doc": format!("version {version}"), "fields": [
        {"name": "before", "default": null, "type": ["null", {"type": "record", "name": "Value", "fields": [
            {"name": "id", "type": "long"},
            {"name": "title", "type": "string"},
            {"name": "description", "type": "string"},
            {"name": "price", "type": "long"},
            {"name": "stock", "type": "int"},
        ]}]},
        {"name": "after", "type": ["null", "Value"], "default": null},
        {"name": "source", "type": {"type": "record", "name": "Source", "fields": [
            {"name": "connector", "type": "string"},
            {"name": "ts_ms", "type": "long"},
            {"name": "snapshot", "type": "string"},
            {"name": "lsn", "type": ["null", "long"], "default": null},
        ]}},
        {"name": "op", "type": "string"},
        {"name": "ts_ms", "type": ["null", "long"], "default": null},
    ]})
}

fn json_value(change: Change<'_>) -> Json {
    let after = change.after.map(|(id, row)| {
        json!({
            "id": id, "title": row.title, "description": row.description,
            "price": row.price, "stock": row.stock,
        })
    });
    json!({
        "before": null, "after": after, "op": change.operation, "ts_ms": change.commit_ms,
        "source": {
            "connector": "postgresql", "ts_ms": change.commit_ms, "lsn": change.position,
            "snapshot": "false",
        },
    })
}

fn avro_value(schema: u32, change: Change<'_>) -> Vec<u8> {
    let after = match change.after {
        None => long(0),
        Some((id, row)) => [
            long(1),
            long(id),
            text(&row.title),
            text(&row.description),
            long(row.price),
            long(row.stock),
        ]
        .concat(),
    };
    let source = [
        text("postgresql"),
        long(change.commit_ms),
        text("false"),
        long(1),
        long(change.position),
    ]
    .concat();
    let end = [text(change.operation), long(1), long(change.commit_ms)].concat();
    [framed(schema), long(0), after, source, end].concat()
}

/// What stands before a value: a zero, and the schema's id.
fn framed(schema: u32) -> Vec<u8> {
    [&[0], &schema.to_be_bytes()[..]].concat()
}

/// A number as Avro writes it: small ones are short, whatever their sign.
fn long(number: i64) -> Vec<u8> {
    let mut left = ((number << 1) ^ (number >> 63)).cast_unsigned();
    let mut bytes = Vec::new();
    while let Some(more) = (left > 0x7f).then_some(left >> 7) {
        bytes.push(left.to_le_bytes()[0] | 0x80);
        left = more;
    }
    bytes.push(left.to_le_bytes()[0]);
    bytes
}

fn text(text: &str) -> Vec<u8> {
    let length = i64::try_from(text.len()).expect("texts are short");
    [long(length), text.into()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_the_specification_has_them() {
        for (number, bytes) in [
            (0, &[0x00][..]),
            (-1, &[0x01]),
            (1, &[0x02]),
            (-64, &[0x7f]),
            (64, &[0x80, 0x01]),
        ] {
            assert_eq!(long(number), bytes, "{number}");
        }
    }

    #[test]
    fn one_schema_after_the_other_comes_into_use() {
        let ids = Ids {
            key: 1,
            values: vec![2, 3],
        };
        let used = [0, STRETCH - 1, STRETCH, 2 * STRETCH].map(|position| ids.of_value(position));
        assert_eq!(used, [2, 2, 3, 2]);
    }
}
