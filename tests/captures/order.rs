//! Orders in which records may arrive: any, as long as each partition's own order is kept.

use std::collections::BTreeMap;

use fastrand::Rng;

use crate::fixtures::Record;

/// Records by partition.
fn partitions(records: Vec<Record>) -> Vec<Vec<Record>> {
    let mut partitions: BTreeMap<(String, i32), Vec<Record>> = BTreeMap::new();
    for record in records {
        partitions
            .entry((record.topic.clone(), record.partition))
            .or_default()
            .push(record);
    }
    partitions.into_values().collect()
}

/// The records in runs of one partition each, of up to eight records, in a random order.
pub(crate) fn interleaved(records: Vec<Record>, random: &mut Rng) -> Vec<Vec<Record>> {
    let mut partitions: Vec<_> = partitions(records)
        .into_iter()
        .map(Vec::into_iter)
        .collect();
    let mut runs = Vec::new();
    while !partitions.is_empty() {
        let at = random.usize(..partitions.len());
        let run: Vec<Record> = partitions[at].by_ref().take(random.usize(1..=8)).collect();
        if run.is_empty() {
            partitions.swap_remove(at);
        } else {
            runs.push(run);
        }
    }
    runs
}

#[test]
fn an_interleaving_keeps_every_record_and_each_partitions_order() {
    let record = |partition, timestamp_ms| Record {
        topic: "t".to_owned(),
        partition,
        timestamp_ms,
        key: None,
        value: None,
        headers: Vec::new(),
    };
    let records: Vec<Record> = (0..60).map(|at| record(at % 4, i64::from(at))).collect();
    let mut orders = std::collections::BTreeSet::new();
    for seed in 0..5 {
        let runs = interleaved(records.clone(), &mut Rng::with_seed(seed));
        let order: Vec<_> = runs.concat();
        assert_eq!(order.len(), records.len());
        for partition in partitions(order.clone()) {
            assert!(partition.is_sorted_by_key(|record| record.timestamp_ms));
        }
        orders.insert(
            order
                .iter()
                .map(|record| record.timestamp_ms)
                .collect::<Vec<_>>(),
        );
    }
    assert_eq!(orders.len(), 5, "each seed has its own");
}
