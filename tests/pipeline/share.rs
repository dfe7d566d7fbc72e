//! Members of a group learn what part of the partitions is theirs.

use std::sync::{Arc, Mutex};

use rdkafka::ClientConfig;
use tokio::sync::{mpsc::unbounded_channel, oneshot};
use vectide::{
    commit::Frontier,
    config::Config,
    lease::Lease,
    record::{Share, TopicPartition},
    source::{Budget, Feed, Gate, LastCommitted, Partitions, Source},
    telemetry::{Health, Metrics},
};
use vectide_embedded::kafka::{EmbeddedKafka, KafkaOptions};

use crate::shop::until;

/// Reads nothing, and remembers what it was told.
#[derive(Clone, Default)]
struct Listener(Arc<Mutex<Option<Share>>>);

impl Partitions for Listener {
    fn assign(&self, _: TopicPartition, _: LastCommitted) -> Feed {
        // Nothing is in flight here: nobody listens.
        let (records, _) = unbounded_channel();
        let (drain, _) = oneshot::channel();
        Feed {
            records,
            frontier: Frontier::default(),
            gate: Gate::default(),
            drain,
        }
    }

    fn set_share(&self, share: Share) {
        *self.0.lock().unwrap() = Some(share);
    }
}

impl Listener {
    fn join(base: &ClientConfig) -> (Self, Source) {
        let mut config = Config::default();
        config.kafka.topics = vec!["shop.orders".to_owned(), "^stock[.]".to_owned()];
        let (listener, metrics) = (Self::default(), Metrics::new().unwrap());
        let budget = Budget::new(1 << 20, 0, metrics.pipeline.budget_used.clone());
        let source = Source::start(
            base,
            &config,
            Box::new(listener.clone()),
            budget,
            Lease::unlimited(),
            &metrics,
            &Health::default(),
        );
        (listener, source.unwrap())
    }

    fn has(&self, share: Share) -> bool {
        *self.0.lock().unwrap() == Some(share)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_rebalance_tells_each_member_its_share_of_the_partitions() {
    let kafka = EmbeddedKafka::start(KafkaOptions::default()).unwrap();
    for (topic, partitions) in [("shop.orders", 2), ("stock.a", 2), ("other", 3)] {
        kafka.create_topic(topic, partitions).unwrap();
    }
    let mut base = ClientConfig::new();
    base.set("bootstrap.servers", kafka.bootstrap_servers());

    let (first, first_source) = Listener::join(&base);
    until("all of it", async || first.has(Share::WHOLE)).await;
    let (second, second_source) = Listener::join(&base);
    until("half of it", async || {
        first.has(Share::of(2, 4)) && second.has(Share::of(2, 4))
    })
    .await;
    tokio::task::spawn_blocking(move || second_source.stop())
        .await
        .unwrap();
    until("all of it again", async || first.has(Share::WHOLE)).await;
    tokio::task::spawn_blocking(move || first_source.stop())
        .await
        .unwrap();
}
