//! Long texts, of which each chunk has a vector.

use std::time::Duration;

use qdrant_client::qdrant::{DeletePointVectorsBuilder, vector_output::Vector};
use serde_json::Value as Json;
use vectide::{app::App, cli::ExitStatus, config::OverLong, record::RowKey, stand_ins::StandIns};
use vectide_embedded::embeddings::Failure;

use crate::shop::{Shop, row, until};

/// A title of some sixty tokens, whose last word is nowhere else.
const LONG: &str = "A kettle of enamelled steel, red outside and white inside. \
    It boils a litre of water in four minutes on gas. \
    Its handle is of beech wood and stays cool. \
    The lid fits tightly, and the spout pours without a drip. \
    In the box there is a booklet that tells the story of a harpsichord.";

/// A shop whose texts are split into chunks of sixteen tokens.
async fn chunking_shop() -> Shop {
    let mut shop = Shop::open().await;
    shop.config.embed.dimensions = 256;
    shop.config.embed.over_long = OverLong::Chunk;
    shop.config.embed.max_input_tokens = Some(16);
    shop
}

impl Shop {
    /// How many vectors a row's point has.
    async fn vectors(&self, id: i64) -> usize {
        let wanted = self.point_of(&RowKey::single_integer(id));
        let points = self.points().await.into_iter();
        let point = points
            .into_iter()
            .find(|point| point.id.as_ref() == Some(&wanted));
        let vectors = point.and_then(|point| point.vectors);
        let vector = vectors.and_then(|it| it.get_vector_by_name(&self.config.index.vector));
        match vector {
            Some(Vector::MultiDense(multi)) => multi.vectors.len(),
            Some(other) => panic!("{other:?}"),
            None => 0,
        }
    }

    /// The key and the score of what `vectide search` finds first.
    async fn nearest(&self, words: &str) -> (String, f64) {
        let (status, text) = self
            .vectide(&["search", words, "--json", "--limit", "1"])
            .await;
        assert_eq!(status, ExitStatus::Success, "{text}");
        let found: Json = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
        let key = found[0]["key"].as_str().unwrap_or_default();
        (key.to_owned(), found[0]["score"].as_f64().unwrap())
    }

