//! What a summary gives reason to look into, and what to do about it. Pure.

use super::{
    look::Encoding,
    summary::{Summary, TopicSummary},
};

/// Something to look into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Warning {
    /// A fixed word, for programs.
    pub(super) reason: &'static str,
    pub(super) topic: String,
    /// What was seen, and what to do.
    pub(super) message: String,
}

/// The warnings of all topics, in their order.
pub(super) fn warnings(summary: &Summary) -> Vec<Warning> {
    let mut all = Vec::new();
    for (topic, summary) in &summary.topics {
        let mut warn = |reason, message| {
            all.push(Warning {
                reason,
                topic: topic.to_string(),
                message,
            });
        };
        untyped_columns(summary, &mut warn);
        deletes(summary, &mut warn);
        keys(summary, &mut warn);
        unavailable(summary, &mut warn);
        column_changes(summary, &mut warn);
    }
    all
}

fn untyped_columns(summary: &TopicSummary, warn: &mut impl FnMut(&'static str, String)) {
    for column in summary.columns.all() {
        let name = &column.name;
        let Some(hint) = column.suspect.hint(name) else {
            continue;
        };
        let (looks_like, as_it_stands, or_else) = match hint {
            "bytes" => ("bytes in base64", "text", ", or \"text\" if it is that"),
            "date" => ("days since 1970", "integer", ""),
            _ if hint.starts_with("timestamp") => ("a time since 1970", "integer", ""),
            _ => (
                "a decimal in base64",
                "text",
                " with the column's own number of digits behind the point, or \"bytes\" or \"text\" if it is that",
            ),
        };
        // Something has given it another type, such as its shape.
        if column.types.keys().any(|known| *known != as_it_stands) {
            continue;
        }
        warn(
            "untyped_column",
            format!(
                "column `{name}` looks like {looks_like}, and JSON without schemas does not say what it is: set rows.types.{name} = \"{hint}\"{or_else}"
            ),
        );
    }
}

fn deletes(summary: &TopicSummary, warn: &mut impl FnMut(&'static str, String)) {
    let (deleted, tombstones) = (summary.count("delete"), summary.count("tombstone"));
    let is_flattened = summary.flattened > 0 && summary.envelopes == 0;
    if is_flattened && summary.say_deleted == 0 && tombstones == 0 {
        warn(
            "no_deletes",
            "flattened records that have no `__deleted` column, and no tombstones: if rows were deleted meanwhile, the transform drops deletes, and their points would stay for ever; set its delete.tombstone.handling.mode to rewrite or tombstone".to_owned(),
        );
    } else if deleted > 0 && tombstones == 0 {
        warn(
            "no_tombstones",
            "deletes, but no tombstones: compaction would not remove the keys of deleted rows; set the connector's tombstones.on.delete = true (of the transform: delete.tombstone.handling.mode = rewrite-with-tombstone), unless the topic is not compacted".to_owned(),
        );
    }
}

fn keys(summary: &TopicSummary, warn: &mut impl FnMut(&'static str, String)) {
    let nulls = summary.key_encodings.get(&Encoding::Null).copied();
    // Truncates and messages have none.
    let Some(failed) = summary.failures.get("no_key").filter(|_| nulls.is_some()) else {
        return;
    };
    warn(
        "no_key",
        format!(
            "{} records of rows have no key, such as {}: give the table a primary key, set the connector's message.key.columns, or name the columns in rows.key_columns",
            failed.count, failed.place
        ),
    );
}

fn unavailable(summary: &TopicSummary, warn: &mut impl FnMut(&'static str, String)) {
    let rows = summary.columns.rows();
    let columns: Vec<String> = summary
        .columns
        .all()
        .iter()
        .filter(|column| column.unavailable > 0)
        .map(|column| format!("`{}` in {}", column.name, column.unavailable))
        .collect();
    if columns.is_empty() {
        return;
    }
    let usual = if summary.updates > 0 && summary.updates_with_before == 0 {
        "; updates carry no row before the change, as is usual with REPLICA IDENTITY DEFAULT"
    } else {
        ""
    };
    let needed = if summary.incomplete > 0 {
        format!(
            "; {} rows need them, and wait for what an earlier record or the index has",
            summary.incomplete
        )
    } else {
        "; neither text nor payload needs them".to_owned()
    };
    let table = summary.tables.first().map_or("…", String::as_str);
    warn(
        "unavailable_column",
        format!(
            "columns are unavailable: {} of {rows} rows, because PostgreSQL does not repeat large values that did not change{usual}{needed}. To have them repeated, run `ALTER TABLE {table} REPLICA IDENTITY FULL`",
            columns.join(", ")
        ),
    );
}

fn column_changes(summary: &TopicSummary, warn: &mut impl FnMut(&'static str, String)) {
    for change in summary.changes() {
        let (name, place) = (&change.column, &change.place);
        if change.appeared {
            warn(
                "column_appeared",
                format!("column `{name}` appeared at {place}; earlier rows have none"),
            );
        } else {
            warn(
                "column_vanished",
                format!(
                    "column `{name}` vanished at {place}; if text or payload need it, name the column that took its place, too"
                ),
            );
        }
    }
}
