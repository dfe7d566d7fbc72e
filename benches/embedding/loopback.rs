//! From texts to their vectors, with an endpoint over loopback.

use std::{
    collections::BTreeMap,
    process,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use prometheus::Registry;
use tokio::{sync::mpsc, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;
use vectide::{
    config::{Config, EncodingFormat},
    cost::{Books, Purpose, Reason},
    embed::{EmbedRequest, Embedder, Once, Settings},
    record::{Priority, Ticket, Wish},
    telemetry::{CostMetrics, EmbedMetrics, Health},
};

use crate::{
    DIMENSIONS, ENCODINGS, cpu,
    endpoint::{Child, answer_name},
    report::Measured,
};

/// Requests under way at once.
const CONCURRENCY: usize = 4;

/// A round that takes longer is given up.
const PATIENCE: Duration = Duration::from_mins(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The client alone.
    Client,
    /// The whole stage.
    Stage,
}

impl Scope {
    pub(crate) const ALL: [Self; 2] = [Self::Client, Self::Stage];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Stage => "stage",
        }
    }
}

pub(crate) async fn measure(
    scope: Scope,
    endpoint: &Child,
    batch: usize,
    texts: usize,
    rounds: usize,
) -> Result<[Measured; 2]> {
    let mut all: [Vec<Measured>; 2] = [Vec::new(), Vec::new()];
    for number in 0..rounds {
        for (measured, encoding) in all.iter_mut().zip(ENCODINGS) {
            let settings = settings(endpoint, encoding, batch)?;
            // What costs much less takes more of them, against what the clock is rough by.
            let texts = match (encoding, batch) {
                (_, 1) => texts / 2,
                (EncodingFormat::Float, _) => texts,
                (EncodingFormat::Base64, _) => texts * 8,
            };
            let texts = made_up(texts.next_multiple_of(batch), number);
            let round = async {
                match scope {
                    Scope::Client => client(&settings, endpoint, &texts, batch).await,
                    Scope::Stage => stage(&settings, endpoint, texts).await,
                }
            };
            measured.push(timeout(PATIENCE, round).await??);
        }
    }
    let [float, base64] = all.map(Measured::best);
    Ok([float.context("no round")?, base64.context("no round")?])
}

fn settings(endpoint: &Child, encoding: EncodingFormat, batch: usize) -> Result<Settings> {
    let config = Config::default().embed;
    let settings = Settings::new(&config, &endpoint.url)?;
    Ok(Settings {
        encoding_format: encoding,
        query: BTreeMap::from([("answer".into(), answer_name(encoding, batch))]),
        concurrency: CONCURRENCY,
        batch_inputs: batch,
        // Only full requests go out.
        batch_linger: PATIENCE,
        requests_per_minute: None,
        ..settings
    })
}

/// Texts of products, about 400 bytes each, none of them twice.
fn made_up(count: usize, round: usize) -> Vec<Arc<str>> {
    let text = |number| {
        let words = "Waterproof hiking boots with a sole that grips on wet rock, for long days. ";
        Arc::from(format!("Product {round}/{number}: {}", words.repeat(5)))
    };
    (0..count).map(text).collect()
}

/// Runs what is to be measured.
async fn timed<T>(
    endpoint: &Child,
    texts: usize,
    run: impl Future<Output = Result<T>>,
) -> Result<Measured> {
    let (start, own, others) = (
        Instant::now(),
        cpu::of_process(process::id())?,
        endpoint.cpu()?,
    );
    run.await?;
    Ok(Measured {
        texts,
        took: start.elapsed(),
        cpu: cpu::of_process(process::id())?.saturating_sub(own),
        endpoint: endpoint.cpu()?.saturating_sub(others),
    })
}

async fn client(
    settings: &Settings,
    endpoint: &Child,
    texts: &[Arc<str>],
    batch: usize,
) -> Result<Measured> {
    let once = Once::new(settings)?;
    let requests: Arc<[Vec<Arc<str>>]> = texts.chunks(batch).map(<[_]>::to_vec).collect();
    let next = Arc::new(AtomicUsize::new(0));
    let run = async {
        let mut workers = JoinSet::new();
        for _ in 0..CONCURRENCY {
            let (once, requests, next) = (once.clone(), requests.clone(), next.clone());
            workers.spawn(async move {
                while let Some(texts) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let bought = once.ask(texts).await?;
                    ensure!(bought.vectors.len() == texts.len(), "a vector is missing");
                }
                Ok(())
            });
        }
        while let Some(ended) = workers.join_next().await {
            ended??;
        }
        Ok(())
    };
    timed(endpoint, texts.len(), run).await
}

async fn stage(settings: &Settings, endpoint: &Child, texts: Vec<Arc<str>>) -> Result<Measured> {
    let registry = Registry::new();
    let books = Books::open(&Config::default(), CostMetrics::register(&registry)?)?;
    let shutdown = CancellationToken::new();
    let embedder = Embedder::start(
        settings,
        EmbedMetrics::register(&registry)?,
        books,
        Health::default(),
        shutdown.clone(),
    )?;
    let wish = Arc::new(Wish::default());
    let (reply, mut replies) = mpsc::unbounded_channel();
    let count = texts.len();
    let run = async {
        for (ticket, text) in (0..).zip(texts) {
            embedder.submit(EmbedRequest {
                ticket: Ticket(ticket),
                text,
                purpose: Purpose {
                    table: "shop.public.products".into(),
                    reason: Reason::New,
                },
                priority: Priority::Fresh,
                wanted: Arc::downgrade(&wish),
                seen: None,
                reply: reply.clone(),
            });
        }
        for _ in 0..count {
            let reply = replies.recv().await.context("the stage has ended")?;
            for vector in reply.outcome?.vectors() {
                let length = vector.dimensions();
                ensure!(length == DIMENSIONS as usize, "a vector of length {length}");
            }
        }
        Ok(())
    };
    let measured = timed(endpoint, count, run).await;
    shutdown.cancel();
    measured
}
