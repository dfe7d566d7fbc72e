//! Asks the members of the group to recheck rows, and waits for what came of it.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use tracing::debug;
use uuid::Uuid;

use crate::{
    clock::now_ms,
    error::Disposition,
    index::RecheckDesk,
    record::{AskedRow, PointId, Receipt, TopicPartition},
};

/// Rows of one request: their last records are all in memory at a time.
const ROWS: usize = 100;

/// Requests that wait at a time.
const AT_A_TIME: usize = 64;

/// How often is looked for answers.
const INTERVAL: Duration = Duration::from_millis(500);

/// Rows that are to be rechecked, by partition; each point once.
#[derive(Debug, Default)]
pub(super) struct Rows {
    by_partition: BTreeMap<TopicPartition, BTreeMap<PointId, AskedRow>>,
}

/// What came of the rows.
#[derive(Debug, Default)]
pub(super) struct Receipts {
    by_point: HashMap<PointId, Receipt>,
    /// Rows that nobody has answered for.
    pub(super) waiting: usize,
}

impl Rows {
    /// Adds a row. One that is there already is looked at from the earlier of both offsets on, with the
    /// greater of both doubts.
    pub(super) fn add(&mut self, partition: &TopicPartition, row: &AskedRow) {
        let rows = self.by_partition.entry(partition.clone()).or_default();
        let known = rows.entry(row.point).or_insert_with(|| row.clone());
        known.from = known.from.min(row.from);
        known.doubt = known.doubt.max(row.doubt);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.by_partition.values().map(BTreeMap::len).sum()
    }

    /// Requests of a bounded size, those of one partition in the order of their rows' offsets: rows whose
    /// records lie together are found by reading less.
    fn into_requests(self) -> Vec<(TopicPartition, Vec<AskedRow>)> {
        let mut requests = Vec::new();
        for (partition, rows) in self.by_partition {
            let mut rows: Vec<AskedRow> = rows.into_values().collect();
            rows.sort_by_key(|row| row.from);
            for rows in rows.chunks(ROWS) {
                requests.push((partition.clone(), rows.to_vec()));
            }
        }
        requests
    }
}

impl Receipts {
    #[cfg(test)]
    pub(super) fn single(point: PointId, receipt: Option<Receipt>) -> Self {
        Self {
            by_point: receipt.into_iter().map(|it| (point, it)).collect(),
            waiting: 0,
        }
    }

    /// What came of a row.
    pub(super) fn of(&self, point: &PointId) -> Option<&Receipt> {
        self.by_point.get(point)
    }
}

/// Asks for all rows, some at a time, and waits for the answers: as long as there is one at least
/// every `patience`.
pub(super) async fn recheck(
    desk: &RecheckDesk,
    rows: Rows,
    patience: Duration,
) -> anyhow::Result<Receipts> {
    let mut receipts = Receipts {
        waiting: rows.len(),
        by_point: HashMap::new(),
    };
    let mut requests = rows.into_requests().into_iter().peekable();
    let mut open: Vec<Uuid> = Vec::new();
    let mut progress = Instant::now();
    while requests.peek().is_some() || !open.is_empty() {
        while open.len() < AT_A_TIME
            && let Some((partition, rows)) = requests.next()
        {
            open.push(desk.ask(partition, rows, now_ms()).await?.id);
        }
        tokio::time::sleep(INTERVAL).await;
        let answered = match desk.answered(&open).await {
            Err(failure) if failure.disposition == Disposition::Transient => Vec::new(),
            answered => answered?,
        };
        if answered.is_empty() {
            if progress.elapsed() > patience {
                break;
            }
            continue;
        }
        progress = Instant::now();
        for request in &answered {
            for (row, receipt) in request.receipts() {
                receipts.waiting -= 1;
                receipts.by_point.insert(row.point, receipt.clone());
            }
        }
        let done: Vec<Uuid> = answered.iter().map(|request| request.id).collect();
        open.retain(|id| !done.contains(id));
        if let Err(failure) = desk.forget(&done).await {
            debug!("answered requests stay for an hour: {failure}");
        }
    }
    Ok(receipts)
}

/// What to say where nobody has answered for some rows.
pub(super) fn unanswered(waiting: usize, group: &str, patience: Duration) -> String {
    let patience = humantime::format_duration(patience);
    let plural = if waiting == 1 {
        "row waits"
    } else {
        "rows wait"
    };
    format!(
        "{waiting} {plural}: no member of the group {group} has answered for {patience}. What was asked for stays, and is done once `vectide run` has the partitions, and reaches Kafka and, for new vectors, the embedding endpoint; then ask again to see what came of it"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Doubt, Offset, RowKey};

    fn row(key: i64, from: i64, doubt: Doubt) -> AskedRow {
        AskedRow {
            point: PointId::Integer(key.unsigned_abs()),
            key: RowKey::single_integer(key),
            from: Offset(from),
            doubt,
        }
    }

    fn partition(partition: i32) -> TopicPartition {
        TopicPartition {
            topic: "t".into(),
            partition,
        }
    }

    #[test]
    fn a_row_is_asked_for_once_from_the_earliest_offset_and_with_the_greatest_doubt() {
        let mut rows = Rows::default();
        rows.add(&partition(0), &row(1, 40, Doubt::Vector));
        rows.add(&partition(0), &row(1, 30, Doubt::Memory));
        assert_eq!(rows.len(), 1);
        let requests = rows.into_requests();
        assert_eq!(requests, [(partition(0), vec![row(1, 30, Doubt::Vector)])]);
    }

    #[test]
    fn requests_are_of_a_bounded_size_and_in_order_of_offsets() {
        let mut rows = Rows::default();
        for key in 0..250 {
            rows.add(&partition(0), &row(key, 1_000 - key, Doubt::Memory));
        }
        rows.add(&partition(1), &row(1_000, 0, Doubt::Memory));
        let requests = rows.into_requests();
        let sizes: Vec<_> = requests.iter().map(|(_, rows)| rows.len()).collect();
        assert_eq!(sizes, [100, 100, 50, 1]);
        let offsets = requests.iter().take(3).flat_map(|(_, rows)| rows);
        let offsets: Vec<_> = offsets.map(|row| row.from.0).collect();
        assert!(offsets.is_sorted());
    }
}
