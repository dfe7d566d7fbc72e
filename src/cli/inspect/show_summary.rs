//! A summary: for people, and as JSON for programs.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

use serde_json::{Value as Json, json};

use super::{
    super::{layout::align, selection::counted},
    show::{Length, counts},
    summary::{PartitionSummary, Summary, TopicSummary},
    warnings::{Warning, warnings},
};

impl Summary {
    /// Some lines for people.
    pub(super) fn to_text(&self, length: Length) -> Result<String, fmt::Error> {
        let mut text = String::new();
        if self.topics.is_empty() {
            writeln!(text, "no records")?;
        }
        for (topic, summary) in &self.topics {
            writeln!(text, "{topic}: {}", counted(summary.records()))?;
            summary.write(&mut text, length)?;
            writeln!(text)?;
        }
        let warnings = warnings(self);
        if !warnings.is_empty() {
            writeln!(text, "warnings")?;
        }
        for Warning { topic, message, .. } in warnings {
            writeln!(text, "  {topic}: {}", Length::Full.line(&message))?;
        }
        Ok(text)
    }

    /// One object.
    pub(super) fn to_json(&self) -> Json {
        let topics: BTreeMap<&str, Json> = self
            .topics
            .iter()
            .map(|(topic, summary)| (&**topic, summary.to_json()))
            .collect();
        let warnings: Vec<Json> = warnings(self)
            .into_iter()
            .map(|it| json!({"reason": it.reason, "topic": it.topic, "message": it.message}))
            .collect();
        json!({"records": self.records(), "topics": topics, "warnings": warnings})
    }
}

impl TopicSummary {
    fn write(&self, text: &mut String, length: Length) -> fmt::Result {
        let partitions: Vec<Vec<String>> = self
            .partitions
            .iter()
            .map(|(number, partition)| {
                vec![
                    format!("partition {number}"),
                    partition.span(),
                    counts(&partition.operations),
                ]
            })
            .collect();
        align(text, "  ", &partitions)?;
        writeln!(text, "  keys    {}", counts(&self.key_encodings))?;
        writeln!(text, "  values  {}", self.values())?;
        let rows = self.columns.rows();
        if rows > 0 {
            writeln!(text, "  columns of {rows} rows")?;
        }
        let columns: Vec<Vec<String>> = self
            .columns
            .all()
            .iter()
            .filter(|column| column.present > 0)
            .map(|column| {
                let mut absent = BTreeMap::new();
                for (what, count) in [
                    ("null", column.nulls),
                    ("unavailable", column.unavailable),
                    ("missing", column.missing(rows)),
                ] {
                    if count > 0 {
                        absent.insert(what, count);
                    }
                }
                let types = match column.types.keys().copied().collect::<Vec<_>>().as_slice() {
                    [] => "?".to_owned(),
                    [one] => (*one).to_owned(),
                    _ => counts(&column.types),
                };
                vec![length.line(&column.name), types, counts(&absent)]
            })
            .collect();
        align(text, "    ", &columns)?;
        for (blocks, title) in [
            (
                true,
                "would block the table until the configuration or the table is changed",
            ),
            (false, "would go to the dead letters"),
        ] {
            let mut failures = self.failures.iter().filter(|(_, it)| it.blocks() == blocks);
            if let Some(first) = failures.next() {
                writeln!(text, "  {title}")?;
                for (reason, failed) in std::iter::once(first).chain(failures) {
                    let (count, place) = (failed.count, &failed.place);
                    let message = Length::Full.line(&failed.failure.message);
                    writeln!(text, "    {count} {reason}, such as {place}: {message}")?;
                }
            }
        }
        Ok(())
    }

    /// How the values are encoded and made.
    fn values(&self) -> String {
        let mut values = counts(&self.value_encodings);
        for (count, shape) in [
            (self.envelopes, "in envelopes"),
            (self.flattened, "flattened"),
        ] {
            if count > 0 {
                let _ = write!(values, "; {count} {shape}");
            }
        }
        values
    }

    fn to_json(&self) -> Json {
        let partitions: BTreeMap<String, Json> = self
            .partitions
            .iter()
            .map(|(number, partition)| {
                let json = json!({
                    "first": partition.first.map(|it| it.0),
                    "last": partition.last.map(|it| it.0),
                    "operations": partition.operations,
                });
                (number.to_string(), json)
            })
            .collect();
        let rows = self.columns.rows();
        let columns: Vec<Json> = self
            .columns
            .all()
            .iter()
            .filter(|column| column.present > 0)
            .map(|column| {
                json!({
                    "name": column.name,
                    "types": column.types,
                    "null": column.nulls,
                    "unavailable": column.unavailable,
                    "missing": column.missing(rows),
                })
            })
            .collect();
        let failures: Vec<Json> = self
            .failures
            .iter()
            .map(|(reason, failed)| {
                json!({
                    "reason": reason,
                    "count": failed.count,
                    "example": failed.place.to_string(),
                    "message": failed.failure.message,
                    "blocks": failed.blocks(),
                })
            })
            .collect();
        let encodings = |counts: &BTreeMap<super::look::Encoding, u64>| -> BTreeMap<String, u64> {
            let counts = counts.iter();
            counts
                .map(|(name, count)| (name.to_string(), *count))
                .collect()
        };
        json!({
            "records": self.records(),
            "tables": self.tables,
            "partitions": partitions,
            "key_encodings": encodings(&self.key_encodings),
            "value_encodings": encodings(&self.value_encodings),
            "envelopes": self.envelopes,
            "flattened": self.flattened,
            "rows": rows,
            "incomplete": self.incomplete,
            "columns": columns,
            "failures": failures,
        })
    }
}

impl PartitionSummary {
    fn span(&self) -> String {
        match (self.first, self.last) {
            (Some(first), Some(last)) => format!("@{first}–{last}"),
            _ => String::new(),
        }
    }
}
