//! Dead letters: when too many are withheld, that none is lost, and what the log says of them.

use std::{
    io,
    sync::{Arc, Mutex},
};

use vectide::telemetry::Lane;
use vectide_embedded::kafka::{Request, ResponseError};

use crate::shop::{Shop, envelope, key, lane, row, until};

/// Writes this many records that can't be decoded.
async fn break_converter(shop: &Shop, records: i64) {
    for id in 0..records {
        shop.write(Some(key(id).as_bytes()), Some(b"not json"))
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_letters_are_withheld_and_none_is_lost_over_a_restart() {
    let mut shop = Shop::open().await;
    break_converter(&shop, 150).await;
    let app = shop.member().await;
    let line = lane(&app, Lane::Tables, "blocked").await;
    assert!(
        line.contains("dead_letter.breaker.percent = 0"),
        "it says what to do: {line}"
    );
    until("the rest to be withheld", async || {
        app.metrics().pipeline.withheld.get() > 0
    })
    .await;
    let sent = shop.dead_letters(1).await.len();
    assert!(sent < 150, "{sent} letters");
    app.stop().await.unwrap();

    // The operator lets them out.
    shop.config.dead_letter.breaker.percent = 0;
    let app = shop.member().await;
    shop.at_rest().await;
    let letters = shop.dead_letters(150).await;
    let keys: std::collections::BTreeSet<_> = letters
        .iter()
        .map(|letter| rdkafka::Message::key(letter).unwrap().to_vec())
        .collect();
    assert!(keys.len() > 100, "only {} records", keys.len());
    assert!(app.health().ready());
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn withheld_letters_go_out_once_good_records_come_again() {
    let mut shop = Shop::open().await;
    break_converter(&shop, 150).await;
    let app = shop.member().await;
    lane(&app, Lane::Tables, "blocked").await;
    for id in 0..300 {
        shop.put(id, row("kettle", id)).await;
    }
    lane(&app, Lane::Tables, "ready").await;
    shop.dead_letters(150).await;
    shop.at_rest().await;
    until("nothing to be withheld", async || {
        app.metrics().pipeline.withheld.get() == 0
    })
    .await;
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_few_bad_records_among_many_are_no_reason_to_withhold_them() {
    let mut shop = Shop::open().await;
    for id in 0..200 {
        shop.put(id, row("kettle", id)).await;
    }
    let app = shop.member().await;
    for id in 1_000..1_015 {
        let value = envelope("z", &serde_json::json!({"id": id}));
        shop.write(Some(key(id).as_bytes()), Some(value.as_bytes()))
            .await;
    }
    shop.dead_letters(15).await;
    shop.at_rest().await;
    assert!(app.health().ready());
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_letter_that_is_not_delivered_holds_its_offset_back() {
    let shop = Shop::open().await;
    break_converter(&shop, 1).await;
    let refused = ResponseError::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    shop.kafka
        .fail_requests(Request::Produce, &[refused; 1_000])
        .unwrap();
    let app = shop.member().await;
    let line = lane(&app, Lane::DeadLetter, "blocked").await;
    assert!(
        line.contains("raise the topic's max.message.bytes"),
        "it says what to do: {line}"
    );
    app.stop().await.unwrap();

    // Had its offset been committed, nobody would ever read the record again.
    shop.kafka.clear_failures(Request::Produce).unwrap();
    let app = shop.member().await;
    assert_eq!(shop.dead_letters(1).await.len(), 1);
    shop.at_rest().await;
    app.stop().await.unwrap();
}

/// What this thread logs.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl io::Write for Logged {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Logged {
    /// What is logged of a record whose operation is `operation`, which is none.
    async fn of(operation: &str, row_values: bool) -> String {
        let logged = Self::default();
        let writer = logged.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone());
        // While there is only one subscriber, a line of code that another test's thread comes by first
        // is taken for one that is never logged.
        let _another = tracing::Dispatch::new(tracing_subscriber::registry());
        let logging = tracing::subscriber::set_default(subscriber.finish());
        let mut shop = Shop::open().await;
        shop.config.log.row_values = row_values;
        let app = shop.member().await;
        let value = envelope(operation, &serde_json::json!({"id": 1}));
        shop.write(Some(key(1).as_bytes()), Some(value.as_bytes()))
            .await;
        shop.dead_letters(1).await;
        app.stop().await.unwrap();
        drop(logging);
        let logged = logged.0.lock().unwrap();
        let text = String::from_utf8_lossy(&logged).into_owned();
        let lines = text.lines().filter(|line| line.contains("dead letter: "));
        lines.collect()
    }
}

/// All tasks are on one thread, which is the one whose log is read.
#[tokio::test]
async fn the_log_quotes_a_row_in_a_letter_only_where_it_may() {
    let told = Box::pin(Logged::of("harpsichord", true)).await;
    assert!(told.contains("“harpsichord”"), "{told}");
    let told = Box::pin(Logged::of("harpsichord", false)).await;
    assert!(told.contains("“…”"), "{told}");
    assert!(!told.contains("harpsichord"), "{told}");
}
