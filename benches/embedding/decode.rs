//! From a received body to the encoded upserts.

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use vectide::{
    config::EncodingFormat,
    embed::Bought,
    index::{Fence, update_message},
    record::{
        Epoch, Fingerprint, Offset, Payload, PayloadHash, PointId, Position, Stored, TextHash,
        TopicPartition, Value, Write,
    },
};

use crate::{DIMENSIONS, ENCODINGS, cpu, endpoint, report::Measured};

const TOPIC: &str = "shop.public.products";

/// Rounds take at least so much CPU, against what its clock is rough by.
const ROUND: Duration = Duration::from_millis(300);

/// The points that vectors are written to, as they are when they wait for them.
struct Points {
    fence: Fence,
    payload: Payload,
    stored: Stored,
}

impl Points {
    fn new() -> Self {
        let topic: Arc<str> = TOPIC.into();
        let partition = TopicPartition {
            topic: topic.clone(),
            partition: 0,
        };
        let fields = [
            ("title", Value::String("Waterproof hiking boots".into())),
            ("category", Value::String("outdoor/boots".into())),
            ("price", Value::Decimal("129.95".into())),
            ("stock", Value::Int(17)),
            ("active", Value::Bool(true)),
        ];
        let fields = fields.map(|(name, value)| (Arc::from(name), value));
        let fingerprint = Fingerprint::new("text-embedding-3-small", DIMENSIONS, "http://here/v1");
        Self {
            fence: Fence::new(partition, Epoch(1)),
            payload: Vec::from(fields).into(),
            stored: Stored {
                topic,
                partition: 0,
                position: Position {
                    offset: Offset(7),
                    timestamp_ms: 1_767_225_600_050,
                    commit_ms: Some(1_767_225_600_000),
                    source: None,
                },
                key: "[1]".into(),
                text_hash: Some(TextHash::of_text("Waterproof hiking boots")),
                wanted: None,
                payload_hash: PayloadHash::of(&[]),
                fingerprint: fingerprint.as_str().into(),
                version: None,
                source_columns: Payload::default(),
                parked: None,
            },
        }
    }

    /// Does to an answer all that is done to it on its way; says how many bytes come of it.
    fn write(&self, body: &[u8], batch: usize) -> Result<usize> {
        let bought = Bought::read(body, batch, DIMENSIONS as usize)?;
        let writes: Vec<Write> = (0..)
            .zip(bought.vectors)
            .map(|(id, vector)| Write::Upsert {
                point: PointId::Integer(id),
                vector: Some(vector.into()),
                payload: self.payload.clone(),
                stored: Box::new(self.stored.clone()),
                unread: false,
                expected: None,
            })
            .collect();
        let message = update_message("products", "text", &self.fence, &writes);
        Ok(black_box(message).len())
    }
}

pub(crate) fn measure(batch: usize, rounds: usize) -> Result<[Measured; 2]> {
    let points = Points::new();
    let bodies = ENCODINGS.map(|encoding| (encoding, endpoint::body(encoding, batch)));
    let mut all: [Vec<Measured>; 2] = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for (measured, (encoding, body)) in all.iter_mut().zip(&bodies) {
            measured.push(round(&points, *encoding, body, batch)?);
        }
    }
    let [float, base64] = all.map(Measured::best);
    Ok([float.context("no round")?, base64.context("no round")?])
}

fn round(points: &Points, encoding: EncodingFormat, body: &[u8], batch: usize) -> Result<Measured> {
    let (start, before) = (Instant::now(), cpu::of_thread()?);
    let mut texts = 0;
    while cpu::of_thread()?.saturating_sub(before) < ROUND {
        for _ in 0..(256 / batch) {
            let bytes = points.write(black_box(body), batch)?;
            anyhow::ensure!(
                bytes > batch * DIMENSIONS as usize * 4,
                "{encoding:?}: a vector is missing"
            );
            texts += batch;
        }
    }
    Ok(Measured {
        texts,
        took: start.elapsed(),
        cpu: cpu::of_thread()?.saturating_sub(before),
        endpoint: Duration::ZERO,
    })
}
