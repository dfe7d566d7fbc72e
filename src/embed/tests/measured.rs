//! How much of a provider's limits is used over HTTP, in real time: figures for people, so not run
//! by default (`cargo test --lib measured -- --ignored --nocapture`). `schedule::simulation` shows
//! the same in simulated time.

use vectide_embedded::embeddings::{Behaviour, EmbeddedEmbeddings, EmbeddingsOptions, Stats};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A minute.
const REQUESTS: u32 = 3_000;
const TOKENS: u32 = 600_000;

/// Texts that a member keeps in its queue.
const BACKLOG: i64 = 2_000;

async fn provider() -> EmbeddedEmbeddings {
    let behaviour = Behaviour {
        latency_ms: 100,
        requests_per_minute: REQUESTS.try_into().ok(),
        tokens_per_minute: TOKENS.try_into().ok(),
        max_inputs: Some(2_048),
        max_tokens_per_input: Some(8_192),
        max_tokens_per_request: Some(300_000),
        ..Behaviour::default()
    };
    let options = EmbeddingsOptions {
        behaviour,
        ..EmbeddingsOptions::default()
    };
    EmbeddedEmbeddings::start(options).await.unwrap()
}

fn member(provider: &EmbeddedEmbeddings) -> Shop {
    Shop::open(&Settings {
        model: "text-embedding-3-small".into(),
        dimensions: 8,
        concurrency: 10,
        batch_inputs: 128,
        batch_tokens: Some(300_000),
        requests_per_minute: REQUESTS.try_into().ok(),
        tokens_per_minute: TOKENS.try_into().ok(),
        retry_initial: SECOND,
        retry_max: 60 * SECOND,
        ..settings(provider.address())
    })
}

/// Keeps the members' queues full for a time, and says what came of it.
async fn buy_for(provider: &EmbeddedEmbeddings, members: &mut [Shop], time: Duration) -> Figures {
    let before = provider.control().stats();
    let end = Instant::now() + time;
    while Instant::now() < end {
        for member in &mut *members {
            while member.replies.try_recv().is_ok() {}
            if member.metrics.queue.get() < BACKLOG {
                let texts: Vec<String> = (0..BACKLOG)
                    .map(|_| {
                        format!("Kettle {} ", fastrand::u64(..)).repeat(fastrand::usize(1..30))
                    })
                    .collect();
                member.ask(&texts.iter().map(String::as_str).collect::<Vec<_>>());
            }
        }
        tokio::time::sleep(SECOND / 10).await;
    }
    Figures::new(before, provider.control().stats(), time)
}

#[derive(Debug)]
struct Figures {
    used_percent: f64,
    requests: u64,
    throttled: u64,
}

impl Figures {
    fn new(before: Stats, after: Stats, time: Duration) -> Self {
        let limit = f64::from(TOKENS) * time.as_secs_f64() / 60.0;
        Self {
            used_percent: 100.0 * (after.tokens - before.tokens) as f64 / limit,
            requests: after.requests - before.requests,
            throttled: after.throttled - before.throttled,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes two minutes, and needs a machine to itself"]
#[allow(clippy::print_stdout, reason = "figures for people")]
async fn the_limits_of_the_stand_in_are_used_to_the_full() {
    let provider = provider().await;
    let mut members = vec![member(&provider)];
    buy_for(&provider, &mut members, 5 * SECOND).await;
    let alone = buy_for(&provider, &mut members, 60 * SECOND).await;
    println!("one member: {alone:?}");

    members.extend([member(&provider), member(&provider)]);
    for member in &members {
        member.embedder.set_share(Share::of(4, 12));
    }
    let three = buy_for(&provider, &mut members, 60 * SECOND).await;
    println!("three members, from the rebalance on: {three:?}");

    assert!(
        alone.used_percent >= 98.0 && alone.throttled == 0,
        "{alone:?}"
    );
    assert!(three.used_percent >= 98.0, "{three:?}");
    assert!(three.throttled * 100 < three.requests, "{three:?}");
}
