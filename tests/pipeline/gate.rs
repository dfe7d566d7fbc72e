//! The source alone, with a partition that stands still.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use rdkafka::{
    ClientConfig,
    producer::{FutureProducer, FutureRecord},
};
use tokio::sync::{mpsc::UnboundedReceiver, mpsc::unbounded_channel, oneshot};
use vectide::{
    commit::Frontier,
    config::Config,
    lease::Lease,
    record::{RawRecord, Share, TopicPartition},
    source::{Budget, Feed, Gate, LastCommitted, Partitions, Source},
    telemetry::{Health, Metrics},
};
use vectide_embedded::kafka::{EmbeddedKafka, KafkaOptions};

use crate::shop::until;

const TOPIC: &str = "shop.public.orders";

/// Takes what each partition gets, and settles nothing.
#[derive(Clone, Default)]
struct Taps(Arc<Mutex<HashMap<i32, Tap>>>);

struct Tap {
    gate: Gate,
    records: UnboundedReceiver<Vec<RawRecord>>,
    taken: usize,
}

impl Partitions for Taps {
    fn assign(&self, partition: TopicPartition, _: LastCommitted) -> Feed {
        let (records, taken) = unbounded_channel();
        // Nothing is in flight here: nobody listens.
        let (drain, _) = oneshot::channel();
        let gate = Gate::default();
        let tap = Tap {
            gate: gate.clone(),
            records: taken,
            taken: 0,
        };
        self.0.lock().unwrap().insert(partition.partition, tap);
        Feed {
            records,
            frontier: Frontier::default(),
            gate,
            drain,
        }
    }

    fn set_share(&self, _: Share) {}
}

impl Taps {
    /// How many records a partition has got so far.
    fn taken(&self, partition: i32) -> usize {
        let mut taps = self.0.lock().unwrap();
        let Some(tap) = taps.get_mut(&partition) else {
            return 0;
        };
        while let Ok(records) = tap.records.try_recv() {
            tap.taken += records.len();
        }
        tap.taken
    }

    fn set_closed(&self, partition: i32, closed: bool) {
        self.0.lock().unwrap()[&partition].gate.set_closed(closed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_whose_gate_is_closed_gets_nothing_and_the_others_go_on() {
    let kafka = EmbeddedKafka::start(KafkaOptions::default()).unwrap();
    kafka.create_topic(TOPIC, 2).unwrap();
    let mut base = ClientConfig::new();
    base.set("bootstrap.servers", kafka.bootstrap_servers());
    let producer: FutureProducer = base.create().unwrap();
    let produce = async |count: usize| {
        for record in 0..2 * count {
            let partition = i32::try_from(record % 2).unwrap();
            let record: FutureRecord<'_, str, str> =
                FutureRecord::to(TOPIC).partition(partition).payload("x");
            producer
                .send(record, Duration::from_secs(30))
                .await
                .unwrap();
        }
    };
    let mut config = Config::default();
    config.kafka.topics = vec![TOPIC.to_owned()];
    let (taps, metrics) = (Taps::default(), Metrics::new().unwrap());
    let budget = Budget::new(1 << 20, 0, metrics.pipeline.budget_used.clone());
    let source = Source::start(
        &base,
        &config,
        Box::new(taps.clone()),
        budget,
        Lease::unlimited(),
        &metrics,
        &Health::default(),
    )
    .unwrap();

    produce(10).await;
    for partition in 0..2 {
        until("the first records", async || taps.taken(partition) == 10).await;
    }
    taps.set_closed(0, true);
    until("the pause", async || metrics.kafka.paused.get() == 1).await;
    produce(10).await;
    until("the other partition", async || taps.taken(1) == 20).await;
    assert_eq!(taps.taken(0), 10, "its gate is closed");

    taps.set_closed(0, false);
    until("what was waiting", async || taps.taken(0) == 20).await;
    assert_eq!(metrics.kafka.paused.get(), 0);
    tokio::task::spawn_blocking(move || source.stop())
        .await
        .unwrap();
}
