//! Another model without downtime: two indexes of one table, and the alias that searchers use.

use std::{path::Path, process::Command};

use serde_json::Value as Json;
use vectide::{
    config::{Config, OverLong},
    index::{self, alias},
};

use crate::shop::{Shop, TOPIC, row, until};

const ALIAS: &str = "products-live";

/// A shop, the next configuration beside its own, and a folder with files of both.
struct Change {
    shop: Shop,
    next: Config,
    folder: tempfile::TempDir,
}

impl Change {
    async fn begin() -> Self {
        let mut shop = Shop::open().await;
        let endpoints = shop.endpoints();
        shop.config.kafka.brokers = endpoints.brokers;
        shop.config.index.url = endpoints.index_url;
        shop.config.embed.url = endpoints.embed_url;
        let mut next = shop.config.clone();
        "vectide-next".clone_into(&mut next.kafka.group);
        "products-next".clone_into(&mut next.index.collection);
        "text-embedding-3-large".clone_into(&mut next.embed.model);
        let change = Self {
            shop,
            next,
            folder: tempfile::tempdir().unwrap(),
        };
        change.write_files();
        change
    }

    fn write_files(&self) {
        for (name, config) in [
            ("vectide.toml", &self.shop.config),
            ("next.toml", &self.next),
        ] {
            let text = toml::to_string(config).unwrap();
            std::fs::write(self.folder.path().join(name), text).unwrap();
        }
    }

    /// Exit code, output, errors.
    async fn reindex(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vectide"));
        let common = ["--next", "next.toml", "--alias", ALIAS];
        command
            .arg("reindex")
            .args(arguments)
            .args(common)
            .current_dir(self.folder.path())
            .env_clear();
        let output = tokio::task::spawn_blocking(move || command.output());
        let output = output.await.unwrap().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    }

    fn client(&self) -> index::Client {
        index::connect_client(&self.shop.config.index, &self.shop.config.index.url).unwrap()
    }

    async fn meaning(&self) -> Option<String> {
        alias::meaning(&self.client(), ALIAS).await.unwrap()
    }
}

