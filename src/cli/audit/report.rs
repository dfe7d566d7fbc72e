//! What an audit found, for people and for programs.

use std::{fmt::Write as _, io::Write, sync::Arc};

use serde_json::{Value as Json, json};

use super::{
    super::{
        inspect::Length,
        layout::{self, Side},
        recheck::{Receipts, unanswered},
    },
    Command, Drift,
};
use crate::{
    cli::Output,
    config::Config,
    postgres::Unsure,
    record::{Offset, PointId, Receipt, RowKey, TopicPartition},
};

/// What the audit of one topic found.
#[derive(Debug)]
pub(super) struct Report {
    topic: Arc<str>,
    collection: String,
    /// Rows that the topic has.
    pub(super) rows: u64,
    /// Points of rows that the index has.
    pub(super) points: u64,
    /// Rows with news that the group has yet to process.
    pub(super) pending: u64,
    /// Points that wait for their vector.
    pub(super) owed: u64,
    /// Points that are as of something later.
    pub(super) later: u64,
    /// Rows of whose last record nothing can be made.
    pub(super) unusable: u64,
    /// Points whose records Kafka may have no longer.
    pub(super) untold: u64,
    /// What PostgreSQL was read for, where it was.
    pub(super) postgres: Option<OfPostgres>,
    /// What differs, by key.
    pub(super) findings: Vec<Finding>,
    /// What came of repairing it.
    pub(super) receipts: Option<Receipts>,
}

/// What is told beside, where the table itself was read.
#[derive(Debug, Default)]
pub(super) struct OfPostgres {
    /// Columns that are not compared, or not in all rows.
    pub(super) unsure: Vec<Unsure>,
    /// Rows with a value in another column that is not compared, because the connector may write it in two
    /// ways.
    pub(super) partly: u64,
    /// Rows that kept changing while they were looked at.
    pub(super) unsettled: u64,
}

/// A row of which index and table say different things.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) point: PointId,
    pub(super) key: RowKey,
    /// Where the topic tells of it; `None` where it says something else, or nothing any more.
    pub(super) told: Option<Told>,
    pub(super) drift: Vec<Drift>,
}

/// Where a topic tells of a row.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) partition: TopicPartition,
    /// From where on its records are to be looked at.
    pub(super) from: Offset,
}

impl Report {
    pub(super) fn new(topic: &Arc<str>, collection: &str) -> Self {
        Self {
            topic: topic.clone(),
            collection: collection.to_owned(),
            rows: 0,
            points: 0,
            pending: 0,
            owed: 0,
            later: 0,
            unusable: 0,
            untold: 0,
            postgres: None,
            findings: Vec::new(),
            receipts: None,
        }
    }

    /// Whether nothing differs, or what differed was mended or has changed since.
    pub(super) fn is_mended(&self) -> bool {
        let is_mended = |finding: &Finding| {
            let receipt = self.receipts.as_ref().and_then(|it| it.of(&finding.point));
            matches!(
                receipt,
                Some(
                    Receipt::Written { .. }
                        | Receipt::Deleted { .. }
                        | Receipt::Unchanged { .. }
                        | Receipt::Overtaken
                )
            )
        };
        self.findings.iter().all(is_mended)
    }

    fn count(&self, drift: Drift) -> usize {
        let findings = self.findings.iter();
        findings.filter(|it| it.drift.contains(&drift)).count()
    }

    fn to_json(&self) -> Json {
        let drift: serde_json::Map<String, Json> = Drift::ALL
            .into_iter()
            .map(|drift| (drift.label().to_owned(), self.count(drift).into()))
            .collect();
        let findings: Vec<Json> = self.findings.iter().map(|it| self.finding(it)).collect();
        let mut json = json!({
            "topic": &*self.topic,
            "collection": self.collection,
            "rows": self.rows,
            "points": self.points,
            "pending": self.pending,
            "owed": self.owed,
            "later": self.later,
            "unusable": self.unusable,
            "untold": self.untold,
            "differ": self.findings.len(),
            "drift": drift,
            "findings": findings,
            "is_mended": self.is_mended(),
        });
        if let (Some(of), Some(object)) = (&self.postgres, json.as_object_mut()) {
            let unsure = of.unsure.iter();
            let unsure = unsure.map(|it| json!({"column": it.column, "why": it.why}));
            object.insert("unsure".to_owned(), unsure.collect());
            object.insert("partly".to_owned(), of.partly.into());
            object.insert("unsettled".to_owned(), of.unsettled.into());
        }
        json
    }

    /// How many findings the topic does not tell of.
    fn untold_by_topic(&self) -> usize {
        self.findings.iter().filter(|it| it.told.is_none()).count()
    }

    fn finding(&self, finding: &Finding) -> Json {
        let mut json = json!({
            "key": finding.key.as_str(),
            "point": finding.point.to_string(),
            "partition": finding.told.as_ref().map(|told| told.partition.partition),
            "drift": finding.drift,
        });
        if let (Some(_), Some(object)) = (&self.postgres, json.as_object_mut()) {
            object.insert("in_topic".to_owned(), finding.told.is_some().into());
        }
        if let (Some(receipts), Some(object)) = (&self.receipts, json.as_object_mut()) {
            let receipt = receipts.of(&finding.point).map(|it| json!(it));
            object.insert("repair".to_owned(), receipt.unwrap_or(Json::Null));
        }
        json
    }

