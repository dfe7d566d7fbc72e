//! Flattened records: rows as Debezium's `ExtractNewRecordState` leaves them, the envelope's news
//! in columns of their own, where it was told to add them.
//!
//! Deletes arrive as tombstones, or (`delete.tombstone.handling.mode` is `rewrite`) as rows whose
//! `__deleted` is the text `true`. The mode `drop` never signals a delete; nothing in a record
//! tells it from tombstones, so `vectide inspect` looks for them in a whole topic.

use std::sync::Arc;

use crate::record::{Row, Value};

use super::{
    Skip,
    change::{Change, Operation, Source},
};

/// What the transform calls the column that tells deletes, whatever `add.fields.prefix` is.
const DELETED: &str = "__deleted";

/// What `add.fields` can add besides `deleted`: the fields of the envelope and of its `source`.
const ADDED: [&str; 33] = [
    "deleted",
    "op",
    "ts_ms",
    "ts_us",
    "ts_ns",
    "table",
    "schema",
    "db",
    "lsn",
    "txId",
    "xmin",
    "connector",
    "name",
    "version",
    "snapshot",
    "sequence",
    "file",
    "pos",
    "row",
    "gtid",
    "thread",
    "query",
    "server_id",
    "scn",
    "commit_scn",
    "lcr_position",
    "change_lsn",
    "commit_lsn",
    "event_serial_no",
    "collection",
    "ord",
    "rs",
    "origin",
];

/// The fields of the connector's notifications; a table with these columns and others is a table.
const NOTIFICATION: [&str; 5] = [
    "aggregate_type",
    "additional_data",
    "type",
    "id",
    "timestamp",
];

/// Of these, how many are read although nothing needs such columns.
const NEVER_SKIPPED: usize = 2;

/// Whether a column tells notifications from rows, and must be read for that.
pub(super) fn tells_notifications(column: &str) -> bool {
    NOTIFICATION
        .iter()
        .take(NEVER_SKIPPED)
        .any(|name| *name == column)
}

/// Whether a column was added by the transform: called by `prefix` and the field's name, which for
/// a field of a struct begins with the struct's.
pub(super) fn is_added(column: &str, prefix: &str) -> bool {
    if column == DELETED {
        return true;
    }
    let Some(field) = column.strip_prefix(prefix).filter(|_| !prefix.is_empty()) else {
        return false;
    };
    let inner = field
        .strip_prefix("source_")
        .or_else(|| field.strip_prefix("transaction_"))
        .unwrap_or(field);
    ADDED.contains(&inner) || field == "transaction_id" || field.starts_with("transaction_")
}

/// What a flattened row says.
pub(super) fn change(row: Row, prefix: &str) -> Change {
    let is_notification = NOTIFICATION
        .iter()
        .take(NEVER_SKIPPED)
        .all(|name| row.get(name).is_some());
    let is_more = row
        .columns()
        .iter()
        .any(|(name, _)| !NOTIFICATION.contains(&&**name));
    if is_notification && !is_more {
        return Change {
            operation: Operation::Skip(Skip::Notification),
            commit_ms: None,
            source: None,
            before: None,
        };
    }
    let mut source = Source::default();
    let mut deleted = false;
    let mut op = None;
    let mut rest: Vec<(Arc<str>, Value)> = Vec::with_capacity(row.columns().len());
    for (name, value) in row.into_columns() {
        if !is_added(&name, prefix) {
            rest.push((name, value));
            continue;
        }
        let field = if &*name == DELETED {
            "deleted"
        } else {
            name.strip_prefix(prefix).unwrap_or(&name)
        };
        let number = || match &value {
            Value::Int(number) => Some(*number),
            Value::String(text) | Value::Decimal(text) => text.parse().ok(),
            _ => None,
        };
        match field {
            "deleted" => {
                deleted = match &value {
                    Value::Bool(deleted) => *deleted,
                    Value::String(text) => &**text == "true",
                    _ => false,
                }
            }
            "op" => {
                if let Value::String(text) = &value {
                    op = Some(text.clone());
                }
            }
            "source_ts_ms" => source.ts_ms = number(),
            "lsn" | "source_lsn" => source.lsn = number(),
            "scn" | "source_scn" => source.scn = number(),
            "pos" | "source_pos" => source.pos = number(),
            "file" | "source_file" => {
                if let Value::String(text) = value {
                    source.file = Some(text);
                }
            }
            _ => {}
        }
    }
    let row = Row::new(rest);
    let operation = match op.as_deref() {
        _ if deleted => Operation::Delete(Some(row)),
        Some("d") => Operation::Delete(Some(row)),
        Some("t") => Operation::Truncate,
        Some("c") => Operation::Create(row),
        Some("r") => Operation::Read(row),
        _ => Operation::Upsert(row),
    };
    Change {
        operation,
        commit_ms: source.ts_ms,
        source: source.position(),
        before: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::SourcePosition;

    fn flattened(added: &[(&str, Value)]) -> Change {
        let columns = [
            ("id", Value::Int(1)),
            ("title", Value::String("Tent".into())),
        ];
        let columns = columns.iter().chain(added);
        change(
            Row::new(
                columns
                    .map(|(name, value)| (Arc::from(*name), value.clone()))
                    .collect(),
            ),
            "__",
        )
    }

    #[test]
    fn what_the_transform_added_is_read_and_taken_off() {
        let change = flattened(&[
            ("__deleted", Value::String("false".into())),
            ("__op", Value::String("u".into())),
            ("__table", Value::String("products".into())),
            ("__lsn", Value::Int(7)),
            ("__source_ts_ms", Value::Int(1_700_000_000_000)),
            ("__mine", Value::Int(5)),
        ]);
        assert_eq!(change.source, Some(SourcePosition(7)));
        assert_eq!(change.commit_ms, Some(1_700_000_000_000));
        let Operation::Upsert(row) = change.operation else {
            unreachable!("an update has a row")
        };
        let names: Vec<&str> = row.columns().iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["id", "title", "__mine"]);
    }

    #[test]
    fn a_rewritten_delete_is_a_delete_by_a_text_a_truth_value_or_its_operation() {
        for added in [
            ("__deleted", Value::String("true".into())),
            ("__deleted", Value::Bool(true)),
            ("__op", Value::String("d".into())),
        ] {
            let change = flattened(&[added]);
            assert!(matches!(change.operation, Operation::Delete(_)));
        }
        let kept = flattened(&[("__deleted", Value::String("false".into()))]);
        assert!(matches!(kept.operation, Operation::Upsert(_)));
    }

    #[test]
    fn deletes_are_told_by_one_name_whatever_the_prefix() {
        for prefix in ["cdc.", "", "__"] {
            let deleted = ("__deleted".into(), Value::String("true".into()));
            let change = change(
                Row::new(vec![("id".into(), Value::Int(1)), deleted]),
                prefix,
            );
            assert!(matches!(change.operation, Operation::Delete(_)), "{prefix}");
        }
    }

    #[test]
    fn without_a_prefix_nothing_is_taken_for_added() {
        assert!(!is_added("op", ""));
        assert!(is_added("__op", "__"));
        assert!(is_added("cdc.source_ts_ms", "cdc."));
        assert!(!is_added("__color", "__"));
    }
}
