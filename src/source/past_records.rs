//! Records that were read before, read once more for whoever wants to know what a partition said of
//! some rows. Nothing is joined, nothing is committed.

use std::time::Duration;

use rdkafka::{ClientConfig, consumer::Consumer};
use tokio::sync::mpsc;

use crate::{
    error::Failure,
    record::{Offset, RawRecord, TopicPartition},
};

use super::{
    probe::Probe,
    reader::{Polled, TopicReader, connect},
};

/// The client wants a group's name. This one is never joined, and nothing is committed to it.
const NO_GROUP: &str = "vectide-recheck";

/// Records that may be read ahead.
const AHEAD: usize = 64;

/// How long the brokers may take to say where the partition begins.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Reads records of a cluster again.
#[derive(Debug, Clone)]
pub struct PastRecords {
    base: ClientConfig,
}

/// What a partition held between two offsets, as it comes.
#[derive(Debug)]
pub struct PastReading {
    past: mpsc::Receiver<Result<Past, Failure>>,
}

/// A part of what a partition held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Past {
    /// Kafka has nothing of it from before this offset. That comes first, and once more at the end:
    /// what lies before the latter may have been lost on the way.
    Begins(Offset),
    /// A record, in the order of the offsets.
    Record(RawRecord),
}

impl PastRecords {
    /// Reads with clients of its own; `base` is what every client of the cluster shares.
    pub fn new(base: ClientConfig) -> Self {
        Self { base }
    }

    /// Reads a partition from an offset on, up to but without another, on a thread of its own, which
    /// ends when the reading is dropped.
    pub fn read(&self, partition: TopicPartition, from: Offset, to: Offset) -> PastReading {
        let (out, past) = mpsc::channel(AHEAD);
        let (base, failed) = (self.base.clone(), out.clone());
        let reading = move || {
            if let Err(failure) = read(&base, &partition, from, to, &out) {
                let _ = out.blocking_send(Err(failure));
            }
        };
        let started = std::thread::Builder::new()
            .name("past-records".to_owned())
            .spawn(reading);
        if let Err(error) = started {
            let why = format!("can't start a thread to read records again: {error}");
            let _ = failed.try_send(Err(Failure::transient("no_thread", why)));
        }
        PastReading { past }
    }
}

impl PastReading {
    /// What comes next; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Past>, Failure> {
        self.past.recv().await.transpose()
    }
}

fn read(
    base: &ClientConfig,
    partition: &TopicPartition,
    from: Offset,
    to: Offset,
    out: &mpsc::Sender<Result<Past, Failure>>,
) -> Result<(), Failure> {
    // The other side may be gone: then it is not to be read on.
    let tell = |past| out.blocking_send(Ok(past)).unwrap_or_default();
    let probe = connect(base, NO_GROUP)?;
    let begin = begin(&probe, partition)?;
    tell(Past::Begins(begin));
    let mut reader = TopicReader::idle(probe);
    let stretch = (from.max(begin).0, to.0);
    reader.queue(
        partition.topic.clone(),
        [(partition.partition, stretch)].into(),
    );
    while !out.is_closed() {
        match reader.poll()? {
            Polled::Record(raw) => tell(Past::Record(raw)),
            Polled::Nothing => {}
            Polled::End => {
                tell(Past::Begins(self::begin(reader.probe(), partition)?));
                break;
            }
        }
    }
    Ok(())
}

/// The first offset that a partition still has.
fn begin(probe: &Probe, partition: &TopicPartition) -> Result<Offset, Failure> {
    let TopicPartition { topic, partition } = partition;
    let extent = probe.consumer.fetch_watermarks(topic, *partition, TIMEOUT);
    let (low, _) = extent.map_err(|error| probe.failure(&error, Some(topic)))?;
    Ok(Offset(low))
}

#[cfg(all(test, feature = "embedded"))]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
    use vectide_embedded::kafka::{EmbeddedKafka, KafkaOptions};

    use super::*;

    #[tokio::test]
    async fn a_stretch_of_one_partition_is_read_and_no_more() {
        let kafka = EmbeddedKafka::start(KafkaOptions::default()).unwrap();
        kafka.create_topic("shop.products", 2).unwrap();
        let mut base = ClientConfig::new();
        base.set("bootstrap.servers", kafka.bootstrap_servers());
        let producer: BaseProducer = base.create().unwrap();
        for number in 0..10_i32 {
            let key = number.to_string();
            let record: BaseRecord<'_, str, [u8]> = BaseRecord::to("shop.products");
            producer
                .send(record.key(&key).partition(number % 2))
                .unwrap();
        }
        producer.flush(Duration::from_secs(30)).unwrap();
        let partition = TopicPartition {
            topic: "shop.products".into(),
            partition: 1,
        };
        for (from, to, expected) in [(1, 4, &[1, 2, 3][..]), (4, 4, &[])] {
            let past = PastRecords::new(base.clone());
            let mut reading = past.read(partition.clone(), Offset(from), Offset(to));
            let (mut begins, mut offsets) = (Vec::new(), Vec::new());
            while let Some(past) = reading.next().await.unwrap() {
                match past {
                    Past::Begins(offset) => begins.push(offset.0),
                    Past::Record(raw) => offsets.push((raw.partition, raw.offset.0)),
                }
            }
            let expected: Vec<_> = expected.iter().map(|offset| (1, *offset)).collect();
            assert_eq!(offsets, expected);
            assert_eq!(begins, [0, 0], "before and after");
        }
    }
}