fn json(printed: &str) -> Json {
    serde_json::from_str(printed).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn searchers_change_over_to_a_complete_index_and_back() {
    let mut change = Change::begin().await;
    let words = ["tent", "stove", "boots", "rope", "lamp", "kettle"];
    for id in 1..=30 {
        let word = words[usize::try_from(id).unwrap() % words.len()];
        change
            .shop
            .put(id, row(&format!("Red {word} number {id}"), id))
            .await;
    }
    let current = change.shop.member().await;
    change.shop.equal().await;
    change.shop.committed().await;
    let client = change.client();
    alias::move_to(&client, ALIAS, None, "products")
        .await
        .unwrap();

    // Nothing to look at yet, and the way to it is said.
    let (code, _, errors) = change.reindex(&["status"]).await;
    assert_eq!(code, Some(1));
    assert!(
        errors.contains("products-next does not exist: `vectide run` makes it"),
        "{errors}"
    );

    // The next index gets no vectors.
    let control = change.shop.embeddings.control().clone();
    control.update(|it| it.stall = true);
    let config = std::mem::replace(&mut change.shop.config, change.next.clone());
    let next = change.shop.member().await;
    let (code, printed, errors) = change.reindex(&["swap"]).await;
    assert_eq!((code, errors.as_str()), (Some(1), ""), "{printed}");
    assert!(
        printed.contains("Not now: products-next has 0 rows and products has 30"),
        "{printed}"
    );
    assert!(printed.contains("Still to be bought: about "), "{printed}");
    assert_eq!(change.meaning().await.as_deref(), Some("products"));

    control.update(|it| it.stall = false);
    change.shop.equal().await;
    change.shop.committed().await;
    let (code, printed, _) = change.reindex(&["swap", "--json"]).await;
    assert_eq!(code, Some(0), "{printed}");
    let standing = json(&printed);
    assert_eq!(
        (&standing["sampled"], &standing["missing"]),
        (&30.into(), &0.into())
    );
    assert!(standing["agreement"].as_f64() > Some(0.9), "{standing}");
    assert_eq!(standing["means"], "products-next");
    assert_eq!(change.meaning().await.as_deref(), Some("products-next"));

    // Both go on, so that there is a way back.
    change.shop.put(31, row("Blue kayak", 1)).await;
    change.shop.equal().await;
    change.shop.config = config;
    change.shop.equal().await;
    change.shop.committed().await;
    let (code, printed, _) = change.reindex(&["rollback"]).await;
    assert_eq!(code, Some(0), "{printed}");
    assert_eq!(change.meaning().await.as_deref(), Some("products"));

    // Without its member the current index falls behind, and nobody should go back to it.
    let (code, _, _) = change.reindex(&["swap"]).await;
    assert_eq!(code, Some(0));
    current.stop().await.unwrap();
    change.shop.delete(31).await;
    change.shop.config = change.next.clone();
    change.shop.equal().await;
    change.shop.committed().await;
    let (code, printed, _) = change.reindex(&["rollback", "--max-lag", "0"]).await;
    assert_eq!(code, Some(1), "{printed}");
    assert!(
        printed.contains("Not now: vectide is 2 records behind"),
        "{printed}"
    );
    assert_eq!(change.meaning().await.as_deref(), Some("products-next"));
    let (code, _, _) = change
        .reindex(&["rollback", "--max-lag", "0", "--force"])
        .await;
    assert_eq!(code, Some(0));
    assert_eq!(change.meaning().await.as_deref(), Some("products"));
    next.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn searchers_change_over_to_an_index_of_chunks() {
    let mut change = Change::begin().await;
    change.next.embed.model = change.shop.config.embed.model.clone();
    change.next.embed.over_long = OverLong::Chunk;
    change.next.embed.max_input_tokens = Some(16);
    change.write_files();
    let words = ["tent", "stove", "boots", "rope", "lamp", "kettle"];
    for id in 1..=30 {
        let word = words[usize::try_from(id).unwrap() % words.len()];
        // Some are of two chunks.
        let times = if id % 5 == 0 { 6 } else { 1 };
        let title = format!("Red {word} number {id}. ").repeat(times);
        change.shop.put(id, row(&title, id)).await;
    }
    let current = change.shop.member().await;
    change.shop.equal().await;
    change.shop.committed().await;
    alias::move_to(&change.client(), ALIAS, None, "products")
        .await
        .unwrap();
    change.shop.config = change.next.clone();
    let next = change.shop.member().await;
    change.shop.equal().await;
    change.shop.committed().await;
    let (code, printed, errors) = change.reindex(&["swap", "--json"]).await;
    assert_eq!(code, Some(0), "{printed}{errors}");
    let standing = json(&printed);
    assert_eq!(standing["missing"], 0);
    assert!(standing["agreement"].as_f64() > Some(0.5), "{standing}");
    assert_eq!(change.meaning().await.as_deref(), Some("products-next"));
    next.stop().await.unwrap();
    current.stop().await.unwrap();
}

type Spoil = fn(&mut Config);

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_two_indexes_of_one_table_is_refused() {
    let mut change = Change::begin().await;
    let right = change.next.clone();
    let wrong: [(Spoil, &str); 4] = [
        (
            |next| next.kafka.group = "vectide".to_owned(),
            "both configurations have the same kafka.group",
        ),
        (
            |next| next.index.collection = "products".to_owned(),
            "both configurations have the same index.collection",
        ),
        (
            |next| next.kafka.topics = vec!["shop.public.orders".to_owned()],
            "the configurations differ in kafka.topics",
        ),
        (
            |next| next.index.vector = "title".to_owned(),
            "the configurations differ in index.vector",
        ),
    ];
    for (spoil, message) in wrong {
        change.next = right.clone();
        spoil(&mut change.next);
        change.write_files();
        let (code, _, errors) = change.reindex(&["status"]).await;
        assert_eq!((code, errors), (Some(2), format!("vectide: {message}\n")));
    }
    assert_eq!(change.shop.config.kafka.topics, [TOPIC]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_that_a_member_writes_to_is_never_moved() {
    let mut change = Change::begin().await;
    let current = change.shop.member().await;
    change.shop.config = change.next.clone();
    let next = change.shop.member().await;
    let client = change.client();
    until("both collections", async || {
        let moved = alias::move_to(&client, "written", None, "products").await;
        moved.is_ok() && index_exists(&change, "products-next").await
    })
    .await;
    for file in ["vectide.toml", "next.toml"] {
        let path = change.folder.path().join(file);
        let right = std::fs::read_to_string(&path).unwrap();
        rename(&path, "written");
        let (code, _, errors) = change.reindex(&["swap"]).await;
        assert_eq!(code, Some(2), "{errors}");
        assert!(
            errors.starts_with("vectide: \"written\" is an alias, and is written to"),
            "{errors}"
        );
        std::fs::write(path, right).unwrap();
    }
    current.stop().await.unwrap();
    next.stop().await.unwrap();
}

async fn index_exists(change: &Change, collection: &str) -> bool {
    let searcher = index::Searcher::new(change.client(), collection, "text");
    searcher.ask().await.is_ok()
}

/// Names another collection in a configuration file.
fn rename(path: &Path, collection: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    let mut config: toml::Table = text.parse().unwrap();
    config["index"]["collection"] = collection.into();
    std::fs::write(path, config.to_string()).unwrap();
}
