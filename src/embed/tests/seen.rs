//! What whoever asks for a text sees of the requests that carry it.

use super::*;
use crate::tokens::Chunking;

impl Shop {
    /// Buys one text, and says how many texts each request had that carried it or a part of it.
    async fn seen_of(&mut self, text: &str) -> Vec<usize> {
        let seen = Arc::new(Sightings::default());
        self.embedder.submit(EmbedRequest {
            ticket: Ticket(0),
            text: text.into(),
            purpose: Purpose {
                table: "shop.products".into(),
                reason: Reason::New,
            },
            priority: Priority::Fresh,
            wanted: Arc::downgrade(&self.wish),
            seen: Some(Arc::downgrade(&seen)),
            reply: self.reply.clone(),
        });
        let reply = self.replies.recv().await.unwrap();
        reply.outcome.unwrap();
        seen.take().into_iter().map(|it| it.texts).collect()
    }
}

/// What the endpoint saw of a text, and whoever asked for it.
async fn both_of(input_limit: InputLimit, text: &str) -> (Vec<usize>, Vec<usize>) {
    let endpoint = Endpoint::start(|_, seen| seen.answer()).await;
    let mut shop = Shop::open(&Settings {
        input_limit,
        batch_inputs: 2,
        ..settings(endpoint.address)
    });
    let seen = shop.seen_of(text).await;
    let requests = endpoint.seen();
    (requests.iter().map(|it| it.inputs().len()).collect(), seen)
}

#[tokio::test]
async fn a_text_is_seen_as_it_is_sent_whole_cut_or_in_chunks() {
    let text = "kettle of steel, enamelled in red, ".repeat(20);
    let (sent, seen) = both_of(InputLimit::Unknown, &text).await;
    assert_eq!((sent, seen), (vec![1], vec![1]));
    let (sent, seen) = both_of(InputLimit::Truncate(10), &text).await;
    assert_eq!((sent, seen), (vec![1], vec![1]));
    let chunking = Chunking {
        longest: 64,
        overlap: 0,
        most: 4,
    };
    // Each request is seen once, however many chunks it carries.
    let (mut sent, mut seen) = both_of(InputLimit::Chunk(chunking), &text).await;
    assert!(sent.len() > 1, "{sent:?}");
    sent.sort_unstable();
    seen.sort_unstable();
    assert_eq!(seen, sent);
}
