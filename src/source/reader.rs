//! Reads topics without being a member of any group: nothing is joined, nothing is committed, no
//! partition moves.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::Consumer,
    error::{KafkaError, RDKafkaErrorCode as Code},
};

use crate::{
    error::Failure,
    record::{RawRecord, TopicPartition},
};

use super::{
    consumer::raw_record,
    probe::{Probe, is_beside_the_point},
};

/// The client wants a group's name. This one is never joined, and nothing is committed to it.
const NO_GROUP: &str = "vectide-reader";

/// How long the brokers may take for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long they may be silent although there is more to read.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long one look for a record takes at most.
const POLL: Duration = Duration::from_millis(100);

/// Where to begin in each partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartAt {
    /// At its first record.
    Beginning,
    /// Behind its last.
    End,
    /// This many records, or rather offsets, before its end.
    Last(u64),
    /// At the first record that Kafka dates to this time or later, in milliseconds since 1970.
    Time(i64),
}

/// What is to be read.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Names, and patterns that begin with `^`, as in `kafka.topics`.
    pub topics: Vec<String>,
    /// Where to begin.
    pub from: StartAt,
    /// Go on at the ends, for ever.
    pub follow: bool,
}

/// What a poll brought.
#[derive(Debug)]
pub enum Polled {
    /// A record. Those of one partition come in the order of their offsets.
    Record(RawRecord),
    /// Nothing yet.
    Nothing,
    /// The ends, as they were when the reading began, are reached.
    End,
}

/// Reads topics; every method blocks.
pub struct TopicReader {
    probe: Probe,
    /// What is assigned.
    topics: Vec<Span>,
    /// What is to be read after that.
    waiting: VecDeque<Span>,
    follow: bool,
    progress: Instant,
}

/// What is to be read of a topic.
struct Span {
    topic: Arc<str>,
    /// By partition: from where, and how far.
    partitions: BTreeMap<i32, (i64, i64)>,
}

impl TopicReader {
    /// Reads one partition from an offset on, or from what is left behind it, to its end. The error
    /// says what to do.
    pub fn open_partition(
        base: &ClientConfig,
        partition: &TopicPartition,
        from: crate::record::Offset,
    ) -> Result<Self, Failure> {
        let probe = connect(base, NO_GROUP)?;
        let mut span = span(&probe, &partition.topic, StartAt::Beginning)?;
        span.partitions
            .retain(|number, _| *number == partition.partition);
        for (start, _) in span.partitions.values_mut() {
            *start = (*start).max(from.0);
        }
        span.partitions.retain(|_, (start, end)| start < end);
        Ok(Self {
            probe,
            topics: Vec::new(),
            waiting: [span].into(),
            follow: false,
            progress: Instant::now(),
        })
    }

    /// Finds topics, partitions and ends. The error says what to do.
    pub fn open(base: &ClientConfig, reading: &Reading) -> Result<Self, Failure> {
        let probe = connect(base, NO_GROUP)?;
        let mut waiting = VecDeque::new();
        for topic in find(&probe, &reading.topics)? {
            let mut span = span(&probe, &topic, reading.from)?;
            if !reading.follow {
                span.partitions.retain(|_, (start, end)| start < end);
            }
            waiting.push_back(span);
        }
        let mut reader = Self {
            probe,
            topics: Vec::new(),
            waiting,
            follow: reading.follow,
            progress: Instant::now(),
        };
        if reading.follow {
            reader.topics = reader.waiting.drain(..).collect();
            reader.assign()?;
        }
        Ok(reader)
    }

    /// Reads nothing yet, by a connection that is there already; see [`Self::queue`].
    pub(super) fn idle(probe: Probe) -> Self {
        Self {
            probe,
            topics: Vec::new(),
            waiting: VecDeque::new(),
            follow: false,
            progress: Instant::now(),
        }
    }

    /// Reads these offsets of a topic, too, by partition: from where, and how far.
    pub(super) fn queue(&mut self, topic: Arc<str>, mut partitions: BTreeMap<i32, (i64, i64)>) {
        partitions.retain(|_, (start, end)| start < end);
        self.waiting.push_back(Span { topic, partitions });
    }

    /// The connection, to ask with.
    pub(super) fn probe(&self) -> &Probe {
        &self.probe
    }

