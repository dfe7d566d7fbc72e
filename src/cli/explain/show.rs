//! The story of a row for people.

use std::{
    fmt::{self, Write as _},
    time::Duration,
};

use crate::{
    index::{Bookkeeping, FoundPoint},
    reconcile::Plan,
    record::{Stored, Value},
};

use super::{
    super::inspect::{Length, Understood, align, times},
    difference::Difference,
    look::Looked,
    partition::Place,
    report::Report,
    verdict::{Reason, Verdict, written_by},
};

impl Report {
    /// Some lines: the point, the records, what is pending, and what would be done.
    pub(super) fn to_text(&self, length: Length) -> Result<String, fmt::Error> {
        let mut text = String::new();
        let Looked { key, topic, .. } = &self.looked;
        writeln!(text, "{}  {topic}", length.line(key.as_str()))?;
        writeln!(
            text,
            "index  point {} of collection {}",
            self.id, self.collection
        )?;
        match &self.point {
            None => writeln!(text, "  there is none")?,
            Some(point) => self.show_point(&mut text, point, length)?,
        }
        writeln!(text, "kafka  {}", how_far(&self.looked))?;
        self.show_records(&mut text, length)?;
        writeln!(text, "now  {}", Length::Full.line(&self.verdict_text()))?;
        Ok(text)
    }

    fn show_point(&self, text: &mut String, point: &FoundPoint, length: Length) -> fmt::Result {
        let mut facts = Vec::new();
        let mut fact = |name: &str, fact: String| facts.push(vec![name.to_owned(), fact]);
        match &point.bookkeeping {
            Bookkeeping::None => fact("as of", "unknown: somebody else wrote it".to_owned()),
            Bookkeeping::Deleted {
                topic,
                partition,
                offset,
                timestamp_ms,
            } => {
                let since = times(timestamp(*timestamp_ms), None, None);
                let age = age(self.now_ms, *timestamp_ms);
                fact(
                    "as of",
                    format!("{topic}/{partition}@{offset}, {since}{age}"),
                );
                fact(
                    "deleted",
                    "it stands for a deleted row, and no search finds it".to_owned(),
                );
            }
            Bookkeeping::Row(row) => {
                fact("as of", self.as_of(&row.stored));
                fact("vector", vector(point, &row.stored));
                fact("model", self.model(&row.stored));
            }
        }
        if matches!(point.bookkeeping, Bookkeeping::None) {
            let there = if point.has_vector { "there" } else { "none" };
            fact("vector", there.to_owned());
        }
        align(text, "  ", &facts)?;
        show_payload(text, "payload", point.payload.fields(), length)?;
        if let Bookkeeping::Row(row) = &point.bookkeeping
            && !row.stored.source_columns.fields().is_empty()
        {
            let columns = row.stored.source_columns.fields();
            show_payload(text, "kept of the text", columns, length)?;
        }
        Ok(())
    }

    fn as_of(&self, stored: &Stored) -> String {
        let times = times(
            timestamp(stored.timestamp_ms),
            stored.commit_ms,
            stored.source.map(|source| source.0),
        );
        let since = stored.commit_ms.unwrap_or(stored.timestamp_ms);
        format!(
            "{}/{}@{}, {times}{}",
            stored.topic,
            stored.partition,
            stored.offset,
            age(self.now_ms, since)
        )
    }

    fn model(&self, stored: &Stored) -> String {
        let configured = self.fingerprint.as_str();
        if *stored.fingerprint == *configured {
            format!("{configured}, as configured")
        } else {
            format!("{}, but configured is {configured}", stored.fingerprint)
        }
    }

    fn show_records(&self, text: &mut String, length: Length) -> fmt::Result {
        let Some(last) = self.records.last() else {
            return writeln!(text, "  no record of the row");
        };
        let rows: Vec<Vec<String>> = self.records.iter().map(record_line).collect();
        align(text, "  ", &rows)?;
        if let Some(failure) = last.failure() {
            let message = Length::Full.line(&failure.message);
            writeln!(
                text,
                "  the last one can't be processed: {}: {message}",
                failure.reason
            )?;
        } else if let super::News::Row(news) = &last.news {
            match &news.outcome {
                super::Outcome::Document(document) => {
                    writeln!(text, "  text of the last one")?;
                    for line in document.text.lines() {
                        writeln!(text, "    {}", length.line(line))?;
                    }
                    let fields = document.payload.fields();
                    show_payload(text, "payload of the last one", fields, length)?;
                }
                super::Outcome::Refused(_) | super::Outcome::Incomplete(_) => {}
            }
        }
        writeln!(text, "  {}", self.pending_text())
    }

