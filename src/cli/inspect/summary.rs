//! What many records say together. Pure: records as they were understood come in, counts go out.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    error::{Disposition, Failure},
    record::Offset,
};

use super::{
    columns::{ColumnChange, Columns},
    look::{Encoding, Shape},
    understood::{News, Outcome, Place, Understood},
};

/// More tables and schemas than any topic has are not told apart.
const MOST: usize = 1_000;

/// All topics.
#[derive(Debug, Clone, Default)]
pub(super) struct Summary {
    pub(super) topics: BTreeMap<Arc<str>, TopicSummary>,
}

/// One topic.
#[derive(Debug, Clone, Default)]
pub(super) struct TopicSummary {
    pub(super) partitions: BTreeMap<i32, PartitionSummary>,
    /// The tables whose changes are in it; one, as a rule.
    pub(super) tables: BTreeSet<String>,
    pub(super) key_encodings: BTreeMap<Encoding, u64>,
    pub(super) value_encodings: BTreeMap<Encoding, u64>,
    /// How many records of rows stand in an envelope.
    pub(super) envelopes: u64,
    /// How many are flattened rows.
    pub(super) flattened: u64,
    /// How many of these say whether they were deleted.
    pub(super) say_deleted: u64,
    /// Updates in an envelope, and how many have the row before the change.
    pub(super) updates: u64,
    pub(super) updates_with_before: u64,
    pub(super) columns: Columns,
    /// Rows that need what the index has of columns that the connector did not repeat.
    pub(super) incomplete: u64,
    /// What could not be written, by reason.
    pub(super) failures: BTreeMap<&'static str, FailureSummary>,
}

/// One partition.
#[derive(Debug, Clone, Default)]
pub(super) struct PartitionSummary {
    pub(super) first: Option<Offset>,
    pub(super) last: Option<Offset>,
    /// Records, by what they are; see [`Understood::operation`].
    pub(super) operations: BTreeMap<&'static str, u64>,
}

/// Records that fail for the same reason.
#[derive(Debug, Clone)]
pub(super) struct FailureSummary {
    pub(super) count: u64,
    /// The first of them.
    pub(super) place: Place,
    pub(super) failure: Failure,
}

impl FailureSummary {
    /// Whether that concerns the whole table, so that its records wait.
    pub(super) fn blocks(&self) -> bool {
        self.failure.disposition == Disposition::Blocked
    }
}

impl Summary {
    pub(super) fn add(&mut self, record: &Understood) {
        self.topics
            .entry(record.place.topic.clone())
            .or_default()
            .add(record);
    }

    pub(super) fn records(&self) -> u64 {
        self.topics.values().map(TopicSummary::records).sum()
    }
}

impl TopicSummary {
    fn add(&mut self, record: &Understood) {
        let operation = record.operation();
        self.partitions
            .entry(record.place.partition)
            .or_default()
            .add(record.place.offset, operation);
        count_encoding(&mut self.key_encodings, &record.look.key);
        count_encoding(&mut self.value_encodings, &record.look.value);
        if let Some(failure) = record.failure() {
            self.failures
                .entry(failure.reason)
                .or_insert_with(|| FailureSummary {
                    count: 0,
                    place: record.place.clone(),
                    failure: failure.clone(),
                })
                .count += 1;
        }
        let is_about_rows = match &record.news {
            News::Row(news) => {
                self.columns.add_row(&news.row, &record.place);
                let is_incomplete = matches!(news.outcome, Outcome::Incomplete(_));
                self.incomplete += u64::from(is_incomplete);
                true
            }
            News::Gone { .. } | News::Unreadable(_) => true,
            News::Truncate | News::Skip(_) => false,
        };
        if is_about_rows && !record.is_tombstone() {
            self.add_look(record);
        }
    }

    fn add_look(&mut self, record: &Understood) {
        if self.tables.len() < MOST {
            self.tables.insert(record.table().to_owned());
        }
        match &record.look.shape {
            Shape::Envelope { op, has_before } => {
                self.envelopes += 1;
                if op == "u" {
                    self.updates += 1;
                    self.updates_with_before += u64::from(*has_before);
                }
            }
            Shape::Flattened { says_deleted, .. } => {
                self.flattened += 1;
                self.say_deleted += u64::from(*says_deleted);
            }
            // Avro, as far as it can be seen from outside.
            Shape::Other => {}
        }
        if let Some(row) = &record.look.untyped {
            self.columns.suspect(row, &record.rows.types);
        }
    }

    pub(super) fn records(&self) -> u64 {
        self.partitions
            .values()
            .flat_map(|partition| partition.operations.values())
            .sum()
    }

    /// How many records of an operation there are, in all partitions.
    pub(super) fn count(&self, operation: &str) -> u64 {
        self.partitions
            .values()
            .filter_map(|partition| partition.operations.get(operation))
            .sum()
    }

    /// Columns that came and went.
    pub(super) fn changes(&self) -> &[ColumnChange] {
        self.columns.changes()
    }
}

fn count_encoding(counts: &mut BTreeMap<Encoding, u64>, encoding: &Encoding) {
    let is_known = counts.contains_key(encoding) || counts.len() < MOST;
    let encoding = if is_known {
        encoding.clone()
    } else {
        Encoding::Unknown
    };
    *counts.entry(encoding).or_default() += 1;
}

impl PartitionSummary {
    fn add(&mut self, offset: Offset, operation: &'static str) {
        self.first.get_or_insert(offset);
        self.last = Some(offset);
        *self.operations.entry(operation).or_default() += 1;
    }
}
