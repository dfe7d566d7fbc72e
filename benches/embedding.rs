//! The way of an embedding alone: `cargo bench --bench embedding`.
//!
//! | scope | from | to |
//! |---|---|---|
//! | `decode` | the body of an answer, received | the bytes of the upserts, encoded |
//! | `client` | texts | their vectors, over loopback: one request after the other, four at a time |
//! | `stage` | texts, submitted one by one | their vectors, over loopback: with the queue, the tokens counted, and the answers handed out |
//!
//! Each with vectors as numbers and in base64, in requests of 1, 16 and 256 texts, all in one run and by
//! turns, so that the ratios hold on a busy machine. The endpoint is a process of its own that answers with
//! bodies prepared beforehand, so that its CPU time can be told from the client's.
//!
//! `VECTIDE_BENCH_TEXTS` is how many texts a round of `client` and `stage` asks for as numbers (eight times as many are
//! in base64, and half where each is a request), `VECTIDE_BENCH_ROUNDS` how many rounds there are, of which the one that took the least CPU counts.

#![allow(
    clippy::print_stdout,
    missing_docs,
    reason = "prints what it measures, and has no readers from outside"
)]

#[path = "embedding/cpu.rs"]
mod cpu;
#[path = "embedding/decode.rs"]
mod decode;
#[path = "embedding/endpoint.rs"]
mod endpoint;
#[path = "embedding/loopback.rs"]
mod loopback;
#[path = "embedding/report.rs"]
mod report;

use std::{env, str::FromStr};

use anyhow::{Result, anyhow};
use vectide::config::EncodingFormat;

/// Of the vectors.
const DIMENSIONS: u32 = 1536;
/// Texts in a request.
const BATCHES: [usize; 3] = [1, 16, 256];
const ENCODINGS: [EncodingFormat; 2] = [EncodingFormat::Float, EncodingFormat::Base64];

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments.iter().any(|it| it == endpoint::ARGUMENT) {
        return endpoint::serve();
    }
    let rounds = setting("VECTIDE_BENCH_ROUNDS", 5)?;
    let texts = setting("VECTIDE_BENCH_TEXTS", 8_192)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    report::head();
    for batch in BATCHES {
        report::pair("decode", batch, decode::measure(batch, rounds)?);
    }
    let endpoint = endpoint::Child::start()?;
    for scope in loopback::Scope::ALL {
        for batch in BATCHES {
            let measuring = loopback::measure(scope, &endpoint, batch, texts, rounds);
            report::pair(scope.name(), batch, runtime.block_on(measuring)?);
        }
    }
    Ok(())
}

fn setting<T: FromStr>(name: &str, default: T) -> Result<T> {
    let Ok(text) = env::var(name) else {
        return Ok(default);
    };
    let number = text.replace('_', "").parse();
    number.map_err(|_| anyhow!("{name} is no number: {text}"))
}
