//! What embeddings cost: counted to the token, kept over restarts, and never more than the budget.

use std::{
    collections::BTreeMap,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;
use vectide::{
    app::App,
    cost::{Account, Day, Money, Price},
    index::{self, Accounts},
    telemetry::Lane,
};

use crate::shop::{Shop, lane, row, until};

impl Shop {
    async fn open_that_notes_often() -> Self {
        let mut shop = Self::open().await;
        shop.config.cost.note_every = Duration::from_millis(100);
        shop
    }

    /// What all members noted today and, at midnight, yesterday.
    async fn account(&self) -> Account {
        let client = index::connect_client(&self.config.index, &self.qdrant.url()).unwrap();
        let accounts = Accounts::new(client, &self.config.index.collection);
        let today = Day::today();
        let kept = accounts.read(today.before(1), today).await.unwrap();
        let mut sum = Account::default();
        for kept in &kept {
            sum.merge(&kept.account);
        }
        sum
    }

    /// Texts by why they were bought, or weren't.
    async fn texts(&self) -> BTreeMap<&'static str, u64> {
        let mut texts = BTreeMap::new();
        for (entry, figures) in self.account().await.entries() {
            *texts.entry(entry.why.label()).or_default() += figures.texts;
        }
        texts
    }

    /// Tokens that the endpoint charged.
    fn charged(&self) -> u64 {
        self.embeddings.control().stats().tokens
    }

    /// What the program prints, asked about these servers.
    async fn printed(&self, arguments: &[&'static str]) -> String {
        let arguments = arguments.to_vec();
        let folder = self.folder();
        let output = tokio::task::spawn_blocking(move || {
            Command::new(env!("CARGO_BIN_EXE_vectide"))
                .args(arguments)
                .current_dir(folder.path())
                .env_clear()
                .output()
                .unwrap()
        });
        let output = output.await.unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// A folder with the configuration that other processes need.
    fn folder(&self) -> TempDir {
        let endpoints = self.endpoints();
        let mut config = self.config.clone();
        config.kafka.brokers = endpoints.brokers;
        config.embed.url = endpoints.embed_url;
        config.index.url = endpoints.index_url;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("vectide.toml");
        std::fs::write(&file, toml::to_string(&config).unwrap()).unwrap();
        folder
    }

    fn limit_to(&mut self, daily: &str) {
        self.config.cost.budget.daily = Some(daily.parse().unwrap());
    }
}

/// The sum over all labels.
fn metric(app: &App, name: &str) -> f64 {
    let metrics = app.metrics().encode(app.health()).unwrap();
    let lines = metrics.lines().filter(|line| line.starts_with(name));
    lines
        .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
        .sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_bought_and_what_is_not_is_counted_by_why() {
    let mut shop = Shop::open_that_notes_often().await;
    let app = shop.member().await;
    for change in [
        row("red kettle", 5),
        row("red kettle", 4),
        row("red kettle", 4),
        row("blue kettle", 4),
    ] {
        shop.put(1, change).await;
        shop.at_rest().await;
    }
    assert!((metric(&app, "vectide_bought_texts_total{") - 2.0).abs() < 0.1);
    assert!((metric(&app, "vectide_saved_texts_total{") - 2.0).abs() < 0.1);
    app.stop().await.unwrap();
    let expected = [
        ("new", 1),
        ("payload_only", 1),
        ("text_changed", 1),
        ("unchanged", 1),
    ];
    assert_eq!(shop.texts().await, BTreeMap::from(expected));
    let spent = shop.account().await.spent();
    assert_eq!(spent.tokens, shop.charged());
    let price = Price::per_million(0.02).unwrap();
    assert_eq!(spent.money, price.of(spent.tokens));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_change_at_once_are_bought_once_and_so_are_equal_texts() {
    let mut shop = Shop::open_that_notes_often().await;
    let app = shop.member().await;
    for stock in 0..10 {
        shop.put(1, row("red kettle", stock)).await;
    }
    shop.at_rest().await;
    app.stop().await.unwrap();
    let texts = shop.texts().await;
    assert_eq!(texts.get("new"), Some(&1));
    // How many met in the window and how many after depends on the moment.
    let saved: u64 = ["collapsed", "payload_only"]
        .iter()
        .filter_map(|why| texts.get(why))
        .sum();
    assert_eq!(saved, 9, "{texts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_model_is_a_reason_of_its_own() {
    let mut shop = Shop::open_that_notes_often().await;
    let app = shop.member().await;
    shop.put(1, row("red kettle", 5)).await;
    shop.at_rest().await;
    app.stop().await.unwrap();
    shop.config.embed.model = "text-embedding-3-large".to_owned();
    shop.config.kafka.group = "again".to_owned();
    let app = shop.member().await;
    shop.at_rest().await;
    app.stop().await.unwrap();
    let texts = shop.texts().await;
    assert_eq!(texts.get("model_changed"), Some(&1), "{texts:?}");
    let models: Vec<_> = shop
        .account()
        .await
        .entries()
        .filter(|(entry, _)| entry.why.is_bought())
        .map(|(entry, _)| entry.model.to_string())
        .collect();
    assert_eq!(models, ["text-embedding-3-large", "text-embedding-3-small"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sums_are_right_when_members_come_and_go() {
    let mut shop = Shop::open_that_notes_often().await;
    let first = shop.member().await;
    for id in 0..30 {
        shop.put(id, row(&format!("kettle {id}"), 1)).await;
    }
    let second = shop.member().await;
    for id in 30..60 {
        shop.put(id, row(&format!("kettle {id}"), 1)).await;
    }
    shop.equal().await;
    first.stop().await.unwrap();
    for id in 60..90 {
        shop.put(id, row(&format!("kettle {id}"), 1)).await;
    }
    shop.at_rest().await;
    second.stop().await.unwrap();
    assert_eq!(shop.account().await.spent().tokens, shop.charged());
}

/// A member as a process of its own, killed when it is dropped.
struct Process {
    child: Child,
    _folder: TempDir,
}

impl Process {
    fn start(shop: &Shop) -> Self {
        let folder = shop.folder();
        let child = Command::new(env!("CARGO_BIN_EXE_vectide"))
            .arg("run")
            .current_dir(folder.path())
            .env_clear()
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            child,
            _folder: folder,
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_member_noted_before_it_was_killed_counts() {
    let mut shop = Shop::open_that_notes_often().await;
    let killed = Process::start(&shop);
    for id in 0..10 {
        shop.put(id, row(&format!("kettle {id}"), 1)).await;
    }
    shop.equal().await;
    until("all of it to be noted", async || {
        shop.account().await.spent().tokens == shop.charged()
    })
    .await;
    drop(killed);
    let before = shop.charged();
    let app = shop.member().await;
    for id in 10..20 {
        shop.put(id, row(&format!("kettle {id}"), 1)).await;
    }
    shop.at_rest().await;
    app.stop().await.unwrap();
    assert!(shop.charged() > before);
    assert_eq!(shop.account().await.spent().tokens, shop.charged());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spent_budget_stops_nothing_but_the_buying_also_after_a_restart() {
    let mut shop = Shop::open_that_notes_often().await;
    let app = shop.member().await;
    shop.put(1, row("red kettle", 5)).await;
    shop.put(2, row("blue kettle", 5)).await;
    shop.at_rest().await;
    app.stop().await.unwrap();
    let charged = shop.charged();
    assert!(charged > 0);

    // What was spent before counts: the budget is spent at once.
    shop.limit_to(&format!("{charged} tokens"));
    let app = shop.member().await;
    let reason = lane(&app, Lane::Embed, "blocked").await;
    assert!(reason.contains("the day's budget of"), "{reason}");
    shop.put(3, row("green kettle", 5)).await;
    shop.put(1, row("red kettle", 0)).await;
    shop.delete(2).await;
    let without_the_new_one = BTreeMap::from([(1, row("red kettle", 0))]);
    until("stock and delete to be applied", async || {
        shop.indexed().await == without_the_new_one
    })
    .await;
    assert_eq!(shop.charged(), charged);
    app.stop().await.unwrap();

    shop.limit_to("1M tokens");
    let app = shop.member().await;
    shop.at_rest().await;
    lane(&app, Lane::Embed, "ready").await;
    app.stop().await.unwrap();
    assert!(shop.charged() > charged);
    assert_eq!(shop.account().await.spent().tokens, shop.charged());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_is_exceeded_by_one_request_at_most() {
    let mut shop = Shop::open_that_notes_often().await;
    shop.config.embed.batch_inputs = 4;
    // A text is 5 tokens, a request up to 20.
    shop.limit_to("60 tokens");
    let app = shop.member().await;
    for id in 0..60 {
        shop.put(id, row(&format!("kettle {id:02}"), 1)).await;
    }
    lane(&app, Lane::Embed, "blocked").await;
    assert!((60..=80).contains(&shop.charged()), "{}", shop.charged());
    let share = metric(&app, "vectide_cost_budget_spent_ratio{");
    assert!(
        (share - shop.charged() as f64 / 60.0).abs() < 0.001,
        "{share}"
    );
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_wait_for_the_budget_are_parked_and_bought_for_their_own_reasons() {
    let mut shop = Shop::open_that_notes_often().await;
    shop.config.pipeline.park_after = Duration::from_secs(1);
    let app = shop.member().await;
    shop.put(1, row("red kettle", 5)).await;
    shop.at_rest().await;
    app.stop().await.unwrap();

    shop.limit_to(&format!("{} tokens", shop.charged()));
    let app = shop.member().await;
    lane(&app, Lane::Embed, "blocked").await;
    shop.put(1, row("blue kettle", 5)).await;
    shop.put(2, row("green kettle", 5)).await;
    // Nothing holds the offsets up.
    shop.committed().await;
    app.stop().await.unwrap();

    shop.limit_to("1M tokens");
    let app = shop.member().await;
    shop.equal().await;
    app.stop().await.unwrap();
    let texts = shop.texts().await;
    assert_eq!(texts.get("new"), Some(&2), "{texts:?}");
    assert_eq!(texts.get("text_changed"), Some(&1), "{texts:?}");
    assert_eq!(texts.get("model_changed"), None, "{texts:?}");
    assert_eq!(shop.account().await.spent().tokens, shop.charged());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_in_money_needs_a_price() {
    let mut shop = Shop::open().await;
    shop.config.embed.model = "nobody-sells-this".to_owned();
    shop.limit_to("$5");
    let error = App::start_with(
        &shop.config,
        vectide::stand_ins::StandIns::default(),
        shop.endpoints(),
    )
    .await
    .err()
    .unwrap();
    let message = error.to_string();
    assert!(message.contains("cost.budget.daily"), "{message}");
    assert!(message.contains("nobody-sells-this"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_prints_what_the_members_noted() {
    let mut shop = Shop::open_that_notes_often().await;
    let app = shop.member().await;
    shop.put(1, row("red kettle", 5)).await;
    shop.at_rest().await;
    app.stop().await.unwrap();
    let tokens = shop.charged();

    shop.config.cost.budget.monthly = Some("1k tokens".parse().unwrap());
    let text = shop.printed(&["cost"]).await;
    assert!(text.contains(&format!("for {tokens} tokens")), "{text}");
    assert!(text.contains("new     shop.public.products"), "{text}");
    let json = shop.printed(&["cost", "--json"]).await;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let account = &json["month"]["account"];
    assert_eq!(account["tokens"], tokens);
    assert_eq!(account["budget_spent_ratio"], tokens as f64 / 1_000.0);
    let bought = &account["bought"][0];
    assert_eq!(bought["reason"], "new");
    assert_eq!(bought["table"], "shop.public.products");
    let money = Money::from_dollars(bought["usd"].as_f64().unwrap());
    assert_eq!(money, Price::per_million(0.02).ok().map(|it| it.of(tokens)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_estimate_is_made_of_the_records_of_a_topic() {
    let mut shop = Shop::open().await;
    shop.put(1, row("red kettle", 5)).await;
    shop.put(1, row("red kettle", 4)).await;
    shop.put(2, row("blue kettle", 1)).await;
    let arguments = ["estimate", "--json", "--changes-per-day", "30"];
    let json = shop.printed(&arguments).await;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["sample"]["rows"], 2);
    assert_eq!(json["sample"]["changes"], 3);
    assert_eq!(json["sample"]["payload_only"], 1);
    let model = &json["models"][0];
    assert_eq!(model["model"], "text-embedding-3-small");
    let per_item = model["tokens_per_item"].as_f64().unwrap();
    let tokens = model["month_every_change"]["tokens"].as_f64().unwrap();
    assert!((tokens - per_item * 30.0 * 30.0).abs() <= 0.5, "{tokens}");
    assert!(model["share_bought"].as_f64().unwrap() < 1.0);
}