    fn pending_text(&self) -> String {
        let group = &self.group;
        match (self.committed(), self.is_pending()) {
            (None, _) => {
                format!("pending: the group {group} has committed nothing in this partition")
            }
            (Some(offset), true) => {
                format!(
                    "pending: the group {group} has committed {offset}, and the last one has not settled"
                )
            }
            (Some(offset), false) => {
                format!("settled: the group {group} has committed {offset}")
            }
        }
    }

    /// What would happen now, and why.
    pub(super) fn verdict_text(&self) -> String {
        let mut text = self.action_text();
        if !self.verdict.differs() {
            return text;
        }
        text += if self.is_pending() {
            "; this is pending"
        } else if matches!(self.verdict, Verdict::DeadLetter(_)) {
            "; nothing is pending: look into the dead-letter topic, mend the cause, then touch the row"
        } else {
            "; but nothing is pending: the next change of the row mends it, or reading the topic again"
        };
        text
    }

    fn action_text(&self) -> String {
        let last = self.records.last().map(|record| &record.place);
        let last = last.map_or_else(String::new, ToString::to_string);
        match &self.verdict {
            Verdict::NoRecord if self.looked.is_complete() => {
                "nothing: Kafka has no record of the row any more".to_owned()
            }
            Verdict::NoRecord => {
                "unknown: the row's last record is further back; look there with --scan".to_owned()
            }
            Verdict::Replay => {
                let by = self.point.as_ref().and_then(written_by);
                let later = by.map_or_else(String::new, |(topic, partition, offset)| {
                    format!(", {topic}/{partition}@{offset}")
                });
                format!("nothing: {last} is a replay, the index reflects a later record{later}")
            }
            Verdict::Nothing => self.nothing_text(&last),
            Verdict::Act {
                plan,
                reasons,
                differences,
            } => {
                let reasons: Vec<String> = reasons
                    .iter()
                    .map(|reason| reason_text(reason, differences))
                    .collect();
                format!("{}: {}", plan_text(*plan), reasons.join("; "))
            }
            Verdict::Altered(differences) => format!(
                "nothing: by its hashes the index reflects {last}; but somebody else changed the point: {}",
                fields_text(differences)
            ),
            Verdict::DeadLetter(failure) => {
                format!(
                    "dead-letter {last}: {}: {}",
                    failure.reason, failure.message
                )
            }
            Verdict::Hold(failure) => format!("hold {last}: {}", failure.message),
        }
    }

    fn nothing_text(&self, last: &str) -> String {
        let Some(point) = &self.point else {
            return "nothing: the row is gone, and so is its point".to_owned();
        };
        if matches!(point.bookkeeping, Bookkeeping::Deleted { .. }) {
            return "nothing: the row is gone, and the point stands for that".to_owned();
        }
        match written_by(point) {
            Some((topic, partition, offset)) if last != format!("{topic}/{partition}@{offset}") => {
                format!(
                    "nothing: text and payload of {last} are those of the point, as of {topic}/{partition}@{offset}"
                )
            }
            _ => format!("nothing: the index reflects {last}"),
        }
    }
}

fn record_line(record: &Understood) -> Vec<String> {
    vec![
        record.place.to_string(),
        record.operation().to_owned(),
        record.position_text(),
    ]
}

fn show_payload(
    text: &mut String,
    name: &str,
    fields: &[(std::sync::Arc<str>, Value)],
    length: Length,
) -> fmt::Result {
    writeln!(text, "  {name}")?;
    let rows: Vec<Vec<String>> = fields
        .iter()
        .map(|(name, value)| vec![length.line(name), length.value(value)])
        .collect();
    align(text, "    ", &rows)
}

fn vector(point: &FoundPoint, stored: &Stored) -> String {
    let mut text = match (point.has_vector, stored.text_hash) {
        (false, _) => "none".to_owned(),
        (true, Some(hash)) => format!("there, of the text with the hash {hash}"),
        (true, None) => "there, of another model or text".to_owned(),
    };
    if let Some(wanted) = stored.wanted {
        let _ = write!(text, "; it waits for that of another text, hash {wanted}");
    }
    text
}

fn timestamp(milliseconds: i64) -> Option<i64> {
    (milliseconds != 0).then_some(milliseconds)
}

/// ` (2m 11s ago)`; nothing where it is not known.
fn age(now_ms: i64, since_ms: i64) -> String {
    match u64::try_from(now_ms - since_ms) {
        Ok(milliseconds) if since_ms != 0 => {
            let age = Duration::from_secs(milliseconds / 1_000);
            // Nobody needs seconds of days.
            let age = match age.as_secs() {
                86_400.. => Duration::from_secs(age.as_secs() / 3_600 * 3_600),
                3_600.. => Duration::from_secs(age.as_secs() / 60 * 60),
                _ => age,
            };
            format!(" ({} ago)", humantime::format_duration(age))
        }
        _ => String::new(),
    }
}

