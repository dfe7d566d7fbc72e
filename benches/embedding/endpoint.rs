//! An endpoint that answers with bodies made beforehand, in a process of its own.

use std::{
    env,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    process::{self, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use axum::{
    Router,
    body::Bytes,
    extract::RawQuery,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse as _, Response},
    routing::post,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use tokio::net::TcpListener;
use vectide::config::EncodingFormat;

use crate::{BATCHES, DIMENSIONS, ENCODINGS, cpu};

/// Makes this program the endpoint.
pub(crate) const ARGUMENT: &str = "--endpoint";

/// How a request's query names the answer that it is to get.
pub(crate) fn answer_name(encoding: EncodingFormat, batch: usize) -> String {
    format!("{encoding:?}-{batch}").to_lowercase()
}

/// The body of an answer, as OpenAI writes it: vectors of random numbers, of length 1 as embeddings are.
pub(crate) fn body(encoding: EncodingFormat, batch: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    let data: Vec<serde_json::Value> = (0..batch)
        .map(|index| {
            let vector: Vec<f32> = (0..DIMENSIONS).map(|_| random.f32() - 0.5).collect();
            let length = vector.iter().map(|it| it * it).sum::<f32>().sqrt();
            let vector = vector.into_iter().map(|it| it / length);
            let embedding = match encoding {
                EncodingFormat::Float => vector.map(f64::from).collect::<serde_json::Value>(),
                EncodingFormat::Base64 => {
                    let bytes: Vec<u8> = vector.flat_map(f32::to_le_bytes).collect();
                    BASE64_STANDARD.encode(bytes).into()
                }
            };
            serde_json::json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let usage = serde_json::json!({"prompt_tokens": batch * 100, "total_tokens": batch * 100});
    serde_json::json!({"object": "list", "data": data, "model": "text-embedding-3-small", "usage": usage})
        .to_string()
        .into_bytes()
}

/// Answers until its standard input ends; its first line is its address.
pub(crate) fn serve() -> Result<()> {
    let each = ENCODINGS
        .into_iter()
        .flat_map(|it| BATCHES.map(|batch| (it, batch)));
    let answers: Vec<(String, Bytes)> = each
        .map(|(it, batch)| (answer_name(it, batch), body(it, batch).into()))
        .collect();
    let answer = move |RawQuery(query): RawQuery, _: Bytes| {
        let wanted = query.as_deref().and_then(|it| it.strip_prefix("answer="));
        let known = answers.iter().find(|(name, _)| wanted == Some(name));
        let response: Response = match known {
            Some((_, body)) => ([(CONTENT_TYPE, "application/json")], body.clone()).into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        };
        async { response }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.spawn(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut out = std::io::stdout();
        writeln!(out, "http://{}/v1", listener.local_addr()?)?;
        out.flush()?;
        let router = Router::new().route("/v1/embeddings", post(answer));
        axum::serve(listener, router).await
    });
    std::io::stdin().read_to_end(&mut Vec::new())?;
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(())
}

/// The running endpoint, which ends with this.
pub(crate) struct Child {
    process: process::Child,
    pub(crate) url: String,
}

impl Child {
    pub(crate) fn start() -> Result<Self> {
        let mut process = Command::new(env::current_exe()?)
            .arg(ARGUMENT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut url = String::new();
        let out = process.stdout.take().context("no output")?;
        BufReader::new(out).read_line(&mut url)?;
        ensure!(!url.is_empty(), "the endpoint did not start");
        Ok(Self {
            process,
            url: url.trim().to_owned(),
        })
    }

    pub(crate) fn cpu(&self) -> Result<Duration> {
        cpu::of_process(self.process.id())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