    fn inputs(&self) -> u64 {
        self.embeddings.control().stats().inputs
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_row_is_found_by_its_last_words_and_costs_nothing_until_its_text_changes() {
    let mut shop = chunking_shop().await;
    let app = shop.addressed_member().await;
    shop.put(1, row(LONG, 3)).await;
    for id in 2..8 {
        shop.put(id, row(&format!("Pan {id}"), 1)).await;
    }
    shop.equal().await;
    shop.at_rest().await;
    let chunks = shop.vectors(1).await;
    assert!(chunks >= 4, "{chunks}");
    assert_eq!(shop.vectors(2).await, 1);
    assert_eq!(shop.inputs(), chunks as u64 + 6);
    let (key, score) = shop.nearest("the story of a harpsichord").await;
    assert_eq!(key, "[1]");
    // Of the whole text in one vector it would be about a third.
    assert!(score > 0.6, "{score}");

    // A flip is a patch: the vectors stay, and nothing is bought.
    let bought = shop.inputs();
    shop.put(1, row(LONG, 0)).await;
    shop.at_rest().await;
    assert_eq!((shop.vectors(1).await, shop.inputs()), (chunks, bought));
    let (key, again) = shop.nearest("the story of a harpsichord").await;
    assert_eq!(key, "[1]");
    assert!((again - score).abs() < 1e-3, "{again}, not {score}");

    // Vectors that were lost are found missing, and bought again, all of them.
    let lost = DeletePointVectorsBuilder::new("products")
        .points_selector(vec![shop.point_of(&RowKey::single_integer(1))])
        .vectors(vec![shop.config.index.vector.clone()])
        .wait(true);
    shop.qdrant_client().delete_vectors(lost).await.unwrap();
    let bought = shop.inputs();
    let (status, text) = shop.vectide(&["audit", "--repair"]).await;
    assert_eq!(status, ExitStatus::Success, "{text}");
    shop.at_rest().await;
    let bought = bought + chunks as u64;
    assert_eq!((shop.vectors(1).await, shop.inputs()), (chunks, bought));

    // Index and table agree, and a group that reads all again buys nothing.
    let (status, text) = shop.vectide(&["audit"]).await;
    assert_eq!(status, ExitStatus::Success, "{text}");
    app.stop().await.unwrap();
    "another".clone_into(&mut shop.config.kafka.group);
    let bought = shop.inputs();
    let app = shop.member().await;
    shop.at_rest().await;
    assert_eq!((shop.vectors(1).await, shop.inputs()), (chunks, bought));

    // A shorter text has fewer vectors, and is not found by what it does not say any more.
    shop.put(1, row("A kettle of enamelled steel", 0)).await;
    shop.at_rest().await;
    assert_eq!((shop.vectors(1).await, shop.inputs()), (1, bought + 1));
    let (_, score) = shop.nearest("the story of a harpsichord").await;
    assert!(score < 0.5, "{score}");
    shop.delete(1).await;
    shop.at_rest().await;
    assert_eq!(shop.vectors(1).await, 0);
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_row_that_was_parked_gets_all_its_vectors_from_the_next_owner() {
    let mut shop = chunking_shop().await;
    shop.config.pipeline.park_after = Duration::from_millis(500);
    shop.config.embed.timeout = Duration::from_mins(5);
    // Two chunks are under way, and the others wait.
    shop.config.embed.batch_inputs = 2;
    shop.config.embed.concurrency = 1;
    let app = shop.member().await;
    let control = shop.embeddings.control().clone();
    control.update(|it| it.stall = true);
    for id in 1..6 {
        shop.put(id, row(&format!("{LONG} {id}"), 1)).await;
    }
    until("rows to be parked", async || parked(&app) >= 4).await;
    app.stop().await.unwrap();
    assert_eq!(
        shop.indexed().await.len(),
        0,
        "no search finds a parked row"
    );
    control.update(|it| it.stall = false);
    let app = shop.member().await;
    shop.equal().await;
    shop.at_rest().await;
    for id in 1..6 {
        let chunks = shop.vectors(id).await;
        assert!(chunks >= 4, "{chunks}");
    }
    app.stop().await.unwrap();
}

fn parked(app: &App) -> u64 {
    let metrics = app.metrics().encode(app.health()).unwrap();
    let settled = "vectide_records_settled_total{as=\"parked\"} ";
    let count = metrics.lines().find_map(|line| line.strip_prefix(settled));
    count.map_or(0, |count| count.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_whose_first_chunks_were_answered_before_an_outage_is_written_whole_after_it() {
    let mut shop = chunking_shop().await;
    shop.config.embed.batch_inputs = 2;
    shop.config.embed.concurrency = 1;
    let control = shop.embeddings.control().clone();
    let app = shop.member().await;
    shop.put(1, row("Pan", 1)).await;
    shop.equal().await;
    control.update(|it| it.latency_ms = 300);
    shop.put(2, row(LONG, 1)).await;
    until("its first chunks", async || shop.inputs() >= 3).await;
    control.update(|it| it.fail = Some(Failure::times(5, 503)));
    shop.equal().await;
    shop.at_rest().await;
    let chunks = shop.vectors(2).await;
    assert!(chunks >= 4, "{chunks}");
    assert_eq!(
        shop.inputs(),
        1 + chunks as u64,
        "each chunk is bought once"
    );
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chunk_that_is_refused_is_its_rows_own_fault() {
    let mut shop = chunking_shop().await;
    let control = shop.embeddings.control().clone();
    control.update(|it| it.refuse_containing = Some("harpsichord".to_owned()));
    let app = shop.member().await;
    shop.put(1, row(LONG, 1)).await;
    for id in 2..8 {
        let long = LONG.replace("harpsichord", "spinet");
        shop.put(id, row(&format!("{long} {id}"), 1)).await;
    }
    shop.table.remove(&1);
    shop.equal().await;
    let letters = shop.dead_letters(1).await;
    let reason = crate::shop::header(&letters[0], "__connect.errors.exception.message");
    let reason = reason.unwrap_or_else(|| format!("{:?}", letters[0]));
    assert!(reason.contains("chunk "), "{reason}");
    shop.at_rest().await;
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_way_to_split_is_another_model() {
    let mut shop = chunking_shop().await;
    let app = shop.addressed_member().await;
    shop.put(1, row(LONG, 1)).await;
    shop.at_rest().await;
    shop.config.embed.max_input_tokens = Some(32);
    let (status, text) = shop.vectide(&["audit"]).await;
    assert_eq!(status, ExitStatus::Differs, "{text}");
    assert!(text.contains("the vector of another model"), "{text}");
    let (_, text) = shop.vectide(&["explain", "1"]).await;
    assert!(
        text.contains(";chunks=16/0/16, but configured is"),
        "{text}"
    );
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collection_that_has_one_vector_a_point_is_refused_at_the_start() {
    let mut shop = Shop::open().await;
    shop.member().await.stop().await.unwrap();
    shop.config.embed.over_long = OverLong::Chunk;
    let started = App::start_with(&shop.config, StandIns::default(), shop.endpoints()).await;
    let error = format!("{:#}", started.err().unwrap());
    assert!(error.contains("needs a multivector"), "{error}");
    assert!(error.contains("`vectide reindex`"), "{error}");
}