    fn has_judged_all(&self) -> bool {
        let unsettled = self.postgres.as_ref().map_or(0, |it| it.unsettled);
        self.pending == 0 && self.later == 0 && self.unusable == 0 && unsettled == 0
    }

    fn to_text(&self, show: usize) -> Result<String, std::fmt::Error> {
        let mut text = format!(
            "{} and {}: {} rows, {} points\n",
            self.topic, self.collection, self.rows, self.points
        );
        let mut lines: Vec<(usize, &str)> = Drift::ALL
            .into_iter()
            .map(|drift| (self.count(drift), drift.meaning()))
            .collect();
        let left_out = [
            (
                self.pending,
                "rows not judged: the group has yet to process their last records",
            ),
            (
                self.later,
                "points not judged: they are as of something later",
            ),
            (self.owed, "points that wait for their vector"),
            (
                self.unusable,
                "rows not judged: nothing can be made of their last records (`vectide dlq list`, or /readyz where a table is blocked)",
            ),
            (
                self.untold,
                "points that may have rows whose records Kafka has no longer",
            ),
        ];
        let of_postgres = self.postgres.as_ref().map(|of| {
            [
                (
                    of.unsettled,
                    "rows not judged: they, or their records, kept changing while they were looked at",
                ),
                (
                    of.partly,
                    "rows not compared in full: the connector may write a value of theirs in two ways",
                ),
            ]
        });
        let left_out = left_out
            .into_iter()
            .chain(of_postgres.into_iter().flatten());
        let left_out = left_out.map(|(count, what)| (usize::try_from(count).unwrap_or(0), what));
        lines.extend(left_out);
        let lines: Vec<Vec<String>> = lines
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| vec![count.to_string(), what.to_owned()])
            .collect();
        layout::table(&mut text, "  ", &[Side::Right, Side::Left], &lines)?;
        for Unsure { column, why } in self.postgres.iter().flat_map(|it| &it.unsure) {
            writeln!(
                text,
                "  the column `{}` is not compared: {why}",
                column.escape_debug()
            )?;
        }
        if self.findings.is_empty() {
            text.push_str(if self.has_judged_all() {
                "  index and table agree\n"
            } else {
                "  index and table agree in all that was judged\n"
            });
        }
        for finding in self.findings.iter().take(show) {
            let drift: Vec<&str> = finding.drift.iter().map(|drift| drift.label()).collect();
            let key = Length::Cut.line(finding.key.as_str());
            write!(text, "  {key}  {}", drift.join(", "))?;
            if finding.told.is_none() {
                text.push_str("  not in the topic");
            } else if let Some(receipts) = &self.receipts {
                write!(text, "  {}", outcome(receipts.of(&finding.point)))?;
            }
            text.push('\n');
        }
        if self.findings.len() > show {
            let rest = self.findings.len() - show;
            writeln!(text, "  and {rest} more (--show {})", self.findings.len())?;
        }
        let untold = self.untold_by_topic();
        if untold > 0 {
            writeln!(
                text,
                "  {untold} not told by the topic, so --repair can't mend them: have the connector write them anew, by an incremental snapshot"
            )?;
        }
        Ok(text)
    }
}

/// What came of asking for a row to be mended, in a few words.
fn outcome(receipt: Option<&Receipt>) -> String {
    match receipt {
        Some(Receipt::Written { .. } | Receipt::Deleted { .. }) => "repaired".to_owned(),
        Some(Receipt::Unchanged { .. }) => "agrees by now".to_owned(),
        Some(Receipt::Overtaken) => "has changed meanwhile".to_owned(),
        Some(Receipt::Refused { message, .. } | Receipt::Unknown { message }) => {
            format!("not repaired: {}", Length::Full.line(message))
        }
        None => "waits".to_owned(),
    }
}

/// Writes what was found.
pub(super) fn write(
    reports: &[Report],
    command: &Command,
    config: &Config,
    out: &mut Output,
) -> anyhow::Result<()> {
    if command.json {
        let differ: usize = reports.iter().map(|report| report.findings.len()).sum();
        let topics: Vec<Json> = reports.iter().map(Report::to_json).collect();
        writeln!(out, "{:#}", json!({"differ": differ, "topics": topics}))?;
        return Ok(());
    }
    for report in reports {
        write!(out, "{}", report.to_text(command.show)?)?;
        let waiting = report.receipts.as_ref().map_or(0, |it| it.waiting);
        if waiting > 0 {
            let group = &config.kafka.group;
            writeln!(out, "{}", unanswered(waiting, group, command.patience))?;
        }
    }
    let is_told = |report: &Report| report.findings.len() > report.untold_by_topic();
    if reports.iter().any(is_told) {
        let next = if command.repair {
            "The members mend by their own configuration: `vectide audit` again shows whether all agrees by this one."
        } else {
            "`vectide explain KEY` tells why a row differs; `vectide audit --repair` has the members of the group mend it."
        };
        writeln!(out, "{next}")?;
    }
    Ok(())
}