/// Where was looked, how far, and why not further.
pub(super) fn how_far(looked: &Looked) -> String {
    let records = match looked.seen.records {
        1 => "1 record".to_owned(),
        records => format!("{records} records"),
    };
    let unreadable = match looked.unreadable {
        0 => String::new(),
        count => format!("; of {count} the key can't be read"),
    };
    let partitions = looked.extents.len();
    let place = match &looked.place {
        Place::Known { partition, bytes } => format!(
            "partition {partition} of {partitions}, by the hash of {}",
            Length::Cut.line(&String::from_utf8_lossy(bytes))
        ),
        Place::Unsure(_) if partitions == 1 => "partition 0 of 1".to_owned(),
        Place::Unsure(why) => format!("all {partitions} partitions, because {why}"),
    };
    if looked.is_complete() {
        return format!("{place}: looked at all of it, {records}{unreadable}");
    }
    let reached: Vec<String> = looked
        .reached
        .iter()
        .map(|(partition, offset)| format!("{partition}@{offset}"))
        .collect();
    let end = match looked.ended_by {
        Some(bound) => format!("where --scan {bound} ends"),
        None => "which was enough".to_owned(),
    };
    format!(
        "{place}: looked at the last {records}, back to {}, {end}{unreadable}",
        reached.join(" ")
    )
}

/// What a plan is called for programs.
pub(super) fn plan_label(plan: Plan) -> &'static str {
    match plan {
        Plan::Nothing => "nothing",
        Plan::Delete => "delete",
        Plan::Patch => "patch",
        Plan::PatchThenEmbed => "patch_then_embed",
        Plan::Embed => "embed",
        Plan::Upsert => "upsert",
    }
}

fn plan_text(plan: Plan) -> &'static str {
    match plan {
        Plan::Nothing => "nothing",
        Plan::Delete => "delete the point",
        Plan::Patch => "patch the payload",
        Plan::PatchThenEmbed => "patch the payload, then embed and upsert",
        Plan::Embed => "embed and upsert",
        Plan::Upsert => "upsert",
    }
}

fn reason_text(reason: &Reason, differences: &[Difference]) -> String {
    match reason {
        Reason::Gone => "the row is gone".to_owned(),
        Reason::Truncated => "the table was truncated after the row's last change".to_owned(),
        Reason::NoPoint => "the index has no point of the row".to_owned(),
        Reason::Foreign => "somebody else wrote the point".to_owned(),
        Reason::OtherModel(model) => format!("the vector is of another model, {model}"),
        Reason::Text => "the text differs".to_owned(),
        Reason::NoVector => "the point has no vector of the configured model yet".to_owned(),
        Reason::Payload => match fields_text(differences) {
            fields if fields.is_empty() => {
                "the payload's hash differs, though no field does: the configuration has changed"
                    .to_owned()
            }
            fields => fields,
        },
        Reason::CreatedSince => {
            "the row was deleted and created since the point was written".to_owned()
        }
    }
}

/// `stock 3 -> 0, title "Tent" -> "Tarp"`: from what the index says to what the table says.
fn fields_text(differences: &[Difference]) -> String {
    let value = |value: &Option<Value>| match value {
        Some(value) => Length::Cut.value(value),
        None => "absent".to_owned(),
    };
    let fields: Vec<String> = differences
        .iter()
        .map(|difference| {
            let Difference {
                field,
                index,
                table,
                is_ignored,
            } = difference;
            let note = if *is_ignored { " (ignored)" } else { "" };
            format!("{field} {} -> {}{note}", value(index), value(table))
        })
        .collect();
    fields.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_as_exact_as_it_is_of_use() {
        let day = 86_400_000;
        for (ago, text) in [
            (0, " (0s ago)"),
            (131_999, " (2m 11s ago)"),
            (3_600_000 + 131_000, " (1h 2m ago)"),
            (2 * day + 7_260_000, " (2days 2h ago)"),
        ] {
            assert_eq!(age(100 * day, 100 * day - ago), text);
        }
        assert_eq!(age(day, 0), "");
        assert_eq!(age(day, 2 * day), "");
    }

    #[test]
    fn fields_are_told_from_what_the_index_says_to_what_the_table_says() {
        let difference = |index, table, is_ignored| Difference {
            field: "stock".to_owned(),
            index,
            table,
            is_ignored,
        };
        let differences = [
            difference(Some(Value::Int(3)), Some(Value::Int(0)), false),
            difference(None, Some(Value::String("x".into())), true),
        ];
        assert_eq!(
            fields_text(&differences),
            "stock 3 -> 0, stock absent -> \"x\" (ignored)"
        );
    }
}
