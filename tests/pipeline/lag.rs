//! What the metrics say about how far the group has come.

use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
};
use vectide::app::App;

use crate::shop::{Shop, TOPIC, row, until};

/// The values of a metric, one a series.
fn values(app: &App, metric: &str) -> Vec<f64> {
    let page = app.metrics().encode(app.health()).unwrap();
    let series = page.lines().filter(|line| line.starts_with(metric));
    let values = series.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap());
    values.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_not_settled_grows_old_and_is_counted_by_partition() {
    let mut shop = Shop::open().await;
    let app = shop.member().await;
    shop.embeddings
        .control()
        .update(|behaviour| behaviour.stall = true);
    shop.put(1, row("kettle", 5)).await;
    until("one record to be behind, for a while", async || {
        let records = values(&app, "vectide_kafka_lag_records{");
        let seconds = values(&app, "vectide_kafka_lag_seconds{");
        let behind = records.iter().sum::<f64>();
        records.len() == 3 && (behind - 1.0).abs() < 0.5 && seconds.iter().any(|age| *age > 1.0)
    })
    .await;
    assert_eq!(values(&app, "vectide_kafka_topic_partitions{"), [3.0]);
    shop.embeddings
        .control()
        .update(|behaviour| behaviour.stall = false);
    shop.equal().await;
    until("nothing to be behind", async || {
        ["vectide_kafka_lag_records{", "vectide_kafka_lag_seconds{"]
            .iter()
            .all(|metric| values(&app, metric).iter().all(|behind| *behind < 0.001))
    })
    .await;
    let visible = values(
        &app,
        "vectide_visible_latency_seconds_count{write=\"upsert\"}",
    );
    assert_eq!(visible, [1.0]);
    app.stop().await.unwrap();
}

/// As when retention was faster than the reading, or the topic was made anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_committed_offset_that_kafka_does_not_have_is_counted_and_reading_begins_at_the_oldest_record()
 {
    let mut shop = Shop::open().await;
    for id in 0..9 {
        shop.put(id, row("kettle", id)).await;
    }
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", shop.kafka.bootstrap_servers())
        .set("group.id", &shop.config.kafka.group)
        .create()
        .unwrap();
    let mut offsets = TopicPartitionList::new();
    offsets
        .add_partition_offset(TOPIC, 0, Offset::Offset(1_000))
        .unwrap();
    consumer.commit(&offsets, CommitMode::Sync).unwrap();

    let app = shop.member().await;
    shop.equal().await;
    assert_eq!(app.metrics().kafka.offset_resets.get(), 1);
    app.stop().await.unwrap();
}
