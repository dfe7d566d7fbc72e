//! The story of a row for people.

use std::{
    fmt::{self, Write as _},
    time::Duration,
};

use crate::{
    index::{Bookkeeping, FoundPoint},
    record::{Payload, Position, Stored, Tombstone, Value},
};

use super::{
    super::{
        inspect::{Length, Understood, show::time, times},
        layout::align,
    },
    difference::{Ignored, differences},
    look::Looked,
    partition::Place,
    report::Report,
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
            Bookkeeping::Tombstone(tombstone) => {
                let Tombstone {
                    topic,
                    partition,
                    position:
                        Position {
                            offset,
                            timestamp_ms,
                            ..
                        },
                    ..
                } = &**tombstone;
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
                if let Some(parked) = &row.stored.parked {
                    let (since, age) = (time(parked.at_ms), age(self.now_ms, parked.at_ms));
                    fact("parked", format!("since {since}{age}: its vector is owed"));
                }
                fact("model", self.model(&row.stored));
            }
        }
        if matches!(point.bookkeeping, Bookkeeping::None) {
            let there = if point.has_vector { "there" } else { "none" };
            fact("vector", there.to_owned());
        }
        align(text, "  ", &facts)?;
        if !matches!(point.bookkeeping, Bookkeeping::Tombstone(_)) {
            show_payload(text, "payload", point.payload.fields(), length)?;
        }
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
            timestamp(stored.position.timestamp_ms),
            stored.position.commit_ms,
            stored.position.source.map(|source| source.0),
        );
        let since = stored
            .position
            .commit_ms
            .unwrap_or(stored.position.timestamp_ms);
        format!(
            "{}/{}@{}, {times}{}",
            stored.topic,
            stored.partition,
            stored.position.offset,
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
                    let name = "payload of the last one";
                    if self.holds(&document.payload) {
                        writeln!(text, "  {name}: as the point's")?;
                    } else {
                        show_payload(text, name, document.payload.fields(), length)?;
                    }
                }
                super::Outcome::Refused(_) | super::Outcome::Incomplete(_) => {}
            }
        }
        writeln!(text, "  {}", self.pending_text())
    }

    /// Whether the point has exactly these fields.
    fn holds(&self, payload: &Payload) -> bool {
        let point = self.point.as_ref().map(|point| &point.payload);
        point.is_some_and(|held| differences(payload, held, &Ignored::default()).is_empty())
    }

    fn pending_text(&self) -> String {
        let group = &self.group;
        match (self.committed(), self.is_unsettled()) {
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
        let of = if point.has_vector {
            "another text, hash"
        } else {
            "the text with the hash"
        };
        let _ = write!(text, "; it waits for that of {of} {wanted}");
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
}
