//! Requests that are sent twice, over loopback.

use futures_util::stream;
use tokio::sync::Notify;

use super::*;
use crate::cost::{Account, Why};

/// An answer that begins, and never ends.
fn endless() -> Response {
    let body = stream::pending::<Result<Bytes, io::Error>>();
    Body::from_stream(body).into_response()
}

/// A shop that has earned a hedge by the requests 0 to 19, for which a request is late after 30 ms.
async fn shop(endpoint: &Endpoint, books: Books) -> Shop {
    let settings = Settings {
        hedge_after: Some(30 * MS),
        ..settings(endpoint.address)
    };
    let mut shop = Shop::open_with(&settings, books);
    for number in 0..20 {
        let text = format!("text {number}");
        assert_eq!(shop.buy(&[&text]).await, [bought(&text)]);
    }
    shop
}

fn hedged(books: &Books) -> (u64, u64) {
    let mut sum = Account::default();
    for (_, account) in books.to_be_noted() {
        sum.merge(&account);
    }
    let hedged = sum
        .entries()
        .filter(|(it, _)| it.why == Why::Bought(Reason::Hedge));
    let figures = hedged.map(|(entry, figures)| {
        assert_eq!(&*entry.table, "shop.products");
        (figures.texts, figures.tokens)
    });
    figures.last().unwrap_or_default()
}

#[tokio::test]
async fn of_two_requests_the_first_answer_counts_and_both_are_in_the_books() {
    let endpoint = Endpoint::start(|n, seen| if n == 20 { endless() } else { seen.answer() }).await;
    let books = books(None, None, &Hand::default());
    let mut shop = shop(&endpoint, books.clone()).await;
    assert_eq!(
        shop.buy(&["tea", "coffee"]).await,
        [bought("tea"), bought("coffee")]
    );
    let seen = endpoint.seen();
    assert_eq!(seen.len(), 22);
    assert_eq!(seen[20].body, seen[21].body);
    assert_eq!(hedged(&books), (2, 3));
    assert_eq!(shop.metrics.hedges.with_label_values(&["won"]).get(), 1);
    while shop.metrics.in_flight.get() > 0 {
        tokio::time::sleep(MS).await;
    }
    // The one that was given up is in nobody's way.
    assert_eq!(shop.buy(&["milk"]).await, [bought("milk")]);
}

#[tokio::test]
async fn a_second_request_that_fails_costs_the_first_nothing() {
    let gate = Arc::new(Notify::new());
    let opened = gate.clone();
    let endpoint = Endpoint::start(move |n, seen| match n {
        20 => {
            let (gate, answer) = (gate.clone(), seen.answer().into_body());
            let body = stream::once(async move {
                gate.notified().await;
                axum::body::to_bytes(answer, usize::MAX).await
            });
            Body::from_stream(body).into_response()
        }
        21 => error(500, "oops"),
        _ => seen.answer(),
    })
    .await;
    let books = books(None, None, &Hand::default());
    let mut shop = shop(&endpoint, books.clone()).await;
    shop.ask(&["tea"]);
    let failed = shop.metrics.requests.with_label_values(&["transient"]);
    while failed.get() == 0 {
        tokio::time::sleep(MS).await;
    }
    assert_eq!(shop.health.get(Lane::Embed), LaneState::Ready);
    opened.notify_one();
    let reply = shop.replies.recv().await.unwrap();
    assert_eq!(reply.outcome.unwrap(), bought("tea").unwrap());
    assert_eq!(endpoint.seen().len(), 22);
    assert_eq!(hedged(&books), (0, 0), "nobody bills a refusal");
    assert_eq!(shop.metrics.hedges.with_label_values(&["lost"]).get(), 1);
}
