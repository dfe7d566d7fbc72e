//! The queue of finished traces, and the task that sends them to the collector.

use std::{fs, io, path::PathBuf, str::FromStr, time::Duration};

use opentelemetry::KeyValue;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithTonicConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{SpanData, SpanExporter as _},
};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tonic::{
    metadata::{Ascii, MetadataKey, MetadataMap, MetadataValue},
    transport::{Certificate, ClientTlsConfig, Endpoint},
};
use tracing::{info, warn};

use super::{Tracer, sampling::Sampler};
use crate::{
    config::{SecretError, TracesConfig},
    telemetry::metrics::TraceMetrics,
};

/// Traces that may wait to be sent; a trace has half a dozen spans, of half a kilobyte each.
pub(super) const QUEUE: usize = 2_048;
/// So many spans are sent at once, at most.
const BATCH: usize = 512;
/// Spans wait so long for others to be sent with.
const LINGER: Duration = Duration::from_secs(1);
/// How long the collector may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Traces can't be sent as configured.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The address is none, or its certificates can't be used.
    #[error("cannot use traces.endpoint or the certificates of traces.ca_file")]
    Endpoint(#[from] tonic::transport::Error),
    /// The file can't be read.
    #[error("cannot read traces.ca_file {path}")]
    File {
        /// The file that is configured.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A header's value can't be had.
    #[error("cannot read traces.headers.{name}")]
    Secret {
        /// The header's name.
        name: String,
        /// Why.
        source: SecretError,
    },
    /// A header can't be sent.
    #[error("traces.headers.{0} has characters that no header can carry")]
    Header(String),
    /// The exporter can't be made.
    #[error("cannot make the exporter of traces")]
    Exporter(#[from] ExporterBuildError),
}

/// Sends traces as long as it is there.
#[derive(Debug)]
pub struct Exporting {
    closing: CancellationToken,
    task: JoinHandle<()>,
    metrics: TraceMetrics,
}

impl Exporting {
    /// Starts sending, on the current Tokio runtime; `None` where no endpoint is configured. It connects
    /// with the first trace, and does not fail for a collector that is away.
    pub fn start(
        config: &TracesConfig,
        metrics: &TraceMetrics,
    ) -> Result<Option<(Self, Tracer)>, TracesError> {
        let Some(endpoint) = &config.endpoint else {
            return Ok(None);
        };
        let mut exporter = exporter(config, endpoint)?;
        exporter.set_resource(&resource(config));
        let (queue, finished) = mpsc::channel(QUEUE);
        let closing = CancellationToken::new();
        let sending = Sending {
            exporter,
            traces: finished,
            closing: closing.clone(),
            metrics: metrics.clone(),
            is_failing: false,
        };
        let exporting = Self {
            closing,
            task: tokio::spawn(sending.run()),
            metrics: metrics.clone(),
        };
        let tracer = Tracer {
            sampler: Sampler::new(config.ratio),
            queue,
            metrics: metrics.clone(),
        };
        Ok(Some((exporting, tracer)))
    }

    /// Sends what has come so far, but for no longer than `patience`.
    pub async fn stop(mut self, patience: Duration) {
        self.closing.cancel();
        if timeout(patience, &mut self.task).await.is_err() {
            self.task.abort();
            self.metrics.drop_one("shutdown");
        }
    }
}

impl Drop for Exporting {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

struct Sending {
    exporter: SpanExporter,
    traces: mpsc::Receiver<Vec<SpanData>>,
    closing: CancellationToken,
    metrics: TraceMetrics,
    /// Whether the last traces could not be sent, which was told.
    is_failing: bool,
}

impl Sending {
    async fn run(mut self) {
        while let Some((spans, traces)) = self.collect().await {
            let sent = timeout(PATIENCE, self.exporter.export(spans)).await;
            let error = match sent {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some(format!("no answer in {} s", PATIENCE.as_secs())),
            };
            self.note(error.as_deref(), traces);
        }
    }

    /// What is to be sent next, and of how many traces it is; `None` at the end.
    async fn collect(&mut self) -> Option<(Vec<SpanData>, u64)> {
        let closing = self.closing.clone();
        let mut spans = tokio::select! {
            first = self.traces.recv() => first?,
            () = closing.cancelled() => {
                self.traces.close();
                self.traces.recv().await?
            }
        };
        let (mut count, until) = (1, Instant::now() + LINGER);
        while spans.len() < BATCH {
            let next = tokio::select! {
                next = timeout_at(until, self.traces.recv()) => next,
                () = closing.cancelled(), if !self.traces.is_closed() => {
                    self.traces.close();
                    continue;
                }
            };
            let Ok(Some(next)) = next else { break };
            spans.extend(next);
            count += 1;
        }
        Some((spans, count))
    }

    fn note(&mut self, error: Option<&str>, traces: u64) {
        match error {
            None => {
                self.metrics.sent.inc_by(traces);
                if std::mem::take(&mut self.is_failing) {
                    info!("traces are sent again");
                }
            }
            Some(error) => {
                self.metrics.drop_some("not_sent", traces);
                if !std::mem::replace(&mut self.is_failing, true) {
                    warn!(
                        "traces can't be sent, and are dropped until they can; everything else goes on: {error}"
                    );
                }
            }
        }
    }
}

fn exporter(config: &TracesConfig, endpoint: &str) -> Result<SpanExporter, TracesError> {
    let mut channel = Endpoint::from_shared(endpoint.to_owned())?
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(PATIENCE);
    if endpoint.starts_with("https:") {
        let tls = ClientTlsConfig::new();
        channel = channel.tls_config(match &config.ca_file {
            None => tls.with_native_roots(),
            Some(path) => {
                let pem = fs::read(path).map_err(|source| TracesError::File {
                    path: path.clone(),
                    source,
                })?;
                tls.ca_certificate(Certificate::from_pem(pem))
            }
        })?;
    }
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_channel(channel.connect_lazy())
        .with_metadata(headers(config)?);
    Ok(exporter.build()?)
}

fn headers(config: &TracesConfig) -> Result<MetadataMap, TracesError> {
    let mut headers = MetadataMap::new();
    for (name, secret) in &config.headers {
        let value = secret.resolve().map_err(|source| TracesError::Secret {
            name: name.clone(),
            source,
        })?;
        let header = || TracesError::Header(name.clone());
        let key = MetadataKey::<Ascii>::from_str(name).map_err(|_| header())?;
        let mut value = MetadataValue::try_from(value.expose()).map_err(|_| header())?;
        value.set_sensitive(true);
        headers.insert(key, value);
    }
    Ok(headers)
}

fn resource(config: &TracesConfig) -> Resource {
    let random = || {
        let bytes = fastrand::u128(..).to_be_bytes();
        uuid::Builder::from_random_bytes(bytes)
            .into_uuid()
            .to_string()
    };
    let instance = config.instance.clone().unwrap_or_else(random);
    Resource::builder_empty()
        .with_service_name(config.service_name.clone())
        .with_attributes([
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", instance),
        ])
        .build()
}