    /// What there is next; blocks for a moment.
    ///
    /// Without following, one topic is read after the other: the client says where a partition
    /// ends without saying of which topic.
    pub fn poll(&mut self) -> Result<Polled, Failure> {
        while !self.follow && self.topics.iter().all(|span| span.partitions.is_empty()) {
            let Some(span) = self.waiting.pop_front() else {
                return Ok(Polled::End);
            };
            self.topics = vec![span];
            self.assign()?;
        }
        let (probe, follow) = (&self.probe, self.follow);
        match probe.consumer.poll(POLL) {
            Some(Ok(message)) => {
                self.progress = Instant::now();
                let span = self
                    .topics
                    .iter_mut()
                    .find(|span| *span.topic == *message.topic());
                let Some(span) = span else {
                    return Ok(Polled::Nothing);
                };
                if !follow {
                    let end = span.partitions.get(&message.partition());
                    let left = end.map_or(0, |(_, end)| end.saturating_sub(message.offset()));
                    if left <= 1 {
                        span.partitions.remove(&message.partition());
                    }
                    // Written since the reading began.
                    if left <= 0 {
                        return Ok(Polled::Nothing);
                    }
                }
                Ok(Polled::Record(raw_record(&message, &span.topic)))
            }
            // Compaction and transactions leave gaps, at the end, too.
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                self.progress = Instant::now();
                if !follow {
                    for span in &mut self.topics {
                        span.partitions.remove(&partition);
                    }
                }
                Ok(Polled::Nothing)
            }
            Some(Err(error)) if !is_beside_the_point(&error) => {
                Err(probe.failure(&error, self.topic()))
            }
            Some(Err(_)) | None => {
                if !follow && self.progress.elapsed() > PATIENCE {
                    let silence = KafkaError::MessageConsumption(Code::OperationTimedOut);
                    return Err(probe.failure(&silence, self.topic()));
                }
                Ok(Polled::Nothing)
            }
        }
    }

    fn topic(&self) -> Option<&str> {
        self.topics.first().map(|span| &*span.topic)
    }

    fn assign(&mut self) -> Result<(), Failure> {
        let mut list = TopicPartitionList::new();
        for span in &self.topics {
            for (&partition, &(start, _)) in &span.partitions {
                list.add_partition_offset(&span.topic, partition, Offset::Offset(start))
                    .map_err(|error| self.probe.failure(&error, Some(&span.topic)))?;
            }
        }
        self.progress = Instant::now();
        self.probe
            .consumer
            .assign(&list)
            .map_err(|error| self.probe.failure(&error, self.topic()))
    }
}

impl std::fmt::Debug for TopicReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TopicReader({:?})", self.topic())
    }
}

/// Connects, to read without committing.
pub(super) fn connect(base: &ClientConfig, group: &str) -> Result<Probe, Failure> {
    let mut base = base.clone();
    // Where retention was faster than the reading, it goes on with what is left.
    base.set("auto.offset.reset", "earliest");
    base.set("enable.auto.offset.store", "false");
    base.set("queued.max.messages.kbytes", "16384");
    Probe::connect(&base, group)
}

/// The topics by name or pattern, each once, in order.
pub(super) fn find(probe: &Probe, topics: &[String]) -> Result<BTreeSet<String>, Failure> {
    let mut found = BTreeSet::new();
    for topic in topics {
        if !topic.starts_with('^') {
            found.insert(topic.clone());
            continue;
        }
        let matching = probe.matching(topic);
        if matching.is_empty() {
            return Err(Failure::blocked(
                "absent",
                format!("{topic} matches no topic: correct the pattern"),
            ));
        }
        found.extend(matching.into_iter().map(str::to_owned));
    }
    Ok(found)
}

/// Where a topic's partitions begin and end.
pub(super) fn extents(probe: &Probe, topic: &str) -> Result<BTreeMap<i32, (i64, i64)>, Failure> {
    let count = probe.partitions(topic)?.ok_or_else(|| {
        Failure::blocked(
            "absent",
            format!("the topic {topic} does not exist: correct the name"),
        )
    })?;
    (0..i32::try_from(count).unwrap_or(i32::MAX))
        .map(|partition| {
            let ends = probe.consumer.fetch_watermarks(topic, partition, TIMEOUT);
            let ends = ends.map_err(|error| probe.failure(&error, Some(topic)))?;
            Ok((partition, ends))
        })
        .collect()
}

/// What is to be read of a topic.
fn span(probe: &Probe, topic: &str, from: StartAt) -> Result<Span, Failure> {
    let fail = |error: KafkaError| probe.failure(&error, Some(topic));
    let mut partitions = BTreeMap::new();
    for (partition, (low, high)) in extents(probe, topic)? {
        let start = match from {
            StartAt::Beginning => low,
            StartAt::End => high,
            StartAt::Last(count) => {
                low.max(high.saturating_sub(i64::try_from(count).unwrap_or(i64::MAX)))
            }
            StartAt::Time(time) => at_time(probe, topic, partition, time)
                .map_err(fail)?
                .unwrap_or(high),
        };
        partitions.insert(partition, (start, high));
    }
    Ok(Span {
        topic: topic.into(),
        partitions,
    })
}

/// The first offset at a time or later, if there is one.
fn at_time(
    probe: &Probe,
    topic: &str,
    partition: i32,
    time: i64,
) -> Result<Option<i64>, KafkaError> {
    let mut asked = TopicPartitionList::new();
    asked.add_partition_offset(topic, partition, Offset::Offset(time))?;
    let found = probe.consumer.offsets_for_times(asked, TIMEOUT)?;
    Ok(found.elements().first().and_then(|it| match it.offset() {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    }))
}

#[cfg(all(test, feature = "embedded"))]
#[path = "reader_tests.rs"]
mod tests;
