//! The last records of a key in Kafka: found from the ends of partitions backwards.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, mpsc as blocking},
    time::Instant,
};

use anyhow::Context;
use tokio::sync::mpsc;

use crate::{
    error::Failure,
    record::{Offset, RawRecord, RowKey},
    source::LookBack,
};

use super::{
    super::inspect::{Interpreter, Schemas},
    bounds::{Bound, Bounds, Seen, Step, WayBack},
    key::KeyArgument,
    partition::{Place, Sample, are_texts, place_of},
};

/// Records that may be read ahead.
const AHEAD: usize = 64;

/// Records that the form of keys is learnt from, at most.
const SAMPLES: usize = 1_000;

/// What was found.
#[derive(Debug)]
pub(super) struct Looked {
    pub(super) topic: Arc<str>,
    /// Each partition's first offset, and the one behind its last.
    pub(super) extents: BTreeMap<i32, (i64, i64)>,
    /// What the group has committed, by partition.
    pub(super) committed: BTreeMap<i32, Offset>,
    /// The key that was looked for.
    pub(super) key: RowKey,
    /// A key of another row.
    pub(super) other_key: Option<RowKey>,
    pub(super) place: Place,
    /// How far back each partition was looked at.
    pub(super) reached: BTreeMap<i32, i64>,
    pub(super) seen: Seen,
    /// Records whose key can't be read.
    pub(super) unreadable: u64,
    /// What ended the looking, other than the beginning of the partitions or enough records.
    pub(super) ended_by: Option<Bound>,
    /// The last records of the key, the last one last.
    pub(super) records: Vec<RawRecord>,
}

impl Looked {
    /// Whether the topic has no records.
    pub(super) fn is_empty(&self) -> bool {
        self.extents.values().all(|(low, high)| low >= high)
    }

    /// Whether all records were looked at that may be of the key.
    pub(super) fn is_complete(&self) -> bool {
        let begin = |partition| self.extents.get(partition).map_or(0, |(low, _)| *low);
        let mut reached = self.reached.iter();
        reached.all(|(partition, to)| *to <= begin(partition))
    }
}

/// Looks for the last records of a key.
pub(super) struct Looker<'a> {
    pub(super) interpreter: &'a mut Interpreter,
    pub(super) schemas: &'a mut Schemas,
    pub(super) argument: &'a KeyArgument,
    /// How many records are enough.
    pub(super) wanted: usize,
    pub(super) bounds: Bounds,
}

impl Looker<'_> {
    pub(super) async fn look(mut self, look: LookBack) -> anyhow::Result<Looked> {
        let begun = Instant::now();
        let (topic, extents) = (look.topic().clone(), look.extents().clone());
        let mut thread = Thread::start(look)?;
        let committed = thread.committed.recv().await.context("the reader died")??;
        let mut way = WayBack::new(&extents, self.bounds);
        let mut found = Found::default();
        let mut key = self.argument.key.clone();
        let mut place = None;
        while let Some(step) = way.next(begun.elapsed()) {
            self.take_step(
                &mut thread,
                step,
                &mut way,
                &mut found,
                &key,
                place.is_none(),
            )
            .await?;
            if place.is_none() {
                if let Some(text) = self.argument.as_text.as_ref()
                    && are_texts(&found.samples)
                {
                    key = text.clone();
                }
                let interpreter = &mut *self.interpreter;
                found.retain(|raw| interpreter.key(raw).as_ref() == Ok(&key));
                let partitions = i32::try_from(extents.len()).unwrap_or(i32::MAX);
                let learnt = place_of(&key, &found.samples, partitions);
                if let Place::Known { partition, .. } = &learnt {
                    way.only(*partition);
                }
                place = Some(learnt);
            }
            if found.most() >= self.wanted {
                break;
            }
        }
        let mut samples = found.samples.iter().map(|sample| &sample.key);
        Ok(Looked {
            topic,
            extents,
            committed,
            other_key: samples.find(|other| **other != key).cloned(),
            key,
            place: place.unwrap_or(Place::Unsure("the topic is empty")),
            reached: way.reached(),
            seen: way.seen(),
            unreadable: found.unreadable,
            ended_by: way.ended_by(),
            records: found.into_records(self.wanted),
        })
    }

    async fn take_step(
        &mut self,
        thread: &mut Thread,
        step: Step,
        way: &mut WayBack,
        found: &mut Found,
        key: &RowKey,
        is_first: bool,
    ) -> anyhow::Result<()> {
        let mut of_step: BTreeMap<i32, VecDeque<RawRecord>> = BTreeMap::new();
        thread.steps.send(step).context("the reader died")?;
        while let Some(raw) = thread.records.recv().await.context("the reader died")?? {
            way.count(
                raw.key.as_ref().map_or(0, |key| key.len())
                    + raw.value.as_ref().map_or(0, |value| value.len()),
            );
            let read = match self.schemas.teach(self.interpreter, &raw).await {
                Ok(()) => self.interpreter.key(&raw),
                Err(failure) => Err(failure),
            };
            let Ok(read) = read else {
                // Heartbeats and the like have none, and are no rows.
                found.unreadable += u64::from(raw.key.is_some());
                continue;
            };
            let is_meant =
                read == *key || (is_first && self.argument.as_text.as_ref() == Some(&read));
            if is_first
                && found.samples.len() < SAMPLES
                && let Some(bytes) = &raw.key
            {
                found.samples.push(Sample {
                    partition: raw.partition,
                    bytes: bytes.clone(),
                    key: read,
                });
            }
            if is_meant {
                let records = of_step.entry(raw.partition).or_default();
                records.push_back(raw);
                if records.len() > self.wanted {
                    records.pop_front();
                }
            }
        }
        found.add_earlier(of_step);
        Ok(())
    }
}

