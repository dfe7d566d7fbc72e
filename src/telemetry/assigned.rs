//! How far each assigned partition is.

use std::sync::{Arc, Mutex, PoisonError};

use schemars::JsonSchema;
use serde::Serialize;

/// The partitions that this member has, as its Kafka client last told. A clone shows the same.
#[derive(Debug, Clone, Default)]
pub struct AssignedPartitions {
    shown: Arc<Mutex<Vec<AssignedPartition>>>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct AssignedPartition {
    /// Its topic.
    pub topic: String,
    /// Its number.
    pub partition: i32,
    /// Whether records of it are being fetched.
    pub reading: Reading,
    /// Everything below this offset has settled, if that is known yet.
    pub settled_offset: Option<i64>,
    /// The offset behind the last record that can be read, if that is known yet.
    pub end_offset: Option<i64>,
    /// The offsets in between.
    pub lag_records: u64,
    /// For how long the oldest record that was received and has not settled is in Kafka.
    pub lag_seconds: u64,
}

/// Whether records of a partition are being fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// The partition is being taken over from its former owner.
    Starting,
    /// They are.
    Reading,
    /// They are not: records of this partition wait for a schema, for a table that is blocked, or for the
    /// index.
    Held,
    /// They are not: the memory budget is used up.
    OverBudget,
    /// They are not: a person paused the table.
    Paused,
}

impl AssignedPartitions {
    /// Shows these from now on, and no others.
    pub fn replace(&self, mut partitions: Vec<AssignedPartition>) {
        partitions.sort_unstable();
        *self.lock() = partitions;
    }

    /// All of them, by topic and number.
    pub fn all(&self) -> Vec<AssignedPartition> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<AssignedPartition>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
