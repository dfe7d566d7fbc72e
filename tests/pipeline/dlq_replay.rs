//! `vectide dlq replay`: letters are applied where they are still news, and nowhere else.

use serde_json::{Value as Json, json};
use vectide::{app::App, cli::ExitStatus};

use crate::shop::{Row, Shop, envelope, key, row};

/// Writes a row that can't be read before `rows.types` says what a price is. The table has it, too.
async fn put_unreadable(shop: &mut Shop, id: i64, row: Row) {
    let after = json!({"id": id, "title": row.0, "stock": row.1, "price": "AfQ="});
    let value = envelope("u", &after);
    shop.table.insert(id, row);
    shop.write(Some(key(id).as_bytes()), Some(value.as_bytes()))
        .await;
}

impl Shop {
    /// The member stops, the configuration is corrected, and another one starts.
    async fn mend(&mut self, member: App) -> App {
        member.stop().await.unwrap();
        let price = "decimal(2)".parse().unwrap();
        self.config.rows.types.insert("price".to_owned(), price);
        self.addressed_member().await
    }

    async fn replay(&self, arguments: &[&str]) -> (ExitStatus, Vec<Json>) {
        let all = [&["dlq", "replay", "--json"], arguments].concat();
        let (status, text) = self.vectide(&all).await;
        let json: Json = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
        (status, json["letters"].as_array().unwrap().clone())
    }

    /// How many letters are not done with.
    async fn letters_left(&self) -> Json {
        let (_, text) = self.vectide(&["dlq", "list", "--json"]).await;
        let json: Json = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
        json["letters"].clone()
    }
}

fn outcomes(letters: &[Json]) -> Vec<&str> {
    letters
        .iter()
        .map(|letter| letter["outcome"].as_str().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_letter_that_can_be_read_after_a_correction_is_applied_and_done_with() {
    let mut shop = Shop::open().await;
    let app = shop.addressed_member().await;
    shop.put(1, row("Tent", 3)).await;
    shop.equal().await;
    put_unreadable(&mut shop, 1, row("Tarp", 5)).await;
    put_unreadable(&mut shop, 2, row("Kettle", 7)).await;
    shop.dead_letters(2).await;
    shop.committed().await;

    let (status, letters) = shop.replay(&["--all"]).await;
    assert_eq!(status, ExitStatus::Failure, "{letters:?}");
    assert_eq!(outcomes(&letters), ["refused", "refused"]);
    assert!(
        letters[0]["why"].as_str().unwrap().contains("rows.types"),
        "it says what to do: {letters:?}"
    );
    assert_eq!(shop.letters_left().await, 2, "they stay, and no more come");

    let app = shop.mend(app).await;
    let (status, letters) = shop.replay(&["--all"]).await;
    assert_eq!(outcomes(&letters), ["applied", "applied"]);
    assert_eq!(status, ExitStatus::Success);
    shop.at_rest().await;
    assert_eq!(shop.letters_left().await, 0);
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_letter_whose_row_changed_since_overwrites_nothing() {
    let mut shop = Shop::open().await;
    let app = shop.addressed_member().await;
    for id in [1, 2] {
        shop.put(id, row("Tent", 3)).await;
    }
    shop.equal().await;
    for id in [1, 2] {
        put_unreadable(&mut shop, id, row("Tarp", 5)).await;
    }
    shop.dead_letters(2).await;
    // The one as it was before, which leaves no trace in the index; the other anew.
    shop.put(1, row("Tent", 3)).await;
    shop.put(2, row("Canopy", 9)).await;
    shop.equal().await;
    shop.at_rest().await;

    let app = shop.mend(app).await;
    let (status, letters) = shop.replay(&["--reason", "undecodable_value"]).await;
    assert_eq!(outcomes(&letters), ["superseded", "superseded"]);
    assert_eq!(status, ExitStatus::Success);
    shop.at_rest().await;
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_letter_whose_row_was_deleted_since_stays_deleted() {
    let mut shop = Shop::open().await;
    let app = shop.addressed_member().await;
    put_unreadable(&mut shop, 1, row("Tarp", 5)).await;
    shop.dead_letters(1).await;
    shop.delete(1).await;
    shop.put(2, row("Kettle", 7)).await;
    shop.equal().await;
    shop.at_rest().await;

    let app = shop.mend(app).await;
    let (_, letters) = shop.replay(&["--key", "[1]"]).await;
    assert_eq!(outcomes(&letters), ["superseded"]);
    shop.at_rest().await;
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_answers_stays_asked_for_until_a_member_comes() {
    let mut shop = Shop::open().await;
    let app = shop.addressed_member().await;
    put_unreadable(&mut shop, 1, row("Tarp", 5)).await;
    shop.dead_letters(1).await;
    shop.committed().await;
    app.stop().await.unwrap();
    let price = "decimal(2)".parse().unwrap();
    shop.config.rows.types.insert("price".to_owned(), price);

    let arguments = ["dlq", "replay", "--all", "--patience", "1s"];
    let (status, text) = shop.vectide(&arguments).await;
    assert_eq!(status, ExitStatus::Failure, "{text}");
    assert!(
        text.contains("1 row waits: no member of the group vectide has answered for 1s."),
        "{text}"
    );
    assert_eq!(shop.letters_left().await, 1);

    let app = shop.addressed_member().await;
    shop.equal().await;
    // Asked for again, there is nothing to do, and the letter is done with.
    let (status, letters) = shop.replay(&["--all"]).await;
    assert_eq!(outcomes(&letters), ["unchanged"]);
    assert_eq!(status, ExitStatus::Success);
    shop.at_rest().await;
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_with_news_on_their_way_while_letters_are_replayed_end_as_the_table_does() {
    let mut shop = Shop::open().await;
    let app = shop.addressed_member().await;
    for id in 0..20 {
        put_unreadable(&mut shop, id, row("Tarp", 5)).await;
    }
    shop.dead_letters(20).await;
    let app = shop.mend(app).await;
    // The member has yet to take most of these in when it is asked.
    for stock in 100..400 {
        shop.put(stock % 10, row("Tent", stock)).await;
    }
    let (status, letters) = shop.replay(&["--all"]).await;
    assert_eq!(status, ExitStatus::Success, "{letters:?}");
    let applied = outcomes(&letters);
    let count = |label| applied.iter().filter(|it| **it == label).count();
    assert_eq!((count("applied"), count("superseded")), (10, 10));
    shop.equal().await;
    shop.at_rest().await;
    app.stop().await.unwrap();
}