/// The records found so far.
#[derive(Debug, Default)]
struct Found {
    by_partition: BTreeMap<i32, VecDeque<RawRecord>>,
    samples: Vec<Sample>,
    unreadable: u64,
}

impl Found {
    fn add_earlier(&mut self, earlier: BTreeMap<i32, VecDeque<RawRecord>>) {
        for (partition, mut records) in earlier {
            let later = self.by_partition.entry(partition).or_default();
            records.append(later);
            *later = records;
        }
    }

    fn retain(&mut self, mut is_meant: impl FnMut(&RawRecord) -> bool) {
        for records in self.by_partition.values_mut() {
            records.retain(&mut is_meant);
        }
    }

    /// How many there are in the partition that has most.
    fn most(&self) -> usize {
        let counts = self.by_partition.values().map(VecDeque::len);
        counts.max().unwrap_or(0)
    }

    /// The last of all. Offsets order those of one partition; of two partitions the one with the
    /// latest record counts as the later.
    fn into_records(self, wanted: usize) -> Vec<RawRecord> {
        let mut partitions: Vec<_> = self.by_partition.into_values().collect();
        partitions.sort_by_key(|records| records.back().and_then(|raw| raw.timestamp_ms));
        let mut records: Vec<RawRecord> = partitions.into_iter().flatten().collect();
        records.drain(..records.len().saturating_sub(wanted));
        records
    }
}

/// The thread on which the Kafka client, whose calls block, is asked.
struct Thread {
    /// Asks for the records of a step.
    steps: blocking::Sender<Step>,
    /// The records of the step that was asked for, and behind them `None`.
    records: mpsc::Receiver<Result<Option<RawRecord>, Failure>>,
    committed: mpsc::Receiver<Result<BTreeMap<i32, Offset>, Failure>>,
}

impl Thread {
    fn start(mut look: LookBack) -> anyhow::Result<Self> {
        let (steps, asked) = blocking::channel::<Step>();
        let (to, records) = mpsc::channel(AHEAD);
        let (tell, committed) = mpsc::channel(1);
        let run = move || {
            let _ = tell.blocking_send(look.committed());
            while let Ok(step) = asked.recv() {
                // Where nobody listens any more, the program is ending.
                let read = look.read(step, |raw| to.blocking_send(Ok(Some(raw))).unwrap_or(()));
                if to.blocking_send(read.map(|()| None)).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new()
            .name("reader".to_owned())
            .spawn(run)
            .context("can't start a thread")?;
        Ok(Self {
            steps,
            records,
            committed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(partition: i32, offset: i64, timestamp_ms: i64) -> RawRecord {
        RawRecord {
            topic: "shop".into(),
            partition,
            offset: Offset(offset),
            timestamp_ms: Some(timestamp_ms),
            key: None,
            value: None,
            headers: Vec::new(),
        }
    }

    #[test]
    fn steps_backwards_leave_records_in_order_and_the_latest_partition_last() {
        let mut found = Found::default();
        let step = |records: &[RawRecord]| {
            let mut step: BTreeMap<i32, VecDeque<RawRecord>> = BTreeMap::new();
            for record in records {
                step.entry(record.partition)
                    .or_default()
                    .push_back(record.clone());
            }
            step
        };
        found.add_earlier(step(&[
            record(0, 8, 80),
            record(0, 9, 70),
            record(1, 3, 60),
        ]));
        found.add_earlier(step(&[record(0, 2, 90), record(1, 1, 10)]));
        assert_eq!(found.most(), 3);
        let offsets: Vec<(i32, i64)> = found
            .into_records(4)
            .iter()
            .map(|raw| (raw.partition, raw.offset.0))
            .collect();
        assert_eq!(offsets, [(1, 3), (0, 2), (0, 8), (0, 9)]);
    }
}
